/* SPDX-License-Identifier: Apache-2.0 */
/* The lab's Kubernetes API server: paths, who may do what, errors as Status objects. */

#include "lab_kube.h"

#include "base/arena.h"

#include <arpa/inet.h>
#include <json-c/json.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MAX 48
#define PARTS_MAX 9
#define POLICY_V1_MINOR 21
#define POLICY_V1BETA1_MINOR 25 /* Gone from this one on. */

const struct kube_kind kube_kinds[KUBE_KINDS_COUNT] = {
    [KUBE_NAMESPACES] = {"", "v1", "namespaces", "Namespace", false, true},
    [KUBE_NODES] = {"", "v1", "nodes", "Node", false, true},
    [KUBE_PODS] = {"", "v1", "pods", "Pod", true, true},
    [KUBE_EVENTS] = {"", "v1", "events", "Event", true, false},
    [KUBE_BUDGETS] = {"policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true, true},
    [KUBE_DAEMONSETS] = {"apps", "v1", "daemonsets", "DaemonSet", true, true},
    [KUBE_LEASES] = {"coordination.k8s.io", "v1", "leases", "Lease", true, false},
    [KUBE_METAL] = {"metal3.io", "v1alpha1", "baremetalhosts", "BareMetalHost", true, true},
};

/* What nightshift's own role may do: drivers/kubernetes/role.json. */
static const struct {
    enum kube_kind_id kind;
    const char *sub, *verbs;
} role[] = {
    {KUBE_NODES, "", "get list watch patch delete"},
    {KUBE_PODS, "", "get list watch delete"},
    {KUBE_PODS, "eviction", "create"},
    {KUBE_DAEMONSETS, "", "get"},
    {KUBE_LEASES, "", "get list watch"},
    {KUBE_EVENTS, "", "get list watch"},
    {KUBE_METAL, "", "get list watch patch"},
};

/* ---- answers ---------------------------------------------------------------------------- */

void kube_reply(struct kube_call *call, int status, struct json_object *doc)
{
    textbuf_add_chars(&call->reply->body,
                      json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN |
                                                              JSON_C_TO_STRING_NOSLASHESCAPE));
    textbuf_add_char(&call->reply->body, '\n');
    call->reply->status = status;
    json_object_put(doc);
}

void kube_error(struct kube_call *call, int status, const char *reason, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    textbuf_clear(&call->reply->body);
    textbuf_add_chars(&call->reply->body,
                      "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":"
                      "\"Failure\",\"message\":");
    textbuf_add_json(&call->reply->body, text_of(text));
    textbuf_addf(&call->reply->body, ",\"reason\":\"%s\",\"code\":%d}\n", reason, status);
    call->reply->status = status;
}

void kube_ledger(const struct kube_call *call, const char *node, const char *effect)
{
    struct lab *lab = call->kube->lab;
    char request[512], answer[16];

    snprintf(request, sizeof request, "%s %s", call->request->method, call->request->path);
    snprintf(answer, sizeof answer, "%d", call->reply->status);
    lab_ledger_add(lab, lab_world_host(lab, text_of(node)), "kubernetes", request, answer, effect);
}

/* ---- the query -------------------------------------------------------------------------- */

bool kube_query(const struct lab_request *request, const char *name, char *room, size_t room_bytes)
{
    return lab_form_find(request->query, name, room, room_bytes);
}

/* ---- who may ---------------------------------------------------------------------------- */

static const char *verb_of(const struct kube_call *call)
{
    char watch[8] = "";
    const char *method = call->request->method;

    kube_query(call->request, "watch", watch, sizeof watch);
    if (strcmp(method, "GET") == 0) {
        return call->name[0] != '\0'                                   ? "get"
               : strcmp(watch, "true") == 0 || strcmp(watch, "1") == 0 ? "watch"
                                                                       : "list";
    }
    return strcmp(method, "POST") == 0     ? "create"
           : strcmp(method, "PATCH") == 0  ? "patch"
           : strcmp(method, "DELETE") == 0 ? "delete"
                                           : "update";
}

static bool word_in(const char *words, const char *word)
{
    size_t count = strlen(word);

    for (const char *at = words; (at = strstr(at, word)) != NULL; at++) {
        if ((at == words || at[-1] == ' ') && (at[count] == ' ' || at[count] == '\0')) {
            return true;
        }
    }
    return false;
}

enum account { ACCOUNT_NONE, ACCOUNT_VIEW, ACCOUNT_ROLE, ACCOUNT_ADMIN };

