/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: codec_netbox
/* Tokens (the first line), devices and comments (what follows). */

#include "netbox_codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nsh_pool pool = {0};
    struct nsh_value json;
    struct netbox_device device;
    char *text = nsh_pool_copy(&pool, (const char *)data, size);
    char *rest = text == NULL ? NULL : strchr(text, '\n');

    if (rest != NULL) {
        *rest++ = '\0';
        const char *header = netbox_authorization(&pool, text);
        if (header != NULL && strpbrk(header, "\r\n") != NULL) {
            abort();
        }
        if (nsh_json_read(&pool, rest, strlen(rest), &json, NULL) == 0 &&
            netbox_device_read(&json, &device, NULL) == 0) {
            if (device.id <= 0 || device.state[0] == '\0' || strchr(device.bmc, '/') != NULL) {
                abort();
            }
        }
        const char *mark = netbox_mark(&pool, text);
        if (mark != NULL && (!netbox_marked(mark, mark) || strpbrk(mark, "\r\n") != NULL)) {
            abort(); /* What is written must be found again. */
        }
        netbox_marked(rest, mark == NULL ? "" : mark);
        netbox_listed(rest, text);
        netbox_refusal_means(403, NSH_DENIED, rest);
    }
    nsh_pool_done(&pool);
    return 0;
}
