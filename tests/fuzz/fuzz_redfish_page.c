/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: source_redfish
/* Resources of BMCs: any JSON gives a page within its bounds, whose values are numbers. */

#include "base/json.h"
#include "source/redfish/redfish_page.h"

#include "base/assert.h"

#include <math.h>

static void labels(void *arg, const struct sample_label *labels_at, size_t count)
{
    NSH_ASSERT(count > 1 && count <= SAMPLE_LABELS_MAX);
    (void)arg;
    (void)labels_at;
}

static void value(void *arg, int64_t at_ms, double number)
{
    (void)arg;
    (void)at_ms;
    NSH_ASSERT(isfinite(number));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    const struct sample_sink sink = {labels, value, NULL};
    struct redfish_page page;
    struct nsh_value body;
    if (json_parse((const char *)bytes, bytes_count, &arena, &body, NULL) < 0 ||
        redfish_page_read(&body, "/redfish/v1/x", &arena, &page) < 0) {
        return 0;
    }
    NSH_ASSERT(page.parts_count <= REDFISH_PARTS_MAX && page.values_count <= REDFISH_VALUES_MAX);
    for (uint32_t i = 0; i < page.links_count; i++) {
        char path[REDFISH_PATH_BYTES_MAX];
        NSH_ASSERT(redfish_path_take(page.links[i].path, path));
    }
    for (uint32_t i = 0; i < page.parts_count; i++) {
        NSH_ASSERT(page.parts[i].name != NULL && page.parts[i].path[0] == '/');
    }
    redfish_page_samples(&page, NULL, "192.0.2.1", 1, &sink);
    return 0;
}
