/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reads of settings: wrong types, ranges and unknown names become diagnostics at the right
 * place. */

#include "base/confscan.h"

#include <stdio.h>

static const char *const type_words[] = {
    [CONF_GROUP] = "a group { }", [CONF_LIST] = "a list ( )", [CONF_ARRAY] = "an array [ ]",
    [CONF_STRING] = "a string",   [CONF_INT] = "an integer",  [CONF_FLOAT] = "a number",
    [CONF_BOOL] = "a boolean",
};

/* "'interval'", or what an item without a name is called. */
static const char *shown_name(const struct conf *setting, char *room, size_t room_bytes)
{
    if (setting->name == NULL) {
        return "this item";
    }
    snprintf(room, room_bytes, "'%.80s'", setting->name);
    return room;
}

struct conf *conf_get(struct conf *group, const char *name)
{
    if (group == NULL || group->type != CONF_GROUP) {
        return NULL;
    }
    for (struct conf *child = group->first; child != NULL; child = child->next) {
        if (strcmp(child->name, name) == 0) {
            child->seen = true;
            return child;
        }
    }
    return NULL;
}

/* ---- places inside strings
 * ----------------------------------------------------------------------------------- */

/* The last piece that begins at offset or before. */
static const struct conf_piece *piece_at(const struct conf *setting, uint32_t offset)
{
    size_t low = 0, high = setting->pieces_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (setting->pieces[middle].offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &setting->pieces[low];
}

static uint32_t characters(const char *at, uint32_t bytes)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        count += ((unsigned char)at[i] & 0xc0) != 0x80;
    }
    return count;
}

struct nsh_place conf_text_place(const struct conf *setting, uint32_t offset, uint32_t length)
{
    struct nsh_place place = setting->value_at;
    if (setting->type != CONF_STRING || setting->pieces_count == 0) {
        return place;
    }
    offset = offset > setting->text_bytes ? setting->text_bytes : offset;
    length = length > setting->text_bytes - offset ? setting->text_bytes - offset : length;
    const struct conf_piece *piece = piece_at(setting, offset);
    place.line = piece->line;
    place.column =
        piece->column + characters(setting->text + piece->offset, offset - piece->offset);
    place.length = 1;
    if (length == 0) {
        return place;
    }
    /* The range ends behind its last character, unless that stands on another line. */
    const struct conf_piece *end = piece_at(setting, offset + length - 1);
    if (end->line == place.line) {
        uint32_t column =
            end->column + characters(setting->text + end->offset, offset + length - end->offset);
        /* An escape at the end is two characters in the file. */
        const struct conf_piece *behind = end + 1;
        bool escaped = behind < setting->pieces + setting->pieces_count &&
                       behind->offset == offset + length && behind->line == end->line &&
                       behind->column == column + 1;
        column += escaped;
        place.length = column > place.column ? column - place.column : 1;
    } else {
        uint32_t bytes = 0;
        while (bytes < length && setting->text[offset + bytes] != '\n' &&
               piece_at(setting, offset + bytes)->line == place.line) {
            bytes++;
        }
        place.length = characters(setting->text + offset, bytes);
        place.length = place.length == 0 ? 1 : place.length;
    }
    return place;
}

/* ---- typed reads
 * --------------------------------------------------------------------------------------------- */

static void wrong_type(const struct conf *setting, const char *wanted, const char *remedy,
                       struct diags *diags)
{
    char name[100];
    diag_add(diags, DIAG_ERROR, setting->value_at, remedy, "%s must be %s, got %s",
             shown_name(setting, name, sizeof name), wanted, type_words[setting->type]);
}

const char *conf_text(struct conf *setting, const char *fallback, struct diags *diags)
{
    if (setting == NULL) {
        return fallback;
    }
    setting->seen = true;
    if (setting->type != CONF_STRING) {
        wrong_type(setting, "a string", "write it in double quotes", diags);
        return fallback;
    }
    return setting->text;
}

int64_t conf_int(struct conf *setting, int64_t fallback, int64_t min, int64_t max,
                 struct diags *diags)
{
    if (setting == NULL) {
        return fallback;
    }
    setting->seen = true;
    if (setting->type != CONF_INT) {
        wrong_type(setting, "an integer", NULL, diags);
        return fallback;
    }
    if (setting->integer < min || setting->integer > max) {
        char name[100];
        diag_add(diags, DIAG_ERROR, setting->value_at, NULL,
                 "%s must be between %lld and %lld, got %lld",
                 shown_name(setting, name, sizeof name), (long long)min, (long long)max,
                 (long long)setting->integer);
        return fallback;
    }
    return setting->integer;
}

