/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_MAP_SOURCE_MAP_PRIVATE_H
#define SOURCE_MAP_SOURCE_MAP_PRIVATE_H

/* What the reader and the runner of maps share. */

#include "cel/cel.h"
#include "source/map/source_map.h"

enum source_key {
#define SOURCE_KEY(NAME, word, wanted, help) SOURCE_KEY_##NAME,
#include "source/map/source_keys.def"
#undef SOURCE_KEY
    SOURCE_KEYS_COUNT
};

enum source_wanted {
    SOURCE_WANTS_TEXT,
    SOURCE_WANTS_BOOL,
    SOURCE_WANTS_LIST,
    SOURCE_WANTS_TIME,
    SOURCE_WANTS_DATA,
};

extern const struct source_key_row {
    const char *word;
    enum source_wanted wanted;
} source_key_rows[SOURCE_KEYS_COUNT];

/* The variables of every expression. */
enum source_variable {
    SOURCE_VAR_BODY,
    SOURCE_VAR_ITEM,
    SOURCE_VAR_HEADERS,
    SOURCE_VAR_SOURCE,
    SOURCE_VAR_OUTER,
    SOURCE_VARS_COUNT
};

struct source_choices {
    struct cel_program *programs[SOURCE_CHOICES_MAX];
    uint32_t count;
};

struct source_rule {
    struct source_choices keys[SOURCE_KEYS_COUNT];
    const char *ignore; /* Why messages that it takes are left out; NULL: they are not. */
};

struct source_map {
    struct source_rule rules[SOURCE_RULES_MAX];
    uint32_t rules_count;
};

#endif
