/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CLI_LOCAL_H
#define CLI_CLI_LOCAL_H

/* What the commands that need no daemon share. */

#include "cli.h"

#include "policy/policy.h"

/* Diagnostics are not data: stderr, in color when a person reads it there. */
void cli_diags_show(const struct cli *cli, const struct diags *diags);
void cli_diag_json(struct textbuf *out, const struct diag *diag);
/* With --config its guards and defaults, else those that are built in. What is wrong was told. */
enum cli_exit cli_site_defaults(struct cli *cli, struct policy_defaults *defaults);
/* "2 errors", "1 warning", "no policies"; in cli->arena. */
const char *cli_counted(struct cli *cli, size_t count, const char *one, const char *many);

#endif
