/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and networks: ip(), cidr(). Pure: nothing is looked up. An IPv4 address is kept as
 * ::ffff:a.b.c.d, so ip("::ffff:c0a8:1") is ip("192.168.0.1"); the dotted form inside IPv6 is
 * refused because readers disagree on it. Zones (fe80::1%eth0) mean something on one machine only:
 * refused.
 */

#include "cel/cel_private.h"

#include <arpa/inet.h>

#define ADDRESS_TEXT_MAX 64 /* Longer is none. */
#define ADDRESS_BITS 128
#define MAPPED_BITS 96 /* In front of an IPv4 address. */

struct address {
    uint8_t bytes[16];
};

struct ip {
    struct cel_opaque head;
    struct address address;
};

struct cidr {
    struct cel_opaque head;
    struct address address;
    uint32_t bits; /* Of ADDRESS_BITS, also for IPv4. */
    bool v4;
};

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_v4(const struct address *address)
{
    return memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

/* NULL, or what is wrong with it. */
static const char *parse_address(struct text text, struct address *ret_address, bool *ret_v4)
{
    char chars[ADDRESS_TEXT_MAX];
    bool colon = text.count > 0 && memchr(text.at, ':', text.count) != NULL;
    struct address address = {{0}};
    if (text.count == 0 || text.count >= sizeof chars ||
        memchr(text.at, '\0', text.count) != NULL) {
        return "parse error during conversion from string";
    }
    if (memchr(text.at, '%', text.count) != NULL) {
        return "with zone value is not allowed";
    }
    memcpy(chars, text.at, text.count);
    chars[text.count] = '\0';
    memcpy(address.bytes, mapped, sizeof mapped);
    if (inet_pton(colon ? AF_INET6 : AF_INET, chars, address.bytes + (colon ? 0 : sizeof mapped)) !=
        1) {
        return "parse error during conversion from string";
    }
    if (colon && is_v4(&address) && strchr(chars, '.') != NULL) {
        return "as IPv4-mapped IPv6 address is not allowed";
    }
    *ret_address = address;
    *ret_v4 = !colon;
    return NULL;
}

/* RFC 5952: the longest run of zero groups (the first, at least two) becomes "::". */
static void print_v6(const struct address *address, struct textbuf *out)
{
    unsigned groups[8], best = 8, best_count = 1;
    for (unsigned i = 0; i < 8; i++) {
        groups[i] = (unsigned)address->bytes[2 * i] << 8 | address->bytes[2 * i + 1];
    }
    for (unsigned i = 0, count = 0; i < 8; i++) {
        count = groups[i] == 0 ? count + 1 : 0;
        if (count > best_count) {
            best = i + 1 - count;
            best_count = count;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i == best) {
            textbuf_add_chars(out, "::");
            i += best_count - 1;
            continue;
        }
        bool first = i == 0 || i == best + best_count;
        textbuf_addf(out, "%s%x", first ? "" : ":", groups[i]);
    }
}

static void print_address(const struct address *address, bool v4, struct textbuf *out)
{
    const uint8_t *b = address->bytes;
    if (v4) {
        textbuf_addf(out, "%u.%u.%u.%u", b[12], b[13], b[14], b[15]);
    } else {
        print_v6(address, out);
    }
}

static bool equal_ips(const struct cel_opaque *a, const struct cel_opaque *b)
{
    const struct ip *x = (const struct ip *)a, *y = (const struct ip *)b;
    return memcmp(&x->address, &y->address, sizeof x->address) == 0;
}

static void print_ip(const struct cel_opaque *value, struct textbuf *out)
{
    const struct ip *ip = (const struct ip *)value;
    print_address(&ip->address, is_v4(&ip->address), out);
}

static bool equal_cidrs(const struct cel_opaque *a, const struct cel_opaque *b)
{
    const struct cidr *x = (const struct cidr *)a, *y = (const struct cidr *)b;
    return x->bits == y->bits && x->v4 == y->v4 &&
           memcmp(&x->address, &y->address, sizeof x->address) == 0;
}

static uint32_t prefix_of(const struct cidr *cidr)
{
    return cidr->bits - (cidr->v4 ? MAPPED_BITS : 0);
}

static void print_cidr(const struct cel_opaque *value, struct textbuf *out)
{
    const struct cidr *cidr = (const struct cidr *)value;
    print_address(&cidr->address, cidr->v4, out);
    textbuf_addf(out, "/%u", prefix_of(cidr));
}

static const struct cel_opaque_class ip_class = {"net.IP", equal_ips, print_ip},
                                     cidr_class = {"net.CIDR", equal_cidrs, print_cidr};

static const struct ip *ip_of(const struct cel_value *value)
{
    return value->pointer;
}

static const struct cidr *cidr_of(const struct cel_value *value)
{
    return value->pointer;
}

static void make_ip(struct cel_run *run, const struct address *address, struct cel_value *out)
{
    struct ip *ip = cel_room(run, sizeof *ip, out);
    if (ip != NULL) {
        *ip = (struct ip){{&ip_class}, *address};
        *out = (struct cel_value){.kind = CEL_OPAQUE, .pointer = ip};
    }
}

static void make_cidr(struct cel_run *run, const struct cidr *from, struct cel_value *out)
{
    struct cidr *cidr = cel_room(run, sizeof *cidr, out);
    if (cidr != NULL) {
        *cidr = *from;
        *out = (struct cel_value){.kind = CEL_OPAQUE, .pointer = cidr};
    }
}

/* --- addresses ----------------------------------------------------------------------------- */

/* False: out is the error. */
static bool need_address(struct cel_run *run, const struct cel_code *code,
                         const struct cel_value *text, struct address *ret_address,
                         struct cel_value *out)
{
    bool v4;
    const char *problem = parse_address(cel_text(text), ret_address, &v4);
    if (problem != NULL) {
        int shown = text->count < ADDRESS_TEXT_MAX ? (int)text->count : ADDRESS_TEXT_MAX;
        cel_error(run, code, out, "IP Address '%.*s' %s", shown, text->text, problem);
    }
    return problem == NULL;
}

CEL_IMPL(cel_ip_parse)
{
    struct address address;
    if (need_address(run, code, &args[0], &address, out)) {
        make_ip(run, &address, out);
    }
}

CEL_IMPL(cel_ip_is)
{
    (void)run, (void)code;
    struct address address;
    bool v4;
    *out = cel_of_bool(parse_address(cel_text(&args[0]), &address, &v4) == NULL);
}

CEL_IMPL(cel_ip_is_canonical)
{
    struct address address;
    if (need_address(run, code, &args[0], &address, out)) {
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        print_address(&address, is_v4(&address), &text);
        *out = cel_of_bool(text.at != NULL && text_is(cel_text(&args[0]), text.at));
    }
}

CEL_IMPL(cel_ip_family)
{
    (void)run, (void)code;
    *out = cel_of_int(is_v4(&ip_of(&args[0])->address) ? 4 : 6);
}

static bool only_last(const struct address *address, unsigned last)
{
    struct address wanted = {{0}};
    wanted.bytes[15] = (uint8_t)last;
    return memcmp(address, &wanted, sizeof wanted) == 0;
}

static bool is_unspecified(const struct address *address)
{
    static const uint8_t zeros[4] = {0};
    return is_v4(address) ? memcmp(address->bytes + 12, zeros, sizeof zeros) == 0
                          : only_last(address, 0);
}

static bool is_loopback(const struct address *address)
{
    return is_v4(address) ? address->bytes[12] == 127 : only_last(address, 1);
}

static bool is_multicast(const struct address *address)
{
    return is_v4(address) ? (address->bytes[12] & 0xf0) == 0xe0 : address->bytes[0] == 0xff;
}

static bool is_link_local_multicast(const struct address *address)
{
    const uint8_t *b = address->bytes;
    return is_v4(address) ? b[12] == 224 && b[13] == 0 && b[14] == 0
                          : b[0] == 0xff && (b[1] & 0x0f) == 0x02;
}

static bool is_link_local_unicast(const struct address *address)
{
    const uint8_t *b = address->bytes;
    return is_v4(address) ? b[12] == 169 && b[13] == 254 : b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
}

static bool is_broadcast(const struct address *address)
{
    static const uint8_t ones[4] = {0xff, 0xff, 0xff, 0xff};
    return is_v4(address) && memcmp(address->bytes + 12, ones, sizeof ones) == 0;
}

CEL_IMPL(cel_ip_is_unspecified)
{
    (void)run, (void)code;
    *out = cel_of_bool(is_unspecified(&ip_of(&args[0])->address));
}

CEL_IMPL(cel_ip_is_loopback)
{
    (void)run, (void)code;
    *out = cel_of_bool(is_loopback(&ip_of(&args[0])->address));
}

CEL_IMPL(cel_ip_is_link_local_multicast)
{
    (void)run, (void)code;
    *out = cel_of_bool(is_link_local_multicast(&ip_of(&args[0])->address));
}

CEL_IMPL(cel_ip_is_link_local_unicast)
{
    (void)run, (void)code;
    *out = cel_of_bool(is_link_local_unicast(&ip_of(&args[0])->address));
}

/* Private addresses too, like everywhere where this name is used. */
CEL_IMPL(cel_ip_is_global_unicast)
{
    (void)run, (void)code;
    const struct address *address = &ip_of(&args[0])->address;
    *out =
        cel_of_bool(!is_unspecified(address) && !is_loopback(address) && !is_multicast(address) &&
                    !is_link_local_unicast(address) && !is_broadcast(address));
}

/* --- networks ------------------------------------------------------------------------------ */

/* Decimal without sign and leading zeros. */
static bool parse_prefix(struct text text, uint32_t max, uint32_t *ret_bits)
{
    uint32_t bits = 0;
    if (text.count == 0 || text.count > 3 || (text.count > 1 && text.at[0] == '0')) {
        return false;
    }
    for (uint32_t i = 0; i < text.count; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') {
            return false;
        }
        bits = bits * 10 + (uint32_t)(text.at[i] - '0');
    }
    *ret_bits = bits;
    return bits <= max;
}

