/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: policy
/* Any text as a policy file: a set that is whole, or at least one error; every message has a place.
 */

#include "base/assert.h"
#include "policy/policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static void check_steps(const struct policy_step *steps, size_t count)
{
    NSH_ASSERT(count <= POLICY_STEPS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct policy_step *step = &steps[i];
        NSH_ASSERT(step->name != NULL && step->at.line > 0);
        NSH_ASSERT((step->kind == STEP_ACT) == (step->verb != NULL));
        NSH_ASSERT((step->kind == STEP_CHECK) == (step->check.program != NULL));
        NSH_ASSERT((step->kind == STEP_WAIT) == (step->wait_ms > 0));
        for (size_t j = 0; j < step->with_count; j++) {
            NSH_ASSERT(step->with[j].name != NULL);
            NSH_ASSERT((step->with[j].pieces_count > 0) == (step->with[j].pieces != NULL));
        }
    }
}

static void check_policy(const struct policy_set *set, const struct policy *policy)
{
    NSH_ASSERT(map_get(&set->by_name, text_of(policy->name)) == policy);
    NSH_ASSERT(policy->subject != NULL && policy->summary != NULL && policy->owner != NULL);
    NSH_ASSERT(policy->when.events_count > 0 || policy->series_count > 0);
    NSH_ASSERT(policy->steps_count > 0 && policy->series_count <= POLICY_SERIES_MAX);
    NSH_ASSERT(policy->when.severity_min < SEVERITIES_COUNT && policy->mode <= POLICY_ENFORCE);
    const struct policy_when *when = &policy->when;
    bool timed = when->count > 0 || when->trigger == TRIGGER_ALL ||
                 when->trigger == TRIGGER_SEQUENCE || when->trigger == TRIGGER_WITHOUT;
    NSH_ASSERT(timed == (when->within_ms > 0));
    NSH_ASSERT((when->trigger == TRIGGER_EVENT) == (when->branches_count == 0));
    NSH_ASSERT(when->trigger == TRIGGER_EVENT || when->branches_count > 1 ||
               when->trigger == TRIGGER_ABSENT);
    for (size_t i = 0; i < policy->unless_count; i++) {
        NSH_ASSERT(policy->unless[i].program != NULL && policy->unless[i].source != NULL);
    }
    check_steps(policy->steps, policy->steps_count);
    check_steps(policy->otherwise, policy->otherwise_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    char *text = malloc(bytes_count + 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, bytes, bytes_count);
    text[bytes_count] = 0;
    /* Files of the machine are none of the fuzzer's business. */
    if (strstr(text, "@include") == NULL) {
        struct diags diags = {0};
        struct policy_defaults defaults = policy_defaults_builtin();
        struct policy_set *set = policy_load_text("fuzz.policy", text, &defaults, &diags);
        NSH_ASSERT((set == NULL) == (diags.errors_count > 0));
        for (size_t i = 0; set != NULL && i < set->policies_count; i++) {
            check_policy(set, &set->policies[i]);
        }
        for (size_t i = 0; i < diags.count; i++) {
            NSH_ASSERT(diags.items[i].at.line > 0 && diags.items[i].at.column > 0);
        }
        policy_set_free(set);
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(&diags, text, false, &out);
        diags_done(&diags);
    }
    free(text);
    return 0;
}
