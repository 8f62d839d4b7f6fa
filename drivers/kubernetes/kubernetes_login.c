/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who we are at the API server: a token, a file with one that is read again each minute and after a
 * 401 (those of service accounts change hourly), a client certificate. What the settings come to is
 * in the kit (abi/kube_login.h).
 */

#include "kubernetes.h"

#include "abi/kube_login.h"

#include <stdio.h>
#include <string.h>

#define TOKEN_LIFE_MS 90000 /* Less the kit's margin: read again after a minute. */

static void token_login(struct nsh_rest_call *login)
{
    const char *path = nsh_get_text(nsh_rest_settings(login->rest), "bearer_file", "");
    char token[KUBE_TOKEN_BYTES_MAX];
    struct nsh_error err = {0};

    if (kube_token_read(path, token, &err) < 0) {
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

static int rest_open(struct nsh_services *services, const struct nsh_value *settings,
                     struct nsh_rest **ret_rest, struct nsh_error *err)
{
    static const char *const secrets[] = {"token", "client_key", NULL};
    static const char *const apart[] = {"node", "bare_metal_host", NULL};
    const char *token = nsh_get_text(settings, "token", "");
    bool by_file = nsh_get_text(settings, "bearer_file", "")[0] != '\0';
    int result = nsh_rest_open(services,
                               &(struct nsh_rest_config){
                                   .base = nsh_get_text(settings, "url", ""),
                                   .settings = settings,
                                   .secrets = secrets,
                                   .apart = apart,
                                   .login = by_file ? token_login : NULL,
                                   .session_bytes = sizeof(struct kube_session),
                               },
                               ret_rest, err);
    if (result < 0 || token[0] == '\0') {
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

int login_open(struct nsh_services *services, const struct nsh_value *settings,
               struct nsh_rest **ret_rest, struct nsh_error *err)
{
    struct nsh_pool pool = {0};
    struct nsh_value all = nsh_null();
    int result = kube_login_read(&pool, settings, &all, err);

    result = result < 0 ? result : rest_open(services, &all, ret_rest, err);
    nsh_pool_done(&pool);
    return result;
}
