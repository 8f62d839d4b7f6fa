/* SPDX-License-Identifier: Apache-2.0 */
#include "nats_codec.h"

#include <strings.h>

#define WORDS_MAX 6
#define PLACE_WORDS_MAX 14

static bool is_word(struct text text, const char *word)
{
    return text.count == strlen(word) && strncasecmp(text.at, word, text.count) == 0;
}

/* Up to max words of line; how many there are, max + 1: more. */
static size_t split(struct text line, const char *between, struct text *words, size_t max)
{
    size_t count = 0;
    uint32_t at = 0;
    while (at < line.count) {
        while (at < line.count && strchr(between, line.at[at]) != NULL) {
            at++;
        }
        uint32_t begin = at;
        while (at < line.count && strchr(between, line.at[at]) == NULL) {
            at++;
        }
        if (at > begin) {
            if (count == max) {
                return max + 1;
            }
            words[count++] = (struct text){line.at + begin, at - begin};
        }
    }
    return count;
}

/* MSG subject sid [reply] bytes; HMSG subject sid [reply] header-bytes bytes. */
static int read_message(const char *bytes, size_t count, const struct text *words,
                        size_t words_count, bool headers, struct nats_op *op, size_t *ret_used,
                        struct nsh_error *err, size_t bytes_max)
{
    size_t fixed = headers ? 5 : 4;
    int64_t head = 0, total = 0;
    if ((words_count != fixed && words_count != fixed + 1) ||
        !text_to_int(words[words_count - 1], &total) || total < 0 ||
        (headers && (!text_to_int(words[words_count - 2], &head) || head < 0 || head > total))) {
        return nsh_fail(err, NSH_PROTOCOL, "a message without its size");
    }
    if ((uint64_t)total > bytes_max) {
        return nsh_fail(err, NSH_LIMIT, "a message of %lld bytes", (long long)total);
    }
    size_t at = *ret_used, size = (size_t)total;
    if (count - at < size + 2) {
        return 0;
    }
    if (bytes[at + size] != '\r' || bytes[at + size + 1] != '\n') {
        return nsh_fail(err, NSH_PROTOCOL, "a message that is longer than its size");
    }
    op->kind = NATS_MSG;
    op->subject = words[1];
    op->reply = words_count == fixed ? TEXT("") : words[3];
    op->headers = (struct text){bytes + at, (uint32_t)head};
    op->payload = (struct text){bytes + at + head, (uint32_t)(total - head)};
    *ret_used = at + size + 2;
    return 1;
}

int nats_read(const char *bytes, size_t count, size_t bytes_max, struct nats_op *ret_op,
              size_t *ret_used, struct nsh_error *err)
{
    static const struct {
        const char *word;
        enum nats_kind kind;
    } kinds[] = {{"INFO", NATS_INFO},
                 {"PING", NATS_PING},
                 {"PONG", NATS_PONG},
                 {"+OK", NATS_OK},
                 {"-ERR", NATS_ERR}};
    struct text words[WORDS_MAX];
    struct nats_op op = {
        .subject = TEXT(""), .reply = TEXT(""), .headers = TEXT(""), .payload = TEXT("")};
    size_t look = count < NATS_LINE_BYTES_MAX ? count : NATS_LINE_BYTES_MAX;
    const char *end = look == 0 ? NULL : memchr(bytes, '\n', look);
    if (end == NULL) {
        return count < NATS_LINE_BYTES_MAX
                   ? 0
                   : nsh_fail(err, NSH_LIMIT, "a line of more than %d bytes", NATS_LINE_BYTES_MAX);
    }
    struct text line = {bytes, (uint32_t)(end - bytes)};
    line.count -= line.count > 0 && line.at[line.count - 1] == '\r';
    size_t words_count = split(line, " \t", words, WORDS_MAX), used = (size_t)(end - bytes) + 1;
    for (size_t i = 0; words_count > 0 && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (is_word(words[0], kinds[i].word)) {
            uint32_t skip = (uint32_t)(words[0].at - line.at) + words[0].count;
            op.kind = kinds[i].kind;
            op.payload = (struct text){line.at + skip, line.count - skip};
            *ret_op = op;
            *ret_used = used;
            return 1;
        }
    }
    bool headers = words_count > 0 && is_word(words[0], "HMSG");
    if (words_count == 0 || words_count > WORDS_MAX || (!headers && !is_word(words[0], "MSG"))) {
        return nsh_fail(err, NSH_PROTOCOL, "an operation that nobody knows");
    }
    int result =
        read_message(bytes, count, words, words_count, headers, &op, &used, err, bytes_max);
    if (result == 1) {
        *ret_op = op;
        *ret_used = used;
    }
    return result;
}

int nats_status(struct text headers)
{
    struct text words[3];
    int64_t status = 0;
    const char *end = headers.count == 0 ? NULL : memchr(headers.at, '\r', headers.count);
    if (end == NULL) {
        return 0;
    }
    struct text line = {headers.at, (uint32_t)(end - headers.at)};
    size_t count = split(line, " ", words, 2);
    return count >= 2 && text_to_int(words[1], &status) && status >= 100 && status <= 999
               ? (int)status
               : 0;
}

bool nats_header_next(struct text *headers, struct text *ret_name, struct text *ret_value)
{
    while (headers->count > 0) {
        const char *end = memchr(headers->at, '\n', headers->count);
        uint32_t count = end == NULL ? headers->count : (uint32_t)(end - headers->at) + 1;
        struct text line = {headers->at, count};
        *headers = (struct text){headers->at + count, headers->count - count};
        while (line.count > 0 && strchr("\r\n", line.at[line.count - 1]) != NULL) {
            line.count--;
        }
        const char *colon = memchr(line.at, ':', line.count);
        if (colon == NULL) {
            continue; /* The first line, or the last. */
        }
        uint32_t name = (uint32_t)(colon - line.at), value = name + 1;
        while (value < line.count && line.at[value] == ' ') {
            value++;
        }
        *ret_name = (struct text){line.at, name};
        *ret_value = (struct text){line.at + value, line.count - value};
        return true;
    }
    return false;
}

bool nats_place_read(struct text reply, struct nats_place *ret_place)
{
    struct text words[PLACE_WORDS_MAX];
    size_t count = split(reply, ".", words, PLACE_WORDS_MAX);
    size_t at = count >= 11 ? 4 : 2;
    if (count < 9 || count > PLACE_WORDS_MAX || !is_word(words[0], "$JS") ||
        !is_word(words[1], "ACK")) {
        return false;
    }
    ret_place->stream = words[at];
    ret_place->sequence = words[at + 3];
    return text_to_int(words[at + 2], &ret_place->delivered);
}
