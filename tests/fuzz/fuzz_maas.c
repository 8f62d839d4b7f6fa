/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: codec_maas
/* API keys (the first line) and machines (what follows). */

#include "maas_codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void key_try(struct nsh_pool *pool, const char *text)
{
    static const uint8_t nonce[MAAS_NONCE_BYTES] = {1, 2, 3};
    struct maas_key key;
    struct nsh_error err = {0};

    if (maas_key_read(pool, text, &key, &err) < 0) {
        if (strstr(err.text, "api_key") == NULL) {
            abort();
        }
        return;
    }
    const char *header = maas_authorization(pool, &key, 1767225600000, nonce);
    /* Nothing of a key can end the header's line or one of its quotes. */
    if (header == NULL || strpbrk(header, "\r\n") != NULL ||
        strcspn(header, "\"") == strlen(header)) {
        abort();
    }
    size_t quotes = 0;
    for (const char *at = header; *at != '\0'; at++) {
        quotes += *at == '"';
    }
    if (quotes != 14) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nsh_pool pool = {0};
    struct nsh_value json;
    struct maas_machine machine;
    char *text = nsh_pool_copy(&pool, (const char *)data, size);
    char *rest = text == NULL ? NULL : strchr(text, '\n');

    if (rest != NULL) {
        *rest++ = '\0';
        key_try(&pool, text);
        if (nsh_json_read(&pool, rest, strlen(rest), &json, NULL) == 0 &&
            maas_machine_read(&json, &machine, NULL) == 0) {
            if (machine.system_id[0] == '\0' || strchr(machine.system_id, '/') != NULL ||
                maas_state_word(machine.state) == NULL) {
                abort();
            }
            maas_machine_named(&json, "r1h01");
        }
        maas_refusal_means(409, NSH_CONFLICT, size % 2 == 0, rest);
    }
    nsh_pool_done(&pool);
    return 0;
}
