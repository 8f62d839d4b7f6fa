/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipmi.sensors: how sensors are called, out of the SDR repository. Nine bytes of each record tell
 * whether it is one of those asked for, so a repository costs a request for each of its records,
 * and one or two more for each name. Bounds: RECORDS_MAX records, and the caller's time: what is
 * not found by then has no name.
 */

#include "ipmi_sel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SDR_RESERVE 0x22
#define SDR_GET 0x23
#define HEAD_BYTES 9     /* id, version, type, length, owner, LUN, number, entity */
#define HEAD_BYTES_MIN 5 /* Of a record that has no more. */
#define RECORDS_MAX 4096
#define MARGIN_MS 1000
#define NAME_BYTES (1 + SENSOR_NAME_BYTES)
#define PIECE_BYTES 8
#define ID_END 0xffff

struct sensor_row {
    char name[2 * SENSOR_NAME_BYTES + 1];
    uint8_t entity;
    bool found;
};

struct sensors {
    struct nsh_device *device;
    struct nsh_op *op;
    struct ipmi_request request;
    int64_t deadline_ms;
    uint8_t wanted[SENSORS_MAX];
    struct sensor_row rows[SENSORS_MAX];
    size_t wanted_count, found_count, walked, row;
    uint16_t id, next, reservation;
    unsigned reserves;
    bool opened;
    uint8_t name[NAME_BYTES];
    size_t name_at, name_bytes, have; /* name_bytes 0: the head is read. */
    size_t piece;
};

static struct nsh_services *services_of(const struct sensors *sensors)
{
    return sensors->device->link.services;
}

/* ---- names ---- */

/* Six bits a character, low bits first. */
static size_t name_packed(const uint8_t *bytes, size_t count, char *out, size_t room)
{
    size_t chars = 0;
    for (size_t bit = 0; bit + 6 <= count * 8 && chars < room; bit += 6) {
        unsigned low = bytes[bit / 8], high = bit / 8 + 1 < count ? bytes[bit / 8 + 1] : 0;
        out[chars++] = (char)(0x20 + (((high << 8 | low) >> bit % 8) & 0x3f));
    }
    return chars;
}

void ipmi_sensor_name(const uint8_t *bytes, size_t bytes_count,
                      char ret_name[2 * SENSOR_NAME_BYTES + 1])
{
    static const char plus[] = "0123456789 -.:,_";
    size_t count = bytes_count == 0 ? 0 : bytes[0] & 0x1f, chars = 0;
    unsigned kind = bytes_count == 0 ? 0 : bytes[0] >> 6;

    count = count + 1 > bytes_count ? (bytes_count == 0 ? 0 : bytes_count - 1) : count;
    count = count > SENSOR_NAME_BYTES ? SENSOR_NAME_BYTES : count;
    if (kind == 3) {
        for (; chars < count && bytes[1 + chars] != 0; chars++) {
            uint8_t c = bytes[1 + chars];
            ret_name[chars] = c >= 0x20 && c < 0x7f ? (char)c : '?';
        }
    } else if (kind == 2) {
        chars = name_packed(bytes + 1, count, ret_name, (size_t)2 * SENSOR_NAME_BYTES);
    } else if (kind == 1) {
        for (size_t i = 0; i < count; i++) {
            ret_name[chars++] = plus[bytes[1 + i] >> 4];
            ret_name[chars++] = plus[bytes[1 + i] & 15];
        }
    }
    while (chars > 0 && ret_name[chars - 1] == ' ') {
        chars--;
    }
    ret_name[chars] = '\0';
}

/* ---- endings ---- */

static void sensors_end(struct sensors *sensors, const struct nsh_outcome *outcome)
{
    struct nsh_services *services = services_of(sensors);
    struct nsh_op *op = sensors->op;

    ipmi_link_abort(&sensors->device->link, &sensors->request);
    ipmi_op_over(sensors->device, op);
    if (sensors->opened) {
        ipmi_session_leave(sensors->device);
    }
    services->complete(services, op, outcome);
    free(sensors);
}

static void sensors_fail(struct sensors *sensors, int code, const char *text)
{
    sensors_end(sensors, &(struct nsh_outcome){.code = code, .text = text});
}