static enum account account_of(const struct kube_call *call)
{
    const char *header = call->request->authorization;
    const char *token = header == NULL || strncmp(header, "Bearer ", 7) != 0 ? "" : header + 7;

    return (call->kube->bmc.modes & LAB_DENY) != 0 ? ACCOUNT_NONE
           : strcmp(token, KUBE_TOKEN_ADMIN) == 0  ? ACCOUNT_ADMIN
           : strcmp(token, KUBE_TOKEN) == 0        ? ACCOUNT_ROLE
           : strcmp(token, KUBE_TOKEN_VIEW) == 0   ? ACCOUNT_VIEW
                                                   : ACCOUNT_NONE;
}

static bool account_may(enum account account, enum kube_kind_id kind, const char *sub,
                        const char *verb)
{
    if (account != ACCOUNT_ROLE) {
        return account == ACCOUNT_ADMIN ||
               (account == ACCOUNT_VIEW && word_in("get list watch", verb));
    }
    for (size_t i = 0; i < sizeof role / sizeof role[0]; i++) {
        if (role[i].kind == kind && strcmp(role[i].sub, sub) == 0 && word_in(role[i].verbs, verb)) {
            return true;
        }
    }
    return false;
}

/* Answers 401 and 403. */
static bool may(struct kube_call *call)
{
    static const char *const names[] = {"", "view", "nightshift", "admin"};
    const char *verb = verb_of(call);
    const struct kube_kind *kind = &kube_kinds[call->kind];
    enum account account = account_of(call);

    if (account == ACCOUNT_NONE) {
        kube_error(call, 401, "Unauthorized", "Unauthorized");
        return false;
    }
    if (account_may(account, call->kind, call->sub, verb)) {
        return true;
    }
    kube_error(call, 403, "Forbidden",
               "%s%s%s%s is forbidden: User \"%s\" cannot %s resource \"%s%s%s\" in API group "
               "\"%s\" %s%s%s",
               kind->plural, call->name[0] == '\0' ? "" : " \"", call->name,
               call->name[0] == '\0' ? "" : "\"", names[account], verb, kind->plural,
               call->sub[0] == '\0' ? "" : "/", call->sub, kind->group,
               call->space[0] == '\0' ? "at the cluster scope" : "in the namespace \"", call->space,
               call->space[0] == '\0' ? "" : "\"");
    return false;
}

/* SelfSubjectAccessReview: what this account may. */
static void answer_review(struct kube_call *call)
{
    enum account account = account_of(call);
    struct json_object *asked = kube_at(call->body, "spec.resourceAttributes");
    bool allowed = false;

    if (account == ACCOUNT_NONE) {
        kube_error(call, 401, "Unauthorized", "Unauthorized");
        return;
    }
    for (unsigned i = 0; i < KUBE_KINDS_COUNT; i++) {
        if (strcmp(kube_kinds[i].plural, kube_text_at(asked, "resource", "")) == 0 &&
            strcmp(kube_kinds[i].group, kube_text_at(asked, "group", "")) == 0) {
            allowed = account_may(account, i, kube_text_at(asked, "subresource", ""),
                                  kube_text_at(asked, "verb", ""));
        }
    }
    textbuf_addf(&call->reply->body,
                 "{\"kind\":\"SelfSubjectAccessReview\",\"apiVersion\":\"authorization.k8s.io/v1\","
                 "\"status\":{\"allowed\":%s}}\n",
                 allowed ? "true" : "false");
    call->reply->status = 201;
}

/* ---- paths ------------------------------------------------------------------------------ */

static size_t path_split(const char *at, struct text parts[PARTS_MAX])
{
    size_t count = 0;

    while (*at != '\0') {
        at += strspn(at, "/");
        size_t bytes = strcspn(at, "/");
        if (bytes == 0) {
            break;
        }
        if (count == PARTS_MAX) {
            return 0;
        }
        parts[count++] = (struct text){at, (uint32_t)bytes};
        at += bytes;
    }
    return count;
}

static void part_copy(char *room, size_t room_bytes, struct text part)
{
    lab_percent_decode(part.at, part.count, room, room_bytes);
}

static bool version_served(const struct lab_kube *kube, const struct kube_kind *kind,
                           struct text version)
{
    int64_t minor = kube->lab->options.kube_minor;

    if (strcmp(kind->group, "policy") != 0) {
        return text_is(version, kind->version);
    }
    return (text_is(version, "v1") && minor >= POLICY_V1_MINOR) ||
           (text_is(version, "v1beta1") && minor < POLICY_V1BETA1_MINOR);
}

