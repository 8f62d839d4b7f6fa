/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHELL_RIG_H
#define SHELL_RIG_H

/*
 * A daemon without its main: the real shell, engine, store and driver host, a folder of its own,
 * and the driver `probe`, which writes down what it is asked. Waiting is running the loop.
 */

#include "../unit.h"

#include "base/json.h"
#include "shell_life.h"
#include "store/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RIG_WAIT_MS 20000

struct shell_rig {
    char folder[64], config[96], calls[96];
    struct drivers *drivers;
    struct loop *loop;
    struct shell *shell;
    bool stopped;
};

struct rig_answer {
    bool come;
    int code;
    char text[NSH_ERROR_TEXT_MAX];
    char *document;
};

static inline void rig_write(const struct shell_rig *rig, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", rig->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline char *rig_read(const struct shell_rig *rig, const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", rig->folder, name);
    char *text = calloc(1, 65536);
    assert_non_null(text);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        size_t count = fread(text, 1, 65535, file);
        text[count] = '\0';
        fclose(file);
    }
    return text;
}

#define RIG_POLICY                                                                                 \
    "policies: ( { name = \"heal\"; summary = \"cycle, else page\"; owner = \"t\";\n"              \
    "  subject = \"host\"; mode = \"enforce\";\n"                                                  \
    "  when = { event = \"memory.uncorrectable\"; severity = \"major\"; settle = \"0s\"; };\n"     \
    "  do = ( { step = \"cycle\"; action = \"power.cycle\"; timeout = \"5s\"; } );\n"              \
    "  else = ( { step = \"page\"; action = \"page\"; with = { text = \"${host.name}: "            \
    "${failure}\"; }; } ); } );\n"

