/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTRACT_H
#define CONTRACT_H

/*
 * The contract suite: any driver module, loaded by its path, against a peer that behaves and then
 * misbehaves in every way, in virtual time. NAME.peer.json beside the driver says what the peer
 * answers (tests/contract/README.md).
 *
 * contract_world.c and contract_stream.c are the fake services table, contract_twist.c what goes
 * wrong, contract_rules.c the peer, contract_run.c one case and its verdict, contract_sweep.c all
 * cases, contract_table.c what the table itself must obey, contract_alloc.c the allocator that
 * fails on request.
 */

#include "abi/driver.h"
#include "base/arena.h"
#include "base/text.h"
#include "contract_peer.h"

#define CONTRACT_MARKER "s3cr3t-m4rker" /* Of every secret; below the 20 bytes IPMI allows. */
#define EXCHANGES_MAX 256
#define CANCEL_GRACE_MS 5000
#define TEXT_BYTES_MAX 2048 /* Of an outcome. */

enum channel { CHANNEL_HTTP, CHANNEL_PROGRAM, CHANNEL_DATAGRAM, CHANNEL_STREAM };

/* What goes wrong, at which exchange. */
enum twist_kind {
    TWIST_NONE,
    TWIST_SILENCE,      /* The peer got it; no answer comes. */
    TWIST_SILENCE_EVER, /* And none to anything that follows. */
    TWIST_DISCONNECT,   /* It left, then the connection broke; a program: the helper died. */
    TWIST_UNREACHABLE,  /* It never left. */
    TWIST_STATUS,       /* HTTP status or exit status: value. */
    TWIST_SIGNAL,       /* A program ended by signal value. */
    TWIST_GARBAGE,      /* Answer number value of the table of nonsense. */
    TWIST_TRUNCATE,     /* Only value bytes of the answer. */
    TWIST_FLIP,         /* Byte value of the answer is another. */
    TWIST_TWICE,        /* The answer comes twice. */
    TWIST_TOO_LONG,     /* The service's limit is reached. */
    TWIST_RESET,        /* A stream: the answer came, then the connection broke. */
    TWIST_SLOW,         /* A stream: from then on a few bytes at a time. */
};

struct twist {
    enum twist_kind kind;
    unsigned exchange; /* From 1. */
    unsigned value;
};

/* What a device of NAME.peer.json is. Borrowed from the parsed file. */
struct subject {
    const struct nsh_driver *driver;
    const struct contract_peer *datagrams; /* NULL: none. */
    const struct contract_peer *streams;   /* NULL: none. */
    const struct nsh_value *device;
    const char *name;
    struct nsh_value settings; /* Checked, secrets are the marker. */
    bool secret_url;           /* A URL of it is the secret: it is where requests go. */
};

struct seen {
    enum channel channel;
    size_t reply_bytes;
    bool effect;
};

struct event;
struct nsh_flow;

struct world {
    struct nsh_services services; /* First. */
    const struct subject *subject;
    struct twist twist;
    unsigned fail_call; /* The service call of this number fails, from 1; 0: none. */
    bool stubborn;      /* Programs take two seconds to end when they are cancelled. */
    int64_t now_ms;
    struct event *events; /* By due time, then order. */
    struct nsh_flow *flows;
    struct nsh_stream *streams;
    uint64_t order, random;
    unsigned calls_count, dispatched_count, exchanges_count;
    unsigned timers_count, http_count, programs_count, offloads_count;
    struct seen seen[EXCHANGES_MAX];
    char state[32]; /* The peer's. */
    void *datagram_peer, *stream_peer;
    void *shared;        /* The driver's place for what its devices share. */
    bool silent;         /* No stream answers any more. */
    bool effect_sent;    /* Something that changes a host left ... */
    bool effect_unclear; /* ... and no clear refusal of it came. */
    bool ambiguous;      /* The twist leaves open which. */
    bool effect_untold;  /* It never left, and the driver was not told so yet: it cannot know. */
    bool inside;         /* A service call is being made: no callback may come. */
    struct textbuf requests, trace;
    void (*completed)(void *arg, struct nsh_op *op, const struct nsh_outcome *outcome);
    void *completed_arg;
    unsigned violations_count;
};

/* ---- contract_world.c ---- */

void world_init(struct world *world, const struct subject *subject);
void world_done(struct world *world);
bool world_step(struct world *world); /* Deliver the next callback; false: nothing is pending. */
int64_t world_next_ms(const struct world *world); /* When; INT64_MAX: never. */
/* Complain: the driver broke the contract. */
void world_complain(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For the other files of the world: a callback later, what goes wrong at an exchange. */
struct event *world_later(struct world *world, int64_t delay_ms, void (*fire)(void *arg),
                          void *arg);
void world_never(struct world *world, struct event *event); /* NULL: nothing. */
bool world_call_fails(struct world *world);
struct twist world_exchange(struct world *world, enum channel channel);
void world_exchange_note(struct world *world, size_t reply_bytes, bool effect, bool refused,
                         const struct twist *twist);
void world_request_note(struct world *world, const char *request);
/* The answer after the twist, in an allocation of its exact size, so that a read beyond is seen. */
char *world_twisted(const struct twist *twist, const char *bytes, size_t count, size_t *ret_count);

/* ---- contract_stream.c ---- */

void streams_fill(struct nsh_services *services);
void streams_end(struct world *world);

/* ---- contract_rules.c: the peer by its rules ---- */

struct rule_reply {
    bool found, effect, refused, open, hang_up;
    int status; /* HTTP status, or exit status. */
    const char *const *headers;
    const char *output, *errors;
    char *owned; /* Of output. */
    const char *header_room[8];
};
/* What the peer answers to a request; moves its state when `act`. */
void rules_answer(struct world *world, const char *request, bool act, struct rule_reply *ret_reply);

/* ---- contract_run.c: one case ---- */

struct run_case {
    const struct subject *subject;
    const struct nsh_verb *verb;
    struct twist twist;
    unsigned fail_call;
    unsigned fail_alloc;  /* 0: none */
    bool fail_alloc_ever; /* And all that follow. */
    int cancel_after;     /* Callbacks; -1: never. */
    bool stubborn;
    unsigned ops;            /* Started together: 1 or 2. */
    bool cancel_in_complete; /* The end of the first cancels the second. */
    bool close_in_complete;  /* The end of the last closes the device, as the driver host may. */
};

struct run_result {
    unsigned calls_count, dispatched_count, exchanges_count, allocs_count;
    struct seen seen[EXCHANGES_MAX];
    int code; /* Of the first operation; -1: start refused. */
    unsigned violations_count;
};

void run_case(const struct run_case *run, struct run_result *ret_result);
/* Requests of the clean run: in a case with failing allocations nothing else may be sent. */
void run_remember_clean(const char *requests);

/* ---- contract_sweep.c, contract_table.c ---- */

unsigned sweep_subject(const struct subject *subject); /* Violations. */
unsigned table_check(const struct nsh_driver *driver);
void table_describe(const struct nsh_driver *driver, struct textbuf *out);

/* ---- contract_alloc.c ---- */

void alloc_spare(const char *library); /* Its allocations never fail: "spares" of the peer file. */

void alloc_arm(unsigned fail, bool ever); /* 0: only count. */
unsigned alloc_disarm(void);              /* How many there were. */
void alloc_quiet(int delta);              /* Our own do not count. */

#endif
