/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A BMC for the contract suite: one host, one session at a time, made of the BMC's end of the
 * codec. It is deterministic; what it may be told (NAME.peer.json): password, suite, deny, busy,
 * uuid, stays (accepts and nothing happens), records, bare (suite 0 is
 * accepted), doors (the users that its authentication capabilities tell), halves (whole records of
 * the event log are refused), lost (and reservations too).
 */

#include "contract_peer.h"
#include "ipmi_codec.h"

#include <stdlib.h>
#include <string.h>

#define CLOSE_SESSION 0x3c
#define SET_PRIVILEGE 0x3b
#define DEVICE_ID 0x01
#define SYSTEM_GUID 0x37
#define AUTH_CAPABILITIES 0x38
#define SESSION_INFO 0x3d
#define USER_ACCESS 0x44
#define ALGORITHM_AT (16 + 8 + 4)        /* Of authentication in an open session request. */
#define REPLY_ALGORITHM_AT (16 + 12 + 4) /* In its reply; the others follow, 8 bytes apart. */
#define SEL_INFO 0x40
#define SEL_RESERVE 0x42
#define SEL_ENTRY 0x43
#define SEL_TIME 0x48
#define SDR_RESERVE 0x22
#define SDR_GET 0x23

struct bmc {
    bool on, stays, active, halves, lost;
    bool bare, is_bare; /* Accepts suite 0; the session being opened is one. */
    uint8_t doors, reserved;
    unsigned records, completion; /* completion: of every chassis command. */
    uint8_t suite, guid[IPMI_GUID_BYTES];
    char password[IPMI_KEY_BYTES + 1];
    struct ipmi_handshake handshake;
    struct ipmi_session session;
    uint32_t ids;
};

static void *bmc_open(const struct nsh_value *device)
{
    struct bmc *bmc = calloc(1, sizeof *bmc);
    if (bmc == NULL) {
        abort();
    }
    bmc->on = strcmp(nsh_get_text(device, "state", "on"), "on") == 0;
    bmc->stays = nsh_get_bool(device, "stays", false);
    bmc->bare = nsh_get_bool(device, "bare", false);
    bmc->halves = nsh_get_bool(device, "halves", false);
    bmc->lost = nsh_get_bool(device, "lost", false);
    bmc->doors = (uint8_t)nsh_get_int(device, "doors", 4);
    bmc->records = (unsigned)nsh_get_int(device, "records", 0);
    bmc->completion = (unsigned)nsh_get_int(device, "completion", 0);
    bmc->suite = (uint8_t)nsh_get_int(device, "suite", 0);
    strncpy(bmc->password, nsh_get_text(device, "password", ""), IPMI_KEY_BYTES);
    ipmi_guid_parse(nsh_get_text(device, "guid", "00000000-0000-0000-0000-000000000001"),
                    bmc->guid);
    return bmc;
}

static void bmc_close(void *peer)
{
    free(peer);
}

static size_t record_fill(const struct bmc *bmc, unsigned id, uint8_t *data)
{
    if (bmc->records == 0) {
        data[0] = IPMI_CC_NOT_PRESENT;
        return 1;
    }
    id = id == 0 ? 1 : id == 0xffff ? bmc->records : id;
    if (id > bmc->records) {
        data[0] = IPMI_CC_NOT_PRESENT;
        return 1;
    }
    unsigned next = id == bmc->records ? 0xffff : id + 1;
    const uint8_t record[16] = {
        (uint8_t)id, (uint8_t)(id >> 8), 0x02, 0, 0, 0, 0x60, 0x20, 0, 4, 0x0c, 1, 0x6f, 0xa1, 0xff,
        0xff};
    data[0] = IPMI_CC_OK;
    data[1] = (uint8_t)next;
    data[2] = (uint8_t)(next >> 8);
    memcpy(data + 3, record, sizeof record);
    return 19;
}

/* A repository of one record: memory sensor 1, "DIMM A1". */
static size_t sdr_fill(const struct ipmi_message *request, uint8_t *data)
{
    static const uint8_t record[] = {1, 0, 0x51, 0x03, 0x13, 0x20, 0,   1,   0x20, 1,   0x0c, 0x6f,
                                     0, 0, 0,    0,    0xc7, 'D',  'I', 'M', 'M',  ' ', 'A',  '1'};
    size_t offset = request->data[4], count = request->data[5];
    if (offset >= sizeof record) {
        data[0] = IPMI_CC_RANGE;
        return 1;
    }
    count = count > sizeof record - offset ? sizeof record - offset : count;
    data[1] = data[2] = 0xff;
    memcpy(data + 3, record + offset, count);
    return 3 + count;
}

