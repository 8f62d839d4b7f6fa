/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that the lab's BMCs know: a table of netfn, command, privilege and function. */

#include "lab.h"

#include <stdio.h>
#include <string.h>

struct call {
    struct lab_bmc *bmc;
    struct lab_ipmi_session *session; /* NULL outside of one. */
    const struct ipmi_message *request;
    uint8_t *data; /* After the completion code. */
    bool close;
};

/* A command: returns the bytes of data it filled, or the negative completion code. */
typedef int command_fn(struct call *call);

static uint8_t call_byte(const struct call *call, size_t index)
{
    return index < call->request->data_bytes ? call->request->data[index] : 0;
}

static int call_answer(const struct call *call, const void *bytes, size_t bytes_count)
{
    memcpy(call->data, bytes, bytes_count);
    return (int)bytes_count;
}

/* ---- App -------------------------------------------------------------------------------- */

static int app_device_id(struct call *call)
{
    static const uint8_t answer[] = {0x20, 0x81, 0x02, 0x10, 0x02, 0xbf, 0xa2, 0x02,
                                     0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00};
    return call_answer(call, answer, sizeof answer);
}

static int app_cold_reset(struct call *call)
{
    struct lab_bmc *bmc = call->bmc;

    lab_ledger_add(bmc->lab, bmc->hosts, "ipmi", "bmc cold reset", "00", "bmc-reset");
    lab_ipmi_forget(bmc); /* As real ones do: no answer comes. */
    return -IPMI_CC_UNSPECIFIED;
}

static int app_guid(struct call *call)
{
    lab_world_guid(call->bmc->hosts, call->data);
    return 16;
}

static int app_auth_capabilities(struct call *call)
{
    bool extended = (call_byte(call, 0) & 0x80) != 0;
    const uint8_t answer[] = {
        0x01,
        extended ? 0x80 : 0x00, /* RMCP+ and nothing else. */
        0x04,                   /* Non-null user names. */
        extended ? 0x02 : 0x00,
        0,
        0,
        0,
        0,
    };
    return call->request->data_bytes < 2 ? -IPMI_CC_LENGTH
                                         : call_answer(call, answer, sizeof answer);
}

static int app_cipher_suites(struct call *call)
{
    static const uint8_t suites[] = {0xc0, 17, 0x03, 0x44, 0x81, 0xc0, 3, 0x01, 0x41, 0x81};
    size_t offset = (size_t)(call_byte(call, 2) & 0x3f) * 16;
    size_t count = offset >= sizeof suites ? 0 : sizeof suites - offset;

    call->data[0] = 0x01;
    memcpy(call->data + 1, suites + (count == 0 ? 0 : offset), count);
    return (int)count + 1;
}

static int app_set_privilege(struct call *call)
{
    uint8_t asked = call_byte(call, 0) & 0x0f;

    if (asked == 0) {
        asked = call->session->privilege;
    }
    if (asked < IPMI_USER || asked > IPMI_ADMINISTRATOR) {
        return -IPMI_CC_INVALID_DATA;
    }
    if (asked > call->session->privilege_max) {
        return -0x81; /* Not available for this user. */
    }
    call->session->privilege = asked;
    call->data[0] = asked;
    return 1;
}

static int app_close(struct call *call)
{
    const uint8_t *id = call->request->data;
    uint32_t own = call->session->bmc_id;

    if (call->request->data_bytes < 4) {
        return -IPMI_CC_LENGTH;
    }
    if (((uint32_t)id[0] | (uint32_t)id[1] << 8 | (uint32_t)id[2] << 16 | (uint32_t)id[3] << 24) !=
        own) {
        return -0x87; /* Invalid session id. */
    }
    call->close = true;
    return 0;
}

static int app_self_test(struct call *call)
{
    static const uint8_t passed[] = {0x55, 0x00};
    return call_answer(call, passed, sizeof passed);
}

/* ---- Chassis ---------------------------------------------------------------------------- */

static int chassis_capabilities(struct call *call)
{
    static const uint8_t answer[] = {0x00, 0x20, 0x20, 0x20, 0x20};
    return call_answer(call, answer, sizeof answer);
}

static int chassis_status(struct call *call)
{
    struct lab_host *host = call->bmc->hosts;
    unsigned power = lab_physics_shown(host);
    bool on = power == LAB_ON || power == LAB_TURNING_OFF;
    const uint8_t answer[] = {
        (uint8_t)(0x40 | (on ? 0x01 : 0x00)),
        0x10,
        (uint8_t)(0x40 | (lab_physics_lit(host) ? 0x10 : 0x00)),
    };
    return call_answer(call, answer, sizeof answer);
}

