/* SPDX-License-Identifier: Apache-2.0 */
/* A baseline as bytes, little-endian: a detector that forgot at a restart would be blind for days.
 */

#include "signal.h"

#include <string.h>

static void pack_double(struct pack_writer *writer, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    pack_u64(writer, bits);
}

static void pack_float(struct pack_writer *writer, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    pack_u32(writer, bits);
}

static double unpack_double(struct pack_reader *reader)
{
    uint64_t bits = unpack_u64(reader);
    double value;
    memcpy(&value, &bits, sizeof value);
    /* A distance between two values may be twice as large as any. */
    reader->failed = reader->failed || !signal_value_is_good(value / 2);
    return value;
}

static float unpack_float(struct pack_reader *reader)
{
    uint32_t bits = unpack_u32(reader);
    float value;
    memcpy(&value, &bits, sizeof value);
    reader->failed = reader->failed || !signal_value_is_good((double)value);
    return value;
}

void signal_baseline_save(const struct signal_baseline *baseline, struct pack_writer *writer)
{
    pack_u8(writer, SIGNAL_BASELINE_VERSION);
    pack_double(writer, baseline->slow);
    pack_double(writer, baseline->mid);
    pack_double(writer, baseline->residual);
    pack_u64(writer, (uint64_t)baseline->last_ms);
    pack_u32(writer, baseline->values);
    pack_u32(writer, baseline->still);
    pack_float(writer, baseline->peak);
    for (int i = 0; i < SIGNAL_SEASONS; i++) {
        pack_float(writer, baseline->season[i]);
    }
    for (int i = 0; i < SIGNAL_SEASONS / 2; i++) {
        pack_u8(writer, baseline->season_values[i]);
    }
    for (int i = 0; i < SIGNAL_FEATURES; i++) { /* The total is the sum. */
        const struct signal_rarity *rarity = &baseline->rarity[i];
        pack_u32(writer, (uint32_t)rarity->base);
        pack_u8(writer, (uint8_t)rarity->top);
        for (int slot = 0; slot < SIGNAL_RARITY_SLOTS; slot++) {
            pack_varint(writer, rarity->counts[slot]);
        }
    }
}

static void rarity_load(struct pack_reader *reader, struct signal_rarity *rarity)
{
    int32_t base = (int32_t)unpack_u32(reader);
    int8_t top = (int8_t)unpack_u8(reader);
    bool good = base >= INT16_MIN && base <= INT16_MAX && top >= -1 && top < SIGNAL_RARITY_SLOTS;
    uint32_t total = 0;
    *rarity = (struct signal_rarity){.base = (int16_t)base, .top = top};
    for (int slot = 0; slot < SIGNAL_RARITY_SLOTS; slot++) {
        uint64_t count = unpack_varint(reader);
        good = good && count <= UINT16_MAX && (count == 0 || slot <= (top < 0 ? 0 : top));
        rarity->counts[slot] = (uint16_t)count;
        total += rarity->counts[slot];
    }
    rarity->total = (uint16_t)total;
    reader->failed = reader->failed || !good || total > 60000;
}

int signal_baseline_load(struct pack_reader *reader, struct signal_baseline *baseline)
{
    struct signal_baseline loaded = {0};
    if (unpack_u8(reader) != SIGNAL_BASELINE_VERSION) {
        return -NSH_CORRUPT;
    }
    loaded.slow = unpack_double(reader);
    loaded.mid = unpack_double(reader);
    loaded.residual = unpack_double(reader);
    loaded.last_ms = (int64_t)unpack_u64(reader);
    loaded.values = unpack_u32(reader);
    loaded.still = unpack_u32(reader);
    loaded.peak = unpack_float(reader);
    for (int i = 0; i < SIGNAL_SEASONS; i++) {
        loaded.season[i] = unpack_float(reader);
    }
    for (int i = 0; i < SIGNAL_SEASONS / 2; i++) {
        loaded.season_values[i] = unpack_u8(reader);
    }
    for (int i = 0; i < SIGNAL_FEATURES; i++) {
        rarity_load(reader, &loaded.rarity[i]);
    }
    if (reader->failed || loaded.last_ms < 0 || loaded.peak < 0) {
        return -NSH_CORRUPT;
    }
    *baseline = loaded;
    return 0;
}
