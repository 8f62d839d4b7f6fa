/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a webhook: what the table cannot say, and reading them when it opens. */

#include "webhook_private.h"

#include "loop/drivers.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const encodings[] = {"hex", "base64", NULL};
static const char *const algorithms[] = {"SHA256", "SHA384", "SHA512", NULL};
static const char *const schemes[] = {"hmac", "sns", NULL};

static const struct nsh_option signature_options[] = {
    {.name = "scheme",
     .type = NSH_STRING,
     .preset = "hmac",
     .choices = schemes,
     .help = "hmac: with a key that both know; sns: Amazon SNS, by its certificate"},
    {.name = "header", .type = NSH_STRING, .preset = "X-Signature", .help = "Where it stands"},
    {.name = "algorithm",
     .type = NSH_STRING,
     .preset = "SHA256",
     .choices = algorithms,
     .help = "The hash"},
    {.name = "encoding",
     .type = NSH_STRING,
     .preset = "hex",
     .choices = encodings,
     .help = "How it is written"},
    {.name = "prefix", .type = NSH_STRING, .preset = "", .help = "In front of it: \"sha256=\""},
    {.name = "list",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "Several, by comma: one has to fit"},
    {.name = "timestamp",
     .type = NSH_STRING,
     .help = "The header with the time that is signed, in seconds; without it only the body is"},
    {.name = "lead", .type = NSH_STRING, .preset = "", .help = "Signed in front of the time"},
    {.name = "join", .type = NSH_STRING, .preset = ":", .help = "Between time and body"},
};

const struct nsh_option webhook_options[WEBHOOK_OPTIONS_COUNT] = {
    {.name = "tokens",
     .type = NSH_LIST,
     .help = "Secrets of \"Authorization: Bearer\"; one of them: [\"file:am.token\"]"},
    {.name = "logins",
     .type = NSH_LIST,
     .help = "Secrets \"user:password\" of \"Authorization: Basic\"; one of them, or of tokens"},
    {.name = "keys",
     .type = NSH_LIST,
     .help = "Secrets that sign the body; several, so that one can be replaced"},
    {.name = "signature",
     .type = NSH_MAP,
     .help = "How it is signed; preset by the format: { header = \"X-Hook-Signature\"; algorithm = "
             "\"SHA512\"; }"},
    {.name = "replay",
     .type = NSH_DURATION,
     .preset = "5m",
     .min = "10s",
     .max = "1d",
     .help = "How old a signature with a time may be, and how long it is not taken twice"},
    {.name = "networks", .type = NSH_LIST, .help = "May send: [\"10.0.0.0/8\", \"::1\"]"},
    {.name = "clients",
     .type = NSH_LIST,
     .help = "Names in the client's certificate, one of them, globs; needs api.tls_clients"},
    {.name = "topics",
     .type = NSH_LIST,
     .help = "ARNs of Amazon SNS that are taken, globs; needed for its signature"},
    {.name = "confirm",
     .type = NSH_BOOL,
     .preset = "true",
     .help = "Confirm subscriptions of these topics"},
    {.name = "sns_certificate",
     .type = NSH_SECRET,
     .help = "The certificate that signs (PEM), for a daemon that cannot fetch it"},
    {.name = "anyone",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "Take it from anyone: without it a webhook needs one of the above"},
    {.name = "body_bytes_max",
     .type = NSH_INT,
     .preset = "1048576",
     .min = "1024",
     .max = "67108864",
     .help = "Longest body; api.body_bytes_max counts too"},
};

/* ---- the signature ------------------------------------------------------------------------- */

/* That of the source, else the format's, checked; members in arena. */
static int signature_read(const struct source_config *config, struct arena *arena,
                          struct webhook_signature *ret_signature, struct nsh_error *err)
{
    const struct nsh_value *own = nsh_get(&config->settings, "signature");
    struct nsh_value given = nsh_null(), checked;
    struct webhook_signature signature = {.scheme = WEBHOOK_UNSIGNED};
    if (own != NULL && own->type == NSH_MAP) {
        given = *own;
    } else if (config->format.signature != NULL &&
               !conf_value(config->format.signature, arena, &given)) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (given.type != NSH_MAP) {
        given = nsh_map(NULL, 0);
    } else {
        signature.scheme = WEBHOOK_HMAC;
    }
    int result =
        options_check(signature_options, sizeof signature_options / sizeof signature_options[0],
                      &given, NULL, NULL, arena, &checked, err);
    if (result < 0) {
        return nsh_wrap(err, "signature");
    }
    if (strcmp(nsh_get_text(&checked, "scheme", ""), "sns") == 0) {
        signature.scheme = WEBHOOK_SNS;
    } else if (nsh_get(&config->settings, "keys") != NULL) {
        signature.scheme = WEBHOOK_HMAC;
    } else {
        signature.scheme = WEBHOOK_UNSIGNED; /* The format could be signed; nobody has a key. */
    }
    signature.header = nsh_get_text(&checked, "header", "");
    signature.algorithm = nsh_get_text(&checked, "algorithm", "");
    signature.prefix = nsh_get_text(&checked, "prefix", "");
    signature.base64 = strcmp(nsh_get_text(&checked, "encoding", ""), "base64") == 0;
    signature.list = nsh_get_bool(&checked, "list", false);
    signature.timestamp = nsh_get_text(&checked, "timestamp", NULL);
    signature.lead = nsh_get_text(&checked, "lead", "");
    signature.join = nsh_get_text(&checked, "join", "");
    *ret_signature = signature;
    return 0;
}

/* ---- lists of texts ------------------------------------------------------------------------ */

