/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "abi/error.h"
#include "base/arena.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/pack.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS_COUNT 5000

static void test_map_keeps_order(void **state)
{
    (void)state;
    static char keys[KEYS_COUNT][8];
    struct map map = {0};
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "k%zu", i);
        assert_int_equal(map_set(&map, text_of(keys[i]), keys[i]), 0);
    }
    for (size_t i = 0; i < KEYS_COUNT; i += 3) {
        assert_ptr_equal(map_remove(&map, text_of(keys[i])), keys[i]);
        assert_null(map_remove(&map, text_of(keys[i])));
    }
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        assert_ptr_equal(map_get(&map, text_of(keys[i])), i % 3 == 0 ? NULL : keys[i]);
    }
    size_t last = 0, seen = 0;
    MAP_EACH (&map, entry) {
        size_t index = (size_t)((char(*)[8])entry->value - keys);
        assert_true(seen == 0 || index > last);
        last = index;
        seen++;
    }
    assert_int_equal(seen, map.count);
    /* Many set and remove rounds must not grow it without bound. */
    for (size_t i = 0; i < 100000; i++) {
        assert_int_equal(map_set(&map, TEXT("again"), keys), 0);
        map_remove(&map, TEXT("again"));
    }
    assert_true(map.room <= 4 * KEYS_COUNT);
    map_done(&map);
    map.count_max = 1;
    assert_int_equal(map_set(&map, TEXT("a"), keys), 0);
    assert_int_equal(map_set(&map, TEXT("b"), keys), -NSH_LIMIT);
    assert_int_equal(map_set(&map, TEXT("a"), keys), 0);
    map_done(&map);
    /* What was removed is not found again, not even under the empty key. */
    map.count_max = 0;
    assert_int_equal(map_set(&map, TEXT(""), keys), 0);
    assert_ptr_equal(map_remove(&map, TEXT("")), keys);
    assert_int_equal(map_set(&map, TEXT(""), keys), 0);
    assert_int_equal(map.count, 1);
    map_done(&map);
}

static void test_heap_orders(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static struct heap_node nodes[COUNT];
    struct heap heap = {0};
    unsigned seed = 7;
    for (size_t i = 0; i < COUNT; i++) {
        seed = seed * 1103515245u + 12345u;
        nodes[i] = (struct heap_node){.due = seed % 97, .order = i};
        assert_int_equal(heap_add(&heap, &nodes[i]), 0);
    }
    for (size_t i = 0; i < COUNT; i += 5) {
        heap_remove(&heap, &nodes[i]);
        heap_remove(&heap, &nodes[i]);
        assert_false(heap_has(&nodes[i]));
    }
    const struct heap_node *last = NULL;
    for (struct heap_node *node = heap_first(&heap); node != NULL; node = heap_first(&heap)) {
        assert_true(last == NULL || last->due < node->due ||
                    (last->due == node->due && last->order < node->order));
        last = node;
        heap_remove(&heap, node);
    }
    heap_done(&heap);
}

static void test_pack_round_trip(void **state)
{
    (void)state;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    const struct nsh_value items[] = {nsh_int(-1), nsh_int(INT64_MIN), nsh_int(INT64_MAX),
                                      nsh_double(1.5), nsh_null()};
    const struct nsh_member members[] = {{"list", nsh_list(items, ROWS(items))},
                                         {"text", nsh_text("gr\xc3\xbc")},
                                         {"yes", nsh_bool(true)}};
    const struct nsh_value map = nsh_map(members, ROWS(members));
    uint8_t bytes[256];
    struct pack_writer writer = {.at = bytes, .room = sizeof bytes};
    pack_value(&writer, &map);
    assert_false(writer.failed);
    struct nsh_value back;
    struct pack_reader reader = {.at = bytes, .count = writer.count};
    assert_int_equal(unpack_value(&reader, &arena, &back, NULL), 0);
    assert_true(nsh_equal(&map, &back));
    /* Every truncation is refused, none reads past its end. */
    for (size_t count = 0; count < writer.count; count++) {
        uint8_t *exact = malloc(count + 1);
        assert_non_null(exact);
        memcpy(exact, bytes, count);
        reader = (struct pack_reader){.at = exact, .count = count};
        assert_true(unpack_value(&reader, &arena, &back, NULL) < 0);
        free(exact);
    }
    for (size_t room = 0; room < writer.count; room++) {
        struct pack_writer small = {.at = bytes, .room = room};
        pack_value(&small, &map);
        assert_true(small.failed);
    }
}

static void test_arena_bounds(void **state)
{
    (void)state;
    struct arena arena = {.bytes_max = 10000};
    assert_non_null(arena_alloc(&arena, 9000));
    assert_null(arena_alloc(&arena, 2000));
    assert_null(arena_array(&arena, SIZE_MAX / 2, 16));
    arena_reset(&arena);
    char *bytes = arena_alloc(&arena, 5000);
    assert_non_null(bytes);
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(bytes[i], 0);
    }
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_keeps_order),
        cmocka_unit_test(test_heap_orders),
        cmocka_unit_test(test_pack_round_trip),
        cmocka_unit_test(test_arena_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
