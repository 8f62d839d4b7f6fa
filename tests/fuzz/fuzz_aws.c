/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: codec_aws
/* An answer of AWS, and a profile file. What comes out must be text that a person can be shown. */

#include "aws_codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void value_walk(const struct nsh_value *value, unsigned depth)
{
    if (depth > NSH_VALUE_DEPTH_MAX ||
        (value->type == NSH_STRING && strlen(value->text) != value->count)) {
        abort();
    }
    for (uint32_t i = 0; value->type == NSH_LIST && i < value->count; i++) {
        value_walk(&value->items[i], depth + 1);
    }
    for (uint32_t i = 0; value->type == NSH_MAP && i < value->count; i++) {
        value_walk(&value->members[i].value, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nsh_pool pool = {0};
    struct nsh_value value;
    struct aws_profile profile;
    if (aws_xml_read(&pool, (const char *)data, size, &value, NULL) == 0) {
        value_walk(&value, 0);
        const char *error = aws_error_code(&value);
        aws_error_means(error, NSH_FAILED);
        aws_error_cure(error);
    }
    char *text = nsh_pool_copy(&pool, (const char *)data, size);
    if (text != NULL && aws_profile_read(&pool, text, text, "default", &profile, NULL) == 0 &&
        (profile.key_id == NULL || profile.secret == NULL)) {
        abort();
    }
    nsh_pool_done(&pool);
    return 0;
}
