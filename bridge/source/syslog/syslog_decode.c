/* SPDX-License-Identifier: Apache-2.0 */
#include "syslog.h"

#include "model/event.h"

#include <ctype.h>

#define FACILITIES_COUNT 24
#define TIME_BYTES_MAX 48
#define TAG_BYTES_MAX 64 /* RFC 3164 says 32; systemd units are longer. */

static const char *const severity_words[] = {"emerg",   "alert",  "crit", "err",
                                             "warning", "notice", "info", "debug"};

const char *syslog_severity_word(uint8_t severity)
{
    return severity_words[severity & 7];
}

int syslog_severity_of(const char *word)
{
    for (int i = 0; i < 8; i++) {
        if (strcmp(word, severity_words[i]) == 0) {
            return i;
        }
    }
    if (strcmp(word, "error") == 0) {
        return 3;
    }
    return strcmp(word, "warn") == 0 ? 4 : -1;
}

static struct text skip(struct text text, uint32_t count)
{
    return (struct text){text.at + count, text.count - count};
}

/* Up to the first blank, which is taken too. */
static struct text word_take(struct text *rest)
{
    const char *space = memchr(rest->at, ' ', rest->count);
    uint32_t count = space == NULL ? rest->count : (uint32_t)(space - rest->at);
    struct text word = {rest->at, count};
    *rest = skip(*rest, count + (space != NULL));
    return word;
}

static struct text nil_is_empty(struct text word)
{
    return text_is(word, "-") ? (struct text){word.at, 0} : word;
}

static bool priority_take(struct text *rest, struct syslog_message *message)
{
    unsigned value = 0;
    uint32_t at = 1;
    if (rest->count < 3 || rest->at[0] != '<') {
        return false;
    }
    while (at < rest->count && at < 5 && isdigit((unsigned char)rest->at[at])) {
        value = value * 10 + (unsigned)(rest->at[at++] - '0');
    }
    if (at == 1 || at >= rest->count || rest->at[at] != '>' || value / 8 >= FACILITIES_COUNT) {
        return false;
    }
    message->facility = (uint8_t)(value / 8);
    message->severity = (uint8_t)(value % 8);
    *rest = skip(*rest, at + 1);
    return true;
}

static bool time_read(struct text word, int64_t *ret_ms)
{
    char chars[TIME_BYTES_MAX];
    if (word.count >= sizeof chars) {
        return false;
    }
    memcpy(chars, word.at, word.count);
    chars[word.count] = '\0';
    return event_time_read(chars, ret_ms);
}

/* ---- RFC 5424 ---- */

/* One [id name="value" ...]: how long; 0: it is none. A quoted value may hold ] and escapes. */
static uint32_t element_bytes(struct text rest)
{
    bool quoted = false;
    if (rest.count == 0 || rest.at[0] != '[') {
        return 0;
    }
    for (uint32_t i = 1; i < rest.count; i++) {
        if (quoted && rest.at[i] == '\\') {
            i++;
        } else if (rest.at[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && rest.at[i] == ']') {
            return i + 1;
        }
    }
    return 0;
}

static struct text elements_take(struct text *rest)
{
    uint32_t count = 0, one;
    if (rest->count > 0 && rest->at[0] == '-') {
        *rest = skip(*rest, 1);
        return (struct text){rest->at, 0};
    }
    while ((one = element_bytes(skip(*rest, count))) > 0) {
        count += one;
    }
    struct text elements = {rest->at, count};
    *rest = skip(*rest, count);
    return elements;
}

static void structured_read(struct text rest, struct syslog_message *message)
{
    message->structured = true;
    struct text time = word_take(&rest);
    if (!time_read(time, &message->time_ms)) {
        message->time_ms = 0;
    }
    message->hostname = nil_is_empty(word_take(&rest));
    message->program = nil_is_empty(word_take(&rest));
    message->pid = nil_is_empty(word_take(&rest));
    message->msgid = nil_is_empty(word_take(&rest));
    message->elements = elements_take(&rest);
    if (rest.count > 0 && rest.at[0] == ' ') {
        rest = skip(rest, 1);
    }
    message->message = text_starts(rest, "\xef\xbb\xbf") ? skip(rest, 3) : rest;
}

/* ---- RFC 3164 ---- */

/* "Mmm dd hh:mm:ss " and with a fraction or a year as some devices have it: its length, or 0. */
static uint32_t date_bytes(struct text rest)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint32_t at = 4, digits = 0;
    if (rest.count < 16 || rest.at[3] != ' ') {
        return 0;
    }
    bool month = false;
    for (int i = 0; i < 12; i++) {
        month = month || memcmp(rest.at, months + 3 * i, 3) == 0;
    }
    if (!month) {
        return 0;
    }
    while (at < rest.count && at < 8 && rest.at[at] == ' ') {
        at++;
    }
    while (at < rest.count && digits < 2 && isdigit((unsigned char)rest.at[at])) {
        at++;
        digits++;
    }
    if (digits == 0 || at >= rest.count || rest.at[at++] != ' ') {
        return 0;
    }
    if (rest.count - at >= 5 && rest.at[at + 4] == ' ' && isdigit((unsigned char)rest.at[at])) {
        at += 5; /* A year. */
    }
    if (rest.count - at < 8 || rest.at[at + 2] != ':' || rest.at[at + 5] != ':') {
        return 0;
    }
    at += 8;
    while (at < rest.count && (rest.at[at] == '.' || isdigit((unsigned char)rest.at[at]))) {
        at++;
    }
    return at;
}

