/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system event log of a BMC: the newest LAB_SEL_MAX records, as the 16 bytes that IPMI sends,
 * and how it misbehaves when it is told to.
 */

#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLOCK_NEVER_SET 1000 /* Seconds since the BMC started. */

uint32_t lab_sel_clock(const struct lab_bmc *bmc)
{
    return (uint32_t)(lab_clock_unix_ms() / 1000 + bmc->sel_clock_s);
}

static void u32_write(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

void lab_sel_put(struct lab_bmc *bmc, const uint8_t record[16])
{
    static const uint8_t no_time[4] = {0};
    uint16_t room = bmc->sel_room == 0 ? LAB_SEL_MAX : bmc->sel_room;

    if (bmc->sel == NULL) {
        bmc->sel = calloc(LAB_SEL_MAX, sizeof *bmc->sel);
        if (bmc->sel == NULL) {
            return;
        }
    }
    if (bmc->sel_count >= room) {
        bmc->sel_overflow = true;
        memmove(bmc->sel, bmc->sel + 1, (room - 1u) * sizeof *bmc->sel);
        bmc->sel_count = (uint16_t)(room - 1u);
    }
    uint8_t *own = bmc->sel[bmc->sel_count++];
    memcpy(own, record, 16);
    bmc->sel_added_s = lab_sel_clock(bmc);
    if (own[0] == 0 && own[1] == 0) {
        if (++bmc->sel_next_id == 0xffff) {
            bmc->sel_next_id = 1;
        }
        own[0] = (uint8_t)bmc->sel_next_id;
        own[1] = (uint8_t)(bmc->sel_next_id >> 8);
    }
    if (own[2] < 0xe0 && memcmp(own + 3, no_time, sizeof no_time) == 0) {
        u32_write(own + 3, bmc->sel_added_s);
    }
}

void lab_sel_add(struct lab_bmc *bmc, uint8_t sensor_type, uint8_t sensor_number, uint8_t offset,
                 bool asserted)
{
    const uint8_t record[16] = {
        [2] = 0x02,         [7] = 0x20,           [9] = 0x04,
        [10] = sensor_type, [11] = sensor_number, [12] = (uint8_t)(0x6f | (asserted ? 0x00 : 0x80)),
        [13] = offset,      [14] = 0xff,          [15] = 0xff,
    };
    lab_sel_put(bmc, record);
}

void lab_sel_clear(struct lab_bmc *bmc)
{
    bmc->sel_count = 0;
    bmc->sel_overflow = false;
    bmc->sel_erased_s = lab_sel_clock(bmc);
    bmc->sel_reservation++; /* Whoever had one lost it. */
}

static bool hex_read(const char *text, uint8_t record[16])
{
    for (size_t i = 0; i < 16; i++, text += 2) {
        unsigned value = 0;
        int used = 0;
        if (sscanf(text, "%2x%n", &value, &used) != 1 || used != 2) {
            return false;
        }
        record[i] = (uint8_t)value;
    }
    return *text == '\0';
}

bool lab_sel_command(struct lab_bmc *bmc, const char *word, const char *argument)
{
    uint8_t record[16];
    bool well = strcmp(word, "well") == 0;

    if (strcmp(word, "add") == 0) {
        bool good = hex_read(argument, record);
        if (good) {
            lab_sel_put(bmc, record);
        }
        return good;
    }
    if (strcmp(word, "clear") == 0) {
        lab_sel_clear(bmc);
    } else if (strcmp(word, "restart-ids") == 0) {
        lab_sel_clear(bmc);
        bmc->sel_next_id = 0;
    } else if (strcmp(word, "room") == 0) {
        long room = strtol(argument, NULL, 10);
        if (room < bmc->sel_count || room < 1 || room > LAB_SEL_MAX) {
            return false;
        }
        bmc->sel_room = (uint16_t)room;
    } else if (strcmp(word, "clock") == 0) {
        bmc->sel_clock_s = strtoll(argument, NULL, 10);
    } else if (strcmp(word, "clock-unset") == 0) {
        bmc->sel_clock_s = CLOCK_NEVER_SET - lab_clock_unix_ms() / 1000;
    } else if (well || strcmp(word, "halves") == 0 || strcmp(word, "lost") == 0) {
        bmc->sel_halves = !well;
        bmc->sel_lost = strcmp(word, "lost") == 0;
    } else {
        return false;
    }
    return true;
}
