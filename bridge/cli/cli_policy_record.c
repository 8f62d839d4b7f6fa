/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy test --record: what a test without expectations gave stands in its file afterwards, to be
 * read, corrected and kept. What is written there already is never touched.
 */

#include "cli_local.h"

#include <errno.h>

#define RECORD_BYTES_MAX (16u << 20)

/* ---- where a test ends ------------------------------------------------------------------------
 */

static const char *skip_text(const char *at)
{
    for (at++; *at != 0 && *at != '"'; at++) {
        at += *at == '\\' && at[1] != 0;
    }
    return *at == 0 ? at : at + 1;
}

static const char *skip_comment(const char *at)
{
    if (at[0] == '/' && at[1] == '*') {
        const char *stop = strstr(at + 2, "*/");
        return stop == NULL ? at + strlen(at) : stop + 2;
    }
    return at + strcspn(at, "\n");
}

/* The '}' that closes the group which begins at or after at; NULL: none. */
static const char *group_end(const char *at)
{
    unsigned depth = 0;
    while (*at != 0) {
        bool comment = *at == '#' || (at[0] == '/' && (at[1] == '/' || at[1] == '*'));
        if (*at == '"' || comment) {
            at = comment ? skip_comment(at) : skip_text(at);
            continue;
        }
        if (*at == '}' && --depth == 0) {
            return at;
        }
        depth += *at == '{';
        at++;
    }
    return NULL;
}

/* Lines and columns count from 1, columns in characters. */
static const char *place_at(const char *text, const struct nsh_place *at)
{
    for (uint32_t line = at->line; line > 1 && text != NULL; line--) {
        text = strchr(text, '\n');
        text = text == NULL ? NULL : text + 1;
    }
    for (uint32_t column = at->column; column > 1 && text != NULL && *text != 0; column--) {
        text++;
        while (((unsigned char)*text & 0xc0) == 0x80) {
            text++;
        }
    }
    return text;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

/* text up to the end of the test, then its expectations; what follows is *ret_rest. */
static bool insert_one(struct textbuf *out, const char *from, const char *text,
                       const struct cli_recorded *recorded, const char **ret_rest)
{
    const char *group = place_at(text, &recorded->at);
    const char *end = group == NULL ? NULL : group_end(group);
    if (end == NULL || end < from || recorded->expect == NULL) {
        return false;
    }
    const char *stop = end;
    while (stop > from && strchr(" \t", stop[-1]) != NULL) {
        stop--;
    }
    textbuf_add(out, (struct text){from, (uint32_t)(stop - from)});
    if (stop > from && stop[-1] != '\n') {
        textbuf_add_char(out, '\n');
    }
    textbuf_add_chars(out, "  # Recorded: what happened, which need not be what should. Read it, "
                           "correct it.\n");
    textbuf_add_chars(out, recorded->expect);
    *ret_rest = end;
    return true;
}

enum cli_exit cli_policy_record(struct cli *cli, const char *file,
                                const struct cli_recorded *recorded, size_t count)
{
    CLEANUP(textbuf_donep) struct textbuf old = {.count_max = RECORD_BYTES_MAX};
    CLEANUP(textbuf_donep) struct textbuf new = {.count_max = 2 * RECORD_BYTES_MAX};
    if (!cli_file_read(file, &old)) {
        return cli_fail(CLI_USAGE, "cannot read %s", file);
    }
    const char *rest = old.at;
    for (size_t i = 0; i < count; i++) {
        if (!insert_one(&new, rest, old.at, &recorded[i], &rest)) {
            return cli_fail(CLI_NO,
                            "%s: left as it is: where the test in line %u ends is not clear", file,
                            recorded[i].at.line);
        }
    }
    textbuf_add_chars(&new, rest);
    if (new.failed || !cli_file_replace(cli, file, &new)) {
        return cli_fail(CLI_NO, "cannot write %s: %s", file, strerror(errno));
    }
    if (cli->flags.quiet == NULL) {
        fprintf(stderr, "%s: recorded %s; read them before you trust them\n", file,
                cli_counted(cli, count, "test", "tests"));
    }
    return CLI_OK;
}
