/* SPDX-License-Identifier: Apache-2.0 */
/* What the settings of a login come to: given, of a kubeconfig, of the pod that we are. */

#include "../unit.h"

#include "abi/kube_login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG                                                                                     \
    "current-context: x\nclusters: [{name: c, cluster: {server: 'https://k:6443/'}}]\n"            \
    "contexts: [{name: x, context: {cluster: c, user: u}}, {name: p, context: {cluster: c, user: " \
    "p}}]\nusers: [{name: u, user: {token: abc}}, {name: p, user: {exec: {command: x}}}]\n"

/* "url=...;token=..." in order, or the error's text. */
static const char *login(const struct nsh_member *members, size_t count)
{
    static char text[1024];
    struct nsh_pool pool = {0};
    struct nsh_error err = {0};
    struct nsh_value given = nsh_map(members, count), all = nsh_null();
    size_t at = 0;

    text[0] = '\0';
    if (kube_login_read(&pool, &given, &all, &err) < 0) {
        snprintf(text, sizeof text, "%s", err.text);
    }
    for (uint32_t i = 0; i < all.count && at < sizeof text; i++) {
        if (all.members[i].value.text[0] != '\0') {
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s=%s", at == 0 ? "" : ";",
                                   all.members[i].name, all.members[i].value.text);
        }
    }
    nsh_pool_done(&pool);
    return text;
}

static void test_settings(void **state)
{
    static const struct {
        const char *given[3][2];
        const char *wanted, *why;
    } rows[] = {
        {{{"url", "https://k:6443/"}, {"token", "t"}},
         "url=https://k:6443;token=t",
         "a slash at the end is none"},
        {{{"url", "http://10.0.0.1:8080"}, {"token", "t"}},
         "url: want https://, got http://10.0.0.1:8080; http:// only to a proxy on this machine",
         "a token over plain HTTP"},
        {{{"url", "http://127.0.0.1:8001"}}, "url=http://127.0.0.1:8001", "kubectl proxy"},
        {{{"url", "https://k"}, {"token", "t"}, {"bearer_file", "/f"}},
         "token or bearer_file, not both",
         "which?"},
        {{{"url", "https://k"}, {"token", "t\r\nX: y"}},
         "token has blanks or is too long",
         "a header of its own"},
        {{{"kubeconfig", CONFIG}}, "url=https://k:6443;token=abc", "all of a kubeconfig"},
        {{{"kubeconfig", CONFIG}, {"url", "https://other:1"}},
         "url=https://other:1;token=abc",
         "what is given counts"},
        {{{"kubeconfig", CONFIG}, {"context", "p"}},
         "kubeconfig: exec: a program that makes tokens is never run: say token or bearer_file",
         "no program"},
        {{{"token", "t"}},
         "url is needed: KUBERNETES_SERVICE_HOST is not set, this is no cluster",
         "no url, no cluster"},
    };
    (void)state;
    unsetenv("KUBERNETES_SERVICE_HOST");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nsh_member given[3];
        size_t count = 0;
        for (; count < 3 && rows[i].given[count][0] != NULL; count++) {
            given[count] =
                (struct nsh_member){rows[i].given[count][0], nsh_text(rows[i].given[count][1])};
        }
        const char *got = login(given, count);
        if (strcmp(got, rows[i].wanted) != 0) {
            fail_msg("%s: got %s, wanted %s", rows[i].why, got, rows[i].wanted);
        }
    }
}

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"

static void test_in_a_pod(void **state)
{
    const struct nsh_member own[] = {{"ca_file", nsh_text("/my.pem")}, {"token", nsh_text("t")}};
    (void)state;
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "6443", 1);
    assert_string_equal(login(NULL, 0), "bearer_file=" ACCOUNT "token;ca_file=" ACCOUNT
                                        "ca.crt;url=https://[fd00::1]:6443");
    assert_string_equal(login(own, 2), "ca_file=/my.pem;token=t;url=https://[fd00::1]:6443");
    unsetenv("KUBERNETES_SERVICE_HOST");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_in_a_pod),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
