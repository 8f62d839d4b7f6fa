/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subjects that are no host: failure domains (a rack, a feed, a pool) and parts of a host (a disk,
 * an outlet).
 *
 * Whom an event concerns: its host's domains; without a host the domain that it names as its
 * subject ("rack=r3"); and of a part its host and resource. A part is known from its first event
 * on; it has the host as its owner, whose guards and budgets are those of its runs.
 */

#include "engine_domain.h"

#include <stdlib.h>

#define SIGNAL_SOURCE "signal/" /* How signals begin the source of their events. */

#define PARTS_MAX 400000   /* Of all hosts: 200 bytes each, never forgotten. */
#define HOST_PARTS_MAX 256 /* Of one: a source that makes up resources is not believed. */

/* ---- members -------------------------------------------------------------------------------- */

static void members_add(struct engine *engine, struct host_state *host)
{
    for (uint32_t i = 0; host->host != NULL && i < host->domains_count; i++) {
        struct domain_state *domain = host->domains[i];
        if (domain->members == NULL) {
            domain->members =
                engine_alloc(engine, domain->hosts_count * sizeof(struct host_state *));
        }
        if (domain->members != NULL && domain->members_count < domain->hosts_count) {
            domain->members[domain->members_count++] = host;
        }
    }
}

void domains_members(struct engine *engine)
{
    MAP_EACH (&engine->domains, entry) {
        struct domain_state *domain = entry->value;
        free(domain->members);
        domain->members = NULL;
        domain->members_count = 0;
    }
    MAP_EACH (&engine->hosts, entry) {
        members_add(engine, entry->value);
    }
}

/* ---- parts ---------------------------------------------------------------------------------- */

static struct domain_state *part_new(struct engine *engine, struct host_state *host,
                                     const char *kind, struct text name)
{
    if (host->parts_count >= HOST_PARTS_MAX || engine->parts.count >= PARTS_MAX) {
        engine->parts_refused++;
        return NULL;
    }
    struct text key = {engine->key.at, (uint32_t)engine->key.count};
    struct domain_state *part = engine_alloc(engine, sizeof *part);
    char *copies[] = {engine_copy(engine, key), engine_copy(engine, text_of(kind)),
                      engine_copy(engine, name)};
    if (part != NULL && copies[0] != NULL && copies[1] != NULL && copies[2] != NULL) {
        *part = (struct domain_state){.kind = copies[1],
                                      .name = copies[2],
                                      .key = text_of(copies[0]),
                                      .owner = host,
                                      .part_next = host->parts};
        if (map_set(&engine->parts, part->key, part) == 0) {
            host->parts = part;
            host->parts_count++;
            return part;
        }
        engine->nomem = true;
    }
    free(part);
    free(copies[0]);
    free(copies[1]);
    free(copies[2]);
    return NULL;
}

struct domain_state *part_get(struct engine *engine, struct host_state *host, const char *kind,
                              struct text name)
{
    if (host == NULL || name.count == 0 || name.count > PART_NAME_BYTES_MAX) {
        return NULL;
    }
    textbuf_clear(&engine->key);
    textbuf_addf(&engine->key, "%s=%s/%.*s", kind, host->name, PT(name));
    struct text key = engine_key(engine);
    struct domain_state *part = key.at == NULL ? NULL : map_get(&engine->parts, key);
    return part != NULL || key.at == NULL ? part : part_new(engine, host, kind, name);
}

struct domain_state *part_named(struct engine *engine, const char *subject)
{
    const char *equals = strchr(subject, '=');
    const char *slash = equals == NULL ? NULL : strchr(equals, '/');
    if (slash == NULL) {
        return NULL;
    }
    struct text host = {equals + 1, (uint32_t)(slash - equals - 1)};
    const char *kind = scratch_printf(engine, "%.*s", (int)(equals - subject), subject);
    return part_get(engine, map_get(&engine->hosts, host), kind, text_of(slash + 1));
}

void parts_free(struct engine *engine)
{
    MAP_EACH (&engine->parts, entry) {
        struct domain_state *part = entry->value;
        char *key = NULL;
        memcpy(&key, &part->key.at, sizeof key);
        free(key);
        free(part->kind);
        free(part->name);
        free(part);
    }
    map_done(&engine->parts);
}

/* ---- whom an event concerns ----------------------------------------------------------------- */

static bool is_host(const struct policy *policy)
{
    return strcmp(policy->subject, "host") == 0;
}

