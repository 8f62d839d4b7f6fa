/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: abi
/* kubeconfig: what is read of one has a server, and every setting is a text. */

#include "abi/kube_login.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nsh_pool pool = {0};
    struct nsh_value settings = nsh_null(), given = nsh_map(NULL, 0);
    int result = kube_config_read(&pool, (const char *)data, size, &given, &settings, NULL);
    if (result == 0 && nsh_get_text(&settings, "url", "")[0] == '\0') {
        abort();
    }
    for (uint32_t i = 0; result == 0 && i < settings.count; i++) {
        if (settings.members[i].value.type != NSH_STRING) {
            abort();
        }
    }
    nsh_pool_done(&pool);
    return 0;
}
