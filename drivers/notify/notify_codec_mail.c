/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mails (RFC 5322, 2045, 2047) and the replies of an SMTP server (RFC 5321). A header is made of
 * our own words, of checked addresses, or of base64: what came from outside cannot end it.
 */

#include "notify_codec.h"

#include "abi/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ADDRESS_BYTES_MAX 254 /* RFC 5321, 4.5.3.1.3 */
#define SUBJECT_BYTES_MAX 400
#define WORD_BYTES_MAX 39    /* Of one encoded word: a line has at most 76 characters. */
#define BASE64_LINE_BYTES 57 /* 76 characters */

/* ---- addresses ---- */

bool notify_address_good(const char *address)
{
    const char *at = strchr(address, '@');
    size_t count = strlen(address);
    if (at == NULL || at == address || at[1] == '\0' || strchr(at + 1, '@') != NULL ||
        count > ADDRESS_BYTES_MAX || address[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)address[i];
        if (c <= ' ' || c >= 0x7f || strchr("<>()[]\\,;:\"", c) != NULL) {
            return false;
        }
    }
    return true;
}

int notify_addresses(struct nsh_pool *pool, const char *text, const char ***ret_list,
                     struct nsh_error *err)
{
    const char **list = nsh_pool_array(pool, NOTIFY_ADDRESSES_MAX + 1, sizeof *list);
    size_t count = 0;
    while (list != NULL && *text != '\0') {
        text += strspn(text, ", ");
        size_t bytes = strcspn(text, ", ");
        if (bytes == 0) {
            break;
        }
        if (count == NOTIFY_ADDRESSES_MAX) {
            return nsh_fail(err, NSH_LIMIT, "to: more than %d addresses", NOTIFY_ADDRESSES_MAX);
        }
        char *address = nsh_pool_copy(pool, text, bytes);
        if (address == NULL) {
            return nsh_fail(err, NSH_NOMEM, "out of memory");
        }
        if (!notify_address_good(address)) {
            return nsh_fail(err, NSH_INVALID, "to: want user@host.example, got '%.100s'", address);
        }
        list[count++] = address;
        text += bytes;
    }
    if (list == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (count == 0) {
        return nsh_fail(err, NSH_INVALID, "to: kind = \"mail\" needs an address");
    }
    *ret_list = list;
    return 0;
}

/* ---- writing ---- */

struct mail {
    struct nsh_pool *pool;
    char *at;
    size_t used, room;
    bool failed;
};

static void add_bytes(struct mail *mail, const char *bytes, size_t count)
{
    if (mail->used + count + 1 > mail->room) {
        size_t room = (mail->room + count) * 2 + 1024;
        char *grown = nsh_pool_alloc(mail->pool, room);
        if (grown == NULL) {
            mail->failed = true;
            return;
        }
        if (mail->used > 0) {
            memcpy(grown, mail->at, mail->used);
        }
        mail->at = grown;
        mail->room = room;
    }
    memcpy(mail->at + mail->used, bytes, count);
    mail->used += count;
    mail->at[mail->used] = '\0';
}

static void add(struct mail *mail, const char *text)
{
    add_bytes(mail, text, strlen(text));
}

static void add_base64(struct mail *mail, const char *bytes, size_t count)
{
    const char *text = nsh_base64(mail->pool, bytes, count);
    mail->failed = mail->failed || text == NULL;
    add(mail, text == NULL ? "" : text);
}

static bool printable(const char *text)
{
    bool good = strstr(text, "=?") == NULL;
    for (; *text != '\0' && good; text++) {
        good = *text >= ' ' && *text < 0x7f;
    }
    return good;
}

/* As it is when it is short printable ASCII, else in encoded words, each of whole characters. */
static void add_subject(struct mail *mail, const char *title)
{
    char line[SUBJECT_BYTES_MAX] = "";
    nsh_line_add(line, sizeof line, title, strlen(title));
    add(mail, "Subject: ");
    if (printable(line) && strlen(line) <= WORD_BYTES_MAX + 20) {
        add(mail, line);
    } else {
        size_t left = strlen(line), done = 0;
        while (done < left) {
            size_t count = 0;
            for (;;) {
                size_t bytes = nsh_char_bytes(line + done + count, left - done - count);
                if (bytes == 0 || count + bytes > WORD_BYTES_MAX) {
                    break;
                }
                count += bytes;
            }
            add(mail, done == 0 ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
            add_base64(mail, line + done, count);
            add(mail, "?=");
            done += count == 0 ? left : count;
        }
    }
    add(mail, "\r\n");
}

static void add_date(struct mail *mail, int64_t unix_ms)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char text[80];
    int parts[6];
    int64_t day = unix_ms / 86400000;
    nsh_time_parts(unix_ms, parts);
    snprintf(text, sizeof text, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n",
             days[day < 0 ? 0 : day % 7], parts[2], months[(parts[1] + 11) % 12], parts[0],
             parts[3], parts[4], parts[5]);
    add(mail, text);
}

static void add_line(struct mail *mail, const char *name, const char *value)
{
    add(mail, name);
    add(mail, ": ");
    add(mail, value);
    add(mail, "\r\n");
}

/* The same id when it is sent again; all mails of one key are one conversation. */
static void add_ids(struct mail *mail, const struct notify_notice *notice, const char *from)
{
    const char *domain = strchr(from, '@');
    char token[64] = "", id[ADDRESS_BYTES_MAX + NOTIFY_KEY_BYTES_MAX + 80];
    for (size_t i = 0; i < sizeof token - 1 && notice->token[i] != '\0'; i++) {
        char c = notice->token[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        token[i] = good || c == '-' ? c : '_';
    }
    domain = domain == NULL ? "@nightshift" : domain;
    snprintf(id, sizeof id, "<%s.%s%s>", notice->key, token, domain);
    add_line(mail, "Message-ID", id);
    snprintf(id, sizeof id, "<%s%s>", notice->key, domain);
    add_line(mail, "In-Reply-To", id);
    add_line(mail, "References", id);
    add_line(mail, "X-Nightshift-Key", notice->key);
    add_line(mail, "X-Nightshift-Id", token);
}

static void add_body(struct mail *mail, const char *plain)
{
    size_t count = strlen(plain);
    for (size_t at = 0; at < count; at += BASE64_LINE_BYTES) {
        add_base64(mail, plain + at,
                   count - at < BASE64_LINE_BYTES ? count - at : BASE64_LINE_BYTES);
        add(mail, "\r\n");
    }
}

int notify_mail(struct nsh_pool *pool, const struct notify_notice *notice, const char *from,
                const char *const *to, char **ret_mail, struct nsh_error *err)
{
    struct mail mail = {.pool = pool};
    const char *plain = notify_plain(pool, notice, NOTIFY_PLAIN_BYTES_MAX);
    const char *title = nsh_pool_printf(pool, "%s%s%s%s", notice->resolved ? "Over: " : "",
                                        notice->severity[0] == '\0' ? "" : notice->severity,
                                        notice->severity[0] == '\0' ? "" : ": ", notice->title);
    if (plain == NULL || title == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    add_date(&mail, notice->time_ms);
    add_line(&mail, "From", from);
    add(&mail, "To: ");
    for (size_t i = 0; to[i] != NULL; i++) {
        add(&mail, i == 0 ? "" : ",\r\n ");
        add(&mail, to[i]);
    }
    add(&mail, "\r\n");
    add_subject(&mail, title);
    add_ids(&mail, notice, from);
    add_line(&mail, "Auto-Submitted", "auto-generated");
    add_line(&mail, "MIME-Version", "1.0");
    add_line(&mail, "Content-Type", "text/plain; charset=utf-8");
    add_line(&mail, "Content-Transfer-Encoding", "base64");
    add(&mail, "\r\n");
    add_body(&mail, plain); /* Base64 has no line that begins with a dot. */
    add(&mail, ".\r\n");
    if (mail.failed) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *ret_mail = mail.at;
    return 0;
}

/* ---- replies ---- */

static bool word_is(const char *text, size_t count, const char *word)
{
    return count == strlen(word) && strncasecmp(text, word, count) == 0;
}

/* "STARTTLS", "AUTH PLAIN LOGIN" of a line of an answer to EHLO. */
static void extension_read(const char *text, size_t count, struct notify_reply *reply)
{
    reply->starttls = reply->starttls || word_is(text, count, "STARTTLS");
    reply->eight_bit = reply->eight_bit || word_is(text, count, "8BITMIME");
    if (count < 5 || strncasecmp(text, "AUTH", 4) != 0 || (text[4] != ' ' && text[4] != '=')) {
        return;
    }
    for (size_t at = 5; at < count;) {
        size_t bytes = 0;
        while (at + bytes < count && text[at + bytes] != ' ') {
            bytes++;
        }
        reply->auth_plain = reply->auth_plain || word_is(text + at, bytes, "PLAIN");
        reply->auth_login = reply->auth_login || word_is(text + at, bytes, "LOGIN");
        at += bytes + 1;
    }
}

static bool digit(char c, char least, char most)
{
    return c >= least && c <= most;
}

long notify_reply_read(const char *bytes, size_t bytes_count, struct notify_reply *ret_reply)
{
    struct notify_reply reply = {0};
    size_t at = 0;
    for (;;) {
        const char *line = bytes + at;
        size_t left = bytes_count - at;
        const char *end = memchr(line, '\n', left);
        if (end == NULL) {
            return bytes_count >= NOTIFY_REPLY_BYTES_MAX ? -1 : 0;
        }
        size_t count = (size_t)(end - line), kept = count;
        kept -= kept > 0 && line[kept - 1] == '\r';
        bool good = kept >= 3 && digit(line[0], '2', '5') && digit(line[1], '0', '9') &&
                    digit(line[2], '0', '9') && (kept == 3 || line[3] == ' ' || line[3] == '-');
        int status = good ? (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0') : 0;
        if (!good || (reply.status != 0 && reply.status != status)) {
            return -1;
        }
        reply.status = status;
        if (reply.text[0] != '\0') {
            nsh_line_add(reply.text, sizeof reply.text, " ", 1);
        }
        if (kept > 4) {
            nsh_line_add(reply.text, sizeof reply.text, line + 4, kept - 4);
            extension_read(line + 4, kept - 4, &reply);
        }
        at += count + 1;
        if (at > NOTIFY_REPLY_BYTES_MAX) {
            return -1;
        }
        if (kept == 3 || line[3] == ' ') {
            *ret_reply = reply;
            return (long)at;
        }
    }
}
