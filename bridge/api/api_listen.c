/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets. */

#include "api_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_BACKLOG 256

static int listen_failed(const char *what, const char *address, struct nsh_error *err)
{
    return nsh_fail(err, errno == EADDRINUSE ? NSH_EXISTS : NSH_IO, "cannot %s %s: %s", what,
                    address, strerror(errno));
}

/* A socket file that a daemon which is gone left behind is removed; anything else stays. */
static int listen_clear(const struct sockaddr_un *address, struct nsh_error *err)
{
    struct stat file;
    if (lstat(address->sun_path, &file) < 0) {
        return 0;
    }
    if (!S_ISSOCK(file.st_mode)) {
        return nsh_fail(err, NSH_EXISTS, "%s exists and is no socket", address->sun_path);
    }
    CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return listen_failed("open a socket for", address->sun_path, err);
    }
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN) {
        return nsh_fail(err, NSH_EXISTS, "another daemon listens on %s", address->sun_path);
    }
    if (unlink(address->sun_path) < 0 && errno != ENOENT) {
        return listen_failed("remove the old socket", address->sun_path, err);
    }
    return 0;
}

int listen_unix(const char *path, gid_t gid, int *ret_fd, struct nsh_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        return nsh_fail(err, NSH_INVALID, "socket path %s is longer than %zu bytes", path,
                        sizeof address.sun_path - 1);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int result = listen_clear(&address, err);
    if (result < 0) {
        return result;
    }
    CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Closed to others from its first moment: the mode is that of the socket itself. */
    if (fd < 0 || fchmod(fd, 0600) < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        return listen_failed("listen on", path, err);
    }
    if ((gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0) || chmod(path, 0660) < 0 ||
        listen(fd, LISTEN_BACKLOG) < 0) {
        result = listen_failed("set up", path, err);
        unlink(path);
        /* cppcheck-suppress resourceLeak ; CLEANUP closes it */
        return result;
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static bool listen_is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static uint16_t listen_port(const struct sockaddr_storage *address)
{
    struct sockaddr_in in; /* Both families keep the port at the same place. */
    memcpy(&in, address, sizeof in);
    return ntohs(in.sin_port);
}

/* "127.0.0.1:8640", "[::1]:8640" -> its parts. */
static bool listen_split(const char *text, char *host, size_t host_room, const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    const char *end = colon;
    if (colon == NULL || colon[1] == 0) {
        return false;
    }
    if (text[0] == '[') {
        text++;
        end = strchr(text, ']');
        if (end == NULL || end + 1 != colon) {
            return false;
        }
    }
    if (end == text || (size_t)(end - text) >= host_room) {
        return false;
    }
    memcpy(host, text, (size_t)(end - text));
    host[end - text] = 0;
    *ret_port = colon + 1;
    int64_t number = -1; /* getaddrinfo() would take it modulo 65536. */
    return text_to_int(text_of(colon + 1), &number) && number >= 0 && number <= UINT16_MAX;
}

static void addresses_freep(struct addrinfo **addresses)
{
    if (*addresses != NULL) {
        freeaddrinfo(*addresses);
    }
}

int listen_tcp(const char *address, int *ret_fd, uint16_t *ret_port, bool *ret_loopback,
               struct nsh_error *err)
{
    char host[64];
    const char *port = NULL;
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    CLEANUP(addresses_freep) struct addrinfo *found = NULL;
    if (!listen_split(address, host, sizeof host, &port) ||
        getaddrinfo(host, port, &wanted, &found) != 0) {
        return nsh_fail(err, NSH_INVALID,
                        "the address to listen on wants IP:PORT such as 127.0.0.1:8640, got %s",
                        address);
    }
    CLEANUP(closep)
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        return listen_failed("listen on", address, err);
    }
    struct sockaddr_storage got = {0};
    socklen_t got_bytes = sizeof got;
    if (getsockname(fd, (struct sockaddr *)&got, &got_bytes) < 0) {
        /* cppcheck-suppress resourceLeak ; CLEANUP closes it */
        return listen_failed("ask for the port of", address, err);
    }
    *ret_port = listen_port(&got);
    *ret_loopback = listen_is_loopback(found->ai_addr);
    *ret_fd = fd;
    fd = -1;
    return 0;
}
