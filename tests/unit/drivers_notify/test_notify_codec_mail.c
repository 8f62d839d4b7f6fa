/* SPDX-License-Identifier: Apache-2.0 */
/* Mails: no text from outside begins a header or ends the message; replies of servers. */

#include "../unit.h"

#include "abi/encode.h"
#include "notify_codec.h"

#include <stdio.h>
#include <string.h>

static char *mail_of(struct nsh_pool *pool, const char *title, const char *text, const char *token)
{
    static const char *const to[] = {"oncall@example.net", "boss@example.net", NULL};
    struct notify_notice notice = {.key = "ns-alm-1",
                                   .token = token,
                                   .title = title,
                                   .text = text,
                                   .severity = "major",
                                   .team = "",
                                   .host = "",
                                   .policy = "",
                                   .run = "",
                                   .alarm = "",
                                   .reason = "",
                                   .time_ms = INT64_C(1767225600000)};
    char *mail = NULL;
    assert_int_equal(notify_mail(pool, &notice, "ns@example.net", to, &mail, NULL), 0);
    return mail;
}

static void a_mail(void **state)
{
    struct nsh_pool pool = {0};
    (void)state;
    assert_string_equal(
        mail_of(&pool, "r1h01 is dead", "hello", "act-000009"),
        "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nFrom: ns@example.net\r\n"
        "To: oncall@example.net,\r\n boss@example.net\r\nSubject: major: r1h01 is dead\r\n"
        "Message-ID: <ns-alm-1.act-000009@example.net>\r\nIn-Reply-To: <ns-alm-1@example.net>\r\n"
        "References: <ns-alm-1@example.net>\r\nX-Nightshift-Key: ns-alm-1\r\n"
        "X-Nightshift-Id: act-000009\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        "aGVsbG8KCnNldmVyaXR5OiBtYWpvcgppZDogYWN0LTAwMDAwOQo=\r\n.\r\n");
    nsh_pool_done(&pool);
}

/* Whatever the texts are: these headers, each once, lines of at most 998 bytes, and one end. */
static void nothing_gets_in(void **state)
{
    static const char *const texts[] = {
        "x\r\nBcc: all@example.net",
        "x\n\nbody",
        "x\r\n.\r\nMAIL FROM:<evil@example.net>",
        "=?UTF-8?Q?x?=",
        ("\xc3\xa4\xc3\xb6\xc3\xbc \xf0\x9f\x94\xa5 a subject that is long, with characters of "
         "many "
         "bytes \xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5"),
        ".",
        "\xff\xfe broken UTF-8 \xc3",
    };
    static const char *const names[] = {"Date",
                                        "From",
                                        "To",
                                        "Subject",
                                        "Message-ID",
                                        "In-Reply-To",
                                        "References",
                                        "X-Nightshift-Key",
                                        "X-Nightshift-Id",
                                        "Auto-Submitted",
                                        "MIME-Version",
                                        "Content-Type",
                                        "Content-Transfer-Encoding"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct nsh_pool pool = {0};
        char *mail = mail_of(&pool, texts[i], texts[i], texts[i]), *at = mail;
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
            assert_memory_equal(at, names[n], strlen(names[n]));
            assert_memory_equal(at + strlen(names[n]), ": ", 2);
            do { /* The header and its folded lines. */
                char *end = strstr(at, "\r\n");
                assert_non_null(end);
                assert_true(end - at <= 78 || n != 3);
                for (char *c = at; c < end; c++) {
                    assert_true(*c >= ' ' && *c < 0x7f);
                }
                at = end + 2;
            } while (*at == ' ');
        }
        assert_memory_equal(at, "\r\n", 2);
        assert_ptr_equal(strstr(at, "\r\n.\r\n"), mail + strlen(mail) - 5);
        nsh_pool_done(&pool);
    }
}

