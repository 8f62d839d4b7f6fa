/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_BUS_BUS_VALUES_H
#define SOURCE_BUS_BUS_VALUES_H

/* Settings as transports want them, for modules too: nothing to link. */

#include "abi/value.h"

#include <string.h>
#include <time.h>

static inline int64_t bus_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A text, NULL when it is not there or empty. */
static inline const char *bus_text(const struct nsh_value *settings, const char *name)
{
    const char *text = nsh_get_text(settings, name, NULL);
    return text == NULL || text[0] == '\0' ? NULL : text;
}

/* Text number index of a list, or NULL. */
static inline const char *bus_item(const struct nsh_value *settings, const char *name,
                                   uint32_t index)
{
    const struct nsh_value *list = nsh_get(settings, name);
    return list != NULL && list->type == NSH_LIST && index < list->count &&
                   list->items[index].type == NSH_STRING
               ? list->items[index].text
               : NULL;
}

/* "SCHEME://HOST:PORT/PATH" taken apart. */
struct bus_url {
    char scheme[16], host[256], path[256]; /* Without brackets; without its first /. */
    int port;                              /* 0: not said. */
};

static inline bool bus_url_copy(char *to, size_t room, const char *from, size_t count)
{
    if (count >= room) {
        return false;
    }
    memcpy(to, from, count);
    to[count] = '\0';
    return true;
}

/* False: it is none, or has a user in it (whose password would be shown with it). */
static inline bool bus_url_read(const char *url, struct bus_url *ret_url)
{
    const char *host = url == NULL ? NULL : strstr(url, "://");
    if (host == NULL ||
        !bus_url_copy(ret_url->scheme, sizeof ret_url->scheme, url, (size_t)(host - url))) {
        return false;
    }
    host += 3;
    size_t count = strcspn(host, "/");
    const char *path = host + count, *colon = NULL;
    bool bracketed = host[0] == '[';
    size_t name = bracketed ? strcspn(host, "]") : strcspn(host, ":/");
    if (memchr(host, '@', count) != NULL || name > count || (bracketed && name == count)) {
        return false;
    }
    colon = host + name + bracketed;
    ret_url->port = 0;
    if (*colon == ':') {
        for (const char *c = colon + 1; c < path; c++) {
            if (*c < '0' || *c > '9' || ret_url->port > 65535) {
                return false;
            }
            ret_url->port = ret_url->port * 10 + (*c - '0');
        }
    } else if (colon != path) {
        return false;
    }
    path += *path == '/';
    return name > bracketed && ret_url->port <= 65535 &&
           bus_url_copy(ret_url->host, sizeof ret_url->host, host + bracketed, name - bracketed) &&
           bus_url_copy(ret_url->path, sizeof ret_url->path, path, strlen(path));
}

#endif
