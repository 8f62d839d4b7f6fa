/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed events: a fixed head with all lengths, then the texts one after the other. Reading one
 * touches the head only.
 *
 *   u32 bytes of the whole record   u64 seq   u64 time_ms   u64 received_ms
 *   u8 severity   u8 state   u8 unmatched   u8 0   u16 length of each text   u32 length of data
 * texts, data
 */

#include "model/event.h"

#include "base/assert.h"
#include "base/pack.h"

#include <endian.h>

#define TEXTS_COUNT 10
#define SEVERITY_OFFSET 28
#define HEAD_BYTES (4 + 8 + 8 + 8 + 4 + 2 * TEXTS_COUNT + 4)

static const char *const severity_words[] = {
#define SEVERITY(NAME, word) word,
#include "model/severity.def"
#undef SEVERITY
};

static const char *const state_words[] = {"pulse", "raise", "clear"};

const char *severity_word(enum severity severity)
{
    NSH_ASSERT(severity < SEVERITIES_COUNT);
    return severity_words[severity];
}

int severity_of(struct text word)
{
    for (int i = 0; i < SEVERITIES_COUNT; i++) {
        if (text_is(word, severity_words[i])) {
            return i;
        }
    }
    return -1;
}

const char *event_state_word(enum event_state state)
{
    NSH_ASSERT(state <= EVENT_CLEAR);
    return state_words[state];
}

#define SHORT_TYPE_BYTES 12

const char *event_type_nearest(struct text type)
{
    static const char *const types[] = {
#define EVENT_TYPE(name) name,
#define EVENT_TYPE_OWN(name) name,
#include "model/event_types.def"
#undef EVENT_TYPE
#undef EVENT_TYPE_OWN
        NULL,
    };
    for (size_t i = 0; types[i] != NULL; i++) {
        if (text_is(type, types[i])) {
            return NULL;
        }
    }
    const char *nearest = text_nearest(type, types);
    /* Two letters of a short one make another word: psu.lost, ssh.lost. */
    bool other = nearest != NULL && type.count < SHORT_TYPE_BYTES &&
                 text_distance(type, text_of(nearest), 1) > 1;
    return other ? NULL : nearest;
}

/* The texts in the order they are packed. */
static void texts_of(const struct event *event, struct text texts[TEXTS_COUNT])
{
    const struct text all[TEXTS_COUNT] = {
        event->id,       event->source,    event->type, event->subject, event->host,
        event->resource, event->qualifier, event->name, event->message, event->hint};
    memcpy(texts, all, sizeof all);
}

size_t event_packed_bytes(const struct event *event)
{
    struct text texts[TEXTS_COUNT];
    size_t bytes = HEAD_BYTES + event->data.count;
    texts_of(event, texts);
    for (unsigned i = 0; i < TEXTS_COUNT; i++) {
        bytes += texts[i].count;
    }
    return bytes;
}

/* Of every event, several times: the compiler makes single loads and stores of these. */
static inline uint8_t *put_le(uint8_t *at, uint64_t value, unsigned bytes)
{
    uint64_t little = htole64(value);
    memcpy(at, &little, bytes);
    return at + bytes;
}

static inline uint64_t get_le(const uint8_t *at, unsigned bytes)
{
    uint64_t little = 0;
    memcpy(&little, at, bytes);
    return le64toh(little);
}

size_t event_pack(const struct event *event, uint8_t *bytes, size_t room)
{
    struct text texts[TEXTS_COUNT];
    size_t wanted = event_packed_bytes(event);
    NSH_ASSERT(wanted <= room);
    NSH_ASSERT(event->data.count <= EVENT_DATA_BYTES_MAX);
    texts_of(event, texts);
    uint8_t *at = put_le(bytes, wanted, 4);
    at = put_le(at, event->seq, 8);
    at = put_le(at, (uint64_t)event->time_ms, 8);
    at = put_le(at, (uint64_t)event->received_ms, 8);
    *at++ = (uint8_t)event->severity;
    *at++ = (uint8_t)event->state;
    *at++ = event->unmatched;
    *at++ = 0;
    for (unsigned i = 0; i < TEXTS_COUNT; i++) {
        NSH_ASSERT(texts[i].count <= EVENT_TEXT_BYTES_MAX);
        at = put_le(at, texts[i].count, 2);
    }
    at = put_le(at, event->data.count, 4);
    for (unsigned i = 0; i < TEXTS_COUNT; i++) {
        if (texts[i].count > 0) {
            memcpy(at, texts[i].at, texts[i].count);
            at += texts[i].count;
        }
    }
    if (event->data.count > 0) {
        memcpy(at, event->data.at, event->data.count);
    }
    return wanted;
}

