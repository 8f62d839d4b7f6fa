/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of the receivers that speak JSON. Each text is cut to what its receiver takes. */

#include "notify_codec.h"

#include "abi/encode.h"
#include "abi/json_value.h"

#include <string.h>

#define MEMBERS_MAX 40
#define ALERTS_MAX 64 /* Of one key: each other text of its labels is one more. */
#define CHAT_LINES_BYTES 2800
#define CARD_BYTES 12000 /* Teams takes 28 KB, escapes included. */

struct object {
    struct nsh_pool *pool;
    struct nsh_member members[MEMBERS_MAX];
    size_t count;
    bool failed;
};

/* A later value of the same name counts. */
static void put(struct object *object, const char *name, struct nsh_value value)
{
    size_t at = 0;
    while (at < object->count && strcmp(object->members[at].name, name) != 0) {
        at++;
    }
    if (at == MEMBERS_MAX) {
        object->failed = true;
        return;
    }
    object->members[at] = (struct nsh_member){name, value};
    object->count += at == object->count;
}

/* Left out when it is empty. */
static void put_text(struct object *object, const char *name, const char *text, size_t bytes_max)
{
    const char *cut = text[0] == '\0' ? text : notify_cut(object->pool, text, bytes_max);
    object->failed = object->failed || cut == NULL;
    if (cut != NULL && cut[0] != '\0') {
        put(object, name, nsh_text(cut));
    }
}

static void put_plain(struct object *object, const char *name, const struct notify_notice *notice,
                      size_t bytes_max)
{
    const char *plain = notify_plain(object->pool, notice, bytes_max);
    put_text(object, name, plain == NULL ? "" : plain, bytes_max);
    object->failed = object->failed || plain == NULL;
}

static void put_time(struct object *object, const char *name, int64_t unix_ms)
{
    char text[NSH_TIME_BYTES];
    nsh_time_write(unix_ms, text);
    put_text(object, name, text, sizeof text);
}

/* What the settings add of their own. */
static void put_all(struct object *object, const struct nsh_value *map)
{
    for (uint32_t i = 0; map != NULL && map->type == NSH_MAP && i < map->count; i++) {
        put(object, map->members[i].name, map->members[i].value);
    }
}

static bool object_end(struct object *object, struct nsh_value *ret_value)
{
    struct nsh_value map = nsh_map(object->members, object->count);
    return !object->failed && nsh_pool_value(object->pool, &map, ret_value);
}

static void put_object(struct object *object, const char *name, struct object *inner)
{
    struct nsh_value value = nsh_null();
    if (object_end(inner, &value)) {
        put(object, name, value);
    } else {
        object->failed = true;
    }
}

/* A list of one item. */
static void put_one(struct object *object, const char *name, struct nsh_value item)
{
    struct nsh_value list = nsh_list(&item, 1), copy = nsh_null();
    object->failed = object->failed || !nsh_pool_value(object->pool, &list, &copy);
    put(object, name, copy);
}

static void put_facts(struct object *object, const struct notify_notice *notice, size_t bytes_max)
{
    put_text(object, "host", notice->host, bytes_max);
    put_text(object, "policy", notice->policy, bytes_max);
    put_text(object, "alarm", notice->alarm, bytes_max);
    put_text(object, "run", notice->run, bytes_max);
    put_text(object, "team", notice->team, bytes_max);
    put_text(object, "reason", notice->reason, bytes_max);
}

/* ---- PagerDuty Events v2, Opsgenie ---- */

