/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_REST_H
#define NSH_REST_H

/*
 * The kit of drivers that speak JSON over HTTP. A driver writes what its API is: paths, bodies,
 * states. The kit keeps what is the same for all of them: one login shared by the calls that wait
 * for it, renewed before it expires and once after a 401; statuses as codes; the peer's own words;
 * Retry-After; the peer's clock; pages; waiting for a state; cancelling at any point; and whether a
 * request may have had an effect.
 *
 * A call walks from function to function; each sends one request, or waits, or ends the call:
 *
 *     static void node_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
 *     {
 *         if (reply->code != NSH_OK) {
 *             nsh_rest_fail_reply(call, reply);
 *         } else if (nsh_at_bool(reply->body, "ready", false)) {
 *             nsh_rest_done(call, NULL);
 *         } else {
 *             nsh_rest_wait(call, node_read, "the node is not ready");
 *         }
 *     }
 *
 *     static void node_read(struct nsh_rest_call *call)
 *     {
 *         nsh_rest_send(call, &(struct nsh_rest_request){.path = "/nodes/7"}, node_answered);
 *     }
 *
 *     start:   return nsh_rest_start(device->rest, device, op, sizeof(struct nsh_rest_call),
 *                                    node_read, err);
 *     close:   nsh_rest_close(device->rest); free(device);
 *     cancel:  nsh_rest_cancel itself.
 *
 * Whatever sends, waits or ends may have ended the call, and by that closed the device, when it
 * returns: return at once. Never retries what may have had an effect. Bounds: NSH_REST_*_MAX below.
 */

#include "abi/driver.h"
#include "abi/encode.h"
#include "abi/json_value.h"

#define NSH_REST_TEXT_BYTES_MAX 640
#define NSH_REST_WORDS_BYTES_MAX 320 /* The peer's own words. */
#define NSH_REST_URL_BYTES_MAX 8192
#define NSH_REST_PAGES_MAX 200         /* Of one list; more is NSH_LIMIT, never half an answer. */
#define NSH_REST_RETRY_MS_MAX 3600000u /* Of a Retry-After. */
#define NSH_REST_WAIT_GROWTH 8         /* A wait grows to so many times `poll`. */
#define NSH_REST_EARLY_MS 30000        /* A login is renewed so long before it expires. */

/* Settings that every REST driver lists, after its own: `static const struct nsh_option options[] =
 * {
 * {...}, NSH_REST_OPTIONS};`. nsh_rest_open() reads them. */
#define NSH_REST_OPTIONS                                                                           \
    {.name = "tls",                                                                                \
     .type = NSH_STRING,                                                                           \
     .preset = "verify",                                                                           \
     .choices = (const char *const[]){"verify", "pin", "insecure", NULL},                          \
     .help = "verify: certificate and name, against ca_file or the system's. pin: its public key " \
             "is pinned_key. insecure: encrypted, to anybody."},                                   \
        {.name = "ca_file", .type = NSH_STRING, .help = "PEM file of the authorities trusted."},   \
        {.name = "pinned_key",                                                                     \
         .type = NSH_STRING,                                                                       \
         .help = "sha256//BASE64 of the peer's public key; several with ';' between."},            \
        {.name = "client_cert", .type = NSH_STRING, .help = "PEM file."},                          \
        {.name = "client_key",                                                                     \
         .type = NSH_STRING,                                                                       \
         .help = "PEM file; none: it is in client_cert."},                                         \
        {.name = "proxy",                                                                          \
         .type = NSH_STRING,                                                                       \
         .help = "http://proxy.example:3128; none: straight to the peer, whatever the "            \
                 "environment says."},                                                             \
        {.name = "request_timeout",                                                                \
         .type = NSH_DURATION,                                                                     \
         .preset = "30s",                                                                          \
         .min = "1s",                                                                              \
         .max = "10m",                                                                             \
         .help = "For each request."},                                                             \
    {                                                                                              \
        .name = "poll", .type = NSH_DURATION, .preset = "1s", .min = "10ms", .max = "5m",          \
        .help = "How long to wait before a state is read again; grows to 8 times that."            \
    }

