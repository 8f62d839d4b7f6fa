/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_REST_PRIVATE_H
#define NSH_REST_PRIVATE_H

/*
 * What the kit's files share.
 *
 *   rest.c        APIs: settings, the credential, the login and those who wait for it
 *   rest_call.c   calls: begin, wait, cancel, end
 *   rest_send.c   one request and its answer
 *   rest_words.c  statuses, Retry-After, the peer's words
 *   rest_list.c   pages
 */

#include "abi/rest.h"

struct nsh_rest {
    struct nsh_services *services;
    struct nsh_rest *next; /* Of those shared by the driver's devices. */
    struct nsh_rest_config config;
    struct nsh_pool pool; /* The settings' copy, base, texts. */
    struct nsh_value settings;
    const char *base, *ca_file, *pinned_key, *client_cert, *client_key, *proxy;
    bool insecure;
    uint32_t request_timeout_ms, poll_ms;
    unsigned uses; /* Devices. */
    unsigned busy; /* Callbacks under way: it is not freed below them. */
    void *session;
    char *credential;    /* One header line; NULL: none yet. */
    bool logged_in;      /* The credential (or session) is good. */
    bool spoiled;        /* A 401 ended the last one. */
    int64_t expires_ms;  /* Monotonic; 0: never by itself. */
    uint32_t generation; /* Of logins: a 401 spoils only the one its request was sent with. */
    struct nsh_rest_call *login;
    bool orphan; /* All for whom the login was begun are gone. */
    struct nsh_rest_flight *waiting, *waiting_last;
    int64_t skew_ms; /* The peer's clock less ours. */
};

/* What the kit knows of a call. */
struct nsh_rest_flight {
    struct nsh_rest_call *call;
    struct nsh_rest_flight *next; /* Waiting for the login. */
    int64_t deadline_ms;
    bool ready; /* It waits for the login only: `then` follows. */
    bool waits; /* In the list of those. */
    bool acted; /* A request with an effect may have been carried out. */
    /* The request; in `memory` until the next. */
    struct nsh_pool memory;
    const char *method, *url, *body, *user, *password;
    size_t body_bytes, reply_bytes_max;
    const char *headers[NSH_HTTP_HEADERS_MAX];
    size_t headers_count;
    uint32_t timeout_ms, flags, generation;
    bool repeated, renewed;
    void (*done)(struct nsh_rest_call *call, const struct nsh_rest_reply *reply);
    bool (*received)(struct nsh_rest_call *call, const char *bytes, size_t bytes_count);
    const struct nsh_rest_reply *reply; /* While done() runs. */
    struct nsh_http *http;
    /* Waiting */
    struct nsh_timer *timer;
    void (*then)(struct nsh_rest_call *call);
    void (*waited_for)(struct nsh_rest_call *call);
    uint32_t wait_ms, retry_after_ms;
    /* The list */
    struct nsh_rest_list list;
    unsigned pages;
};

/* Callbacks end calls, and the end of the last call may close the API below them. */
void rest_enter(struct nsh_rest *rest);
void rest_leave(struct nsh_rest *rest);

/* The call's request may leave: now, or when the login is there. */
void rest_depart(struct nsh_rest_call *call);
void rest_waiting_remove(struct nsh_rest *rest, struct nsh_rest_flight *flight);
void rest_login_spoil(struct nsh_rest *rest, uint32_t generation);
void rest_login_failed(struct nsh_rest *rest, const struct nsh_outcome *outcome);

/* Send the call's request as it stands. */
void flight_send(struct nsh_rest_call *call);
/* Give a call the answer that none came, for this reason. */
void flight_tell(struct nsh_rest_call *call, const struct nsh_outcome *outcome);
/* Stop what the call waits for, request or timer. */
void flight_stop(struct nsh_rest_call *call);

struct nsh_rest_call *call_new(struct nsh_rest *rest, size_t call_bytes);
void call_free(struct nsh_rest_call *call);

bool rest_has_effect(const struct nsh_rest_flight *flight);
uint32_t rest_retry_after_ms(const char *retry_after, int64_t date_ms);
/* "https://host:8774" of "https://host:8774/v2.1?x": its bytes; 0: no such URL. */
size_t rest_origin_bytes(const char *url);
/* Take the secrets of the API out of a text. */
void rest_redact(const struct nsh_rest *rest, char *text);

#endif
