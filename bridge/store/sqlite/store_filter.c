/* SPDX-License-Identifier: Apache-2.0 */

/* The word filter of a journal segment: a Bloom filter, about one word in five too many when a
 * segment is full. */

#include "store/sqlite/database.h"

#define FILTER_BYTES_MIN 32

size_t journal_filter_bytes(uint32_t events_count)
{
    if (events_count < JOURNAL_FILTER_EVENTS_MIN) {
        return 0;
    }
    size_t bytes = FILTER_BYTES_MIN;
    while (bytes < events_count && bytes < JOURNAL_FILTER_BYTES_MAX) {
        bytes *= 2;
    }
    return bytes;
}

static void filter_probes(size_t filter_bytes, char field, struct text word, size_t *ret_a,
                          size_t *ret_b)
{
    uint64_t hash = text_hash(word) ^ ((uint64_t)(uint8_t)field * 0x9e3779b97f4a7c15u);
    hash ^= hash >> 29;
    size_t bits = filter_bytes * 8;
    *ret_a = (size_t)(hash & 0xffffffffu) % bits;
    *ret_b = (size_t)(hash >> 32) % bits;
}

void journal_filter_add(uint8_t *filter, size_t filter_bytes, char field, struct text word)
{
    size_t a, b;
    filter_probes(filter_bytes, field, word, &a, &b);
    filter[a / 8] = (uint8_t)(filter[a / 8] | (1u << (a % 8)));
    filter[b / 8] = (uint8_t)(filter[b / 8] | (1u << (b % 8)));
}

bool journal_filter_has(const uint8_t *filter, size_t filter_bytes, char field, struct text word)
{
    if (filter_bytes == 0) {
        return true;
    }
    size_t a, b;
    filter_probes(filter_bytes, field, word, &a, &b);
    return (filter[a / 8] & (1u << (a % 8))) != 0 && (filter[b / 8] & (1u << (b % 8))) != 0;
}