/* halves: whole records cannot be read, and not without a reservation; lost: it never lasts. */
static size_t storage_command(struct bmc *bmc, const struct ipmi_message *request, uint8_t *data)
{
    const uint8_t info[] = {0x51, (uint8_t)bmc->records, 0, 0, 1, 9, 0, 0, 0x60, 1, 0, 0, 0x60,
                            0x02};
    uint8_t whole[IPMI_DATA_MAX];
    if (request->command == SEL_INFO) {
        memcpy(data + 1, info, sizeof info);
        return 1 + sizeof info;
    }
    if (request->command == SEL_RESERVE || request->command == SDR_RESERVE) {
        data[1] = ++bmc->reserved;
        data[2] = 0;
        return 3;
    }
    if (request->command == SEL_TIME) {
        memcpy(data + 1, info + 5, 4);
        return 5;
    }
    if (request->data_bytes != 6 ||
        (request->command != SEL_ENTRY && request->command != SDR_GET)) {
        data[0] = IPMI_CC_INVALID_COMMAND;
        return 1;
    }
    if (request->command == SDR_GET) {
        return sdr_fill(request, data);
    }
    if (bmc->halves && request->data[5] == 0xff) {
        data[0] = 0xca;
        return 1;
    }
    if (bmc->halves && (bmc->lost || request->data[0] != bmc->reserved)) {
        data[0] = 0xc5;
        return 1;
    }
    size_t count = record_fill(bmc, (unsigned)(request->data[2] | request->data[3] << 8), whole);
    if (count == 1 || !bmc->halves) {
        memcpy(data, whole, count);
        return count;
    }
    memcpy(data, whole, 3);
    memcpy(data + 3, whole + 3 + request->data[4], request->data[5]);
    return 3u + request->data[5];
}

static size_t chassis_command(struct bmc *bmc, const struct ipmi_message *request, uint8_t *data,
                              struct contract_reply *reply)
{
    reply->effect = request->command == 0x02 || request->command == 0x04;
    data[0] = (uint8_t)bmc->completion;
    reply->refused = bmc->completion != 0;
    if (bmc->completion != 0 && (request->command != 0x01 || bmc->completion == IPMI_CC_BUSY)) {
        return 1;
    }
    data[0] = IPMI_CC_OK;
    if (request->command == 0x02 && request->data_bytes == 1 && !bmc->stays) {
        bmc->on = request->data[0] == 0x01 || request->data[0] == 0x03;
    }
    if (request->command == 0x01) {
        data[1] = bmc->on ? 0x61 : 0x60;
        data[2] = data[3] = 0;
        return 4;
    }
    return 1;
}

static size_t command_answer(struct bmc *bmc, const struct ipmi_message *request, uint8_t *data,
                             struct contract_reply *reply)
{
    data[0] = IPMI_CC_OK;
    if (request->netfn == IPMI_NETFN_CHASSIS) {
        return chassis_command(bmc, request, data, reply);
    }
    if (request->netfn == IPMI_NETFN_STORAGE) {
        return storage_command(bmc, request, data);
    }
    if (request->command == SET_PRIVILEGE) {
        data[1] = request->data[0];
        return 2;
    }
    if (request->command == SYSTEM_GUID) {
        memcpy(data + 1, bmc->guid, IPMI_GUID_BYTES);
        return 1 + IPMI_GUID_BYTES;
    }
    if (request->command == SESSION_INFO || request->command == USER_ACCESS) {
        const uint8_t access[] = {10, request->command == SESSION_INFO ? 4 : 2, 1,
                                  request->command == SESSION_INFO ? 2 : 0x34, IPMI_OPERATOR};
        memcpy(data + 1, access, sizeof access);
        return 1 + sizeof access;
    }
    if (request->command == CLOSE_SESSION) {
        bmc->active = false;
    }
    return 1;
}

