/* SPDX-License-Identifier: Apache-2.0 */
#include "model/record.h"

#include "base/assert.h"

static const char *const words[] = {
#define RECORD(NAME, word, load, audit, keep_days, help) word,
#include "model/records.def"
#undef RECORD
};

const char *record_word(enum record_kind kind)
{
    NSH_ASSERT(kind < RECORDS_COUNT);
    return words[kind];
}

int record_kind_of(struct text word)
{
    for (int i = 0; i < RECORDS_COUNT; i++) {
        if (text_is(word, words[i])) {
            return i;
        }
    }
    return -1;
}
