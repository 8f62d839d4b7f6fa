/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab's Kubernetes: lists by pages, field and label selectors, watches with bookmarks. A page's
 * `continue` is the version of the list and the last key; it expires with the history.
 */

#include "lab_kube.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#define LIMIT_MAX 10000
#define WATCH_S_DEFAULT 300
#define WATCH_S_MAX 3600

/* ---- selectors -------------------------------------------------------------------------- */

/* One of "path=value", "path!=value", "path". */
static bool term_matches(struct json_object *root, const char *term, size_t count, bool dotted)
{
    char path[128], wanted[KUBE_NAME_MAX];
    size_t name = strcspn(term, "!=");
    bool absent = name < count && term[name] == '!';

    name = name > count ? count : name;
    snprintf(path, sizeof path, "%.*s", (int)name, term);
    const char *value = term + name + strspn(term + name, "!=");
    snprintf(wanted, sizeof wanted, "%.*s", (int)(term + count - value), value);
    struct json_object *member = NULL;
    if (dotted) {
        member = kube_at(root, path);
    } else if (root != NULL) {
        json_object_object_get_ex(root, path, &member);
    }
    if (name == count) {
        return member != NULL;
    }
    const char *got = member == NULL ? "" : json_object_get_string(member);
    return (strcmp(got, wanted) == 0) != absent;
}

static bool terms_match(struct json_object *root, const char *terms, bool dotted)
{
    while (*terms != '\0') {
        size_t count = strcspn(terms, ",");
        if (count > 0 && !term_matches(root, terms, count, dotted)) {
            return false;
        }
        terms += count;
        terms += *terms == ',' ? 1 : 0;
    }
    return true;
}

bool kube_matches(const struct kube_filter *filter, struct json_object *doc)
{
    if (filter->space[0] != '\0' &&
        strcmp(kube_text_at(doc, "metadata.namespace", ""), filter->space) != 0) {
        return false;
    }
    return terms_match(doc, filter->fields, true) &&
           terms_match(kube_at(doc, "metadata.labels"), filter->labels, false);
}

/* A selector's matchLabels; one without any selects everything of its namespace. */
bool kube_labels_match(struct json_object *selector, struct json_object *doc)
{
    struct json_object *wanted = kube_at(selector, "matchLabels");
    struct json_object *labels = kube_at(doc, "metadata.labels");

    if (wanted == NULL) {
        return true;
    }
    json_object_object_foreach(wanted, name, value)
    {
        struct json_object *got = NULL;
        if (labels == NULL || !json_object_object_get_ex(labels, name, &got) ||
            strcmp(json_object_get_string(got), json_object_get_string(value)) != 0) {
            return false;
        }
    }
    return true;
}

static struct kube_filter filter_of(const struct kube_call *call)
{
    struct kube_filter filter = {.kind = call->kind};

    snprintf(filter.space, sizeof filter.space, "%s", call->space);
    kube_query(call->request, "fieldSelector", filter.fields, sizeof filter.fields);
    kube_query(call->request, "labelSelector", filter.labels, sizeof filter.labels);
    return filter;
}

static int64_t query_int(const struct kube_call *call, const char *name, int64_t fallback)
{
    char text[32];
    int64_t value = 0;

    return kube_query(call->request, name, text, sizeof text) && text_to_int(text_of(text), &value)
               ? value
               : fallback;
}

/* ---- lists ------------------------------------------------------------------------------ */

/* "VERSION:KEY"; false: it is none, or too old. */
static bool continue_read(const struct kube_call *call, int64_t *ret_version, char *key,
                          size_t key_bytes)
{
    char text[2 * KUBE_NAME_MAX + 32];

    key[0] = '\0';
    if (!kube_query(call->request, "continue", text, sizeof text) || text[0] == '\0') {
        return true;
    }
    char *colon = strchr(text, ':');
    if (colon == NULL) {
        return false;
    }
    *colon = '\0';
    snprintf(key, key_bytes, "%s", colon + 1);
    return text_to_int(text_of(text), ret_version) && *ret_version > call->kube->compacted;
}

static void list_meta(const struct kube_call *call, struct json_object *list, int64_t version,
                      const struct kube_object *last, int64_t left)
{
    char text[2 * KUBE_NAME_MAX + 32];

    snprintf(text, sizeof text, "%s%s%s", kube_kinds[call->kind].group,
             kube_kinds[call->kind].group[0] == '\0' ? "" : "/", kube_kinds[call->kind].version);
    kube_put(list, "apiVersion", json_object_new_string(text));
    snprintf(text, sizeof text, "%sList", kube_kinds[call->kind].kind);
    kube_put(list, "kind", json_object_new_string(text));
    snprintf(text, sizeof text, "%lld", (long long)version);
    kube_put(list, "metadata.resourceVersion", json_object_new_string(text));
    if (last != NULL && left > 0) {
        snprintf(text, sizeof text, "%lld:%s", (long long)version, last->key);
        kube_put(list, "metadata.continue", json_object_new_string(text));
    }
}

void kube_list(struct kube_call *call)
{
    struct lab_kube *kube = call->kube;
    struct kube_filter filter = filter_of(call);
    int64_t limit = query_int(call, "limit", 0), version = kube->version, count = 0, left = 0;
    const struct kube_object *last = NULL;
    char after[2 * KUBE_NAME_MAX];

    if (!continue_read(call, &version, after, sizeof after)) {
        kube_error(call, 410, "Expired",
                   "The provided continue parameter is too old to display a consistent list "
                   "result. You can start a new list without the continue parameter.");
        return;
    }
    limit = limit <= 0 || limit > LIMIT_MAX ? INT64_MAX : limit;
    struct json_object *list = json_object_new_object(), *items = json_object_new_array();
    for (struct kube_object *at = kube->objects[call->kind]; at != NULL; at = at->next) {
        if (strcmp(at->key, after) <= 0 || !kube_matches(&filter, at->doc)) {
            continue;
        }
        if (count == limit) {
            left++;
            continue;
        }
        json_object_array_add(items, json_object_get(at->doc));
        last = at;
        count++;
    }
    list_meta(call, list, version, last, left);
    kube_put(list, "items", items);
    kube_reply(call, 200, list);
}

