/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine against a slow model that keeps all events and works out every level from its
 * definition, at every event and at every millisecond. Streams are random, with many ties and with
 * gaps of w-1, w and w+1; a window is 10 ms, so that all edges are met.
 */

#include "rig.h"

#define EVENTS_MAX 24
#define SPAN_MS 160
#define W 10 /* within, absent */
#define FOR 7
#define KEEP 9

enum shape { PLAIN, COUNT, ABSENT, ALL, ANY, SEQUENCE, WITHOUT, SHAPES_COUNT };

static const struct {
    const char *name, *when;
    bool for_ok;
} shapes[] = {
    [PLAIN] = {"event", "event = \"a\"; if = \"event.message == 'it broke'\";", true},
    [COUNT] = {"count", "event = \"a\"; count = 3; within = \"10ms\";", false},
    [ABSENT] = {"absent", "event = \"a\"; absent = \"10ms\";", true},
    [ALL] = {"all", "all = ( { event = \"a\"; }, { event = \"b\"; } ); within = \"10ms\";", true},
    [ANY] = {"any", "any = ( { event = \"a\"; }, { event = \"b\"; } );", true},
    [SEQUENCE] = {"sequence",
                  "sequence = ( { event = \"a\"; }, { event = \"b\"; }, { event = \"a\"; } ); "
                  "within = \"10ms\"; unless = { event = \"x\"; };",
                  false},
    [WITHOUT] = {"without", "event = \"a\"; without = { event = \"b\"; }; within = \"10ms\";",
                 false},
};

static const char *const types[] = {"a", "b", "x"};
static const char *const hosts[] = {"r1h01", "r1h02"};

struct happening {
    int64_t at;
    int type, host;
    enum event_state state;
    bool occurs; /* A pulse, or a raise of what was not raised. */
    bool unsaid; /* The condition is false for it. */
};

struct stream {
    struct happening items[EVENTS_MAX];
    int count;
};

static uint64_t seed;

static uint64_t roll(uint64_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % sides;
}

/* What was raised is known only in order: `occurs` is filled at the end. */
static void stream_make(struct stream *stream, bool pulses)
{
    static const int64_t gaps[] = {0, 0, 1, 2, 3, W - 1, W, W + 1, FOR, KEEP};
    int64_t at = 0;
    bool raised[2][3] = {{false}};
    stream->count = 0;
    for (int i = 0; i < EVENTS_MAX && at < SPAN_MS - 2 * W; i++) {
        struct happening *one = &stream->items[stream->count++];
        at += gaps[roll(ROWS(gaps))];
        uint64_t kind = roll(8);
        *one = (struct happening){
            .at = at,
            .type = roll(6) == 0 ? 2 : (int)roll(2),
            .host = (int)roll(2),
            .state = pulses && kind < 4 ? EVENT_PULSE
                     : kind < 6         ? EVENT_RAISE
                                        : EVENT_CLEAR,
            .unsaid = roll(6) == 0,
        };
        bool *is = &raised[one->host][one->type];
        one->occurs = one->state == EVENT_PULSE || (one->state == EVENT_RAISE && !*is);
        *is = one->state == EVENT_PULSE ? *is : one->state == EVENT_RAISE;
    }
}

/* ---- the model ------------------------------------------------------------------------------ */

struct model {
    const struct stream *stream;
    enum shape shape;
    int64_t for_ms, keep_ms;
    int host;
    int consumed; /* Events before this one were used up by a match. */
    bool active, pending, true_now;
    int64_t held_ms, kept_until;
    int64_t fired[EVENTS_MAX * 2];
    int fired_count;
};

/* The raise of an alarm that stands after n events, or NULL; *ret_since: when it became raised. */
static const struct happening *raised(const struct model *model, int n, int type,
                                      int64_t *ret_since)
{
    const struct happening *last = NULL;
    for (int i = 0; i < n; i++) {
        const struct happening *one = &model->stream->items[i];
        if (one->host != model->host || one->type != type || one->state == EVENT_PULSE) {
            continue;
        }
        *ret_since = one->state == EVENT_RAISE && last == NULL ? one->at : *ret_since;
        last = one->state == EVENT_RAISE ? one : NULL;
    }
    return last;
}

static bool is(const struct model *model, int i, int type)
{
    const struct happening *one = &model->stream->items[i];
    return one->host == model->host && one->type == type && one->state != EVENT_CLEAR;
}

