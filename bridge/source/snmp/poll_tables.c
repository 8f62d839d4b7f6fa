/* SPDX-License-Identifier: Apache-2.0 */
/* Sets: those built in are the files of tables/, as texts in the program. */

#include "source/snmp/poll_table.h"

#include "base/embedded.h"

static const struct embedded_row rows[] = {
#include "poll_tables.inc"
};

#define SETS_COUNT (sizeof rows / sizeof rows[0])
_Static_assert(SETS_COUNT <= POLL_SETS_MAX, "more sets than a source can have");

static const struct embedded_texts sets = {
    .rows = rows,
    .count = SETS_COUNT,
    .suffix = ".poll",
    .what = "set of tables",
    .remedy = "a file's name ends in .poll",
};

const char *poll_set_name(size_t index)
{
    return embedded_name(&sets, index);
}

bool poll_set_find(const char *name, const char *folder, struct nsh_place at, struct arena *arena,
                   struct diags *diags, struct poll_set *ret_set)
{
    const struct embedded_wanted wanted = {.name = name, .folder = folder, .at = at};
    struct conf *root = embedded_read(&sets, &wanted, arena, diags);
    return root != NULL && poll_set_read(root, name, arena, diags, ret_set);
}
