/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the lab's Redfish services, taken apart: what is served, what waits, what is refused.
 */

#include "lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct row {
    const char *bytes;
    int status;
    const char *path;
    size_t body_bytes;
    bool close;
    const char *why;
} rows[] = {
    {"GET /redfish HTTP/1.1\r\n\r\n", 200, "/redfish", 0, false, "1.1 keeps the connection"},
    {"GET / HTTP/1.0\r\n\r\n", 200, "/", 0, true, "1.0 does not"},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, "/", 0, false, "unless it says so"},
    {"GET / HTTP/1.1\r\nconnection: Close\r\n\r\n", 200, "/", 0, true,
     "names and words in any case"},
    {"GET /a?b=c HTTP/1.1\r\n\r\n", 200, "/a", 0, false, "a query is no part of the path"},
    {"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET", 200, "/", 2, false,
     "the next one follows"},
    {"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n{}", 0, NULL, 0, false, "a byte is missing"},
    {"GET / HTTP/1.1\r\n", 0, NULL, 0, false, "the head is not over"},
    {"", 0, NULL, 0, false, "nothing yet"},
    {"GET /\r\n\r\n", 400, NULL, 0, false, "HTTP/0.9 is not spoken"},
    {"GET redfish HTTP/1.1\r\n\r\n", 400, NULL, 0, false, "a path begins with a slash"},
    {"\r\n\r\n", 400, NULL, 0, false, "no request line"},
    {"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, NULL, 0, false, "no length below zero"},
    {"POST / HTTP/1.1\r\nContent-Length: 0x2\r\n\r\n{}", 400, NULL, 0, false, "digits alone"},
    {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400, NULL, 0, false,
     "two lengths that differ hide a request in another"},
    {"POST / HTTP/1.1\r\nContent-Length: 65000\r\n\r\n", 413, NULL, 0, false, "more than is taken"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411, NULL, 0, false, "no chunks"},
};

static void test_requests(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        char bytes[256];
        struct lab_http head = {0};

        snprintf(bytes, sizeof bytes, "%s", row->bytes);
        int status = lab_http_parse(bytes, strlen(row->bytes), &head);
        if (status != row->status) {
            fail_msg("%s: status %d, wanted %d", row->why, status, row->status);
        }
        if (status == 0) {
            assert_string_equal(bytes, row->bytes); /* Nothing was changed. */
        }
        if (status == 200) {
            assert_string_equal(head.request.path, row->path);
            assert_int_equal(head.body_bytes, row->body_bytes);
            assert_int_equal(head.close, row->close);
        }
    }
}

static void test_nul(void **state)
{
    char bytes[] = "GET /a\0b HTTP/1.1\r\n\r\n";
    struct lab_http head = {0};

    assert_int_equal(lab_http_parse(bytes, sizeof bytes - 1, &head), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
