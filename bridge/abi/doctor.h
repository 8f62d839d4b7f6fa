/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_DOCTOR_H
#define NSH_DOCTOR_H

/*
 * What `nightshift driver doctor` shows of one device.
 *
 * A driver offers its own checks with one verb of the name NAME.doctor (NSH_READS, no required
 * arguments): it looks, adds a line for each thing it looked at, and ends with
 * nsh_checks_complete(). When it cannot look it completes with the failure, as any verb does. A
 * driver without that verb is asked its power.status, or what else only reads.
 *
 * The daemon adds by itself what follows from the way the call ended (reachable, credentials,
 * permissions, ...) and from the settings (tls, default-password): a driver tells only what it
 * alone knows. The list lives on the caller's stack or in its call; nothing is allocated.
 */

#include "abi/driver.h"

#define NSH_CHECKS_COUNT_MAX 24
#define NSH_CHECK_NAME_BYTES_MAX 40
#define NSH_CHECK_TEXT_BYTES_MAX 200

enum nsh_check_state {
    NSH_CHECK_OK,
    NSH_CHECK_WARNING, /* It works, and should not stay so. */
    NSH_CHECK_FAILED,  /* An action would fail, or anybody could do it. */
    NSH_CHECK_SKIPPED, /* Could not be looked at. */
};

struct nsh_check {
    enum nsh_check_state state;
    char name[NSH_CHECK_NAME_BYTES_MAX]; /* "cipher-0" */
    char text[NSH_CHECK_TEXT_BYTES_MAX]; /* What was seen; never a secret. */
    char hint[NSH_CHECK_TEXT_BYTES_MAX]; /* What to do about it; "" when it is well. */
};

struct nsh_checks {
    struct nsh_check items[NSH_CHECKS_COUNT_MAX];
    size_t count;
};

/* Add a line; hint may be NULL. One line over the maximum is dropped. */
void nsh_check_add(struct nsh_checks *checks, const char *name, enum nsh_check_state state,
                   const char *hint, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Complete op with {"checks": [{"check", "state", "text", "hint"}]}. */
void nsh_checks_complete(struct nsh_services *services, struct nsh_op *op,
                         const struct nsh_checks *checks);

/* Complete op: the doctor could not look. A peer that is busy is asked again after 5 s. */
void nsh_checks_fail(struct nsh_services *services, struct nsh_op *op, int code, const char *text);

/* Append what a driver completed with; whatever is no such list adds nothing. */
void nsh_checks_merge(struct nsh_checks *checks, const struct nsh_value *result);

/* "ok", "warning", "failed", "skipped" */
const char *nsh_check_word(enum nsh_check_state state);

/*
 * Whether a maker ships its devices with this name and password; user NULL: a community or a
 * password alone.
 */
bool nsh_password_shipped(const char *user, const char *password);

#endif
