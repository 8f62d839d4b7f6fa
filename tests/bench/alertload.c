/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: abi
/*
 * alertload: POSTs alerts to a server and receives the POSTs that the server makes of them, in one
 * thread, so that little of the machine goes to anything but the server.
 *
 *   alertload FORMAT PORT PATH RECEIVER_PORT CONNECTIONS COUNT RATE SECONDS
 *
 * FORMAT is `v2` (a list of alerts, as Prometheus sends them to Alertmanager) or `v4` (what
 * Alertmanager sends to a webhook). First COUNT alerts over CONNECTIONS connections as fast as they
 * are answered, until each was heard of at RECEIVER_PORT; then, when a line comes on standard
 * input, RATE a second for SECONDS: the delay is from the moment an alert was due to its POST. Each
 * alert is one of RULES rules on one of HOSTS hosts, and carries a stamp of its own in a label and
 * in its summary; stamps are looked for in all that is received, each counted once. Prints one JSON
 * object for each of the two.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define RULES 1000
#define HOSTS 400
#define CONNECTIONS_MAX 1024
#define PEERS_MAX 4096 /* Descriptors: ours and the server's. */
#define BUFFER_BYTES 65536
#define REQUEST_BYTES 2048
#define SETTLE_S 60
#define STAMP "sent-"

struct peer {
    bool open, sends, busy;
    size_t count;
    char *bytes; /* BUFFER_BYTES, of an answer or of a request. */
};

static struct peer peers[PEERS_MAX];
static int poller, listener, idle[CONNECTIONS_MAX], idle_count;
static const char *format, *path;
static char alert_time[32];

struct phase {
    long first, count, sent, answered, refused, heard;
    double begin, due_each; /* 0: at once. */
    float *delays_ms;       /* Of alert first + i; negative: not heard of. */
};
static struct phase phase;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in at_port(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(port)),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static void watch(int fd, bool sends)
{
    int on = 1;
    if (fd < 0 || fd >= PEERS_MAX) {
        die("alertload: a connection more than there is room for");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    char *bytes = peers[fd].bytes != NULL ? peers[fd].bytes : malloc(BUFFER_BYTES);
    struct epoll_event wanted = {.events = EPOLLIN, .data = {.fd = fd}};
    if (bytes == NULL || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted) < 0) {
        die("alertload");
    }
    peers[fd] = (struct peer){.open = true, .sends = sends, .bytes = bytes};
}

static void connect_all(const char *port, int connections)
{
    struct sockaddr_in address = at_port(port);
    for (int i = 0; i < connections; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
            die("alertload: connect");
        }
        watch(fd, true);
        idle[idle_count++] = fd;
    }
}

static void listen_at(const char *port)
{
    struct sockaddr_in address = at_port(port);
    int on = 1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 1024) < 0) {
        die("alertload: listen");
    }
    struct epoll_event wanted = {.events = EPOLLIN, .data = {.fd = listener}};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &wanted);
}

static void write_all(int fd, const char *bytes, size_t count)
{
    if (send(fd, bytes, count, MSG_NOSIGNAL) != (ssize_t)count) {
        die("alertload: send"); /* A kilobyte after the answer to the one before: there is room. */
    }
}

/* ---- sending ---- */

static void alert_send(int fd, long number)
{
    char alert[512], body[1024], request[REQUEST_BYTES];
    snprintf(alert, sizeof alert,
             "{\"labels\": {\"alertname\": \"Rule%04ld\", \"nodename\": \"h%05ld\", \"severity\": "
             "\"critical\", \"stamp\": \"" STAMP "%ld-\"}, \"annotations\": {\"summary\": \"" STAMP
             "%ld-\"}, \"startsAt\": \"%s\"",
             number % RULES, number / RULES % HOSTS, number, number, alert_time);
    int body_bytes = strcmp(format, "v2") == 0
                         ? snprintf(body, sizeof body, "[%s}]", alert)
                         : snprintf(body, sizeof body,
                                    "{\"version\": \"4\", \"status\": \"firing\", \"receiver\": "
                                    "\"b\", \"groupKey\": \"g\", \"externalURL\": \"\", "
                                    "\"alerts\": [%s, \"status\": \"firing\", \"endsAt\": "
                                    "\"0001-01-01T00:00:00Z\", \"generatorURL\": \"\", "
                                    "\"fingerprint\": \"%016lx\"}]}",
                                    alert, (unsigned long)number);
    int count = snprintf(request, sizeof request,
                         "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                         "Authorization: Bearer bench\r\nContent-Length: %d\r\n\r\n%s",
                         path, body_bytes, body);
    write_all(fd, request, (size_t)count);
    peers[fd].busy = true;
}

/* All that are due and have a connection; how long until the next is due. */
static int send_due(void)
{
    while (phase.sent < phase.count && idle_count > 0) {
        double wait_s = phase.begin + (double)phase.sent * phase.due_each - now_s();
        if (phase.due_each > 0 && wait_s > 0) {
            return (int)(wait_s * 1000) + 1;
        }
        alert_send(idle[--idle_count], phase.first + phase.sent++);
    }
    return 100;
}

/* ---- receiving ---- */

