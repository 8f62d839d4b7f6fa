/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk of each verb. A power verb reads first: that proves the session before anything
 * irreversible is sent, and tells whether there is anything to do. Then it acts once, and reads
 * until the state is proven or time is up.
 */

#include "ipmi_calls.h"
#include "ipmi_doctor.h"
#include "ipmi_sel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHASSIS_STATUS 0x01
#define CHASSIS_CONTROL 0x02
#define CHASSIS_IDENTIFY 0x04
#define APP_SYSTEM_GUID 0x37
#define STORAGE_SEL_ENTRY 0x43
#define CONTROL_DOWN 0x00
#define CONTROL_UP 0x01
#define CONTROL_RESET 0x03
#define CONTROL_SOFT 0x05
#define DEADLINE_MARGIN_MS 500 /* Ours comes before the caller's. */
#define FIRST_POLL_MS 250
#define OFF_READS 2 /* Off means: proven off. */
#define LOG_ENTRIES_MAX 200
#define LOG_WALK_MAX 2000 /* Records read from the beginning when ids are not consecutive. */
#define BUSY_RETRY_MS 5000
#define RECORD_TEXT_MAX 80

enum { DO_NOTHING = -1, DO_REFUSE = -2 };

static const struct plan {
    const char *verb;
    int when_on, when_off; /* The chassis control to send, by the state read first. */
    bool then_on;          /* After off: wait off_time, and switch on. */
} plans[] = {
    {"power.on", DO_NOTHING, CONTROL_UP, false},     {"power.off", CONTROL_DOWN, DO_NOTHING, false},
    {"power.cycle", CONTROL_DOWN, CONTROL_UP, true}, {"reset.soft", CONTROL_SOFT, DO_REFUSE, true},
    {"reset.hard", CONTROL_RESET, DO_REFUSE, false},
};

struct ipmi_call {
    struct nsh_device *device;
    struct nsh_op *op;
    const struct plan *plan; /* NULL: not a power verb. */
    struct ipmi_request request;
    struct nsh_timer *timer;
    int64_t deadline_ms;
    int control;   /* The last sent. */
    int wanted_on; /* While waiting for a state: 1 on, 0 off. */
    unsigned seen_count;
    bool acted; /* A chassis control left: it may have been carried out. */
    /* log.read */
    unsigned entries_wanted, entries_count, walked;
    bool walking;
    uint8_t (*entries)[16];
};

static const char *control_word(int control)
{
    return control == CONTROL_DOWN    ? "power down"
           : control == CONTROL_UP    ? "power up"
           : control == CONTROL_RESET ? "hard reset"
                                      : "soft shutdown";
}

static struct nsh_services *call_services(const struct ipmi_call *call)
{
    return call->device->link.services;
}

/* ---- endings ---------------------------------------------------------------------------- */

static void call_end(struct ipmi_call *call, const struct nsh_outcome *outcome)
{
    struct nsh_services *services = call_services(call);
    struct nsh_op *op = call->op;

    ipmi_link_abort(&call->device->link, &call->request);
    if (call->timer != NULL) {
        services->timer_cancel(services, call->timer);
    }
    ipmi_op_over(call->device, op);
    free(call->entries);
    free(call);
    services->complete(services, op, outcome);
}

static void call_fail(struct ipmi_call *call, int code, const char *text)
{
    call_end(call, &(struct nsh_outcome){
                       .code = code,
                       .effect_possible = call->acted,
                       .text = text,
                       .retry_after_ms = code == NSH_BUSY ? BUSY_RETRY_MS : 0,
                   });
}

static void call_power(struct ipmi_call *call, bool on, bool changed)
{
    const struct nsh_member members[] = {
        {"power", nsh_text(on ? "on" : "off")},
        {"changed", nsh_bool(changed)},
    };
    struct nsh_value result = nsh_map(members, call->plan == NULL ? 1 : 2);

    call_end(call, &(struct nsh_outcome){.code = NSH_OK, .result = &result, .text = ""});
}

/* ---- requests --------------------------------------------------------------------------- */

