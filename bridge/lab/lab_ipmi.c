/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab's RMCP+ BMCs: one UDP socket at each BMC's own address, sessions by suites 3 and 17,
 * answers after the lab's latency. A session slot is free again when it was not used for
 * SESSION_IDLE_MS.
 */

#include "lab.h"

#include "base/arena.h"
#include "base/assert.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SESSION_IDLE_MS 60000
#define HANDSHAKE_IDLE_MS 5000
#define SLOTS_MAX 64

struct lab_ipmi {
    uint32_t slots_count;
    struct lab_ipmi_session slots[];
};

/* An answer on its way. */
struct ipmi_answer {
    struct lab_timer timer;
    struct lab_bmc *bmc;
    struct sockaddr_in peer;
    size_t bytes_count;
    uint8_t bytes[];
};

/* ---- answering -------------------------------------------------------------------------- */

static void answer_send(const struct lab_bmc *bmc, const struct sockaddr_in *peer,
                        const uint8_t *bytes, size_t bytes_count)
{
    if ((bmc->modes & (LAB_DEAD | LAB_HANG)) == 0) {
        sendto(bmc->fd, bytes, bytes_count, 0, (const struct sockaddr *)peer, sizeof *peer);
    }
}

static void answer_due(void *arg)
{
    struct ipmi_answer *answer = arg;

    answer_send(answer->bmc, &answer->peer, answer->bytes, answer->bytes_count);
    free(answer);
}

static void ipmi_answer(struct lab_bmc *bmc, const struct sockaddr_in *peer, uint8_t *bytes,
                        size_t bytes_count)
{
    int64_t delay_ms = bmc->lab->options.latency_ms + bmc->late_ms;

    if (bytes_count == 0) {
        return;
    }
    if ((bmc->modes & LAB_GARBAGE) != 0) {
        RAND_bytes(bytes + bytes_count / 2, (int)(bytes_count - bytes_count / 2));
    }
    if (delay_ms == 0) {
        answer_send(bmc, peer, bytes, bytes_count);
        return;
    }
    struct ipmi_answer *answer = malloc(sizeof *answer + bytes_count);
    if (answer == NULL) {
        return;
    }
    *answer = (struct ipmi_answer){.bmc = bmc, .peer = *peer, .bytes_count = bytes_count};
    memcpy(answer->bytes, bytes, bytes_count);
    lab_clock_set(bmc->lab, &answer->timer, delay_ms, answer_due, answer);
}

/* ---- sessions --------------------------------------------------------------------------- */

static void slot_free(struct lab_ipmi_session *slot)
{
    free(slot->handshake);
    *slot = (struct lab_ipmi_session){.bmc_id = 0};
}

void lab_ipmi_forget(struct lab_bmc *bmc)
{
    for (uint32_t i = 0; bmc->ipmi != NULL && i < bmc->ipmi->slots_count; i++) {
        slot_free(&bmc->ipmi->slots[i]);
    }
    free(bmc->ipmi);
    bmc->ipmi = NULL;
}

static struct lab_ipmi_session *slot_of(const struct lab_bmc *bmc, uint32_t bmc_id)
{
    uint32_t index = (bmc_id & 0xff) - 1;

    if (bmc->ipmi == NULL || bmc_id == 0 || index >= bmc->ipmi->slots_count ||
        bmc->ipmi->slots[index].bmc_id != bmc_id) {
        return NULL;
    }
    return &bmc->ipmi->slots[index];
}

/* A free slot, or one that nobody used for long; NULL: the BMC has no session left. */
static struct lab_ipmi_session *slot_take(struct lab_bmc *bmc)
{
    uint32_t slots_count = (uint32_t)bmc->lab->options.sessions_max;
    int64_t now_ms = lab_clock_now_ms(bmc->lab);

    if (bmc->ipmi == NULL) {
        bmc->ipmi = calloc(1, sizeof *bmc->ipmi + slots_count * sizeof bmc->ipmi->slots[0]);
        if (bmc->ipmi == NULL) {
            return NULL;
        }
        bmc->ipmi->slots_count = slots_count;
    }
    for (uint32_t i = 0; i < slots_count; i++) {
        struct lab_ipmi_session *slot = &bmc->ipmi->slots[i];
        int64_t idle_ms = slot->active ? SESSION_IDLE_MS : HANDSHAKE_IDLE_MS;
        if (slot->bmc_id != 0 && now_ms - slot->used_ms < idle_ms) {
            continue;
        }
        uint32_t noise = 0;
        slot_free(slot);
        slot->handshake = calloc(1, sizeof *slot->handshake);
        if (slot->handshake == NULL) {
            return NULL;
        }
        RAND_bytes((unsigned char *)&noise, sizeof noise);
        slot->bmc_id = (noise & 0xffffff00u) | (i + 1);
        slot->used_ms = now_ms;
        return slot;
    }
    return NULL;
}

