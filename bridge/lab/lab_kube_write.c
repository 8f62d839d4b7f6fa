/* SPDX-License-Identifier: Apache-2.0 */
/* The lab's Kubernetes: create, patch (merge and strategic merge), delete. */

#include "lab_kube.h"

#include <json-c/json.h>
#include <stdio.h>

#define PATCH_DEPTH_MAX 24

/* ---- patches ---------------------------------------------------------------------------- */

/* Lists that a strategic merge patch merges by a member of their items. */
static const char *merge_key(const char *list, bool strategic)
{
    static const struct {
        const char *list, *key;
    } lists[] = {{"taints", "key"},
                 {"conditions", "type"},
                 {"addresses", "type"},
                 {"ownerReferences", "uid"}};

    for (size_t i = 0; strategic && i < sizeof lists / sizeof lists[0]; i++) {
        if (strcmp(list, lists[i].list) == 0) {
            return lists[i].key;
        }
    }
    return NULL;
}

static size_t item_find(struct json_object *items, const char *key, const char *wanted)
{
    for (size_t i = 0; i < json_object_array_length(items); i++) {
        if (strcmp(kube_text_at(json_object_array_get_idx(items, i), key, ""), wanted) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void merge(struct json_object *into, struct json_object *patch, bool strategic, int depth);

static void merge_items(struct json_object *items, struct json_object *patch, const char *key,
                        int depth)
{
    for (size_t i = 0; i < json_object_array_length(patch); i++) {
        struct json_object *one = json_object_array_get_idx(patch, i);
        size_t at = item_find(items, key, kube_text_at(one, key, ""));
        if (strcmp(kube_text_at(one, "$patch", ""), "delete") == 0) {
            if (at != SIZE_MAX) {
                json_object_array_del_idx(items, at, 1);
            }
        } else if (at == SIZE_MAX) {
            json_object_array_add(items, kube_copy(one));
        } else {
            merge(json_object_array_get_idx(items, at), one, true, depth + 1);
        }
    }
}

static void merge(struct json_object *into, struct json_object *patch, bool strategic, int depth)
{
    if (depth > PATCH_DEPTH_MAX) {
        return;
    }
    json_object_object_foreach(patch, name, value)
    {
        struct json_object *old = NULL;
        const char *key = merge_key(name, strategic);
        bool had = json_object_object_get_ex(into, name, &old);
        if (value == NULL) {
            json_object_object_del(into, name);
        } else if (json_object_is_type(value, json_type_object)) {
            if (!had || !json_object_is_type(old, json_type_object)) {
                old = json_object_new_object();
                json_object_object_add(into, name, old);
            }
            merge(old, value, strategic, depth + 1);
        } else if (key != NULL && json_object_is_type(value, json_type_array) &&
                   json_object_is_type(old, json_type_array)) {
            merge_items(old, value, key, depth);
        } else {
            json_object_object_add(into, name, kube_copy(value));
        }
    }
}

/* What the object may not change stays: its identity, and its status, or all but its status. */
static void keep_rest(struct json_object *doc, struct json_object *old, bool of_status,
                      bool has_status)
{
    static const char *const identity[] = {"name", "namespace", "uid", "creationTimestamp",
                                           "deletionTimestamp"};

    if (has_status && !of_status) {
        struct json_object *status = kube_at(old, "status");
        kube_put(doc, "status", status == NULL ? NULL : json_object_get(status));
    }
    if (has_status && of_status) {
        struct json_object *spec = kube_at(old, "spec");
        kube_put(doc, "spec", spec == NULL ? NULL : json_object_get(spec));
    }
    for (size_t i = 0; i < sizeof identity / sizeof identity[0]; i++) {
        char path[48];
        snprintf(path, sizeof path, "metadata.%s", identity[i]);
        struct json_object *value = kube_at(old, path);
        kube_put(doc, path, value == NULL ? NULL : json_object_get(value));
    }
}

/* A patch may say which version, and which object, it was made for. */
static bool patch_conflicts(struct kube_call *call, const struct kube_object *object)
{
    const struct kube_kind *kind = &kube_kinds[object->kind];
    const char *uid = kube_text_at(object->doc, "metadata.uid", "");
    const char *version = kube_text_at(object->doc, "metadata.resourceVersion", "");
    const char *wanted = kube_text_at(call->body, "metadata.resourceVersion", version);

    if (strcmp(kube_text_at(call->body, "metadata.uid", uid), uid) != 0) {
        kube_error(call, 422, "Invalid",
                   "%s \"%s\" is invalid: metadata.uid: Invalid value: "
                   "\"%s\": field is immutable",
                   kind->kind, call->name, kube_text_at(call->body, "metadata.uid", ""));
        return true;
    }
    if (call->kube->conflicts > 0 || strcmp(wanted, version) != 0) {
        call->kube->conflicts -= call->kube->conflicts > 0 ? 1 : 0;
        kube_error(call, 409, "Conflict",
                   "Operation cannot be fulfilled on %s \"%s\": the object has been modified; "
                   "please apply your changes to the latest version and try again",
                   kind->plural, call->name);
        return true;
    }
    return false;
}

/* What a change of a node is called in the ledger. */
static const char *node_effect(struct json_object *old, struct json_object *doc)
{
    bool was = json_object_get_boolean(kube_at(old, "spec.unschedulable"));
    bool is = json_object_get_boolean(kube_at(doc, "spec.unschedulable"));
    struct json_object *before = kube_at(old, "spec.taints"), *after = kube_at(doc, "spec.taints");

    if (was != is) {
        return is ? "cordon" : "uncordon";
    }
    return json_object_equal(before, after) != 0 ? "none" : "taint";
}

void kube_patch(struct kube_call *call, struct kube_object *object)
{
    const char *type = call->request->content_type == NULL ? "" : call->request->content_type;
    bool strategic = strncmp(type, "application/strategic-merge-patch+json", 38) == 0;
    bool of_status = strcmp(call->sub, "status") == 0;

    if (!strategic && strncmp(type, "application/merge-patch+json", 28) != 0) {
        kube_error(call, 415, "UnsupportedMediaType",
                   "the body of the request was in an unknown format - accepted media types "
                   "include: application/merge-patch+json, application/strategic-merge-patch+json");
        return;
    }
    if (strategic && object->kind == KUBE_METAL) {
        kube_error(call, 415, "UnsupportedMediaType",
                   "the body of the request was in an unknown format - accepted media types "
                   "include: application/json-patch+json, application/merge-patch+json");
        return;
    }
    if (call->body == NULL || patch_conflicts(call, object)) {
        if (call->body == NULL) {
            kube_error(call, 400, "BadRequest", "the patch is no JSON object");
        }
        return;
    }
    struct json_object *doc = kube_copy(object->doc);
    merge(doc, call->body, strategic, 0);
    keep_rest(doc, object->doc, of_status, kube_kinds[object->kind].status);
    if (json_object_equal(doc, object->doc) != 0) {
        json_object_put(doc); /* Nothing changes: no new version. */
    } else {
        if (object->kind == KUBE_NODES && !of_status) {
            kube_ledger(call, call->name, node_effect(object->doc, doc));
        }
        kube_change(object, doc);
    }
    kube_reply(call, 200, json_object_get(object->doc));
    if (object->kind == KUBE_PODS || object->kind == KUBE_BUDGETS) {
        kube_budgets_look(call->kube);
    }
}

/* ---- create and delete ------------------------------------------------------------------ */

void kube_create(struct kube_call *call)
{
    const char *name = kube_text_at(call->body, "metadata.name", "");

    if (name[0] == '\0') {
        kube_error(call, 422, "Invalid",
                   "metadata.name: Required value: name or generateName is "
                   "required");
        return;
    }
    if (kube_find(call->kube, call->kind, call->space, name) != NULL) {
        kube_error(call, 409, "AlreadyExists", "%s \"%s\" already exists",
                   kube_kinds[call->kind].plural, name);
        return;
    }
    struct json_object *doc = kube_copy(call->body);
    if (call->kind == KUBE_PODS || call->kind == KUBE_BUDGETS) {
        kube_put(doc, "status", json_object_new_object()); /* Not the creator's to say. */
    }
    if (call->kind == KUBE_PODS) {
        kube_put(doc, "status.phase", json_object_new_string("Pending"));
    }
    struct kube_object *object = kube_add(call->kube, call->kind, call->space, name, doc);
    if (object == NULL) {
        kube_error(call, 500, "InternalError", "more than %d objects", KUBE_OBJECTS_MAX);
        return;
    }
    kube_reply(call, 201, json_object_get(object->doc));
    if (object->kind == KUBE_PODS || object->kind == KUBE_BUDGETS) {
        kube_budgets_look(call->kube);
    }
}

static bool delete_precondition_fails(struct kube_call *call, const struct kube_object *object)
{
    const char *uid = kube_text_at(object->doc, "metadata.uid", "");
    const char *wanted = kube_text_at(call->body, "preconditions.uid", uid);

    if (strcmp(uid, wanted) == 0) {
        return false;
    }
    kube_error(call, 409, "Conflict",
               "Operation cannot be fulfilled on %s \"%s\": Precondition failed: UID in "
               "precondition: %s, UID in object meta: %s",
               kube_kinds[object->kind].plural, call->name, wanted, uid);
    return true;
}

void kube_delete(struct kube_call *call, struct kube_object *object)
{
    char grace_text[16];
    int64_t grace_s = kube_int_at(call->body, "gracePeriodSeconds", -1);

    if (kube_query(call->request, "gracePeriodSeconds", grace_text, sizeof grace_text)) {
        text_to_int(text_of(grace_text), &grace_s);
    }
    if (delete_precondition_fails(call, object)) {
        return;
    }
    kube_reply(call, 200, json_object_get(object->doc));
    if (object->kind == KUBE_PODS) {
        char node[KUBE_NAME_MAX], effect[KUBE_NAME_MAX * 2 + 16];
        snprintf(node, sizeof node, "%s", kube_text_at(object->doc, "spec.nodeName", ""));
        snprintf(effect, sizeof effect, "delete pod %s", object->key);
        kube_ledger(call, node, effect);
        kube_pod_end(object, grace_s);
        kube_budgets_look(call->kube);
        return;
    }
    if (object->kind == KUBE_NODES) {
        kube_ledger(call, call->name, "delete node");
    }
    kube_remove(object);
}
