/* SPDX-License-Identifier: Apache-2.0 */
/* The type of sources `redfish`: its life, and who may send. */

#include "redfish_private.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#define TICK_MS 200
#define KEY_BYTES_MIN 16
#define URL_BYTES_MAX 160

static const char *const ask_words[] = {"push", "sse", "none", NULL};
static const char *const poll_words[] = {"fallback", "always", "never", NULL};

static const struct nsh_option options[] = {
    {.name = "key",
     .type = NSH_SECRET,
     .flags = NSH_REQUIRED,
     .help = "Of what the contexts are made, at least 16 bytes: \"file:redfish.key\""},
    {.name = "url",
     .type = NSH_STRING,
     .help = "How BMCs reach this daemon: \"https://nightshift.example:8640\". They are subscribed "
             "then, with user and password of the binding; without it by hand"},
    {.name = "every",
     .type = NSH_DURATION,
     .preset = "10m",
     .min = "1s",
     .max = "1d",
     .help = "How often each BMC is asked whether its subscription is still there"},
    {.name = "events",
     .type = NSH_STRING,
     .preset = "push",
     .choices = ask_words,
     .help =
         "push: BMCs are subscribed (with url), and a stream is read where that cannot be; sse: "
         "streams first; none: BMCs are only polled"},
    {.name = "poll",
     .type = NSH_STRING,
     .preset = "fallback",
     .choices = poll_words,
     .help =
         "Whether the source reads health and sensors by itself: of BMCs whose events cannot be "
         "had, of all, of none"},
    {.name = "poll_every",
     .type = NSH_DURATION,
     .preset = "1m",
     .min = "1s",
     .max = "1d",
     .help = "How often a BMC that is polled is read"},
    {.name = "quiet",
     .type = NSH_DURATION,
     .min = "1s",
     .max = "30d",
     .help = "A BMC that said nothing for so long is polled besides, until it speaks; without it, "
             "silence is fine"},
    {.name = "registries",
     .type = NSH_BOOL,
     .preset = "true",
     .help =
         "The message registries of BMCs that are visited or polled are read: severity and words "
         "of messages that do not say them, and what clears what"},
    {.name = "reports",
     .type = NSH_BOOL,
     .preset = "false",
     .help =
         "Metric reports are taken for `signals`: a second subscription where a BMC offers them, "
         "and read where it is polled"},
    {.name = "networks",
     .type = NSH_LIST,
     .help =
         "May send besides the BMC's own address: behind NAT, and BMCs that the inventory calls "
         "by a name: [\"10.2.0.0/16\"]"},
};

static int networks_read(const struct source_config *config, struct peer_networks *networks,
                         struct nsh_error *err)
{
    const struct nsh_value *list = nsh_get(&config->settings, "networks");
    for (uint32_t i = 0; list != NULL && i < list->count; i++) {
        const char *word = list->items[i].type == NSH_STRING ? list->items[i].text : "";
        int result = peer_networks_add(networks, word, err);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static void events_check(const struct source_config *config, struct diags *diags)
{
    struct peer_networks *networks = calloc(1, sizeof *networks);
    struct nsh_error err = {0};
    if (networks != NULL && networks_read(config, networks, &err) < 0) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, "networks"), NULL, "%s", err.text);
    }
    free(networks);
    const char *url = nsh_get_text(&config->settings, "url", "https://a");
    if ((strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0) ||
        strlen(url) > URL_BYTES_MAX || strpbrk(url, " \"\r\n") != NULL) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, "url"), NULL,
                 "a url begins with https:// and has at most %d bytes", URL_BYTES_MAX);
    }
}

/* ---- life ---- */

/* The BMCs of the inventory as it is now. */
static void table_renew(struct redfish_events *source)
{
    const struct inventory *inventory = source->services->inventory(source->services->arg);
    struct redfish_table *fresh = NULL;
    struct nsh_error err = {0};
    if (inventory == NULL ||
        (source->table != NULL && source->table->revision == inventory->revision)) {
        return;
    }
    if (redfish_table_new(source, inventory, &fresh, &err) < 0) {
        source->services->log(source->services->arg, true, err.text);
        return;
    }
    if (!redfish_watches_renew(source, fresh)) {
        redfish_table_free(fresh);
        return; /* The next tick tries again. */
    }
    pthread_mutex_lock(&source->lock);
    struct redfish_table *old = source->table;
    source->table = fresh;
    redfish_watches_point(source);
    pthread_mutex_unlock(&source->lock);
    redfish_table_free(old);
}

