/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipmi.sel: SEL info first, so that a log that did not change costs one request; else the BMC's
 * clock, the newest record of the reader's that is still there, and the records after it.
 *
 * Record ids are no order, and are used again: a record is known by its 16 bytes, and the next one
 * is what the BMC says. None of the reader's is there: the log was cleared, or wrapped around, and
 * is read from its beginning. Whole records need no reservation; a BMC that wants one, or cannot
 * give 16 bytes at once, is asked for halves under one. Bounds: SEL_RECORDS_MAX records.
 */

#include "ipmi_sel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEL_INFO 0x40
#define SEL_RESERVE 0x42
#define SEL_ENTRY 0x43
#define SEL_TIME 0x48
#define INFO_BYTES 14
#define ID_FIRST 0x0000
#define ID_END 0xffff
#define PIECE_BYTES 8
#define MARGIN_MS 2000 /* Before the caller's time is over. */
#define TIME_UNKNOWN 0xffffffffu
#define WALK_SLACK 64 /* Records that may come while it is read. */

struct sel_walk {
    struct nsh_device *device;
    struct nsh_op *op;
    struct ipmi_request request;
    int64_t deadline_ms;
    unsigned entries, free_bytes;
    uint32_t added_s, erased_s, clock_s;
    bool overflow, has_clock, unchanged, restarted, more, opened;
    uint8_t anchors[SEL_ANCHORS_MAX][SEL_RECORD_BYTES];
    size_t anchors_count, anchor; /* anchor: which is looked for; anchors_count: none is. */
    uint8_t records[SEL_RECORDS_MAX][SEL_RECORD_BYTES];
    size_t records_count, walked, most;
    uint16_t asked;
    /* Halves under a reservation. */
    bool halves;
    uint16_t reservation;
    unsigned reserves;
    uint8_t record[SEL_RECORD_BYTES];
    size_t have;
};

static struct nsh_services *services_of(const struct sel_walk *walk)
{
    return walk->device->link.services;
}

/* ---- texts ---- */

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

int ipmi_hex_read(const char *text, uint8_t *bytes, size_t room)
{
    size_t count = 0;
    for (; text[0] != '\0'; text += 2) {
        int high = digit_of(text[0]), low = high < 0 ? -1 : digit_of(text[1]);
        if (low < 0 || count == room) {
            return -1;
        }
        bytes[count++] = (uint8_t)(high << 4 | low);
    }
    return (int)count;
}

static uint32_t little(const uint8_t *bytes, size_t count)
{
    uint32_t value = 0;
    while (count-- > 0) {
        value = value << 8 | bytes[count];
    }
    return value;
}

/* What tells whether anything came or went; "": the BMC does not say when. */
static void state_write(const struct sel_walk *walk, char *text, size_t room)
{
    text[0] = '\0';
    if (walk->added_s != TIME_UNKNOWN) {
        snprintf(text, room, "%u.%u.%u.%u", walk->entries, walk->free_bytes, walk->added_s,
                 walk->erased_s);
    }
}

/* ---- endings ---- */

void ipmi_session_leave(struct nsh_device *device)
{
    struct ipmi_link *link = &device->link;

    if (link->state == LINK_READY && device->ops_count == 0 && link->settings.keep_alive_ms == 0) {
        ipmi_link_close(link);
    }
}

static void walk_end(struct sel_walk *walk, const struct nsh_outcome *outcome)
{
    struct nsh_services *services = services_of(walk);
    struct nsh_op *op = walk->op;

    ipmi_link_abort(&walk->device->link, &walk->request);
    ipmi_op_over(walk->device, op);
    if (walk->opened && !walk->more) {
        ipmi_session_leave(walk->device);
    }
    free(walk);
    services->complete(services, op, outcome);
}

static void walk_fail(struct sel_walk *walk, int code, const char *text)
{
    char copy[NSH_ERROR_TEXT_MAX]; /* text may be the walk's. */

    snprintf(copy, sizeof copy, "%s", text);
    walk->more = false;
    walk_end(walk, &(struct nsh_outcome){.code = code, .text = copy});
}

