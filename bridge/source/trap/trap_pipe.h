/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_TRAP_TRAP_PIPE_H
#define SOURCE_TRAP_TRAP_PIPE_H

/*
 * What daemon and receiver say to each other over their stream socket: frames of u32 length (of
 * what follows), u8 kind, payload; little-endian, packed by base/pack.h. Both sides check what they
 * read.
 *
 *   daemon -> receiver   CONFIG (first, once), ACK
 *   receiver -> daemon   READY (once, from inside the sandbox), BATCH, COUNTERS, PROBLEM (then it
 * ends)
 */

#include "trap.h"

#include "base/pack.h"

#define PIPE_HEADER_BYTES 5
#define PIPE_FRAME_BYTES_MAX (1u << 20)
#define PIPE_BATCH_BYTES_MAX (256u << 10)
#define PIPE_FD 3         /* In the receiver. */
#define PIPE_SOCKETS_FD 4 /* The first of its sockets. */

enum pipe_kind { PIPE_CONFIG = 1, PIPE_ACK, PIPE_READY, PIPE_BATCH, PIPE_COUNTERS, PIPE_PROBLEM };

struct trap_counters {
#define TRAP_COUNTER(name, help) uint64_t name;
#include "trap_counters.def"
#undef TRAP_COUNTER
};
#define TRAP_COUNTERS_COUNT (sizeof(struct trap_counters) / sizeof(uint64_t))

#define TRAP_SOCKETS_MAX 32
#define TRAP_LIST_MAX 256 /* Sources, communities, users. */

struct pipe_config {
    const char *tables; /* Folder. */
    uint32_t sockets_count;
    struct trap_engine engine;
    const char *sources[TRAP_LIST_MAX];
    const char *communities[TRAP_LIST_MAX];
    struct trap_user users[TRAP_LIST_MAX];
    size_t sources_count, communities_count, users_count;
};

/* Frame header in front of payload_bytes. */
void pipe_put_header(uint8_t header[PIPE_HEADER_BYTES], enum pipe_kind kind, size_t payload_bytes);

void pipe_pack_config(struct pack_writer *writer, const struct pipe_config *config);
/* Texts are copied into arena. -NSH_CORRUPT, -NSH_NOMEM. */
int pipe_unpack_config(struct pack_reader *reader, struct arena *arena,
                       struct pipe_config *ret_config, struct nsh_error *err);

void pipe_pack_counters(struct pack_writer *writer, const struct trap_counters *counters);
void pipe_unpack_counters(struct pack_reader *reader, struct trap_counters *ret_counters);

/* sum += add, counter by counter. */
void trap_counters_add(struct trap_counters *sum, const struct trap_counters *add);

#endif
