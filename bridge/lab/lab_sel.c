/* SPDX-License-Identifier: Apache-2.0 */
/* The system event log of a BMC: the newest LAB_SEL_MAX records, as the 16 bytes that IPMI sends.
 */

#include "lab.h"

#include <stdlib.h>
#include <string.h>

void lab_sel_add(struct lab_bmc *bmc, uint8_t sensor_type, uint8_t sensor_number, uint8_t offset,
                 bool asserted)
{
    if (bmc->sel == NULL) {
        bmc->sel = calloc(LAB_SEL_MAX, sizeof *bmc->sel);
        if (bmc->sel == NULL) {
            return;
        }
    }
    if (bmc->sel_count == LAB_SEL_MAX) {
        memmove(bmc->sel, bmc->sel + 1, (LAB_SEL_MAX - 1) * sizeof *bmc->sel);
        bmc->sel_count--;
    }
    uint8_t *record = bmc->sel[bmc->sel_count++];
    uint32_t time_s = (uint32_t)(lab_clock_unix_ms() / 1000);
    if (++bmc->sel_next_id == 0xffff) {
        bmc->sel_next_id = 1;
    }
    const uint8_t bytes[16] = {
        (uint8_t)bmc->sel_next_id,
        (uint8_t)(bmc->sel_next_id >> 8),
        0x02,
        (uint8_t)time_s,
        (uint8_t)(time_s >> 8),
        (uint8_t)(time_s >> 16),
        (uint8_t)(time_s >> 24),
        0x20,
        0x00,
        0x04,
        sensor_type,
        sensor_number,
        (uint8_t)(0x6f | (asserted ? 0x00 : 0x80)),
        offset,
        0xff,
        0xff,
    };
    memcpy(record, bytes, sizeof bytes);
}

void lab_sel_clear(struct lab_bmc *bmc)
{
    bmc->sel_count = 0;
}
