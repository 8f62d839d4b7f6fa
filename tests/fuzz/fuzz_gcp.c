/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: codec_gcp
/* Key files of service accounts. */

#include "gcp_codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nsh_pool pool = {0};
    struct gcp_account account;
    const char *assertion = NULL;
    char *text = nsh_pool_copy(&pool, (const char *)data, size);
    if (text != NULL && gcp_account_read(&pool, text, &account, NULL) == 0) {
        if (account.email == NULL || account.private_key == NULL) {
            abort();
        }
        gcp_assertion(&pool, &account, 0, &assertion, NULL);
    }
    nsh_pool_done(&pool);
    return 0;
}
