/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link to one BMC. Order: open session, RAKP 1 to 4, set session privilege level, then
 * requests; five packets for the first answer and one for each that follows.
 */

#include "ipmi_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX 1024
#define COMMAND_SET_PRIVILEGE 0x3b
#define COMMAND_CLOSE_SESSION 0x3c
#define COMMAND_DEVICE_ID 0x01
#define ADDRESS_BMC 0x20
#define ADDRESS_CONSOLE 0x81

#define TO(state) (1u << (state))
static const struct {
    const char *waits_for;
    unsigned to;
} link_arrows[LINK_STATES_COUNT] = {
    [LINK_CLOSED] = {"nothing", TO(LINK_OPENING)},
    [LINK_OPENING] = {"open session", TO(LINK_RAKP1) | TO(LINK_OPENING) | TO(LINK_CLOSED)},
    [LINK_RAKP1] = {"RAKP 1", TO(LINK_RAKP3) | TO(LINK_CLOSED)},
    [LINK_RAKP3] = {"RAKP 3", TO(LINK_RAISING) | TO(LINK_CLOSED)},
    [LINK_RAISING] = {"set session privilege level", TO(LINK_READY) | TO(LINK_CLOSED)},
    [LINK_READY] = {"requests", TO(LINK_CLOSED)},
};

static void link_serve(struct ipmi_link *link);
static void link_timer(struct ipmi_link *link, uint32_t delay_ms);

static void link_move(struct ipmi_link *link, enum link_state next)
{
    if ((link_arrows[link->state].to & TO(next)) == 0) {
        abort(); /* Ours: the flow below has no such arrow. */
    }
    link->state = next;
    link->tries = 0;
}

static void link_timer_stop(struct ipmi_link *link)
{
    if (link->timer != NULL) {
        link->services->timer_cancel(link->services, link->timer);
        link->timer = NULL;
    }
}

/* ---- endings ---------------------------------------------------------------------------- */

/* What it holds of the password goes with it. */
static void handshake_drop(struct ipmi_link *link)
{
    if (link->handshake != NULL) {
        explicit_bzero(link->handshake, sizeof *link->handshake);
        free(link->handshake);
        link->handshake = NULL;
    }
}

static void link_drop(struct ipmi_link *link)
{
    link_timer_stop(link);
    handshake_drop(link);
    link->pinging = false;
    if (link->state != LINK_CLOSED) {
        link_move(link, LINK_CLOSED);
    }
    if (link->flow != NULL) {
        link->services->flow_close(link->services, link->flow);
        link->flow = NULL;
    }
}

/*
 * End all that wait: the session cannot be opened. Their own list, so that what a done queues is
 * not ended with them; the link's, so that a done may abort one of them. A done may close the link.
 */
static void link_fail_all(struct ipmi_link *link, int code, const char *text)
{
    struct ipmi_request **last = &link->failing;
    bool *outer = link->gone, gone = false;

    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = link->queue;
    link->queue = NULL;
    link_drop(link);
    /* cppcheck-suppress autoVariables ; taken back below, unless the link is gone */
    link->gone = &gone;
    while (!gone && link->failing != NULL) {
        struct ipmi_request *request = link->failing;
        struct ipmi_result result = {.code = code, .sent = request->sent, .text = text};
        link->failing = request->next;
        request->next = NULL;
        request->done(request->arg, &result);
    }
    if (!gone) {
        link->gone = outer;
    } else if (outer != NULL) {
        *outer = true;
    }
}

static void link_fail_open(struct ipmi_link *link, const struct nsh_error *err)
{
    char text[TEXT_BYTES_MAX];

    snprintf(text, sizeof text, "%s: %s", link->address, err->text);
    link_fail_all(link, err->code, text);
}

/* Without a timer nobody would notice that no answer comes. */
static void link_watch(struct ipmi_link *link)
{
    struct nsh_error err;

    if (link->timer == NULL && link->state != LINK_CLOSED) {
        nsh_fail(&err, NSH_NOMEM, "no memory for a timer");
        link_fail_open(link, &err);
    }
}

