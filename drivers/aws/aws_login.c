/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials. Where they come from: keys in the settings; a profile of AWS's files; a web identity
 * (a token that a cluster signed); the machine's own role (its metadata service, version 2 only).
 * On top of any a role can be assumed. What expires is obtained anew before it does.
 *
 * The keys that a login gathers lie in the session beside those in use, so that requests signed
 * meanwhile are good.
 */

#include "abi/sigv4.h"
#include "aws.h"

#include <stdio.h>
#include <string.h>

#define METADATA_TOKEN_S "21600"
#define METADATA_TIMEOUT_MS 2000
#define ROLE_S "3600"
#define METADATA_ROLES "/latest/meta-data/iam/security-credentials/"

/* Which service a request is for is told by the version of the API that its form names. */
static const struct {
    const char *name, *version, *setting;
} services[AWS_SERVICES_COUNT] = {
    [AWS_EC2] = {"ec2", "2016-11-15", "endpoint_ec2"},
    [AWS_AUTOSCALING] = {"autoscaling", "2011-01-01", "endpoint_autoscaling"},
    [AWS_STS] = {"sts", "2011-06-15", "endpoint_sts"},
};

static const char *setting(const struct nsh_value *settings, const char *name)
{
    const char *text = nsh_get_text(settings, name, NULL);
    return text == NULL || text[0] == '\0' ? NULL : text;
}

