/* SPDX-License-Identifier: Apache-2.0 */
/* The index of one type's policies by severity and by what their conditions compare for equality.
 */

#include "engine_index.h"

#include "engine_domain.h"

#include "cel/cel_parts.h"

#include <stdlib.h>

#define INDEX_POLICIES_MIN 4 /* Fewer are evaluated sooner than looked up. */
#define INDEX_GROUPS_MAX 16  /* Different paths of one type; others are always tried. */
#define INDEX_PARTS_MAX 16   /* Of one condition. */
#define INDEX_BYTES_MAX (256u << 20)

/* A policy that may be wanted, all in one place: an event looks at nothing else of those it does
 * not match. */
struct wanted {
    uint32_t position; /* In type->policies. */
    uint8_t severity_min;
    uint64_t severity; /* Operands of its condition that severity_min speaks for. */
    uint64_t constant; /* The one that its constant does; INDEX_TRUE: the whole is true then. */
};

struct positions {
    struct wanted *items;
    uint32_t count, room;
};

/* What a constant leads to. */
struct constant {
    struct positions wanted;
    struct wanted first[1]; /* Mostly all there is. */
    struct cel_value value;
};

/* Policies whose conditions compare one path with constants of one kind. */
struct group {
    const char *path[CEL_PATH_MAX];
    uint32_t path_count;
    const char *subject;  /* Of the policies, where the path is subject.name; else NULL. */
    uint8_t kind;         /* Of the constants: CEL_STRING, CEL_INT, CEL_BOOL. */
    struct map values;    /* Key -> struct constant. */
    struct positions all; /* When the event does not tell. */
};

struct index {
    struct arena arena;
    struct group groups[INDEX_GROUPS_MAX];
    uint32_t groups_count;
    struct positions always[SEVERITIES_COUNT]; /* By the event's severity. */
    bool failed;
};

/* --- make ---------------------------------------------------------------------------------- */

static void position_add(struct index *index, struct positions *all, struct wanted wanted)
{
    if (all->count > 0 && all->items[all->count - 1].position == wanted.position) {
        return; /* x in ["a", "a"] */
    }
    if (all->count == all->room) {
        uint32_t room = all->room == 0 ? 2 : all->room * 2;
        struct wanted *grown = arena_array(&index->arena, room, sizeof *grown);
        if (grown == NULL) {
            index->failed = true;
            return;
        }
        if (all->count > 0) {
            memcpy(grown, all->items, all->count * sizeof *grown);
        }
        all->items = grown;
        all->room = room;
    }
    all->items[all->count++] = wanted;
}

/* The bytes a constant is found by among those of its kind; they live as long as value. */
static struct text key_of(const struct cel_value *value)
{
    return value->kind == CEL_STRING ? (struct text){value->text, value->count}
           : value->kind == CEL_INT
               ? (struct text){(const char *)&value->integer, sizeof value->integer}
               : (struct text){(const char *)&value->boolean, sizeof value->boolean};
}

/* Paths whose value index_find() knows to read. */
static bool path_is_known(const struct cel_part *part)
{
    static const char *const fields[] = {"id",        "source", "type",   "subject",
                                         "severity",  "state",  "host",   "resource",
                                         "qualifier", "name",   "message"};
    if (strcmp(part->path[0], "host") == 0) {
        return true;
    }
    if (strcmp(part->path[0], "subject") == 0) {
        return part->path_count == 2 && strcmp(part->path[1], "name") == 0;
    }
    if (strcmp(part->path[0], "event") != 0) {
        return false;
    }
    if (strcmp(part->path[1], "data") == 0) {
        return part->path_count > 2;
    }
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(part->path[1], fields[i]) == 0) {
            return part->path_count == 2;
        }
    }
    return false;
}

static bool group_is(const struct group *group, const struct cel_part *part, const char *subject)
{
    bool same = group->path_count == part->path_count && group->kind == part->values[0].kind &&
                (group->subject == NULL || strcmp(group->subject, subject) == 0);
    for (uint32_t i = 0; same && i < part->path_count; i++) {
        same = strcmp(group->path[i], part->path[i]) == 0;
    }
    return same;
}

