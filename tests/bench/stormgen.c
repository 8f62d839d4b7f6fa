/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stormgen: a storm of traps, syslog datagrams and CloudEvents at once, of many sources, most of it
 * noise.
 *
 *   stormgen [-r TRAPS/S] [-y SYSLOG/S -Y PORT] [-w CONNECTIONS -W PORT] [-c ONE-IN] [-h HOSTS]
 *            [-p NOISY] [-t SECONDS] ADDRESS TRAP-PORT
 *
 * Of ONE-IN traps one is critical and about the next of HOSTS healthy hosts (127.2.0.0 and on); it
 * carries the nanosecond it was sent. The others are minor (a fan that fails and
 * recovers) and info (chatter) of NOISY sources (127.1.0.0 and on). Syslog lines are info, each
 * with a number. Each connection posts one CloudEvent after the other to /v1/events, every eighth
 * critical and about a healthy host, the others minor and of source /storm/noise; a 503 is counted,
 * and the same event posted again after 50 ms, as a sender must. Ids do not repeat. Prints one JSON
 * object.
 */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TRAP_MAX 512
#define GROUP_MAX 32 /* Messages of one system call. */
#define FANS 4
#define STAMP "00000000000000000000"
#define CONNECTIONS_MAX 256
#define ANSWER_MAX 4096
#define AGAIN_MS 50
#define TOKEN "bench-token-of-24-chars"
#define ARC "1.3.6.1.4.1.8072.9999.9999." /* NET-SNMP's, for experiments. */

enum kind { CRITICAL, MINOR, CLEAR, INFO, KINDS_COUNT };

struct options {
    const char *address;
    unsigned trap_port, syslog_port, http_port, connections, one_in, hosts, noisy;
    double traps, syslog, seconds;
};

static struct options options = {
    .one_in = 1000, .hosts = 1000, .noisy = 1000, .traps = 10000, .seconds = 5};
static double begun_s;

