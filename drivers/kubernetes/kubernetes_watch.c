/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for pods to go, by a watch from the version that the list was read at. It ends when it
 * has seen enough, when somebody may be asked again, or by itself, and is resumed from the last
 * version seen, a bookmark's too. A version that the server does not know any more (410) is a
 * reason to read the list anew. Whoever may not watch reads the list now and then.
 */

#include "kubernetes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_S_MAX 240
#define WATCH_SLACK_MS 10000 /* What the server may take longer. */
#define LAST_MS 1500         /* As of a drain. */
#define BREAKS_MAX 10        /* In a row, without an event between. */
#define LIFE_MS_MIN                                                                                \
    500 /* A watch that ends sooner, and saw nothing, is not asked again at once.                  \
         */

static bool watch_stops(struct kube_call *call, int code)
{
    call->watch_code = code;
    return false;
}

/* False: enough was seen. */
static bool pod_seen(struct kube_call *call, const struct nsh_value *object)
{
    struct kube_pod *known = pods_find(call, nsh_at_text(object, "metadata.uid", ""));

    if (known != NULL) {
        known->leaving = known->leaving || nsh_at(object, "metadata.deletionTimestamp") != NULL;
        return true;
    }
    struct kube_pod *pod = kube_pod_read(&call->rest.pool, object);
    if (pod == NULL) {
        return watch_stops(call, NSH_PROTOCOL);
    }
    pod->next = call->pods;
    call->pods = pod;
    return !pod_must_leave(pod); /* Somebody put it here in spite of the cordon: it has to go. */
}

static bool event_take(struct kube_call *call, const struct kube_event *event)
{
    if (event->type == KUBE_EXPIRED || event->type == KUBE_ERROR) {
        call->expired = event->type == KUBE_EXPIRED;
        return watch_stops(call, call->expired ? NSH_OK : NSH_PROTOCOL);
    }
    if (event->version == NULL || event->version[0] == '\0' ||
        strlen(event->version) >= sizeof call->version) {
        return watch_stops(call, NSH_PROTOCOL);
    }
    snprintf(call->version, sizeof call->version, "%s", event->version);
    if (event->type == KUBE_BOOKMARK) {
        return true;
    }
    call->broken_count = 0;
    call->seen = true;
    if (event->type == KUBE_DELETED) {
        pods_remove(call, nsh_at_text(event->object, "metadata.uid", ""));
        return pods_left(call) > 0;
    }
    return pod_seen(call, event->object);
}

static bool line_take(void *arg, const char *line, size_t line_bytes)
{
    struct kube_call *call = arg;
    struct nsh_pool pool = {0};
    struct kube_event event;
    int result = kube_event_read(&pool, line, line_bytes, &event, NULL);
    bool more = result < 0 ? watch_stops(call, -result) : event_take(call, &event);

    nsh_pool_done(&pool);
    return more;
}

static bool watch_took(struct nsh_rest_call *rest, const char *bytes, size_t bytes_count)
{
    struct kube_call *call = kube_of(rest);
    int result = kube_lines_feed(&call->lines, bytes, bytes_count, line_take, call);

    return result < 0 ? watch_stops(call, -result) : result == 0;
}

static void go_on(struct nsh_rest_call *rest)
{
    drain_go(kube_of(rest));
}

static void watch_broke(struct kube_call *call, const struct nsh_rest_reply *reply)
{
    if (call->broken_count++ == BREAKS_MAX) {
        nsh_rest_fail_reply(&call->rest, reply);
        return;
    }
    nsh_rest_wait(&call->rest, go_on, "%s", reply->text);
}

/* Something between us and the server ends what lasts. */
static bool short_lived(const struct kube_call *call)
{
    struct nsh_services *services = call->device->services;

    return !call->seen && services->now_ms(services) - call->watched_ms < LIFE_MS_MIN;
}

static bool broke(const struct nsh_rest_reply *reply)
{
    return reply->code == NSH_TIMEOUT || reply->code == NSH_DISCONNECTED ||
           reply->code == NSH_UNREACHABLE;
}

static void watch_ended(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);
    bool forbidden = reply->status == 403 || reply->status == 405;

    kube_lines_done(&call->lines);
    if (call->watch_code != NSH_OK) {
        nsh_rest_fail(rest, call->watch_code, "%s: the watch of the pods on %s makes no sense",
                      nsh_rest_base(rest->rest), call->name);
    } else if (call->expired || reply->status == 410) {
        drain_list(call);
    } else if (reply->code == NSH_OK && !short_lived(call)) {
        drain_go(call);
    } else if (forbidden) {
        call->no_watch = true;
        drain_go(call);
    } else if (reply->code == NSH_OK || broke(reply) || reply->status == 429 ||
               reply->status >= 500) {
        watch_broke(call, reply);
    } else {
        nsh_rest_fail_reply(rest, reply);
    }
}

static void list_again(struct nsh_rest_call *rest)
{
    drain_list(kube_of(rest));
}

/* Until due_ms, on our clock, or the end. */
void drain_wait(struct kube_call *call, int64_t due_ms)
{
    struct nsh_services *services = call->device->services;
    int64_t left_ms = nsh_rest_left_ms(&call->rest) - LAST_MS;
    int64_t wait_ms = due_ms == INT64_MAX ? left_ms : due_ms - services->now_ms(services);

    wait_ms = wait_ms < left_ms ? wait_ms : left_ms;
    int64_t wait_s = (wait_ms + 999) / 1000;
    wait_s = wait_s < 1 ? 1 : wait_s > WATCH_S_MAX ? WATCH_S_MAX : wait_s;
    if (call->no_watch) {
        nsh_rest_wait(&call->rest, list_again, "node %s: %zu pods are left%s%s", call->name,
                      pods_left(call), call->words[0] == '\0' ? "" : "; ", call->words);
        return;
    }
    const char *path =
        nsh_pool_printf(&call->rest.pool,
                        "/api/v1/pods?watch=1&fieldSelector=spec.nodeName%%3D%s&resourceVersion=%s"
                        "&allowWatchBookmarks=true&timeoutSeconds=%lld",
                        call->name, call->version, (long long)wait_s);
    if (path == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    call->expired = call->seen = false;
    call->watched_ms = services->now_ms(services);
    call->watch_code = NSH_OK;
    nsh_rest_send(&call->rest,
                  &(struct nsh_rest_request){.path = path,
                                             .reply_bytes_max = KUBE_LINE_BYTES_MAX,
                                             .timeout_ms = (uint32_t)wait_s * 1000 + WATCH_SLACK_MS,
                                             .received = watch_took},
                  watch_ended);
}