/* ---- setting a session up --------------------------------------------------------------- */

static size_t ipmi_open(struct lab_bmc *bmc, const struct ipmi_packet *packet, uint8_t *out)
{
    struct ipmi_handshake handshake = {0};
    struct lab_ipmi_session *slot = NULL;

    if (ipmi_bmc_open(&handshake, packet, NULL) < 0) {
        return 0;
    }
    if (handshake.status == IPMI_STATUS_OK) {
        slot = slot_take(bmc);
        if (slot == NULL) {
            handshake.status = IPMI_STATUS_NO_RESOURCES;
        }
    }
    if (slot == NULL) {
        return ipmi_bmc_open_reply(&handshake, 0, out);
    }
    handshake.bmc_id = slot->bmc_id;
    lab_world_guid(bmc->hosts, handshake.guid);
    *slot->handshake = handshake;
    uint8_t asked = handshake.role;
    return ipmi_bmc_open_reply(&handshake, asked == 0 ? IPMI_ADMINISTRATOR : asked, out);
}

/* Which privilege a user may have at most; 0: nobody knows him. The password is the same for all.
 */
static uint8_t user_privilege(const struct lab *lab, const char *user)
{
    if (strcmp(user, lab->options.user) == 0) {
        return IPMI_ADMINISTRATOR;
    }
    return strcmp(user, "operator") == 0  ? IPMI_OPERATOR
           : strcmp(user, "monitor") == 0 ? IPMI_USER
                                          : 0;
}

static size_t ipmi_rakp1(struct lab_bmc *bmc, const struct ipmi_packet *packet, uint8_t *out)
{
    struct lab_ipmi_session *slot = slot_of(bmc, ipmi_setup_session_id(packet));
    const char *password = bmc->lab->options.password;

    if (slot == NULL || slot->handshake == NULL) {
        struct ipmi_handshake none = {.status = IPMI_STATUS_NO_SESSION};
        return ipmi_bmc_rakp1_reply(&none, out);
    }
    struct ipmi_handshake *handshake = slot->handshake;
    bool repeated = memcmp(handshake->console_nonce, packet->payload + 8, IPMI_NONCE_BYTES) == 0;
    if (ipmi_bmc_rakp1(handshake, packet, NULL) < 0) {
        return 0;
    }
    if (!repeated) {
        RAND_bytes(handshake->bmc_nonce, IPMI_NONCE_BYTES);
    }
    memcpy(handshake->key, password, strnlen(password, IPMI_KEY_BYTES));
    slot->privilege_max = user_privilege(bmc->lab, handshake->user);
    uint8_t asked = handshake->role & 0x0f;
    if (handshake->status == IPMI_STATUS_OK && slot->privilege_max == 0) {
        handshake->status = IPMI_STATUS_NAME_UNKNOWN;
    } else if (handshake->status == IPMI_STATUS_OK && asked > slot->privilege_max) {
        handshake->status = IPMI_STATUS_ROLE_DENIED;
    }
    if (asked != 0 && asked < slot->privilege_max) {
        slot->privilege_max = asked;
    }
    if ((bmc->modes & LAB_DENY) != 0) {
        memset(handshake->key, 0x5a, IPMI_KEY_BYTES);
    }
    size_t count = ipmi_bmc_rakp1_reply(handshake, out);
    if (handshake->status != IPMI_STATUS_OK) {
        slot_free(slot);
    }
    return count;
}

static size_t ipmi_rakp3(struct lab_bmc *bmc, const struct ipmi_packet *packet, uint8_t *out)
{
    struct lab_ipmi_session *slot = slot_of(bmc, ipmi_setup_session_id(packet));
    struct ipmi_session session;

    if (slot == NULL || slot->handshake == NULL) {
        struct ipmi_handshake none = {.status = IPMI_STATUS_NO_SESSION};
        return ipmi_bmc_rakp3_reply(&none, out);
    }
    if (ipmi_bmc_rakp3(slot->handshake, packet, &session, NULL) < 0) {
        bool told = slot->handshake->status == IPMI_STATUS_INTEGRITY &&
                    packet->payload[1] == IPMI_STATUS_OK;
        size_t count = told ? ipmi_bmc_rakp3_reply(slot->handshake, out) : 0;
        slot_free(slot);
        return count;
    }
    if (!slot->active) { /* Else the client repeats itself: our answer was lost. */
        slot->session = session;
        slot->active = true;
        bmc->logins++;
        slot->privilege = IPMI_USER;
    }
    return ipmi_bmc_rakp3_reply(slot->handshake, out);
}

/* ---- messages --------------------------------------------------------------------------- */