static bool counted(const struct model *model, int n, int64_t now)
{
    int count = 0;
    for (int i = 0; i < n; i++) {
        count += is(model, i, 0) && model->stream->items[i].occurs &&
                 model->stream->items[i].at > now - W;
    }
    return count >= 3;
}

static bool silent(const struct model *model, int n, int64_t now)
{
    bool armed = false, heard = false;
    for (int i = 0; i < n; i++) {
        armed = armed || is(model, i, 0);
        heard = heard || (is(model, i, 0) && model->stream->items[i].at > now - W);
    }
    return armed && !heard;
}

/* Every choice of one a and one b: alarms that stand, and, when asked, pulses not used up. */
static bool together(const struct model *model, int n, int64_t now, bool pulses)
{
    int64_t times[2][EVENTS_MAX + 1];
    int count[2] = {0, 0};
    for (int type = 0; type < 2; type++) {
        int64_t since = 0;
        if (raised(model, n, type, &since) != NULL) {
            times[type][count[type]++] = since;
        }
        for (int i = model->consumed; pulses && i < n; i++) {
            const struct happening *one = &model->stream->items[i];
            if (is(model, i, type) && one->state == EVENT_PULSE && one->at > now - W) {
                times[type][count[type]++] = one->at;
            }
        }
    }
    for (int i = 0; i < count[0]; i++) {
        for (int j = 0; j < count[1]; j++) {
            int64_t apart = times[0][i] - times[1][j];
            if (apart < W && apart > -W) {
                return true;
            }
        }
    }
    return false;
}

static bool ended_between(const struct model *model, int first, int last)
{
    for (int i = first + 1; i < last; i++) {
        if (is(model, i, 2)) {
            return true;
        }
    }
    return false;
}

/* a, b, a in this order, the last of them the event before n. */
static bool in_order(const struct model *model, int n)
{
    const struct happening *items = model->stream->items;
    int last = n - 1;
    if (!is(model, last, 0) || !items[last].occurs) {
        return false;
    }
    for (int i = model->consumed; i < last; i++) {
        for (int j = i + 1; j < last; j++) {
            if (is(model, i, 0) && items[i].occurs && is(model, j, 1) && items[j].occurs &&
                items[last].at - items[i].at < W && !ended_between(model, i, last)) {
                return true;
            }
        }
    }
    return false;
}

/* w has passed since the first open a, and no b came. */
static bool unanswered(const struct model *model, int n, int64_t now)
{
    int64_t first = -1;
    for (int i = model->consumed; i < n; i++) {
        if (is(model, i, 1)) {
            first = -1;
        } else if (is(model, i, 0) && model->stream->items[i].occurs && first < 0) {
            first = model->stream->items[i].at;
        }
    }
    return first >= 0 && now - first >= W;
}

static bool level(const struct model *model, int n, int64_t now)
{
    int64_t since = 0;
    switch (model->shape) {
    case PLAIN: {
        const struct happening *last = raised(model, n, 0, &since);
        return last != NULL && !last->unsaid;
    }
    case COUNT:
        return counted(model, n, now);
    case ABSENT:
        return silent(model, n, now);
    case ALL:
        return together(model, n, now, false);
    case ANY:
        return raised(model, n, 0, &since) != NULL || raised(model, n, 1, &since) != NULL;
    case WITHOUT:
        return unanswered(model, n, now);
    case SEQUENCE:
    case SHAPES_COUNT:
        break;
    }
    return false;
}

/* True for the instant of the event before n. */
static bool instant(struct model *model, int n, int64_t now)
{
    const struct happening *one = &model->stream->items[n - 1];
    bool pulse = one->host == model->host && one->state == EVENT_PULSE;
    bool complete = false;
    switch (model->shape) {
    case PLAIN:
        return pulse && one->type == 0 && !one->unsaid;
    case ANY:
        return pulse && one->type < 2;
    case ALL:
        complete = one->host == model->host && one->type < 2 && !together(model, n, now, false) &&
                   together(model, n, now, true);
        break;
    case SEQUENCE:
        complete = in_order(model, n);
        break;
    case COUNT:
    case ABSENT:
    case WITHOUT:
    case SHAPES_COUNT:
        break;
    }
    model->consumed = complete ? n : model->consumed;
    return complete;
}

static void fire(struct model *model, int64_t now)
{
    assert_true(model->fired_count < (int)ROWS(model->fired));
    model->fired[model->fired_count++] = now;
    model->pending = false;
    model->active = true;
    model->kept_until = -1;
}

