/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_TRAP_TRAP_FILES_H
#define SOURCE_TRAP_TRAP_FILES_H

/*
 * Captured traps out of files, for `nightshift snmp decode`: hexadecimal lines, pcap, and JSON
 * lines as the test corpus has them (members udp_hex, udp_hex_v1, agent, id, usm). The kind is seen
 * from the first bytes.
 */

#include "trap_map.h"

#define TRAP_FILE_BYTES_MAX (256u << 20)

struct trap_packet {
    const uint8_t *bytes; /* The UDP payload. */
    size_t bytes_count;
    size_t number;                /* Of the line or frame, 1.. */
    struct text source;           /* The sender's address; "0.0.0.0" when the file does not say. */
    struct text id;               /* JSON lines: the record's; else empty. */
    int64_t time_ms;              /* pcap: when; else 0 */
    const struct trap_user *user; /* JSON lines: the user the record names; NULL: none */
};

/*
 * Call visit for every packet of the file content bytes. A line or frame that is no packet is
 * reported to skip (which may be NULL) and passed over; frames without UDP are passed over
 * silently. visit returns non-zero to stop: that is the result.
 *
 * NSH_INVALID  the file is none of the kinds, or a pcap of a link type we do not read
 */
int trap_file_each(const uint8_t *bytes, size_t bytes_count,
                   int (*visit)(void *arg, const struct trap_packet *packet),
                   void (*skip)(void *arg, size_t number, const char *why), void *arg,
                   struct nsh_error *err);

#endif
