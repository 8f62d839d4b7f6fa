/* SPDX-License-Identifier: Apache-2.0 */
#include "trap_pet.h"

#define BODY_BYTES_MIN                                                                             \
    46 /* All fields before the OEM ones; the record says 47, senders without OEM fields stop      \
          here. */

static const uint32_t oid_pet[] = {1, 3, 6, 1, 4, 1, 3183, 1, 1};
#define OID_PET_COUNT (sizeof oid_pet / sizeof oid_pet[0])

static uint32_t big_endian(const uint8_t *bytes, size_t count)
{
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static void read_body(struct pet *pet, struct text body)
{
    const uint8_t *at = (const uint8_t *)body.at;
    memcpy(pet->guid, at, sizeof pet->guid);
    pet->sequence = (uint16_t)big_endian(at + 16, 2);
    pet->seconds = big_endian(at + 18, 4);
    uint16_t utc_offset = (uint16_t)big_endian(at + 22, 2);
    pet->has_utc_offset = utc_offset != 0xffff;
    pet->utc_offset_min = (int16_t)utc_offset;
    pet->trap_source = at[24];
    pet->event_source = at[25];
    pet->severity = at[26];
    pet->sensor_device = at[27];
    pet->sensor_number = at[28];
    pet->entity = at[29];
    pet->entity_instance = at[30];
    memcpy(pet->event_data, at + 31, sizeof pet->event_data);
    pet->language = at[39];
    pet->manufacturer = big_endian(at + 40, 4);
    pet->system = (uint16_t)big_endian(at + 44, 2);
    uint32_t oem = BODY_BYTES_MIN;
    while (oem < body.count && oem < BODY_BYTES_MIN + PET_OEM_BYTES_MAX && at[oem] != 0xc1) {
        oem++;
    }
    pet->oem = (struct text){body.at + BODY_BYTES_MIN, oem - BODY_BYTES_MIN};
    pet->has_body = true;
}

bool pet_decode(const struct trap *trap, struct pet *ret_pet)
{
    struct trap_oid oid = trap->trap_oid;
    if (oid.count < OID_PET_COUNT + 1 || oid.count > OID_PET_COUNT + 2 ||
        memcmp(oid.arcs, oid_pet, sizeof oid_pet) != 0) {
        return false;
    }
    uint32_t specific = oid.arcs[oid.count - 1];
    if (specific > 0xffffff || (oid.count == OID_PET_COUNT + 2 && oid.arcs[OID_PET_COUNT] != 0)) {
        return false;
    }
    memset(ret_pet, 0, sizeof *ret_pet);
    ret_pet->sensor_type = (uint8_t)(specific >> 16);
    ret_pet->event_type = (uint8_t)(specific >> 8);
    ret_pet->deasserted = (specific & 0x80) != 0;
    ret_pet->offset = specific & 0x0f;
    if (trap->varbinds_count > 0 && trap->varbinds[0].type == TRAP_OCTETS &&
        trap->varbinds[0].octets.count >= BODY_BYTES_MIN) {
        read_body(ret_pet, trap->varbinds[0].octets);
    }
    return true;
}

const char *pet_sensor_word(uint8_t sensor_type)
{
    static const char *const words[] = {
        [0x01] = "temperature",
        [0x02] = "voltage",
        [0x03] = "current",
        [0x04] = "fan",
        [0x05] = "chassis",
        [0x06] = "security",
        [0x07] = "processor",
        [0x08] = "power-supply",
        [0x09] = "power-unit",
        [0x0a] = "cooling",
        [0x0b] = "other-units",
        [0x0c] = "memory",
        [0x0d] = "drive",
        [0x0e] = "post-memory",
        [0x0f] = "post",
        [0x10] = "event-log",
        [0x11] = "watchdog-1",
        [0x12] = "system-event",
        [0x13] = "interrupt",
        [0x14] = "button",
        [0x15] = "board",
        [0x16] = "microcontroller",
        [0x17] = "add-in-card",
        [0x18] = "chassis",
        [0x19] = "chip-set",
        [0x1a] = "fru",
        [0x1b] = "cable",
        [0x1c] = "terminator",
        [0x1d] = "system-boot",
        [0x1e] = "boot-error",
        [0x1f] = "os-boot",
        [0x20] = "os-stop",
        [0x21] = "slot",
        [0x22] = "acpi-power-state",
        [0x23] = "watchdog",
        [0x24] = "platform-alert",
        [0x25] = "entity-presence",
        [0x26] = "monitor",
        [0x27] = "lan",
        [0x28] = "management",
        [0x29] = "battery",
        [0x2a] = "session-audit",
        [0x2b] = "version-change",
        [0x2c] = "fru-state",
    };
    if (sensor_type >= 0xc0) {
        return "oem";
    }
    return sensor_type < sizeof words / sizeof words[0] && words[sensor_type] != NULL
               ? words[sensor_type]
               : "sensor";
}

const char *pet_entity_word(uint8_t entity)
{
    static const char *const words[] = {
        [3] = "processor",
        [4] = "disk",
        [5] = "peripheral-bay",
        [6] = "management-module",
        [7] = "system-board",
        [8] = "memory-module",
        [9] = "processor-module",
        [10] = "power-supply",
        [11] = "add-in-card",
        [12] = "front-panel",
        [13] = "back-panel",
        [14] = "power-system-board",
        [15] = "drive-backplane",
        [19] = "power-unit",
        [20] = "power-module",
        [21] = "power-distribution",
        [23] = "chassis",
        [26] = "disk-bay",
        [29] = "fan",
        [30] = "cooling-unit",
        [32] = "memory-device",
        [34] = "firmware",
        [35] = "operating-system",
        [39] = "external-environment",
        [40] = "battery",
        [55] = "air-inlet",
        [64] = "air-inlet",
        [65] = "processor",
    };
    return entity < sizeof words / sizeof words[0] ? words[entity] : NULL;
}
