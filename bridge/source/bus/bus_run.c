/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a source on a broker: a thread of its own connects, receives, hands events over and
 * acknowledges, in the broker's order, what is durable. Nothing is acknowledged before.
 *
 * Back-pressure: at most `window` messages are on their way; when the intake is full the next one
 * waits here and nothing more is received. A link that breaks is opened again after a pause that
 * doubles up to BACKOFF_MS_MAX, with chance in it, so that a broker that comes back is not met by
 * all its clients at once. What was not acknowledged comes again, and is known by its id.
 */

#include "bus_private.h"
#include "bus_values.h"

#include "base/assert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#define BACKOFF_MS_MIN 500
#define BACKOFF_MS_MAX 60000
#define CALM_MS 30000 /* A link that lived that long: the next one is tried soon. */
#define TEND_MS 1000
#define HELD_MS 50
#define ROUND_MESSAGES_MAX 256 /* Between two looks at what is to be acknowledged. */
#define TEXT_BYTES_MAX 240

enum item_state { ITEM_WAITING, ITEM_KEPT, ITEM_REFUSED, ITEM_LOST };

struct bus_item {
    struct source_delivery delivery;
    struct bus *bus;
    uint64_t tag;
    enum item_state state;
};

struct bus {
    const struct source_services *services;
    const struct source_config *config;
    const struct bus_transport *transport;
    struct arena settings_arena;
    struct nsh_value settings;
    pthread_t thread;
    bool running;
    uv_async_t news;
    void (*done)(void *arg);
    void *done_arg;
    int wake;
    unsigned window;
    /* The thread's: */
    struct bus_link *link;
    struct arena arena;
    struct bus_decoded held; /* What the intake refused; its arena is the above. */
    bool is_held;
    int64_t tended_ms;
    /* Everybody's: */
    pthread_mutex_t mutex;
    struct bus_item *ring;
    unsigned head, count;
    bool stopping, ended, connected, told;
    uint64_t links; /* Opened so far. */
    char text[TEXT_BYTES_MAX];
};

static bool is_stopping(struct bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    bool stopping = bus->stopping;
    pthread_mutex_unlock(&bus->mutex);
    return stopping;
}

/* For doctor, and once for the log. */
static void say(struct bus *bus, bool connected, const char *text)
{
    pthread_mutex_lock(&bus->mutex);
    bus->connected = connected;
    bus->links += connected;
    bus->told = false;
    snprintf(bus->text, sizeof bus->text, "%s", text);
    pthread_mutex_unlock(&bus->mutex);
    if (!connected) {
        source_complain(bus->services->row, intake_now_ms(bus->services->intake), text);
    }
    uv_async_send(&bus->news);
}

static void wake(struct bus *bus)
{
    uint64_t one = 1;
    ssize_t written = write(bus->wake, &one, sizeof one);
    (void)written; /* Full: it is awake. */
}

/* Until something happens on the link, an answer came, or the time is over. */
static void rest(struct bus *bus, bool look_at_link, int timeout_ms)
{
    uint64_t count;
    struct pollfd polls[2] = {{.fd = bus->wake, .events = POLLIN}, {.fd = -1}};
    if (look_at_link) {
        bus->transport->watch(bus->link, &polls[1]);
    }
    if (poll(polls, 2, timeout_ms) > 0 && polls[0].revents != 0) {
        ssize_t taken = read(bus->wake, &count, sizeof count);
        (void)taken;
    }
}

/* ---- messages on their way ---- */

static void on_answer(void *arg, bool durable, uint32_t duplicates)
{
    struct bus_item *item = arg;
    struct bus *bus = item->bus;
    pthread_mutex_lock(&bus->mutex);
    item->state = durable ? ITEM_KEPT : ITEM_LOST;
    wake(bus); /* Under the lock: with the last answer the thread may end. */
    pthread_mutex_unlock(&bus->mutex);
}

static struct bus_item *item_add(struct bus *bus, uint64_t tag, enum item_state state)
{
    pthread_mutex_lock(&bus->mutex);
    NSH_ASSERT(bus->count < bus->window);
    struct bus_item *item = &bus->ring[(bus->head + bus->count++) % bus->window];
    *item = (struct bus_item){.bus = bus, .tag = tag, .state = state};
    pthread_mutex_unlock(&bus->mutex);
    return item;
}

static void item_take_back(struct bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    NSH_ASSERT(bus->count > 0);
    bus->count--;
    pthread_mutex_unlock(&bus->mutex);
}

