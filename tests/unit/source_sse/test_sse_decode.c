/* SPDX-License-Identifier: Apache-2.0 */
/* An event stream's bytes -> events: as the standard says, cut at every byte, and bounded. */

#include "../unit.h"

#include "source/sse/sse_decode.h"

#include <stdio.h>
#include <stdlib.h>

struct heard {
    char words[512]; /* "TYPE|DATA|ID;" of each event; large ones "TYPE!ID;". */
    bool holds;
};

static bool hear(void *arg, const struct sse_event *event)
{
    struct heard *heard = arg;
    size_t used = strlen(heard->words);
    assert_true(strlen(event->data.at) <= event->data.count); /* NUL-terminated. */
    if (event->large) {
        assert_int_equal(event->data.count, 0);
    }
    snprintf(heard->words + used, sizeof heard->words - used, "%.*s%s%.*s%s%.*s;",
             (int)event->type.count, event->type.at, event->large ? "!" : "|",
             (int)event->data.count, event->data.at, event->large ? "" : "|", (int)event->id.count,
             event->id.at);
    return !heard->holds;
}

static const struct row {
    const char *bytes, *events, *why;
} rows[] = {
    {"data: a\n\n", "message|a|;", "one line"},
    {"data:a\n\n", "message|a|;", "the blank may miss"},
    {"data:  a\n\n", "message| a|;", "one blank alone is left out"},
    {"data: a\r\n\r\n", "message|a|;", "CRLF"},
    {"data: a\r\r", "message|a|;", "CR"},
    {"data: a\r\n\rdata: b\n\r\n", "message|a|;message|b|;", "a mixture of all three"},
    {"data: a\n\r\n\n\r\r\n", "message|a|;", "empty lines make no events"},
    {"data: a\ndata: b\n\n", "message|a\nb|;", "lines are joined"},
    {"data: a\ndata:\n\n", "message|a\n|;", "an empty line of data is one"},
    {"data\n\n", "message||;", "a name alone is an empty value: this is an event"},
    {"data\ndata\n\n", "message|\n|;", "and so are two"},
    {"data:test\n\ndata\n\n", "message|test|;message||;", "as the standard shows"},
    {"event: init\ndata: null\n\n", "init|null|;", "a type"},
    {"event: x\n\ndata: a\n\n", "message|a|;", "a type without data is no event, and forgotten"},
    {"event: x\nevent: y\ndata: a\n\n", "y|a|;", "the last type counts"},
    {"event: x\nevent\ndata: a\n\n", "message|a|;", "an empty type is the usual one"},
    {"id: 1\ndata: a\n\ndata: b\n\n", "message|a|1;message|b|1;", "an id stays"},
    {"id: 1\n\ndata: b\n\n", "message|b|1;", "also from an event without data"},
    {"id: 1\ndata: a\n\nid\ndata: b\n\n", "message|a|1;message|b|;", "an empty id takes it back"},
    {"id: a\tb\ndata: a\n\n", "message|a|;", "what no header can hold is no id"},
    {": nothing\n:\n\ndata: a\n:in between\ndata: b\n\n", "message|a\nb|;", "comments"},
    {"\xef\xbb\xbf"
     "data: a\n\n",
     "message|a|;", "a mark at the beginning"},
    {"\xef\xbb\xbf\xef\xbb\xbf"
     "data: a\n\ndata: b\n\n",
     "message|b|;", "one, not two"},
    {"\xef\xbb"
     "data: a\n\ndata: b\n\n",
     "message|b|;", "half a mark is text"},
    {"\n\xef\xbb\xbf"
     "data: a\n\n",
     "", "later it is text"},
    {"Data: a\ndata : b\n data: c\nfoo: d\nfoo\n\n", "", "names are exact"},
    {"data: a: b\n\n", "message|a: b|;", "the first colon alone"},
    {"data: a", "", "a line that does not end"},
    {"data: a\n", "", "an event that does not end"},
    {"retry: 20\ndata: a\n\n", "message|a|;", "retry is none of its fields"},
    {"data: \xff\xfe\n\n", "message|\xff\xfe|;", "bytes are the reader's"},
    {"data: 0123456789012345678901234567890123456789\n\ndata: b\n\n", "message!;message|b|;",
     "a line that is too long costs its event, not the stream"},
    {"data: 01234567890123456789\ndata: 01234567890123456789\nid: 3\n\ndata: b\n\n",
     "message!3;message|b|3;", "an event that is too long likewise; its id is known"},
    {"data: 01234567890123456789012345678901\n\n", "message|01234567890123456789012345678901|;",
     "just as long as may be"},
    {"data: 012345678901234567890123456789012\n\n", "message!;", "one more"},
    {":0123456789012345678901234567890123456789012345678901234567890123456789\ndata: b\n\n",
     "message|b|;", "a comment may be long"},
    {"", "", "nothing"},
};

#define EVENT_BYTES 32

static void decode(const char *const pieces[], const size_t counts[], size_t pieces_count,
                   struct heard *heard)
{
    struct sse_decoder decoder;
    struct nsh_error err = {0};
    sse_decoder_init(&decoder, EVENT_BYTES);
    for (size_t i = 0; i < pieces_count; i++) {
        for (size_t at = 0; at < counts[i];) {
            size_t taken = 0;
            assert_int_equal(
                sse_decode(&decoder, pieces[i] + at, counts[i] - at, hear, heard, &taken, &err), 0);
            assert_true(taken > 0);
            assert_true(heard->holds || taken == counts[i] - at);
            at += taken;
        }
    }
    sse_decoder_done(&decoder);
}

