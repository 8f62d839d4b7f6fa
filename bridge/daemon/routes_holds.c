/* SPDX-License-Identifier: Apache-2.0 */
/* Holds, and the word of a person that hosts which left the inventory are gone. */

#include "routes_private.h"

void routes_hold(const struct api_request *request)
{
    static const char *const known[] = {"host", "what", "reason", NULL};
    struct nsh_value body;
    struct nsh_error err = {0};
    const char *host = NULL, *what = "maintenance", *reason = NULL;
    int result = routes_body(request, known, &body, &err);
    result = result == 0 ? routes_body_text(&body, "host", &host, &err) : result;
    result = result == 0 ? routes_body_text(&body, "reason", &reason, &err) : result;
    if (result == 0 && nsh_get(&body, "what") != NULL) {
        result = routes_body_text(&body, "what", &what, &err);
    }
    if (result < 0) {
        routes_fail(request, &err);
        return;
    }
    const struct nsh_member members[] = {{"host", nsh_text(host)},
                                         {"what", nsh_text(what)},
                                         {"owner", nsh_text(request->actor)},
                                         {"reason", nsh_text(reason)}};
    const struct nsh_value args = nsh_map(members, 4);
    routes_post(request, "hold", "Hold", &args);
}

static void post_reason(const struct api_request *request, const char *name, const char *kind,
                        const char *id)
{
    static const char *const known[] = {"reason", NULL};
    struct nsh_value body;
    struct nsh_error err = {0};
    const char *reason = NULL;
    int result = routes_body(request, known, &body, &err);
    result = result == 0 ? routes_body_text(&body, "reason", &reason, &err) : result;
    if (result < 0) {
        routes_fail(request, &err);
        return;
    }
    const struct nsh_member members[] = {
        {"owner", nsh_text(request->actor)}, {"reason", nsh_text(reason)}, {"id", nsh_text(id)}};
    const struct nsh_value args = nsh_map(members, 3);
    routes_post(request, name, kind, &args);
}

void routes_hold_release(const struct api_request *request)
{
    post_reason(request, "hold.release", "Hold", request->id);
}

void routes_inventory_confirm(const struct api_request *request)
{
    post_reason(request, "inventory.confirm", "Inventory", "");
}