static int chassis_control(struct call *call)
{
    static const struct {
        enum lab_order order;
        const char *name;
    } orders[] = {
        {LAB_ORDER_OFF, "chassis power down"},       {LAB_ORDER_ON, "chassis power up"},
        {LAB_ORDER_CYCLE, "chassis power cycle"},    {LAB_ORDER_RESET, "chassis hard reset"},
        {LAB_ORDER_NMI, "chassis pulse diagnostic"}, {LAB_ORDER_SOFT_OFF, "chassis soft shutdown"},
    };
    struct lab_host *host = call->bmc->hosts;
    unsigned power = lab_physics_shown(host);
    uint8_t index = call_byte(call, 0) & 0x0f;

    if (call->request->data_bytes < 1) {
        return -IPMI_CC_LENGTH;
    }
    if (index >= sizeof orders / sizeof orders[0]) {
        return -IPMI_CC_INVALID_DATA;
    }
    bool needs_power = orders[index].order == LAB_ORDER_CYCLE ||
                       orders[index].order == LAB_ORDER_RESET ||
                       orders[index].order == LAB_ORDER_SOFT_OFF;
    if (needs_power && (power == LAB_OFF || power == LAB_TURNING_OFF)) {
        lab_ledger_add(call->bmc->lab, host, "ipmi", orders[index].name, "d5", "none");
        return -IPMI_CC_STATE;
    }
    lab_physics_order(host, orders[index].order, "ipmi", orders[index].name, "00");
    return 0;
}

static int chassis_identify(struct call *call)
{
    uint8_t seconds = call->request->data_bytes == 0 ? 15 : call_byte(call, 0);
    bool forced = (call_byte(call, 1) & 0x01) != 0;

    lab_physics_identify(call->bmc->hosts, seconds != 0 || forced, forced ? 0 : seconds * 1000,
                         "ipmi");
    return 0;
}

static int chassis_restart_cause(struct call *call)
{
    static const uint8_t answer[] = {0x01, 0x01};
    return call_answer(call, answer, sizeof answer);
}

static int chassis_set_boot(struct call *call)
{
    lab_ledger_add(call->bmc->lab, call->bmc->hosts, "ipmi", "set boot options", "00", "boot");
    return 0;
}

static int chassis_get_boot(struct call *call)
{
    const uint8_t answer[] = {0x01, call_byte(call, 0), 0, 0, 0, 0, 0};
    return call_answer(call, answer, sizeof answer);
}

/* ---- Storage ---------------------------------------------------------------------------- */

static int sel_info(struct call *call)
{
    const struct lab_bmc *bmc = call->bmc;
    uint16_t room = bmc->sel_room == 0 ? LAB_SEL_MAX : bmc->sel_room;
    uint16_t free_bytes = (uint16_t)((room - bmc->sel_count) * 16);
    uint32_t added = bmc->sel_added_s == 0 ? UINT32_MAX : bmc->sel_added_s;
    uint32_t erased = bmc->sel_erased_s;
    const uint8_t answer[] = {
        0x51,
        (uint8_t)bmc->sel_count,
        (uint8_t)(bmc->sel_count >> 8),
        (uint8_t)free_bytes,
        (uint8_t)(free_bytes >> 8),
        (uint8_t)added,
        (uint8_t)(added >> 8),
        (uint8_t)(added >> 16),
        (uint8_t)(added >> 24),
        (uint8_t)erased,
        (uint8_t)(erased >> 8),
        (uint8_t)(erased >> 16),
        (uint8_t)(erased >> 24),
        (uint8_t)(0x02 | (bmc->sel_overflow ? 0x80 : 0x00)),
    };

    return call_answer(call, answer, sizeof answer);
}

static int sel_reserve(struct call *call)
{
    const uint8_t answer[] = {++call->bmc->sel_reservation, 0x00};
    return call_answer(call, answer, sizeof answer);
}

/* Parts of records are given under a reservation alone. */
static int sel_refuses(const struct call *call)
{
    const struct lab_bmc *bmc = call->bmc;
    bool whole = call_byte(call, 4) == 0 && call_byte(call, 5) >= 16;
    bool reserved = call_byte(call, 0) == bmc->sel_reservation && call_byte(call, 1) == 0;

    if (whole && bmc->sel_halves) {
        return IPMI_CC_COUNT;
    }
    return !whole && (bmc->sel_lost || !reserved) ? IPMI_CC_RESERVATION : IPMI_CC_OK;
}

/* The part that was asked for, after the id of the next record. */
static int sel_part(struct call *call, const uint8_t record[16])
{
    size_t offset = call_byte(call, 4), count = call_byte(call, 5);

    if (offset >= 16) {
        return -IPMI_CC_RANGE;
    }
    count = count > 16 - offset ? 16 - offset : count;
    memcpy(call->data + 2, record + offset, count);
    return (int)(2 + count);
}

