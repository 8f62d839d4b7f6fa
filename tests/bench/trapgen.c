/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: openssl
/*
 * trapgen: sends traps as fast as the kernel takes them, or at a rate.
 *
 *   trapgen [-k v1|v2c|v3|inform|linkdown|probe] [-n COUNT] [-r RATE] [-s SOURCES] [-G SEGMENTS]
 * ADDRESS PORT
 *
 * The v2c trap is a Dell iDRAC one of 12 varbinds and 469 bytes. v3 is authPriv, SHA-256 and
 * AES-128, user trapuser (authpass12, privpass12), one engine a source. Sources are 127.1.0.0 and
 * on, by IP_PKTINFO. UDP_SEGMENT (-G, 32) puts that many traps of one source into one system call.
 * A probe carries the nanosecond it was sent (CLOCK_MONOTONIC, 20 digits) as its only varbind.
 * Informs are sent and not waited for. Prints one JSON object.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOURCES_MAX 4096
#define TRAP_MAX 1024
#define SEGMENTS_MAX 64

struct bytes {
    uint8_t at[TRAP_MAX];
    size_t count;
};

static void wrap(struct bytes *to, uint8_t type, const struct bytes *content)
{
    to->at[to->count++] = type;
    if (content->count >= 256) {
        to->at[to->count++] = 0x82;
        to->at[to->count++] = (uint8_t)(content->count >> 8);
    } else if (content->count >= 128) {
        to->at[to->count++] = 0x81;
    }
    to->at[to->count++] = (uint8_t)content->count;
    memcpy(to->at + to->count, content->at, content->count);
    to->count += content->count;
}

static void put(struct bytes *to, uint8_t type, const void *content, size_t count)
{
    struct bytes inner = {.count = count};
    memcpy(inner.at, content, count);
    wrap(to, type, &inner);
}

static void put_number(struct bytes *to, uint8_t type, uint32_t value)
{
    uint8_t octets[5] = {0, (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                         (uint8_t)value};
    put(to, type, value >> 31 ? octets : octets + 1, value >> 31 ? 5 : 4);
}

static void put_oid(struct bytes *to, const char *text)
{
    struct bytes oid = {0};
    char *at = NULL;
    unsigned long first = strtoul(text, &at, 10);
    unsigned long arc = strtoul(at + 1, &at, 10) + 40 * first;
    for (;;) {
        for (int shift = 28; shift > 0; shift -= 7) {
            if (arc >> shift) {
                oid.at[oid.count++] = (uint8_t)(0x80 | (arc >> shift & 0x7f));
            }
        }
        oid.at[oid.count++] = (uint8_t)(arc & 0x7f);
        if (*at != '.') {
            break;
        }
        arc = strtoul(at + 1, &at, 10);
    }
    wrap(to, 0x06, &oid);
}

static void put_varbind(struct bytes *list, const char *oid, uint8_t type, const char *text,
                        uint32_t number)
{
    struct bytes varbind = {0};
    put_oid(&varbind, oid);
    if (type == 0x04) {
        put(&varbind, type, text, strlen(text));
    } else if (type == 0x06) {
        put_oid(&varbind, text);
    } else {
        put_number(&varbind, type, number);
    }
    wrap(list, 0x30, &varbind);
}

#define IDRAC "1.3.6.1.4.1.674.10892.5.3.1."
#define IDRAC_TRAP "1.3.6.1.4.1.674.10892.5.3.2.1.0.2265"
#define PROBE "1.3.6.1.4.1.8072.9999.9999.1" /* NET-SNMP's arc for experiments. */
#define PROBE_STAMP "00000000000000000000"