static void call_request(struct ipmi_call *call, const struct ipmi_request *request)
{
    struct nsh_error err = {.code = NSH_OK};

    call->request = *request;
    call->request.arg = call;
    if (ipmi_link_request(&call->device->link, &call->request, &err) < 0) {
        call->acted = call->acted || (request->acts && call->request.sent);
        call_fail(call, err.code, err.text);
    }
}

static bool call_answered(struct ipmi_call *call, const char *what,
                          const struct ipmi_result *result, size_t bytes_least)
{
    struct nsh_services *services = call_services(call);
    char text[160];

    if (result->code != NSH_OK) {
        services->trace(services, call->op, "%s -> %s", what, result->text);
        call_fail(call, result->code, result->text);
        return false;
    }
    services->trace(services, call->op, "%s -> %02xh %s", what, result->completion,
                    ipmi_completion_text(result->completion));
    if (result->completion != IPMI_CC_OK) {
        snprintf(text, sizeof text, "%s: %s: %s (completion code %02xh)", call->device->address,
                 what, ipmi_completion_text(result->completion), result->completion);
        call_fail(call, (int)ipmi_completion_code(result->completion), text);
        return false;
    }
    if (result->data_bytes < bytes_least) {
        snprintf(text, sizeof text, "%s: %s: %zu bytes of data, need %zu", call->device->address,
                 what, result->data_bytes, bytes_least);
        call_fail(call, NSH_PROTOCOL, text);
        return false;
    }
    return true;
}

static void call_read(struct ipmi_call *call,
                      void (*done)(void *arg, const struct ipmi_result *result))
{
    call_request(call, &(struct ipmi_request){
                           .done = done,
                           .netfn = IPMI_NETFN_CHASSIS,
                           .command = CHASSIS_STATUS,
                       });
}

static void call_wait(struct ipmi_call *call, uint32_t delay_ms, void (*fire)(void *arg))
{
    struct nsh_services *services = call_services(call);

    call->timer = services->timer(services, delay_ms, fire, call);
    if (call->timer == NULL) {
        call_fail(call, NSH_NOMEM, "no memory for a timer");
    }
}

/* ---- acting and proving ----------------------------------------------------------------- */

static void prove_read(void *arg);
static void act(struct ipmi_call *call, int control);

static void act_pause_over(void *arg)
{
    struct ipmi_call *call = arg;

    call->timer = NULL;
    act(call, CONTROL_UP);
}

/* The state is not the one wanted, or cannot be read: look again, until time is up. */
static void prove_again(struct ipmi_call *call, int code, const char *why)
{
    char text[200];
    int64_t now_ms = call_services(call)->now_ms(call_services(call));

    if (now_ms + call->device->poll_ms < call->deadline_ms) {
        call_wait(call, call->device->poll_ms, prove_read);
        return;
    }
    snprintf(text, sizeof text, "%s: accepted %s, but %s", call->device->address,
             control_word(call->control), why);
    call_fail(call, code, text);
}

static void prove_done(void *arg, const struct ipmi_result *result)
{
    struct ipmi_call *call = arg;
    struct nsh_services *services = call_services(call);

    if (result->code != NSH_OK || result->completion != IPMI_CC_OK || result->data_bytes < 1) {
        services->trace(services, call->op, "read state -> %s",
                        result->code != NSH_OK ? result->text
                                               : ipmi_completion_text(result->completion));
        call->seen_count = 0;
        prove_again(call, NSH_UNKNOWN, "the power state cannot be read since");
        return;
    }
    int on = result->data[0] & 1;
    services->trace(services, call->op, "read state -> %s", on == 1 ? "on" : "off");
    call->seen_count = on == call->wanted_on ? call->seen_count + 1 : 0;
    if (call->seen_count == 0) {
        prove_again(call, NSH_UNVERIFIED, on == 1 ? "it is still on" : "it is still off");
    } else if (on == 0 && call->seen_count < OFF_READS) {
        call_wait(call, call->device->poll_ms, prove_read);
    } else if (on == 0 && call->plan->then_on) {
        call_wait(call, call->device->off_time_ms, act_pause_over);
    } else {
        call_power(call, on == 1, true);
    }
}