static void walk_done(struct sel_walk *walk)
{
    static const char digits[] = "0123456789abcdef";
    size_t count = walk->records_count;
    struct nsh_value *items = calloc(count + 1, sizeof *items);
    char(*texts)[2 * SEL_RECORD_BYTES + 1] = calloc(count + 1, sizeof *texts);
    char state[64];

    if (items == NULL || texts == NULL) {
        free(items);
        free(texts);
        walk_fail(walk, NSH_NOMEM, "out of memory");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < SEL_RECORD_BYTES; n++) {
            texts[i][2 * n] = digits[walk->records[i][n] >> 4];
            texts[i][2 * n + 1] = digits[walk->records[i][n] & 15];
        }
        items[i] = nsh_text(texts[i]);
    }
    state_write(walk, state, sizeof state);
    const struct nsh_member members[] = {
        {"unchanged", nsh_bool(walk->unchanged)}, {"state", nsh_text(state)},
        {"entries", nsh_int(walk->entries)},      {"free", nsh_int(walk->free_bytes)},
        {"added", nsh_int(walk->added_s)},        {"erased", nsh_int(walk->erased_s)},
        {"overflow", nsh_bool(walk->overflow)},   {"clock", nsh_int(walk->clock_s)},
        {"restarted", nsh_bool(walk->restarted)}, {"more", nsh_bool(walk->more)},
        {"records", nsh_list(items, count)},
    };
    struct nsh_value map = nsh_map(members, sizeof members / sizeof members[0]);
    walk_end(walk, &(struct nsh_outcome){.code = NSH_OK, .result = &map, .text = ""});
    free(items);
    free(texts);
}

/* ---- requests ---- */

static void walk_request(struct sel_walk *walk, const struct ipmi_request *request)
{
    struct nsh_error err = {.code = NSH_OK};

    walk->request = *request;
    walk->request.netfn = IPMI_NETFN_STORAGE;
    walk->request.arg = walk;
    if (ipmi_link_request(&walk->device->link, &walk->request, &err) < 0) {
        walk_fail(walk, err.code, err.text);
    }
}

/* False: the walk is gone. */
static bool answered(struct sel_walk *walk, const char *what, const struct ipmi_result *result,
                     size_t bytes_least)
{
    char text[NSH_ERROR_TEXT_MAX];

    if (result->code != NSH_OK) {
        walk_fail(walk, result->code, result->text);
        return false;
    }
    if (result->completion != IPMI_CC_OK) {
        snprintf(text, sizeof text, "%s: %s: %s (completion code %02xh)", walk->device->address,
                 what, ipmi_completion_text(result->completion), result->completion);
        walk_fail(walk, (int)ipmi_completion_code(result->completion), text);
        return false;
    }
    if (result->data_bytes < bytes_least) {
        snprintf(text, sizeof text, "%s: %s: %zu bytes of data, need %zu", walk->device->address,
                 what, result->data_bytes, bytes_least);
        walk_fail(walk, NSH_PROTOCOL, text);
        return false;
    }
    return true;
}

static void entry_done(void *arg, const struct ipmi_result *result);
static void reserve(struct sel_walk *walk);

static void entry_request(struct sel_walk *walk)
{
    uint16_t reservation = walk->halves ? walk->reservation : 0;

    walk_request(walk, &(struct ipmi_request){
                           .done = entry_done,
                           .command = SEL_ENTRY,
                           .data = {(uint8_t)reservation, (uint8_t)(reservation >> 8),
                                    (uint8_t)walk->asked, (uint8_t)(walk->asked >> 8),
                                    (uint8_t)walk->have, walk->halves ? PIECE_BYTES : 0xff},
                           .data_bytes = 6,
                       });
}

static void entry_ask(struct sel_walk *walk, uint16_t id)
{
    walk->asked = id;
    walk->have = 0;
    entry_request(walk);
}

static void anchor_ask(struct sel_walk *walk)
{
    if (walk->anchor == walk->anchors_count) {
        walk->restarted = walk->anchors_count > 0;
        entry_ask(walk, ID_FIRST);
    } else {
        entry_ask(walk, (uint16_t)little(walk->anchors[walk->anchor], 2));
    }
}

/* A whole record, and the id of the one after it. */
static void record_take(struct sel_walk *walk, uint16_t next)
{
    int64_t now_ms = services_of(walk)->now_ms(services_of(walk));

    if (walk->anchor < walk->anchors_count) {
        if (memcmp(walk->record, walk->anchors[walk->anchor], SEL_RECORD_BYTES) != 0) {
            walk->anchor++; /* Another one under its id. */
            anchor_ask(walk);
            return;
        }
        walk->anchor = walk->anchors_count;
    } else {
        memcpy(walk->records[walk->records_count++], walk->record, SEL_RECORD_BYTES);
        walk->walked++;
    }
    if (next == ID_END) {
        walk_done(walk);
    } else if (next == walk->asked || walk->walked > walk->entries + WALK_SLACK) {
        walk_fail(walk, NSH_PROTOCOL, "its event log has no end: records name each other as next");
    } else if (walk->records_count == walk->most || now_ms > walk->deadline_ms) {
        walk->more = true;
        walk_done(walk);
    } else {
        entry_ask(walk, next);
    }
}

