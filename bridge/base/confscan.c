/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scanner: libconfig's tokens with columns. One pass, recursive by bracket (bounded), one good
 * message for the first syntax error; libconfig then reads the same file and must see the same tree
 * (confread.c).
 */

#include "base/confscan_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct nsh_place place(const struct conf_scan *scan, uint32_t line, uint32_t column,
                              uint32_t length)
{
    return (struct nsh_place){.file = scan->file, .line = line, .column = column, .length = length};
}

struct nsh_place conf_scan_here(const struct conf_scan *scan, uint32_t length)
{
    return place(scan, scan->line, scan->column, length);
}

static void advance(struct conf_scan *scan)
{
    if (*scan->at == '\n') {
        scan->line++;
        scan->column = 1;
    } else if (((unsigned char)*scan->at & 0xc0) != 0x80) {
        scan->column++;
    }
    scan->at++;
}

static void advance_by(struct conf_scan *scan, size_t count)
{
    for (; count > 0 && *scan->at != 0; count--) {
        advance(scan);
    }
}

static bool fail(struct conf_scan *scan, struct nsh_place at, const char *remedy, const char *text)
{
    if (!scan->failed) {
        diag_add(scan->diags, DIAG_ERROR, at, remedy, "%s", text);
    }
    scan->failed = true;
    return false;
}

/* White space and comments. An @include line is handled where settings stand. */
static void skip(struct conf_scan *scan)
{
    for (;;) {
        if (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r' ||
            *scan->at == '\f') {
            advance(scan);
        } else if (*scan->at == '#' || (scan->at[0] == '/' && scan->at[1] == '/')) {
            advance_by(scan, strcspn(scan->at, "\n"));
        } else if (scan->at[0] == '/' && scan->at[1] == '*') {
            struct nsh_place open = conf_scan_here(scan, 2);
            const char *end = strstr(scan->at, "*/");
            if (end == NULL) {
                fail(scan, open, NULL, "this comment is not closed");
                advance_by(scan, strlen(scan->at));
                return;
            }
            advance_by(scan, (size_t)(end - scan->at) + 2);
        } else {
            return;
        }
    }
}

static bool is_name_first(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*';
}

static size_t name_length(const char *at)
{
    size_t count = 0;
    while (is_name_first(at[count]) || (count > 0 && ((at[count] >= '0' && at[count] <= '9') ||
                                                      at[count] == '-' || at[count] == '_'))) {
        count++;
    }
    return count;
}

static struct conf *conf_new(struct conf_scan *scan, struct conf *parent)
{
    struct conf *conf = arena_alloc(scan->arena, sizeof *conf);
    if (conf == NULL) {
        fail(scan, conf_scan_here(scan, 1), NULL, "out of memory");
        return NULL;
    }
    conf->parent = parent;
    if (parent != NULL) {
        struct conf **end = parent->first == NULL ? &parent->first : &scan->last[scan->depth]->next;
        *end = conf;
        scan->last[scan->depth] = conf;
        parent->children_count++;
    }
    return conf;
}

static bool scan_escape(struct conf_scan *scan, struct textbuf *text)
{
    static const char escapes[] = "n\nr\rt\tf\f\\\\\"\"";
    for (size_t i = 0; i + 1 < sizeof escapes; i += 2) {
        if (scan->at[1] == escapes[i]) {
            textbuf_add_char(text, escapes[i + 1]);
            advance_by(scan, 2);
            return true;
        }
    }
    if (scan->at[1] == 'x') {
        char digits[3] = {scan->at[2], scan->at[2] == 0 ? (char)0 : scan->at[3], 0};
        char *end = NULL;
        long byte = strtol(digits, &end, 16);
        if (end != digits + 2 || byte == 0) {
            return fail(scan, conf_scan_here(scan, 4), NULL,
                        "\\x wants two hexadecimal digits, not 00");
        }
        textbuf_add_char(text, (char)byte);
        advance_by(scan, 4);
        return true;
    }
    /* libconfig keeps an unknown escape as it stands, so that r'\d+' survives. */
    textbuf_add_char(text, '\\');
    advance(scan);
    return true;
}