/* Take the oldest that have the same answer off the ring: how many, 0: the oldest waits. */
static unsigned items_answered(struct bus *bus, enum item_state *ret_state, uint64_t *ret_tag)
{
    unsigned count = 0;
    pthread_mutex_lock(&bus->mutex);
    enum item_state state = bus->count == 0 ? ITEM_WAITING : bus->ring[bus->head].state;
    while (state != ITEM_WAITING && bus->count > 0 && bus->ring[bus->head].state == state) {
        *ret_tag = bus->ring[bus->head].tag;
        bus->head = (bus->head + 1) % bus->window;
        bus->count--;
        count++;
        if (state == ITEM_REFUSED) {
            break; /* Each by itself. */
        }
    }
    pthread_mutex_unlock(&bus->mutex);
    *ret_state = state;
    return count;
}

static unsigned items_count(struct bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    unsigned count = bus->count;
    pthread_mutex_unlock(&bus->mutex);
    return count;
}

/* Tell the broker what is durable. */
static int settle(struct bus *bus, struct nsh_error *err)
{
    enum item_state state;
    uint64_t tag = 0;
    int result = 0;
    while (result == 0 && items_answered(bus, &state, &tag) > 0) {
        result = state == ITEM_LOST
                     ? nsh_fail(err, NSH_IO, "events were not made durable; they come again")
                     : bus->transport->settle(bus->link, tag, state == ITEM_KEPT, err);
    }
    return result;
}

/* Until nothing is on its way; with a link that works, what becomes durable is acknowledged. */
static void drain(struct bus *bus, bool acknowledge)
{
    struct nsh_error err = {0};
    enum item_state state;
    uint64_t tag = 0;
    while (items_count(bus) > 0) {
        if (acknowledge && settle(bus, &err) < 0) {
            acknowledge = false;
        }
        while (!acknowledge && items_answered(bus, &state, &tag) > 0) {
        }
        if (items_count(bus) > 0) {
            rest(bus, false, TEND_MS);
        }
    }
}

/* ---- receiving ---- */

/* 0: handed over, or held; negative: the link is to be opened anew. */
static int held_push(struct bus *bus, uint64_t tag, struct nsh_error *err)
{
    const struct source_services *services = bus->services;
    struct bus_item *item = item_add(bus, tag, ITEM_WAITING);
    item->delivery = (struct source_delivery){.row = services->row,
                                              .events = bus->held.packed_count,
                                              .received_ms = intake_now_ms(services->intake),
                                              .done = on_answer,
                                              .arg = item};
    source_count(services->row, SOURCE_COUNT_received, 1);
    int result =
        bus->held.packed != NULL
            ? source_push_packed(services->intake, bus->held.packed, bus->held.packed_bytes,
                                 &item->delivery, err)
            : source_push(services->intake, &bus->held.events, &item->delivery, &bus->arena, err);
    bus->is_held = result < 0;
    if (result < 0) {
        item_take_back(bus);
    } else {
        arena_reset(&bus->arena);
    }
    return result == -NSH_NOMEM ? result : 0;
}

static int message_take(struct bus *bus, const struct bus_message *message, struct nsh_error *err)
{
    const struct source_services *services = bus->services;
    int64_t now_ms = intake_now_ms(services->intake);
    arena_reset(&bus->arena);
    if (message->bytes_count > BUS_MESSAGE_BYTES_MAX) {
        source_count(services->row, SOURCE_COUNT_received, 1);
        source_count(services->row, SOURCE_COUNT_large, 1);
        source_complain(services->row, now_ms, "a message of more than 4 MiB");
        item_add(bus, message->tag, ITEM_REFUSED);
        return 0;
    }
    int result =
        bus_decode(bus->config, message, now_ms, services->row, &bus->arena, &bus->held, err);
    if (result < 0) {
        source_count(services->row, SOURCE_COUNT_received, 1);
        source_heard(services->row, now_ms);
        if (result != -NSH_NOMEM) {
            item_add(bus, message->tag, ITEM_REFUSED);
            result = 0;
        }
        return result;
    }
    return held_push(bus, message->tag, err);
}

