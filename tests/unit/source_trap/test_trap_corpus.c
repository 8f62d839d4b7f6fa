/* SPDX-License-Identifier: Apache-2.0 */
/* Every real trap, vendor instance and hostile packet of tests/data/snmp against the shipped
 * tables. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/pack.h"
#include "source/trap/trap_map.h"

#define DATA TEST_SOURCE_DIR "/tests/data/snmp/"
#define DATAGRAM_MAX 65536

struct world {
    struct trap_tables *tables;
    struct trap_decoder *decoder, *by_library;
    struct trap_mapper *mapper;
    struct trap *trap, *other;
    size_t records, packets, compared, unmatched;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct diags diags = {0};
    struct nsh_error err = {0};
    static const struct trap_user users[] = {
        {.name = "myuser", .auth = "MD5", .auth_secret = "mypassword"},
        {.name = "myuser2",
         .auth = "MD5",
         .auth_secret = "mypassword2",
         .priv = "AES",
         .priv_secret = "myprivacy2"},
    };
    if (trap_tables_read(TEST_SOURCE_DIR "/etc/traps", &diags, &world->tables, &err) < 0) {
        struct textbuf out = {0};
        diags_print(&diags, NULL, false, &out);
        fail_msg("%s\n%s", err.text, out.at);
    }
    assert_int_equal(diags.errors_count, 0);
    diags_done(&diags);
    if (trap_decoder_new(users, 2, NULL, &world->decoder, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(trap_decoder_new(users, 2, NULL, &world->by_library, NULL), 0);
    trap_decoder_by_library(world->by_library);
    world->mapper = trap_mapper_new(world->tables);
    world->trap = malloc(sizeof *world->trap);
    world->other = malloc(sizeof *world->other);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    trap_mapper_free(world->mapper);
    trap_decoder_free(world->decoder);
    trap_decoder_free(world->by_library);
    free(world->other);
    trap_tables_free(world->tables);
    free(world->trap);
    free(world);
    return 0;
}

/* Decoded twice, once by net-snmp alone: the short way must see the same. */
static int decode(struct world *world, const uint8_t *bytes, size_t count, struct nsh_error *err)
{
    int r = trap_decode(world->decoder, bytes, count, 1, world->trap, err);
    assert_int_equal(trap_decode(world->by_library, bytes, count, 1, world->other, NULL), r);
    if (r < 0) {
        return r;
    }
    assert_int_equal(world->trap->varbinds_count, world->other->varbinds_count);
    assert_true(trap_oid_equal(world->trap->trap_oid, world->other->trap_oid));
    assert_true(text_equal(world->trap->payload, world->other->payload));
    for (size_t i = 0; i < world->trap->varbinds_count; i++) {
        assert_true(trap_varbind_equal(&world->trap->varbinds[i], &world->other->varbinds[i]));
    }
    return r;
}

static size_t unhex(const char *hex, uint8_t *bytes)
{
    size_t count = 0;
    unsigned byte = 0;
    for (; hex[0] != '\0' && sscanf(hex, "%2x", &byte) == 1; hex += 2) {
        bytes[count++] = (uint8_t)byte;
    }
    return count;
}

/* The decoded varbinds equal the record's. */
static void compare_varbinds(const struct trap *trap, const struct nsh_value *record,
                             const char *id)
{
    const struct nsh_value *varbinds = nsh_get(record, "varbinds");
    if (varbinds == NULL) {
        return;
    }
    if (varbinds->count != trap->varbinds_count) {
        fail_msg("%s: %u varbinds expected, %zu decoded", id, varbinds->count,
                 trap->varbinds_count);
    }
    for (size_t i = 0; i < trap->varbinds_count; i++) {
        const struct trap_varbind *got = &trap->varbinds[i];
        const struct nsh_value *want = &varbinds->items[i];
        char oid[TRAP_OID_TEXT_MAX + 1];
        oid[trap_oid_write(got->oid, oid, TRAP_OID_TEXT_MAX)] = '\0';
        assert_string_equal(oid, want->items[0].text);
        const char *type = want->items[1].text;
        const struct nsh_value *value = &want->items[2];
        if (strcmp(type, "integer") == 0) {
            assert_int_equal(got->type, TRAP_INTEGER);
            assert_int_equal(got->integer, value->integer);
        } else if (strcmp(type, "octets") == 0) {
            assert_int_equal(got->type, TRAP_OCTETS);
            assert_int_equal(got->octets.count, value->count);
            assert_memory_equal(got->octets.at, value->text, value->count);
        } else if (strcmp(type, "oid") == 0) {
            oid[trap_oid_write(got->objid, oid, TRAP_OID_TEXT_MAX)] = '\0';
            assert_string_equal(oid, value->text);
        } else if (strcmp(type, "counter32") == 0 || strcmp(type, "gauge32") == 0 ||
                   strcmp(type, "timeticks") == 0 || strcmp(type, "counter64") == 0) {
            if (value->type == NSH_INT) {
                assert_int_equal(got->natural, value->integer);
            }
        }
    }
}

