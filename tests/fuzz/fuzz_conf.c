/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: base
/* Any text as a configuration file: a tree both readers agree on, or at least one error. */

#include "base/assert.h"
#include "base/confscan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

/* Every part of every string has a place in the file. */
static void check_places(const struct conf *conf, uint32_t lines_count)
{
    for (uint32_t offset = 0; conf->type == CONF_STRING && offset <= conf->text_bytes; offset++) {
        struct nsh_place at = conf_text_place(conf, offset, conf->text_bytes - offset);
        NSH_ASSERT(at.line >= 1 && at.line <= lines_count);
        NSH_ASSERT(at.column >= 1 && at.length >= 1);
    }
    for (const struct conf *child = conf->first; child != NULL; child = child->next) {
        check_places(child, lines_count);
    }
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
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct diags diags = {0};
        struct conf *root = conf_read_text("fuzz.conf", text, &arena, &diags);
        NSH_ASSERT((root == NULL) == (diags.errors_count > 0));
        uint32_t lines_count = 1;
        for (const char *at = text; *at != 0; at++) {
            lines_count += *at == '\n';
        }
        struct nsh_value value;
        if (root != NULL) {
            check_places(root, lines_count);
            NSH_ASSERT(conf_value(root, &arena, &value));
        }
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(&diags, text, false, &out);
        diags_done(&diags);
    }
    free(text);
    return 0;
}
