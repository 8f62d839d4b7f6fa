/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETBOX_CODEC_H
#define NETBOX_CODEC_H

/* Tokens, devices as NetBox tells of them, marks in journals. Pure. */

#include "abi/encode.h"
#include "abi/json_value.h"

#define NETBOX_TEXT_BYTES_MAX 256
#define NETBOX_COMMENTS_BYTES_MAX 8192

/* "Authorization: Token ..." of a v1 token, "Authorization: Bearer nbt_..." of a v2 one. NULL: it
 * is none (blanks in it), or no memory. */
char *netbox_authorization(struct nsh_pool *pool, const char *token);

struct netbox_device {
    int64_t id;
    char name[NETBOX_TEXT_BYTES_MAX];
    char state[32];
    char serial[NETBOX_TEXT_BYTES_MAX], asset_tag[NETBOX_TEXT_BYTES_MAX];
    char site[NETBOX_TEXT_BYTES_MAX], rack[NETBOX_TEXT_BYTES_MAX], role[NETBOX_TEXT_BYTES_MAX];
    char address[64], bmc[64]; /* Without prefix length. */
    char url[512];             /* Of its page. */
};

/* A device or a virtual machine. NSH_PROTOCOL: it is none; ret_device is unchanged. */
int netbox_device_read(const struct nsh_value *json, struct netbox_device *ret_device,
                       struct nsh_error *err);

/* "10.0.0.3/24" -> "10.0.0.3"; "": there is none, or it does not fit. */
void netbox_address(const char *cidr, char *room, size_t room_bytes);

/* What a journal entry ends in, so that the same one is found again: "[nightshift KEY]". */
char *netbox_mark(struct nsh_pool *pool, const char *key);
/* Whether comments end in that mark. */
bool netbox_marked(const char *comments, const char *mark);

/* What a refusal means: NetBox says 403 to a token that is none, too. */
int netbox_refusal_means(int status, int code, const char *words);

/* Whether word is one of those in a list such as "active,staged". */
bool netbox_listed(const char *list, const char *word);

#endif
