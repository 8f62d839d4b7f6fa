/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source: every host of the inventory that fits, once in every round, spread evenly over it.
 */

#include "probe_private.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const kinds[] = {"ping", "tcp", "ssh", "http", NULL};
static const char *const places[] = {"host", "os", "bmc", NULL};
static const char *const presets[] = {"ping.lost", "tcp.lost", "ssh.lost", "http.failed"};
static const int64_t ports[] = {0, 0, 22, 80};

static const struct nsh_option options[] = {
    {.name = "probe", .type = NSH_STRING, .flags = NSH_REQUIRED, .choices = kinds, .help = "How."},
    {.name = "at",
     .type = NSH_STRING,
     .preset = "host",
     .choices = places,
     .help = "Which address: the host's first, or that of its binding os or bmc."},
    {.name = "port",
     .type = NSH_INT,
     .min = "1",
     .max = "65535",
     .help = "For tcp; ssh 22, http 80."},
    {.name = "path", .type = NSH_STRING, .preset = "/", .help = "For http."},
    {.name = "event", .type = NSH_STRING, .help = "The event's type; ping.lost and so on."},
    {.name = "hosts",
     .type = NSH_STRING,
     .preset = "*",
     .help = "Only hosts of that name, with * and ?."},
    {.name = "every",
     .type = NSH_DURATION,
     .preset = "10s",
     .min = "100ms",
     .max = "1h",
     .help = "A round."},
    {.name = "timeout",
     .type = NSH_DURATION,
     .preset = "2s",
     .min = "10ms",
     .max = "1m",
     .help = "Of an attempt."},
    {.name = "fails",
     .type = NSH_INT,
     .preset = "3",
     .min = "1",
     .max = "100",
     .help = "Attempts without an answer in a row until a host is silent."},
    {.name = "recovers",
     .type = NSH_INT,
     .preset = "2",
     .min = "1",
     .max = "100",
     .help = "Answers in a row until it is not."},
};

static enum probe_kind kind_of(const struct source_config *config)
{
    const char *word = nsh_get_text(&config->settings, "probe", "");
    enum probe_kind kind = PROBE_PING;
    while (kind < PROBE_HTTP && strcmp(kinds[kind], word) != 0) {
        kind++;
    }
    return kind;
}

static void probe_check(const struct source_config *config, struct diags *diags)
{
    const char *path = nsh_get_text(&config->settings, "path", "/");
    if (kind_of(config) == PROBE_TCP && nsh_get(&config->settings, "port") == NULL) {
        diag_add(diags, DIAG_ERROR, config->at, "port = 443;", "a probe by tcp needs a port");
    }
    if (path[0] != '/' || strlen(path) > 256 || strpbrk(path, " \r\n") != NULL) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, "path"), NULL,
                 "a path begins with / and has no blanks, at most 256 bytes, got \"%s\"", path);
    }
}

/* ---- targets ---- */

/* The numeric address that is looked at; NULL: the host has none. */
static const char *address_of(const struct probe_source *source, const struct host *host)
{
    if (strcmp(source->at, "host") == 0) {
        return host->addresses_count > 0 ? host->addresses[0] : NULL;
    }
    const struct binding *binding =
        host_binding(host, strcmp(source->at, "os") == 0 ? BINDING_OS : BINDING_BMC);
    return binding == NULL ? NULL : nsh_get_text(&binding->settings, "address", NULL);
}

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

