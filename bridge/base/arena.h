/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

/*
 * Arenas: memory that is freed at once. Per configuration generation, event batch, request.
 * Allocation fails by returning NULL (limit reached or out of memory); never aborts.
 */

#include "abi/value.h"
#include "base/text.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used_bytes; /* Over all blocks. */
    size_t bytes_max;  /* 0: 256 MiB */
};

#define ARENA_INIT                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }

void *arena_alloc(struct arena *arena, size_t bytes);               /* Zeroed, aligned to 16. */
void *arena_array(struct arena *arena, size_t count, size_t bytes); /* Overflow-checked. */
char *arena_copy(struct arena *arena, const char *bytes, size_t bytes_count); /* NUL-terminated. */
struct text arena_text(struct arena *arena,
                       struct text text); /* A NUL-terminated copy; .at NULL on failure. */
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void arena_reset(struct arena *arena); /* Keeps one block for reuse. */
void arena_done(struct arena *arena);

/* A deep copy of value into arena; false when memory ran out. */
bool arena_value(struct arena *arena, const struct nsh_value *value, struct nsh_value *ret_value);

#define CLEANUP(function) __attribute__((cleanup(function)))
#define TAKE(pointer)                                                                              \
    ({                                                                                             \
        __typeof__(pointer) taken_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })

void freep(void *pointer_to_pointer);
void arena_donep(struct arena *arena);
void textbuf_donep(struct textbuf *buf);
void closep(int *fd);

#endif
