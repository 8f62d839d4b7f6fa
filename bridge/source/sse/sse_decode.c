/* SPDX-License-Identifier: Apache-2.0 */
/* Lines, fields, events. Bounds: event_bytes_max of a line and of an event's data. */

#include "source/sse/sse_decode.h"

#define EVENT_BYTES_DEFAULT (1u << 20)
#define MARK "\xef\xbb\xbf"
#define MARK_BYTES 3u
#define NAME_BYTES 8u /* "data: ", and a little. */

void sse_decoder_init(struct sse_decoder *decoder, size_t event_bytes_max)
{
    *decoder = (struct sse_decoder){.event_bytes_max = event_bytes_max == 0 ? EVENT_BYTES_DEFAULT
                                                                            : event_bytes_max,
                                    .retry_ms = -1};
    /* Bounds are looked at before anything is added; one more is for the LF that ends data. */
    decoder->line.count_max = decoder->event_bytes_max + NAME_BYTES + 2;
    decoder->data.count_max = decoder->event_bytes_max + 2;
}

void sse_decoder_done(struct sse_decoder *decoder)
{
    textbuf_done(&decoder->line);
    textbuf_done(&decoder->data);
}

static void event_forget(struct sse_decoder *decoder)
{
    textbuf_clear(&decoder->data);
    decoder->type_bytes = 0;
    decoder->large = false;
}

void sse_decoder_restart(struct sse_decoder *decoder)
{
    event_forget(decoder);
    textbuf_clear(&decoder->line);
    decoder->line.failed = decoder->data.failed = false;
    decoder->line_large = decoder->after_cr = false;
    decoder->mark = 0;
    memcpy(decoder->next_id, decoder->id, sizeof decoder->id);
    decoder->next_id_bytes = decoder->id_bytes;
}

/* ---- fields ---- */

static void data_take(struct sse_decoder *decoder, struct text value)
{
    if (decoder->large || decoder->data.count + value.count + 1 > decoder->event_bytes_max + 1) {
        decoder->large = true;
        return;
    }
    textbuf_add(&decoder->data, value);
    textbuf_add_char(&decoder->data, '\n');
}

static void type_take(struct sse_decoder *decoder, struct text value)
{
    if (value.count > SSE_TYPE_BYTES_MAX) { /* Cut, it might be another's name. */
        decoder->large = true;
        return;
    }
    memcpy(decoder->type, value.at, value.count);
    decoder->type_bytes = value.count;
}

/* It becomes a header: control characters have no place there. */
static bool id_good(struct text id)
{
    bool good = id.count <= SSE_ID_BYTES_MAX;
    for (uint32_t i = 0; good && i < id.count; i++) {
        good = (unsigned char)id.at[i] >= ' ' && id.at[i] != 0x7f;
    }
    return good;
}

/* One that is no good is passed over: the one before it only reads more again. */
static void id_take(struct sse_decoder *decoder, struct text value)
{
    if (!id_good(value)) {
        return;
    }
    memcpy(decoder->next_id, value.at, value.count);
    decoder->next_id[value.count] = '\0';
    decoder->next_id_bytes = value.count;
}

void sse_decoder_last_id_set(struct sse_decoder *decoder, struct text id)
{
    decoder->id_bytes = 0;
    decoder->next_id_bytes = 0;
    decoder->id[0] = decoder->next_id[0] = '\0';
    id_take(decoder, id);
    memcpy(decoder->id, decoder->next_id, decoder->next_id_bytes + 1u);
    decoder->id_bytes = decoder->next_id_bytes;
}

static void retry_take(struct sse_decoder *decoder, struct text value)
{
    int64_t ms = 0;
    for (uint32_t i = 0; i < value.count; i++) {
        if (value.at[i] < '0' || value.at[i] > '9') {
            return;
        }
        ms = ms > SSE_RETRY_MS_MAX ? ms : ms * 10 + (value.at[i] - '0');
    }
    if (value.count > 0) {
        decoder->retry_ms = ms > SSE_RETRY_MS_MAX ? SSE_RETRY_MS_MAX : ms;
    }
}

