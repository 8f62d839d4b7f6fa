/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as senders really write them, and streams of them. */

#include "../unit.h"

#include "source/syslog/syslog.h"

#include <stdio.h>
#include <stdlib.h>

struct row {
    const char *bytes;
    int code;
    unsigned facility, severity;
    const char *host, *program, *pid, *message, *why;
};

static const struct row rows[] = {
    {"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' "
     "failed",
     0, 4, 2, "mymachine.example.com", "su", "", "'su root' failed",
     "RFC 5424's first example, with its byte order mark"},
    {"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time", 0, 20, 5,
     "192.0.2.1", "myproc", "8710", "%% It's time", "and its second"},
    {"<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [a@1 q=\"x\\\"]y\"][b@2 c=\"]\"] text", 0,
     20, 5, "h", "evntslog", "", "text", "elements with brackets and escapes inside"},
    {"<13>1 - - - - - -", 0, 1, 5, "", "", "", "", "all of it nil"},
    {"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8", 0, 4, 2,
     "mymachine", "su", "", "'su root' failed for lonvick on /dev/pts/8", "RFC 3164's example"},
    {"<30>Nov  6 03:04:05 web-3 systemd[1]: Started Session 12.", 0, 3, 6, "web-3", "systemd", "1",
     "Started Session 12.", "a day of one digit, a process id"},
    {"<6>Nov 16 03:04:05 web-3 kernel: [ 12.5] mce: x", 0, 0, 6, "web-3", "kernel", "",
     "[ 12.5] mce: x", "the kernel's own time stays part of the message"},
    {"<13>Nov 16 03:04:05 su: no host name", 0, 1, 5, "", "su", "", "no host name",
     "logger -n without a host name"},
    {"<14>2026-03-02T10:00:00.123456+01:00 r1h02 app[7]: hello", 0, 1, 6, "r1h02", "app", "7",
     "hello", "rsyslog's forwarding format"},
    {"<189>29: *Mar  1 18:46:11.123: %SYS-5-CONFIG_I: Configured", 0, 23, 5, "", "", "",
     "%SYS-5-CONFIG_I: Configured", "a router: sequence number, star, no host name, no program"},
    {"<187>45: sw1: Mar  1 18:46:11: %LINK-3-UPDOWN: Interface Gi0/1, changed state to down", 0, 23,
     3, "", "45", "",
     "sw1: Mar  1 18:46:11: %LINK-3-UPDOWN: Interface Gi0/1, changed state to down",
     "what has no order stays whole"},
    {"<13>just words", 0, 1, 5, "", "", "", "just words", "no header at all"},
    {"<13>\n", 0, 1, 5, "", "", "", "", "nothing"},
    {"<191>x: y\r\n", 0, 23, 7, "", "x", "", "y", "the highest priority"},
    {"<192>x", -NSH_PROTOCOL, 0, 0, 0, 0, 0, 0, "there is no facility 24"},
    {"<>x", -NSH_PROTOCOL, 0, 0, 0, 0, 0, 0, "no number"},
    {"<1234>x", -NSH_PROTOCOL, 0, 0, 0, 0, 0, 0, "a number that is too long"},
    {"<13", -NSH_PROTOCOL, 0, 0, 0, 0, 0, 0, "no end"},
    {"hello", -NSH_PROTOCOL, 0, 0, 0, 0, 0, 0, "no priority"},
    {"", -NSH_PROTOCOL, 0, 0, 0, 0, 0, 0, "empty"},
};

static void is_text(struct text text, const char *wanted, const char *why)
{
    if (!text_is(text, wanted)) {
        fail_msg("%s: got '%.*s', wanted '%s'", why, (int)text.count, text.at, wanted);
    }
}

static void test_rows(void **state)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct row *row = &rows[i];
        struct syslog_message message;
        struct nsh_error err = {0};
        int result = syslog_decode(text_of(row->bytes), &message, &err);
        if (result != row->code) {
            fail_msg("%s: got %d", row->why, result);
        }
        if (result < 0) {
            continue;
        }
        assert_int_equal(message.facility, row->facility);
        assert_int_equal(message.severity, row->severity);
        is_text(message.hostname, row->host, row->why);
        is_text(message.program, row->program, row->why);
        is_text(message.pid, row->pid, row->why);
        is_text(message.message, row->message, row->why);
    }
}

