/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_BUS_BUS_PRIVATE_H
#define SOURCE_BUS_BUS_PRIVATE_H

#include "source/bus/bus.h"
#include "source/map/source_push.h"
#include "source/map/source_type.h"

#include <pthread.h>

/* A transport built in, or out of its module. NSH_NOT_FOUND: it is not installed. */
int bus_transport_load(const char *name, const struct bus_transport **ret_transport,
                       struct nsh_error *err);

extern const struct bus_transport bus_mqtt, bus_nats;

/* ---- one message to packed events: bus_decode.c ---- */

struct bus_decoded {
    struct source_events events; /* By a map, or */
    const uint8_t *packed;       /* by CloudEvents. */
    size_t packed_bytes;
    uint32_t packed_count;
};

/* NSH_INVALID, NSH_UNSUPPORTED: it makes no sense. In arena. */
int bus_decode(const struct source_config *config, const struct bus_message *message,
               int64_t received_ms, struct source_row *row, struct arena *arena,
               struct bus_decoded *ret_decoded, struct nsh_error *err);

/* The same of a file's content, for `source test`: fits source_type.decode. */
int bus_decode_file(const struct source_config *config, const char *bytes, size_t bytes_count,
                    struct arena *arena, struct source_events *ret_events, struct nsh_error *err);

/* ---- the life of a source: bus_run.c ---- */

int bus_open(const struct source_services *services, const struct source_config *config,
             void **ret_source, struct nsh_error *err);
void bus_close(void *source, void (*done)(void *arg), void *arg);
void bus_doctor(void *source, const struct source_config *config, struct nsh_checks *checks);

#endif
