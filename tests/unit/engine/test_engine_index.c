/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of candidates changes nothing but the time: random policies and random events, in one
 * engine with the index and in one without, give the same records, byte for byte, and the same
 * counters. Fields that are missing, null, of another kind or on a host nobody knows are among
 * them.
 */

#include "rig.h"

#include "base/pack.h"
#include "engine/engine_index.h"

#define POLICIES 40
#define EVENTS 250
#define SEEDS 12

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed >> 16;
}

static const char *pick(uint64_t *seed, const char *const *from, size_t count)
{
    return from[next(seed) % count];
}
#define PICK(seed, from) pick(seed, from, ROWS(from))

/* What stands in conditions; the first ones can be looked up. */
static const char *const parts[] = {
    "event.data.slot == %u",
    "%u == event.data.slot",
    "event.data.slot in [%u, 3, 3]",
    "event.data['slot'] == %u",
    "event.data.slot == '%u'",
    "event.data.up == (%u == 1)",
    "event.data.port.name == 'p%u'",
    "event.data.up == true",
    "host.rack == 'r%u'",
    "host.rack in ['r%u', 'r2']",
    "subject.name == 'r%u'",
    "subject.name == 'r1h0%u'",
    "event.resource == 'psu/%u'",
    "event.severity >= critical && event.data.slot == %u",
    "event.severity == %u",
    "event.severity >= %u",
    "event.type == 'fan.lost' && event.data.slot == %u",
    "host.labels['env'] == 'e%u'",
    "event.data.slot != %u",
    "event.data.slot > %u",
    "(event.data.slot == %u || event.data.up)",
    "event.data.list.exists(x, x == %u)",
    "event.message.contains('%u')",
    "active('fan.%u*')",
    "event.data.?slot.orValue(9) == %u",
};

static void condition_make(uint64_t *seed, char *text, size_t room)
{
    static const char *const joints[] = {" && ", " && ", " && ", " || "};
    size_t count = 0, wanted = 1 + next(seed) % 3;
    text[0] = '\0';
    for (size_t i = 0; i < wanted; i++) {
        char number[16];
        const char *part = PICK(seed, parts), *at = strstr(part, "%u");
        snprintf(number, sizeof number, "%u", (unsigned)(next(seed) % 6));
        count += (size_t)snprintf(text + count, room - count, "%s%.*s%s%s",
                                  i == 0 ? "" : PICK(seed, joints),
                                  at == NULL ? (int)strlen(part) : (int)(at - part), part,
                                  at == NULL ? "" : number, at == NULL ? "" : at + 2);
    }
}

static const char *policies_make(uint64_t *seed)
{
    static const char *const events[] = {"\"fan.lost\"", "\"fan.*\"",
                                         "(\"fan.lost\", \"fan.slow\")", "\"*\""};
    static const char *const subjects[] = {"host", "host", "rack"};
    static const char *const mores[] = {"",
                                        "for = \"30s\"; ",
                                        "keep = \"1m\"; ",
                                        "count = 2; within = \"5m\"; ",
                                        "",
                                        "settle = \"5s\"; ",
                                        "clear = \"event.data.slot == 1\"; ",
                                        "severity = \"major\"; ",
                                        "severity = \"fatal\"; "};
    static char text[64 * 1024];
    size_t count = (size_t)snprintf(text, sizeof text, "policies: (");
    for (unsigned i = 0; i < POLICIES; i++) {
        char condition[512];
        condition_make(seed, condition, sizeof condition);
        count += (size_t)snprintf(
            text + count, sizeof text - count,
            "%s{ name = \"p%u\"; summary = \"s\"; owner = \"o\"; subject = \"%s\"; mode = \"%s\"; "
            "when = { event = %s; if = \"%s\"; %s}; do = ( { step = \"tell\"; action = \"notify\"; "
            "with = { title = \"t\"; }; } ); }\n",
            i == 0 ? "" : ", ", i, PICK(seed, subjects), i % 3 == 0 ? "enforce" : "observe",
            PICK(seed, events), condition, PICK(seed, mores));
    }
    snprintf(text + count, sizeof text - count, ");");
    return text;
}

