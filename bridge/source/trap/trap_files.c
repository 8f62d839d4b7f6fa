/* SPDX-License-Identifier: Apache-2.0 */
#include "trap_files.h"

#include "base/json.h"

#include <arpa/inet.h>
#include <stdlib.h>

struct reading {
    int (*visit)(void *arg, const struct trap_packet *packet);
    void (*skip)(void *arg, size_t number, const char *why);
    void *arg;
    struct nsh_error *err;
    uint8_t *packet; /* TRAP_DATAGRAM_BYTES_MAX */
};

static void skip(const struct reading *reading, size_t number, const char *why)
{
    if (reading->skip != NULL) {
        reading->skip(reading->arg, number, why);
    }
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Digits, with blanks, colons and a leading 0x passed over. Bytes, or -1. */
static long unhex(struct text hex, uint8_t *bytes)
{
    size_t count = 0;
    int high = -1;
    if (hex.count >= 2 && hex.at[0] == '0' && (hex.at[1] | 0x20) == 'x') {
        hex = (struct text){hex.at + 2, hex.count - 2};
    }
    for (uint32_t i = 0; i < hex.count; i++) {
        char c = hex.at[i];
        if (c == ' ' || c == ':' || c == '\t' || c == '\r') {
            continue;
        }
        int digit = digit_of(c);
        if (digit < 0 || count == TRAP_DATAGRAM_BYTES_MAX) {
            return -1;
        }
        if (high < 0) {
            high = digit;
        } else {
            bytes[count++] = (uint8_t)(high << 4 | digit);
            high = -1;
        }
    }
    return high >= 0 ? -1 : (long)count;
}

static int visit_hex(const struct reading *reading, struct text hex, struct trap_packet packet)
{
    long count = unhex(hex, reading->packet);
    if (count <= 0) {
        skip(reading, packet.number, "no hexadecimal bytes");
        return 0;
    }
    packet.bytes = reading->packet;
    packet.bytes_count = (size_t)count;
    return reading->visit(reading->arg, &packet);
}

static int visit_record(const struct reading *reading, const struct nsh_value *record,
                        size_t number)
{
    static const char *const members[] = {"udp_hex", "udp_hex_v1"};
    const struct nsh_value *usm = nsh_get(record, "usm");
    const char *priv = nsh_get_text(usm, "priv", NULL);
    struct trap_user user = {
        .name = nsh_get_text(usm, "user", NULL),
        .auth = nsh_get_text(usm, "auth", NULL),
        .auth_secret = nsh_get_text(usm, "auth_pass", NULL),
        .priv = priv,
        .priv_secret = nsh_get_text(usm, "priv_pass", NULL),
    };
    struct text source = text_of(nsh_get_text(record, "agent", "0.0.0.0"));
    struct trap_packet packet = {
        .number = number,
        .source = source.count > 64 ? TEXT("0.0.0.0") : source,
        .id = text_of(nsh_get_text(record, "id", "")),
        .user = user.name == NULL ? NULL : &user,
    };
    int r = 0;
    bool any = false;
    for (size_t i = 0; r == 0 && i < sizeof members / sizeof members[0]; i++) {
        const char *hex = nsh_get_text(record, members[i], NULL);
        if (hex != NULL) {
            any = true;
            r = visit_hex(reading, text_of(hex), packet);
        }
    }
    if (!any) {
        skip(reading, number, "no member udp_hex");
    }
    return r;
}

static int each_line(const struct reading *reading, struct text content)
{
    struct arena arena = ARENA_INIT;
    int r = 0;
    for (size_t number = 1; r == 0 && content.count > 0; number++) {
        const char *end = memchr(content.at, '\n', content.count);
        uint32_t count = end == NULL ? content.count : (uint32_t)(end - content.at);
        struct text line = {content.at, count};
        content = (struct text){content.at + count + (end != NULL),
                                content.count - count - (end != NULL)};
        while (line.count > 0 && (line.at[0] == ' ' || line.at[0] == '\t')) {
            line = (struct text){line.at + 1, line.count - 1};
        }
        if (line.count == 0 || line.at[0] == '#' || line.at[0] == '\r') {
            continue;
        }
        if (line.at[0] != '{') {
            r = visit_hex(reading, line,
                          (struct trap_packet){.number = number, .source = TEXT("0.0.0.0")});
            continue;
        }
        struct nsh_value record;
        struct nsh_error err = {0};
        if (json_parse(line.at, line.count, &arena, &record, &err) < 0) {
            skip(reading, number, err.text);
        } else {
            r = visit_record(reading, &record, number);
        }
        arena_reset(&arena);
    }
    arena_done(&arena);
    return r;
}

/* pcap: a file header of 24 bytes, then records of 16 bytes and the frame, in the byte order of the
 * writer. */
#define PCAP_HEADER_BYTES 24
#define PCAP_RECORD_BYTES 16
#define PCAP_MAGIC 0xa1b2c3d4u
#define PCAP_MAGIC_NS 0xa1b23c4du

enum {
    LINK_NULL = 0,
    LINK_ETHERNET = 1,
    LINK_RAW = 101,
    LINK_RAW_OLD = 12,
    LINK_LOOP = 108,
    LINK_SLL = 113,
    LINK_IPV4 = 228,
    LINK_IPV6 = 229,
    LINK_SLL2 = 276
};

static uint32_t order(uint32_t value, bool swapped)
{
    return swapped ? __builtin_bswap32(value) : value;
}

static uint32_t word_at(const uint8_t *bytes, bool swapped)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return order(value, swapped);
}