static void test_rows_cut_at_every_byte(void **state)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t count = strlen(rows[i].bytes);
        for (size_t cut = 0; cut <= count; cut++) {
            /* Its own memory, so that a look past the end is seen. */
            char *first = malloc(cut + 1), *second = malloc(count - cut + 1);
            assert_true(first != NULL && second != NULL);
            memcpy(first, rows[i].bytes, cut);
            memcpy(second, rows[i].bytes + cut, count - cut);
            struct heard heard = {.holds = cut % 2 == 1};
            decode((const char *const[]){first, second}, (const size_t[]){cut, count - cut}, 2,
                   &heard);
            if (strcmp(heard.words, rows[i].events) != 0) {
                fail_msg("%s, cut at %zu: \"%s\", want \"%s\"", rows[i].why, cut, heard.words,
                         rows[i].events);
            }
            free(first);
            free(second);
        }
    }
}

static void test_bytes_one_by_one(void **state)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *pieces[256];
        size_t counts[256], count = strlen(rows[i].bytes);
        struct heard heard = {0};
        assert_true(count <= ROWS(pieces));
        for (size_t at = 0; at < count; at++) {
            pieces[at] = rows[i].bytes + at;
            counts[at] = 1;
        }
        decode(pieces, counts, count, &heard);
        if (strcmp(heard.words, rows[i].events) != 0) {
            fail_msg("%s: \"%s\", want \"%s\"", rows[i].why, heard.words, rows[i].events);
        }
    }
}

static void feed(struct sse_decoder *decoder, const char *bytes, struct heard *heard)
{
    size_t taken = 0;
    assert_int_equal(sse_decode(decoder, bytes, strlen(bytes), hear, heard, &taken, NULL), 0);
}

static void test_retry(void **state)
{
    static const struct {
        const char *bytes;
        int64_t retry_ms;
        const char *why;
    } retries[] = {
        {"data: a\n\n", -1, "none"},
        {"retry: 20\n", 20, "at once, without an event"},
        {"retry: 20\nretry: 30\n", 30, "the last one"},
        {"retry: 20\nretry: 1s\n", 20, "digits alone"},
        {"retry: 20\nretry: -1\n", 20, "no sign"},
        {"retry: 20\nretry\n", 20, "nothing is no number"},
        {"retry: 99999999999999999999999999\n", SSE_RETRY_MS_MAX, "bounded, without a wrap"},
    };
    for (size_t i = 0; i < ROWS(retries); i++) {
        struct sse_decoder decoder;
        struct heard heard = {0};
        sse_decoder_init(&decoder, 0);
        feed(&decoder, retries[i].bytes, &heard);
        if (decoder.retry_ms != retries[i].retry_ms) {
            fail_msg("%s: %lld", retries[i].why, (long long)decoder.retry_ms);
        }
        sse_decoder_done(&decoder);
    }
}

/* The id of an event that broke off would skip that event when the stream goes on. */
static void test_an_id_counts_when_its_event_was_told(void **state)
{
    struct sse_decoder decoder;
    struct heard heard = {0};
    sse_decoder_init(&decoder, 0);
    feed(&decoder, "id: 1\ndata: a\n\nid: 2\ndata: b\n", &heard);
    assert_string_equal(decoder.id, "1");
    sse_decoder_restart(&decoder);
    feed(&decoder,
         "\xef\xbb\xbf"
         "data: c\n\n",
         &heard); /* A mark again: a new stream. */
    assert_string_equal(heard.words, "message|a|1;message|c|1;");
    sse_decoder_done(&decoder);
}

static void test_an_id_kept_by_others(void **state)
{
    struct sse_decoder decoder;
    char longer[SSE_ID_BYTES_MAX + 2];
    sse_decoder_init(&decoder, 0);
    sse_decoder_last_id_set(&decoder, text_of("17"));
    assert_string_equal(decoder.id, "17");
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    sse_decoder_last_id_set(&decoder, text_of(longer));
    assert_string_equal(decoder.id, "");
    sse_decoder_last_id_set(&decoder, text_of("1\r\nX: y"));
    assert_string_equal(decoder.id, "");
    sse_decoder_done(&decoder);
}

static void test_memory_is_bounded(void **state)
{
    struct sse_decoder decoder;
    struct heard heard = {0};
    char block[4096];
    sse_decoder_init(&decoder, 8192);
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 1000; i++) { /* A line of four megabytes. */
        size_t taken = 0;
        assert_int_equal(sse_decode(&decoder, block, sizeof block, hear, &heard, &taken, NULL), 0);
    }
    assert_true(decoder.line.room <= 32768);
    feed(&decoder, "\n\ndata: b\n\n", &heard);
    assert_string_equal(heard.words, "message!;message|b|;");
    assert_int_equal(decoder.large_count, 1);
    sse_decoder_done(&decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_cut_at_every_byte),
        cmocka_unit_test(test_bytes_one_by_one),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_an_id_counts_when_its_event_was_told),
        cmocka_unit_test(test_an_id_kept_by_others),
        cmocka_unit_test(test_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