static struct group *group_of(struct index *index, const struct cel_part *part, const char *subject)
{
    if (part->relation != CEL_PART_EQUALS || part->word != NULL || !path_is_known(part)) {
        return NULL;
    }
    for (uint32_t i = 0; i < index->groups_count; i++) {
        if (group_is(&index->groups[i], part, subject)) {
            return &index->groups[i];
        }
    }
    if (index->groups_count == INDEX_GROUPS_MAX) {
        return NULL;
    }
    struct group *group = &index->groups[index->groups_count++];
    *group = (struct group){.path_count = part->path_count, .kind = part->values[0].kind};
    memcpy(group->path, part->path, sizeof group->path);
    group->subject = strcmp(part->path[0], "subject") == 0 ? subject : NULL;
    return group;
}

static struct positions *value_of(struct index *index, struct group *group,
                                  const struct cel_value *value)
{
    struct constant *found = map_get(&group->values, key_of(value));
    if (found != NULL) {
        return &found->wanted;
    }
    found = arena_alloc(&index->arena, sizeof *found);
    if (found == NULL) {
        index->failed = true;
        return NULL;
    }
    *found = (struct constant){.value = *value, .wanted.room = 1};
    found->wanted.items = found->first;
    if (map_set(&group->values, key_of(&found->value), found) < 0) {
        index->failed = true;
        return NULL;
    }
    return &found->wanted;
}

/* False changes nothing of what such a policy has in hand elsewhere. */
static bool may_be_left_out(const struct policy *policy)
{
    return policy->when.trigger == TRIGGER_EVENT && policy->when.branches_count == 0 &&
           policy->when.clear.program == NULL;
}

static void parts_of(const struct policy *policy, struct cel_parts *parts)
{
    parts->count = 0;
    parts->complete = false;
    if (policy->when.condition.program != NULL && may_be_left_out(policy)) {
        cel_program_parts(policy->when.condition.program, parts);
    }
}

/* How many different constants each path is compared with. */
static void groups_make(struct index *index, const struct type_state *type)
{
    struct cel_part items[INDEX_PARTS_MAX];
    struct cel_parts parts = {.items = items, .max = INDEX_PARTS_MAX};
    for (uint32_t p = 0; p < type->policies_count; p++) {
        parts_of(type->policies[p], &parts);
        for (size_t i = 0; i < parts.count; i++) {
            struct group *group = group_of(index, &items[i], type->policies[p]->subject);
            for (uint32_t v = 0; group != NULL && v < items[i].values_count; v++) {
                value_of(index, group, &items[i].values[v]);
            }
        }
    }
}

/* event.severity >= critical, or a number. */
static bool is_severity(const struct cel_part *part)
{
    return part->relation == CEL_PART_AT_LEAST && part->path_count == 2 &&
           strcmp(part->path[0], "event") == 0 && strcmp(part->path[1], "severity") == 0 &&
           (part->word != NULL ? severity_of(text_of(part->word)) >= 0
                               : part->values[0].kind == CEL_INT);
}

static uint8_t part_severity(const struct cel_part *part)
{
    if (!is_severity(part)) {
        return 0;
    }
    int64_t least = part->word != NULL ? severity_of(text_of(part->word)) : part->values[0].integer;
    return (uint8_t)(least < 0 ? 0 : least > SEVERITIES_COUNT ? SEVERITIES_COUNT : least);
}

