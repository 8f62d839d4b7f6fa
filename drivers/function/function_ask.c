/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, by platform. The action's token goes along wherever the platform has a place for it. */

#include "function.h"

#include "abi/sigv4.h"

#include <stdio.h>
#include <string.h>

#define HEADERS_MAX 10

struct ask {
    struct nsh_rest_call *call;
    struct nsh_pool *pool;
    const struct nsh_op *op;
    const char *headers[HEADERS_MAX + 1];
    size_t headers_count;
    bool failed; /* No memory. */
};

static struct nsh_device *device_of(const struct nsh_rest_call *call)
{
    return call->device;
}

/* "Name: value"; the value as it may stand in a header. */
static void header(struct ask *ask, const char *name, const char *value)
{
    const char *safe = nsh_percent(ask->pool, value);
    const char *line = safe == NULL ? NULL : nsh_pool_printf(ask->pool, "%s: %s", name, safe);
    ask->failed = ask->failed || line == NULL;
    if (line != NULL && ask->headers_count < HEADERS_MAX) {
        ask->headers[ask->headers_count++] = line;
    }
}

static const char *escaped(struct ask *ask, const char *name)
{
    const char *text = nsh_percent(ask->pool, function_setting(ask->call, name));
    ask->failed = ask->failed || text == NULL;
    return text == NULL ? "" : text;
}

/* "package/action": the slash stays. */
static const char *action_path(struct ask *ask)
{
    char name[256];
    snprintf(name, sizeof name, "%s", function_setting(ask->call, "function"));
    char *slash = strchr(name, '/');
    if (slash == NULL) {
        return escaped(ask, "function");
    }
    *slash = '\0';
    const char *package = nsh_percent(ask->pool, name), *action = nsh_percent(ask->pool, slash + 1);
    const char *path = package == NULL || action == NULL
                           ? NULL
                           : nsh_pool_printf(ask->pool, "%s/%s", package, action);
    ask->failed = ask->failed || path == NULL;
    return path == NULL ? "" : path;
}

static const char *path_of(struct ask *ask)
{
    const struct nsh_device *device = device_of(ask->call);
    const char *function = function_setting(ask->call, "function");
    const char *qualifier = function_setting(ask->call, "qualifier");
    const char *path = "";
    if (device->kind == KIND_OPENWHISK) {
        path = nsh_pool_printf(ask->pool, "/api/v1/namespaces/%s/actions/%s?blocking=%s",
                               escaped(ask, "namespace"), action_path(ask),
                               device->async ? "false" : "true");
    } else if (device->kind == KIND_OPENFAAS) {
        path = nsh_pool_printf(ask->pool, "/%s/%s", device->async ? "async-function" : "function",
                               escaped(ask, "function"));
    } else if (device->kind == KIND_LAMBDA) {
        path = nsh_pool_printf(ask->pool, "/2015-03-31/functions/%s/invocations%s%s",
                               escaped(ask, "function"), qualifier[0] == '\0' ? "" : "?Qualifier=",
                               qualifier[0] == '\0' ? "" : escaped(ask, "qualifier"));
    } else if (function[0] != '\0') {
        path = nsh_pool_printf(ask->pool, "/%s", escaped(ask, "function"));
    }
    ask->failed = ask->failed || path == NULL;
    return path;
}

/* The queue's worker posts the function's answer there. */
static void callback_header(struct ask *ask)
{
    const char *url = device_of(ask->call)->async ? function_callback(ask->call) : NULL;
    const char *line = url == NULL ? NULL : nsh_pool_printf(ask->pool, "X-Callback-Url: %s", url);
    ask->failed = ask->failed || (url != NULL && line == NULL);
    if (line != NULL && ask->headers_count < HEADERS_MAX) {
        ask->headers[ask->headers_count++] = line;
    }
}

