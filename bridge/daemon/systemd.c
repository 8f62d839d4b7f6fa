/* SPDX-License-Identifier: Apache-2.0 */
#include "systemd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FIRST_SOCKET_FD 3

static int socket_option(int fd, int option)
{
    int value = 0;
    socklen_t bytes = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &bytes) < 0 ? -1 : value;
}

static long number_of(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    long number = text == NULL ? 0 : strtol(text, &end, 10);
    return text == NULL || *end != '\0' || number < 0 ? 0 : number;
}

void systemd_sockets_take(struct systemd_sockets *ret_sockets)
{
    struct systemd_sockets sockets = {.stream = -1};
    long count = number_of("LISTEN_PID") == (long)getpid() ? number_of("LISTEN_FDS") : 0;
    for (int fd = FIRST_SOCKET_FD; fd < FIRST_SOCKET_FD + count; fd++) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        int type = socket_option(fd, SO_TYPE);
        int family = socket_option(fd, SO_DOMAIN);
        if (type == SOCK_DGRAM && (family == AF_INET || family == AF_INET6) &&
            sockets.datagrams_count < SYSTEMD_SOCKETS_MAX) {
            sockets.datagrams[sockets.datagrams_count++] = fd;
        } else if (type == SOCK_STREAM && family == AF_UNIX && sockets.stream < 0) {
            sockets.stream = fd;
        } else {
            close(fd);
        }
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    *ret_sockets = sockets;
}

void systemd_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t bytes = path == NULL ? 0 : strlen(path);
    if (bytes < 2 || bytes >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    memcpy(address.sun_path, path, bytes);
    address.sun_path[0] = path[0] == '@' ? '\0' : path[0];
    char text[128];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int count = snprintf(text, sizeof text, "%s", state);
    if (strcmp(state, "RELOADING=1") == 0) {
        count = snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
                         (unsigned long long)now.tv_sec * 1000000 +
                             (unsigned long long)now.tv_nsec / 1000);
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    struct iovec vector = {.iov_base = text, .iov_len = (size_t)count};
    struct msghdr message = {
        .msg_name = &address,
        .msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes),
        .msg_iov = &vector,
        .msg_iovlen = 1,
    };
    sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT); /* Lost: systemd will say so. */
    close(fd);
}

uint64_t systemd_watchdog_ms(void)
{
    long pid = number_of("WATCHDOG_PID");
    long us = number_of("WATCHDOG_USEC");
    return pid != 0 && pid != (long)getpid() ? 0 : (uint64_t)us / 2000;
}

bool systemd_journal(void)
{
    const char *text = getenv("JOURNAL_STREAM");
    unsigned long device = 0, inode = 0;
    struct stat status;
    return text != NULL && sscanf(text, "%lu:%lu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}