static uint16_t short_at(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* Bytes of the link header before the IP one; 0 with a header of none is possible; -1: no IP. */
static long link_bytes(uint32_t link, struct text frame)
{
    const uint8_t *at = (const uint8_t *)frame.at;
    uint32_t used;
    switch (link) {
    case LINK_ETHERNET:
        used = 14;
        while (frame.count >= used + 4 &&
               (short_at(at + used - 2) == 0x8100 || short_at(at + used - 2) == 0x88a8)) {
            used += 4; /* VLAN tags. */
        }
        return frame.count > used &&
                       (short_at(at + used - 2) == 0x0800 || short_at(at + used - 2) == 0x86dd)
                   ? (long)used
                   : -1;
    case LINK_SLL:
        return frame.count > 16 ? 16 : -1;
    case LINK_SLL2:
        return frame.count > 20 ? 20 : -1;
    case LINK_NULL:
    case LINK_LOOP:
        return frame.count > 4 ? 4 : -1;
    default:
        return 0;
    }
}

/* The UDP payload of an IP packet; false: not UDP, a fragment, or cut short. */
static bool udp_payload(struct text ip, char source[64], struct text *ret_payload)
{
    const uint8_t *at = (const uint8_t *)ip.at;
    uint32_t header = 0;
    if (ip.count >= 20 && at[0] >> 4 == 4) {
        header = (uint32_t)(at[0] & 15) * 4;
        if (header < 20 || at[9] != 17 || (short_at(at + 6) & 0x3fff) != 0) {
            return false;
        }
        inet_ntop(AF_INET, at + 12, source, 64);
    } else if (ip.count >= 40 && at[0] >> 4 == 6) {
        header = 40;
        if (at[6] != 17) {
            return false;
        }
        inet_ntop(AF_INET6, at + 8, source, 64);
    }
    if (header == 0 || ip.count < header + 8) {
        return false;
    }
    uint32_t udp = short_at(at + header + 4);
    if (udp < 8 || udp > ip.count - header) {
        return false;
    }
    *ret_payload = (struct text){ip.at + header + 8, udp - 8};
    return true;
}

static int each_frame(const struct reading *reading, const uint8_t *bytes, size_t bytes_count,
                      bool swapped, bool nanoseconds)
{
    uint32_t link = word_at(bytes + 20, swapped) & 0xffff;
    size_t offset = PCAP_HEADER_BYTES;
    int r = 0;
    if (link != LINK_ETHERNET && link != LINK_RAW && link != LINK_RAW_OLD && link != LINK_SLL &&
        link != LINK_NULL && link != LINK_LOOP && link != LINK_IPV4 && link != LINK_IPV6 &&
        link != LINK_SLL2) {
        return nsh_fail(reading->err, NSH_INVALID,
                        "pcap of link type %u: only Ethernet, raw IP, loopback and SLL", link);
    }
    for (size_t number = 1; r == 0 && bytes_count - offset >= PCAP_RECORD_BYTES; number++) {
        const uint8_t *record = bytes + offset;
        uint32_t count = word_at(record + 8, swapped);
        offset += PCAP_RECORD_BYTES;
        if (count > bytes_count - offset) {
            skip(reading, number, "the file ends inside this frame");
            break;
        }
        struct text frame = {(const char *)record + PCAP_RECORD_BYTES, count};
        char source[64] = "0.0.0.0";
        struct text payload;
        long skipped = link_bytes(link, frame);
        offset += count;
        if (skipped < 0 ||
            !udp_payload((struct text){frame.at + skipped, frame.count - (uint32_t)skipped}, source,
                         &payload)) {
            continue;
        }
        struct trap_packet packet = {
            .bytes = (const uint8_t *)payload.at,
            .bytes_count = payload.count,
            .number = number,
            .source = text_of(source),
            .time_ms = (int64_t)word_at(record, swapped) * 1000 +
                       word_at(record + 4, swapped) / (nanoseconds ? 1000000u : 1000u),
        };
        r = reading->visit(reading->arg, &packet);
    }
    return r;
}

int trap_file_each(const uint8_t *bytes, size_t bytes_count,
                   int (*visit)(void *arg, const struct trap_packet *packet),
                   void (*skip_line)(void *arg, size_t number, const char *why), void *arg,
                   struct nsh_error *err)
{
    struct reading reading = {.visit = visit, .skip = skip_line, .arg = arg, .err = err};
    if (bytes_count > TRAP_FILE_BYTES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "a file of more than %u MiB", TRAP_FILE_BYTES_MAX >> 20);
    }
    if (bytes_count >= PCAP_HEADER_BYTES) {
        for (int swapped = 0; swapped < 2; swapped++) {
            uint32_t magic = word_at(bytes, swapped != 0);
            if (magic == PCAP_MAGIC || magic == PCAP_MAGIC_NS) {
                return each_frame(&reading, bytes, bytes_count, swapped != 0,
                                  magic == PCAP_MAGIC_NS);
            }
        }
    }
    if (bytes_count >= 4 && memcmp(bytes, "\x0a\x0d\x0d\x0a", 4) == 0) {
        return nsh_fail(err, NSH_INVALID, "pcapng is not read: convert it with `editcap -F pcap`");
    }
    reading.packet = malloc(TRAP_DATAGRAM_BYTES_MAX);
    if (reading.packet == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for a datagram");
    }
    int r = each_line(&reading, (struct text){(const char *)bytes, (uint32_t)bytes_count});
    free(reading.packet);
    return r;
}
