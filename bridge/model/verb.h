/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_VERB_H
#define MODEL_VERB_H

/* The vocabulary of verbs and bindings: what a policy may ask for, and what the engine must know of
 * it. */

#include "abi/driver.h"
#include "base/text.h"

enum binding_kind {
#define BINDING(NAME, word, verbs, help) BINDING_##NAME,
#include "model/bindings.def"
#undef BINDING
    BINDINGS_COUNT
};

struct verb {
    const char *name; /* "power.cycle", or "redfish.set_power_limit" for a verb of one driver */
    enum nsh_effect effect;
    bool restores;
    enum binding_kind binding;
    const char *verify, *proof, *completes; /* NULL: none. proof is "member=text". */
    const char *driver;                     /* NULL: the binding chooses. */
    const char *help;
};

/* The verb of that name, or NULL. Only the driver-less verbs of verbs.def. */
const struct verb *verb_find(struct text name);
const struct verb *verb_at(size_t index); /* NULL past the end. */
/*
 * What a verb takes from a policy, by any driver (model/verb_args.def). False: not known here, the
 * driver checks it.
 */
bool verb_args(const struct verb *verb, const struct nsh_option **ret_args, size_t *ret_count);
const char *binding_word(enum binding_kind kind);
const char *binding_verbs(enum binding_kind kind); /* "power" for BINDING_BMC; "" for NONE. */
int binding_of(struct text word);                  /* enum binding_kind, or -1 */
const char *effect_word(enum nsh_effect effect); /* "reads", "changes", "interrupts", "destroys" */

#endif
