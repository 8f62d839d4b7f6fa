/* SPDX-License-Identifier: Apache-2.0 */
/* A list of blocks, each at least twice as large as the one before, until BLOCK_BYTES_MAX. */

#include "abi/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES_MIN 1000
#define BLOCK_BYTES_MAX ((size_t)64 << 10)
#define ALIGNMENT _Alignof(max_align_t)

struct nsh_pool_block {
    struct nsh_pool_block *next;
    size_t used, room;
    _Alignas(max_align_t) char bytes[];
};

static struct nsh_pool_block *block_add(struct nsh_pool *pool, size_t bytes)
{
    size_t room = pool->blocks == NULL ? BLOCK_BYTES_MIN : pool->blocks->room * 2;
    room = room > BLOCK_BYTES_MAX ? BLOCK_BYTES_MAX : room;
    room = room < bytes ? bytes : room;
    struct nsh_pool_block *block = calloc(1, sizeof *block + room);
    if (block != NULL) {
        block->room = room;
        block->next = pool->blocks;
        pool->blocks = block;
    }
    return block;
}

void *nsh_pool_alloc(struct nsh_pool *pool, size_t bytes)
{
    if (bytes > NSH_POOL_BYTES_MAX) {
        return NULL;
    }
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (bytes > NSH_POOL_BYTES_MAX - pool->used_bytes) {
        return NULL;
    }
    struct nsh_pool_block *block = pool->blocks;
    if (block == NULL || block->room - block->used < bytes) {
        block = block_add(pool, bytes);
    }
    if (block == NULL) {
        return NULL;
    }
    void *at = block->bytes + block->used;
    block->used += bytes;
    pool->used_bytes += bytes;
    return at;
}

void *nsh_pool_array(struct nsh_pool *pool, size_t count, size_t bytes)
{
    size_t total = 0;
    return __builtin_mul_overflow(count, bytes, &total) ? NULL : nsh_pool_alloc(pool, total);
}

char *nsh_pool_copy(struct nsh_pool *pool, const char *bytes, size_t bytes_count)
{
    char *copy = bytes_count < SIZE_MAX ? nsh_pool_alloc(pool, bytes_count + 1) : NULL;
    if (copy != NULL && bytes_count > 0) {
        memcpy(copy, bytes, bytes_count);
    }
    return copy;
}

char *nsh_pool_text(struct nsh_pool *pool, const char *text)
{
    return text == NULL ? NULL : nsh_pool_copy(pool, text, strlen(text));
}

char *nsh_pool_printf(struct nsh_pool *pool, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int count = vsnprintf(NULL, 0, format, args);
    char *text = count < 0 ? NULL : nsh_pool_alloc(pool, (size_t)count + 1);
    if (text != NULL) {
        vsnprintf(text, (size_t)count + 1, format, again);
    }
    va_end(again);
    va_end(args);
    return text;
}

static bool list_copy(struct nsh_pool *pool, const struct nsh_value *list,
                      struct nsh_value *ret_list)
{
    struct nsh_value *items = nsh_pool_array(pool, list->count, sizeof *items);
    bool good = items != NULL;
    for (uint32_t i = 0; good && i < list->count; i++) {
        good = nsh_pool_value(pool, &list->items[i], &items[i]);
    }
    *ret_list = nsh_list(items, good ? list->count : 0);
    return good;
}

static bool map_copy(struct nsh_pool *pool, const struct nsh_value *map, struct nsh_value *ret_map)
{
    struct nsh_member *members = nsh_pool_array(pool, map->count, sizeof *members);
    bool good = members != NULL;
    for (uint32_t i = 0; good && i < map->count; i++) {
        members[i].name = nsh_pool_text(pool, map->members[i].name);
        good = members[i].name != NULL &&
               nsh_pool_value(pool, &map->members[i].value, &members[i].value);
    }
    *ret_map = nsh_map(members, good ? map->count : 0);
    return good;
}

bool nsh_pool_value(struct nsh_pool *pool, const struct nsh_value *value,
                    struct nsh_value *ret_value)
{
    switch (value->type) {
    case NSH_LIST:
        return list_copy(pool, value, ret_value);
    case NSH_MAP:
        return map_copy(pool, value, ret_value);
    case NSH_STRING:
    case NSH_DURATION:
    case NSH_SECRET:
        *ret_value = *value;
        ret_value->text = nsh_pool_copy(pool, value->text, value->count);
        return ret_value->text != NULL;
    case NSH_NULL:
    case NSH_BOOL:
    case NSH_INT:
    case NSH_DOUBLE:
        break;
    }
    *ret_value = *value;
    return true;
}

int nsh_pool_settings(struct nsh_pool *pool, const struct nsh_value *settings,
                      const struct nsh_pool_setting *wanted, size_t wanted_count,
                      struct nsh_error *err)
{
    for (size_t i = 0; i < wanted_count; i++) {
        const char *text = nsh_get_text(settings, wanted[i].name, "");
        const char *copy = text[0] == '\0' ? NULL : nsh_pool_text(pool, text);
        if (text[0] != '\0' && copy == NULL) {
            return nsh_fail(err, NSH_NOMEM, "out of memory");
        }
        *wanted[i].to = copy;
    }
    return 0;
}

void nsh_pool_done(struct nsh_pool *pool)
{
    while (pool->blocks != NULL) {
        struct nsh_pool_block *block = pool->blocks;
        pool->blocks = block->next;
        explicit_bzero(block->bytes, block->used);
        free(block);
    }
    pool->used_bytes = 0;
}
