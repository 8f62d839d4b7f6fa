/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAB_KUBE_H
#define LAB_KUBE_H

/*
 * The lab's Kubernetes API server: a store of JSON objects with resource versions, a history that
 * watches read, and what the control plane and the kubelets would do with them. A node for each
 * host of the lab lives and dies with it.
 *
 *   lab_kube.c        requests: paths, who may, errors
 *   lab_kube_store.c  objects, versions, history
 *   lab_kube_list.c   lists by pages, selectors, watches
 *   lab_kube_write.c  create, patch, delete
 *   lab_kube_evict.c  evictions, disruption budgets, pods that end
 *   lab_kube_nodes.c  kubelets, leases, the node controller, Metal3's bare metal hosts
 *
 * Documents are immutable once stored: a change stores another, so that the history can keep both.
 */

#include "lab_service.h"

struct json_object;
struct lab_kube;

#define KUBE_OBJECTS_MAX 50000
#define KUBE_HISTORY_MAX 1024 /* Changes; a watch that asks for an older one gets 410. */
#define KUBE_NAME_MAX 254
#define KUBE_TOKEN "nightshift-lab"
#define KUBE_TOKEN_ADMIN "nightshift-lab-admin"
#define KUBE_TOKEN_VIEW "nightshift-lab-view"

enum kube_kind_id {
    KUBE_NAMESPACES,
    KUBE_NODES,
    KUBE_PODS,
    KUBE_EVENTS,
    KUBE_BUDGETS,
    KUBE_DAEMONSETS,
    KUBE_LEASES,
    KUBE_METAL,
    KUBE_KINDS_COUNT
};

struct kube_kind {
    const char *group, *version, *plural, *kind;
    bool namespaced;
    bool status; /* Has the status subresource: the object itself does not change it. */
};
extern const struct kube_kind kube_kinds[KUBE_KINDS_COUNT];

struct kube_object {
    struct kube_object *next; /* Of its kind, by namespace and name. */
    struct lab_kube *kube;
    enum kube_kind_id kind;
    char *key; /* "NAMESPACE/NAME", or "NAME". */
    struct json_object *doc;
    int64_t version;
    struct lab_timer ending; /* Of a pod: until its kubelet has stopped it. */
    bool rebooting;          /* Of a bare metal host. */
};

struct kube_change {
    int64_t version;
    enum kube_kind_id kind;
    const char *type; /* "ADDED" ... */
    struct json_object *doc;
};

/* Which objects a list or watch is about. */
struct kube_filter {
    enum kube_kind_id kind;
    char space[KUBE_NAME_MAX]; /* "": all. */
    char fields[512], labels[512];
};

struct kube_watch {
    struct lab_stream stream; /* First. */
    struct kube_watch *next;
    struct lab_kube *kube;
    struct kube_filter filter;
    struct lab_timer bookmark, end;
    bool bookmarks;
};

struct lab_kube {
    struct lab_bmc bmc;   /* The door: its modes are the server's misbehaviour. */
    struct lab_host door; /* "kube", for the operator's commands. */
    struct lab *lab;
    struct kube_object *objects[KUBE_KINDS_COUNT];
    size_t objects_count;
    int64_t version, compacted; /* Nothing is known of changes up to compacted. */
    struct kube_change history[KUBE_HISTORY_MAX];
    uint64_t changes_count;
    struct kube_watch *watches;
    struct lab_timer tick;
    unsigned conflicts; /* So many patches are told that somebody was faster. */
    bool listening;
};

/* A request on its way. */
struct kube_call {
    struct lab_kube *kube;
    const struct lab_request *request;
    struct lab_reply *reply;
    enum kube_kind_id kind;
    char space[KUBE_NAME_MAX], name[KUBE_NAME_MAX], sub[32];
    struct json_object *body; /* NULL: none. */
};

/* ---- lab_kube.c ---- */

int lab_kube_open(struct lab *lab, struct nsh_error *err);
void lab_kube_close(struct lab *lab);
void lab_kube_answer(const struct lab_request *request, struct lab_reply *reply);
/* "compact", "break", "conflict": an operator's command. false: there is none of that name. */
bool lab_kube_command(struct lab *lab, struct text word);

/* A Status object: reason as NotFound, Conflict. */
void kube_error(struct kube_call *call, int status, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void kube_reply(struct kube_call *call, int status, struct json_object *doc);
/* The value of a query parameter, percent-decoded; false: not given. */
bool kube_query(const struct lab_request *request, const char *name, char *room, size_t room_bytes);
void kube_ledger(const struct kube_call *call, const char *node, const char *effect);

/* ---- lab_kube_store.c ---- */

struct kube_object *kube_find(const struct lab_kube *kube, enum kube_kind_id kind,
                              const char *space, const char *name);
/* Store a new object, or another document of one; owns doc. NULL: the store is full. */
struct kube_object *kube_add(struct lab_kube *kube, enum kube_kind_id kind, const char *space,
                             const char *name, struct json_object *doc);
void kube_change(struct kube_object *object, struct json_object *doc);
void kube_remove(struct kube_object *object);
void kube_compact(struct lab_kube *kube);
void kube_store_free(struct lab_kube *kube);
struct json_object *kube_copy(struct json_object *doc);
/* The member at a path such as "metadata.name"; NULL: none. */
struct json_object *kube_at(struct json_object *doc, const char *path);
const char *kube_text_at(struct json_object *doc, const char *path, const char *fallback);
int64_t kube_int_at(struct json_object *doc, const char *path, int64_t fallback);
/* Set a member below a path, making the objects on the way; owns value, NULL deletes. */
void kube_put(struct json_object *doc, const char *path, struct json_object *value);
struct json_object *kube_time(int64_t unix_ms, bool micro);

/* ---- lab_kube_list.c ---- */

bool kube_matches(const struct kube_filter *filter, struct json_object *doc);
bool kube_labels_match(struct json_object *selector, struct json_object *doc);
void kube_list(struct kube_call *call);
void kube_watch(struct kube_call *call);
void kube_watches_tell(struct lab_kube *kube, const struct kube_change *change);
void kube_watches_break(struct lab_kube *kube);

/* ---- lab_kube_write.c ---- */

void kube_create(struct kube_call *call);
void kube_patch(struct kube_call *call, struct kube_object *object);
void kube_delete(struct kube_call *call, struct kube_object *object);

/* ---- lab_kube_evict.c ---- */

void kube_evict(struct kube_call *call, struct kube_object *pod);
/* Let a pod end as its kubelet would; true: it is gone already. */
bool kube_pod_end(struct kube_object *pod, int64_t grace_s);
void kube_budgets_look(struct lab_kube *kube); /* The disruption controller. */

/* ---- lab_kube_nodes.c ---- */

/* Status of the condition Ready of a node or pod: "True"; "": it has none. */
const char *kube_ready(struct json_object *doc);
int kube_nodes_open(struct lab_kube *kube);
/* A pod's node runs, as far as the lab knows: its kubelet ends pods. */
bool kube_kubelet_runs(const struct lab_kube *kube, const char *node);

#endif
