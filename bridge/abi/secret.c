/* SPDX-License-Identifier: Apache-2.0 */
/* Names that say secret. */

#include "abi/secret.h"

#include <stddef.h>
#include <string.h>

bool nsh_name_says_secret(const char *name)
{
    static const char *const words[] = {"passw",  "secret",  "community",  "passphrase", "token",
                                        "apikey", "api_key", "access_key", "priv_pw"};
    static const char *const not_itself[] = {"_script",  "_file",   "_path",  "_id",
                                             "_timeout", "_format", "_prompt"};
    size_t count = strlen(name);
    if (strncmp(name, "no_", 3) == 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof not_itself / sizeof not_itself[0]; i++) {
        size_t bytes = strlen(not_itself[i]);
        if (count > bytes && strcmp(name + count - bytes, not_itself[i]) == 0) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strstr(name, words[i]) != NULL) {
            return true;
        }
    }
    return false;
}
