/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BMC_RIG_H
#define BMC_RIG_H

/*
 * A source of one BMC, through the real client, against a peer that the test plays itself on the
 * same loop: it answers paths as its table says, late, or never.
 */

#include "../unit.h"

#include "loop/intake_owner.h"
#include "loop/loop.h"
#include "source/redfish/redfish_private.h"

#include <stdio.h>
#include <stdlib.h>

#define DEADLINE_MS 20000 /* Less than a request's own time limit. */
#define CONNECTIONS_MAX 64
#define REQUEST_BYTES_MAX 8192

struct answer {
    const char *path;
    int status; /* 0: never. */
    const char *body;
    unsigned delay_ms;
};

struct connection {
    struct rig *rig;
    uv_tcp_t tcp;
    uv_timer_t timer;
    const struct answer *answer;
    char request[REQUEST_BYTES_MAX];
    size_t count;
};

struct rig {
    struct loop *loop;
    struct intake *intake;
    struct source_services services;
    struct source_configs configs;
    struct redfish_events *source;
    struct arena arena;
    struct diags diags;
    struct nsh_member settings[2];
    struct binding binding;
    struct host host;
    struct inventory inventory;
    uv_tcp_t listener;
    uv_timer_t beat; /* The loop wakes for the deadline. */
    struct connection *connections[CONNECTIONS_MAX];
    size_t connections_count;
    const struct answer *answers; /* Until one without path; of two for a path the first. */
    const struct answer *except;  /* Asked before them; NULL: none. */
    unsigned asked;
};

/* ---- the BMC ---- */

static void on_written(uv_write_t *write, int status)
{
    (void)status; /* Who went does not read it. */
    free(write);
}

static const struct answer *answer_find(const struct answer *answers, const char *path)
{
    while (answers != NULL && answers->path != NULL && strcmp(answers->path, path) != 0) {
        answers++;
    }
    return answers == NULL || answers->path == NULL ? NULL : answers;
}

static void on_answer(uv_timer_t *timer)
{
    static const struct answer nothing = {.status = 404, .body = "{}"};
    struct connection *connection = timer->data;
    const struct answer *answer = connection->answer == NULL ? &nothing : connection->answer;
    const char *body = answer->body == NULL ? "{}" : answer->body;
    size_t room = strlen(body) + 200;
    uv_write_t *write = malloc(sizeof *write + room);
    assert_non_null(write);
    char *at = (char *)(write + 1);
    int count =
        snprintf(at, room,
                 "HTTP/1.1 %d Answer\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                 "\r\n%s",
                 answer->status, strlen(body), body);
    uv_buf_t buf = uv_buf_init(at, (unsigned)count);
    if (uv_write(write, (uv_stream_t *)&connection->tcp, &buf, 1, on_written) < 0) {
        free(write);
    }
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    struct connection *connection = handle->data;
    (void)wanted;
    buf->base = connection->request + connection->count;
    buf->len = sizeof connection->request - 1 - connection->count;
}

static void on_request(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct connection *connection = stream->data;
    struct rig *rig = connection->rig;
    char path[512];
    (void)buf;
    if (count < 0) {
        uv_read_stop(stream);
        uv_timer_stop(&connection->timer);
        return;
    }
    connection->count += (size_t)count;
    connection->request[connection->count] = '\0';
    if (strstr(connection->request, "\r\n\r\n") == NULL) {
        return;
    }
    assert_int_equal(sscanf(connection->request, "%*s %511s", path), 1);
    connection->count = 0;
    rig->asked++;
    connection->answer = answer_find(rig->except, path);
    connection->answer =
        connection->answer == NULL ? answer_find(rig->answers, path) : connection->answer;
    if (connection->answer == NULL || connection->answer->status != 0) {
        unsigned delay_ms = connection->answer == NULL ? 0 : connection->answer->delay_ms;
        uv_timer_start(&connection->timer, on_answer, delay_ms, 0);
    }
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct rig *rig = stream->data;
    struct connection *connection = calloc(1, sizeof *connection);
    assert_int_equal(status, 0);
    assert_non_null(connection);
    assert_true(rig->connections_count < CONNECTIONS_MAX);
    rig->connections[rig->connections_count++] = connection;
    connection->rig = rig;
    uv_tcp_init(stream->loop, &connection->tcp);
    uv_timer_init(stream->loop, &connection->timer);
    connection->tcp.data = connection->timer.data = connection;
    assert_int_equal(uv_accept(stream, (uv_stream_t *)&connection->tcp), 0);
    uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_request);
}

/* ---- the source ---- */

static const struct inventory *rig_inventory(void *arg)
{
    struct rig *rig = arg;
    return &rig->inventory;
}

static int rig_secret(void *arg, const char *reference, struct arena *arena,
                      const char **ret_secret, struct nsh_error *err)
{
    (void)arg;
    (void)err;
    *ret_secret = arena_copy(arena, reference, strlen(reference));
    return 0;
}

static void rig_quiet(void *arg, bool error, const char *text)
{
    (void)arg;
    (void)error;
    (void)text;
}

