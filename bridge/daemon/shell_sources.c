/* SPDX-License-Identifier: Apache-2.0 */
/* The sources' documents, and their door to the shell. */

#include "shell_private.h"

#include "base/json.h"
#include "shell_series.h"
#include "sources.h"

#define STANDING_MAX 100000 /* Alarms that are looked at. */

void shell_sources_list(struct shell *shell, struct shell_request *request)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    sources_list_json(shell->sources, shell_now(shell), &out);
    shell_answer(shell, request, (struct text){out.at, (uint32_t)out.count});
}

void shell_source_doctor(struct shell *shell, struct shell_request *request)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    struct nsh_error err = {0};
    const char *id = nsh_get_text(&request->args, "id", "");
    if (sources_doctor_json(shell->sources, id, shell_now(shell), &out, &err) < 0) {
        shell_answer_error(shell, request, &err);
        return;
    }
    shell_answer(shell, request, (struct text){out.at, (uint32_t)out.count});
}

static void sources_log(void *arg, bool error, const char *text)
{
    (void)arg;
    (void)error;
    LOG(SOURCE_NEWS, {"text", nsh_text(text)});
}

static const struct inventory *inventory_now(void *arg)
{
    const struct shell *shell = arg;
    return shell->generation->inventory;
}

/* Any thread. */
static int samples_put(void *arg,
                       int (*decode)(void *arg, const struct sample_sink *sink,
                                     struct nsh_error *err),
                       void *decode_arg, struct nsh_error *err)
{
    const struct shell_series_put put = {
        .door = SHELL_SERIES_SOURCE, .decode = decode, .arg = decode_arg};
    return shell_series_put(arg, &put, err);
}

struct standing {
    const char *source;
    void (*each)(void *arg, const struct source_standing *alarm);
    void *arg;
};

static int standing_row(void *arg, const struct record *record)
{
    const struct standing *standing = arg;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body;
    if (json_parse(record->body.at, record->body.count, &arena, &body, NULL) < 0 ||
        (standing->source != NULL &&
         strcmp(nsh_get_text(&body, "source", ""), standing->source) != 0)) {
        return 0;
    }
    const struct source_standing alarm = {
        .host = nsh_get_text(&body, "host", ""),
        .subject = nsh_get_text(&body, "subject", ""),
        .severity = severity_of(text_of(nsh_get_text(&body, "severity", ""))),
        .type = nsh_get_text(&body, "type", ""),
        .resource = nsh_get_text(&body, "resource", ""),
        .qualifier = nsh_get_text(&body, "qualifier", ""),
        .source = nsh_get_text(&body, "source", ""),
    };
    standing->each(standing->arg, &alarm);
    return 0;
}

static int standing_read(void *arg, const char *source,
                         void (*each)(void *arg, const struct source_standing *alarm),
                         void *each_arg, struct nsh_error *err)
{
    const struct shell *shell = arg;
    struct store_reader *reader = NULL;
    struct standing standing = {source, each, each_arg};
    const struct store_query query = {
        .kind = RECORD_ALARM, .state = TEXT("raised"), .limit = STANDING_MAX};
    int result = store_reader_open(shell->generation->config->store_path, &reader, err);
    if (result < 0) {
        return nsh_wrap(err, "while reading the alarms that stand");
    }
    result = store_query(reader, &query, standing_row, &standing, err);
    store_reader_close(reader);
    return result;
}

static const char *traps_now(void *arg)
{
    const struct shell *shell = arg;
    return shell->generation->config->traps;
}

int shell_sources_new(struct shell *shell, struct nsh_error *err)
{
    const struct sources_options options = {
        .loop = shell->loop,
        .shared = {.intake = shell->intake,
                   .secret = shell_secret,
                   .log = sources_log,
                   .inventory = inventory_now,
                   .samples = samples_put,
                   .standing = standing_read,
                   .traps = traps_now,
                   .call = shell_source_call,
                   .call_cancel = shell_source_call_cancel,
                   .mark = shell_mark,
                   .arg = shell},
    };
    return sources_new(&options, &shell->sources, err);
}

void shell_sources_start(struct shell *shell)
{
    shell->sources_started = true;
    sources_left(shell->sources);
    sources_apply(shell->sources, shell->generation);
}

struct sources *shell_sources(struct shell *shell)
{
    return shell->sources;
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

void shell_sources_end(struct shell *shell)
{
    bool stopped = false;
    if (shell->sources == NULL) {
        return;
    }
    for (struct intake_item *item; (item = intake_take(shell->intake)) != NULL;) {
        intake_item_end(item, false); /* Sources wait for the answer to what they pushed. */
    }
    sources_stop(shell->sources, on_stopped, &stopped);
    while (!stopped) {
        uv_run(loop_uv(shell->loop), UV_RUN_ONCE);
    }
    sources_free(shell->sources);
    shell->sources = NULL;
}
