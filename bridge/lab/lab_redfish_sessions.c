/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a Redfish client is: basic authentication, or a session token. A BMC has few sessions
 * (--sessions-max); one that was not used for SESSION_IDLE_MS is free again.
 */

#include "lab.h"

#include "base/arena.h"
#include "base/json.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSION_IDLE_MS 1800000

struct lab_tokens *lab_redfish_tokens(struct lab_bmc *bmc)
{
    size_t count = (size_t)bmc->lab->options.sessions_max;

    if (bmc->tokens == NULL) {
        struct lab_tokens *tokens = calloc(1, sizeof *tokens);
        if (tokens == NULL) {
            return NULL;
        }
        tokens->sessions = calloc(count, sizeof *tokens->sessions);
        if (tokens->sessions == NULL) {
            free(tokens);
            return NULL;
        }
        tokens->sessions_count = count;
        bmc->tokens = tokens;
    }
    return bmc->tokens;
}

void lab_redfish_forget(struct lab_bmc *bmc)
{
    lab_redfish_stream_break(bmc, false);
    if (bmc->tokens != NULL) {
        free(bmc->tokens->sessions);
        free(bmc->tokens);
        bmc->tokens = NULL;
    }
}

static enum lab_role role_of(const struct lab *lab, const char *user)
{
    if (strcmp(user, lab->options.user) == 0) {
        return LAB_ROLE_ADMINISTER;
    }
    return strcmp(user, "operator") == 0  ? LAB_ROLE_OPERATE
           : strcmp(user, "monitor") == 0 ? LAB_ROLE_READ
                                          : LAB_ROLE_NONE;
}

static enum lab_role role_by_password(const struct lab_bmc *bmc, const char *user,
                                      const char *password)
{
    bool good = strcmp(password, bmc->lab->options.password) == 0;

    return good && (bmc->modes & LAB_DENY) == 0 ? role_of(bmc->lab, user) : LAB_ROLE_NONE;
}

static enum lab_role role_by_basic(const struct lab_bmc *bmc, const char *authorization)
{
    char text[260] = {0};
    size_t count = 0;

    if (strncasecmp(authorization, "Basic ", 6) == 0) {
        count = strlen(authorization + 6);
    }
    if (count == 0 || count > 256 || count % 4 != 0 ||
        EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)authorization + 6,
                        (int)count) < 0) {
        return LAB_ROLE_NONE;
    }
    char *password = strchr(text, ':');
    if (password == NULL) {
        return LAB_ROLE_NONE;
    }
    *password++ = '\0';
    return role_by_password(bmc, text, password);
}

enum lab_role lab_redfish_authenticate(const struct lab_request *request)
{
    struct lab_bmc *bmc = request->bmc;
    struct lab_tokens *tokens = bmc->tokens;

    if (request->token == NULL) {
        return request->authorization == NULL ? LAB_ROLE_NONE
                                              : role_by_basic(bmc, request->authorization);
    }
    for (size_t i = 0; tokens != NULL && i < tokens->sessions_count; i++) {
        int64_t now_ms = lab_clock_now_ms(bmc->lab);
        if (tokens->sessions[i].id != 0 && strcmp(tokens->sessions[i].token, request->token) == 0 &&
            now_ms - tokens->sessions[i].used_ms < SESSION_IDLE_MS &&
            (bmc->modes & LAB_DENY) == 0) {
            tokens->sessions[i].used_ms = now_ms;
            return role_of(bmc->lab, tokens->sessions[i].user);
        }
    }
    return LAB_ROLE_NONE;
}

void lab_redfish_session_service(struct lab_redfish *redfish)
{
    textbuf_addf(
        &redfish->reply->body,
        "{\"@odata.id\":\"/redfish/v1/SessionService\","
        "\"@odata.type\":\"#SessionService.v1_1_8.SessionService\",\"Id\":\"SessionService\","
        "\"Name\":\"Session Service\",\"ServiceEnabled\":true,\"SessionTimeout\":%d,"
        "\"Sessions\":{\"@odata.id\":\"/redfish/v1/SessionService/Sessions\"}}",
        SESSION_IDLE_MS / 1000);
}

