/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENSTACK_CODEC_H
#define OPENSTACK_CODEC_H

/* What OpenStack writes and wants to read, as values. Pure; all of it may be hostile. */

#include "abi/encode.h"
#include "abi/json_value.h"

/*
 * Settings out of a clouds.yaml: those of `cloud`, or of the only one when cloud is NULL, as
 * members with the names of this driver's settings. A setting that stands in `given` already (and
 * is not empty) is left out.
 *
 * NSH_INVALID  no YAML, an alias (none is needed), no such cloud, or one that turns verification
 * off.
 */
int openstack_clouds_read(struct nsh_pool *pool, const char *yaml, size_t yaml_bytes,
                          const char *cloud, const struct nsh_value *given,
                          struct nsh_value *ret_settings, struct nsh_error *err);

/* The body for POST /auth/tokens from settings; false: out of memory. */
bool openstack_login_body(struct nsh_pool *pool, const struct nsh_value *settings,
                          struct nsh_value *ret_body);

/* The URL of a service in the catalogue of a token; region NULL: any. NULL: there is none. */
const char *openstack_catalog_url(const struct nsh_value *token, const char *const *types,
                                  const char *interface, const char *region);

/* The minor number of the newest microversion that a service's description offers, and of the
 * oldest
 * ("2.93": 93); -1: it names none. */
int openstack_version_newest(const struct nsh_value *body);
int openstack_version_oldest(const struct nsh_value *body);

/* "8f7c..-..": a UUID, with or without dashes. */
bool openstack_is_uuid(const char *text);

/* A Nova server. Texts are borrowed, never NULL. */
struct openstack_server {
    const char *id, *name, *status, *task, *host, *fault;
    int power; /* OS-EXT-STS:power_state; -1: not shown. */
};
bool openstack_server_read(const struct nsh_value *server, struct openstack_server *ret_server);
/* "on", "off" or "unknown" */
const char *openstack_server_power(const struct openstack_server *server);

/* An Ironic node. */
struct openstack_node {
    const char *power, *target_power, *provision, *target_provision, *error, *fault;
    bool maintenance;
};
bool openstack_node_read(const struct nsh_value *node, struct openstack_node *ret_node);
const char *openstack_node_power(const struct openstack_node *node);
bool openstack_node_failed(const char *provision_state); /* "deploy failed", "error" */

#endif
