/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_POLICY_KEYS_H
#define POLICY_POLICY_KEYS_H

/*
 * The keys of policy files as tables: one row a key. A new key is a new row (and, when no kind
 * fits, a function that reads it).
 */

#include "base/confscan.h"

struct policy_loader;

enum policy_key_kind {
    KEY_TEXT,      /* const char *; min..max bytes */
    KEY_NAME,      /* const char *; letters, digits, '-', '_', '.' */
    KEY_WORD,      /* an enum; words */
    KEY_DURATION,  /* int64_t of milliseconds; min..max */
    KEY_COUNT,     /* uint32_t; min..max */
    KEY_BOOL,      /* bool */
    KEY_CONDITION, /* struct policy_condition, a boolean */
    KEY_VALUE,     /* struct policy_condition, any type */
    KEY_READ,      /* by the row's function */
};

#define KEY_REQUIRED 0x1u
/* Of a step: which kinds of step the key belongs to. None of them: all. */
#define KEY_OF_ACT 0x10u
#define KEY_OF_CHECK 0x20u
#define KEY_OF_WAIT 0x40u
#define KEY_OF_WINDOW 0x80u
#define KEY_OF_ASK 0x100u
#define KEY_OF_ANY (KEY_OF_ACT | KEY_OF_CHECK | KEY_OF_WAIT | KEY_OF_WINDOW | KEY_OF_ASK)

struct policy_key {
    const char *name;
    enum policy_key_kind kind;
    uint32_t flags;
    size_t offset; /* In the object that is read. */
    int64_t min, max;
    const char *const *words; /* KEY_WORD: NULL-terminated, in the order of the enum. */
    void (*read)(struct policy_loader *loader, struct conf *setting, void *object); /* KEY_READ */
    const char *example; /* "subject = \"host\"": what to write when it is missing. */
    const char *help;
};

struct policy_keys {
    const char *where; /* "a policy", "when": for messages. */
    const struct policy_key *rows;
    size_t count;
};

extern const struct policy_keys policy_keys_policy, policy_keys_when, policy_keys_branch,
    policy_keys_limits, policy_keys_step, policy_keys_defaults, policy_keys_defaults_step,
    policy_keys_guards, policy_keys_brake, policy_keys_approve, policy_keys_veto, policy_keys_hold,
    policy_keys_function, policy_keys_param;

extern const char *const policy_mode_words[]; /* In the order of enum policy_mode. */

/* Every setting of group through its row, in the order of the file; unknown and missing ones are
 * told. */
void policy_keys_read(struct policy_loader *loader, struct conf *group,
                      const struct policy_keys *keys, void *object);

/* False, after a diagnostic: setting is not of that type. */
bool policy_is(struct policy_loader *loader, struct conf *setting, enum conf_type type,
               const char *example);

/* The row of that name, or NULL. */
const struct policy_key *policy_key_of(const struct policy_keys *keys, const char *name);

#endif
