/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all alarms: asked for, read on another thread, compared. */

#include "contrail_private.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>

#define LIST_PATH "/analytics/alarms"
#define LIST_TIMEOUT_MS 60000

/* A list that is being read; nothing stops it when it is not wanted any more. */
struct link_job {
    struct contrail_source *source;
    bool wanted;
    struct arena arena;
    char *body;
    size_t body_bytes;
    struct nsh_value list;
    int result;
    struct nsh_error err;
};

static void job_free(struct link_job *job)
{
    arena_done(&job->arena);
    free(job->body);
    free(job);
}

static void list_failed(struct contrail_source *source, const char *why, int status)
{
    int64_t now_ms = link_now_ms(source);
    contrail_list_end(&source->state);
    source->status = status;
    snprintf(source->list_why, sizeof source->list_why, "%.200s", why);
    link_say(source, true, source->list_why);
    source->list_due_ms = now_ms + link_pause_ms(source, source->list_failures);
    source->list_failures++;
}

static void window_add(struct contrail_source *source, int64_t now_ms)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    source->windows[source->windows_count++ % LINK_WINDOWS_MAX] = (struct link_window){
        .from_ms = source->away_ms, .to_ms = now_ms, .found = source->state.found};
    textbuf_add_chars(&text, "the changes since ");
    textbuf_add_time(&text, source->away_ms);
    textbuf_addf(&text, " were missed, the list tells what is different: %u alarms",
                 source->state.found);
    link_say(source, false, text.at == NULL ? "" : text.at);
}

static void list_taken(struct contrail_source *source)
{
    int64_t now_ms = link_now_ms(source);
    if (source->away_ms != 0 && source->had) {
        window_add(source, now_ms);
    }
    source->away_ms = 0;
    source->listed = source->had = true;
    source->list_failures = 0;
    source->list_why[0] = '\0';
    link_list_soon(source, now_ms + source->resync_ms); /* Or sooner, as was wished meanwhile. */
    source_heard(source->services->row, now_ms);
    link_push(source);
    link_acks(source);
}

/* On a thread of the pool. */
static void job_work(void *arg)
{
    struct link_job *job = arg;
    job->result = json_parse(job->body, job->body_bytes, &job->arena, &job->list, &job->err);
}

static void job_done(void *arg)
{
    struct link_job *job = arg;
    struct contrail_source *source = job->source;
    source->job = NULL;
    if (job->wanted && !source->closing) {
        int result = job->result;
        result = result < 0
                     ? result
                     : contrail_list(&source->state, &job->list, link_now_ms(source), &job->err);
        if (result < 0) {
            source_count(source->services->row, SOURCE_COUNT_received, 1);
            source_count(source->services->row, SOURCE_COUNT_malformed, 1);
            list_failed(source, job->err.text, 0);
        } else {
            list_taken(source);
        }
    }
    job_free(job);
    link_maybe_done(source);
}

static void job_begin(struct contrail_source *source, const struct nsh_http_reply *reply)
{
    struct nsh_services *services = source->services->services;
    struct nsh_error err = {0};
    struct link_job *job = calloc(1, sizeof *job);
    if (job != NULL) {
        job->body = malloc(reply->body_bytes + 1);
    }
    if (job == NULL || job->body == NULL) {
        free(job);
        list_failed(source, "out of memory", 0);
        return;
    }
    memcpy(job->body, reply->body, reply->body_bytes);
    job->body_bytes = reply->body_bytes;
    job->source = source;
    job->wanted = true;
    if (services->offload(services, job_work, job_done, job, &err) < 0) {
        job_free(job);
        list_failed(source, err.text, 0);
        return;
    }
    source->job = job;
}

static void on_reply(void *arg, const struct nsh_http_reply *reply)
{
    struct contrail_source *source = arg;
    char why[LINK_WHY_BYTES_MAX];
    source->list_http = NULL;
    if (reply->code != NSH_OK) {
        snprintf(why, sizeof why, "GET " LIST_PATH ": %s: %.120s", nsh_code_word(reply->code),
                 reply->text == NULL ? "" : reply->text);
        source_count(source->services->row, SOURCE_COUNT_received, reply->code == NSH_LIMIT);
        source_count(source->services->row, SOURCE_COUNT_large, reply->code == NSH_LIMIT);
        list_failed(source, why, 0);
    } else if (reply->status == 200) {
        job_begin(source, reply);
    } else { /* Also while its partitions are not up: then its body says less than there is. */
        snprintf(why, sizeof why, "GET " LIST_PATH ": HTTP status %d", reply->status);
        list_failed(source, why, reply->status);
        if (reply->status == 401) {
            link_unauthorized(source);
        }
    }
}

void link_list_begin(struct contrail_source *source)
{
    CLEANUP(textbuf_donep) struct textbuf url = {0};
    struct nsh_error err = {0};
    if (source->list_http != NULL || source->job != NULL) { /* An old one is still being read. */
        source->list_due_ms = link_now_ms(source) + LINK_TICK_MS;
        return;
    }
    source->list_due_ms = 0;
    contrail_list_begin(&source->state);
    textbuf_addf(&url, "%s" LIST_PATH "%s", source->base, source->query);
    const struct link_question question = {.method = "GET",
                                           .url = &url,
                                           .reply_bytes_max = LINK_LIST_BYTES_MAX,
                                           .timeout_ms = LIST_TIMEOUT_MS,
                                           .done = on_reply,
                                           .arg = source};
    if (link_ask(source, &question, &source->list_http, &err) < 0) {
        list_failed(source, err.text, 0);
    }
}

void link_list_soon(struct contrail_source *source, int64_t due_ms)
{
    if (source->list_due_ms == 0 || source->list_due_ms > due_ms) {
        source->list_due_ms = due_ms;
    }
}

void link_list_drop(struct contrail_source *source)
{
    if (source->list_http != NULL) {
        source->services->services->http_cancel(source->services->services,
                                                TAKE(source->list_http));
    }
    if (source->job != NULL) {
        source->job->wanted = false;
    }
    source->list_due_ms = 0;
    contrail_list_end(&source->state);
}