static size_t list_count(const struct source_config *config, const char *key)
{
    const struct nsh_value *list = nsh_get(&config->settings, key);
    return list != NULL && list->type == NSH_LIST ? list->count : 0;
}

static const char *list_text(const struct source_config *config, const char *key, size_t index)
{
    const struct nsh_value *list = nsh_get(&config->settings, key);
    const struct nsh_value *item = &list->items[index];
    return item->type == NSH_STRING && item->count > 0 ? item->text : NULL;
}

static void check_list(const struct source_config *config, const char *key, size_t count_max,
                       struct diags *diags)
{
    size_t count = list_count(config, key);
    bool texts = count <= count_max;
    for (size_t i = 0; texts && i < count; i++) {
        texts = list_text(config, key, i) != NULL;
    }
    if (!texts) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, key), NULL,
                 "'%s' must be an array of at most %zu texts", key, count_max);
    }
}

void webhook_check(const struct source_config *config, struct diags *diags)
{
    static const char *const guards[] = {"tokens", "logins", "keys", "networks", "clients"};
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct webhook_signature signature = {0};
    struct peer_networks networks = {.count = 0};
    struct nsh_error err = {0};
    size_t before = diags->errors_count;
    bool guarded = nsh_get_bool(&config->settings, "anyone", false);
    for (size_t i = 0; i < sizeof guards / sizeof guards[0]; i++) {
        check_list(config, guards[i],
                   i == 3   ? WEBHOOK_NETWORKS_MAX
                   : i == 4 ? WEBHOOK_NAMES_MAX
                            : WEBHOOK_KEYS_MAX,
                   diags);
        guarded = guarded || list_count(config, guards[i]) > 0;
    }
    check_list(config, "topics", WEBHOOK_NAMES_MAX, diags);
    if (diags->errors_count > before) {
        return;
    }
    for (size_t i = 0; i < list_count(config, "networks"); i++) {
        if (peer_networks_add(&networks, list_text(config, "networks", i), &err) < 0) {
            diag_add(diags, DIAG_ERROR, source_key_place(config, "networks"), NULL, "%s", err.text);
        }
    }
    if (signature_read(config, &arena, &signature, &err) < 0) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, "signature"), NULL, "%s", err.text);
        return;
    }
    bool sns = signature.scheme == WEBHOOK_SNS;
    if (sns && list_count(config, "topics") == 0) {
        diag_add(diags, DIAG_ERROR, config->at,
                 "topics = [\"arn:aws:sns:eu-west-1:123456789012:*\"]",
                 "without 'topics' anyone with an account could send through SNS");
    }
    if (!guarded && !sns) {
        diag_add(diags, DIAG_ERROR, config->at,
                 "tokens = [\"file:NAME.token\"]; or keys, logins, networks, clients; or "
                 "anyone = true",
                 "webhook %s would take events from anyone", config->name);
    }
}

/* ---- opening ------------------------------------------------------------------------------- */

static int secrets_read(struct webhook *webhook, const struct source_config *config,
                        const char *key, struct webhook_secrets *secrets, struct nsh_error *err)
{
    for (size_t i = 0; i < list_count(config, key); i++) {
        struct webhook_secret *secret = &secrets->items[secrets->count];
        int result = webhook->services->secret(webhook->services->arg, list_text(config, key, i),
                                               &webhook->arena, &secret->text, err);
        if (result < 0) {
            return nsh_wrap(err, "%s", key);
        }
        secret->count = (uint32_t)strlen(secret->text);
        if (secret->count == 0 || !webhook_digest(secret->text, secret->count, secret->digest)) {
            return nsh_fail(err, NSH_INVALID, "%s: an empty secret", key);
        }
        secrets->count++;
    }
    return 0;
}

static int sns_open(struct webhook *webhook, const struct source_config *config,
                    struct nsh_error *err)
{
    const char *reference = nsh_get_text(&config->settings, "sns_certificate", NULL);
    size_t count = list_count(config, "topics");
    const char **topics = arena_array(&webhook->arena, count + 1, sizeof *topics);
    struct sns_options options = {.topics = topics,
                                  .topics_count = count,
                                  .confirm = nsh_get_bool(&config->settings, "confirm", true),
                                  .fetch = webhook_fetch};
    if (topics == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        topics[i] = list_text(config, "topics", i);
    }
    if (reference != NULL &&
        webhook->services->secret(webhook->services->arg, reference, &webhook->arena,
                                  &options.certificate, err) < 0) {
        return nsh_wrap(err, "sns_certificate");
    }
    return sns_new(&options, &webhook->sns, err);
}

int webhook_read(struct webhook *webhook, const struct source_config *config, struct nsh_error *err)
{
    int result = signature_read(config, &webhook->arena, &webhook->signature, err);
    result = result < 0 ? result : secrets_read(webhook, config, "tokens", &webhook->tokens, err);
    result = result < 0 ? result : secrets_read(webhook, config, "logins", &webhook->logins, err);
    result = result < 0 ? result : secrets_read(webhook, config, "keys", &webhook->keys, err);
    if (result < 0) {
        return result;
    }
    for (size_t i = 0; result == 0 && i < list_count(config, "networks"); i++) {
        result = peer_networks_add(&webhook->networks, list_text(config, "networks", i), err);
    }
    if (result < 0) {
        return result;
    }
    for (size_t i = 0; i < list_count(config, "clients"); i++) {
        webhook->names[webhook->names_count++] = list_text(config, "clients", i);
    }
    webhook->replay_ms = nsh_get_int(&config->settings, "replay", 0);
    webhook->body_bytes_max = (uint32_t)nsh_get_int(&config->settings, "body_bytes_max", 0);
    return webhook->signature.scheme == WEBHOOK_SNS ? sns_open(webhook, config, err) : 0;
}