/* 1: there may be more at once; 0: nothing for now. */
static int receive(struct bus *bus, uint64_t *tag, struct nsh_error *err)
{
    struct bus_message message;
    int result = 0;
    if (bus->is_held) {
        result = held_push(bus, *tag, err);
    }
    for (int i = 0; i < ROUND_MESSAGES_MAX; i++) {
        if (result < 0 || bus->is_held || items_count(bus) >= bus->window) {
            return result;
        }
        memset(&message, 0, offsetof(struct bus_message, headers));
        message.headers_count = message.attributes_count = 0;
        message.again = false;
        result = bus->transport->receive(bus->link, &message, err);
        if (result <= 0) {
            return result;
        }
        *tag = message.tag;
        result = message_take(bus, &message, err);
    }
    return result < 0 ? result : 1;
}

static int tend(struct bus *bus, bool paused, struct nsh_error *err)
{
    int64_t now_ms = bus_clock_ms();
    if (now_ms - bus->tended_ms < TEND_MS) {
        return 0;
    }
    bus->tended_ms = now_ms;
    return bus->transport->tend(bus->link, paused, err);
}

/* Until the link breaks (negative) or the source is to stop (0). */
static int serve(struct bus *bus, struct nsh_error *err)
{
    uint64_t tag = 0;
    bus->is_held = false;
    while (!is_stopping(bus)) {
        int result = settle(bus, err);
        int more = result < 0 ? result : receive(bus, &tag, err);
        bool paused = bus->is_held || items_count(bus) >= bus->window;
        result = more < 0 ? more : tend(bus, paused, err);
        if (result < 0) {
            return result;
        }
        rest(bus, !paused, more > 0 ? 0 : bus->is_held ? HELD_MS : TEND_MS);
    }
    return 0;
}

/* ---- the thread ---- */

static void back_off(struct bus *bus, unsigned failures)
{
    uint32_t chance = 0;
    int64_t most_ms = BACKOFF_MS_MIN << (failures > 7 ? 7 : failures);
    most_ms = most_ms > BACKOFF_MS_MAX ? BACKOFF_MS_MAX : most_ms;
    if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) != (ssize_t)sizeof chance) {
        chance = (uint32_t)bus_clock_ms();
    }
    int64_t until_ms = bus_clock_ms() + most_ms / 2 + (int64_t)chance % (most_ms / 2 + 1);
    for (int64_t now_ms; (now_ms = bus_clock_ms()) < until_ms && !is_stopping(bus);) {
        rest(bus, false, (int)(until_ms - now_ms));
    }
}

static void link_close(struct bus *bus)
{
    bus->transport->close(bus->link);
    free(TAKE(bus->link));
}

