/* SPDX-License-Identifier: Apache-2.0 */
/* Samples over HTTP: what is taken, what is refused and how; signals for people. */

#include "routes_rig.h"

#define SNAPPY "Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n"

static void test_write(void **state)
{
    (void)state;
    static const struct {
        const char *headers, *body;
        bool full;
        unsigned status;
        const char *has;
        uint32_t samples;
    } rows[] = {
        {SNAPPY, "\x01x", false, 400, "Snappy", 0},
        {SNAPPY, "", false, 400, "Snappy", 0},
        {"Content-Encoding: gzip\r\n", "x", false, 415, "Snappy", 0},
        {"X-Prometheus-Remote-Write-Version: 2.0.0\r\n", "x", false, 415, "0.1.0", 0},
        {SNAPPY, "x", true, 503, "Retry-After: 1", 0},
    };
    struct routes_rig routes;
    routes_open(&routes);
    for (size_t i = 0; i < ROWS(rows); i++) {
        fake.intake_full = rows[i].full;
        fake.samples = 0;
        rig_ask(routes.fd, "POST", "/v1/metrics/write", rows[i].headers, rows[i].body,
                routes.reply);
        if (routes.reply->status != rows[i].status ||
            strstr(routes.reply->bytes, rows[i].has) == NULL || fake.samples != rows[i].samples) {
            fail_msg("row %zu: want %u, %s; got\n%s", i, rows[i].status, rows[i].has,
                     routes.reply->bytes);
        }
    }
    fake.intake_full = false;
    routes_close(&routes);
}

static void test_signals(void **state)
{
    (void)state;
    struct routes_rig routes;
    routes_open(&routes);
    rig_ask(routes.fd, "GET", "/v1/signals", "", NULL, routes.reply);
    assert_int_equal(routes.reply->status, 200);
    assert_non_null(strstr(routes.reply->bytes, "\"kind\":\"SignalList\",\"items\":[{\"name\""));
    rig_ask(routes.fd, "GET", "/v1/signals/inlet-hot?state=raised&host=r1", "", NULL, routes.reply);
    assert_int_equal(routes.reply->status, 200);
    assert_non_null(strstr(routes.reply->bytes, "\"signal\":\"inlet-hot\""));
    rig_ask(routes.fd, "GET", "/v1/signals/nothing", "", NULL, routes.reply);
    assert_int_equal(routes.reply->status, 404);
    rig_ask(routes.fd, "GET", "/v1/signals/inlet-hot?state=cold", "", NULL, routes.reply);
    assert_int_equal(routes.reply->status, 400);
    routes_close(&routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
