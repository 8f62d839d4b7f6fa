/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new import into a table that people have worked on: comments, order and hand-made rows stay.
 * The table is cut into rows and what stands between them; only rows whose text agrees with their
 * mark ("# mib 1a2b3c4d", a hash) are written anew.
 */

#include "mib.h"
#include "mib_rows.h"

#include <stdio.h>

#define ROWS_MAX 131072
#define MARK "# mib "
#define MARK_DIGITS 8

struct table_row {
    struct text lead;  /* Before it: space and comments. */
    struct text body;  /* "{ ... }" */
    struct text after; /* On its last line: a comment, the mark. */
    struct text oid;
    bool met; /* This import has it. */
};

enum table_list { LIST_OBJECTS, LIST_TRAPS, LISTS_COUNT };
static const char *const list_names[] = {"objects", "traps"};

struct table_part {
    struct text before; /* Up to and with the '('. Empty: the old table lacks the list. */
    struct table_row *rows;
    size_t rows_count, rows_room;
    struct text end; /* Between the last row and ')'. */
};

struct merging {
    struct arena arena;
    struct text old, rest;
    struct table_part parts[LISTS_COUNT];
    enum table_list order[LISTS_COUNT]; /* As they stand in the old table. */
    size_t order_count;
    struct mib_merged merged;
    struct nsh_error *err;
};

/* ---- cutting ---- */

static int wrong(const struct merging *merging, const char *text)
{
    uint32_t line = 1;
    for (const char *c = merging->old.at; c < merging->rest.at; c++) {
        line += *c == '\n';
    }
    return nsh_fail(merging->err, NSH_INVALID, "line %u: %s", line, text);
}

/* How many bytes of a comment or a string stand at the beginning; 0: neither. */
static uint32_t opaque_count(struct text at)
{
    const char *end = NULL;
    if (text_starts(at, "#") || text_starts(at, "//")) {
        end = memchr(at.at, '\n', at.count);
        return end == NULL ? at.count : (uint32_t)(end - at.at);
    }
    if (text_starts(at, "/*")) {
        end = memmem(at.at + 2, at.count - 2, "*/", 2);
        return end == NULL ? at.count : (uint32_t)(end - at.at) + 2;
    }
    if (text_starts(at, "\"")) {
        uint32_t count = 1;
        while (count < at.count && at.at[count] != '"') {
            count += at.at[count] == '\\' ? 2 : 1;
        }
        return count < at.count ? count + 1 : at.count;
    }
    return 0;
}

static struct text from(struct text whole, uint32_t count)
{
    count = count > whole.count ? whole.count : count;
    return (struct text){whole.at + count, whole.count - count};
}

/* The count of bytes before the first of chars outside of comments and strings; rest.count: none */
static uint32_t until(struct text rest, const char *chars)
{
    uint32_t count = 0;
    while (count < rest.count && strchr(chars, rest.at[count]) == NULL) {
        uint32_t opaque = opaque_count(from(rest, count));
        count += opaque > 0 ? opaque : 1;
    }
    return count > rest.count ? rest.count : count;
}

static struct text cut(struct merging *merging, uint32_t count)
{
    struct text taken = {merging->rest.at, count};
    merging->rest = from(merging->rest, count);
    return taken;
}

/* Drop the comma between two rows: it is written again where one is due. */
static struct text without_comma(struct merging *merging, struct text text)
{
    uint32_t comma = until(text, ",");
    if (comma == text.count) {
        return text;
    }
    const char *joined = arena_printf(&merging->arena, "%.*s%.*s", (int)comma, text.at,
                                      (int)(text.count - comma - 1), text.at + comma + 1);
    return text_of(joined);
}

static struct text row_oid(struct text body)
{
    for (uint32_t i = 0; i + 3 < body.count; i++) {
        uint32_t opaque = opaque_count(from(body, i));
        struct text at = from(body, i);
        if (opaque > 0) {
            i += opaque - 1;
        } else if (text_starts(at, "oid") && strchr(" \t\n{;", body.at[i - (i > 0)]) != NULL) {
            uint32_t quote = until(from(at, 3), "\"") + 3;
            struct text value = from(at, quote);
            uint32_t count = opaque_count(value);
            if (count >= 2) {
                return (struct text){value.at + 1, count - 2};
            }
            break;
        }
    }
    return (struct text){0};
}