static void rig_ignore(void *arg)
{
    (void)arg;
}

static void on_beat(uv_timer_t *timer)
{
    (void)timer;
}

static void rig_listen(struct rig *rig)
{
    struct sockaddr_in at;
    int bytes = sizeof at;
    rig->listener.data = rig;
    uv_tcp_init(loop_uv(rig->loop), &rig->listener);
    uv_ip4_addr("127.0.0.1", 0, &at);
    assert_int_equal(uv_tcp_bind(&rig->listener, (struct sockaddr *)&at, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&rig->listener, 16, on_connection), 0);
    assert_int_equal(uv_tcp_getsockname(&rig->listener, (struct sockaddr *)&at, &bytes), 0);
    const char *address =
        arena_printf(&rig->arena, "http://127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
    rig->settings[0] = (struct nsh_member){"address", nsh_text(address)};
    rig->settings[1] = (struct nsh_member){"tls", nsh_text("none")};
    rig->binding = (struct binding){BINDING_BMC, "redfish", nsh_map(rig->settings, 2)};
    rig->host = (struct host){.name = "h1", .bindings = &rig->binding, .bindings_count = 1};
    rig->inventory = (struct inventory){.hosts = &rig->host, .hosts_count = 1, .revision = 1};
}

/* keys: of the source's configuration; it begins with the next turn of the loop. */
static void rig_open(struct rig *rig, const char *keys, const struct answer *answers)
{
    static const struct source_type *const types[] = {&source_type_redfish, NULL};
    struct nsh_error err = {0};
    void *source = NULL;
    memset(rig, 0, sizeof *rig);
    rig->answers = answers;
    assert_int_equal(loop_new(&(struct loop_options){0}, &(struct loop_hooks){0}, &rig->loop, NULL),
                     0);
    assert_int_equal(intake_new(1u << 20, rig_ignore, NULL, &rig->intake, NULL), 0);
    uv_timer_init(loop_uv(rig->loop), &rig->beat);
    uv_timer_start(&rig->beat, on_beat, 50, 50);
    rig_listen(rig);
    const char *text = arena_printf(&rig->arena,
                                    "sources = ({ name = \"bmcs\"; type = \"redfish\"; format = "
                                    "\"redfish\"; key = \"0123456789abcdef0123\"; %s });",
                                    keys);
    struct conf *root = conf_read_text("t.conf", text, &rig->arena, &rig->diags);
    assert_non_null(root);
    rig->configs =
        source_configs_read(conf_get(root, "sources"), types, NULL, &rig->arena, &rig->diags);
    assert_int_equal(rig->diags.errors_count, 0);
    rig->services = (struct source_services){.loop = loop_uv(rig->loop),
                                             .services = loop_services(rig->loop),
                                             .intake = rig->intake,
                                             .secret = rig_secret,
                                             .log = rig_quiet,
                                             .inventory = rig_inventory,
                                             .arg = rig};
    if (source_type_redfish.open(&rig->services, &rig->configs.items[0], &source, &err) < 0) {
        fail_msg("%s", err.text);
    }
    rig->source = source;
}

/* A turn of the loop, and what was told is durable. */
static void rig_turn(struct rig *rig)
{
    uv_run(loop_uv(rig->loop), UV_RUN_ONCE);
    struct intake_item *item = intake_take(rig->intake);
    while (item != NULL) {
        intake_item_end(item, true);
        item = intake_take(rig->intake);
    }
}

static struct redfish_watch *rig_watch(const struct rig *rig)
{
    return rig->source->table->items[0].watch;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void on_gone(uv_handle_t *handle)
{
    struct rig *rig = handle->data;
    rig->connections_count--;
}

static void rig_close(struct rig *rig)
{
    bool done = false;
    source_type_redfish.close(rig->source, on_closed, &done);
    while (!done) {
        rig_turn(rig);
    }
    size_t count = rig->connections_count;
    for (size_t i = 0; i < count; i++) {
        rig->connections[i]->tcp.data = rig;
        uv_close((uv_handle_t *)&rig->connections[i]->timer, NULL);
        uv_close((uv_handle_t *)&rig->connections[i]->tcp, on_gone);
    }
    while (rig->connections_count > 0) {
        rig_turn(rig);
    }
    for (size_t i = 0; i < count; i++) {
        free(rig->connections[i]);
    }
    uv_close((uv_handle_t *)&rig->listener, NULL);
    uv_close((uv_handle_t *)&rig->beat, NULL);
    loop_free(rig->loop);
    intake_free(rig->intake);
    diags_done(&rig->diags);
    arena_done(&rig->arena);
}

/* The loop turns until done says so; why is whose row it is. */
static void rig_await(struct rig *rig, bool (*done)(const struct rig *rig), const char *why)
{
    int64_t until_ms = redfish_clock_ms() + DEADLINE_MS;
    while (!done(rig)) {
        if (redfish_clock_ms() > until_ms) {
            fail_msg("%s: nothing came of it", why);
        }
        rig_turn(rig);
    }
}

#endif
