/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest records of the event log: of the system, else of its manager. Which end of the log is
 * new differs: records are sorted by their time. Bounds: PAGES_MAX pages, LOG_ENTRIES_MAX records
 * kept.
 */

#include "redfish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_ENTRIES_MAX 200
#define PAGES_MAX 32

struct redfish_log {
    size_t wanted, count;
    size_t links_count, link_index;
    unsigned pages;
    char *links[LOG_ENTRIES_MAX]; /* Of records that the collection only names. */
    struct redfish_entry entries[LOG_ENTRIES_MAX];
};

void log_free(struct redfish_log *log)
{
    for (size_t i = 0; log != NULL && i < log->links_count; i++) {
        free(log->links[i]);
    }
    free(log);
}

/* ---- keeping the newest ----------------------------------------------------------------- */

static bool newer(const struct redfish_entry *a, const struct redfish_entry *b)
{
    if (a->time_s != b->time_s) {
        return a->time_s > b->time_s;
    }
    return strtoll(a->id, NULL, 10) > strtoll(b->id, NULL, 10);
}

static void log_keep(struct redfish_log *log, const struct redfish_entry *entry)
{
    size_t at = log->count;
    while (at > 0 && newer(entry, &log->entries[at - 1])) {
        at--;
    }
    if (at == log->wanted) {
        return;
    }
    size_t moved = log->count - at;
    moved -= log->count == log->wanted ? 1 : 0;
    memmove(&log->entries[at + 1], &log->entries[at], moved * sizeof *entry);
    log->entries[at] = *entry;
    log->count += log->count < log->wanted ? 1 : 0;
}

static void link_keep(struct redfish_log *log, const char *path, bool descending)
{
    char *copy = NULL;
    if (path == NULL || (log->links_count == log->wanted && descending) ||
        (copy = strdup(path)) == NULL) {
        return;
    }
    if (log->links_count == log->wanted) {
        free(log->links[0]);
        memmove(log->links, log->links + 1, (log->links_count - 1) * sizeof log->links[0]);
        log->links_count--;
    }
    log->links[log->links_count++] = copy;
}

static long long number_of(const char *path)
{
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    return slash == NULL ? 0 : strtoll(slash + 1, NULL, 10);
}

static void log_page(struct redfish_log *log, const struct redfish_collection *page)
{
    struct redfish_entry entry;
    bool descending =
        page->count > 1 && number_of(redfish_collection_path(page, 0)) >
                               number_of(redfish_collection_path(page, page->count - 1));
    for (size_t i = 0; i < page->count; i++) {
        if (redfish_entry_read(redfish_collection_at(page, i), &entry)) {
            log_keep(log, &entry);
        } else {
            link_keep(log, redfish_collection_path(page, i), descending);
        }
    }
}

/* ---- telling ---------------------------------------------------------------------------- */

struct log_row {
    struct nsh_member members[6];
};

static void log_done(struct redfish_call *call)
{
    const struct redfish_log *log = call->log;
    struct log_row *rows = calloc(log->count + 1, sizeof *rows);
    struct nsh_value *items = calloc(log->count + 1, sizeof *items);

    if (rows == NULL || items == NULL) {
        free(rows);
        free(items);
        walk_fail(call, NSH_NOMEM, "out of memory");
        return;
    }
    for (size_t i = 0; i < log->count; i++) {
        const struct redfish_entry *entry = &log->entries[i];
        rows[i].members[0] = (struct nsh_member){"id", nsh_text(entry->id)};
        rows[i].members[1] = (struct nsh_member){"time", nsh_int(entry->time_s)};
        rows[i].members[2] = (struct nsh_member){"severity", nsh_text(entry->severity)};
        rows[i].members[3] = (struct nsh_member){"sensor", nsh_text(entry->sensor)};
        rows[i].members[4] = (struct nsh_member){"event", nsh_text(entry->message_id)};
        rows[i].members[5] = (struct nsh_member){"text", nsh_text(entry->message)};
        items[i] = nsh_map(rows[i].members, 6);
    }
    const struct nsh_member members[] = {{"entries", nsh_list(items, log->count)}};
    struct nsh_value result = nsh_map(members, 1);
    walk_done(call, &result);
    free(rows);
    free(items);
}

