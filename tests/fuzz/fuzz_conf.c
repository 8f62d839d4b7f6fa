/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: base
/* Any text as a configuration file: a tree both readers agree on, or at least one error. */

#include "base/assert.h"
#include "base/confscan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

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
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct diags diags = {0};
        struct conf *root = conf_read_text("fuzz.conf", text, &arena, &diags);
        NSH_ASSERT((root == NULL) == (diags.errors_count > 0));
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(&diags, text, false, &out);
        diags_done(&diags);
    }
    free(text);
    return 0;
}
