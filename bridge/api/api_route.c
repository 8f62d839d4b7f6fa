/* SPDX-License-Identifier: Apache-2.0 */
/* From a raw path to a row of the table; decoding of paths and queries. */

#include "api_private.h"

#include <stdio.h>

#define ROUTE_METHODS_BYTES 64
#define ROUTE_QUERIES_MAX 16

static int route_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *route_decode(struct arena *arena, const char *raw)
{
    size_t count = strlen(raw), used = 0;
    char *decoded = arena_copy(arena, raw, count);
    if (decoded == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (raw[i] != '%') {
            decoded[used++] = raw[i];
            continue;
        }
        int high = route_digit(raw[i + 1]);
        int low = high < 0 ? -1 : route_digit(raw[i + 2]);
        if (low < 0 || high * 16 + low == 0) {
            return NULL;
        }
        decoded[used++] = (char)(high * 16 + low);
        i += 2;
    }
    decoded[used] = 0;
    return text_is_utf8(decoded, used) ? decoded : NULL;
}

/* The text in the place of {...}, empty when the pattern has none; .at NULL: no match. */
static struct text route_match(const char *pattern, const char *path)
{
    struct text id = {"", 0};
    while (*pattern != 0) {
        if (*pattern != '{') {
            if (*pattern++ != *path++) {
                return (struct text){NULL, 0};
            }
            continue;
        }
        id = (struct text){path, (uint32_t)strcspn(path, "/")};
        path += id.count;
        pattern = strchr(pattern, '}') + 1;
        if (id.count == 0) {
            return (struct text){NULL, 0};
        }
    }
    return *path == 0 ? id : (struct text){NULL, 0};
}

static void allowed_add(char *allowed, const char *method)
{
    size_t used = strlen(allowed);
    snprintf(allowed + used, ROUTE_METHODS_BYTES - used, "%s%s", used == 0 ? "" : ", ", method);
}

const struct api_route *route_find(const struct api *api, const char *method, const char *path,
                                   struct arena *arena, const char **ret_id,
                                   const char **ret_allowed)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    char *allowed = arena_alloc(arena, ROUTE_METHODS_BYTES);
    for (size_t i = 0; i < api->routes_count && allowed != NULL; i++) {
        const struct api_route *route = &api->routes[i];
        struct text id = route_match(route->path, path);
        if (id.at == NULL) {
            continue;
        }
        if (strcmp(route->method, wanted) == 0) {
            *ret_id = arena_text(arena, id).at;
            return *ret_id == NULL ? NULL : route;
        }
        allowed_add(allowed, route->method);
        if (strcmp(route->method, "GET") == 0) {
            allowed_add(allowed, "HEAD");
        }
    }
    *ret_allowed = allowed == NULL ? "" : allowed;
    return NULL;
}

/* ---- queries ------------------------------------------------------------------------------- */

struct query_check {
    const struct api_request *request;
    const char *names[ROUTE_QUERIES_MAX + 1];
    struct nsh_error *err;
    int result;
};

static enum MHD_Result query_check(void *arg, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct query_check *check = arg;
    (void)kind;
    for (size_t i = 0; check->names[i] != NULL; i++) {
        if (strcmp(check->names[i], name) == 0) {
            if (value != NULL && route_decode(check->request->arena, value) == NULL) {
                check->result = nsh_fail(check->err, NSH_INVALID,
                                         "query parameter %s is not well encoded", name);
            }
            return MHD_YES;
        }
    }
    const char *nearest = text_nearest(text_of(name), check->names);
    const char *takes = check->request->route->queries;
    check->result =
        nsh_fail(check->err, NSH_INVALID, "unknown query parameter %.60s; %s takes %s%s%s%s", name,
                 check->request->route->path, takes == NULL ? "none" : takes,
                 nearest == NULL ? "" : "; did you mean ", nearest == NULL ? "" : nearest,
                 nearest == NULL ? "" : "?");
    return MHD_NO;
}

static bool query_names(const struct api_request *request, const char **names)
{
    const char *queries = request->route->queries;
    size_t count = 0;
    while (queries != NULL && *queries != 0 && count < ROUTE_QUERIES_MAX) {
        size_t bytes = strcspn(queries, " ");
        names[count] = arena_copy(request->arena, queries, bytes);
        if (names[count++] == NULL) {
            return false;
        }
        queries += bytes;
        queries += strspn(queries, " ");
    }
    names[count] = NULL;
    return true;
}

int route_queries(const struct api_request *request, struct nsh_error *err)
{
    struct MHD_Connection *connection = request->exchange->connection;
    struct query_check check = {.request = request, .err = err};
    if (MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, NULL, NULL) <= 0) {
        return 0;
    }
    if (!query_names(request, check.names)) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, query_check, &check);
    return check.result;
}

const char *api_query(const struct api_request *request, const char *name)
{
    const char *raw =
        MHD_lookup_connection_value(request->exchange->connection, MHD_GET_ARGUMENT_KIND, name);
    return raw == NULL ? NULL : route_decode(request->arena, raw);
}