static void field_take(struct sse_decoder *decoder, struct text line)
{
    const char *colon = memchr(line.at, ':', line.count);
    struct text name = {line.at, colon == NULL ? line.count : (uint32_t)(colon - line.at)};
    struct text value = {line.at + line.count, 0};
    if (colon != NULL) {
        uint32_t skip = name.count + 1;
        skip += skip < line.count && line.at[skip] == ' ';
        value = (struct text){line.at + skip, line.count - skip};
    }
    if (text_is(name, "data")) {
        data_take(decoder, value);
    } else if (text_is(name, "event")) {
        type_take(decoder, value);
    } else if (text_is(name, "id")) {
        id_take(decoder, value);
    } else if (text_is(name, "retry")) {
        retry_take(decoder, value);
    }
}

/* ---- lines ---- */

/* The empty line: the event is whole. False: nobody wants another one now. */
static bool event_end(struct sse_decoder *decoder,
                      bool (*event)(void *arg, const struct sse_event *event), void *arg)
{
    struct sse_event whole = {.type = TEXT("message"), .data = TEXT(""), .large = decoder->large};
    if (decoder->type_bytes > 0) {
        whole.type = (struct text){decoder->type, decoder->type_bytes};
        decoder->type[decoder->type_bytes] = '\0';
    }
    /* Only now: of an event that broke off, nobody heard. */
    memcpy(decoder->id, decoder->next_id, decoder->next_id_bytes + 1u);
    decoder->id_bytes = decoder->next_id_bytes;
    if (!decoder->large && decoder->data.count == 0) {
        event_forget(decoder);
        return true;
    }
    if (!decoder->large) {
        decoder->data.at[decoder->data.count - 1] = '\0';
        whole.data = (struct text){decoder->data.at, (uint32_t)(decoder->data.count - 1)};
    }
    whole.id = (struct text){decoder->id, decoder->id_bytes};
    decoder->events_count++;
    decoder->large_count += decoder->large;
    bool more = event(arg, &whole);
    event_forget(decoder);
    return more;
}

static bool line_end(struct sse_decoder *decoder,
                     bool (*event)(void *arg, const struct sse_event *event), void *arg)
{
    struct text line = {decoder->line.at, (uint32_t)decoder->line.count};
    bool more = true;
    if (line.count == 0) {
        more = event_end(decoder, event, arg);
    } else if (line.at[0] == ':') {
        decoder->comments_count++;
    } else if (decoder->line_large) {
        decoder->large = true;
    } else {
        field_take(decoder, line);
    }
    textbuf_clear(&decoder->line);
    decoder->line_large = false;
    return more;
}

/* Bytes of a line that is not at its end; of one that is too long the beginning is kept. */
static void line_add(struct sse_decoder *decoder, const char *bytes, size_t count)
{
    size_t room = decoder->event_bytes_max + NAME_BYTES - decoder->line.count;
    decoder->line_large = decoder->line_large || count > room;
    textbuf_add(&decoder->line, (struct text){bytes, (uint32_t)(count > room ? room : count)});
}

/* What a byte order mark is made of, at the very beginning. What turned out to be none is text. */
static size_t mark_pass(struct sse_decoder *decoder, const char *bytes, size_t count)
{
    size_t at = 0;
    while (decoder->mark < MARK_BYTES && at < count) {
        if (bytes[at] != MARK[decoder->mark]) {
            line_add(decoder, MARK, decoder->mark);
            decoder->mark = MARK_BYTES;
            return at;
        }
        decoder->mark++;
        at++;
    }
    return at;
}

static size_t run_of(const char *bytes, size_t count)
{
    size_t at = 0;
    while (at < count && bytes[at] != '\n' && bytes[at] != '\r') {
        at++;
    }
    return at;
}

int sse_decode(struct sse_decoder *decoder, const char *bytes, size_t bytes_count,
               bool (*event)(void *arg, const struct sse_event *event), void *arg,
               size_t *ret_taken, struct nsh_error *err)
{
    size_t at = mark_pass(decoder, bytes, bytes_count);
    bool more = true;
    while (more && at < bytes_count) {
        if (decoder->after_cr) {
            decoder->after_cr = false;
            at += bytes[at] == '\n';
            continue;
        }
        size_t run = run_of(bytes + at, bytes_count - at);
        line_add(decoder, bytes + at, run);
        at += run;
        if (at < bytes_count) {
            decoder->after_cr = bytes[at] == '\r';
            at++;
            more = line_end(decoder, event, arg);
        }
        if (decoder->line.failed || decoder->data.failed) {
            return nsh_fail(err, NSH_NOMEM, "out of memory for an event");
        }
    }
    *ret_taken = at;
    return 0;
}