static void put_idrac(struct bytes *list)
{
    static const char *const texts[] = {"MEM0001",
                                        "Multi-bit memory errors, device at location DIMM_A1",
                                        NULL,
                                        "ABC1234",
                                        "server-0001.example.net",
                                        "DIMM.Socket.A1",
                                        "DIMM A1",
                                        "\"DIMM_A1\"",
                                        "CHS9876",
                                        "rack-r12",
                                        "idrac-0001.example.net"};
    for (unsigned i = 0; i < 11; i++) {
        char oid[64];
        snprintf(oid, sizeof oid, IDRAC "%u.0", i + 1);
        put_varbind(list, oid, texts[i] == NULL ? 0x02 : 0x04, texts[i], 5);
    }
}

/* The PDU; the request id stands at *ret_id in it. */
static void build_pdu(const char *kind, struct bytes *pdu, uint32_t id)
{
    struct bytes list = {0};
    struct bytes inner = {0};
    bool link = strcmp(kind, "linkdown") == 0;
    bool probe = strcmp(kind, "probe") == 0;
    if (strcmp(kind, "v1") != 0) {
        put_varbind(&list, "1.3.6.1.2.1.1.3.0", 0x43, NULL, 123456789);
        put_varbind(&list, "1.3.6.1.6.3.1.1.4.1.0", 0x06,
                    link    ? "1.3.6.1.6.3.1.1.5.3"
                    : probe ? PROBE
                            : IDRAC_TRAP,
                    0);
    }
    if (probe) {
        put_varbind(&list, PROBE ".1", 0x04, PROBE_STAMP, 0);
    } else if (link) {
        put_varbind(&list, "1.3.6.1.2.1.2.2.1.1.7", 0x02, NULL, 7);
        put_varbind(&list, "1.3.6.1.2.1.2.2.1.7.7", 0x02, NULL, 1);
        put_varbind(&list, "1.3.6.1.2.1.2.2.1.8.7", 0x02, NULL, 2);
    } else {
        put_idrac(&list);
    }
    if (strcmp(kind, "v1") == 0) {
        put_oid(&inner, "1.3.6.1.4.1.674.10892.5.3.2.1");
        put(&inner, 0x40, "\x7f\x00\x00\x01", 4);
        put_number(&inner, 0x02, 6);
        put_number(&inner, 0x02, 2265);
        put_number(&inner, 0x43, 123456789);
    } else {
        put_number(&inner, 0x02, id);
        put_number(&inner, 0x02, 0);
        put_number(&inner, 0x02, 0);
    }
    wrap(&inner, 0x30, &list);
    wrap(pdu, strcmp(kind, "v1") == 0 ? 0xa4 : strcmp(kind, "inform") == 0 ? 0xa6 : 0xa7, &inner);
}

static void key_of(const char *secret, const uint8_t *engine, size_t engine_bytes, uint8_t key[32])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    static char known[2][32];
    static uint8_t kus[2][32];
    static char repeated[1048576];
    unsigned which = secret[0] == 'p'; /* The mebibyte is hashed once for each of the two. */
    uint8_t *ku = kus[which];
    if (strcmp(known[which], secret) != 0) {
        size_t length = strlen(secret);
        for (size_t i = 0; i < sizeof repeated; i++) {
            repeated[i] = secret[i % length];
        }
        EVP_Digest(repeated, sizeof repeated, ku, NULL, EVP_sha256(), NULL);
        memcpy(known[which], secret, length + 1);
    }
    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    EVP_DigestUpdate(context, ku, 32);
    EVP_DigestUpdate(context, engine, engine_bytes);
    EVP_DigestUpdate(context, ku, 32);
    EVP_DigestFinal_ex(context, key, NULL);
    EVP_MD_CTX_free(context);
}

