/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: somebody else is about to take a host down. It is asked as an own interrupting run would
 * be, counts in the same budgets, and while it lasts nothing of ours touches the host. It ends when
 * it is given back or expires.
 *
 * A lease of a domain is for a tool whose hosts the inventory does not know: it counts as one host
 * of that domain, and there only.
 */

#include "engine_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define LEASE_STAMP (UINT64_C(1) << 60) /* Its mark among the actions of a budget. */
#define LEASE_WHO_BYTES_MAX 128
#define LEASES_NAMED_MAX 3

static const struct policy lease_policy = {.name = "lease",
                                           .summary = "Somebody else takes a host down",
                                           .owner = "",
                                           .subject = "host",
                                           .mode = POLICY_ENFORCE};

static const char *scope_of(const struct lease *lease)
{
    return lease->host != NULL ? lease->host->name : lease->domain->key.at;
}

static void words_of(const struct lease *lease, struct textbuf *text)
{
    textbuf_addf(text, "%s is leased by %s (%s): %s; until ", scope_of(lease), lease->owner,
                 lease->id, lease->reason);
    textbuf_add_time(text, lease->expires_ms);
}

/* ---- guards -----------------------------------------------------------------------------------
 */

bool lease_check(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    const struct lease *lease = ask->host == NULL ? NULL : ask->host->lease;
    if (lease == NULL) {
        textbuf_add_chars(text, "nobody leased it");
        return true;
    }
    words_of(lease, text);
    ask->wait_on = &ask->host->waiting;
    ask->instead = ask->stage == STAGE_INTEND ? BLOCK_REFUSE : BLOCK_NONE;
    return false;
}

static bool inside(const struct lease *lease, const struct domain_state *domain)
{
    for (uint32_t i = 0; lease->host != NULL && i < lease->host->domains_count; i++) {
        if (lease->host->domains[i] == domain) {
            return true;
        }
    }
    return lease->domain == domain;
}

void leases_in(const struct engine *engine, const struct domain_state *domain, struct textbuf *text)
{
    uint32_t count = 0;
    for (const struct lease *lease = engine->leases; lease != NULL; lease = lease->next) {
        if (!lease->ended && inside(lease, domain) && count++ < LEASES_NAMED_MAX) {
            textbuf_addf(text, "%s%s by %s", count == 1 ? "; leased: " : ", ", scope_of(lease),
                         lease->owner);
        }
    }
}

/* ---- what it takes from the budgets -----------------------------------------------------------
 */

static void count_in(struct engine *engine, struct lease *lease, int change)
{
    if (lease->host != NULL) {
        host_counts(engine, lease->host, change);
        return;
    }
    NSH_ASSERT(change > 0 || lease->domain->runs > 0);
    lease->domain->runs = (uint32_t)((int)lease->domain->runs + change);
}

static void stamp_in(struct engine *engine, struct lease *lease)
{
    const char *dash = strchr(lease->id, '-');
    uint64_t number = dash == NULL ? 0 : strtoull(dash + 1, NULL, 10);
    struct stamp stamp = {.ms = lease->since_ms, .action = LEASE_STAMP | number};
    if (lease->host == NULL) {
        stamp.action |= LEASE_OF_DOMAIN;
        ring_add(engine, &lease->domain->interrupts, stamp, STAMPS_MAX);
        return;
    }
    ring_add(engine, &lease->host->interrupts, stamp, HOST_STAMPS_MAX);
    for (uint32_t i = 0; i < lease->host->domains_count; i++) {
        ring_add(engine, &lease->host->domains[i]->interrupts, stamp, STAMPS_MAX);
    }
    host_touch(engine, lease->host);
}

void leases_recount(struct engine *engine)
{
    for (struct lease *lease = engine->leases; lease != NULL; lease = lease->next) {
        if (!lease->ended) {
            count_in(engine, lease, 1);
        }
    }
}