/* /api/v1/... or /apis/GROUP/VERSION/...: which kind, namespace, name, subresource. */
static bool path_read(struct kube_call *call)
{
    struct text parts[PARTS_MAX];
    size_t count = path_split(call->request->path, parts);
    size_t at = count > 0 && text_is(parts[0], "apis") ? 3 : 2;
    struct text group = at == 3 && count > 1 ? parts[1] : TEXT("");

    if (count <= at || !(text_is(parts[0], "api") || text_is(parts[0], "apis"))) {
        return false;
    }
    struct text version = parts[at - 1];
    if (text_is(parts[at], "namespaces") && count > at + 2) {
        part_copy(call->space, sizeof call->space, parts[at + 1]);
        at += 2;
    }
    for (unsigned i = 0; i < KUBE_KINDS_COUNT; i++) {
        const struct kube_kind *kind = &kube_kinds[i];
        if (text_is(parts[at], kind->plural) && text_is(group, kind->group) &&
            version_served(call->kube, kind, version)) {
            call->kind = i;
            if (count > at + 1) {
                part_copy(call->name, sizeof call->name, parts[at + 1]);
            }
            if (count > at + 2) {
                part_copy(call->sub, sizeof call->sub, parts[at + 2]);
            }
            return count <= at + 3;
        }
    }
    return false;
}

/* ---- what is no object ------------------------------------------------------------------ */

static bool answer_version(struct kube_call *call)
{
    int64_t minor = call->kube->lab->options.kube_minor;
    struct textbuf *body = &call->reply->body;
    bool v1 = minor >= POLICY_V1_MINOR, beta = minor < POLICY_V1BETA1_MINOR;

    call->reply->status = 200;
    if (strcmp(call->request->path, "/version") == 0) {
        textbuf_addf(body,
                     "{\"major\":\"1\",\"minor\":\"%lld\",\"gitVersion\":\"v1.%lld.0-lab\"}\n",
                     (long long)minor, (long long)minor);
        return true;
    }
    if (strcmp(call->request->path, "/apis/policy") == 0 ||
        strcmp(call->request->path, "/apis/policy/") == 0) {
        textbuf_addf(body,
                     "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",\"name\":\"policy\","
                     "\"versions\":[%s%s%s],\"preferredVersion\":{\"groupVersion\":\"policy/%s\","
                     "\"version\":\"%s\"}}\n",
                     v1 ? "{\"groupVersion\":\"policy/v1\",\"version\":\"v1\"}" : "",
                     v1 && beta ? "," : "",
                     beta ? "{\"groupVersion\":\"policy/v1beta1\",\"version\":\"v1beta1\"}" : "",
                     v1 ? "v1" : "v1beta1", v1 ? "v1" : "v1beta1");
        return true;
    }
    if (strcmp(call->request->path, "/readyz") == 0 || strcmp(call->request->path, "/livez") == 0) {
        textbuf_add_chars(body, "ok");
        return true;
    }
    return false;
}

/* ---- dispatch --------------------------------------------------------------------------- */

static void answer_object(struct kube_call *call)
{
    const char *method = call->request->method;
    struct kube_object *object = kube_find(call->kube, call->kind, call->space, call->name);
    bool status = strcmp(call->sub, "status") == 0;
    bool eviction = strcmp(call->sub, "eviction") == 0 && call->kind == KUBE_PODS;

    if (object == NULL) {
        kube_error(call, 404, "NotFound", "%s%s%s \"%s\" not found", kube_kinds[call->kind].plural,
                   kube_kinds[call->kind].group[0] == '\0' ? "" : ".", kube_kinds[call->kind].group,
                   call->name);
    } else if (eviction && strcmp(method, "POST") == 0) {
        kube_evict(call, object);
    } else if (call->sub[0] != '\0' && !(status && kube_kinds[call->kind].status)) {
        kube_error(call, 404, "NotFound", "the server could not find the requested resource");
    } else if (strcmp(method, "GET") == 0) {
        kube_reply(call, 200, json_object_get(object->doc));
    } else if (strcmp(method, "PATCH") == 0) {
        kube_patch(call, object);
    } else if (strcmp(method, "DELETE") == 0 && call->sub[0] == '\0') {
        kube_delete(call, object);
    } else {
        kube_error(call, 405, "MethodNotAllowed",
                   "the server does not allow this method on the requested resource");
    }
}

static void answer(struct kube_call *call)
{
    const char *method = call->request->method;
    const char *verb = verb_of(call);

    if (call->name[0] != '\0') {
        answer_object(call);
    } else if (strcmp(verb, "watch") == 0) {
        kube_watch(call);
    } else if (strcmp(method, "GET") == 0) {
        kube_list(call);
    } else if (strcmp(method, "POST") == 0 && call->body != NULL &&
               (call->space[0] != '\0') == kube_kinds[call->kind].namespaced) {
        kube_create(call);
    } else {
        kube_error(call, 405, "MethodNotAllowed",
                   "the server does not allow this method on the requested resource");
    }
}

