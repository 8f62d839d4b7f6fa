/* SPDX-License-Identifier: Apache-2.0 */
#include "base/embedded.h"

#include "base/assert.h"

#include <string.h>

const char *embedded_text(const struct embedded_texts *texts, const char *name)
{
    for (size_t i = 0; i < texts->count; i++) {
        if (strcmp(texts->rows[i].name, name) == 0) {
            return (const char *)texts->rows[i].text;
        }
    }
    return NULL;
}

const char *embedded_name(const struct embedded_texts *texts, size_t index)
{
    return index < texts->count ? texts->rows[index].name : NULL;
}

bool embedded_names_file(const struct embedded_texts *texts, const char *name)
{
    size_t count = strlen(name), tail = strlen(texts->suffix);
    return count > tail && strcmp(name + count - tail, texts->suffix) == 0;
}

static struct conf *read_file(const struct embedded_wanted *wanted, struct arena *arena,
                              struct diags *diags)
{
    bool whole = wanted->name[0] == '/' || wanted->folder == NULL;
    const char *path =
        whole ? wanted->name : arena_printf(arena, "%s/%s", wanted->folder, wanted->name);
    return path == NULL ? NULL : conf_read(path, arena, diags);
}

static void say_unknown(const struct embedded_texts *texts, const struct embedded_wanted *wanted,
                        struct arena *arena, struct diags *diags)
{
    const char *names[EMBEDDED_MAX + 1] = {NULL};
    NSH_ASSERT(texts->count <= EMBEDDED_MAX);
    for (size_t i = 0; i < texts->count; i++) {
        names[i] = texts->rows[i].name;
    }
    const char *nearest = text_nearest(text_of(wanted->name), names);
    diag_add(diags, DIAG_ERROR, wanted->at,
             nearest == NULL ? texts->remedy : arena_printf(arena, "did you mean '%s'?", nearest),
             "no %s '%.60s' is built in", texts->what, wanted->name);
}

struct conf *embedded_read(const struct embedded_texts *texts, const struct embedded_wanted *wanted,
                           struct arena *arena, struct diags *diags)
{
    if (embedded_names_file(texts, wanted->name)) {
        return read_file(wanted, arena, diags);
    }
    const char *text = embedded_text(texts, wanted->name);
    if (text == NULL) {
        say_unknown(texts, wanted, arena, diags);
        return NULL;
    }
    const char *shown = arena_printf(arena, "%s%s", wanted->name, texts->suffix);
    return shown == NULL ? NULL : conf_read_text(shown, text, arena, diags);
}