static void on_tick(uv_timer_t *timer)
{
    table_renew(timer->data);
    redfish_keep(timer->data);
    redfish_streams_tick(timer->data);
    redfish_poll_tick(timer->data);
    redfish_walk_tick(timer->data);
}

static void events_free(struct redfish_events *source)
{
    if (source->key != NULL) { /* The arena's bytes, which are ours. */
        OPENSSL_cleanse((void *)(uintptr_t)source->key, strlen(source->key));
    }
    redfish_watches_free(source);
    redfish_standing_free(source);
    redfish_table_free(source->table);
    pthread_mutex_destroy(&source->lock);
    arena_done(&source->arena);
    free(source);
}

static int events_read(struct redfish_events *source, struct nsh_error *err)
{
    const struct source_services *services = source->services;
    const char *reference = nsh_get_text(&source->config->settings, "key", "");
    int result = services->secret(services->arg, reference, &source->arena, &source->key, err);
    if (result == 0 && strlen(source->key) < KEY_BYTES_MIN) {
        result = nsh_fail(err, NSH_INVALID, "the key is shorter than %d bytes", KEY_BYTES_MIN);
    }
    const char *url = nsh_get_text(&source->config->settings, "url", NULL);
    const char *polls = nsh_get_text(&source->config->settings, "poll", poll_words[0]);
    source->every_ms = nsh_get_int(&source->config->settings, "every", 600000);
    source->poll_ms = nsh_get_int(&source->config->settings, "poll_every", 60000);
    source->visit_ms = REDFISH_VISIT_MS_MAX;
    source->quiet_ms = nsh_get_int(&source->config->settings, "quiet", 0);
    const char *asks = nsh_get_text(&source->config->settings, "events", ask_words[0]);
    while (strcmp(ask_words[source->asks], asks) != 0) {
        source->asks++;
    }
    source->registries =
        services->services != NULL && nsh_get_bool(&source->config->settings, "registries", true);
    source->reports = nsh_get_bool(&source->config->settings, "reports", false);
    while (strcmp(poll_words[source->polls], polls) != 0) {
        source->polls++;
    }
    struct nsh_error why = {0};
    if (result == 0 && redfish_standing_read(source, &why) < 0) {
        services->log(services->arg, true, why.text); /* Then it raises what stands once more. */
    }
    if (services->services == NULL) { /* A test without requests. */
        source->asks = REDFISH_ASKS_PUSH;
    } else if (result == 0 && url != NULL && source->asks != REDFISH_ASKS_NONE) {
        size_t count = strlen(url);
        count -= url[count - 1] == '/';
        source->destination = arena_printf(&source->arena, "%.*s/v1/redfish/%s", (int)count, url,
                                           source->config->name);
        result = source->destination == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
    }
    return result < 0 ? result : networks_read(source->config, &source->networks, err);
}

static int events_open(const struct source_services *services, const struct source_config *config,
                       void **ret_source, struct nsh_error *err)
{
    struct redfish_events *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    pthread_mutex_init(&source->lock, NULL);
    source->services = services;
    source->config = config;
    int result = events_read(source, err);
    if (result < 0) {
        events_free(source);
        return result;
    }
    table_renew(source);
    uv_timer_init(services->loop, &source->tick);
    source->tick.data = source;
    uv_timer_start(&source->tick, on_tick, TICK_MS, TICK_MS);
    *ret_source = source;
    return 0;
}

void redfish_maybe_done(struct redfish_events *source)
{
    if (!source->closed || source->telling > 0) {
        return;
    }
    void (*done)(void *arg) = source->done;
    void *arg = source->arg;
    events_free(source);
    done(arg);
}

static void on_tick_closed(uv_handle_t *handle)
{
    struct redfish_events *source = handle->data;
    source->closed = true;
    redfish_maybe_done(source);
}

static void events_close(void *arg, void (*done)(void *arg), void *done_arg)
{
    struct redfish_events *source = arg;
    redfish_keep_end(source);
    redfish_poll_end(source);
    redfish_walk_end(source);
    redfish_watches_end(source);
    source->done = done;
    source->arg = done_arg;
    uv_close((uv_handle_t *)&source->tick, on_tick_closed);
}

