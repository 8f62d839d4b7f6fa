/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: dcim
/* NetBox' lists -> hosts -> the text of an inventory, which libconfig must read, twice the same. */

#include "../unit/dcim/dcim_rig.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The text once more out of itself: nothing may change. */
static void again(struct dcim *dcim, const char *text)
{
    struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    struct textbuf out = {0};
    struct conf *root = conf_read_text("inventory", text, &arena, &diags);

    if (root == NULL ||
        (dcim_write(dcim, text, root, &out, NULL) == 0 && strcmp(out.at, text) != 0)) {
        abort();
    }
    textbuf_done(&out);
    diags_done(&diags);
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.bytes_max = (size_t)64 << 20};
    struct netbox_lists lists = {.counts = {0}};
    struct dcim dcim = {.arena = {.bytes_max = (size_t)64 << 20}};
    struct textbuf out = {.count_max = 1 << 20};
    char *json = arena_copy(&arena, (const char *)data, size);

    if (json != NULL && strlen(json) == size && rig_lists(json, &arena, &lists) == 0 &&
        netbox_hosts(&lists, &dcim, NULL) == 0) {
        netbox_list_path(&lists, NETBOX_PDUS, "", 0, &arena);
        if (dcim_write(&dcim, NULL, NULL, &out, NULL) == 0) {
            again(&dcim, out.at);
        }
    }
    textbuf_done(&out);
    dcim_done(&dcim);
    arena_done(&arena);
    return 0;
}
