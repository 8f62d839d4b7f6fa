/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 6587: a digit begins an octet count, anything else a line. */

#include "syslog.h"

#define COUNT_DIGITS_MAX 7

void syslog_frames_clear(struct syslog_frames *frames)
{
    frames->count = 0;
    frames->left = 0;
    frames->digits = 0;
    frames->counting = frames->cut = false;
}

static void keep(struct syslog_frames *frames, const char *bytes, size_t count)
{
    size_t room = sizeof frames->bytes - frames->count;
    frames->cut = frames->cut || count > room;
    memcpy(frames->bytes + frames->count, bytes, count > room ? room : count);
    frames->count += count > room ? room : count;
}

/* Within a counted frame: true when it is whole. */
static bool counted_take(struct syslog_frames *frames, struct text input, size_t *used)
{
    size_t here = input.count - *used;
    size_t count = frames->left < here ? (size_t)frames->left : here;
    keep(frames, input.at + *used, count);
    *used += count;
    frames->left -= count;
    return frames->left == 0;
}

/* Within a line: true when it is whole. */
static bool line_take(struct syslog_frames *frames, struct text input, size_t *used)
{
    size_t here = input.count - *used, count = 0;
    const char *at = input.at + *used;
    while (count < here && at[count] != '\n' && at[count] != '\0') {
        count++;
    }
    keep(frames, at, count);
    *used += count + (count < here);
    return count < here;
}

/* The octet count, a byte at a time; false: it is none. */
static bool digit_take(struct syslog_frames *frames, char c)
{
    if (c == ' ') {
        frames->counting = frames->left > 0;
        return frames->counting;
    }
    if (c < '0' || c > '9' || ++frames->digits > COUNT_DIGITS_MAX) {
        return false;
    }
    frames->left = frames->left * 10 + (uint64_t)(c - '0');
    return true;
}

enum syslog_frame syslog_frames_next(struct syslog_frames *frames, struct text input,
                                     size_t *ret_used)
{
    size_t used = 0;
    while (used < input.count) {
        char c = input.at[used];
        bool fresh = frames->count == 0 && frames->digits == 0 && !frames->counting;
        bool whole = false;
        if (fresh && (c == '\n' || c == '\r' || c == '\0' || c == ' ')) {
            used++;
        } else if (frames->counting) {
            whole = counted_take(frames, input, &used);
        } else if (frames->digits > 0 || (fresh && c >= '1' && c <= '9')) {
            used++;
            if (!digit_take(frames, c)) {
                *ret_used = used;
                return SYSLOG_FRAME_DAMAGED;
            }
        } else {
            whole = line_take(frames, input, &used);
        }
        if (whole) {
            *ret_used = used;
            return SYSLOG_FRAME_WHOLE;
        }
    }
    *ret_used = used;
    return SYSLOG_FRAME_NONE;
}