/* tick: timers run; between events of one instant they do not. */
static void becomes(struct model *model, bool now_true, int64_t now, bool tick)
{
    bool was = model->true_now;
    model->true_now = now_true;
    if (now_true) {
        model->kept_until = model->active ? -1 : model->kept_until;
        if (!model->active && !model->pending) {
            model->pending = true;
            model->held_ms = 0;
        }
        if (model->pending && model->held_ms >= model->for_ms && (tick || model->for_ms == 0)) {
            fire(model, now);
        }
    } else if (was && model->active && model->keep_ms > 0) {
        model->kept_until = now + model->keep_ms;
    } else if (model->kept_until < 0) {
        model->active = model->pending = false;
    }
}

static void model_event(struct model *model, int n, int64_t now)
{
    const struct happening *one = &model->stream->items[n - 1];
    bool by_time = model->shape == ABSENT || model->shape == WITHOUT;
    if (model->shape == WITHOUT && model->active && model->true_now && is(model, n - 1, 0) &&
        one->occurs) {
        model->consumed = n - 1; /* The next one: what was decided is over. */
    }
    bool now_true = level(model, n, now);
    bool lasts = model->shape == COUNT && model->true_now; /* Only time ends it. */
    becomes(model, (now_true && (!by_time || model->true_now)) || lasts, now, false);
    if (instant(model, n, now) && model->for_ms == 0) {
        bool stands = model->true_now;
        if (!model->active && !model->pending) {
            fire(model, now);
            model->active = stands || model->keep_ms > 0;
            model->kept_until = model->active && !stands ? now + model->keep_ms : -1;
        } else if (model->kept_until >= 0) {
            model->kept_until = now + model->keep_ms;
        }
    }
}

static void model_tick(struct model *model, int n, int64_t now)
{
    if (model->kept_until >= 0 && now >= model->kept_until) {
        model->kept_until = -1;
        model->active = model->pending = false;
    }
    becomes(model, level(model, n, now), now, true);
    if (model->pending) {
        model->held_ms++; /* Until the next millisecond. */
    }
}

static void model_run(struct model *model)
{
    int n = 0;
    model->kept_until = -1;
    for (int64_t now = 0; now < SPAN_MS; now++) {
        while (n < model->stream->count && model->stream->items[n].at == now) {
            model_event(model, ++n, now);
        }
        model_tick(model, n, now);
    }
}

/* ---- the engine ----------------------------------------------------------------------------- */

static void rig_reset(struct rig *rig)
{
    rig_kill(rig);
    for (size_t i = 0; i < rig->records_count; i++) {
        record_done(&rig->records[i]);
    }
    rig->records_count = 0;
    textbuf_clear(&rig->trace);
    textbuf_clear(&rig->all);
    rig->now = RIG_START;
    rig->seq = 0;
    rig_load(rig);
}

/* The events of one instant come as one batch: they go before its timers. Returns the next one. */
static int happen(struct rig *rig, const struct stream *stream, int first, int only_host,
                  int64_t shift)
{
    struct event batch[EVENTS_MAX];
    size_t count = 0;
    int64_t at = stream->items[first].at;
    int i = first;
    for (; i < stream->count && stream->items[i].at == at; i++) {
        const struct happening *one = &stream->items[i];
        if (only_host < 0 || one->host == only_host) {
            batch[count] = event_of(hosts[one->host], types[one->type], one->state);
            batch[count].message = one->unsaid ? TEXT("nothing") : batch[count].message;
            batch[count].seq = ++rig->seq;
            batch[count++].received_ms = RIG_START + shift + at;
        }
    }
    if (rig->now < RIG_START + shift + at) {
        rig_at(rig, shift + at - 1);
        rig->now = RIG_START + shift + at;
    }
    if (count > 0) {
        rig_step(rig, &(struct engine_input){.kind = INPUT_EVENTS, .events = {batch, count}});
    }
    return i;
}

static void play(struct rig *rig, const struct stream *stream, int only_host, int64_t shift)
{
    rig_at(rig, shift);
    for (int i = 0; i < stream->count;) {
        i = happen(rig, stream, i, only_host, shift);
    }
    rig_at(rig, shift + SPAN_MS - 1);
}

