/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walks of the receivers over HTTP. Where the receiver tells repetitions by the key (PagerDuty,
 * Opsgenie, Alertmanager), it is simply told; a ticket system is asked first what it has of the
 * key. A repetition that a ticket knows already (by its token) changes nothing.
 */

#include "notify.h"

#include <string.h>

#define TICKETS_LOOKED_AT "1"

struct web_call {
    struct nsh_rest_call rest; /* First: the kit's. */
    struct notify_notice notice;
    const char *ticket, *request; /* Jira's key or ServiceNow's sys_id; Opsgenie's request. */
    bool second;                  /* Jira: asked where the newer search is. */
};

static struct nsh_device *device_of(const struct nsh_rest_call *call)
{
    return call->device;
}

static struct web_call *web_of(struct nsh_rest_call *call)
{
    return (struct web_call *)(void *)call;
}

static void done_with(struct nsh_rest_call *call, const char *how, const char *ticket)
{
    const struct nsh_member members[] = {{"key", nsh_text(web_of(call)->notice.key)},
                                         {"receiver", nsh_text(how)},
                                         {"ticket", nsh_text(ticket)}};
    const struct nsh_value result = nsh_map(members, ticket == NULL ? 2 : 3);
    nsh_rest_done(call, &result);
}

/* Send what a codec made; NULL path or a failed body: no memory. */
static void send_body(struct nsh_rest_call *call, const char *method, const char *path, bool made,
                      const struct nsh_value *body,
                      void (*done)(struct nsh_rest_call *call, const struct nsh_rest_reply *reply))
{
    const struct nsh_device *device = device_of(call);
    if (!made || path == NULL) {
        nsh_rest_fail_nomem(call);
        return;
    }
    const char *user = notify_setting(device, "user");
    nsh_rest_send(call,
                  &(struct nsh_rest_request){
                      .method = method,
                      .path = path,
                      .body = body,
                      .user = user[0] == '\0' ? NULL : user,
                      .password = user[0] == '\0' ? NULL : notify_setting(device, "password"),
                      .flags = device->hook == NULL ? 0 : NSH_REST_NO_JSON | NSH_REST_HIDE_PATH,
                  },
                  done);
}

static void send_read(struct nsh_rest_call *call, const char *path,
                      void (*done)(struct nsh_rest_call *call, const struct nsh_rest_reply *reply))
{
    send_body(call, "GET", path, true, NULL, done);
}

static void told(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
        return;
    }
    done_with(call, web_of(call)->notice.resolved ? "closed" : "told", web_of(call)->ticket);
}

/* ---- Alertmanager ---- */

static void alerts_seen(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    const struct nsh_device *device = device_of(call);
    struct nsh_value list = nsh_null();
    bool none = reply->code == NSH_NOT_FOUND || reply->code == NSH_UNSUPPORTED;
    if (reply->code != NSH_OK && !none) {
        nsh_rest_fail_reply(call, reply);
        return;
    }
    if (!none && reply->body->type != NSH_LIST) {
        nsh_rest_fail(call, NSH_PROTOCOL, "%s: its list of alerts is no list",
                      nsh_rest_base(call->rest));
        return;
    }
    bool made = notify_alerts(&call->pool, &web_of(call)->notice, &device->settings,
                              none ? NULL : reply->body, &list);
    if (made && list.count == 0) {
        done_with(call, "nothing was open", NULL);
        return;
    }
    send_body(call, "POST", "/api/v2/alerts", made, &list, told);
}

static void alertmanager(struct nsh_rest_call *call)
{
    const char *filter =
        nsh_pool_printf(&call->pool, "nightshift_key=\"%s\"", web_of(call)->notice.key);
    const char *escaped = filter == NULL ? NULL : nsh_percent(&call->pool, filter);
    send_read(call,
              escaped == NULL ? NULL
                              : nsh_pool_printf(&call->pool, "/api/v2/alerts?filter=%s", escaped),
              alerts_seen);
}

/* ---- PagerDuty ---- */

static void pagerduty(struct nsh_rest_call *call)
{
    const struct nsh_device *device = device_of(call);
    struct nsh_value body = nsh_null();
    bool made =
        notify_body(&call->pool, device->kind, &web_of(call)->notice, &device->settings, &body);
    send_body(call, "POST", "/v2/enqueue", made, &body, told);
}

/* ---- Opsgenie: it takes a request, and tells later what came of it ---- */

static void opsgenie_ask(struct nsh_rest_call *call);

