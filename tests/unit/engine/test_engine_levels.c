/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When an activation is decided: for, settle, keep, count, distinct, once_within, over gaps and
 * restarts. Each row is a story; times are seconds:
 *   r0 raise, c60 clear, p5 pulse, ?20 a raise whose condition cannot be told, r4+9 of 4 arriving
 * at 9, r0@b on host b, r0#x with that id, ra0 pb3 of another type (a.failed, b.failed, d, x),
 * x31@0 an update with that value, s20 the engine stops, u120 it starts, z20 w220 the machine
 * sleeps, b100 n400 the sources are silent.
 */

#include "rig.h"

#include "base/pack.h"

#include <ctype.h>

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
    {"T1", "settle = \"5s\";", "0s", "r0 .60", "5", "it settles"},
    {"T2", "settle = \"5s\";", "0s", "r0 c4 .60", "", "it was nothing"},
    {"T3", "settle = \"5s\"; for = \"10s\";", "0s", "r0 .60", "15", "for, then settle"},
    {"T4", "settle = \"5s\";", "0s", "p0 .60", "5", "a pulse settles too"},
    {"T5", "settle = \"5s\";", "0s", "p0 s2 u3 .60", "", "a pulse cannot be seen again"},
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
    {"K3", "keep = \"60s\";", "0s", "p0 p30 p80 .139 p141 .300", "0 141",
     "pulses are kept too: one activation"},
    {"K4", "keep = \"60s\";", "0s", "r0 c10 s20 u30 r50 .300", "0", "kept over a restart"},
    {"C12", "count = 2; within = \"10s\"; updates = true;", "0s", "r0 r1 .60", "1",
     "updates occur"},
    {"F11", "for = \"60s\"; stale_after = \"100s\";", "0s", "r0 ?20 r130 .500", "190",
     "dropped sooner"},
    {"F12", "for = \"60s\"; stale_after = \"1000s\";", "0s", "r0 ?20 r620 .800", "660",
     "kept longer"},
    {"A1", "absent = \"300s\";", "0s", "p0 .900", "300", "silent for so long"},
    {"A2", "absent = \"300s\";", "0s", "p0 p300 .900", "600", "a beat at the deadline wins"},
    {"A3", "absent = \"300s\";", "0s", "p0 s200 u1000 .1500", "1300",
     "silence begins with the start"},
    {"A3b", "absent = \"300s\";", "0s", "p0 s200 u1000 p1200 .1600", "1500", "heard after it"},
    {"A4", "absent = \"300s\";", "0s", "p0 b100 n400 .900", "700", "blind is not silent"},
    {"A5", "absent = \"300s\";", "0s", ".900", "", "never seen, not expected"},
    {"A6", "absent = \"300s\"; expect = \"host.name == 'b'\";", "0s", ".900", "300",
     "expected, never seen"},
    {"A7", "absent = \"300s\"; expect = \"host.name == 'b'\";", "0s", "p0@a .299", "",
     "seen, not expected"},
    {"A8", "absent = \"300s\";", "0s", "p0 .301 s310 u320 .900", "300",
     "decided before a restart: not again"},
    {"A9", "absent = \"300s\";", "0s", "p0 .301 s310 u320 p400 .900", "300 700",
     "heard again, silent again"},
    {"A10", "absent = \"300s\";", "0s", "p0 z100 w350 .900", "650", "asleep is not silent"},
    {"A11", "absent = \"300s\"; for = \"60s\";", "0s", "p0 .310 s320 u330 .900", "690",
     "pending over a restart: anew"},
    {"A12", "absent = \"300s\";", "0s", "?0 ?200 .600", "", "never known to be one: not armed"},
    {"A13", "absent = \"300s\";", "0s", "p0 ?200 .600", "500", "not known: it may be one"},
    {"A14", "absent = \"300s\";", "0s", "p0 p100+250 .900", "400", "late, by its own time"},
    {"H1", "clear = \"event.data.x < 27.0\";", "0s", "x31@0 x28@10 x26.9@20 x31@30 .100", "0 30",
     "on above, off below"},
    {"H2", "clear = \"event.data.x < 27.0\";", "0s",
     "x31@0 x28@10 x28@1800 x28@3610 x31@3700 .3800", "0", "in between it stays"},
    {"L1", "all = ( %A, %B ); within = \"10s\";", "0s", "ra0 rb10 .60", "", "too far apart"},
    {"L2", "all = ( %A, %B ); within = \"10s\";", "0s", "rb0 ra9 .60", "9", "any order"},
    {"L2p", "all = ( %A, %B ); within = \"10s\";", "0s", "pb0 pa9 .60", "9", "pulses too"},
    {"L2m", "all = ( %A, %B ); within = \"10s\";", "0s", "rb0 pa9 .60", "9", "mixed"},
    {"L3", "all = ( %A, %B ); within = \"10s\"; for = \"30s\";", "0s", "ra0 rb5 ca6 .60", "",
     "both must still hold"},
    {"L4", "all = ( %A, %B ); within = \"10s\"; for = \"30s\";", "0s", "ra0 rb5 .60", "35",
     "and they do"},
    {"L5", "all = ( %A, %B ); within = \"10s\";", "0s", "pa0 pb5 pa8 .60", "5",
     "a pulse is consumed"},
    {"L6", "all = ( %A, %B ); within = \"10s\";", "0s", "ra0 s2 u3 rb5 .60", "",
     "not known after a restart"},
    {"L7", "all = ( %A, %B ); within = \"10s\";", "0s", "ra0 s2 u3 rb5 ra7 .60", "7", "said again"},
    {"L8", "all = ( %A, %B ); within = \"10s\";", "0s", "pa0 s2 u3 pb5 .60", "5",
     "a pulse is remembered"},
    {"L9", "all = ( %A, %B ); within = \"10s\"; updates = true;", "0s", "ra0 ra8 rb12 .60", "12",
     "said again counts"},
    {"Y1", "any = ( %A, %B );", "0s", "rb3 .60", "3", "one is enough"},
    {"Y2", "any = ( %A, %B ); for = \"30s\";", "0s", "ra0 rb10 ca20 .60", "30",
     "one or the other, all the time"},
    {"Y3", "any = ( %A, %B );", "0s", "pb3 .60", "3", "a pulse"},
    {"S1", "sequence = ( %A, %B ); within = \"10s\";", "0s", "pa0 pa8 pb12 .60", "12",
     "the latest beginning"},
    {"S2", "sequence = ( %A, %B ); within = \"10s\";", "0s", "pb5 pa6 .60", "", "wrong order"},
    {"S3", "sequence = ( %A, %B, %D ); within = \"10s\"; unless = %X;", "0s", "pa0 pb3 px4 pd5 .60",
     "", "ended"},
    {"S3b", "sequence = ( %A, %B, %D ); within = \"10s\"; unless = %X;", "0s",
     "pa0 pb3 pd5 px6 .60", "5", "too late to end it"},
    {"S4", "sequence = ( %A, %B ); within = \"10s\";", "0s", "pa0 pb10 .60", "",
     "exactly w is too long"},
    {"S5", "sequence = ( %A, %B ); within = \"10s\";", "0s", "pa0 s3 u4 pb6 .60", "6",
     "over a restart"},
    {"S6", "sequence = ( %A, %B ); within = \"10s\"; unless = %X;", "0s", "pa0 s3 u4 pb6 .60", "",
     "what ends it may have come meanwhile"},
    {"S7", "sequence = ( %A, %A ); within = \"10s\";", "0s", "pa0 pa5 .60", "5",
     "one event is one step"},
    {"W1", "%A0 without = %B; within = \"10s\";", "0s", "pa0 .60", "10", "nothing followed"},
    {"W2", "%A0 without = %B; within = \"10s\";", "0s", "pa0 pb10 .60", "",
     "an answer at the deadline wins"},
    {"W3", "%A0 without = %B; within = \"10s\";", "0s", "pa0 pa5 pb12 .60", "10",
     "the first one's deadline"},
    {"W4", "%A0 without = %B; within = \"10s\";", "0s", "pa0 pb3 pa5 .60", "15", "answered, again"},
    {"W5", "%A0 without = %B; within = \"10s\";", "0s", "pa0 pa20 .60", "10 30", "two of them"},
    {"W6", "%A0 without = %B; within = \"10s\";", "0s", "pa0 s3 u4 .60", "",
     "the answer may have come: a person"},
    {"W7", "%A0 without = %B; within = \"10s\";", "0s", "pa0 pb5 pa4+8 .60", "",
     "late, and answered before it came"},
    {"O1", "", "3600s", "p0 p3599 p3600 .3700", "0 3600",
     "once within: allowed again at exactly 3600"},
    {"O2", "", "3600s", "r0 c10 s20 u30 r40 c50 r3600 .3700", "0 3600",
     "limits remember over a restart"},
    {"E1", "", "0s", "r0 r10 r20 .60", "0", "edge, not level: repeats decide nothing"},
    {"E2", "", "0s", "r0 c10 r20 .60", "0 20", "idle in between: another activation"},
    {"N1", "", "0s", "r5 c4+6 .60", "5", "an older clear is ignored"},
    {"N2", "", "0s", "r0 c10 r8+11 .60", "0", "a raise older than the last clear is ignored"},
    {"N3", "", "0s", "r0+700 .800", "", "an old event changes alarms, but starts nothing"},
    {"D1", "", "0s", "r0#x r1#x .60", "0", "a duplicate does nothing"},
};

