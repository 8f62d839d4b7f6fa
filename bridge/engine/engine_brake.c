/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storm brake. When more hosts of a domain break within the window than max(hosts, percent),
 * the cause is not the hosts: interrupting actions there are held and one page goes out.
 *
 * A host that a brake explains is not counted again in wider domains, so that one dead rack does
 * not stop the site; but BRAKES_INSIDE_MAX braked domains in a wider one are that one's storm.
 * Counts are kept per domain: nothing here walks all hosts but the opening of a brake.
 */

#include "engine_private.h"

#include <stdio.h>
#include <stdlib.h>

static void brake_open(struct engine *engine, struct domain_state *domain,
                       struct host_state *trigger);

uint32_t brake_threshold(const struct engine *engine, const struct domain_state *domain)
{
    uint64_t part = (uint64_t)domain->hosts_count * engine->guards->brake_percent / 100;
    return part > engine->guards->brake_hosts_min ? (uint32_t)part
                                                  : engine->guards->brake_hosts_min;
}

const struct brake *brake_over(const struct host_state *host, const struct domain_state *domain)
{
    if (domain != NULL && domain->brake != NULL) {
        return domain->brake;
    }
    for (uint32_t i = 0; host != NULL && i < host->domains_count; i++) {
        if (host->domains[i]->brake != NULL) {
            return host->domains[i]->brake;
        }
    }
    return NULL;
}

static void brake_touch(struct brake *brake)
{
    brake->dirty = true;
}

/* ---- hosts that broke within the window ------------------------------------------------------ */

static void recent_remove(struct engine *engine, struct host_state *host)
{
    if (!host->recent) {
        return;
    }
    host->recent = false;
    if (host->recent_previous == NULL) {
        engine->recent_first = host->recent_next;
    } else {
        host->recent_previous->recent_next = host->recent_next;
    }
    if (host->recent_next == NULL) {
        engine->recent_last = host->recent_previous;
    } else {
        host->recent_next->recent_previous = host->recent_previous;
    }
    host->recent_previous = host->recent_next = NULL;
}

/* In order of time: behind those that broke before it or with it. */
static void recent_add(struct engine *engine, struct host_state *host, int64_t ms)
{
    recent_remove(engine, host);
    struct host_state *previous = engine->recent_last;
    while (previous != NULL && previous->recent_ms > ms) {
        previous = previous->recent_previous;
    }
    struct host_state *next = previous == NULL ? engine->recent_first : previous->recent_next;
    host->recent = true;
    host->recent_ms = ms;
    host->recent_previous = previous;
    host->recent_next = next;
    *(previous == NULL ? &engine->recent_first : &previous->recent_next) = host;
    *(next == NULL ? &engine->recent_last : &next->recent_previous) = host;
    if (previous == NULL) {
        engine_timer_set(engine, &engine->recent_timer, ms + engine->guards->brake_window_ms, 0);
    }
}

static void count_host(struct host_state *host, bool on)
{
    if (host->counted == on) {
        return;
    }
    host->counted = on;
    for (uint32_t i = 0; i < host->domains_count; i++) {
        if (on) {
            host->domains[i]->recent_count++;
        } else if (host->domains[i]->recent_count > 0) {
            host->domains[i]->recent_count--;
        }
    }
}

/* ---- which hosts a brake explains -------------------------------------------------------------
 */

/* Neither what it explains is a storm, nor the brakes inside of it are. */
static void release_later(struct engine *engine, struct brake *brake)
{
    bool over = brake->hosts_count <= brake_threshold(engine, brake->domain) &&
                brake->domain->brakes_inside < BRAKES_INSIDE_MAX;
    if (over && !brake->releasing) {
        brake->releasing = true;
        engine_timer_set(engine, &brake->release_timer,
                         engine->now_ms + engine->guards->brake_hold_ms, brake->number);
    } else if (!over && brake->releasing) {
        brake->releasing = false;
        engine_timer_stop(engine, &brake->release_timer);
    }
}

