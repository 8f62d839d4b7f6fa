/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLEET_FLEET_H
#define FLEET_FLEET_H

/*
 * Where hosts come from, and which host an event is about.
 *
 * inventory.conf:
 *     credentials: ( { name = "lab"; user = "admin"; password = "file:bmc.password"; } );
 *     defaults: { bmc = { credentials = "lab"; }; labels = { env = "lab"; }; };
 *     hosts: ( { name = "r1h01"; rack = "r1"; feed = ["a", "b"]; pool = "web"; role = "web"; serial
 * = "..."; uuid = "..."; addresses = ["10.1.1.1"]; maintenance = false; quorum = "etcd"; labels = {
 * env = "prod"; }; bmc = { driver = "redfish"; address = "127.0.1.1"; ... }; os = { ... }; } ); The
 * keys of a binding other than `driver` and `credentials` are the driver's options, passed on as
 * they are; `credentials = NAME` adds that entry's user and password. The binding's address is an
 * identity hint (addr=). `reach = { power = ["bmc", "outlet"]; when = ["unreachable"]; };` says
 * which bindings may carry verbs out in whose place, and for which reasons (model/host.h).
 */

#include "base/confscan.h"
#include "model/event.h"
#include "model/host.h"

/* Read an inventory. NULL when diags got an error: the old one stays. Duplicate names, addresses,
 * uuids are errors. */
struct inventory *fleet_load(const char *path, struct diags *diags);
/* The same from settings that were read already; root is borrowed for the call. */
struct inventory *fleet_load_conf(struct conf *root, struct diags *diags);

/*
 * The host an event is about: event->host if the source named one that exists, else the first of
 * its hints the inventory knows, in the order host, uuid (both byte orders), serial, engine,
 * instance (of the binding instance), node (of the binding node), port ("SWITCH/PORT"), agent,
 * addr. Two hints that know different hosts: the stronger wins and *ret_conflict says so. NULL:
 * unknown, reported by the caller, never guessed.
 */
const struct host *fleet_resolve(const struct inventory *inventory, const struct event *event,
                                 bool *ret_conflict);

#define FLEET_ADDRESS_BYTES_MAX 254

/* The host part of an address or URL in its canonical form; false: there is none. */
bool fleet_address(struct text text, char ret_address[FLEET_ADDRESS_BYTES_MAX]);

/*
 * The secret behind a reference: "file:PATH" (relative to the credentials folder or absolute; mode
 * must not be readable by others), "env:NAME", "credential:NAME" (systemd's
 * $CREDENTIALS_DIRECTORY), "plain:TEXT" is refused unless allow_plain. The text is copied into
 * arena, trailing newline removed. Errors never show the secret.
 */
int fleet_secret(const char *reference, const char *base_folder, bool allow_plain,
                 struct arena *arena, const char **ret_secret, struct nsh_error *err);

#endif