/* ---- watches ---------------------------------------------------------------------------- */

static void watch_gone(struct lab_stream *stream)
{
    struct kube_watch *watch = (struct kube_watch *)(void *)stream;
    struct kube_watch **at = &watch->kube->watches;

    while (*at != watch) {
        at = &(*at)->next;
    }
    *at = watch->next;
    lab_clock_clear(watch->kube->lab, &watch->bookmark);
    lab_clock_clear(watch->kube->lab, &watch->end);
    free(watch);
}

static void event_write(const char *type, struct json_object *doc, struct textbuf *out)
{
    textbuf_addf(out, "{\"type\":\"%s\",\"object\":", type);
    textbuf_add_chars(out, json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE));
    textbuf_add_chars(out, "}\n");
}

static void watch_send(struct kube_watch *watch, const char *type, struct json_object *doc)
{
    struct textbuf line = {0};

    event_write(type, doc, &line);
    lab_stream_write(&watch->stream, line.at, line.count);
    textbuf_done(&line);
}

static void watch_bookmark(void *arg)
{
    struct kube_watch *watch = arg;
    struct lab_kube *kube = watch->kube;
    char line[256];

    int count =
        snprintf(line, sizeof line,
                 "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s%s%s\","
                 "\"metadata\":{\"resourceVersion\":\"%lld\",\"creationTimestamp\":null}}}\n",
                 kube_kinds[watch->filter.kind].kind, kube_kinds[watch->filter.kind].group,
                 kube_kinds[watch->filter.kind].group[0] == '\0' ? "" : "/",
                 kube_kinds[watch->filter.kind].version, (long long)kube->version);
    lab_clock_set(kube->lab, &watch->bookmark, kube->lab->options.kube_bookmark_ms, watch_bookmark,
                  watch);
    lab_stream_write(&watch->stream, line, (size_t)count);
}

static void watch_over(void *arg)
{
    struct kube_watch *watch = arg;

    lab_stream_end(&watch->stream);
}

void kube_watches_tell(struct lab_kube *kube, const struct kube_change *change)
{
    for (struct kube_watch *watch = kube->watches, *next; watch != NULL; watch = next) {
        next = watch->next;
        if (watch->filter.kind == change->kind && kube_matches(&watch->filter, change->doc)) {
            watch_send(watch, change->type, change->doc);
        }
    }
}

void kube_watches_break(struct lab_kube *kube)
{
    while (kube->watches != NULL) {
        lab_stream_break(&kube->watches->stream);
    }
}

/* What happened since version: from the history, or all there is as if it were new. */
static void watch_catch_up(const struct kube_watch *watch, int64_t since, struct textbuf *out)
{
    const struct lab_kube *kube = watch->kube;

    if (since == 0) {
        for (struct kube_object *at = kube->objects[watch->filter.kind]; at != NULL;
             at = at->next) {
            if (kube_matches(&watch->filter, at->doc)) {
                event_write("ADDED", at->doc, out);
            }
        }
        return;
    }
    uint64_t count =
        kube->changes_count < KUBE_HISTORY_MAX ? kube->changes_count : KUBE_HISTORY_MAX;
    for (uint64_t i = kube->changes_count - count; i < kube->changes_count; i++) {
        const struct kube_change *change = &kube->history[i % KUBE_HISTORY_MAX];
        if (change->version > since && change->kind == watch->filter.kind &&
            kube_matches(&watch->filter, change->doc)) {
            event_write(change->type, change->doc, out);
        }
    }
}

static void watch_too_old(struct kube_call *call, int64_t since)
{
    textbuf_addf(&call->reply->body,
                 "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\","
                 "\"metadata\":{},\"status\":\"Failure\",\"message\":\"too old resource version: "
                 "%lld (%lld)\",\"reason\":\"Expired\",\"code\":410}}\n",
                 (long long)since, (long long)call->kube->compacted + 1);
    call->reply->status = 200;
}

void kube_watch(struct kube_call *call)
{
    struct lab_kube *kube = call->kube;
    struct lab *lab = kube->lab;
    int64_t since = query_int(call, "resourceVersion", 0);
    int64_t seconds = query_int(call, "timeoutSeconds", WATCH_S_DEFAULT);
    char bookmarks[8] = "";

    if (since > 0 && since < kube->compacted) {
        watch_too_old(call, since);
        return;
    }
    struct kube_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        kube_error(call, 500, "InternalError", "out of memory");
        return;
    }
    kube_query(call->request, "allowWatchBookmarks", bookmarks, sizeof bookmarks);
    watch->stream.gone = watch_gone;
    watch->kube = kube;
    watch->filter = filter_of(call);
    watch->bookmarks = strcmp(bookmarks, "true") == 0 || strcmp(bookmarks, "1") == 0;
    watch_catch_up(watch, since, &call->reply->body);
    watch->next = kube->watches;
    kube->watches = watch;
    seconds = seconds < 1 || seconds > WATCH_S_MAX ? WATCH_S_DEFAULT : seconds;
    lab_clock_set(lab, &watch->end, seconds * 1000, watch_over, watch);
    if (watch->bookmarks) {
        lab_clock_set(lab, &watch->bookmark, lab->options.kube_bookmark_ms, watch_bookmark, watch);
    }
    call->reply->status = 200;
    call->reply->stream = &watch->stream;
}
