/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same inputs give byte-identical outputs, in two engines of one process with another layout of
 * memory. The hash is printed: it is the same in every build, gcc or clang, with or without
 * sanitizers.
 */

#include "rig.h"

#define MEMORY "memory.uncorrectable"

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Two hours of a bad day: hosts that break in every way, storms, freezes, cancels, kills. */
static struct rig *day(uint64_t seed)
{
    struct rig *rig = rig_new(racks_of(4, 8), MEMORY_POLICY);
    int64_t at = 0;
    for (unsigned i = 0; i < 200; i++) {
        char name[16];
        uint64_t dice = next(&seed);
        snprintf(name, sizeof name, "r%uh%02u", (unsigned)(dice >> 8) % 4 + 1,
                 (unsigned)(dice >> 16) % 8 + 1);
        at += (int64_t)(dice >> 24) % (40 * S);
        rig_at(rig, at);
        switch (dice % 8) {
        case 0:
            rig_host(rig, name)->bmc = (enum bmc)((dice >> 40) % (BMC_GONE + 1));
            break;
        case 1:
            rig_clear(rig, name, MEMORY);
            break;
        case 2:
            rig_raise(rig, name, "cpu.lost");
            break;
        case 3:
            rig_clear(rig, name, "cpu.lost");
            break;
        case 4:
            if ((dice >> 40) % 4 == 0) {
                rig_command(rig, "freeze",
                            "{\"scope\":\"rack=r2\",\"reason\":\"x\",\"for_ms\":120000}");
            } else if ((dice >> 40) % 4 == 1) {
                rig_kill(rig);
                at += 5 * S;
                rig_start(rig, at);
            }
            break;
        default:
            rig_raise(rig, name, MEMORY);
        }
    }
    rig_at(rig, at + HOUR);
    return rig;
}

static void test_same(void **state)
{
    uint64_t hash = 0;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct rig *one = day(seed * UINT64_C(0x9E3779B97F4A7C15));
        free(calloc(1, seed * 1000)); /* Another layout of memory. */
        struct rig *two = day(seed * UINT64_C(0x9E3779B97F4A7C15));
        assert_int_equal(one->all.count, two->all.count);
        assert_memory_equal(one->all.at, two->all.at, one->all.count);
        assert_true(one->all.count > 100000);
        hash = hash * 31 + text_hash((struct text){one->all.at, (uint32_t)one->all.count});
        rig_free(one);
        rig_free(two);
    }
    print_message("hash 0x%016llx\n", (unsigned long long)hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