/*
 * coldStart and warmStart stand a second time in the definitions, as "kentik:cisco::NAME", with the
 * very same packets: the standard name is the right one for both.
 */
static bool is_name(const struct event *event, const char *name, const char *trap_oid)
{
    if (text_is(event->name, name)) {
        return true;
    }
    const char *bare = memmem(event->name.at, event->name.count, "::", 2);
    const char *wanted = strstr(name, "::");
    return (strcmp(trap_oid, "1.3.6.1.6.3.1.1.5.1") == 0 ||
            strcmp(trap_oid, "1.3.6.1.6.3.1.1.5.2") == 0) &&
           strncmp(name, "kentik:cisco", 12) == 0 && bare != NULL &&
           text_is((struct text){bare, (uint32_t)(event->name.at + event->name.count - bare)},
                   wanted);
}

static void compare_event(struct world *world, const struct event *event,
                          const struct nsh_value *record, const char *id)
{
    const struct nsh_value *expect = nsh_get(record, "expect");
    const char *name = nsh_get_text(expect, "name", NULL);
    const char *severity = nsh_get_text(expect, "severity", NULL);
    if (name == NULL) {
        return;
    }
    world->compared++;
    if (!is_name(event, name, nsh_get_text(record, "trap_oid", ""))) {
        fail_msg("%s: name %.*s, expected %s", id, (int)event->name.count, event->name.at, name);
    }
    assert_false(event->unmatched);
    if (severity != NULL && strcmp(severity, "ok") == 0) {
        assert_int_equal(event->state, EVENT_CLEAR);
    } else if (severity != NULL && strcmp(severity, severity_word(event->severity)) != 0) {
        fail_msg("%s: severity %s, expected %s", id, severity_word(event->severity), severity);
    }
    const struct nsh_value *number = nsh_get(expect, "opaque_u64");
    if (number != NULL) {
        assert_int_equal(world->trap->varbinds[1].type, TRAP_UINT64);
        assert_int_equal(world->trap->varbinds[1].natural, number->integer);
    }
}

/* What the sandboxed receiver hands over must read back as it was. */
static void compare_packed(const struct event *event)
{
    static uint8_t bytes[EVENT_PACKED_BYTES_MAX];
    struct event back;
    struct nsh_error err = {0};
    struct arena arena = ARENA_INIT;
    struct nsh_value data;
    size_t used = event_pack(event, bytes, sizeof bytes);
    assert_int_equal(used, event_packed_bytes(event));
    if (event_unpack(bytes, used, &back, &err) != (long)used) {
        fail_msg("%.*s: %s", (int)event->name.count, event->name.at, err.text);
    }
    assert_true(text_equal(back.name, event->name));
    struct pack_reader reader = {.at = (const uint8_t *)back.data.at, .count = back.data.count};
    assert_int_equal(unpack_value(&reader, &arena, &data, &err), 0);
    assert_int_equal(data.type, NSH_MAP);
    assert_null(nsh_get(&data, "community"));
    arena_done(&arena);
}

static void try_packet(struct world *world, const struct nsh_value *record, const char *hex,
                       const char *id)
{
    static uint8_t bytes[DATAGRAM_MAX];
    struct nsh_error err = {0};
    struct event event;
    if (hex == NULL) {
        return;
    }
    size_t count = unhex(hex, bytes);
    if (decode(world, bytes, count, &err) < 0) {
        fail_msg("%s: %s", id, err.text);
    }
    world->packets++;
    const char *trap_oid = nsh_get_text(record, "trap_oid", NULL);
    if (trap_oid != NULL) {
        char oid[TRAP_OID_TEXT_MAX + 1];
        oid[trap_oid_write(world->trap->trap_oid, oid, TRAP_OID_TEXT_MAX)] = '\0';
        assert_string_equal(oid, trap_oid);
    }
    compare_varbinds(world->trap, record, id);
    trap_map(world->mapper, world->trap, TEXT("192.0.2.1"), 1000, &event);
    world->unmatched += event.unmatched;
    compare_event(world, &event, record, id);
    compare_packed(&event);
}

static void each_record(struct world *world, const char *path,
                        void (*visit)(struct world *, const struct nsh_value *, const char *))
{
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    struct arena arena = ARENA_INIT;
    ssize_t count;
    while ((count = getline(&line, &room, file)) > 0) {
        struct nsh_value record;
        struct nsh_error err = {0};
        if (json_parse(line, (size_t)count, &arena, &record, &err) < 0) {
            fail_msg("%s: %s", path, err.text);
        }
        world->records++;
        visit(world, &record, nsh_get_text(&record, "id", "?"));
        arena_reset(&arena);
    }
    arena_done(&arena);
    free(line);
    fclose(file);
}

