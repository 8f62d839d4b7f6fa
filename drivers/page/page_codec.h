/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PAGE_CODEC_H
#define PAGE_CODEC_H

/* What a page looks like: a webhook body with its signature, or a mail. Pure: values to bytes. */

#include "abi/error.h"
#include "abi/value.h"

#define PAGE_BYTES_MAX (256 * 1024)

/* A growing, bounded text; once `code` is NSH_LIMIT or NSH_NOMEM it stays as it is. */
struct page_text {
    char *at;
    size_t count, room;
    int code;
};

void page_text_done(struct page_text *text);

/*
 * The body of a webhook. With template NULL: all args as one JSON object with "token". Else the
 * template's text with each {{name}} replaced by that argument, escaped for JSON when the template
 * is JSON-like (begins with '{' or '['), else with control characters removed. An unknown name is
 * NSH_INVALID.
 */
int page_body(const char *template, const struct nsh_value *args, const char *token,
              struct page_text *ret_body, struct nsh_error *err);

/*
 * "v1,BASE64" over "ID.TIMESTAMP.BODY" with HMAC-SHA256: the Standard Webhooks signature. A secret
 * that begins with "whsec_" is base64 after that, as in that specification; any other is used as it
 * is.
 */
int page_signature(const char *secret, const char *id, int64_t timestamp_s, const char *body,
                   size_t body_bytes, char *ret_signature, size_t room, struct nsh_error *err);

/* An RFC 5322 message with To, From, Subject and the evidence as text. Nothing from outside reaches
 * a header unescaped. */
int page_mail(const char *to, const char *from, const struct nsh_value *args, const char *token,
              struct page_text *ret_mail, struct nsh_error *err);

#endif
