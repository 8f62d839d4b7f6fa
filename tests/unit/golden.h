/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GOLDEN_H
#define GOLDEN_H

/* What a test made of a file of samples, against the file of what is wanted. After unit.h. */

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* made is what stands in the file; NSH_ACCEPT=1 writes it anew, for review. */
static inline void golden_is(const char *path, const struct textbuf *made)
{
    CLEANUP(textbuf_donep) struct textbuf wanted = {0};
    char block[4096];
    size_t at = 0, line = 1;
    if (getenv("NSH_ACCEPT") != NULL) {
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_int_equal(fwrite(made->at, 1, made->count, file), made->count);
        fclose(file);
    }
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    for (size_t count; (count = fread(block, 1, sizeof block, file)) > 0;) {
        textbuf_add(&wanted, (struct text){block, (uint32_t)count});
    }
    fclose(file);
    while (at < made->count && at < wanted.count && made->at[at] == wanted.at[at]) {
        line += made->at[at++] == '\n';
    }
    if (at < made->count || at < wanted.count) {
        fail_msg("%s:%zu differs; NSH_ACCEPT=1 writes it anew, for review: got %.300s", path, line,
                 at < made->count ? made->at + at : "its end");
    }
}

/* fn with the value of each line, which is over when fn returns; how many there were. */
static inline size_t golden_each_line(const char *path,
                                      void (*fn)(void *arg, const struct nsh_value *value,
                                                 struct textbuf *out),
                                      void *arg, struct textbuf *out)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0, count = 0;
    ssize_t bytes;
    assert_non_null(file);
    while ((bytes = getline(&line, &room, file)) > 0) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct nsh_value value;
        struct nsh_error err = {0};
        if (json_parse(line, (size_t)bytes, &arena, &value, &err) < 0) {
            fail_msg("%s:%zu: %s", path, count + 1, err.text);
        }
        fn(arg, &value, out);
        count++;
    }
    free(line);
    fclose(file);
    return count;
}

#endif
