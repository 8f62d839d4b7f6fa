/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases of nodes: each kubelet renews its own every ten seconds, and one that does not is seen
 * here before the control plane calls its node Unknown. Ages are counted from when a renewal was
 * seen, so no clock of the cluster's matters; and only while something else is heard on the same
 * watch, so a watch that hangs makes nobody stale.
 */

#include "nodewatch.h"

#include "abi/json_value.h"

#include <stdio.h>
#include <stdlib.h>

#define STALE_TYPE "kubernetes.node.lease-stale"
#define RENEWED_BYTES_MAX 40 /* "2026-03-02T10:00:00.123456Z" */

struct lease {
    char *name, *uid;
    char renewed[RENEWED_BYTES_MAX];
    int64_t seen_ms; /* When that was seen first. */
    uint32_t round;
    bool stale, fresh; /* What was told; neither: nothing yet. */
};

bool nodewatch_lease_says(const struct nodewatch *watch, const char *type)
{
    return watch->lease_ms > 0 && strcmp(type, STALE_TYPE) == 0;
}

static void lease_free(struct lease *lease)
{
    if (lease != NULL) {
        free(lease->name);
        free(lease->uid);
        free(lease);
    }
}

static void tell(const struct nodewatch *watch, const struct lease *lease, const char *why,
                 struct nodewatch_out *out)
{
    struct event *event = nodewatch_tell(watch, out, lease->name);
    if (event == NULL) {
        return;
    }
    const struct nsh_member data[] = {{"node", nsh_text(lease->name)},
                                      {"renewed", nsh_text(lease->renewed)}};
    const char *id = arena_printf(out->arena, "%s/lease/%s/%s", lease->uid,
                                  lease->stale ? "stale" : "fresh", lease->renewed);
    out->failed = out->failed || id == NULL;
    event->time_ms = out->now_ms;
    event->state = lease->stale ? EVENT_RAISE : EVENT_CLEAR;
    event->severity = lease->stale ? SEVERITY_MINOR : SEVERITY_INFO;
    event->type = TEXT(STALE_TYPE);
    event->name = TEXT("Lease");
    event->message = nodewatch_cut(out, why);
    event->data = nodewatch_data(out, data, sizeof data / sizeof data[0]);
    event->id = nodewatch_cut(out, id == NULL ? "" : id);
}

static struct lease *lease_add(struct nodewatch *watch, const char *name, const char *uid,
                               struct nodewatch_out *out)
{
    struct lease *lease = calloc(1, sizeof *lease);
    if (lease != NULL) {
        lease->name = strdup(name);
        lease->uid = strdup(uid);
    }
    if (lease == NULL || lease->name == NULL || lease->uid == NULL ||
        map_set(&watch->leases, text_of(lease->name), lease) < 0) {
        lease_free(lease);
        out->failed = true;
        return NULL;
    }
    return lease;
}

void nodewatch_lease_seen(struct nodewatch *watch, const struct nsh_value *object,
                          struct nodewatch_out *out)
{
    const char *name = nsh_at_text(object, "metadata.name", "");
    const char *renewed = nsh_at_text(object, "spec.renewTime", "");
    struct lease *lease = map_get(&watch->leases, text_of(name));
    if (name[0] == '\0' || strlen(renewed) >= RENEWED_BYTES_MAX ||
        (lease == NULL && watch->leases.count >= NODEWATCH_NODES_MAX)) {
        return;
    }
    bool known = lease != NULL;
    if (!known) {
        lease = lease_add(watch, name, nsh_at_text(object, "metadata.uid", ""), out);
    }
    if (lease == NULL) {
        return;
    }
    lease->round = watch->leases_round;
    if (known && strcmp(lease->renewed, renewed) == 0) {
        return;
    }
    snprintf(lease->renewed, sizeof lease->renewed, "%s", renewed);
    lease->seen_ms = out->now_ms;
    if (known && !lease->fresh) { /* Also an alarm of before the start ends. */
        lease->stale = false;
        lease->fresh = true;
        tell(watch, lease, "its kubelet renews its lease", out);
    }
}

static void gone(const struct nodewatch *watch, struct lease *lease, struct nodewatch_out *out)
{
    if (lease->stale) {
        lease->stale = false;
        tell(watch, lease, "the lease was deleted", out);
    }
}

void nodewatch_lease_gone(struct nodewatch *watch, const char *name, struct nodewatch_out *out)
{
    struct lease *lease = map_remove(&watch->leases, text_of(name));
    if (lease != NULL) {
        gone(watch, lease, out);
        lease_free(lease);
    }
}

void nodewatch_leases_end(struct nodewatch *watch, struct nodewatch_out *out)
{
    for (size_t i = 0; i < watch->leases.used; i++) {
        struct lease *lease = watch->leases.entries[i].value;
        if (lease != NULL && lease->round != watch->leases_round) {
            gone(watch, lease, out);
            /* Removing marks the entry, and moves none. */
            map_remove(&watch->leases, text_of(lease->name));
            lease_free(lease);
        }
    }
}

void nodewatch_leases_heard(struct nodewatch *watch, int64_t now_ms, bool anew)
{
    /* After a silence what was held up comes piece by piece: it is judged from here on. */
    if (anew || now_ms - watch->leases_heard_ms > watch->lease_ms / 2) {
        watch->leases_from_ms = now_ms;
    }
    watch->leases_heard_ms = now_ms;
}

void nodewatch_leases_look(struct nodewatch *watch, struct nodewatch_out *out)
{
    MAP_EACH (&watch->leases, entry) {
        struct lease *lease = entry->value;
        int64_t from_ms =
            lease->seen_ms > watch->leases_from_ms ? lease->seen_ms : watch->leases_from_ms;
        if (lease->stale || watch->leases_heard_ms - from_ms < watch->lease_ms) {
            continue;
        }
        char why[160];
        snprintf(why, sizeof why, "its kubelet has not renewed its lease for %lld s, last at %s",
                 (long long)(watch->leases_heard_ms - lease->seen_ms) / 1000,
                 lease->renewed[0] == '\0' ? "no time" : lease->renewed);
        lease->stale = true;
        lease->fresh = false;
        tell(watch, lease, why, out);
    }
}

void nodewatch_leases_forget(struct nodewatch *watch)
{
    MAP_EACH (&watch->leases, entry) {
        lease_free(entry->value);
    }
    map_done(&watch->leases);
    watch->leases = (struct map){0};
}
