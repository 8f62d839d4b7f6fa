/* SPDX-License-Identifier: Apache-2.0 */
/* Tables, fields and colours. Colour never carries meaning alone: the word is always there. */

#include "cli.h"

#include "base/assert.h"
#include "base/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_MAX 16 /* Of a table. */
#define FIELDS_MAX 64  /* Of one object. */
#define WIDTH_MAX 40
#define WRAP_COLUMNS 100
#define LAST_WIDTH_MIN 8 /* So much of the last column is there on the narrowest terminal. */

const struct nsh_value *cli_member(const struct nsh_value *item, const char *path)
{
    char name[64];
    while (item != NULL && path != NULL) {
        size_t count = strcspn(path, ".");
        if (count >= sizeof name) {
            return NULL;
        }
        memcpy(name, path, count);
        name[count] = 0;
        item = nsh_get(item, name);
        path = path[count] == '.' ? path + count + 1 : NULL;
    }
    return item;
}

static void cell_ago(struct cli *cli, int64_t time_ms, struct textbuf *out)
{
    int64_t ago_s = (cli->now_ms - time_ms) / 1000;
    if (time_ms <= 0) {
        textbuf_add_chars(out, "-");
    } else if (ago_s < 1) {
        textbuf_add_chars(out, "now");
    } else if (ago_s < 120) {
        textbuf_addf(out, "%llds ago", (long long)ago_s);
    } else if (ago_s < 7200) {
        textbuf_addf(out, "%lldm ago", (long long)(ago_s / 60));
    } else if (ago_s < 2 * 86400) {
        textbuf_addf(out, "%lldh ago", (long long)(ago_s / 3600));
    } else {
        textbuf_addf(out, "%lldd ago", (long long)(ago_s / 86400));
    }
}

void cli_length(int64_t ms, struct textbuf *out)
{
    textbuf_add_span(out, ms);
}

#define DIGITS_SHORT_MAX 1e6 /* Beyond it six digits would be an exponent. */

static void cell_scalar(const struct nsh_value *value, struct textbuf *out)
{
    if (value->type == NSH_STRING) {
        textbuf_add_safe(out, (struct text){value->text, value->count});
    } else if (value->type == NSH_DOUBLE && fabs(value->real) < DIGITS_SHORT_MAX) {
        textbuf_addf(out, "%.6g", value->real); /* Measured: the other digits are noise. */
    } else {
        json_write(value, out);
    }
}

static void cell_list(const struct nsh_value *list, struct textbuf *out)
{
    for (uint32_t i = 0; i < list->count; i++) {
        textbuf_add_chars(out, i == 0 ? "" : ", ");
        cell_scalar(&list->items[i], out);
    }
}

/* {"env": "lab"} -> env=lab; {"bmc": {"driver": "ipmi", "address": "10.1.1.1"}} ->
 * bmc=ipmi 10.1.1.1 */
static void cell_map(const struct nsh_value *map, struct textbuf *out)
{
    for (uint32_t i = 0; i < map->count; i++) {
        const struct nsh_value *value = &map->members[i].value;
        textbuf_add_chars(out, i == 0 ? "" : ", ");
        textbuf_add_safe(out, text_of(map->members[i].name));
        textbuf_add_char(out, '=');
        for (uint32_t k = 0; value->type == NSH_MAP && k < value->count; k++) {
            textbuf_add_chars(out, k == 0 ? "" : " ");
            cell_scalar(&value->members[k].value, out);
        }
        if (value->type != NSH_MAP) {
            cell_scalar(value, out);
        }
    }
}

void cli_cell(struct cli *cli, const struct nsh_value *item, const char *member,
              enum cli_format format, struct textbuf *out)
{
    const struct nsh_value *value = cli_member(item, member);
    if (value == NULL || value->type == NSH_NULL ||
        (value->type == NSH_STRING && value->count == 0)) {
        textbuf_add_chars(out, "-");
    } else if (format == CLI_AGO && value->type == NSH_INT) {
        cell_ago(cli, value->integer, out);
    } else if (format == CLI_LENGTH && value->type == NSH_INT) {
        cli_length(value->integer, out);
    } else if (value->type == NSH_LIST && value->count > 0) {
        cell_list(value, out);
    } else if (value->type == NSH_MAP && value->count > 0) {
        cell_map(value, out);
    } else if (value->type == NSH_LIST || value->type == NSH_MAP) {
        textbuf_add_chars(out, "-");
    } else {
        cell_scalar(value, out);
    }
}

