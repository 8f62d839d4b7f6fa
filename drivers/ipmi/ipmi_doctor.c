/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For `driver doctor`: first what the account sees in its session (state, identity, level), then,
 * on a flow of its own and outside of any session, which doors stand open without a password:
 * anonymous and null users, IPMI 1.5 without authentication, cipher suite 0.
 *
 * Nothing is changed. A session of suite 0 is asked for with the account's own name and taken back
 * before it is one; no other name and no password is ever tried. Bounds: BARE_TRIES datagrams for
 * each question.
 */

#include "ipmi_doctor.h"

#include "abi/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHASSIS_STATUS 0x01
#define APP_SYSTEM_GUID 0x37
#define APP_AUTH_CAPABILITIES 0x38
#define APP_SESSION_INFO 0x3d
#define APP_USER_ACCESS 0x44
#define CHANNEL_THIS 0x0e
#define ADDRESS_BMC 0x20
#define ADDRESS_CONSOLE 0x81
#define BARE_TRIES 3
#define BARE_RETRY_MS 1000
#define LEVEL_MASK 0x0f

enum bare { BARE_CAPABILITIES, BARE_OPEN, BARE_USER };

struct doctor {
    struct nsh_device *device;
    struct nsh_op *op;
    struct ipmi_request request;
    struct nsh_flow *flow;
    struct nsh_timer *timer;
    enum bare bare;
    unsigned tries;
    struct ipmi_handshake handshake;
    struct nsh_checks checks;
};

static struct nsh_services *services_of(const struct doctor *doctor)
{
    return doctor->device->link.services;
}

/* ---- endings ---- */

/* Let go of everything; the op is the caller's to complete, then the doctor is freed. */
static struct nsh_op *doctor_leave(struct doctor *doctor)
{
    struct nsh_services *services = services_of(doctor);
    struct nsh_op *op = doctor->op;

    ipmi_link_abort(&doctor->device->link, &doctor->request);
    if (doctor->timer != NULL) {
        services->timer_cancel(services, doctor->timer);
    }
    if (doctor->flow != NULL) {
        services->flow_close(services, doctor->flow);
    }
    ipmi_op_over(doctor->device, op);
    return op;
}

static void doctor_fail(struct doctor *doctor, int code, const char *text)
{
    struct nsh_services *services = services_of(doctor);
    struct nsh_op *op = doctor_leave(doctor);

    free(doctor);
    nsh_checks_fail(services, op, code, text);
}

static void doctor_complete(struct doctor *doctor)
{
    struct nsh_services *services = services_of(doctor);
    struct nsh_op *op = doctor_leave(doctor);

    nsh_checks_complete(services, op, &doctor->checks);
    free(doctor);
}

/* ---- outside of a session ---- */

static void bare_ask(struct doctor *doctor, enum bare bare);

/* The BMC's flags of Get Channel Authentication Capabilities (IPMI 2.0, 22.13). */
static void capabilities_look(struct doctor *doctor, const uint8_t *data)
{
    struct nsh_checks *checks = &doctor->checks;
    uint8_t types = data[1], users = data[2];

    if ((users & 0x01) != 0) {
        nsh_check_add(checks, "anonymous", NSH_CHECK_FAILED,
                      "disable user 1, or give it a name and a password",
                      "anonymous login is on: neither name nor password is asked for");
    } else if ((users & 0x02) != 0) {
        nsh_check_add(checks, "anonymous", NSH_CHECK_WARNING, "disable user 1, or give it a name",
                      "a user without a name is on; a password is asked for");
    } else {
        nsh_check_add(checks, "anonymous", NSH_CHECK_OK, NULL, "every user has a name");
    }
    if ((types & 0x01) != 0) {
        nsh_check_add(
            checks, "ipmi-1.5", NSH_CHECK_FAILED,
            "remove NONE from the channel's authentication types: ipmitool lan set N auth",
            "IPMI 1.5 sessions without authentication are allowed at this level");
    } else if ((types & 0x16) != 0) {
        nsh_check_add(checks, "ipmi-1.5", NSH_CHECK_WARNING,
                      "allow RMCP+ alone: clear the channel's IPMI 1.5 authentication types",
                      "IPMI 1.5 sessions are allowed: weak digests, nothing is encrypted");
    } else {
        nsh_check_add(checks, "ipmi-1.5", NSH_CHECK_OK, NULL, "no IPMI 1.5 sessions");
    }
}

static void cipher_refused(struct doctor *doctor, const char *how)
{
    nsh_check_add(&doctor->checks, "cipher-0", NSH_CHECK_OK, NULL, "refused: %s", how);
    doctor_complete(doctor);
}

