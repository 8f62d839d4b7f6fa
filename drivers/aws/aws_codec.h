/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AWS_CODEC_H
#define AWS_CODEC_H

/* What AWS's Query APIs answer, and the profile files of its tools, as values. Pure. */

#include "abi/driver.h"
#include "abi/pool.h"

#define AWS_NODES_MAX 200000 /* Elements of one document; 1,000 instances have about 100,000. */
#define AWS_PROFILE_CHAIN_MAX 3

/*
 * Read an XML document as a value: an element without elements is its text; one whose elements are
 * all called `item` or `member` is the list of them; any other is a map, in which the first of a
 * name counts. ret_value is the root element's. No document types: what they could define is
 * refused.
 *
 * NSH_PROTOCOL  no XML, or with a document type.
 * NSH_LIMIT     deeper than NSH_VALUE_DEPTH_MAX, or AWS_NODES_MAX.
 */
int aws_xml_read(struct nsh_pool *pool, const char *bytes, size_t bytes_count,
                 struct nsh_value *ret_value, struct nsh_error *err);

/* The Code of an error document (EC2's, or that of the other services); NULL: it is none. */
const char *aws_error_code(const struct nsh_value *document);

/* Whether an error is one that says that nothing was done, whatever its status. */
bool aws_error_known(const char *error);

/* What an error means that came with this status; `code` is what the status alone means. */
int aws_error_means(const char *error, int code);

enum aws_cure {
    AWS_CURE_NONE,
    AWS_CURE_CLOCK, /* Sign anew by the peer's clock. */
    AWS_CURE_LOGIN, /* Obtain credentials anew. */
};
enum aws_cure aws_error_cure(const char *error);

/* "on" for "running"; of EC2's six states and whatever it may tell. */
const char *aws_power_word(const char *state);

/* A profile out of ~/.aws/credentials and ~/.aws/config; members are NULL where it has none. */
struct aws_profile {
    const char *key_id, *secret, *session_token;
    const char *role_arn, *external_id, *region;
};

/*
 * Look a profile up in the texts of both files (either may be NULL); `source_profile` is followed
 * for the keys of one that has a role.
 *
 * NSH_NOT_FOUND    no such profile, or the one it leans on.
 * NSH_UNSUPPORTED  it wants a program or a browser (credential_process, sso).
 */
int aws_profile_read(struct nsh_pool *pool, const char *credentials, const char *config,
                     const char *name, struct aws_profile *ret_profile, struct nsh_error *err);

#endif