static void prove_read(void *arg)
{
    struct ipmi_call *call = arg;

    call->timer = NULL;
    call_read(call, prove_done);
}

static void act_done(void *arg, const struct ipmi_result *result)
{
    struct ipmi_call *call = arg;
    char what[48];

    call->acted = call->acted || (result->code != NSH_OK && result->sent);
    snprintf(what, sizeof what, "chassis control %02xh (%s)", (unsigned)call->control,
             control_word(call->control));
    if (!call_answered(call, what, result, 0)) {
        return;
    }
    call->acted = true;
    call->wanted_on = call->control == CONTROL_UP || call->control == CONTROL_RESET;
    call->seen_count = 0;
    uint32_t poll_ms = call->device->poll_ms;
    call_wait(call, poll_ms < FIRST_POLL_MS ? poll_ms : FIRST_POLL_MS, prove_read);
}

/* Send a chassis control: once. */
static void act(struct ipmi_call *call, int control)
{
    call->control = control;
    call_request(call, &(struct ipmi_request){
                           .done = act_done,
                           .netfn = IPMI_NETFN_CHASSIS,
                           .command = CHASSIS_CONTROL,
                           .data = {(uint8_t)control},
                           .data_bytes = 1,
                           .once = true,
                           .acts = true,
                       });
}

static void power_first_read(void *arg, const struct ipmi_result *result)
{
    struct ipmi_call *call = arg;
    char text[120];

    if (!call_answered(call, "chassis status", result, 1)) {
        return;
    }
    bool on = (result->data[0] & 1) != 0;
    int what = call->plan == NULL ? DO_NOTHING : on ? call->plan->when_on : call->plan->when_off;
    if (what == DO_NOTHING) {
        call_power(call, on, false);
    } else if (what == DO_REFUSE) {
        snprintf(text, sizeof text, "%s: the host is off: nothing to restart",
                 call->device->address);
        call_fail(call, NSH_CONFLICT, text);
    } else {
        act(call, what);
    }
}

/* ---- whose BMC it is -------------------------------------------------------------------- */

static void guid_done(void *arg, const struct ipmi_result *result)
{
    struct ipmi_call *call = arg;
    struct nsh_device *device = call->device;
    char text[200];

    if (!call_answered(call, "get system GUID", result, IPMI_GUID_BYTES)) {
        return;
    }
    if (!ipmi_guid_is(result->data, device->uuid)) {
        const uint8_t *g = result->data;
        snprintf(text, sizeof text,
                 "%s: another machine: its BMC tells GUID %02x%02x%02x%02x-%02x%02x-%02x%02x-"
                 "%02x%02x-%02x%02x%02x%02x%02x%02x",
                 device->address, g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9], g[10],
                 g[11], g[12], g[13], g[14], g[15]);
        call_fail(call, NSH_MISMATCH, text);
        return;
    }
    device->guid_session = device->link.opened_count;
    call_read(call, power_first_read);
}

/* A BMC is asked who it is once in each session, before the first power action. */
static void power_begin(struct ipmi_call *call)
{
    struct nsh_device *device = call->device;
    bool known = device->link.state == LINK_READY && device->guid_session != 0 &&
                 device->guid_session == device->link.opened_count;

    if (call->plan == NULL || !device->has_uuid || known) {
        call_read(call, power_first_read);
        return;
    }
    call_request(call, &(struct ipmi_request){
                           .done = guid_done,
                           .netfn = IPMI_NETFN_APP,
                           .command = APP_SYSTEM_GUID,
                       });
}

/* ---- identify --------------------------------------------------------------------------- */

static void identify_done(void *arg, const struct ipmi_result *result)
{
    struct ipmi_call *call = arg;

    call->acted = (result->code != NSH_OK && result->sent) || call->request.sent_count > 1;
    if (call_answered(call, "chassis identify", result, 0)) {
        const struct nsh_member members[] = {
            {"lit", nsh_bool(nsh_get_bool(call->op->args, "lit", true))},
        };
        struct nsh_value map = nsh_map(members, 1);
        call_end(call, &(struct nsh_outcome){.code = NSH_OK, .result = &map, .text = ""});
    }
}