void lab_redfish_sessions(struct lab_redfish *redfish)
{
    const struct lab_tokens *tokens = redfish->bmc->tokens;
    struct textbuf *body = &redfish->reply->body;
    size_t count = 0;

    textbuf_add_chars(body, "{\"@odata.id\":\"/redfish/v1/SessionService/Sessions\","
                            "\"@odata.type\":\"#SessionCollection.SessionCollection\","
                            "\"Name\":\"Session Collection\",\"Members\":[");
    for (size_t i = 0; tokens != NULL && i < tokens->sessions_count; i++) {
        if (tokens->sessions[i].id != 0) {
            textbuf_addf(body, "%s{\"@odata.id\":\"/redfish/v1/SessionService/Sessions/%u\"}",
                         count++ == 0 ? "" : ",", tokens->sessions[i].id);
        }
    }
    textbuf_addf(body, "],\"Members@odata.count\":%zu}", count);
}

/* The index of the session that the path's last part names, or -1. */
static int session_find(struct lab_redfish *redfish)
{
    const struct lab_tokens *tokens = redfish->bmc->tokens;
    int64_t id = 0;

    text_to_int(redfish->parts[redfish->parts_count - 1], &id);
    for (size_t i = 0; tokens != NULL && i < tokens->sessions_count; i++) {
        if (tokens->sessions[i].id != 0 && tokens->sessions[i].id == id) {
            return (int)i;
        }
    }
    lab_redfish_error(redfish, 404, "ResourceMissingAtURI", "The session does not exist.");
    return -1;
}

static void session_body(struct lab_redfish *redfish, uint32_t id, const char *user)
{
    textbuf_addf(&redfish->reply->body,
                 "{\"@odata.id\":\"/redfish/v1/SessionService/Sessions/%u\","
                 "\"@odata.type\":\"#Session.v1_5_0.Session\",\"Id\":\"%u\","
                 "\"Name\":\"User Session\",\"UserName\":",
                 id, id);
    textbuf_add_json(&redfish->reply->body, text_of(user));
    textbuf_add_char(&redfish->reply->body, '}');
}

void lab_redfish_session(struct lab_redfish *redfish)
{
    int index = session_find(redfish);

    if (index >= 0) {
        session_body(redfish, redfish->bmc->tokens->sessions[index].id,
                     redfish->bmc->tokens->sessions[index].user);
    }
}

void lab_redfish_logout(struct lab_redfish *redfish)
{
    int index = session_find(redfish);

    if (index >= 0) {
        redfish->bmc->tokens->sessions[index].id = 0;
        redfish->reply->status = 204;
    }
}

static void session_make(struct lab_redfish *redfish, const char *user)
{
    struct lab_tokens *tokens = lab_redfish_tokens(redfish->bmc);
    int64_t now_ms = lab_clock_now_ms(redfish->bmc->lab);
    unsigned char noise[16];

    for (size_t i = 0; tokens != NULL && i < tokens->sessions_count; i++) {
        if (tokens->sessions[i].id != 0 && now_ms - tokens->sessions[i].used_ms < SESSION_IDLE_MS) {
            continue;
        }
        RAND_bytes(noise, sizeof noise);
        for (size_t j = 0; j < sizeof noise; j++) {
            snprintf(tokens->sessions[i].token + 2 * j, 3, "%02x", noise[j]);
        }
        snprintf(tokens->sessions[i].user, sizeof tokens->sessions[i].user, "%s", user);
        tokens->sessions[i].id = ++tokens->session_next;
        tokens->sessions[i].used_ms = now_ms;
        redfish->reply->status = 201;
        snprintf(redfish->reply->extra_room, sizeof redfish->reply->extra_room,
                 "X-Auth-Token: %s\r\nLocation: /redfish/v1/SessionService/Sessions/%u\r\n",
                 tokens->sessions[i].token, tokens->sessions[i].id);
        session_body(redfish, tokens->sessions[i].id, user);
        return;
    }
    lab_redfish_error(redfish, 503, "SessionLimitExceeded",
                      "The session establishment failed due to the number of simultaneous "
                      "sessions exceeding the limit of the implementation.");
}

void lab_redfish_login(struct lab_redfish *redfish)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body;

    if (json_parse(redfish->request->body, redfish->request->body_bytes, &arena, &body, NULL) < 0) {
        lab_redfish_error(redfish, 400, "MalformedJSON", "The request body is not JSON.");
        return;
    }
    const char *user = nsh_get_text(&body, "UserName", "");
    if (strlen(user) > 16 ||
        role_by_password(redfish->bmc, user, nsh_get_text(&body, "Password", "")) ==
            LAB_ROLE_NONE) {
        lab_redfish_error(redfish, 401, "ResourceAtUriUnauthorized",
                          "The user name or password is wrong.");
        return;
    }
    session_make(redfish, user);
}