/* End the first request; what follows is started before, because done may lead to the end of the
 * link. */
static void link_end_first(struct ipmi_link *link, const struct ipmi_result *result)
{
    struct ipmi_request *request = link->queue;

    link->queue = request->next;
    request->next = NULL;
    link_serve(link);
    request->done(request->arg, result);
}

/* ---- sending ---------------------------------------------------------------------------- */

static bool link_send(struct ipmi_link *link, const uint8_t *bytes, size_t bytes_count)
{
    return bytes_count > 0 &&
           link->services->flow_send(link->services, link->flow, bytes, bytes_count) == 0;
}

static bool link_send_message(struct ipmi_link *link, uint8_t netfn, uint8_t command,
                              const uint8_t *data, size_t data_bytes)
{
    uint8_t out[IPMI_DATAGRAM_MAX], iv[16];
    struct ipmi_message message = {
        .to = ADDRESS_BMC,
        .netfn = netfn,
        .from = ADDRESS_CONSOLE,
        .sequence = link->sequence,
        .command = command,
        .data = data,
        .data_bytes = data_bytes,
    };

    link->services->random(link->services, iv, sizeof iv);
    return link_send(link, out, ipmi_session_seal(&link->session, iv, &message, out));
}

static void link_sequence_next(struct ipmi_link *link)
{
    link->sequence = (uint8_t)((link->sequence + 1) & 0x3f);
}

/* The polite end; nobody waits for the answer. */
static void link_send_close(struct ipmi_link *link)
{
    uint32_t id = link->session.peer_id;
    const uint8_t data[4] = {(uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16),
                             (uint8_t)(id >> 24)};

    link_sequence_next(link);
    link_send_message(link, IPMI_NETFN_APP, COMMAND_CLOSE_SESSION, data, sizeof data);
}

/* Send, or send again, what the present state of the handshake waits for. */
static void link_send_setup(struct ipmi_link *link)
{
    uint8_t out[IPMI_DATAGRAM_MAX];
    uint8_t privilege = link->settings.privilege;

    link->tries++;
    if (link->state == LINK_OPENING) {
        link_send(link, out, ipmi_client_open(link->handshake, out));
    } else if (link->state == LINK_RAKP1) {
        link_send(link, out, ipmi_client_rakp1(link->handshake, out));
    } else if (link->state == LINK_RAKP3) {
        link_send(link, out, ipmi_client_rakp3(link->handshake, IPMI_STATUS_OK, out));
    } else {
        link_send_message(link, IPMI_NETFN_APP, COMMAND_SET_PRIVILEGE, &privilege, 1);
    }
    link_timer(link, LINK_RETRY_MS);
}

static void link_step(struct ipmi_link *link, enum link_state next)
{
    link_move(link, next);
    link_timer_stop(link);
    link_send_setup(link);
}

/* Send, or send again, the first request of the queue. */
static void link_send_first(struct ipmi_link *link)
{
    struct ipmi_request *request = link->queue;

    if (request->tries == 0) {
        link_sequence_next(link);
        request->sequence = link->sequence;
    }
    request->tries++;
    if (link_send_message(link, request->netfn, request->command, request->data,
                          request->data_bytes)) {
        request->sent = true;
        request->sent_count++;
    }
    link_timer_stop(link);
    link_timer(link, request->once && request->sent ? LINK_ONCE_WAIT_MS : LINK_RETRY_MS);
}

/* ---- opening ---------------------------------------------------------------------------- */

static bool link_accept(void *arg, const uint8_t *bytes, size_t bytes_count)
{
    const struct ipmi_link *link = arg;
    struct ipmi_packet packet;

    if (ipmi_packet_parse(bytes, bytes_count, &packet, NULL) < 0 || packet.plain) {
        return false;
    }
    if (packet.payload_type == IPMI_PAYLOAD_MESSAGE) {
        return packet.session_id == link->session.own_id;
    }
    return link->handshake != NULL && (packet.payload_bytes < 8 || ipmi_setup_session_id(&packet) ==
                                                                       link->handshake->console_id);
}

