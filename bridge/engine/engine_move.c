/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts whose name or domains changed while something was remembered of them.
 *
 * A chassis is known by its serial (or UUID). When another name bears it, its interrupts, its run,
 * its lease, its holds and the freezes on it go to that name: it is still one machine, acted on by
 * one run. Alarms and what waits stay with the name that was told of.
 *
 * An interrupt counts where it happened and where the host is now; a run or a lease counts in both
 * until it ends. So a new inventory never widens a budget.
 */

#include "engine_private.h"

#include <stdlib.h>

/* ---- what counts ------------------------------------------------------------------------------
 */

static void domain_counts(struct domain_state *domain, int change)
{
    NSH_ASSERT(change > 0 || domain->runs > 0);
    domain->runs = (uint32_t)((int)domain->runs + change);
}

void host_counts(struct engine *engine, struct host_state *host, int change)
{
    (void)engine;
    NSH_ASSERT(change > 0 || host->moved.counts > 0);
    host->moved.counts = (uint32_t)((int)host->moved.counts + change);
    for (uint32_t i = 0; i < host->domains_count; i++) {
        domain_counts(host->domains[i], change);
    }
    for (uint32_t i = 0; i < host->moved.left_count; i++) {
        domain_counts(host->moved.left[i], change);
    }
}

void host_settles(struct engine *engine, struct host_state *host)
{
    uint32_t count = host->moved.left_count;
    if (host->moved.counts > 0 || count == 0) {
        return;
    }
    host->moved.left_count = 0;
    host_touch(engine, host);
    for (uint32_t i = 0; i < count; i++) {
        decide_again(engine, &host->moved.left[i]->waiting);
    }
}

void host_stamps_drop(struct host_state *host, uint64_t action)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < host->moved.stamps_count; i++) {
        if (host->moved.stamps[i].action != action) {
            host->moved.stamps[kept++] = host->moved.stamps[i];
        }
    }
    host->moved.stamps_count = kept;
}

static bool is_in(struct domain_state *const *domains, uint32_t count,
                  const struct domain_state *domain)
{
    for (uint32_t i = 0; i < count; i++) {
        if (domains[i] == domain) {
            return true;
        }
    }
    return false;
}

static void left_add(struct engine *engine, struct host_state *host, struct domain_state *domain)
{
    struct moved *moved = &host->moved;
    if (is_in(moved->left, moved->left_count, domain) || moved->left_count == MOVE_LEFT_MAX) {
        return;
    }
    if (moved->left == NULL) {
        moved->left = engine_alloc(engine, MOVE_LEFT_MAX * sizeof(struct domain_state *));
    }
    if (moved->left != NULL) {
        moved->left[moved->left_count++] = domain;
    }
}

/* The oldest one goes when there is no room. */
static void stamp_add(struct engine *engine, struct host_state *host, struct left_stamp stamp)
{
    struct moved *moved = &host->moved;
    for (uint32_t i = 0; i < moved->stamps_count; i++) {
        if (moved->stamps[i].action == stamp.action && moved->stamps[i].domain == stamp.domain) {
            return;
        }
    }
    if (moved->stamps == NULL) {
        moved->stamps = engine_alloc(engine, MOVE_STAMPS_MAX * sizeof *moved->stamps);
    }
    if (moved->stamps == NULL) {
        return;
    }
    if (moved->stamps_count == MOVE_STAMPS_MAX) {
        moved->stamps_count--;
        memmove(moved->stamps, moved->stamps + 1, moved->stamps_count * sizeof *moved->stamps);
    }
    moved->stamps[moved->stamps_count++] = stamp;
}

/* ---- names ------------------------------------------------------------------------------------
 */

const char *host_identity(struct engine *engine, const struct host *host)
{
    if (host->serial != NULL && host->serial[0] != 0) {
        return host->serial;
    }
    return host->uuid == NULL || host->uuid[0] == 0 ? NULL
                                                    : scratch_printf(engine, "uuid=%s", host->uuid);
}