static void visit_trap(struct world *world, const struct nsh_value *record, const char *id)
{
    try_packet(world, record, nsh_get_text(record, "udp_hex", NULL), id);
    if (nsh_get(record, "udp_hex_v1") != NULL) {
        try_packet(world, record, nsh_get_text(record, "udp_hex_v1", NULL), id);
    }
}

static void test_real(void **state)
{
    struct world *world = *state;
    each_record(world, DATA "traps.jsonl", visit_trap);
    assert_int_equal(world->packets, 12);
    assert_int_equal(world->compared, 2);
}

static void test_instances(void **state)
{
    struct world *world = *state;
    *world = (struct world){.tables = world->tables,
                            .decoder = world->decoder,
                            .by_library = world->by_library,
                            .other = world->other,
                            .mapper = world->mapper,
                            .trap = world->trap};
    each_record(world, DATA "instances.jsonl", visit_trap);
    assert_int_equal(world->records, 1383);
    assert_int_equal(world->compared, 1383 + 30);
    assert_int_equal(world->unmatched, 0);
}

static void test_vendor_instances(void **state)
{
    struct world *world = *state;
    *world = (struct world){.tables = world->tables,
                            .decoder = world->decoder,
                            .by_library = world->by_library,
                            .other = world->other,
                            .mapper = world->mapper,
                            .trap = world->trap};
    each_record(world, DATA "vendor-instances-apc-dell.jsonl", visit_trap);
    assert_int_equal(world->records, 1545);
    assert_int_equal(world->compared, 1545 + 1378);
    assert_int_equal(world->unmatched, 0);
}

static void visit_hostile(struct world *world, const struct nsh_value *record, const char *id)
{
    static uint8_t bytes[DATAGRAM_MAX];
    size_t count = unhex(nsh_get_text(record, "udp_hex", ""), bytes);
    uint8_t *exact = malloc(count); /* So that the sanitizer sees every byte read beyond it. */
    memcpy(exact, bytes, count);
    struct nsh_error err = {0};
    int r = decode(world, exact, count, &err);
    if (r != -NSH_PROTOCOL && r != -NSH_UNSUPPORTED && r != -NSH_AUTH && r != -NSH_LIMIT) {
        fail_msg("%s: %d", id, r);
    }
    assert_string_not_equal(err.text, "");
    free(exact);
}

static void test_hostile(void **state)
{
    struct world *world = *state;
    world->records = 0;
    each_record(world, DATA "hostile.jsonl", visit_hostile);
    assert_int_equal(world->records, 26);
}

/* Every real datagram cut at every length: an error, never a crash, never a trap out of half of
 * one. */
static void visit_cut(struct world *world, const struct nsh_value *record, const char *id)
{
    static uint8_t bytes[DATAGRAM_MAX];
    size_t count = unhex(nsh_get_text(record, "udp_hex", ""), bytes);
    for (size_t cut = 0; cut < count; cut++) {
        uint8_t *exact = malloc(cut + 1);
        memcpy(exact, bytes, cut);
        if (decode(world, exact, cut, NULL) == 0) {
            fail_msg("%s cut to %zu bytes decodes", id, cut);
        }
        free(exact);
    }
}

static void test_cut(void **state)
{
    each_record(*state, DATA "traps.jsonl", visit_cut);
}

/* Every byte of every real datagram replaced by those where forms of BER part: read in short or by
 * net-snmp, what is seen is the same. */
static void visit_damaged(struct world *world, const struct nsh_value *record, const char *id)
{
    static const uint8_t others[] = {0,    1,    2,    4,    5,    6,    0x27, 0x30, 0x40,
                                     0x41, 0x42, 0x43, 0x44, 0x46, 0x4f, 0x50, 0x7f, 0x80,
                                     0x81, 0x82, 0x84, 0x85, 0x88, 0x9f, 0xa7, 0xfe, 0xff};
    static uint8_t bytes[DATAGRAM_MAX];
    size_t count = unhex(nsh_get_text(record, "udp_hex", ""), bytes);
    for (size_t at = 0; at < count; at++) {
        uint8_t was = bytes[at];
        for (size_t i = 0; i < sizeof others; i++) {
            bytes[at] = others[i];
            (void)decode(world, bytes, count, NULL);
        }
        bytes[at] = was;
    }
}

static void test_damaged(void **state)
{
    each_record(*state, DATA "traps.jsonl", visit_damaged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_instances),
        cmocka_unit_test(test_vendor_instances),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
