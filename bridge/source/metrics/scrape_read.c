/* SPDX-License-Identifier: Apache-2.0 */
/* The list `scrape` of the configuration. */

#include "scrape.h"

#include <stdlib.h>

#define S_MS INT64_C(1000)

struct reader {
    struct arena *arena;
    struct diags *diags;
    size_t targets_count;
};

static void complain(struct reader *reader, struct nsh_place at, const char *remedy,
                     const char *text)
{
    diag_add(reader->diags, DIAG_ERROR, at, remedy, "%s", text);
}

/* "10.0.0.1:9100" or "https://h1/metrics" */
static bool target_read(struct reader *reader, const char *text, const char *path,
                        struct scrape_target *ret_target)
{
    bool whole = strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
    const char *authority = whole ? strchr(text, ':') + 3 : text;
    size_t count = strcspn(authority, "/?#");
    bool good = count > 0 && strcspn(authority, " @") >= count && (whole || authority[count] == 0);
    if (!good) {
        return false;
    }
    ret_target->instance = arena_copy(reader->arena, authority, count);
    ret_target->url =
        whole && authority[count] != 0
            ? text
            : arena_printf(reader->arena, "%s%s%s", whole ? "" : "http://", text, path);
    return ret_target->instance != NULL && ret_target->url != NULL;
}

static void read_targets(struct reader *reader, struct conf *item, struct scrape_job *job)
{
    struct conf *list = conf_get(item, "targets");
    const char *path = conf_text(conf_get(item, "path"), "/metrics", reader->diags);
    bool good = list != NULL && (list->type == CONF_ARRAY || list->type == CONF_LIST) &&
                list->children_count > 0;
    if (!good) {
        complain(reader, list == NULL ? item->value_at : list->value_at,
                 "targets = [\"10.0.0.1:9100\"];", "a job needs 'targets': an array of strings");
        return;
    }
    reader->targets_count += list->children_count;
    struct scrape_target *targets =
        arena_array(reader->arena, list->children_count, sizeof *targets);
    if (targets == NULL || reader->targets_count > SCRAPE_TARGETS_MAX) {
        complain(reader, list->value_at, NULL, "more than 20000 targets");
        return;
    }
    for (struct conf *child = list->first; child != NULL; child = child->next) {
        const char *text = conf_text(child, NULL, reader->diags);
        if (text != NULL && !target_read(reader, text, path, &targets[job->targets_count++])) {
            complain(reader, child->value_at, "\"10.0.0.1:9100\" or \"https://h1:9100/metrics\"",
                     "a target is HOST:PORT or an URL of http or https, without user");
        }
    }
    job->targets = targets;
    if (path[0] != '/') {
        complain(reader, conf_get(item, "path")->value_at, NULL, "'path' must begin with /");
    }
}

static void read_labels(struct reader *reader, struct conf *group, struct scrape_job *job)
{
    if (group == NULL) {
        return;
    }
    if (group->type != CONF_GROUP || group->children_count > SCRAPE_LABELS_MAX) {
        complain(reader, group->value_at, "labels = { site = \"ams1\"; };",
                 "'labels' must be a group of at most 12 texts");
        return;
    }
    struct sample_label *labels =
        arena_array(reader->arena, group->children_count + 1, sizeof *labels);
    for (struct conf *child = group->first; labels != NULL && child != NULL; child = child->next) {
        conf_get(group, child->name);
        if (strcmp(child->name, "job") == 0 || strcmp(child->name, "instance") == 0) {
            complain(reader, child->at, NULL,
                     "job and instance are made of the job and its target");
        }
        labels[job->labels_count++] = (struct sample_label){
            text_of(child->name), text_of(conf_text(child, "", reader->diags))};
    }
    job->labels = labels;
}

static void read_job(struct reader *reader, struct conf *item, struct scrape_job *job)
{
    static const char *const known[] = {"name",    "targets", "path",    "labels",   "interval",
                                        "timeout", "bearer",  "ca_file", "insecure", NULL};
    struct diags *diags = reader->diags;
    job->name = conf_text(conf_get(item, "name"), "", diags);
    if (job->name[0] == '\0') {
        complain(reader, item->value_at, NULL, "'name' is missing here");
    }
    read_targets(reader, item, job);
    read_labels(reader, conf_get(item, "labels"), job);
    job->interval_ms =
        conf_duration_ms(conf_get(item, "interval"), 15 * S_MS, S_MS, 86400 * S_MS, diags);
    int64_t timeout_ms = job->interval_ms < 10 * S_MS ? job->interval_ms : 10 * S_MS;
    struct conf *timeout = conf_get(item, "timeout");
    job->timeout_ms = conf_duration_ms(timeout, timeout_ms, 100, 600 * S_MS, diags);
    if (job->timeout_ms > job->interval_ms) {
        complain(reader, timeout->value_at, NULL, "'timeout' must not be longer than 'interval'");
    }
    job->bearer = conf_text(conf_get(item, "bearer"), NULL, diags);
    job->ca_file = conf_text(conf_get(item, "ca_file"), NULL, diags);
    job->insecure = conf_bool(conf_get(item, "insecure"), false, diags);
    conf_unknown(item, known, diags);
}

struct scrape_jobs scrape_read(struct conf *setting, struct arena *arena, struct diags *diags)
{
    struct scrape_jobs none = {0};
    struct reader reader = {.arena = arena, .diags = diags};
    if (setting == NULL) {
        return none;
    }
    bool good = setting->type == CONF_LIST && setting->children_count <= SCRAPE_JOBS_MAX;
    for (struct conf *item = setting->first; good && item != NULL; item = item->next) {
        good = item->type == CONF_GROUP;
    }
    struct scrape_job *jobs = arena_array(arena, setting->children_count + 1, sizeof *jobs);
    if (!good || jobs == NULL) {
        diag_add(diags, DIAG_ERROR, setting->value_at,
                 "( { name = \"node\"; targets = [\"10.0.0.1:9100\"]; } )",
                 "'scrape' must be a list ( ) of at most %d groups { }", SCRAPE_JOBS_MAX);
        return none;
    }
    size_t count = 0;
    for (struct conf *item = setting->first; item != NULL; item = item->next) {
        read_job(&reader, item, &jobs[count++]);
    }
    return (struct scrape_jobs){jobs, count};
}
