/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All servers of a compute host move away: live, or rebuilt elsewhere. Round by round the host's
 * list is read; what is still there and was not asked is asked, at most `parallel` at once; what
 * was asked and stands idle is looked up by the record of its action. What cannot move is kept with
 * Nova's words, the others go on; the call fails at the end when something stays. Servers that do
 * not run stay where they are when draining: nothing of them is lost when the host goes off.
 */

#include "openstack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_BYTES_MAX 160

enum move_state { MOVE_NEW, MOVE_ASKED, MOVE_GONE, MOVE_FAILED, MOVE_STOPPED };

struct mover {
    char id[40], name[64], request_id[64];
    enum move_state state;
    bool seen;  /* In this round's list. */
    bool idle;  /* And without a task. */
    bool wants; /* It runs, or is rebuilt whatever its state. */
};

struct openstack_move {
    bool rebuild;
    size_t count, at;
    struct mover movers[OPENSTACK_SERVERS_MAX];
    char words[WORDS_BYTES_MAX]; /* Of the first that failed. */
};

static void round_begin(struct nsh_rest_call *call);
static void round_next(struct nsh_rest_call *call);

static void move_free(struct nsh_rest_call *call)
{
    free(openstack_of(call)->move);
}

void openstack_move_begin(struct nsh_rest_call *call, bool rebuild)
{
    struct openstack_call *own = openstack_of(call);
    own->move = calloc(1, sizeof *own->move);
    if (own->move == NULL) {
        nsh_rest_fail_nomem(call);
        return;
    }
    own->move->rebuild = rebuild;
    call->done = move_free;
    round_begin(call);
}

static size_t count_of(const struct openstack_move *move, enum move_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < move->count; i++) {
        count += move->movers[i].state == state;
    }
    return count;
}

static void failed(struct openstack_move *move, struct mover *mover, const char *words)
{
    mover->state = MOVE_FAILED;
    if (move->words[0] == '\0') {
        char line[WORDS_BYTES_MAX] = "";
        nsh_line_add(line, sizeof line, mover->name, strlen(mover->name));
        nsh_line_add(line, sizeof line, ": ", 2);
        nsh_line_add(line, sizeof line, words, strlen(words));
        memcpy(move->words, line, sizeof move->words);
    }
}

/* ---- the end ----------------------------------------------------------------------------- */

static void move_end(struct nsh_rest_call *call)
{
    struct openstack_move *move = openstack_of(call)->move;
    size_t stay = count_of(move, MOVE_FAILED);
    char moved[24], stopped[24];
    if (stay > 0) {
        nsh_rest_fail(call, NSH_FAILED, "%s: %zu of %zu servers stay on %s: %s",
                      nsh_rest_base(call->rest), stay, move->count, openstack_device(call)->name,
                      move->words);
        return;
    }
    snprintf(moved, sizeof moved, "%zu", count_of(move, MOVE_GONE));
    snprintf(stopped, sizeof stopped, "%zu", count_of(move, MOVE_STOPPED));
    openstack_done(call, (const char *const[]){"moved", moved, "stopped", stopped, "compute_host",
                                               openstack_device(call)->name, NULL});
}

/* ---- what was asked ----------------------------------------------------------------------- */

static void record_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct openstack_move *move = openstack_of(call)->move;
    struct mover *mover = &move->movers[move->at];
    const struct nsh_value *action = nsh_get(reply->body, "instanceAction");
    if (reply->code != NSH_OK && reply->status != 404) {
        nsh_rest_fail_reply(call, reply);
        return;
    }
    bool error = strcmp(nsh_get_text(action, "message", ""), "Error") == 0, running = false;
    const char *words = "the action ended in an error";
    for (size_t i = 0; i < nsh_at_count(action, "events"); i++) {
        const struct nsh_value *event = nsh_at_item(action, "events", i);
        const char *result = nsh_get_text(event, "result", "");
        running = running || result[0] == '\0';
        if (strcmp(result, "Error") == 0) {
            error = true;
            words = nsh_get_text(event, "details", nsh_get_text(event, "event", words));
        }
    }
    if (error) {
        failed(move, mover, words);
    } else if (!mover->seen && !running) {
        mover->state = MOVE_GONE; /* It left, and its action says that it arrived. */
    }
    move->at++;
    round_next(call);
}

static void asked_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct openstack_move *move = openstack_of(call)->move;
    struct mover *mover = &move->movers[move->at];
    if (reply->code == NSH_OK) {
        mover->state = MOVE_ASKED;
        openstack_request_id(reply, mover->request_id);
    } else if (reply->status == 404) {
        mover->state = MOVE_GONE; /* Deleted meanwhile. */
    } else if (reply->status == 400 || reply->status == 409) {
        failed(move, mover, reply->words);
    } else {
        nsh_rest_fail_reply(call, reply);
        return;
    }
    move->at++;
    round_next(call);
}