static void opsgenie_asked(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct web_call *web = web_of(call);
    if (reply->code == NSH_NOT_FOUND) {
        nsh_rest_wait(call, opsgenie_ask, "Opsgenie has not looked at request %s", web->request);
    } else if (reply->code == NSH_DENIED) {
        done_with(call, "accepted", NULL); /* A key that may tell, and not read. */
    } else if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
    } else if (!nsh_at_bool(reply->body, "data.success", false) &&
               !nsh_at_bool(reply->body, "data.isSuccess", false)) {
        const char *status = nsh_at_text(reply->body, "data.status", "no reason given");
        if (web->notice.resolved && strstr(status, "not exist") != NULL) {
            done_with(call, "nothing was open", NULL);
            return;
        }
        nsh_rest_fail(call, NSH_FAILED, "%s: request %s: %.200s", nsh_rest_base(call->rest),
                      web->request, status);
    } else {
        done_with(call, web->notice.resolved ? "closed" : "told", NULL);
    }
}

static void opsgenie_ask(struct nsh_rest_call *call)
{
    const char *id = nsh_percent(&call->pool, web_of(call)->request);
    send_read(call, id == NULL ? NULL : nsh_pool_printf(&call->pool, "/v2/alerts/requests/%s", id),
              opsgenie_asked);
}

static void opsgenie_taken(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    const char *id = nsh_at_text(reply->body, "requestId", NULL);
    if (reply->code == NSH_NOT_FOUND && web_of(call)->notice.resolved) {
        done_with(call, "nothing was open", NULL);
    } else if (reply->code != NSH_OK || id == NULL) {
        told(call, reply);
    } else {
        web_of(call)->request = nsh_pool_text(&call->pool, id);
        if (web_of(call)->request == NULL) {
            nsh_rest_fail_nomem(call);
            return;
        }
        opsgenie_ask(call);
    }
}

static void opsgenie(struct nsh_rest_call *call)
{
    const struct nsh_device *device = device_of(call);
    const struct notify_notice *notice = &web_of(call)->notice;
    struct nsh_value body = nsh_null();
    bool made = notify_body(&call->pool, device->kind, notice, &device->settings, &body);
    const char *path =
        notice->resolved
            ? nsh_pool_printf(&call->pool, "/v2/alerts/%s/close?identifierType=alias", notice->key)
            : "/v2/alerts";
    send_body(call, "POST", path, made, &body, opsgenie_taken);
}

/* ---- chats ---- */

/* Teams' older webhooks answer 200 whatever came of it, and tell in words. */
static void chat_told(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    const struct nsh_device *device = device_of(call);
    const char *body = reply->http == NULL ? "" : reply->http->body;
    if (reply->code == NSH_OK && device->kind == KIND_TEAMS && strstr(body, "failed") != NULL) {
        bool later = strstr(body, "error 429") != NULL;
        char words[200] = "";
        nsh_line_add(words, sizeof words, body, strlen(body));
        nsh_rest_effect(call, false);
        nsh_rest_fail(call, later ? NSH_BUSY : NSH_REFUSED, "%s: %s", nsh_rest_base(call->rest),
                      words);
        return;
    }
    told(call, reply);
}

static void chat(struct nsh_rest_call *call)
{
    const struct nsh_device *device = device_of(call);
    struct nsh_value body = nsh_null();
    bool made =
        notify_body(&call->pool, device->kind, &web_of(call)->notice, &device->settings, &body);
    send_body(call, "POST", device->hook, made, &body, chat_told);
}

/* ---- ServiceNow ---- */

static const char *table_path(struct nsh_rest_call *call, const char *rest)
{
    const char *table = nsh_percent(&call->pool, notify_setting(device_of(call), "table"));
    return table == NULL ? NULL : nsh_pool_printf(&call->pool, "/api/now/table/%s%s", table, rest);
}

static void record_written(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    const char *number = nsh_at_text(reply->body, "result.number", NULL);
    if (reply->code == NSH_OK && number != NULL) {
        done_with(call, web_of(call)->notice.resolved ? "closed" : "told", number);
        return;
    }
    told(call, reply);
}

