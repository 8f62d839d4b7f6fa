/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_RECORD_H
#define MODEL_RECORD_H

/*
 * Records: what the engine wants kept. The store keeps the newest body for each (kind, id); the
 * kinds marked as a log in records.def also append to the audit trail. Restart hands the living
 * ones back to the engine.
 */

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum record_kind {
#define RECORD(NAME, word, load, audit, keep_days, help) RECORD_##NAME,
#include "model/records.def"
#undef RECORD
    RECORDS_COUNT
};

struct record {
    enum record_kind kind;
    bool remove; /* The object is gone: delete its row. */
    bool covers; /* It says all that the version before it said. */
    bool live;   /* Part of the state: loaded at restart, exempt from retention. */
    int64_t time_ms;
    struct text id;
    struct text host;   /* Empty: none. */
    struct text policy; /* Of decisions and runs: its name; else empty. */
    struct text state;  /* The word people filter by: "raised", "running", "refused". */
    struct text body;   /* A JSON object. */
};

const char *record_word(enum record_kind kind);
int record_kind_of(struct text word); /* or -1 */

#endif
