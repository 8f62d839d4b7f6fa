/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUBERNETES_CODEC_H
#define KUBERNETES_CODEC_H

/*
 * Kubernetes objects, read; bodies of requests, written. No I/O; every answer is hostile. What is
 * read lives in the pool it was read into.
 */

#include "abi/encode.h"
#include "abi/json_value.h"

#define KUBE_NAME_MAX 253
#define KUBE_LINE_BYTES_MAX ((size_t)4 << 20) /* Of a watch; an object is at most 1.5 MiB. */
#define KUBE_TAINTS_MAX 64

/* A name as it may stand in a path: lower-case letters, digits, '-', '.'. */
bool kube_name_good(const char *name);

/* ---- nodes ---- */

struct kube_node {
    const char *uid, *version;
    const char *ready;  /* "True", "False", "Unknown"; "": no such condition. */
    const char *reason; /* Of that, and */
    const char *words;  /* its message. */
    bool unschedulable, out_of_service;
    int64_t heartbeat_ms;           /* Of the condition; 0: none. */
    const struct nsh_value *taints; /* A list, or NULL. */
};

/* False: it is no node of this name. */
bool kube_node_read(const struct nsh_value *object, const char *name, struct kube_node *ret_node);
/* When a lease was renewed; 0: it does not say. */
int64_t kube_lease_renewed_ms(const struct nsh_value *lease);

/* ---- taints ---- */

#define KUBE_OUT_OF_SERVICE "node.kubernetes.io/out-of-service"

struct kube_taint {
    const char *key, *value, *effect; /* effect "": any, when looking for one. */
};

bool kube_taint_there(const struct kube_node *node, const struct kube_taint *taint);
/* The patch that adds a taint, or takes away those of its key (and effect): the whole list, good
 * for this version of the node only. uncordon: takes work again as well. NULL: no memory, or more
 * than KUBE_TAINTS_MAX. */
char *kube_taint_patch(struct nsh_pool *pool, const struct kube_node *node,
                       const struct kube_taint *taint, bool add, bool uncordon);

/* ---- pods ---- */

enum kube_pod_class {
    KUBE_POD_LEAVES,    /* Can be evicted: something makes another. */
    KUBE_POD_STAYS,     /* The node's own: mirror pods. */
    KUBE_POD_DAEMON,    /* Of a DaemonSet: stays, if that exists. */
    KUBE_POD_LOCAL,     /* Would lose the data of an emptyDir. */
    KUBE_POD_UNMANAGED, /* Nothing makes another. */
};

struct kube_pod {
    struct kube_pod *next;
    const char *space, *name, *uid, *version;
    const char *daemonset; /* Of KUBE_POD_DAEMON. */
    enum kube_pod_class class;
    bool leaving;             /* Is being deleted. */
    int64_t leaving_since_ms; /* Until when it had time, in Unix time; 0: unknown. */
    /* The driver's. */
    bool evicted;
    int64_t due_ms;
};

/* NULL: no pod, or no memory. */
struct kube_pod *kube_pod_read(struct nsh_pool *pool, const struct nsh_value *object);

/* The bodies; NULL: no memory. */
char *kube_eviction(struct nsh_pool *pool, const struct kube_pod *pod, bool v1, int64_t grace_s);
char *kube_delete_options(struct nsh_pool *pool, const char *uid, int64_t grace_s);

/* ---- watches ---- */

enum kube_event_type {
    KUBE_ADDED,
    KUBE_MODIFIED,
    KUBE_DELETED,
    KUBE_BOOKMARK,
    KUBE_EXPIRED, /* The version is too old: read the list anew. */
    KUBE_ERROR,
};

struct kube_event {
    enum kube_event_type type;
    const struct nsh_value *object;
    const char *version; /* To go on from; NULL: it tells none. */
};

/* Lines that come in pieces. */
struct kube_lines {
    char *at;
    size_t count, room;
};

/* Take a piece; each(arg, line) for every whole line, until it says false. -NSH_LIMIT: a line
 * without end; -NSH_NOMEM. 1: each said false. */
int kube_lines_feed(struct kube_lines *lines, const char *bytes, size_t bytes_count,
                    bool (*each)(void *arg, const char *line, size_t line_bytes), void *arg);
void kube_lines_done(struct kube_lines *lines);

/* -NSH_PROTOCOL: it is no event. */
int kube_event_read(struct nsh_pool *pool, const char *line, size_t line_bytes,
                    struct kube_event *ret_event, struct nsh_error *err);

/* ---- others ---- */

/* Whether a 429 is a disruption budget's, and what that says. NULL: it is not. */
const char *kube_budget_words(const struct nsh_value *status);
bool kube_cause(const struct nsh_value *status, const char *reason);
/* 28 of {"minor": "28+"}; 0: it does not say. */
int64_t kube_minor(const struct nsh_value *version);

#endif
