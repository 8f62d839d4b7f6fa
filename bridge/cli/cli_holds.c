/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds which host; hosts that left the inventory; endpoints that do not answer. */

#include "cli.h"

#include "base/json.h"

static const struct cli_column hold_columns[] = {
    {"HOLD", "id", CLI_PLAIN, 0},
    {"HOST", "host", CLI_PLAIN, 0},
    {"WHAT", "what", CLI_PLAIN, 0},
    {"OWNER", "owner", CLI_PLAIN, 0},
    {"RUN", "run", CLI_PLAIN, 0},
    {"SINCE", "since_ms", CLI_AGO, 0},
    {"STATE", "state", CLI_STATE, 0},
    {"REASON", "reason", CLI_PLAIN, 60},
    {0},
};

enum cli_exit cli_hold_list(struct cli *cli)
{
    struct nsh_value document;
    if (cli->flags.state == NULL) {
        cli->flags.state = "held";
    }
    enum cli_exit result = cli_request(cli, "GET", cli_path(cli, "/v1/holds"), NULL, &document);
    if (result == CLI_OK) {
        cli_print_list(cli, &document, hold_columns, "holds");
    }
    return result;
}

/* A change with its reason, without which it is not asked for. */
static enum cli_exit change(struct cli *cli, const char *method, const char *path,
                            struct textbuf *body, const char *said)
{
    if (cli->flags.reason == NULL || cli->flags.reason[0] == 0) {
        return cli_fail(CLI_USAGE, "%s %s needs --reason TEXT: it is kept in the audit trail",
                        cli->command->noun, cli->command->verb);
    }
    cli_body_add(body, "reason", cli->flags.reason);
    return cli_change(cli, method, path, body, said);
}

enum cli_exit cli_hold_take(struct cli *cli)
{
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    textbuf_add_char(&body, '{');
    cli_body_add(&body, "host", cli->args[0]);
    if (cli->args_count > 1) {
        cli_body_add(&body, "what", cli->args[1]);
    }
    return change(cli, "POST", "/v1/holds", &body,
                  "held. Nothing undoes it but: nightshift hold release");
}

enum cli_exit cli_hold_release(struct cli *cli)
{
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    textbuf_add_char(&body, '{');
    const char *path = arena_printf(&cli->arena, "/v1/holds/%s", cli_escape(cli, cli->args[0]));
    return change(cli, "DELETE", path, &body, "released; nothing was done to the host");
}

enum cli_exit cli_host_confirm(struct cli *cli)
{
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    textbuf_add_char(&body, '{');
    return change(cli, "POST", "/v1/inventory/confirm", &body,
                  "the inventory is believed as it is now");
}
