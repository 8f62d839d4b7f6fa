/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUBERNETES_H
#define KUBERNETES_H

/*
 * What the driver's files share.
 *
 *   kubernetes.c         the table of options and verbs, devices
 *   kubernetes_login.c   where the API server is, bearer tokens, in a cluster
 *   kubernetes_node.c    reading a node; cordon, uncordon, taints, delete
 *   kubernetes_pods.c    the pods of a node, by pages
 *   kubernetes_drain.c   drain and evacuate: evictions, then waiting
 *   kubernetes_watch.c   waiting by a watch
 *   kubernetes_metal.c   power of Metal3's bare metal hosts
 *   kubernetes_doctor.c  what the account may
 *   kubernetes_codec*.c  objects and watches, pure
 *
 * A function that sends, waits or ends may have freed the call when it returns.
 */

#include "abi/rest.h"
#include "kubernetes_codec.h"

#define KUBE_PATH_BYTES_MAX 1024
#define KUBE_LEASE_SPACE "kube-node-lease"
#define KUBE_MERGE_PATCH "application/merge-patch+json"

struct nsh_device {
    struct nsh_services *services;
    struct nsh_rest *rest;
    char *node;                     /* NULL: named as the host. */
    char *metal_space, *metal_name; /* NULL: the node is no bare metal host. */
};

/* Kept with the connection. */
struct kube_session {
    bool policy_known, policy_v1;
};

struct kube_call;
typedef void kube_fn(struct kube_call *call);

struct kube_call {
    struct nsh_rest_call rest; /* First. */
    struct nsh_device *device;
    struct nsh_op *op;
    const char *name; /* Of the node, or of the bare metal host. */
    kube_fn *then;    /* What a reading of several requests goes on with. */
    /* The node */
    struct nsh_value object;
    struct kube_node node;
    bool absent;
    int64_t lease_ms, now_ms; /* Unix time, the server's; 0: there is no lease. */
    /* Its pods */
    struct kube_pod *pods, *looked_at;
    struct kube_pod *before; /* Of the list before this one: who was evicted. */
    const char *more;        /* The next page. */
    char version[64];        /* Of the list, then of the watch. */
    unsigned relists;
    /* Drain, evacuate */
    struct kube_pod *pod; /* Being evicted. */
    bool cordoned, evacuates, waits_only, no_watch;
    bool force, local_data;
    int64_t grace_s;
    unsigned evicted_count, broken_count;
    char words[320]; /* Why a pod still cannot go. */
    /* The watch */
    struct kube_lines lines;
    int watch_code; /* What ended it, besides its end. */
    int64_t watched_ms;
    bool expired, seen;
    /* Metal3 */
    bool aim_on, then_on, changed;
    /* The doctor */
    size_t rule;
    char missing[200];
};

static inline struct kube_call *kube_of(struct nsh_rest_call *call)
{
    return (struct kube_call *)(void *)call;
}

/* ---- kubernetes_login.c ---- */

/* Open the API with these settings; in a cluster what they leave out comes from there. */
int login_open(struct nsh_services *services, const struct nsh_value *settings,
               struct nsh_rest **ret_rest, struct nsh_error *err);

/* ---- kubernetes_node.c ---- */

/* Read the node, then go on; absent when there is none. */
void node_read(struct kube_call *call, kube_fn *then);
void lease_read(struct kube_call *call, kube_fn *then);
/* Send a merge patch of the node. A conflict ends the call as NSH_BUSY. */
void node_patch(struct kube_call *call, const char *patch, kube_fn *then);
/* Whether its kubelet has been heard of lately. */
bool node_alive(const struct kube_call *call);
int64_t node_silent_ms(const struct kube_call *call);
const char *node_state(const struct kube_call *call);
void fail_write(struct kube_call *call, const struct nsh_rest_reply *reply);
kube_fn status_begin, probe_begin, cordon_begin, undrain_begin, taint_begin, untaint_begin,
    remove_begin;

/* ---- kubernetes_pods.c ---- */

/* Read all pods of the node, and whether the DaemonSets of those that have one exist. */
void pods_read(struct kube_call *call, kube_fn *then);
bool pod_must_leave(const struct kube_pod *pod);
void pods_remove(struct kube_call *call, const char *uid);
struct kube_pod *pods_find(const struct kube_call *call, const char *uid);
size_t pods_left(const struct kube_call *call);

/* ---- kubernetes_drain.c, kubernetes_watch.c ---- */

kube_fn drain_begin, evacuate_begin, drain_go, drain_list;
void drain_wait(struct kube_call *call, int64_t due_ms);
void drain_late(struct kube_call *call);

/* ---- kubernetes_metal.c, kubernetes_doctor.c ---- */

kube_fn metal_status_begin, metal_on_begin, metal_off_begin, metal_cycle_begin, metal_soft_begin,
    metal_hard_begin;
kube_fn doctor_begin;

#endif
