/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts and ports of settings. */

#include "../unit.h"

#include "abi/address.h"

#include <arpa/inet.h>
#include <string.h>

static void apart(void **state)
{
    static const struct {
        const char *text;
        bool good;
        const char *host;
        uint16_t port;
    } rows[] = {
        {"10.0.0.1", true, "10.0.0.1", 9},
        {"nms.example:162", true, "nms.example", 162},
        {"[fe80::1]:1162", true, "fe80::1", 1162},
        {"[fe80::1]", true, "fe80::1", 9},
        {"fe80::1", true, "fe80::1", 9},
        {"x:65535", true, "x", 65535},
        {"x:0", false, "", 0},
        {"x:65536", false, "", 0},
        {"x:70000", false, "", 0},
        {"x:4294967458", false, "", 0}, /* 162, were it cut to 32 bits. */
        {"x:1x", false, "", 0},
        {"x:+1", false, "", 0},
        {"x:", false, "", 0},
        {":1", false, "", 0},
        {"", false, "", 0},
        {"[::1", false, "", 0},
        {"[]:1", false, "", 0},
        {"[::1]1", false, "", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char host[64] = "";
        uint16_t port = 9;
        if (nsh_address_split(rows[i].text, host, sizeof host, &port) != rows[i].good) {
            fail_msg("'%s'", rows[i].text);
        }
        assert_string_equal(host, rows[i].host); /* A failure leaves both. */
        assert_int_equal(port, rows[i].good ? rows[i].port : 9);
    }
}

static void a_host_has_its_room(void **state)
{
    char host[4] = "";
    uint16_t port = 9;
    (void)state;
    assert_true(nsh_address_split("abc:1", host, sizeof host, &port));
    assert_false(nsh_address_split("abcd:2", host, sizeof host, &port));
    assert_string_equal(host, "abc");
    assert_int_equal(port, 1);
}

static void numbers(void **state)
{
    struct nsh_address address = {0};
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    (void)state;
    assert_true(nsh_address_read("10.0.0.1", 161, &address));
    assert_int_equal(address.bytes, sizeof v4);
    memcpy(&v4, address.at, sizeof v4);
    assert_int_equal(v4.sin_family, AF_INET);
    assert_int_equal(v4.sin_port, htons(161));
    assert_int_equal(v4.sin_addr.s_addr, htonl(0x0a000001));
    assert_true(nsh_address_read("[fe80::1]:1162", 161, &address));
    assert_int_equal(address.bytes, sizeof v6);
    memcpy(&v6, address.at, sizeof v6);
    assert_int_equal(v6.sin6_family, AF_INET6);
    assert_int_equal(v6.sin6_port, htons(1162));
    assert_int_equal(v6.sin6_addr.s6_addr[15], 1);
    assert_true(nsh_address_read("1234:1234:1234:1234:1234:1234:123.123.123.123", 1, &address));
    assert_false(nsh_address_read("pdu.example", 161, &address)); /* Nothing is looked up. */
    assert_false(nsh_address_read("10.0.0", 161, &address));
    assert_false(nsh_address_read("10.0.0.1:0", 161, &address));
    assert_int_equal(address.bytes, sizeof v6);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(apart),
        cmocka_unit_test(a_host_has_its_room),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
