/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies, signatures and mails of pages. No I/O. */

#include "page_codec.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX 64
#define KEY_BYTES_MAX 256
#define HEADER_CHARS_MAX 200

void page_text_done(struct page_text *text)
{
    free(text->at);
    *text = (struct page_text){0};
}

static void text_add(struct page_text *text, const char *bytes, size_t count)
{
    if (count == 0 || text->code != NSH_OK) {
        return;
    }
    if (text->count + count > PAGE_BYTES_MAX) {
        text->code = NSH_LIMIT;
        return;
    }
    if (text->count + count + 1 > text->room) {
        size_t room =
            text->room * 2 > text->count + count + 1 ? text->room * 2 : text->count + count + 256;
        char *grown = realloc(text->at, room);
        if (grown == NULL) {
            text->code = NSH_NOMEM;
            return;
        }
        text->at = grown;
        text->room = room;
    }
    memcpy(text->at + text->count, bytes, count);
    text->count += count;
    text->at[text->count] = 0;
}

static void text_add_chars(struct page_text *text, const char *chars)
{
    text_add(text, chars, strlen(chars));
}

/* ---- JSON ----
 * Written here: a library's printer that runs out of memory prints half a text and does not tell.
 */

/* What goes between the quotes of a JSON string. */
static void json_add_escaped(struct page_text *text, const char *chars, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)chars[i];
        const char *plain = strchr("\"\\\n\r\t", c);
        char escaped[8];
        if (c != 0 && plain != NULL) {
            snprintf(escaped, sizeof escaped, "\\%c",
                     c == '\n'   ? 'n'
                     : c == '\r' ? 'r'
                     : c == '\t' ? 't'
                                 : c);
            text_add_chars(text, escaped);
        } else if (c < 0x20) {
            snprintf(escaped, sizeof escaped, "\\u%04x", c);
            text_add_chars(text, escaped);
        } else {
            text_add(text, &chars[i], 1);
        }
    }
}

static void json_add_string(struct page_text *text, const char *chars, size_t count)
{
    text_add_chars(text, "\"");
    json_add_escaped(text, chars, count);
    text_add_chars(text, "\"");
}

static void json_add(struct page_text *text, const struct nsh_value *value, unsigned depth)
{
    char number[40];
    if (depth > NSH_VALUE_DEPTH_MAX) {
        text->code = NSH_LIMIT;
        return;
    }
    switch (value->type) {
    case NSH_BOOL:
        text_add_chars(text, value->boolean ? "true" : "false");
        return;
    case NSH_INT:
        snprintf(number, sizeof number, "%lld", (long long)value->integer);
        text_add_chars(text, number);
        return;
    case NSH_DOUBLE:
        snprintf(number, sizeof number, "%.17g", value->real);
        text_add_chars(text, number);
        return;
    case NSH_STRING:
        json_add_string(text, value->text, value->count);
        return;
    case NSH_LIST:
        for (uint32_t i = 0; i < value->count; i++) {
            text_add_chars(text, i == 0 ? "[" : ",");
            json_add(text, &value->items[i], depth + 1);
        }
        text_add_chars(text, value->count == 0 ? "[]" : "]");
        return;
    case NSH_MAP:
        for (uint32_t i = 0; i < value->count; i++) {
            text_add_chars(text, i == 0 ? "{" : ",");
            json_add_string(text, value->members[i].name, strlen(value->members[i].name));
            text_add_chars(text, ":");
            json_add(text, &value->members[i].value, depth + 1);
        }
        text_add_chars(text, value->count == 0 ? "{}" : "}");
        return;
    case NSH_NULL:
    case NSH_DURATION:
    case NSH_SECRET:
        break;
    }
    text_add_chars(text, "null");
}

static int text_result(const struct page_text *text, struct nsh_error *err)
{
    if (text->code == NSH_NOMEM) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (text->code == NSH_LIMIT) {
        return nsh_fail(err, NSH_LIMIT, "the page is larger than %d bytes", PAGE_BYTES_MAX);
    }
    return 0;
}

/* An argument within a template: for JSON without the quotes around a string, which are the
 * template's; else without control characters. */
static void text_add_argument(struct page_text *text, const struct nsh_value *value, bool json)
{
    if (value->type != NSH_STRING) {
        json_add(text, value, 0);
    } else if (json) {
        json_add_escaped(text, value->text, value->count);
    } else {
        for (uint32_t i = 0; i < value->count; i++) {
            char c = value->text[i];
            text_add(text, (unsigned char)c < 0x20 && c != '\n' && c != '\t' ? " " : &c, 1);
        }
    }
}

static int body_from_template(const char *template, const struct nsh_value *args, const char *token,
                              struct page_text *body, struct nsh_error *err)
{
    bool json = template[strspn(template, " \t\r\n")] == '{' ||
                template[strspn(template, " \t\r\n")] == '[';
    const char *at = template;
    for (const char *open = strstr(at, "{{"); open != NULL; open = strstr(at, "{{")) {
        const char *close = strstr(open, "}}");
        char name[NAME_BYTES_MAX];
        size_t name_bytes = close == NULL ? sizeof name : (size_t)(close - open - 2);
        if (name_bytes >= sizeof name) {
            return nsh_fail(err, NSH_INVALID,
                            "template: '{{' at byte %zu has no '}}' within %d bytes",
                            (size_t)(open - template), NAME_BYTES_MAX);
        }
        memcpy(name, open + 2, name_bytes);
        name[name_bytes] = 0;
        struct nsh_value token_value = nsh_text(token);
        const struct nsh_value *value =
            strcmp(name, "token") == 0 ? &token_value : nsh_get(args, name);
        if (value == NULL) {
            return nsh_fail(err, NSH_INVALID, "template: a page has no '%s'", name);
        }
        text_add(body, at, (size_t)(open - at));
        text_add_argument(body, value, json);
        at = close + 2;
    }
    text_add_chars(body, at);
    return text_result(body, err);
}

