/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples: windows with their coverage, hysteresis, counting of samples, gaps, restarts. Each row
 * is a series of one sample every 15 s (or as `every` says), in the words of promtool: "12x2" is 12
 * three times, "_x3" three that are missing.
 */

#include "rig.h"

#include "base/pack.h"
#include "engine/engine_series.h"

#include <math.h>

struct row {
    const char *id, *when;
    int64_t every;
    const char *values;
    const char *fires; /* Seconds of decisions to run; "" never. */
    const char *why;
};

#define AVG "metric = \"power.input\"; if = \"avg_over('power.input', '1m') > 30.0\";"

static const struct row rows[] = {
    {"M1", AVG, 15, "12x3 40x4", "90", "40 40 12 12 is 26, 40 40 40 12 is 33"},
    {"M2", AVG " for = \"60s\";", 15, "12x3 40x9", "150", "and held for a minute"},
    {"M3", AVG " for = \"60s\";", 15, "12x3 40x3 1x3 40x9", "270", "known false resets"},
    {"M4", AVG, 15, "40", "", "one of four samples says nothing"},
    {"M5", AVG, 15, "40x1", "15", "two of four do"},
    {"M6", AVG " for = \"3m\";", 15, "40x4 _x4 40x20", "255",
     "known from 15 to 90, and again from 150: unknown time does not count"},
    {"M7", AVG " for = \"3m\"; stale_after = \"45s\";", 15, "40x4 _x4 40x20", "330",
     "unknown for too long: from the beginning"},
    {"H1",
     "metric = \"power.input\"; if = \"metric('power.input') > 30.0\"; clear = "
     "\"metric('power.input') < 27.0\";",
     15, "31 28 26.9 31", "0 45", "on above, off below"},
    {"H2",
     "metric = \"power.input\"; if = \"metric('power.input') > 30.0\"; clear = "
     "\"metric('power.input') < 27.0\";",
     15, "31 28x240 31", "0", "in between it stays"},
    {"H3", "metric = \"power.input\"; if = \"metric('power.input') > 30.0\";", 15, "31 28 31",
     "0 30", "without clear it flaps"},
    {"N1",
     "metric = \"power.input\"; if = \"metric('power.input') > 30.0\"; count = 3; within = "
     "\"60s\";",
     15, "31 20 31 31 20", "45", "3 of 4 intervals"},
    {"N2",
     "metric = \"power.input\"; if = \"metric('power.input') > 30.0\"; count = 3; within = "
     "\"60s\";",
     15, "31 20 31 20 31 20 31", "", "only 2 of 4"},
    {"X1",
     "metric = \"power.input\"; if = \"max_over('power.input', '1m') > 30.0 && "
     "min_over('power.input', '1m') < 10.0\";",
     15, "20x3 31 9", "75", "the largest and the smallest"},
    {"R1", "metric = \"power.input\"; if = \"rate_over('power.input', '1m') > 1.0\";", 15,
     "0 15 30 46 70", "45", "per second, from first to last"},
    {"R2", "metric = \"memory.ce\"; if = \"rate_over('memory.ce', '4m') * 60.0 > 12.0\";", 60,
     "100 110 5 15 45", "240", "a counter that began anew: 10, 5, 10, 30"},
    {"D1", "metric = \"memory.ce\"; if = \"delta_over('memory.ce', '4m') > 20.0\";", 60,
     "100 101 102 103 130", "240", "how many more"},
    {"P1", "metric = \"filesystem.used\"; if = \"predict('filesystem.used', '10m', '1h') > 0.95\";",
     60, "0.10 0.11 0.12 0.13 0.14 0.15 0.16 0.17 0.18 0.19 0.40", "600",
     "ten samples at least; the line goes up"},
    {"Z1", "metric = \"power.input\"; if = \"anomaly('power.input', '5m') > 5.0\";", 15,
     "100 101 99 100 102 98 100 101 99 100 101 100 180 100", "180", "far from what it was"},
    {"Z2", "metric = \"power.input\"; if = \"anomaly('power.input', '5m') > 5.0\";", 15,
     "100 101 99 100 102 180", "", "still warming up"},
    {"A1",
     "any = ( { event = \"fan.failed\"; }, { metric = \"power.input\"; if = "
     "\"metric('power.input') > 30.0\"; } );",
     15, "20 31", "15", "any: a metric is a condition"},
    {"A2",
     "all = ( { metric = \"power.input\"; if = \"metric('power.input') > 30.0\"; }, "
     "{ metric = \"power.input\"; if = \"metric('power.input') > 40.0\"; } ); within = "
     "\"60s\"; for = \"30s\";",
     15, "20 31 41x4", "60", "all: two levels of one metric"},
    {"A3",
     "all = ( { metric = \"power.input\"; if = \"metric('power.input') > 30.0\"; }, "
     "{ metric = \"power.input\"; if = \"metric('power.input') > 40.0\"; } ); within = "
     "\"60s\";",
     15, "20 31x5 41x4", "", "began too far apart"},
};