struct host_state *host_by_record(struct engine *engine, const char *name)
{
    struct host_state *host = host_get(engine, text_of(name));
    return host != NULL && host->host == NULL && host->moved.now != NULL ? host->moved.now : host;
}

static bool same_identity(struct engine *engine, const struct host *host, const char *identity)
{
    const char *now = host_identity(engine, host);
    return now == NULL || strcmp(now, identity) == 0; /* Not known: believed to be the same. */
}

/* Who bears this chassis now, when it is not this name. */
static struct host_state *now_called(struct engine *engine, const struct inventory *inventory,
                                     const struct host_state *host)
{
    if (host->serial == NULL || host->serial[0] == 0 ||
        (host->host != NULL && same_identity(engine, host->host, host->serial))) {
        return NULL;
    }
    const char *hint = strncmp(host->serial, "uuid=", 5) == 0
                           ? host->serial
                           : scratch_printf(engine, "serial=%s", host->serial);
    const struct host *found = map_get(&inventory->by_hint, text_of(hint));
    return found == NULL || strcmp(found->name, host->name) == 0
               ? NULL
               : map_get(&engine->hosts, text_of(found->name));
}

static void stamps_follow(struct engine *engine, struct host_state *from, struct host_state *to)
{
    for (uint32_t i = 0; i < from->interrupts.count; i++) {
        ring_add(engine, &to->interrupts, from->interrupts.items[i], UINT32_MAX);
    }
    ring_settle(&to->interrupts, HOST_STAMPS_MAX);
    for (uint32_t i = 0; i < from->moved.stamps_count; i++) {
        stamp_add(engine, to, from->moved.stamps[i]);
    }
    for (uint32_t i = 0; i < from->moved.before_count; i++) {
        for (uint32_t k = 0; k < from->interrupts.count; k++) {
            struct stamp stamp = from->interrupts.items[k];
            stamp_add(engine, to,
                      (struct left_stamp){stamp.ms, stamp.action, from->moved.before[i]});
        }
    }
    from->interrupts.count = from->moved.stamps_count = 0;
}

static void runs_follow(struct engine *engine, struct host_state *from, struct host_state *to)
{
    for (struct run *run = engine->runs_first; run != NULL; run = run->next) {
        if (run->host != from) {
            continue;
        }
        run->host = to;
        run_touch(engine, run);
        for (struct action *action = run->actions; action != NULL; action = action->next) {
            if (action->state < ACTION_DONE) {
                action_touch(engine, action);
            }
        }
    }
    to->run = to->run == NULL ? from->run : to->run;
    from->run = NULL;
    if (from->lease != NULL && to->lease == NULL) {
        to->lease = from->lease;
        to->lease->host = to;
        to->lease->dirty = true;
        from->lease = NULL;
    }
    while (from->waiting.first != NULL) {
        struct instance *instance = from->waiting.first;
        instance_unwait(instance);
        instance_wait(instance, &to->waiting, false);
    }
}

static void memory_follows(struct engine *engine, struct host_state *from, struct host_state *to)
{
    stamps_follow(engine, from, to);
    runs_follow(engine, from, to);
    for (uint32_t i = 0; i < from->moved.left_count; i++) {
        left_add(engine, to, from->moved.left[i]);
    }
    for (uint32_t i = 0; i < from->moved.before_count; i++) {
        left_add(engine, to, from->moved.before[i]);
    }
    from->moved.left_count = from->moved.before_count = 0;
    to->runs_count += from->runs_count;
    to->escalations_count += from->escalations_count;
    from->runs_count = from->escalations_count = 0;
    if (from->last_ms > to->last_ms) {
        to->last_ms = from->last_ms;
        memcpy(to->last_run, from->last_run, sizeof to->last_run);
    }
    holds_follow(engine, from, to);
}

static bool remembers(const struct host_state *host)
{
    return host->interrupts.count > 0 || host->run != NULL || host->lease != NULL ||
           host->holds != NULL || host->runs_count > 0 || host->waiting.first != NULL ||
           host->moved.before_count > 0 || host->moved.left_count > 0 ||
           host->moved.stamps_count > 0;
}

