/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

/* nightshift.conf: a table of keys (config_keys.def), read with all mistakes at once. */

#include "api/api.h"
#include "base/confscan.h"
#include "policy/policy.h"
#include "series/signals.h"
#include "source/map/source_type.h"
#include "source/metrics/scrape.h"
#include "source/trap/trap.h"

#define MS_PER_S 1000
#define MS_PER_HOUR (60 * 60 * MS_PER_S)
#define MS_PER_DAY (24 * INT64_C(60) * 60 * MS_PER_S)

struct config_texts {
    const char *const *items;
    const struct nsh_place *places;
    size_t count;
};

/* A driver with its settings that serves verbs without a host. */
struct config_service {
    const char *driver; /* NULL: not configured. */
    struct nsh_value settings;
    struct nsh_place at;
};

/* Further ones, which a step names: with = { to = "NAME"; }. */
struct config_receiver {
    const char *name;
    const char *place; /* "to/NAME": its part of a device's name. */
    struct config_service service;
};
struct config_receivers {
    const struct config_receiver *items;
    size_t count;
};

struct config_users {
    const struct trap_user *items; /* Secrets are references. */
    const struct nsh_place *places;
    size_t count;
};

struct config_tokens {
    const struct api_token *items; /* The same. */
    size_t count;
};

#define CONFIG_FIELD_PATH(field) const char *field;
#define CONFIG_FIELD_TEXT(field) const char *field;
#define CONFIG_FIELD_INT(field) int64_t field;
#define CONFIG_FIELD_BOOL(field) bool field;
#define CONFIG_FIELD_SIZE(field) int64_t field;
#define CONFIG_FIELD_DURATION(field) int64_t field;
#define CONFIG_FIELD_TEXTS(field) struct config_texts field;
#define CONFIG_FIELD_SERVICE(field) struct config_service field;
#define CONFIG_FIELD_RECEIVERS(field) struct config_receivers field;
#define CONFIG_FIELD_USERS(field) struct config_users field;
#define CONFIG_FIELD_TOKENS(field) struct config_tokens field;
#define CONFIG_FIELD_SCRAPE(field) struct scrape_jobs field;
#define CONFIG_FIELD_SIGNALS(field) struct signals field;
#define CONFIG_FIELD_SOURCES(field) struct source_configs field;
#define CONFIG_FIELD_POLICY(field)

/* Immutable once read; everything in it lives in its arena. */
struct config {
    struct arena arena;
    const char *file;
    struct policy_defaults policy; /* The groups `defaults` and `guards`. */
#define CONFIG(path, TYPE, field, preset, min, max, help) CONFIG_FIELD_##TYPE(field)
#include "config_keys.def"
#undef CONFIG
};

/* NULL when diags got an error. */
struct config *config_load(const char *file, struct diags *diags);
struct config *config_load_text(const char *name, const char *text, struct diags *diags);
void config_free(struct config *config);

/* The file with every key at its default, commented: etc/nightshift.conf is this. */
void config_example(struct textbuf *out);

/* Keys that a running daemon cannot change and whose values differ: "api.socket, store.path", or
 * empty. */
void config_fixed_differ(const struct config *now, const struct config *then, struct textbuf *out);

/* The receiver of that name, or NULL. */
const struct config_receiver *config_receiver(const struct config *config, const char *name);

/* A secret by its reference, as fleet_secret() with this configuration's folder. arg: the struct
 * config; fits drivers_secret_fn. */
int config_secret(void *arg, const char *reference, struct arena *arena, const char **ret_secret,
                  struct nsh_error *err);

/* User number index with its secrets in place of their references; texts in arena. */
int config_user_resolve(struct config *config, size_t index, struct arena *arena,
                        struct trap_user *ret_user, struct nsh_error *err);

/* "0x80001f88..." as bytes; false: that is no engine id. */
bool config_engine_id(const char *text, uint8_t id[TRAP_ENGINE_BYTES_MAX], size_t *ret_count);

#endif
