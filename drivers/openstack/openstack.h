/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENSTACK_H
#define OPENSTACK_H

/*
 * What the driver's files share.
 *
 *   openstack.c           the table, devices
 *   openstack_cloud.c     Keystone, the catalogue, microversions, requests
 *   openstack_server.c    one Nova server: power, resets, migrating, creating, deleting
 *   openstack_compute.c   one compute service: status, enabling, forcing down
 *   openstack_move.c      all servers of a compute host: draining and evacuating
 *   openstack_node.c      one Ironic node: power and the provision states
 *   openstack_extra.c     Masakari, Placement, the doctor
 *   openstack_codec*.c    what these services write, as values
 *
 * A device is one of: a server, a compute host, a node, or (for Placement) the cloud alone. A verb
 * does what it means for that; what means nothing there is NSH_UNSUPPORTED.
 */

#include "abi/rest.h"
#include "openstack_codec.h"

#define OPENSTACK_SERVERS_MAX 1000 /* Of one host. */
#define OPENSTACK_NAME_BYTES_MAX 256

enum openstack_service { OS_COMPUTE, OS_BAREMETAL, OS_PLACEMENT, OS_HA, OS_SERVICES_COUNT };
enum openstack_object { OS_CLOUD, OS_SERVER, OS_HOST, OS_NODE, OS_OBJECTS_COUNT };

/* What a login brings, for all devices of one cloud. */
struct openstack_session {
    struct nsh_pool pool;
    const char *urls[OS_SERVICES_COUNT];
    int versions[OS_SERVICES_COUNT]; /* Minor numbers that we speak; 0: not asked yet. */
    char roles[128];                 /* "admin, member" */
};

struct nsh_device {
    struct nsh_services *services;
    struct nsh_rest *rest;
    struct nsh_pool pool;
    struct nsh_value settings; /* Its own copy, those of clouds.yaml in it. */
    enum openstack_object object;
    const char *name, *path; /* Of the object; path: percent-encoded. */
};

struct openstack_move; /* openstack_move.c */

/* One call. */
struct openstack_call {
    struct nsh_rest_call rest;                /* First. */
    void (*then)(struct nsh_rest_call *call); /* When the service is known. */
    enum openstack_service service;
    bool asked; /* The action was sent. */
    bool second;
    bool created;                        /* By us, now. */
    uint8_t steps;                       /* Of the provision states. */
    uint8_t silent;                      /* Times that a state was as before. */
    const char *target;                  /* What is waited for. */
    const char *wanted;                  /* The state that it ends in. */
    char id[OPENSTACK_NAME_BYTES_MAX];   /* Of the server, the service, the notification. */
    char host[OPENSTACK_NAME_BYTES_MAX]; /* Where the server was. */
    char request_id[64];                 /* Of the action, as Nova knows it. */
    char version[64];                    /* A header, */
    const char *headers[2];              /* in a list. */
    struct openstack_move *move;
    struct openstack_doctor *doctor;
};

static inline struct openstack_call *openstack_of(struct nsh_rest_call *call)
{
    return (struct openstack_call *)(void *)call; /* It begins with it. */
}

static inline const struct nsh_device *openstack_device(const struct nsh_rest_call *call)
{
    return call->device;
}

typedef void openstack_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply);

/* ---- openstack_cloud.c ---- */

void openstack_login(struct nsh_rest_call *login);
void openstack_session_done(void *session);

/* Log in, find the service, agree on a microversion; then go on. */
void openstack_use(struct nsh_rest_call *call, enum openstack_service service,
                   void (*then)(struct nsh_rest_call *call));

/* Send to the service in use. body: JSON text, or NULL; path: formatted. */
void openstack_send(struct nsh_rest_call *call, const char *method, const char *body,
                    openstack_answered *done, const char *path, ...)
    __attribute__((format(printf, 5, 6)));
/* The same with a value as body. */
void openstack_send_value(struct nsh_rest_call *call, const char *method,
                          const struct nsh_value *body, openstack_answered *done, const char *path,
                          ...) __attribute__((format(printf, 5, 6)));

/* Read all servers that a path lists. */
void openstack_read_servers(struct nsh_rest_call *call, const char *path,
                            bool (*each)(struct nsh_rest_call *call, const struct nsh_value *item),
                            void (*done)(struct nsh_rest_call *call));

const char *openstack_service_word(enum openstack_service service);
/* The reply failed, or is not what it should be: the call is over. */
void openstack_nonsense(struct nsh_rest_call *call, const struct nsh_rest_reply *reply,
                        const char *what);
/* Done, with a result of texts: names and values, NULL-terminated. */
void openstack_done(struct nsh_rest_call *call, const char *const *pairs);

/* ---- openstack_server.c ---- */

bool openstack_server_begin(struct nsh_rest_call *call); /* false: no such verb for a server. */
void openstack_request_id(const struct nsh_rest_reply *reply, char room[64]);

/* ---- openstack_compute.c, openstack_move.c ---- */

bool openstack_host_begin(struct nsh_rest_call *call);
void openstack_service_put(struct nsh_rest_call *call, const char *body, openstack_answered *done);
/* Move every server away: live (and the service is disabled already), or by rebuilding elsewhere.
 */
void openstack_move_begin(struct nsh_rest_call *call, bool rebuild);

/* ---- openstack_node.c ---- */

bool openstack_node_begin(struct nsh_rest_call *call);

/* ---- openstack_extra.c ---- */

bool openstack_cloud_begin(struct nsh_rest_call *call);

#endif
