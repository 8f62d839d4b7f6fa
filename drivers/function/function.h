/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUNCTION_H
#define FUNCTION_H

/*
 * What the driver's files share.
 *
 *   function.c         the table of options and verbs, devices
 *   function_ask.c     what each platform wants to be asked like
 *   function_answer.c  what its answers mean
 *
 * The contract is that of exec: {"verb","host","token","args","settings"} in,
 * {"ok":true,"result":{}} or {"ok":false,"code","error","effect_possible"} out; "events" in either.
 */

#include "abi/doctor.h"
#include "abi/events.h"
#include "abi/rest.h"

enum function_kind {
    KIND_OPENWHISK,
    KIND_FISSION,
    KIND_KUBELESS,
    KIND_KNATIVE,
    KIND_OPENFAAS,
    KIND_LAMBDA,
    KIND_GOOGLE,
    KIND_AZURE,
    KIND_CLOUDEVENTS,
    KINDS_COUNT,
};

struct nsh_device {
    struct nsh_services *services;
    struct nsh_rest *rest;
    enum function_kind kind;
    bool async;
};

struct function_call {
    struct nsh_rest_call rest; /* First: the kit's. */
    const char *poll_path;     /* Where the answer will be. */
    struct nsh_callback *callback;
    struct nsh_http_reply *posted; /* What came there; in the call's pool. */
};

const char *function_setting(const struct nsh_rest_call *call, const char *name);
bool function_doctor(const struct nsh_rest_call *call); /* The op is `function.doctor`. */

void function_ask(struct nsh_rest_call *call);
int function_sign(struct nsh_rest *rest, struct nsh_rest_message *message, struct nsh_error *err);

/* The URL where this call may be answered later; NULL: nowhere. */
const char *function_callback(struct nsh_rest_call *call);

void function_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply);
void function_examined(struct nsh_rest_call *call, const struct nsh_rest_reply *reply);

#endif
