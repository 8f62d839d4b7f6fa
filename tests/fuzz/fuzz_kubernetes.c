/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: codec_kubernetes
/*
 * A watch: any bytes, cut anywhere. What comes in one piece and what comes in two are the same
 * events; what is read of objects can be written again.
 */

#include "kubernetes_codec.h"

#include <stdlib.h>
#include <string.h>

struct heard {
    uint64_t hash;
    size_t lines;
};

static void hear_text(struct heard *heard, const char *text)
{
    for (const char *at = text; at != NULL && *at != '\0'; at++) {
        heard->hash = (heard->hash ^ (uint8_t)*at) * 1099511628211u;
    }
}

static void hear_object(struct heard *heard, struct nsh_pool *pool, const struct nsh_value *object)
{
    struct kube_node node;
    const struct kube_taint taint = {"key", "value", "NoSchedule"};
    const struct kube_pod *pod = kube_pod_read(pool, object);
    if (pod != NULL) {
        hear_text(heard, pod->name);
        hear_text(heard, kube_eviction(pool, pod, true, 1));
    }
    if (kube_node_read(object, nsh_at_text(object, "metadata.name", ""), &node)) {
        hear_text(heard, kube_taint_patch(pool, &node, &taint, true, true));
    }
    hear_text(heard, kube_budget_words(object));
    heard->hash += (uint64_t)kube_lease_renewed_ms(object) + (uint64_t)kube_minor(object);
}

static bool hear(void *arg, const char *line, size_t line_bytes)
{
    struct heard *heard = arg;
    struct nsh_pool pool = {0};
    struct kube_event event;
    heard->lines++;
    if (kube_event_read(&pool, line, line_bytes, &event, NULL) == 0) {
        heard->hash += event.type + 1u;
        hear_text(heard, event.version);
        hear_object(heard, &pool, event.object);
    }
    nsh_pool_done(&pool);
    return true;
}

static void feed(struct heard *heard, const char *bytes, size_t count, size_t cut)
{
    struct kube_lines lines = {0};
    if (kube_lines_feed(&lines, bytes, cut, hear, heard) == 0) {
        kube_lines_feed(&lines, bytes + cut, count - cut, hear, heard);
    }
    kube_lines_done(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct heard whole = {0}, cut = {0};
    size_t at = size == 0 ? 0 : data[0] % (size + 1);
    feed(&whole, (const char *)data, size, size);
    feed(&cut, (const char *)data, size, at);
    if (whole.hash != cut.hash || whole.lines != cut.lines) {
        abort();
    }
    return 0;
}
