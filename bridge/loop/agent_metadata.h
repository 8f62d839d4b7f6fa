/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_AGENT_METADATA_H
#define LOOP_AGENT_METADATA_H

/*
 * What a fence agent says of itself (`-o metadata`, the XML of FenceAgentAPI): bytes to values.
 * Pure, fuzzed.
 */

#include "abi/error.h"
#include "base/arena.h"

#define AGENT_PARAMETERS_MAX 160
#define AGENT_CHOICES_MAX 32

struct agent_parameter {
    const char *name;
    const char *type;           /* "string", "boolean", "integer", "second", "select" */
    const char *preset;         /* NULL: none */
    const char *help;           /* "" when it says nothing */
    const char *const *choices; /* Of a select; NULL-terminated, or NULL. */
    bool required, deprecated;
};

struct agent_metadata {
    const char *summary;
    const struct agent_parameter *parameters;
    size_t parameters_count;
    bool on, off, status, monitor, list;
};

/* In arena. -NSH_PROTOCOL: this is no metadata; -NSH_LIMIT: more parameters than the maximum. */
int agent_metadata_read(const char *xml, size_t bytes, struct arena *arena,
                        struct agent_metadata *ret_metadata, struct nsh_error *err);

#endif
