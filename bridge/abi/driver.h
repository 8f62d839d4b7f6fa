/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_DRIVER_H
#define NSH_DRIVER_H

/*
 * The driver ABI: everything a driver may include.
 *
 * A driver is one folder, one exported symbol (`nsh_driver`), one const table. It is asynchronous:
 * it never blocks, never retries, never decides, never reads a clock and keeps no globals. Its only
 * door is struct nsh_services. All calls into a driver and all calls back come on one thread, the
 * loop's.
 */

#include "abi/error.h"
#include "abi/value.h"

#include <sys/socket.h>

#define NSH_ABI 1

enum nsh_effect { NSH_READS, NSH_CHANGES, NSH_INTERRUPTS, NSH_DESTROYS };

/* Verb flags. */
#define NSH_IDEMPOTENT 0x1u /* Doing it twice is the same as doing it once. */
#define NSH_EXCLUSIVE 0x2u  /* No other call to the same host while this one runs. */
#define NSH_NOTIFIES                                                                               \
    0x4u /* Speaks to people, not to a host: needs no host, passes no host guards. */
#define NSH_ANY_ARGS                                                                               \
    0x8u /* Takes any arguments as they are, unchecked; its table lists none. For programs. */

/* Option flags. */
#define NSH_REQUIRED 0x1u
#define NSH_IDENTIFIES                                                                             \
    0x2u /* This setting names the endpoint (address): shown in errors, key of its breaker. */

enum nsh_maturity { NSH_EXPERIMENTAL, NSH_PROVEN };

/* One setting or argument: what the checker, the manual and the default come from. */
struct nsh_option {
    const char *name;
    enum nsh_type type;
    uint32_t flags;
    const char *preset, *min, *max; /* As texts of the type; NULL: none. */
    const char *const *choices;     /* NULL-terminated, or NULL. */
    const char *help;
};

struct nsh_verb {
    const char
        *name; /* From bridge/model/verbs.def: "power.off"; or the driver's own below "NAME.". */
    enum nsh_effect effect;
    uint32_t flags;
    const char *undo,
        *verify; /* Verbs that revert it and that read the state proving it; NULL: none. */
    const char
        *proof; /* "power=on": the member of the verify verb's result that proves it; NULL: none. */
    const struct nsh_option *args;
    size_t args_count;
    uint32_t timeout_ms_default;
    const char *help;
};

/*
 * Members of a verb that is proven by reading: verb_verify is the verb that reads, verb_proof the
 * member of its result that proves it; both NULL: nothing does. Others (args, undo) may follow:
 *
 *     {NSH_POWER_VERB("power.off", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power=off", 60000, "Stop."),
 *      .args = off_args, .args_count = 1},
 *
 * NSH_POWER_VERB is read by power.status, and alone on its host.
 */
#define NSH_PROVEN_VERB(verb_name, verb_effect, verb_flags, verb_verify, verb_proof,               \
                        verb_timeout_ms, verb_help)                                                \
    .name = (verb_name), .effect = (verb_effect), .flags = (verb_flags), .verify = (verb_verify),  \
    .proof = (verb_proof), .timeout_ms_default = (verb_timeout_ms), .help = (verb_help)
#define NSH_POWER_VERB(verb_name, verb_effect, verb_flags, verb_proof, verb_timeout_ms, verb_help) \
    NSH_PROVEN_VERB(verb_name, verb_effect, (verb_flags) | NSH_EXCLUSIVE, "power.status",          \
                    verb_proof, verb_timeout_ms, verb_help)

struct nsh_services;
struct nsh_device; /* The driver's: one opened binding. */

/* One call of one verb on one device. Owned by the caller until complete() was called for it. */
struct nsh_op {
    const struct nsh_verb *verb;
    const struct nsh_value *args; /* A map, checked against verb->args, defaults filled in. */
    const char *token;            /* Idempotency token: the action's id, stable over restarts. */
    const char *host;             /* Name of the host, for texts; "" when there is none. */
    uint32_t timeout_ms; /* The caller cancels after this; for a peer that wants to be told. */
    void *driver_data;   /* The driver's. */
};

/* How a call ended. Borrowed during complete(). */
struct nsh_outcome {
    int code;             /* NSH_OK, or the enum nsh_code of what went wrong. */
    bool effect_possible; /* On failure: the request may have taken effect (it left, no clear
                             refusal came). */
    const struct nsh_value *result; /* A map on success ("power" = "on"|"off"|...), or NULL. */
    const char *text; /* Endpoint, object and the peer's own words; bounded; never a secret. */
    uint32_t retry_after_ms; /* The peer's wish, with NSH_BUSY; 0: none. */
};

