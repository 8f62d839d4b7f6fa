/* SPDX-License-Identifier: Apache-2.0 */
/* The faults: made of a seed, begun and ended. What each of them is: faults.def. */

#include "sim/sim_fault.h"

#define FAULTS_MAX 1000000
#define TRACED_AGAIN_MS (10 * SIM_MINUTE_MS)

struct sim_host *fault_whose(struct sim_world *world, const struct sim_fault *fault)
{
    NSH_ASSERT(world->hosts_count > 0);
    return &world->hosts[fault->host % world->hosts_count];
}

uint64_t fault_random(const struct sim_fault *fault, uint64_t salt, uint64_t below)
{
    uint64_t state = fault->number + salt;
    return sim_random_of(&state, below);
}

/* ---- the table --------------------------------------------------------------------------------
 */

static const struct fault_row {
    struct sim_fault_row row;
    fault_function *begin, *end;
    int argument;
} fault_rows[] = {
#define FAULT(NAME, name, begin, end, argument, minutes, what, rule)                               \
    {{name, what, rule, minutes}, fault_##begin, fault_##end, (int)(argument)},
#include "faults.def"
#undef FAULT
};

const struct sim_fault_row *sim_fault_row(size_t kind)
{
    return kind < SIM_FAULTS_COUNT ? &fault_rows[kind].row : NULL;
}

void fault_two(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    for (uint64_t i = 0; i < 2; i++) {
        struct sim_fault *one = arena_alloc(&world->arena, sizeof *one);
        NSH_ASSERT(one != NULL);
        *one = *fault;
        one->kind = (uint32_t)fault_random(fault, 10 + i, SIM_TWO_AT_ONCE);
        one->number += i;
        one->at_ms = world->now_ms - SIM_EPOCH_MS;
        one->lasting_ms = 1 + sim_fault_row(one->kind)->minutes * SIM_MINUTE_MS / 2;
        sim_fault_begin(world, one);
    }
}

/* Broken already: this trouble shows when the other one is over. */
static void traced_wait(struct sim_world *world, const struct sim_fault *fault)
{
    if (world->now_ms + TRACED_AGAIN_MS < SIM_EPOCH_MS + fault->at_ms + fault->lasting_ms) {
        sim_plan(world, TRACED_AGAIN_MS, (struct sim_event){.kind = SIM_DO_AGAIN, .fault = fault});
    }
}

void sim_fault_traced(struct sim_world *world, const struct sim_fault *fault)
{
    if (fault_whose(world, fault)->broken) {
        traced_wait(world, fault);
        return;
    }
    const struct sim_symptom *symptom = fault->symptom;
    sim_host_break(world, fault_whose(world, fault),
                   &(struct sim_break){
                       .cure = symptom->heals_permille > 0 ? CURE_CYCLE : CURE_NONE,
                       .type = symptom->type,
                       .message = symptom->message,
                       .severity = symptom->severity,
                       .heals_permille = symptom->heals_permille,
                       .tell_ms = (int64_t)fault_random(fault, 2, FAULT_TELL_MS),
                       .fault = fault,
                   });
}

void sim_fault_begin(struct sim_world *world, const struct sim_fault *fault)
{
    world->report->faults++;
    sim_plan(world, fault->lasting_ms, (struct sim_event){.kind = SIM_DO_END, .fault = fault});
    if (fault->kind >= SIM_FAULTS_COUNT) {
        sim_fault_traced(world, fault);
        return;
    }
    world->report->met[fault->kind]++;
    fault_rows[fault->kind].begin(world, fault, fault_rows[fault->kind].argument);
}

void sim_fault_end(struct sim_world *world, const struct sim_fault *fault)
{
    if (fault->kind >= SIM_FAULTS_COUNT) {
        fault_heal(world, fault, 0);
        if (world->options->outcomes != NULL) { /* It was never seen behind another one. */
            struct sim_outcome *outcome = &world->options->outcomes[fault - world->faults];
            outcome->recovered_ms =
                outcome->recovered_ms < 0 ? fault->lasting_ms : outcome->recovered_ms;
        }
        return;
    }
    fault_rows[fault->kind].end(world, fault, fault_rows[fault->kind].argument);
}

/* ---- made of a seed ---------------------------------------------------------------------------
 */

static uint32_t kind_of(uint64_t *random, uint32_t common_permille)
{
    static const uint32_t common[] = {SIM_HOST_HUNG,      SIM_HOST_HUNG,         SIM_HOST_DEAD,
                                      SIM_HOST_SLOW_BOOT, SIM_HOST_HEALS_ITSELF, SIM_HOST_HUNG};
    return sim_random_of(random, 1000) < common_permille
               ? common[sim_random_of(random, sizeof common / sizeof common[0])]
               : (uint32_t)sim_random_of(random, SIM_FAULTS_COUNT);
}

int sim_faults_make(const struct sim_options *options, struct sim_fault **ret_faults,
                    size_t *ret_count)
{
    uint64_t random = options->seed * 0x9e3779b97f4a7c15u + 1;
    size_t count = 0, room = 64;
    struct sim_fault *faults = malloc(room * sizeof *faults);
    if (faults == NULL) {
        return -NSH_NOMEM;
    }
    for (int64_t at_ms = 0; count < FAULTS_MAX;) {
        at_ms += sim_spread(&random, options->fault_every_ms);
        if (at_ms >= options->duration_ms) {
            *ret_faults = faults;
            *ret_count = count;
            return 0;
        }
        if (count == room) {
            struct sim_fault *more = realloc(faults, (room *= 2) * sizeof *faults);
            if (more == NULL) {
                break;
            }
            faults = more;
        }
        uint32_t kind = kind_of(&random, options->common_permille);
        uint32_t mean_ms = fault_rows[kind].row.minutes * (uint32_t)SIM_MINUTE_MS / 2;
        faults[count++] = (struct sim_fault){
            .at_ms = at_ms,
            .lasting_ms = 1000 + sim_spread(&random, mean_ms == 0 ? 15000 : mean_ms),
            .kind = kind,
            .host = (uint32_t)sim_random_of(&random, UINT32_MAX),
            .number = sim_random_of(&random, UINT64_MAX),
        };
    }
    free(faults);
    return -NSH_NOMEM;
}