/* On its way from one name to another: names may go round in a circle. */
struct carrier {
    struct host_state on_the_way;
    struct host_state *to;
    struct carrier *next;
};

static struct carrier *chassis_leaves(struct engine *engine, struct host_state *from,
                                      struct host_state *to, struct carrier *others)
{
    struct carrier *carrier = engine_alloc(engine, sizeof *carrier);
    if (carrier == NULL) {
        return others;
    }
    *carrier = (struct carrier){.to = to, .next = others};
    carrier->on_the_way.name = from->name;
    carrier->on_the_way.serial = engine_copy(engine, text_of(from->serial));
    memory_follows(engine, from, &carrier->on_the_way);
    freezes_follow(engine, from->name, to);
    host_touch(engine, from);
    engine_trace(engine, "host %s is called %s now", from->name, to->name);
    return carrier;
}

static void chassis_arrives(struct engine *engine, struct carrier *carrier)
{
    struct host_state *to = carrier->to, *from = &carrier->on_the_way;
    free(to->serial);
    to->serial = from->serial;
    memory_follows(engine, from, to);
    host_touch(engine, to);
    free(from->interrupts.items);
    move_free(from);
}

void move_names(struct engine *engine, const struct inventory *inventory)
{
    struct carrier *carriers = NULL;
    MAP_EACH (&engine->hosts, entry) {
        struct host_state *from = entry->value;
        from->moved.now = now_called(engine, inventory, from);
        if (from->moved.now != NULL && remembers(from)) {
            carriers = chassis_leaves(engine, from, from->moved.now, carriers);
        }
        scratch_relax(engine);
    }
    while (carriers != NULL) {
        struct carrier *carrier = carriers;
        carriers = carrier->next;
        chassis_arrives(engine, carrier);
        free(carrier);
    }
    freezes_followed(engine);
}

/* ---- domains ----------------------------------------------------------------------------------
 */

void move_begin(struct engine *engine)
{
    MAP_EACH (&engine->hosts, entry) {
        struct host_state *host = entry->value;
        host->host = NULL;
        host->moved.counts = 0;
        if (host->moved.before == NULL) { /* Else a record told them. */
            host->moved.before = host->domains;
            host->moved.before_count = host->domains_count;
        } else {
            free(host->domains);
        }
        host->domains = NULL;
        host->domains_count = 0;
    }
}

/* Where it is now, it counts anyway. */
static void left_keep(struct engine *engine, struct host_state *host)
{
    struct moved *moved = &host->moved;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < moved->left_count; i++) {
        if (!is_in(host->domains, host->domains_count, moved->left[i])) {
            moved->left[kept++] = moved->left[i];
        }
    }
    moved->left_count = kept;
    kept = 0;
    for (uint32_t i = 0; i < moved->stamps_count; i++) {
        struct left_stamp stamp = moved->stamps[i];
        if (stamp.ms > engine->now_ms - engine->stamp_keep_ms &&
            !is_in(host->domains, host->domains_count, stamp.domain)) {
            moved->stamps[kept++] = stamp;
        }
    }
    moved->stamps_count = kept;
}

static void host_leaves(struct engine *engine, struct host_state *host)
{
    struct moved *moved = &host->moved;
    uint32_t left_before = moved->left_count, stamps_before = moved->stamps_count;
    for (uint32_t i = 0; i < moved->before_count; i++) {
        struct domain_state *domain = moved->before[i];
        if (is_in(host->domains, host->domains_count, domain)) {
            continue;
        }
        left_add(engine, host, domain);
        for (uint32_t k = 0; k < host->interrupts.count; k++) {
            struct stamp stamp = host->interrupts.items[k];
            stamp_add(engine, host, (struct left_stamp){stamp.ms, stamp.action, domain});
        }
    }
    left_keep(engine, host);
    /* cppcheck-suppress knownConditionTrueFalse ; the calls between change them */
    if (moved->left_count != left_before || moved->stamps_count != stamps_before) {
        host_touch(engine, host);
    }
}

