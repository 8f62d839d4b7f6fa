/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose turn it is. Each device has its own moment within the interval, with a little chance in it;
 * one that does not answer is asked less often, up to POLL_BACKOFF_MAX times its interval.
 */

#include "poll_private.h"

#include <stdio.h>
#include <stdlib.h>

#define JITTER_PART 50 /* Of the interval. */
#define SHOWN_MAX 6    /* Devices that the doctor names. */

/* ---- turns ---- */

static int64_t jitter_ms(struct poll_source *source)
{
    uint32_t random = 0;
    struct nsh_services *services = source->services->services;
    int64_t most = source->every_ms / JITTER_PART;
    services->random(services, &random, sizeof random);
    return most == 0 ? 0 : (int64_t)(random % (uint64_t)most);
}

static void aim_next(struct poll_device *device)
{
    struct poll_source *source = device->source;
    int64_t now_ms = (int64_t)uv_now(source->services->loop);
    int64_t times = 1;
    for (uint32_t i = 1; i < device->failures && times < POLL_BACKOFF_MAX; i++) {
        times *= 2;
    }
    device->due_ms += source->every_ms * times;
    if (device->due_ms <= now_ms) { /* What was missed is missed. */
        device->due_ms +=
            (now_ms - device->due_ms + source->every_ms) / source->every_ms * source->every_ms;
    }
    device->due.due = device->due_ms + jitter_ms(source);
    device->due.order = source->order++;
    heap_add(&source->due, &device->due);
}

static void figures_take(struct poll_source *source, struct poll_link *link)
{
    source->figures.asks += link->asks;
    source->figures.timeouts += link->timeouts;
    source->figures.malformed += link->malformed;
    source->figures.smaller += link->smaller;
    link->asks = link->timeouts = link->malformed = link->smaller = link->answers = 0;
}

void poll_device_over(struct poll_device *device, const char *why, bool reached)
{
    struct poll_source *source = device->source;
    device->flying = false;
    source->flying--;
    figures_take(source, &device->link);
    if (source->closing || device->gone) {
        if (device->gone && device->telling == 0) {
            poll_device_free(device);
        }
        poll_maybe_done(source);
        return;
    }
    source->figures.polls++;
    source->figures.failed += why != NULL;
    device->rounds++;
    device->failures = why == NULL ? 0 : device->failures + 1;
    if (why == NULL) {
        source_heard(source->services->row, intake_now_ms(source->services->intake));
    } else {
        snprintf(device->why, sizeof device->why, "%s", why);
    }
    if (why == NULL && !device->troubled) {
        device->why[0] = '\0';
    }
    probe_result(&source->group, device->target, why, reached);
    poll_tell_answers(source, device->target);
    aim_next(device);
}

static void on_tick(uv_timer_t *timer)
{
    struct poll_source *source = timer->data;
    int64_t now_ms = (int64_t)uv_now(source->services->loop);
    const struct inventory *inventory = source->services->inventory(source->services->arg);
    if (inventory != NULL && (!source->built || inventory->revision != source->revision)) {
        poll_devices_build(source, inventory);
        poll_tell_isolated(source);
    }
    if (source->built && source->failed[0] == '\0') {
        poll_standing_left(source);
        poll_standing_tick(source);
    }
    if (source->devices_count == 0) {
        poll_tell_isolated(source); /* No read would. */
    }
    struct heap_node *first = source->failed[0] == '\0' ? heap_first(&source->due) : NULL;
    while (first != NULL && first->due <= now_ms && source->flying < POLL_FLIGHT_MAX) {
        heap_remove(&source->due, first);
        poll_device_begin((struct poll_device *)(void *)first); /* Its first member. */
        first = heap_first(&source->due);
    }
    source->figures.put_off += first != NULL && first->due <= now_ms;
}

_Static_assert(offsetof(struct poll_device, due) == 0, "a device is found by its node");

/* ---- life ---- */

static int credentials_read(struct poll_source *source, struct nsh_error *err)
{
    struct snmp_credentials *credentials = &source->credentials;
    int result =
        probe_login_read(source->services, source->config, &source->arena, credentials, err);
    return result < 0 ? result : poll_wire_new(credentials, NULL, &source->like, err);
}

static void settings_read(struct poll_source *source)
{
    const struct nsh_value *settings = &source->config->settings;
    source->at = nsh_get_text(settings, "at", "host");
    source->select = nsh_get(settings, "select");
    source->hosts = nsh_get_text(settings, "hosts", source->select == NULL ? "" : "*");
    source->port = (uint16_t)nsh_get_int(settings, "port", POLL_PORT);
    source->every_ms = nsh_get_int(settings, "every", 60000);
    source->timeout_ms = (uint32_t)nsh_get_int(settings, "timeout", 2000);
    source->retries = (uint32_t)nsh_get_int(settings, "retries", 2);
    source->group.fails = (uint32_t)nsh_get_int(settings, "fails", 2);
    source->group.recovers = 1;
}

static void on_settled(void *arg)
{
    poll_maybe_done(arg);
}