static void test_times(void **state)
{
    struct syslog_message message;
    assert_int_equal(syslog_decode(TEXT("<1>1 2026-03-02T10:00:00.5Z h p - - - m"), &message, NULL),
                     0);
    assert_true(message.time_ms == INT64_C(1772445600500));
    assert_int_equal(syslog_decode(TEXT("<1>2026-03-02T11:00:00.5+01:00 h p: m"), &message, NULL),
                     0);
    assert_true(message.time_ms == INT64_C(1772445600500));
    /* Neither year nor zone: it is not believed. */
    assert_int_equal(syslog_decode(TEXT("<1>Mar  2 10:00:00 h p: m"), &message, NULL), 0);
    assert_true(message.time_ms == 0);
}

static void test_severities(void **state)
{
    assert_int_equal(syslog_severity_of("emerg"), 0);
    assert_int_equal(syslog_severity_of("error"), 3);
    assert_int_equal(syslog_severity_of("warn"), 4);
    assert_int_equal(syslog_severity_of("none"), -1);
}

/* ---- streams ---- */

struct stream {
    const char *bytes;
    const char *wanted; /* Messages, with | between; '!' at the end: damaged. */
    const char *why;
};

static const struct stream streams[] = {
    {"<13>a\n<14>b\n", "<13>a|<14>b|", "lines"},
    {"5 <13>a6 <14>bc", "<13>a|<14>bc|", "octet counts, nothing between"},
    {"6 <13>a\n5 <14>b", "<13>a\n|<14>b|",
     "a counted message may end with a newline, which is its own"},
    {"<13>a\n5 <14>b<15>c\n", "<13>a|<14>b|<15>c|", "both, one after the other"},
    {"\n\r\n<13>a\r\n\n", "<13>a\r|", "empty lines are no messages"},
    {"<13>a", "", "a line without its end waits"},
    {"5x<13>", "!", "an octet count that is none"},
    {"0 <13>a\n", "0 <13>a|", "a line may begin with a zero"},
    {"99999999 x", "!", "a count beyond all measure"},
    {"7 <13>a", "", "a frame that is not whole waits"},
};

static void feed(const char *bytes, size_t step, char *out, size_t room)
{
    struct syslog_frames *frames = calloc(1, sizeof *frames);
    size_t total = strlen(bytes), at = 0;
    out[0] = '\0';
    while (at < total) {
        size_t used = 0, count = total - at < step ? total - at : step;
        enum syslog_frame frame =
            syslog_frames_next(frames, (struct text){bytes + at, (uint32_t)count}, &used);
        at += used;
        size_t length = strlen(out);
        if (frame == SYSLOG_FRAME_DAMAGED) {
            snprintf(out + length, room - length, "!");
            break;
        }
        if (frame == SYSLOG_FRAME_WHOLE) {
            snprintf(out + length, room - length, "%.*s|", (int)frames->count, frames->bytes);
            syslog_frames_clear(frames);
        }
    }
    free(frames);
}

static void test_streams(void **state)
{
    char out[256];
    for (size_t i = 0; i < ROWS(streams); i++) {
        for (size_t step = 1; step <= 16; step++) { /* However the network cuts it. */
            feed(streams[i].bytes, step, out, sizeof out);
            if (strcmp(out, streams[i].wanted) != 0) {
                fail_msg("%s, %zu bytes at a time: got '%s'", streams[i].why, step, out);
            }
        }
    }
}

static void test_long(void **state)
{
    struct syslog_frames *frames = calloc(1, sizeof *frames);
    char *bytes = malloc(20001);
    size_t used = 0;
    memset(bytes, 'x', 20000);
    bytes[20000] = '\n';
    assert_int_equal(syslog_frames_next(frames, (struct text){bytes, 20001}, &used),
                     SYSLOG_FRAME_WHOLE);
    assert_int_equal(used, 20001);
    assert_int_equal(frames->count, SYSLOG_MESSAGE_BYTES_MAX);
    assert_true(frames->cut);
    syslog_frames_clear(frames);
    memcpy(bytes, "20000 ", 6);
    assert_int_equal(syslog_frames_next(frames, (struct text){bytes, 20001}, &used),
                     SYSLOG_FRAME_NONE);
    assert_int_equal(syslog_frames_next(frames, (struct text){bytes, 6}, &used),
                     SYSLOG_FRAME_WHOLE);
    assert_int_equal(used, 5);
    assert_true(frames->cut);
    free(bytes);
    free(frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),       cmocka_unit_test(test_times),
        cmocka_unit_test(test_severities), cmocka_unit_test(test_streams),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