/* NULL, or what is wrong with it. */
static const char *parse_cidr(struct text text, struct cidr *ret_cidr)
{
    static const char *const wrong = "network address parse error during conversion from string";
    struct cidr cidr = {.head = {&cidr_class}};
    const char *slash = text.count == 0 ? NULL : memchr(text.at, '/', text.count);
    if (slash == NULL) {
        return wrong;
    }
    uint32_t before = (uint32_t)(slash - text.at);
    if (memchr(text.at, '%', before) != NULL) {
        return "CIDR with zone value is not allowed";
    }
    struct text prefix = {slash + 1, text.count - before - 1};
    if (parse_address((struct text){text.at, before}, &cidr.address, &cidr.v4) != NULL ||
        !parse_prefix(prefix, cidr.v4 ? 32 : ADDRESS_BITS, &cidr.bits)) {
        return wrong;
    }
    cidr.bits += cidr.v4 ? MAPPED_BITS : 0;
    *ret_cidr = cidr;
    return NULL;
}

static bool need_cidr(struct cel_run *run, const struct cel_code *code,
                      const struct cel_value *text, struct cidr *ret_cidr, struct cel_value *out)
{
    const char *problem = parse_cidr(cel_text(text), ret_cidr);
    if (problem != NULL) {
        int shown = text->count < ADDRESS_TEXT_MAX ? (int)text->count : ADDRESS_TEXT_MAX;
        cel_error(run, code, out, "%s: '%.*s'", problem, shown, text->text);
    }
    return problem == NULL;
}