static void ask(struct nsh_rest_call *call, const struct mover *mover)
{
    openstack_send(call, "POST",
                   openstack_of(call)->move->rebuild
                       ? "{\"evacuate\":{}}"
                       : "{\"os-migrateLive\":{\"host\":null,\"block_migration\":\"auto\"}}",
                   asked_answered, "/servers/%s/action", mover->id);
}

/* Walk through the round's list; each step may send one request, and comes back here. */
static void round_next(struct nsh_rest_call *call)
{
    struct openstack_move *move = openstack_of(call)->move;
    size_t parallel = (size_t)nsh_get_int(call->op->args, "parallel", 5);
    for (; move->at < move->count; move->at++) {
        struct mover *mover = &move->movers[move->at];
        if (mover->state == MOVE_ASKED && (!mover->seen || mover->idle) &&
            mover->request_id[0] != '\0') {
            openstack_send(call, "GET", NULL, record_answered, "/servers/%s/os-instance-actions/%s",
                           mover->id, mover->request_id);
            return;
        }
        if (mover->state == MOVE_NEW && mover->seen && mover->idle && mover->wants &&
            count_of(move, MOVE_ASKED) < parallel) {
            ask(call, mover);
            return;
        }
    }
    size_t left = count_of(move, MOVE_NEW) + count_of(move, MOVE_ASKED);
    if (left == 0) {
        move_end(call);
        return;
    }
    nsh_rest_wait(call, round_begin, "%zu of %zu servers are still on %s%s%s", left, move->count,
                  openstack_device(call)->name, move->words[0] == '\0' ? "" : "; ", move->words);
}

/* ---- the list ----------------------------------------------------------------------------- */

static struct mover *mover_of(struct openstack_move *move, const struct openstack_server *server)
{
    for (size_t i = 0; i < move->count; i++) {
        if (strcmp(move->movers[i].id, server->id) == 0) {
            return &move->movers[i];
        }
    }
    if (move->count == OPENSTACK_SERVERS_MAX || !openstack_is_uuid(server->id)) {
        return NULL;
    }
    struct mover *mover = &move->movers[move->count++];
    snprintf(mover->id, sizeof mover->id, "%s", server->id);
    nsh_line_add(mover->name, sizeof mover->name, server->name, strlen(server->name));
    return mover;
}

static bool list_each(struct nsh_rest_call *call, const struct nsh_value *item)
{
    struct openstack_move *move = openstack_of(call)->move;
    struct openstack_server server;
    struct mover *mover = openstack_server_read(item, &server) ? mover_of(move, &server) : NULL;
    if (mover == NULL) {
        openstack_of(call)->silent = 1; /* Too many, or nonsense: told when the list ends. */
        return false;
    }
    bool runs = strcmp(server.status, "ACTIVE") == 0 || strcmp(server.status, "PAUSED") == 0;
    bool moving = server.task[0] != '\0' || strcmp(server.status, "MIGRATING") == 0 ||
                  strcmp(server.status, "BUILD") == 0 || strcmp(server.status, "REBUILD") == 0;
    mover->seen = true;
    mover->idle = !moving;
    mover->wants = move->rebuild || runs;
    if (mover->state == MOVE_NEW && !moving && !mover->wants) {
        mover->state = MOVE_STOPPED;
    } else if (mover->state == MOVE_ASKED && strcmp(server.status, "ERROR") == 0 && !moving) {
        failed(move, mover, server.fault[0] == '\0' ? "it is in ERROR" : server.fault);
    } else if (mover->state == MOVE_GONE) {
        mover->state = MOVE_NEW; /* Back again. */
    }
    return true;
}

static void list_done(struct nsh_rest_call *call)
{
    struct openstack_move *move = openstack_of(call)->move;
    if (openstack_of(call)->silent != 0) {
        nsh_rest_fail(call, NSH_LIMIT, "%s: more than %d servers on %s, or one without an id",
                      nsh_rest_base(call->rest), OPENSTACK_SERVERS_MAX,
                      openstack_device(call)->name);
        return;
    }
    for (size_t i = 0; i < move->count; i++) {
        struct mover *mover = &move->movers[i];
        bool asked = mover->state == MOVE_ASKED && mover->request_id[0] == '\0';
        if (!mover->seen && (mover->state == MOVE_NEW || asked)) {
            mover->state = MOVE_GONE;
        }
    }
    move->at = 0;
    round_next(call);
}

static void round_begin(struct nsh_rest_call *call)
{
    struct openstack_move *move = openstack_of(call)->move;
    char path[OPENSTACK_NAME_BYTES_MAX * 4];
    for (size_t i = 0; i < move->count; i++) {
        move->movers[i].seen = false;
    }
    snprintf(path, sizeof path, "/servers/detail?all_tenants=1&limit=500&host=%s",
             openstack_device(call)->path);
    openstack_read_servers(call, path, list_each, list_done);
}