static void identify_begin(struct ipmi_call *call)
{
    bool lit = nsh_get_bool(call->op->args, "lit", true);
    int64_t for_s = (nsh_get_int(call->op->args, "for", 0) + 999) / 1000;
    bool forever = lit && for_s == 0;

    call_request(call, &(struct ipmi_request){
                           .done = identify_done,
                           .netfn = IPMI_NETFN_CHASSIS,
                           .command = CHASSIS_IDENTIFY,
                           .data = {lit ? (uint8_t)(for_s > 255 ? 255 : for_s) : 0, 0x01},
                           .data_bytes = forever ? 2 : 1,
                           .acts = true,
                       });
}

/* ---- the event log ---------------------------------------------------------------------- */

struct log_row {
    struct nsh_member members[7];
    char text[RECORD_TEXT_MAX];
};

static void log_row_fill(const uint8_t bytes[16], struct log_row *row)
{
    struct ipmi_record record;
    bool standard = ipmi_record_parse(bytes, &record);

    snprintf(row->text, sizeof row->text, "%s %u: %s, %s", ipmi_record_sensor(record.sensor_type),
             record.sensor_number, ipmi_record_event(&record),
             record.asserted ? "asserted" : "deasserted");
    row->members[0] = (struct nsh_member){"id", nsh_int(record.id)};
    row->members[1] = (struct nsh_member){"time", nsh_int(standard ? record.time_s : 0)};
    row->members[2] =
        (struct nsh_member){"sensor", nsh_text(ipmi_record_sensor(record.sensor_type))};
    row->members[3] = (struct nsh_member){"sensor_type", nsh_int(record.sensor_type)};
    row->members[4] = (struct nsh_member){"event", nsh_text(ipmi_record_event(&record))};
    row->members[5] = (struct nsh_member){"asserted", nsh_bool(record.asserted)};
    row->members[6] = (struct nsh_member){"text", nsh_text(row->text)};
}

/* The newest first. */
static void log_finish(struct ipmi_call *call)
{
    size_t count = call->entries_count;
    struct log_row *rows = calloc(count + 1, sizeof *rows);
    struct nsh_value *items = calloc(count + 1, sizeof *items);

    if (rows == NULL || items == NULL) {
        free(rows);
        free(items);
        call_fail(call, NSH_NOMEM, "out of memory");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        log_row_fill(call->entries[count - 1 - i], &rows[i]);
        items[i] = nsh_map(rows[i].members, 7);
    }
    const struct nsh_member members[] = {{"entries", nsh_list(items, count)}};
    struct nsh_value map = nsh_map(members, 1);
    call_end(call, &(struct nsh_outcome){.code = NSH_OK, .result = &map, .text = ""});
    free(rows);
    free(items);
}

static void log_ask(struct ipmi_call *call, uint16_t id);

static void log_keep(struct ipmi_call *call, const uint8_t record[16])
{
    if (call->entries_count == call->entries_wanted) {
        memmove(call->entries, call->entries + 1, (call->entries_count - 1) * 16);
        call->entries_count--;
    }
    memcpy(call->entries[call->entries_count++], record, 16);
}

static void log_entry_done(void *arg, const struct ipmi_result *result)
{
    struct ipmi_call *call = arg;

    if (result->code == NSH_OK && result->completion == IPMI_CC_NOT_PRESENT && !call->walking) {
        call->walking = true; /* No such id: from the beginning, then. */
        log_ask(call, 0x0000);
        return;
    }
    if (result->code == NSH_OK && result->completion == IPMI_CC_NOT_PRESENT) {
        log_finish(call); /* The log is empty, or was cleared meanwhile. */
        return;
    }
    if (!call_answered(call, "get SEL entry", result, 18)) {
        return;
    }
    uint16_t next = (uint16_t)(result->data[0] | result->data[1] << 8);
    log_keep(call, result->data + 2);
    if (next == 0xffff || ++call->walked == LOG_WALK_MAX) {
        log_finish(call);
    } else {
        log_ask(call, next);
    }
}

