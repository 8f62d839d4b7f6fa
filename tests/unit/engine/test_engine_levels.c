/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When an activation is decided: for, settle, keep, count, distinct, once_within, over gaps and
 * restarts. Each row is a story; times are seconds:
 *   r0 raise, c60 clear, p5 pulse, ?20 a raise whose condition cannot be told, r4+9 of 4 arriving
 * at 9, r0@b on host b, r0#x with that id, s20 the engine stops, u120 it starts, z20 w220 the
 * machine sleeps.
 */

#include "rig.h"

#include "base/pack.h"

struct row {
    const char *id;
    const char *when; /* Keys of `when` */
    const char *limits;
    const char *story;
    const char *fires; /* Times of runs; "" never. */
    const char *why;
};

static const struct row rows[] = {
    {"F1", "for = \"60s\";", "0s", "r0 .300", "60", "held long enough, inclusive"},
    {"F2", "for = \"60s\";", "0s", "r0 c60 .300", "", "a clear exactly at the deadline wins"},
    {"F3", "for = \"60s\";", "0s", "r0 c60.001 .300", "60", "a clear after it is too late"},
    {"F4", "for = \"60s\";", "0s", "r0 c30 r31 .300", "91", "known false resets"},
    {"F5", "for = \"60s\";", "0s", "r0 ?20 r50 .300", "90", "unknown time does not count"},
    {"F6", "for = \"60s\";", "0s", "r0 s20 u120 r130 .300", "170",
     "what waited must be seen again"},
    {"F6b", "for = \"60s\";", "0s", "r0 s20 u120 .300", "", "nothing fires because of a restart"},
    {"F8", "for = \"60s\";", "0s", "r0 z20 w220 r225 .400", "265", "a sleeping machine is down"},
    {"F8b", "for = \"600s\";", "0s", "r0 z20 w220 r225 .900", "805",
     "asleep long before it was due"},
    {"F9", "for = \"60s\";", "0s", "r0 ?20 r330 .500", "390", "unknown for too long: dropped"},
    {"F10", "for = \"60s\";", "0s", "r0 s20 u620 r630 .800", "690", "down for too long: dropped"},
    {"S1", "settle = \"5s\";", "0s", "r0 .60", "5", "it settles"},
    {"S2", "settle = \"5s\";", "0s", "r0 c4 .60", "", "it was nothing"},
    {"S3", "settle = \"5s\"; for = \"10s\";", "0s", "r0 .60", "15", "for, then settle"},
    {"S4", "settle = \"5s\";", "0s", "p0 .60", "5", "a pulse settles too"},
    {"S5", "settle = \"5s\";", "0s", "p0 s2 u3 .60", "", "a pulse cannot be seen again"},
    {"K1", "keep = \"60s\";", "0s", "r0 c10 r50 c60 .119 r119.5 .300", "0",
     "kept, so it is one activation"},
    {"K2", "keep = \"60s\";", "0s", "r0 c10 r50 c60 .120 r121 .300", "0 121", "idle at 120"},
    {"C1", "count = 3; within = \"10s\";", "0s", "p0 p5 p10 .60", "",
     "exactly 10 s old is outside"},
    {"C2", "count = 3; within = \"10s\";", "0s", "p0 p5 p9.999 .60", "9.999", "inside"},
    {"C3", "count = 3; within = \"10s\";", "0s", "p0#x p1#x p2#x .60", "",
     "one event, three times"},
    {"C4", "count = 3; within = \"10s\"; distinct = \"event.host\";", "0s",
     "p0@a p1@a p2@b p3@c .60", "3", "each host once"},
    {"C5", "count = 3; within = \"10s\";", "0s", "p0 p8 p4+9 .60", "9", "late, and still inside"},
    {"C6", "count = 3; within = \"10s\";", "0s", "p0 p8 p4+30 .60", "", "late, and outside by now"},
    {"C7", "count = 3; within = \"10s\";", "0s", "p3600+0 p3605+5 p3609+9 .60", "9",
     "clamped to arrival"},
    {"C8", "count = 3; within = \"10s\";", "0s", "p0 p5 s6 u8 p9 .60", "9",
     "a window survives a restart"},
    {"C9", "count = 3; within = \"10s\";", "0s", "p0 p5 p6 s7 u8 .60", "6",
     "and does not fire again"},
    {"C10", "count = 2; within = \"10s\";", "0s", "r0 r1 r2 .60", "",
     "an update is no new occurrence"},
    {"C11", "count = 2; within = \"10s\";", "0s", "r0 c1 r2 .60", "2", "raised again is one"},
    {"O1", "", "3600s", "p0 p3599 p3600 .3700", "0 3600",
     "once within: allowed again at exactly 3600"},
    {"O2", "", "3600s", "r0 c10 s20 u30 r40 c50 r3600 .3700", "0 3600",
     "limits remember over a restart"},
    {"E1", "", "0s", "r0 r10 r20 .60", "0", "edge, not level: repeats decide nothing"},
    {"E2", "", "0s", "r0 c10 r20 .60", "0 20", "idle in between: another activation"},
    {"L1", "", "0s", "r5 c4+6 .60", "5", "an older clear is ignored"},
    {"L2", "", "0s", "r0 c10 r8+11 .60", "0", "a raise older than the last clear is ignored"},
    {"A1", "", "0s", "r0+700 .800", "", "an old event changes alarms, but starts nothing"},
    {"D1", "", "0s", "r0#x r1#x .60", "0", "a duplicate does nothing"},
};