struct poster {
    pthread_t thread;
    unsigned number;
    uint64_t accepted, critical, refused, failed;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* ---- traps ---- */

struct bytes {
    uint8_t at[TRAP_MAX];
    size_t count, id_at;
};

static void put(struct bytes *to, uint8_t type, const void *content, size_t count)
{
    to->at[to->count++] = type;
    if (count >= 128) {
        to->at[to->count++] = 0x81;
    }
    to->at[to->count++] = (uint8_t)count;
    memcpy(to->at + to->count, content, count);
    to->count += count;
}

static void put_number(struct bytes *to, uint32_t value)
{
    uint8_t octets[5] = {0, (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                         (uint8_t)value};
    put(to, 0x02, octets, 5);
}

static void put_oid(struct bytes *to, const char *text)
{
    uint8_t oid[64];
    size_t count = 0;
    char *at = NULL;
    unsigned long arc = strtoul(text, &at, 10) * 40;
    arc += strtoul(at + 1, &at, 10);
    for (;;) {
        for (int shift = 28; shift > 0; shift -= 7) {
            if (arc >> shift) {
                oid[count++] = (uint8_t)(0x80 | (arc >> shift & 0x7f));
            }
        }
        oid[count++] = (uint8_t)(arc & 0x7f);
        if (*at != '.') {
            break;
        }
        arc = strtoul(at + 1, &at, 10);
    }
    put(to, 0x06, oid, count);
}

static void put_varbind(struct bytes *list, const char *oid, const struct bytes *value)
{
    struct bytes varbind = {0};
    put_oid(&varbind, oid);
    memcpy(varbind.at + varbind.count, value->at, value->count);
    varbind.count += value->count;
    put(list, 0x30, varbind.at, varbind.count);
}

static const char *const oids[KINDS_COUNT] = {ARC "1", ARC "2", ARC "3", ARC "4"};

/* v2c; its varbinds are a text (20 digits, for a stamp) and a resource. */
static void build(struct bytes *message, enum kind kind, const char *resource)
{
    struct bytes value = {0}, list = {0}, inner = {0}, whole = {0};
    const uint32_t marker = 0x40000000u, bytes = htonl(marker);
    put(&value, 0x43, "\x07\x5b\xcd\x15", 4);
    put_varbind(&list, "1.3.6.1.2.1.1.3.0", &value);
    value.count = 0;
    put_oid(&value, oids[kind]);
    put_varbind(&list, "1.3.6.1.6.3.1.1.4.1.0", &value);
    value.count = 0;
    put(&value, 0x04, STAMP, strlen(STAMP));
    put_varbind(&list, ARC "9.1", &value);
    value.count = 0;
    put(&value, 0x04, resource, strlen(resource));
    put_varbind(&list, ARC "9.2", &value);
    put_number(&inner, marker);
    put_number(&inner, 0);
    put_number(&inner, 0);
    put(&inner, 0x30, list.at, list.count);
    put(&whole, 0x02, "\x01", 1);
    put(&whole, 0x04, "public", 6);
    put(&whole, 0xa7, inner.at, inner.count);
    message->count = 0;
    put(message, 0x30, whole.at, whole.count);
    message->id_at =
        (size_t)((uint8_t *)memmem(message->at, message->count, &bytes, 4) - message->at);
}

/* Traps of one source that leave in one system call (UDP_SEGMENT): all have the same length. */
struct group {
    uint8_t bytes[GROUP_MAX * TRAP_MAX];
    size_t bytes_count, length;
    unsigned count;
    struct sockaddr_in to;
};

static void group_send(struct group *group, int fd, uint32_t from)
{
    union {
        uint8_t bytes[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr align;
    } control = {0};
    struct iovec vector = {group->bytes, group->bytes_count};
    struct msghdr message = {.msg_name = &group->to,
                             .msg_namelen = sizeof group->to,
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *at = CMSG_FIRSTHDR(&message);
    struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(from)};
    uint16_t length = (uint16_t)group->length;
    at->cmsg_level = IPPROTO_IP;
    at->cmsg_type = IP_PKTINFO;
    at->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(at), &info, sizeof info);
    at = CMSG_NXTHDR(&message, at);
    at->cmsg_level = SOL_UDP;
    at->cmsg_type = UDP_SEGMENT;
    at->cmsg_len = CMSG_LEN(sizeof length);
    memcpy(CMSG_DATA(at), &length, sizeof length);
    if (group->count > 0 && sendmsg(fd, &message, 0) < 0) {
        perror("sendmsg");
        exit(1); /* What was sent would not be known any more. */
    }
    group->bytes_count = group->count = 0;
}

static void group_add(struct group *group, const void *bytes, size_t count)
{
    memcpy(group->bytes + group->bytes_count, bytes, count);
    group->bytes_count += count;
    group->length = count;
    group->count++;
}

/* The next so many are due at rate a second. */
static uint64_t due(double rate, uint64_t done)
{
    double should = (now_s() - begun_s) * rate;
    return should <= (double)done ? 0 : (uint64_t)should - done;
}

static bool over(void)
{
    return now_s() - begun_s >= options.seconds;
}

struct sent {
    uint64_t kinds[KINDS_COUNT], syslog, traps;
};

/* A message made before, with its own number and instant. */
static void trap_add(struct group *group, struct bytes *template, uint32_t number)
{
    static const char digits[] = STAMP;
    uint32_t id = htonl(0x40000000u | (number & 0x3fffffffu));
    char text[sizeof digits];
    uint8_t *at = memmem(template->at, template->count, digits, sizeof digits - 1);
    size_t offset = group->bytes_count;
    group_add(group, template->at, template->count);
    snprintf(text, sizeof text, "%020lld", now_ns());
    memcpy(group->bytes + offset + (at - template->at), text, sizeof text - 1);
    memcpy(group->bytes + offset + template->id_at, &id, sizeof id);
}

static void critical_send(struct group *group, int fd, struct sent *sent)
{
    static struct bytes template;
    if (template.count == 0) {
        build(&template, CRITICAL, "fan/0");
    }
    trap_add(group, &template, (uint32_t)sent->traps++);
    group_send(group, fd, 0x7f020000u + (uint32_t)(sent->kinds[CRITICAL]++ % options.hosts));
}

/* A group of one source: of every four one is minor (a fan that fails and recovers), three info. */
static void noise_send(struct group *group, int fd, uint64_t count, struct sent *sent)
{
    static struct bytes templates[KINDS_COUNT][FANS];
    static uint64_t groups;
    for (unsigned i = 0; templates[INFO][FANS - 1].count == 0 && i < FANS * KINDS_COUNT; i++) {
        char resource[16];
        snprintf(resource, sizeof resource, "fan/%u", i % FANS);
        build(&templates[i / FANS][i % FANS], (enum kind)(i / FANS), resource);
    }
    uint64_t turn = groups / options.noisy;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = sent->traps;
        enum kind kind = number % 4 != 1 ? INFO : number % 8 == 1 ? MINOR : CLEAR;
        trap_add(group, &templates[kind][turn % FANS], (uint32_t)sent->traps++);
        sent->kinds[kind]++;
    }
    group_send(group, fd, 0x7f010000u + (uint32_t)(groups++ % options.noisy));
}

static void syslog_send(struct group *group, int fd, struct sent *sent)
{
    char line[TRAP_MAX];
    int count =
        snprintf(line, sizeof line, "<30>1 2026-01-01T00:00:00Z noisy stormd - - - chatter %020llu",
                 (unsigned long long)sent->syslog);
    group_add(group, line, (size_t)count);
    if (group->count == GROUP_MAX) {
        group_send(group, fd, 0x7f010000u + (uint32_t)(sent->syslog / GROUP_MAX % options.noisy));
    }
    sent->syslog++;
}

static void datagrams(struct sent *sent)
{
    static struct group traps, lines;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    traps.to =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)options.trap_port)};
    inet_pton(AF_INET, options.address, &traps.to.sin_addr);
    lines.to = traps.to;
    lines.to.sin_port = htons((uint16_t)options.syslog_port);
    while (!over()) {
        uint64_t critical_due = due(options.traps / options.one_in, sent->kinds[CRITICAL]);
        uint64_t noise_due = due(options.traps, sent->traps);
        uint64_t lines_due = options.syslog_port == 0 ? 0 : due(options.syslog, sent->syslog);
        if (critical_due > 0) {
            critical_send(&traps, fd, sent);
        }
        if (noise_due > 0) {
            noise_send(&traps, fd, noise_due < GROUP_MAX ? noise_due : GROUP_MAX, sent);
        }
        for (uint64_t i = 0; i < lines_due && i < GROUP_MAX; i++) {
            syslog_send(&lines, fd, sent);
        }
        if (noise_due < GROUP_MAX && lines_due < GROUP_MAX) {
            nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        }
    }
    group_send(&lines, fd, 0x7f010000u);
    close(fd);
}