const char *cli_color_of(const struct cli *cli, const char *word)
{
    static const struct {
        const char *word, *color;
    } colors[] = {
        {"critical", "\033[1;31m"}, {"fatal", "\033[1;31m"},   {"major", "\033[31m"},
        {"minor", "\033[33m"},      {"warning", "\033[33m"},   {"raised", "\033[31m"},
        {"failed", "\033[31m"},     {"escalated", "\033[31m"}, {"refused", "\033[33m"},
        {"running", "\033[36m"},    {"done", "\033[32m"},      {"ok", "\033[32m"},
        {"cleared", "\033[32m"},    {"verified", "\033[32m"},  {"frozen", "\033[35m"},
        {"unknown", "\033[35m"},    {"held", "\033[35m"},      {"unmatched", "\033[33m"},
        {"cancelled", "\033[2m"},   {"skipped", "\033[33m"},   {"deferred", "\033[35m"},
        {"decided", "\033[2m"},     {"waiting", "\033[36m"},   {"would-run", "\033[36m"},
        {"suggested", "\033[36m"},  {"expired", "\033[33m"},   {"run", "\033[32m"},
        {"unhealthy", "\033[31m"},
    };
    if (!cli->color) {
        return "";
    }
    for (size_t i = 0; i < sizeof colors / sizeof colors[0]; i++) {
        if (strcmp(colors[i].word, word) == 0) {
            return colors[i].color;
        }
    }
    return "";
}

const char *cli_color_end(const struct cli *cli)
{
    return cli->color ? "\033[0m" : "";
}

/* 0: not a terminal, and nothing is to be fitted. */
static size_t terminal_columns(void)
{
    struct winsize size = {0};
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

size_t cli_columns(void)
{
    size_t room = terminal_columns();
    return room > 0 && room < WRAP_COLUMNS ? room : WRAP_COLUMNS;
}

void cli_print_wrapped(const char *first, const char *text)
{
    fputs(first, stdout);
    cli_print_rest(strlen(first), text);
}

void cli_print_rest(size_t indent, const char *text)
{
    size_t column = indent, room = cli_columns();
    size_t gap = 0;
    while (*text != 0) {
        size_t count = strcspn(text, " ");
        if (column > indent && column + gap + count > room) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            column += (size_t)printf("%*s", (int)gap, "");
        }
        fwrite(text, 1, count, stdout);
        column += count;
        text += count;
        gap = strspn(text, " ");
        text += gap;
    }
    putchar('\n');
}

void cli_print_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

bool cli_print_document(struct cli *cli, const struct nsh_value *document)
{
    if (cli->output != CLI_JSON && cli->output != CLI_JSONL) {
        return false;
    }
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    const struct nsh_value *items = nsh_get(document, "items");
    if (cli->output == CLI_JSON || items == NULL || items->type != NSH_LIST) {
        if (cli->output == CLI_JSON) {
            json_write_pretty(document, &out);
        } else {
            json_write(document, &out);
        }
        textbuf_add_char(&out, '\n');
    } else {
        for (uint32_t i = 0; i < items->count; i++) {
            json_write(&items->items[i], &out);
            textbuf_add_char(&out, '\n');
        }
    }
    if (out.count > 0) {
        fwrite(out.at, 1, out.count, stdout);
    }
    return true;
}

/* Characters of UTF-8 text: what a column's width counts. */
static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text != 0; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

/* Cut after width characters, marking the cut. */
static const char *cut(struct cli *cli, const char *text, size_t width)
{
    if (characters(text) <= width) {
        return text;
    }
    size_t count = 0;
    const char *at = text;
    for (; *at != 0; at++) {
        if (((unsigned char)*at & 0xc0) != 0x80 && ++count == width) {
            break;
        }
    }
    return arena_printf(&cli->arena, "%.*s~", (int)(at - text), text);
}

static void print_padded(struct cli *cli, const char *cell, size_t width, enum cli_format format,
                         bool last)
{
    const char *color =
        format == CLI_STATE || format == CLI_SEVERITY ? cli_color_of(cli, cell) : "";
    printf("%s%s%s", color, cell, color[0] != 0 ? cli_color_end(cli) : "");
    if (!last) {
        printf("%*s", (int)(width - characters(cell) + 2), "");
    }
}

static size_t columns_count(const struct cli_column *columns, size_t most)
{
    size_t count = 0;
    while (columns[count].header != NULL) {
        NSH_ASSERT(count < most); /* What is cut off is read as "nothing is set". */
        count++;
    }
    return count;
}

/* On a terminal a row stays one line: the last column, which is the words, gives way. */
static void fit_last(struct cli *cli, const char **cells, size_t rows, size_t count,
                     const size_t *widths)
{
    size_t room = terminal_columns(), used = 0;
    for (size_t c = 0; c + 1 < count; c++) {
        used += widths[c] + 2;
    }
    if (room == 0 || used + widths[count - 1] <= room) {
        return;
    }
    size_t width = room > used + LAST_WIDTH_MIN ? room - used : LAST_WIDTH_MIN;
    for (size_t i = 0; i < rows; i++) {
        cells[i * count + count - 1] = cut(cli, cells[i * count + count - 1], width);
    }
}