struct nsh_driver {
    uint32_t abi, size; /* NSH_ABI, sizeof(struct nsh_driver) */
    const char *name, *version, *summary;
    enum nsh_maturity maturity;
    const struct nsh_option *options;
    size_t options_count;
    const struct nsh_verb *verbs;
    size_t verbs_count;

    /* Open a device from checked settings (a map, defaults filled in, secrets resolved). Must not
     * block; connects lazily. */
    int (*open)(struct nsh_services *services, const struct nsh_value *settings,
                struct nsh_device **ret_device, struct nsh_error *err);
    /* 0: complete(op) follows exactly once, possibly before start returns. Negative: it never
     * follows. */
    int (*start)(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err);
    /* A request; complete() still follows, soon (at once, or after one round of the loop). */
    void (*cancel)(struct nsh_device *device, struct nsh_op *op);
    /* New settings for an open device; on failure the old ones stay. NULL: the host closes and
     * opens instead. */
    int (*reload)(struct nsh_device *device, const struct nsh_value *settings,
                  struct nsh_error *err);
    /* No op is running. Frees the device; may leave a polite logout to the services. */
    void (*close)(struct nsh_device *device);
};

/* ---- services
 * ------------------------------------------------------------------------------------------------
 */

struct nsh_timer;
struct nsh_http;
struct nsh_flow;
struct nsh_process;
struct nsh_stream;
struct nsh_callback;

struct nsh_http_reply;

#define NSH_HTTP_HEADERS_MAX 24
#define NSH_PEM_BEGINS "-----BEGIN "

struct nsh_http_request {
    const char *method; /* "GET" */
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL. */
    const void *body;
    size_t body_bytes;
    size_t reply_bytes_max;      /* 0: 1 MiB. A longer reply ends as NSH_LIMIT. */
    uint32_t timeout_ms;         /* 0: 30 s, whole exchange. */
    uint32_t connect_timeout_ms; /* 0: 10 s. */
    const char *user, *password; /* Basic authentication; NULL: none. */
    /* TLS: verified against ca_file (NULL: the system's), or pinned ("sha256//base64"), or,
     * explicitly, not at all. Each of the three is the name of a PEM file, or PEM text itself
     * (NSH_PEM_BEGINS). */
    const char *ca_file, *pinned_key, *client_cert, *client_key;
    bool insecure;
    bool connection_close; /* Do not keep the connection. */
    bool server;       /* The peer is made for many at once: limits.server_connections to it, and
                          not the 4 that a management controller bears. */
    const char *proxy; /* "http://proxy.example:3128"; NULL: none, whatever the environment
                          says. Part of what tells connections apart. */
    /*
     * For a reply without an end (a watch): each piece of a 2xx reply's body as it comes; `done`
     * still follows once, without that body. Pieces break anywhere. reply_bytes_max bounds what
     * came between two turns of the loop, timeout_ms still bounds the whole. Such a request has a
     * connection of its own. It may be cancelled from inside. NULL: all of the body in `done`.
     */
    void (*received)(void *arg, const char *bytes, size_t bytes_count);
    /* With `received`: once, before the first piece, when the head of a 2xx reply came: its status
     * and headers. It may be cancelled from inside. NULL: nobody asks. */
    void (*began)(void *arg, const struct nsh_http_reply *reply);
};

struct nsh_http_reply {
    int code;   /* NSH_OK when an HTTP answer came, whatever its status; else why none came. */
    bool sent;  /* With a failure: the request may have reached the peer. */
    int status; /* 200 */
    const char *const *headers; /* "name: value" with lower-case names, NULL-terminated. */
    const char *body;           /* NUL-terminated; body_bytes excludes the NUL. */
    size_t body_bytes;
    const char *text; /* With a failure: the library's words. */
};

/* The value of a header of a reply, or NULL; name in lower case. */
const char *nsh_http_header(const struct nsh_http_reply *reply, const char *name);

#define NSH_STREAM_READ 0x1u
#define NSH_STREAM_WRITE 0x2u

struct nsh_stream_peer {
    const char *host; /* An IP address, or a name that is looked up. */
    uint16_t port;
    uint32_t connect_timeout_ms; /* Name and connection together; 0: 10 s. */
};

