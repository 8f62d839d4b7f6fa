/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Annotations: vendors write "--#SEVERITY CRITICAL" and "--#STATE DEGRADED" between the lines of a
 * notification. For a parser of the language they are comments, so they are read here: words,
 * texts and comments of the source, nothing more.
 */

#include "mib.h"

struct notes_reading {
    struct mib *mib;
    struct text rest;
    struct text last;       /* The identifier before this one. */
    struct text before_oid; /* The identifier before a '{': "NAME { 1 3 6 } DEFINITIONS" */
    struct text module;
    struct mib_note *note; /* Of the notification that is being read, or NULL. */
};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static struct text take(struct text *rest, uint32_t count)
{
    struct text taken = {rest->at, count};
    *rest = (struct text){rest->at + count, rest->count - count};
    return taken;
}

static struct text line_rest(struct text rest)
{
    const char *end = memchr(rest.at, '\n', rest.count);
    return (struct text){rest.at, end == NULL ? rest.count : (uint32_t)(end - rest.at)};
}

/* The first word after "--#KEY". Quotes around it are dropped. */
static struct text first_word(struct text line)
{
    while (line.count > 0 && (*line.at == ' ' || *line.at == '\t' || *line.at == '"')) {
        take(&line, 1);
    }
    uint32_t count = 0;
    while (count < line.count && is_word(line.at[count])) {
        count++;
    }
    return (struct text){line.at, count};
}

static bool keep_word(struct notes_reading *reading, struct text line, const char *key,
                      const char **ret_word)
{
    if (!text_starts(line, key)) {
        return true;
    }
    take(&line, (uint32_t)strlen(key));
    struct text word = first_word(line);
    if (word.count > 0) {
        *ret_word = arena_text(&reading->mib->arena, word).at;
        return *ret_word != NULL;
    }
    return true;
}

static bool read_comment(struct notes_reading *reading)
{
    struct text line = line_rest(reading->rest);
    take(&reading->rest, line.count);
    struct mib_note *note = reading->note;
    return note == NULL || (keep_word(reading, line, "--#SEVERITY", &note->severity) &&
                            keep_word(reading, line, "--#STATE", &note->state));
}

static void skip_quoted(struct notes_reading *reading)
{
    take(&reading->rest, 1);
    const char *end = memchr(reading->rest.at, '"', reading->rest.count);
    take(&reading->rest,
         end == NULL ? reading->rest.count : (uint32_t)(end - reading->rest.at) + 1);
}

static bool begin_module(struct notes_reading *reading, struct text name)
{
    struct text kept = arena_text(&reading->mib->arena, name);
    reading->module = kept;
    reading->note = NULL;
    union {
        const char *in;
        void *out;
    } same = {.in = kept.at};
    return kept.at != NULL && map_set(&reading->mib->modules, kept, same.out) == 0;
}

static bool begin_trap(struct notes_reading *reading, struct text name)
{
    struct mib *mib = reading->mib;
    const char *key = arena_printf(&mib->arena, "%.*s::%.*s", (int)reading->module.count,
                                   reading->module.count == 0 ? "" : reading->module.at,
                                   (int)name.count, name.at);
    reading->note = arena_alloc(&mib->arena, sizeof *reading->note);
    return key != NULL && reading->note != NULL &&
           map_set(&mib->notes, text_of(key), reading->note) == 0;
}

static bool read_word(struct notes_reading *reading)
{
    uint32_t count = 0;
    while (count < reading->rest.count && is_word(reading->rest.at[count]) &&
           !(count > 0 &&
             text_starts((struct text){reading->rest.at + count, reading->rest.count - count},
                         "--"))) {
        count++;
    }
    struct text word = take(&reading->rest, count);
    bool done = true;
    if (text_is(word, "DEFINITIONS")) {
        struct text name = reading->before_oid.count > 0 ? reading->before_oid : reading->last;
        done = name.count == 0 || begin_module(reading, name);
    } else if ((text_is(word, "TRAP-TYPE") || text_is(word, "NOTIFICATION-TYPE")) &&
               reading->last.count > 0 && *reading->last.at >= 'a' && *reading->last.at <= 'z') {
        done = begin_trap(reading, reading->last);
    }
    reading->last = word;
    return done;
}

bool mib_notes_read(struct mib *mib, struct text source)
{
    struct notes_reading reading = {.mib = mib, .rest = source};
    while (reading.rest.count > 0) {
        char c = *reading.rest.at;
        if (text_starts(reading.rest, "--")) {
            if (!read_comment(&reading)) {
                return false;
            }
        } else if (c == '"') {
            skip_quoted(&reading);
            reading.last = (struct text){0};
        } else if (is_word(c)) {
            if (!read_word(&reading)) {
                return false;
            }
        } else {
            if (c == '{') {
                reading.before_oid = reading.last;
            } else if (c == ':' || c == ';' || c == ',') {
                /* Neither a list nor an assignment stands before DEFINITIONS, nor a name before a
                 * macro in IMPORTS. */
                reading.last = reading.before_oid = (struct text){0};
            }
            take(&reading.rest, 1);
        }
    }
    return true;
}
