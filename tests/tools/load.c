/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: netsnmp libcurl
/*
 * load: hands informs and CloudEvents to a daemon that may be killed at any instant, and remembers
 * which of them it acknowledged.
 *
 *   load SEED TRAP_PORT SOCKET ACKED RATE
 *
 * RATE informs (v2c, to 127.0.0.1) and RATE POSTs (of one to eight CloudEvents, over the unix
 * socket) a second until SIGTERM. Each carries a token such as kill-i-000042 or kill-e-000042; a
 * token is appended to ACKED when its acknowledgement has come. A POST without an answer is
 * repeated with the same ids, as a client must; an inform is repeated by net-snmp with the same
 * request id. Prints one JSON object at the end.
 */

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <curl/curl.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INFORMS_OPEN_MAX 256
#define INFORM_TIMEOUT_US 250000
#define INFORM_RETRIES 40
#define BATCH_MAX 8
#define POST_TIMEOUT_MS 2000L

static volatile sig_atomic_t stopped;
static int acked_fd;
static unsigned long rate;

struct figures {
    unsigned long sent, acked, repeated, failed;
};
static struct figures informs, events;
static unsigned long informs_open;

static void on_signal(int number)
{
    stopped = 1;
}

/* One write, so that lines of two threads never mix. */
static void acknowledge(const char *kind, unsigned long number)
{
    char line[32];
    int count = snprintf(line, sizeof line, "kill-%s-%06lu\n", kind, number);

    if (write(acked_fd, line, (size_t)count) != count) {
        perror("load: cannot remember an acknowledgement");
        exit(1);
    }
}

static long now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void pause_ms(long ms)
{
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
}

/* ---- informs ---------------------------------------------------------------------------- */

static int inform_answered(int operation, netsnmp_session *session, int request_id,
                           netsnmp_pdu *pdu, void *arg)
{
    unsigned long number = (unsigned long)(uintptr_t)arg;

    if (operation == NETSNMP_CALLBACK_OP_RESEND) {
        informs.repeated++;
        return 1;
    }
    informs_open--;
    if (operation == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE && pdu->command == SNMP_MSG_RESPONSE &&
        pdu->errstat == 0) {
        informs.acked++;
        acknowledge("i", number);
    } else {
        informs.failed++;
    }
    return 1;
}

static bool inform_send(void *session, unsigned long number)
{
    static const oid uptime_oid[] = {1, 3, 6, 1, 2, 1, 1, 3, 0};
    static const oid trap_oid[] = {1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0};
    static const oid load_oid[] = {1, 3, 6, 1, 4, 1, 55555, 1, 0, 1};
    static const oid token_oid[] = {1, 3, 6, 1, 4, 1, 55555, 1, 1, 0};
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_INFORM);
    unsigned long uptime = number;
    char token[32];
    int count = snprintf(token, sizeof token, "kill-i-%06lu", number);

    if (pdu == NULL) {
        return false;
    }
    snmp_pdu_add_variable(pdu, uptime_oid, OID_LENGTH(uptime_oid), ASN_TIMETICKS, &uptime,
                          sizeof uptime);
    snmp_pdu_add_variable(pdu, trap_oid, OID_LENGTH(trap_oid), ASN_OBJECT_ID, load_oid,
                          sizeof load_oid);
    snmp_pdu_add_variable(pdu, token_oid, OID_LENGTH(token_oid), ASN_OCTET_STR, token,
                          (size_t)count);
    if (snmp_sess_async_send(session, pdu, inform_answered, (void *)(uintptr_t)number) == 0) {
        snmp_free_pdu(pdu);
        return false;
    }
    informs_open++;
    informs.sent++;
    return true;
}

static void informs_serve(void *session, long wait_us)
{
    struct timeval wait = {.tv_usec = wait_us};
    fd_set set;
    int fds = 0, block = 0;

    FD_ZERO(&set);
    snmp_sess_select_info(session, &fds, &set, &wait, &block);
    wait = (struct timeval){.tv_usec = wait_us};
    if (select(fds, &set, NULL, NULL, &wait) > 0) {
        snmp_sess_read(session, &set);
    }
    snmp_sess_timeout(session);
}

