/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nightshift-man FOLDER DRIVERS: writes the manual pages (mdoc) out of the tables that the programs
 * themselves are made of, so that they cannot say anything else.
 */

#include "base/arena.h"
#include "loop/drivers.h"
#include "man.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Macro letters and backslashes of a text must not be taken for mdoc. */
static void man_text(FILE *page, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\') {
            fputs("\\e", page);
        } else if (*at == '\n' || (*at == ' ' && at > text && at[-1] == '.' && at[1] != '\0')) {
            fputc('\n', page); /* A new sentence, a new line: mdoc spaces them. */
        } else if (at == text && (*at == '.' || *at == '\'')) {
            fprintf(page, "\\&%c", *at);
        } else {
            fputc(*at, page);
        }
    }
    fputc('\n', page);
}

/* One argument of a macro: quoted, since a dot or a two-letter word would be a macro. */
void man_argument(FILE *page, const char *text)
{
    fputs(" \"", page);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '"') {
            fputs("\"\"", page);
        } else if (*at == '\\') {
            fputs("\\e", page);
        } else if (*at == '-') {
            fputs("\\-", page);
        } else {
            fputc(*at, page);
        }
    }
    fputc('"', page);
}

void man_item(FILE *page, const char *term, const char *rest, const char *help)
{
    fputs(".It Xo\n.Ic", page);
    man_argument(page, term);
    if (rest != NULL && rest[0] != '\0') {
        fputs("\n.Ar", page);
        man_argument(page, rest);
    }
    fputs("\n.Xc\n", page);
    man_text(page, help);
}

void man_paragraph(FILE *page, const char *text)
{
    fputs(".Pp\n", page);
    man_text(page, text);
}

void man_section(FILE *page, const char *title, const char *text)
{
    fputs(".Sh", page);
    man_argument(page, title);
    fputc('\n', page);
    if (text != NULL) {
        man_text(page, text);
    }
}

void man_list(FILE *page)
{
    fputs(".Bl -tag -width 8n\n", page);
}

void man_list_end(FILE *page)
{
    fputs(".El\n", page);
}

static FILE *page_open(const char *folder, const struct man_page *row)
{
    CLEANUP(textbuf_donep) struct textbuf path = {0};
    textbuf_addf(&path, "%s/%s.%s", folder, row->name, row->volume);
    FILE *page = path.failed ? NULL : fopen(path.at, "we");
    if (page == NULL) {
        fprintf(stderr, "nightshift-man: %s: %s\n", path.at == NULL ? folder : path.at,
                strerror(errno));
        return NULL;
    }
    CLEANUP(textbuf_donep) struct textbuf title = {0};
    for (const char *at = row->name; *at != '\0'; at++) {
        textbuf_add_char(&title, (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at));
    }
    fprintf(page,
            ".\\\" SPDX-License-Identifier: Apache-2.0\n.\\\" Made from tables: do not edit.\n"
            ".Dd $Mdocdate$\n.Dt %s %s\n.Os nightshift %s\n.Sh NAME\n.Nm %s\n.Nd ",
            title.at, row->volume, NIGHTSHIFT_VERSION, row->name);
    man_text(page, row->summary);
    return page;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: nightshift-man FOLDER DRIVERS\n", stderr);
        return 2;
    }
    struct nsh_error err = {0};
    struct drivers *drivers = NULL;
    if (drivers_load(argv[2], &drivers, &err) < 0) {
        fprintf(stderr, "nightshift-man: %s\n", err.text);
        return 1;
    }
    if (mkdir(argv[1], 0755) != 0 && errno != EEXIST) {
        fprintf(stderr, "nightshift-man: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    int exit = 0;
    for (const struct man_page *row = man_pages; row->name != NULL && exit == 0; row++) {
        FILE *page = page_open(argv[1], row);
        if (page == NULL) {
            exit = 1;
            break;
        }
        row->write(page, drivers);
        exit = fclose(page) == 0 ? 0 : 1;
    }
    drivers_free(drivers);
    return exit;
}
