/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ROUTES_PRIVATE_H
#define DAEMON_ROUTES_PRIVATE_H

/* What the handlers share: filters, bodies, documents. */

#include "routes.h"

#define ROUTES_LIMIT 1000
#define ROUTES_LIMIT_MAX 100000
#define ROUTES_TEXT_BYTES_MAX 512 /* A parameter, a reason. */
#define ROUTES_WAIT_MS_MAX 60000
#define ROUTES_API_VERSION "{\"apiVersion\":\"nightshift/v1\",\"kind\":\""

#define ROUTE(method, path, role, reads, open, queries, handler, help)                             \
    void handler(const struct api_request *request);
#include "routes.def"
#undef ROUTE

/* The records a list shows, by the word in its path: "alarms". */
struct routes_kind {
    const char *word, *kind; /* "runs", "Run" */
    enum record_kind record;
    const char *const *states; /* NULL-terminated; NULL: any word. */
};

const struct routes_kind *routes_kind_of(const char *path);

struct routes_filter {
    struct text host, state, type;
    int64_t since_ms;
    uint32_t limit;
    bool unmatched;
};

/* Whatever of it the query has, checked. states: NULL-terminated, or NULL. */
int routes_filter(const struct api_request *request, const char *const *states,
                  struct routes_filter *ret_filter, struct nsh_error *err);
/* "10s" of a query parameter, at most max; 0 when there is none. */
int routes_duration(const struct api_request *request, const char *name, int64_t max_ms,
                    int64_t *ret_ms, struct nsh_error *err);

/*
 * The JSON object of the body, an empty one when there is no body; a member that is not in known
 * (NULL-terminated) is refused.
 */
int routes_body(const struct api_request *request, const char *const *known,
                struct nsh_value *ret_body, struct nsh_error *err);
/* A text member that must be there, and not be empty. */
int routes_body_text(const struct nsh_value *body, const char *name, const char **ret_text,
                     struct nsh_error *err);

/* Appends object (JSON) with apiVersion and kind in front, unless it has them. */
void routes_document(const char *kind, struct text object, struct textbuf *out);
void routes_reply(const struct api_request *request, const struct textbuf *document);
void routes_fail(const struct api_request *request, const struct nsh_error *err);
/* The reader of the request; NULL: it was answered. */
struct store_reader *routes_reader(const struct api_request *request);

/* Ask the shell; its document is the answer. kind as for routes_document(). */
void routes_post(const struct api_request *request, const char *name, const char *kind,
                 const struct nsh_value *args);

/*
 * The record whose id is that or begins with it, its body copied into arena. NSH_NOT_FOUND,
 * NSH_INVALID: several begin with it.
 */
int routes_find(struct store_reader *reader, const struct routes_kind *kind, const char *id,
                struct arena *arena, struct record *ret_record, struct nsh_error *err);

struct source_use;
/* Answer what a source would not take, counted by its reason. */
void routes_source_refuse(const struct api_request *request, const struct source_use *use,
                          int64_t now_ms, const struct nsh_error *err);

void routes_openapi_write(const struct api_route *routes, size_t count, struct textbuf *out);

#endif
