/* SPDX-License-Identifier: Apache-2.0 */
/* The vocabulary: verbs, bindings, effects. */

#include "model/verb.h"

#include "base/assert.h"

static const struct verb verbs[] = {
#define VERB(verb_name, verb_effect, verb_restores, verb_binding, verb_verify, verb_proof,         \
             verb_completes, verb_help)                                                            \
    {                                                                                              \
        .name = (verb_name),                                                                       \
        .effect = (verb_effect),                                                                   \
        .restores = (verb_restores),                                                               \
        .binding = BINDING_##verb_binding,                                                         \
        .verify = (verb_verify),                                                                   \
        .proof = (verb_proof),                                                                     \
        .completes = (verb_completes),                                                             \
        .help = (verb_help),                                                                       \
    },
#include "model/verbs.def"
#undef VERB
};

static const char *const binding_words[] = {
#define BINDING(NAME, word, verbs, help) word,
#include "model/bindings.def"
#undef BINDING
};

static const char *const verbs_words[] = {
#define BINDING(NAME, word, verbs, help) verbs,
#include "model/bindings.def"
#undef BINDING
};

static const char *const effect_words[] = {"reads", "changes", "interrupts", "destroys"};

const struct verb *verb_at(size_t index)
{
    return index < sizeof verbs / sizeof verbs[0] ? &verbs[index] : NULL;
}

const struct verb *verb_find(struct text name)
{
    for (size_t i = 0; verb_at(i) != NULL; i++) {
        if (text_is(name, verbs[i].name)) {
            return &verbs[i];
        }
    }
    return NULL;
}

/* The verb of each row of verb_args, in the same order. */
static const char *const verb_args_verbs[] = {
#define VERB_ARG(verb_name, arg_name, arg_type, arg_min, arg_max, arg_help) verb_name,
#include "model/verb_args.def"
#undef VERB_ARG
};

static const struct nsh_option verb_args_rows[] = {
#define VERB_ARG(verb_name, arg_name, arg_type, arg_min, arg_max, arg_help)                        \
    {                                                                                              \
        .name = (arg_name),                                                                        \
        .type = (arg_type),                                                                        \
        .min = (arg_min),                                                                          \
        .max = (arg_max),                                                                          \
        .help = (arg_help),                                                                        \
    },
#include "model/verb_args.def"
#undef VERB_ARG
};

bool verb_args(const struct verb *verb, const struct nsh_option **ret_args, size_t *ret_count)
{
    size_t rows = sizeof verb_args_rows / sizeof verb_args_rows[0], first = 0, count = 0;
    while (first < rows && strcmp(verb_args_verbs[first], verb->name) != 0) {
        first++;
    }
    while (first + count < rows && strcmp(verb_args_verbs[first + count], verb->name) == 0) {
        count++;
    }
    if (count == 0) {
        return false;
    }
    bool nothing = verb_args_rows[first].name == NULL;
    NSH_ASSERT(!nothing || count == 1);
    *ret_args = &verb_args_rows[first];
    *ret_count = nothing ? 0 : count;
    return true;
}

const char *binding_word(enum binding_kind kind)
{
    NSH_ASSERT(kind < BINDINGS_COUNT);
    return binding_words[kind];
}

const char *binding_verbs(enum binding_kind kind)
{
    NSH_ASSERT(kind < BINDINGS_COUNT);
    return verbs_words[kind];
}

int binding_of(struct text word)
{
    for (int i = 0; i < BINDINGS_COUNT; i++) {
        if (text_is(word, binding_words[i])) {
            return i;
        }
    }
    return -1;
}

const char *effect_word(enum nsh_effect effect)
{
    NSH_ASSERT(effect <= NSH_DESTROYS);
    return effect_words[effect];
}
