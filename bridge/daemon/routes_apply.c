/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of policies that are applied until somebody confirms them. */

#include "apply.h"
#include "routes_private.h"

#define CONFIRM_MS_DEFAULT (INT64_C(5) * 60 * 1000)

void routes_policy_files(const struct api_request *request)
{
    routes_post(request, "policy.files", "PolicyFileList", NULL);
}

static int confirm_within(const struct nsh_value *body, int64_t *ret_ms, struct nsh_error *err)
{
    const struct nsh_value *within = nsh_get(body, "confirm_within");
    *ret_ms = CONFIRM_MS_DEFAULT;
    if (within != NULL &&
        (within->type != NSH_STRING || !text_to_duration_ms(text_of(within->text), ret_ms) ||
         *ret_ms < APPLY_CONFIRM_MS_MIN || *ret_ms > APPLY_CONFIRM_MS_MAX)) {
        return nsh_fail(err, NSH_INVALID, "confirm_within wants a duration from 10s to 1d");
    }
    return 0;
}

void routes_policies_apply(const struct api_request *request)
{
    static const char *const known[] = {"files",   "whole",  "confirm_within",
                                        "dry_run", "reason", NULL};
    struct nsh_value body;
    struct nsh_error err = {0};
    int64_t confirm_ms = 0;
    int result = routes_body(request, known, &body, &err);
    result = result == 0 ? confirm_within(&body, &confirm_ms, &err) : result;
    const struct nsh_value *files = nsh_get(&body, "files");
    if (result == 0 && (files == NULL || files->type != NSH_LIST || files->count == 0)) {
        result = nsh_fail(&err, NSH_INVALID, "files wants a list of {name, text}");
    }
    if (result < 0) {
        routes_fail(request, &err);
        return;
    }
    const struct nsh_member members[] = {
        {"files", *files},
        {"whole", nsh_bool(nsh_get_bool(&body, "whole", false))},
        {"dry_run", nsh_bool(nsh_get_bool(&body, "dry_run", false))},
        {"confirm_within_ms", nsh_int(confirm_ms)},
        {"reason", nsh_text(nsh_get_text(&body, "reason", ""))},
    };
    const struct nsh_value args = nsh_map(members, 5);
    routes_post(request, "policies.apply", "PolicyApply", &args);
}

static void post_reason(const struct api_request *request, const char *name)
{
    static const char *const known[] = {"reason", NULL};
    struct nsh_value body;
    struct nsh_error err = {0};
    if (routes_body(request, known, &body, &err) < 0) {
        routes_fail(request, &err);
        return;
    }
    const struct nsh_member members[] = {{"reason", nsh_text(nsh_get_text(&body, "reason", ""))}};
    const struct nsh_value args = nsh_map(members, 1);
    routes_post(request, name, "PolicyApply", &args);
}

void routes_policies_confirm(const struct api_request *request)
{
    post_reason(request, "policies.confirm");
}

void routes_policies_undo(const struct api_request *request)
{
    post_reason(request, "policies.undo");
}
