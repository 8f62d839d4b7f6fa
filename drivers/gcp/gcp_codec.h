/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GCP_CODEC_H
#define GCP_CODEC_H

/* Service accounts' keys and the assertions they sign, request ids, states. Pure. */

#include "abi/encode.h"
#include "abi/json_value.h"

#define GCP_UUID_BYTES 37

struct gcp_account {
    const char *email, *key_id, *private_key, *token_uri;
};

/* Read the key file of a service account. NSH_INVALID: it is none. */
int gcp_account_read(struct nsh_pool *pool, const char *text, struct gcp_account *ret_account,
                     struct nsh_error *err);

/* A signed assertion (JWT, RS256) for an access token, good for an hour from unix_ms. NSH_INVALID:
 * the private key cannot be used. */
int gcp_assertion(struct nsh_pool *pool, const struct gcp_account *account, int64_t unix_ms,
                  const char **ret_assertion, struct nsh_error *err);

/* A UUID that is the same for the same texts: the server drops a request it had already. */
int gcp_request_id(const char *const *parts, char ret_uuid[GCP_UUID_BYTES]);

const char *gcp_power_word(const char *status);

/* What an operation's error, or the reason in an answer, means; `code` when it is not known. */
int gcp_error_means(const char *error, int code);

#endif