/* Data of an event: most have a slot, some as a text, a double or null. */
static struct text data_make(uint64_t *seed, uint8_t *room, size_t room_bytes)
{
    int64_t number = (int64_t)(next(seed) % 6);
    char word[8], port[8];
    snprintf(word, sizeof word, "%d", (int)number);
    snprintf(port, sizeof port, "p%d", (int)number);
    struct nsh_value items[] = {nsh_int(number), nsh_int(2)};
    struct nsh_member names[] = {{"name", nsh_text(port)}};
    struct nsh_value slots[] = {nsh_int(number),
                                nsh_int(number),
                                nsh_int(number),
                                nsh_text(word),
                                nsh_double((double)number),
                                nsh_null(),
                                nsh_list(items, 2)};
    struct nsh_member members[] = {{"list", nsh_list(items, 2)},
                                   {"up", nsh_bool(number % 2 == 0)},
                                   {"port", nsh_map(names, 1)},
                                   {"slot", slots[next(seed) % ROWS(slots)]}};
    struct nsh_value map = nsh_map(members, next(seed) % (ROWS(members) + 1));
    struct pack_writer writer = {.at = room, .room = room_bytes};
    if (next(seed) % 8 == 0) {
        return (struct text){NULL, 0};
    }
    pack_value(&writer, &map);
    assert_false(writer.failed);
    return (struct text){(const char *)room, (uint32_t)writer.count};
}

static void one_event(struct rig *rig, uint64_t *seed)
{
    static const char *const hosts[] = {"r1h01", "r1h02", "r2h01", "r3h02", "nobody"};
    static const char *const types[] = {"fan.lost", "fan.lost", "fan.slow", "disk.failed"};
    static const char *const resources[] = {"", "psu/1", "psu/2"};
    static const enum event_state states[] = {EVENT_RAISE, EVENT_RAISE, EVENT_RAISE, EVENT_CLEAR,
                                              EVENT_PULSE};
    uint8_t room[512];
    const char *host = PICK(seed, hosts), *type = PICK(seed, types);
    struct event event = event_of(host, type, states[next(seed) % ROWS(states)]);
    event.severity = (enum severity)(next(seed) % SEVERITIES_COUNT);
    event.resource = text_of(PICK(seed, resources));
    event.message = next(seed) % 2 == 0 ? TEXT("fan 3") : TEXT("it broke");
    event.data = data_make(seed, room, sizeof room);
    rig_event(rig, &event);
}

static struct rig *day(uint64_t seed, bool on)
{
    int64_t at = 0;
    char again[64 * 1024];
    const char *text = policies_make(&seed);
    snprintf(again, sizeof again, "%s", text);
    struct rig *rig = rig_new(racks_of(3, 2), again);
    engine_set_index(rig->engine, on);
    for (unsigned i = 0; i < EVENTS; i++) {
        at += (int64_t)(next(&seed) % (20 * (uint64_t)S));
        rig_at(rig, at);
        one_event(rig, &seed);
        if (next(&seed) % 64 == 0) {
            rig_kill(rig);
            rig_start(rig, at += 5 * S);
            engine_set_index(rig->engine, on);
        }
    }
    rig_at(rig, at + HOUR);
    return rig;
}

/* Whether any type of events has an index: else nothing was tested. */
static uint32_t indexes(const struct engine *engine)
{
    uint32_t count = 0;
    MAP_EACH (&engine->types, entry) {
        count += ((const struct type_state *)entry->value)->index != NULL;
    }
    return count;
}

static void test_same_with_and_without(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *with = day(seed * UINT64_C(0x9E3779B97F4A7C15), true);
        struct rig *without = day(seed * UINT64_C(0x9E3779B97F4A7C15), false);
        assert_true(indexes(with->engine) > 0);
        assert_int_equal(indexes(without->engine), 0);
        if (with->all.count != without->all.count ||
            memcmp(with->all.at, without->all.at, with->all.count) != 0) {
            size_t i = 0;
            while (i < with->all.count && with->all.at[i] == without->all.at[i]) {
                i++;
            }
            i = i > 200 ? i - 200 : 0;
            fail_msg("seed %u:\nwith    %.600s\nwithout %.600s", (unsigned)seed, with->all.at + i,
                     without->all.at + i);
        }
        assert_true(with->all.count > 10000);
        assert_memory_equal(&with->engine->counters, &without->engine->counters,
                            sizeof with->engine->counters);
        assert_true(with->engine->counters.conditions_unknown > 0);
        rig_free(with);
        rig_free(without);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_with_and_without)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
