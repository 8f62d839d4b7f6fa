/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SNMP_DOCTOR_H
#define SNMP_DOCTOR_H

/* What `driver doctor` asks of the PDUs of a host (snmp_doctor.c). */

#include "snmp_calls.h"

#define SNMP_DOCTOR "snmp.doctor"

int snmp_doctor_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err);
void snmp_doctor_cancel(struct nsh_op *op);

#endif
