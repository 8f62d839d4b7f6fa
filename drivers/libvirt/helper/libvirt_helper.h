/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIBVIRT_HELPER_H
#define LIBVIRT_HELPER_H

/*
 * nightshift-libvirt: one call of one verb on one domain; what the driver and it say to each other
 * stands in libvirt.c.
 *
 *   libvirt_helper_main.c   the request, the connection, the answer, the time
 *   libvirt_helper_verbs.c  what the verbs do
 */

#include "abi/driver.h"

#include <json-c/json.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

struct request {
    const char *verb, *uri, *domain, *uuid, *user, *password, *to;
    int64_t timeout_ms;
};

/* Answers; none of them returns. */
_Noreturn void answer_ok(struct json_object *result, const char *text);
_Noreturn void answer_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* With what libvirt said last: what it means, and whether it can have done something. */
_Noreturn void answer_error(const char *doing);

/* An order leaves now: from here on an end without an answer may have had an effect. */
void order_leaves(void);
/* It was: whatever follows, something was done. */
void order_accepted(void);

void verb_run(const struct request *request, virConnectPtr connection, virDomainPtr domain);

#endif