static void build_v3(struct bytes *message, const struct bytes *pdu, unsigned source, uint32_t id,
                     const char *kind)
{
    uint8_t engine[12] = {
        0x80, 0, 0x1f, 0x88, 4, 't', 'g', 0, 0, (uint8_t)(source >> 8), (uint8_t)source, 1};
    uint8_t auth_key[32];
    uint8_t priv_key[32];
    uint8_t vector[16] = {0, 0, 0, 1, 0, 0, 0, 100, 1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t zeros[24] = {0};
    uint8_t digest[32];
    struct bytes scoped = {0};
    struct bytes inner = {0};
    struct bytes params = {0};
    struct bytes header = {0};
    struct bytes whole = {0};
    struct bytes cipher = {0};
    int count = 0;
    key_of("authpass12", engine, sizeof engine, auth_key);
    key_of("privpass12", engine, sizeof engine, priv_key);
    put(&inner, 0x04, engine, sizeof engine);
    put(&inner, 0x04, "", 0);
    memcpy(inner.at + inner.count, pdu->at, pdu->count);
    inner.count += pdu->count;
    wrap(&scoped, 0x30, &inner);
    memcpy(vector + 12, &id, sizeof id);
    EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(aes, EVP_aes_128_cfb128(), NULL, priv_key, vector);
    EVP_EncryptUpdate(aes, cipher.at, &count, scoped.at, (int)scoped.count);
    cipher.count = (size_t)count;
    EVP_CIPHER_CTX_free(aes);
    put(&params, 0x04, engine, sizeof engine);
    put_number(&params, 0x02, 1);
    put_number(&params, 0x02, 100);
    put(&params, 0x04, "trapuser", 8);
    put(&params, 0x04, zeros, sizeof zeros);
    size_t from_end = 10; /* The salt after it. */
    put(&params, 0x04, vector + 8, 8);
    put_number(&header, 0x02, id);
    put_number(&header, 0x02, 65507);
    put(&header, 0x04, "\x03", 1);
    put_number(&header, 0x02, 3);
    put_number(&whole, 0x02, 3);
    wrap(&whole, 0x30, &header);
    struct bytes sequence = {0};
    wrap(&sequence, 0x30, &params);
    wrap(&whole, 0x04, &sequence);
    size_t auth_in_whole = whole.count - from_end - sizeof zeros;
    wrap(&whole, 0x04, &cipher);
    wrap(message, 0x30, &whole);
    size_t auth = message->count - whole.count + auth_in_whole;
    HMAC(EVP_sha256(), auth_key, sizeof auth_key, message->at, message->count, digest, NULL);
    memcpy(message->at + auth, digest, sizeof zeros);
}

static void build(const char *kind, unsigned source, uint32_t id, struct bytes *message)
{
    struct bytes pdu = {0};
    struct bytes whole = {0};
    build_pdu(kind, &pdu, id);
    message->count = 0;
    if (strcmp(kind, "v3") == 0) {
        build_v3(message, &pdu, source, id, kind);
        return;
    }
    put(&whole, 0x02, strcmp(kind, "v1") == 0 ? "\x00" : "\x01", 1);
    put(&whole, 0x04, "public", 6);
    memcpy(whole.at + whole.count, pdu.at, pdu.count);
    whole.count += pdu.count;
    wrap(message, 0x30, &whole);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct run {
    const char *kind;
    uint64_t count;
    double rate;
    unsigned sources, segments;
    struct sockaddr_in to;
};

/* When it is sent, into a probe. */
static void stamp(uint8_t *bytes, size_t count)
{
    struct timespec now;
    char digits[24];
    uint8_t *at = memmem(bytes, count, PROBE_STAMP, strlen(PROBE_STAMP));
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(digits, sizeof digits, "%020lld", (long long)now.tv_sec * 1000000000LL + now.tv_nsec);
    if (at != NULL) {
        memcpy(at, digits, strlen(PROBE_STAMP));
    }
}

static bool send_group(int fd, const struct run *run, unsigned source, uint8_t *bytes, size_t count,
                       size_t segment)
{
    union {
        uint8_t bytes[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr align;
    } control = {0};
    struct iovec vector = {bytes, count};
    struct sockaddr_in to = run->to;
    struct msghdr message = {.msg_name = &to,
                             .msg_namelen = sizeof to,
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *at = CMSG_FIRSTHDR(&message);
    struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(0x7f010000u + source)};
    at->cmsg_level = IPPROTO_IP;
    at->cmsg_type = IP_PKTINFO;
    at->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(at), &info, sizeof info);
    at = CMSG_NXTHDR(&message, at);
    uint16_t size = (uint16_t)segment;
    at->cmsg_level = SOL_UDP;
    at->cmsg_type = UDP_SEGMENT;
    at->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(at), &size, sizeof size);
    return sendmsg(fd, &message, 0) >= 0;
}

static int run_all(const struct run *run)
{
    static struct bytes templates[SOURCES_MAX];
    static uint8_t group[SEGMENTS_MAX * TRAP_MAX];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (unsigned i = 0; i < run->sources; i++) {
        build(run->kind, i, 0x40000000u + i, &templates[i]);
    }
    bool probe = strcmp(run->kind, "probe") == 0;
    uint64_t sent = 0;
    uint64_t failed = 0;
    double started = now_s();
    uint32_t sequence = 0;
    /* The request id of v2c: 4 bytes after the PDU's header, found by its template value. */
    uint32_t marker = htonl(0x40000000u);
    uint8_t *found = memmem(templates[0].at, templates[0].count, &marker, 4);
    size_t id_at =
        found == NULL || strcmp(run->kind, "v3") == 0 ? 0 : (size_t)(found - templates[0].at);
    for (uint64_t groups = 0; sent + failed < run->count; groups++) {
        unsigned source = (unsigned)(groups % run->sources);
        const struct bytes *template = &templates[source];
        unsigned segments = run->segments;
        if (run->count - sent - failed < segments) {
            segments = (unsigned)(run->count - sent - failed);
        }
        for (unsigned i = 0; i < segments; i++) {
            uint32_t id = htonl(0x40000000u | (sequence++ & 0x3fffffffu));
            memcpy(group + i * template->count, template->at, template->count);
            if (id_at > 0) {
                memcpy(group + i * template->count + id_at, &id, sizeof id);
            }
            if (probe) {
                stamp(group + i * template->count, template->count);
            }
        }
        if (send_group(fd, run, source, group, segments * template->count, template->count)) {
            sent += segments;
        } else {
            failed += segments;
        }
        while (run->rate > 0 && (double)(sent + failed) > (now_s() - started) * run->rate) {
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        }
    }
    double elapsed = now_s() - started;
    printf("{\"kind\":\"%s\",\"bytes\":%zu,\"sent\":%llu,\"failed\":%llu,\"seconds\":%.3f,\"per_"
           "second\":%.0f}\n",
           run->kind, templates[0].count, (unsigned long long)sent, (unsigned long long)failed,
           elapsed, (double)sent / elapsed);
    close(fd);
    return sent > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct run run = {.kind = "v2c", .count = 100000, .sources = 1000, .segments = 32};
    int option;
    while ((option = getopt(argc, argv, "k:n:r:s:G:")) != -1) {
        switch (option) {
        case 'k':
            run.kind = optarg;
            break;
        case 'n':
            run.count = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            run.rate = atof(optarg);
            break;
        case 's':
            run.sources = (unsigned)atoi(optarg);
            break;
        case 'G':
            run.segments = (unsigned)atoi(optarg);
            break;
        default:
            argc = 0;
        }
    }
    run.to = (struct sockaddr_in){.sin_family = AF_INET};
    if (argc - optind != 2 || inet_pton(AF_INET, argv[optind], &run.to.sin_addr) != 1 ||
        run.sources == 0 || run.sources > SOURCES_MAX || run.segments == 0 ||
        run.segments > SEGMENTS_MAX) {
        fprintf(stderr,
                "usage: trapgen [-k v1|v2c|v3|inform|linkdown|probe] [-n COUNT] [-r RATE] [-s "
                "SOURCES] [-G SEGMENTS] "
                "ADDRESS PORT\n");
        return 2;
    }
    run.to.sin_port = htons((uint16_t)atoi(argv[optind + 1]));
    return run_all(&run);
}