static void link_received(void *arg, const uint8_t *bytes, size_t bytes_count);

static int link_open(struct ipmi_link *link, struct nsh_error *err)
{
    const struct ipmi_settings *settings = &link->settings;
    struct ipmi_handshake *handshake = calloc(1, sizeof *handshake);

    if (handshake == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for a session");
    }
    if (link->flow == NULL) {
        int result = link->services->flow_open(
            link->services, (const struct sockaddr *)settings->peer.at, settings->peer.bytes,
            link_accept, link_received, link, &link->flow, err);
        if (result < 0) {
            free(handshake);
            return result;
        }
    }
    handshake->suite = link->suite != 0 ? link->suite : IPMI_SUITE_SHA256;
    handshake->role = settings->privilege | 0x10;
    handshake->user_bytes = settings->user_bytes;
    handshake->has_kg = settings->has_kg;
    memcpy(handshake->user, settings->user, sizeof handshake->user);
    memcpy(handshake->key, settings->key, IPMI_KEY_BYTES);
    memcpy(handshake->kg, settings->kg, IPMI_KEY_BYTES);
    link->services->random(link->services, &handshake->tag, 1);
    link->services->random(link->services, &handshake->console_id, sizeof handshake->console_id);
    link->services->random(link->services, handshake->console_nonce, IPMI_NONCE_BYTES);
    handshake->console_id |= 1; /* Never 0. */
    handshake_drop(link);
    link->handshake = handshake;
    link_step(link, LINK_OPENING);
    return 0;
}

/* The BMC does not speak the suite: with cipher auto the weaker of the two good ones is next; never
 * suite 0. */
static bool link_other_suite(struct ipmi_link *link, const struct nsh_error *err)
{
    struct nsh_error ignored;

    if (err->code != NSH_UNSUPPORTED || link->settings.suite != 0 ||
        link->handshake->suite != IPMI_SUITE_SHA256) {
        return false;
    }
    link->suite = IPMI_SUITE_SHA1;
    return link_open(link, &ignored) == 0;
}

static void link_setup_received(struct ipmi_link *link, const struct ipmi_packet *packet)
{
    struct nsh_error err = {.code = NSH_OK};
    int result = -NSH_STALE;
    uint8_t out[IPMI_DATAGRAM_MAX];

    if (link->state == LINK_OPENING) {
        result = ipmi_client_open_reply(link->handshake, packet, &err);
        if (result == 0) {
            link->suite = link->handshake->suite;
            link_step(link, LINK_RAKP1);
        }
    } else if (link->state == LINK_RAKP1) {
        result = ipmi_client_rakp1_reply(link->handshake, packet, &err);
        if (result == 0) {
            link_step(link, LINK_RAKP3);
        } else if (result == -NSH_AUTH && link->handshake->status == IPMI_STATUS_OK) {
            link_send(link, out, ipmi_client_rakp3(link->handshake, IPMI_STATUS_INTEGRITY, out));
        }
    } else if (link->state == LINK_RAKP3) {
        result = ipmi_client_rakp3_reply(link->handshake, packet, &link->session, &err);
        if (result == 0) {
            link->opened_count++;
            link_sequence_next(link);
            link_step(link, LINK_RAISING);
        }
    }
    if (result == 0) {
        link_watch(link);
        return;
    }
    if (result == -NSH_STALE || (link->state == LINK_OPENING && link_other_suite(link, &err))) {
        return;
    }
    link_fail_open(link, &err);
}

static void link_raised(struct ipmi_link *link, const struct ipmi_message *message)
{
    struct nsh_error err;
    uint8_t completion = message->data[0];

    if (completion != IPMI_CC_OK) {
        bool refused = completion == 0x80 || completion == 0x81 || completion == 0x82;
        nsh_fail(&err, refused ? NSH_DENIED : ipmi_completion_code(completion),
                 "privilege level %u refused: %s (completion code %02xh)", link->settings.privilege,
                 refused ? "the user may not have it" : ipmi_completion_text(completion),
                 completion);
        link_send_close(link);
        link_fail_open(link, &err);
        return;
    }
    handshake_drop(link);
    link_timer_stop(link);
    link_move(link, LINK_READY);
    link_serve(link);
}