static void sample(struct rig *rig, const char *host, const char *metric, double value)
{
    uint8_t bytes[128];
    const struct nsh_member members[] = {{"metric", nsh_text(metric)},
                                         {"value", nsh_double(value)}};
    const struct nsh_value map = nsh_map(members, 2);
    struct pack_writer writer = {.at = bytes, .room = sizeof bytes};
    pack_value(&writer, &map);
    struct event event = event_of(host, POLICY_SAMPLE_TYPE, EVENT_PULSE);
    event.data = (struct text){(const char *)bytes, (uint32_t)writer.count};
    rig_event(rig, &event);
}

/* Samples from `begin` (seconds) on; the metric is the first that the trigger names. */
static int64_t feed(struct rig *rig, const struct row *row, const char *values, int64_t begin)
{
    char metric[64] = "", copy[512];
    const char *named = strstr(row->when, "metric = \"");
    assert_non_null(named);
    sscanf(named, "metric = \"%63[^\"]", metric);
    snprintf(copy, sizeof copy, "%s", values);
    char *save = NULL;
    int64_t at = begin;
    for (char *token = strtok_r(copy, " ", &save); token != NULL;
         token = strtok_r(NULL, " ", &save)) {
        const char *times = strchr(token, 'x');
        long count = times == NULL ? 0 : strtol(times + 1, NULL, 10);
        bool missing = token[0] == '_';
        for (long i = missing ? 1 : 0; i <= count; i++, at += row->every) {
            if (rig->now < RIG_START + at * S) { /* Ticks of the same instant come after it. */
                rig_at(rig, at * S - 1);
            }
            rig->now = RIG_START + at * S;
            if (!missing) {
                sample(rig, "a", metric, strtod(token, NULL));
            }
            rig_at(rig, at * S);
        }
    }
    return at;
}

static struct rig *rig_of(const struct row *row)
{
    char policy[2048];
    snprintf(policy, sizeof policy,
             "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode "
             "= \"enforce\"; when = { %s }; limits = { once_within = \"0s\"; };"
             " do = ( { step = \"tell\"; action = \"notify\"; with = { title = \"t\"; }; } ); } );",
             row->when);
    return rig_new(inventory_of("{ name = \"a\"; site = \"s\"; bmc = { driver = \"redfish\"; "
                                "address = \"10.0.0.1\"; }; }"),
                   policy);
}

static void fires_of(const struct rig *rig, char *fires, size_t room)
{
    size_t count = 0;
    fires[0] = 0;
    for (size_t i = 0; i < rig->records_count; i++) {
        const struct rig_record *record = &rig->records[i];
        if (record->kind == RECORD_DECISION && strcmp(record->state, "run") == 0) {
            count += (size_t)snprintf(fires + count, room - count, "%s%lld", count == 0 ? "" : " ",
                                      (long long)(record->time_ms - RIG_START) / 1000);
        }
    }
}

static void test_rows(void **state)
{
    unsigned bad = 0;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char fires[256];
        struct rig *rig = rig_of(&rows[i]);
        int64_t end = feed(rig, &rows[i], rows[i].values, 0);
        rig_at(rig, end * S + 10 * MIN);
        fires_of(rig, fires, sizeof fires);
        if (strcmp(fires, rows[i].fires) != 0) {
            print_error("%s (%s): %s fires at \"%s\", not \"%s\"\n%s\n", rows[i].id, rows[i].why,
                        rows[i].values, fires, rows[i].fires, rig->trace.at);
            bad++;
        }
        rig_free(rig);
    }
    assert_int_equal(bad, 0);
}

