/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Echo requests by the kernel's own sockets for them (SOCK_DGRAM, IPPROTO_ICMP: no privilege where
 * net.ipv4.ping_group_range has our group, as systemd sets it; the kernel sees to identifiers and
 * checksums), else raw ones, with CAP_NET_RAW. One socket for all hosts; an answer is told apart by
 * sequence and payload (RFC 792, RFC 4443).
 */

#include "probe_private.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <unistd.h>

#define PAYLOAD_BYTES 16
#define ANSWER_BYTES_MAX 256

struct echo {
    uint8_t type, code;
    uint16_t checksum, identifier, sequence;
    uint8_t payload[PAYLOAD_BYTES];
};

/* The attempt and the source: an answer to somebody else's request is not ours. */
static void payload_fill(const struct probe_attempt *attempt, uint8_t payload[PAYLOAD_BYTES])
{
    uint64_t who = (uint64_t)(uintptr_t)attempt->source;
    uint32_t target = attempt->target;
    memset(payload, 0, PAYLOAD_BYTES);
    memcpy(payload, "nsp", 4);
    memcpy(payload + 4, &target, sizeof target);
    memcpy(payload + 8, &who, sizeof who);
}

static void answer(struct probe_source *source, const struct echo *echo)
{
    for (size_t i = 0; i < PROBE_FLIGHT_MAX; i++) {
        struct probe_attempt *attempt = &source->attempts[i];
        uint8_t payload[PAYLOAD_BYTES];
        if (!attempt->used || attempt->sequence != ntohs(echo->sequence)) {
            continue;
        }
        payload_fill(attempt, payload);
        if (memcmp(payload, echo->payload, PAYLOAD_BYTES) == 0) {
            probe_attempt_end(attempt, NULL, true);
            probe_attempt_free(attempt);
            return;
        }
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct probe_source *source = poll->data;
    int fd = source->echo_fd[poll == &source->echo_polls[1]];
    uint8_t packet[ANSWER_BYTES_MAX];
    /* At most as many as are on their way: the loop has others to serve. */
    for (int i = 0; i < PROBE_FLIGHT_MAX; i++) {
        ssize_t count = recv(fd, packet, sizeof packet, MSG_DONTWAIT);
        if (count < 0) {
            return;
        }
        bool header = source->echo_raw[0] && poll == &source->echo_polls[0] && count > 0;
        size_t skip = header ? (size_t)(packet[0] & 0x0f) * 4 : 0;
        struct echo echo;
        if ((size_t)count != skip + sizeof echo) {
            continue;
        }
        memcpy(&echo, packet + skip, sizeof echo);
        if (echo.type == ICMP_ECHOREPLY || echo.type == ICMP6_ECHO_REPLY) {
            answer(source, &echo);
        }
    }
}

/* Raw packets have no kernel that fills this in (of IPv6 it does anyway). RFC 1071. */
static uint16_t checksum_of(const struct echo *echo)
{
    uint16_t words[sizeof *echo / 2];
    uint32_t sum = 0;
    memcpy(words, echo, sizeof words);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        sum += words[i];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

int probe_ping_open(struct probe_source *source, struct nsh_error *err)
{
    static const struct {
        int family, protocol;
    } kinds[] = {{AF_INET, IPPROTO_ICMP}, {AF_INET6, IPPROTO_ICMPV6}};
    const int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    int why = 0;
    for (size_t i = 0; i < 2; i++) {
        int fd = socket(kinds[i].family, SOCK_DGRAM | flags, kinds[i].protocol);
        if (fd < 0) {
            fd = socket(kinds[i].family, SOCK_RAW | flags, kinds[i].protocol);
            source->echo_raw[i] = fd >= 0;
        }
        source->echo_fd[i] = fd;
        why = fd < 0 ? errno : why;
        if (fd >= 0) {
            uv_poll_init(source->services->loop, &source->echo_polls[i], fd);
            source->echo_polls[i].data = source;
            source->handles++;
            uv_poll_start(&source->echo_polls[i], UV_READABLE, on_readable);
        }
    }
    return source->echo_fd[0] >= 0
               ? 0
               : nsh_fail(err, NSH_INVALID,
                          "no socket for echo requests: %s (sysctl net.ipv4.ping_group_range "
                          "must have our group, or CAP_NET_RAW)",
                          strerror(why));
}

static void fail_at(struct probe_attempt *attempt, const char *why)
{
    probe_attempt_end(attempt, why, false);
    probe_attempt_free(attempt);
}

void probe_ping_start(struct probe_attempt *attempt)
{
    struct probe_source *source = attempt->source;
    struct sockaddr_storage address = {0};
    const char *text = source->group.targets[attempt->target].address;
    bool six = uv_ip4_addr(text, 0, (struct sockaddr_in *)&address) != 0;
    if (six && uv_ip6_addr(text, 0, (struct sockaddr_in6 *)&address) != 0) {
        fail_at(attempt, "its address is no IP address");
        return;
    }
    attempt->sequence = source->sequence++;
    attempt->deadline_ms = (int64_t)uv_now(source->services->loop) + source->timeout_ms;
    struct echo echo = {.type = six ? ICMP6_ECHO_REQUEST : ICMP_ECHO,
                        .identifier = htons(attempt->sequence),
                        .sequence = htons(attempt->sequence)};
    payload_fill(attempt, echo.payload);
    echo.checksum = checksum_of(&echo);
    socklen_t bytes = six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (source->echo_fd[six] < 0 || sendto(source->echo_fd[six], &echo, sizeof echo, MSG_DONTWAIT,
                                           (struct sockaddr *)&address, bytes) < 0) {
        fail_at(attempt,
                source->echo_fd[six] < 0 ? "no socket for echo requests" : strerror(errno));
    }
}

void probe_ping_deadlines(struct probe_source *source)
{
    int64_t now_ms = (int64_t)uv_now(source->services->loop);
    for (size_t i = 0; i < PROBE_FLIGHT_MAX; i++) {
        struct probe_attempt *attempt = &source->attempts[i];
        if (attempt->used && now_ms >= attempt->deadline_ms) {
            fail_at(attempt, "timed out");
        }
    }
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct probe_source *source = handle->data;
    close(source->echo_fd[(uv_poll_t *)handle == &source->echo_polls[1]]);
    source->handles--;
    probe_maybe_done(source);
}

void probe_ping_close(struct probe_source *source)
{
    for (size_t i = 0; i < PROBE_FLIGHT_MAX; i++) {
        if (source->attempts[i].used) {
            probe_attempt_free(&source->attempts[i]);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        if (source->echo_fd[i] >= 0) {
            uv_close((uv_handle_t *)&source->echo_polls[i], on_poll_closed);
        }
    }
}