static bool pagerduty(struct nsh_pool *pool, const struct notify_notice *notice,
                      const struct nsh_value *settings, struct nsh_value *ret_body)
{
    static const char *const words[] = {"info",  "warning",  "warning",
                                        "error", "critical", "critical"};
    struct object body = {.pool = pool}, payload = {.pool = pool}, details = {.pool = pool};
    put_text(&body, "routing_key", nsh_get_text(settings, "routing_key", ""), 64);
    put_text(&body, "event_action", notice->resolved ? "resolve" : "trigger", 16);
    put_text(&body, "dedup_key", notice->key, 255);
    if (notice->resolved) {
        return object_end(&body, ret_body);
    }
    put_text(&body, "client", "nightshift", 32);
    put_text(&payload, "summary", notice->title, 1024);
    put_text(&payload, "source", notice->host[0] == '\0' ? "nightshift" : notice->host, 255);
    put_text(&payload, "severity", words[notify_severity(notice)], 16);
    put_time(&payload, "timestamp", notice->time_ms);
    put_text(&payload, "component", notice->host, 255);
    put_text(&payload, "group", notice->team, 255);
    put_text(&payload, "class", notice->policy, 255);
    put_facts(&details, notice, 1024);
    put_plain(&details, "text", notice, NOTIFY_PLAIN_BYTES_MAX);
    put_text(&details, "id", notice->token, 64);
    put_object(&payload, "custom_details", &details);
    put_object(&body, "payload", &payload);
    return object_end(&body, ret_body);
}

static bool opsgenie(struct nsh_pool *pool, const struct notify_notice *notice,
                     struct nsh_value *ret_body)
{
    static const char *const words[] = {"P5", "P4", "P3", "P2", "P1", "P1"};
    struct object body = {.pool = pool}, details = {.pool = pool}, responder = {.pool = pool};
    if (notice->resolved) {
        put_text(&body, "source", "nightshift", 100);
        put_text(&body, "note", notice->text[0] == '\0' ? notice->title : notice->text, 25000);
        return object_end(&body, ret_body);
    }
    put_text(&body, "message", notice->title, 130);
    put_text(&body, "alias", notice->key, 512);
    put_plain(&body, "description", notice, 15000);
    put_text(&body, "priority", words[notify_severity(notice)], 2);
    put_text(&body, "source", "nightshift", 100);
    put_text(&body, "entity", notice->host, 512);
    put_one(&body, "tags", nsh_text("nightshift"));
    put_facts(&details, notice, 1024);
    put_text(&details, "id", notice->token, 64);
    put_object(&body, "details", &details);
    if (notice->team[0] != '\0') {
        struct nsh_value value = nsh_null();
        put_text(&responder, "type", "team", 8);
        put_text(&responder, "name", notice->team, 255);
        body.failed = !object_end(&responder, &value) || body.failed;
        put_one(&body, "responders", value);
    }
    return object_end(&body, ret_body);
}

/* ---- chats ---- */

/* Nobody is called by what a device wrote: '<', '>' and '&' are escaped (Slack's "<!channel>"), and
 * an '@' is kept from what follows it ("@all"). */
static char *chat_safe(struct nsh_pool *pool, const char *text, bool slack)
{
    size_t count = strlen(text), used = 0;
    char *safe = nsh_pool_alloc(pool, count * 5 + 1);
    for (size_t i = 0; safe != NULL && i < count; i++) {
        const char *with = slack && text[i] == '&'   ? "&amp;"
                           : slack && text[i] == '<' ? "&lt;"
                           : slack && text[i] == '>' ? "&gt;"
                           : text[i] == '@'          ? "@\xe2\x80\x8b"
                                                     : NULL;
        if (with != NULL) {
            used = (size_t)(stpcpy(safe + used, with) - safe);
        } else {
            safe[used++] = text[i];
        }
    }
    return safe;
}

static void put_safe(struct object *object, const char *name, const char *text, bool slack)
{
    const char *safe = text == NULL ? NULL : chat_safe(object->pool, text, slack);
    object->failed = object->failed || safe == NULL;
    put(object, name, nsh_text(safe == NULL ? "" : safe));
}