static int sel_entry(struct call *call)
{
    const struct lab_bmc *bmc = call->bmc;
    uint16_t asked = (uint16_t)(call_byte(call, 2) | call_byte(call, 3) << 8);

    if (call->request->data_bytes < 6) {
        return -IPMI_CC_LENGTH;
    }
    if (sel_refuses(call) != IPMI_CC_OK) {
        return -sel_refuses(call);
    }
    for (size_t i = 0; i < bmc->sel_count; i++) {
        uint16_t id = (uint16_t)(bmc->sel[i][0] | bmc->sel[i][1] << 8);
        bool last = i + 1 == bmc->sel_count;
        if (!(asked == 0 || id == asked || (asked == 0xffff && last))) {
            continue;
        }
        memset(call->data, 0xff, 2);
        if (!last) {
            memcpy(call->data, bmc->sel[i + 1], 2);
        }
        return sel_part(call, bmc->sel[i]);
    }
    return -IPMI_CC_NOT_PRESENT;
}

static int sel_clear(struct call *call)
{
    if (call->request->data_bytes < 6 || memcmp(call->request->data + 2, "CLR", 3) != 0) {
        return -IPMI_CC_INVALID_DATA;
    }
    if (call_byte(call, 5) == 0xaa) {
        lab_sel_clear(call->bmc);
        lab_ledger_add(call->bmc->lab, call->bmc->hosts, "ipmi", "clear SEL", "00", "sel-clear");
    }
    call->data[0] = 0x01; /* Erasure completed. */
    return 1;
}

static int sel_time(struct call *call)
{
    uint32_t time_s = lab_sel_clock(call->bmc);
    const uint8_t answer[] = {(uint8_t)time_s, (uint8_t)(time_s >> 8), (uint8_t)(time_s >> 16),
                              (uint8_t)(time_s >> 24)};
    return call_answer(call, answer, sizeof answer);
}

/* The BMC itself, for clients that must have read one, and names for what the lab can break. */
static const uint8_t sdr_bmc[] = {0x01, 0x00, 0x51, 0x12, 0x0e, 0x20, 0x00, 0x00, 0xbf, 0x00,
                                  0x00, 0x00, 0x06, 0x01, 0x00, 0xc3, 'B',  'M',  'C'};
static const uint8_t sdr_memory[] = {0x02, 0x00, 0x51, 0x03, 0x13, 0x20, 0x00, 0x01,
                                     0x20, 0x01, 0x0c, 0x6f, 0x00, 0x00, 0x00, 0x00,
                                     0xc7, 'D',  'I',  'M',  'M',  ' ',  'A',  '1'};
static const uint8_t sdr_watchdog[] = {0x03, 0x00, 0x51, 0x03, 0x14, 0x20, 0x00, 0x02, 0x06,
                                       0x01, 0x23, 0x6f, 0x00, 0x00, 0x00, 0x00, 0xc8, 'W',
                                       'a',  't',  'c',  'h',  'd',  'o',  'g'};
static const uint8_t sdr_psu[] = {0x04, 0x00, 0x51, 0x03, 0x11, 0x20, 0x00, 0x03, 0x0a, 0x01, 0x08,
                                  0x6f, 0x00, 0x00, 0x00, 0x00, 0xc5, 'P',  'S',  'U',  ' ',  '1'};
static const struct {
    const uint8_t *bytes;
    size_t bytes_count;
} sdr_records[] = {
    {sdr_bmc, sizeof sdr_bmc},
    {sdr_memory, sizeof sdr_memory},
    {sdr_watchdog, sizeof sdr_watchdog},
    {sdr_psu, sizeof sdr_psu},
};
#define SDR_RECORDS_COUNT (sizeof sdr_records / sizeof sdr_records[0])

static int sdr_info(struct call *call)
{
    static const uint8_t answer[] = {0x51, SDR_RECORDS_COUNT, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0,
                                     0x22};
    return call_answer(call, answer, sizeof answer);
}

static int sdr_get(struct call *call)
{
    uint16_t asked = (uint16_t)(call_byte(call, 2) | call_byte(call, 3) << 8);
    size_t offset = call_byte(call, 4), count = call_byte(call, 5);

    if (call->request->data_bytes < 6) {
        return -IPMI_CC_LENGTH;
    }
    size_t index = asked == 0xffff ? SDR_RECORDS_COUNT - 1 : asked == 0 ? 0 : asked - 1u;
    if (index >= SDR_RECORDS_COUNT) {
        return -IPMI_CC_NOT_PRESENT;
    }
    size_t whole = sdr_records[index].bytes_count;
    if (offset >= whole) {
        return -IPMI_CC_RANGE;
    }
    count = count > whole - offset ? whole - offset : count;
    memset(call->data, 0xff, 2);
    if (index + 1 < SDR_RECORDS_COUNT) {
        memcpy(call->data, sdr_records[index + 1].bytes, 2);
    }
    memcpy(call->data + 2, sdr_records[index].bytes + offset, count);
    return (int)count + 2;
}

