/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: source_trap
/* Any text as a table of traps: read, or refused with diagnostics that print. */

#include "base/assert.h"
#include "source/trap/trap_table.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    struct diags diags = {0};
    struct trap_tables *tables = NULL;
    CLEANUP(freep) char *text = malloc(bytes_count + 1);
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    NSH_ASSERT(text != NULL);
    memcpy(text, bytes, bytes_count);
    text[bytes_count] = '\0';
    int r = trap_tables_read_text("fuzz.traps", text, &diags, &tables, NULL);
    NSH_ASSERT((r == 0) == (tables != NULL));
    NSH_ASSERT(r == 0 || diags.errors_count > 0 || r == -NSH_NOMEM);
    diags_print(&diags, text, false, &out);
    trap_tables_free(tables);
    diags_done(&diags);
    return 0;
}