/* ---- life -------------------------------------------------------------------------------------
 */

static void wake(struct engine *engine, const struct lease *lease)
{
    struct host_state *host = lease->host;
    if (host == NULL) {
        decide_again(engine, &lease->domain->waiting);
        return;
    }
    decide_again(engine, &host->waiting);
    for (uint32_t i = 0; i < host->domains_count; i++) {
        decide_again(engine, &host->domains[i]->waiting);
    }
    host_settles(engine, lease->host);
}

static void lease_end(struct engine *engine, struct lease *lease, const char *why)
{
    NSH_ASSERT(!lease->ended);
    engine_trace(engine, "lease %s %s %s", lease->id, scope_of(lease), why);
    lease->ended = lease->dirty = true;
    engine->leases_count--;
    engine_timer_stop(engine, &lease->timer);
    lease->counted = lease->host == NULL;
    if (lease->counted) {
        engine_timer_set(engine, &lease->timer, lease->since_ms + engine->stamp_keep_ms, 0);
    }
    count_in(engine, lease, -1);
    if (lease->host != NULL) {
        lease->host->lease = NULL;
    }
    wake(engine, lease);
}

static void lease_fire(struct engine *engine, void *owner)
{
    struct lease *lease = owner;
    if (lease->ended) { /* Its window is over too. */
        lease->counted = false;
        lease->dirty = true;
        return;
    }
    lease_end(engine, lease, "expired");
}

static void lease_until(struct engine *engine, struct lease *lease, int64_t expires_ms)
{
    lease->expires_ms = expires_ms;
    lease->dirty = true;
    engine_timer_set(engine, &lease->timer, expires_ms, 0);
}

void lease_free(struct engine *engine, struct lease *lease)
{
    struct lease **at = &engine->leases;
    while (*at != lease) {
        at = &(*at)->next;
    }
    *at = lease->next;
    engine_timer_stop(engine, &lease->timer);
    free(lease->owner);
    free(lease->reason);
    free(lease);
}

static struct lease *lease_new(struct engine *engine, const struct lease *from)
{
    struct lease *lease = engine_alloc(engine, sizeof *lease);
    if (lease == NULL) {
        return NULL;
    }
    *lease = *from;
    lease->owner = engine_copy(engine, text_of(from->owner));
    lease->reason = engine_copy(engine, text_of(from->reason));
    if (lease->owner == NULL || lease->reason == NULL) {
        free(lease->owner);
        free(lease->reason);
        free(lease);
        return NULL;
    }
    lease->timer = (struct timer){.fire = lease_fire, .owner = lease};
    lease->next = engine->leases;
    engine->leases = lease;
    engine->leases_count++;
    if (lease->host != NULL) {
        lease->host->lease = lease;
    }
    count_in(engine, lease, 1);
    return lease;
}

/* ---- asking -----------------------------------------------------------------------------------
 */

static struct lease *lease_of(const struct engine *engine, const struct lease *wanted)
{
    if (wanted->host != NULL) {
        return wanted->host->lease;
    }
    for (struct lease *lease = engine->leases; lease != NULL; lease = lease->next) {
        if (!lease->ended && lease->domain == wanted->domain &&
            strcmp(lease->owner, wanted->owner) == 0) {
            return lease;
        }
    }
    return NULL;
}

static void lease_reply(struct engine *engine, const struct lease *lease)
{
    textbuf_add_char(&engine->reply, '{');
    lease_json(lease, &engine->reply);
    textbuf_add_char(&engine->reply, '}');
}

static int guards_refuse(struct engine *engine, const struct lease *wanted, struct nsh_error *err)
{
    struct guard_verdict verdict = {0};
    struct ask ask = {.stage = STAGE_AGAIN | STAGE_RESUME | STAGE_LEASE,
                      .policy = &lease_policy,
                      .host = wanted->host,
                      .domain = wanted->domain,
                      .effect = NSH_INTERRUPTS};
    guards_ask(engine, &ask, &verdict);
    return verdict.block == BLOCK_NONE
               ? 0
               : nsh_fail(err, NSH_REFUSED, "guard %s: %s", verdict.guard, verdict.text);
}