/* ---- CloudEvents ---- */

static int post_connect(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct timeval patience = {.tv_sec = 20};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.http_port)};
    inet_pton(AF_INET, options.address, &to.sin_addr);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The whole answer; its status, or -1. */
static int answer_read(int fd)
{
    char answer[ANSWER_MAX + 1];
    size_t count = 0;
    for (;;) {
        ssize_t got = read(fd, answer + count, ANSWER_MAX - count);
        if (got <= 0) {
            return -1;
        }
        count += (size_t)got;
        answer[count] = '\0';
        const char *end = strstr(answer, "\r\n\r\n");
        const char *length = strcasestr(answer, "\r\nContent-Length:");
        if (end != NULL &&
            (size_t)(end + 4 - answer) + (length == NULL ? 0 : strtoul(length + 17, NULL, 10)) <=
                count) {
            return (int)strtol(answer + 9, NULL, 10);
        }
        if (count == ANSWER_MAX) {
            return -1;
        }
    }
}

static int post_once(int fd, const char *body)
{
    char request[1024];
    int count = snprintf(request, sizeof request,
                         "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " TOKEN
                         "\r\nContent-Type: application/cloudevents+json\r\nContent-Length: "
                         "%zu\r\n\r\n%s",
                         strlen(body), body);
    return send(fd, request, (size_t)count, MSG_NOSIGNAL) == count ? answer_read(fd) : -1;
}

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    int fd = post_connect();
    for (uint64_t n = 0; !over(); n++) {
        char body[512];
        bool critical = n % 8 == 0;
        unsigned host = (unsigned)((n / 8 * options.connections + poster->number) % options.hosts);
        snprintf(body, sizeof body,
                 "{\"specversion\":\"1.0\",\"id\":\"%d-%u-%llu\",\"source\":\"/storm/%s\",\"type\":"
                 "\"storm.%s\",\"severity\":\"%s\",\"host\":\"%s%05u\",\"message\":\"%020lld\"}",
                 (int)getpid(), poster->number, (unsigned long long)n,
                 critical ? "critical" : "noise", critical ? "web" : "chatter",
                 critical ? "critical" : "minor", critical ? "h" : "n", critical ? host : host % 10,
                 now_ns());
        int status = fd < 0 ? -1 : post_once(fd, body);
        while ((status == 503 || status == 429) && !over()) {
            poster->refused++;
            nanosleep(&(struct timespec){.tv_nsec = AGAIN_MS * 1000000L}, NULL);
            status = post_once(fd, body);
        }
        if (status >= 200 && status < 300) {
            poster->accepted++;
            poster->critical += critical;
        } else if (status == 503 || status == 429) {
            poster->refused++;
        } else {
            poster->failed++;
            if (fd >= 0) {
                close(fd);
            }
            nanosleep(&(struct timespec){.tv_nsec = AGAIN_MS * 1000000L}, NULL);
            fd = post_connect();
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return NULL;
}

/* ---- */

static bool options_read(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "r:y:Y:w:W:c:h:p:t:")) != -1) {
        double value = atof(optarg == NULL ? "0" : optarg);
        switch (option) {
        case 'r':
            options.traps = value;
            break;
        case 'y':
            options.syslog = value;
            break;
        case 'Y':
            options.syslog_port = (unsigned)value;
            break;
        case 'w':
            options.connections = (unsigned)value;
            break;
        case 'W':
            options.http_port = (unsigned)value;
            break;
        case 'c':
            options.one_in = (unsigned)value;
            break;
        case 'h':
            options.hosts = (unsigned)value;
            break;
        case 'p':
            options.noisy = (unsigned)value;
            break;
        case 't':
            options.seconds = value;
            break;
        default:
            return false;
        }
    }
    if (argc - optind != 2 || options.one_in == 0 || options.hosts == 0 || options.noisy == 0 ||
        options.connections > CONNECTIONS_MAX) {
        return false;
    }
    options.address = argv[optind];
    options.trap_port = (unsigned)atoi(argv[optind + 1]);
    return true;
}

