/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers. A platform's "yes" is not the function's: Lambda says 200 of a function that failed, a
 * queue says 202 before anything ran. What was only accepted is done for an action, whose verify
 * then reads the state, and a failure for a reading.
 */

#include "function.h"

#include <string.h>

static struct nsh_device *device_of(const struct nsh_rest_call *call)
{
    return call->device;
}

static void refusal(struct nsh_rest_call *call, const struct nsh_value *answer)
{
    int code = nsh_code_of(nsh_get_text(answer, "code", "failed"));
    if (!nsh_get_bool(answer, "effect_possible", true)) {
        nsh_rest_effect(call, false);
    }
    nsh_rest_fail(call, code > NSH_OK ? code : NSH_FAILED, "the function says: %.300s",
                  nsh_get_text(answer, "error", "no"));
}

/* What the function itself said. */
static void contract_read(struct nsh_rest_call *call, const struct nsh_value *answer)
{
    const struct nsh_value *ok = nsh_get(answer, "ok"), *result = nsh_get(answer, "result");
    if (ok == NULL || ok->type != NSH_BOOL) {
        nsh_rest_fail(call, NSH_PROTOCOL,
                      "wanted one JSON object with \"ok\": true or false as the answer");
        return;
    }
    nsh_events_tell(device_of(call)->services, call->op, answer);
    if (!ok->boolean) {
        refusal(call, answer);
        return;
    }
    const char *power = nsh_get_text(result, "power", "");
    bool status = strcmp(call->op->verb->name, "power.status") == 0 ||
                  strcmp(call->op->verb->name, "fence.status") == 0;
    if (status && strcmp(power, "on") != 0 && strcmp(power, "off") != 0) {
        nsh_rest_fail(call, NSH_PROTOCOL, "wanted \"power\": \"on\" or \"off\" in its result");
        return;
    }
    nsh_rest_done(call, result != NULL && result->type == NSH_MAP ? result : NULL);
}

static void accepted(struct nsh_rest_call *call)
{
    if (call->op->verb->effect == NSH_READS) {
        nsh_rest_fail(call, NSH_PROTOCOL, "only accepted: a reading wants its answer (mode sync)");
        return;
    }
    const struct nsh_member member = {"accepted", nsh_bool(true)};
    const struct nsh_value result = nsh_map(&member, 1);
    nsh_rest_done(call, &result);
}

/* ---- answers that come later: OpenWhisk, Azure's durable functions ---- */

static void poll_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply);

static void poll_send(struct nsh_rest_call *call)
{
    const struct function_call *own = (const struct function_call *)(const void *)call;
    struct nsh_rest_request request = {.path = own->poll_path};
    if (device_of(call)->kind == KIND_OPENWHISK && function_setting(call, "user")[0] != '\0') {
        request.user = function_setting(call, "user");
        request.password = function_setting(call, "password");
    }
    nsh_rest_send(call, &request, poll_answered);
}

/* The record of an activation, as it comes at once or later. */
static void activation_read(struct nsh_rest_call *call, const struct nsh_value *record)
{
    if (nsh_at_bool(record, "response.success", false)) {
        contract_read(call, nsh_at(record, "response.result"));
    } else {
        nsh_rest_fail(
            call, NSH_FAILED, "the function failed (%.40s): %.200s",
            nsh_at_text(record, "response.status", "unknown"),
            nsh_at_text(record, "response.result.error", nsh_at_text(record, "error", "no words")));
    }
}

static void durable_read(struct nsh_rest_call *call, const struct nsh_value *state)
{
    const char *word = nsh_get_text(state, "runtimeStatus", "");
    if (strcmp(word, "Completed") == 0) {
        contract_read(call, nsh_get(state, "output"));
    } else if (strcmp(word, "Failed") == 0 || strcmp(word, "Terminated") == 0) {
        nsh_rest_fail(call, NSH_FAILED, "the function ended as %s: %.200s", word,
                      nsh_get_text(state, "output", "no words"));
    } else {
        nsh_rest_wait(call, poll_send, "the function runs (%.20s)", word);
    }
}

static void poll_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    if (device_of(call)->kind == KIND_OPENWHISK && reply->status == 404) {
        nsh_rest_wait(call, poll_send, "the function runs: no record of it yet");
    } else if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
    } else if (device_of(call)->kind == KIND_OPENWHISK) {
        activation_read(call, reply->body);
    } else {
        durable_read(call, reply->body);
    }
}

/* Where to look for the answer; false: nowhere. */
static bool poll_begin(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct function_call *own = (struct function_call *)(void *)call;
    const char *id = nsh_get_text(reply->body, "activationId", "");
    const char *uri = nsh_get_text(reply->body, "statusQueryGetUri", "");
    const char *base = nsh_rest_base(call->rest), *authority = strstr(base, "://");
    if (device_of(call)->kind == KIND_OPENWHISK && id[0] != '\0') {
        const char *place = nsh_percent(&call->pool, function_setting(call, "namespace"));
        const char *safe = nsh_percent(&call->pool, id);
        own->poll_path =
            place == NULL || safe == NULL
                ? NULL
                : nsh_pool_printf(&call->pool, "/api/v1/namespaces/%s/activations/%s", place, safe);
    } else if (device_of(call)->kind == KIND_AZURE && uri[0] != '\0' && authority != NULL) {
        /* Only on the peer we asked: its key goes along. */
        size_t origin = (size_t)(authority - base) + 3 + strcspn(authority + 3, "/");
        if (strncmp(uri, base, origin) == 0 && uri[origin] == '/') {
            own->poll_path = nsh_pool_text(&call->pool, uri);
        }
    }
    if (own->poll_path == NULL) {
        return false;
    }
    nsh_rest_wait(call, poll_send, "the function runs");
    return true;
}

