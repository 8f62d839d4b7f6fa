/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: source_redfish
/* A registry and a record, two lines: whatever they hold, what is found is of the registry, and
 * words stay in their bounds. */

#include "base/assert.h"
#include "base/json.h"
#include "source/redfish/redfish_registry.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    const char *chars = (const char *)bytes;
    const char *line = memchr(chars, '\n', bytes_count);
    struct redfish_registry registry;
    const struct redfish_registry *all[] = {&registry};
    struct nsh_value body, record, made;
    if (line == NULL || json_parse(chars, (size_t)(line - chars), &arena, &body, NULL) < 0 ||
        json_parse(line + 1, bytes_count - (size_t)(line + 1 - chars), &arena, &record, NULL) < 0 ||
        redfish_registry_read(&body, &arena, &registry, NULL) < 0 || record.type != NSH_MAP) {
        return 0;
    }
    NSH_ASSERT(registry.count <= REDFISH_MESSAGES_MAX);
    NSH_ASSERT(redfish_record_words(&record, all, 1, &arena, &made) == 0);
    NSH_ASSERT(made.type == NSH_MAP &&
               made.count >= record.count - (nsh_get(&record, "Registry") != NULL));
    const char *message = nsh_get_text(&made, "Message", "");
    NSH_ASSERT(nsh_get(&record, "Message") != NULL ||
               strlen(message) < 3 * REDFISH_WORDS_BYTES_MAX);
    return 0;
}