/* Routers: "123: *Mar  1 18:46:11.123 UTC: ". What is in front of the date is no part of it. */
static struct text skip_sequence(struct text rest)
{
    uint32_t at = 0;
    while (at < rest.count && at < 12 && isdigit((unsigned char)rest.at[at])) {
        at++;
    }
    if (at > 0 && at + 1 < rest.count && rest.at[at] == ':' && rest.at[at + 1] == ' ') {
        rest = skip(rest, at + 2);
    }
    if (rest.count > 0 && (rest.at[0] == '*' || rest.at[0] == '.')) {
        rest = date_bytes(skip(rest, 1)) > 0 ? skip(rest, 1) : rest;
    }
    return rest;
}

/* Takes the time; false: there is none, and nothing behind it is a header. */
static bool old_time_take(struct text *rest, struct syslog_message *message, bool *ret_router)
{
    struct text at = skip_sequence(*rest);
    uint32_t date = date_bytes(at);
    *ret_router = false;
    if (date > 0) {
        at = skip(at, date);
        if (at.count > 1 && at.at[0] == ':') { /* "...18:46:11: %SYS-5-CONFIG_I: ..." */
            *ret_router = true;
            at = skip(at, 1);
        }
        *rest = at.count > 0 && at.at[0] == ' ' ? skip(at, 1) : at;
        return true;
    }
    struct text after = *rest;
    struct text word = word_take(&after);
    if (word.count >= 20 && time_read(word, &message->time_ms)) {
        *rest = after;
        return true;
    }
    return false;
}

/* "program[pid]: " or "program: "; false: the message has no tag, nothing is taken. */
static bool tag_take(struct text *rest, struct syslog_message *message)
{
    uint32_t at = 0;
    while (at < rest->count && at <= TAG_BYTES_MAX && rest->at[at] > ' ' && rest->at[at] != ':' &&
           rest->at[at] != '[') {
        at++;
    }
    if (at == 0 || at > TAG_BYTES_MAX || at >= rest->count || rest->at[at] <= ' ') {
        return false;
    }
    struct text program = {rest->at, at}, pid = {rest->at, 0};
    if (rest->at[at] == '[') {
        const char *end = memchr(rest->at + at, ']', rest->count - at);
        if (end == NULL) {
            return false;
        }
        pid = (struct text){rest->at + at + 1, (uint32_t)(end - rest->at) - at - 1};
        at = (uint32_t)(end - rest->at) + 1;
    }
    if (at < rest->count && rest->at[at] == ':') {
        at++;
    }
    if (at < rest->count && rest->at[at] == ' ') {
        at++;
    }
    message->program = program;
    message->pid = pid;
    *rest = skip(*rest, at);
    return true;
}

static void old_read(struct text rest, struct syslog_message *message)
{
    bool router = false;
    if (!old_time_take(&rest, message, &router)) {
        tag_take(&rest, message);
        message->message = rest;
        return;
    }
    struct text after = rest;
    struct text word = router ? (struct text){rest.at, 0} : word_take(&after);
    bool is_tag = word.count > 0 &&
                  (word.at[word.count - 1] == ':' || memchr(word.at, '[', word.count) != NULL);
    if (word.count > 0 && !is_tag) {
        message->hostname = word;
        rest = after;
    }
    if (!router) {
        tag_take(&rest, message);
    }
    message->message = rest;
}

int syslog_decode(struct text bytes, struct syslog_message *ret_message, struct nsh_error *err)
{
    struct syslog_message message = {0};
    struct text rest = bytes;
    while (rest.count > 0 && (rest.at[rest.count - 1] == '\n' || rest.at[rest.count - 1] == '\0' ||
                              rest.at[rest.count - 1] == '\r')) {
        rest.count--;
    }
    if (!priority_take(&rest, &message)) {
        return nsh_fail(err, NSH_PROTOCOL, "it does not begin with a priority such as <13>");
    }
    message.hostname = message.program = message.pid = message.msgid = message.elements =
        (struct text){rest.at, 0};
    if (rest.count > 2 && rest.at[0] == '1' && rest.at[1] == ' ') {
        structured_read(skip(rest, 2), &message);
    } else {
        old_read(rest, &message);
    }
    *ret_message = message;
    return 0;
}
