/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_KUBE_LOGIN_H
#define NSH_KUBE_LOGIN_H

/*
 * Where an API server of Kubernetes is and who we are there, for the driver and the source alike:
 * their settings (url, kubeconfig, context, token, bearer_file, client_cert, client_key, ca_file,
 * tls, proxy), what a kubeconfig says, what every pod of a cluster has. What we cannot do is
 * refused in words, never left out.
 */

#include "abi/driver.h"
#include "abi/pool.h"

#define KUBE_TOKEN_BYTES_MAX 16384
#define KUBE_SETTINGS_MAX 48 /* A driver's or source's own, and what is filled in. */

/* Rows of options: where the API server is, and the tokens for it. */
#define KUBE_LOGIN_OPTIONS(bearer_help)                                                            \
    {.name = "url",                                                                                \
     .type = NSH_STRING,                                                                           \
     .flags = NSH_IDENTIFIES,                                                                      \
     .help =                                                                                       \
         "The API server: https://10.0.0.1:6443. None: the cluster that nightshift runs in, by "   \
         "its service account."},                                                                  \
        {.name = "kubeconfig",                                                                     \
         .type = NSH_SECRET,                                                                       \
         .help =                                                                                   \
             "A kubeconfig (file:/etc/nightshift/kubeconfig): fills in what is not set here."},    \
        {.name = "context",                                                                        \
         .type = NSH_STRING,                                                                       \
         .help = "Which of its contexts; none: its current one."},                                 \
        {.name = "token", .type = NSH_SECRET, .help = "Bearer token."},                            \
    {                                                                                              \
        .name = "bearer_file", .type = NSH_STRING, .help = (bearer_help)                           \
    }

/*
 * The settings (url, ca_file, token ...) that one context of a kubeconfig gives where `given` does
 * not say them itself; `context` of these chooses it. Certificates and keys that stand inside
 * become PEM texts. Everything lives in pool.
 *
 * NSH_INVALID      no such file, context, cluster, user.
 * NSH_UNSUPPORTED  a way to log in that is not ours: programs, providers, passwords.
 */
int kube_config_read(struct nsh_pool *pool, const char *yaml, size_t yaml_bytes,
                     const struct nsh_value *given, struct nsh_value *ret_settings,
                     struct nsh_error *err);

/*
 * The settings to use: those given, secrets resolved, without kubeconfig and context but with what
 * these say; in a cluster, without a url, with a pod's own. They hold a url, without a slash at its
 * end. Texts live in pool or in those given.
 *
 * NSH_INVALID  no url and no cluster around us, two tokens, a token that is none, plain HTTP to
 * elsewhere; and of kube_config_read.
 */
int kube_login_read(struct nsh_pool *pool, const struct nsh_value *given,
                    struct nsh_value *ret_settings, struct nsh_error *err);

/* Https, or a proxy on this machine: a token over plain HTTP is anybody's. */
bool kube_url_safe(const char *url);

/* The token in a small local file: those of service accounts change hourly. The caller wipes it.
 * NSH_AUTH: none is there. */
int kube_token_read(const char *path, char token[KUBE_TOKEN_BYTES_MAX], struct nsh_error *err);

#endif
