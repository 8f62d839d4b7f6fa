/* SPDX-License-Identifier: Apache-2.0 */
/* Pages: the Standard Webhooks test vector, bodies and mails with hostile texts. */

#include "../unit.h"

#include "page_codec.h"

#include <string.h>

static void test_signature_is_the_standard_s(void **state)
{
    static const char body[] = "{\"test\": 2432232314}";
    char signature[128];
    struct nsh_error err;
    assert_int_equal(page_signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                                    "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body,
                                    sizeof body - 1, signature, sizeof signature, &err),
                     0);
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_int_equal(
        page_signature("whsec_not base64", "x", 1, "", 0, signature, sizeof signature, &err),
        -NSH_INVALID);
}

static void test_bodies(void **state)
{
    static const struct {
        const char *template, *title, *body; /* body NULL: refused. */
        const char *why;
    } rows[] = {
        {"{\"t\": \"{{title}}\"}", "a\"b\\c\n", "{\"t\": \"a\\\"b\\\\c\\n\"}", "escaped for JSON"},
        {"{\"t\": \"{{title}}\"}", "{{token}}", "{\"t\": \"{{token}}\"}",
         "texts are not templates"},
        {"T: {{title}}", "a\"\x1b[31m", "T: a\" [31m", "plain: no control characters"},
        {"{{nothing}}", "x", NULL, "an unknown name"},
        {"{{title", "x", NULL, "no end"},
        {NULL, "x\x01", "{\"title\":\"x\\u0001\",\"token\":\"id\"}", "all of it as JSON"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_member member = {"title", nsh_text(rows[i].title)};
        struct nsh_value args = nsh_map(&member, 1);
        struct page_text text = {0};
        int result = page_body(rows[i].template, &args, "id", &text, NULL);
        if ((result == 0) != (rows[i].body != NULL) ||
            (result == 0 && strcmp(text.at, rows[i].body) != 0)) {
            fail_msg("%s: %s", rows[i].why, text.at == NULL ? "" : text.at);
        }
        page_text_done(&text);
    }
}

static void test_a_mail_has_its_headers_and_no_more(void **state)
{
    struct nsh_member members[] = {
        {"title", nsh_text("down\r\nBcc: all@example.net\r\n\r\nbody")},
        {"text", nsh_text("To: nobody\n.\n")},
    };
    struct nsh_value args = nsh_map(members, 2);
    struct page_text mail = {0};
    assert_int_equal(page_mail("a@example.net", "b@example.net", &args, "id\nX: y", &mail, NULL),
                     0);
    const char *end = strstr(mail.at, "\n\n");
    assert_non_null(end);
    size_t lines = 1;
    for (const char *c = mail.at; c < end; c++) {
        lines += *c == '\n';
    }
    assert_int_equal(lines, 7);
    assert_null(strstr(mail.at, "\nBcc:"));
    assert_null(strstr(mail.at, "\nX: y"));
    page_text_done(&mail);
}

static void test_too_much_is_refused(void **state)
{
    static char large[PAGE_BYTES_MAX + 2];
    memset(large, 'x', sizeof large - 1);
    struct nsh_member member = {"title", nsh_text(large)};
    struct nsh_value args = nsh_map(&member, 1);
    struct page_text text = {0};
    assert_int_equal(page_body(NULL, &args, "id", &text, NULL), -NSH_LIMIT);
    page_text_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signature_is_the_standard_s),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_a_mail_has_its_headers_and_no_more),
        cmocka_unit_test(test_too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
