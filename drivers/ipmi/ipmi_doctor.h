/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPMI_DOCTOR_H
#define IPMI_DOCTOR_H

/* What `driver doctor` asks of a BMC (ipmi_doctor.c). */

#include "ipmi_calls.h"

#define IPMI_DOCTOR "ipmi.doctor"

int ipmi_doctor_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err);
void ipmi_doctor_cancel(struct nsh_op *op);

#endif
