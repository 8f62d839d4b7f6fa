/* SPDX-License-Identifier: Apache-2.0 */
/* What the doctor concludes from settings and from the end of a call. */

#include "../unit.h"

#include "doctor_checks.h"

#include <string.h>

static const struct nsh_option options[] = {
    {.name = "address", .type = NSH_STRING, .help = "x"},
    {.name = "user", .type = NSH_STRING, .help = "x"},
    {.name = "password", .type = NSH_SECRET, .help = "x"},
    {.name = "tls", .type = NSH_STRING, .help = "x"},
    {.name = "insecure", .type = NSH_BOOL, .help = "x"},
};

static const struct nsh_driver driver = {
    .name = "probe", .options = options, .options_count = ROWS(options)};

/* The state of a check, or "none". */
static const char *state_of(const struct nsh_checks *checks, const char *name)
{
    for (size_t i = 0; i < checks->count; i++) {
        if (strcmp(checks->items[i].name, name) == 0) {
            return nsh_check_word(checks->items[i].state);
        }
    }
    return "none";
}

static void settings(void **state)
{
    static const struct {
        const char *address, *user, *password, *tls;
        bool insecure;
        const char *tls_state, *password_state, *why;
    } rows[] = {
        {"10.0.0.1", "ns", "x9!", "verify", false, "ok", "ok", "as it should be"},
        {"10.0.0.1", "ns", "x9!", "pin", false, "ok", "ok", "pinned is proven too"},
        {"10.0.0.1", "ns", "x9!", "insecure", false, "warning", "ok", "encrypted, to anybody"},
        {"10.0.0.1", "ns", "x9!", "", true, "warning", "ok", "the other way to say so"},
        {"10.0.0.1", "ns", "x9!", "none", false, "failed", "ok", "a password in the clear"},
        {"http://h/", "", "x9!", "", false, "failed", "ok", "and by its URL"},
        {"http://h/", "", "", "", false, "warning", "none", "nothing secret to lose"},
        {"https://h/", "root", "calvin", "", false, "ok", "failed", "as Dell ships it"},
        {"https://h/", "Root", "calvin", "", false, "ok", "ok", "another user"},
        {"https://h/", "", "public", "", false, "ok", "failed", "a community has no user"},
        {"https://h/", "kim", "kim", "", false, "ok", "warning", "a password that is its user"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_checks checks = {0};
        const struct nsh_member members[] = {
            {"address", nsh_text(rows[i].address)},   {"user", nsh_text(rows[i].user)},
            {"password", nsh_text(rows[i].password)}, {"tls", nsh_text(rows[i].tls)},
            {"insecure", nsh_bool(rows[i].insecure)},
        };
        const struct nsh_value given = nsh_map(members, ROWS(members));
        print_message("%s\n", rows[i].why);
        doctor_checks_settings(&driver, &given, &checks);
        assert_string_equal(state_of(&checks, "tls"), rows[i].tls_state);
        assert_string_equal(state_of(&checks, "default-password"), rows[i].password_state);
        for (size_t c = 0; c < checks.count; c++) {
            assert_true((checks.items[c].state == NSH_CHECK_OK) == (checks.items[c].hint[0] == 0));
            assert_null(strstr(checks.items[c].text, "x9!"));
            assert_null(strstr(checks.items[c].text, "calvin"));
        }
    }
}

static void outcomes(void **state)
{
    static const struct {
        int code;
        const char *text;
        int64_t elapsed_ms;
        const char *reachable, *credentials, *check, *why;
    } rows[] = {
        {NSH_OK, "", 20, "ok", "ok", NULL, "all is well"},
        {NSH_OK, "", 4000, "warning", "ok", NULL, "slow"},
        {NSH_TIMEOUT, "", 20000, "failed", "none", "reachable", "nobody there"},
        {NSH_AUTH, "401", 20, "ok", "failed", "credentials", "it answered, with a no"},
        {NSH_DENIED, "403", 20, "ok", "ok", "permissions", "known, and may not"},
        {NSH_MISMATCH, "SSL: certificate of another", 9, "none", "none", "tls", "not who it says"},
        {NSH_MISMATCH, "serial is another", 9, "none", "none", "identity", "another machine"},
        {NSH_INVALID, "password: no such file", 0, "none", "none", "settings", "never asked"},
        {NSH_FAILED, "", 10, "none", "none", "answer", "a code without a row"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_checks checks = {0};
        print_message("%s\n", rows[i].why);
        doctor_checks_outcome(&(struct nsh_outcome){.code = rows[i].code, .text = rows[i].text},
                              rows[i].elapsed_ms, &checks);
        assert_string_equal(state_of(&checks, "reachable"), rows[i].reachable);
        assert_string_equal(state_of(&checks, "credentials"), rows[i].credentials);
        if (rows[i].check != NULL) {
            assert_string_equal(state_of(&checks, rows[i].check), "failed");
            assert_int_equal(doctor_checks_worst(&checks), NSH_CHECK_FAILED);
        }
    }
}

/* ---- a driver's own checks, through complete() and back ---- */

struct catcher {
    struct nsh_services services;
    struct nsh_checks merged;
};

static void caught(struct nsh_services *services, struct nsh_op *op,
                   const struct nsh_outcome *outcome)
{
    struct catcher *catcher = (struct catcher *)(void *)services;
    (void)op;
    doctor_checks_outcome(outcome, 1, &catcher->merged);
}

static void own_checks(void **state)
{
    struct catcher catcher = {.services = {.complete = caught}};
    struct nsh_checks checks = {0};
    struct nsh_op op = {0};
    (void)state;
    nsh_check_add(&checks, "cipher-0", NSH_CHECK_FAILED, "ipmitool ...", "the BMC says %d", 0);
    nsh_check_add(&checks, "locale", NSH_CHECK_SKIPPED, NULL, "two\nlines");
    nsh_checks_complete(&catcher.services, &op, &checks);
    assert_string_equal(state_of(&catcher.merged, "cipher-0"), "failed");
    assert_string_equal(state_of(&catcher.merged, "locale"), "skipped");
    const struct nsh_check *last = &catcher.merged.items[catcher.merged.count - 1];
    assert_string_equal(last->text, "two lines");
    assert_int_equal(doctor_checks_worst(&catcher.merged), NSH_CHECK_FAILED);
    for (unsigned i = 0; i < 2 * NSH_CHECKS_COUNT_MAX; i++) {
        nsh_check_add(&checks, "x", NSH_CHECK_OK, NULL, "y");
    }
    assert_int_equal(checks.count, NSH_CHECKS_COUNT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings),
        cmocka_unit_test(outcomes),
        cmocka_unit_test(own_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
