/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubeconfig: one context of it, as our settings. What we cannot do (programs that make tokens,
 * user names, names to verify instead) is refused in words, never left out.
 */

#include "abi/encode.h"
#include "abi/json_value.h"
#include "abi/kube_login.h"
#include "abi/yaml_value.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CONFIG_SETTINGS_MAX 8

struct config {
    struct nsh_pool *pool;
    const struct nsh_value *given;
    struct nsh_member settings[CONFIG_SETTINGS_MAX];
    size_t settings_count;
    struct nsh_error *err;
};

static const char *text_at(const struct nsh_value *value, const char *name)
{
    const char *text = nsh_get_text(value, name, "");
    return text[0] == '\0' ? NULL : text;
}

/* The item of that name in a list of {name, KIND}; what it says, or NULL. */
static const struct nsh_value *named(const struct nsh_value *root, const char *list,
                                     const char *kind, const char *name)
{
    for (size_t i = 0; i < nsh_at_count(root, list); i++) {
        const struct nsh_value *item = nsh_at_item(root, list, i);
        if (strcmp(nsh_get_text(item, "name", ""), name) == 0) {
            const struct nsh_value *body = nsh_get(item, kind);
            return body != NULL && body->type == NSH_MAP ? body : NULL;
        }
    }
    return NULL;
}

/* What the inventory says itself counts. */
static void set(struct config *config, const char *name, const char *text)
{
    if (text != NULL && text_at(config->given, name) == NULL) {
        config->settings[config->settings_count++] = (struct nsh_member){name, nsh_text(text)};
    }
}

static int pem_read(struct config *config, const char *name, const char *data, const char **ret_pem)
{
    size_t count = 0;
    const char *pem = (const char *)nsh_base64_read(config->pool, data, &count);
    if (pem == NULL || strlen(pem) != count || strncmp(pem, "-----BEGIN ", 11) != 0) {
        return nsh_fail(config->err, NSH_INVALID, "kubeconfig: %s-data is no PEM in base64", name);
    }
    *ret_pem = pem;
    return 0;
}

/* "NAME-data" before "NAME", as kubectl does. */
static int file_take(struct config *config, const struct nsh_value *from, const char *name,
                     const char *setting)
{
    char data_name[64];
    snprintf(data_name, sizeof data_name, "%s-data", name);
    const char *data = text_at(from, data_name), *path = text_at(from, name);
    int result = data == NULL ? 0 : pem_read(config, name, data, &path);
    if (result == 0 && data == NULL && path != NULL && path[0] != '/') {
        result = nsh_fail(config->err, NSH_INVALID,
                          "kubeconfig: %s: want an absolute path, got %.200s", name, path);
    }
    if (result == 0) {
        set(config, setting, path);
    }
    return result;
}

static int cluster_take(struct config *config, const struct nsh_value *cluster)
{
    const char *insecure = nsh_get_text(cluster, "insecure-skip-tls-verify", "false");
    bool asked = strcmp(nsh_get_text(config->given, "tls", "verify"), "verify") != 0;
    if (text_at(cluster, "server") == NULL) {
        return nsh_fail(config->err, NSH_INVALID, "kubeconfig: the cluster has no server");
    }
    if (strcasecmp(insecure, "true") == 0 && !asked) {
        return nsh_fail(config->err, NSH_INVALID,
                        "kubeconfig: it says insecure-skip-tls-verify; to trust anybody say tls = "
                        "\"insecure\"");
    }
    if (text_at(cluster, "tls-server-name") != NULL) {
        return nsh_fail(config->err, NSH_UNSUPPORTED,
                        "kubeconfig: tls-server-name is not possible: the server's own name is "
                        "verified");
    }
    set(config, "url", text_at(cluster, "server"));
    set(config, "proxy", text_at(cluster, "proxy-url"));
    return asked ? 0 : file_take(config, cluster, "certificate-authority", "ca_file");
}

static bool has_login(const struct nsh_value *given)
{
    return text_at(given, "token") != NULL || text_at(given, "bearer_file") != NULL ||
           text_at(given, "client_cert") != NULL;
}

static int user_take(struct config *config, const struct nsh_value *user)
{
    static const struct {
        const char *name, *why;
    } never[] = {
        {"exec", "a program that makes tokens is never run: say token or bearer_file"},
        {"auth-provider", "providers of tokens are not asked: say token or bearer_file"},
        {"username", "API servers take no passwords: say token, bearer_file or client_cert"},
        {"as", "nobody is impersonated: give the user of the context the rights"},
    };
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        if (nsh_get(user, never[i].name) != NULL) {
            return nsh_fail(config->err, NSH_UNSUPPORTED, "kubeconfig: %s: %s", never[i].name,
                            never[i].why);
        }
    }
    const char *file = text_at(user, "tokenFile");
    if (file != NULL && file[0] != '/') {
        return nsh_fail(config->err, NSH_INVALID,
                        "kubeconfig: tokenFile: want an absolute path, got %.200s", file);
    }
    if (file != NULL) {
        set(config, "bearer_file", file); /* Before a token, as kubectl does. */
    } else {
        set(config, "token", text_at(user, "token"));
    }
    int result = file_take(config, user, "client-certificate", "client_cert");
    return result < 0 ? result : file_take(config, user, "client-key", "client_key");
}

static const char *context_of(const struct nsh_value *root, const char *asked)
{
    return asked != NULL ? asked : nsh_get_text(root, "current-context", "");
}

int kube_config_read(struct nsh_pool *pool, const char *yaml, size_t yaml_bytes,
                     const struct nsh_value *given, struct nsh_value *ret_settings,
                     struct nsh_error *err)
{
    struct config config = {.pool = pool, .given = given, .err = err};
    struct nsh_value root = nsh_null();
    int result = nsh_yaml_read(pool, "kubeconfig", yaml, yaml_bytes, &root, err);
    if (result < 0) {
        return result;
    }
    const char *name = context_of(&root, text_at(given, "context"));
    if (name[0] == '\0') {
        return nsh_fail(err, NSH_INVALID, "context: the kubeconfig has no current-context: which?");
    }
    const struct nsh_value *context = named(&root, "contexts", "context", name);
    if (context == NULL) {
        return nsh_fail(err, NSH_INVALID, "context: the kubeconfig has no context %.128s", name);
    }
    const char *cluster_name = nsh_get_text(context, "cluster", "");
    const char *user_name = nsh_get_text(context, "user", "");
    const struct nsh_value *cluster = named(&root, "clusters", "cluster", cluster_name);
    const struct nsh_value *user = named(&root, "users", "user", user_name);
    if (cluster == NULL || (user == NULL && !has_login(given))) {
        return nsh_fail(err, NSH_INVALID, "kubeconfig: context %.100s: there is no %s %.100s", name,
                        cluster == NULL ? "cluster" : "user",
                        cluster == NULL ? cluster_name : user_name);
    }
    result = cluster_take(&config, cluster);
    if (result == 0 && !has_login(given)) {
        result = user_take(&config, user);
    }
    struct nsh_member *members =
        result < 0 ? NULL : nsh_pool_array(pool, CONFIG_SETTINGS_MAX, sizeof *members);
    if (members == NULL) {
        return result < 0 ? result : nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    memcpy(members, config.settings, config.settings_count * sizeof *members);
    *ret_settings = nsh_map(members, config.settings_count);
    return 0;
}
