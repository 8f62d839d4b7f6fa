/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_EMBEDDED_H
#define BASE_EMBEDDED_H

/*
 * Configuration texts that are in the program, by name (embed_texts() in cmake/rooms.cmake makes
 * the rows), and others of the same kind that are files: "alertmanager", or "mine.map".
 */

#include "base/confscan.h"

#define EMBEDDED_MAX 64 /* Rows of one kind. */

struct embedded_row {
    const char *name;
    const unsigned char *text; /* NUL-terminated. */
};

struct embedded_texts {
    const struct embedded_row *rows;
    size_t count;
    const char *suffix; /* Of files: ".map". */
    const char *what;   /* One of them, for messages: "format". */
    const char *remedy; /* When no name is near. */
};

struct embedded_wanted {
    const char *name;
    const char *folder;  /* Files without / are there; NULL: in the working directory. */
    struct nsh_place at; /* Where it is named. */
};

/* NULL: there is none of that name (or place). */
const char *embedded_text(const struct embedded_texts *texts, const char *name);
const char *embedded_name(const struct embedded_texts *texts, size_t index);
bool embedded_names_file(const struct embedded_texts *texts, const char *name);
/* NULL when diags got an error, or without memory. Memory is in arena. */
struct conf *embedded_read(const struct embedded_texts *texts, const struct embedded_wanted *wanted,
                           struct arena *arena, struct diags *diags);

#endif
