/* SPDX-License-Identifier: Apache-2.0 */
/* Routes whose answer is the shell's: what only the loop knows, and everything that changes. */

#include "routes_private.h"

#include <stdio.h>

#define FREEZE_MS_MAX (INT64_C(30) * 24 * 60 * 60 * 1000) /* A lease, not a state for ever. */
#define FREEZE_MS_DEFAULT (INT64_C(60) * 60 * 1000)

#define NOTHING NULL

static void post_id(const struct api_request *request, const char *name, const char *kind)
{
    const struct nsh_member members[] = {{"id", nsh_text(request->id)}};
    const struct nsh_value args = nsh_map(members, 1);
    routes_post(request, name, kind, &args);
}

void routes_status(const struct api_request *request)
{
    routes_post(request, "status", "Status", NOTHING);
}

void routes_policies(const struct api_request *request)
{
    const char *type = api_query(request, "type");
    const struct nsh_member members[] = {{"type", nsh_text(type == NULL ? "" : type)}};
    const struct nsh_value args = nsh_map(members, 1);
    routes_post(request, "policies", "PolicyList", &args);
}

void routes_policy(const struct api_request *request)
{
    post_id(request, "policy", "Policy");
}

void routes_policy_score(const struct api_request *request)
{
    post_id(request, "policy.score", "PolicyScore");
}

void routes_drivers(const struct api_request *request)
{
    routes_post(request, "drivers", "DriverList", NOTHING);
}

void routes_driver(const struct api_request *request)
{
    post_id(request, "driver", "Driver");
}

void routes_sources(const struct api_request *request)
{
    routes_post(request, "sources", "SourceList", NOTHING);
}

void routes_source_doctor(const struct api_request *request)
{
    post_id(request, "source.doctor", "SourceDoctor");
}

void routes_doctor(const struct api_request *request)
{
    const char *host = api_query(request, "host");
    const struct nsh_member members[] = {{"id", nsh_text(request->id)},
                                         {"host", nsh_text(host == NULL ? "" : host)}};
    const struct nsh_value args = nsh_map(members, 2);
    routes_post(request, "driver.doctor", "DoctorReport", &args);
}

void routes_plan(const struct api_request *request)
{
    routes_post(request, "plan", "Plan", NOTHING);
}

void routes_freezes(const struct api_request *request)
{
    routes_post(request, "freezes", "FreezeList", NOTHING);
}

void routes_reload(const struct api_request *request)
{
    static const char *const known[] = {NULL};
    struct nsh_value body;
    struct nsh_error err = {0};
    if (routes_body(request, known, &body, &err) < 0) {
        routes_fail(request, &err);
        return;
    }
    routes_post(request, "reload", "Reload", NOTHING);
}

void routes_host(const struct api_request *request)
{
    post_id(request, "host", "Host");
}

void routes_hosts(const struct api_request *request)
{
    struct routes_filter filter;
    struct nsh_error err = {0};
    if (routes_filter(request, NULL, &filter, &err) < 0) {
        routes_fail(request, &err);
        return;
    }
    struct nsh_member members[3] = {{"limit", nsh_int(filter.limit)}};
    size_t count = 1;
    if (filter.host.count > 0) {
        members[count++] = (struct nsh_member){"host", nsh_text(filter.host.at)};
    }
    if (filter.state.count > 0) {
        members[count++] = (struct nsh_member){"state", nsh_text(filter.state.at)};
    }
    const struct nsh_value args = nsh_map(members, count);
    routes_post(request, "hosts", "HostList", &args);
}

/* ---- changes --------------------------------------------------------------------------------- */

/* {id, owner, reason} for a command about one object. */
static void post_change(const struct api_request *request, const char *name, const char *kind,
                        bool reason_wanted)
{
    static const char *const known[] = {"reason", NULL};
    struct nsh_value body;
    struct nsh_error err = {0};
    const char *reason = "";
    int result = routes_body(request, known, &body, &err);
    if (result == 0 && (reason_wanted || nsh_get(&body, "reason") != NULL)) {
        result = routes_body_text(&body, "reason", &reason, &err);
    }
    if (result < 0) {
        routes_fail(request, &err);
        return;
    }
    const struct nsh_member members[] = {{"id", nsh_text(request->id)},
                                         {"owner", nsh_text(request->actor)},
                                         {"reason", nsh_text(reason)}};
    const struct nsh_value args = nsh_map(members, 3);
    routes_post(request, name, kind, &args);
}

void routes_alarm_clear(const struct api_request *request)
{
    post_change(request, "alarm.clear", "Alarm", true);
}

void routes_run_cancel(const struct api_request *request)
{
    post_change(request, "run.cancel", "Run", true);
}

void routes_brake_release(const struct api_request *request)
{
    post_change(request, "brake.release", "Brake", true);
}

void routes_unfreeze(const struct api_request *request)
{
    post_change(request, "unfreeze", "Freeze", false);
}

static int freeze_lasting(const struct nsh_value *body, int64_t *ret_ms, struct nsh_error *err)
{
    const struct nsh_value *lasting = nsh_get(body, "for");
    *ret_ms = FREEZE_MS_DEFAULT;
    if (lasting == NULL) {
        return 0;
    }
    if (lasting->type != NSH_STRING || !text_to_duration_ms(text_of(lasting->text), ret_ms) ||
        *ret_ms <= 0 || *ret_ms > FREEZE_MS_MAX) {
        return nsh_fail(err, NSH_INVALID,
                        "for wants a duration up to 30d such as 30m or 2h: a freeze always ends");
    }
    return 0;
}

void routes_freeze(const struct api_request *request)
{
    static const char *const known[] = {"scope", "reason", "for", NULL};
    struct nsh_value body;
    struct nsh_error err = {0};
    const char *scope = "all", *reason = NULL;
    int64_t for_ms = 0;
    int result = routes_body(request, known, &body, &err);
    result = result == 0 ? routes_body_text(&body, "reason", &reason, &err) : result;
    if (result == 0 && nsh_get(&body, "scope") != NULL) {
        result = routes_body_text(&body, "scope", &scope, &err);
    }
    result = result == 0 ? freeze_lasting(&body, &for_ms, &err) : result;
    if (result < 0) {
        routes_fail(request, &err);
        return;
    }
    const struct nsh_member members[] = {{"scope", nsh_text(scope)},
                                         {"owner", nsh_text(request->actor)},
                                         {"reason", nsh_text(reason)},
                                         {"for_ms", nsh_int(for_ms)}};
    const struct nsh_value args = nsh_map(members, 4);
    routes_post(request, "freeze", "Freeze", &args);
}