static void record_seen(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    const struct nsh_device *device = device_of(call);
    struct web_call *web = web_of(call);
    const struct nsh_value *record = nsh_at_item(reply->body, "result", 0);
    const char *id = nsh_at_text(record, "sys_id", NULL);
    struct nsh_value body = nsh_null();
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
    } else if (nsh_at(reply->body, "result") == NULL) {
        nsh_rest_fail(call, NSH_PROTOCOL, "%s: the answer to a query has no result",
                      nsh_rest_base(call->rest));
    } else if (id == NULL && web->notice.resolved) {
        done_with(call, "nothing was open", NULL);
    } else if (id == NULL) {
        bool made = notify_body(&call->pool, device->kind, &web->notice, &device->settings, &body);
        send_body(call, "POST", table_path(call, ""), made, &body, record_written);
    } else if (strcmp(nsh_at_text(record, "correlation_display", ""), web->notice.token) == 0) {
        done_with(call, "was told already", nsh_at_text(record, "number", NULL));
    } else {
        const char *escaped = nsh_percent(&call->pool, id);
        const char *path = escaped == NULL ? NULL : nsh_pool_printf(&call->pool, "/%s", escaped);
        bool made =
            notify_body_more(&call->pool, device->kind, &web->notice, &device->settings, &body);
        send_body(call, "PATCH", path == NULL ? NULL : table_path(call, path), made, &body,
                  record_written);
    }
}

static void servicenow(struct nsh_rest_call *call)
{
    const char *query =
        nsh_pool_printf(&call->pool, "correlation_id=%s^active=true", web_of(call)->notice.key);
    const char *const pairs[] = {"sysparm_query",
                                 query,
                                 "sysparm_fields",
                                 "sys_id,number,correlation_display",
                                 "sysparm_limit",
                                 TICKETS_LOOKED_AT,
                                 NULL};
    const char *text = query == NULL ? NULL : nsh_query(&call->pool, pairs);
    const char *rest = text == NULL ? NULL : nsh_pool_printf(&call->pool, "?%s", text);
    send_read(call, rest == NULL ? NULL : table_path(call, rest), record_seen);
}

/* ---- Jira ---- */

static const char *issue_path(struct nsh_rest_call *call, const char *what)
{
    const char *key = nsh_percent(&call->pool, web_of(call)->ticket);
    return key == NULL ? NULL : nsh_pool_printf(&call->pool, "/rest/api/2/issue/%s/%s", key, what);
}

static void issue_transitions(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    const char *id = notify_transition(reply->body, notify_setting(device_of(call), "transition"));
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
        return;
    }
    if (id == NULL) {
        nsh_rest_fail(call, NSH_UNSUPPORTED,
                      "%s: %s has no transition that closes it (see the option transition)",
                      nsh_rest_base(call->rest), web_of(call)->ticket);
        return;
    }
    const struct nsh_member inner = {"id", nsh_text(id)};
    const struct nsh_member outer = {"transition", nsh_map(&inner, 1)};
    const struct nsh_value body = nsh_map(&outer, 1);
    send_body(call, "POST", issue_path(call, "transitions"), true, &body, told);
}

static void issue_close(struct nsh_rest_call *call)
{
    send_read(call, issue_path(call, "transitions"), issue_transitions);
}

static void issue_commented(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    if (reply->code == NSH_OK && web_of(call)->notice.resolved) {
        issue_close(call);
        return;
    }
    told(call, reply);
}

static void issue_made(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    const char *key = nsh_at_text(reply->body, "key", NULL);
    if (reply->code == NSH_OK && key != NULL) {
        done_with(call, "told", key);
        return;
    }
    told(call, reply);
}

static void jira(struct nsh_rest_call *call);

static void issue_found(struct nsh_rest_call *call, const struct nsh_value *issue)
{
    const struct nsh_device *device = device_of(call);
    struct web_call *web = web_of(call);
    struct nsh_value body = nsh_null();
    web->ticket = nsh_pool_text(&call->pool, nsh_at_text(issue, "key", ""));
    bool knows = notify_issue_knows(issue, web->notice.token);
    if (web->ticket == NULL) {
        nsh_rest_fail_nomem(call);
    } else if (knows && !web->notice.resolved) {
        done_with(call, "was told already", web->ticket);
    } else if (knows) {
        issue_close(call); /* The comment is there, the transition perhaps not. */
    } else {
        bool made =
            notify_body_more(&call->pool, device->kind, &web->notice, &device->settings, &body);
        send_body(call, "POST", issue_path(call, "comment"), made, &body, issue_commented);
    }
}

static void issues_seen(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    const struct nsh_device *device = device_of(call);
    struct web_call *web = web_of(call);
    const struct nsh_value *issue = nsh_at_item(reply->body, "issues", 0);
    struct nsh_value body = nsh_null();
    if (reply->status == 410 && !web->second) {
        web->second = true; /* Jira Cloud took the older search away. */
        jira(call);
    } else if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
    } else if (nsh_at(reply->body, "issues") == NULL) {
        nsh_rest_fail(call, NSH_PROTOCOL, "%s: the answer to a search has no issues",
                      nsh_rest_base(call->rest));
    } else if (issue != NULL) {
        issue_found(call, issue);
    } else if (web->notice.resolved) {
        done_with(call, "nothing was open", NULL);
    } else {
        bool made = notify_body(&call->pool, device->kind, &web->notice, &device->settings, &body);
        send_body(call, "POST", "/rest/api/2/issue", made, &body, issue_made);
    }
}