static void stamps_find(const char *bytes, size_t count)
{
    const char *end = bytes + count, *at = bytes;
    double now = now_s();
    while ((at = memmem(at, (size_t)(end - at), STAMP, strlen(STAMP))) != NULL) {
        at += strlen(STAMP);
        long place = strtol(at, NULL, 10) - phase.first; /* The bytes end with a NUL. */
        if (place >= 0 && place < phase.count && phase.delays_ms[place] < 0) {
            double due = phase.begin + (double)place * phase.due_each;
            phase.delays_ms[place] = (float)((now - due) * 1000);
            phase.heard++;
        }
    }
}

/* How long the first message is, 0 while it is not whole. */
static size_t message_bytes(char *bytes, size_t count)
{
    bytes[count] = 0;
    const char *end = strstr(bytes, "\r\n\r\n");
    if (end == NULL) {
        return 0;
    }
    const char *length = strcasestr(bytes, "content-length:");
    size_t whole = (size_t)(end + 4 - bytes) +
                   (length == NULL || length > end ? 0 : strtoul(length + 15, NULL, 10));
    if (whole >= BUFFER_BYTES) {
        die("alertload: a message that is too long");
    }
    return count >= whole ? whole : 0;
}

static void message_take(int fd, struct peer *peer, size_t bytes)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    if (!peer->sends) {
        char kept = peer->bytes[bytes];
        peer->bytes[bytes] = 0;
        stamps_find(peer->bytes, bytes);
        peer->bytes[bytes] = kept;
        write_all(fd, answer, sizeof answer - 1);
        return;
    }
    phase.answered++;
    phase.refused += peer->bytes[9] == '2' ? 0 : 1; /* "HTTP/1.1 200" */
    peer->busy = false;
    idle[idle_count++] = fd;
}

static void peer_read(int fd)
{
    struct peer *peer = &peers[fd];
    ssize_t got = read(fd, peer->bytes + peer->count, BUFFER_BYTES - 1 - peer->count);
    if (got <= 0) {
        if (peer->sends) {
            die("alertload: the server closed a connection");
        }
        close(fd);
        peer->open = false;
        return;
    }
    peer->count += (size_t)got;
    size_t bytes;
    while ((bytes = message_bytes(peer->bytes, peer->count)) > 0) {
        message_take(fd, peer, bytes);
        memmove(peer->bytes, peer->bytes + bytes, peer->count - bytes);
        peer->count -= bytes;
    }
}

static void turn(int wait_ms)
{
    struct epoll_event events[256];
    int count = epoll_wait(poller, events, 256, wait_ms);
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == listener) {
            watch(accept4(listener, NULL, NULL, SOCK_CLOEXEC), false);
        } else {
            peer_read(events[i].data.fd);
        }
    }
}

/* ---- the two ---- */

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static void phase_run(long first, long count, double due_each)
{
    phase = (struct phase){.first = first, .count = count, .due_each = due_each};
    phase.delays_ms = malloc((size_t)count * sizeof *phase.delays_ms);
    if (phase.delays_ms == NULL) {
        die("alertload");
    }
    for (long i = 0; i < count; i++) {
        phase.delays_ms[i] = -1;
    }
    time_t wall = time(NULL);
    struct tm utc;
    strftime(alert_time, sizeof alert_time, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&wall, &utc));
    phase.begin = now_s();
    double until = phase.begin + (double)count * due_each + SETTLE_S;
    while ((phase.answered < count || phase.heard < count - phase.refused) && now_s() < until) {
        turn(send_due());
    }
    double took = now_s() - phase.begin;
    qsort(phase.delays_ms, (size_t)count, sizeof *phase.delays_ms, by_size);
    const float *heard = phase.delays_ms + (count - phase.heard);
    printf("{\"sent\": %ld, \"answered\": %ld, \"refused\": %ld, \"told\": %ld, \"seconds\": %.4f, "
           "\"p50_ms\": %.2f, \"p99_ms\": %.2f}\n",
           phase.sent, phase.answered, phase.refused, phase.heard, took,
           phase.heard > 0 ? (double)heard[phase.heard / 2] : -1,
           phase.heard > 0 ? (double)heard[phase.heard * 99 / 100] : -1);
    fflush(stdout);
    free(phase.delays_ms);
}

int main(int argc, char **argv)
{
    if (argc != 9 || (strcmp(argv[1], "v2") != 0 && strcmp(argv[1], "v4") != 0)) {
        fprintf(stderr, "usage: alertload v2|v4 PORT PATH RECEIVER_PORT CONNECTIONS COUNT "
                        "RATE SECONDS\n");
        return 2;
    }
    format = argv[1];
    path = argv[3];
    poller = epoll_create1(EPOLL_CLOEXEC);
    listen_at(argv[4]);
    long connections = atol(argv[5]), count = atol(argv[6]);
    double rate = atof(argv[7]), seconds = atof(argv[8]);
    if (connections < 1 || connections > CONNECTIONS_MAX || count < 1 || rate < 1 || seconds <= 0) {
        fprintf(stderr,
                "alertload: 1 to %d connections; COUNT and RATE are at least 1, SECONDS is "
                "positive\n",
                CONNECTIONS_MAX);
        return 2;
    }
    connect_all(argv[2], (int)connections);
    phase_run(0, count, 0);
    char line[16];
    if (read(STDIN_FILENO, line, sizeof line) > 0) {
        phase_run(count, (long)(rate * seconds), 1 / rate);
    }
    return 0;
}
