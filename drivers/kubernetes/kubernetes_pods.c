/* SPDX-License-Identifier: Apache-2.0 */
/* The pods of a node: read by pages, and the DaemonSets that own some of them. */

#include "kubernetes.h"

#include <stdio.h>
#include <string.h>

#define PAGE_COUNT 100
#define PAGE_BYTES_MAX ((size_t)16 << 20)
#define PODS_MAX 2000    /* Of one node; a kubelet takes 110 as shipped. */
#define RELISTS_MAX 1000 /* Of one call: each costs the server. */

bool pod_must_leave(const struct kube_pod *pod)
{
    return pod->class != KUBE_POD_STAYS && pod->class != KUBE_POD_DAEMON;
}

size_t pods_left(const struct kube_call *call)
{
    size_t count = 0;

    for (const struct kube_pod *pod = call->pods; pod != NULL; pod = pod->next) {
        count += pod_must_leave(pod) ? 1 : 0;
    }
    return count;
}

struct kube_pod *pods_find(const struct kube_call *call, const char *uid)
{
    struct kube_pod *pod = call->pods;

    while (pod != NULL && strcmp(pod->uid, uid) != 0) {
        pod = pod->next;
    }
    return pod;
}

void pods_remove(struct kube_call *call, const char *uid)
{
    for (struct kube_pod **at = &call->pods; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->uid, uid) == 0) {
            *at = (*at)->next;
            return;
        }
    }
}

/* ---- DaemonSets ------------------------------------------------------------------------- */

static void daemons_look(struct kube_call *call);

static void daemonset_came(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);
    const struct kube_pod *first = call->looked_at;
    bool gone = reply->status == 404;

    if (reply->code != NSH_OK && !gone) {
        nsh_rest_fail_reply(rest, reply);
        return;
    }
    if (gone) {
        const char *space = first->space, *name = first->daemonset;
        for (struct kube_pod *pod = call->looked_at; pod != NULL; pod = pod->next) {
            if (pod->class == KUBE_POD_DAEMON && strcmp(pod->space, space) == 0 &&
                strcmp(pod->daemonset, name) == 0) {
                pod->class = KUBE_POD_UNMANAGED; /* An orphan. */
            }
        }
    }
    call->looked_at = call->looked_at->next;
    daemons_look(call);
}

/* One of these DaemonSets was asked about before. */
static bool daemon_known(const struct kube_call *call, const struct kube_pod *pod)
{
    for (const struct kube_pod *at = call->pods; at != pod; at = at->next) {
        if (at->class == KUBE_POD_DAEMON && strcmp(at->space, pod->space) == 0 &&
            strcmp(at->daemonset, pod->daemonset) == 0) {
            return true;
        }
    }
    return false;
}

static void daemons_look(struct kube_call *call)
{
    while (call->looked_at != NULL &&
           (call->looked_at->class != KUBE_POD_DAEMON || daemon_known(call, call->looked_at))) {
        call->looked_at = call->looked_at->next;
    }
    if (call->looked_at == NULL) {
        call->then(call);
        return;
    }
    const char *path =
        nsh_pool_printf(&call->rest.pool, "/apis/apps/v1/namespaces/%s/daemonsets/%s",
                        call->looked_at->space, call->looked_at->daemonset);
    if (path == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    nsh_rest_send(&call->rest, &(struct nsh_rest_request){.path = path}, daemonset_came);
}

/* ---- pages ------------------------------------------------------------------------------ */

static void page_ask(struct kube_call *call);

/* False: the call has ended. */
static bool page_take(struct kube_call *call, const struct nsh_value *body)
{
    struct kube_pod **last = &call->pods;
    size_t count = nsh_at_count(body, "items"), all = 0;

    for (; *last != NULL; last = &(*last)->next) {
        all++;
    }
    if (all + count > PODS_MAX) {
        nsh_rest_fail(&call->rest, NSH_LIMIT, "node %s has more than %d pods", call->name,
                      PODS_MAX);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct nsh_value *item = nsh_at_item(body, "items", i);
        struct kube_pod *pod = kube_pod_read(&call->rest.pool, item);
        if (pod == NULL || strcmp(nsh_at_text(item, "spec.nodeName", ""), call->name) != 0) {
            nsh_rest_fail(&call->rest, NSH_PROTOCOL,
                          "%s: the list of pods on %s has something else",
                          nsh_rest_base(call->rest.rest), call->name);
            return false;
        }
        for (const struct kube_pod *old = call->before; old != NULL; old = old->next) {
            if (strcmp(old->uid, pod->uid) == 0) {
                pod->evicted = old->evicted;
                pod->due_ms = old->due_ms;
            }
        }
        *last = pod;
        last = &pod->next;
    }
    return true;
}

static void page_came(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);
    const char *version = nsh_at_text(reply->body, "metadata.resourceVersion", "");
    const char *more = nsh_at_text(reply->body, "metadata.continue", "");

    if (reply->status == 410 && call->more != NULL) {
        pods_read(call, call->then); /* The page expired with the list: from the beginning. */
        return;
    }
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(rest, reply);
        return;
    }
    if (nsh_at(reply->body, "items") == NULL || version[0] == '\0' ||
        strlen(version) >= sizeof call->version) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: the answer is no list of pods",
                      nsh_rest_base(rest->rest));
        return;
    }
    snprintf(call->version, sizeof call->version, "%s", version);
    if (!page_take(call, reply->body)) {
        return;
    }
    call->more = more[0] == '\0' ? NULL : nsh_percent(&rest->pool, more);
    if (more[0] != '\0' && call->more == NULL) {
        nsh_rest_fail_nomem(rest);
    } else if (call->more != NULL) {
        page_ask(call);
    } else {
        call->looked_at = call->pods;
        daemons_look(call);
    }
}

static void page_ask(struct kube_call *call)
{
    const char *path = nsh_pool_printf(
        &call->rest.pool, "/api/v1/pods?fieldSelector=spec.nodeName%%3D%s&limit=%d%s%s", call->name,
        PAGE_COUNT, call->more == NULL ? "" : "&continue=", call->more == NULL ? "" : call->more);

    if (path == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    nsh_rest_send(&call->rest,
                  &(struct nsh_rest_request){.path = path, .reply_bytes_max = PAGE_BYTES_MAX},
                  page_came);
}

void pods_read(struct kube_call *call, kube_fn *then)
{
    if (call->relists++ == RELISTS_MAX) {
        nsh_rest_fail(&call->rest, NSH_LIMIT,
                      "%s: the list of pods on %s expired %d times before it was read",
                      nsh_rest_base(call->rest.rest), call->name, RELISTS_MAX);
        return;
    }
    call->then = then;
    call->before = call->pods;
    call->pods = NULL;
    call->more = NULL;
    page_ask(call);
}
