/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: lab
/* Any bytes as an HTTP request of the lab: parts that lie inside, and nothing changed before it is
 * all there. */

#include "base/assert.h"
#include "lab.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    char *text = malloc(bytes_count + 1);
    struct lab_http head = {0};

    if (text == NULL) {
        return 0;
    }
    memcpy(text, bytes, bytes_count);
    text[bytes_count] = '\0';
    int status = lab_http_parse(text, bytes_count, &head);
    NSH_ASSERT(status == 0 || (status >= 200 && status < 500));
    if (status == 0) {
        NSH_ASSERT(memcmp(text, bytes, bytes_count) == 0);
    }
    if (status == 200) {
        NSH_ASSERT(head.head_bytes + head.body_bytes <= bytes_count);
        NSH_ASSERT(head.request.path >= text && head.request.path < text + head.head_bytes);
        NSH_ASSERT(head.request.path[0] == '/' && strlen(head.request.method) > 0);
    }
    free(text);
    return 0;
}
