/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: rehearse
/*
 * Any text as a NAME.test of one policy: tests that run to their end the same way twice, or at
 * least one error; every message has a place.
 */

#include "base/assert.h"
#include "rehearse/rehearse.h"

#include <stdlib.h>

#define RUNS_MAX 4 /* Tests of one input that are run. */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static const char policies[] =
    "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"host\";\n"
    "  when = { event = [\"fan.*\", \"os.crashed\"]; if = \"event.resource != 'fan/0'\";\n"
    "           for = \"1m\"; settle = \"5s\"; };\n"
    "  unless = ( \"host.maintenance\", \"active('rack.lost')\" );\n"
    "  limits = { once_within = \"2h\"; };\n"
    "  do = ( { step = \"cycle\"; action = \"power.cycle\"; timeout = \"1m\"; retries = 1; },\n"
    "         { step = \"verify\"; check = \"cleared\"; within = \"5m\"; } );\n"
    "  else = ( { step = \"tell\"; action = \"page\"; with = { text = \"${failure}\"; }; } ); },\n"
    "{ name = \"q\"; subject = \"rack\"; raises = \"rack.lost\";\n"
    "  when = { event = \"os.crashed\"; count = 3; within = \"90s\"; distinct = \"event.host\"; "
    "};\n"
    "  do = ( { step = \"say\"; action = \"notify\"; with = { text = \"x\"; }; } ); } );\n";

/* Files of the machine are none of the fuzzer's business, nor are hours of repetitions. */
static bool is_fit(const char *text)
{
    return strstr(text, "@include") == NULL && strstr(text, "inventory") == NULL &&
           strstr(text, "000") == NULL;
}

static void run(struct rehearsal *rehearsal, size_t index)
{
    struct rehearsal_test one, two;
    struct diags first = {0}, second = {0};
    struct coverage coverage = {0};
    NSH_ASSERT(rehearsal_run(rehearsal, index, &coverage, &first, &one, NULL) == 0);
    NSH_ASSERT(one.failed == (first.errors_count > 0));
    NSH_ASSERT(!one.failed || one.trace != NULL);
    NSH_ASSERT(coverage.taken_count <= coverage.branches.count);
    NSH_ASSERT(rehearsal_run(rehearsal, index, NULL, &second, &two, NULL) == 0);
    NSH_ASSERT(two.failed == one.failed && two.steps == one.steps);
    NSH_ASSERT(first.errors_count == second.errors_count);
    coverage_done(&coverage);
    diags_done(&first);
    diags_done(&second);
}

static void rehearse(const char *text)
{
    struct diags diags = {0};
    struct policy_defaults defaults = policy_defaults_builtin();
    struct rehearsal *rehearsal =
        rehearsal_read_text("fuzz.test", text, policies, &defaults, &diags);
    NSH_ASSERT((rehearsal == NULL) == (diags.errors_count > 0));
    size_t count = rehearsal == NULL ? 0 : rehearsal_tests_count(rehearsal);
    for (size_t i = 0; i < count && i < RUNS_MAX; i++) {
        run(rehearsal, i);
    }
    for (size_t i = 0; i < diags.count; i++) {
        NSH_ASSERT(diags.items[i].at.file != NULL);
    }
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    diags_print(&diags, text, false, &out);
    rehearsal_free(rehearsal);
    diags_done(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    char *text = malloc(bytes_count + 1);
    if (text != NULL) {
        memcpy(text, bytes, bytes_count);
        text[bytes_count] = 0;
        if (is_fit(text)) {
            rehearse(text);
        }
    }
    free(text);
    return 0;
}