/* Take back what was opened: the BMC forgets it now and not after its own minute. */
static void bare_take_back(struct doctor *doctor)
{
    struct nsh_services *services = services_of(doctor);
    uint8_t out[IPMI_DATAGRAM_MAX];
    size_t count = ipmi_client_rakp3(&doctor->handshake, IPMI_STATUS_INACTIVE_SESSION, out);

    if (count > 0) {
        (void)services->flow_send(services, doctor->flow, out, count);
    }
}

static void opened_look(struct doctor *doctor, int result, const struct nsh_error *err)
{
    if (result < 0) {
        cipher_refused(doctor, err->text);
    } else {
        bare_ask(doctor, BARE_USER);
    }
}

static void user_look(struct doctor *doctor, int result, const char *why)
{
    static const char hint[] = "no level may use suite 0: ipmitool lan set N cipher_privs X...";
    struct nsh_checks *checks = &doctor->checks;

    bare_take_back(doctor);
    if (result == 0) {
        nsh_check_add(checks, "cipher-0", NSH_CHECK_FAILED, hint,
                      "accepted: whoever knows the name of the account needs no password");
    } else {
        nsh_check_add(checks, "cipher-0", NSH_CHECK_WARNING, hint,
                      "accepted, and this account refused with it: %.120s", why);
    }
    doctor_complete(doctor);
}

static void capabilities_answered(struct doctor *doctor, const struct ipmi_packet *packet)
{
    struct ipmi_message message;

    if (!packet->plain ||
        ipmi_message_parse(packet->payload, packet->payload_bytes, &message, NULL) < 0 ||
        message.command != APP_AUTH_CAPABILITIES || message.netfn != (IPMI_NETFN_APP | 1) ||
        message.data_bytes < 1) {
        return;
    }
    if (message.data[0] == IPMI_CC_OK && message.data_bytes >= 5) {
        capabilities_look(doctor, message.data + 1);
    } else {
        nsh_check_add(&doctor->checks, "anonymous", NSH_CHECK_SKIPPED, NULL,
                      "the BMC does not tell its authentication capabilities: %s",
                      ipmi_completion_text(message.data[0]));
    }
    bare_ask(doctor, BARE_OPEN);
}

static bool bare_accept(void *arg, const uint8_t *bytes, size_t bytes_count)
{
    const struct doctor *doctor = arg;
    struct ipmi_packet packet;

    if (ipmi_packet_parse(bytes, bytes_count, &packet, NULL) < 0) {
        return false;
    }
    if (packet.plain || doctor->bare == BARE_CAPABILITIES) {
        return packet.plain && doctor->bare == BARE_CAPABILITIES;
    }
    return packet.payload_type != IPMI_PAYLOAD_MESSAGE && packet.payload_bytes >= 2 &&
           packet.payload[0] == doctor->handshake.tag &&
           (packet.payload_bytes < 8 ||
            ipmi_setup_session_id(&packet) == doctor->handshake.console_id);
}

static void bare_received(void *arg, const uint8_t *bytes, size_t bytes_count)
{
    struct doctor *doctor = arg;
    struct ipmi_packet packet;
    struct nsh_error err = {.code = NSH_OK};

    if (ipmi_packet_parse(bytes, bytes_count, &packet, NULL) < 0) {
        return;
    }
    if (doctor->bare == BARE_CAPABILITIES) {
        capabilities_answered(doctor, &packet);
        return;
    }
    bool opens = doctor->bare == BARE_OPEN;
    uint8_t type = opens ? IPMI_PAYLOAD_OPEN_REPLY : IPMI_PAYLOAD_RAKP2;
    int result = ipmi_client_bare_reply(&doctor->handshake, &packet, type, &err);
    if (result == -NSH_STALE) {
        return;
    }
    if (opens) {
        opened_look(doctor, result, &err);
    } else {
        user_look(doctor, result, err.text);
    }
}

/* Not answering is how some BMCs refuse; the path was good a moment ago. */
static void bare_unanswered(struct doctor *doctor)
{
    if (doctor->bare == BARE_CAPABILITIES) {
        nsh_check_add(&doctor->checks, "anonymous", NSH_CHECK_SKIPPED, NULL,
                      "the BMC does not answer for its authentication capabilities");
        bare_ask(doctor, BARE_OPEN);
    } else if (doctor->bare == BARE_OPEN) {
        cipher_refused(doctor, "no answer to it");
    } else {
        user_look(doctor, -NSH_TIMEOUT, "no answer to its name");
    }
}

static void bare_send(struct doctor *doctor);

static void bare_fired(void *arg)
{
    struct doctor *doctor = arg;

    doctor->timer = NULL;
    if (doctor->tries < BARE_TRIES) {
        bare_send(doctor);
    } else {
        bare_unanswered(doctor);
    }
}

