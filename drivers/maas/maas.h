/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAAS_MAAS_H
#define MAAS_MAAS_H

/*
 * What the driver's files share.
 *
 *   maas.c         the table, devices, signing
 *   maas_call.c    finding the machine, power, states
 *   maas_take.c    machines that are not the host's yet: allocate, add
 *   maas_doctor.c  what the account may do
 */

#include "abi/rest.h"
#include "maas_codec.h"

#define MAAS_BIT(NAME) (1u << MAAS_##NAME)

struct nsh_device {
    struct nsh_rest *rest;
    struct nsh_pool pool;
    const char *system_id, *hostname, *serial; /* NULL: not set. */
};

enum maas_aim {
    AIM_STATUS,
    AIM_ON,
    AIM_OFF,
    AIM_SHUTDOWN,
    AIM_CYCLE,
    AIM_QUERY,
    AIM_STATE, /* Order op, until the state is one of those wanted. */
    AIM_ALLOCATE,
    AIM_ADD,
    AIM_DOCTOR,
};

/* What a verb does. */
struct maas_work {
    enum maas_aim aim;
    const char *op;
    uint32_t wanted;  /* States that are the goal, */
    uint32_t running; /* on the way to it, whoever began that, */
    uint32_t failed;  /* and ends that are not it. */
    bool again;       /* Being there already is no reason not to order it. */
};

struct maas_call {
    struct nsh_rest_call rest; /* First. */
    const struct maas_work *work;
    struct maas_machine machine; /* As last read. */
    const char *power;           /* "on", "off"; as the BMC told it last. */
    const char *ordered;         /* The power when the last order was given. */
    bool known;                  /* machine is the one of this call. */
    unsigned strays;             /* How often its state was none that leads anywhere. */
    bool acted, joined, stopped; /* Ordered; waits for what others ordered; was off. */
    const char *agent;           /* Marks a machine as taken for this call. */
    bool administers;            /* The doctor's. */
    char user[MAAS_TEXT_BYTES_MAX], version[MAAS_TEXT_BYTES_MAX];
};

static inline struct maas_call *maas_of(struct nsh_rest_call *rest)
{
    return (struct maas_call *)(void *)rest;
}

static inline const struct nsh_device *device_of(const struct maas_call *call)
{
    return call->rest.device;
}

/* ---- maas_call.c ------------------------------------------------------------------------ */

void maas_begin(struct nsh_rest_call *rest);
/* Read the machine, by what is known of it, and go on as the verb wants. */
void maas_look(struct nsh_rest_call *rest);
/* Take the machine of an answer over; false: the call has failed. */
bool maas_machine_take(struct maas_call *call, const struct nsh_value *json);
void maas_fail(struct maas_call *call, const struct nsh_rest_reply *reply);
void maas_done(struct maas_call *call);
/* POST op to the machine, with the verb's arguments. */
void maas_order(struct maas_call *call, const char *op);
/* The verb's arguments as a form, behind the pairs given (NULL-terminated); NULL: no memory. */
const char *maas_form(struct maas_call *call, const char *const *pairs);

/* ---- maas_take.c, maas_doctor.c --------------------------------------------------------- */

void maas_take_begin(struct maas_call *call);
void maas_doctor_begin(struct maas_call *call);
void maas_doctor_found(struct maas_call *call);
void maas_doctor_missing(struct maas_call *call, const struct nsh_rest_reply *reply);

#endif
