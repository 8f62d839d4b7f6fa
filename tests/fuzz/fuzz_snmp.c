/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: codec_snmp
/* Answers of PDUs, as datagrams: v2c, and v3 before and after its engine is known. */

#include "snmp_codec.h"

#include <assert.h>
#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    static struct snmp_wire *wires[2];
    static struct snmp_ask ask;
    if (wires[0] == NULL) {
        const struct snmp_credentials plain = {.version = "2c", .community = "public", .user = ""};
        const struct snmp_credentials signs = {.version = "3",
                                               .community = "",
                                               .user = "operator",
                                               .auth_protocol = "sha",
                                               .auth_password = "authpass12",
                                               .priv_protocol = "aes",
                                               .priv_password = "privpass12"};
        snmp_wire_new(&plain, &wires[0], NULL);
        snmp_wire_new(&signs, &wires[1], NULL);
        snmp_oid_fill("1.3.6.1.2.1.1.2.0", "", &ask.oid);
    }
    if (bytes_count == 0) {
        return 0;
    }
    int32_t id = 0;
    struct snmp_answer answer;
    uint8_t out[SNMP_MESSAGE_MAX];
    struct snmp_wire *wire = wires[bytes[0] & 1];
    snmp_message_id(bytes + 1, bytes_count - 1, &id);
    if (snmp_wire_read(wire, &ask, id, bytes + 1, bytes_count - 1, &answer, NULL) == SNMP_LEARNED) {
        size_t built = snmp_wire_build(wire, &ask, id, out);
        assert(built <= sizeof out);
    }
    return 0;
}