/* ---- receiving -------------------------------------------------------------------------- */

static void link_answered(struct ipmi_link *link, const struct ipmi_message *message)
{
    struct ipmi_request *request = link->queue;

    link->answered_ms = link->services->now_ms(link->services);
    if (link->pinging && message->sequence == link->sequence &&
        message->command == COMMAND_DEVICE_ID) {
        link->pinging = false;
        link_serve(link);
        return;
    }
    if (request == NULL || request->tries == 0 || message->sequence != request->sequence ||
        message->command != request->command || message->netfn != (request->netfn | 1)) {
        return; /* The answer to something that was given up, or sent twice. */
    }
    struct ipmi_result result = {
        .code = NSH_OK,
        .sent = true,
        .text = "",
        .completion = message->data[0],
        .data = message->data + 1,
        .data_bytes = message->data_bytes - 1,
    };
    link_timer_stop(link);
    link_end_first(link, &result);
}

static void link_received(void *arg, const uint8_t *bytes, size_t bytes_count)
{
    struct ipmi_link *link = arg;
    uint8_t scratch[IPMI_DATAGRAM_MAX];
    struct ipmi_packet packet;
    struct ipmi_message message;

    if (ipmi_packet_parse(bytes, bytes_count, &packet, NULL) < 0 || packet.plain) {
        return;
    }
    if (packet.payload_type != IPMI_PAYLOAD_MESSAGE) {
        if (link->handshake != NULL) {
            link_setup_received(link, &packet);
        }
        return;
    }
    if ((link->state != LINK_RAISING && link->state != LINK_READY) ||
        ipmi_session_open(&link->session, &packet, scratch, &message, NULL) < 0 ||
        message.data_bytes < 1) {
        return;
    }
    if (link->state == LINK_READY) {
        link_answered(link, &message);
    } else if (message.command == COMMAND_SET_PRIVILEGE && message.sequence == link->sequence) {
        link->answered_ms = link->services->now_ms(link->services);
        link_raised(link, &message);
    }
}

/* ---- time ------------------------------------------------------------------------------- */

static void link_idle(struct ipmi_link *link)
{
    if (link->settings.keep_alive_ms == 0 || link->pinging) { /* Nobody needs it, or it is lost. */
        link_send_close(link);
        link_drop(link);
        return;
    }
    link->pinging = true;
    link_sequence_next(link);
    link_send_message(link, IPMI_NETFN_APP, COMMAND_DEVICE_ID, NULL, 0);
    link_timer(link, LINK_RETRY_MS * LINK_TRIES);
    link_watch(link);
}

/* No answer to the first request for a while. */
static void link_unanswered(struct ipmi_link *link)
{
    struct ipmi_request *request = link->queue;
    struct nsh_error err;
    char text[TEXT_BYTES_MAX];
    int64_t silent_ms = link->services->now_ms(link->services) - link->answered_ms;

    if (!request->sent && request->tries < LINK_TRIES) {
        link_send_first(link);
        link_watch(link);
        return;
    }
    if (!request->once && !request->reopened && request->tries >= LINK_TRIES_STALE &&
        silent_ms > LINK_FRESH_MS) { /* An old session: the BMC may have forgotten it. */
        request->reopened = true;
        request->tries = 0;
        link_drop(link);
        if (link_open(link, &err) < 0) {
            link_fail_open(link, &err);
        } else {
            link_watch(link);
        }
        return;
    }
    if (!request->once && request->tries < LINK_TRIES) {
        link_send_first(link);
        link_watch(link);
        return;
    }
    snprintf(text, sizeof text, "%s: no answer to command %02xh/%02xh %s", link->address,
             request->netfn, request->command,
             request->once ? "(sent once, never repeated)" : "after several tries");
    struct ipmi_result result = {.code = NSH_TIMEOUT, .sent = request->sent, .text = text};
    link_drop(link);
    link_end_first(link, &result);
}