static void entry_done(void *arg, const struct ipmi_result *result)
{
    struct sel_walk *walk = arg;
    bool said = result->code == NSH_OK;

    if (said && result->completion == IPMI_CC_NOT_PRESENT) {
        if (walk->anchor < walk->anchors_count) {
            walk->anchor++;
            anchor_ask(walk);
        } else {
            walk_done(walk); /* Empty, or cleared meanwhile: the next visit sees it. */
        }
        return;
    }
    if (said && (result->completion == IPMI_CC_RESERVATION ||
                 (!walk->halves && result->completion == IPMI_CC_COUNT))) {
        reserve(walk);
        return;
    }
    size_t wanted = walk->halves ? PIECE_BYTES : SEL_RECORD_BYTES;
    if (!answered(walk, "get SEL entry", result, 2 + wanted)) {
        return;
    }
    memcpy(walk->record + walk->have, result->data + 2, wanted);
    walk->have += wanted;
    if (walk->have < SEL_RECORD_BYTES) {
        entry_request(walk);
    } else {
        record_take(walk, (uint16_t)little(result->data, 2));
    }
}

static void reserve_done(void *arg, const struct ipmi_result *result)
{
    struct sel_walk *walk = arg;

    if (answered(walk, "reserve SEL", result, 2)) {
        walk->reservation = (uint16_t)little(result->data, 2);
        walk->halves = true;
        entry_ask(walk, walk->asked);
    }
}

/* Somebody else reserved, or a record came: the record begins again. */
static void reserve(struct sel_walk *walk)
{
    char text[160];

    if (walk->reserves++ == SEL_RESERVES_MAX) {
        snprintf(text, sizeof text, "%.80s: its event log was reserved %d times and lost each time",
                 walk->device->address, SEL_RESERVES_MAX);
        walk_fail(walk, NSH_BUSY, text);
        return;
    }
    walk_request(walk, &(struct ipmi_request){.done = reserve_done, .command = SEL_RESERVE});
}

static void clock_done(void *arg, const struct ipmi_result *result)
{
    struct sel_walk *walk = arg;

    if (result->code != NSH_OK) {
        walk_fail(walk, result->code, result->text);
        return;
    }
    if (result->completion == IPMI_CC_OK && result->data_bytes >= 4) {
        walk->clock_s = little(result->data, 4); /* 0: it does not tell. */
    }
    if (walk->entries == 0) {
        walk->restarted = walk->anchors_count > 0;
        walk_done(walk);
    } else {
        anchor_ask(walk);
    }
}

static void info_done(void *arg, const struct ipmi_result *result)
{
    struct sel_walk *walk = arg;
    const char *seen = nsh_get_text(walk->op->args, "seen", "");
    char state[64];

    if (!answered(walk, "get SEL info", result, INFO_BYTES)) {
        return;
    }
    walk->entries = (unsigned)little(result->data + 1, 2);
    walk->free_bytes = (unsigned)little(result->data + 3, 2);
    walk->added_s = little(result->data + 5, 4);
    walk->erased_s = little(result->data + 9, 4);
    walk->overflow = (result->data[13] & 0x80) != 0;
    state_write(walk, state, sizeof state);
    if (state[0] != '\0' && strcmp(state, seen) == 0) {
        walk->unchanged = true;
        walk_done(walk);
        return;
    }
    walk_request(walk, &(struct ipmi_request){.done = clock_done, .command = SEL_TIME});
}

/* ---- the door ---- */

int ipmi_sel_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    const char *anchors = nsh_get_text(op->args, "after", "");
    uint32_t timeout_ms = op->timeout_ms == 0 ? op->verb->timeout_ms_default : op->timeout_ms;
    struct sel_walk *walk = calloc(1, sizeof *walk);

    if (walk == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int bytes = ipmi_hex_read(anchors, walk->anchors[0], sizeof walk->anchors);
    if (bytes < 0 || bytes % SEL_RECORD_BYTES != 0) {
        free(walk);
        return nsh_fail(err, NSH_INVALID, "after: want at most %d records of 32 hex digits",
                        SEL_ANCHORS_MAX);
    }
    int64_t most = nsh_get_int(op->args, "count", SEL_RECORDS_MAX);
    walk->device = device;
    walk->op = op;
    walk->anchors_count = (size_t)bytes / SEL_RECORD_BYTES;
    walk->most = most < 1 || most > SEL_RECORDS_MAX ? SEL_RECORDS_MAX : (size_t)most;
    walk->opened = device->link.state == LINK_CLOSED;
    walk->deadline_ms = device->link.services->now_ms(device->link.services) + timeout_ms -
                        (timeout_ms > 2 * MARGIN_MS ? MARGIN_MS : timeout_ms / 2);
    op->driver_data = walk;
    walk_request(walk, &(struct ipmi_request){.done = info_done, .command = SEL_INFO});
    return 0;
}

void ipmi_sel_cancel(struct nsh_op *op)
{
    if (op->driver_data != NULL) {
        walk_fail(op->driver_data, NSH_CANCELLED, "cancelled");
    }
}
