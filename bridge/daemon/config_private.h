/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CONFIG_PRIVATE_H
#define DAEMON_CONFIG_PRIVATE_H

/* What the readers of the configuration share: the table, and where values go. */

#include "config.h"

enum config_type {
    CONFIG_PATH,
    CONFIG_TEXT,
    CONFIG_INT,
    CONFIG_BOOL,
    CONFIG_SIZE,
    CONFIG_DURATION,
    CONFIG_TEXTS,
    CONFIG_SERVICE,
    CONFIG_RECEIVERS,
    CONFIG_USERS,
    CONFIG_TOKENS,
    CONFIG_SIGNALS,
    CONFIG_SOURCES,
    CONFIG_SCRAPE,
    CONFIG_POLICY, /* Read by bridge/policy; the row is its documentation. */
};

#define CONFIG_OFFSET_PATH(field) offsetof(struct config, field)
#define CONFIG_OFFSET_TEXT(field) offsetof(struct config, field)
#define CONFIG_OFFSET_INT(field) offsetof(struct config, field)
#define CONFIG_OFFSET_BOOL(field) offsetof(struct config, field)
#define CONFIG_OFFSET_SIZE(field) offsetof(struct config, field)
#define CONFIG_OFFSET_DURATION(field) offsetof(struct config, field)
#define CONFIG_OFFSET_TEXTS(field) offsetof(struct config, field)
#define CONFIG_OFFSET_SERVICE(field) offsetof(struct config, field)
#define CONFIG_OFFSET_RECEIVERS(field) offsetof(struct config, field)
#define CONFIG_OFFSET_USERS(field) offsetof(struct config, field)
#define CONFIG_OFFSET_TOKENS(field) offsetof(struct config, field)
#define CONFIG_OFFSET_SCRAPE(field) offsetof(struct config, field)
#define CONFIG_OFFSET_SIGNALS(field) offsetof(struct config, field)
#define CONFIG_OFFSET_SOURCES(field) offsetof(struct config, field)
#define CONFIG_OFFSET_POLICY(field) 0

struct config_row {
    const char *path;
    enum config_type type;
    size_t offset;
    const char *preset;
    int64_t min, max;
    const char *help;
};

extern const struct config_row config_rows[];
extern const size_t config_rows_count;

size_t config_group_bytes(const char *path); /* Of the part before the dot; 0: none. */

struct config_reader {
    struct config *config;
    struct diags *diags;
};

/* A group with `driver` and its settings; those of `but`, NULL-terminated, are none. */
struct config_service config_read_service(struct config_reader *reader, struct conf *setting,
                                          const char *const *but);
struct config_receivers config_read_receivers(struct config_reader *reader, struct conf *setting);
struct config_users config_read_users(struct config_reader *reader, struct conf *setting);
struct source_configs config_read_sources(struct config_reader *reader, struct conf *setting);
struct config_tokens config_read_tokens(struct config_reader *reader, struct conf *setting);

#endif