void brake_join(struct engine *engine, struct brake *brake, struct host_state *host)
{
    NSH_ASSERT(host->brake == NULL);
    count_host(host, false);
    host->brake = brake;
    host->brake_next = brake->hosts;
    brake->hosts = host;
    brake->hosts_count++;
    if (brake->hosts_count > brake->hosts_most) {
        brake->hosts_most = brake->hosts_count;
    }
    brake_touch(brake);
    release_later(engine, brake);
}

static void brake_leave(struct engine *engine, struct host_state *host)
{
    struct brake *brake = host->brake;
    if (brake == NULL) {
        return;
    }
    struct host_state **at = &brake->hosts;
    while (*at != host) {
        at = &(*at)->brake_next;
    }
    *at = host->brake_next;
    host->brake = NULL;
    host->brake_next = NULL;
    brake->hosts_count--;
    brake_touch(brake);
    if (!brake->released) {
        release_later(engine, brake);
    }
}

void brake_host_broke(struct engine *engine, struct host_state *host)
{
    if (host->host == NULL) {
        return;
    }
    recent_add(engine, host, engine->now_ms);
    if (host->brake != NULL) {
        return;
    }
    for (uint32_t i = 0; i < host->domains_count; i++) {
        if (host->domains[i]->brake != NULL) {
            brake_join(engine, host->domains[i]->brake, host);
            return;
        }
    }
    count_host(host, true);
    for (uint32_t i = 0; i < host->domains_count; i++) {
        struct domain_state *domain = host->domains[i];
        if (domain->recent_count > brake_threshold(engine, domain)) {
            brake_open(engine, domain, host);
            return;
        }
    }
}

void brake_host_restore(struct engine *engine, struct host_state *host, int64_t ms)
{
    bool old = ms + engine->guards->brake_window_ms <= engine->now_ms;
    if (host->host != NULL && !old && (!host->recent || host->recent_ms < ms)) {
        recent_add(engine, host, ms < engine->now_ms ? ms : engine->now_ms);
        count_host(host, true); /* Until the brake that explains it is restored. */
    }
}

void brake_host_healed(struct engine *engine, struct host_state *host)
{
    recent_remove(engine, host);
    count_host(host, false);
    brake_leave(engine, host);
}

void brake_recent_fire(struct engine *engine, void *owner)
{
    int64_t window_ms = engine->guards->brake_window_ms;
    struct host_state *host = NULL;
    while ((host = engine->recent_first) != NULL && host->recent_ms + window_ms <= engine->now_ms) {
        recent_remove(engine, host);
        count_host(host, false);
        if (host->unhealthy == 0) {
            brake_leave(engine, host); /* It only said something once. */
        }
    }
    if (host != NULL) {
        engine_timer_set(engine, &engine->recent_timer, host->recent_ms + window_ms, 0);
    }
}

/* ---- brakes ------------------------------------------------------------------------------------
 */

static void page_fire(struct engine *engine, void *owner)
{
    struct brake *brake = owner;
    if (!brake->page_wanted || brake->released) {
        return;
    }
    brake->page_wanted = false;
    brake->paged = true;
    brake_touch(brake);
    run_start(engine, &(struct run_order){
                          .policy = builtin_brake_policy(),
                          .domain = brake->domain,
                          .subject = brake->domain_key,
                          .alarm = "",
                          .decision = "",
                          .severity = SEVERITY_CRITICAL,
                          .refused = brake->reason,
                      });
}

/* A narrower domain of the hosts it explains would brake by itself: it is not over there. */
static bool narrower_storm(struct engine *engine, const struct brake *brake)
{
    bool storm = false;
    for (struct host_state *host = brake->hosts; host != NULL; host = host->brake_next) {
        for (uint32_t i = 0; i < host->domains_count; i++) {
            host->domains[i]->explained = 0;
        }
    }
    for (struct host_state *host = brake->hosts; host != NULL; host = host->brake_next) {
        for (uint32_t i = 0; i < host->domains_count; i++) {
            struct domain_state *domain = host->domains[i];
            storm = ++domain->explained > brake_threshold(engine, domain) || storm;
        }
    }
    return storm;
}

