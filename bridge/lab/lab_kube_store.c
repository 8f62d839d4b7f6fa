/* SPDX-License-Identifier: Apache-2.0 */
/* The lab's Kubernetes: objects by kind and key, their versions, and the history that watches read.
 */

#include "lab_kube.h"

#include "base/assert.h"

#include <json-c/json.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#define PATH_PARTS_MAX 8

/* ---- documents -------------------------------------------------------------------------- */

struct json_object *kube_copy(struct json_object *doc)
{
    struct json_object *copy = NULL;

    json_object_deep_copy(doc, &copy, NULL);
    NSH_ASSERT(copy != NULL); /* A simulator without memory has nothing better to do than to end. */
    return copy;
}

struct json_object *kube_at(struct json_object *doc, const char *path)
{
    char part[64];

    while (doc != NULL && *path != '\0') {
        size_t count = strcspn(path, ".");
        struct json_object *member = NULL;
        snprintf(part, sizeof part, "%.*s", (int)count, path);
        if (!json_object_is_type(doc, json_type_object) ||
            !json_object_object_get_ex(doc, part, &member)) {
            return NULL;
        }
        doc = member;
        path += count;
        path += *path == '.' ? 1 : 0;
    }
    return doc;
}

const char *kube_text_at(struct json_object *doc, const char *path, const char *fallback)
{
    struct json_object *value = kube_at(doc, path);

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : fallback;
}

int64_t kube_int_at(struct json_object *doc, const char *path, int64_t fallback)
{
    struct json_object *value = kube_at(doc, path);

    return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : fallback;
}

void kube_put(struct json_object *doc, const char *path, struct json_object *value)
{
    char part[64];

    for (;;) {
        size_t count = strcspn(path, ".");
        struct json_object *member = NULL;
        snprintf(part, sizeof part, "%.*s", (int)count, path);
        path += count;
        if (*path == '\0') {
            break;
        }
        path++;
        if (!json_object_object_get_ex(doc, part, &member) ||
            !json_object_is_type(member, json_type_object)) {
            member = json_object_new_object();
            json_object_object_add(doc, part, member);
        }
        doc = member;
    }
    if (value == NULL) {
        json_object_object_del(doc, part);
    } else {
        json_object_object_add(doc, part, value);
    }
}

struct json_object *kube_time(int64_t unix_ms, bool micro)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm parts;
    char text[32], all[48];

    gmtime_r(&seconds, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (micro) {
        snprintf(all, sizeof all, "%s.%06dZ", text, (int)(unix_ms % 1000) * 1000);
    } else {
        snprintf(all, sizeof all, "%sZ", text);
    }
    return json_object_new_string(all);
}

static struct json_object *store_uid(void)
{
    uint8_t u[16];
    char text[37];

    RAND_bytes(u, sizeof u);
    snprintf(text, sizeof text,
             "%02x%02x%02x%02x-%02x%02x-4%x%02x-a%x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2],
             u[3], u[4], u[5], u[6] & 15, u[7], u[8] & 15, u[9], u[10], u[11], u[12], u[13], u[14],
             u[15]);
    return json_object_new_string(text);
}

/* ---- the history ------------------------------------------------------------------------ */

static void history_add(struct lab_kube *kube, const struct kube_change *change)
{
    struct kube_change *slot = &kube->history[kube->changes_count % KUBE_HISTORY_MAX];

    if (slot->doc != NULL) {
        kube->compacted = slot->version;
        json_object_put(slot->doc);
    }
    *slot = *change;
    json_object_get(slot->doc);
    kube->changes_count++;
    kube_watches_tell(kube, change);
}

void kube_compact(struct lab_kube *kube)
{
    for (size_t i = 0; i < KUBE_HISTORY_MAX; i++) {
        json_object_put(kube->history[i].doc);
        kube->history[i] = (struct kube_change){0};
    }
    kube->compacted = ++kube->version;
}

/* Stamp a document with the next version and remember the change. */
static void object_changed(struct kube_object *object, const char *type)
{
    struct lab_kube *kube = object->kube;
    char version[24];

    object->version = ++kube->version;
    snprintf(version, sizeof version, "%lld", (long long)object->version);
    kube_put(object->doc, "metadata.resourceVersion", json_object_new_string(version));
    history_add(kube, &(struct kube_change){.version = object->version,
                                            .kind = object->kind,
                                            .type = type,
                                            .doc = object->doc});
}

/* ---- objects ---------------------------------------------------------------------------- */

static void key_of(char room[2 * KUBE_NAME_MAX], const char *space, const char *name)
{
    snprintf(room, 2 * KUBE_NAME_MAX, "%s%s%s", space, *space == '\0' ? "" : "/", name);
}

struct kube_object *kube_find(const struct lab_kube *kube, enum kube_kind_id kind,
                              const char *space, const char *name)
{
    char key[2 * KUBE_NAME_MAX];

    key_of(key, space, name);
    for (struct kube_object *object = kube->objects[kind]; object != NULL; object = object->next) {
        int order = strcmp(object->key, key);
        if (order >= 0) {
            return order == 0 ? object : NULL;
        }
    }
    return NULL;
}

struct kube_object *kube_add(struct lab_kube *kube, enum kube_kind_id kind, const char *space,
                             const char *name, struct json_object *doc)
{
    struct kube_object *object =
        kube->objects_count == KUBE_OBJECTS_MAX ? NULL : calloc(1, sizeof *object);
    char key[2 * KUBE_NAME_MAX];

    if (object == NULL) {
        json_object_put(doc);
        return NULL;
    }
    key_of(key, space, name);
    *object = (struct kube_object){.kube = kube, .kind = kind, .key = strdup(key), .doc = doc};
    NSH_ASSERT(object->key != NULL);
    struct kube_object **at = &kube->objects[kind];
    while (*at != NULL && strcmp((*at)->key, key) < 0) {
        at = &(*at)->next;
    }
    object->next = *at;
    *at = object;
    kube->objects_count++;
    kube_put(doc, "kind", json_object_new_string(kube_kinds[kind].kind));
    kube_put(doc, "metadata.name", json_object_new_string(name));
    if (*space != '\0') {
        kube_put(doc, "metadata.namespace", json_object_new_string(space));
    }
    kube_put(doc, "metadata.uid", store_uid());
    kube_put(doc, "metadata.creationTimestamp", kube_time(lab_clock_unix_ms(), false));
    object_changed(object, "ADDED");
    return object;
}

void kube_change(struct kube_object *object, struct json_object *doc)
{
    json_object_put(object->doc);
    object->doc = doc;
    object_changed(object, "MODIFIED");
}

static void object_free(struct kube_object *object)
{
    lab_clock_clear(object->kube->lab, &object->ending);
    json_object_put(object->doc);
    free(object->key);
    free(object);
}

void kube_remove(struct kube_object *object)
{
    struct lab_kube *kube = object->kube;
    struct kube_object **at = &kube->objects[object->kind];
    struct json_object *last = kube_copy(object->doc);

    while (*at != object) {
        at = &(*at)->next;
    }
    *at = object->next;
    kube->objects_count--;
    json_object_put(object->doc);
    object->doc = last;
    object_changed(object, "DELETED");
    object_free(object);
}

void kube_store_free(struct lab_kube *kube)
{
    for (size_t i = 0; i < KUBE_KINDS_COUNT; i++) {
        while (kube->objects[i] != NULL) {
            struct kube_object *object = kube->objects[i];
            kube->objects[i] = object->next;
            object_free(object);
        }
    }
    for (size_t i = 0; i < KUBE_HISTORY_MAX; i++) {
        json_object_put(kube->history[i].doc);
    }
}
