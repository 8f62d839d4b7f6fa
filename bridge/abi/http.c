/* SPDX-License-Identifier: Apache-2.0 */
/* What a driver needs to read an HTTP reply. */

#include "abi/driver.h"

#include <string.h>

const char *nsh_http_header(const struct nsh_http_reply *reply, const char *name)
{
    size_t name_bytes = strlen(name);
    for (size_t i = 0; reply->headers != NULL && reply->headers[i] != NULL; i++) {
        const char *header = reply->headers[i];
        if (strncmp(header, name, name_bytes) == 0 && header[name_bytes] == ':') {
            const char *value = header + name_bytes + 1;
            return value + strspn(value, " \t");
        }
    }
    return NULL;
}