static void release_fire(struct engine *engine, void *owner)
{
    struct brake *brake = owner;
    if (narrower_storm(engine, brake)) {
        engine_timer_set(engine, &brake->release_timer,
                         engine->now_ms + engine->guards->brake_hold_ms, brake->number);
        return;
    }
    brake_release(engine, brake, "it is over");
}

void brake_timers(struct engine *engine, struct brake *brake)
{
    brake->page_timer = (struct timer){.fire = page_fire, .owner = brake};
    brake->release_timer = (struct timer){.fire = release_fire, .owner = brake};
}

/* All that broke in the domain are explained by it. */
static void hosts_explain(struct engine *engine, struct brake *brake)
{
    for (struct host_state *host = engine->recent_first; host != NULL; host = host->recent_next) {
        for (uint32_t i = 0; host->brake == NULL && i < host->domains_count; i++) {
            if (host->domains[i] == brake->domain) {
                brake_join(engine, brake, host);
            }
        }
    }
}

static void inside_add(struct engine *engine, struct brake *brake, struct domain_state *wider)
{
    brake->wider[brake->wider_count++] = wider;
    wider->brakes_inside++;
    if (wider->brake != NULL) {
        release_later(engine, wider->brake);
    }
}

static void inside_remove(struct engine *engine, struct domain_state *wider)
{
    if (wider->brakes_inside > 0) {
        wider->brakes_inside--;
    }
    if (wider->brake != NULL) {
        release_later(engine, wider->brake);
    }
}

/* Wider domains count it; the first that has too many brakes inside brakes as well. */
static void wider_count(struct engine *engine, struct brake *brake, struct host_state *trigger)
{
    struct domain_state *storm = NULL;
    for (uint32_t i = 0; i < trigger->domains_count; i++) {
        struct domain_state *wider = trigger->domains[i];
        if (wider == brake->domain || wider->hosts_count <= brake->domain->hosts_count) {
            continue;
        }
        inside_add(engine, brake, wider);
        if (storm == NULL && wider->brake == NULL && wider->brakes_inside >= BRAKES_INSIDE_MAX) {
            storm = wider;
        }
    }
    if (storm == NULL) {
        return;
    }
    brake_open(engine, storm, trigger);
    for (struct brake *other = engine->brakes; storm->brake != NULL && other != NULL;
         other = other->next) {
        for (uint32_t i = 0; i < other->wider_count; i++) {
            if (other->wider[i] == storm) {
                other->page_wanted = false; /* The wider one tells. */
            }
        }
    }
}

static void brake_open(struct engine *engine, struct domain_state *domain,
                       struct host_state *trigger)
{
    NSH_ASSERT(domain->brake == NULL);
    struct brake *brake = engine_alloc(engine, sizeof *brake);
    char *key = brake == NULL ? NULL : engine_copy(engine, domain->key);
    if (key == NULL) {
        free(brake);
        return;
    }
    *brake = (struct brake){.domain = domain,
                            .domain_key = key,
                            .since_ms = engine->now_ms,
                            .page_wanted = true,
                            .next = engine->brakes};
    brake->number = engine_number(engine, COUNT_BRAKE);
    snprintf(brake->id, sizeof brake->id, "brk-%06llu", (unsigned long long)brake->number);
    brake_timers(engine, brake);
    engine->brakes = brake;
    domain->brake = brake;
    engine->counters.brakes_active++;
    uint32_t inside = domain->brakes_inside;
    hosts_explain(engine, brake);
    CLEANUP(textbuf_donep) struct textbuf reason = {0};
    if (inside >= BRAKES_INSIDE_MAX) {
        textbuf_addf(&reason, "%u domains in it are braked", inside);
    } else {
        textbuf_addf(&reason, "%u of %u hosts broke within ", brake->hosts_count,
                     domain->hosts_count);
        textbuf_add_duration(&reason, engine->guards->brake_window_ms);
        textbuf_addf(&reason, ", more than %u", brake_threshold(engine, domain));
    }
    brake->reason = engine_copy(engine, (struct text){reason.at, (uint32_t)reason.count});
    brake_touch(brake);
    engine_trace(engine, "brake %s %s on: %s", brake->id, brake->domain_key,
                 brake->reason == NULL ? "" : brake->reason);
    engine_timer_set(engine, &brake->page_timer, engine->now_ms + BRAKE_PAGE_MS, brake->number);
    release_later(engine, brake);
    wider_count(engine, brake, trigger);
}

