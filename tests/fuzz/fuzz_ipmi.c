/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: codec_ipmi
/*
 * Any datagram at either end of RMCP+: in each step of the handshake, and inside a session. The
 * first byte chooses the end and the step.
 */

#include "ipmi_codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static void fuzz_client(const struct ipmi_packet *packet, unsigned step, uint8_t suite)
{
    struct ipmi_handshake handshake = {
        .suite = suite, .role = 0x14, .console_id = 0x01020304, .bmc_id = 0x05060708};
    struct ipmi_session session;
    uint8_t out[IPMI_DATAGRAM_MAX];
    handshake.tag = packet->payload_bytes > 0 ? packet->payload[0] : 0;
    if (packet->payload_bytes >= 8) {
        handshake.console_id = ipmi_setup_session_id(packet); /* Past the first check. */
    }
    if (step == 0 && ipmi_client_open_reply(&handshake, packet, NULL) == 0) {
        ipmi_client_rakp1(&handshake, out);
    } else if (step == 1) {
        ipmi_client_rakp1_reply(&handshake, packet, NULL);
    } else {
        ipmi_client_rakp3_reply(&handshake, packet, &session, NULL);
    }
}

static void fuzz_bmc(const struct ipmi_packet *packet, unsigned step)
{
    struct ipmi_handshake handshake = {.suite = IPMI_SUITE_SHA256, .bmc_id = 1};
    struct ipmi_session session;
    uint8_t out[IPMI_DATAGRAM_MAX];
    if (step == 0 && ipmi_bmc_open(&handshake, packet, NULL) == 0) {
        ipmi_bmc_open_reply(&handshake, IPMI_ADMINISTRATOR, out);
    } else if (step == 1 && ipmi_bmc_rakp1(&handshake, packet, NULL) == 0) {
        if (ipmi_bmc_rakp1_reply(&handshake, out) > IPMI_DATAGRAM_MAX ||
            handshake.user_bytes > IPMI_USER_MAX) {
            abort();
        }
    } else if (step == 2) {
        ipmi_bmc_rakp3(&handshake, packet, &session, NULL);
    }
}

/* What is sealed opens as what it was, once. */
static void fuzz_round(const uint8_t *bytes, size_t bytes_count, uint8_t suite)
{
    static const uint8_t iv[16] = {7};
    struct ipmi_session ours = {.suite = suite, .own_id = 1, .peer_id = 2};
    struct ipmi_session theirs = {.suite = suite, .own_id = 2, .peer_id = 1};
    uint8_t out[IPMI_DATAGRAM_MAX], scratch[IPMI_DATAGRAM_MAX];
    struct ipmi_message got, message = {.to = 0x20,
                                        .netfn = 6,
                                        .from = 0x81,
                                        .command = 1,
                                        .data = bytes,
                                        .data_bytes = bytes_count > 200 ? 200 : bytes_count};
    struct ipmi_packet packet;
    size_t count = ipmi_session_seal(&ours, iv, &message, out);
    if (count == 0 || ipmi_packet_parse(out, count, &packet, NULL) < 0 ||
        ipmi_session_open(&theirs, &packet, scratch, &got, NULL) < 0 ||
        got.data_bytes != message.data_bytes ||
        (got.data_bytes > 0 && memcmp(got.data, bytes, got.data_bytes) != 0) ||
        ipmi_session_open(&theirs, &packet, scratch, &got, NULL) != -NSH_EXISTS) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    struct ipmi_packet packet;
    struct ipmi_message message;
    struct ipmi_record record;
    uint8_t scratch[IPMI_DATAGRAM_MAX];
    if (bytes_count < 1) {
        return 0;
    }
    uint8_t choice = bytes[0], suite = (choice & 0x40) != 0 ? IPMI_SUITE_SHA1 : IPMI_SUITE_SHA256;
    bytes++;
    bytes_count--;
    ipmi_message_parse(bytes, bytes_count, &message, NULL);
    if (bytes_count >= 16 && ipmi_record_parse(bytes, &record)) {
        if (ipmi_record_sensor(record.sensor_type) == NULL || ipmi_record_event(&record) == NULL) {
            abort();
        }
    }
    fuzz_round(bytes, bytes_count, suite);
    if (ipmi_packet_parse(bytes, bytes_count, &packet, NULL) < 0) {
        return 0;
    }
    struct ipmi_session session = {.suite = suite, .own_id = packet.session_id, .peer_id = 1};
    ipmi_session_open(&session, &packet, scratch, &message, NULL);
    if ((choice & 0x80) != 0) {
        fuzz_bmc(&packet, choice % 3);
    } else {
        fuzz_client(&packet, choice % 3, suite);
    }
    return 0;
}