struct nsh_rest;

struct nsh_rest_message;
struct nsh_rest_call;

struct nsh_rest_config {
    const char *base; /* "https://api.example:6443/prefix": in front of each path. Copied. */
    const struct nsh_value *settings; /* Those of open(); copied. */
    const char *const *secrets;       /* Names of settings that no text may show; NULL: none. */
    const char *const *apart;         /* Names of settings that say which object of the API is
                                         meant: devices that differ only in these share a login. */
    bool server;                      /* As in nsh_http_request. */
    /*
     * Log in: begins a walk like any other, on a call without op; ends it with nsh_rest_logged_in()
     * or a failure. NULL: there is nothing to obtain; see nsh_rest_credential(). Its requests are
     * sent without credential.
     */
    void (*login)(struct nsh_rest_call *login);
    /* Add headers that depend on the request (signatures), just before it leaves; NULL: none. */
    int (*sign)(struct nsh_rest *rest, struct nsh_rest_message *message, struct nsh_error *err);
    /* What the driver keeps with the login (a catalogue, keys): zeroed memory of so many bytes. */
    size_t session_bytes;
    void (*session_done)(void *session); /* Free what it refers to; NULL: nothing. */
};

/* Open the API, or share what another device opened with the same settings. Must not block, and
 * does not: the first call logs in. */
int nsh_rest_open(struct nsh_services *services, const struct nsh_rest_config *config,
                  struct nsh_rest **ret_rest, struct nsh_error *err);
void nsh_rest_close(struct nsh_rest *rest); /* From the driver's close(). NULL: nothing. */

/* Its own copy of the settings. */
const struct nsh_value *nsh_rest_settings(const struct nsh_rest *rest);
const char *nsh_rest_base(const struct nsh_rest *rest);
void *nsh_rest_session(const struct nsh_rest *rest);

/* A header that never changes ("Authorization: Token 0123"): from open(), instead of a login.
 * Copied. Kept out of all texts, the part behind the last blank as well. */
int nsh_rest_credential(struct nsh_rest *rest, const char *header, struct nsh_error *err);

/* Unix time as the peer has it: ours until an answer told its own, or when both agree. */
int64_t nsh_rest_unix_ms(const struct nsh_rest *rest);
void nsh_rest_random(struct nsh_rest *rest, void *bytes, size_t bytes_count); /* For nonces. */

/* ---- calls ------------------------------------------------------------------------------- */

#define NSH_REST_READS 0x1u      /* A POST that changes nothing: a query. */
#define NSH_REST_PLAIN 0x2u      /* Without credential and signature. */
#define NSH_REST_NO_JSON 0x4u    /* Do not read the answer: reply->http has it. */
#define NSH_REST_CHANGES 0x8u    /* A GET that changes something; there are such APIs. */
#define NSH_REST_HIDE_PATH 0x10u /* The path is a secret: no text shows it. */

struct nsh_rest_request {
    const char *method;           /* NULL: GET */
    const char *path;             /* "/v1/nodes/7?x=y", behind base; or a whole URL. */
    const struct nsh_value *body; /* Sent as JSON; NULL: none, */
    const char *text;             /* or this as it is, */
    size_t text_bytes;            /* (0: up to its NUL) */
    const char *content_type;     /* of this type; NULL: application/json. */
    const char *const *headers;   /* Further ones, "Name: value", NULL-terminated; may be NULL. */
    const char *user, *password;  /* Basic authentication; NULL: none. */
    size_t reply_bytes_max;       /* 0: 4 MiB. */
    uint32_t timeout_ms;          /* 0: request_timeout; never beyond the call's. */
    uint32_t flags;               /* NSH_REST_* */
    /*
     * For a watch: each piece of a 2xx answer as it comes, of at most reply_bytes_max; may not end
     * the call. False: enough; the request is given up and done() called as if the peer had ended
     * the answer. done() gets no body. NULL: no watch.
     */
    bool (*received)(struct nsh_rest_call *call, const char *bytes, size_t bytes_count);
};

