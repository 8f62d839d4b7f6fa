/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of a login: given, of a kubeconfig, of the pod that we are; and the file with a
 * token. */

#include "abi/kube_login.h"

#include "abi/rest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"
#define FILLED_MAX 12 /* What a kubeconfig can say, and what a pod has. */
#define URL_BYTES_MAX 512

static bool token_clean(const char *token)
{
    for (const char *at = token; *at != '\0'; at++) {
        if (*at <= ' ' || *at >= 0x7f) {
            return false;
        }
    }
    return token[0] != '\0';
}

int kube_token_read(const char *path, char token[KUBE_TOKEN_BYTES_MAX], struct nsh_error *err)
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

static const char *given(const struct nsh_value *settings, const char *name)
{
    const char *text = nsh_get_text(settings, name, "");

    return text[0] == '\0' ? NULL : text;
}

bool kube_url_safe(const char *url)
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
    if (!kube_url_safe(url)) {
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

    for (uint32_t i = 0; i < settings->count && *count < KUBE_SETTINGS_MAX - FILLED_MAX; i++) {
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

int kube_login_read(struct nsh_pool *pool, const struct nsh_value *given_settings,
                    struct nsh_value *ret_settings, struct nsh_error *err)
{
    struct nsh_member *members = nsh_pool_array(pool, KUBE_SETTINGS_MAX, sizeof *members);
    char *url = nsh_pool_alloc(pool, URL_BYTES_MAX);
    char found[URL_BYTES_MAX];
    size_t count = 0;

    if (members == NULL || url == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = config_fill(pool, given_settings, members, &count, err);
    struct nsh_value all = nsh_map(members, count);
    const char *asked = result < 0 ? NULL : given(&all, "url");
    if (result == 0 && asked == NULL) {
        result = cluster_url(found, sizeof found, err);
    }
    if (result == 0) {
        result = nsh_rest_base_check("url", asked != NULL ? asked : found, url, URL_BYTES_MAX, err);
    }
    if (result == 0) {
        result = login_check(&all, url, err);
    }
    if (result < 0) {
        return result;
    }
    if (asked == NULL) {
        cluster_fill(&all, members, &count);
    }
    settings_set(members, &count, "url", url);
    *ret_settings = nsh_map(members, count);
    return 0;
}
