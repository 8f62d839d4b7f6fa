/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the API server is, and who we are: a token, a file with one that is read again each minute
 * and after a 401 (those of service accounts change hourly), a client certificate. Without a url:
 * the cluster that we run in.
 */

#include "kubernetes.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"
#define TOKEN_LIFE_MS 90000 /* Less the kit's margin: read again after a minute. */
#define SETTINGS_MAX 32
#define CONFIG_MEMBERS_MAX 8 /* What a kubeconfig can say. */

static bool token_clean(const char *token)
{
    for (const char *at = token; *at != '\0'; at++) {
        if (*at <= ' ' || *at >= 0x7f) {
            return false;
        }
    }
    return token[0] != '\0';
}

/* A small local file, as the ones that the HTTP client reads its certificates from. */
static int token_read(const char *path, char token[KUBE_TOKEN_BYTES_MAX], struct nsh_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    ssize_t count = -1;

    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        count = read(fd, token, KUBE_TOKEN_BYTES_MAX - 1);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (count < 0) {
        return nsh_fail(err, NSH_AUTH, "bearer_file %s cannot be read", path);
    }
    token[count] = '\0';
    while (count > 0 && strchr(" \t\r\n", token[count - 1]) != NULL) {
        token[--count] = '\0';
    }
    return token_clean(token) ? 0 : nsh_fail(err, NSH_AUTH, "bearer_file %s holds no token", path);
}

static void token_login(struct nsh_rest_call *login)
{
    const char *path = nsh_get_text(nsh_rest_settings(login->rest), "bearer_file", "");
    char token[KUBE_TOKEN_BYTES_MAX];
    struct nsh_error err = {0};

    if (token_read(path, token, &err) < 0) {
        nsh_rest_fail_error(login, &err);
        return;
    }
    char *header = nsh_pool_printf(&login->pool, "Authorization: Bearer %s", token);
    explicit_bzero(token, sizeof token);
    if (header == NULL) {
        nsh_rest_fail_nomem(login);
        return;
    }
    nsh_rest_logged_in(login, header, TOKEN_LIFE_MS);
}

/* ---- settings --------------------------------------------------------------------------- */

static const char *given(const struct nsh_value *settings, const char *name)
{
    const char *text = nsh_get_text(settings, name, "");

    return text[0] == '\0' ? NULL : text;
}

/* A token over plain HTTP is anybody's, but for a proxy on this machine. */
static bool is_safe(const char *url)
{
    static const char *const own[] = {"http://127.", "http://localhost", "http://[::1]"};

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strncasecmp(url, own[i], strlen(own[i])) == 0) {
            return true;
        }
    }
    return strncasecmp(url, "https://", 8) == 0;
}

static int cluster_url(char *room, size_t room_bytes, struct nsh_error *err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");

    if (host == NULL || host[0] == '\0') {
        return nsh_fail(err, NSH_INVALID,
                        "url is needed: KUBERNETES_SERVICE_HOST is not set, this is no cluster");
    }
    bool bare_v6 = strchr(host, ':') != NULL && host[0] != '[';
    int count = snprintf(room, room_bytes, "https://%s%s%s:%s", bare_v6 ? "[" : "", host,
                         bare_v6 ? "]" : "", port == NULL || port[0] == '\0' ? "443" : port);
    return count < 0 || (size_t)count >= room_bytes
               ? nsh_fail(err, NSH_INVALID, "KUBERNETES_SERVICE_HOST is too long")
               : 0;
}

static void settings_set(struct nsh_member *members, size_t *count, const char *name,
                         const char *text)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(members[i].name, name) == 0) {
            members[i].value = nsh_text(text);
            return;
        }
    }
    members[(*count)++] = (struct nsh_member){name, nsh_text(text)};
}

/* What is left out, in a cluster, is what every pod has. */
static void cluster_fill(const struct nsh_value *settings, struct nsh_member *members,
                         size_t *count)
{
    bool verifies = strcmp(nsh_get_text(settings, "tls", "verify"), "verify") == 0;

    if (given(settings, "token") == NULL && given(settings, "bearer_file") == NULL &&
        given(settings, "client_cert") == NULL) {
        settings_set(members, count, "bearer_file", ACCOUNT "token");
    }
    if (verifies && given(settings, "ca_file") == NULL) {
        settings_set(members, count, "ca_file", ACCOUNT "ca.crt");
    }
}