const char *aws_url(struct nsh_pool *pool, const struct nsh_value *settings,
                    enum aws_service service)
{
    const char *region = nsh_get_text(settings, "region", "");
    const char *endpoint = setting(settings, services[service].setting);
    endpoint = endpoint == NULL ? setting(settings, "endpoint") : endpoint;
    return endpoint != NULL
               ? nsh_pool_printf(pool, "%s/", endpoint)
               : nsh_pool_printf(pool, "https://%s.%s.amazonaws.com%s/", services[service].name,
                                 region, strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

/* ---- signing ---------------------------------------------------------------------------- */

static const char *service_of(const char *body)
{
    for (size_t i = 0; i < AWS_SERVICES_COUNT; i++) {
        const char *at = strstr(body, "&Version=");
        if (at != NULL && strncmp(at + 9, services[i].version, strlen(services[i].version)) == 0) {
            return services[i].name;
        }
    }
    return services[AWS_EC2].name;
}

/* "ec2.eu-central-1.amazonaws.com" of "https://ec2.eu-central-1.amazonaws.com:443/": without the
 * scheme's own port, which is not sent either. */
static int host_of(const char *url, char *room, size_t room_bytes)
{
    bool tls = strncmp(url, "https://", 8) == 0;
    const char *host = strstr(url, "://");
    size_t count = host == NULL ? 0 : strcspn(host + 3, "/?");
    if (count == 0 || count >= room_bytes) {
        return -NSH_INVALID;
    }
    memcpy(room, host + 3, count);
    room[count] = '\0';
    const char *own = tls ? ":443" : ":80";
    size_t own_bytes = strlen(own);
    if (count > own_bytes && strcmp(room + count - own_bytes, own) == 0) {
        room[count - own_bytes] = '\0';
    }
    return 0;
}

static int lines_make(const struct nsh_value *settings, const struct aws_keys *keys,
                      const char *url, const char *body, int64_t unix_ms,
                      struct sigv4_lines *ret_lines, struct nsh_error *err)
{
    char host[NSH_REST_TEXT_BYTES_MAX];
    const char *path = strstr(url, "://");
    if (host_of(url, host, sizeof host) < 0 || path == NULL) {
        return nsh_fail(err, NSH_INVALID, "%.128s is no URL", url);
    }
    path = strchr(path + 3, '/');
    return sigv4_sign(&(struct sigv4_credentials){keys->key_id, keys->secret,
                                                  keys->token[0] == '\0' ? NULL : keys->token},
                      &(struct sigv4_request){.method = "POST",
                                              .host = host,
                                              .path = path == NULL ? "/" : path,
                                              .body = body,
                                              .body_bytes = strlen(body),
                                              .region = nsh_get_text(settings, "region", ""),
                                              .service = service_of(body),
                                              .unix_ms = unix_ms},
                      ret_lines, err);
}

int aws_sign(struct nsh_rest *rest, struct nsh_rest_message *message, struct nsh_error *err)
{
    const struct aws_session *session = nsh_rest_session(rest);
    struct sigv4_lines lines;
    int result = lines_make(nsh_rest_settings(rest), &session->keys, message->url, message->body,
                            message->unix_ms, &lines, err);
    if (result < 0) {
        return result;
    }
    result = nsh_rest_header(message, "%s", lines.date);
    result = result < 0 ? result : nsh_rest_header(message, "%s", lines.authorization);
    if (result == 0 && lines.token[0] != '\0') {
        result = nsh_rest_header(message, "%s", lines.token);
    }
    return result < 0 ? nsh_fail(err, (enum nsh_code) - result, "no room for a signature") : 0;
}

/* ---- the end of a login ----------------------------------------------------------------- */

static bool text_take(char *room, size_t room_bytes, const char *text)
{
    size_t count = text == NULL ? 0 : strlen(text);
    if (count >= room_bytes) {
        return false;
    }
    memcpy(room, text == NULL ? "" : text, count + 1);
    return true;
}

static bool keys_take(struct aws_keys *keys, const char *key_id, const char *secret,
                      const char *token)
{
    return key_id != NULL && key_id[0] != '\0' && secret != NULL && secret[0] != '\0' &&
           text_take(keys->key_id, sizeof keys->key_id, key_id) &&
           text_take(keys->secret, sizeof keys->secret, secret) &&
           text_take(keys->token, sizeof keys->token, token);
}

static void login_end(struct nsh_rest_call *login)
{
    struct aws_session *session = nsh_rest_session(login->rest);
    int64_t lifetime_ms = 0;
    if (session->next_expires_ms != 0) {
        lifetime_ms = session->next_expires_ms - nsh_rest_unix_ms(login->rest);
        if (lifetime_ms <= 0) {
            nsh_rest_fail(login, NSH_AUTH, "%s: the credentials it gave have expired already",
                          nsh_rest_base(login->rest));
            return;
        }
    }
    session->keys = session->next;
    explicit_bzero(&session->next, sizeof session->next);
    nsh_rest_logged_in(login, NULL, lifetime_ms);
}

/* ---- roles ------------------------------------------------------------------------------ */

static void role_answered(struct nsh_rest_call *login, const struct nsh_rest_reply *reply)
{
    struct aws_session *session = nsh_rest_session(login->rest);
    struct nsh_value document = nsh_null();
    struct nsh_error err = {0};
    int read = reply->http == NULL ? -NSH_PROTOCOL
                                   : aws_xml_read(&login->pool, reply->http->body,
                                                  reply->http->body_bytes, &document, &err);
    if (reply->code != NSH_OK) {
        struct nsh_rest_reply told = *reply;
        const char *error = read == 0 ? aws_error_code(&document) : NULL;
        told.code = aws_error_means(error, reply->code);
        if (aws_error_cure(error) == AWS_CURE_CLOCK && nsh_rest_again(login)) {
            return;
        }
        nsh_rest_fail_reply(login, &told);
        return;
    }
    if (read < 0) {
        nsh_rest_fail(login, -read, "%s: AssumeRole: %s", nsh_rest_base(login->rest), err.text);
        return;
    }
    const struct nsh_value *result = nsh_get(&document, "AssumeRoleResult");
    if (result == NULL) {
        result = nsh_get(&document, "AssumeRoleWithWebIdentityResult");
    }
    const struct nsh_value *given = nsh_get(result, "Credentials");
    if (!keys_take(&session->next, nsh_get_text(given, "AccessKeyId", NULL),
                   nsh_get_text(given, "SecretAccessKey", NULL),
                   nsh_get_text(given, "SessionToken", NULL)) ||
        !nsh_time_iso(nsh_get_text(given, "Expiration", ""), &session->next_expires_ms)) {
        nsh_rest_fail(login, NSH_PROTOCOL, "%s: AssumeRole told no credentials",
                      nsh_rest_base(login->rest));
        return;
    }
    login_end(login);
}

/* web_token: instead of a signature. */
static void role_ask(struct nsh_rest_call *login, const char *web_token)
{
    const struct aws_session *session = nsh_rest_session(login->rest);
    const struct nsh_value *settings = nsh_rest_settings(login->rest);
    struct sigv4_lines lines;
    struct nsh_error err = {0};
    const char *url = aws_url(&login->pool, settings, AWS_STS);
    const char *body = nsh_query(
        &login->pool,
        (const char *const[]){
            "Action", web_token == NULL ? "AssumeRole" : "AssumeRoleWithWebIdentity", "Version",
            services[AWS_STS].version, "RoleArn", session->role_arn, "RoleSessionName",
            nsh_get_text(settings, "role_session", "nightshift"), "DurationSeconds", ROLE_S,
            "ExternalId", session->external_id[0] == '\0' ? NULL : session->external_id,
            "WebIdentityToken", web_token, NULL});
    if (url == NULL || body == NULL) {
        nsh_rest_fail_nomem(login);
        return;
    }
    struct nsh_rest_request request = {.method = "POST",
                                       .path = url,
                                       .text = body,
                                       .content_type = "application/x-www-form-urlencoded",
                                       .flags = NSH_REST_READS | NSH_REST_NO_JSON};
    if (web_token == NULL) {
        if (lines_make(settings, &session->next, url, body, nsh_rest_unix_ms(login->rest), &lines,
                       &err) < 0) {
            nsh_rest_fail_error(login, &err);
            return;
        }
        const char *const headers[] = {lines.date, lines.authorization,
                                       lines.token[0] == '\0' ? NULL : lines.token, NULL};
        request.headers = headers;
        nsh_rest_send(login, &request, role_answered);
        return;
    }
    nsh_rest_send(login, &request, role_answered);
}

/* The keys are there: they are what is wanted, or those a role is assumed with. */
static void keys_obtained(struct nsh_rest_call *login)
{
    const struct aws_session *session = nsh_rest_session(login->rest);
    if (session->role_arn[0] != '\0') {
        role_ask(login, NULL);
    } else {
        login_end(login);
    }
}

/* ---- the machine's own role ------------------------------------------------------------- */

static void metadata_ask(struct nsh_rest_call *login, const char *method, const char *path,
                         void (*done)(struct nsh_rest_call *login,
                                      const struct nsh_rest_reply *reply))
{
    const struct aws_session *session = nsh_rest_session(login->rest);
    const char *base = nsh_get_text(nsh_rest_settings(login->rest), "metadata_endpoint", "");
    const char *url = nsh_pool_printf(&login->pool, "%s%s", base, path);
    const char *header = session->metadata_token[0] == '\0'
                             ? "X-aws-ec2-metadata-token-ttl-seconds: " METADATA_TOKEN_S
                             : nsh_pool_printf(&login->pool, "X-aws-ec2-metadata-token: %s",
                                               session->metadata_token);
    if (url == NULL || header == NULL) {
        nsh_rest_fail_nomem(login);
        return;
    }
    nsh_rest_send(login,
                  &(struct nsh_rest_request){.method = method,
                                             .path = url,
                                             .headers = (const char *const[]){header, NULL},
                                             .timeout_ms = METADATA_TIMEOUT_MS,
                                             .flags = NSH_REST_READS},
                  done);
}

static void metadata_keys_answered(struct nsh_rest_call *login, const struct nsh_rest_reply *reply)
{
    struct aws_session *session = nsh_rest_session(login->rest);
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(login, reply);
        return;
    }
    if (!keys_take(&session->next, nsh_at_text(reply->body, "AccessKeyId", NULL),
                   nsh_at_text(reply->body, "SecretAccessKey", NULL),
                   nsh_at_text(reply->body, "Token", NULL)) ||
        !nsh_time_iso(nsh_at_text(reply->body, "Expiration", ""), &session->next_expires_ms)) {
        nsh_rest_fail(login, NSH_AUTH, "the machine's metadata gave no credentials: %s",
                      nsh_at_text(reply->body, "Code", "no code"));
        return;
    }
    keys_obtained(login);
}

/* One line: a token, a role's name. */
static bool line_take(char *room, size_t room_bytes, const struct nsh_rest_reply *reply)
{
    size_t count = strcspn(reply->http->body, "\r\n");
    for (size_t i = 0; i < count; i++) {
        if ((unsigned char)reply->http->body[i] <= ' ' ||
            (unsigned char)reply->http->body[i] >= 0x7f) {
            return false;
        }
    }
    if (count == 0 || count >= room_bytes) {
        return false;
    }
    memcpy(room, reply->http->body, count);
    room[count] = '\0';
    return true;
}

static void metadata_role_answered(struct nsh_rest_call *login, const struct nsh_rest_reply *reply)
{
    char role[128], path[256];
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(login, reply);
        return;
    }
    if (!line_take(role, sizeof role, reply) || strpbrk(role, "/?#%") != NULL) {
        nsh_rest_fail(login, NSH_AUTH, "the machine's metadata names no role");
        return;
    }
    snprintf(path, sizeof path, METADATA_ROLES "%s", role);
    metadata_ask(login, "GET", path, metadata_keys_answered);
}

