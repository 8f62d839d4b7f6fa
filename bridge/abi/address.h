/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_ADDRESS_H
#define NSH_ADDRESS_H

/* Where a peer is, as settings have it: "10.0.0.1", "bmc.example:623", "fe80::1", "[fe80::1]:623".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NSH_NUMBERS_BYTES_MAX 46 /* An address in numbers, with its NUL. */

/* For flow_open(): a struct sockaddr_in or sockaddr_in6. Links have one each, and there are ten
 * thousand of them: not a sockaddr_storage. */
struct nsh_address {
    _Alignas(8) uint8_t at[28];
    uint32_t bytes; /* A socklen_t. */
};

/* Host and port apart; *port stays when there is none. False: no such thing, or a host that is
 * longer; what host it is remains to be seen. */
bool nsh_address_split(const char *text, char *ret_host, size_t host_bytes, uint16_t *port);
/* The same of an IP address: nothing is looked up. */
bool nsh_address_read(const char *text, uint16_t port_preset, struct nsh_address *ret_address);

#endif
