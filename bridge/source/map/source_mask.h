/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_MAP_SOURCE_MASK_H
#define SOURCE_MAP_SOURCE_MASK_H

#include "abi/value.h"
#include "base/arena.h"

/* What may be kept of value: "left out" stands where members have names of secrets (password,
 * auth_token, psk), but for labels. What is not changed is borrowed, the rest in arena. False: no
 * memory. */
bool source_mask(const struct nsh_value *value, struct arena *arena, struct nsh_value *ret_value);

#endif
