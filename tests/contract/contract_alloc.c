/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator of this program, and of every library it loads: the one of the C library (or of the
 * sanitizer), that fails once or for good when it is told to.
 */

#include "contract.h"

#include <dlfcn.h>
#include <errno.h>

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

static bool alloc_fails(void)
{
    if (!alloc.armed || alloc.quiet > 0) {
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
    if (alloc_fails()) {
        return NULL;
    }
    return __interceptor_malloc != NULL ? __interceptor_malloc(bytes) : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    if (alloc_fails()) {
        return NULL;
    }
    return __interceptor_calloc != NULL ? __interceptor_calloc(count, bytes)
                                        : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    if (alloc_fails()) {
        return NULL;
    }
    return __interceptor_realloc != NULL ? __interceptor_realloc(old, bytes)
                                         : __libc_realloc(old, bytes);
}

/*
 * json-c 0.16 does not look at what strdup returns for a member's name (json_object_object_add_ex),
 * and crashes: its strdup does not fail.
 */
char *strdup(const char *text)
{
    Dl_info caller;
    bool spared = alloc.armed && alloc.quiet == 0 &&
                  dladdr(__builtin_return_address(0), &caller) != 0 && caller.dli_fname != NULL &&
                  strstr(caller.dli_fname, "json-c") != NULL;
    size_t bytes = strlen(text) + 1;
    alloc.quiet += spared ? 1 : 0;
    char *copy = malloc(bytes);
    alloc.quiet -= spared ? 1 : 0;
    if (copy != NULL) {
        memcpy(copy, text, bytes);
    }
    return copy;
}