static bool chat(struct nsh_pool *pool, bool slack, const struct notify_notice *notice,
                 struct nsh_value *ret_body)
{
    static const char *const colors[] = {"#439fe0", "#daa038", "#daa038",
                                         "#e8762d", "#d00000", "#d00000"};
    struct object body = {.pool = pool}, attachment = {.pool = pool};
    struct nsh_value item = nsh_null();
    const char *title = notify_cut(pool, notice->title, 300);
    const char *line =
        title == NULL
            ? NULL
            : nsh_pool_printf(pool, "%s%s%s%s", notice->resolved ? "Over: " : "", notice->severity,
                              notice->severity[0] == '\0' ? "" : ": ", title);
    put_safe(&body, "text", line, slack);
    put_text(&attachment, "color", notice->resolved ? "#2eb886" : colors[notify_severity(notice)],
             16);
    put_safe(&attachment, "fallback", line, slack);
    put_safe(&attachment, "text", notify_plain(pool, notice, CHAT_LINES_BYTES), slack);
    put_safe(&attachment, "footer", notice->key, slack);
    put(&attachment, "ts", nsh_int(notice->time_ms / 1000));
    body.failed = !object_end(&attachment, &item) || body.failed;
    put_one(&body, "attachments", item);
    return object_end(&body, ret_body);
}

/* ---- Teams: an adaptive card ---- */

static void card_text(struct nsh_pool *pool, const char *text, bool title, bool mono,
                      struct nsh_value *ret_value, bool *failed)
{
    struct object block = {.pool = pool};
    put_text(&block, "type", "TextBlock", 16);
    put(&block, "wrap", nsh_bool(true));
    put_safe(&block, "text", text, false);
    if (title) {
        put_text(&block, "weight", "Bolder", 16);
        put_text(&block, "size", "Medium", 16);
    }
    if (mono) {
        put_text(&block, "fontType", "Monospace", 16);
    }
    *failed = !object_end(&block, ret_value) || *failed;
}

static bool teams(struct nsh_pool *pool, const struct notify_notice *notice,
                  struct nsh_value *ret_body)
{
    struct object body = {.pool = pool}, attachment = {.pool = pool}, card = {.pool = pool};
    struct nsh_value blocks[2] = {nsh_null(), nsh_null()}, copy = nsh_null(), item = nsh_null();
    const char *title = notify_cut(pool, notice->title, 300);
    const char *line = title == NULL
                           ? NULL
                           : nsh_pool_printf(pool, "%s%s", notice->resolved ? "Over: " : "", title);
    card_text(pool, line, true, false, &blocks[0], &body.failed);
    card_text(pool, notify_plain(pool, notice, CARD_BYTES), false, true, &blocks[1], &body.failed);
    struct nsh_value list = nsh_list(blocks, 2);
    body.failed = !nsh_pool_value(pool, &list, &copy) || body.failed;
    put_text(&card, "$schema", "http://adaptivecards.io/schemas/adaptive-card.json", 128);
    put_text(&card, "type", "AdaptiveCard", 32);
    put_text(&card, "version", "1.4", 8);
    put(&card, "body", copy);
    put_text(&attachment, "contentType", "application/vnd.microsoft.card.adaptive", 64);
    put(&attachment, "contentUrl", nsh_null());
    put_object(&attachment, "content", &card);
    body.failed = !object_end(&attachment, &item) || body.failed;
    put_text(&body, "type", "message", 16);
    put_one(&body, "attachments", item);
    return object_end(&body, ret_body);
}

/* ---- tickets ---- */

static bool servicenow(struct nsh_pool *pool, const struct notify_notice *notice,
                       const struct nsh_value *settings, struct nsh_value *ret_body)
{
    static const char *const words[] = {"3", "3", "3", "2", "1", "1"};
    struct object body = {.pool = pool};
    put_text(&body, "short_description", notice->title, 160);
    put_plain(&body, "description", notice, 4000);
    put_text(&body, "urgency", words[notify_severity(notice)], 1);
    put_text(&body, "impact", words[notify_severity(notice)], 1);
    put_text(&body, "correlation_id", notice->key, 100);
    put_text(&body, "correlation_display", notice->token, 100);
    put_all(&body, nsh_get(settings, "fields"));
    return object_end(&body, ret_body);
}

