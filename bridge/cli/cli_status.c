/* SPDX-License-Identifier: Apache-2.0 */
/* One screen that tells whether all is well. */

#include "cli.h"

static void print_counts(struct cli *cli, const char *title, const struct nsh_value *map)
{
    if (map == NULL || map->type != NSH_MAP || map->count == 0) {
        return;
    }
    printf("%-11s", title);
    for (uint32_t i = 0; i < map->count; i++) {
        CLEANUP(textbuf_donep) struct textbuf cell = {0};
        cli_cell(cli, map, map->members[i].name, CLI_PLAIN, &cell);
        printf("%s%s %s", i == 0 ? "" : "   ", map->members[i].name,
               cell.at == NULL ? "-" : cell.at);
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
        printf("%s%-11s%s%s\n", cli_color_of(cli, "frozen"), title, cli_color_end(cli),
               text.at == NULL ? "" : text.at);
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
    textbuf_add_duration(&up, nsh_get_int(&status, "uptime_ms", 0) / 1000 * 1000);
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
    print_list(cli, "!", nsh_get(&status, "warnings"));
    return CLI_OK;
}