/* Each policy goes where the most constants tell policies apart. */
static void policy_place(struct index *index, const struct policy *policy, uint32_t position)
{
    struct cel_part items[INDEX_PARTS_MAX];
    struct cel_parts parts = {.items = items, .max = INDEX_PARTS_MAX};
    parts_of(policy, &parts);
    struct wanted wanted = {.position = position};
    size_t used = 0; /* Parts that severity and constant speak for. */
    uint8_t severity = may_be_left_out(policy) ? (uint8_t)policy->when.severity_min : 0;
    struct group *best = NULL;
    const struct cel_part *by = NULL;
    for (size_t i = 0; i < parts.count; i++) {
        struct group *group = group_of(index, &items[i], policy->subject);
        uint8_t least = part_severity(&items[i]);
        severity = least > severity ? least : severity;
        used += is_severity(&items[i]);
        wanted.severity |= is_severity(&items[i]) ? items[i].operand : 0;
        if (group != NULL && (best == NULL || group->values.count > best->values.count)) {
            best = group;
            by = &items[i];
        }
    }
    bool all = parts.complete && used + (best != NULL) == parts.count;
    wanted.severity_min = severity;
    wanted.constant = all ? INDEX_TRUE : by != NULL ? by->operand : 0;
    if (best == NULL) {
        for (uint32_t s = severity; s < SEVERITIES_COUNT; s++) {
            position_add(index, &index->always[s], wanted);
        }
        return;
    }
    position_add(index, &best->all, wanted);
    for (uint32_t v = 0; v < by->values_count; v++) {
        struct positions *found = value_of(index, best, &by->values[v]);
        if (found != NULL) {
            position_add(index, found, wanted);
        }
    }
}

/* Groups nobody was placed in need not be asked. */
static void groups_trim(struct index *index)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < index->groups_count; i++) {
        if (index->groups[i].all.count > 0) {
            index->groups[kept++] = index->groups[i];
        } else {
            map_done(&index->groups[i].values);
        }
    }
    index->groups_count = kept;
}

struct index *index_new(struct engine *engine, const struct type_state *type)
{
    if (type->policies_count < INDEX_POLICIES_MIN || engine->index_off) {
        return NULL;
    }
    struct index *index = engine_alloc(engine, sizeof *index);
    if (index == NULL) {
        return NULL;
    }
    index->arena = (struct arena){.bytes_max = INDEX_BYTES_MAX};
    groups_make(index, type);
    for (uint32_t p = 0; p < type->policies_count && !index->failed; p++) {
        policy_place(index, type->policies[p], p);
    }
    groups_trim(index);
    if (index->failed) {
        index_free(index);
        return NULL;
    }
    return index;
}

void index_free(struct index *index)
{
    for (uint32_t i = 0; index != NULL && i < index->groups_count; i++) {
        map_done(&index->groups[i].values);
    }
    if (index != NULL) {
        arena_done(&index->arena);
    }
    free(index);
}

/* --- find ---------------------------------------------------------------------------------- */

struct search {
    struct engine *engine;
    const struct index *index;
    const struct type_state *type;
    const struct event *event;
    const struct host_state *host;
    struct nsh_value data; /* Of the event, once data_read. */
    bool data_read;
    struct index_hit *found;
    uint32_t count;
};

/* As conditions see a text: up to its first NUL. */
static struct nsh_value text_value(struct text text)
{
    uint32_t count = text.at == NULL ? 0 : (uint32_t)strnlen(text.at, text.count);
    return (struct nsh_value){
        .type = NSH_STRING, .text = count == 0 ? "" : text.at, .count = count};
}

static bool event_field(const struct event *event, const char *field, struct nsh_value *ret_value)
{
    const struct {
        const char *name;
        struct text text;
    } texts[] = {{"id", event->id},
                 {"source", event->source},
                 {"type", event->type},
                 {"subject", event->subject},
                 {"host", event->host},
                 {"resource", event->resource},
                 {"qualifier", event->qualifier},
                 {"name", event->name},
                 {"message", event->message},
                 {"state", text_of(event_state_word(event->state))}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(field, texts[i].name) == 0) {
            *ret_value = text_value(texts[i].text);
            return true;
        }
    }
    *ret_value = nsh_int((int64_t)event->severity); /* The only other one of path_is_known(). */
    return true;
}

static const struct nsh_value *data_of(struct search *search)
{
    if (!search->data_read) {
        search->data_read = true;
        search->data = nsh_map(NULL, 0);
        if (search->event->data.count > 0) {
            struct pack_reader reader = {.at = (const uint8_t *)search->event->data.at,
                                         .count = search->event->data.count};
            if (unpack_value(&reader, &search->engine->scratch, &search->data, NULL) < 0) {
                search->data = nsh_map(NULL, 0);
            }
        }
    }
    return &search->data;
}