/* "12 30 ": when a host's decisions were. */
static void fires_of(const struct rig *rig, const char *host, int64_t shift, struct textbuf *out)
{
    textbuf_clear(out);
    for (size_t i = 0; i < rig->records_count; i++) {
        const struct rig_record *record = &rig->records[i];
        if (record->kind == RECORD_DECISION && strcmp(record->host, host) == 0 &&
            strcmp(record->state, "would-run") == 0) {
            textbuf_addf(out, "%lld ", (long long)(record->time_ms - RIG_START - shift));
        }
    }
    textbuf_add_chars(out, "");
}

static void stream_print(const struct stream *stream)
{
    static const char kinds[] = "prc";
    for (int i = 0; i < stream->count; i++) {
        const struct happening *one = &stream->items[i];
        print_error("%c%s%lld@%d%s ", kinds[one->state], types[one->type], (long long)one->at,
                    one->host, one->unsaid ? "!" : "");
    }
    print_error("\n");
}

static bool agrees(struct rig *rig, const struct stream *stream, enum shape shape, int64_t for_ms,
                   int64_t keep_ms)
{
    CLEANUP(textbuf_donep) struct textbuf got = {0};
    CLEANUP(textbuf_donep) struct textbuf wanted = {0};
    bool good = true;
    for (int host = 0; host < 2; host++) {
        struct model model = {
            .stream = stream, .shape = shape, .for_ms = for_ms, .keep_ms = keep_ms, .host = host};
        model_run(&model);
        textbuf_clear(&wanted);
        for (int i = 0; i < model.fired_count; i++) {
            textbuf_addf(&wanted, "%lld ", (long long)model.fired[i]);
        }
        textbuf_add_chars(&wanted, "");
        fires_of(rig, hosts[host], 0, &got);
        const char *a = got.at == NULL ? "" : got.at, *b = wanted.at == NULL ? "" : wanted.at;
        if (strcmp(a, b) != 0) {
            print_error("%s for %d keep %d, host %d: engine \"%s\", model \"%s\"\n",
                        shapes[shape].name, (int)for_ms, (int)keep_ms, host, a, b);
            good = false;
        }
    }
    return good;
}

/* The shortest stream that still disagrees: events are left out one by one. */
static void shrink(struct rig *rig, struct stream *stream, enum shape shape, int64_t for_ms,
                   int64_t keep_ms)
{
    for (int i = stream->count - 1; i >= 0; i--) {
        struct stream less = *stream;
        memmove(&less.items[i], &less.items[i + 1],
                (size_t)(less.count - i - 1) * sizeof less.items[0]);
        less.count--;
        bool raised_now[2][3] = {{false}};
        for (int k = 0; k < less.count; k++) {
            struct happening *one = &less.items[k];
            bool *stands = &raised_now[one->host][one->type];
            one->occurs = one->state == EVENT_PULSE || (one->state == EVENT_RAISE && !*stands);
            *stands = one->state == EVENT_PULSE ? *stands : one->state == EVENT_RAISE;
        }
        rig_reset(rig);
        play(rig, &less, -1, 0);
        if (!agrees(rig, &less, shape, for_ms, keep_ms)) {
            *stream = less;
        }
    }
    stream_print(stream);
}

static struct rig *rig_of(enum shape shape, int64_t for_ms, int64_t keep_ms)
{
    char policy[1024], more[128] = "";
    size_t count = 0;
    if (for_ms > 0) {
        count += (size_t)snprintf(more, sizeof more, "for = \"%dms\";", (int)for_ms);
    }
    if (keep_ms > 0) {
        snprintf(more + count, sizeof more - count, "keep = \"%dms\";", (int)keep_ms);
    }
    snprintf(policy, sizeof policy,
             "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode "
             "= \"observe\"; when = { %s %s }; limits = { once_within = \"0s\"; }; do = ( { step = "
             "\"tell\"; action = \"notify\"; with = { title = \"t\"; }; } ); } );",
             shapes[shape].when, more);
    return rig_new(racks_of(1, 2), policy);
}

/* Streams for each trigger; NSH_ROUNDS=20000 for a long search. */
#define ROUNDS 300

static int rounds_wanted(void)
{
    const char *wanted = getenv("NSH_ROUNDS");
    return wanted == NULL ? ROUNDS : (int)strtol(wanted, NULL, 10);
}