/* How a request ended; it and all it holds live until the function it was given to returns. */
struct nsh_rest_reply {
    int code;     /* NSH_OK for 2xx, else what the status means. A driver may know better. */
    int status;   /* 0: no answer came. */
    bool refused; /* The peer said that it did nothing. */
    uint32_t retry_after_ms;
    int64_t date_ms;                   /* The peer's Unix time; 0: it told none. */
    const struct nsh_value *body;      /* Never NULL: null when there was none, or no JSON. */
    const struct nsh_http_reply *http; /* NULL: no answer came. */
    const char *words;                 /* The peer's own for a failure; "" when it had none. */
    const char *text;                  /* On failure "ENDPOINT METHOD path: status: words". */
};

/* One op on its walk. A driver's own struct may begin with it. */
struct nsh_rest_call {
    struct nsh_rest *rest;
    void *device;         /* As given to nsh_rest_start(). NULL in a login. */
    struct nsh_op *op;    /* NULL in a login. */
    struct nsh_pool pool; /* For the driver too: lives as long as the call. */
    /* Set by a driver whose struct holds more than pool can free; called once, at the end. */
    void (*done)(struct nsh_rest_call *call);
    struct nsh_rest_flight *flight; /* The kit's own. */
};

/* Begin a call: call_bytes, zeroed, at least sizeof(struct nsh_rest_call), then begin(call).
 * Returns what the driver's start() returns. */
int nsh_rest_start(struct nsh_rest *rest, void *device, struct nsh_op *op, size_t call_bytes,
                   void (*begin)(struct nsh_rest_call *call), struct nsh_error *err);
/* What a driver's table has as cancel; device is not looked at. */
void nsh_rest_cancel(struct nsh_device *device, struct nsh_op *op);

/* Send (all is copied); then done. Waits for the login first when there is one. */
void nsh_rest_send(struct nsh_rest_call *call, const struct nsh_rest_request *request,
                   void (*done)(struct nsh_rest_call *call, const struct nsh_rest_reply *reply));

/* Log in first, when that is needed; then go on: for what the session has to tell before a request
 * can be made. */
void nsh_rest_ready(struct nsh_rest_call *call, void (*then)(struct nsh_rest_call *call));

/*
 * From the done of a request that was refused: send the same once more, when the reason is gone
 * (nsh_rest_again: a clock that was wrong), or with a new login (nsh_rest_renew: a credential that
 * was not good any more; for a 401 the kit has done so). False: that was done already, or the peer
 * did not refuse; nothing happened.
 */
bool nsh_rest_again(struct nsh_rest_call *call);
bool nsh_rest_renew(struct nsh_rest_call *call);

/* Go on later: after a growing interval, at least what the last reply's Retry-After said. When the
 * call would be over before, it fails as NSH_TIMEOUT with what (formatted) is waited for. */
