/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DOCTOR_CHECKS_H
#define DAEMON_DOCTOR_CHECKS_H

/*
 * What the doctor concludes of any driver without its help. Pure.
 *
 * From the settings, by the names that drivers give them (drivers/ADDING_A_DRIVER.md): `tls`,
 * `insecure`, `url`, `address`, `user`, and every secret. From the way a reading call ended.
 */

#include "abi/doctor.h"

/* settings: checked, presets filled in, secrets resolved. */
void doctor_checks_settings(const struct nsh_driver *driver, const struct nsh_value *settings,
                            struct nsh_checks *checks);

/* The outcome of a call that only reads; a result with checks of the driver's own is merged. */
void doctor_checks_outcome(const struct nsh_outcome *outcome, int64_t elapsed_ms,
                           struct nsh_checks *checks);

/* The worst state of all; skipped ones do not count. */
enum nsh_check_state doctor_checks_worst(const struct nsh_checks *checks);

#endif