static int link_open(struct bus *bus, struct nsh_error *err)
{
    struct bus_options options = {
        .name = bus->config->name, .settings = &bus->settings, .window = bus->window};
    bus->link = calloc(1, bus->transport->link_bytes);
    if (bus->link == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = bus->transport->open(&options, bus->link, err);
    if (result < 0) {
        link_close(bus);
    }
    return result;
}

/* One link from its beginning to its end. False: it was none, or not for long. */
static bool link_live(struct bus *bus)
{
    struct nsh_error err = {0};
    char text[TEXT_BYTES_MAX];
    int result = link_open(bus, &err);
    if (result < 0) {
        snprintf(text, sizeof text, "cannot connect: %.200s", err.text);
        say(bus, false, text);
        return false;
    }
    int64_t opened_ms = bus_clock_ms();
    say(bus, true, "connected");
    result = serve(bus, &err);
    drain(bus, result == 0);
    link_close(bus);
    snprintf(text, sizeof text, result == 0 ? "closed" : "the link broke: %.200s", err.text);
    say(bus, false, text);
    return bus_clock_ms() - opened_ms > CALM_MS;
}

static void *thread_run(void *arg)
{
    struct bus *bus = arg;
    unsigned failures = 0;
    while (!is_stopping(bus)) {
        failures = link_live(bus) ? 0 : failures + 1;
        back_off(bus, failures);
    }
    pthread_mutex_lock(&bus->mutex);
    bus->ended = true;
    pthread_mutex_unlock(&bus->mutex);
    uv_async_send(&bus->news);
    return NULL;
}

/* ---- the loop's side ---- */

static void bus_free(struct bus *bus)
{
    if (bus->wake >= 0) {
        close(bus->wake);
    }
    pthread_mutex_destroy(&bus->mutex);
    arena_done(&bus->settings_arena);
    arena_done(&bus->arena);
    free(bus->ring);
    free(bus);
}

static void on_closed(uv_handle_t *handle)
{
    struct bus *bus = handle->data;
    void (*done)(void *arg) = bus->done;
    void *arg = bus->done_arg;
    bus_free(bus);
    if (done != NULL) {
        done(arg);
    }
}

static void on_news(uv_async_t *async)
{
    struct bus *bus = async->data;
    char text[TEXT_BYTES_MAX + 80];
    pthread_mutex_lock(&bus->mutex);
    bool ended = bus->ended, error = !bus->connected, tell = !bus->told && !bus->stopping;
    bus->told = true;
    snprintf(text, sizeof text, "source %s: %s", bus->config->name, bus->text);
    pthread_mutex_unlock(&bus->mutex);
    if (tell && bus->services->log != NULL) {
        bus->services->log(bus->services->arg, error, text);
    }
    if (ended && bus->running) {
        bus->running = false;
        pthread_join(bus->thread, NULL);
        uv_close((uv_handle_t *)&bus->news, on_closed);
    }
}

/* The settings with secrets in place of their references. */
static int settings_resolve(struct bus *bus, struct nsh_error *err)
{
    const struct source_services *services = bus->services;
    const struct source_config *config = bus->config;
    const struct nsh_value *from = &config->settings;
    struct nsh_member *members =
        arena_array(&bus->settings_arena, from->count + 1, sizeof *members);
    if (members == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < from->count; i++) {
        members[i] = from->members[i];
        for (size_t k = 0; k < config->type->options_count; k++) {
            const struct nsh_option *option = &config->type->options[k];
            const char *secret = NULL;
            if (option->type != NSH_SECRET || strcmp(option->name, members[i].name) != 0 ||
                members[i].value.type != NSH_STRING || members[i].value.count == 0) {
                continue;
            }
            int result = services->secret(services->arg, members[i].value.text,
                                          &bus->settings_arena, &secret, err);
            if (result < 0) {
                return nsh_wrap(err, "%s", option->name);
            }
            members[i].value = nsh_text(secret);
        }
    }
    bus->settings = nsh_map(members, from->count);
    return 0;
}

static int bus_prepare(struct bus *bus, struct nsh_error *err)
{
    int result = bus_transport_load(bus->config->type->name, &bus->transport, err);
    if (result == 0) {
        result = settings_resolve(bus, err);
    }
    int64_t window = nsh_get_int(&bus->settings, "window", 256);
    bus->window = (unsigned)(window < 1 ? 1 : window > BUS_WINDOW_MAX ? BUS_WINDOW_MAX : window);
    bus->ring = calloc(bus->window, sizeof *bus->ring);
    bus->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (result == 0 && (bus->ring == NULL || bus->wake < 0)) {
        result = nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    return result;
}

int bus_open(const struct source_services *services, const struct source_config *config,
             void **ret_source, struct nsh_error *err)
{
    struct bus *bus = calloc(1, sizeof *bus);
    if (bus == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    bus->services = services;
    bus->config = config;
    bus->wake = -1;
    pthread_mutex_init(&bus->mutex, NULL);
    snprintf(bus->text, sizeof bus->text, "connecting");
    bus->told = true;
    int result = bus_prepare(bus, err);
    if (result < 0) {
        bus_free(bus);
        return result;
    }
    uv_async_init(services->loop, &bus->news, on_news);
    bus->news.data = bus;
    bus->running = pthread_create(&bus->thread, NULL, thread_run, bus) == 0;
    if (!bus->running) {
        uv_close((uv_handle_t *)&bus->news, on_closed);
        return nsh_fail(err, NSH_IO, "no thread: %s", strerror(errno));
    }
    *ret_source = bus;
    return 0;
}

void bus_close(void *source, void (*done)(void *arg), void *arg)
{
    struct bus *bus = source;
    pthread_mutex_lock(&bus->mutex);
    bus->stopping = true;
    bus->done = done;
    bus->done_arg = arg;
    wake(bus);
    pthread_mutex_unlock(&bus->mutex);
}

void bus_doctor(void *source, const struct source_config *config, struct nsh_checks *checks)
{
    struct bus *bus = source;
    if (bus == NULL) {
        return;
    }
    pthread_mutex_lock(&bus->mutex);
    nsh_check_add(checks, "broker", bus->connected ? NSH_CHECK_OK : NSH_CHECK_FAILED,
                  bus->connected ? NULL : "is it running, and may we? It is tried again", "%.180s",
                  bus->text);
    nsh_check_add(checks, "waiting", NSH_CHECK_OK, NULL,
                  "%u of %u messages on their way, connected %llu times", bus->count, bus->window,
                  (unsigned long long)bus->links);
    pthread_mutex_unlock(&bus->mutex);
}
