/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who we are over there: nobody, a token that somebody made, a password, or a token of Keystone
 * that is renewed before it ends and when it is not taken. A login that was refused is not repeated
 * for five minutes: that would lock the account.
 */

#include "contrail_private.h"

#include "abi/encode.h"
#include "abi/json_value.h"
#include "base/json.h"

#include <stdio.h>

#define REFUSED_MS 300000
#define RENEW_EARLY_MS 60000 /* Before it ends. */
#define RENEW_LEAST_MS 5000  /* A token that young is not why it was not taken. */
#define LOGIN_BYTES_MAX (1u << 20)
#define AUTH_HEADER "X-Auth-Token: "

static void login_failed(struct contrail_source *source, const char *why, int64_t pause_ms)
{
    source->logged_in = false;
    source->login_failures++;
    source->login_due_ms = link_now_ms(source) + pause_ms;
    snprintf(source->login_why, sizeof source->login_why, "%.200s", why);
    link_say(source, true, source->login_why);
}

static void logged_in(struct contrail_source *source)
{
    const char *const headers[] = {source->token, NULL};
    struct nsh_error err = {0};
    source->login_failures = 0;
    source->login_why[0] = '\0';
    source->logged_in = true;
    if (source->token[0] != '\0' && sse_stream_headers(source->stream, headers, &err) < 0) {
        login_failed(source, err.text, link_pause_ms(source, 0));
        return;
    }
    link_start(source);
}

static bool token_take(struct contrail_source *source, const char *token)
{
    size_t count = strlen(token);
    bool good = count > 0 && count + sizeof AUTH_HEADER < sizeof source->token;
    for (size_t i = 0; good && i < count; i++) {
        good = token[i] > ' ' && token[i] < 0x7f;
    }
    if (good) {
        snprintf(source->token, sizeof source->token, AUTH_HEADER "%s", token);
    }
    return good;
}

/* Read anew each time: whoever makes it may have made another. */
static void token_read(struct contrail_source *source)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    const struct source_services *services = source->services;
    const char *reference = nsh_get_text(&source->config->settings, "token", ""), *token = NULL;
    struct nsh_error err = {0};
    if (services->secret(services->arg, reference, &arena, &token, &err) < 0) {
        login_failed(source, err.text, link_pause_ms(source, source->login_failures));
    } else if (!token_take(source, token)) {
        login_failed(source, "token is empty, too long, or no token",
                     link_pause_ms(source, source->login_failures));
    } else {
        logged_in(source);
    }
    if (token != NULL) {
        explicit_bzero((void *)(uintptr_t)token, strlen(token));
    }
}

/* ---- Keystone ---- */

static void text_add(struct textbuf *out, const char *name, const char *text)
{
    textbuf_addf(out, "\"%s\":", name);
    textbuf_add_json(out, text_of(text));
}

static void body_make(const struct contrail_source *source, struct textbuf *out)
{
    const struct nsh_value *settings = &source->config->settings;
    textbuf_add_chars(out, "{\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":{"
                           "\"user\":{");
    text_add(out, "name", source->user);
    textbuf_add_chars(out, ",\"domain\":{");
    text_add(out, "name", nsh_get_text(settings, "user_domain", "Default"));
    textbuf_add_chars(out, "},");
    text_add(out, "password", source->password);
    textbuf_add_chars(out, "}}},\"scope\":{\"project\":{");
    text_add(out, "name", nsh_get_text(settings, "project", "admin"));
    textbuf_add_chars(out, ",\"domain\":{");
    text_add(out, "name", nsh_get_text(settings, "project_domain", "Default"));
    textbuf_add_chars(out, "}}}}}");
}

/* How long the token lives: by the clock of who issued it. */
static int64_t lives_ms(const struct nsh_http_reply *reply)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body = nsh_null();
    int64_t from_ms = 0, until_ms = 0;
    if (json_parse(reply->body, reply->body_bytes, &arena, &body, NULL) < 0 ||
        !event_time_read(nsh_at_text(&body, "token.issued_at", ""), &from_ms) ||
        !event_time_read(nsh_at_text(&body, "token.expires_at", ""), &until_ms)) {
        return 0;
    }
    return until_ms - from_ms;
}

static void on_keystone(void *arg, const struct nsh_http_reply *reply)
{
    struct contrail_source *source = arg;
    char why[LINK_WHY_BYTES_MAX];
    const char *token = nsh_http_header(reply, "x-subject-token");
    int64_t pause_ms = link_pause_ms(source, source->login_failures);
    source->login_http = NULL;
    if (reply->code != NSH_OK) {
        snprintf(why, sizeof why, "Keystone: %s: %.120s", nsh_code_word(reply->code),
                 reply->text == NULL ? "" : reply->text);
        login_failed(source, why, pause_ms);
        return;
    }
    if (reply->status != 201 && reply->status != 200) {
        bool refused = reply->status == 401 || reply->status == 403;
        snprintf(why, sizeof why, "Keystone: HTTP status %d%s", reply->status,
                 refused ? ": user, password, project or domain; tried again in five minutes" : "");
        login_failed(source, why, refused ? REFUSED_MS : pause_ms);
        return;
    }
    if (token == NULL || !token_take(source, token)) {
        login_failed(source, "Keystone: its answer has no token", pause_ms);
        return;
    }
    int64_t lives = lives_ms(reply);
    source->login_until_ms =
        lives > 2 * RENEW_EARLY_MS ? link_now_ms(source) + lives - RENEW_EARLY_MS : 0;
    logged_in(source);
}

static void keystone_ask(struct contrail_source *source)
{
    CLEANUP(textbuf_donep) struct textbuf url = {0}, body = {0};
    struct nsh_error err = {0};
    const char *base = nsh_get_text(&source->config->settings, "keystone", "");
    size_t count = strlen(base);
    count -= count > 0 && base[count - 1] == '/';
    textbuf_addf(&url, "%.*s/auth/tokens", (int)count, base);
    body_make(source, &body);
    const struct link_question question = {.method = "POST",
                                           .url = &url,
                                           .body = &body,
                                           .stranger = true,
                                           .reply_bytes_max = LOGIN_BYTES_MAX,
                                           .done = on_keystone,
                                           .arg = source};
    if (link_ask(source, &question, &source->login_http, &err) < 0) {
        login_failed(source, err.text, link_pause_ms(source, source->login_failures));
    }
    if (body.at != NULL) {
        explicit_bzero(body.at, body.count);
    }
}

void link_login_begin(struct contrail_source *source)
{
    if (source->login_http != NULL) {
        return;
    }
    source->login_due_ms = source->login_until_ms = 0;
    source->login_ms = link_now_ms(source);
    switch (source->login) {
    case LOGIN_TOKEN:
        token_read(source);
        return;
    case LOGIN_KEYSTONE:
        keystone_ask(source);
        return;
    case LOGIN_NONE:
    case LOGIN_BASIC:
        logged_in(source);
        return;
    }
}

void link_unauthorized(struct contrail_source *source)
{
    bool renews = source->login == LOGIN_TOKEN || source->login == LOGIN_KEYSTONE;
    bool young = link_now_ms(source) - source->login_ms < RENEW_LEAST_MS;
    if (!renews || source->login_http != NULL || source->login_due_ms != 0) {
        return; /* Whoever asked asks again, later each time. */
    }
    source->logged_in = false;
    source->login_due_ms = link_now_ms(source) + (young ? RENEW_LEAST_MS : 0);
}