static struct json_object *body_read(const struct lab_request *request)
{
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
    struct json_object *doc = NULL;

    if (tokener != NULL && request->body_bytes > 0) {
        doc = json_tokener_parse_ex(tokener, request->body, (int)request->body_bytes);
    }
    if (tokener != NULL) {
        json_tokener_free(tokener);
    }
    if (!json_object_is_type(doc, json_type_object)) {
        json_object_put(doc);
        return NULL;
    }
    return doc;
}

/* Priority and fairness has no seat for it. */
static bool busy(struct kube_call *call)
{
    const struct lab_bmc *bmc = &call->kube->bmc;

    if ((bmc->modes & LAB_BUSY) == 0) {
        return false;
    }
    kube_error(call, 429, "TooManyRequests", "too many requests, please try again later");
    snprintf(call->reply->extra_room, sizeof call->reply->extra_room, "Retry-After: %u\r\n",
             bmc->retry_after_s);
    return true;
}

void lab_kube_answer(const struct lab_request *request, struct lab_reply *reply)
{
    struct lab_kube *kube = request->bmc->lab->kube;
    struct kube_call call = {.kube = kube, .request = request, .reply = reply};

    if (busy(&call) || answer_version(&call)) {
        return;
    }
    if (strcmp(request->path, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews") == 0) {
        call.body = body_read(request);
        answer_review(&call);
        json_object_put(call.body);
        return;
    }
    if (!path_read(&call)) {
        kube_error(&call, 404, "NotFound", "the server could not find the requested resource");
        return;
    }
    if (!may(&call)) {
        return;
    }
    call.body = body_read(request);
    answer(&call);
    json_object_put(call.body);
    if ((kube->bmc.modes & LAB_MUTE) != 0 && strcmp(request->method, "GET") != 0) {
        textbuf_done(&reply->body);
        reply->body = (struct textbuf){0};
        reply->status = 0; /* It was done, and nobody hears of it. */
    }
}

bool lab_kube_command(struct lab *lab, struct text word)
{
    if (lab->kube == NULL) {
        return false;
    }
    if (text_is(word, "compact")) {
        kube_compact(lab->kube);
    } else if (text_is(word, "break")) {
        kube_watches_break(lab->kube);
    } else if (text_is(word, "conflict")) {
        lab->kube->conflicts++;
    } else {
        return false;
    }
    return true;
}

/* ---- the whole -------------------------------------------------------------------------- */

int lab_kube_open(struct lab *lab, struct nsh_error *err)
{
    struct in_addr base;

    if (lab->options.kube_port == 0) {
        return 0;
    }
    struct lab_kube *kube = calloc(1, sizeof *kube);
    if (kube == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for Kubernetes");
    }
    lab->kube = kube;
    kube->lab = lab;
    kube->version = 1;
    inet_pton(AF_INET, lab->options.base, &base);
    kube->bmc = (struct lab_bmc){
        .lab = lab,
        .fd = -1,
        .kind = LAB_SERVICE,
        .answer = lab_kube_answer,
        .hosts = &kube->door,
        .hosts_count = 1,
        .retry_after_s = (uint32_t)lab->options.retry_after,
        .address = {.sin_family = AF_INET,
                    .sin_port = htons((uint16_t)lab->options.kube_port),
                    .sin_addr.s_addr = base.s_addr},
    };
    kube->door = (struct lab_host){.bmc = &kube->bmc, .name = "kube", .power = LAB_ON};
    if (map_set(&lab->names, text_of(kube->door.name), &kube->door) < 0) {
        return nsh_fail(err, NSH_NOMEM, "no memory for Kubernetes");
    }
    int result = kube_nodes_open(kube);
    if (result < 0) {
        return nsh_fail(err, NSH_LIMIT, "Kubernetes: too many nodes");
    }
    return lab_https_listen(&kube->bmc, err);
}

void lab_kube_close(struct lab *lab)
{
    struct lab_kube *kube = lab->kube;

    if (kube == NULL) {
        return;
    }
    if (kube->bmc.fd >= 0) {
        closep(&kube->bmc.fd);
    }
    X509_free(kube->bmc.certificate);
    lab_clock_clear(lab, &kube->tick);
    kube_store_free(kube);
    free(kube);
    lab->kube = NULL;
}