static bool subject_name(const struct search *search, const char *kind, struct nsh_value *ret_value)
{
    uint32_t count = 0;
    for (uint32_t i = 0; search->host != NULL && i < search->host->domains_count; i++) {
        count += strcmp(search->host->domains[i]->kind, kind) == 0;
    }
    if (strcmp(kind, "host") != 0 && count != 1) {
        return false; /* Two feeds; a part; what the event itself names: each is asked. */
    }
    const struct domain_state *domain =
        strcmp(kind, "host") == 0 ? NULL : host_domain_of(search->host, kind);
    const char *name = domain != NULL         ? domain->name
                       : search->host != NULL ? search->host->name
                                              : "";
    *ret_value = text_value(text_of(name));
    return true;
}

/* The value at the group's path; false: it is not there. */
static bool path_read(struct search *search, const struct group *group, struct nsh_value *ret_value)
{
    const struct nsh_value *at = NULL;
    uint32_t i = 1;
    if (strcmp(group->path[0], "subject") == 0) {
        return subject_name(search, group->subject, ret_value);
    }
    if (strcmp(group->path[0], "host") == 0) {
        const struct host_state *host = search->host;
        at = host == NULL || host->host == NULL ? NULL : &host->host->record;
    } else if (strcmp(group->path[1], "data") == 0) {
        at = data_of(search);
        i = 2;
    } else {
        return event_field(search->event, group->path[1], ret_value);
    }
    for (; at != NULL && i < group->path_count; i++) {
        at = nsh_get(at, group->path[i]);
    }
    *ret_value = at == NULL ? nsh_null() : *at;
    return at != NULL;
}

/* Which of the group's policies to look at; NULL: none. *ret_told: those of the event's value. */
static const struct positions *ask_group(struct search *search, const struct group *group,
                                         bool *ret_told)
{
    struct nsh_value value;
    bool known = path_read(search, group, &value);
    *ret_told = true;
    struct cel_value key = {.kind = group->kind};
    if (known && group->kind == CEL_STRING && value.type == NSH_STRING) {
        key.text = value.text;
        key.count = (uint32_t)value.count;
    } else if (known && group->kind == CEL_INT && value.type == NSH_INT) {
        key.integer = value.integer;
    } else if (known && group->kind == CEL_BOOL && value.type == NSH_BOOL) {
        key.boolean = value.boolean;
    } else {
        *ret_told = false;
        return &group->all;
    }
    const struct constant *found = map_get(&group->values, key_of(&key));
    return found == NULL ? NULL : &found->wanted;
}

static struct index_hit hit_of(const struct wanted *wanted, bool told)
{
    return (struct index_hit){.position = wanted->position,
                              .known = wanted->severity | (told ? wanted->constant : 0)};
}

static void found_add(struct search *search, const struct positions *all, bool told)
{
    for (uint32_t i = 0; i < all->count; i++) {
        if (all->items[i].severity_min <= (uint32_t)search->event->severity) {
            search->found[search->count++] = hit_of(&all->items[i], told);
        }
    }
}

/* Where the activation's policy stands in type->policies, or policies_count. */
static uint32_t position_of(const struct type_state *type, struct instance *instance)
{
    const struct policy *policy = instance->policy;
    if (instance->place < type->policies_count && type->policies[instance->place] == policy) {
        return instance->place; /* Mostly it is asked for the same type again. */
    }
    uint32_t low = 0, high = type->policies_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (type->policies[middle]->index < policy->index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == type->policies_count || type->policies[low] != policy) {
        return type->policies_count;
    }
    instance->place = low;
    return low;
}

/* Policies that have something in hand for this subject: false may end it. found NULL: count. */
static void instances_add(struct search *search, struct instance *instance)
{
    for (; instance != NULL; instance = instance->subject_next) {
        uint32_t position = position_of(search->type, instance);
        if (position < search->type->policies_count) {
            if (search->found != NULL) {
                search->found[search->count] = (struct index_hit){.position = position};
            }
            search->count++;
        }
    }
}