static size_t bare_build(const struct doctor *doctor, uint8_t out[IPMI_DATAGRAM_MAX])
{
    const uint8_t data[2] = {0x80 | CHANNEL_THIS, doctor->device->link.settings.privilege};
    struct ipmi_message message = {.to = ADDRESS_BMC,
                                   .netfn = IPMI_NETFN_APP,
                                   .from = ADDRESS_CONSOLE,
                                   .sequence = 1,
                                   .command = APP_AUTH_CAPABILITIES,
                                   .data = data,
                                   .data_bytes = sizeof data};

    return doctor->bare == BARE_CAPABILITIES ? ipmi_clear_build(&message, true, out)
           : doctor->bare == BARE_OPEN       ? ipmi_client_bare_open(&doctor->handshake, out)
                                             : ipmi_client_rakp1(&doctor->handshake, out);
}

static void bare_send(struct doctor *doctor)
{
    struct nsh_services *services = services_of(doctor);
    uint8_t out[IPMI_DATAGRAM_MAX];

    doctor->tries++;
    if (doctor->timer != NULL) {
        services->timer_cancel(services, doctor->timer);
    }
    doctor->timer = services->timer(services, BARE_RETRY_MS, bare_fired, doctor);
    if (doctor->timer == NULL) {
        doctor_fail(doctor, NSH_NOMEM, "no memory for a timer");
        return;
    }
    (void)services->flow_send(services, doctor->flow, out, bare_build(doctor, out));
}

static void bare_ask(struct doctor *doctor, enum bare bare)
{
    doctor->bare = bare;
    doctor->tries = 0;
    bare_send(doctor);
}

static void bare_begin(struct doctor *doctor)
{
    const struct ipmi_settings *settings = &doctor->device->link.settings;
    struct nsh_services *services = services_of(doctor);
    struct ipmi_handshake *handshake = &doctor->handshake;
    struct nsh_error err = {.code = NSH_OK};

    handshake->role = settings->privilege | 0x10;
    handshake->user_bytes = settings->user_bytes;
    memcpy(handshake->user, settings->user, sizeof handshake->user);
    services->random(services, &handshake->tag, 1);
    services->random(services, &handshake->console_id, sizeof handshake->console_id);
    services->random(services, handshake->console_nonce, IPMI_NONCE_BYTES);
    handshake->console_id |= 1;
    if (services->flow_open(services, (const struct sockaddr *)settings->peer.at,
                            settings->peer.bytes, bare_accept, bare_received, doctor, &doctor->flow,
                            &err) < 0) {
        doctor_fail(doctor, err.code, err.text);
        return;
    }
    bare_ask(doctor, BARE_CAPABILITIES);
}

/* ---- in the session ---- */

static void doctor_request(struct doctor *doctor, uint8_t netfn, uint8_t command,
                           void (*done)(void *arg, const struct ipmi_result *result))
{
    struct nsh_error err = {.code = NSH_OK};

    doctor->request.netfn = netfn;
    doctor->request.command = command;
    doctor->request.done = done;
    doctor->request.arg = doctor;
    if (ipmi_link_request(&doctor->device->link, &doctor->request, &err) < 0) {
        doctor_fail(doctor, err.code, err.text);
    }
}

/* Whether there is an answer, whatever it says. Else the doctor is gone. */
static bool answered(struct doctor *doctor, const char *what, const struct ipmi_result *result)
{
    struct nsh_services *services = services_of(doctor);

    services->trace(services, doctor->op, "%s -> %s", what,
                    result->code != NSH_OK ? result->text
                                           : ipmi_completion_text(result->completion));
    if (result->code != NSH_OK) {
        doctor_fail(doctor, result->code, result->text);
    }
    return result->code == NSH_OK;
}

static const char *level_word(uint8_t level)
{
    static const char *const words[] = {"none", "callback", "user", "operator", "administrator"};
    return level < sizeof words / sizeof words[0] ? words[level] : "none";
}

static void level_look(struct doctor *doctor, uint8_t limit)
{
    struct nsh_checks *checks = &doctor->checks;
    const char *session = level_word(doctor->device->link.settings.privilege);

    if (limit == 0) {
        nsh_check_add(checks, "permissions", NSH_CHECK_OK, NULL,
                      "the session is %s's; power control needs operator", session);
    } else if (limit == IPMI_ADMINISTRATOR) {
        nsh_check_add(checks, "permissions", NSH_CHECK_OK, NULL,
                      "the account may be administrator; operator would be enough");
    } else if (limit < IPMI_OPERATOR) {
        nsh_check_add(checks, "permissions", NSH_CHECK_FAILED, "give it the level operator",
                      "the account is %s: every action would be refused", level_word(limit));
    } else {
        nsh_check_add(checks, "permissions", NSH_CHECK_OK, NULL,
                      "the account is operator, as power control needs");
    }
}