int poll_open(const struct source_services *services, const struct source_config *config,
              void **ret_source, struct nsh_error *err)
{
    struct poll_source *source = calloc(1, sizeof *source);
    CLEANUP(diags_done) struct diags diags = {0};
    struct nsh_error why = {0};
    if (source == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    source->services = services;
    source->config = config;
    source->stand = true;
    source->over = (struct source_over){.services = services,
                                        .source = config->name,
                                        .watched = poll_is_watched,
                                        .settled = on_settled,
                                        .arg = source,
                                        .sweep = true};
    settings_read(source);
    if (!poll_tables_read(config, &source->arena, &diags, source)) {
        nsh_fail(&why, NSH_INVALID, "%s",
                 diags.count > 0 ? diags.items[0].text : "its tables cannot be read");
    } else {
        (void)credentials_read(source, &why);
    }
    if (why.code != NSH_OK) {
        services->log(services->arg, true, why.text);
        snprintf(source->failed, sizeof source->failed, "%s", why.text);
    }
    uv_timer_init(services->loop, &source->tick);
    source->tick.data = source;
    source->handles = 1;
    uv_timer_start(&source->tick, on_tick, POLL_TICK_MS, POLL_TICK_MS);
    *ret_source = source;
    return 0;
}

void poll_maybe_done(struct poll_source *source)
{
    if (!source->closing || source->handles > 0 || source->flying > 0 || source->telling > 0 ||
        source->alive > 0 || source->over.telling) {
        return;
    }
    void (*done)(void *arg) = source->done;
    void *arg = source->arg;
    poll_standing_done(source);
    source_over_done(&source->over);
    map_done(&source->by_name);
    heap_done(&source->due);
    poll_wire_free(source->like);
    free(source->devices);
    free(source->group.targets);
    arena_done(&source->arena);
    free(source);
    done(arg);
}

static void on_tick_closed(uv_handle_t *handle)
{
    struct poll_source *source = handle->data;
    source->handles--;
    poll_maybe_done(source);
}

void poll_close(void *arg, void (*done)(void *arg), void *done_arg)
{
    struct poll_source *source = arg;
    source->closing = true;
    source->done = done;
    source->arg = done_arg;
    for (uint32_t i = 0; i < source->devices_count; i++) {
        struct poll_device *device = source->devices[i];
        map_remove(&source->by_name, text_of(device->name));
        poll_device_gone(device);
    }
    source->devices_count = 0;
    uv_close((uv_handle_t *)&source->tick, on_tick_closed);
}

/* ---- for people ---- */

static void devices_show(const struct poll_source *source, struct nsh_checks *checks)
{
    uint32_t silent = 0, ill = 0, shown = 0, bad = 0;
    for (uint32_t i = 0; i < source->devices_count; i++) {
        const struct poll_device *device = source->devices[i];
        bool quiet = source->group.targets[device->target].silent;
        silent += quiet;
        ill += !quiet && device->why[0] != '\0';
        bad += poll_memory_bad_count(&device->memory);
    }
    bool any = source->devices_count > 0;
    nsh_check_add(checks, "devices", any ? NSH_CHECK_OK : NSH_CHECK_WARNING,
                  any ? NULL : "see the keys hosts, select, at, devices",
                  "%u are polled, %u do not answer, %u states are bad", source->devices_count,
                  silent, bad);
    for (uint32_t i = 0; i < source->devices_count && shown < SHOWN_MAX; i++) {
        const struct poll_device *device = source->devices[i];
        if (device->why[0] != '\0') {
            shown++;
            nsh_check_add(checks, "device", NSH_CHECK_WARNING,
                          "snmpbulkwalk with the same credentials shows what it says", "%.60s: %s",
                          device->name, device->why);
        }
    }
    if (ill + silent > shown) {
        nsh_check_add(checks, "device", NSH_CHECK_WARNING, NULL, "and %u more",
                      ill + silent - shown);
    }
}

void poll_doctor(void *arg, const struct source_config *config, struct nsh_checks *checks)
{
    const struct poll_source *source = arg;
    if (source == NULL) {
        return;
    }
    const struct poll_figures *figures = &source->figures;
    if (source->failed[0] != '\0') {
        nsh_check_add(checks, "poll", NSH_CHECK_FAILED, "see the keys tables and community, user",
                      "%s", source->failed);
    }
    devices_show(source, checks);
    if (source->group.isolated) {
        nsh_check_add(checks, "isolated", NSH_CHECK_FAILED, "look at the network of this machine",
                      "%u of %u devices do not answer: none is called unreachable",
                      source->group.suspects, source->group.count);
    }
    nsh_check_add(checks, "reads", NSH_CHECK_OK, NULL,
                  "%llu reads, %llu failed; %llu tables, %llu rows, %llu samples; %llu requests, "
                  "%llu without an answer, %llu malformed; %llu restarts",
                  (unsigned long long)figures->polls, (unsigned long long)figures->failed,
                  (unsigned long long)figures->tables, (unsigned long long)figures->rows,
                  (unsigned long long)figures->samples, (unsigned long long)figures->asks,
                  (unsigned long long)figures->timeouts, (unsigned long long)figures->malformed,
                  (unsigned long long)figures->restarts);
    if (figures->put_off > 0) {
        nsh_check_add(checks, "late", NSH_CHECK_WARNING, "a longer `every`, or a shorter `timeout`",
                      "devices had to wait for their turn %llu times: %d are read at once",
                      (unsigned long long)figures->put_off, POLL_FLIGHT_MAX);
    }
    if (source->credentials.community != NULL && strcmp(source->credentials.version, "3") != 0) {
        nsh_check_add(checks, "version", NSH_CHECK_WARNING,
                      "version = \"3\"; user = \"...\"; auth_password, priv_password",
                      "v2c: whoever sees the packets knows the community");
    }
}
