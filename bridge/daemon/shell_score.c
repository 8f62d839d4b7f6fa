/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shadow score of a policy that only looks: what became of the hosts it would have acted on.
 *
 * For each decision of the last SCORE_MS that was only written down or suggested, the hour after it
 * is read from the journal: did somebody restart the host (and not we), or did the alarm clear
 * without anybody? One pass over the events, on a pool thread.
 */

#include "shell_private.h"

#include "base/json.h"

#define SCORE_MS (INT64_C(30) * 24 * 3600 * 1000)
#define SCORE_AFTER_MS (INT64_C(3600) * 1000)
#define SCORE_SAMPLES_MAX 2000
#define SCORE_DECIDED_MIN 10 /* Fewer say nothing. */
#define PAGE_EVENTS 100000

struct sample {
    struct sample *next; /* Of the same host. */
    int64_t at_ms;
    struct text type, resource;
    int64_t restarted_ms, cleared_ms; /* 0: not seen. */
    bool ours;                        /* We did something on the host meanwhile. */
};

struct score {
    struct arena *arena;
    const struct policy *policy;
    struct store_reader *reader;
    struct map hosts; /* Name -> struct sample */
    struct sample *samples[SCORE_SAMPLES_MAX];
    size_t count, alone, same;
    int64_t first_ms, now_ms;
    uint64_t after_seq;
    size_t page;
    bool no_memory;
};

/* ---- the decisions ---- */

struct alarm_key {
    struct arena *arena;
    struct sample *sample;
};

static int alarm_row(void *arg, const struct record *record)
{
    struct alarm_key *key = arg;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body;
    if (json_parse(record->body.at, record->body.count, &arena, &body, NULL) == 0) {
        key->sample->type = arena_text(key->arena, text_of(nsh_get_text(&body, "type", "")));
        key->sample->resource =
            arena_text(key->arena, text_of(nsh_get_text(&body, "resource", "")));
    }
    return 0;
}

static void sample_add(struct score *score, const struct record *record,
                       const struct nsh_value *body)
{
    struct sample *sample = arena_alloc(score->arena, sizeof *sample);
    struct text host = arena_text(score->arena, record->host);
    if (sample == NULL || host.at == NULL) {
        score->no_memory = true;
        return;
    }
    sample->at_ms = record->time_ms;
    sample->next = map_get(&score->hosts, host);
    score->no_memory = map_set(&score->hosts, host, sample) < 0 || score->no_memory;
    score->samples[score->count++] = sample;
    score->first_ms = sample->at_ms; /* Newest first: the last one is the oldest. */
    struct alarm_key key = {score->arena, sample};
    struct store_query alarm = {
        .kind = RECORD_ALARM, .id = text_of(nsh_get_text(body, "alarm", "-")), .limit = 1};
    (void)store_query(score->reader, &alarm, alarm_row, &key, NULL); /* Without it: no clear. */
}

static int decision_row(void *arg, const struct record *record)
{
    struct score *score = arg;
    bool shadow = text_is(record->state, "would-run") || text_is(record->state, "suggested");
    if (!shadow || record->host.count == 0 || score->count == SCORE_SAMPLES_MAX) {
        return 0;
    }
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body;
    if (json_parse(record->body.at, record->body.count, &arena, &body, NULL) == 0 &&
        strcmp(nsh_get_text(&body, "policy", ""), score->policy->name) == 0) {
        sample_add(score, record, &body);
    }
    return 0;
}

/* ---- what happened then ---- */

static bool within(const struct sample *sample, int64_t ms)
{
    return ms >= sample->at_ms && ms < sample->at_ms + SCORE_AFTER_MS;
}

static int action_row(void *arg, const struct record *record)
{
    struct score *score = arg;
    struct sample *sample = map_get(&score->hosts, record->host);
    for (; sample != NULL; sample = sample->next) {
        sample->ours = sample->ours || within(sample, record->time_ms);
    }
    return 0;
}

/* What a host tells when it was switched or restarted. */
static bool is_restart(struct text type)
{
    return text_starts(type, "boot.") || text_glob(TEXT("agent.*-start"), type) ||
           text_starts(type, "outlet.") || text_is(type, "power.unit.cycled") ||
           text_is(type, "power.unit.off");
}

