/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSH_CODEC_H
#define SSH_CODEC_H

/*
 * The pure half of the ssh driver: addresses, commands that no shell can misread, known_hosts, and
 * what hosts print. No I/O.
 */

#include "abi/error.h"
#include "abi/value.h"

#define SSH_HOST_MAX 256
#define SSH_COMMAND_MAX 8192
#define SSH_WORDS_MAX 64
#define SSH_BOOT_ID_MAX 64
#define SSH_FINGERPRINT_MAX 64 /* "SHA256:" and 43 characters. */

/* "HOST", "HOST:PORT", "[V6]:PORT"; a bare IPv6 address has no port. */
int ssh_address_read(const char *text, char host[SSH_HOST_MAX], uint16_t *ret_port,
                     struct nsh_error *err);

/*
 * A list of words as the one text that SSH sends: a shell on the other side reads exactly these
 * words, whatever stands in them. Control characters are refused, and a first word that looks like
 * an option or an assignment.
 */
int ssh_command_build(const struct nsh_value *words, char command[SSH_COMMAND_MAX],
                      struct nsh_error *err);

/*
 * For a command that ssh_command_build() made: the one that tells whether it is there and
 * permitted, and runs nothing of it. ret_sudo: it goes through sudo. NSH_LIMIT: it does not fit.
 */
int ssh_command_look(const char *command, char look[SSH_COMMAND_MAX], bool *ret_sudo,
                     struct nsh_error *err);

/* Kinds of host keys that libssh2 can check; bits, for the order of preference. */
enum ssh_key_kind {
    SSH_ED25519 = 1,
    SSH_ECDSA_256 = 2,
    SSH_ECDSA_384 = 4,
    SSH_ECDSA_521 = 8,
    SSH_RSA = 16,
};
const char *ssh_key_kind_word(unsigned kind); /* "ssh-ed25519"; NULL: none. */

/* The key a host shows. */
struct ssh_host_key {
    const uint8_t *bytes; /* The blob, as in known_hosts after base64. */
    size_t bytes_count;
};

enum ssh_known { SSH_UNKNOWN, SSH_KNOWN, SSH_CHANGED, SSH_REVOKED };

/*
 * Look for host (and port) in the text of a known_hosts file: plain names, patterns with * ? and !,
 * hashed names, @revoked. key may be NULL. ret_kinds: the kinds of keys it holds for the host.
 */
enum ssh_known ssh_known_host(const char *text, size_t text_bytes, const char *host, uint16_t port,
                              const struct ssh_host_key *key, unsigned *ret_kinds);

/* "SHA256:..." as ssh-keygen -l prints it. */
void ssh_fingerprint(const struct ssh_host_key *key, char fingerprint[SSH_FINGERPRINT_MAX]);

/* The one word a boot id is; false: that is none. */
bool ssh_boot_id_read(const char *output, char boot_id[SSH_BOOT_ID_MAX]);

/* What a peer said as text for people: one line, control characters and what is no ASCII as '?'. */
void ssh_words_add(char *text, size_t room, const char *said, size_t said_bytes);
/* Output as a result: the same, but lines stay. In place. */
void ssh_output_clean(char *output, size_t output_bytes);

#endif