static int login_check(const struct nsh_value *settings, const char *url, struct nsh_error *err)
{
    const char *token = given(settings, "token");

    if (token != NULL && given(settings, "bearer_file") != NULL) {
        return nsh_fail(err, NSH_INVALID, "token or bearer_file, not both");
    }
    if (token != NULL && (!token_clean(token) || strlen(token) >= KUBE_TOKEN_BYTES_MAX)) {
        return nsh_fail(err, NSH_INVALID, "token has blanks or is too long");
    }
    if (!is_safe(url)) {
        return nsh_fail(err, NSH_INVALID,
                        "url: want https://, got %.128s; http:// only to a proxy on this machine",
                        url);
    }
    return 0;
}

/* Without the kubeconfig itself, with what it says. */
static int config_fill(struct nsh_pool *pool, const struct nsh_value *settings,
                       struct nsh_member *members, size_t *count, struct nsh_error *err)
{
    const char *yaml = given(settings, "kubeconfig");
    struct nsh_value found = nsh_null();
    int result =
        yaml == NULL ? 0 : kube_config_read(pool, yaml, strlen(yaml), settings, &found, err);

    for (uint32_t i = 0; i < settings->count && *count < SETTINGS_MAX; i++) {
        const char *name = settings->members[i].name;
        if (strcmp(name, "kubeconfig") != 0 && strcmp(name, "context") != 0) {
            members[(*count)++] = settings->members[i];
        }
    }
    for (uint32_t i = 0; result == 0 && found.type == NSH_MAP && i < found.count; i++) {
        settings_set(members, count, found.members[i].name, found.members[i].value.text);
    }
    return result;
}

static int login_open_all(struct nsh_services *services, const struct nsh_value *settings,
                          struct nsh_rest **ret_rest, struct nsh_error *err);

int login_open(struct nsh_services *services, const struct nsh_value *settings,
               struct nsh_rest **ret_rest, struct nsh_error *err)
{
    struct nsh_member members[SETTINGS_MAX + CONFIG_MEMBERS_MAX];
    struct nsh_pool pool = {0};
    size_t count = 0;
    int result = config_fill(&pool, settings, members, &count, err);

    if (result == 0) {
        struct nsh_value all = nsh_map(members, count);
        result = login_open_all(services, &all, ret_rest, err);
    }
    nsh_pool_done(&pool);
    return result;
}

static int login_open_all(struct nsh_services *services, const struct nsh_value *settings,
                          struct nsh_rest **ret_rest, struct nsh_error *err)
{
    static const char *const secrets[] = {"token", "client_key", NULL};
    static const char *const apart[] = {"node", "bare_metal_host", NULL};
    struct nsh_member members[SETTINGS_MAX + CONFIG_MEMBERS_MAX + 3];
    const char *asked = given(settings, "url");
    char found[512], url[512];
    size_t count = settings->count < SETTINGS_MAX + CONFIG_MEMBERS_MAX
                       ? settings->count
                       : SETTINGS_MAX + CONFIG_MEMBERS_MAX;

    memcpy(members, settings->members, count * sizeof members[0]);
    int result = asked != NULL ? 0 : cluster_url(found, sizeof found, err);
    if (result == 0) {
        result = nsh_rest_base_check("url", asked != NULL ? asked : found, url, sizeof url, err);
    }
    if (result == 0) {
        result = login_check(settings, url, err);
    }
    if (result < 0) {
        return result;
    }
    if (asked == NULL) {
        cluster_fill(settings, members, &count);
    }
    struct nsh_value all = nsh_map(members, count);
    result = nsh_rest_open(services,
                           &(struct nsh_rest_config){
                               .base = url,
                               .settings = &all,
                               .secrets = secrets,
                               .apart = apart,
                               .login = given(&all, "bearer_file") != NULL ? token_login : NULL,
                               .session_bytes = sizeof(struct kube_session),
                           },
                           ret_rest, err);
    const char *token = given(&all, "token");
    if (result < 0 || token == NULL) {
        return result;
    }
    char header[KUBE_TOKEN_BYTES_MAX + 32];
    snprintf(header, sizeof header, "Authorization: Bearer %s", token);
    result = nsh_rest_credential(*ret_rest, header, err);
    explicit_bzero(header, sizeof header);
    if (result < 0) {
        nsh_rest_close(*ret_rest);
    }
    return result;
}