static bool jira(struct nsh_pool *pool, const struct notify_notice *notice,
                 const struct nsh_value *settings, struct nsh_value *ret_body)
{
    struct object body = {.pool = pool}, fields = {.pool = pool}, project = {.pool = pool},
                  type = {.pool = pool};
    struct nsh_value labels[2] = {nsh_text("nightshift"), nsh_text(notice->key)};
    struct nsh_value list = nsh_list(labels, 2), copy = nsh_null();
    char title[300] = "";
    nsh_line_add(title, sizeof title, notice->title, strlen(notice->title)); /* One line, or 400. */
    put_text(&project, "key", nsh_get_text(settings, "project", ""), 64);
    put_text(&type, "name", nsh_get_text(settings, "issue_type", "Task"), 64);
    put_object(&fields, "project", &project);
    put_object(&fields, "issuetype", &type);
    put_text(&fields, "summary", title, 254);
    put_plain(&fields, "description", notice, NOTIFY_PLAIN_BYTES_MAX);
    body.failed = !nsh_pool_value(pool, &list, &copy);
    put(&fields, "labels", copy);
    put_all(&fields, nsh_get(settings, "fields"));
    put_object(&body, "fields", &fields);
    return object_end(&body, ret_body);
}

bool notify_body_more(struct nsh_pool *pool, enum notify_kind kind,
                      const struct notify_notice *notice, const struct nsh_value *settings,
                      struct nsh_value *ret_body)
{
    struct object body = {.pool = pool};
    if (kind == KIND_JIRA) {
        put_plain(&body, "body", notice, NOTIFY_PLAIN_BYTES_MAX);
        return object_end(&body, ret_body);
    }
    put_text(&body, "correlation_display", notice->token, 100);
    put_plain(&body, notice->resolved ? "close_notes" : "work_notes", notice, 4000);
    if (notice->resolved) {
        put_text(&body, "state", nsh_get_text(settings, "close_state", "6"), 16);
        put_text(&body, "close_code", nsh_get_text(settings, "close_code", ""), 64);
    }
    return object_end(&body, ret_body);
}

const char *notify_transition(const struct nsh_value *answer, const char *wanted)
{
    size_t count = nsh_at_count(answer, "transitions");
    for (size_t i = 0; i < count; i++) {
        const struct nsh_value *item = nsh_at_item(answer, "transitions", i);
        const char *id = nsh_at_text(item, "id", NULL);
        bool named = strcmp(nsh_at_text(item, "name", ""), wanted) == 0;
        bool done = strcmp(nsh_at_text(item, "to.statusCategory.key", ""), "done") == 0;
        if (id != NULL && (wanted[0] == '\0' ? done : named)) {
            return id;
        }
    }
    return NULL;
}

bool notify_issue_knows(const struct nsh_value *issue, const char *token)
{
    size_t count = nsh_at_count(issue, "fields.comment.comments");
    char line[96] = "id: ";
    nsh_line_add(line, sizeof line, token, strlen(token));
    bool knows = false;
    for (size_t i = 0; i <= count && !knows; i++) {
        const char *text =
            i == count ? nsh_at_text(issue, "fields.description", "")
                       : nsh_at_text(nsh_at_item(issue, "fields.comment.comments", i), "body", "");
        const char *at = strstr(text, line);
        while (at != NULL && !knows) {
            char after = at[strlen(line)];
            knows = after < '0' || after > '9';
            at = strstr(at + 1, line);
        }
    }
    return knows;
}

/* ---- Alertmanager ---- */

static bool labels_of(struct nsh_pool *pool, const struct notify_notice *notice,
                      const struct nsh_value *settings, struct nsh_value *ret_labels)
{
    struct object labels = {.pool = pool};
    put_all(&labels, nsh_get(settings, "labels"));
    put_text(&labels, "alertname", notice->policy[0] == '\0' ? "nightshift" : notice->policy, 200);
    put_text(&labels, "severity", notice->severity, 32);
    put_text(&labels, "host", notice->host, 200);
    put_text(&labels, "team", notice->team, 200);
    put_text(&labels, "nightshift_key", notice->key, NOTIFY_KEY_BYTES_MAX);
    return object_end(&labels, ret_labels);
}