static struct text packed_ok(void)
{
    static uint8_t bytes[64];
    const struct nsh_member members[] = {{"ok", nsh_bool(true)}};
    const struct nsh_value map = nsh_map(members, 1);
    struct pack_writer writer = {.at = bytes, .room = sizeof bytes};
    pack_value(&writer, &map);
    return (struct text){(const char *)bytes, (uint32_t)writer.count};
}

static int64_t ms_of(const char **at)
{
    char *end = NULL;
    double seconds = strtod(*at, &end);
    *at = end;
    return (int64_t)(seconds * 1000.0 + 0.5);
}

static void story_event(struct rig *rig, char kind, const char *rest)
{
    static const char *const states[] = {"p", "r", "c"};
    struct event event = event_of("a", "x.failed", EVENT_RAISE);
    event.data = kind == '?' ? (struct text){0} : packed_ok();
    for (int i = 0; i < 3; i++) {
        event.state = kind == states[i][0] ? (enum event_state)i : event.state;
    }
    int64_t at = ms_of(&rest);
    if (*rest == '+') {
        event.time_ms = RIG_START + at;
        rest++;
        at = ms_of(&rest);
    }
    if (*rest == '@') {
        event.host = (struct text){rest + 1, 1};
        rest += 2;
    }
    if (*rest == '#') {
        event.id = (struct text){rest + 1, 1};
    }
    /* Ticks of the same instant come after the event. */
    rig_at(rig, at > 0 ? at - 1 : 0);
    rig->now = RIG_START + at;
    rig_event(rig, &event);
    rig_at(rig, at);
}

static void play(struct rig *rig, const char *story)
{
    char copy[256];
    snprintf(copy, sizeof copy, "%s", story);
    char *save = NULL;
    for (char *token = strtok_r(copy, " ", &save); token != NULL;
         token = strtok_r(NULL, " ", &save)) {
        const char *rest = token + 1;
        switch (token[0]) {
        case '.':
        case 'z':
            rig_at(rig, ms_of(&rest));
            break;
        case 's':
            rig_at(rig, ms_of(&rest));
            rig_kill(rig);
            break;
        case 'u':
            rig_start(rig, ms_of(&rest));
            break;
        case 'w':
            rig->now = RIG_START + ms_of(&rest);
            rig_step(rig, &(struct engine_input){.kind = INPUT_TICK});
            break;
        default:
            story_event(rig, token[0], token + 1);
        }
    }
}

static void fires_of(const struct rig *rig, char *fires, size_t room)
{
    fires[0] = 0;
    for (size_t i = 0; i < rig->records_count; i++) {
        const struct rig_record *record = &rig->records[i];
        if (record->kind == RECORD_DECISION && strcmp(record->state, "run") == 0) {
            size_t count = strlen(fires);
            int64_t ms = record->time_ms - RIG_START;
            count += (size_t)snprintf(fires + count, room - count, "%s%lld", count == 0 ? "" : " ",
                                      (long long)(ms / 1000));
            if (ms % 1000 != 0) {
                snprintf(fires + count, room - count, ".%03lld", (long long)(ms % 1000));
            }
        }
    }
}

static void test_rows(void **state)
{
    unsigned bad = 0;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char policy[1024], fires[256];
        bool wide = strstr(rows[i].when, "distinct") != NULL;
        snprintf(
            policy, sizeof policy,
            "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"%s\"; mode = "
            "\"enforce\";"
            " when = { event = \"x.failed\"; if = \"event.data.ok\"; %s };"
            " limits = { once_within = \"%s\"; };"
            " do = ( { step = \"tell\"; action = \"notify\"; with = { title = \"t\"; }; } ); } );",
            wide ? "site" : "host", rows[i].when, rows[i].limits);
        struct rig *rig = rig_new(inventory_of("{ name = \"a\"; site = \"s\"; bmc = { driver = "
                                               "\"redfish\"; address = \"10.0.0.1\"; }; },"
                                               "{ name = \"b\"; site = \"s\"; bmc = { driver = "
                                               "\"redfish\"; address = \"10.0.0.2\"; }; },"
                                               "{ name = \"c\"; site = \"s\"; bmc = { driver = "
                                               "\"redfish\"; address = \"10.0.0.3\"; }; }"),
                                  policy);
        play(rig, rows[i].story);
        fires_of(rig, fires, sizeof fires);
        if (strcmp(fires, rows[i].fires) != 0) {
            print_error("%s (%s): %s fires at \"%s\", not \"%s\"\n%s\n", rows[i].id, rows[i].why,
                        rows[i].story, fires, rows[i].fires, rig->trace.at);
            bad++;
        }
        rig_free(rig);
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