static int event_row(void *arg, const struct event *event)
{
    struct score *score = arg;
    struct sample *sample = map_get(&score->hosts, event->host);
    score->after_seq = event->seq;
    score->page++;
    bool restart = sample != NULL && is_restart(event->type);
    for (; sample != NULL; sample = sample->next) {
        if (!within(sample, event->received_ms)) {
            continue;
        }
        if (restart && sample->restarted_ms == 0) {
            sample->restarted_ms = event->received_ms;
        } else if (event->state == EVENT_CLEAR && sample->cleared_ms == 0 &&
                   text_equal(event->type, sample->type) &&
                   text_equal(event->resource, sample->resource)) {
            sample->cleared_ms = event->received_ms;
        }
    }
    return 0;
}

static int events_walk(struct score *score, struct nsh_error *err)
{
    int result = 0;
    do {
        score->page = 0;
        struct store_events query = {.after_seq = score->after_seq,
                                     .rising = true,
                                     .since_ms = score->first_ms,
                                     .limit = PAGE_EVENTS};
        result = store_events(score->reader, &query, event_row, score, err);
    } while (result >= 0 && score->page == PAGE_EVENTS);
    return result < 0 ? result : 0;
}

/* ---- the score ---- */

static void judge(struct score *score)
{
    for (size_t i = 0; i < score->count; i++) {
        const struct sample *sample = score->samples[i];
        bool people = sample->restarted_ms > 0 && !sample->ours &&
                      (sample->cleared_ms == 0 || sample->restarted_ms <= sample->cleared_ms);
        score->same += people;
        score->alone += !people && !sample->ours && sample->cleared_ms > 0;
    }
}

static void score_write(struct score *score, int64_t wanted_percent, struct textbuf *out)
{
    bool down = policy_takes_down(score->policy);
    size_t right = down ? score->same : score->count - score->alone;
    size_t judged = down ? score->same + score->alone : score->count;
    size_t percent = judged == 0 ? 0 : right * 100 / judged;
    bool shadow = score->policy->mode == POLICY_OBSERVE || score->policy->mode == POLICY_SUGGEST;
    bool promote = shadow && judged >= SCORE_DECIDED_MIN && (int64_t)percent >= wanted_percent;
    textbuf_addf(out,
                 "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"PolicyScore\",\"policy\":\"%s\","
                 "\"mode\":\"%s\",\"decided\":%zu,\"same\":%zu,\"alone\":%zu,\"judged\":%zu,"
                 "\"precision\":%zu,\"wanted\":%lld,\"judged_min\":%d,\"takes_down\":%s,"
                 "\"promote\":%s,\"since_ms\":%lld}",
                 score->policy->name, policy_mode_word(score->policy->mode), score->count,
                 score->same, score->alone, judged, percent, (long long)wanted_percent,
                 SCORE_DECIDED_MIN, down ? "true" : "false", promote ? "true" : "false",
                 (long long)(score->count == 0 ? 0 : score->first_ms));
}

static int score_run(struct shell_job *job, struct store_reader *reader, struct nsh_error *err)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    const char *id = nsh_get_text(&job->request->args, "id", "");
    struct score *score = arena_alloc(&arena, sizeof *score);
    if (score == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    score->arena = &arena;
    score->reader = reader;
    score->policy = map_get(&job->generation->policies->by_name, text_of(id));
    if (score->policy == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "no policy '%.128s' is loaded", id);
    }
    int64_t now_ms = nsh_get_int(&job->request->args, "now_ms", 0);
    struct store_query decisions = {
        .kind = RECORD_DECISION, .since_ms = now_ms - SCORE_MS, .limit = 100000};
    int result = store_query(reader, &decisions, decision_row, score, err);
    struct store_query actions = {
        .kind = RECORD_ACTION, .since_ms = score->first_ms, .limit = 100000};
    if (result >= 0 && score->count > 0) {
        result = store_query(reader, &actions, action_row, score, err);
    }
    if (result >= 0 && score->count > 0) {
        result = events_walk(score, err);
    }
    if (result >= 0 && score->no_memory) {
        result = nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (result >= 0) {
        judge(score);
        score_write(score, job->generation->config->promote_percent, &job->document);
    }
    map_done(&score->hosts);
    return result < 0 ? result : 0;
}

void shell_policy_score(struct shell *shell, struct shell_request *request)
{
    struct nsh_member *members = arena_array(&request->arena, 2, sizeof *members);
    struct nsh_error err = {0};
    if (members == NULL) {
        nsh_fail(&err, NSH_NOMEM, "out of memory");
        shell_answer_error(shell, request, &err);
        return;
    }
    members[0] = (struct nsh_member){"id", nsh_text(nsh_get_text(&request->args, "id", ""))};
    members[1] = (struct nsh_member){"now_ms", nsh_int(shell_now(shell))};
    request->args = nsh_map(members, 2);
    shell_job(shell, request, score_run);
}
