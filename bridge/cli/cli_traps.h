/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CLI_TRAPS_H
#define CLI_CLI_TRAPS_H

/* Packets of a file to events, for snmp decode and source test. */

#include "cli.h"

#include "source/trap/trap_files.h"

struct cli_traps_seen {
    void (*event)(void *arg, const struct trap_packet *packet, const struct event *event);
    /* code NULL: a line or frame that is no packet. */
    void (*refused)(void *arg, size_t number, const char *code, const char *why);
    void *arg;
};

/* By the tables of --traps, else of the installation. */
enum cli_exit cli_traps_decode(struct cli *cli, const uint8_t *bytes, size_t count,
                               const struct cli_traps_seen *seen);

#endif
