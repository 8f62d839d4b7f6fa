/* SPDX-License-Identifier: Apache-2.0 */
/* What is told: one event for a host that changed, one for being cut off. */

#include "probe_private.h"

#include <stdio.h>
#include <stdlib.h>

#define DATA_BYTES_MAX 1024 /* Of event.data. */

/* One event on its way. The target is found again by its host: a reload may have moved it. */
struct telling {
    struct source_delivery delivery;
    struct probe_source *source;
    enum probe_say say;
    bool expiry;    /* Of its certificate. */
    char host[256]; /* "": the isolation */
};

static void on_told(void *arg, bool durable, uint32_t duplicates)
{
    struct telling *telling = arg;
    struct probe_source *source = telling->source;
    if (telling->host[0] == 0) {
        probe_told(&source->group.told, &source->group.telling, telling->say, durable);
    } else {
        struct probe_target *target = map_get(&source->by_host, text_of(telling->host));
        if (target != NULL && telling->expiry) {
            probe_told(&target->expiry_told, &target->expiry_telling, telling->say, durable);
        } else if (target != NULL) {
            probe_told(&target->told, &target->telling, telling->say, durable);
        }
        /* Raised, and its host has left meanwhile. */
        source->over.sweep = source->over.sweep || (target == NULL && durable);
    }
    free(telling);
    source->telling--;
    probe_maybe_done(source);
}

static const char *kind_word(enum probe_kind kind)
{
    return probe_kinds[kind].word;
}

static bool push(struct probe_source *source, struct event *event, enum probe_say say,
                 const char *host, struct arena *arena)
{
    struct telling *telling = calloc(1, sizeof *telling);
    int64_t now_ms = intake_now_ms(source->services->intake);
    struct nsh_error err = {0};
    if (telling == NULL) {
        return false;
    }
    bool expiry = text_is(event->type, PROBE_EXPIRING);
    *telling = (struct telling){.source = source, .say = say, .expiry = expiry};
    snprintf(telling->host, sizeof telling->host, "%s", host);
    telling->delivery = (struct source_delivery){
        .row = source->services->row, .received_ms = now_ms, .done = on_told, .arg = telling};
    event->state = say == PROBE_SAY_RAISE ? EVENT_RAISE : EVENT_CLEAR;
    event->severity = say != PROBE_SAY_RAISE ? SEVERITY_INFO
                      : expiry               ? SEVERITY_WARNING
                                             : SEVERITY_MAJOR;
    event->source = text_of(source->config->name);
    event->received_ms = now_ms;
    event->id = text_of(arena_printf(arena, expiry ? "%s/%s/%lld/certificate" : "%s/%s/%lld",
                                     source->config->name, host, (long long)now_ms));
    const struct source_events events = {.items = event, .count = 1};
    source_count(source->services->row, SOURCE_COUNT_received, 1);
    if (source_push(source->services->intake, &events, &telling->delivery, arena, &err) < 0) {
        free(telling);
        return false;
    }
    source->telling++;
    return true;
}

static struct text data_pack(const struct nsh_member *members, size_t count, struct arena *arena)
{
    const struct nsh_value data = nsh_map(members, count);
    return source_pack_data(&data, DATA_BYTES_MAX, arena);
}

/* What policies see as event.data. */
static struct text data_of(const struct probe_target *target, const struct probe_source *source,
                           struct arena *arena)
{
    const struct nsh_member members[] = {
        {"address", nsh_text(target->address)},
        {"probe", nsh_text(kind_word(source->kind))},
        {"loss", nsh_double(target->silent ? 100.0 : 0.0)},
        {"attempts", nsh_int((int64_t)(target->silent ? target->failures : target->answers))},
        {"why", nsh_text(target->silent ? target->why : "")},
    };
    return data_pack(members, sizeof members / sizeof members[0], arena);
}

static void tell_target(struct probe_source *source, struct probe_target *target,
                        enum probe_say say)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    bool raise = say == PROBE_SAY_RAISE;
    struct event event = {
        .type = text_of(source->event),
        .host = text_of(target->host),
        .subject = text_of(target->host),
        .hint = text_of(arena_printf(&arena, "host=%s", target->host)),
        .name = text_of(kind_word(source->kind)),
        .data = data_of(target, source, &arena),
        .message = text_of(
            raise
                ? arena_printf(&arena, "%s: no answer to %s, %u times: %s", target->address,
                               kind_word(source->kind), target->failures, target->why)
                : arena_printf(&arena, "%s answers %s", target->address, kind_word(source->kind))),
    };
    target->telling = push(source, &event, say, target->host, &arena);
}

static void tell_isolation(struct probe_source *source, enum probe_say say)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    const struct probe_group *group = &source->group;
    struct event event = {
        .type = TEXT(PROBE_ISOLATED),
        .subject = text_of(source->config->name),
        .name = text_of(kind_word(source->kind)),
        .message = text_of(arena_printf(
            &arena,
            say == PROBE_SAY_RAISE ? "%u of %u hosts do not answer: rather nightshift is cut off; "
                                     "none is called silent"
                                   : "%u of %u hosts do not answer: each is judged by itself again",
            group->suspects, group->count)),
    };
    source->group.telling = push(source, &event, say, "", &arena);
}

