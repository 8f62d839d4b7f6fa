/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file known_hosts is read at each connection, so that a key added takes effect.
 * Bounds: KNOWN_HOSTS_MAX bytes of it; a larger one is an error.
 */

#include "ssh_trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KNOWN_HOSTS_MAX (8 << 20)

static char *known_hosts_read(const struct ssh_account *account, size_t *ret_count,
                              struct nsh_error *err)
{
    struct stat status;
    int fd = open(account->known_hosts, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
        status.st_size > KNOWN_HOSTS_MAX) {
        nsh_fail(err, NSH_IO, "known_hosts %.200s: %s", account->known_hosts,
                 fd < 0 ? strerror(errno) : "no regular file, or larger than 8 MiB");
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    size_t room = (size_t)status.st_size, count = 0;
    char *text = malloc(room + 1);
    for (ssize_t got = 1; text != NULL && got > 0 && count < room; count += (size_t)got) {
        got = read(fd, text + count, room - count);
        got = got < 0 ? 0 : got;
    }
    close(fd);
    if (text == NULL) {
        nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *ret_count = count;
    return text;
}

/* What known_hosts says, and which kinds of keys to ask the host for. */
static int host_look(const struct ssh_account *account, const struct ssh_host_key *key,
                     enum ssh_known *ret_known, unsigned *ret_kinds, struct nsh_error *err)
{
    size_t count = 0;
    char *text = known_hosts_read(account, &count, err);
    if (text == NULL) {
        return -err->code;
    }
    *ret_known = ssh_known_host(text, count, account->host, account->port, key, ret_kinds);
    free(text);
    return 0;
}

int ssh_trust_kinds(const struct ssh_account *account, unsigned *ret_kinds, struct nsh_error *err)
{
    enum ssh_known known;
    if (account->host_key != NULL) {
        *ret_kinds = 0;
        return 0;
    }
    return host_look(account, NULL, &known, ret_kinds, err);
}

static void host_key_words(const struct ssh_host_key *key, int type, char words[128])
{
    static const char *const types[] = {"?", "RSA", "DSA", "ECDSA", "ECDSA", "ECDSA", "ED25519"};
    char fingerprint[SSH_FINGERPRINT_MAX];
    ssh_fingerprint(key, fingerprint);
    snprintf(words, 128, "%s key %s", type > 0 && type < 7 ? types[type] : types[0], fingerprint);
}

int ssh_trust_check(const struct ssh_account *account, const struct ssh_host_key *key, int type,
                    struct nsh_error *err)
{
    enum ssh_known known = SSH_UNKNOWN;
    unsigned kinds = 0;
    char words[128], fingerprint[SSH_FINGERPRINT_MAX];
    int result = 0;
    host_key_words(key, type, words);
    ssh_fingerprint(key, fingerprint);
    if (account->host_key != NULL) {
        known = strcmp(account->host_key, fingerprint) == 0 ? SSH_KNOWN : SSH_CHANGED;
    } else {
        result = host_look(account, key, &known, &kinds, err);
    }
    if (result < 0) {
        return result;
    }
    const char *where = account->host_key != NULL ? "the setting host_key" : account->known_hosts;
    switch (known) {
    case SSH_KNOWN:
        return 0;
    case SSH_UNKNOWN:
        return nsh_fail(err, NSH_MISMATCH,
                        "unknown host: its %s is not in %.160s; compare it on the host's console "
                        "(ssh-keygen -lf), then add the line of ssh-keyscan -p %u %.80s",
                        words, where, (unsigned)account->port, account->host);
    case SSH_CHANGED:
        return nsh_fail(err, NSH_MISMATCH,
                        "the host's key has changed: its %s is not the one in %.160s; reinstalled, "
                        "or somebody in between: compare, then ssh-keygen -R and add the new one",
                        words, where);
    case SSH_REVOKED:
        return nsh_fail(err, NSH_MISMATCH, "the host's %s is revoked in %.160s", words, where);
    }
    return nsh_fail(err, NSH_MISMATCH, "the host's %s is not known", words);
}

bool ssh_trust_open(const struct ssh_account *account)
{
    struct stat status;
    return account->host_key == NULL && stat(account->known_hosts, &status) == 0 &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}
