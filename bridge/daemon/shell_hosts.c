/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts for people: the inventory joined with what the store has about them. On a pool thread: the
 * generation is immutable, the store's reader has its own snapshot.
 */

#include "shell_private.h"

#include "base/json.h"

#include <stdlib.h>

#define ROWS_MAX 100000 /* As store_query() bounds them. */

struct host_view {
    uint32_t alarms;
    int64_t action_ms;
    const char *action; /* "power.cycle verified" */
    const char *state;  /* The engine's word, or NULL. */
    struct nsh_value record;
};

struct views {
    const struct inventory *inventory;
    struct host_view *hosts; /* By the index in the inventory. */
    struct arena arena;
};

static struct host_view *view_of(struct views *views, struct text name)
{
    const struct host *host = name.count == 0 ? NULL : inventory_host(views->inventory, name);
    return host == NULL ? NULL : &views->hosts[host->index];
}

static int take_alarm(void *arg, const struct record *record)
{
    struct host_view *view = view_of(arg, record->host);
    if (view != NULL) {
        view->alarms++;
    }
    return 0;
}

static int take_action(void *arg, const struct record *record)
{
    struct views *views = arg;
    struct host_view *view = view_of(views, record->host);
    if (view == NULL || view->action != NULL) {
        return 0; /* The newest comes first. */
    }
    struct nsh_value body;
    if (json_parse(record->body.at, record->body.count, &views->arena, &body, NULL) == 0) {
        view->action_ms = record->time_ms;
        view->action = arena_printf(&views->arena, "%s %.*s", nsh_get_text(&body, "verb", "?"),
                                    (int)record->state.count, record->state.at);
    }
    return 0;
}

static int take_host(void *arg, const struct record *record)
{
    struct views *views = arg;
    struct host_view *view = view_of(views, record->id);
    view = view == NULL ? view_of(views, record->host) : view;
    if (view == NULL) {
        return 0;
    }
    struct nsh_value body;
    if (json_parse(record->body.at, record->body.count, &views->arena, &body, NULL) == 0) {
        view->record = body;
    }
    view->state = record->state.count == 0 ? NULL : arena_text(&views->arena, record->state).at;
    return 0;
}

