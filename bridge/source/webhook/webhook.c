/* SPDX-License-Identifier: Apache-2.0 */
/* The type of sources `webhook`: its life, who may send, and bodies as values. */

#include "webhook_private.h"

#include "base/json.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <strings.h>

static void webhook_free(struct webhook *webhook)
{
    struct webhook_secrets *const all[] = {&webhook->tokens, &webhook->logins, &webhook->keys};
    for (size_t s = 0; s < sizeof all / sizeof all[0]; s++) {
        for (size_t i = 0; i < all[s]->count; i++) { /* The arena's bytes, which are ours. */
            OPENSSL_cleanse((void *)(uintptr_t)all[s]->items[i].text, all[s]->items[i].count);
        }
    }
    sns_unref(webhook->sns);
    pthread_mutex_destroy(&webhook->lock);
    free(webhook->seen);
    arena_done(&webhook->arena);
    free(webhook);
}

static int webhook_open(const struct source_services *services, const struct source_config *config,
                        void **ret_source, struct nsh_error *err)
{
    struct webhook *webhook = calloc(1, sizeof *webhook);
    if (webhook == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    pthread_mutex_init(&webhook->lock, NULL);
    webhook->services = services;
    int result = webhook_read(webhook, config, err);
    if (result == 0 && webhook->signature.scheme == WEBHOOK_HMAC) {
        webhook->seen = calloc(WEBHOOK_SEEN_MAX, sizeof *webhook->seen);
        result = webhook->seen == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
    }
    if (result < 0) {
        webhook_free(webhook);
        return result;
    }
    *ret_source = webhook;
    return 0;
}

static void webhook_close(void *source, void (*done)(void *arg), void *arg)
{
    webhook_free(source);
    done(arg);
}

static void webhook_doctor(void *source, const struct source_config *config,
                           struct nsh_checks *checks)
{
    struct webhook *webhook = source;
    if (webhook == NULL) {
        return;
    }
    bool secret = webhook->tokens.count + webhook->logins.count + webhook->keys.count > 0 ||
                  webhook->names_count > 0 || webhook->sns != NULL;
    nsh_check_add(checks, "sender", secret ? NSH_CHECK_OK : NSH_CHECK_WARNING,
                  secret ? NULL : "tokens = [\"file:NAME.token\"], when the sender can",
                  "%zu tokens, %zu logins, %zu keys, %zu networks, %zu client names%s",
                  webhook->tokens.count, webhook->logins.count, webhook->keys.count,
                  webhook->networks.count, webhook->names_count,
                  webhook->sns == NULL ? "" : ", signed by SNS");
    if (config->format.signature != NULL && webhook->signature.scheme == WEBHOOK_UNSIGNED) {
        nsh_check_add(checks, "signature", NSH_CHECK_WARNING, "keys = [\"file:NAME.key\"]",
                      "this sender can sign what it sends, and no key is configured");
    }
    if (webhook->sns != NULL) {
        sns_doctor(webhook->sns, checks);
    }
}

const struct source_type source_type_webhook = {
    .name = "webhook",
    .summary = "Bodies that a monitoring system posts to /v1/webhooks/NAME",
    .flags = SOURCE_MAPS | SOURCE_RENEWS,
    .options = webhook_options,
    .options_count = WEBHOOK_OPTIONS_COUNT,
    .check = webhook_check,
    .open = webhook_open,
    .close = webhook_close,
    .doctor = webhook_doctor,
};

/* ---- who may send -------------------------------------------------------------------------- */

/* A name of the certificate, one a line, that one of the globs matches. */
static bool certificate_fits(const struct webhook *webhook, const char *names)
{
    for (const char *at = names; at != NULL && *at != '\0';) {
        size_t count = strcspn(at, "\n");
        for (size_t i = 0; i < webhook->names_count; i++) {
            if (count > 0 &&
                text_glob(text_of(webhook->names[i]), (struct text){at, (uint32_t)count})) {
                return true;
            }
        }
        at += count + (at[count] == '\n');
    }
    return false;
}

static bool seen_before(struct webhook *webhook, const struct webhook_ticket *ticket,
                        int64_t wall_ms)
{
    bool seen = false;
    pthread_mutex_lock(&webhook->lock);
    for (size_t i = 0; i < WEBHOOK_SEEN_MAX && !seen; i++) {
        seen = webhook->seen[i].until_ms > wall_ms &&
               memcmp(webhook->seen[i].digest, ticket->digest, sizeof ticket->digest) == 0;
    }
    pthread_mutex_unlock(&webhook->lock);
    return seen;
}

void webhook_seen(struct webhook *webhook, const struct webhook_ticket *ticket, int64_t wall_ms)
{
    if (!ticket->signed_by_key || webhook->seen == NULL) {
        return;
    }
    pthread_mutex_lock(&webhook->lock);
    struct webhook_seen_slot *slot = &webhook->seen[webhook->seen_next];
    webhook->seen_next = (webhook->seen_next + 1) % WEBHOOK_SEEN_MAX;
    slot->until_ms = wall_ms + 2 * webhook->replay_ms; /* From the earliest to the latest time. */
    memcpy(slot->digest, ticket->digest, sizeof slot->digest);
    pthread_mutex_unlock(&webhook->lock);
}

int webhook_admit(struct webhook *webhook, const struct webhook_request *request,
                  struct webhook_ticket *ret_ticket, struct nsh_error *err)
{
    *ret_ticket = (struct webhook_ticket){.signed_by_key = false};
    if (webhook->networks.count > 0 && !request->local &&
        !webhook_network_holds(&webhook->networks, request->peer)) {
        return nsh_fail(err, NSH_DENIED, "%.60s may not send here", request->peer);
    }
    if (webhook->names_count > 0 && !certificate_fits(webhook, request->certificate)) {
        return nsh_fail(err, NSH_DENIED, "%s",
                        request->certificate == NULL
                            ? "this needs a client certificate"
                            : "no name of the client certificate may send here");
    }
    if (webhook->tokens.count + webhook->logins.count > 0 &&
        !webhook_authorized(&webhook->tokens, &webhook->logins,
                            request->header(request->arg, "Authorization"))) {
        return nsh_fail(err, NSH_AUTH, "this needs the token or login of this webhook");
    }
    if (webhook->signature.scheme == WEBHOOK_SNS) {
        return sns_admit(webhook->sns, request->body, request->body_bytes, err);
    }
    if (webhook->signature.scheme != WEBHOOK_HMAC) {
        return 0;
    }
    int result = webhook_signed(&webhook->signature, &webhook->keys, webhook->replay_ms, request,
                                ret_ticket, err);
    if (result == 0 && seen_before(webhook, ret_ticket, request->wall_ms)) {
        return nsh_fail(err, NSH_EXISTS, "this was taken already");
    }
    return result;
}

uint32_t webhook_body_bytes_max(const struct webhook *webhook)
{
    return webhook->body_bytes_max;
}

bool webhook_header_shown(const struct webhook *webhook, const char *name)
{
    static const char *const hidden[] = {"Authorization", "Cookie", "Proxy-Authorization"};
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
        if (strcasecmp(hidden[i], name) == 0) {
            return false;
        }
    }
    return webhook->signature.scheme != WEBHOOK_HMAC ||
           strcasecmp(webhook->signature.header, name) != 0;
}