static struct text packed(double x)
{
    static uint8_t bytes[64];
    const struct nsh_member members[] = {{"ok", nsh_bool(true)}, {"x", nsh_double(x)}};
    const struct nsh_value map = nsh_map(members, 2);
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

static const char *type_of(const char **rest)
{
    static const char *const types[] = {"a.failed", "b.failed", "d.failed", "x.ended"};
    for (size_t i = 0; isalpha((unsigned char)**rest) && i < ROWS(types); i++) {
        if (types[i][0] == **rest) {
            (*rest)++;
            return types[i];
        }
    }
    return "x.failed";
}

static void story_event(struct rig *rig, char kind, const char *rest)
{
    static const char *const states[] = {"p", "r", "c"};
    struct event event = event_of("a", type_of(&rest), EVENT_RAISE);
    event.data = kind == '?' ? (struct text){0} : packed(0);
    for (int i = 0; i < 3; i++) {
        event.state = kind == states[i][0] ? (enum event_state)i : event.state;
    }
    int64_t at = ms_of(&rest);
    if (kind == 'x') {
        event.data = packed((double)at / 1000.0);
        rest++;
        at = ms_of(&rest);
    }
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
        case 'b':
        case 'n':
            rig_at(rig, ms_of(&rest));
            rig_health(rig, true, token[0] == 'b' ? "no source speaks" : "");
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

/* The keys of `when`: %A stands for a condition, %A0 for its keys, and what names no event of its
 * own is about x.failed. */
static void when_of(const char *keys, char *when, size_t room)
{
    static const struct {
        const char *name, *text;
    } words[] = {{"%A0", "event = \"a.failed\";"},
                 {"%A", "{ event = \"a.failed\"; }"},
                 {"%B", "{ event = \"b.failed\"; }"},
                 {"%D", "{ event = \"d.failed\"; }"},
                 {"%X", "{ event = \"x.ended\"; }"}};
    const char *base = strchr(keys, '%') != NULL ? ""
                       : strstr(keys, "clear") != NULL
                           ? "event = \"x.failed\"; if = \"event.data.x > 30.0\";"
                           : "event = \"x.failed\"; if = \"event.data.ok\";";
    size_t count = (size_t)snprintf(when, room, "%s", base);
    for (const char *at = keys; *at != 0;) {
        size_t i = 0;
        while (i < ROWS(words) && strncmp(at, words[i].name, strlen(words[i].name)) != 0) {
            i++;
        }
        assert_true(count + 64 < room);
        if (i < ROWS(words)) {
            count += (size_t)snprintf(when + count, room - count, "%s", words[i].text);
            at += strlen(words[i].name);
        } else {
            when[count++] = *at++;
            when[count] = 0;
        }
    }
}

static bool row_holds(const struct row *row)
{
    char policy[2048], when[1024], fires[256];
    bool wide = strstr(row->when, "distinct") != NULL;
    when_of(row->when, when, sizeof when);
    snprintf(policy, sizeof policy,
             "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"%s\"; mode = "
             "\"enforce\"; when = { %s };"
             " limits = { once_within = \"%s\"; };"
             " do = ( { step = \"tell\"; action = \"notify\"; with = { title = \"t\"; }; } ); } );",
             wide ? "site" : "host", when, row->limits);
    struct rig *rig = rig_new(
        inventory_of(
            "{ name = \"a\"; site = \"s\"; bmc = { driver = \"redfish\"; address = "
            "\"10.0.0.1\"; }; }, { name = \"b\"; site = \"s\"; bmc = { driver = "
            "\"redfish\"; address = \"10.0.0.2\"; }; }, { name = \"c\"; site = \"s\"; bmc = "
            "{ driver = \"redfish\"; address = \"10.0.0.3\"; }; }"),
        policy);
    play(rig, row->story);
    fires_of(rig, fires, sizeof fires);
    bool holds = strcmp(fires, row->fires) == 0;
    if (!holds) {
        print_error("%s (%s): %s fires at \"%s\", not \"%s\"\n%s\n", row->id, row->why, row->story,
                    fires, row->fires, rig->trace.at);
    }
    rig_free(rig);
    return holds;
}

static void test_rows(void **state)
{
    unsigned bad = 0;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bad += !row_holds(&rows[i]);
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