static int views_read(struct views *views, struct store_reader *reader, struct text host,
                      struct nsh_error *err)
{
    struct store_query alarms = {
        .kind = RECORD_ALARM, .host = host, .state = TEXT("raised"), .limit = ROWS_MAX};
    struct store_query actions = {.kind = RECORD_ACTION, .host = host, .limit = ROWS_MAX};
    struct store_query hosts = {.kind = RECORD_HOST, .limit = ROWS_MAX};
    if (host.count > 0) {
        hosts.id = host; /* A prefix: others that match are passed over by their own name. */
    }
    views->arena.bytes_max = (size_t)1 << 30;
    views->hosts = calloc(views->inventory->hosts_count + 1, sizeof *views->hosts);
    if (views->hosts == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = store_query(reader, &alarms, take_alarm, views, err);
    if (result == 0) {
        result = store_query(reader, &actions, take_action, views, err);
    }
    return result < 0 ? result : store_query(reader, &hosts, take_host, views, err);
}

static void views_done(struct views *views)
{
    free(views->hosts);
    arena_done(&views->arena);
}

/* ---- writing ---- */

static void add_member(struct textbuf *out, const char *name, const char *value)
{
    if (value == NULL) {
        return;
    }
    textbuf_addf(out, ",\"%s\":", name);
    textbuf_add_json(out, text_of(value));
}

static const char *state_of(const struct host *host, const struct host_view *view)
{
    if (host->maintenance) {
        return "maintenance";
    }
    if (view->state != NULL) {
        return view->state;
    }
    const char *run = nsh_get_text(&view->record, "run", "");
    return run[0] != '\0' ? "healing" : view->alarms > 0 ? "alarm" : "ok";
}

static void add_summary(struct textbuf *out, const struct host *host, const struct host_view *view)
{
    const struct binding *bmc = host_binding(host, BINDING_BMC);
    const struct binding *binding =
        bmc != NULL || host->bindings_count == 0 ? bmc : &host->bindings[0];
    textbuf_add_chars(out, "{\"name\":");
    textbuf_add_json(out, text_of(host->name));
    add_member(out, "id", host->name);
    add_member(out, "rack", host_domain(host, "rack"));
    add_member(out, "pool", host->pool);
    add_member(out, "role", host->role[0] == '\0' ? NULL : host->role);
    add_member(out, "state", state_of(host, view));
    add_member(out, "driver", binding == NULL ? NULL : binding->driver);
    textbuf_addf(out, ",\"alarms\":%u,\"maintenance\":%s", view->alarms,
                 host->maintenance ? "true" : "false");
    const char *run = nsh_get_text(&view->record, "run", "");
    add_member(out, "run", run[0] == '\0' ? NULL : run);
    textbuf_addf(out, ",\"interrupts\":%lld",
                 (long long)nsh_get_int(&view->record, "interrupts", 0));
    if (view->action != NULL) {
        add_member(out, "last_action", view->action);
        textbuf_addf(out, ",\"last_action_ms\":%lld", (long long)view->action_ms);
    }
}

/* Where a binding leads, without its secrets: name, driver and address. */
static void add_bindings(struct textbuf *out, const struct host *host)
{
    textbuf_add_chars(out, ",\"bindings\":{");
    for (size_t i = 0; i < host->bindings_count; i++) {
        const struct binding *binding = &host->bindings[i];
        textbuf_addf(out, "%s\"%s\":{\"driver\":", i == 0 ? "" : ",", binding_word(binding->kind));
        textbuf_add_json(out, text_of(binding->driver));
        add_member(out, "address", nsh_get_text(&binding->settings, "address", NULL));
        textbuf_add_char(out, '}');
    }
    textbuf_add_char(out, '}');
}

static void add_details(struct textbuf *out, const struct host *host)
{
    add_member(out, "serial", host->serial);
    add_member(out, "uuid", host->uuid);
    add_member(out, "quorum", host->quorum);
    textbuf_add_chars(out, ",\"addresses\":[");
    for (size_t i = 0; i < host->addresses_count; i++) {
        textbuf_add_chars(out, i == 0 ? "" : ",");
        textbuf_add_json(out, text_of(host->addresses[i]));
    }
    textbuf_add_chars(out, "],\"labels\":");
    if (host->labels.type == NSH_MAP) {
        json_write(&host->labels, out);
    } else {
        textbuf_add_chars(out, "{}");
    }
    textbuf_add_chars(out, ",\"domains\":{");
    for (size_t i = 0; i < host->domains_count; i++) {
        bool first = i == 0 || strcmp(host->domains[i].kind, host->domains[i - 1].kind) != 0;
        bool last = i + 1 == host->domains_count ||
                    strcmp(host->domains[i].kind, host->domains[i + 1].kind) != 0;
        if (first) {
            textbuf_addf(out, "%s\"%s\":[", i == 0 ? "" : ",", host->domains[i].kind);
        } else {
            textbuf_add_char(out, ',');
        }
        textbuf_add_json(out, text_of(host->domains[i].name));
        textbuf_add_chars(out, last ? "]" : "");
    }
    textbuf_add_char(out, '}');
    add_bindings(out, host);
}

/* ---- requests ---- */

static bool wanted(const struct host *host, const struct host_view *view, const char *pattern,
                   const char *state)
{
    return (pattern[0] == '\0' || text_glob(text_of(pattern), text_of(host->name))) &&
           (state[0] == '\0' || strcmp(state, state_of(host, view)) == 0);
}

static int hosts_run(struct shell_job *job, struct store_reader *reader, struct nsh_error *err)
{
    const struct nsh_value *args = &job->request->args;
    const char *pattern = nsh_get_text(args, "host", "");
    const char *state = nsh_get_text(args, "state", "");
    int64_t limit = nsh_get_int(args, "limit", 0);
    struct views views = {.inventory = job->generation->inventory};
    int result = views_read(&views, reader, (struct text){0}, err);
    int64_t count = 0, all = 0;
    textbuf_add_chars(&job->document,
                      "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"HostList\",\"items\":[");
    for (size_t i = 0; result == 0 && i < views.inventory->hosts_count; i++) {
        const struct host *host = &views.inventory->hosts[i];
        if (!wanted(host, &views.hosts[i], pattern, state) ||
            (all++, limit > 0 && count == limit)) {
            continue;
        }
        textbuf_add_chars(&job->document, count++ == 0 ? "" : ",");
        add_summary(&job->document, host, &views.hosts[i]);
        textbuf_add_char(&job->document, '}');
    }
    textbuf_addf(&job->document, "],\"total\":%lld}", (long long)all);
    views_done(&views);
    return result;
}

static int host_run(struct shell_job *job, struct store_reader *reader, struct nsh_error *err)
{
    const char *id = nsh_get_text(&job->request->args, "id", "");
    struct views views = {.inventory = job->generation->inventory};
    const struct host *host = inventory_host(views.inventory, text_of(id));
    if (host == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "no host '%.128s' is in the inventory", id);
    }
    int result = views_read(&views, reader, text_of(host->name), err);
    if (result == 0) {
        add_summary(&job->document, host, &views.hosts[host->index]);
        add_details(&job->document, host);
        textbuf_add_chars(&job->document, ",\"apiVersion\":\"nightshift/v1\",\"kind\":\"Host\"}");
    }
    views_done(&views);
    return result;
}

void shell_hosts(struct shell *shell, struct shell_request *request)
{
    shell_job(shell, request, hosts_run);
}

void shell_host(struct shell *shell, struct shell_request *request)
{
    shell_job(shell, request, host_run);
}
