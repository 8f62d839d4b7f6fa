/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_SECRET_H
#define NSH_SECRET_H

/* Which parameters of programs hold a secret, by their names. */

#include <stdbool.h>

/* "password", "snmp_priv_passwd", "community", "secret_key"; not "password_script", "ssl_key_file":
 * those name a file or a program. */
bool nsh_name_says_secret(const char *name);

#endif
