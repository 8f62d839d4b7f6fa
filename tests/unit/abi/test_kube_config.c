/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig: which settings come of a context, and what is refused in words. */

#include "../unit.h"

#include "abi/kube_login.h"

#include <stdio.h>
#include <string.h>

/* "-----BEGIN CERTIFICATE-----\nx\n" */
#define PEM_64 "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCngK"

#define CLUSTER "clusters: [{name: c, cluster: {server: 'https://k:6443'}}]\n"
#define CONTEXT "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
#define USER "users: [{name: u, user: {token: abc}}]\n"

static const char whole[] =
    "apiVersion: v1\nkind: Config\ncurrent-context: prod\npreferences: {}\n"
    "clusters:\n- name: east\n  cluster:\n    server: https://east:6443\n"
    "    certificate-authority-data: " PEM_64 "\n"
    "- cluster: {server: 'https://west:6443', certificate-authority: /pki/west.pem, proxy-url: "
    "'http://proxy:3128'}\n  name: west\n"
    "contexts:\n- {name: prod, context: {cluster: east, user: certificate, namespace: shop}}\n"
    "- {name: other, context: {cluster: west, user: token}}\n"
    "- {name: file, context: {cluster: west, user: file}}\n"
    "users:\n- {name: certificate, user: {client-certificate-data: " PEM_64
    ", client-key-data: " PEM_64 "}}\n"
    "- {name: token, user: {token: abc}}\n"
    "- {name: file, user: {tokenFile: /run/token, token: old}}\n";

/* "url=...;ca_file=..." in order, or the error's text. */
static const char *read_as(const char *yaml, const char *context, const char *given_name,
                           const char *given_text)
{
    static char text[1024];
    struct nsh_pool pool = {0};
    struct nsh_error err = {0};
    struct nsh_value settings = nsh_null();
    const struct nsh_member members[] = {{"context", nsh_text(context)},
                                         {given_name, nsh_text(given_text)}};
    struct nsh_value given = nsh_map(members, given_name == NULL ? 1 : 2);
    size_t used = 0;
    text[0] = 0;
    if (kube_config_read(&pool, yaml, strlen(yaml), &given, &settings, &err) < 0) {
        snprintf(text, sizeof text, "%s", err.text);
    }
    for (uint32_t i = 0; settings.type == NSH_MAP && i < settings.count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s=%.20s", i == 0 ? "" : ";",
                                 settings.members[i].name, settings.members[i].value.text);
    }
    nsh_pool_done(&pool);
    return text;
}

static void test_contexts(void **state)
{
    (void)state;
    static const struct {
        const char *context, *given, *text, *wanted, *why;
    } rows[] = {
        {"", NULL, NULL,
         "url=https://east:6443;ca_file=-----BEGIN CERTIFICA;client_cert=-----BEGIN "
         "CERTIFICA;client_key=-----BEGIN CERTIFICA",
         "the current one; what stands inside is PEM text"},
        {"other", NULL, NULL,
         "url=https://west:6443;proxy=http://proxy:3128;ca_file=/pki/west.pem;token=abc",
         "another one; a file, a proxy, a token"},
        {"file", NULL, NULL,
         "url=https://west:6443;proxy=http://proxy:3128;ca_file=/pki/west.pem;bearer_file=/run/"
         "token",
         "a file with a token goes before a token"},
        {"other", "token", "mine",
         "url=https://west:6443;proxy=http://proxy:3128;ca_file=/pki/west.pem",
         "what the inventory says itself counts"},
        {"other", "ca_file", "/own.pem", "url=https://west:6443;proxy=http://proxy:3128;token=abc",
         "the same for the authority"},
        {"none", NULL, NULL, "context: the kubeconfig has no context none", "no such context"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *got = read_as(whole, rows[i].context, rows[i].given, rows[i].text);
        if (strcmp(got, rows[i].wanted) != 0) {
            fail_msg("%s: %s", rows[i].why, got);
        }
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *part, *why;
    } rows[] = {
        {CLUSTER CONTEXT "users: [{name: u, user: {exec: {command: aws}}}]\n", "never run",
         "a program that makes tokens"},
        {CLUSTER CONTEXT "users: [{name: u, user: {auth-provider: {name: gcp}}}]\n", "providers",
         "a provider"},
        {CLUSTER CONTEXT "users: [{name: u, user: {username: a, password: b}}]\n", "no passwords",
         "a password"},
        {CLUSTER CONTEXT "users: [{name: u, user: {token: a, as: root}}]\n", "impersonated",
         "somebody else"},
        {CLUSTER CONTEXT "users: [{name: u, user: {tokenFile: token}}]\n", "absolute",
         "a path of nowhere"},
        {CLUSTER CONTEXT "users: [{name: u, user: {client-key-data: '%%'}}]\n", "no PEM",
         "no base64"},
        {CLUSTER CONTEXT "users: [{name: u, user: {client-key-data: YWJj}}]\n", "no PEM",
         "base64 of something else"},
        {"clusters: [{name: c, cluster: {server: 'https://k', insecure-skip-tls-verify: "
         "true}}]\n" CONTEXT USER,
         "tls = \"insecure\"", "trust in anybody is said twice"},
        {"clusters: [{name: c, cluster: {server: 'https://k', tls-server-name: k}}]\n" CONTEXT USER,
         "tls-server-name", "another name"},
        {"clusters: [{name: c, cluster: {}}]\n" CONTEXT USER, "no server", "no server"},
        {CONTEXT USER, "there is no cluster c", "no cluster"},
        {CLUSTER CONTEXT, "there is no user u", "no user"},
        {CLUSTER USER, "no current-context", "no context"},
        {"clusters: &a []\nusers: *a\n", "aliases", "an alias"},
        {"", "empty", "nothing"},
        {"{\"clusters\": ", "line", "half of it"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *got = read_as(rows[i].yaml, "", NULL, NULL);
        if (strstr(got, rows[i].part) == NULL || strstr(got, "url=") != NULL) {
            fail_msg("%s: %s", rows[i].why, got);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_contexts),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