static void metadata_token_answered(struct nsh_rest_call *login, const struct nsh_rest_reply *reply)
{
    struct aws_session *session = nsh_rest_session(login->rest);
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(login, reply);
        return;
    }
    if (!line_take(session->metadata_token, sizeof session->metadata_token, reply)) {
        nsh_rest_fail(login, NSH_PROTOCOL, "the machine's metadata service gave no token");
        return;
    }
    metadata_ask(login, "GET", METADATA_ROLES, metadata_role_answered);
}

/* ---- the beginning ---------------------------------------------------------------------- */

static void profile_begin(struct nsh_rest_call *login, const struct nsh_value *settings)
{
    struct aws_session *session = nsh_rest_session(login->rest);
    struct aws_profile profile;
    struct nsh_error err = {0};
    if (aws_profile_read(&login->pool, setting(settings, "credentials_file"),
                         setting(settings, "config_file"),
                         nsh_get_text(settings, "profile", "default"), &profile, &err) < 0) {
        nsh_rest_fail_error(login, &err);
        return;
    }
    bool good = keys_take(&session->next, profile.key_id, profile.secret, profile.session_token);
    if (session->role_arn[0] == '\0') {
        good = good && text_take(session->role_arn, sizeof session->role_arn, profile.role_arn) &&
               text_take(session->external_id, sizeof session->external_id, profile.external_id);
    }
    if (!good) {
        nsh_rest_fail(login, NSH_INVALID, "a key or role of the profile is too long");
        return;
    }
    keys_obtained(login);
}