bool conf_bool(struct conf *setting, bool fallback, struct diags *diags)
{
    if (setting == NULL) {
        return fallback;
    }
    setting->seen = true;
    if (setting->type != CONF_BOOL) {
        wrong_type(setting, "a boolean", "write true or false, without quotes", diags);
        return fallback;
    }
    return setting->boolean;
}

static void duration_range(const struct conf *setting, int64_t min, int64_t max,
                           struct diags *diags)
{
    CLEANUP(textbuf_donep) struct textbuf range = {0};
    char name[100];
    textbuf_addf(&range, "%s must be between ", shown_name(setting, name, sizeof name));
    textbuf_add_duration(&range, min);
    textbuf_add_chars(&range, " and ");
    textbuf_add_duration(&range, max);
    diag_add(diags, DIAG_ERROR, setting->value_at, NULL, "%s, got %.80s",
             range.at == NULL ? "out of range" : range.at, setting->text);
}

int64_t conf_duration_ms(struct conf *setting, int64_t fallback, int64_t min, int64_t max,
                         struct diags *diags)
{
    static const char remedy[] = "durations are strings: \"90s\", \"2m30s\", \"1h\"";
    if (setting == NULL) {
        return fallback;
    }
    setting->seen = true;
    char name[100];
    int64_t ms = 0;
    if (setting->type == CONF_INT || setting->type == CONF_FLOAT) {
        diag_add(diags, DIAG_ERROR, setting->value_at, remedy, "%s needs a unit",
                 shown_name(setting, name, sizeof name));
        return fallback;
    }
    if (setting->type != CONF_STRING) {
        wrong_type(setting, "a duration", remedy, diags);
        return fallback;
    }
    if (!text_to_duration_ms((struct text){setting->text, setting->text_bytes}, &ms)) {
        diag_add(diags, DIAG_ERROR, setting->value_at,
                 "units are ms, s, m, h, d, w: \"90s\", \"2m30s\", \"1h\"",
                 "%s is no duration: \"%.80s\"", shown_name(setting, name, sizeof name),
                 setting->text);
        return fallback;
    }
    if (ms < min || ms > max) {
        duration_range(setting, min, max, diags);
        return fallback;
    }
    return ms;
}

bool conf_value(struct conf *setting, struct arena *arena, struct nsh_value *ret_value)
{
    setting->seen = true;
    bool is_group = setting->type == CONF_GROUP;
    switch (setting->type) {
    case CONF_STRING:
        *ret_value = (struct nsh_value){
            .type = NSH_STRING, .count = setting->text_bytes, .text = setting->text};
        return true;
    case CONF_INT:
        *ret_value = nsh_int(setting->integer);
        return true;
    case CONF_FLOAT:
        *ret_value = nsh_double(setting->real);
        return true;
    case CONF_BOOL:
        *ret_value = nsh_bool(setting->boolean);
        return true;
    case CONF_GROUP:
    case CONF_LIST:
    case CONF_ARRAY:
        break;
    }
    struct nsh_member *members =
        is_group ? arena_array(arena, setting->children_count, sizeof *members) : NULL;
    struct nsh_value *items =
        is_group ? NULL : arena_array(arena, setting->children_count, sizeof *items);
    if (members == NULL && items == NULL) {
        return false;
    }
    size_t i = 0;
    for (struct conf *child = setting->first; child != NULL; child = child->next, i++) {
        if (is_group) {
            members[i].name = child->name;
        }
        if (!conf_value(child, arena, is_group ? &members[i].value : &items[i])) {
            return false;
        }
    }
    *ret_value = is_group ? nsh_map(members, i) : nsh_list(items, i);
    return true;
}

#define KNOWN_SHOWN_MAX 40 /* Of the keys of one group. */

/* "known here: a, b, c", bounded. */
static void list_known(const char *const *known, struct textbuf *out)
{
    for (size_t i = 0; i < KNOWN_SHOWN_MAX && known[i] != NULL; i++) {
        textbuf_addf(out, "%s%s", i == 0 ? "known here: " : ", ", known[i]);
    }
}

void conf_unknown(struct conf *group, const char *const *known, struct diags *diags)
{
    if (group == NULL || group->type != CONF_GROUP) {
        return;
    }
    for (struct conf *child = group->first; child != NULL; child = child->next) {
        if (child->seen) {
            continue;
        }
        CLEANUP(textbuf_donep) struct textbuf remedy = {0};
        const char *nearest = text_nearest(text_of(child->name), known);
        if (nearest != NULL) {
            textbuf_addf(&remedy, "did you mean '%s'?", nearest);
        } else {
            list_known(known, &remedy);
        }
        diag_add(diags, DIAG_ERROR, child->at, remedy.at, "unknown key '%s'%s%s", child->name,
                 group->name == NULL ? "" : " in ", group->name == NULL ? "" : group->name);
    }
}