/* An encoded subject reads as it was, whole characters in each word. */
static void subjects_read_back(void **state)
{
    static const char title[] =
        "\xc3\xa4 long one \xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5"
        "\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5 end";
    struct nsh_pool pool = {0};
    char *at = strstr(mail_of(&pool, title, "", "t"), "Subject: "), got[400] = "";
    (void)state;
    char *stop = strstr(at, "\r\nMessage-ID");
    for (at = strstr(at, "=?UTF-8?B?"); at != NULL && at < stop; at = strstr(at, "=?UTF-8?B?")) {
        size_t count = 0;
        char *end = strstr(at + 10, "?=");
        assert_true(end + 2 - at <= 75);
        *end = '\0';
        uint8_t *bytes = nsh_base64_read(&pool, at + 10, &count);
        for (size_t i = 0; i < count; i += nsh_char_bytes((char *)bytes + i, count - i)) {
            assert_true(nsh_char_bytes((char *)bytes + i, count - i) > 0);
        }
        strncat(got, (char *)bytes, count);
        at = end + 2;
    }
    assert_string_equal(got + strlen("major: "), title);
    nsh_pool_done(&pool);
}

static void recipients(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *why;
    } rows[] = {
        {"a@b.c", 0, ""},
        {"a@b.c, d@e.f", 0, ""},
        {"", NSH_INVALID, "nobody"},
        {"a@b.c>\r\nRCPT", NSH_INVALID, "a command of one's own"},
        {"a", NSH_INVALID, "no address"},
        {"@b", NSH_INVALID, "no user"},
        {"a@", NSH_INVALID, "no host"},
        {"a@b@c", NSH_INVALID, "two hosts"},
        {"\xc3\xa4@b.c", NSH_INVALID, "SMTPUTF8 is not spoken"},
        {"a@1,a@2,a@3,a@4,a@5,a@6,a@7,a@8,a@9,a@10,a@11,a@12,a@13,a@14,a@15,a@16,a@17,a@18,a@19,"
         "a@20,a@21",
         NSH_LIMIT, "more than 20"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nsh_pool pool = {0};
        const char **list = NULL;
        if (notify_addresses(&pool, rows[i].text, &list, NULL) != -rows[i].code) {
            fail_msg("'%s': %s", rows[i].text, rows[i].why);
        }
        nsh_pool_done(&pool);
    }
}

static void replies(void **state)
{
    static const struct {
        const char *bytes;
        long count;
        int status;
        const char *text, *why;
    } rows[] = {
        {"220 mail.example ESMTP\r\n", 24, 220, "mail.example ESMTP", ""},
        {"250-a\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\nmore", 37, 250, "a STARTTLS AUTH PLAIN", ""},
        {"250-a\r\n250-STAR", 0, 0, "", "not all of it yet"},
        {"250-a\r\n550 b\r\n", -1, 0, "", "two replies as one"},
        {"250\r\n", 5, 250, "", "a bare status is a reply"},
        {"250\n", 4, 250, "", "some servers end lines with LF"},
        {"199 x\r\n", -1, 0, "", "no such status"},
        {"25x\r\n", -1, 0, "", "no status"},
        {"SSH-2.0-OpenSSH\r\n", -1, 0, "", "another protocol"},
        {"550 5.1.1 \x1b[31mred\xff\r\n", 21, 550, "5.1.1  [31mred?", "no control characters"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct notify_reply reply = {0};
        long count = notify_reply_read(rows[i].bytes, strlen(rows[i].bytes), &reply);
        if (count != rows[i].count || reply.status != rows[i].status ||
            strcmp(reply.text, rows[i].text) != 0) {
            fail_msg("%zu %s: %ld %d '%s'", i, rows[i].why, count, reply.status, reply.text);
        }
    }
    struct notify_reply reply;
    static const char hello[] = "250-x\r\n250-auth=LOGIN plain\r\n250-8BITMIME\r\n250 starttls\r\n";
    assert_true(notify_reply_read(hello, strlen(hello), &reply) > 0);
    assert_true(reply.auth_login && reply.auth_plain && reply.eight_bit && reply.starttls);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail),
        cmocka_unit_test(nothing_gets_in),
        cmocka_unit_test(subjects_read_back),
        cmocka_unit_test(recipients),
        cmocka_unit_test(replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