CEL_IMPL(cel_cidr_parse)
{
    struct cidr cidr;
    if (need_cidr(run, code, &args[0], &cidr, out)) {
        make_cidr(run, &cidr, out);
    }
}

CEL_IMPL(cel_cidr_is)
{
    (void)run, (void)code;
    struct cidr cidr;
    *out = cel_of_bool(parse_cidr(cel_text(&args[0]), &cidr) == NULL);
}

static void mask(struct address *address, uint32_t bits)
{
    for (uint32_t i = 0; i < sizeof address->bytes; i++) {
        uint32_t left = bits > 8 * i ? bits - 8 * i : 0;
        unsigned kept = left >= 8 ? 0xffu : 0xff00u >> left & 0xffu;
        address->bytes[i] = (uint8_t)(address->bytes[i] & kept);
    }
}

static bool contains(const struct cidr *cidr, const struct address *address, bool v4)
{
    struct address network = cidr->address, other = *address;
    mask(&network, cidr->bits);
    mask(&other, cidr->bits);
    return cidr->v4 == v4 && memcmp(&network, &other, sizeof other) == 0;
}

CEL_IMPL(cel_cidr_contains_ip)
{
    struct address address;
    if (args[1].kind == CEL_OPAQUE) {
        address = ip_of(&args[1])->address;
    } else if (!need_address(run, code, &args[1], &address, out)) {
        return;
    }
    *out = cel_of_bool(contains(cidr_of(&args[0]), &address, is_v4(&address)));
}

CEL_IMPL(cel_cidr_contains_cidr)
{
    struct cidr parsed;
    const struct cidr *outer = cidr_of(&args[0]), *inner = &parsed;
    if (args[1].kind == CEL_OPAQUE) {
        inner = cidr_of(&args[1]);
    } else if (!need_cidr(run, code, &args[1], &parsed, out)) {
        return;
    }
    *out = cel_of_bool(outer->bits <= inner->bits && contains(outer, &inner->address, inner->v4));
}

CEL_IMPL(cel_cidr_ip)
{
    (void)code;
    make_ip(run, &cidr_of(&args[0])->address, out);
}

CEL_IMPL(cel_cidr_masked)
{
    (void)code;
    struct cidr cidr = *cidr_of(&args[0]);
    mask(&cidr.address, cidr.bits);
    make_cidr(run, &cidr, out);
}

CEL_IMPL(cel_cidr_prefix_length)
{
    (void)run, (void)code;
    *out = cel_of_int(prefix_of(cidr_of(&args[0])));
}
