/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: codec_exec
/* Anything a program prints, as either contract's reply and as metadata. The first byte is the exit
 * status, the second chooses the rest. */

#include "exec_codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static void reply_check(struct exec_reply *reply, bool effects)
{
    for (const char *c = reply->words; *c != 0; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f) {
            abort(); /* What a program says reaches a person as printable ASCII. */
        }
    }
    if (reply->code < 0 || reply->code >= NSH_CODES_COUNT || (!effects && reply->effect_possible)) {
        abort();
    }
    exec_reply_done(reply);
}

static void name_take(void *arg, bool action, const char *name, size_t name_bytes)
{
    size_t *sum = arg;
    for (size_t i = 0; i < name_bytes; i++) {
        *sum += (unsigned char)name[i];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
    static const char *const actions[] = {"status", "on", "off", "monitor", "metadata"};
    struct exec_reply reply;
    size_t sum = 0;
    if (bytes_count < 2) {
        return 0;
    }
    size_t count = bytes_count - 2;
    char *text = malloc(count + 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, bytes + 2, count);
    text[count] = 0;
    struct nsh_exit end = {.status = bytes[0],
                           .started = true,
                           .output = text,
                           .output_bytes = count,
                           .errors = text,
                           .errors_bytes = count,
                           .text = ""};
    bool effects = (bytes[1] & 1) != 0;
    exec_json_reply(&end, effects, &reply);
    reply_check(&reply, effects);
    const char *action = actions[bytes[1] % 5];
    exec_fence_reply(action, &end, &reply);
    reply_check(&reply, strcmp(action, "on") == 0 || strcmp(action, "off") == 0);
    exec_fence_metadata(text, count, name_take, &sum, NULL);
    free(text);
    return 0;
}