static void log_newest_done(void *arg, const struct ipmi_result *result)
{
    struct ipmi_call *call = arg;

    if (result->code == NSH_OK && result->completion == IPMI_CC_NOT_PRESENT) {
        log_finish(call);
        return;
    }
    if (!call_answered(call, "get SEL entry", result, 18)) {
        return;
    }
    unsigned newest = (unsigned)(result->data[2] | result->data[3] << 8);
    if (newest <= call->entries_wanted) {
        call->walking = true;
        log_ask(call, 0x0000);
    } else {
        log_ask(call, (uint16_t)(newest - call->entries_wanted + 1));
    }
}

static void log_request(struct ipmi_call *call, uint16_t id,
                        void (*done)(void *arg, const struct ipmi_result *result))
{
    call_request(call, &(struct ipmi_request){
                           .done = done,
                           .netfn = IPMI_NETFN_STORAGE,
                           .command = STORAGE_SEL_ENTRY,
                           .data = {0, 0, (uint8_t)id, (uint8_t)(id >> 8), 0x00, 0xff},
                           .data_bytes = 6,
                       });
}

static void log_ask(struct ipmi_call *call, uint16_t id)
{
    log_request(call, id, log_entry_done);
}

static int log_begin(struct ipmi_call *call, struct nsh_error *err)
{
    int64_t count = nsh_get_int(call->op->args, "count", 20);

    call->entries_wanted = count < 1                 ? 1
                           : count > LOG_ENTRIES_MAX ? LOG_ENTRIES_MAX
                                                     : (unsigned)count;
    call->entries = calloc(call->entries_wanted, sizeof *call->entries);
    if (call->entries == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    log_request(call, 0xffff, log_newest_done);
    return 0;
}

/* ---- the door --------------------------------------------------------------------------- */

static const struct plan *plan_find(const char *verb)
{
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        if (strcmp(plans[i].verb, verb) == 0) {
            return &plans[i];
        }
    }
    return NULL;
}

/* Verbs with a file of their own. */
static const struct {
    const char *verb;
    int (*start)(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err);
    void (*cancel)(struct nsh_op *op);
} walks[] = {
    {IPMI_DOCTOR, ipmi_doctor_start, ipmi_doctor_cancel},
    {IPMI_SEL, ipmi_sel_start, ipmi_sel_cancel},
    {IPMI_SENSORS, ipmi_sensors_start, ipmi_sensors_cancel},
};

static int op_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    uint32_t timeout_ms = op->timeout_ms == 0 ? op->verb->timeout_ms_default : op->timeout_ms;

    for (size_t i = 0; i < sizeof walks / sizeof walks[0]; i++) {
        if (strcmp(op->verb->name, walks[i].verb) == 0) {
            return walks[i].start(device, op, err);
        }
    }
    struct ipmi_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    call->device = device;
    call->op = op;
    call->plan = plan_find(op->verb->name);
    call->deadline_ms =
        device->link.services->now_ms(device->link.services) + timeout_ms - DEADLINE_MARGIN_MS;
    op->driver_data = call;
    if (strcmp(op->verb->name, "log.read") == 0) {
        int result = log_begin(call, err);
        if (result < 0) {
            op->driver_data = NULL;
            free(call);
        }
        return result;
    }
    if (strcmp(op->verb->name, "identify") == 0) {
        identify_begin(call);
    } else {
        power_begin(call);
    }
    return 0;
}

int ipmi_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    device->ops_count++; /* It may be over before start returns. */
    int result = op_start(device, op, err);
    if (result < 0) {
        device->ops_count--;
    }
    return result;
}

void ipmi_op_over(struct nsh_device *device, struct nsh_op *op)
{
    op->driver_data = NULL;
    device->ops_count--;
}

void ipmi_cancel(struct nsh_device *device, struct nsh_op *op)
{
    struct ipmi_call *call = op->driver_data;

    for (size_t i = 0; i < sizeof walks / sizeof walks[0]; i++) {
        if (strcmp(op->verb->name, walks[i].verb) == 0) {
            walks[i].cancel(op);
            return;
        }
    }
    if (call != NULL) {
        call->acted = call->acted || (call->request.acts && call->request.sent);
        call_fail(call, NSH_CANCELLED, "cancelled");
    }
}
