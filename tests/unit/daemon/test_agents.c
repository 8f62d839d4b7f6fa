/* SPDX-License-Identifier: Apache-2.0 */
/* Fence agents are asked by those who may wait, never by the loop. */

#include "../unit.h"

#include "loop/drivers.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/agents-XXXXXX", path[64], gate[64], ran[64];

/* An agent that notes that it ran, waits for the gate to be opened, and tells what it takes. */
static void agent_write(const char *parameter)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file,
            "#!/bin/sh\necho x >> %s\nread line < %s\ncat <<'END'\n"
            "<?xml version=\"1.0\" ?>\n<resource-agent name=\"fence_gate\" shortdesc=\"A gate\">\n"
            "<parameters><parameter name=\"%s\" required=\"0\"><content type=\"string\"/>"
            "</parameter></parameters>\n<actions><action name=\"on\"/><action name=\"off\"/>"
            "<action name=\"status\"/></actions>\n</resource-agent>\nEND\n",
            ran, gate, parameter);
    fclose(file);
    assert_int_equal(chmod(path, 0755), 0);
}

static void *learn(void *drivers)
{
    return (void *)(uintptr_t)drivers_learn(drivers, "fence_gate");
}

/* The reader of the gate is the agent: it runs, and its asker waits. */
static FILE *gate_opened_by_agent(void)
{
    FILE *file = fopen(gate, "we");
    assert_non_null(file);
    return file;
}

static bool takes(const struct nsh_driver *driver, const char *option)
{
    for (size_t i = 0; i < driver->options_count; i++) {
        if (strcmp(driver->options[i].name, option) == 0) {
            return true;
        }
    }
    return false;
}

static const struct nsh_driver *learned(struct drivers *drivers, const struct nsh_driver *before)
{
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_create(&thread, NULL, learn, drivers), 0);
    FILE *file = gate_opened_by_agent();
    assert_ptr_equal(drivers_find(drivers, "fence_gate"), before); /* Meanwhile: at once. */
    assert_true(drivers_installed(drivers, "fence_gate"));
    fputs("go\n", file);
    fclose(file);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(drivers_find(drivers, "fence_gate"), result);
    return result;
}

static unsigned runs(void)
{
    struct stat status;
    return stat(ran, &status) == 0 ? (unsigned)status.st_size / 2 : 0;
}

static void test_agents_are_learned(void **state)
{
    struct drivers *drivers = NULL;
    struct nsh_error err = {0};
    assert_int_equal(drivers_load(TEST_BINARY_DIR "/drivers", &drivers, &err), 0);
    agent_write("one");
    assert_null(drivers_find(drivers, "fence_gate"));
    assert_int_equal(runs(), 0);
    const struct nsh_driver *first = learned(drivers, NULL);
    assert_non_null(first);
    assert_true(takes(first, "one"));
    assert_ptr_equal(drivers_learn(drivers, "fence_gate"), first);
    assert_int_equal(runs(), 1);

    agent_write("two");
    struct timespec later[2] = {{.tv_sec = 2000000000}, {.tv_sec = 2000000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
    assert_ptr_equal(drivers_find(drivers, "fence_gate"), first); /* Not before it is learned. */
    assert_int_equal(runs(), 1);
    const struct nsh_driver *second = learned(drivers, first);
    assert_true(second != first && takes(second, "two") && takes(first, "one"));
    assert_int_equal(runs(), 2);

    assert_int_equal(unlink(path), 0); /* What is bound to it stays explained. */
    assert_false(drivers_installed(drivers, "fence_gate"));
    assert_ptr_equal(drivers_learn(drivers, "fence_gate"), second);
    assert_null(drivers_learn(drivers, "fence_none"));
    assert_null(drivers_learn(drivers, "../fence_gate"));
    drivers_free(drivers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_agents_are_learned)};
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/fence_gate", folder);
    snprintf(gate, sizeof gate, "%s/gate", folder);
    snprintf(ran, sizeof ran, "%s/ran", folder);
    if (mkfifo(gate, 0600) != 0 || setenv("NIGHTSHIFT_FENCE_AGENTS", folder, 1) != 0) {
        return 1;
    }
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(gate);
    unlink(ran);
    unlink(path);
    rmdir(folder);
    return result;
}
