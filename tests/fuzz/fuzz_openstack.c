/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: codec_openstack
/* clouds.yaml, and the login that is made of it. */

#include "openstack_codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nsh_pool pool = {0};
    struct nsh_value settings = nsh_null(), body = nsh_null();
    struct nsh_value given = nsh_map(NULL, 0);
    int result =
        openstack_clouds_read(&pool, (const char *)data, size, NULL, &given, &settings, NULL);
    if (result == 0) {
        if (settings.type != NSH_MAP) {
            abort();
        }
        if (!openstack_login_body(&pool, &settings, &body)) {
            abort();
        }
    }
    nsh_pool_done(&pool);
    return 0;
}
