/* SPDX-License-Identifier: Apache-2.0 */

/* Secrets behind references: where they may come from, and that no error shows one. */

#include "fleet/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/ns-secret-XXXXXX";

static void put(const char *name, const char *bytes, size_t count, mode_t mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fwrite(bytes, 1, count, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void test_references(void **state)
{
    put("good", "hunter2\n", 8, 0600);
    put("windows", "hunter2\r\n", 9, 0640);
    put("two-lines", "hunter2\nmore\n", 13, 0600);
    put("open", "hunter2", 7, 0644);
    put("empty", "\n", 1, 0600);
    put("nul", "hunt\0er2", 8, 0600);
    setenv("NS_TEST_SECRET", "hunter2", 1);
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    char absolute[64];
    snprintf(absolute, sizeof absolute, "file:%s/good", folder);
    const struct {
        const char *reference;
        bool allow_plain;
        int result;
        const char *secret;
        const char *why;
    } rows[] = {
        {"file:good", false, 0, "hunter2", "relative to the credentials folder"},
        {absolute, false, 0, "hunter2", "absolute"},
        {"file:windows", false, 0, "hunter2", "a carriage return is no part of it"},
        {"file:two-lines", false, 0, "hunter2\nmore", "one newline goes, at the end"},
        {"file:open", false, -NSH_DENIED, NULL, "readable by others"},
        {"file:empty", false, -NSH_INVALID, NULL, "empty"},
        {"file:nul", false, -NSH_INVALID, NULL, "no text"},
        {"file:none", false, -NSH_NOT_FOUND, NULL, "missing"},
        {"file:", false, -NSH_INVALID, NULL, "no name"},
        {"file:/", false, -NSH_INVALID, NULL, "a folder"},
        {"file:/dev/zero", false, -NSH_INVALID, NULL, "no regular file"},
        {"env:NS_TEST_SECRET", false, 0, "hunter2", "the environment"},
        {"env:NS_TEST_NONE", false, -NSH_NOT_FOUND, NULL, "not in the environment"},
        {"credential:good", false, 0, "hunter2", "systemd"},
        {"credential:../good", false, -NSH_INVALID, NULL, "systemd, out of its folder"},
        {"plain:hunter2", true, 0, "hunter2", "plain where it is allowed"},
        {"plain:hunter2", false, -NSH_INVALID, NULL, "plain where it is not"},
        {"hunter2", true, -NSH_INVALID, NULL, "a bare secret"},
    };
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *secret = NULL;
        struct nsh_error error = {.code = 0};
        int r =
            fleet_secret(rows[i].reference, folder, rows[i].allow_plain, &arena, &secret, &error);
        if (r != rows[i].result || (r == 0 && strcmp(secret, rows[i].secret) != 0)) {
            fail_msg("%s: %d %s", rows[i].why, r, error.text);
        }
        if (strstr(error.text, "hunter2") != NULL) {
            fail_msg("%s: the error shows the secret", rows[i].why);
        }
    }
}

static int teardown(void **state)
{
    static const char *const names[] = {"good", "windows", "two-lines", "open", "empty", "nul"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static int setup(void **state)
{
    return mkdtemp(folder) == NULL ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_references)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
