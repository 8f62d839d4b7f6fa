/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: source_trap
/*
 * Any datagram as a trap: refused with a reason, or mapped by the shipped tables to an event that
 * packs, unpacks as the same and prints. The first byte chooses the sender's clock, so that replay
 * windows are met too. A second decoder reads all by net-snmp: both must see the same.
 */

#include "base/assert.h"
#include "source/trap/trap_map.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

struct world {
    struct trap_tables *tables;
    struct trap_decoder *decoder, *by_library;
    struct trap_mapper *mapper;
    struct trap trap, other;
};

static struct world *world_get(void)
{
    static struct world *world;
    static const struct trap_user users[] = {
        {.name = "plain"},
        {.name = "auth", .auth = "SHA", .auth_secret = "authpass12"},
        {.name = "both",
         .auth = "SHA-256",
         .auth_secret = "authpass12",
         .priv = "AES",
         .priv_secret = "privpass12"},
    };
    if (world == NULL) {
        struct diags diags = {0};
        world = calloc(1, sizeof *world);
        NSH_ASSERT(world != NULL);
        NSH_ASSERT(trap_tables_read(TEST_SOURCE_DIR "/etc/traps", &diags, &world->tables, NULL) ==
                   0);
        NSH_ASSERT(trap_decoder_new(users, 3, NULL, &world->decoder, NULL) == 0);
        NSH_ASSERT(trap_decoder_new(users, 3, NULL, &world->by_library, NULL) == 0);
        trap_decoder_by_library(world->by_library);
        world->mapper = trap_mapper_new(world->tables);
        NSH_ASSERT(world->mapper != NULL);
        diags_done(&diags);
    }
    return world;
}

static void compare(struct world *world, const uint8_t *bytes, size_t bytes_count, int result)
{
    const struct trap *a = &world->trap, *b = &world->other;
    NSH_ASSERT(trap_decode(world->by_library, bytes + 1, bytes_count - 1, bytes[0] * 60,
                           &world->other, NULL) == result);
    if (result < 0) {
        return;
    }
    NSH_ASSERT(a->varbinds_count == b->varbinds_count && a->arcs_count == b->arcs_count);
    NSH_ASSERT(trap_oid_equal(a->trap_oid, b->trap_oid) && a->uptime == b->uptime);
    NSH_ASSERT(trap_oid_equal(a->enterprise, b->enterprise) && a->has_agent == b->has_agent);
    NSH_ASSERT(memcmp(a->agent, b->agent, sizeof a->agent) == 0);
    NSH_ASSERT(text_equal(a->payload, b->payload));
    for (size_t i = 0; i < a->varbinds_count; i++) {
        NSH_ASSERT(trap_varbind_equal(&a->varbinds[i], &b->varbinds[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    struct world *world = world_get();
    struct nsh_error err = {0};
    struct event event, again;
    if (bytes_count == 0) {
        return 0;
    }
    int r =
        trap_decode(world->decoder, bytes + 1, bytes_count - 1, bytes[0] * 60, &world->trap, &err);
    compare(world, bytes, bytes_count, r);
    if (r < 0) {
        NSH_ASSERT(err.code == -r && err.text[0] != '\0');
        return 0;
    }
    trap_map(world->mapper, &world->trap, TEXT("192.0.2.1"), 1000, &event);
    NSH_ASSERT(event.type.count > 0 && event.name.count > 0);
    size_t wanted = event_packed_bytes(&event);
    uint8_t *packed = malloc(wanted);
    NSH_ASSERT(wanted <= EVENT_PACKED_BYTES_MAX && packed != NULL);
    NSH_ASSERT(event_pack(&event, packed, wanted) == wanted);
    NSH_ASSERT(event_unpack(packed, wanted, &again, NULL) == (long)wanted);
    NSH_ASSERT(text_equal(event.message, again.message) && text_equal(event.data, again.data));
    CLEANUP(textbuf_donep) struct textbuf json = {0};
    event_to_json(&again, &json);
    free(packed);
    return 0;
}
