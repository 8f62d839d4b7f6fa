/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, commands, output. Bounds: SSH_COMMAND_MAX bytes, SSH_WORDS_MAX words. */

#include "ssh_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SSH_PORT 22

/* ---- addresses ---- */

static bool port_read(const char *text, uint16_t *ret_port)
{
    char *end = NULL;
    long port = strtol(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || port < 1 || port > 65535) {
        return false;
    }
    *ret_port = (uint16_t)port;
    return true;
}

static bool host_is(const char *host, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char c = host[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && strchr(".:-_%", c) == NULL) {
            return false;
        }
    }
    return count > 0 && count < SSH_HOST_MAX && host[0] != '-';
}

int ssh_address_read(const char *text, char host[SSH_HOST_MAX], uint16_t *ret_port,
                     struct nsh_error *err)
{
    uint16_t port = SSH_PORT;
    const char *begin = text, *colon = strchr(text, ':'), *rest = "";
    size_t count = strlen(text);
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        begin = text + 1;
        count = close == NULL ? 0 : (size_t)(close - begin);
        rest = close == NULL ? "?" : close + 1;
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        count = (size_t)(colon - text);
        rest = colon;
    }
    if (!host_is(begin, count) ||
        (rest[0] != '\0' && (rest[0] != ':' || !port_read(rest + 1, &port)))) {
        return nsh_fail(err, NSH_INVALID,
                        "address: want a host such as 10.1.1.1, 10.1.1.1:2222 or [fd00::1]:22, "
                        "got %.80s",
                        text);
    }
    memcpy(host, begin, count);
    host[count] = '\0';
    *ret_port = port;
    return 0;
}

/* ---- commands ---- */

static bool word_plain(const char *word, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char c = word[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && strchr("/._-:,@%+", c) == NULL) {
            return false;
        }
    }
    return count > 0;
}

struct command {
    char *at;
    size_t used;
    bool full;
};

static void command_add(struct command *command, const char *text, size_t count)
{
    if (command->used + count >= SSH_COMMAND_MAX) {
        command->full = true;
        return;
    }
    memcpy(command->at + command->used, text, count);
    command->used += count;
    command->at[command->used] = '\0';
}

/* 'it'\''s': inside single quotes a shell reads nothing but the quote. */
static void word_add(struct command *command, const char *word, size_t count)
{
    if (word_plain(word, count)) {
        command_add(command, word, count);
        return;
    }
    command_add(command, "'", 1);
    for (size_t i = 0; i < count; i++) {
        bool quote = word[i] == '\'';
        command_add(command, quote ? "'\\''" : &word[i], quote ? 4 : 1);
    }
    command_add(command, "'", 1);
}

static int word_check(const struct nsh_value *word, uint32_t index, struct nsh_error *err)
{
    if (word->type != NSH_STRING) {
        return nsh_fail(err, NSH_INVALID, "word %u of a command is no text", index + 1);
    }
    for (uint32_t i = 0; i < word->count; i++) {
        if ((unsigned char)word->text[i] < 0x20 || word->text[i] == 0x7f) {
            return nsh_fail(err, NSH_INVALID, "word %u of a command holds a control character",
                            index + 1);
        }
    }
    if (index == 0 && (word->count == 0 || word->text[0] == '-' ||
                       memchr(word->text, '=', word->count) != NULL)) {
        return nsh_fail(err, NSH_INVALID, "a command begins with the name of a program");
    }
    return 0;
}

int ssh_command_build(const struct nsh_value *words, char command[SSH_COMMAND_MAX],
                      struct nsh_error *err)
{
    struct command built = {.at = command};
    if (words == NULL || words->type != NSH_LIST || words->count == 0 ||
        words->count > SSH_WORDS_MAX) {
        return nsh_fail(err, NSH_INVALID, "a command is a list of 1 to %d words", SSH_WORDS_MAX);
    }
    for (uint32_t i = 0; i < words->count; i++) {
        const struct nsh_value *word = &words->items[i];
        int result = word_check(word, i, err);
        if (result < 0) {
            return result;
        }
        command_add(&built, " ", i == 0 ? 0 : 1);
        word_add(&built, word->text, word->count);
    }
    return built.full
               ? nsh_fail(err, NSH_LIMIT, "a command of more than %d bytes", SSH_COMMAND_MAX - 1)
               : 0;
}

/* The bytes of the first word, as it was quoted. */
static size_t word_bytes(const char *command)
{
    bool quoted = false;
    size_t at = 0;
    for (; command[at] != '\0' && (quoted || command[at] != ' '); at++) {
        if (!quoted && command[at] == '\\' && command[at + 1] != '\0') {
            at++;
        } else if (command[at] == '\'') {
            quoted = !quoted;
        }
    }
    return at;
}

static bool word_is(const char *command, const char *word)
{
    size_t count = word_bytes(command);
    return count == strlen(word) && strncmp(command, word, count) == 0;
}

int ssh_command_look(const char *command, char look[SSH_COMMAND_MAX], bool *ret_sudo,
                     struct nsh_error *err)
{
    struct command built = {.at = look};
    bool sudo = word_is(command, "sudo") || word_is(command, "/usr/bin/sudo");
    size_t count = word_bytes(command);
    if (sudo) {
        const char *rest = command + count;
        while (rest[0] == ' ' && word_is(rest + 1, "-n")) {
            rest += 3;
        }
        command_add(&built, command, count);
        command_add(&built, " -n -l", 6);
        command_add(&built, rest, strlen(rest));
    } else {
        command_add(&built, "command -v ", 11);
        command_add(&built, command, count);
    }
    *ret_sudo = sudo;
    return built.full ? nsh_fail(err, NSH_LIMIT, "more than %d bytes", SSH_COMMAND_MAX - 1) : 0;
}

/* ---- what hosts print ---- */

bool ssh_boot_id_read(const char *output, char boot_id[SSH_BOOT_ID_MAX])
{
    const char *blanks = " \t\r\n";
    const char *begin = output + strspn(output, blanks);
    size_t count = strcspn(begin, blanks);
    const char *rest = begin + count + strspn(begin + count, blanks);
    if (count < 4 || count >= SSH_BOOT_ID_MAX || *rest != '\0' || !word_plain(begin, count)) {
        return false;
    }
    memcpy(boot_id, begin, count);
    boot_id[count] = '\0';
    return true;
}

void ssh_words_add(char *text, size_t room, const char *said, size_t said_bytes)
{
    size_t used = strlen(text);
    for (size_t i = 0; i < said_bytes && used + 1 < room; i++) {
        bool blank = said[i] == '\n' || said[i] == '\r' || said[i] == '\t';
        text[used++] = said[i] >= 0x20 && said[i] < 0x7f ? said[i] : blank ? ' ' : '?';
    }
    while (used > 0 && text[used - 1] == ' ') {
        used--;
    }
    text[used] = '\0';
}

void ssh_output_clean(char *output, size_t output_bytes)
{
    for (size_t i = 0; i < output_bytes; i++) {
        bool plain =
            (output[i] >= 0x20 && output[i] < 0x7f) || output[i] == '\n' || output[i] == '\t';
        output[i] = plain ? output[i] : '?';
    }
}
