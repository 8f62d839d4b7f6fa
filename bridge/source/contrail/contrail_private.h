/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_CONTRAIL_CONTRAIL_PRIVATE_H
#define SOURCE_CONTRAIL_CONTRAIL_PRIVATE_H

/*
 * The source contrail on the loop thread: it logs in, opens the stream of alarms, reads the list
 * once the stream is open (so that nothing falls between), and again from time to time. What
 * changed is pushed in batches; when the intake is full the stream is held back. Alarms whose raise
 * is durable are acknowledged over there, if that is wanted.
 */

#include "contrail.h"
#include "source/map/source_push.h"
#include "source/map/source_type.h"
#include "source/sse/sse_stream.h"

#define LINK_LIST_BYTES_MAX (32u << 20) /* 20,000 objects with an alarm or two. */
#define LINK_EVENT_BYTES_MAX (1u << 20)
#define LINK_TICK_MS 100
#define LINK_BATCHES_MAX 16 /* On their way to the disk. */
#define LINK_BATCH_EVENTS 64
#define LINK_HELD_MAX 1024 /* Changes that wait: then the stream is held back. */
#define LINK_ACKS_MAX 4    /* On their way. */
#define LINK_WINDOWS_MAX 8
#define LINK_WHY_BYTES_MAX 240
#define LINK_HEADER_BYTES_MAX 8192 /* Of a token. */

enum link_login { LOGIN_NONE, LOGIN_TOKEN, LOGIN_BASIC, LOGIN_KEYSTONE };

/* A time in which changes were not seen one by one. */
struct link_window {
    int64_t from_ms, to_ms;
    uint32_t found;
};

struct link_job;

/* A request of JSON, with who we are over there. */
struct link_question {
    const char *method;
    const struct textbuf *url, *body; /* As they were built, also when that failed; NULL: none. */
    bool stranger;                    /* Not the analytics API: our token is not for it. */
    uint32_t timeout_ms;              /* 0: the client's, as the next. */
    size_t reply_bytes_max;
    void (*done)(void *arg, const struct nsh_http_reply *reply);
    void *arg;
};

/* One acknowledgement on its way. */
struct link_ack {
    struct contrail_source *source;
    struct contrail_alarm *alarm; /* NULL: the place is free. */
    int64_t time_us;
    struct nsh_http *http;
};

struct contrail_source {
    const struct source_services *services;
    const struct source_config *config;
    struct arena settings; /* Texts below. */
    const char *base, *query;
    const char *ca_file, *client_cert, *client_key, *user, *password;
    bool insecure, stand_read;
    int64_t resync_ms;
    struct contrail state;
    struct sse_stream *stream;
    uv_timer_t tick;

    enum link_login login;
    char token[LINK_HEADER_BYTES_MAX]; /* "X-Auth-Token: ..."; "": none needed, or none yet. */
    bool logged_in;
    struct nsh_http *login_http;
    int64_t login_ms, login_due_ms, login_until_ms; /* Begun; again; renewed then; 0: never. */
    unsigned login_failures;

    bool open, listed, had; /* had: it was listed before, so a new list ends a window. */
    struct nsh_http *list_http;
    struct link_job *job; /* A list that is being read, or NULL. */
    int64_t list_due_ms;  /* 0: not. */
    unsigned list_failures;
    int64_t away_ms; /* Since when changes are missed; 0: none are. */

    struct link_ack acks[LINK_ACKS_MAX];
    uint64_t acks_done, acks_refused;

    unsigned batches;
    bool closing, tick_closed;
    void (*done)(void *arg);
    void *done_arg;

    char why[LINK_WHY_BYTES_MAX], login_why[LINK_WHY_BYTES_MAX], list_why[LINK_WHY_BYTES_MAX],
        ack_why[LINK_WHY_BYTES_MAX];
    int status; /* HTTP's of the last failure. */
    struct link_window windows[LINK_WINDOWS_MAX];
    uint64_t windows_count;
};

int64_t link_now_ms(const struct contrail_source *source);
/* For the log, and for whoever looks. */
void link_say(struct contrail_source *source, bool error, const char *text);
void link_maybe_done(struct contrail_source *source);
/* Doubling from a second to a minute. */
int64_t link_pause_ms(const struct contrail_source *source, unsigned failures);

/* ---- contrail_login.c ---- */

/* Log in, or renew; then link_start(). */
void link_login_begin(struct contrail_source *source);
/* The server does not take the token. */
void link_unauthorized(struct contrail_source *source);

/* ---- contrail_link.c ---- */

int link_open(struct contrail_source *source, struct nsh_error *err);
/* done() follows with the answer, unless this fails: -NSH_NOMEM, or as nsh_services.http. */
int link_ask(const struct contrail_source *source, const struct link_question *question,
             struct nsh_http **ret_http, struct nsh_error *err);
void link_start(struct contrail_source *source); /* Logged in. */
void link_tick(struct contrail_source *source);
void link_close(struct contrail_source *source);

/* ---- contrail_list.c ---- */

void link_list_begin(struct contrail_source *source);
/* Not later than that; while one is on its way another follows it. */
void link_list_soon(struct contrail_source *source, int64_t due_ms);
/* What is on its way is not wanted any more. */
void link_list_drop(struct contrail_source *source);

/* ---- contrail_push.c ---- */

/* Hand over what changed, as far as the intake takes it. */
void link_push(struct contrail_source *source);

/* ---- contrail_ack.c ---- */

void link_acks(struct contrail_source *source);
void link_acks_close(struct contrail_source *source);

#endif
