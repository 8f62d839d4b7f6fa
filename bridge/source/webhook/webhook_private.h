/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_WEBHOOK_WEBHOOK_PRIVATE_H
#define SOURCE_WEBHOOK_WEBHOOK_PRIVATE_H

/* What the webhook's files share. */

#include "loop/peer_address.h"
#include "source/webhook/webhook.h"

#include <pthread.h>

enum webhook_scheme { WEBHOOK_UNSIGNED, WEBHOOK_HMAC, WEBHOOK_SNS };

/* How a body is signed: data, of the format or of the source. */
struct webhook_signature {
    enum webhook_scheme scheme;
    const char *header;    /* "X-Hook-Signature" */
    const char *algorithm; /* "SHA256", "SHA384", "SHA512" */
    const char *prefix;    /* "sha256=", "v1="; "" none */
    bool base64;           /* Else hexadecimal. */
    bool list;             /* Several signatures, by comma: one has to fit. */
    const char *timestamp; /* Header with seconds; NULL: none is signed. */
    const char *lead;      /* What is signed: lead, timestamp, join, body. */
    const char *join;
};

struct webhook_secret {
    const char *text;
    uint32_t count;
    uint8_t digest[WEBHOOK_DIGEST_BYTES]; /* Compared instead of the text: of one length. */
};

struct webhook_secrets {
    struct webhook_secret items[WEBHOOK_KEYS_MAX];
    size_t count;
};

struct webhook_seen_slot {
    int64_t until_ms;
    uint8_t digest[WEBHOOK_DIGEST_BYTES];
};

struct sns;

struct webhook {
    struct arena arena; /* Secrets; wiped. */
    const struct source_services *services;
    struct webhook_secrets tokens, logins, keys;
    struct webhook_signature signature;
    struct peer_networks networks;
    const char *names[WEBHOOK_NAMES_MAX];
    size_t names_count;
    int64_t replay_ms;
    uint32_t body_bytes_max;
    pthread_mutex_t lock; /* Of what follows. */
    struct webhook_seen_slot *seen;
    size_t seen_next;
    struct sns *sns; /* WEBHOOK_SNS */
};

/* ---- webhook_read.c ---- */

#define WEBHOOK_OPTIONS_COUNT 12
extern const struct nsh_option webhook_options[WEBHOOK_OPTIONS_COUNT];
void webhook_check(const struct source_config *config, struct diags *diags);
/* Everything of config, with the secrets themselves. */
int webhook_read(struct webhook *webhook, const struct source_config *config,
                 struct nsh_error *err);

/* ---- webhook_auth.c: pure ---- */

bool webhook_network_holds(const struct peer_networks *networks, const char *peer);
bool webhook_digest(const void *bytes, size_t count, uint8_t digest[WEBHOOK_DIGEST_BYTES]);
/* Does the request carry a signature by one of keys? NSH_AUTH, NSH_STALE. */
int webhook_signed(const struct webhook_signature *signature, const struct webhook_secrets *keys,
                   int64_t window_ms, const struct webhook_request *request,
                   struct webhook_ticket *ret_ticket, struct nsh_error *err);
/* A token of "Authorization: Bearer", or user and password of "Basic". */
bool webhook_authorized(const struct webhook_secrets *tokens, const struct webhook_secrets *logins,
                        const char *header);

/* ---- webhook_sns.c ---- */

/*
 * One message of Amazon SNS: signed with the key of a certificate that lies at an address of SNS.
 * The certificate is fetched once, on a thread of its own (webhook_fetch.c); until it is there the
 * sender is asked to come again. A confirmed subscription is one whose message was signed, of a
 * topic that is configured.
 */
struct sns_options {
    const char *const *topics; /* ARNs, globs */
    size_t topics_count;
    const char *certificate; /* PEM to use instead of fetching; NULL */
    bool confirm;
    /* Fetch url on another thread, then call sns_fetched(), or sns_confirmed() (confirm). */
    int (*fetch)(void *arg, struct sns *sns, const char *url, bool confirm);
    void *arg;
};

int sns_new(const struct sns_options *options, struct sns **ret_sns, struct nsh_error *err);
struct sns *sns_ref(struct sns *sns); /* Any thread. */
void sns_unref(struct sns *sns);
/* NSH_INVALID, NSH_AUTH, NSH_DENIED (topic), NSH_BUSY */
int sns_admit(struct sns *sns, const char *body, size_t body_bytes, struct nsh_error *err);
void sns_fetched(struct sns *sns, const char *url, const char *pem, const char *failed);
void sns_confirmed(struct sns *sns, const char *failed);
/* https://sns.REGION.amazonaws.com[.cn]/..., of the path a certificate (certificate) or any has. */
bool sns_url_fits(const char *url, bool certificate);
/* What SNS signs of a message, appended to out; false: a member is missing. */
bool sns_signed_text(const struct nsh_value *message, struct textbuf *out);
void sns_doctor(struct sns *sns, struct nsh_checks *checks);

/* ---- webhook_fetch.c ---- */

/* Starts a thread; it holds a reference of sns. -NSH_NOMEM */
int webhook_fetch(void *arg, struct sns *sns, const char *url, bool confirm);

#endif
