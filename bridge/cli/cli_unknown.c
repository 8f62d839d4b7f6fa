/* SPDX-License-Identifier: Apache-2.0 */
/* host unknown: what events of late said of whom they are about, where the inventory has no answer.
 */

#include "cli.h"

#include "base/map.h"

#define EVENTS "1000" /* The newest that are looked at. */

static const struct cli_column columns[] = {
    {"SOURCE", "source", CLI_PLAIN, 28},  {"SAYS", "identity", CLI_PLAIN, 48},
    {"EVENTS", "count", CLI_PLAIN, 0},    {"LAST", "last_ms", CLI_AGO, 0},
    {"LAST TYPE", "type", CLI_PLAIN, 32}, {0},
};

struct stranger {
    const char *source, *identity, *type;
    int64_t count, last_ms;
};

static struct stranger *stranger_of(struct cli *cli, struct map *strangers, const char *source,
                                    const char *identity)
{
    const char *key = arena_printf(&cli->arena, "%s\n%s", source, identity);
    struct stranger *stranger = key == NULL ? NULL : map_get(strangers, text_of(key));
    if (stranger != NULL || key == NULL) {
        return stranger;
    }
    stranger = arena_alloc(&cli->arena, sizeof *stranger);
    if (stranger == NULL || map_set(strangers, text_of(key), stranger) < 0) {
        return NULL;
    }
    *stranger = (struct stranger){.source = source, .identity = identity};
    return stranger;
}

/* Newest first: the first of a kind is the last that came. False: no memory. */
static bool gather(struct cli *cli, const struct nsh_value *items, struct map *strangers)
{
    for (uint32_t i = 0; items != NULL && items->type == NSH_LIST && i < items->count; i++) {
        const struct nsh_value *event = &items->items[i];
        const char *identity = nsh_get_text(event, "identity", "");
        if (nsh_get_text(event, "host", "")[0] != 0 || identity[0] == 0) {
            continue;
        }
        struct stranger *stranger =
            stranger_of(cli, strangers, nsh_get_text(event, "source", ""), identity);
        if (stranger == NULL) {
            return false;
        }
        if (stranger->count++ == 0) {
            stranger->type = nsh_get_text(event, "type", "");
            stranger->last_ms = nsh_get_int(event, "received_ms", 0);
        }
    }
    return true;
}

static bool print(struct cli *cli, const struct map *strangers)
{
    enum { FIELDS = 5 };
    struct nsh_value *rows = arena_array(&cli->arena, strangers->count + 1, sizeof *rows);
    struct nsh_member *members =
        arena_array(&cli->arena, (strangers->count + 1) * FIELDS, sizeof *members);
    uint32_t count = 0;
    if (rows == NULL || members == NULL) {
        return false;
    }
    MAP_EACH (strangers, entry) {
        const struct stranger *stranger = entry->value;
        struct nsh_member *row = &members[(size_t)count * FIELDS];
        row[0] = (struct nsh_member){"source", nsh_text(stranger->source)};
        row[1] = (struct nsh_member){"identity", nsh_text(stranger->identity)};
        row[2] = (struct nsh_member){"count", nsh_int(stranger->count)};
        row[3] = (struct nsh_member){"last_ms", nsh_int(stranger->last_ms)};
        row[4] = (struct nsh_member){"type", nsh_text(stranger->type)};
        rows[count++] = nsh_map(row, FIELDS);
    }
    const struct nsh_member document[] = {
        {"apiVersion", nsh_text("nightshift/v1")},
        {"kind", nsh_text("UnknownHostList")},
        {"items", nsh_list(rows, count)},
    };
    const struct nsh_value list = nsh_map(document, sizeof document / sizeof document[0]);
    cli_print_list(cli, &list, columns, "identities that fit no host");
    return true;
}

enum cli_exit cli_host_unknown(struct cli *cli)
{
    struct nsh_value document;
    cli->flags.limit = cli->flags.limit == NULL ? EVENTS : cli->flags.limit;
    enum cli_exit result = cli_request(cli, "GET", cli_path(cli, "/v1/events"), NULL, &document);
    if (result != CLI_OK) {
        return result;
    }
    struct map strangers = {0};
    bool done = gather(cli, nsh_get(&document, "items"), &strangers) && print(cli, &strangers);
    map_done(&strangers);
    return done ? CLI_OK : cli_fail(CLI_USAGE, "out of memory");
}
