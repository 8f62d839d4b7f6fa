/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acknowledging over there what is durable here. Once for each alarm: a request that may have been
 * carried out is not repeated before a list says that it was not.
 */

#include "contrail_private.h"

#include <stdio.h>

#define ACK_PATH "/analytics/alarms/acknowledge"
#define ACK_TIMEOUT_MS 30000

static struct link_ack *place_free(struct contrail_source *source)
{
    for (size_t i = 0; i < LINK_ACKS_MAX; i++) {
        if (source->acks[i].alarm == NULL) {
            return &source->acks[i];
        }
    }
    return NULL;
}

static void ack_end(struct link_ack *ack, enum contrail_ack result, const char *why)
{
    struct contrail_source *source = ack->source;
    struct contrail_alarm *alarm = ack->alarm;
    int64_t now_ms = link_now_ms(source);
    int64_t due_ms = now_ms + link_pause_ms(source, alarm->ack_tries);
    ack->alarm = NULL;
    ack->http = NULL;
    if (why != NULL) {
        snprintf(source->ack_why, sizeof source->ack_why, "%.120s of %.60s: %.50s",
                 alarm->event_type, alarm->object->key, why);
        source_complain(source->services->row, now_ms, source->ack_why);
    }
    source->acks_done += result == ACK_DONE;
    source->acks_refused += result == ACK_REFUSED;
    if (result == ACK_UNSURE && source->open) {
        link_list_soon(source, due_ms);
    }
    contrail_ack_end(&source->state, alarm, result, ack->time_us, due_ms);
}

static void on_reply(void *arg, const struct nsh_http_reply *reply)
{
    struct link_ack *ack = arg;
    struct contrail_source *source = ack->source;
    char why[64];
    ack->http = NULL;
    if (reply->code != NSH_OK) {
        snprintf(why, sizeof why, "%s", nsh_code_word(reply->code));
        ack_end(ack, reply->sent ? ACK_UNSURE : ACK_WAITS, why);
        return;
    }
    snprintf(why, sizeof why, "HTTP status %d", reply->status);
    if (reply->status >= 200 && reply->status <= 299) {
        ack_end(ack, ACK_DONE, NULL);
    } else if (reply->status == 401) {
        ack_end(ack, ACK_WAITS, why);
        link_unauthorized(source);
    } else if (reply->status == 409 || reply->status > 499) { /* The generator was asked. */
        ack_end(ack, ACK_UNSURE, why);
    } else {
        ack_end(ack, ACK_REFUSED, why);
    }
}

static void body_make(const struct contrail_alarm *alarm, struct textbuf *out)
{
    textbuf_add_chars(out, "{\"table\":");
    textbuf_add_json(out, text_of(alarm->object->table));
    textbuf_add_chars(out, ",\"name\":");
    textbuf_add_json(out, text_of(alarm->object->name));
    textbuf_add_chars(out, ",\"type\":");
    textbuf_add_json(out, text_of(alarm->type));
    textbuf_add_chars(out, ",\"token\":");
    textbuf_add_json(out, text_of(alarm->token));
    textbuf_add_chars(out, "}");
}

static void ack_send(struct contrail_source *source, struct link_ack *ack)
{
    CLEANUP(textbuf_donep) struct textbuf url = {0}, body = {0};
    struct nsh_error err = {0};
    textbuf_addf(&url, "%s" ACK_PATH, source->base);
    body_make(ack->alarm, &body);
    const struct link_question question = {.method = "POST",
                                           .url = &url,
                                           .body = &body,
                                           .timeout_ms = ACK_TIMEOUT_MS,
                                           .done = on_reply,
                                           .arg = ack};
    if (link_ask(source, &question, &ack->http, &err) < 0) {
        ack_end(ack, ACK_WAITS, err.text);
    }
}

void link_acks(struct contrail_source *source)
{
    struct link_ack *place;
    while (source->listed && source->logged_in && (place = place_free(source)) != NULL) {
        struct contrail_alarm *alarm = contrail_ack_next(&source->state, link_now_ms(source));
        if (alarm == NULL) {
            return;
        }
        *place = (struct link_ack){.source = source, .alarm = alarm, .time_us = alarm->time_us};
        ack_send(source, place);
    }
}

void link_acks_close(struct contrail_source *source)
{
    for (size_t i = 0; i < LINK_ACKS_MAX; i++) {
        struct link_ack *ack = &source->acks[i];
        if (ack->http != NULL) {
            source->services->services->http_cancel(source->services->services, TAKE(ack->http));
        }
        ack->alarm = NULL; /* The next start looks whether it was done. */
    }
}