static void sensors_done(struct sensors *sensors)
{
    struct nsh_member members[SENSORS_MAX][3];
    struct nsh_value items[SENSORS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < sensors->wanted_count; i++) {
        const struct sensor_row *row = &sensors->rows[i];
        if (row->found) {
            members[count][0] = (struct nsh_member){"number", nsh_int(sensors->wanted[i])};
            members[count][1] = (struct nsh_member){"name", nsh_text(row->name)};
            members[count][2] = (struct nsh_member){"entity", nsh_int(row->entity)};
            items[count] = nsh_map(members[count], 3);
            count++;
        }
    }
    const struct nsh_member all[] = {{"sensors", nsh_list(items, count)}};
    struct nsh_value map = nsh_map(all, 1);
    sensors_end(sensors, &(struct nsh_outcome){.code = NSH_OK, .result = &map, .text = ""});
}

/* ---- the walk ---- */

static void sensors_request(struct sensors *sensors, const struct ipmi_request *request)
{
    struct nsh_error err = {.code = NSH_OK};

    sensors->request = *request;
    sensors->request.netfn = IPMI_NETFN_STORAGE;
    sensors->request.arg = sensors;
    if (ipmi_link_request(&sensors->device->link, &sensors->request, &err) < 0) {
        sensors_fail(sensors, err.code, err.text);
    }
}

static void record_done(void *arg, const struct ipmi_result *result);

static void record_request(struct sensors *sensors)
{
    bool head = sensors->name_bytes == 0;
    size_t left = sensors->name_bytes - sensors->have;
    size_t offset = head ? 0 : sensors->name_at + sensors->have;
    size_t count = head ? sensors->piece : left < sensors->piece ? left : sensors->piece;

    sensors_request(sensors,
                    &(struct ipmi_request){
                        .done = record_done,
                        .command = SDR_GET,
                        .data = {(uint8_t)sensors->reservation,
                                 (uint8_t)(sensors->reservation >> 8), (uint8_t)sensors->id,
                                 (uint8_t)(sensors->id >> 8), (uint8_t)offset, (uint8_t)count},
                        .data_bytes = 6,
                    });
}

static void record_ask(struct sensors *sensors, uint16_t id)
{
    sensors->id = id;
    sensors->name_bytes = sensors->have = 0;
    sensors->piece = HEAD_BYTES;
    record_request(sensors);
}

static void record_next(struct sensors *sensors)
{
    int64_t now_ms = services_of(sensors)->now_ms(services_of(sensors));

    if (sensors->next == ID_END || sensors->next == sensors->id ||
        ++sensors->walked == RECORDS_MAX || now_ms > sensors->deadline_ms ||
        sensors->found_count == sensors->wanted_count) {
        sensors_done(sensors);
    } else {
        record_ask(sensors, sensors->next);
    }
}

/* Which of the wanted it is; wanted_count: none, or its name is known. */
static size_t row_of(const struct sensors *sensors, uint8_t number)
{
    size_t i = 0;
    while (i < sensors->wanted_count && (sensors->wanted[i] != number || sensors->rows[i].found)) {
        i++;
    }
    return i;
}

static void head_take(struct sensors *sensors, const uint8_t *head, size_t bytes)
{
    static const uint8_t name_at[] = {0, 47, 31, 16}; /* Full, compact, event-only. */
    uint8_t type = bytes >= HEAD_BYTES ? head[3] : 0;
    size_t whole = HEAD_BYTES_MIN + (bytes >= HEAD_BYTES ? head[4] : 0u);

    sensors->row = type >= 1 && type <= 3 ? row_of(sensors, head[7]) : sensors->wanted_count;
    if (sensors->row == sensors->wanted_count || whole <= name_at[type]) {
        record_next(sensors);
        return;
    }
    sensors->rows[sensors->row].entity = head[8];
    sensors->name_at = name_at[type];
    sensors->name_bytes =
        whole - sensors->name_at < NAME_BYTES ? whole - sensors->name_at : NAME_BYTES;
    sensors->piece = NAME_BYTES;
    record_request(sensors);
}

