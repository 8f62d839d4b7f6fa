/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: source_syslog
/*
 * Any bytes as a stream of syslog, cut as the first byte says: however it is cut, the same messages
 * come out; each is refused with a reason or, by the shipped patterns, becomes an event that packs,
 * unpacks as the same and prints.
 */

#include "base/assert.h"
#include "source/syslog/syslog_patterns.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static struct syslog_patterns *patterns_get(void)
{
    static struct syslog_patterns *patterns;
    if (patterns == NULL) {
        struct diags diags = {0};
        NSH_ASSERT(syslog_patterns_read(TEST_SOURCE_DIR "/etc/syslog", &diags, &patterns, NULL) ==
                   0);
        diags_done(&diags);
    }
    return patterns;
}

static void try_message(struct text bytes, bool relay)
{
    static struct syslog_mapper mapper;
    struct syslog_message message;
    struct syslog_origin origin = {
        .address = TEXT("192.0.2.1"), .relay = relay, .received_ms = 1000};
    struct nsh_error err = {0};
    struct event event, again;
    mapper.patterns = patterns_get();
    mapper.unmatched_severity = 7;
    int result = syslog_decode(bytes, &message, &err);
    if (result < 0) {
        NSH_ASSERT(err.code == -result && err.text[0] != '\0');
        return;
    }
    NSH_ASSERT(message.facility < 24 && message.severity < 8);
    NSH_ASSERT(syslog_map(&mapper, &message, &origin, &event));
    NSH_ASSERT(event.type.count > 0 && event.name.count > 0);
    NSH_ASSERT(text_is_utf8(event.message.at, event.message.count));
    size_t wanted = event_packed_bytes(&event);
    uint8_t *packed = malloc(wanted);
    NSH_ASSERT(wanted <= EVENT_PACKED_BYTES_MAX && packed != NULL);
    NSH_ASSERT(event_pack(&event, packed, wanted) == wanted);
    NSH_ASSERT(event_unpack(packed, wanted, &again, NULL) == (long)wanted);
    CLEANUP(textbuf_donep) struct textbuf json = {0};
    event_to_json(&again, &json);
    free(packed);
}

/* All messages of the stream, with their lengths; step bytes at a time. */
static void stream(const char *at, size_t count, size_t step, struct textbuf *out, bool try)
{
    static struct syslog_frames frames;
    syslog_frames_clear(&frames);
    while (count > 0) {
        size_t used = 0;
        struct text input = {at, (uint32_t)(count < step ? count : step)};
        enum syslog_frame frame = syslog_frames_next(&frames, input, &used);
        NSH_ASSERT(used <= input.count && (used > 0 || frame != SYSLOG_FRAME_NONE));
        NSH_ASSERT(frames.count <= SYSLOG_MESSAGE_BYTES_MAX);
        at += used;
        count -= used;
        if (frame == SYSLOG_FRAME_DAMAGED) {
            textbuf_add_chars(out, "damaged");
            return;
        }
        if (frame == SYSLOG_FRAME_WHOLE) {
            struct text message = {frames.bytes, (uint32_t)frames.count};
            textbuf_addf(out, "%u:", message.count);
            textbuf_add(out, message);
            if (try) {
                try_message(message, step % 2 == 0);
            }
            syslog_frames_clear(&frames);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    if (bytes_count < 2 || bytes_count > 1 << 20) {
        return 0;
    }
    const char *at = (const char *)bytes + 1;
    CLEANUP(textbuf_donep) struct textbuf whole = {0}, pieces = {0};
    stream(at, bytes_count - 1, bytes_count, &whole, true);
    stream(at, bytes_count - 1, (size_t)bytes[0] % 64 + 1, &pieces, false);
    NSH_ASSERT(whole.count == pieces.count &&
               (whole.count == 0 || memcmp(whole.at, pieces.at, whole.count) == 0));
    size_t datagram =
        bytes_count - 1 > SYSLOG_MESSAGE_BYTES_MAX ? SYSLOG_MESSAGE_BYTES_MAX : bytes_count - 1;
    try_message((struct text){at, (uint32_t)datagram}, true);
    return 0;
}
