/* SPDX-License-Identifier: Apache-2.0 */
/* driver show; driver doctor: one line for each binding and service, and below what should not stay
 * as it is. */

#include "cli.h"

/* One row for each check: of a single host all, of many what is not well. */
static void print_checks(struct cli *cli, const struct nsh_value *items)
{
    static const struct cli_column columns[] = {
        {"CHECK", "check", CLI_PLAIN, 0},     {"STATE", "state", CLI_STATE, 0},
        {"DRIVER", "driver", CLI_PLAIN, 0},   {"HOST", "host", CLI_PLAIN, 0},
        {"BINDING", "binding", CLI_PLAIN, 0}, {"WHAT", "text", CLI_PLAIN, 70},
        {"HINT", "hint", CLI_PLAIN, 100},     {0},
    };
    size_t room = 0, count = 0;
    for (uint32_t i = 0; i < items->count; i++) {
        const struct nsh_value *checks = nsh_get(&items->items[i], "checks");
        room += checks != NULL && checks->type == NSH_LIST ? checks->count : 0;
    }
    struct nsh_value *rows = arena_array(&cli->arena, room + 1, sizeof *rows);
    for (uint32_t i = 0; rows != NULL && i < items->count; i++) {
        const struct nsh_value *item = &items->items[i], *checks = nsh_get(item, "checks");
        for (uint32_t c = 0; checks != NULL && checks->type == NSH_LIST && c < checks->count; c++) {
            const struct nsh_value *check = &checks->items[c];
            struct nsh_member *members = arena_array(&cli->arena, 7, sizeof *members);
            if (members == NULL ||
                (items->count > 1 && strcmp(nsh_get_text(check, "state", ""), "ok") == 0)) {
                continue;
            }
            static const char *const own[] = {"check", "state", "text", "hint"};
            for (size_t m = 0; m < 4; m++) {
                members[m] = (struct nsh_member){own[m], nsh_text(nsh_get_text(check, own[m], ""))};
            }
            members[4] = (struct nsh_member){"driver", nsh_text(nsh_get_text(item, "driver", ""))};
            members[5] = (struct nsh_member){"host", nsh_text(nsh_get_text(item, "host", ""))};
            members[6] =
                (struct nsh_member){"binding", nsh_text(nsh_get_text(item, "binding", ""))};
            rows[count++] = nsh_map(members, 7);
        }
    }
    if (count > 0) {
        const struct nsh_member member = {"items", nsh_list(rows, count)};
        const struct nsh_value document = nsh_map(&member, 1);
        fputs("\n", stdout);
        cli_print_list(cli, &document, columns, "checks");
    }
}

enum cli_exit cli_driver_doctor(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"DRIVER", "driver", CLI_PLAIN, 0},
        {"HOST", "host", CLI_PLAIN, 0},
        {"STATE", "state", CLI_STATE, 0},
        {"TIME", "elapsed_ms", CLI_LENGTH, 0},
        {"BINDING", "binding", CLI_PLAIN, 0},
        {"WHAT", "text", CLI_PLAIN, 90},
        {0},
    };
    const char *name = cli->args_count > 0 ? cli_escape(cli, cli->args[0]) : "all";
    const char *host = cli->flags.host == NULL ? ""
                                               : arena_printf(&cli->arena, "?host=%s",
                                                              cli_escape(cli, cli->flags.host));
    struct nsh_value report;
    enum cli_exit result =
        cli_request(cli, "GET", arena_printf(&cli->arena, "/v1/drivers/%s/doctor%s", name, host),
                    NULL, &report);
    if (result != CLI_OK) {
        return result;
    }
    cli_print_list(cli, &report, columns, "endpoints asked");
    const struct nsh_value *items = nsh_get(&report, "items");
    if (cli->output == CLI_TABLE && items != NULL && items->type == NSH_LIST) {
        print_checks(cli, items);
    }
    cli_print_endpoints(cli, &report);
    return nsh_get_int(&report, "failures", 0) > 0 ? CLI_NO : CLI_OK;
}

static void print_part(struct cli *cli, const struct nsh_value *driver, const char *part,
                       const struct cli_column *columns)
{
    const struct nsh_value *list = nsh_get(driver, part);
    if (list != NULL && list->type == NSH_LIST) {
        const struct nsh_member member = {"items", *list};
        const struct nsh_value document = nsh_map(&member, 1);
        fputs("\n", stdout);
        cli_print_list(cli, &document, columns, part);
    }
}

enum cli_exit cli_driver_show(struct cli *cli)
{
    static const struct cli_column fields[] = {
        {"DRIVER", "name", CLI_PLAIN, 0},
        {"SUMMARY", "summary", CLI_PLAIN, 100},
        {"VERSION", "version", CLI_PLAIN, 0},
        {"MATURITY", "maturity", CLI_PLAIN, 0},
        {0},
    };
    static const struct cli_column options[] = {
        {"OPTION", "name", CLI_PLAIN, 0},       {"TYPE", "type", CLI_PLAIN, 0},
        {"REQUIRED", "required", CLI_PLAIN, 0}, {"DEFAULT", "preset", CLI_PLAIN, 0},
        {"WHAT", "help", CLI_PLAIN, 90},        {0},
    };
    static const struct cli_column verbs[] = {
        {"VERB", "name", CLI_PLAIN, 0},        {"EFFECT", "effect", CLI_PLAIN, 0},
        {"PROVEN BY", "verify", CLI_PLAIN, 0}, {"TIME", "timeout_ms", CLI_LENGTH, 0},
        {"WHAT", "help", CLI_PLAIN, 90},       {0},
    };
    struct nsh_value driver;
    enum cli_exit result = cli_request(
        cli, "GET", arena_printf(&cli->arena, "/v1/drivers/%s", cli_escape(cli, cli->args[0])),
        NULL, &driver);
    if (result != CLI_OK || cli_print_document(cli, &driver)) {
        return result;
    }
    cli_print_fields(cli, &driver, fields);
    print_part(cli, &driver, "options", options);
    print_part(cli, &driver, "verbs", verbs);
    return CLI_OK;
}