void move_domains(struct engine *engine)
{
    MAP_EACH (&engine->hosts, entry) {
        struct host_state *host = entry->value;
        host_leaves(engine, host);
        free(host->moved.before);
        host->moved.before = NULL;
        host->moved.before_count = 0;
    }
}

/* ---- kept -------------------------------------------------------------------------------------
 */

static void domains_json(struct textbuf *json, const char *name,
                         struct domain_state *const *domains, uint32_t count)
{
    if (count == 0) {
        return;
    }
    json_raw(json, name);
    textbuf_add_char(json, '[');
    for (uint32_t i = 0; i < count; i++) {
        textbuf_add_chars(json, i == 0 ? "" : ",");
        textbuf_add_json(json, domains[i]->key);
    }
    textbuf_add_char(json, ']');
}

void move_json(const struct host_state *host, struct textbuf *json)
{
    const struct moved *moved = &host->moved;
    if (host->interrupts.count > 0 || moved->counts > 0 || host->run != NULL) {
        domains_json(json, "domains", host->domains, host->domains_count);
    }
    domains_json(json, "left", moved->left, moved->left_count);
    if (moved->stamps_count == 0) {
        return;
    }
    json_raw(json, "elsewhere");
    textbuf_add_char(json, '[');
    for (uint32_t i = 0; i < moved->stamps_count; i++) {
        textbuf_addf(json, "%s[%lld,%llu,", i == 0 ? "" : ",", (long long)moved->stamps[i].ms,
                     (unsigned long long)moved->stamps[i].action);
        textbuf_add_json(json, moved->stamps[i].domain->key);
        textbuf_add_char(json, ']');
    }
    textbuf_add_char(json, ']');
}

static struct domain_state *domain_by_key(struct engine *engine, const struct nsh_value *value)
{
    const char *equals = value->type == NSH_STRING ? strchr(value->text, '=') : NULL;
    return equals == NULL ? NULL
                          : domain_get(engine,
                                       scratch_printf(engine, "%.*s", (int)(equals - value->text),
                                                      value->text),
                                       text_of(equals + 1));
}

static bool is_list(const struct nsh_value *value)
{
    return value != NULL && value->type == NSH_LIST;
}

void move_load(struct engine *engine, struct host_state *host, const struct nsh_value *value)
{
    const struct nsh_value *domains = nsh_get(value, "domains");
    const struct nsh_value *left = nsh_get(value, "left");
    const struct nsh_value *stamps = nsh_get(value, "elsewhere");
    if (is_list(domains) && domains->count > 0 && host->moved.before == NULL) {
        host->moved.before = engine_alloc(engine, domains->count * sizeof(struct domain_state *));
        for (uint32_t i = 0; host->moved.before != NULL && i < domains->count; i++) {
            struct domain_state *domain = domain_by_key(engine, &domains->items[i]);
            if (domain != NULL) {
                host->moved.before[host->moved.before_count++] = domain;
            }
        }
    }
    for (uint32_t i = 0; is_list(left) && i < left->count; i++) {
        struct domain_state *domain = domain_by_key(engine, &left->items[i]);
        if (domain != NULL) {
            left_add(engine, host, domain);
        }
    }
    for (uint32_t i = 0; is_list(stamps) && i < stamps->count; i++) {
        const struct nsh_value *one = &stamps->items[i];
        bool fits = is_list(one) && one->count == 3 && one->items[0].type == NSH_INT &&
                    one->items[1].type == NSH_INT;
        struct domain_state *domain = fits ? domain_by_key(engine, &one->items[2]) : NULL;
        if (domain != NULL) {
            stamp_add(engine, host,
                      (struct left_stamp){one->items[0].integer, (uint64_t)one->items[1].integer,
                                          domain});
        }
    }
}

void move_settles(struct engine *engine)
{
    MAP_EACH (&engine->hosts, entry) {
        host_settles(engine, entry->value);
    }
}

void move_free(struct host_state *host)
{
    free(host->moved.before);
    free(host->moved.left);
    free(host->moved.stamps);
}
