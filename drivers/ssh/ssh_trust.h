/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSH_TRUST_H
#define SSH_TRUST_H

/* Whether a host is the one that is meant: known_hosts, or the fingerprint of the settings. */

#include "ssh_link.h"

/* Which kinds of keys known_hosts holds for the host; 0: none, or a fingerprint tells. */
int ssh_trust_kinds(const struct ssh_account *account, unsigned *ret_kinds, struct nsh_error *err);

/* 0: the key is the host's. NSH_MISMATCH: unknown, changed or revoked, in words for people. */
int ssh_trust_check(const struct ssh_account *account, const struct ssh_host_key *key, int type,
                    struct nsh_error *err);

/* Whether others than its owner may write known_hosts, and so vouch for any host. */
bool ssh_trust_open(const struct ssh_account *account);

#endif