/* ---- walking ---------------------------------------------------------------------------- */

void log_begin(struct redfish_call *call, const struct redfish_system *system)
{
    int64_t count = nsh_get_int(call->op->args, "count", 20);
    call->log = calloc(1, sizeof *call->log);
    if (call->log == NULL) {
        walk_fail(call, NSH_NOMEM, "out of memory");
        return;
    }
    call->log->wanted = count < 1 ? 1 : count > LOG_ENTRIES_MAX ? LOG_ENTRIES_MAX : (size_t)count;
    if (system->log_services != NULL) {
        walk_get(call, WALK_LOGS, system->log_services);
    } else if (system->manager != NULL) {
        walk_get(call, WALK_MANAGER, system->manager);
    } else {
        walk_fail(call, NSH_UNSUPPORTED, "the system has no logs and names no manager");
    }
}

void log_manager_answered(struct redfish_call *call, const struct redfish_result *result)
{
    struct redfish_system manager;
    struct json_object *doc = walk_document(call, result);

    if (doc == NULL) {
        return;
    }
    redfish_system_read(doc, &manager);
    if (manager.log_services == NULL) {
        walk_fail(call, NSH_UNSUPPORTED, "neither the system nor its manager has logs");
    } else {
        walk_get(call, WALK_LOGS, manager.log_services);
    }
    redfish_free(doc);
}

void log_services_answered(struct redfish_call *call, const struct redfish_result *result)
{
    struct redfish_collection services;
    struct nsh_error err = {0};
    struct json_object *doc = walk_document(call, result);

    if (doc == NULL) {
        return;
    }
    const char *path = NULL;
    if (redfish_collection_read(doc, &services, &err) == 0) {
        path = redfish_log_choose(&services);
    }
    if (path == NULL) {
        walk_fail(call, NSH_UNSUPPORTED, "there is no log service");
    } else {
        walk_get(call, WALK_LOG, path);
    }
    redfish_free(doc);
}

void log_service_answered(struct redfish_call *call, const struct redfish_result *result)
{
    struct json_object *doc = walk_document(call, result);

    if (doc == NULL) {
        return;
    }
    const char *path = redfish_log_entries(doc);
    if (path == NULL) {
        walk_fail(call, NSH_UNSUPPORTED, "the log service names no entries");
    } else {
        walk_get(call, WALK_ENTRIES, path);
    }
    redfish_free(doc);
}

void log_entries_answered(struct redfish_call *call, const struct redfish_result *result)
{
    struct redfish_log *log = call->log;
    struct redfish_collection page;
    struct nsh_error err = {0};
    struct json_object *doc = walk_document(call, result);

    if (doc == NULL) {
        return;
    }
    if (redfish_collection_read(doc, &page, &err) < 0) {
        walk_fail(call, err.code, "log entries: %s", err.text);
    } else {
        log_page(log, &page);
        if (page.next != NULL && ++log->pages < PAGES_MAX) {
            walk_get(call, WALK_ENTRIES, page.next);
        } else if (log->links_count > 0) {
            walk_move(call, WALK_ENTRY);
        } else {
            log_done(call);
        }
    }
    redfish_free(doc);
}

void log_entry(struct redfish_call *call)
{
    walk_request(call, "GET", call->log->links[call->log->link_index]);
}

void log_entry_answered(struct redfish_call *call, const struct redfish_result *result)
{
    struct redfish_entry entry;
    struct json_object *doc = NULL;

    /* A record may be gone meanwhile: the log wraps. */
    if (result->code != NSH_OK && result->code != NSH_NOT_FOUND) {
        walk_fail_result(call, result);
        return;
    }
    if (result->code == NSH_OK &&
        redfish_parse(result->reply->body, result->reply->body_bytes, &doc, NULL) == 0) {
        if (redfish_entry_read(doc, &entry)) {
            log_keep(call->log, &entry);
        }
        redfish_free(doc);
    }
    if (++call->log->link_index < call->log->links_count) {
        walk_move(call, WALK_ENTRY);
    } else {
        log_done(call);
    }
}
