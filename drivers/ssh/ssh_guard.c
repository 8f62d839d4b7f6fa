/* SPDX-License-Identifier: Apache-2.0 */
/* The net below libssh2. One thread calls drivers: what is kept here needs no lock. */

#include "ssh_guard.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static sigjmp_buf *net; /* Of the innermost step; NULL: none runs. */

/* Hidden: only this module, and the library linked into it, get here. */
void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function)
    __attribute__((noreturn, visibility("hidden")));

void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function)
{
    if (net == NULL) {
        fprintf(stderr, "ssh: %s:%u: %s: %s\n", file, line, function, assertion);
        abort();
    }
    siglongjmp(*net, 1);
}

_Bool ssh_guard_run(int (*step)(struct ssh_link *link), struct ssh_link *link, int *ret_result)
{
    sigjmp_buf here;
    sigjmp_buf *volatile outer = net;
    if (sigsetjmp(here, 0) != 0) {
        net = outer;
        return false;
    }
    net = &here;
    int result = step(link);
    net = outer;
    *ret_result = result;
    return true;
}
