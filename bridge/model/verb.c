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
#define BINDING(NAME, word, help) word,
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

const char *binding_word(enum binding_kind kind)
{
    NSH_ASSERT(kind < BINDINGS_COUNT);
    return binding_words[kind];
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
