/* SPDX-License-Identifier: Apache-2.0 */
/* Lists, page by page. */

#include "abi/rest_private.h"

#include <stdio.h>
#include <string.h>

static void list_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply);

static void list_failed(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    if (call->flight->list.failed != NULL) {
        call->flight->list.failed(call, reply);
    } else {
        nsh_rest_fail_reply(call, reply);
    }
}

/* The next page's path from a link: its path on the peer that we talk to; NULL: out of memory. */
static const char *link_path(struct nsh_rest_call *call, const char *link)
{
    struct nsh_pool *pool = &call->flight->memory;
    size_t own = rest_origin_bytes(call->flight->url), theirs = rest_origin_bytes(link);
    const char *path = link + theirs;
    if (theirs == 0 && path[0] == '?') { /* Only another query. */
        size_t bytes = strcspn(call->flight->url, "?");
        return nsh_pool_printf(pool, "%.*s%s", (int)bytes, call->flight->url, path);
    }
    return nsh_pool_printf(pool, "%.*s%s%s", (int)own, call->flight->url, path[0] == '/' ? "" : "/",
                           path);
}

/* The first page's path with one more parameter in its query. */
static const char *parameter_path(struct nsh_rest_call *call, const char *text)
{
    const struct nsh_rest_list *list = &call->flight->list;
    struct nsh_pool *pool = &call->flight->memory;
    const char *name = list->parameter == NULL ? "marker" : list->parameter;
    const char *query = nsh_query(pool, (const char *const[]){name, text, NULL});
    const char *path = list->request.path;
    return query == NULL ? NULL
                         : nsh_pool_printf(pool, "%s%c%s", path,
                                           strchr(path, '?') == NULL ? '?' : '&', query);
}

static const char *linked(const struct nsh_value *links)
{
    for (uint32_t i = 0; links != NULL && links->type == NSH_LIST && i < links->count; i++) {
        if (strcmp(nsh_get_text(&links->items[i], "rel", ""), "next") == 0) {
            return nsh_get_text(&links->items[i], "href", "");
        }
    }
    return "";
}

/* What leads to the next page; "": there is none. */
static const char *next_of(const struct nsh_rest_list *list, const struct nsh_value *body,
                           const struct nsh_value *items)
{
    switch (list->how) {
    case NSH_REST_SINGLE:
        break;
    case NSH_REST_LINK:
    case NSH_REST_TOKEN:
        return nsh_at_text(body, list->next, "");
    case NSH_REST_LINKS:
        return linked(nsh_at(body, list->next));
    case NSH_REST_MARKER:
        return items->count == 0 ? ""
                                 : nsh_at_text(&items->items[items->count - 1], list->next, "");
    }
    return "";
}

static void page_request(struct nsh_rest_call *call, const char *path)
{
    struct nsh_rest_request request = call->flight->list.request;
    request.path = path;
    nsh_rest_send(call, &request, list_answered);
}

static void list_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct nsh_rest_list *list = &call->flight->list;
    if (reply->code != NSH_OK) {
        list_failed(call, reply);
        return;
    }
    const struct nsh_value *items = nsh_at(reply->body, list->items);
    if (items == NULL || items->type != NSH_LIST) {
        nsh_rest_fail(call, NSH_PROTOCOL, "%s: the answer has no list \"%s\"", call->flight->url,
                      list->items);
        return;
    }
    bool more = true;
    for (uint32_t i = 0; more && i < items->count; i++) {
        more = list->each(call, &items->items[i]);
    }
    const char *next = more ? next_of(list, reply->body, items) : "";
    if (next[0] == '\0') {
        list->done(call);
        return;
    }
    if (++call->flight->pages >= NSH_REST_PAGES_MAX) {
        nsh_rest_fail(call, NSH_LIMIT, "%s: more than %d pages", call->rest->base,
                      NSH_REST_PAGES_MAX);
        return;
    }
    bool link = list->how == NSH_REST_LINK || list->how == NSH_REST_LINKS;
    const char *path = link ? link_path(call, next) : parameter_path(call, next);
    if (path == NULL) {
        nsh_rest_fail_nomem(call);
        return;
    }
    page_request(call, path);
}

void nsh_rest_read_list(struct nsh_rest_call *call, const struct nsh_rest_list *list)
{
    struct nsh_rest_flight *flight = call->flight;
    flight->list = *list;
    flight->pages = 0;
    /* Further pages begin with it. */
    flight->list.request.path = nsh_pool_text(&call->pool, list->request.path);
    if (flight->list.request.path == NULL) {
        nsh_rest_fail_nomem(call);
        return;
    }
    page_request(call, flight->list.request.path);
}