/* As a map has no order: the same names with the same texts. */
static bool labels_same(const struct nsh_value *a, const struct nsh_value *b)
{
    if (a == NULL || b == NULL || a->type != NSH_MAP || b->type != NSH_MAP ||
        a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        const struct nsh_value *other = nsh_get(b, a->members[i].name);
        if (other == NULL || !nsh_equal(&a->members[i].value, other)) {
            return false;
        }
    }
    return true;
}

static bool alert_new(struct nsh_pool *pool, const struct notify_notice *notice,
                      const struct nsh_value *labels, const struct nsh_value *settings,
                      struct nsh_value *ret_alert)
{
    struct object alert = {.pool = pool}, notes = {.pool = pool};
    put_text(&notes, "summary", notice->title, 1024);
    put_plain(&notes, "description", notice, NOTIFY_PLAIN_BYTES_MAX);
    put_text(&notes, "reason", notice->reason, 1024);
    put_text(&notes, "alarm", notice->alarm, 64);
    put_text(&notes, "run", notice->run, 64);
    put(&alert, "labels", *labels);
    put_object(&alert, "annotations", &notes);
    put_time(&alert, "startsAt", notice->time_ms);
    put_time(&alert, "endsAt", notice->time_ms + nsh_get_int(settings, "keep", 0));
    return object_end(&alert, ret_alert);
}

/* The one that is there, word for word, but over. */
static bool alert_over(struct nsh_pool *pool, const struct nsh_value *old, int64_t time_ms,
                       struct nsh_value *ret_alert)
{
    struct object alert = {.pool = pool};
    static const char *const kept[] = {"labels", "annotations", "startsAt", "generatorURL"};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const struct nsh_value *value = nsh_get(old, kept[i]);
        if (value != NULL &&
            (value->type == NSH_MAP || (value->type == NSH_STRING && value->count > 0))) {
            put(&alert, kept[i], *value);
        }
    }
    put_time(&alert, "endsAt", time_ms);
    return object_end(&alert, ret_alert);
}

bool notify_alerts(struct nsh_pool *pool, const struct notify_notice *notice,
                   const struct nsh_value *settings, const struct nsh_value *open,
                   struct nsh_value *ret_list)
{
    struct nsh_value alerts[ALERTS_MAX], labels = nsh_null();
    size_t count = 0, there = nsh_at_count(open, "");
    if (!labels_of(pool, notice, settings, &labels) ||
        (!notice->resolved && !alert_new(pool, notice, &labels, settings, &alerts[count++]))) {
        return false;
    }
    for (size_t i = 0; i < there && count < ALERTS_MAX; i++) {
        const struct nsh_value *old = nsh_at_item(open, "", i);
        const struct nsh_value *its = nsh_get(old, "labels");
        bool ours = strcmp(nsh_get_text(its, "nightshift_key", ""), notice->key) == 0;
        if (!ours || (!notice->resolved && labels_same(its, &labels))) {
            continue;
        }
        if (!alert_over(pool, old, notice->time_ms, &alerts[count++])) {
            return false;
        }
    }
    struct nsh_value list = nsh_list(alerts, count);
    return nsh_pool_value(pool, &list, ret_list);
}

bool notify_body(struct nsh_pool *pool, enum notify_kind kind, const struct notify_notice *notice,
                 const struct nsh_value *settings, struct nsh_value *ret_body)
{
    switch (kind) {
    case KIND_PAGERDUTY:
        return pagerduty(pool, notice, settings, ret_body);
    case KIND_OPSGENIE:
        return opsgenie(pool, notice, ret_body);
    case KIND_SLACK:
    case KIND_MATTERMOST:
        return chat(pool, kind == KIND_SLACK, notice, ret_body);
    case KIND_TEAMS:
        return teams(pool, notice, ret_body);
    case KIND_SERVICENOW:
        return servicenow(pool, notice, settings, ret_body);
    case KIND_JIRA:
        return jira(pool, notice, settings, ret_body);
    case KIND_ALERTMANAGER:
        return notify_alerts(pool, notice, settings, NULL, ret_body);
    case KIND_TRAP:
    case KIND_INFORM:
    case KIND_MAIL:
    case KINDS_COUNT:
        break;
    }
    return false;
}
