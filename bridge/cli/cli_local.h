/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CLI_LOCAL_H
#define CLI_CLI_LOCAL_H

/* What the commands that need no daemon share. */

#include "cli.h"

#include "policy/policy.h"
#include "rehearse/rehearse.h"

/* Diagnostics are not data: stderr, in color when a person reads it there. */
void cli_diags_show(const struct cli *cli, const struct diags *diags);
void cli_diag_json(struct textbuf *out, const struct diag *diag);
/* With --config its guards and defaults, else those that are built in. What is wrong was told. */
enum cli_exit cli_site_defaults(struct cli *cli, struct policy_defaults *defaults);
/* A text file as a whole, with a NUL behind it; false: it cannot be read, or holds a NUL. */
bool cli_file_read(const char *path, struct textbuf *out);
bool cli_bytes_read(const char *path, struct textbuf *out); /* Whatever it holds. */
/* The old file stays until the new one is whole; there need be none. */
bool cli_file_replace(struct cli *cli, const char *path, const struct textbuf *text);
/* policy test --record: puts an `expect` into the tests of file that have none. */
struct cli_recorded {
    struct nsh_place at; /* Of the test. */
    const char *expect;
};
enum cli_exit cli_policy_record(struct cli *cli, const char *file,
                                const struct cli_recorded *recorded, size_t count);
/* Runs the NAME.test of every path and folder; failures are told, what was taken is added to
 * coverage. Policies without tests are no mistake. */
enum cli_exit cli_tests_run(struct cli *cli, struct coverage *coverage, size_t *ret_failed);
/* "2 errors", "1 warning", "no policies"; in cli->arena. */
const char *cli_counted(struct cli *cli, size_t count, const char *one, const char *many);

/* ---- cli_policy_diff.c ---- */

/* What changes between two folders, whether or not they load. CLI_NO: something. */
enum cli_exit cli_policy_difference(struct cli *cli, const char *before, const char *after);

#endif