static void jira(struct nsh_rest_call *call)
{
    struct web_call *web = web_of(call);
    const char *query = nsh_pool_printf(
        &call->pool, "project = \"%s\" AND labels = \"%s\" AND statusCategory != Done",
        notify_setting(device_of(call), "project"), web->notice.key);
    const char *const pairs[] = {
        "jql", query, "fields", "description,comment", "maxResults", TICKETS_LOOKED_AT, NULL};
    const char *text = query == NULL ? NULL : nsh_query(&call->pool, pairs);
    send_read(call,
              text == NULL ? NULL
                           : nsh_pool_printf(&call->pool, "/rest/api/2/search%s?%s",
                                             web->second ? "/jql" : "", text),
              issues_seen);
}

/* ---- the doctor ---- */

static void examined(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    const struct nsh_device *device = device_of(call);
    struct nsh_checks checks = {0};
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
        return;
    }
    if (device->kind == KIND_ALERTMANAGER) {
        nsh_check_add(&checks, "firmware", NSH_CHECK_OK, NULL, "Alertmanager %.60s",
                      nsh_at_text(reply->body, "versionInfo.version", "of an unknown version"));
    } else {
        nsh_check_add(&checks, "permissions", NSH_CHECK_OK, NULL, "%s",
                      device->kind == KIND_SERVICENOW ? "the account reads the table"
                      : device->kind == KIND_JIRA     ? "the account sees the project"
                                                      : "the key reads alerts");
    }
    struct nsh_member members[] = {{"check", nsh_text(checks.items[0].name)},
                                   {"state", nsh_text(nsh_check_word(checks.items[0].state))},
                                   {"text", nsh_text(checks.items[0].text)},
                                   {"hint", nsh_text(checks.items[0].hint)}};
    const struct nsh_value item = nsh_map(members, 4);
    const struct nsh_member list = {"checks", nsh_list(&item, 1)};
    const struct nsh_value result = nsh_map(&list, 1);
    nsh_rest_done(call, &result);
}

static void examine(struct nsh_rest_call *call)
{
    const char *project = nsh_percent(&call->pool, notify_setting(device_of(call), "project"));
    switch (device_of(call)->kind) {
    case KIND_ALERTMANAGER:
        send_read(call, "/api/v2/status", examined);
        return;
    case KIND_OPSGENIE:
        send_read(call, "/v2/alerts?limit=1", examined);
        return;
    case KIND_SERVICENOW:
        send_read(call, table_path(call, "?sysparm_limit=1&sysparm_fields=sys_id"), examined);
        return;
    case KIND_JIRA:
        send_read(call,
                  project == NULL ? NULL
                                  : nsh_pool_printf(&call->pool, "/rest/api/2/project/%s", project),
                  examined);
        return;
    case KIND_PAGERDUTY:
    case KIND_SLACK:
    case KIND_MATTERMOST:
    case KIND_TEAMS:
    case KIND_TRAP:
    case KIND_INFORM:
    case KIND_MAIL:
    case KINDS_COUNT:
        nsh_rest_fail(call, NSH_UNSUPPORTED,
                      "this receiver cannot be asked anything without telling somebody");
    }
}

/* ---- the door ---- */

static void begin(struct nsh_rest_call *call)
{
    static void (*const walks[KINDS_COUNT])(struct nsh_rest_call *) = {
        [KIND_ALERTMANAGER] = alertmanager, [KIND_PAGERDUTY] = pagerduty,
        [KIND_OPSGENIE] = opsgenie,         [KIND_SLACK] = chat,
        [KIND_MATTERMOST] = chat,           [KIND_TEAMS] = chat,
        [KIND_SERVICENOW] = servicenow,     [KIND_JIRA] = jira,
    };
    if (notify_verb_of(call->op) == VERB_DOCTOR) {
        examine(call);
    } else if (!notify_of(device_of(call), &call->pool, call->op, &web_of(call)->notice)) {
        nsh_rest_fail_nomem(call);
    } else {
        walks[device_of(call)->kind](call);
    }
}

int notify_web_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    return nsh_rest_start(device->rest, device, op, sizeof(struct web_call), begin, err);
}