/* Events and samples name a part by their resource, or by "disk=r1h05/3" as their subject. */
static struct domain_state *part_of(struct engine *engine, const char *kind,
                                    const struct event *event, struct host_state *host)
{
    if (event->host.count == 0 && host == NULL) {
        struct text subject = event->subject;
        size_t bytes = strlen(kind);
        bool named = subject.count > bytes && memcmp(subject.at, kind, bytes) == 0 &&
                     subject.at[bytes] == '=';
        return named ? part_named(engine, scratch_printf(engine, "%.*s", PT(subject))) : NULL;
    }
    return part_get(engine, host, kind, event->resource);
}

struct domain_state *event_domain(const struct engine *engine, const struct event *event)
{
    struct domain_state *domain =
        event->host.count > 0 ? NULL : map_get(&engine->domains, event->subject);
    return domain != NULL && domain->hosts_count > 0 ? domain : NULL;
}

struct domain_state *event_subject(struct engine *engine, const struct policy *policy,
                                   const struct event *event, struct host_state *host)
{
    if (is_host(policy)) {
        return NULL;
    }
    if (policy_subject_is_part(policy->subject)) {
        return part_of(engine, policy->subject, event, host);
    }
    struct domain_state *domain = event_domain(engine, event);
    return domain == NULL                               ? host_domain_of(host, policy->subject)
           : strcmp(domain->kind, policy->subject) == 0 ? domain
                                                        : NULL;
}

void event_subjects(struct engine *engine, const struct policy *policy, const struct event *event,
                    struct host_state *host, match_subject_fn fn, void *arg)
{
    bool part = policy_subject_is_part(policy->subject);
    struct domain_state *named =
        host == NULL || part ? event_subject(engine, policy, event, host) : NULL;
    if (named != NULL && part && named->owner->host == NULL) {
        return; /* Targets come from the inventory. */
    }
    if (named != NULL) {
        fn(engine, policy, named->owner, named, arg);
    } else if (!part) {
        match_subjects(engine, policy, host, fn, arg);
    }
}

/* ---- active() ------------------------------------------------------------------------------- */

static bool raising_matches(const struct instance *instance, struct text pattern)
{
    for (; instance != NULL; instance = instance->raising_next) {
        if (text_glob(pattern, text_of(instance->policy->raises))) {
            return true;
        }
    }
    return false;
}

static bool alarms_match(const struct alarm *alarm, struct text pattern)
{
    for (; alarm != NULL; alarm = alarm->host_next) {
        if (text_glob(pattern, alarm->type)) {
            return true;
        }
    }
    return false;
}

static bool domain_matches(const struct domain_state *domain, struct text pattern)
{
    return raising_matches(domain->raising, pattern) || alarms_match(domain->alarms, pattern);
}

static bool host_itself(const struct host_state *host, struct text pattern)
{
    return alarms_match(host->alarms, pattern) || raising_matches(host->raising, pattern);
}

static bool host_domains(const struct host_state *host, struct text pattern)
{
    for (uint32_t i = 0; i < host->domains_count; i++) {
        if (domain_matches(host->domains[i], pattern)) {
            return true;
        }
    }
    return false;
}

static bool is_in(const struct host_state *host, const struct domain_state *domain)
{
    for (uint32_t i = 0; i < host->domains_count; i++) {
        if (host->domains[i] == domain) {
            return true;
        }
    }
    return false;
}

/* A domain is in another one when all of its hosts are: a rack in its site, on its feeds. */
static bool is_inside(const struct domain_state *inner, const struct domain_state *outer)
{
    for (uint32_t i = 0; i < inner->members_count; i++) {
        if (!is_in(inner->members[i], outer)) {
            return false;
        }
    }
    return true;
}

static bool domain_active(const struct domain_state *domain, struct text pattern)
{
    if (domain_matches(domain, pattern)) {
        return true;
    }
    for (uint32_t i = 0; i < domain->members_count; i++) {
        if (host_itself(domain->members[i], pattern)) {
            return true;
        }
    }
    const struct host_state *first = domain->members_count == 0 ? NULL : domain->members[0];
    for (uint32_t i = 0; first != NULL && i < first->domains_count; i++) {
        if (first->domains[i] != domain && domain_matches(first->domains[i], pattern) &&
            is_inside(domain, first->domains[i])) {
            return true;
        }
    }
    return false;
}