/* wanted: host or domain, owner, reason, expires_ms. Its owner may ask again. */
static int lease_take(struct engine *engine, struct lease *wanted, struct nsh_error *err)
{
    struct lease *before = lease_of(engine, wanted);
    if (before != NULL && strcmp(before->owner, wanted->owner) == 0) {
        lease_until(engine, before, wanted->expires_ms);
        lease_reply(engine, before);
        return 0;
    }
    if (before != NULL) {
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        words_of(before, &text);
        return nsh_fail(err, NSH_REFUSED, "guard lease: %s", text.at == NULL ? "" : text.at);
    }
    int result = guards_refuse(engine, wanted, err);
    if (result < 0) {
        return result;
    }
    if (engine->leases_count >= LEASES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "there are %d leases already", LEASES_MAX);
    }
    wanted->since_ms = engine->now_ms;
    engine_id(engine, COUNT_LEASE, "lse", wanted->id);
    struct lease *lease = lease_new(engine, wanted);
    if (lease == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for a lease");
    }
    lease_until(engine, lease, wanted->expires_ms);
    stamp_in(engine, lease);
    engine_trace(engine, "lease %s %s by %s", lease->id, scope_of(lease), lease->owner);
    lease_reply(engine, lease);
    return 0;
}

static int lease_where(struct engine *engine, const char *host, const char *domain,
                       struct lease *wanted, struct nsh_error *err)
{
    if ((host[0] == 0) == (domain[0] == 0)) {
        return nsh_fail(err, NSH_INVALID, "a lease is of a host, or of a domain such as rack=r4");
    }
    if (host[0] != 0) {
        bool known = inventory_host(engine->inventory, text_of(host)) != NULL;
        wanted->host = known ? host_get(engine, text_of(host)) : NULL;
    } else {
        struct domain_state *found = map_get(&engine->domains, text_of(domain));
        wanted->domain = found != NULL && found->hosts_count > 0 ? found : NULL;
    }
    return wanted->host != NULL || wanted->domain != NULL
               ? 0
               : nsh_fail(err, NSH_NOT_FOUND, "%s: there is no such %s",
                          host[0] != 0 ? host : domain, host[0] != 0 ? "host" : "domain");
}

static int ttl_of(const struct engine_command *command, int64_t *ret_ms, struct nsh_error *err)
{
    int64_t ttl_ms = nsh_get_int(&command->args, "ttl_ms", HOUR_MS);
    if (ttl_ms <= 0 || ttl_ms > LEASE_MS_MAX) {
        return nsh_fail(err, NSH_INVALID, "a lease lasts more than 0s and at most 7d");
    }
    *ret_ms = ttl_ms;
    return 0;
}

int command_lease(struct engine *engine, const struct engine_command *command,
                  struct nsh_error *err)
{
    const struct nsh_value *args = &command->args;
    const char *owner = nsh_get_text(args, "owner", "");
    int64_t ttl_ms = 0;
    struct lease wanted = {0};
    wanted.owner =
        engine_copy(engine, owner[0] == 0 ? command->actor : text_of(owner)); /* Freed below. */
    wanted.reason = engine_copy(engine, text_of(nsh_get_text(args, "reason", "")));
    int result = wanted.owner == NULL || wanted.reason == NULL
                     ? nsh_fail(err, NSH_NOMEM, "no memory for a lease")
                     : ttl_of(command, &ttl_ms, err);
    if (result == 0 && wanted.reason[0] == 0) {
        result = nsh_fail(err, NSH_INVALID, "a lease needs a reason: others will ask");
    }
    if (result == 0) {
        wanted.expires_ms = engine->now_ms + ttl_ms;
        result = lease_where(engine, nsh_get_text(args, "host", ""),
                             nsh_get_text(args, "domain", ""), &wanted, err);
    }
    result = result == 0 ? lease_take(engine, &wanted, err) : result;
    free(wanted.owner);
    free(wanted.reason);
    return result;
}

