/* SPDX-License-Identifier: Apache-2.0 */
/* What runs ask of people, and the answers. */

#include "cli.h"

#include "base/json.h"

static const struct cli_column columns[] = {
    {"RUN", "id", CLI_PLAIN, 0},
    {"ASKS", "for", CLI_STATE, 0},
    {"LEFT", "left_ms", CLI_LENGTH, 0},
    {"THEN", "on_timeout", CLI_PLAIN, 0},
    {"ACTION", "what", CLI_PLAIN, 0},
    {"SUBJECT", "subject", CLI_PLAIN, 0},
    {"POLICY", "policy", CLI_PLAIN, 0},
    {"GIVEN", "given", CLI_PLAIN, 0},
    {"OF", "count", CLI_PLAIN, 0},
    {"WHY", "alarm", CLI_PLAIN, 0},
    {0},
};

enum cli_exit cli_approvals(struct cli *cli)
{
    struct nsh_value document;
    enum cli_exit result = cli_request(cli, "GET", "/v1/approvals", NULL, &document);
    if (result == CLI_OK) {
        cli_print_list(cli, &document, columns, "runs ask");
    }
    return result;
}

static enum cli_exit answer(struct cli *cli, const char *word, bool reason_wanted)
{
    const char *reason = cli->flags.reason == NULL ? "" : cli->flags.reason;
    if (reason_wanted && reason[0] == 0) {
        return cli_fail(CLI_USAGE, "%s needs --reason TEXT: it is kept in the audit trail", word);
    }
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    textbuf_add_char(&body, '{');
    if (reason[0] != 0) {
        textbuf_add_chars(&body, "\"reason\":");
        textbuf_add_json(&body, text_of(reason));
    }
    textbuf_add_char(&body, '}');
    const char *path =
        arena_printf(&cli->arena, "/v1/runs/%s/%s", cli_escape(cli, cli->args[0]), word);
    struct nsh_value reply;
    enum cli_exit result = cli_request(cli, "POST", path, body.at, &reply);
    if (result == CLI_OK && !cli_print_document(cli, &reply) && cli->flags.quiet == NULL) {
        cli_print_line("%s %s: %s", nsh_get_text(&reply, "id", ""),
                       nsh_get_text(&reply, "state", ""), nsh_get_text(&reply, "text", ""));
    }
    return result;
}

enum cli_exit cli_approve(struct cli *cli)
{
    return answer(cli, "approve", false);
}

enum cli_exit cli_deny(struct cli *cli)
{
    return answer(cli, "deny", true);
}

enum cli_exit cli_veto(struct cli *cli)
{
    return answer(cli, "veto", true);
}