static void print_table(struct cli *cli, const struct nsh_value *items,
                        const struct cli_column *columns)
{
    size_t count = columns_count(columns, COLUMNS_MAX);
    size_t widths[COLUMNS_MAX];
    NSH_ASSERT(count > 0);
    const char **cells = arena_array(&cli->arena, (size_t)items->count * count + 1, sizeof *cells);
    if (cells == NULL) {
        return;
    }
    for (size_t c = 0; c < count; c++) {
        widths[c] = cli->flags.no_headers != NULL ? 1 : characters(columns[c].header);
    }
    for (uint32_t i = 0; i < items->count; i++) {
        for (size_t c = 0; c < count; c++) {
            CLEANUP(textbuf_donep) struct textbuf cell = {0};
            cli_cell(cli, &items->items[i], columns[c].member, columns[c].format, &cell);
            const char *text =
                cut(cli, arena_printf(&cli->arena, "%s", cell.at == NULL ? "" : cell.at),
                    columns[c].width_max == 0 ? WIDTH_MAX : columns[c].width_max);
            cells[i * count + c] = text;
            widths[c] = characters(text) > widths[c] ? characters(text) : widths[c];
        }
    }
    fit_last(cli, cells, items->count, count, widths);
    if (cli->flags.no_headers == NULL && items->count > 0) {
        for (size_t c = 0; c < count; c++) {
            print_padded(cli, columns[c].header, widths[c], CLI_PLAIN, c + 1 == count);
        }
        putchar('\n');
    }
    for (uint32_t i = 0; i < items->count; i++) {
        for (size_t c = 0; c < count; c++) {
            print_padded(cli, cells[i * count + c], widths[c], columns[c].format, c + 1 == count);
        }
        putchar('\n');
    }
}

/* "2 policies", "1 policy", "1 action planned." */
static void print_count(uint32_t count, const char *what)
{
    int word = (int)strcspn(what, " ");
    if (count != 1) {
        fprintf(stderr, "%u %s\n", count, what);
    } else if (strcmp(what, "series") == 0) {
        fprintf(stderr, "1 series\n");
    } else if (word > 3 && strncmp(what + word - 3, "ies", 3) == 0) {
        fprintf(stderr, "1 %.*sy%s\n", word - 3, what, what + word);
    } else {
        fprintf(stderr, "1 %.*s%s\n", word - 1, what, what + word);
    }
}

void cli_print_list(struct cli *cli, const struct nsh_value *document,
                    const struct cli_column *columns, const char *what)
{
    if (cli_print_document(cli, document)) {
        return;
    }
    const struct nsh_value *items = nsh_get(document, "items");
    static const struct nsh_value nothing = {.type = NSH_LIST};
    if (items == NULL || items->type != NSH_LIST) {
        items = &nothing;
    }
    if (cli->output == CLI_NAME) {
        for (uint32_t i = 0; i < items->count; i++) {
            cli_print_line("%s", nsh_get_text(&items->items[i], "id",
                                              nsh_get_text(&items->items[i], "name", "?")));
        }
        return;
    }
    print_table(cli, items, columns);
    if (cli->flags.quiet == NULL && cli->flags.no_headers == NULL) {
        fflush(stdout);
        print_count(items->count, what);
    }
}

/* CLI_SET: what is not set is left out. */
static bool is_unset(const struct nsh_value *value)
{
    return (value->type == NSH_INT && value->integer == 0) ||
           (value->type == NSH_BOOL && !value->boolean) ||
           (value->type == NSH_LIST && value->count == 0);
}

/* CLI_LINES: a list, each of its items on a line. */
static void print_lines(const char *header, size_t width, const struct nsh_value *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        CLEANUP(textbuf_donep) struct textbuf cell = {0};
        cell_scalar(&list->items[i], &cell);
        printf("%-*s  %s\n", (int)width, i == 0 ? header : "", cell.at == NULL ? "" : cell.at);
    }
}

void cli_print_fields(struct cli *cli, const struct nsh_value *item,
                      const struct cli_column *columns)
{
    size_t width = 0;
    size_t count = columns_count(columns, FIELDS_MAX);
    for (size_t c = 0; c < count; c++) {
        width = strlen(columns[c].header) > width ? strlen(columns[c].header) : width;
    }
    for (size_t c = 0; c < count; c++) {
        const struct nsh_value *value = cli_member(item, columns[c].member);
        bool lines = columns[c].format == CLI_LINES;
        if (value == NULL || (lines && value->type != NSH_LIST) ||
            (columns[c].format == CLI_SET && is_unset(value))) {
            continue;
        }
        if (lines) {
            print_lines(columns[c].header, width, value);
            continue;
        }
        CLEANUP(textbuf_donep) struct textbuf cell = {0};
        cli_cell(cli, item, columns[c].member, columns[c].format, &cell);
        const char *text = cell.at == NULL ? "" : cell.at;
        const char *color = cli_color_of(cli, text);
        printf("%-*s  %s%s%s\n", (int)width, columns[c].header, color, text,
               color[0] != 0 ? cli_color_end(cli) : "");
    }
}
