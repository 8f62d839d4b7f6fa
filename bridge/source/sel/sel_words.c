/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the specification. */

#include "sel_record.h"

#define SPECIFIC 0x6f

struct words {
    uint8_t key, offset;
    const char *text;
};

#define SEL_TYPE(type, text)
#define SEL_GENERIC(type, offset, text) {type, offset, text},
#define SEL_SPECIFIC(type, offset, text)
static const struct words generic[] = {
#include "sel_words.def"
};
#undef SEL_GENERIC
#undef SEL_SPECIFIC
#define SEL_GENERIC(type, offset, text)
#define SEL_SPECIFIC(type, offset, text) {type, offset, text},
static const struct words specific[] = {
#include "sel_words.def"
};
#undef SEL_TYPE
#undef SEL_SPECIFIC
#define SEL_TYPE(type, text) {type, 0, text},
#define SEL_SPECIFIC(type, offset, text)
static const struct words types[] = {
#include "sel_words.def"
};
#undef SEL_TYPE
#undef SEL_GENERIC
#undef SEL_SPECIFIC

static const char *find(const struct words *rows, size_t count, uint8_t key, uint8_t offset)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].key == key && rows[i].offset == offset) {
            return rows[i].text;
        }
    }
    return "";
}

const char *sel_type_words(uint8_t sensor_type)
{
    return find(types, sizeof types / sizeof types[0], sensor_type, 0);
}

const char *sel_event_words(const struct sel_record *record)
{
    if (!record->of_sensor) {
        return "";
    }
    return record->event_type == SPECIFIC ? find(specific, sizeof specific / sizeof specific[0],
                                                 record->sensor_type, record->offset)
                                          : find(generic, sizeof generic / sizeof generic[0],
                                                 record->event_type, record->offset);
}
