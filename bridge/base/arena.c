/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas: blocks that double; one is kept over a reset. */

#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK_BYTES_MIN 512 /* Every device has an arena: 10,000 of them are common. */
#define BLOCK_BYTES_MAX (1u << 20)
#define ARENA_BYTES_MAX_DEFAULT (256u << 20)
#define ALIGN 16

struct arena_block {
    struct arena_block *next;
    size_t room, used;
    size_t unused_; /* Keeps bytes[] aligned. */
    char bytes[] __attribute__((aligned(ALIGN)));
};

void *arena_alloc(struct arena *arena, size_t bytes)
{
    size_t max = arena->bytes_max == 0 ? ARENA_BYTES_MAX_DEFAULT : arena->bytes_max;
    if (bytes > max - ALIGN) {
        return NULL;
    }
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    struct arena_block *block = arena->blocks;
    if (block == NULL || block->room - block->used < bytes) {
        size_t room = block == NULL ? BLOCK_BYTES_MIN : block->room * 2;
        room = room > BLOCK_BYTES_MAX ? BLOCK_BYTES_MAX : room;
        room = room < bytes ? bytes : room;
        if (arena->used_bytes + bytes > max || (block = malloc(sizeof *block + room)) == NULL) {
            return NULL;
        }
        *block = (struct arena_block){.next = arena->blocks, .room = room};
        arena->blocks = block;
    }
    if (arena->used_bytes + bytes > max) {
        return NULL;
    }
    void *at = block->bytes + block->used;
    block->used += bytes;
    arena->used_bytes += bytes;
    return memset(at, 0, bytes);
}

void *arena_array(struct arena *arena, size_t count, size_t bytes)
{
    size_t all = 0;
    return __builtin_mul_overflow(count, bytes, &all) ? NULL
                                                      : arena_alloc(arena, all == 0 ? 1 : all);
}

char *arena_copy(struct arena *arena, const char *bytes, size_t bytes_count)
{
    char *copy = arena_alloc(arena, bytes_count + 1);
    if (copy != NULL && bytes_count > 0) {
        memcpy(copy, bytes, bytes_count);
    }
    return copy;
}

struct text arena_text(struct arena *arena, struct text text)
{
    return (struct text){arena_copy(arena, text.at, text.count), text.count};
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int count = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = count < 0 ? NULL : arena_alloc(arena, (size_t)count + 1);
    if (text != NULL) {
        vsnprintf(text, (size_t)count + 1, format, again);
    }
    va_end(again);
    return text;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *kept = arena->blocks;
    if (kept != NULL) {
        for (struct arena_block *block = kept->next, *next = NULL; block != NULL; block = next) {
            next = block->next;
            free(block);
        }
        kept->next = NULL;
        kept->used = 0;
    }
    arena->used_bytes = 0;
}

void arena_done(struct arena *arena)
{
    arena_reset(arena);
    free(arena->blocks);
    arena->blocks = NULL;
}

static bool value_copy(struct arena *arena, const struct nsh_value *value,
                       struct nsh_value *ret_value, unsigned depth)
{
    *ret_value = *value;
    if (depth > NSH_VALUE_DEPTH_MAX) {
        return false;
    }
    if (value->type == NSH_STRING || value->type == NSH_SECRET || value->type == NSH_DURATION) {
        ret_value->text = arena_copy(arena, value->text, value->count);
        return ret_value->text != NULL;
    }
    if (value->type == NSH_LIST) {
        struct nsh_value *items = arena_array(arena, value->count, sizeof *items);
        ret_value->items = items;
        for (uint32_t i = 0; items != NULL && i < value->count; i++) {
            if (!value_copy(arena, &value->items[i], &items[i], depth + 1)) {
                return false;
            }
        }
        return items != NULL;
    }
    if (value->type == NSH_MAP) {
        struct nsh_member *members = arena_array(arena, value->count, sizeof *members);
        ret_value->members = members;
        for (uint32_t i = 0; members != NULL && i < value->count; i++) {
            members[i].name =
                arena_copy(arena, value->members[i].name, strlen(value->members[i].name));
            if (members[i].name == NULL ||
                !value_copy(arena, &value->members[i].value, &members[i].value, depth + 1)) {
                return false;
            }
        }
        return members != NULL;
    }
    return true;
}

bool arena_value(struct arena *arena, const struct nsh_value *value, struct nsh_value *ret_value)
{
    struct nsh_value copy;
    if (!value_copy(arena, value, &copy, 0)) {
        return false;
    }
    *ret_value = copy;
    return true;
}

void freep(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

void arena_donep(struct arena *arena)
{
    arena_done(arena);
}

void textbuf_donep(struct textbuf *buf)
{
    textbuf_done(buf);
}

void closep(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}
