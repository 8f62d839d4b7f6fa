/* SPDX-License-Identifier: Apache-2.0 */
/* Sets: those built in are the files of tables/, as texts in the program. */

#include "source/snmp/poll_table.h"

static const struct {
    const char *name;
    const unsigned char *text; /* NUL-terminated. */
} sets[] = {
#include "poll_tables.inc"
};

#define SETS_COUNT (sizeof sets / sizeof sets[0])
_Static_assert(SETS_COUNT <= POLL_SETS_MAX, "more sets than a source can have");

const char *poll_set_name(size_t index)
{
    return index < SETS_COUNT ? sets[index].name : NULL;
}

static struct conf *built_in(const char *name, struct nsh_place at, struct arena *arena,
                             struct diags *diags)
{
    const char *names[POLL_SETS_MAX + 1] = {NULL};
    for (size_t i = 0; i < SETS_COUNT; i++) {
        names[i] = sets[i].name;
        if (strcmp(sets[i].name, name) == 0) {
            const char *shown = arena_printf(arena, "%s.poll", name);
            return shown == NULL ? NULL
                                 : conf_read_text(shown, (const char *)sets[i].text, arena, diags);
        }
    }
    const char *nearest = text_nearest(text_of(name), names);
    diag_add(diags, DIAG_ERROR, at,
             nearest == NULL ? "a file's name ends in .poll"
                             : arena_printf(arena, "did you mean '%s'?", nearest),
             "no set of tables '%.60s' is built in", name);
    return NULL;
}

bool poll_set_find(const char *name, const char *folder, struct nsh_place at, struct arena *arena,
                   struct diags *diags, struct poll_set *ret_set)
{
    static const char suffix[] = ".poll";
    size_t count = strlen(name), tail = sizeof suffix - 1;
    if (count <= tail || strcmp(name + count - tail, suffix) != 0) {
        struct conf *root = built_in(name, at, arena, diags);
        return root != NULL && poll_set_read(root, name, arena, diags, ret_set);
    }
    const char *path =
        name[0] == '/' || folder == NULL ? name : arena_printf(arena, "%s/%s", folder, name);
    struct conf *root = path == NULL ? NULL : conf_read(path, arena, diags);
    return root != NULL && poll_set_read(root, name, arena, diags, ret_set);
}