/* Adjacent strings are joined; each piece is remembered. */
static bool scan_string(struct conf_scan *scan, struct conf *conf)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    struct conf_piece pieces[CONF_PIECES_MAX];
    conf->type = CONF_STRING;
    while (*scan->at == '"') {
        struct nsh_place open = conf_scan_here(scan, 1);
        if (conf->pieces_count == CONF_PIECES_MAX) {
            return fail(scan, open, NULL, "more pieces of a string than are supported");
        }
        advance(scan);
        pieces[conf->pieces_count++] = (struct conf_piece){
            .offset = (uint32_t)text.count, .line = scan->line, .column = scan->column};
        while (*scan->at != '"') {
            if (*scan->at == 0) {
                return fail(scan, open, "close it with \"", "this string is not closed");
            }
            if (*scan->at == '\\') {
                if (!scan_escape(scan, &text)) {
                    return false;
                }
            } else {
                textbuf_add_char(&text, *scan->at);
                advance(scan);
            }
        }
        advance(scan);
        conf->value_at.length =
            open.line == conf->value_at.line ? scan->column - conf->value_at.column : 1;
        skip(scan);
    }
    conf->text = arena_copy(scan->arena, text.at == NULL ? "" : text.at, text.count);
    conf->text_bytes = (uint32_t)text.count;
    struct conf_piece *kept = arena_array(scan->arena, conf->pieces_count, sizeof *kept);
    if (conf->text == NULL || kept == NULL || text.failed) {
        return fail(scan, conf->value_at, NULL, "out of memory");
    }
    memcpy(kept, pieces, conf->pieces_count * sizeof *kept);
    conf->pieces = kept;
    return true;
}

static bool scan_number(struct conf_scan *scan, struct conf *conf, const char *token, size_t count)
{
    char digits[64];
    char *end = NULL;
    if (count >= sizeof digits) {
        return fail(scan, conf->value_at, NULL, "a number this long is not supported");
    }
    memcpy(digits, token, count);
    digits[count] = 0;
    bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    bool is_long = count > 1 && digits[count - 1] == 'L';
    if (is_long) {
        digits[strcspn(digits, "L")] = 0;
    }
    if (!hex && strpbrk(digits, ".eE") != NULL) {
        conf->type = CONF_FLOAT;
        conf->real = strtod(digits, &end);
        return *end == 0 && isfinite(conf->real)
                   ? true
                   : fail(scan, conf->value_at, NULL, "this is no number");
    }
    conf->type = CONF_INT;
    long long value = strtoll(digits, &end, hex ? 16 : 10);
    if (*end != 0) {
        return fail(scan, conf->value_at, "texts stand in quotes: \"...\"", "this is no number");
    }
    if (!is_long && (value > INT32_MAX || value < INT32_MIN)) {
        char remedy[96];
        snprintf(remedy, sizeof remedy, "write %.40sL, or a quantity as text", digits);
        return fail(scan, conf->value_at, remedy, "integer does not fit in 32 bits");
    }
    conf->integer = value;
    return true;
}

static bool scan_scalar(struct conf_scan *scan, struct conf *conf)
{
    size_t count = strcspn(scan->at, " \t\r\n;,(){}[]=\"#");
    const char *token = scan->at;
    conf->value_at.length = (uint32_t)count;
    if (count == 0) {
        char text[64];
        snprintf(text, sizeof text,
                 *scan->at == 0 ? "a value is missing at the end of the file"
                                : "a value is missing before '%c'",
                 *scan->at);
        return fail(scan, conf->value_at, NULL, text);
    }
    if ((count == 4 && strncasecmp(token, "true", 4) == 0) ||
        (count == 5 && strncasecmp(token, "false", 5) == 0)) {
        conf->type = CONF_BOOL;
        conf->boolean = count == 4;
    } else if ((token[0] >= '0' && token[0] <= '9') || token[0] == '-' || token[0] == '+' ||
               token[0] == '.') {
        if (!scan_number(scan, conf, token, count)) {
            return false;
        }
    } else {
        char text[96];
        snprintf(text, sizeof text, "'%.*s' is no value", count > 40 ? 40 : (int)count, token);
        return fail(scan, conf->value_at, "texts stand in quotes; booleans are true and false",
                    text);
    }
    advance_by(scan, count);
    return true;
}

static bool scan_value(struct conf_scan *scan, struct conf *conf);

