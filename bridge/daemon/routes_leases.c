/* SPDX-License-Identifier: Apache-2.0 */
/* Leases for other tools, and the FleetLock protocol (Zincati and other reboot managers). */

#include "routes_private.h"

#include "base/json.h"

#define LEASE_MS_MAX (INT64_C(7) * 24 * 60 * 60 * 1000)
#define LEASE_MS_DEFAULT (INT64_C(60) * 60 * 1000)
#define RETRY_SECONDS "30"

struct ask {
    struct api_exchange *exchange;
    bool fleetlock;
};

/* FleetLock's errors: {"kind": a word, "value": for people}. */
static void fleetlock_error(struct api_exchange *exchange, unsigned status, const char *kind,
                            const char *value)
{
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    textbuf_add_chars(&body, "{\"kind\":");
    textbuf_add_json(&body, text_of(kind));
    textbuf_add_chars(&body, ",\"value\":");
    textbuf_add_json(&body, text_of(value));
    textbuf_add_chars(&body, "}\n");
    api_reply(exchange, status, "application/json", body.at == NULL ? "" : body.at, body.count);
}

static void fleetlock_answer(struct api_exchange *exchange, const struct shell_answer *answer)
{
    if (answer->code == NSH_OK) {
        api_reply(exchange, 200, "application/json", answer->document.at, answer->document.count);
        return;
    }
    bool refused = answer->code == NSH_REFUSED;
    if (refused) {
        api_answer_header(exchange, "Retry-After", RETRY_SECONDS);
    }
    unsigned status = refused                         ? 409
                      : answer->code == NSH_INVALID   ? 400
                      : answer->code == NSH_NOT_FOUND ? 404
                                                      : 503;
    fleetlock_error(exchange, status,
                    refused                         ? "refused"
                    : answer->code == NSH_NOT_FOUND ? "unknown_group"
                                                    : nsh_code_word(answer->code),
                    answer->err->text);
}

static void lease_answer(void *arg, const struct shell_answer *answer)
{
    struct ask *ask = arg;
    struct api_exchange *exchange = ask->exchange;
    if (ask->fleetlock) {
        fleetlock_answer(exchange, answer);
        return;
    }
    if (answer->code != NSH_OK) {
        if (answer->code == NSH_REFUSED) {
            api_answer_header(exchange, "Retry-After", RETRY_SECONDS);
        }
        api_problem(exchange, answer->err, NULL);
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf document = {0};
    routes_document("Lease", answer->document, &document);
    api_reply(exchange, 200, "application/json", document.at == NULL ? "" : document.at,
              document.count);
}

static void post_lease(const struct api_request *request, const char *name, bool fleetlock,
                       const struct nsh_value *args)
{
    struct nsh_error err = {0};
    struct ask *ask = arena_alloc(request->arena, sizeof *ask);
    if (ask == NULL) {
        nsh_fail(&err, NSH_NOMEM, "out of memory");
        routes_fail(request, &err);
        return;
    }
    *ask = (struct ask){request->exchange, fleetlock};
    struct shell *shell = request->arg;
    const char *actor = request->actor;
    api_suspend(request->exchange);
    if (shell_post(shell, name, args, actor, lease_answer, ask, &err) < 0) {
        api_problem(ask->exchange, &err, NULL);
    }
}

static int ttl_of(const struct nsh_value *body, int64_t *ret_ms, struct nsh_error *err)
{
    const struct nsh_value *ttl = nsh_get(body, "ttl");
    *ret_ms = LEASE_MS_DEFAULT;
    if (ttl != NULL &&
        (ttl->type != NSH_STRING || !text_to_duration_ms(text_of(ttl->text), ret_ms) ||
         *ret_ms <= 0 || *ret_ms > LEASE_MS_MAX)) {
        return nsh_fail(err, NSH_INVALID,
                        "ttl wants a duration up to 7d such as 30m: a lease always ends");
    }
    return 0;
}

void routes_lease(const struct api_request *request)
{
    static const char *const known[] = {"host", "domain", "owner", "reason", "ttl", NULL};
    struct nsh_value body;
    struct nsh_error err = {0};
    const char *host = "", *domain = "", *owner = request->actor, *reason = NULL;
    int64_t ttl_ms = 0;
    int result = routes_body(request, known, &body, &err);
    result = result == 0 ? routes_body_text(&body, "reason", &reason, &err) : result;
    if (result == 0 && nsh_get(&body, "host") != NULL) {
        result = routes_body_text(&body, "host", &host, &err);
    }
    if (result == 0 && nsh_get(&body, "domain") != NULL) {
        result = routes_body_text(&body, "domain", &domain, &err);
    }
    if (result == 0 && nsh_get(&body, "owner") != NULL) {
        result = routes_body_text(&body, "owner", &owner, &err);
    }
    result = result == 0 ? ttl_of(&body, &ttl_ms, &err) : result;
    if (result < 0) {
        routes_fail(request, &err);
        return;
    }
    const struct nsh_member members[] = {{"host", nsh_text(host)},
                                         {"domain", nsh_text(domain)},
                                         {"owner", nsh_text(owner)},
                                         {"reason", nsh_text(reason)},
                                         {"ttl_ms", nsh_int(ttl_ms)}};
    const struct nsh_value args = nsh_map(members, 5);
    post_lease(request, "lease", false, &args);
}

static void post_id(const struct api_request *request, const char *name)
{
    static const char *const known[] = {"ttl", "reason", NULL};
    struct nsh_value body;
    struct nsh_error err = {0};
    int64_t ttl_ms = 0;
    int result = routes_body(request, known, &body, &err);
    result = result == 0 ? ttl_of(&body, &ttl_ms, &err) : result;
    if (result < 0) {
        routes_fail(request, &err);
        return;
    }
    const struct nsh_member members[] = {{"id", nsh_text(request->id)},
                                         {"ttl_ms", nsh_int(ttl_ms)}};
    const struct nsh_value args = nsh_map(members, 2);
    post_lease(request, name, false, &args);
}

void routes_lease_renew(const struct api_request *request)
{
    post_id(request, "lease.renew");
}

void routes_lease_release(const struct api_request *request)
{
    post_id(request, "lease.release");
}

/* ---- FleetLock: what the protocol says, and nothing that later versions may add is refused ----
 */

static void fleetlock(const struct api_request *request, const char *name)
{
    const char *header = api_header(request, "fleet-lock-protocol");
    struct nsh_value body = nsh_map(NULL, 0);
    if (header == NULL || strcmp(header, "true") != 0) {
        fleetlock_error(request->exchange, 400, "invalid_request",
                        "the header fleet-lock-protocol: true is missing");
        return;
    }
    int result = json_parse(request->body, request->body_bytes, request->arena, &body, NULL);
    const struct nsh_value *client =
        result < 0 || body.type != NSH_MAP ? NULL : nsh_get(&body, "client_params");
    if (client == NULL || client->type != NSH_MAP) {
        fleetlock_error(request->exchange, 400, "invalid_request",
                        "the body wants {\"client_params\": {\"id\": ..., \"group\": ...}}");
        return;
    }
    const struct nsh_member members[] = {{"id", nsh_text(nsh_get_text(client, "id", ""))},
                                         {"group", nsh_text(nsh_get_text(client, "group", ""))}};
    const struct nsh_value args = nsh_map(members, 2);
    post_lease(request, name, true, &args);
}

void routes_fleetlock_pre_reboot(const struct api_request *request)
{
    fleetlock(request, "fleetlock");
}

void routes_fleetlock_steady_state(const struct api_request *request)
{
    fleetlock(request, "fleetlock.release");
}