static struct table_row *row_add(struct merging *merging, struct table_part *part)
{
    if (part->rows_count == part->rows_room) {
        size_t room = part->rows_room == 0 ? 256 : 2 * part->rows_room;
        struct table_row *rows =
            room > ROWS_MAX ? NULL : arena_array(&merging->arena, room, sizeof *rows);
        if (rows == NULL) {
            nsh_fail(merging->err, NSH_LIMIT, "more than %d rows, or out of memory", ROWS_MAX);
            return NULL;
        }
        if (part->rows_count > 0) {
            memcpy(rows, part->rows, part->rows_count * sizeof *rows);
        }
        part->rows = rows;
        part->rows_room = room;
    }
    return &part->rows[part->rows_count++];
}

static int cut_row(struct merging *merging, struct table_part *part, struct text lead)
{
    uint32_t count = until(merging->rest, "}");
    struct table_row *row = row_add(merging, part);
    if (row == NULL) {
        return -NSH_LIMIT;
    }
    if (count == merging->rest.count) {
        return wrong(merging, "a row has no end");
    }
    row->lead = lead;
    row->body = cut(merging, count + 1);
    row->oid = row_oid(row->body);
    uint32_t line = until(merging->rest, "\n{)");
    row->after = without_comma(merging, cut(merging, line));
    return 0;
}

static int cut_list(struct merging *merging, struct table_part *part)
{
    for (;;) {
        uint32_t count = until(merging->rest, "{)");
        if (count == merging->rest.count) {
            return wrong(merging, "a list has no end");
        }
        struct text lead = without_comma(merging, cut(merging, count));
        if (*merging->rest.at == ')') {
            part->end = lead;
            return 0;
        }
        int result = cut_row(merging, part, lead);
        if (result < 0) {
            return result;
        }
    }
}

/* The last word of text outside of comments: the name of the list that '(' opens. */
static bool names_list(struct text text, const char *name)
{
    struct text last = {0};
    uint32_t at = 0;
    while (at < text.count) {
        uint32_t opaque = opaque_count(from(text, at));
        uint32_t count = 0;
        while (opaque == 0 && at + count < text.count &&
               (text.at[at + count] == '_' ||
                (text.at[at + count] >= 'a' && text.at[at + count] <= 'z'))) {
            count++;
        }
        last = count > 0 ? (struct text){text.at + at, count} : last;
        at += opaque > 0 ? opaque : count > 0 ? count : 1;
    }
    return text_is(last, name);
}

static int cut_table(struct merging *merging)
{
    struct text pending = {merging->rest.at, 0};
    for (;;) {
        uint32_t count = until(merging->rest, "(");
        if (count == merging->rest.count) {
            /* Lists of other kinds, and what follows the last one, stay as they are. */
            merging->rest.count += (uint32_t)(merging->rest.at - pending.at);
            merging->rest.at = pending.at;
            return 0;
        }
        struct text before = cut(merging, count + 1);
        pending.count += before.count;
        int list = names_list(before, list_names[LIST_TRAPS])     ? LIST_TRAPS
                   : names_list(before, list_names[LIST_OBJECTS]) ? LIST_OBJECTS
                                                                  : -1;
        if (list >= 0) {
            struct table_part *part = &merging->parts[list];
            if (part->before.count > 0) {
                return wrong(merging, "a list is there twice");
            }
            part->before = pending;
            merging->order[merging->order_count++] = (enum table_list)list;
            int result = cut_list(merging, part);
            if (result < 0) {
                return result;
            }
            pending = (struct text){merging->rest.at, 0};
        }
    }
}

/* ---- merging ---- */

static uint32_t mark_of(struct text body)
{
    return (uint32_t)text_hash(body);
}