static void subjects_add(struct search *search)
{
    const struct host_state *host = search->host;
    if (host != NULL) {
        instances_add(search, host->instances);
        for (uint32_t i = 0; i < host->domains_count; i++) {
            instances_add(search, host->domains[i]->instances);
        }
        for (const struct domain_state *part = host->parts; part != NULL; part = part->part_next) {
            instances_add(search, part->instances);
        }
        return;
    }
    const struct domain_state *named = event_domain(search->engine, search->event);
    if (named != NULL) {
        instances_add(search, named->instances);
    }
}

static int hit_compare(const void *a, const void *b)
{
    uint32_t x = ((const struct index_hit *)a)->position;
    uint32_t y = ((const struct index_hit *)b)->position;
    return x < y ? -1 : x > y;
}

static void hits_sort(struct index_hit *hits, uint32_t count)
{
    if (count == 2 && hits[1].position < hits[0].position) {
        struct index_hit first = hits[0];
        hits[0] = hits[1];
        hits[1] = first;
    } else if (count > 2) {
        qsort(hits, count, sizeof *hits, hit_compare);
    }
}

/* The next of what is always tried, as found ones are written down. */
static struct index_hit always_at(const struct search *search, uint32_t i)
{
    static const struct index_hit end = {.position = UINT32_MAX};
    const struct positions *always = &search->index->always[search->event->severity];
    return i == always->count ? end : hit_of(&always->items[i], true);
}

/* What was found and what is always tried, rising, each once, with
 * all that is known of it. */
static uint32_t merge(struct search *search, struct index_hit *out)
{
    uint32_t count = 0, f = 0, a = 0;
    hits_sort(search->found, search->count);
    while (true) {
        struct index_hit always = always_at(search, a), next = {.position = UINT32_MAX};
        next = f < search->count ? search->found[f] : next;
        if (next.position == UINT32_MAX && always.position == UINT32_MAX) {
            return count;
        }
        bool is_found = next.position <= always.position;
        next = is_found ? next : always;
        f += is_found;
        a += !is_found;
        if (count > 0 && out[count - 1].position == next.position) {
            out[count - 1].known |= next.known;
        } else {
            out[count++] = next;
        }
    }
}

/* Everything in some order, maybe twice; false: no memory. */
static bool gather(struct search *search)
{
    const struct positions *hits[INDEX_GROUPS_MAX] = {NULL};
    bool told[INDEX_GROUPS_MAX] = {false};
    uint32_t room = 0;
    for (uint32_t i = 0; i < search->index->groups_count; i++) {
        hits[i] = ask_group(search, &search->index->groups[i], &told[i]);
        room += hits[i] == NULL ? 0 : hits[i]->count;
    }
    subjects_add(search);
    room += search->count;
    search->count = 0;
    search->found = arena_array(&search->engine->scratch, room + 1, sizeof *search->found);
    for (uint32_t i = 0; search->found != NULL && i < search->index->groups_count; i++) {
        if (hits[i] != NULL) {
            found_add(search, hits[i], told[i]);
        }
    }
    if (search->found != NULL) {
        subjects_add(search);
    }
    return search->found != NULL;
}

uint32_t index_find(struct engine *engine, const struct type_state *type, const struct event *event,
                    const struct host_state *host, const struct index_hit **ret_hits)
{
    struct search search = {
        .engine = engine, .index = type->index, .type = type, .event = event, .host = host};
    bool all = type->index == NULL || engine->index_off || event->severity >= SEVERITIES_COUNT ||
               (engine->output != NULL && engine->output->seen_wanted);
    *ret_hits = NULL;
    if (all || !gather(&search)) {
        return type->policies_count; /* Who asks what was seen wants
                                        all of it. */
    }
    const struct positions *always = &type->index->always[event->severity];
    struct index_hit *out =
        arena_array(&engine->scratch, (size_t)search.count + always->count, sizeof *out);
    if (out == NULL) {
        return type->policies_count;
    }
    *ret_hits = out;
    return merge(&search, out);
}