static void targets_build(struct probe_source *source, const struct inventory *inventory)
{
    struct map old = source->by_host;
    struct arena old_arena = source->arena;
    source->by_host = (struct map){0};
    source->arena = (struct arena)ARENA_INIT;
    source->revision = inventory->revision;
    source->group.count = source->group.suspects = 0;
    source->group.targets =
        arena_array(&source->arena, inventory->hosts_count + 1, sizeof *source->group.targets);
    for (size_t i = 0; source->group.targets != NULL && i < inventory->hosts_count; i++) {
        const struct host *host = &inventory->hosts[i];
        const char *address = address_of(source, host);
        if (address == NULL || !text_glob(text_of(source->hosts), text_of(host->name))) {
            continue;
        }
        struct probe_target *target = &source->group.targets[source->group.count];
        target->host = arena_text(&source->arena, text_of(host->name)).at;
        target->address = arena_text(&source->arena, text_of(address)).at;
        if (target->host == NULL || target->address == NULL ||
            map_set(&source->by_host, text_of(target->host), target) < 0) {
            break;
        }
        carry_over(&old, target);
        source->group.suspects += target->suspect;
        source->group.count++;
    }
    source->next = 0;
    source->round_ms = (int64_t)uv_now(source->services->loop);
    map_done(&old);
    arena_done(&old_arena);
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
}

void probe_attempt_free(struct probe_attempt *attempt)
{
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
    }
    if (source->kind == PROBE_PING) {
        probe_ping_deadlines(source);
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

static int probe_open(const struct source_services *services, const struct source_config *config,
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
    enum probe_kind kind = kind_of(config);
    *source = (struct probe_source){
        .services = services,
        .config = config,
        .kind = kind,
        .attempts = attempts,
        .at = nsh_get_text(settings, "at", "host"),
        .path = nsh_get_text(settings, "path", "/"),
        .event = nsh_get_text(settings, "event", presets[kind]),
        .hosts = nsh_get_text(settings, "hosts", "*"),
        .port = (uint16_t)nsh_get_int(settings, "port", ports[kind]),
        .every_ms = nsh_get_int(settings, "every", 10000),
        .timeout_ms = nsh_get_int(settings, "timeout", 2000),
        .group = {.fails = (uint32_t)nsh_get_int(settings, "fails", 3),
                  .recovers = (uint32_t)nsh_get_int(settings, "recovers", 2)},
        .echo_fd = {-1, -1},
    };
    uv_timer_init(services->loop, &source->tick);
    source->tick.data = source;
    source->handles = 1;
    uv_timer_start(&source->tick, on_tick, PROBE_TICK_MS, PROBE_TICK_MS);
    struct nsh_error why = {0};
    if (kind == PROBE_PING && probe_ping_open(source, &why) < 0) {
        services->log(services->arg, true, why.text);
        snprintf(source->failed, sizeof source->failed, "%s", why.text);
    }
    *ret_source = source;
    return 0;
}

void probe_maybe_done(struct probe_source *source)
{
    if (!source->closing || source->handles > 0 || source->flying > 0 || source->telling > 0) {
        return;
    }
    void (*done)(void *arg) = source->done;
    void *arg = source->arg;
    map_done(&source->by_host);
    arena_done(&source->arena);
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

static void probe_close(void *arg, void (*done)(void *arg), void *done_arg)
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
    for (size_t i = 0; i < PROBE_FLIGHT_MAX; i++) {
        if (source->attempts[i].used) {
            source->attempts[i].over = true;
            probe_stream_stop(&source->attempts[i]);
        }
    }
}

static void probe_doctor(void *arg, const struct source_config *config, struct nsh_checks *checks)
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
        nsh_check_add(checks, "probe", NSH_CHECK_FAILED, "sysctl net.ipv4.ping_group_range", "%s",
                      source->failed);
    }
    bool any = group->count > 0;
    nsh_check_add(checks, "hosts", any ? NSH_CHECK_OK : NSH_CHECK_WARNING,
                  any ? NULL : "the inventory's hosts need addresses; see the key at",
                  "%u hosts are looked at, %u are silent", group->count, silent);
    if (group->isolated) {
        nsh_check_add(checks, "isolated", NSH_CHECK_FAILED, "look at the network of this machine",
                      "%u of %u hosts do not answer: nobody is called silent", group->suspects,
                      group->count);
    }
}

const struct source_type source_type_probe = {
    .name = "probe",
    .summary = "looks by itself whether hosts answer: ping, TCP, SSH, HTTP",
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .check = probe_check,
    .open = probe_open,
    .close = probe_close,
    .doctor = probe_doctor,
};
