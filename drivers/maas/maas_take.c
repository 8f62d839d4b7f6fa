/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machines that nobody has yet. What is taken is marked with the action's name as agent_name: a
 * call that is repeated finds what the first one took, instead of taking another.
 */

#include "maas.h"

#include <string.h>

static void taken(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct maas_call *call = maas_of(rest);
    struct nsh_rest_reply told = *reply;

    if (reply->code != NSH_OK) {
        told.code = maas_refusal_means(reply->status, reply->code, reply->retry_after_ms != 0,
                                       reply->words);
        /* None is free that is as wanted. */
        told.code = told.code == NSH_CONFLICT ? NSH_LIMIT : told.code;
        nsh_rest_fail_reply(rest, &told);
        return;
    }
    call->acted = true;
    if (!maas_machine_take(call, reply->body)) {
        return;
    }
    if (call->work->aim == AIM_ADD) {
        maas_order(call, call->work->op);
    } else {
        maas_done(call);
    }
}

static void take(struct maas_call *call)
{
    const struct nsh_device *device = device_of(call);
    const char *pairs[7] = {"agent_name", call->agent};
    size_t count = 2;

    if (device->system_id != NULL) {
        pairs[count++] = "system_id";
        pairs[count++] = device->system_id;
    }
    if (device->hostname != NULL) {
        pairs[count++] = "name";
        pairs[count++] = device->hostname;
    }
    const char *form = maas_form(call, pairs);
    if (form == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    nsh_rest_send(&call->rest,
                  &(struct nsh_rest_request){.method = "POST",
                                             .path = "/machines/?op=allocate",
                                             .text = form,
                                             .content_type = "application/x-www-form-urlencoded"},
                  taken);
}

/* One was taken before: for `add` its deployment may be wanting, under way, or over. */
static void taken_before(struct maas_call *call, const struct nsh_value *json)
{
    if (!maas_machine_take(call, json)) {
        return;
    }
    if (call->work->aim == AIM_ALLOCATE) {
        maas_done(call);
    } else if (call->machine.state == MAAS_ALLOCATED) {
        maas_order(call, call->work->op);
    } else {
        call->joined = true;
        maas_look(&call->rest);
    }
}

static void marked_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct maas_call *call = maas_of(rest);

    if (reply->code != NSH_OK) {
        maas_fail(call, reply);
    } else if (reply->body->type != NSH_LIST) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: the answer is no list of machines",
                      nsh_rest_base(rest->rest));
    } else if (reply->body->count > 1) {
        nsh_rest_fail(rest, NSH_MISMATCH, "%s: %u machines are marked %s",
                      nsh_rest_base(rest->rest), reply->body->count, call->agent);
    } else if (reply->body->count == 1) {
        taken_before(call, &reply->body->items[0]);
    } else {
        take(call);
    }
}

void maas_take_begin(struct maas_call *call)
{
    const struct nsh_op *op = call->rest.op;
    struct nsh_pool *pool = &call->rest.pool;

    call->agent = nsh_pool_printf(pool, "nightshift %s %s", op->host, op->token);
    const char *query =
        call->agent == NULL
            ? NULL
            : nsh_query(pool, (const char *const[]){"agent_name", call->agent, NULL});
    const char *path = query == NULL ? NULL : nsh_pool_printf(pool, "/machines/?%s", query);
    if (path == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    nsh_rest_send(&call->rest, &(struct nsh_rest_request){.path = path}, marked_answered);
}
