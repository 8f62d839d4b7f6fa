/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4. The canonical request is never put together in memory: its parts are
 * hashed as they come, so a body of any size costs nothing.
 */

#include "abi/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define HASH_BYTES 32
#define HEX_BYTES (2 * HASH_BYTES + 1)
#define ALGORITHM "AWS4-HMAC-SHA256"
#define NAME_BYTES_MAX 64
#define NAMES_BYTES_MAX 640 /* Of all signed headers' names, with ';' between. */

/* A piece of a text that is borrowed. */
struct piece {
    const char *at;
    size_t count;
};

struct header {
    char name[NAME_BYTES_MAX]; /* Lower case. */
    struct piece value;        /* Trimmed. */
};

struct signing {
    const struct sigv4_request *request;
    struct header headers[SIGV4_HEADERS_MAX + 3]; /* And host, date, token. */
    size_t headers_count;
    char time[20], day[12], names[NAMES_BYTES_MAX];
    char scope[3 * SIGV4_SCOPE_BYTES_MAX];
};

/* ---- texts ------------------------------------------------------------------------------ */

static void hex_of(const unsigned char hash[HASH_BYTES], char hex[HEX_BYTES])
{
    for (size_t i = 0; i < HASH_BYTES; i++) {
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    }
}

static bool printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f) {
            return false;
        }
    }
    return true;
}

static bool unreserved(char byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.' || byte == '~';
}

static bool hex_upper(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'F');
}

