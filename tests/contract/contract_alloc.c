/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator of this program, and of every library it loads: the one of the C library (or of the
 * sanitizer), that fails once or for good when it is told to.
 */

#include "contract.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>

#define SPARED_MAX 8

void *__interceptor_malloc(size_t bytes) __attribute__((weak));
void *__interceptor_calloc(size_t count, size_t bytes) __attribute__((weak));
void *__interceptor_realloc(void *old, size_t bytes) __attribute__((weak));
void *__libc_malloc(size_t bytes) __attribute__((weak));
void *__libc_calloc(size_t count, size_t bytes) __attribute__((weak));
void *__libc_realloc(void *old, size_t bytes) __attribute__((weak));

static struct {
    bool armed, ever;
    int quiet;
    unsigned fail, count;
} alloc;

void alloc_arm(unsigned fail, bool ever)
{
    alloc.fail = fail;
    alloc.ever = ever;
    alloc.count = 0;
    alloc.quiet = 0;
    alloc.armed = true;
}

unsigned alloc_disarm(void)
{
    alloc.armed = false;
    return alloc.count;
}

void alloc_quiet(int delta)
{
    alloc.quiet += delta;
}

/*
 * json-c 0.16 crashes when its strdup fails (json_object_object_add_ex does not look), and leaks
 * when an array cannot grow: its allocations are left out. That is for the library to mend.
 */
static const char *spared[SPARED_MAX] = {"json-c"};
static size_t spared_count = 1;

void alloc_spare(const char *library)
{
    if (spared_count < SPARED_MAX) {
        spared[spared_count++] = library;
    }
}

static bool alloc_spares(void *caller)
{
    struct dl_find_object found; /* dladdr would look through all symbols, at each allocation. */
    if (_dl_find_object(caller, &found) != 0) {
        return false;
    }
    for (size_t i = 0; i < spared_count; i++) {
        if (strstr(found.dlfo_link_map->l_name, spared[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static bool alloc_fails(void *caller)
{
    if (!alloc.armed || alloc.quiet > 0 || alloc_spares(caller)) {
        return false;
    }
    alloc.count++;
    bool fails =
        alloc.fail != 0 && (alloc.count == alloc.fail || (alloc.ever && alloc.count > alloc.fail));
    if (fails) {
        errno = ENOMEM;
    }
    return fails;
}

void *malloc(size_t bytes)
{
    if (alloc_fails(__builtin_return_address(0))) {
        return NULL;
    }
    return __interceptor_malloc != NULL ? __interceptor_malloc(bytes) : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    if (alloc_fails(__builtin_return_address(0))) {
        return NULL;
    }
    return __interceptor_calloc != NULL ? __interceptor_calloc(count, bytes)
                                        : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    if (alloc_fails(__builtin_return_address(0))) {
        return NULL;
    }
    return __interceptor_realloc != NULL ? __interceptor_realloc(old, bytes)
                                         : __libc_realloc(old, bytes);
}

/* The C library's own calls malloc from where the caller cannot be seen any more. */
char *strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    bool fails = alloc_fails(__builtin_return_address(0));
    alloc.quiet++;
    char *copy = fails ? NULL : malloc(bytes);
    alloc.quiet--;
    if (copy != NULL) {
        memcpy(copy, text, bytes);
    }
    return copy;
}
