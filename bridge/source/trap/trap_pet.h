/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_TRAP_TRAP_PET_H
#define SOURCE_TRAP_TRAP_PET_H

/* IPMI Platform Event Trap: the specific trap number and its one varbind, field by field. */

#include "trap.h"

#define PET_OEM_BYTES_MAX 64

struct pet {
    uint8_t sensor_type, event_type, offset; /* offset 15: unspecified */
    bool deasserted;
    bool has_body;    /* The varbind was there and long enough; else only the four above are set. */
    uint8_t guid[16]; /* As sent: the order of the first three fields varies by vendor. */
    uint16_t sequence;
    uint32_t seconds; /* Since 1998-01-01, local; 0: unspecified */
    bool has_utc_offset;
    int16_t utc_offset_min;
    uint8_t trap_source, event_source, severity, sensor_device, sensor_number, entity,
        entity_instance;
    uint8_t event_data[8];
    uint8_t language;
    uint32_t manufacturer;
    uint16_t system;
    struct text oem; /* Up to the terminator 0xC1. */
};

#define PET_EPOCH_S 883612800 /* 1998-01-01 00:00:00 UTC in Unix seconds */

/* Whether trap is one: enterprise 1.3.6.1.4.1.3183.1.1, enterprise specific. Fills ret_pet when it
 * is. */
bool pet_decode(const struct trap *trap, struct pet *ret_pet);

const char *pet_sensor_word(
    uint8_t sensor_type); /* "memory"; "oem" above 0xBF, "sensor" for what is not in the table */
const char *pet_entity_word(uint8_t entity); /* "processor"; NULL: not in the table */

#endif
