/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AWS_H
#define AWS_H

/*
 * What the driver's files share.
 *
 *   aws.c        the table of options and verbs, devices
 *   aws_login.c  credentials: keys, profiles, roles, the machine's own; the signature
 *   aws_call.c   one request and its answer, instances looked up and waited for
 *   aws_power.c  power verbs
 *   aws_life.c   instances that come and go
 *   aws_group.c  Auto Scaling groups
 *   aws_look.c   what only reads: health, interruption, doctor
 */

#include "abi/doctor.h"
#include "abi/rest.h"
#include "aws_codec.h"

#define AWS_ID_BYTES_MAX 64
#define AWS_TOKEN_BYTES_MAX 64 /* Of a ClientToken. */
#define AWS_KEY_BYTES_MAX 256
#define AWS_SESSION_TOKEN_BYTES_MAX 4096

enum aws_service { AWS_EC2, AWS_AUTOSCALING, AWS_STS, AWS_SERVICES_COUNT };

struct nsh_device {
    struct nsh_services *services;
    struct nsh_rest *rest;
    struct nsh_pool pool;
    const char *instance, *group, *launch_template, *template_version, *subnet;
    const char *urls[AWS_SERVICES_COUNT];
    const char *imds; /* "http://169.254.169.254" */
};

/* What credentials a signature is made with. */
struct aws_keys {
    char key_id[AWS_KEY_BYTES_MAX], secret[AWS_KEY_BYTES_MAX];
    char token[AWS_SESSION_TOKEN_BYTES_MAX]; /* "": none. */
};

/* Of all devices with the same settings: the keys in use, and those being obtained. */
struct aws_session {
    struct aws_keys keys, next;
    char role_arn[256], external_id[128], metadata_token[256];
    int64_t next_expires_ms; /* Unix time; 0: never. */
};

enum aws_aim { AIM_STATUS, AIM_ON, AIM_OFF, AIM_CYCLE, AIM_HARD, AIM_SOFT };

struct aws_call {
    struct nsh_rest_call rest; /* First. */
    enum aws_aim aim;
    const char *instance;    /* Whom it is about. */
    struct nsh_value *about; /* The instance as last read; in rest.pool. */
    const char *state;       /* Of it; "absent" when there is none. */
    const char *ordered;     /* Its state when something was ordered: not yet seen to move. */
    bool acted, stopped, forced, absent_is_new;
    /* Told when the instance was read. */
    void (*looked)(struct aws_call *call);
    /* Told what a group, or an instance in its group, looks like. */
    void (*told)(struct aws_call *call, const struct nsh_value *found);
    /* Groups */
    int64_t desired;
    const char *wanted; /* A lifecycle state. */
    size_t step;        /* Doctor. */
    struct nsh_checks *checks;
};

static inline struct aws_call *aws_call_of(struct nsh_rest_call *call)
{
    return (struct aws_call *)(void *)call;
}

/* ---- aws_login.c ---- */

void aws_login(struct nsh_rest_call *login);
int aws_sign(struct nsh_rest *rest, struct nsh_rest_message *message, struct nsh_error *err);
/* "https://ec2.eu-central-1.amazonaws.com/", or the endpoint set; NULL: no memory. */
const char *aws_url(struct nsh_pool *pool, const struct nsh_value *settings,
                    enum aws_service service);

/* ---- aws_call.c ---- */

/* Ask: pairs are names and values, NULL-terminated; a NULL value leaves its pair out. Action and
 * Version go in front. */
void aws_ask(struct aws_call *call, enum aws_service service, const char *action,
             const char *const *pairs, uint32_t flags,
             void (*done)(struct nsh_rest_call *call, const struct nsh_rest_reply *reply));

/*
 * Read an answer into call->rest.pool. NULL: a failure; it was seen to (sent again, or the call
 * ended), unless its error code is `expected`: then ret_expected is set and nothing ended.
 */
const struct nsh_value *aws_answer(struct aws_call *call, const struct nsh_rest_reply *reply,
                                   const char *expected, bool *ret_expected);

/* Read call->instance, then looked(). */
void aws_look(struct aws_call *call, void (*looked)(struct aws_call *call));
/* The same after a while. */
void aws_look_later(struct aws_call *call, void (*looked)(struct aws_call *call));

/* End with {"power", "state", "instance", "changed", "type", "zone", "address"}. */
void aws_done_instance(struct aws_call *call, bool changed);
/* End with these members. */
void aws_done(struct aws_call *call, const struct nsh_member *members, size_t count);
/* The setting, or false: the call failed for lack of it. */
bool aws_needs(struct aws_call *call, const char *setting, const char *name);

static inline struct nsh_device *aws_device(const struct aws_call *call)
{
    return call->rest.device;
}

static inline bool aws_is(const char *text, const char *other)
{
    return __builtin_strcmp(text, other) == 0;
}

/* ---- what verbs begin with ---- */

void aws_power_status(struct nsh_rest_call *call);
void aws_power_on(struct nsh_rest_call *call);
void aws_power_off(struct nsh_rest_call *call);
void aws_power_cycle(struct nsh_rest_call *call);
void aws_reset_hard(struct nsh_rest_call *call);
void aws_reset_soft(struct nsh_rest_call *call);

void aws_provision(struct nsh_rest_call *call);
void aws_add(struct nsh_rest_call *call);
void aws_remove(struct nsh_rest_call *call);

void aws_drain(struct nsh_rest_call *call);
void aws_undrain(struct nsh_rest_call *call);
void aws_capacity(struct nsh_rest_call *call);
void aws_grow(struct aws_call *call); /* add, in a group */
void aws_replace(struct nsh_rest_call *call);
void aws_lifecycle(struct nsh_rest_call *call);
void aws_heartbeat(struct nsh_rest_call *call);
void aws_suspend(struct nsh_rest_call *call);
void aws_resume(struct nsh_rest_call *call);
void aws_group(struct nsh_rest_call *call);
/* Of call->instance in its group, then told: the member of DescribeAutoScalingInstances, or NULL.
 */
void aws_membership(struct aws_call *call,
                    void (*told)(struct aws_call *call, const struct nsh_value *member));

void aws_status(struct nsh_rest_call *call);
void aws_interruption(struct nsh_rest_call *call);
void aws_doctor(struct nsh_rest_call *call);

#endif
