/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source: every host of the inventory that fits, once in every round, spread evenly over it.
 */

#include "probe_private.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- targets ---- */

/* What is known of a host stays over a reload. */
static void carry_over(const struct map *by_host, struct probe_target *target)
{
    const struct probe_target *old = map_get(by_host, text_of(target->host));
    if (old != NULL) {
        const char *host = target->host;
        const char *address = target->address;
        *target = *old;
        target->host = host;
        target->address = address;
    }
}

/* What it is looked at by: an address, or of ports the first one. */
static const char *target_address(struct probe_source *source, const struct map *first,
                                  const struct host *host)
{
    struct text port = {NULL, 0};
    if (source->kind != PROBE_PORT) {
        return probe_address(source->at, host);
    }
    port = probe_port_of(first, host);
    return port.at == NULL ? NULL : arena_text(&source->arena, port).at;
}

/* Of one that is not looked at any more an alarm may stand, also from before the start. */
static bool has_left(const struct probe_source *source, const struct map *old)
{
    MAP_EACH (old, at) {
        if (map_get(&source->by_host, at->key) == NULL) {
            return true;
        }
    }
    return false;
}

static void targets_build(struct probe_source *source, const struct inventory *inventory)
{
    struct map first = {0};
    struct map old = source->by_host;
    struct arena old_arena = source->arena;
    bool whole = true;
    source->by_host = (struct map){0};
    source->arena = (struct arena)ARENA_INIT;
    source->revision = inventory->revision;
    source->group.count = 0;
    source->group.targets =
        arena_array(&source->arena, inventory->hosts_count + 1, sizeof *source->group.targets);
    if (source->kind == PROBE_PORT && !probe_port_hosts(inventory, &first)) {
        source->group.targets = NULL;
    }
    for (size_t i = 0; source->group.targets != NULL && i < inventory->hosts_count; i++) {
        const struct host *host = &inventory->hosts[i];
        const char *address = target_address(source, &first, host);
        if (address == NULL || !text_glob(text_of(source->hosts), text_of(host->name))) {
            continue;
        }
        struct probe_target *target = &source->group.targets[source->group.count];
        target->host = arena_text(&source->arena, text_of(host->name)).at;
        target->address = arena_text(&source->arena, text_of(address)).at;
        if (target->host == NULL || target->address == NULL ||
            map_set(&source->by_host, text_of(target->host), target) < 0) {
            whole = false;
            break;
        }
        carry_over(&old, target);
        source->group.count++;
    }
    source->next = 0;
    source->round_ms = (int64_t)uv_now(source->services->loop);
    source->over.sweep = source->over.sweep || source->partial || has_left(source, &old);
    source->partial = !whole || source->group.targets == NULL;
    probe_group_look(&source->group);
    map_done(&first);
    map_done(&old);
    arena_done(&old_arena);
    if (source->kind == PROBE_PORT) {
        probe_port_build(source, inventory);
    }
}

static void on_settled(void *arg)
{
    probe_maybe_done(arg);
}

/* ---- rounds ---- */

void probe_attempt_end(struct probe_attempt *attempt, const char *why, bool reached)
{
    struct probe_source *source = attempt->source;
    if (source->closing) {
        return;
    }
    if (why == NULL) {
        source_heard(source->services->row, intake_now_ms(source->services->intake));
    }
    probe_result(&source->group, attempt->target, why, reached);
    probe_tell(source, attempt->target);
    probe_samples(source, attempt->target, why == NULL,
                  (double)(uv_hrtime() - attempt->begun_ns) / 1e9);
}

void probe_attempt_free(struct probe_attempt *attempt)
{
    probe_tls_free(attempt);
    free(attempt->reply);
    attempt->reply = NULL;
    attempt->used = false;
    attempt->source->flying--;
    probe_maybe_done(attempt->source);
}

static struct probe_attempt *attempt_take(struct probe_source *source)
{
    for (size_t i = 0; source->flying < PROBE_FLIGHT_MAX && i < PROBE_FLIGHT_MAX; i++) {
        struct probe_attempt *attempt = &source->attempts[i];
        if (!attempt->used) {
            memset(attempt, 0, sizeof *attempt);
            attempt->source = source;
            attempt->used = true;
            attempt->begun_ns = uv_hrtime();
            source->flying++;
            return attempt;
        }
    }
    return NULL;
}