static void headers_of(struct ask *ask)
{
    const struct nsh_device *device = device_of(ask->call);
    const char *token = ask->op->token;
    switch (device->kind) {
    case KIND_FISSION:
        header(ask, "X-Fission-Request-ID", token);
        header(ask, "X-Fission-Dedup-Key", token);
        if (device->async) {
            header(ask, "X-Fission-Invoke-Mode", "async");
        }
        break;
    case KIND_KUBELESS:
        header(ask, "event-id", token);
        ask->headers[ask->headers_count++] = "event-type: application/json";
        header(ask, "event-namespace", "nightshift");
        break;
    case KIND_OPENFAAS:
        header(ask, "X-Call-Id", token);
        callback_header(ask);
        break;
    case KIND_LAMBDA:
        header(ask, "X-Amz-Invocation-Type", device->async ? "Event" : "RequestResponse");
        break;
    case KIND_KNATIVE:
    case KIND_CLOUDEVENTS:
        if (strcmp(function_setting(ask->call, "format"), "binary") == 0) {
            header(ask, "ce-specversion", "1.0");
            header(ask, "ce-id", token);
            header(ask, "ce-source", "nightshift");
            header(ask, "ce-type", "io.nightshift.call");
            if (ask->op->host[0] != '\0') {
                header(ask, "ce-subject", ask->op->host);
            }
        }
        break;
    case KIND_OPENWHISK:
    case KIND_GOOGLE:
    case KIND_AZURE:
    case KINDS_COUNT:
        header(ask, "Idempotency-Key", token);
        break;
    }
}

/* One document: the call, inside of an event where the platform wants a structured one. */
static bool body_of(struct ask *ask, struct nsh_value *ret_body, const char **ret_type)
{
    static const struct nsh_value nothing = {.type = NSH_MAP};
    const struct nsh_device *device = device_of(ask->call);
    const struct nsh_value *given = nsh_get(nsh_rest_settings(ask->call->rest), "parameters");
    const struct nsh_member members[] = {
        {"verb", nsh_text(ask->op->verb->name)},
        {"host", nsh_text(ask->op->host)},
        {"token", nsh_text(ask->op->token)},
        {"args", ask->op->args == NULL ? nothing : *ask->op->args},
        {"settings", given == NULL || given->type != NSH_MAP ? nothing : *given},
    };
    const struct nsh_value call = nsh_map(members, sizeof members / sizeof members[0]);
    bool structured = (device->kind == KIND_KNATIVE || device->kind == KIND_CLOUDEVENTS) &&
                      strcmp(function_setting(ask->call, "format"), "structured") == 0;
    *ret_type = structured ? "application/cloudevents+json" : "application/json";
    if (!structured) {
        return nsh_pool_value(ask->pool, &call, ret_body);
    }
    const struct nsh_member event[] = {
        {"specversion", nsh_text("1.0")},
        {"id", nsh_text(ask->op->token)},
        {"source", nsh_text("nightshift")},
        {"type", nsh_text("io.nightshift.call")},
        {"subject", nsh_text(ask->op->host[0] == '\0' ? "none" : ask->op->host)},
        {"datacontenttype", nsh_text("application/json")},
        {"data", call},
    };
    const struct nsh_value document = nsh_map(event, sizeof event / sizeof event[0]);
    return nsh_pool_value(ask->pool, &document, ret_body);
}

/* What tells of the function without running it; false: this platform has nothing of the kind. */
static bool doctor_ask(struct ask *ask, struct nsh_rest_request *request)
{
    switch (device_of(ask->call)->kind) {
    case KIND_LAMBDA: /* Checks the account's rights and stops there. */
        ask->headers_count = 0;
        header(ask, "X-Amz-Invocation-Type", "DryRun");
        request->method = "POST";
        request->path = path_of(ask);
        request->text = "{}";
        request->flags = NSH_REST_READS;
        return true;
    case KIND_OPENWHISK:
        request->path = nsh_pool_printf(ask->pool, "/api/v1/namespaces/%s/actions/%s",
                                        escaped(ask, "namespace"), action_path(ask));
        break;
    case KIND_OPENFAAS:
        request->path = "/healthz";
        request->flags = NSH_REST_NO_JSON;
        break;
    case KIND_FISSION:
    case KIND_KUBELESS:
    case KIND_KNATIVE:
    case KIND_GOOGLE:
    case KIND_AZURE:
    case KIND_CLOUDEVENTS:
    case KINDS_COUNT:
        return false;
    }
    ask->failed = ask->failed || request->path == NULL;
    return true;
}