/* ---- answers that are brought: OpenFaaS ---- */

static void callback_done(struct nsh_rest_call *call)
{
    struct function_call *own = (struct function_call *)(void *)call;
    struct nsh_services *services = device_of(call)->services;
    services->callback_close(services, own->callback);
    own->callback = NULL;
}

static void callback_read(struct nsh_rest_call *call)
{
    const struct function_call *own = (const struct function_call *)(const void *)call;
    const struct nsh_http_reply *posted = own->posted;
    struct nsh_value answer = nsh_null();
    if (posted == NULL) {
        nsh_rest_fail(call, NSH_TIMEOUT, "the function was queued, and its answer did not come");
        return;
    }
    const char *id = nsh_http_header(posted, "x-call-id");
    if (id != NULL && id[0] != '\0' && strcmp(id, call->op->token) != 0) {
        nsh_rest_fail(call, NSH_PROTOCOL, "the answer is one to another call (X-Call-Id %.64s)",
                      id);
    } else if (posted->status < 200 || posted->status > 299) {
        nsh_rest_fail(call, NSH_FAILED, "the function failed (X-Function-Status %d): %.200s",
                      posted->status, posted->body);
    } else {
        nsh_json_read(&call->pool, posted->body, posted->body_bytes, &answer, NULL);
        contract_read(call, &answer);
    }
}

/* It may come before the queue's "accepted". */
static void callback_called(void *arg, const struct nsh_http_reply *posted)
{
    struct nsh_rest_call *call = arg;
    struct function_call *own = arg;
    struct nsh_http_reply *kept = nsh_pool_alloc(&call->pool, sizeof *kept);
    const char **headers = nsh_pool_alloc(&call->pool, 2 * sizeof *headers);
    char *body = nsh_pool_copy(&call->pool, posted->body, posted->body_bytes);
    if (kept != NULL && headers != NULL && body != NULL) {
        *kept = *posted;
        headers[0] = nsh_pool_text(&call->pool, posted->headers[0]);
        headers[1] = NULL;
        kept->headers = headers;
        kept->body = body;
        own->posted = kept;
    }
    nsh_rest_wake(call);
}

const char *function_callback(struct nsh_rest_call *call)
{
    struct function_call *own = (struct function_call *)(void *)call;
    struct nsh_services *services = device_of(call)->services;
    if (services->callback == NULL ||
        services->callback(services, callback_called, call, &own->callback, NULL) < 0) {
        return NULL; /* It counts as accepted, and its verify shows the rest. */
    }
    call->done = callback_done;
    return services->callback_url(services, own->callback);
}

static void callback_await(struct nsh_rest_call *call)
{
    const struct function_call *own = (const struct function_call *)(const void *)call;
    int64_t left_ms = nsh_rest_left_ms(call);
    nsh_rest_sleep(call, own->posted != NULL || left_ms < 0 ? 0 : (uint32_t)left_ms, callback_read);
}

/* ---- the first answer ---- */

void function_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    const struct nsh_device *device = device_of(call);
    const struct function_call *own = (const struct function_call *)(const void *)call;
    const char *error = reply->http == NULL || device->kind != KIND_LAMBDA
                            ? NULL
                            : nsh_http_header(reply->http, "x-amz-function-error");
    if (error != NULL && reply->code == NSH_OK) {
        nsh_rest_fail(call, NSH_FAILED, "the function failed (%.20s): %.200s", error,
                      nsh_get_text(reply->body, "errorMessage", "no words"));
    } else if (device->kind == KIND_OPENWHISK && reply->status == 502 &&
               nsh_get(reply->body, "response") != NULL) {
        activation_read(call, reply->body);
    } else if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
    } else if (reply->status == 202 && poll_begin(call, reply)) {
        return;
    } else if (reply->status == 202 && own->callback != NULL) {
        callback_await(call);
    } else if (reply->status == 202 || reply->status == 204) {
        accepted(call);
    } else if (device->kind == KIND_OPENWHISK) {
        activation_read(call, reply->body);
    } else {
        contract_read(call, reply->body);
    }
}

void function_examined(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
        return;
    }
    bool lambda = device_of(call)->kind == KIND_LAMBDA;
    const struct nsh_member members[] = {
        {"check", nsh_text(lambda ? "permissions" : "function")},
        {"state", nsh_text("ok")},
        {"text", nsh_text(lambda ? "may invoke the function (DryRun)" : "the platform answers")},
        {"hint", nsh_text("")},
    };
    const struct nsh_value item = nsh_map(members, 4);
    const struct nsh_member member = {"checks", nsh_list(&item, 1)};
    const struct nsh_value result = nsh_map(&member, 1);
    nsh_rest_done(call, &result);
}