static struct lease *lease_by_id(const struct engine *engine, const char *id)
{
    struct lease *lease = engine->leases;
    while (lease != NULL && (lease->ended || strcmp(lease->id, id) != 0)) {
        lease = lease->next;
    }
    return lease;
}

int command_lease_renew(struct engine *engine, const struct engine_command *command,
                        struct nsh_error *err)
{
    const char *id = nsh_get_text(&command->args, "id", "");
    struct lease *lease = lease_by_id(engine, id);
    int64_t ttl_ms = 0;
    if (lease == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "%s: no such lease; it may have expired", id);
    }
    int result = ttl_of(command, &ttl_ms, err);
    if (result == 0) {
        lease_until(engine, lease, engine->now_ms + ttl_ms);
        lease_reply(engine, lease);
    }
    return result;
}

int command_lease_release(struct engine *engine, const struct engine_command *command,
                          struct nsh_error *err)
{
    const char *id = nsh_get_text(&command->args, "id", "");
    struct lease *lease = lease_by_id(engine, id);
    if (lease == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "%s: no such lease; it may have expired", id);
    }
    textbuf_addf(&engine->reply, "{\"id\":\"%s\",\"state\":\"released\"}", lease->id);
    lease_end(engine, lease, "released");
    return 0;
}

/* ---- FleetLock --------------------------------------------------------------------------------
 */

static bool is_host(const struct host *host, const char *id)
{
    const char *label = nsh_get_text(&host->labels, "machine-id", "");
    return strcmp(host->name, id) == 0 || (label[0] != 0 && strcasecmp(label, id) == 0) ||
           (host->uuid != NULL && host->uuid[0] != 0 && strcasecmp(host->uuid, id) == 0);
}

/* The host of that name, UUID or label machine-id; else the group is a pool. */
static int fleetlock_where(struct engine *engine, const char *id, const char *group,
                           struct lease *wanted, struct nsh_error *err)
{
    for (size_t i = 0; i < engine->inventory->hosts_count; i++) {
        if (is_host(&engine->inventory->hosts[i], id)) {
            return lease_where(engine, engine->inventory->hosts[i].name, "", wanted, err);
        }
    }
    return lease_where(engine, "", scratch_printf(engine, "pool=%s", group), wanted, err);
}

static int fleetlock_args(const struct engine_command *command, const char **ret_id,
                          const char **ret_group, struct nsh_error *err)
{
    *ret_id = nsh_get_text(&command->args, "id", "");
    *ret_group = nsh_get_text(&command->args, "group", "");
    bool fits = (*ret_id)[0] != 0 && (*ret_group)[0] != 0 &&
                strlen(*ret_id) <= LEASE_WHO_BYTES_MAX && strlen(*ret_group) <= LEASE_WHO_BYTES_MAX;
    return fits
               ? 0
               : nsh_fail(err, NSH_INVALID, "id and group want 1 to %d bytes", LEASE_WHO_BYTES_MAX);
}

int command_fleetlock(struct engine *engine, const struct engine_command *command,
                      struct nsh_error *err)
{
    const char *id = NULL, *group = NULL;
    struct lease wanted = {.expires_ms = engine->now_ms + LEASE_FLEETLOCK_MS};
    int result = fleetlock_args(command, &id, &group, err);
    if (result < 0) {
        return result;
    }
    char owner[LEASE_WHO_BYTES_MAX + 16], reason[LEASE_WHO_BYTES_MAX + 32];
    snprintf(owner, sizeof owner, "fleetlock:%s", id);
    snprintf(reason, sizeof reason, "reboot, group %s", group);
    wanted.owner = owner;
    wanted.reason = reason;
    result = fleetlock_where(engine, id, group, &wanted, err);
    return result == 0 ? lease_take(engine, &wanted, err) : result;
}