unsigned event_rank(enum severity severity)
{
    return severity >= SEVERITY_CRITICAL ? 2 : severity == SEVERITY_MAJOR ? 1 : 0;
}

enum severity event_packed_severity(const uint8_t *bytes, size_t bytes_count)
{
    enum severity highest = SEVERITY_INFO;
    for (size_t at = 0; bytes_count - at >= HEAD_BYTES;) {
        uint64_t whole = get_le(bytes + at, 4);
        uint8_t severity = bytes[at + SEVERITY_OFFSET];
        if (whole < HEAD_BYTES || whole > bytes_count - at || severity >= SEVERITIES_COUNT) {
            break;
        }
        highest = severity > highest ? (enum severity)severity : highest;
        at += whole;
    }
    return highest;
}

long event_unpack(const uint8_t *bytes, size_t bytes_count, struct event *ret_event,
                  struct nsh_error *err)
{
    uint64_t whole = bytes_count < HEAD_BYTES ? 0 : get_le(bytes, 4);
    if (whole < HEAD_BYTES || whole > bytes_count || whole > EVENT_PACKED_BYTES_MAX) {
        return nsh_fail(err, NSH_CORRUPT, "packed event of %llu bytes in %zu",
                        (unsigned long long)whole, bytes_count);
    }
    const uint8_t *fixed = bytes + SEVERITY_OFFSET, *lengths = bytes + 32, *at = bytes + HEAD_BYTES;
    if (fixed[0] >= SEVERITIES_COUNT || fixed[1] > EVENT_CLEAR || fixed[2] > 1) {
        return nsh_fail(err, NSH_CORRUPT, "packed event with severity %u, state %u", fixed[0],
                        fixed[1]);
    }
    struct text texts[TEXTS_COUNT];
    uint64_t data_bytes = get_le(lengths + 2 * TEXTS_COUNT, 4), sum = HEAD_BYTES + data_bytes;
    for (unsigned i = 0; i < TEXTS_COUNT; i++) {
        texts[i].count = (uint32_t)get_le(lengths + 2 * i, 2);
        sum += texts[i].count;
        if (texts[i].count > EVENT_TEXT_BYTES_MAX) {
            return nsh_fail(err, NSH_CORRUPT, "packed event with a text of %u bytes",
                            texts[i].count);
        }
    }
    if (sum != whole || data_bytes > EVENT_DATA_BYTES_MAX) {
        return nsh_fail(err, NSH_CORRUPT, "packed event whose parts are %llu bytes, not %llu",
                        (unsigned long long)sum, (unsigned long long)whole);
    }
    for (unsigned i = 0; i < TEXTS_COUNT; i++) {
        texts[i].at = (const char *)at;
        at += texts[i].count;
    }
    *ret_event = (struct event){
        .seq = get_le(bytes + 4, 8),
        .time_ms = (int64_t)get_le(bytes + 12, 8),
        .received_ms = (int64_t)get_le(bytes + 20, 8),
        .severity = (enum severity)fixed[0],
        .state = (enum event_state)fixed[1],
        .unmatched = fixed[2] != 0,
        .id = texts[0],
        .source = texts[1],
        .type = texts[2],
        .subject = texts[3],
        .host = texts[4],
        .resource = texts[5],
        .qualifier = texts[6],
        .name = texts[7],
        .message = texts[8],
        .hint = texts[9],
        .data = {(const char *)at, (uint32_t)data_bytes},
    };
    return (long)whole;
}