/* Scheme, host and port to base; the rest, which nobody may see, stays in device->hook. */
static int hook_split(struct nsh_device *device, char base[NSH_REST_URL_BYTES_MAX],
                      struct nsh_error *err)
{
    const char *whole = notify_setting(device, "webhook"), *scheme = strstr(whole, "://");
    const char *path = scheme == NULL ? NULL : strchr(scheme + 3, '/');
    if (path == NULL || (size_t)(path - whole) >= 512 || strlen(path) > 4096) {
        return nsh_fail(err, NSH_INVALID, "webhook: want https://host/path, as the chat shows it");
    }
    for (const char *at = path; *at != '\0'; at++) {
        if (*at <= ' ' || *at >= 0x7f) {
            return nsh_fail(err, NSH_INVALID, "webhook: a URL has no blank and only ASCII");
        }
    }
    char origin[512];
    memcpy(origin, whole, (size_t)(path - whole));
    origin[path - whole] = '\0';
    device->hook = path;
    if (nsh_rest_base_check("webhook", origin, base, NSH_REST_URL_BYTES_MAX, NULL) < 0) {
        return nsh_fail(err, NSH_INVALID, "webhook: want https://host/path, as the chat shows it");
    }
    return 0;
}

static int needs(const struct nsh_device *device, const char *name, struct nsh_error *err)
{
    return notify_setting(device, name)[0] != '\0'
               ? 0
               : nsh_fail(err, NSH_INVALID, "kind = \"%s\" needs %s",
                          notify_setting(device, "kind"), name);
}

static int base_of(struct nsh_device *device, char base[NSH_REST_URL_BYTES_MAX],
                   struct nsh_error *err)
{
    const char *url = notify_setting(device, "url");
    switch (device->kind) {
    case KIND_SLACK:
    case KIND_MATTERMOST:
    case KIND_TEAMS:
        return needs(device, "webhook", err) < 0 ? -NSH_INVALID : hook_split(device, base, err);
    case KIND_PAGERDUTY:
        url = url[0] == '\0' ? "https://events.pagerduty.com" : url;
        break;
    case KIND_OPSGENIE:
        url = url[0] == '\0' ? "https://api.opsgenie.com" : url;
        break;
    case KIND_ALERTMANAGER:
    case KIND_SERVICENOW:
    case KIND_JIRA:
    case KIND_TRAP:
    case KIND_INFORM:
    case KIND_MAIL:
    case KINDS_COUNT:
        break;
    }
    int result = url[0] == '\0' ? needs(device, "url", err) : 0;
    return result < 0 ? result : nsh_rest_base_check("url", url, base, NSH_REST_URL_BYTES_MAX, err);
}

static int kind_check(const struct nsh_device *device, struct nsh_error *err)
{
    const char *project = notify_setting(device, "project");
    if (device->kind == KIND_JIRA && (project[0] == '\0' || strpbrk(project, "\"\\") != NULL)) {
        return nsh_fail(err, NSH_INVALID, "kind = \"jira\" needs project, its key");
    }
    return device->kind == KIND_PAGERDUTY  ? needs(device, "routing_key", err)
           : device->kind == KIND_OPSGENIE ? needs(device, "api_key", err)
                                           : 0;
}

static int credential_set(struct nsh_device *device, struct nsh_error *err)
{
    bool genie = device->kind == KIND_OPSGENIE;
    const char *secret = notify_setting(device, genie ? "api_key" : "token");
    if (secret[0] == '\0' || device->hook != NULL || device->kind == KIND_PAGERDUTY) {
        return 0;
    }
    struct nsh_pool pool = {0};
    const char *header =
        nsh_pool_printf(&pool, "Authorization: %s %s", genie ? "GenieKey" : "Bearer", secret);
    int result = header == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory")
                                : nsh_rest_credential(device->rest, header, err);
    nsh_pool_done(&pool);
    return result;
}

int notify_web_open(struct nsh_device *device, struct nsh_error *err)
{
    static const char *const secrets[] = {"webhook",  "routing_key", "api_key",
                                          "password", "token",       NULL};
    char base[NSH_REST_URL_BYTES_MAX];
    int result = base_of(device, base, err);
    result = result < 0 ? result : kind_check(device, err);
    result = result < 0 ? result
                        : nsh_rest_open(device->services,
                                        &(struct nsh_rest_config){
                                            .base = base,
                                            .settings = &device->settings,
                                            .secrets = secrets,
                                        },
                                        &device->rest, err);
    return result < 0 ? result : credential_set(device, err);
}