void function_ask(struct nsh_rest_call *call)
{
    struct ask ask = {.call = call, .pool = &call->pool, .op = call->op};
    const struct nsh_device *device = device_of(call);
    struct nsh_value body;
    struct nsh_rest_request request = {.headers = ask.headers};
    bool doctor = function_doctor(call),
         basic = device->kind == KIND_OPENWHISK || device->kind == KIND_OPENFAAS;
    if (doctor && !doctor_ask(&ask, &request)) {
        nsh_rest_fail(call, NSH_UNSUPPORTED,
                      "this platform cannot be asked about a function without running it");
        return;
    }
    if (!doctor) {
        headers_of(&ask);
        request.method = "POST";
        request.path = path_of(&ask);
        request.body = &body;
        request.flags = call->op->verb->effect == NSH_READS ? NSH_REST_READS : 0;
        ask.failed = !body_of(&ask, &body, &request.content_type) || ask.failed;
    }
    if (ask.failed) {
        nsh_rest_fail_nomem(call);
        return;
    }
    if (basic && function_setting(call, "user")[0] != '\0') {
        request.user = function_setting(call, "user");
        request.password = function_setting(call, "password");
    }
    nsh_rest_send(call, &request, doctor ? function_examined : function_answered);
}

/* ---- signatures of Lambda ---- */

int function_sign(struct nsh_rest *rest, struct nsh_rest_message *message, struct nsh_error *err)
{
    const struct nsh_value *settings = nsh_rest_settings(rest);
    const char *host = strstr(message->url, "://"), *token;
    char authority[256];
    struct sigv4_lines lines;
    size_t count = host == NULL ? 0 : strcspn(host + 3, "/?");
    if (count == 0 || count >= sizeof authority) {
        return nsh_fail(err, NSH_INVALID, "%.128s is no URL", message->url);
    }
    memcpy(authority, host + 3, count);
    authority[count] = '\0';
    const char *path = host + 3 + count, *query = strchr(path, '?');
    char *plain =
        nsh_pool_copy(message->pool, path, query == NULL ? strlen(path) : (size_t)(query - path));
    if (plain == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    token = nsh_get_text(settings, "session_token", "");
    int result = sigv4_sign(&(struct sigv4_credentials){nsh_get_text(settings, "access_key", ""),
                                                        nsh_get_text(settings, "secret_key", ""),
                                                        token[0] == '\0' ? NULL : token},
                            &(struct sigv4_request){.method = message->method,
                                                    .host = authority,
                                                    .path = plain[0] == '\0' ? "/" : plain,
                                                    .query = query == NULL ? NULL : query + 1,
                                                    .body = message->body,
                                                    .body_bytes = message->body_bytes,
                                                    .region = nsh_get_text(settings, "region", ""),
                                                    .service = "lambda",
                                                    .unix_ms = message->unix_ms},
                            &lines, err);
    if (result == 0) {
        result = nsh_rest_header(message, "%s", lines.date);
        result = result < 0 ? result : nsh_rest_header(message, "%s", lines.authorization);
        result = result < 0 || lines.token[0] == '\0' ? result
                                                      : nsh_rest_header(message, "%s", lines.token);
        return result < 0 ? nsh_fail(err, (enum nsh_code) - result, "no room for a signature") : 0;
    }
    return result;
}
