/* SPDX-License-Identifier: Apache-2.0 */
/* The service manager's protocols: what is said, what is taken over. */

#include "../unit.h"

#include "systemd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t bytes = strlen(path);
    memcpy(address.sun_path, path, bytes);
    address.sun_path[0] = path[0] == '@' ? '\0' : path[0];
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes)),
                     0);
    return fd;
}

static void notifications(void **state)
{
    char paths[2][64], text[128];
    snprintf(paths[0], sizeof paths[0], "/tmp/ns-notify-%d", (int)getpid());
    snprintf(paths[1], sizeof paths[1], "@ns-notify-%d", (int)getpid()); /* Abstract. */
    for (size_t i = 0; i < ROWS(paths); i++) {
        int fd = listen_at(paths[i]);
        setenv("NOTIFY_SOCKET", paths[i], 1);
        systemd_notify("READY=1");
        ssize_t count = recv(fd, text, sizeof text, 0);
        assert_int_equal(count, strlen("READY=1"));
        systemd_notify("RELOADING=1");
        count = recv(fd, text, sizeof text - 1, 0);
        assert_true(count > 0);
        text[count] = '\0';
        assert_non_null(strstr(text, "RELOADING=1\nMONOTONIC_USEC=")); /* Type=notify-reload. */
        close(fd);
        unlink(paths[i]);
    }
    unsetenv("NOTIFY_SOCKET");
    systemd_notify("READY=1"); /* Nobody listens: nothing happens. */
}

static void watchdog(void **state)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_int_equal(systemd_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "20000000", 1);
    assert_int_equal(systemd_watchdog_ms(), 10000);
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(systemd_watchdog_ms(), 10000);
    setenv("WATCHDOG_PID", "1", 1); /* Meant for another process. */
    assert_int_equal(systemd_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "soon", 1);
    unsetenv("WATCHDOG_PID");
    assert_int_equal(systemd_watchdog_ms(), 0);
    unsetenv("WATCHDOG_USEC");
}

/* In a child, because the descriptors 3 and on are its own there. */
static int child_takes_sockets(bool ours)
{
    int udp = socket(AF_INET, SOCK_DGRAM, 0), stream = socket(AF_UNIX, SOCK_STREAM, 0);
    int pipes[2];
    if (pipe(pipes) < 0 || dup2(udp, 100) < 0 || dup2(stream, 101) < 0 || dup2(pipes[0], 102) < 0) {
        return 1;
    }
    for (int i = 0; i < 3; i++) {
        dup2(100 + i, 3 + i);
    }
    char pid[16];
    snprintf(pid, sizeof pid, "%d", ours ? (int)getpid() : 1);
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "3", 1);
    struct systemd_sockets sockets;
    systemd_sockets_take(&sockets);
    if (!ours) {
        return sockets.datagrams_count == 0 && sockets.stream == -1 ? 0 : 2;
    }
    bool right = sockets.datagrams_count == 1 && sockets.datagrams[0] == 3 && sockets.stream == 4 &&
                 (fcntl(3, F_GETFD) & FD_CLOEXEC) != 0 && fcntl(5, F_GETFD) < 0 &&
                 getenv("LISTEN_FDS") == NULL;
    return right ? 0 : 3;
}

static void sockets_are_told_apart(void **state)
{
    for (int ours = 0; ours < 2; ours++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            _exit(child_takes_sockets(ours == 1));
        }
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notifications),
        cmocka_unit_test(watchdog),
        cmocka_unit_test(sockets_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
