/* SPDX-License-Identifier: Apache-2.0 */
/* Formats: those built in are the files of formats/, as texts in the program. */

#include "source/map/source_map.h"

#include "base/embedded.h"

static const struct embedded_row rows[] = {
#include "source_formats.inc"
};

#define FORMATS_COUNT (sizeof rows / sizeof rows[0])
_Static_assert(FORMATS_COUNT <= EMBEDDED_MAX, "more formats than names are told");

static const struct embedded_texts formats = {
    .rows = rows,
    .count = FORMATS_COUNT,
    .suffix = ".map",
    .what = "format",
    .remedy = "`nightshift source format` lists them",
};

const char *source_format_name(size_t index)
{
    return embedded_name(&formats, index);
}

const char *source_format_text(const char *name)
{
    return embedded_text(&formats, name);
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
    const struct embedded_wanted wanted = {.name = name, .folder = folder, .at = at};
    struct conf *root = embedded_read(&formats, &wanted, arena, diags);
    if (root == NULL) {
        return false;
    }
    struct source_format format = {.name = name,
                                   .summary = read_text(root, "summary", diags),
                                   .paste = read_text(root, "paste", diags),
                                   .signature = conf_get(root, "signature"),
                                   .is_file = embedded_names_file(&formats, name)};
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