/* ---- bodies -------------------------------------------------------------------------------- */

static int lines_read(const char *body, size_t body_bytes, struct arena *arena,
                      struct nsh_value *ret_body, struct nsh_error *err)
{
    struct nsh_value *items = arena_array(arena, WEBHOOK_LINES_MAX, sizeof *items);
    const char *at = body, *end = body + body_bytes;
    size_t count = 0;
    if (items == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline == NULL ? end : newline;
        if (strspn(at, " \t\r") < (size_t)(line_end - at)) {
            if (count == WEBHOOK_LINES_MAX) {
                return nsh_fail(err, NSH_INVALID, "more than %d lines", WEBHOOK_LINES_MAX);
            }
            if (json_parse(at, (size_t)(line_end - at), arena, &items[count], err) < 0) {
                return nsh_wrap(err, "line %zu", count + 1);
            }
            count++;
        }
        at = line_end + 1;
    }
    *ret_body = nsh_list(items, count);
    return 0;
}

int webhook_body(const char *content_type, const char *body, size_t body_bytes, struct arena *arena,
                 struct nsh_value *ret_body, struct nsh_error *err)
{
    static const char *const lines[] = {"application/x-ndjson", "application/ndjson",
                                        "application/jsonl", "application/x-jsonlines"};
    if (body_bytes == 0) {
        return nsh_fail(err, NSH_INVALID, "the body is empty");
    }
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (strncasecmp(content_type, lines[i], strlen(lines[i])) == 0) {
            return lines_read(body, body_bytes, arena, ret_body, err);
        }
    }
    return json_parse(body, body_bytes, arena, ret_body, err);
}
