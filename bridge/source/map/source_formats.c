/* SPDX-License-Identifier: Apache-2.0 */
/* Formats: those built in are the files of formats/, as texts in the program. */

#include "source/map/source_map.h"

#define FORMATS_MAX 64

static const struct {
    const char *name;
    const unsigned char *text; /* NUL-terminated. */
} formats[] = {
#include "source_formats.inc"
};

#define FORMATS_COUNT (sizeof formats / sizeof formats[0])
_Static_assert(FORMATS_COUNT <= FORMATS_MAX, "more formats than names are told");

const char *source_format_name(size_t index)
{
    return index < FORMATS_COUNT ? formats[index].name : NULL;
}

const char *source_format_text(const char *name)
{
    for (size_t i = 0; i < FORMATS_COUNT; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            return (const char *)formats[i].text;
        }
    }
    return NULL;
}

static bool names_file(const char *name)
{
    static const char suffix[] = ".map";
    size_t count = strlen(name), tail = sizeof suffix - 1;
    return count > tail && strcmp(name + count - tail, suffix) == 0;
}

static struct conf *read_file(const char *name, const char *folder, struct arena *arena,
                              struct diags *diags)
{
    bool whole = name[0] == '/' || folder == NULL;
    const char *path = whole ? name : arena_printf(arena, "%s/%s", folder, name);
    return path == NULL ? NULL : conf_read(path, arena, diags);
}

static struct conf *read_built_in(const char *name, struct nsh_place at, struct arena *arena,
                                  struct diags *diags)
{
    const char *text = source_format_text(name);
    const char *shown = arena_printf(arena, "%s.map", name);
    if (text != NULL && shown != NULL) {
        return conf_read_text(shown, text, arena, diags);
    }
    const char *names[FORMATS_MAX + 1] = {NULL};
    for (size_t i = 0; i < FORMATS_COUNT; i++) {
        names[i] = formats[i].name;
    }
    const char *nearest = text_nearest(text_of(name), names);
    const char *remedy = nearest == NULL ? "`nightshift source format` lists them"
                                         : arena_printf(arena, "did you mean '%s'?", nearest);
    diag_add(diags, DIAG_ERROR, at, remedy, "no format '%.60s' is built in", name);
    return NULL;
}

static const char *read_text(struct conf *root, const char *name, struct diags *diags)
{
    return conf_text(conf_get(root, name), NULL, diags);
}

bool source_format_read(const char *name, const char *folder, struct nsh_place at,
                        struct arena *arena, struct diags *diags, struct source_format *ret_format)
{
    static const char *const known[] = {"summary", "paste", "signature", "map", NULL};
    size_t before = diags->errors_count;
    struct conf *root = names_file(name) ? read_file(name, folder, arena, diags)
                                         : read_built_in(name, at, arena, diags);
    if (root == NULL) {
        return false;
    }
    struct source_format format = {.name = name,
                                   .summary = read_text(root, "summary", diags),
                                   .paste = read_text(root, "paste", diags),
                                   .signature = conf_get(root, "signature"),
                                   .is_file = names_file(name)};
    struct conf *setting = conf_get(root, "map");
    conf_unknown(root, known, diags);
    if (setting == NULL) {
        diag_add(diags, DIAG_ERROR, root->at, "map = ( { type = \"...\"; } )",
                 "'map' is missing in format %.60s", name);
        return false;
    }
    format.map = source_map_read(setting, arena, diags);
    if (format.map == NULL || diags->errors_count > before) {
        return false;
    }
    *ret_format = format;
    return true;
}