int main(int argc, char **argv)
{
    static struct poster posters[CONNECTIONS_MAX];
    struct sent sent = {0};
    struct poster sum = {0};
    if (!options_read(argc, argv)) {
        fprintf(stderr,
                "usage: stormgen [-r TRAPS/S] [-y SYSLOG/S -Y PORT] [-w CONNECTIONS -W PORT] [-c "
                "ONE-IN] [-h HOSTS] [-p NOISY] [-t SECONDS] ADDRESS TRAP-PORT\n");
        return 2;
    }
    begun_s = now_s();
    for (unsigned i = 0; i < options.connections; i++) {
        posters[i].number = i;
        pthread_create(&posters[i].thread, NULL, post_all, &posters[i]);
    }
    datagrams(&sent);
    for (unsigned i = 0; i < options.connections; i++) {
        pthread_join(posters[i].thread, NULL);
        sum.accepted += posters[i].accepted;
        sum.critical += posters[i].critical;
        sum.refused += posters[i].refused;
        sum.failed += posters[i].failed;
    }
    printf("{\"seconds\":%.3f,\"traps\":%llu,\"critical\":%llu,\"minor\":%llu,\"info\":%llu,"
           "\"syslog\":%llu,\"posted\":%llu,\"posted_critical\":%llu,\"posted_refused\":%llu,"
           "\"posted_failed\":%llu}\n",
           now_s() - begun_s, (unsigned long long)sent.traps,
           (unsigned long long)sent.kinds[CRITICAL],
           (unsigned long long)(sent.kinds[MINOR] + sent.kinds[CLEAR]),
           (unsigned long long)sent.kinds[INFO], (unsigned long long)sent.syslog,
           (unsigned long long)sum.accepted, (unsigned long long)sum.critical,
           (unsigned long long)sum.refused, (unsigned long long)sum.failed);
    return 0;
}