static void keeper_doctor(const struct redfish_events *source, struct nsh_checks *checks)
{
    size_t count = source->table == NULL ? 0 : source->table->count, subscribed = 0, streams = 0;
    const struct redfish_watch *bad = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct redfish_watch *watch = source->table->items[i].watch;
        subscribed += watch->subscribed;
        streams += watch->way == REDFISH_WAY_SSE;
        bad = bad == NULL && watch->way == REDFISH_WAY_POLL && watch->why[0] != '\0' ? watch : bad;
    }
    if (source->destination == NULL) {
        nsh_check_add(checks, "subscriptions", NSH_CHECK_OK, NULL,
                      source->asks == REDFISH_ASKS_PUSH
                          ? "BMCs are subscribed by hand: there is no `url`"
                          : "no BMC is subscribed: `events` says so");
        return;
    }
    bool well = subscribed + streams == count;
    nsh_check_add(checks, "subscriptions", well ? NSH_CHECK_OK : NSH_CHECK_WARNING,
                  well ? NULL : "the BMC's answer is below",
                  "%zu of %zu BMCs are subscribed, %llu were lost and made anew", subscribed, count,
                  (unsigned long long)source->lost);
    if (bad != NULL) {
        nsh_check_add(checks, "bmc", NSH_CHECK_WARNING, "user and password of the binding; its log",
                      "%.60s: %.130s", bad->address, bad->why);
    }
}

static void events_doctor(void *arg, const struct source_config *config, struct nsh_checks *checks)
{
    struct redfish_events *source = arg;
    (void)config;
    if (source == NULL) {
        return;
    }
    size_t bmcs = source->table == NULL ? 0 : source->table->count, named = 0;
    for (size_t i = 0; i < bmcs; i++) {
        named += !source->table->items[i].numeric;
    }
    nsh_check_add(checks, "bmcs", bmcs > 0 ? NSH_CHECK_OK : NSH_CHECK_WARNING,
                  "bmc = { driver = \"redfish\"; address = ...; } at the inventory's hosts",
                  "%zu BMCs may send", bmcs);
    keeper_doctor(source, checks);
    redfish_ways_doctor(source, checks);
    if (named > 0 && source->networks.count == 0) {
        nsh_check_add(checks, "networks", NSH_CHECK_WARNING, "networks = [\"10.2.0.0/16\"]",
                      "%zu BMCs have a name for an address, and none of them may send", named);
    }
}

const struct source_type source_type_redfish = {
    .name = "redfish",
    .summary = "Events that BMCs post to /v1/redfish/NAME",
    .path = "redfish",
    .flags = SOURCE_MAPS,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .check = events_check,
    .open = events_open,
    .close = events_close,
    .doctor = events_doctor,
};

/* ---- who may send -------------------------------------------------------------------------- */

/* The document's context, or that of its first record, where old firmware has it. */
static const char *context_of(const struct nsh_value *body)
{
    const struct nsh_value *events = nsh_get(body, "Events");
    const char *context = nsh_get_text(body, "Context", NULL);
    if (context == NULL && events != NULL && events->type == NSH_LIST && events->count > 0) {
        context = nsh_get_text(&events->items[0], "Context", NULL);
    }
    return context;
}

bool redfish_source_value(const struct redfish_events *source, const struct redfish_bmc *bmc,
                          const char *peer, struct arena *arena, struct nsh_value *ret_source)
{
    struct nsh_member *systems = arena_array(arena, bmc->systems_count + 1, sizeof *systems);
    struct nsh_member *own = arena_array(arena, 6, sizeof *own);
    const char *address = arena_text(arena, text_of(bmc->address)).at;
    size_t count = 0, own_count = 4;
    if (systems == NULL || own == NULL || address == NULL) {
        return false;
    }
    for (size_t i = 0; i < bmc->systems_count; i++) {
        const char *host = arena_text(arena, text_of(bmc->systems[i].host)).at;
        const char *system = arena_text(arena, text_of(bmc->systems[i].system)).at;
        const struct nsh_value known = nsh_map(systems, count);
        if (host == NULL || system == NULL) {
            return false;
        }
        if (system[0] != '\0' && nsh_get(&known, system) == NULL) {
            systems[count++] = (struct nsh_member){system, nsh_text(host)};
        }
        if (bmc->systems_count == 1) {
            own[own_count++] = (struct nsh_member){"host", nsh_text(host)};
        }
    }
    own[0] = (struct nsh_member){"name", nsh_text(source->config->name)};
    own[1] = (struct nsh_member){"type", nsh_text(source->config->type->name)};
    own[2] = (struct nsh_member){"peer", nsh_text(peer)};
    own[3] = (struct nsh_member){"bmc", nsh_text(address)};
    own[own_count++] = (struct nsh_member){"systems", nsh_map(systems, count)};
    *ret_source = nsh_map(own, own_count);
    return true;
}