struct nsh_spawn {
    const char *const *argv; /* argv[0] is an absolute path; never a shell. NULL-terminated. */
    const char *const
        *env; /* The whole environment, "NAME=value", NULL-terminated; NULL: a minimal one. */
    const void *input; /* Written to stdin, then EOF. */
    size_t input_bytes;
    size_t output_bytes_max;   /* Each of stdout and stderr; 0: 64 KiB. What is longer is cut and
                                  marked. */
    uint64_t memory_bytes_max; /* RLIMIT_AS; 0: 512 MiB. */
    uint32_t cpu_s_max;        /* RLIMIT_CPU; 0: 60. */
    uint32_t timeout_ms;       /* Whole process group gets SIGTERM, 2 s later SIGKILL. 0: 60 s. */
    /*
     * Not NULL: a program that stays. Its standard input stays open for spawn_tell(); what it
     * writes comes here in pieces that break anywhere (errors: on stderr), to be bounded by who
     * takes it; it has neither a time-out nor a limit of processor time; `done` comes, without
     * output, when it ended by itself. spawn_cancel() ends it like a time-out does, and nothing is
     * called any more.
     */
    void (*said)(void *arg, bool errors, const char *bytes, size_t bytes_count);
};

struct nsh_exit {
    int code; /* NSH_OK: it ran and ended by itself; NSH_TIMEOUT, NSH_CANCELLED, NSH_NOT_FOUND, ...
               */
    int status;         /* Exit status 0..255, when signal is 0. */
    int signal;         /* The signal that ended it, or 0. */
    bool started;       /* The program was executed. */
    const char *output; /* NUL-terminated. */
    size_t output_bytes;
    const char *errors;
    size_t errors_bytes;
    bool output_cut, errors_cut;
    const char *text;
};

/*
 * A driver's only door. Callbacks are called once per request unless said otherwise, never from
 * inside the call that made the request, and never after the matching cancel or close returned.
 */
struct nsh_services {
    uint32_t abi, size;

    int64_t (*now_ms)(struct nsh_services *services); /* Monotonic. */
    /* Unix milliseconds by the machine's clock, which may step: only for what is told to a peer
     * (signatures, tokens), never to measure time. */
    int64_t (*unix_ms)(struct nsh_services *services);
    void (*random)(struct nsh_services *services, void *bytes, size_t bytes_count);
    /* A place that all devices of one driver share, for what is not each device's own (a login);
     * NULL in it at first, and again when the last device is closed. The key is the address of
     * something in the driver's module. NULL: there is no room, do without. */
    void **(*shared)(struct nsh_services *services, const void *key);

    /* One shot. NULL when out of memory. The handle is gone once it fired. */
    struct nsh_timer *(*timer)(struct nsh_services *services, uint32_t delay_ms,
                               void (*fire)(void *arg), void *arg);
    void (*timer_cancel)(struct nsh_services *services, struct nsh_timer *timer);

    /* The request is copied. Keeps one connection per host, port and TLS settings alive and reuses
     * it. */
    int (*http)(struct nsh_services *services, const struct nsh_http_request *request,
                void (*done)(void *arg, const struct nsh_http_reply *reply), void *arg,
                struct nsh_http **ret_http, struct nsh_error *err);
    void (*http_cancel)(struct nsh_services *services, struct nsh_http *http);

    /*
     * A flow of datagrams to one peer. All flows of the process share a few sockets: received
     * datagrams are told apart by the peer's address (and `key` for several flows to one address:
     * the first flow whose accept() says yes). accept may be NULL. received is called for every
     * datagram until flow_close.
     */
    int (*flow_open)(struct nsh_services *services, const struct sockaddr *peer,
                     socklen_t peer_bytes,
                     bool (*accept)(void *arg, const uint8_t *bytes, size_t bytes_count),
                     void (*received)(void *arg, const uint8_t *bytes, size_t bytes_count),
                     void *arg, struct nsh_flow **ret_flow, struct nsh_error *err);
    /* -NSH_UNREACHABLE, -NSH_LIMIT (socket buffer full), or 0. */
    int (*flow_send)(struct nsh_services *services, struct nsh_flow *flow, const void *bytes,
                     size_t bytes_count);
    void (*flow_close)(struct nsh_services *services, struct nsh_flow *flow);