void aws_login(struct nsh_rest_call *login)
{
    struct aws_session *session = nsh_rest_session(login->rest);
    const struct nsh_value *settings = nsh_rest_settings(login->rest);
    const char *web_token = setting(settings, "web_identity_token");
    session->next_expires_ms = 0;
    session->metadata_token[0] = '\0';
    if (!text_take(session->role_arn, sizeof session->role_arn, setting(settings, "role_arn")) ||
        !text_take(session->external_id, sizeof session->external_id,
                   setting(settings, "role_external_id"))) {
        nsh_rest_fail(login, NSH_INVALID, "role_arn or role_external_id is too long");
    } else if (setting(settings, "access_key") != NULL) {
        if (keys_take(&session->next, setting(settings, "access_key"),
                      setting(settings, "secret_key"), setting(settings, "session_token"))) {
            keys_obtained(login);
        } else {
            nsh_rest_fail(login, NSH_INVALID, "access_key and secret_key are missing or too long");
        }
    } else if (setting(settings, "credentials_file") != NULL ||
               setting(settings, "config_file") != NULL) {
        profile_begin(login, settings);
    } else if (web_token != NULL) {
        role_ask(login, web_token);
    } else {
        metadata_ask(login, "PUT", "/latest/api/token", metadata_token_answered);
    }
}