static struct ipmi_message message_reply(const struct ipmi_message *request, const uint8_t *data,
                                         size_t data_bytes)
{
    return (struct ipmi_message){
        .to = request->from,
        .netfn = request->netfn | 1,
        .lun = request->lun,
        .from = request->to,
        .sequence = request->sequence,
        .command = request->command,
        .data = data,
        .data_bytes = data_bytes,
    };
}

static size_t ipmi_outside(struct lab_bmc *bmc, const struct ipmi_packet *packet, uint8_t *out)
{
    struct ipmi_message request;
    uint8_t data[IPMI_DATA_MAX];
    bool close = false;

    if (packet->session_id != 0 ||
        ipmi_message_parse(packet->payload, packet->payload_bytes, &request, NULL) < 0) {
        return 0;
    }
    size_t data_bytes = lab_ipmi_command(bmc, NULL, &request, data, &close);
    if (data_bytes == 0) {
        return 0;
    }
    struct ipmi_message reply = message_reply(&request, data, data_bytes);
    return ipmi_clear_build(&reply, packet->plain, out);
}

static size_t ipmi_inside(struct lab_bmc *bmc, const struct ipmi_packet *packet, uint8_t *out)
{
    struct lab_ipmi_session *slot = slot_of(bmc, packet->session_id);
    uint8_t scratch[IPMI_DATAGRAM_MAX], data[IPMI_DATA_MAX], iv[16];
    struct ipmi_message request;
    bool close = false;

    if (slot == NULL || !slot->active ||
        ipmi_session_open(&slot->session, packet, scratch, &request, NULL) < 0) {
        return 0;
    }
    free(slot->handshake);
    slot->handshake = NULL;
    slot->used_ms = lab_clock_now_ms(bmc->lab);
    size_t data_bytes = lab_ipmi_command(bmc, slot, &request, data, &close);
    if (bmc->ipmi == NULL || data_bytes == 0) { /* It restarted, and forgot. */
        return 0;
    }
    struct ipmi_message reply = message_reply(&request, data, data_bytes);
    RAND_bytes(iv, sizeof iv);
    size_t count = ipmi_session_seal(&slot->session, iv, &reply, out);
    if (close) {
        slot_free(slot);
    }
    return count;
}

static size_t ipmi_datagram(struct lab_bmc *bmc, const uint8_t *bytes, size_t bytes_count,
                            uint8_t *out)
{
    struct ipmi_packet packet;

    if (ipmi_packet_parse(bytes, bytes_count, &packet, NULL) < 0) {
        return 0;
    }
    if (packet.plain) {
        return ipmi_outside(bmc, &packet, out);
    }
    switch (packet.payload_type) {
    case IPMI_PAYLOAD_OPEN:
        return ipmi_open(bmc, &packet, out);
    case IPMI_PAYLOAD_RAKP1:
        return packet.payload_bytes < 28 ? 0 : ipmi_rakp1(bmc, &packet, out);
    case IPMI_PAYLOAD_RAKP3:
        return packet.payload_bytes < 8 ? 0 : ipmi_rakp3(bmc, &packet, out);
    case IPMI_PAYLOAD_MESSAGE:
        return packet.authenticated ? ipmi_inside(bmc, &packet, out)
                                    : ipmi_outside(bmc, &packet, out);
    default:
        return 0;
    }
}

/* One datagram a turn: epoll is level-triggered, so nothing is lost, and no BMC starves another. */
static void ipmi_readable(uv_poll_t *poll, int status, int events)
{
    struct lab_bmc *bmc = poll->data;
    uint8_t bytes[IPMI_DATAGRAM_MAX], out[IPMI_DATAGRAM_MAX];
    struct sockaddr_in peer;
    socklen_t peer_bytes = sizeof peer;
    ssize_t count = recvfrom(bmc->fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_TRUNC,
                             (struct sockaddr *)&peer, &peer_bytes);

    if (count < 0 || (size_t)count > sizeof bytes || (bmc->modes & (LAB_DEAD | LAB_HANG)) != 0) {
        return;
    }
    bmc->requests++;
    ipmi_answer(bmc, &peer, out, ipmi_datagram(bmc, bytes, (size_t)count, out));
}

int lab_ipmi_listen(struct lab_bmc *bmc, struct nsh_error *err)
{
    CLEANUP(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&bmc->address, sizeof bmc->address) != 0) {
        return nsh_fail(err, NSH_IO, "%s: UDP port %u: %s", bmc->hosts->name,
                        ntohs(bmc->address.sin_port), strerror(errno));
    }
    int result = uv_poll_init(&bmc->lab->loop, &bmc->poll, fd);
    if (result < 0) {
        return nsh_fail(err, NSH_LIMIT, "%s: %s", bmc->hosts->name, uv_strerror(result));
    }
    bmc->fd = fd;
    fd = -1;
    bmc->poll.data = bmc;
    uv_poll_start(&bmc->poll, UV_READABLE, ipmi_readable);
    return 0;
}