/* The mark in what follows a row; false: none. */
static bool mark_find(struct text after, uint32_t *ret_mark, uint32_t *ret_at)
{
    const char *at = after.count == 0 ? NULL : memmem(after.at, after.count, MARK, strlen(MARK));
    unsigned mark = 0;
    if (at == NULL || after.at + after.count < at + strlen(MARK) + MARK_DIGITS) {
        return false;
    }
    char digits[MARK_DIGITS + 1] = {0};
    memcpy(digits, at + strlen(MARK), MARK_DIGITS);
    *ret_at = (uint32_t)(at - after.at);
    *ret_mark = 0;
    bool read = sscanf(digits, "%8x", &mark) == 1;
    *ret_mark = mark;
    return read;
}

static struct text mark_text(struct merging *merging, struct text after, struct text body)
{
    uint32_t mark = 0;
    uint32_t at = 0;
    struct text rest = {0};
    if (mark_find(after, &mark, &at)) {
        rest = from(after, at + (uint32_t)strlen(MARK) + MARK_DIGITS);
    }
    return text_of(arena_printf(&merging->arena, " " MARK "%08x%.*s", mark_of(body),
                                (int)rest.count, rest.count == 0 ? "" : rest.at));
}

static void renew(struct merging *merging, struct table_row *row, struct text body)
{
    uint32_t mark = 0;
    uint32_t at = 0;
    row->met = true;
    if (!mark_find(row->after, &mark, &at)) {
        merging->merged.by_hand++;
    } else if (mark != mark_of(row->body)) {
        merging->merged.edited++;
        textbuf_addf(&merging->merged.kept, "edited  %.*s\n", (int)row->oid.count, row->oid.at);
    } else if (text_equal(row->body, body)) {
        merging->merged.same++;
    } else {
        row->after = mark_text(merging, row->after, body);
        row->body = body;
        merging->merged.changed++;
    }
}

/* The row of an identifier in the old table, by hash: tables have tens of thousands of rows. */
static bool index_rows(const struct table_part *part, struct map *index)
{
    for (size_t i = part->rows_count; i > 0; i--) { /* The first row of an identifier wins. */
        struct table_row *row = &part->rows[i - 1];
        if (row->oid.count > 0 && map_set(index, row->oid, row) < 0) {
            return false;
        }
    }
    return true;
}

static int add_or_renew(struct merging *merging, struct table_part *part, const struct map *index,
                        const char *oid, struct textbuf *made)
{
    struct text body = {0};
    if (!made->failed) {
        body = arena_text(&merging->arena, (struct text){made->at, (uint32_t)made->count});
    }
    if (body.at == NULL) {
        return nsh_fail(merging->err, NSH_NOMEM, "out of memory");
    }
    struct table_row *row = map_get(index, text_of(oid));
    if (row != NULL) {
        if (!row->met) {
            renew(merging, row, body);
        }
        return 0;
    }
    row = row_add(merging, part);
    if (row == NULL) {
        return -NSH_LIMIT;
    }
    *row = (struct table_row){.lead = TEXT("\n  "), .body = body, .oid = text_of(oid), .met = true};
    row->after = mark_text(merging, (struct text){0}, body);
    merging->merged.added++;
    return row->after.at != NULL ? 0 : nsh_fail(merging->err, NSH_NOMEM, "out of memory");
}

static void count_gone(struct merging *merging, size_t list, size_t old_count)
{
    for (size_t i = 0; i < old_count; i++) {
        struct table_row *row = &merging->parts[list].rows[i];
        uint32_t mark = 0;
        uint32_t at = 0;
        if (!row->met && mark_find(row->after, &mark, &at)) {
            merging->merged.gone++;
            textbuf_addf(&merging->merged.kept, "gone    %.*s\n", (int)row->oid.count,
                         row->oid.at == NULL ? "" : row->oid.at);
        } else if (!row->met) {
            merging->merged.by_hand++;
        }
    }
}

