/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_H
#define NOTIFY_H

/*
 * What the driver's files share. A device is one receiver.
 *
 *   notify.c        the table of options and verbs, devices
 *   notify_web.c    the walks over HTTP, by kind
 *   notify_snmp.c   traps and informs
 *   notify_mail.c   SMTP
 *   notify_pipe.c   its connection, with or without TLS
 *   notify_codec*   notices, bodies, messages: pure
 *
 * Nothing is repeated here but an unanswered inform: the engine says a notice again, with the same
 * token and key, until it arrived.
 */

#include "notify_codec_snmp.h"

#include "abi/address.h"
#include "abi/doctor.h"
#include "abi/rest.h"

enum notify_verb { VERB_TELL, VERB_RESOLVE, VERB_DOCTOR };

struct notify_tls;

enum notify_security { SECURITY_STARTTLS, SECURITY_IMPLICIT, SECURITY_NONE };

struct nsh_device {
    struct nsh_services *services;
    enum notify_kind kind;
    struct nsh_pool pool; /* Of what follows. */
    struct nsh_value settings;
    const char *instance;
    /* HTTP */
    struct nsh_rest *rest;
    const char *hook; /* slack, mattermost, teams: the path, which is the secret. */
    /* SNMP and mail */
    const char *address; /* As configured: for texts. */
    struct nsh_address peer;
    struct notify_wire *wire;
    int32_t id; /* Of the newest message. */
    int64_t opened_ms;
    char *host; /* mail */
    uint16_t port;
    enum notify_security security;
    const char *from;
    const char **to;
    struct notify_tls *tls;
};

enum notify_verb notify_verb_of(const struct nsh_op *op);
/* The notice of a call; false: no memory. */
bool notify_of(struct nsh_device *device, struct nsh_pool *pool, const struct nsh_op *op,
               struct notify_notice *ret_notice);
const char *notify_setting(const struct nsh_device *device, const char *name);

int notify_web_open(struct nsh_device *device, struct nsh_error *err);
int notify_web_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err);

int notify_snmp_open(struct nsh_device *device, struct nsh_error *err);
int notify_snmp_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err);
void notify_snmp_cancel(struct nsh_device *device, struct nsh_op *op);
void notify_snmp_close(struct nsh_device *device);

int notify_tls_open(const struct nsh_value *settings, const char *host, struct notify_tls **ret_tls,
                    struct nsh_error *err);
void notify_tls_close(struct notify_tls *tls);

int notify_mail_open(struct nsh_device *device, struct nsh_error *err);
int notify_mail_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err);
void notify_mail_cancel(struct nsh_device *device, struct nsh_op *op);

#endif