static void test_model(void **state)
{
    unsigned bad = 0;
    for (int shape = 0; shape < SHAPES_COUNT; shape++) {
        for (int variant = 0; variant < 4; variant++) {
            int64_t for_ms = (variant & 1) != 0 ? FOR : 0, keep_ms = (variant & 2) != 0 ? KEEP : 0;
            if (for_ms > 0 && !shapes[shape].for_ok) {
                continue;
            }
            struct rig *rig = rig_of((enum shape)shape, for_ms, keep_ms);
            seed = 0x9E3779B97F4A7C15u + (uint64_t)(shape * 4 + variant);
            bool good = true;
            for (int round = 0; good && round < rounds_wanted(); round++) {
                struct stream stream;
                stream_make(&stream, for_ms == 0);
                rig_reset(rig);
                play(rig, &stream, -1, 0);
                good = agrees(rig, &stream, (enum shape)shape, for_ms, keep_ms);
                if (!good) {
                    shrink(rig, &stream, (enum shape)shape, for_ms, keep_ms);
                }
            }
            bad += !good;
            rig_free(rig);
        }
    }
    assert_int_equal(bad, 0);
}

/* ---- relations that need no model ----------------------------------------------------------- */

static bool same_fires(struct rig *rig, int64_t shift, const struct textbuf before[2], int host)
{
    CLEANUP(textbuf_donep) struct textbuf got = {0};
    fires_of(rig, hosts[host], shift, &got);
    return strcmp(got.at == NULL ? "" : got.at, before[host].at == NULL ? "" : before[host].at) ==
           0;
}

static unsigned words(const char *text)
{
    unsigned count = 0;
    for (; text != NULL && *text != 0; text++) {
        count += *text == ' ';
    }
    return count;
}

/* Kill and start at an event: what was decided is not decided again. */
static unsigned decided_with_restart(struct rig *rig, const struct stream *stream, int at)
{
    CLEANUP(textbuf_donep) struct textbuf got = {0};
    rig_reset(rig);
    for (int i = 0; i < stream->count;) {
        if (at >= 0 && i >= at) {
            rig_kill(rig);
            rig_start(rig, rig->now - RIG_START);
            at = -1;
        }
        i = happen(rig, stream, i, -1, 0);
    }
    rig_at(rig, SPAN_MS - 1);
    unsigned count = 0;
    for (int host = 0; host < 2; host++) {
        fires_of(rig, hosts[host], 0, &got);
        count += words(got.at);
    }
    return count;
}

/*
 * mixed: alarms and pulses in one condition. Then a restart can make two activations of one: what
 * was raised is not known any more, and a pulse that comes next to it stands for an instant only.
 */
static void relations(struct rig *rig, enum shape shape, const struct stream *stream, bool mixed)
{
    struct textbuf before[2] = {{0}, {0}};
    rig_reset(rig);
    play(rig, stream, -1, 0);
    fires_of(rig, hosts[0], 0, &before[0]);
    fires_of(rig, hosts[1], 0, &before[1]);

    rig_reset(rig); /* Shifting all times changes nothing. */
    play(rig, stream, -1, 12345);
    assert_true(same_fires(rig, 12345, before, 0) && same_fires(rig, 12345, before, 1));
    for (int host = 0; host < 2; host++) { /* Nor do events of other subjects. */
        rig_reset(rig);
        play(rig, stream, host, 0);
        assert_true(same_fires(rig, 0, before, host));
    }
    unsigned all = words(before[0].at) + words(before[1].at);
    int at = (int)roll((uint64_t)stream->count);
    unsigned again = decided_with_restart(rig, stream, at);
    if (again > all && !mixed) {
        stream_print(stream);
        fail_msg("%s: %u decisions with a restart at event %d, %u without: %s/ %s\n%s",
                 shapes[shape].name, again, at, all, before[0].at, before[1].at, rig->trace.at);
    }
    textbuf_done(&before[0]);
    textbuf_done(&before[1]);
}

static void test_relations(void **state)
{
    for (int shape = 0; shape < SHAPES_COUNT; shape++) {
        struct rig *rig = rig_of((enum shape)shape, 0, (shape & 1) != 0 ? KEEP : 0);
        seed = 0xD1B54A32D192ED03u + (uint64_t)shape;
        for (int round = 0; round < rounds_wanted() / 4; round++) {
            struct stream stream;
            bool pulses = round % 2 == 0, wide = shape == ALL || shape == ANY;
            stream_make(&stream, pulses);
            relations(rig, (enum shape)shape, &stream, pulses && wide);
        }
        rig_free(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_relations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
