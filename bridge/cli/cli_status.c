/* SPDX-License-Identifier: Apache-2.0 */
/* One screen that tells whether all is well. */

#include "cli.h"

static bool is_nothing(const char *cell)
{
    return strcmp(cell, "0") == 0 || strcmp(cell, "-") == 0 ||
           strcmp(cell, "0 open, 0 running") == 0;
}

/* What is zero says nothing, but for the first of a line. */
static void print_counts(struct cli *cli, const char *title, const struct nsh_value *map)
{
    if (map == NULL || map->type != NSH_MAP || map->count == 0) {
        return;
    }
    size_t column = (size_t)printf("%-11s", title);
    for (uint32_t i = 0; i < map->count; i++) {
        CLEANUP(textbuf_donep) struct textbuf cell = {0};
        const char *name = map->members[i].name;
        const char *us = strstr(name, "_us");
        if (us != NULL && map->members[i].value.type == NSH_INT) {
            textbuf_addf(&cell, "%.1fms", (double)map->members[i].value.integer / 1000.0);
            name = arena_printf(&cli->arena, "%.*s%s", (int)(us - name), name, us + 3);
        } else {
            cli_cell(cli, map, name, CLI_PLAIN, &cell);
        }
        const char *value = cell.at == NULL ? "-" : cell.at;
        if (i > 0 && is_nothing(value)) {
            continue;
        }
        char *words = arena_printf(&cli->arena, "%s %s", name, value);
        for (char *at = words; at != NULL && *at != 0 && strchr(name, '=') == NULL; at++) {
            *at = *at == '_' ? ' ' : *at;
        }
        size_t count = words == NULL ? 0 : strlen(words);
        if (column > 11 && column + 3 + count > cli_columns()) {
            column = (size_t)printf("\n%11s", "") - 1;
        }
        column += (size_t)printf("%s%s", column == 11 ? "" : "   ", words == NULL ? "" : words);
    }
    putchar('\n');
}

static void print_list(struct cli *cli, const char *title, const struct nsh_value *list)
{
    for (uint32_t i = 0; list != NULL && list->type == NSH_LIST && i < list->count; i++) {
        const struct nsh_value *item = &list->items[i];
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        if (item->type == NSH_STRING) {
            textbuf_add_safe(&text, (struct text){item->text, item->count});
        } else {
            static const char *const members[] = {"id",     "scope",   "owner",
                                                  "reason", "expires", "text"};
            for (size_t m = 0; m < sizeof members / sizeof members[0]; m++) {
                if (nsh_get(item, members[m]) != NULL) {
                    textbuf_add_chars(&text, text.count == 0 ? "" : "  ");
                    cli_cell(cli, item, members[m], CLI_PLAIN, &text);
                }
            }
        }
        printf("%s%-11s%s", cli_color_of(cli, "frozen"), title, cli_color_end(cli));
        cli_print_rest(11, text.at == NULL ? "" : text.at);
    }
}

enum cli_exit cli_status(struct cli *cli)
{
    struct nsh_value status;
    enum cli_exit result = cli_request(cli, "GET", "/v1/status", NULL, &status);
    if (result != CLI_OK || cli_print_document(cli, &status)) {
        return result;
    }
    CLEANUP(textbuf_donep) struct textbuf up = {0};
    textbuf_add_span(&up, nsh_get_int(&status, "uptime_ms", 0));
    const char *health = nsh_get_text(&status, "health", "ok");
    printf("nightshift %s  up %s  health %s%s%s\n",
           nsh_get_text(&status, "version", NIGHTSHIFT_VERSION), up.at == NULL ? "-" : up.at,
           cli_color_of(cli, health), health, cli_color_end(cli));
    print_counts(cli, "POLICIES", nsh_get(&status, "modes"));
    print_counts(cli, "INPUTS", nsh_get(&status, "inputs"));
    print_counts(cli, "ALARMS", nsh_get(&status, "alarms"));
    print_counts(cli, "RUNS", nsh_get(&status, "runs"));
    print_counts(cli, "ACTIONS", nsh_get(&status, "actions"));
    print_counts(cli, "BUDGETS", nsh_get(&status, "budgets"));
    print_counts(cli, "DRIVERS", nsh_get(&status, "drivers"));
    print_counts(cli, "STORE", nsh_get(&status, "store"));
    print_list(cli, "FROZEN", nsh_get(&status, "freezes"));
    print_list(cli, "BRAKE", nsh_get(&status, "brakes"));
    print_list(cli, "ASKS", nsh_get(&status, "approvals"));
    print_list(cli, "LEASED", nsh_get(&status, "leases"));
    print_list(cli, "!", nsh_get(&status, "warnings"));
    return CLI_OK;
}