int page_body(const char *template, const struct nsh_value *args, const char *token,
              struct page_text *ret_body, struct nsh_error *err)
{
    if (template != NULL && template[0] != 0) {
        return body_from_template(template, args, token, ret_body, err);
    }
    text_add_chars(ret_body, "{");
    for (uint32_t i = 0; i < args->count; i++) {
        json_add_string(ret_body, args->members[i].name, strlen(args->members[i].name));
        text_add_chars(ret_body, ":");
        json_add(ret_body, &args->members[i].value, 1);
        text_add_chars(ret_body, ",");
    }
    text_add_chars(ret_body, "\"token\":");
    json_add_string(ret_body, token, strlen(token));
    text_add_chars(ret_body, "}");
    return text_result(ret_body, err);
}

static int key_of(const char *secret, unsigned char *key, size_t *ret_bytes, struct nsh_error *err)
{
    static const char prefix[] = "whsec_";
    if (strncmp(secret, prefix, sizeof prefix - 1) != 0) {
        *ret_bytes = strnlen(secret, KEY_BYTES_MAX);
        memcpy(key, secret, *ret_bytes);
        return 0;
    }
    const char *encoded = secret + sizeof prefix - 1;
    size_t count = strlen(encoded);
    if (count == 0 || count % 4 != 0 || count / 4 * 3 > KEY_BYTES_MAX) {
        return nsh_fail(err, NSH_INVALID, "the signing secret is no base64 after whsec_");
    }
    int decoded = EVP_DecodeBlock(key, (const unsigned char *)encoded, (int)count);
    if (decoded < 0) {
        return nsh_fail(err, NSH_INVALID, "the signing secret is no base64 after whsec_");
    }
    size_t padding = (encoded[count - 1] == '=' ? 1u : 0u) + (encoded[count - 2] == '=' ? 1u : 0u);
    *ret_bytes = (size_t)decoded - padding;
    return 0;
}

int page_signature(const char *secret, const char *id, int64_t timestamp_s, const char *body,
                   size_t body_bytes, char *ret_signature, size_t room, struct nsh_error *err)
{
    unsigned char key[KEY_BYTES_MAX + 3];
    size_t key_bytes = 0;
    int result = key_of(secret, key, &key_bytes, err);
    if (result < 0) {
        return result;
    }
    struct page_text signed_text = {0};
    char stamp[32];
    snprintf(stamp, sizeof stamp, ".%lld.", (long long)timestamp_s);
    text_add_chars(&signed_text, id);
    text_add_chars(&signed_text, stamp);
    text_add(&signed_text, body, body_bytes);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_bytes = 0;
    unsigned char encoded[64];
    bool ok = signed_text.code == NSH_OK && signed_text.at != NULL &&
              HMAC(EVP_sha256(), key, (int)key_bytes, (unsigned char *)signed_text.at,
                   signed_text.count, mac, &mac_bytes) != NULL;
    page_text_done(&signed_text);
    OPENSSL_cleanse(key, sizeof key);
    if (!ok) {
        return nsh_fail(err, NSH_NOMEM, "cannot sign the page");
    }
    EVP_EncodeBlock(encoded, mac, (int)mac_bytes);
    if ((size_t)snprintf(ret_signature, room, "v1,%s", (char *)encoded) >= room) {
        return nsh_fail(err, NSH_LIMIT, "no room for the signature");
    }
    return 0;
}

/* Text fit for a header: printable ASCII only, cut. */
static void mail_add_header(struct page_text *mail, const char *name, const char *value)
{
    text_add_chars(mail, name);
    text_add_chars(mail, ": ");
    for (size_t i = 0; i < HEADER_CHARS_MAX && value[i] != 0; i++) {
        text_add(mail, value[i] >= 0x20 && value[i] < 0x7f ? &value[i] : "?", 1);
    }
    text_add_chars(mail, "\n");
}

int page_mail(const char *to, const char *from, const struct nsh_value *args, const char *token,
              struct page_text *ret_mail, struct nsh_error *err)
{
    mail_add_header(ret_mail, "To", to);
    mail_add_header(ret_mail, "From", from);
    mail_add_header(ret_mail, "Subject", nsh_get_text(args, "title", "nightshift"));
    mail_add_header(ret_mail, "X-Nightshift-Id", token);
    text_add_chars(ret_mail, "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
                             "Content-Transfer-Encoding: 8bit\n\n");
    text_add_argument(ret_mail,
                      &(struct nsh_value){.type = NSH_STRING,
                                          .count = (uint32_t)strlen(nsh_get_text(args, "text", "")),
                                          .text = nsh_get_text(args, "text", "")},
                      false);
    text_add_chars(ret_mail, "\n\n");
    static const char *const members[] = {"severity", "host", "policy", "run", "alarm", "reason"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const struct nsh_value *value = nsh_get(args, members[i]);
        if (value != NULL && value->type != NSH_NULL) {
            text_add_chars(ret_mail, members[i]);
            text_add_chars(ret_mail, ": ");
            text_add_argument(ret_mail, value, false);
            text_add_chars(ret_mail, "\n");
        }
    }
    const struct nsh_value *evidence = nsh_get(args, "evidence");
    if (evidence != NULL && evidence->type == NSH_LIST) {
        text_add_chars(ret_mail, "\nEvidence\n");
        for (uint32_t i = 0; i < evidence->count; i++) {
            text_add_chars(ret_mail, "  ");
            text_add_argument(ret_mail, &evidence->items[i], false);
            text_add_chars(ret_mail, "\n");
        }
    }
    return text_result(ret_mail, err);
}