void nsh_rest_wait(struct nsh_rest_call *call, void (*then)(struct nsh_rest_call *call),
                   const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Go on after exactly delay_ms. */
void nsh_rest_sleep(struct nsh_rest_call *call, uint32_t delay_ms,
                    void (*then)(struct nsh_rest_call *call));
/* Go on at once with what was to come later; nothing when the call does not wait. */
void nsh_rest_wake(struct nsh_rest_call *call);
int64_t nsh_rest_left_ms(const struct nsh_rest_call *call); /* Until its time-out. */

/* Ends; the call is gone after each. The result (a map, or NULL) may lie in call->pool. */
void nsh_rest_done(struct nsh_rest_call *call, const struct nsh_value *result);
void nsh_rest_fail(struct nsh_rest_call *call, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void nsh_rest_fail_reply(struct nsh_rest_call *call, const struct nsh_rest_reply *reply);
void nsh_rest_fail_error(struct nsh_rest_call *call, const struct nsh_error *err);
void nsh_rest_fail_nomem(struct nsh_rest_call *call);
/* Done, with what a doctor saw (abi/doctor.h). */
struct nsh_checks;
void nsh_rest_done_checks(struct nsh_rest_call *call, const struct nsh_checks *checks);
/* End a login: header is the credential ("X-Auth-Token: 0123"; NULL: sign() uses the session), good
 * for lifetime_ms; 0: until it is refused. */
void nsh_rest_logged_in(struct nsh_rest_call *login, const char *header, int64_t lifetime_ms);
/* In a login: the peer refused the credential that was there, before its time was over. */
bool nsh_rest_spoiled(const struct nsh_rest *rest);

/* Say that what comes next may have had an effect, or surely had none: the kit knows by method and
 * status, a driver that sees a job fail, or an object unchanged, knows better. */
void nsh_rest_effect(struct nsh_rest_call *call, bool possible);

/* ---- lists ------------------------------------------------------------------------------- */

enum nsh_rest_next {
    NSH_REST_SINGLE, /* One page. */
    NSH_REST_LINK,   /* The member `next` is the next page's URL: "next", "nextLink". */
    NSH_REST_LINKS,  /* The member `next` lists links; the one with "rel": "next" has the "href". */
    NSH_REST_TOKEN,  /* The member `next` is put into the query as `parameter`. */
    NSH_REST_MARKER, /* The member `next` of the last item ("id") is, while pages are not empty. */
};

struct nsh_rest_list {
    struct nsh_rest_request request; /* The first page. */
    const char *items;               /* Where the items are: "servers"; "": the body is the list. */
    enum nsh_rest_next how;
    const char *next, *parameter; /* Literals; parameter NULL: "marker". */
    /* Each item, borrowed; false: enough, no further page. May not end the call. */
    bool (*each)(struct nsh_rest_call *call, const struct nsh_value *item);
    void (*done)(struct nsh_rest_call *call); /* After the last. */
    /* A page could not be had; NULL: the call fails. */
    void (*failed)(struct nsh_rest_call *call, const struct nsh_rest_reply *reply);
};

/* Read all pages. Links lead to the same peer only, whatever host they name. */
void nsh_rest_read_list(struct nsh_rest_call *call, const struct nsh_rest_list *list);

/* ---- requests -------------------------------------------------------------------------- */

/* What sign() gets: may add headers; a header the request has already is replaced. */
struct nsh_rest_message {
    const char *method, *url, *body; /* body: "" when there is none. */
    size_t body_bytes;
    int64_t unix_ms;       /* The peer's clock. */
    struct nsh_pool *pool; /* Of this message. */
    const char *headers[NSH_HTTP_HEADERS_MAX];
    size_t headers_count;
};

/* Add "Name: value"; -NSH_LIMIT, -NSH_NOMEM. */
int nsh_rest_header(struct nsh_rest_message *message, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What a status means: NSH_OK for 2xx. */
int nsh_rest_status_code(int status);

/* Good as a base: "http://" or "https://", an authority, a path without query; a '/' at the end is
 * cut off. "" of ret_url on failure. */
int nsh_rest_base_check(const char *setting, const char *text, char *ret_url, size_t url_bytes,
                        struct nsh_error *err);
/* The same for the settings of these names, NULL-terminated; ret_url is that of the first. */
int nsh_rest_bases_check(const struct nsh_value *settings, const char *const *names, char *ret_url,
                         size_t url_bytes, struct nsh_error *err);

/* Words out of an answer that tells of a failure (rest_words.c). */
void nsh_rest_words(const char *body, size_t body_bytes, const struct nsh_value *json, char *room,
                    size_t room_bytes);

#endif