/* ( ... ) or [ ... ]. */
static bool scan_items(struct conf_scan *scan, struct conf *conf, char close)
{
    struct nsh_place open = conf_scan_here(scan, 1);
    struct nsh_place comma = {0};
    advance(scan);
    for (skip(scan); *scan->at != close; skip(scan)) {
        if (*scan->at == 0 || *scan->at == '}' || *scan->at == ')' || *scan->at == ']') {
            diag_add(scan->diags, DIAG_NOTE, open, NULL, "this list is not closed");
            char text[64];
            snprintf(text, sizeof text, "'%c' is missing", close);
            return fail(scan, conf_scan_here(scan, 1), NULL, text);
        }
        struct conf *item = conf_new(scan, conf);
        if (item == NULL) {
            return false;
        }
        item->at = conf_scan_here(scan, 1);
        if (!scan_value(scan, item)) {
            return false;
        }
        item->at = item->value_at;
        skip(scan);
        comma = conf_scan_here(scan, 1);
        if (*scan->at == ',') {
            advance(scan);
            skip(scan);
            if (*scan->at == close) {
                return fail(scan, comma, "remove it", "a list must not end with a comma");
            }
        } else if (*scan->at != close && *scan->at != 0) {
            return fail(scan, comma, NULL, "a ',' is missing between two items");
        }
    }
    advance(scan);
    return true;
}

static bool scan_group(struct conf_scan *scan, struct conf *conf)
{
    struct nsh_place open = conf_scan_here(scan, 1);
    advance(scan);
    if (!conf_scan_settings(scan, conf)) {
        return false;
    }
    if (*scan->at != '}') {
        diag_add(scan->diags, DIAG_NOTE, open, NULL, "this group is not closed");
        return fail(scan, conf_scan_here(scan, 1), NULL, "'}' is missing");
    }
    advance(scan);
    return true;
}

static bool scan_value(struct conf_scan *scan, struct conf *conf)
{
    conf->value_at = conf_scan_here(scan, 1);
    if (*scan->at == '"') {
        return scan_string(scan, conf);
    }
    if (*scan->at != '{' && *scan->at != '(' && *scan->at != '[') {
        return scan_scalar(scan, conf);
    }
    if (scan->depth + 1 >= CONF_DEPTH_MAX) {
        return fail(scan, conf->value_at, NULL, "nested too deep");
    }
    scan->depth++;
    conf->type = *scan->at == '{' ? CONF_GROUP : *scan->at == '(' ? CONF_LIST : CONF_ARRAY;
    bool ok = conf->type == CONF_GROUP ? scan_group(scan, conf)
                                       : scan_items(scan, conf, *scan->at == '(' ? ')' : ']');
    scan->depth--;
    return ok;
}

static bool scan_setting(struct conf_scan *scan, struct conf *group)
{
    size_t count = name_length(scan->at);
    struct nsh_place at = conf_scan_here(scan, count == 0 ? 1 : (uint32_t)count);
    if (count == 0) {
        char text[80];
        snprintf(text, sizeof text, "a name is wanted here, got '%c'", *scan->at);
        return fail(scan, at, *scan->at == ';' || *scan->at == ',' ? "remove it" : NULL, text);
    }
    const char *name = arena_copy(scan->arena, scan->at, count);
    for (struct conf *other = group->first; other != NULL && name != NULL; other = other->next) {
        if (strcmp(other->name, name) == 0) {
            diag_add(scan->diags, DIAG_NOTE, other->at, NULL, "it stands here first");
            return fail(scan, at, NULL,
                        arena_printf(scan->arena, "'%s' stands twice in this group", name));
        }
    }
    struct conf *conf = conf_new(scan, group);
    if (conf == NULL || name == NULL) {
        return false;
    }
    conf->name = name;
    conf->at = at;
    advance_by(scan, count);
    skip(scan);
    if (*scan->at != '=' && *scan->at != ':') {
        char text[120];
        snprintf(text, sizeof text, "'=' is missing after '%.60s'", name);
        return fail(scan, conf_scan_here(scan, 1), NULL, text);
    }
    advance(scan);
    skip(scan);
    if (!scan_value(scan, conf)) {
        return false;
    }
    skip(scan);
    if (*scan->at == ';' || *scan->at == ',') {
        advance(scan);
    }
    return true;
}

bool conf_scan_settings(struct conf_scan *scan, struct conf *group)
{
    for (skip(scan); *scan->at != 0 && *scan->at != '}'; skip(scan)) {
        if (*scan->at == '@') {
            if (!conf_scan_include(scan, group)) {
                return false;
            }
        } else if (!scan_setting(scan, group)) {
            return false;
        }
    }
    return !scan->failed;
}

bool conf_scan_fail(struct conf_scan *scan, struct nsh_place at, const char *remedy,
                    const char *text)
{
    return fail(scan, at, remedy, text);
}

void conf_scan_advance(struct conf_scan *scan, size_t count)
{
    advance_by(scan, count);
}