static void link_fired(void *arg)
{
    struct ipmi_link *link = arg;
    struct nsh_error err;

    link->timer = NULL;
    if (link->state == LINK_READY) {
        if (link->queue == NULL) {
            link_idle(link);
        } else if (link->queue->tries == 0) {
            link_send_first(link);
            link_watch(link);
        } else {
            link_unanswered(link);
        }
        return;
    }
    if (link->tries < LINK_TRIES) {
        link_send_setup(link);
        link_watch(link);
        return;
    }
    nsh_fail(&err, NSH_UNREACHABLE, "no answer to %s after %d tries: no session, nothing was done",
             link_arrows[link->state].waits_for, LINK_TRIES);
    link_fail_open(link, &err);
}

static void link_timer(struct ipmi_link *link, uint32_t delay_ms)
{
    link->timer = link->services->timer(link->services, delay_ms, link_fired, link);
}

/* ---- the queue -------------------------------------------------------------------------- */

/* Go on with the first request, or wait for one. */
static void link_serve(struct ipmi_link *link)
{
    struct nsh_error err;

    if (link->state == LINK_READY && link->queue != NULL) {
        if (link->queue->tries == 0) {
            link_send_first(link);
        }
        link_watch(link);
    } else if (link->state == LINK_READY) {
        uint32_t keep_ms = link->settings.keep_alive_ms;
        link_timer_stop(link);
        link_timer(link, keep_ms != 0 ? keep_ms : LINK_IDLE_MS);
        link_watch(link); /* Nobody waits: the session is dropped. */
    } else if (link->state == LINK_CLOSED && link->queue != NULL) {
        if (link_open(link, &err) < 0) {
            link_fail_open(link, &err);
        } else {
            link_watch(link);
        }
    }
}

int ipmi_link_request(struct ipmi_link *link, struct ipmi_request *request, struct nsh_error *err)
{
    struct ipmi_request **last = &link->queue;
    bool first = link->queue == NULL;

    while (*last != NULL) {
        last = &(*last)->next;
    }
    request->next = NULL;
    request->sent = request->reopened = false;
    request->tries = request->sent_count = 0;
    if (first && link->state == LINK_CLOSED) {
        int result = link_open(link, err);
        if (result < 0) {
            return result;
        }
    }
    *last = request;
    if (first && link->state == LINK_READY) {
        link->pinging = false;
        link_send_first(link);
    }
    if (link->timer == NULL) { /* Without one nobody would notice that no answer comes. */
        ipmi_link_abort(link, request);
        return nsh_fail(err, NSH_NOMEM, "no memory for a timer");
    }
    return 0;
}

/* The pointer that points at request, or the last one, which is NULL. */
static struct ipmi_request **link_find(struct ipmi_request **list,
                                       const struct ipmi_request *request)
{
    while (*list != NULL && *list != request) {
        list = &(*list)->next;
    }
    return list;
}

void ipmi_link_abort(struct ipmi_link *link, struct ipmi_request *request)
{
    struct ipmi_request **at = link_find(&link->failing, request);

    if (*at != NULL) {
        *at = request->next;
        request->next = NULL;
        return;
    }
    at = link_find(&link->queue, request);
    if (*at == NULL) {
        return;
    }
    bool first = at == &link->queue;
    *at = request->next;
    request->next = NULL;
    if (first && link->state == LINK_READY) {
        link_timer_stop(link);
        link_serve(link);
    } else if (link->queue == NULL && link->state != LINK_READY) {
        link_drop(link);
    }
}

void ipmi_link_close(struct ipmi_link *link)
{
    if (link->gone != NULL) {
        *link->gone = true;
    }
    if (link->state == LINK_READY || link->state == LINK_RAISING) {
        link_send_close(link);
    }
    link_drop(link);
}
