/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: codec_ssh
/*
 * The first byte chooses: known_hosts (must find no key that does not stand in it), an address, a
 * command (a shell's reading of it, done here, gives back exactly the words), what a host prints.
 */

#include "ssh_codec.h"

#include <stdlib.h>
#include <string.h>

static void known_hosts(const char *text, size_t count)
{
    static const uint8_t blob[51] = {0, 0, 0, 11, 's', 's', 'h', '-', 'e', 'd', '2', '5', '5'};
    const struct ssh_host_key key = {blob, sizeof blob};
    unsigned with = 0, without = 0;
    for (uint16_t port = 22; port < 24; port++) {
        enum ssh_known known = ssh_known_host(text, count, "n1.lab", port, &key, &with);
        enum ssh_known before = ssh_known_host(text, count, "n1.lab", port, NULL, &without);
        bool any = memmem(text, count, "AAAAC3NzaC1lZDI1N", 17) != NULL;
        if (with != without || before == SSH_KNOWN || before == SSH_REVOKED ||
            ((known == SSH_KNOWN || known == SSH_REVOKED) && !any)) {
            abort();
        }
    }
}

static void address(const char *text)
{
    char host[SSH_HOST_MAX];
    uint16_t port = 0;
    if (ssh_address_read(text, host, &port, NULL) == 0 &&
        (port == 0 || host[0] == '\0' || host[0] == '-' || strpbrk(host, " ;&|'\"$`") != NULL)) {
        abort();
    }
}

/* Read one word as a shell would: 'quoted', \x, or plain. NULL: a character that means more. */
static const char *shell_word(const char *at, char *word, size_t *ret_count)
{
    size_t count = 0;
    while (*at != '\0' && *at != ' ') {
        if (*at == '\'') {
            for (at++; *at != '\''; at++) {
                if (*at == '\0') {
                    return NULL;
                }
                word[count++] = *at;
            }
            at++;
        } else if (*at == '\\' && at[1] != '\0') {
            word[count++] = at[1];
            at += 2;
        } else if (strchr("$`\"*?[](){}<>|&;#~!\n\t", *at) != NULL) {
            return NULL;
        } else {
            word[count++] = *at++;
        }
    }
    *ret_count = count;
    return at;
}

/* NUL bytes of the input separate the words. */
static void command(char *text, size_t count)
{
    struct nsh_value words[SSH_WORDS_MAX];
    char built[SSH_COMMAND_MAX], look[SSH_COMMAND_MAX], word[SSH_COMMAND_MAX];
    size_t words_count = 0, at = 0;
    bool sudo = false;
    while (at <= count && words_count < SSH_WORDS_MAX) {
        words[words_count] = nsh_text(text + at);
        at += words[words_count++].count + 1u;
    }
    struct nsh_value list = nsh_list(words, words_count);
    if (ssh_command_build(&list, built, NULL) < 0) {
        return;
    }
    const char *rest = built;
    for (size_t i = 0; i < words_count; i++) {
        size_t got = 0;
        rest = shell_word(rest, word, &got);
        if (rest == NULL || got != words[i].count || memcmp(word, words[i].text, got) != 0 ||
            (*rest == '\0') != (i + 1 == words_count)) {
            abort();
        }
        rest += *rest == ' ' ? 1 : 0;
    }
    if (ssh_command_look(built, look, &sudo, NULL) == 0 &&
        strncmp(look, sudo ? "sudo -n -l" : "command -v ", 10) != 0 &&
        strncmp(look, "/usr/bin/sudo -n -l", 19) != 0) {
        abort();
    }
}

static void printed(char *text, size_t count)
{
    char boot_id[SSH_BOOT_ID_MAX], words[64] = "h: ";
    ssh_boot_id_read(text, boot_id);
    ssh_words_add(words, sizeof words, text, count);
    ssh_output_clean(text, count);
    for (size_t i = 0; i < count; i++) {
        if ((text[i] < 0x20 && text[i] != '\n' && text[i] != '\t') || text[i] == 0x7f) {
            abort();
        }
    }
    if (strlen(words) >= sizeof words || strpbrk(words, "\n\x1b") != NULL) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t count)
{
    if (count == 0 || count > 65536) {
        return 0;
    }
    char *text = malloc(count);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data + 1, count - 1);
    text[count - 1] = '\0';
    switch (data[0] % 4) {
    case 0:
        known_hosts(text, count - 1);
        break;
    case 1:
        address(text);
        break;
    case 2:
        command(text, count - 1);
        break;
    default:
        printed(text, count - 1);
        break;
    }
    free(text);
    return 0;
}