static void *informs_run(void *arg)
{
    netsnmp_session template;
    char peer[64];
    unsigned long number = 0;

    snmp_sess_init(&template);
    snprintf(peer, sizeof peer, "udp:127.0.0.1:%s", (const char *)arg);
    template.version = SNMP_VERSION_2c;
    template.peername = peer;
    template.community = (u_char *)strdup("public");
    template.community_len = strlen("public");
    template.timeout = INFORM_TIMEOUT_US;
    template.retries = INFORM_RETRIES;
    void *session = snmp_sess_open(&template);
    if (session == NULL) {
        fprintf(stderr, "load: no SNMP session\n");
        exit(1);
    }
    long due_us = now_us();
    while (!stopped) {
        long wait_us = due_us - now_us();
        if (wait_us <= 0) {
            due_us = now_us() + (long)(1000000 / rate);
            if (informs_open < INFORMS_OPEN_MAX) {
                inform_send(session, ++number);
            }
            wait_us = 0;
        }
        informs_serve(session, wait_us);
    }
    for (int i = 0; i < 100 && informs_open > 0; i++) {
        informs_serve(session, 50000);
    }
    snmp_sess_close(session);
    free(template.community);
    return NULL;
}

/* ---- CloudEvents ------------------------------------------------------------------------ */

static size_t drop(char *bytes, size_t size, size_t count, void *arg)
{
    return size * count;
}

static size_t event_write(char *at, size_t room, unsigned long number)
{
    return (size_t)snprintf(at, room,
                            "{\"specversion\":\"1.0\",\"id\":\"kill-e-%06lu\",\"source\":\"/load\","
                            "\"type\":\"load.test\",\"data\":{\"n\":%lu}}",
                            number, number);
}

/* Until it is acknowledged, or the test ends. */
static bool events_post(CURL *curl, unsigned long first, unsigned long count)
{
    char body[BATCH_MAX * 160] = "[";
    size_t used = 1;
    long status = 0;

    for (unsigned long i = 0; i < count; i++) {
        used += event_write(body + used, sizeof body - used, first + i);
        body[used++] = i + 1 < count ? ',' : ']';
    }
    body[used] = '\0';
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)used);
    for (int tries = 0; tries < 600; tries++) {
        CURLcode code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (code == CURLE_OK && status >= 200 && status < 300) {
            return true;
        }
        if (stopped && tries > 20) {
            return false;
        }
        events.repeated++;
        pause_ms(25);
    }
    return false;
}

static void *events_run(void *arg)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: application/cloudevents-batch+json");
    unsigned long number = 1;

    curl_easy_setopt(curl, CURLOPT_URL, "http://localhost/v1/events");
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, (const char *)arg);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, POST_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    while (!stopped) {
        unsigned long count = 1 + (unsigned long)rand() % BATCH_MAX;
        events.sent += count;
        if (events_post(curl, number, count)) {
            events.acked += count;
            for (unsigned long i = 0; i < count; i++) {
                acknowledge("e", number + i);
            }
        } else {
            events.failed += count;
        }
        number += count;
        pause_ms((long)(1000 / rate));
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return NULL;
}

static void print(const char *name, const struct figures *figures, const char *after)
{
    printf("\"%s\":{\"sent\":%lu,\"acknowledged\":%lu,\"repeated\":%lu,\"failed\":%lu}%s", name,
           figures->sent, figures->acked, figures->repeated, figures->failed, after);
}

int main(int argc, char **argv)
{
    pthread_t threads[2];

    if (argc != 6 || (rate = strtoul(argv[5], NULL, 10)) == 0 || rate > 1000) {
        fprintf(stderr, "usage: load SEED TRAP_PORT SOCKET ACKED RATE\n");
        return 2;
    }
    srand((unsigned)strtoul(argv[1], NULL, 10));
    acked_fd = open(argv[4], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (acked_fd < 0) {
        perror(argv[4]);
        return 1;
    }
    signal(SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
    setenv("MIBS", "", 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    init_snmp("load");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (pthread_create(&threads[0], NULL, informs_run, argv[2]) != 0 ||
        pthread_create(&threads[1], NULL, events_run, argv[3]) != 0) {
        fprintf(stderr, "load: no thread\n");
        return 1;
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    curl_global_cleanup();
    printf("{");
    print("informs", &informs, ",");
    print("events", &events, "}\n");
    return 0;
}