static void start_due(struct probe_source *source, int64_t now_ms)
{
    struct probe_group *group = &source->group;
    while (source->next < group->count) {
        int64_t due_ms =
            source->round_ms + source->every_ms * (int64_t)source->next / (int64_t)group->count;
        struct probe_attempt *attempt = now_ms < due_ms ? NULL : attempt_take(source);
        if (attempt == NULL) {
            return; /* Later; or, with all places taken, as soon as one is free. */
        }
        attempt->target = source->next++;
        if (source->kind == PROBE_PING) {
            probe_ping_start(attempt);
        } else {
            probe_stream_start(attempt);
        }
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct probe_source *source = timer->data;
    int64_t now_ms = (int64_t)uv_now(source->services->loop);
    const struct inventory *inventory = source->services->inventory(source->services->arg);
    if (inventory != NULL && inventory->revision != source->revision && source->flying == 0) {
        targets_build(source, inventory);
        probe_tell_isolated(source);
    }
    if (source->revision != 0) {
        /* The first word about what came back meanwhile is told, whatever stands. */
        (void)source_over_tick(&source->over);
    }
    if (source->group.count == 0) {
        probe_tell_isolated(source); /* No attempt would. */
    }
    if (source->kind == PROBE_PING) {
        probe_ping_deadlines(source);
    }
    if (source->kind == PROBE_PORT && source->failed[0] == '\0') {
        probe_port_tick(source, now_ms);
        return; /* Its rounds are those of the switches. */
    }
    bool moved = inventory != NULL && inventory->revision != source->revision;
    if (source->next >= source->group.count && now_ms >= source->round_ms + source->every_ms) {
        /* A round that took longer than it should is not made up for. */
        source->round_ms = now_ms;
        source->next = 0;
    }
    if (!moved && source->failed[0] == 0) {
        start_due(source, now_ms);
    }
}

/* ---- life ---- */

int probe_open(const struct source_services *services, const struct source_config *config,
               void **ret_source, struct nsh_error *err)
{
    struct probe_source *source = calloc(1, sizeof *source);
    struct probe_attempt *attempts = calloc(PROBE_FLIGHT_MAX, sizeof *attempts);
    if (source == NULL || attempts == NULL) {
        free(source);
        free(attempts);
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    const struct nsh_value *settings = &config->settings;
    enum probe_kind kind = probe_kind_of(config);
    *source = (struct probe_source){
        .services = services,
        .config = config,
        .kind = kind,
        .attempts = attempts,
        .at = nsh_get_text(settings, "at", "host"),
        .path = nsh_get_text(settings, "path", "/"),
        .status = nsh_get_text(settings, "status", ""),
        .body = nsh_get_text(settings, "body", ""),
        .server_name = nsh_get_text(settings, "server_name", ""),
        .expires_ms = nsh_get_int(settings, "expires", 0),
        .event = nsh_get_text(settings, "event", probe_kinds[kind].event),
        .hosts = nsh_get_text(settings, "hosts", "*"),
        .port = (uint16_t)nsh_get_int(settings, "port", probe_kinds[kind].port),
        .every_ms = nsh_get_int(settings, "every", 10000),
        .timeout_ms = nsh_get_int(settings, "timeout", 2000),
        .group = {.fails = (uint32_t)nsh_get_int(settings, "fails", 3),
                  .recovers = (uint32_t)nsh_get_int(settings, "recovers", 2)},
        .echo_fd = {-1, -1},
        .over = {.services = services,
                 .source = config->name,
                 .watched = probe_is_watched,
                 .settled = on_settled,
                 .arg = source,
                 .sweep = true},
    };
    uv_timer_init(services->loop, &source->tick);
    source->tick.data = source;
    source->handles = 1;
    uv_timer_start(&source->tick, on_tick, PROBE_TICK_MS, PROBE_TICK_MS);
    struct nsh_error why = {0};
    int ready = kind == PROBE_PING    ? probe_ping_open(source, &why)
                : kind == PROBE_HTTPS ? probe_tls_open(source, &why)
                : kind == PROBE_PORT  ? probe_port_open(source, &why)
                                      : 0;
    if (ready < 0) {
        services->log(services->arg, true, why.text);
        snprintf(source->failed, sizeof source->failed, "%s", why.text);
    }
    *ret_source = source;
    return 0;
}

void probe_maybe_done(struct probe_source *source)
{
    if (!source->closing || source->handles > 0 || source->flying > 0 || source->telling > 0 ||
        source->over.telling) {
        return;
    }
    void (*done)(void *arg) = source->done;
    void *arg = source->arg;
    source_over_done(&source->over);
    map_done(&source->by_host);
    arena_done(&source->arena);
    probe_tls_close(source);
    probe_port_done(source);
    free(source->attempts);
    free(source);
    done(arg);
}

static void on_tick_closed(uv_handle_t *handle)
{
    struct probe_source *source = handle->data;
    source->handles--;
    probe_maybe_done(source);
}

void probe_close(void *arg, void (*done)(void *arg), void *done_arg)
{
    struct probe_source *source = arg;
    source->closing = true;
    source->done = done;
    source->arg = done_arg;
    uv_close((uv_handle_t *)&source->tick, on_tick_closed);
    if (source->kind == PROBE_PING) {
        probe_ping_close(source);
        return;
    }
    probe_port_stop(source);
    for (size_t i = 0; i < PROBE_FLIGHT_MAX; i++) {
        if (source->attempts[i].used) {
            source->attempts[i].over = true;
            probe_stream_stop(&source->attempts[i]);
        }
    }
}

void probe_doctor(void *arg, const struct source_config *config, struct nsh_checks *checks)
{
    const struct probe_source *source = arg;
    if (source == NULL) {
        return;
    }
    const struct probe_group *group = &source->group;
    uint32_t silent = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        silent += group->targets[i].silent;
    }
    if (source->failed[0] != 0) {
        nsh_check_add(checks, "probe", NSH_CHECK_FAILED,
                      source->kind == PROBE_PING ? "sysctl net.ipv4.ping_group_range" : NULL, "%s",
                      source->failed);
    }
    bool any = group->count > 0;
    nsh_check_add(checks, "hosts", any ? NSH_CHECK_OK : NSH_CHECK_WARNING,
                  any ? NULL : "the inventory's hosts need addresses; see the key at",
                  "%u hosts are looked at, %u are silent", group->count, silent);
    probe_port_doctor(source, checks);
    if (group->isolated) {
        nsh_check_add(checks, "isolated", NSH_CHECK_FAILED, "look at the network of this machine",
                      "%u of %u hosts do not answer: nobody is called silent", group->suspects,
                      group->count);
    }
}