static void access_done(void *arg, const struct ipmi_result *result)
{
    struct doctor *doctor = arg;

    if (!answered(doctor, "get user access", result)) {
        return;
    }
    bool told = result->completion == IPMI_CC_OK && result->data_bytes >= 4;
    level_look(doctor, told ? result->data[3] & LEVEL_MASK : 0);
    bare_begin(doctor);
}

static void info_done(void *arg, const struct ipmi_result *result)
{
    struct doctor *doctor = arg;

    if (!answered(doctor, "get session info", result)) {
        return;
    }
    if (result->completion != IPMI_CC_OK || result->data_bytes < 5 ||
        (result->data[3] & 0x3f) == 0) {
        level_look(doctor, 0);
        bare_begin(doctor);
        return;
    }
    doctor->request = (struct ipmi_request){
        .data = {CHANNEL_THIS, result->data[3] & 0x3f},
        .data_bytes = 2,
    };
    doctor_request(doctor, IPMI_NETFN_APP, APP_USER_ACCESS, access_done);
}

static void guid_look(struct doctor *doctor, const struct ipmi_result *result)
{
    const struct nsh_device *device = doctor->device;
    struct nsh_checks *checks = &doctor->checks;

    if (result->completion != IPMI_CC_OK || result->data_bytes < IPMI_GUID_BYTES) {
        nsh_check_add(checks, "identity", device->has_uuid ? NSH_CHECK_FAILED : NSH_CHECK_SKIPPED,
                      device->has_uuid ? "leave out uuid, or set it in the BMC" : NULL,
                      "the BMC tells no GUID: %s", ipmi_completion_text(result->completion));
        return;
    }
    const uint8_t *g = result->data;
    if (device->has_uuid && ipmi_guid_is(g, device->uuid)) {
        nsh_check_add(checks, "identity", NSH_CHECK_OK, NULL, "the machine of the inventory");
        return;
    }
    nsh_check_add(
        checks, "identity", device->has_uuid ? NSH_CHECK_FAILED : NSH_CHECK_WARNING,
        device->has_uuid ? "the address is of another host, or the uuid in the inventory is wrong"
                         : "uuid in the inventory: an address may come to be another host's",
        "%s GUID %02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
        device->has_uuid ? "another machine:" : "not checked; it says", g[0], g[1], g[2], g[3],
        g[4], g[5], g[6], g[7], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
}

static void guid_done(void *arg, const struct ipmi_result *result)
{
    struct doctor *doctor = arg;

    if (!answered(doctor, "get system GUID", result)) {
        return;
    }
    guid_look(doctor, result);
    doctor->request = (struct ipmi_request){.data = {0x00}, .data_bytes = 1}; /* This session's. */
    doctor_request(doctor, IPMI_NETFN_APP, APP_SESSION_INFO, info_done);
}

static void status_done(void *arg, const struct ipmi_result *result)
{
    struct doctor *doctor = arg;
    char text[160];

    if (!answered(doctor, "chassis status", result)) {
        return;
    }
    if (result->completion != IPMI_CC_OK || result->data_bytes < 1) {
        snprintf(text, sizeof text, "%s: chassis status: %s (completion code %02xh)",
                 doctor->device->address, ipmi_completion_text(result->completion),
                 result->completion);
        doctor_fail(doctor,
                    result->completion == IPMI_CC_OK
                        ? NSH_PROTOCOL
                        : (int)ipmi_completion_code(result->completion),
                    text);
        return;
    }
    nsh_check_add(&doctor->checks, "power", NSH_CHECK_OK, NULL, "the host is %s; cipher suite %u",
                  (result->data[0] & 1) != 0 ? "on" : "off", doctor->device->link.suite);
    doctor->request = (struct ipmi_request){.data_bytes = 0};
    doctor_request(doctor, IPMI_NETFN_APP, APP_SYSTEM_GUID, guid_done);
}

/* ---- the door ---- */

int ipmi_doctor_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    struct doctor *doctor = calloc(1, sizeof *doctor);

    if (doctor == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    doctor->device = device;
    doctor->op = op;
    op->driver_data = doctor;
    doctor_request(doctor, IPMI_NETFN_CHASSIS, CHASSIS_STATUS, status_done);
    return 0;
}

void ipmi_doctor_cancel(struct nsh_op *op)
{
    struct doctor *doctor = op->driver_data;

    if (doctor != NULL) {
        doctor_fail(doctor, NSH_CANCELLED, "cancelled");
    }
}