void brake_release(struct engine *engine, struct brake *brake, const char *why)
{
    NSH_ASSERT(!brake->released);
    brake->released = true;
    brake->domain->brake = NULL;
    engine_timer_stop(engine, &brake->page_timer);
    engine_timer_stop(engine, &brake->release_timer);
    for (uint32_t i = 0; i < brake->wider_count; i++) {
        inside_remove(engine, brake->wider[i]);
    }
    while (brake->hosts != NULL) {
        struct host_state *host = brake->hosts;
        brake_leave(engine, host);
        recent_remove(engine, host); /* What was, does not brake again. */
    }
    engine->counters.brakes_active--;
    engine_trace(engine, "brake %s %s off: %s", brake->id, brake->domain_key, why);
    brake_touch(brake);
}

void brakes_inventory(struct engine *engine)
{
    for (struct host_state *host = engine->recent_first; host != NULL; host = host->recent_next) {
        host->counted = false;
        count_host(host, host->brake == NULL);
    }
}

void brake_free(struct engine *engine, struct brake *brake)
{
    struct brake **at = &engine->brakes;
    while (*at != brake) {
        at = &(*at)->next;
    }
    *at = brake->next;
    engine_timer_stop(engine, &brake->page_timer);
    engine_timer_stop(engine, &brake->release_timer);
    free(brake->domain_key);
    free(brake->reason);
    free(brake);
}

/* After a restart: what was braked is braked; it is released by time or by a person. */
void brake_restore(struct engine *engine, const struct nsh_value *value)
{
    const char *key = nsh_get_text(value, "domain", "");
    const char *equals = strchr(key, '=');
    const char *kind =
        equals == NULL ? NULL : scratch_printf(engine, "%.*s", (int)(equals - key), key);
    struct domain_state *domain =
        kind == NULL ? NULL : domain_get(engine, kind, text_of(equals + 1));
    struct brake *brake =
        domain == NULL || domain->brake != NULL ? NULL : engine_alloc(engine, sizeof *brake);
    if (brake == NULL) {
        return;
    }
    *brake =
        (struct brake){.domain = domain,
                       .domain_key = engine_copy(engine, domain->key),
                       .reason = engine_copy(engine, text_of(nsh_get_text(value, "reason", ""))),
                       .since_ms = nsh_get_int(value, "since_ms", engine->now_ms),
                       .paged = nsh_get_bool(value, "paged", true),
                       .page_wanted = nsh_get_bool(value, "page_wanted", false),
                       .hosts_most = (uint32_t)nsh_get_int(value, "hosts_most", 0),
                       .dirty = true,
                       .next = engine->brakes};
    snprintf(brake->id, sizeof brake->id, "%s", nsh_get_text(value, "id", ""));
    brake->number = ++engine->timer_number;
    brake_timers(engine, brake);
    engine->brakes = brake;
    domain->brake = brake;
    engine->counters.brakes_active++;
    const struct nsh_value *hosts = nsh_get(value, "hosts");
    for (uint32_t i = 0; hosts != NULL && hosts->type == NSH_LIST && i < hosts->count; i++) {
        struct host_state *host = hosts->items[i].type == NSH_STRING
                                      ? map_get(&engine->hosts, text_of(hosts->items[i].text))
                                      : NULL;
        if (host != NULL && host->brake == NULL) {
            brake_join(engine, brake, host);
        }
    }
    for (uint32_t i = 0; brake->hosts != NULL && i < brake->hosts->domains_count; i++) {
        struct domain_state *wider = brake->hosts->domains[i];
        if (wider != domain && wider->hosts_count > domain->hosts_count) {
            inside_add(engine, brake, wider);
        }
    }
    release_later(engine, brake);
    if (brake->page_wanted) {
        engine_timer_set(engine, &brake->page_timer, engine->now_ms + BRAKE_PAGE_MS, brake->number);
    }
}
