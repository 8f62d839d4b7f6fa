/* SPDX-License-Identifier: Apache-2.0 */
/* Leases to disturb a host: what other tools hold, and one by hand. */

#include "cli.h"

#include "base/json.h"

static const struct cli_column columns[] = {
    {"LEASE", "id", CLI_PLAIN, 0},       {"HOST", "host", CLI_PLAIN, 0},
    {"DOMAIN", "scope", CLI_PLAIN, 0},   {"OWNER", "owner", CLI_PLAIN, 0},
    {"SINCE", "since_ms", CLI_AGO, 0},   {"STATE", "state", CLI_STATE, 0},
    {"REASON", "reason", CLI_PLAIN, 60}, {0},
};

enum cli_exit cli_lease_list(struct cli *cli)
{
    struct nsh_value document;
    if (cli->flags.state == NULL) {
        cli->flags.state = "active";
    }
    enum cli_exit result = cli_request(cli, "GET", cli_path(cli, "/v1/leases"), NULL, &document);
    if (result == CLI_OK) {
        cli_print_list(cli, &document, columns, "leases");
    }
    return result;
}

static enum cli_exit ask(struct cli *cli, const char *method, const char *path,
                         struct textbuf *body, const char *said)
{
    if (cli->flags.lasting != NULL) {
        cli_body_add(body, "ttl", cli->flags.lasting);
    }
    if (cli->flags.reason != NULL && cli->flags.reason[0] != 0) {
        cli_body_add(body, "reason", cli->flags.reason);
    }
    return cli_change(cli, method, path, body, said);
}

enum cli_exit cli_lease_take(struct cli *cli)
{
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    if (cli->flags.reason == NULL || cli->flags.reason[0] == 0) {
        return cli_fail(CLI_USAGE, "lease take needs --reason TEXT: others will ask");
    }
    textbuf_add_char(&body, '{');
    cli_body_add(&body, strchr(cli->args[0], '=') == NULL ? "host" : "domain", cli->args[0]);
    return ask(cli, "POST", "/v1/leases", &body,
               "leased: it counts in the budgets until nightshift lease release");
}

enum cli_exit cli_lease_renew(struct cli *cli)
{
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    textbuf_add_char(&body, '{');
    return ask(cli, "POST",
               arena_printf(&cli->arena, "/v1/leases/%s/renew", cli_escape(cli, cli->args[0])),
               &body, "renewed");
}

enum cli_exit cli_lease_release(struct cli *cli)
{
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    textbuf_add_char(&body, '{');
    return ask(cli, "DELETE",
               arena_printf(&cli->arena, "/v1/leases/%s", cli_escape(cli, cli->args[0])), &body,
               "released");
}