int command_fleetlock_release(struct engine *engine, const struct engine_command *command,
                              struct nsh_error *err)
{
    const char *id = NULL, *group = NULL;
    int result = fleetlock_args(command, &id, &group, err);
    if (result < 0) {
        return result;
    }
    const char *owner = scratch_printf(engine, "fleetlock:%s", id);
    struct lease *lease = engine->leases;
    while (lease != NULL && (lease->ended || strcmp(lease->owner, owner) != 0)) {
        lease = lease->next;
    }
    textbuf_addf(&engine->reply, "{\"id\":\"%s\",\"state\":\"released\"}",
                 lease == NULL ? "" : lease->id);
    if (lease != NULL) {
        lease_end(engine, lease, "in steady state");
    }
    return 0;
}

/* ---- kept and shown ---------------------------------------------------------------------------
 */

void lease_json(const struct lease *lease, struct textbuf *json)
{
    json_chars(json, "id", lease->id);
    json_chars(json, "scope", lease->host != NULL ? "" : lease->domain->key.at);
    json_chars(json, "host", lease->host != NULL ? lease->host->name : "");
    json_chars(json, "owner", lease->owner);
    json_chars(json, "reason", lease->reason);
    json_int(json, "since_ms", lease->since_ms);
    json_int(json, "expires_ms", lease->expires_ms);
    json_chars(json, "state", lease->ended ? "ended" : "active");
}

void leases_json(struct engine *engine, struct textbuf *json)
{
    bool first = true;
    textbuf_add_char(json, '[');
    for (const struct lease *lease = engine->leases; lease != NULL; lease = lease->next) {
        if (!lease->ended) {
            CLEANUP(textbuf_donep) struct textbuf text = {0};
            words_of(lease, &text);
            textbuf_add_chars(json, first ? "{" : ",{");
            json_chars(json, "id", lease->id);
            json_chars(json, "text", text.at == NULL ? "" : text.at);
            textbuf_add_char(json, '}');
            first = false;
        }
    }
    textbuf_add_char(json, ']');
}

void lease_load(struct engine *engine, const struct nsh_value *value)
{
    const char *host = nsh_get_text(value, "host", "");
    const char *scope = nsh_get_text(value, "scope", "");
    const char *equals = strchr(scope, '=');
    char owner[TEXT_KEPT_MAX + 1], reason[TEXT_KEPT_MAX + 1];
    snprintf(owner, sizeof owner, "%s", nsh_get_text(value, "owner", ""));
    snprintf(reason, sizeof reason, "%s", nsh_get_text(value, "reason", ""));
    struct lease from = {
        .owner = owner, .reason = reason, .since_ms = nsh_get_int(value, "since_ms", 0)};
    snprintf(from.id, sizeof from.id, "%s", nsh_get_text(value, "id", ""));
    if (host[0] != 0) {
        from.host = host_by_record(engine, host);
    } else if (equals != NULL) {
        const char *kind = scratch_printf(engine, "%.*s", (int)(equals - scope), scope);
        from.domain = domain_get(engine, kind, text_of(equals + 1));
    }
    struct lease *lease = (from.host == NULL && from.domain == NULL) ||
                                  (from.host != NULL && from.host->lease != NULL)
                              ? NULL
                              : lease_new(engine, &from);
    if (lease == NULL) {
        return;
    }
    if (lease->host == NULL) { /* Of a host, its record tells. */
        stamp_in(engine, lease);
        ring_settle(&lease->domain->interrupts, STAMPS_MAX);
    }
    if (strcmp(nsh_get_text(value, "state", ""), "ended") == 0) {
        lease_end(engine, lease, "ended before");
    } else {
        lease_until(engine, lease, nsh_get_int(value, "expires_ms", 0));
    }
}