/* Only what AWS would have encoded likewise: unreserved bytes and %XX, besides `others`. */
static bool encoded(const char *text, size_t count, const char *others)
{
    for (size_t i = 0; i < count; i++) {
        if (text[i] == '%') {
            if (i + 2 >= count || !hex_upper(text[i + 1]) || !hex_upper(text[i + 2])) {
                return false;
            }
            i += 2;
        } else if (!unreserved(text[i]) && strchr(others, text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

static int text_check(const char *what, const char *text, size_t bytes_max, struct nsh_error *err)
{
    if (text == NULL || text[0] == '\0' || !printable(text)) {
        return nsh_fail(err, NSH_INVALID, "%s: empty, or not printable", what);
    }
    if (strlen(text) > bytes_max) {
        return nsh_fail(err, NSH_LIMIT, "%s: more than %zu bytes", what, bytes_max);
    }
    return 0;
}

/* ---- hashing ---------------------------------------------------------------------------- */

static bool hash_add(EVP_MD_CTX *hash, const char *text, size_t count)
{
    return EVP_DigestUpdate(hash, text, count) == 1;
}

static bool hash_chars(EVP_MD_CTX *hash, const char *text)
{
    return hash_add(hash, text, strlen(text));
}

static bool hash_once(const void *bytes, size_t count, char hex[HEX_BYTES])
{
    unsigned char out[HASH_BYTES];
    if (EVP_Digest(count == 0 ? "" : bytes, count, out, NULL, EVP_sha256(), NULL) != 1) {
        return false;
    }
    hex_of(out, hex);
    return true;
}

static bool hmac(const unsigned char *key, size_t key_bytes, const char *text,
                 unsigned char out[HASH_BYTES])
{
    unsigned int count = 0;
    return HMAC(EVP_sha256(), key, (int)key_bytes, (const unsigned char *)text, strlen(text), out,
                &count) != NULL;
}

/* The path once more encoded: what is sent as %2F is signed as %252F (all services but S3). */
static bool hash_path(EVP_MD_CTX *hash, const char *path)
{
    bool good = path[0] != '\0' || hash_chars(hash, "/");
    for (; good && *path != '\0'; path++) {
        char code[4] = {*path, '\0'};
        if (!unreserved(*path) && *path != '/') {
            snprintf(code, sizeof code, "%%%02X", (unsigned char)*path);
        }
        good = hash_chars(hash, code);
    }
    return good;
}

static int piece_compare(const struct piece *left, const struct piece *right)
{
    size_t count = left->count < right->count ? left->count : right->count;
    int order = memcmp(left->at, right->at, count);
    return order != 0 ? order : (left->count > right->count) - (left->count < right->count);
}

/* By name, then by value: "a=2" stands before "a-b=1", which a comparison of the whole would not
 * say. */
static int parameter_compare(const void *one, const void *other)
{
    const struct piece *left = one, *right = other;
    const char *left_end = memchr(left->at, '=', left->count);
    const char *right_end = memchr(right->at, '=', right->count);
    struct piece left_name = {left->at,
                              left_end == NULL ? left->count : (size_t)(left_end - left->at)};
    struct piece right_name = {right->at,
                               right_end == NULL ? right->count : (size_t)(right_end - right->at)};
    int order = piece_compare(&left_name, &right_name);
    return order != 0 ? order : piece_compare(left, right);
}

/* The parameters of a query that was checked, in order. */
static size_t query_split(const char *query, struct piece parameters[SIGV4_PARAMETERS_MAX])
{
    size_t count = 0;
    while (query != NULL && *query != '\0') {
        size_t bytes = strcspn(query, "&");
        if (bytes > 0) {
            parameters[count++] = (struct piece){query, bytes};
        }
        query += bytes + (query[bytes] == '&');
    }
    if (count > 1) {
        qsort(parameters, count, sizeof parameters[0], parameter_compare);
    }
    return count;
}

static bool hash_query(EVP_MD_CTX *hash, const char *query)
{
    struct piece parameters[SIGV4_PARAMETERS_MAX] = {{NULL, 0}};
    size_t count = query_split(query, parameters);
    bool good = true;
    for (size_t i = 0; good && i < count; i++) {
        good =
            (i == 0 || hash_chars(hash, "&")) &&
            hash_add(hash, parameters[i].at, parameters[i].count) &&
            (memchr(parameters[i].at, '=', parameters[i].count) != NULL || hash_chars(hash, "="));
    }
    return good;
}

/* A header's value with each run of spaces as one. */
static bool hash_value(EVP_MD_CTX *hash, const struct piece *value)
{
    bool good = true;
    for (size_t i = 0; good && i < value->count; i++) {
        bool again = value->at[i] == ' ' && i > 0 && value->at[i - 1] == ' ';
        good = again || hash_add(hash, value->at + i, 1);
    }
    return good;
}

static bool hash_headers(EVP_MD_CTX *hash, const struct signing *signing)
{
    bool good = true;
    for (size_t i = 0; good && i < signing->headers_count; i++) {
        const struct header *header = &signing->headers[i];
        good = hash_chars(hash, header->name) && hash_chars(hash, ":") &&
               hash_value(hash, &header->value) && hash_chars(hash, "\n");
    }
    return good;
}

static bool canonical_hash(const struct signing *signing, char hex[HEX_BYTES])
{
    const struct sigv4_request *request = signing->request;
    unsigned char out[HASH_BYTES];
    char body[HEX_BYTES];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool good =
        hash != NULL && hash_once(request->body, request->body_bytes, body) &&
        EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 && hash_chars(hash, request->method) &&
        hash_chars(hash, "\n") && hash_path(hash, request->path) && hash_chars(hash, "\n") &&
        hash_query(hash, request->query) && hash_chars(hash, "\n") && hash_headers(hash, signing) &&
        hash_chars(hash, "\n") && hash_chars(hash, signing->names) && hash_chars(hash, "\n") &&
        hash_chars(hash, body) && EVP_DigestFinal_ex(hash, out, NULL) == 1;
    EVP_MD_CTX_free(hash);
    if (good) {
        hex_of(out, hex);
    }
    return good;
}

/* ---- what is signed --------------------------------------------------------------------- */

static int request_check(const struct sigv4_request *request, struct nsh_error *err)
{
    const char *path = request->path;
    int result = text_check("method", request->method, NAME_BYTES_MAX, err);
    result = result < 0 ? result : text_check("host", request->host, SIGV4_HEADER_BYTES_MAX, err);
    result =
        result < 0 ? result : text_check("region", request->region, SIGV4_SCOPE_BYTES_MAX, err);
    result =
        result < 0 ? result : text_check("service", request->service, SIGV4_SCOPE_BYTES_MAX, err);
    if (result < 0) {
        return result;
    }
    if ((path[0] != '\0' && path[0] != '/') || strstr(path, "//") != NULL ||
        strstr(path, "/.") != NULL || !encoded(path, strlen(path), "/:@!$&'()*+,;=")) {
        return nsh_fail(err, NSH_INVALID, "the path %.128s is not absolute and percent-encoded",
                        path);
    }
    if (request->query != NULL && !encoded(request->query, strlen(request->query), "=&")) {
        return nsh_fail(err, NSH_INVALID, "the query is not percent-encoded");
    }
    size_t parameters = 1;
    for (const char *at = request->query; at != NULL && *at != '\0'; at++) {
        parameters += *at == '&';
    }
    if (parameters > SIGV4_PARAMETERS_MAX) {
        return nsh_fail(err, NSH_LIMIT, "more than %d parameters in a query", SIGV4_PARAMETERS_MAX);
    }
    return 0;
}

/* Add one to the sorted headers. */
static int header_add(struct signing *signing, struct piece name, const char *value,
                      struct nsh_error *err)
{
    struct header header = {.name = ""};
    while (*value == ' ' || *value == '\t') {
        value++;
    }
    size_t count = strlen(value);
    while (count > 0 && (value[count - 1] == ' ' || value[count - 1] == '\t')) {
        count--;
    }
    if (name.count == 0 || name.count >= NAME_BYTES_MAX ||
        signing->headers_count == SIGV4_HEADERS_MAX + 3) {
        return nsh_fail(err, NSH_LIMIT, "a header without or with a long name, or more than %d",
                        SIGV4_HEADERS_MAX);
    }
    for (size_t i = 0; i < name.count; i++) {
        char byte = name.at[i];
        header.name[i] = byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
    }
    for (size_t i = 0; i < count; i++) {
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7f) {
            return nsh_fail(err, NSH_INVALID, "a control character in header %s", header.name);
        }
    }
    header.value = (struct piece){value, count};
    size_t at = signing->headers_count;
    while (at > 0 && strcmp(signing->headers[at - 1].name, header.name) >= 0) {
        if (strcmp(signing->headers[at - 1].name, header.name) == 0) {
            return nsh_fail(err, NSH_INVALID, "header %s twice", header.name);
        }
        at--;
    }
    memmove(&signing->headers[at + 1], &signing->headers[at],
            (signing->headers_count - at) * sizeof header);
    signing->headers[at] = header;
    signing->headers_count++;
    return 0;
}

static int header_add_named(struct signing *signing, const char *name, const char *value,
                            struct nsh_error *err)
{
    return header_add(signing, (struct piece){name, strlen(name)}, value, err);
}

static int headers_take(struct signing *signing, const char *session_token, struct nsh_error *err)
{
    const char *const *lines = signing->request->headers;
    int result = header_add_named(signing, "host", signing->request->host, err);
    result = result < 0 ? result : header_add_named(signing, "x-amz-date", signing->time, err);
    if (result == 0 && session_token != NULL) {
        result = header_add_named(signing, "x-amz-security-token", session_token, err);
    }
    for (size_t i = 0; result == 0 && lines != NULL && lines[i] != NULL; i++) {
        const char *colon = strchr(lines[i], ':');
        if (colon == NULL || strlen(lines[i]) > SIGV4_HEADER_BYTES_MAX) {
            return nsh_fail(err, NSH_INVALID, "header %zu is no \"Name: value\", or is long",
                            i + 1);
        }
        result = header_add(signing, (struct piece){lines[i], (size_t)(colon - lines[i])},
                            colon + 1, err);
    }
    size_t used = 0;
    for (size_t i = 0; result == 0 && i < signing->headers_count; i++) {
        size_t bytes = strlen(signing->headers[i].name) + 1;
        if (used + bytes >= sizeof signing->names) {
            return nsh_fail(err, NSH_LIMIT, "the names of signed headers are too long");
        }
        used += (size_t)snprintf(signing->names + used, sizeof signing->names - used, "%s%s",
                                 i == 0 ? "" : ";", signing->headers[i].name);
    }
    return result;
}

static int time_take(struct signing *signing, struct nsh_error *err)
{
    const struct sigv4_request *request = signing->request;
    time_t seconds = (time_t)(request->unix_ms / 1000);
    struct tm fields;
    if (request->unix_ms < 0 || gmtime_r(&seconds, &fields) == NULL || fields.tm_year > 8099) {
        return nsh_fail(err, NSH_INVALID, "a time outside the years 1970 to 9999");
    }
    strftime(signing->time, sizeof signing->time, "%Y%m%dT%H%M%SZ", &fields);
    strftime(signing->day, sizeof signing->day, "%Y%m%d", &fields);
    snprintf(signing->scope, sizeof signing->scope, "%s/%s/%s/aws4_request", signing->day,
             request->region, request->service);
    return 0;
}

static bool signature(const struct signing *signing, const char *secret, char hex[HEX_BYTES])
{
    char canonical[HEX_BYTES];
    char text[sizeof ALGORITHM + sizeof signing->time + sizeof signing->scope + HEX_BYTES];
    char first[4 + SIGV4_HEADER_BYTES_MAX + 1];
    unsigned char key[HASH_BYTES], out[HASH_BYTES];
    if (!canonical_hash(signing, canonical)) {
        return false;
    }
    snprintf(text, sizeof text, ALGORITHM "\n%s\n%s\n%s", signing->time, signing->scope, canonical);
    snprintf(first, sizeof first, "AWS4%s", secret);
    bool good = hmac((const unsigned char *)first, strlen(first), signing->day, out) &&
                hmac(out, sizeof out, signing->request->region, key) &&
                hmac(key, sizeof key, signing->request->service, out) &&
                hmac(out, sizeof out, "aws4_request", key) && hmac(key, sizeof key, text, out);
    hex_of(out, hex);
    explicit_bzero(first, sizeof first);
    explicit_bzero(key, sizeof key);
    return good;
}

int sigv4_sign(const struct sigv4_credentials *credentials, const struct sigv4_request *request,
               struct sigv4_lines *ret_lines, struct nsh_error *err)
{
    struct signing signing = {.request = request};
    char hex[HEX_BYTES];
    const char *token = credentials->session_token;
    int result = request_check(request, err);
    result = result < 0 ? result
                        : text_check("the access key's id", credentials->key_id,
                                     SIGV4_SCOPE_BYTES_MAX * 2, err);
    result = result < 0 ? result
                        : text_check("the secret access key", credentials->secret,
                                     SIGV4_HEADER_BYTES_MAX, err);
    if (result == 0 && token != NULL) {
        result = text_check("the session token", token, SIGV4_TOKEN_BYTES_MAX, err);
    }
    result = result < 0 ? result : time_take(&signing, err);
    result = result < 0 ? result : headers_take(&signing, token, err);
    if (result < 0) {
        return result;
    }
    if (!signature(&signing, credentials->secret, hex)) {
        return nsh_fail(err, NSH_NOMEM, "no memory for a signature");
    }
    snprintf(ret_lines->date, sizeof ret_lines->date, "X-Amz-Date: %s", signing.time);
    snprintf(ret_lines->authorization, sizeof ret_lines->authorization,
             "Authorization: " ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s",
             credentials->key_id, signing.scope, signing.names, hex);
    snprintf(ret_lines->token, sizeof ret_lines->token, "%s%s",
             token == NULL ? "" : "X-Amz-Security-Token: ", token == NULL ? "" : token);
    return 0;
}
