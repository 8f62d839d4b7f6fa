/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_CODEC_H
#define NOTIFY_CODEC_H

/*
 * What is told, and how each receiver wants to hear it. Pure: values to values and bytes.
 *
 * Every notice has a key: what belongs to one alarm (or, without one, to one run) has the same, so
 * that a receiver counts a repetition as one, and the end finds what it ends. The token is the
 * action's: it tells a notice that is said again from one that is new.
 */

#include "abi/error.h"
#include "abi/pool.h"

#define NOTIFY_KEY_BYTES_MAX 100 /* What ServiceNow takes; the others take more. */
#define NOTIFY_PLAIN_BYTES_MAX ((size_t)24 * 1024)

enum notify_kind {
    KIND_ALERTMANAGER,
    KIND_PAGERDUTY,
    KIND_OPSGENIE,
    KIND_SLACK,
    KIND_MATTERMOST,
    KIND_TEAMS,
    KIND_SERVICENOW,
    KIND_JIRA,
    KIND_TRAP,
    KIND_INFORM,
    KIND_MAIL,
    KINDS_COUNT,
};

struct notify_notice {
    const char *key, *token;
    const char *title, *text, *severity, *team, *host, *policy, *run, *alarm,
        *reason;                      /* "": none */
    const struct nsh_value *evidence; /* A list of texts, or NULL. */
    int64_t time_ms;                  /* When it was decided. */
    bool resolved;                    /* It is over. */
};

/* Borrows from args and token; false: no memory. instance tells several nightshifts apart. */
bool notify_read(struct nsh_pool *pool, const struct nsh_value *args, const char *token,
                 const char *instance, struct notify_notice *ret_notice);

/* The first bytes of text, cut between characters, "..." at the end when it was cut. */
char *notify_cut(struct nsh_pool *pool, const char *text, size_t bytes_max);
/* All of it as text, lines ending with '\n': for mails, tickets and chats. NULL: no memory. */
char *notify_plain(struct nsh_pool *pool, const struct notify_notice *notice, size_t bytes_max);
/* 0 for info to 5 for fatal; a word that is none counts as major. */
unsigned notify_severity(const struct notify_notice *notice);

/* ---- over HTTP (notify_codec_web.c) ---- */

/* What begins, and for the kinds that close by a message of the same form, what ends: pagerduty,
 * slack, mattermost, teams. settings: the device's. False: no memory. */
bool notify_body(struct nsh_pool *pool, enum notify_kind kind, const struct notify_notice *notice,
                 const struct nsh_value *settings, struct nsh_value *ret_body);
/* Alertmanager: the notice and, ended at the notice's time, those of `open` (its answer to GET
 * /api/v2/alerts, or NULL) that are not the same. A notice that is resolved only ends. The list is
 * empty when there is nothing to say. */
bool notify_alerts(struct nsh_pool *pool, const struct notify_notice *notice,
                   const struct nsh_value *settings, const struct nsh_value *open,
                   struct nsh_value *ret_list);
/* What a ticket that is there already gets: ServiceNow's PATCH, Jira's comment. */
bool notify_body_more(struct nsh_pool *pool, enum notify_kind kind,
                      const struct notify_notice *notice, const struct nsh_value *settings,
                      struct nsh_value *ret_body);
/* Jira's key of the transition that closes: the one named in `wanted`, else the first that leads to
 * a done status. NULL: none. */
const char *notify_transition(const struct nsh_value *answer, const char *wanted);
/* Whether an issue of Jira's search knows this token already. */
bool notify_issue_knows(const struct nsh_value *issue, const char *token);

/* ---- mail (notify_codec_mail.c) ---- */

/* An RFC 5322 message with CRLF and the "." that ends DATA. Nothing from outside can begin a
 * header, or end the message. */
int notify_mail(struct nsh_pool *pool, const struct notify_notice *notice, const char *from,
                const char *const *to, char **ret_mail, struct nsh_error *err);
/* "user@host.example": what may stand between < and > of an SMTP command. */
bool notify_address_good(const char *address);
/* The list in text, with commas: NULL-terminated, at most NOTIFY_ADDRESSES_MAX. */
#define NOTIFY_ADDRESSES_MAX 20
int notify_addresses(struct nsh_pool *pool, const char *text, const char ***ret_list,
                     struct nsh_error *err);

/* One whole reply of an SMTP server at the beginning of bytes. Bytes it has; 0: more must come; -1:
 * that is none. text: its lines as one, cut. */
#define NOTIFY_REPLY_BYTES_MAX 8192
#define NOTIFY_REPLY_TEXT_MAX 256
struct notify_reply {
    int status;
    bool starttls, auth_plain, auth_login, eight_bit; /* Words of a 250 answer to EHLO. */
    char text[NOTIFY_REPLY_TEXT_MAX];
};
long notify_reply_read(const char *bytes, size_t bytes_count, struct notify_reply *ret_reply);

#endif