static void session_answer(struct bmc *bmc, const struct ipmi_packet *packet,
                           struct contract_reply *reply)
{
    static const uint8_t iv[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    uint8_t scratch[IPMI_DATAGRAM_MAX], data[IPMI_DATA_MAX], out[IPMI_DATAGRAM_MAX];
    struct ipmi_message request;
    if (!bmc->active || ipmi_session_open(&bmc->session, packet, scratch, &request, NULL) < 0) {
        return;
    }
    struct ipmi_message answer = {.to = request.from,
                                  .netfn = request.netfn | 1,
                                  .from = request.to,
                                  .sequence = request.sequence,
                                  .command = request.command,
                                  .data = data};
    answer.data_bytes = command_answer(bmc, &request, data, reply);
    reply->answer(reply->arg, out, ipmi_session_seal(&bmc->session, iv, &answer, out));
}

/* Outside of a session, in the format of IPMI 1.5. */
static void clear_answer(const struct bmc *bmc, const struct ipmi_packet *packet,
                         struct contract_reply *reply)
{
    const uint8_t data[] = {IPMI_CC_OK, 1, 0x80, bmc->doors, 0x02, 0, 0, 0, 0};
    uint8_t out[IPMI_DATAGRAM_MAX];
    struct ipmi_message request;
    if (ipmi_message_parse(packet->payload, packet->payload_bytes, &request, NULL) < 0 ||
        request.command != AUTH_CAPABILITIES) {
        return;
    }
    struct ipmi_message answer = {.to = request.from,
                                  .netfn = request.netfn | 1,
                                  .from = request.to,
                                  .sequence = request.sequence,
                                  .command = request.command,
                                  .data = data,
                                  .data_bytes = sizeof data};
    reply->answer(reply->arg, out, ipmi_clear_build(&answer, true, out));
}

static void open_answer(struct bmc *bmc, const struct ipmi_packet *packet,
                        struct contract_reply *reply)
{
    struct ipmi_handshake *handshake = &bmc->handshake;
    uint8_t out[IPMI_DATAGRAM_MAX];
    *handshake = (struct ipmi_handshake){.bmc_id = ++bmc->ids};
    ipmi_bmc_open(handshake, packet, NULL);
    bmc->is_bare =
        bmc->bare && packet->bytes_count > ALGORITHM_AT && packet->bytes[ALGORITHM_AT] == 0;
    if (bmc->is_bare) {
        handshake->status = IPMI_STATUS_OK;
        handshake->suite = IPMI_SUITE_SHA1;
    } else if (bmc->suite != 0 && handshake->suite != bmc->suite) {
        handshake->status = IPMI_STATUS_NO_SUITE;
    }
    size_t count = ipmi_bmc_open_reply(handshake, IPMI_ADMINISTRATOR, out);
    for (size_t i = 0; bmc->is_bare && i < 3; i++) {
        out[REPLY_ALGORITHM_AT + 8 * i] = 0;
    }
    reply->answer(reply->arg, out, count);
}

static void bmc_datagram(void *peer, const uint8_t *bytes, size_t bytes_count,
                         struct contract_reply *reply)
{
    struct bmc *bmc = peer;
    struct ipmi_handshake *handshake = &bmc->handshake;
    uint8_t out[IPMI_DATAGRAM_MAX];
    struct ipmi_packet packet;
    if (ipmi_packet_parse(bytes, bytes_count, &packet, NULL) < 0) {
        return;
    }
    if (packet.plain) {
        clear_answer(bmc, &packet, reply);
    } else if (packet.payload_type == IPMI_PAYLOAD_OPEN) {
        open_answer(bmc, &packet, reply);
    } else if (packet.payload_type == IPMI_PAYLOAD_RAKP1) {
        memset(handshake->key, 0, sizeof handshake->key);
        memcpy(handshake->key, bmc->password, strlen(bmc->password));
        memcpy(handshake->guid, bmc->guid, sizeof handshake->guid);
        memset(handshake->bmc_nonce, 0x5a, sizeof handshake->bmc_nonce);
        ipmi_bmc_rakp1(handshake, &packet, NULL);
        reply->answer(reply->arg, out, ipmi_bmc_rakp1_reply(handshake, out));
    } else if (packet.payload_type == IPMI_PAYLOAD_RAKP3 && bmc->is_bare) {
        bmc->is_bare = false; /* Taken back; the session beside it stays. */
    } else if (packet.payload_type == IPMI_PAYLOAD_RAKP3) {
        bmc->active = ipmi_bmc_rakp3(handshake, &packet, &bmc->session, NULL) == 0;
        reply->answer(reply->arg, out, ipmi_bmc_rakp3_reply(handshake, out));
    } else if (packet.payload_type == IPMI_PAYLOAD_MESSAGE) {
        session_answer(bmc, &packet, reply);
    }
}

const struct contract_peer contract_peer = {
    .open = bmc_open, .datagram = bmc_datagram, .close = bmc_close};
