/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPAWN_WIRE_H
#define SPAWN_WIRE_H

/*
 * What the loop and its spawn helper say to each other over a socket pair. Both are of one build:
 * structs travel as they are. A frame is struct spawn_frame, then bytes_count bytes.
 *
 * RUN:    struct spawn_run, argv texts each with its NUL, env texts each with its NUL, the input.
 * CANCEL: nothing.
 * INPUT:  more input of a program that stays.
 * OUTPUT, ERRORS: what such a program wrote.
 * EXIT:   struct spawn_exit, the output, the errors.
 */

#include <stdint.h>

#define SPAWN_FRAME_BYTES_MAX (64u << 20)
#define SPAWN_TEXTS_MAX 256 /* argv and env together. */
#define SPAWN_RUNNING_MAX 192
#define SPAWN_KEPT_MAX 64                 /* Of these: programs that stay. */
#define SPAWN_UNREAD_BYTES_MAX (1u << 20) /* Input that a program which stays has not read. */
#define SPAWN_SOCKET 3                    /* The helper's end. */

enum spawn_type {
    SPAWN_RUN = 1,
    SPAWN_CANCEL,
    SPAWN_EXIT,
    SPAWN_INPUT,
    SPAWN_OUTPUT,
    SPAWN_ERRORS
};

struct spawn_frame {
    uint32_t bytes_count;
    uint32_t type;
    uint64_t id;
};

struct spawn_run {
    uint64_t memory_bytes_max;
    uint64_t output_bytes_max;
    uint32_t cpu_s_max, timeout_ms;
    uint32_t argv_count, env_count;
    uint32_t texts_bytes, input_bytes;
    uint32_t kept; /* It stays: no time-out, no limit of processor time, output in pieces. */
};

struct spawn_exit {
    int32_t code;                  /* enum nsh_code */
    int32_t status, signal, error; /* error: errno of a failed start */
    uint32_t started, output_cut, errors_cut;
    uint32_t output_bytes, errors_bytes;
};

#endif
