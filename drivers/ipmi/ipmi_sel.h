/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPMI_SEL_H
#define IPMI_SEL_H

/*
 * The system event log for whoever follows it: what was added since a record that he knows
 * (ipmi_sel.c), and how sensors are called (ipmi_sensors.c). Both only read.
 */

#include "ipmi_calls.h"

#define IPMI_SEL "ipmi.sel"
#define IPMI_SENSORS "ipmi.sensors"
#define SEL_RECORD_BYTES 16
#define SEL_ANCHORS_MAX 8    /* Records that the reader remembers. */
#define SEL_RECORDS_MAX 256  /* Of one call; `more` says that there are others. */
#define SEL_RESERVES_MAX 8   /* A reservation that is lost as often is busy. */
#define SENSORS_MAX 64       /* Asked for at once. */
#define SENSOR_NAME_BYTES 16 /* As the SDR has room for. */

int ipmi_sel_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err);
void ipmi_sel_cancel(struct nsh_op *op);
int ipmi_sensors_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err);
void ipmi_sensors_cancel(struct nsh_op *op);

/* Pairs of hexadecimal digits -> bytes, at most room; the count, or -1: it is none. */
int ipmi_hex_read(const char *text, uint8_t *bytes, size_t room);

/* The type/length byte of an SDR and what follows it -> text; "" for what is no text. */
void ipmi_sensor_name(const uint8_t *bytes, size_t bytes_count,
                      char ret_name[2 * SENSOR_NAME_BYTES + 1]);

/* Close the session that a reader opened, unless another verb goes on with it: one that waits
 * between two requests (a power cycle while the host is off) does, though nothing is queued. */
void ipmi_session_leave(struct nsh_device *device);

#endif