/* Known true from 15 s to 55 s (a stop is known to the last heartbeat), down for two minutes, known
 * again at 3m15s, and then 2m20s more. */
static void test_restart_resumes(void **state)
{
    static const struct row row = {.when = AVG " for = \"3m\";", .every = 15};
    char fires[64];
    struct rig *rig = rig_of(&row);
    feed(rig, &row, "40x3", 0);
    rig_at(rig, 60 * S);
    rig_kill(rig);
    rig_start(rig, 180 * S);
    feed(rig, &row, "40x20", 180);
    fires_of(rig, fires, sizeof fires);
    assert_string_equal(fires, "335");
    rig_free(rig);
}

static void test_restart_decides_nothing_again(void **state)
{
    static const struct row row = {
        .when = "metric = \"power.input\"; if = \"metric('power.input') > 30.0\"; clear = "
                "\"metric('power.input') < 27.0\";",
        .every = 15};
    char fires[64];
    struct rig *rig = rig_of(&row);
    feed(rig, &row, "31 28", 0);
    rig_kill(rig);
    rig_start(rig, 60 * S);
    feed(rig, &row, "28 28 31 26 31", 60);
    fires_of(rig, fires, sizeof fires);
    assert_string_equal(fires, "0 120"); /* Latched over the restart. */
    rig_free(rig);
}

static void test_why_says_what_is_missing(void **state)
{
    static const struct row row = {.when = AVG " for = \"3m\";", .every = 15};
    struct rig *rig = rig_of(&row);
    feed(rig, &row, "40x3", 0);
    const char *body = rig_body(rig, RECORD_PENDING, "a");
    assert_has(body, "metric: power.input = 40 W, 0s ago; 2 of 4 samples in 1m");
    assert_has(body, "for: true for 0s of 3m");
    feed(rig, &row, "40x20", 60);
    body = rig_body(rig, RECORD_DECISION, "a");
    assert_has(body, "avg_over(");
    assert_has(body, "4 of 4 samples in 1m");
    rig_free(rig);
}

/* Strange values, order and times: nothing is believed, nothing breaks. */
static void test_strange_samples(void **state)
{
    static const struct row row = {.when = AVG, .every = 15};
    struct rig *rig = rig_of(&row);
    sample(rig, "a", "power.input", NAN);
    sample(rig, "a", "power.input", INFINITY);
    sample(rig, "a", "no.such", 1);
    sample(rig, "nobody", "power.input", 100);
    struct event event = event_of("a", POLICY_SAMPLE_TYPE, EVENT_PULSE);
    event.data = TEXT("\xff\xff\xff");
    rig_event(rig, &event);
    for (int i = 0; i < 1000; i++) { /* All at one instant: one sample. */
        sample(rig, "a", "power.input", 1e300);
    }
    char fires[64];
    fires_of(rig, fires, sizeof fires);
    assert_string_equal(fires, "");
    rig_free(rig);
}

/* The ring against a list: any order, any number, the same answers. */
static void test_ring_is_a_sorted_list(void **state)
{
    struct policy_metric metric = {.name = "m", .interval_ms = 1000};
    struct policy_series wanted = {.metric = &metric, .window_ms = 20 * S};
    struct sample items[64];
    uint64_t random = 88172645463325252u;
    for (int round = 0; round < 2000; round++) {
        struct series series = {.items = items, .room = series_room(&wanted)};
        int64_t list[256];
        uint32_t count = 0;
        for (int i = 0; i < 30; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            int64_t at = (int64_t)(random % 40) * S;
            series_put(&series, (struct sample){at, (double)at});
            uint32_t place = count;
            while (place > 0 && list[place - 1] >= at) {
                place--;
            }
            if (place == count || list[place] != at) {
                memmove(list + place + 1, list + place, (count - place) * sizeof *list);
                list[place] = at;
                count++;
            }
        }
        assert_true(series.count <= series.room && count <= series.room);
        assert_int_equal(series.count, count);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(series_item(&series, i).at, list[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_restart_resumes),
        cmocka_unit_test(test_restart_decides_nothing_again),
        cmocka_unit_test(test_why_says_what_is_missing),
        cmocka_unit_test(test_strange_samples),
        cmocka_unit_test(test_ring_is_a_sorted_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
