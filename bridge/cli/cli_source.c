/* SPDX-License-Identifier: Apache-2.0 */
/* source list, doctor: from the daemon. source format: what is built in. */

#include "cli_local.h"

#include "base/json.h"
#include "model/event.h"
#include "source/map/source_type.h"

#include <stdlib.h>

/* ---- from the daemon ----------------------------------------------------------------------- */

enum cli_exit cli_source_list(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"SOURCE", "name", CLI_PLAIN, 0},
        {"TYPE", "type", CLI_PLAIN, 0},
        {"STATE", "state", CLI_STATE, 0},
        {"HEARD", "heard_ms", CLI_AGO, 0},
        {"RECEIVED", "received", CLI_PLAIN, 0},
        {"EVENTS", "events", CLI_PLAIN, 0},
        {"KNOWN", "duplicates", CLI_PLAIN, 0},
        {"UNMATCHED", "unmatched", CLI_PLAIN, 0},
        {"MALFORMED", "malformed", CLI_PLAIN, 0},
        {"DROPPED", "dropped", CLI_PLAIN, 0},
        {0},
    };
    struct nsh_value list;
    enum cli_exit result = cli_request(cli, "GET", "/v1/sources", NULL, &list);
    if (result == CLI_OK) {
        cli_print_list(cli, &list, columns, "sources");
    }
    return result;
}

static bool any_failed(const struct nsh_value *checks)
{
    bool failed = false;
    for (uint32_t i = 0; checks != NULL && checks->type == NSH_LIST && i < checks->count; i++) {
        failed = failed || strcmp(nsh_get_text(&checks->items[i], "state", ""), "failed") == 0;
    }
    return failed;
}

enum cli_exit cli_source_doctor(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"CHECK", "check", CLI_PLAIN, 0},
        {"STATE", "state", CLI_STATE, 0},
        {"WHAT", "text", CLI_PLAIN, 90},
        {"HINT", "hint", CLI_PLAIN, 100},
        {0},
    };
    struct nsh_value report;
    enum cli_exit result = cli_request(
        cli, "GET",
        arena_printf(&cli->arena, "/v1/sources/%s/doctor", cli_escape(cli, cli->args[0])), NULL,
        &report);
    if (result != CLI_OK) {
        return result;
    }
    const struct nsh_value *checks = nsh_get(&report, "checks");
    const char *paste = nsh_get_text(&report, "paste", "");
    if (!cli_print_document(cli, &report) && checks != NULL) {
        const struct nsh_member member = {"items", *checks};
        const struct nsh_value document = nsh_map(&member, 1);
        cli_print_list(cli, &document, columns, "checks");
        if (paste[0] != '\0') {
            fputs("\nAt the sender:\n\n", stdout);
            CLEANUP(textbuf_donep) struct textbuf safe = {0};
            for (const char *at = paste; *at != '\0';) { /* Line by line: each made harmless. */
                size_t count = strcspn(at, "\n");
                textbuf_clear(&safe);
                textbuf_add_safe(&safe, (struct text){at, (uint32_t)count});
                printf("%s\n", safe.at == NULL ? "" : safe.at);
                at += count + (at[count] == '\n');
            }
        }
    }
    return any_failed(checks) ? CLI_NO : CLI_OK;
}

/* ---- formats ------------------------------------------------------------------------------- */

static enum cli_exit format_list(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"FORMAT", "name", CLI_PLAIN, 0}, {"WHAT", "summary", CLI_PLAIN, 90}, {0}};
    size_t count = 0;
    while (source_format_name(count) != NULL) {
        count++;
    }
    struct nsh_value *rows = arena_array(&cli->arena, count + 1, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < count; i++) {
        struct diags diags = {0};
        struct source_format format = {.summary = ""};
        struct nsh_member *members = arena_array(&cli->arena, 2, sizeof *members);
        source_format_read(source_format_name(i), NULL, (struct nsh_place){0}, &cli->arena, &diags,
                           &format);
        diags_done(&diags);
        if (members != NULL) {
            members[0] = (struct nsh_member){"name", nsh_text(source_format_name(i))};
            members[1] = (struct nsh_member){"summary", nsh_text(format.summary)};
            rows[i] = nsh_map(members, 2);
        }
    }
    const struct nsh_member all[] = {{"apiVersion", nsh_text("nightshift/v1")},
                                     {"kind", nsh_text("SourceFormatList")},
                                     {"items", nsh_list(rows, rows == NULL ? 0 : count)}};
    const struct nsh_value document = nsh_map(all, 3);
    cli_print_list(cli, &document, columns, "formats");
    return CLI_OK;
}

enum cli_exit cli_source_format(struct cli *cli)
{
    if (cli->args_count == 0) {
        return format_list(cli);
    }
    const char *text = source_format_text(cli->args[0]);
    if (text == NULL) {
        return cli_fail(CLI_NO,
                        "no format '%.60s' is built in; `nightshift source format` lists "
                        "them",
                        cli->args[0]);
    }
    fputs(text, stdout);
    return CLI_OK;
}