static void name_take(struct sensors *sensors, const uint8_t *bytes, size_t count)
{
    size_t left = sensors->name_bytes - sensors->have;
    struct sensor_row *row = &sensors->rows[sensors->row];

    count = count > left ? left : count;
    memcpy(sensors->name + sensors->have, bytes, count);
    sensors->have += count;
    if (sensors->have < sensors->name_bytes && count > 0) {
        record_request(sensors);
        return;
    }
    ipmi_sensor_name(sensors->name, sensors->have, row->name);
    row->found = true;
    sensors->found_count++;
    record_next(sensors);
}

static void reserve_done(void *arg, const struct ipmi_result *result);

static void reserve(struct sensors *sensors)
{
    if (sensors->reserves++ == SEL_RESERVES_MAX) {
        sensors_fail(sensors, NSH_BUSY, "the reservation of its SDR repository was lost each time");
        return;
    }
    sensors_request(sensors, &(struct ipmi_request){.done = reserve_done, .command = SDR_RESERVE});
}

static bool answered(struct sensors *sensors, const char *what, const struct ipmi_result *result)
{
    char text[NSH_ERROR_TEXT_MAX];

    if (result->code != NSH_OK) {
        sensors_fail(sensors, result->code, result->text);
        return false;
    }
    if (result->completion == IPMI_CC_OK && result->data_bytes >= 2) {
        return true;
    }
    snprintf(text, sizeof text, "%s: %s: %s (completion code %02xh)", sensors->device->address,
             what, ipmi_completion_text(result->completion), result->completion);
    sensors_fail(sensors,
                 result->completion == IPMI_CC_OK ? NSH_PROTOCOL
                                                  : (int)ipmi_completion_code(result->completion),
                 text);
    return false;
}

static void reserve_done(void *arg, const struct ipmi_result *result)
{
    struct sensors *sensors = arg;

    if (answered(sensors, "reserve SDR repository", result)) {
        sensors->reservation = (uint16_t)(result->data[0] | result->data[1] << 8);
        record_ask(sensors, sensors->id);
    }
}

static void record_done(void *arg, const struct ipmi_result *result)
{
    struct sensors *sensors = arg;
    bool refused = result->code == NSH_OK && result->completion != IPMI_CC_OK;
    size_t least = sensors->name_bytes == 0 ? HEAD_BYTES_MIN : PIECE_BYTES;

    if (refused && result->completion == IPMI_CC_RESERVATION) {
        reserve(sensors);
        return;
    }
    if (refused && result->completion == IPMI_CC_NOT_PRESENT) {
        sensors_done(sensors); /* It was changed meanwhile, or is empty. */
        return;
    }
    if (refused && sensors->piece > least &&
        (result->completion == IPMI_CC_COUNT || result->completion == IPMI_CC_RANGE)) {
        sensors->piece = least; /* It gives fewer at once. */
        record_request(sensors);
        return;
    }
    if (!answered(sensors, "get SDR", result)) {
        return;
    }
    sensors->next = (uint16_t)(result->data[0] | result->data[1] << 8);
    if (sensors->name_bytes == 0) {
        head_take(sensors, result->data + 2, result->data_bytes - 2);
    } else {
        name_take(sensors, result->data + 2, result->data_bytes - 2);
    }
}

/* ---- the door ---- */

int ipmi_sensors_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    uint32_t timeout_ms = op->timeout_ms == 0 ? op->verb->timeout_ms_default : op->timeout_ms;
    struct sensors *sensors = calloc(1, sizeof *sensors);

    if (sensors == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int count = ipmi_hex_read(nsh_get_text(op->args, "numbers", ""), sensors->wanted, SENSORS_MAX);
    if (count <= 0) {
        free(sensors);
        return nsh_fail(err, NSH_INVALID, "numbers: want 1 to %d sensor numbers of 2 hex digits",
                        SENSORS_MAX);
    }
    sensors->device = device;
    sensors->op = op;
    sensors->wanted_count = (size_t)count;
    sensors->opened = device->link.state == LINK_CLOSED;
    sensors->deadline_ms = device->link.services->now_ms(device->link.services) + timeout_ms -
                           (timeout_ms > 2 * MARGIN_MS ? MARGIN_MS : timeout_ms / 2);
    op->driver_data = sensors;
    reserve(sensors);
    return 0;
}

void ipmi_sensors_cancel(struct nsh_op *op)
{
    if (op->driver_data != NULL) {
        sensors_fail(op->driver_data, NSH_CANCELLED, "cancelled");
    }
}
