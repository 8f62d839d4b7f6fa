/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SYSLOG_SYSLOG_H
#define SOURCE_SYSLOG_SYSLOG_H

/*
 * One syslog message out of bytes, and bytes out of a stream. Pure; texts borrow from the bytes.
 *
 * RFC 5424, RFC 3164 as senders really write it (with or without a host name, with a timestamp of
 * RFC 3339 as rsyslog forwards it, with a sequence number in front as routers do), framed by octet
 * counts or by newlines (RFC 6587), which may change from one message to the next.
 */

#include "abi/error.h"
#include "base/text.h"

#define SYSLOG_MESSAGE_BYTES_MAX 8192 /* What is longer is cut there. */

struct syslog_message {
    uint8_t facility, severity; /* 0..23; 0 emergency .. 7 debug */
    bool structured;            /* RFC 5424 */
    int64_t time_ms;            /* 0: it does not say when, or not in which zone. */
    struct text hostname, program, pid, msgid, elements; /* Empty: not said. */
    struct text message; /* Not always valid UTF-8: it is what came. */
};

/* NSH_PROTOCOL: it does not begin with a priority <0>..<191>. Everything else is a message. */
int syslog_decode(struct text bytes, struct syslog_message *ret_message, struct nsh_error *err);

const char *syslog_severity_word(uint8_t severity); /* "emerg" .. "debug" */
int syslog_severity_of(const char *word);           /* Also "error", "warn"; -1: none. */

/* What is known of a stream between two reads. All zero at its start. */
struct syslog_frames {
    char bytes[SYSLOG_MESSAGE_BYTES_MAX];
    size_t count;    /* Kept in bytes. */
    uint64_t left;   /* Octets of the frame that are still to come; */
    bool counting;   /* left is known. */
    bool cut;        /* The message was longer than bytes; what is behind is passed over. */
    unsigned digits; /* Of the octet count, read so far. */
};

enum syslog_frame {
    SYSLOG_FRAME_NONE,    /* All input is used. */
    SYSLOG_FRAME_WHOLE,   /* frames->bytes[count] is a message; syslog_frames_next() again. */
    SYSLOG_FRAME_DAMAGED, /* An octet count that is none: the stream is lost. */
};

/* Take from input until a message is whole; *used of it are taken. Empty messages are passed over.
 */
enum syslog_frame syslog_frames_next(struct syslog_frames *frames, struct text input,
                                     size_t *ret_used);

/* After a whole message, before the next call. */
void syslog_frames_clear(struct syslog_frames *frames);

#endif