/* A certificate that ends soon, or one that does not any more. */
static void tell_expiry(struct probe_source *source, struct probe_target *target,
                        enum probe_say say)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    CLEANUP(textbuf_donep) struct textbuf left = {0}, when = {0};
    int64_t left_ms = target->expires_ms - intake_now_ms(source->services->intake);
    textbuf_add_span(&left, left_ms < 0 ? 0 : left_ms);
    textbuf_add_time(&when, target->expires_ms);
    const struct nsh_member members[] = {
        {"address", nsh_text(target->address)},
        {"expires", nsh_text(when.at)},
        {"days", nsh_int(left_ms / (INT64_C(24) * 3600 * 1000))},
    };
    struct event event = {
        .type = TEXT(PROBE_EXPIRING),
        .host = text_of(target->host),
        .subject = text_of(target->host),
        .resource = text_of(arena_printf(&arena, "port/%u", source->port)),
        .hint = text_of(arena_printf(&arena, "host=%s", target->host)),
        .name = text_of(kind_word(source->kind)),
        .data = data_pack(members, sizeof members / sizeof members[0], &arena),
        .message = text_of(arena_printf(&arena, "the certificate of %s port %u ends at %s, in %s",
                                        target->address, source->port, when.at, left.at)),
    };
    target->expiry_telling = push(source, &event, say, target->host, &arena);
}

/* ---- samples ---- */

struct sampling {
    const struct probe_source *source;
    const struct probe_target *target;
    double up, seconds;
};

static int samples_decode(void *arg, const struct sample_sink *sink, struct nsh_error *err)
{
    const struct sampling *sampling = arg;
    const struct probe_source *source = sampling->source;
    int64_t now_ms = intake_now_ms(source->services->intake);
    double left_s = (double)(sampling->target->expires_ms - now_ms) / 1000.0;
    const struct {
        const char *name;
        double value;
        bool known;
    } rows[] = {{"probe_up", sampling->up, true},
                {"probe_seconds", sampling->seconds, sampling->up > 0 && sampling->seconds >= 0},
                {"probe_certificate_seconds", left_s, sampling->target->expires_ms > 0}};
    struct sample_label labels[] = {
        {TEXT(SAMPLE_METRIC), {0}},
        {TEXT("job"), text_of(source->config->name)},
        {TEXT("host"), text_of(sampling->target->host)},
        {TEXT("probe"), text_of(kind_word(source->kind))},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].known) {
            labels[0].value = text_of(rows[i].name);
            sink->labels(sink->arg, labels, sizeof labels / sizeof labels[0]);
            sink->value(sink->arg, now_ms, rows[i].value);
        }
    }
    return 0;
}

void probe_samples(struct probe_source *source, uint32_t index, bool up, double seconds)
{
    const struct source_services *services = source->services;
    struct sampling sampling = {source, &source->group.targets[index], up, seconds};
    if (services->samples != NULL) {
        services->samples(services->arg, samples_decode, &sampling, NULL);
    }
}

void probe_tell_isolated(struct probe_source *source)
{
    enum probe_say say = probe_wants_isolation(&source->group);
    if (say != PROBE_SAY_NOTHING) {
        tell_isolation(source, say);
    }
}

bool probe_is_watched(void *arg, const struct source_standing *alarm)
{
    struct probe_source *source = arg;
    char resource[32];
    snprintf(resource, sizeof resource, "port/%u", source->port);
    if (strcmp(alarm->type, PROBE_ISOLATED) == 0) {
        probe_group_isolated_before(&source->group, source->kind != PROBE_PORT);
        return true; /* By its group, which says when it is over. */
    }
    bool lost = strcmp(alarm->type, source->event) == 0 && alarm->resource[0] == '\0';
    bool expires = strcmp(alarm->type, PROBE_EXPIRING) == 0 && source->kind == PROBE_HTTPS &&
                   source->expires_ms > 0 && strcmp(alarm->resource, resource) == 0;
    bool found = map_get(&source->by_host, text_of(alarm->host)) != NULL;
    /* Without memory nobody is called gone. */
    return (lost || expires) && (found || source->partial);
}

void probe_tell(struct probe_source *source, uint32_t index)
{
    probe_tell_isolated(source);
    enum probe_say say = probe_wants(&source->group, index);
    if (say != PROBE_SAY_NOTHING) {
        tell_target(source, &source->group.targets[index], say);
    }
    say = probe_wants_expiry(&source->group.targets[index], intake_now_ms(source->services->intake),
                             source->expires_ms);
    if (say != PROBE_SAY_NOTHING) {
        tell_expiry(source, &source->group.targets[index], say);
    }
}
