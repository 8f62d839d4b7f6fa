/* SPDX-License-Identifier: Apache-2.0 */
/* What functions say besides their result: events, and lines for the log. */

#include "shell_private.h"

#include "loop/drivers.h"

#include <stdio.h>
#include <stdlib.h>

#define DATA_BYTES_MAX (16u << 10) /* Packed, of one event that a function brings. */

void shell_said(void *arg, const char *line)
{
    struct shell *shell = arg;
    if (shell_complain(shell, LOG_FUNCTION_SAID)) {
        LOG(FUNCTION_SAID, {"text", nsh_text(line)});
    }
}

/* As an event of any other source, with the source and, when it has none, the id that are ours. */
static int event_of(const struct drivers_event *told, struct arena *arena, struct event *ret_event,
                    struct nsh_error *err)
{
    static const char *const taken[] = {"type",      "time",  "subject", "host",
                                        "severity",  "state", "data",    "resource",
                                        "qualifier", "name",  "message", "id"};
    struct nsh_member members[sizeof taken / sizeof taken[0] + 4];
    size_t count = 0;
    if (told->event->type != NSH_MAP) {
        return nsh_fail(err, NSH_INVALID, "it is no object");
    }
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        const struct nsh_value *value = nsh_get(told->event, taken[i]);
        if (value != NULL) {
            members[count++] = (struct nsh_member){taken[i], *value};
        }
    }
    if (nsh_get(told->event, "id") == NULL) {
        members[count++] = (struct nsh_member){"id", nsh_text(told->id)};
    }
    if (nsh_get(told->event, "host") == NULL && nsh_get(told->event, "subject") == NULL) {
        members[count++] = (struct nsh_member){"host", nsh_text(told->host)};
    }
    members[count++] = (struct nsh_member){"specversion", nsh_text("1.0")};
    members[count++] = (struct nsh_member){"source", nsh_text(told->source)};
    const struct nsh_value whole = nsh_map(members, count);
    return event_from_value(&whole, arena, ret_event, err);
}

static int event_push(struct shell *shell, struct event *event, struct arena *arena,
                      struct nsh_error *err)
{
    if (event->data.count > DATA_BYTES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "its data has %u bytes, at most %u", event->data.count,
                        DATA_BYTES_MAX);
    }
    event->received_ms = shell_now(shell);
    size_t bytes = event_packed_bytes(event);
    uint8_t *at = arena_alloc(arena, bytes);
    if (at == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    event_pack(event, at, bytes);
    return intake_push(shell->intake,
                       &(struct intake_batch){.bytes = at,
                                              .bytes_count = bytes,
                                              .events_count = 1,
                                              .received_ms = event->received_ms},
                       err);
}

void shell_told(void *arg, const struct drivers_event *told)
{
    struct shell *shell = arg;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_error err = {0};
    struct event event = {.seq = 0};
    int result = event_of(told, &arena, &event, &err);
    result = result == 0 ? event_push(shell, &event, &arena, &err) : result;
    shell->figures.events_told += result == 0;
    shell->figures.events_told_refused += result < 0;
    if (result < 0 && shell_complain(shell, LOG_FUNCTION_EVENT_REFUSED)) {
        LOG(FUNCTION_EVENT_REFUSED, {"source", nsh_text(told->source)}, {"id", nsh_text(told->id)},
            {"text", nsh_text(err.text)});
    }
}

bool shell_callback_waits(struct shell *shell, const char *token)
{
    return loop_callback_waits(shell->loop, token);
}

void shell_callback(struct shell *shell, struct shell_request *request)
{
    const char *body = nsh_get_text(&request->args, "body", "");
    const char *call =
        arena_printf(&request->arena, "x-call-id: %s", nsh_get_text(&request->args, "call", ""));
    const char *const headers[] = {call, NULL};
    struct nsh_error err = {0};
    bool taken = call != NULL &&
                 loop_callback_take(shell->loop, nsh_get_text(&request->args, "token", ""),
                                    &(struct nsh_http_reply){
                                        .code = NSH_OK,
                                        .sent = true,
                                        .status = (int)nsh_get_int(&request->args, "status", 200),
                                        .headers = headers,
                                        .body = body,
                                        .body_bytes = strlen(body),
                                        .text = "",
                                    });
    if (!taken) {
        nsh_fail(&err, NSH_NOT_FOUND, "nothing waits for this, or not any more");
        shell_answer_error(shell, request, &err);
        return;
    }
    shell_answer(shell, request, TEXT("{\"taken\":true}"));
}
