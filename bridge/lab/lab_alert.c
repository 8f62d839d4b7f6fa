/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a BMC says of a fault: IPMI BMCs a Platform Event Trap (one octet string with everything in
 * it), Redfish BMCs an iDRAC alert (trap numbers and objects of IDRAC-MIB-SMIv2).
 */

#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PET_EPOCH_S 883612800 /* 1998-01-01 00:00 UTC */
#define PET_EVENT_SPECIFIC 0x6f

static const uint32_t pet_enterprise[] = {1, 3, 6, 1, 4, 1, 3183, 1, 1};
static const uint32_t idrac_enterprise[] = {1, 3, 6, 1, 4, 1, 674, 10892, 5, 3, 2, 1};
static const uint32_t idrac_objects[] = {1, 3, 6, 1, 4, 1, 674, 10892, 5, 3, 1};

static const struct alert {
    uint8_t sensor_type, offset, severity;
    uint16_t raise, clear;
    const char *fqdd, *raise_text, *clear_text;
} alerts[LAB_FAULTS_COUNT] = {
#define LAB_FAULT(NAME, word, cure, type, offset, severity, raise, clear, fqdd, raise_text,        \
                  clear_text)                                                                      \
    [LAB_FAULT_##NAME] = {type, offset, severity, raise, clear, fqdd, raise_text, clear_text},
#include "lab_faults.def"
#undef LAB_FAULT
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void trap_begin(const struct lab_host *host, struct lab_trap *trap, const uint32_t *oid,
                       size_t oid_count)
{
    const struct lab *lab = host->bmc->lab;

    memset(trap, 0, sizeof *trap);
    trap->from = host->bmc->address.sin_addr;
    memcpy(trap->enterprise, oid, oid_count * sizeof *oid);
    trap->enterprise_count = (uint8_t)oid_count;
    trap->uptime = (uint32_t)((lab_clock_now_ms(lab) - lab->start_ms) / 10 + 1);
}

static struct lab_varbind *trap_add(struct lab_trap *trap, const uint32_t *oid, size_t oid_count)
{
    struct lab_varbind *varbind = &trap->varbinds[trap->varbinds_count++];

    memcpy(varbind->oid, oid, oid_count * sizeof *oid);
    varbind->oid_count = (uint8_t)oid_count;
    return varbind;
}

static void trap_add_text(struct lab_trap *trap, const uint32_t *base, size_t base_count,
                          uint32_t last, const char *text)
{
    struct lab_varbind *varbind = trap_add(trap, base, base_count);
    size_t count = strnlen(text, LAB_TRAP_TEXT_MAX);

    varbind->oid[varbind->oid_count++] = last;
    memcpy(varbind->bytes, text, count);
    varbind->bytes_count = (uint8_t)count;
}

static void put_be(uint8_t *at, uint32_t value, size_t bytes_count)
{
    while (bytes_count > 0) {
        at[--bytes_count] = (uint8_t)value;
        value >>= 8;
    }
}

static void alert_pet(struct lab_host *host, const struct alert *alert, unsigned number, bool raise)
{
    struct lab_trap trap;
    uint8_t pet[47] = {0};
    static const uint32_t object[] = {1, 3, 6, 1, 4, 1, 3183, 1, 1, 1};

    trap_begin(host, &trap, pet_enterprise, COUNT(pet_enterprise));
    trap.as_v1 = true;
    trap.specific = (uint32_t)alert->sensor_type << 16 | PET_EVENT_SPECIFIC << 8 |
                    (raise ? 0u : 0x80u) | alert->offset;
    lab_world_guid(host, pet);
    put_be(pet + 16, ++host->bmc->pet_sequence, 2);
    put_be(pet + 18, (uint32_t)(lab_clock_unix_ms() / 1000 - PET_EPOCH_S), 4);
    pet[24] = 0x20; /* Trap source: IPMI. */
    pet[25] = 0x20;
    pet[26] = raise ? alert->severity : 0x04;
    pet[27] = 0x20; /* The BMC. */
    pet[28] = (uint8_t)(number + 1);
    pet[29] = 0x20; /* Entity: memory device; 0x0A power supply; 0x07 system board. */
    pet[30] = 0x01;
    pet[31] = alert->offset;
    pet[32] = pet[33] = 0xff;
    pet[39] = 0x19; /* English. */
    put_be(pet + 40, 674, 4);
    put_be(pet + 44, 0x0100, 2);
    pet[46] = 0xc1; /* No more fields. */
    if (alert->sensor_type != 0x0c) {
        pet[29] = alert->sensor_type == 0x08 ? 0x0a : 0x07;
    }
    struct lab_varbind *varbind = trap_add(&trap, object, COUNT(object));
    memcpy(varbind->bytes, pet, sizeof pet);
    varbind->bytes_count = sizeof pet;
    lab_trap_send(host->bmc->lab, &trap);
}

static void alert_idrac(struct lab_host *host, const struct alert *alert, bool raise)
{
    struct lab_trap trap;
    static const char *const ids[LAB_FAULTS_COUNT][2] = {
        [LAB_FAULT_MEMORY] = {"MEM0001", "MEM0000"},
        [LAB_FAULT_HUNG] = {"ASR0000", "OSE1002"},
        [LAB_FAULT_PSU] = {"PSU0001", "PSU0000"},
    };
    const char *const texts[] = {
        ids[alert - alerts][raise ? 0 : 1],
        raise ? alert->raise_text : alert->clear_text,
        NULL,
        host->serial,
        host->name,
        alert->fqdd,
        alert->fqdd,
    };

    trap_begin(host, &trap, idrac_enterprise, COUNT(idrac_enterprise));
    trap.specific = raise ? alert->raise : alert->clear;
    for (uint32_t i = 0; i < COUNT(texts); i++) {
        if (texts[i] != NULL) {
            trap_add_text(&trap, idrac_objects, COUNT(idrac_objects), i + 1, texts[i]);
            continue;
        }
        struct lab_varbind *status = trap_add(&trap, idrac_objects, COUNT(idrac_objects));
        status->oid[status->oid_count++] = i + 1;
        status->is_integer = true;
        status->integer = raise ? 5 : 3; /* critical, ok */
    }
    for (size_t i = 0; i < trap.varbinds_count; i++) { /* Scalars: the instance is 0. */
        trap.varbinds[i].oid[trap.varbinds[i].oid_count++] = 0;
    }
    lab_trap_send(host->bmc->lab, &trap);
}

void lab_alert_fault(struct lab_host *host, enum lab_fault fault, bool raise)
{
    lab_redfish_tell(host, fault, raise);
    if (host->bmc->lab->options.trap_to == NULL || (host->bmc->modes & LAB_DEAD) != 0) {
        return;
    }
    if (host->bmc->kind == LAB_IPMI) {
        alert_pet(host, &alerts[fault], fault, raise);
    } else {
        alert_idrac(host, &alerts[fault], raise);
    }
    lab_ledger_add(host->bmc->lab, host, "trap", lab_fault_words[fault], raise ? "raise" : "clear",
                   "none");
}

bool lab_alert_custom(struct lab_host *host, const char *oid, const char *text)
{
    uint32_t numbers[LAB_TRAP_OID_MAX];
    size_t count = 0;
    struct lab_trap trap;

    while (*oid != '\0' && count < LAB_TRAP_OID_MAX) {
        char *end = NULL;
        unsigned long number = strtoul(oid, &end, 10);
        if (end == oid || number > UINT32_MAX || (*end != '.' && *end != '\0')) {
            return false;
        }
        numbers[count++] = (uint32_t)number;
        oid = *end == '.' ? end + 1 : end;
    }
    if (*oid != '\0' || count < 4 || count > LAB_TRAP_OID_MAX - 3 || numbers[count - 2] != 0) {
        return false;
    }
    trap_begin(host, &trap, numbers, count - 2);
    trap.specific = numbers[count - 1];
    if (text != NULL) {
        trap_add_text(&trap, numbers, count - 2, 1, text);
        trap.varbinds[0].oid[trap.varbinds[0].oid_count++] = 0;
    }
    lab_trap_send(host->bmc->lab, &trap);
    lab_ledger_add(host->bmc->lab, host, "trap", "custom", text == NULL ? "" : text, "none");
    return true;
}