static int sdr_reserve(struct call *call)
{
    static const uint8_t answer[] = {0x01, 0x00};
    return call_answer(call, answer, sizeof answer);
}

/* ---- the table -------------------------------------------------------------------------- */

#define ANYBODY 0 /* Also outside of a session. */

static const struct command {
    uint8_t netfn, command, privilege;
    command_fn *run;
} commands[] = {
    {IPMI_NETFN_CHASSIS, 0x00, IPMI_USER, chassis_capabilities},
    {IPMI_NETFN_CHASSIS, 0x01, IPMI_USER, chassis_status},
    {IPMI_NETFN_CHASSIS, 0x02, IPMI_OPERATOR, chassis_control},
    {IPMI_NETFN_CHASSIS, 0x04, IPMI_OPERATOR, chassis_identify},
    {IPMI_NETFN_CHASSIS, 0x07, IPMI_USER, chassis_restart_cause},
    {IPMI_NETFN_CHASSIS, 0x08, IPMI_OPERATOR, chassis_set_boot},
    {IPMI_NETFN_CHASSIS, 0x09, IPMI_OPERATOR, chassis_get_boot},
    {IPMI_NETFN_APP, 0x01, IPMI_USER, app_device_id},
    {IPMI_NETFN_APP, 0x02, IPMI_ADMINISTRATOR, app_cold_reset},
    {IPMI_NETFN_APP, 0x04, IPMI_USER, app_self_test},
    {IPMI_NETFN_APP, 0x08, IPMI_USER, app_guid},
    {IPMI_NETFN_APP, 0x37, ANYBODY, app_guid},
    {IPMI_NETFN_APP, 0x38, ANYBODY, app_auth_capabilities},
    {IPMI_NETFN_APP, 0x54, ANYBODY, app_cipher_suites},
    {IPMI_NETFN_APP, 0x3b, IPMI_USER, app_set_privilege},
    {IPMI_NETFN_APP, 0x3c, IPMI_USER, app_close},
    {IPMI_NETFN_STORAGE, 0x20, IPMI_USER, sdr_info},
    {IPMI_NETFN_STORAGE, 0x22, IPMI_USER, sdr_reserve},
    {IPMI_NETFN_STORAGE, 0x23, IPMI_USER, sdr_get},
    {IPMI_NETFN_STORAGE, 0x40, IPMI_USER, sel_info},
    {IPMI_NETFN_STORAGE, 0x42, IPMI_USER, sel_reserve},
    {IPMI_NETFN_STORAGE, 0x43, IPMI_USER, sel_entry},
    {IPMI_NETFN_STORAGE, 0x47, IPMI_OPERATOR, sel_clear},
    {IPMI_NETFN_STORAGE, 0x48, IPMI_USER, sel_time},
};

static const struct command *command_find(uint8_t netfn, uint8_t command)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (commands[i].netfn == netfn && commands[i].command == command) {
            return &commands[i];
        }
    }
    return NULL;
}

size_t lab_ipmi_command(struct lab_bmc *bmc, struct lab_ipmi_session *session,
                        const struct ipmi_message *request, uint8_t data[IPMI_DATA_MAX],
                        bool *ret_close)
{
    const struct command *command = command_find(request->netfn, request->command);
    struct call call = {.bmc = bmc, .session = session, .request = request, .data = data + 1};

    if (command == NULL) {
        data[0] = IPMI_CC_INVALID_COMMAND;
        return 1;
    }
    uint8_t privilege = session == NULL ? ANYBODY : session->privilege;
    if (command->privilege > privilege) {
        data[0] = IPMI_CC_PRIVILEGE;
        if (command->run == chassis_control) {
            lab_ledger_add(bmc->lab, bmc->hosts, "ipmi", "chassis control", "d4", "none");
        }
        return session == NULL ? 0 : 1;
    }
    bool setup = command->privilege == ANYBODY || command->run == app_set_privilege ||
                 command->run == app_close;
    if ((bmc->modes & LAB_BUSY) != 0 && !setup) {
        data[0] = IPMI_CC_BUSY;
        return 1;
    }
    int count = command->run(&call);
    *ret_close = call.close;
    if (bmc->swallow) {
        bmc->swallow = false;
        return 0;
    }
    data[0] = count < 0 ? (uint8_t)-count : IPMI_CC_OK;
    return count < 0 ? 1 : 1u + (size_t)count;
}