/* What a part's own policy listens to counts for this part alone: another disk is another one. */
static bool part_active(const struct domain_state *part, const struct policy *policy,
                        struct text pattern)
{
    const struct host_state *host = part->owner;
    for (const struct alarm *alarm = host->alarms; alarm != NULL; alarm = alarm->host_next) {
        bool own = text_equal(alarm->resource, text_of(part->name));
        bool listened = policy != NULL && policy_listens(policy, alarm->type);
        if (text_glob(pattern, alarm->type) && (own || !listened)) {
            return true;
        }
    }
    return raising_matches(part->raising, pattern) || raising_matches(host->raising, pattern) ||
           host_domains(host, pattern);
}

bool eval_active(const struct policy *policy, const struct host_state *host,
                 const struct domain_state *domain, struct text pattern)
{
    if (domain != NULL) {
        return domain->owner != NULL ? part_active(domain, policy, pattern)
                                     : domain_active(domain, pattern);
    }
    return host != NULL && (host_itself(host, pattern) || host_domains(host, pattern));
}

/* What signals make of samples has their name as its qualifier. */
static bool is_signal(const struct alarm *alarm, struct text name)
{
    return strncmp(alarm->source, SIGNAL_SOURCE, sizeof SIGNAL_SOURCE - 1) == 0 &&
           text_glob(name, alarm->qualifier);
}

static bool host_signal(const struct host_state *host, struct text name, const char *part)
{
    for (const struct alarm *alarm = host->alarms; alarm != NULL; alarm = alarm->host_next) {
        if (is_signal(alarm, name) &&
            (part == NULL || text_equal(alarm->resource, text_of(part)))) {
            return true;
        }
    }
    return false;
}

bool eval_signal(const struct host_state *host, const struct domain_state *domain, struct text name)
{
    if (domain == NULL) {
        return host != NULL && host_signal(host, name, NULL);
    }
    if (domain->owner != NULL) {
        return host_signal(domain->owner, name, domain->name);
    }
    for (const struct alarm *alarm = domain->alarms; alarm != NULL; alarm = alarm->host_next) {
        if (is_signal(alarm, name)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < domain->members_count; i++) {
        if (host_signal(domain->members[i], name, NULL)) {
            return true;
        }
    }
    return false;
}

bool policy_listens(const struct policy *policy, struct text type)
{
    for (size_t i = 0; i < policy->when.events_count; i++) {
        if (text_glob(text_of(policy->when.events[i]), type)) {
            return true;
        }
    }
    return false;
}

/* ---- as conditions see them ----------------------------------------------------------------- */

#define HOSTS_VALUE_MAX 4096 /* Of one domain, as a list. */

bool eval_hosts(struct scope *scope, struct nsh_value *ret_value)
{
    struct engine *engine = scope->engine;
    const struct domain_state *domain = scope->domain;
    const struct host_state *one = domain == NULL ? scope->host : domain->owner;
    size_t room = domain != NULL && one == NULL ? domain->members_count : 1, count = 0;
    struct nsh_value *items =
        room > HOSTS_VALUE_MAX ? NULL : arena_array(&engine->scratch, room + 1, sizeof *items);
    if (items == NULL) {
        return false;
    }
    if (one != NULL && one->host != NULL) {
        items[count++] = one->host->record;
    }
    for (uint32_t i = 0; one == NULL && domain != NULL && i < domain->members_count; i++) {
        items[count++] = domain->members[i]->host->record;
    }
    *ret_value = nsh_list(items, (uint32_t)count);
    return true;
}

bool eval_self(struct scope *scope, struct nsh_value *ret_value)
{
    const struct domain_state *domain = scope->domain;
    struct nsh_member *members = arena_array(&scope->engine->scratch, 4, sizeof *members);
    uint32_t count = 0;
    if (domain == NULL || members == NULL) {
        return false;
    }
    members[count++] = (struct nsh_member){"name", nsh_text(domain->name)};
    members[count++] = (struct nsh_member){"kind", nsh_text(domain->kind)};
    members[count].name = "hosts";
    if (!eval_hosts(scope, &members[count++].value)) {
        return false;
    }
    if (domain->owner != NULL && domain->owner->host != NULL) {
        members[count++] = (struct nsh_member){"host", domain->owner->host->record};
    }
    *ret_value = nsh_map(members, count);
    return true;
}

/* ---- alarms of a domain --------------------------------------------------------------------- */

struct alarm **alarm_list(struct alarm *alarm)
{
    return alarm->host != NULL     ? &alarm->host->alarms
           : alarm->domain != NULL ? &alarm->domain->alarms
                                   : NULL;
}