/* Rows of one list. New ones are gathered aside: the index points into the old ones. */
static int merge_list(struct merging *merging, const struct mib *mib, enum table_list list)
{
    struct table_part *part = &merging->parts[list];
    CLEANUP(map_done) struct map index = {0};
    struct table_part grown = {0};
    size_t old_count = part->rows_count;
    int result = index_rows(part, &index) ? 0 : nsh_fail(merging->err, NSH_NOMEM, "out of memory");
    CLEANUP(textbuf_donep) struct textbuf made = {0};
    if (list == LIST_OBJECTS) {
        MAP_EACH (&mib->variables, entry) {
            const struct mib_variable *variable = entry->value;
            if (result == 0 && variable->oid != NULL) {
                textbuf_clear(&made);
                mib_variable_row(variable, &made);
                result = add_or_renew(merging, &grown, &index, variable->oid, &made);
            }
        }
    }
    for (size_t i = 0; list == LIST_TRAPS && i < mib->traps_count && result == 0; i++) {
        if (i > 0 && strcmp(mib->traps[i].oid, mib->traps[i - 1].oid) == 0) {
            continue; /* Two modules, one identifier. */
        }
        textbuf_clear(&made);
        mib_trap_row(&mib->traps[i], &made);
        result = add_or_renew(merging, &grown, &index, mib->traps[i].oid, &made);
    }
    if (result < 0) {
        return result;
    }
    count_gone(merging, list, old_count);
    for (size_t i = 0; i < grown.rows_count; i++) {
        struct table_row *row = row_add(merging, part);
        if (row == NULL) {
            return -NSH_LIMIT;
        }
        *row = grown.rows[i];
    }
    return 0;
}

/* ---- writing ---- */

static void write_list(const struct table_part *part, const char *name, struct textbuf *out)
{
    if (part->before.count > 0) {
        textbuf_add(out, part->before);
    } else {
        textbuf_addf(out, "\n%s = (", name);
    }
    for (size_t i = 0; i < part->rows_count; i++) {
        const struct table_row *row = &part->rows[i];
        textbuf_add(out, row->lead);
        textbuf_add(out, row->body);
        textbuf_add_chars(out, i + 1 < part->rows_count ? "," : "");
        textbuf_add(out, row->after);
    }
    if (part->before.count > 0) {
        /* The ')' of a table on one line must not land in the mark of a new row. */
        bool commented =
            part->rows_count > 0 && memchr(part->rows[part->rows_count - 1].after.at, '#',
                                           part->rows[part->rows_count - 1].after.count) != NULL;
        bool ended = memchr(part->end.at, '\n', part->end.count) != NULL;
        textbuf_add_chars(out, commented && !ended ? "\n" : "");
        textbuf_add(out, part->end);
    } else {
        textbuf_add_chars(out, "\n);\n");
    }
}

static void write_table(struct merging *merging, struct textbuf *out)
{
    if (merging->old.count == 0) {
        textbuf_add_chars(out,
                          "# Written by `nightshift snmp import`. Change what you know better: "
                          "a row whose text was\n# changed is kept by the next import, and so "
                          "is one without a mark (# mib).\n");
    }
    for (size_t i = 0; i < merging->order_count; i++) {
        write_list(&merging->parts[merging->order[i]], list_names[merging->order[i]], out);
    }
    textbuf_add(out, merging->rest);
    for (size_t list = 0; list < LISTS_COUNT; list++) {
        if (merging->parts[list].before.count == 0 && merging->parts[list].rows_count > 0) {
            write_list(&merging->parts[list], list_names[list], out);
        }
    }
}

int mib_merge(const struct mib *mib, struct text old, struct textbuf *out,
              struct mib_merged *ret_merged, struct nsh_error *err)
{
    struct merging merging = {.old = old, .rest = old, .err = err};
    int result = old.count == 0 ? 0 : cut_table(&merging);
    for (size_t list = 0; list < LISTS_COUNT && result == 0; list++) {
        result = merge_list(&merging, mib, (enum table_list)list);
    }
    if (result == 0) {
        write_table(&merging, out);
        if (out->failed || merging.merged.kept.failed) {
            result = nsh_fail(err, NSH_NOMEM, "out of memory");
        }
    }
    if (result == 0) {
        *ret_merged = merging.merged;
    } else {
        textbuf_done(&merging.merged.kept);
    }
    arena_done(&merging.arena);
    return result;
}
