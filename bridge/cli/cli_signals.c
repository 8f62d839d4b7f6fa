/* SPDX-License-Identifier: Apache-2.0 */
/* signal list, show: the signals of the daemon and their series. */

#include "cli_local.h"

enum cli_exit cli_signal_list(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"SIGNAL", "name", CLI_PLAIN, 0},
        {"METRIC", "metric", CLI_PLAIN, 32},
        {"RAISED WHEN", "condition", CLI_PLAIN, 56},
        {"SEVERITY", "severity", CLI_SEVERITY, 0},
        {"EVENT", "event", CLI_PLAIN, 0},
        {"SERIES", "series", CLI_PLAIN, 0},
        {"RAISED", "raised", CLI_PLAIN, 0},
        {0},
    };
    struct nsh_value list;
    enum cli_exit result = cli_request(cli, "GET", "/v1/signals", NULL, &list);
    if (result == CLI_OK) {
        cli_print_list(cli, &list, columns, "signals");
    }
    return result;
}

enum cli_exit cli_signal_show(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"HOST", "host", CLI_PLAIN, 0},
        {"RESOURCE", "resource", CLI_PLAIN, 40},
        {"STATE", "state", CLI_STATE, 0},
        {"VALUE", "value", CLI_PLAIN, 0},
        {"LEVEL", "level", CLI_PLAIN, 0},
        {"USUAL FROM", "usual_low", CLI_PLAIN, 0},
        {"TO", "usual_high", CLI_PLAIN, 0},
        {"SCORE", "score", CLI_PLAIN, 0},
        {"HOURS LEFT", "hours_early", CLI_PLAIN, 0},
        {"LAST", "last_ms", CLI_AGO, 0},
        {"TURNED", "turned_ms", CLI_AGO, 0},
        {0},
    };
    struct nsh_value list;
    const char *path = arena_printf(&cli->arena, "/v1/signals/%s", cli_escape(cli, cli->args[0]));
    enum cli_exit result = cli_request(cli, "GET", cli_path(cli, path), NULL, &list);
    if (result == CLI_OK) {
        cli_print_list(cli, &list, columns, "series");
    }
    return result;
}