static inline void rig_folder(struct shell_rig *rig)
{
    *rig = (struct shell_rig){0};
    snprintf(rig->folder, sizeof rig->folder, "/tmp/ns-shell-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->config, sizeof rig->config, "%s/nightshift.conf", rig->folder);
    snprintf(rig->calls, sizeof rig->calls, "%s/calls", rig->folder);
    char path[160], text[4096];
    snprintf(path, sizeof path, "%s/policies", rig->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(text, sizeof text,
             "store = { path = \"n.db\"; };\n"
             "inventory = \"inventory.conf\"; policies = \"policies\";\n"
             "drivers = \"%s/tests/drivers\"; api = { socket = \"\"; };\n"
             "pager = { driver = \"probe\"; log = \"%s\"; };\n",
             TEST_BINARY_DIR, rig->calls);
    rig_write(rig, "nightshift.conf", text);
    snprintf(text, sizeof text,
             "defaults: { bmc = { driver = \"probe\"; log = \"%s\"; }; pool = \"p\"; };\n"
             "hosts: (\n"
             "  { name = \"h1\"; rack = \"r1\"; addresses = [\"10.0.0.1\"]; bmc = { address = "
             "\"a1\"; }; },\n"
             "  { name = \"h2\"; rack = \"r2\"; addresses = [\"10.0.0.2\"]; bmc = { address = "
             "\"a2\"; answer = \"fail\"; }; },\n"
             "  { name = \"h3\"; rack = \"r3\"; addresses = [\"10.0.0.3\"]; maintenance = true; "
             "bmc = { address = \"a3\"; }; }\n"
             ");\n",
             rig->calls);
    rig_write(rig, "inventory.conf", text);
    rig_write(rig, "policies/heal.policy", RIG_POLICY);
}

static inline void rig_start(struct shell_rig *rig)
{
    struct diags diags = {0};
    struct nsh_error err = {0};
    struct config *config = config_load(rig->config, &diags);
    assert_non_null(config);
    if (drivers_load(config->drivers, &rig->drivers, &err) < 0) {
        fail_msg("%s", err.text);
    }
    struct loop_hooks hooks = drivers_hooks(rig->drivers);
    assert_int_equal(loop_new(&(struct loop_options){0}, &hooks, &rig->loop, &err), 0);
    struct generation *generation = generation_load(config, rig->drivers, true, &diags);
    if (generation == NULL) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(&diags, NULL, false, &out);
        fail_msg("%s", out.at);
    }
    diags_done(&diags);
    struct shell_options options = {
        .loop = rig->loop, .drivers = rig->drivers, .generation = generation};
    if (shell_new(&options, &rig->shell, &err) < 0) {
        fail_msg("%s", err.text);
    }
    rig->stopped = false;
}

static inline void rig_on_stop(void *arg)
{
    ((struct shell_rig *)arg)->stopped = true;
}

static inline void rig_stop(struct shell_rig *rig)
{
    shell_stop(rig->shell, rig_on_stop, rig);
    while (!rig->stopped) {
        uv_run(loop_uv(rig->loop), UV_RUN_ONCE);
    }
    drivers_stop(rig->drivers);
    while (drivers_running(rig->drivers) > 0) {
        uv_run(loop_uv(rig->loop), UV_RUN_ONCE);
    }
    shell_free(rig->shell);
    loop_free(rig->loop);
    drivers_free(rig->drivers);
    rig->shell = NULL;
}

static inline void rig_done(struct shell_rig *rig)
{
    if (rig->shell != NULL) {
        rig_stop(rig);
    }
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", rig->folder);
    assert_int_equal(system(command), 0);
}

static inline int64_t rig_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void rig_tick(uv_timer_t *timer)
{
    (void)timer; /* It only wakes the loop, so that the condition is looked at. */
}

static inline void rig_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

/* Setup and teardown of a test; more: what else its configuration says. */
static inline int rig_set_up_with(void **state, const char *more)
{
    struct shell_rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig_folder(rig);
    CLEANUP(freep) char *config = rig_read(rig, "nightshift.conf");
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    textbuf_addf(&text, "%s%s\n", config, more);
    rig_write(rig, "nightshift.conf", text.at);
    rig_start(rig);
    *state = rig;
    return 0;
}

static inline int rig_set_up(void **state)
{
    return rig_set_up_with(state, "");
}

static inline int rig_tear_down(void **state)
{
    rig_done(*state);
    free(*state);
    return 0;
}

/* The store as another process reads it; the caller closes it. */
static inline struct store_reader *rig_reader(const struct shell_rig *rig)
{
    char path[160];
    struct store_reader *reader = NULL;
    snprintf(path, sizeof path, "%s/n.db", rig->folder);
    assert_int_equal(store_reader_open(path, &reader, NULL), 0);
    return reader;
}

/* Run the loop until is(arg) holds, at most RIG_WAIT_MS. */
static inline bool rig_until(struct shell_rig *rig, bool (*is)(struct shell_rig *rig, void *arg),
                             void *arg)
{
    int64_t end_ms = rig_ms() + RIG_WAIT_MS;
    uv_timer_t timer;
    bool closed = false;
    uv_timer_init(loop_uv(rig->loop), &timer);
    timer.data = &closed;
    uv_timer_start(&timer, rig_tick, 10, 10);
    bool good = false;
    while (!(good = is(rig, arg)) && rig_ms() < end_ms) {
        uv_run(loop_uv(rig->loop), UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, rig_closed);
    while (!closed) {
        uv_run(loop_uv(rig->loop), UV_RUN_NOWAIT);
    }
    return good;
}

static inline void rig_answered(void *arg, const struct shell_answer *answer)
{
    struct rig_answer *to = arg;
    assert_false(to->come); /* Exactly once. */
    to->come = true;
    to->code = answer->code;
    snprintf(to->text, sizeof to->text, "%s", answer->err == NULL ? "" : answer->err->text);
    to->document =
        answer->document.count == 0 ? NULL : strndup(answer->document.at, answer->document.count);
}

static inline bool rig_has_come(struct shell_rig *rig, void *arg)
{
    return ((struct rig_answer *)arg)->come;
}

/* Ask and wait; the caller frees answer->document. */
static inline void rig_ask(struct shell_rig *rig, const char *name, const char *args_json,
                           struct rig_answer *answer)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value args = {.type = NSH_MAP};
    struct nsh_error err = {0};
    *answer = (struct rig_answer){0};
    if (args_json != NULL) {
        assert_int_equal(json_parse(args_json, strlen(args_json), &arena, &args, &err), 0);
    }
    assert_int_equal(shell_post(rig->shell, name, &args, "uid:0(test)", rig_answered, answer, &err),
                     0);
    assert_true(rig_until(rig, rig_has_come, answer));
}

struct rig_event {
    const char *id, *type, *address, *resource;
    enum event_state state;
    enum severity severity;
};

struct rig_pushed {
    bool come, durable;
    uint32_t duplicates;
};

static inline void rig_pushed_done(void *arg, bool durable, uint32_t duplicates)
{
    struct rig_pushed *pushed = arg;
    assert_false(pushed->come);
    *pushed = (struct rig_pushed){true, durable, duplicates};
}

static inline int rig_push(struct shell_rig *rig, const struct rig_event *from,
                           struct rig_pushed *pushed)
{
    char hint[80], id[32];
    static unsigned number;
    snprintf(hint, sizeof hint, "addr=%s", from->address);
    snprintf(id, sizeof id, "%s-%u-%d", from->id, number++, (int)getpid());
    struct event event = {
        .id = text_of(from->id[0] == '=' ? from->id : id),
        .source = TEXT("test"),
        .type = text_of(from->type),
        .resource = text_of(from->resource == NULL ? "" : from->resource),
        .state = from->state,
        .severity = from->severity,
        .hint = text_of(hint),
        .message = TEXT("a message"),
    };
    uint8_t bytes[1024];
    size_t count = event_pack(&event, bytes, sizeof bytes);
    struct intake *intake = shell_intake(rig->shell);
    *pushed = (struct rig_pushed){0};
    return intake_push(intake,
                       &(struct intake_batch){.bytes = bytes,
                                              .bytes_count = count,
                                              .events_count = 1,
                                              .received_ms = intake_now_ms(intake),
                                              .done = rig_pushed_done,
                                              .arg = pushed},
                       NULL);
}

static inline bool rig_is_pushed(struct shell_rig *rig, void *arg)
{
    return ((struct rig_pushed *)arg)->come;
}

/* Push and wait for the acknowledgement. */
static inline void rig_send(struct shell_rig *rig, const struct rig_event *event)
{
    struct rig_pushed pushed;
    assert_int_equal(rig_push(rig, event, &pushed), 0);
    assert_true(rig_until(rig, rig_is_pushed, &pushed));
    assert_true(pushed.durable);
}

static inline bool rig_calls_have(struct shell_rig *rig, void *arg)
{
    CLEANUP(freep) char *text = rig_read(rig, "calls");
    return strstr(text, arg) != NULL;
}

#endif
