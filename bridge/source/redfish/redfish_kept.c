/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages by their ETag: a BMC that answers 304 is believed to be as it was, and its values count as
 * read anew. Bounded by the bytes of all pages of a source; what does not fit is read whole.
 */

#include "redfish_private.h"

#include <stdio.h>
#include <stdlib.h>

struct redfish_kept {
    struct redfish_kept *next;
    struct arena arena;
    const char *path;
    char etag[REDFISH_ETAG_BYTES_MAX];
    struct redfish_page page;
    size_t bytes;
};

static struct redfish_kept *kept_find(const struct redfish_watch *watch, const char *path)
{
    struct redfish_kept *kept = watch->kept;
    while (kept != NULL && strcmp(kept->path, path) != 0) {
        kept = kept->next;
    }
    return kept;
}

const char *redfish_kept_etag(const struct redfish_watch *watch, const char *path)
{
    const struct redfish_kept *kept = kept_find(watch, path);
    return kept == NULL ? NULL : kept->etag;
}

bool redfish_kept_page(const struct redfish_watch *watch, const char *path,
                       struct redfish_page *ret_page)
{
    const struct redfish_kept *kept = kept_find(watch, path);
    if (kept != NULL) {
        *ret_page = kept->page;
    }
    return kept != NULL;
}

static void kept_drop(struct redfish_watch *watch, struct redfish_kept *kept)
{
    struct redfish_kept **at = &watch->kept;
    while (*at != kept) {
        at = &(*at)->next;
    }
    *at = kept->next;
    watch->source->kept_bytes -= kept->bytes;
    arena_done(&kept->arena);
    free(kept);
}

void redfish_kept_free(struct redfish_watch *watch)
{
    while (watch->kept != NULL) {
        kept_drop(watch, watch->kept);
    }
}

static bool text_copy(struct arena *arena, const char **text)
{
    if (*text != NULL) {
        *text = arena_copy(arena, *text, strlen(*text));
        return *text != NULL;
    }
    return true;
}

static bool value_copy(struct arena *arena, struct redfish_value *value)
{
    return text_copy(arena, &value->sensor) && text_copy(arena, &value->context) &&
           text_copy(arena, &value->report) && text_copy(arena, &value->property);
}

/* As small as it can be. metric of a value is a literal. */
static bool page_copy(struct arena *arena, const struct redfish_page *page,
                      struct redfish_page *ret_page)
{
    *ret_page = *page;
    ret_page->parts = arena_array(arena, page->parts_count + 1, sizeof *page->parts);
    ret_page->values = arena_array(arena, page->values_count + 1, sizeof *page->values);
    ret_page->links = arena_array(arena, page->links_count + 1, sizeof *page->links);
    bool good = ret_page->parts != NULL && ret_page->values != NULL && ret_page->links != NULL;
    for (uint32_t i = 0; good && i < page->parts_count; i++) {
        ret_page->parts[i] = page->parts[i];
        good = text_copy(arena, &ret_page->parts[i].path) &&
               text_copy(arena, &ret_page->parts[i].name);
    }
    for (uint32_t i = 0; good && i < page->values_count; i++) {
        ret_page->values[i] = page->values[i];
        good = value_copy(arena, &ret_page->values[i]);
    }
    for (uint32_t i = 0; good && i < page->links_count; i++) {
        ret_page->links[i] = page->links[i];
        good = text_copy(arena, &ret_page->links[i].path);
    }
    return good;
}

/* An ETag goes back into a header: printable, and short. */
static bool etag_good(const char *etag)
{
    size_t count = etag == NULL ? 0 : strlen(etag);
    bool good = count > 0 && count < REDFISH_ETAG_BYTES_MAX;
    for (size_t i = 0; good && i < count; i++) {
        good = etag[i] > ' ' && etag[i] < 0x7f;
    }
    return good;
}

void redfish_kept_put(struct redfish_watch *watch, const char *path, const char *etag,
                      const struct redfish_page *page)
{
    struct redfish_kept *old = kept_find(watch, path);
    if (old != NULL) {
        kept_drop(watch, old);
    }
    struct redfish_kept *kept = etag_good(etag) ? calloc(1, sizeof *kept) : NULL;
    if (kept == NULL) {
        return;
    }
    kept->path = arena_copy(&kept->arena, path, strlen(path));
    snprintf(kept->etag, sizeof kept->etag, "%s", etag);
    bool copied = kept->path != NULL && page_copy(&kept->arena, page, &kept->page);
    kept->bytes = sizeof *kept + kept->arena.used_bytes;
    if (!copied || watch->source->kept_bytes + kept->bytes > REDFISH_KEPT_BYTES_MAX) {
        arena_done(&kept->arena);
        free(kept);
        return;
    }
    watch->source->kept_bytes += kept->bytes;
    kept->next = watch->kept;
    watch->kept = kept;
}
