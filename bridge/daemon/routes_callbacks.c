/* SPDX-License-Identifier: Apache-2.0 */
/* Where functions answer later: whoever knows the token of a call that waits, once. */

#include "routes_private.h"

#include <stdlib.h>

#define CALLBACK_BODY_BYTES_MAX (256u << 10)

bool routes_admit(void *arg, const struct api_route *route, const char *id)
{
    return route->handle != routes_callback || shell_callback_waits(arg, id);
}

void routes_callback(const struct api_request *request)
{
    struct nsh_error err = {0};
    const char *status = api_header(request, "X-Function-Status");
    const char *call = api_header(request, "X-Call-Id");
    if (request->body_bytes > CALLBACK_BODY_BYTES_MAX) {
        nsh_fail(&err, NSH_LIMIT, "an answer of %zu bytes, at most %u", request->body_bytes,
                 CALLBACK_BODY_BYTES_MAX);
    } else if (strlen(request->body) != request->body_bytes ||
               !text_is_utf8(request->body, request->body_bytes)) {
        nsh_fail(&err, NSH_INVALID, "an answer is text in UTF-8");
    } else if (call != NULL &&
               (strlen(call) > ROUTES_TEXT_BYTES_MAX || !text_is_utf8(call, strlen(call)))) {
        nsh_fail(&err, NSH_INVALID, "X-Call-Id is no text, or too long");
    }
    if (err.code != NSH_OK) {
        routes_fail(request, &err);
        return;
    }
    const struct nsh_member members[] = {
        {"token", nsh_text(request->id)},
        {"status", nsh_int(status == NULL ? 200 : strtol(status, NULL, 10))},
        {"call", nsh_text(call == NULL ? "" : call)},
        {"body", nsh_text(request->body)},
    };
    const struct nsh_value args = nsh_map(members, sizeof members / sizeof members[0]);
    routes_post(request, "callback", "Callback", &args);
}