/* Under the lock. */
static int admit(const struct redfish_events *source, const char *context, const char *peer,
                 const struct redfish_bmc **ret_bmc, struct nsh_error *err)
{
    const char *slash = context == NULL ? NULL : strrchr(context, '/');
    if (slash == NULL) {
        return nsh_fail(err, NSH_AUTH, "the event has no context of this source");
    }
    const struct text host = {context, (uint32_t)(slash - context)};
    const struct redfish_bmc *bmc =
        source->table == NULL ? NULL : map_get(&source->table->by_host, host);
    size_t count = bmc == NULL ? 0 : strlen(bmc->context);
    if (bmc == NULL || strlen(context) != count ||
        CRYPTO_memcmp(context, bmc->context, count) != 0) {
        return nsh_fail(err, NSH_AUTH, "the event's context is of no BMC of the inventory");
    }
    uint8_t from[16] = {0};
    bool own = bmc->numeric && redfish_address_bytes(text_of(peer), from) &&
               memcmp(from, bmc->from, sizeof from) == 0;
    if (!own && !redfish_peer_in(&source->networks, peer)) {
        return nsh_fail(err, NSH_DENIED, "the context is right, and %.60s is not the BMC's address",
                        peer);
    }
    *ret_bmc = bmc;
    return 0;
}

int redfish_events_admit(struct redfish_events *source, const struct nsh_value *body,
                         const char *peer, struct arena *arena, struct nsh_value *ret_source,
                         struct nsh_error *err)
{
    const struct redfish_bmc *bmc = NULL;
    pthread_mutex_lock(&source->lock);
    int result = admit(source, context_of(body), peer, &bmc, err);
    source->strangers += result < 0;
    if (result == 0) {
        bmc->watch->heard_ms = bmc->watch->stirred_ms = redfish_clock_ms();
    }
    if (result == 0 && !redfish_source_value(source, bmc, peer, arena, ret_source)) {
        result = nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    pthread_mutex_unlock(&source->lock);
    return result;
}

/* ---- what is shown ------------------------------------------------------------------------- */

static bool without_context(const struct nsh_value *map, struct arena *arena,
                            struct nsh_value *ret_map)
{
    struct nsh_member *members = arena_array(arena, map->count + 1, sizeof *members);
    size_t count = 0;
    for (uint32_t i = 0; members != NULL && i < map->count; i++) {
        if (strcmp(map->members[i].name, "Context") != 0) {
            members[count++] = map->members[i];
        }
    }
    *ret_map = nsh_map(members, count);
    return members != NULL;
}

static bool records_shown(struct nsh_value *list, struct arena *arena)
{
    struct nsh_value *items = arena_array(arena, list->count + 1, sizeof *items);
    for (uint32_t i = 0; items != NULL && i < list->count; i++) {
        items[i] = list->items[i];
        if (items[i].type == NSH_MAP && !without_context(&list->items[i], arena, &items[i])) {
            return false;
        }
    }
    *list = nsh_list(items, list->count);
    return items != NULL;
}

int redfish_events_shown(const struct nsh_value *body, struct arena *arena,
                         struct nsh_value *ret_shown)
{
    struct nsh_value shown = *body;
    if (body->type == NSH_MAP && !without_context(body, arena, &shown)) {
        return -NSH_NOMEM;
    }
    for (uint32_t i = 0; shown.type == NSH_MAP && i < shown.count; i++) {
        /* The members are our copy. */
        struct nsh_value *value = (struct nsh_value *)(uintptr_t)&shown.members[i].value;
        if (value->type == NSH_LIST && strcmp(shown.members[i].name, "Events") == 0 &&
            !records_shown(value, arena)) {
            return -NSH_NOMEM;
        }
    }
    *ret_shown = shown;
    return 0;
}
