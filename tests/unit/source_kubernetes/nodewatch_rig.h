/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SOURCE_KUBERNETES_NODEWATCH_RIG_H
#define TESTS_SOURCE_KUBERNETES_NODEWATCH_RIG_H

/* A watch of nodes without a server: JSON in, what is told out. */

#include "../unit.h"

#include "base/json.h"
#include "source/kubernetes/nodewatch.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW_MS 1772445600000 /* 2026-03-02T10:00:00Z */

static struct nodewatch *watch;
static struct arena arena;
static struct nodewatch_out out;
static char told[4096];

static int set_up(void **state)
{
    watch = calloc(1, sizeof *watch);
    assert_non_null(watch);
    watch->source = "k8s";
    return 0;
}

static int tear_down(void **state)
{
    nodewatch_done(watch);
    free(watch);
    arena_done(&arena);
    return 0;
}

/* What is told from here on is told so long after NOW_MS. */
static void begin(int second)
{
    int64_t now_ms = NOW_MS + (int64_t)second * 1000;
    arena_reset(&arena);
    out = (struct nodewatch_out){.arena = &arena, .now_ms = now_ms, .since_ms = now_ms - 600000};
}

static struct nsh_value parsed(const char *json)
{
    struct nsh_value value;
    struct nsh_error err = {0};
    if (json_parse(json, strlen(json), &arena, &value, &err) < 0) {
        fail_msg("%s: %s", err.text, json);
    }
    return value;
}

/* "raise kubernetes.node.not-ready node=n1; ..." of all that is in out. */
static const char *tell(void)
{
    size_t used = 0;
    told[0] = '\0';
    assert_false(out.failed);
    for (uint32_t i = 0; i < out.count; i++) {
        const struct event *event = &out.items[i];
        used +=
            (size_t)snprintf(told + used, sizeof told - used, "%s%s %.*s %.*s", i == 0 ? "" : "; ",
                             event_state_word(event->state), (int)event->type.count, event->type.at,
                             (int)event->hint.count, event->hint.at);
        assert_true(used < sizeof told);
    }
    return told;
}

#endif
