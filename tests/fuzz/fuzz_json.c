/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: base
/* Any bytes as JSON: refused, or written and read again as the same value, by both ways to read. */

#include "base/assert.h"
#include "base/json.h"
#include "base/json_plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value value, again;
    if (json_parse((const char *)bytes, bytes_count, &arena, &value, NULL) < 0) {
        return 0;
    }
    struct nsh_value careful;
    NSH_ASSERT(json_parse_careful((const char *)bytes, bytes_count, &arena, &careful, NULL) == 0);
    NSH_ASSERT(nsh_equal(&value, &careful));
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    json_write(&value, &text);
    NSH_ASSERT(json_parse(text.at, text.count, &arena, &again, NULL) == 0);
    NSH_ASSERT(nsh_equal(&value, &again));
    return 0;
}