    /* Run a program through the spawn helper; everything is copied. done is called once, also after
     * spawn_cancel. */
    int (*spawn)(struct nsh_services *services, const struct nsh_spawn *spawn,
                 void (*done)(void *arg, const struct nsh_exit *exit), void *arg,
                 struct nsh_process **ret_process, struct nsh_error *err);
    void (*spawn_cancel)(struct nsh_services *services, struct nsh_process *process);

    /* Run work(arg) on a pool thread, then done(arg) on the loop. For libraries that block. Cannot
     * be cancelled. */
    int (*offload)(struct nsh_services *services, void (*work)(void *arg), void (*done)(void *arg),
                   void *arg, struct nsh_error *err);

    /* End op: exactly once. The outcome is borrowed. */
    void (*complete)(struct nsh_services *services, struct nsh_op *op,
                     const struct nsh_outcome *outcome);

    /* Tell of something seen on the device that nobody asked for; becomes an event of this type. */
    void (*observe)(struct nsh_services *services, const char *host, const char *type,
                    const struct nsh_value *data);

    /* A line for the run's evidence ("POST /redfish/v1/... -> 204"); never a secret. op NULL: for
     * the log alone. */
    void (*trace)(struct nsh_services *services, const struct nsh_op *op, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

    /*
     * A stream of bytes (TCP) to one peer. ready() is called once when it is connected (NSH_OK) or
     * is not (NSH_UNREACHABLE, NSH_TIMEOUT, NSH_NOT_FOUND: nothing was sent; text says why), and
     * then once for each stream_want(): as soon as one of the wanted directions can be used. A
     * broken connection can be used in both: reading and writing tell. stream_close() may be
     * called from ready(); it is wanted also after a failure.
     */
    int (*stream_open)(struct nsh_services *services, const struct nsh_stream_peer *peer,
                       void (*ready)(void *arg, int code, const char *text), void *arg,
                       struct nsh_stream **ret_stream, struct nsh_error *err);
    /* Replaces what was wanted before; 0: nothing. */
    void (*stream_want)(struct nsh_services *services, struct nsh_stream *stream,
                        unsigned directions);
    /* How many bytes, at once; -NSH_BUSY: none now; -NSH_DISCONNECTED: the connection is broken.
     * Reading: 0 is the peer's orderly end. */
    ssize_t (*stream_read)(struct nsh_services *services, struct nsh_stream *stream, void *bytes,
                           size_t bytes_max);
    ssize_t (*stream_write)(struct nsh_services *services, struct nsh_stream *stream,
                            const void *bytes, size_t bytes_count);
    void (*stream_close)(struct nsh_services *services, struct nsh_stream *stream);

    /* More input for a program that stays. -NSH_BUSY: it did not start yet; -NSH_LIMIT: it does not
     * read what it got. */
    int (*spawn_tell)(struct nsh_services *services, struct nsh_process *process, const void *bytes,
                      size_t bytes_count);

    /*
     * An event that the answer to op brought along, in the words of CloudEvents: type, and what
     * else it says. Its source is this function, its id, when it has none, the op's token with
     * number: a repeated answer raises nothing twice. Whoever takes it checks it.
     */
    void (*event)(struct nsh_services *services, const struct nsh_op *op,
                  const struct nsh_value *event, unsigned number);

    /*
     * A place where the peer may answer later, by HTTP: a URL that nobody can guess, good once.
     * called() comes at most once, with what was posted as a reply (its status is that of
     * X-Function-Status, its headers are x-call-id alone); it may close the place.
     * -NSH_UNSUPPORTED: the daemon has no face that peers reach.
     */
    int (*callback)(struct nsh_services *services,
                    void (*called)(void *arg, const struct nsh_http_reply *posted), void *arg,
                    struct nsh_callback **ret_callback, struct nsh_error *err);
    const char *(*callback_url)(struct nsh_services *services, const struct nsh_callback *callback);
    /* What comes after is refused. NULL is nothing. */
    void (*callback_close)(struct nsh_services *services, struct nsh_callback *callback);

    /*
     * Stop reading a reply that is streamed (`received`), or go on: the peer is held back by TCP,
     * nothing is lost. From inside received() the pieces after this one wait. Not before began().
     */
    void (*http_pause)(struct nsh_services *services, struct nsh_http *http, bool paused);
};

/* What a driver module exports: `extern const struct nsh_driver nsh_driver;` */
#define NSH_DRIVER_SYMBOL "nsh_driver"
extern const struct nsh_driver nsh_driver;

#endif
