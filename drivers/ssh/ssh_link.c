/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session of one host: a table of steps, each one libssh2 call that is made again whenever the
 * stream can be used. The time to log in is bounded here; the time of a command is its caller's.
 *
 * Bounds: STEPS_PER_TURN steps and TURN_BYTES_MAX bytes before the loop has its turn; memory as in
 * ssh_memory.h, output as in the header.
 */

#include "ssh_link.h"

#include "ssh_guard.h"
#include "ssh_memory.h"
#include "ssh_trust.h"

#include <errno.h>
#include <libssh2.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_PER_TURN 64
#define READ_BYTES 8192
#define TURN_BYTES_MAX ((size_t)128 << 10) /* Less than the steps of a turn can take away. */
#define PREFERENCE_MAX 160
#define NO_SOCKET INT_MAX /* libssh2 wants one to hand to its callbacks; none is there. */

enum state {
    LINK_CLOSED,
    LINK_CONNECTING,
    LINK_HANDSHAKE,
    LINK_METHODS,
    LINK_KEY,
    LINK_PASSWORD,
    LINK_CHANNEL,
    LINK_EXEC,
    LINK_EOF,
    LINK_READ,
    LINK_SHUT,
    LINK_ENDED,
    LINK_READY, /* Logged in, nothing runs. */
};

static const char *const state_words[] = {
    [LINK_CLOSED] = "closed",
    [LINK_CONNECTING] = "connecting",
    [LINK_HANDSHAKE] = "exchange of keys",
    [LINK_METHODS] = "asking how to log in",
    [LINK_KEY] = "login by key",
    [LINK_PASSWORD] = "login by password",
    [LINK_CHANNEL] = "opening a channel",
    [LINK_EXEC] = "sending the command",
    [LINK_EOF] = "sending the end of input",
    [LINK_READ] = "reading the output",
    [LINK_SHUT] = "closing the channel",
    [LINK_ENDED] = "awaiting the end",
    [LINK_READY] = "idle",
};

struct output {
    char *at;
    size_t count, room;
    bool cut;
};

struct ssh_link {
    struct nsh_services *services;
    const struct ssh_account *account;
    enum state state;
    struct nsh_stream *stream;
    LIBSSH2_SESSION *session;
    LIBSSH2_CHANNEL *channel;
    struct ssh_memory memory; /* The session's. */
    struct ssh_debts debts;   /* The session's. */
    size_t turn_bytes;        /* Read since the loop gave it the turn. */
    struct nsh_timer *timer;  /* Of the login, or of keeping. */
    struct nsh_timer *alive;  /* Until the host is asked whether it is there. */
    char *command;
    void (*done)(void *arg, const struct ssh_result *result);
    void (*gone)(void *arg);
    void *arg;
    struct output output, errors;
    char methods[128];
    unsigned kinds; /* Of host keys that are known. */
    bool reused, sent;
    bool heard, wrote, asked; /* Since the host was asked last; whether it was. */
    bool exchanging;          /* In the middle of the exchange of keys, and it has not failed. */
};

static void link_turn(struct ssh_link *link);
static void stream_ready(void *arg, int code, const char *text);

/* ---- libssh2's way to memory and to the peer ---- */

static LIBSSH2_ALLOC_FUNC(session_alloc)
{
    struct ssh_link *link = *abstract;
    return ssh_memory_take(&link->memory, count);
}

static LIBSSH2_REALLOC_FUNC(session_realloc)
{
    struct ssh_link *link = *abstract;
    return ssh_memory_resize(&link->memory, ptr, count);
}

static LIBSSH2_FREE_FUNC(session_release)
{
    struct ssh_link *link = *abstract;
    ssh_memory_give(&link->memory, ptr);
}

static ssize_t stream_io(struct ssh_link *link, ssize_t done)
{
    return done == -NSH_BUSY ? -EAGAIN : done < 0 ? -ECONNRESET : done;
}

/* libssh2 keeps all packets that it finds before it hands one out: it is not shown too many. */
static LIBSSH2_RECV_FUNC(session_receive)
{
    struct ssh_link *link = *abstract;
    if (link->stream == NULL) {
        return -ECONNRESET;
    }
    if (link->turn_bytes >= TURN_BYTES_MAX) {
        return -EAGAIN;
    }
    ssize_t got = link->services->stream_read(link->services, link->stream, buffer, length);
    link->turn_bytes += got > 0 ? (size_t)got : 0;
    link->heard = link->heard || got > 0;
    return stream_io(link, got);
}

static LIBSSH2_SEND_FUNC(session_send)
{
    struct ssh_link *link = *abstract;
    if (link->stream == NULL) {
        return -ECONNRESET;
    }
    ssize_t done = link->services->stream_write(link->services, link->stream, buffer, length);
    link->sent = link->sent || (done > 0 && link->state == LINK_EXEC);
    link->wrote = link->wrote || done > 0;
    return stream_io(link, done);
}

/* ---- ends ---- */

static void timer_stop(struct ssh_link *link, struct nsh_timer **timer)
{
    if (*timer != NULL) {
        link->services->timer_cancel(link->services, *timer);
        *timer = NULL;
    }
}

static void output_done(struct output *output)
{
    free(output->at);
    *output = (struct output){0};
}

/* In the middle of the exchange of keys only the exchange itself can free what it holds: it is told
 * that the stream is gone. */
static int session_free(struct ssh_link *link)
{
    if (link->exchanging) {
        libssh2_session_handshake(link->session, NO_SOCKET);
    }
    return libssh2_session_free(link->session);
}

/* The stream goes first: what libssh2 then wants to say is not waited for. */
static void session_drop(struct ssh_link *link)
{
    timer_stop(link, &link->timer);
    timer_stop(link, &link->alive);
    if (link->stream != NULL) {
        link->services->stream_close(link->services, link->stream);
        link->stream = NULL;
    }
    if (link->session != NULL) {
        int freed = 0;
        ssh_guard_run(&link->debts, session_free, link, &freed); /* With its channel. */
        link->session = NULL;
        link->channel = NULL;
        ssh_debts_pay(&link->debts);
        ssh_memory_clear(&link->memory);
    }
    link->exchanging = false;
    link->state = LINK_CLOSED;
}

void ssh_link_free(struct ssh_link *link)
{
    if (link == NULL) {
        return;
    }
    if (link->state == LINK_READY) {
        libssh2_session_disconnect(link->session, "done"); /* One packet, if it can be sent. */
    }
    session_drop(link);
    output_done(&link->output);
    output_done(&link->errors);
    free(link->command);
    free(link);
}

/* The command has ended, one way or the other. The link may be gone afterwards. */
static void run_end(struct ssh_link *link, struct ssh_result *result)
{
    void (*done)(void *, const struct ssh_result *) = link->done;
    struct output output = link->output, errors = link->errors;
    link->done = NULL;
    link->output = link->errors = (struct output){0};
    ssh_output_clean(output.at == NULL ? NULL : output.at, output.count);
    ssh_output_clean(errors.at == NULL ? NULL : errors.at, errors.count);
    result->sent = link->sent;
    result->output = output.at == NULL ? "" : output.at;
    result->errors = errors.at == NULL ? "" : errors.at;
    result->output_cut = output.cut;
    result->errors_cut = errors.cut;
    done(link->arg, result);
    output_done(&output);
    output_done(&errors);
}

static int connect_begin(struct ssh_link *link, struct nsh_error *err);

static void link_fail(struct ssh_link *link, int code, const char *what)
{
    char text[SSH_TEXT_MAX];
    bool again = link->reused && !link->sent && code != NSH_NOMEM;
    session_drop(link);
    link->reused = false;
    if (again && connect_begin(link, NULL) == 0) {
        return;
    }
    snprintf(text, sizeof text, "%s: %s", link->account->address, what);
    run_end(link, &(struct ssh_result){.code = code, .text = text});
}

/* What libssh2 says went wrong, at which step. */
static void link_fail_library(struct ssh_link *link, int error)
{
    char text[SSH_TEXT_MAX] = "", *words = NULL;
    int count = 0, code = NSH_PROTOCOL;
    libssh2_session_last_error(link->session, &words, &count, 0);
    switch (error) {
    case LIBSSH2_ERROR_ALLOC:
        code = link->memory.full ? NSH_LIMIT : NSH_NOMEM;
        break;
    case LIBSSH2_ERROR_SOCKET_SEND:
    case LIBSSH2_ERROR_SOCKET_RECV:
    case LIBSSH2_ERROR_SOCKET_DISCONNECT:
        code = NSH_DISCONNECTED;
        break;
    case LIBSSH2_ERROR_CHANNEL_FAILURE:
    case LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED:
        code = NSH_REFUSED;
        break;
    case LIBSSH2_ERROR_KEX_FAILURE:
    case LIBSSH2_ERROR_METHOD_NONE:
        code = NSH_UNSUPPORTED;
        break;
    default:
        break;
    }
    snprintf(text, sizeof text, "%s: ", state_words[link->state]);
    ssh_words_add(text, sizeof text, words == NULL ? "" : words, count > 0 ? (size_t)count : 0);
    if (link->state == LINK_EXEC && code == NSH_REFUSED) {
        link->sent = false; /* A clear no: SSH_MSG_CHANNEL_FAILURE. */
    }
    link_fail(link, code, text);
}

static void login_late(void *arg)
{
    struct ssh_link *link = arg;
    char text[SSH_TEXT_MAX];
    link->timer = NULL;
    snprintf(text, sizeof text, "no answer in time: %s", state_words[link->state]);
    link_fail(link, NSH_TIMEOUT, text);
}

/* ---- the host's key ---- */

/* Whether it is the host that is meant; else the call has ended. */
static bool host_key_trusted(struct ssh_link *link)
{
    int type = 0;
    size_t count = 0;
    const char *bytes = libssh2_session_hostkey(link->session, &count, &type);
    struct ssh_host_key key = {(const uint8_t *)bytes, count};
    struct nsh_error err = {0};
    if (bytes == NULL || count == 0) {
        link_fail(link, NSH_PROTOCOL, "the host shows no key");
        return false;
    }
    if (ssh_trust_check(link->account, &key, type, &err) < 0) {
        link->reused = false;
        link_fail(link, err.code, err.text);
        return false;
    }
    return true;
}

/* ---- whether it is still there ---- */

static bool alive_later(struct ssh_link *link);

/* Refused while another packet is half on its way: then it is asked the next time. */
static int alive_ask(struct ssh_link *link)
{
    int next_s = 0;
    return libssh2_keepalive_send(link->session, &next_s);
}

/* Silent through a whole interval although it was asked: it is gone, or what lies between is. */
static void alive_due(void *arg)
{
    struct ssh_link *link = arg;
    int result = 0;
    link->alive = NULL;
    if (link->asked && !link->heard) {
        if (link->state == LINK_READY) {
            link->gone(link->arg);
        } else {
            link_fail(link, NSH_DISCONNECTED, "the host has fallen silent");
        }
        return;
    }
    link->heard = link->wrote = false;
    link->asked = ssh_guard_run(&link->debts, alive_ask, link, &result) && link->wrote;
    if (!alive_later(link) && link->state != LINK_READY) {
        link_fail(link, NSH_NOMEM, "no memory for a timer");
    }
}

static bool alive_later(struct ssh_link *link)
{
    uint32_t interval_ms = link->account->alive_ms;
    timer_stop(link, &link->alive);
    if (interval_ms == 0) {
        return true;
    }
    link->alive = link->services->timer(link->services, interval_ms, alive_due, link);
    return link->alive != NULL;
}

/* ---- the steps ---- */

static int session_begin(struct ssh_link *link)
{
    char preference[PREFERENCE_MAX] = "";
    /* With one's own arguments the callbacks find the link. */
    link->session = libssh2_session_init_ex(session_alloc, session_release, session_realloc, link);
    if (link->session == NULL) {
        return -NSH_NOMEM;
    }
    libssh2_session_set_blocking(link->session, 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
    libssh2_session_callback_set(link->session, LIBSSH2_CALLBACK_SEND, (void *)session_send);
    libssh2_session_callback_set(link->session, LIBSSH2_CALLBACK_RECV, (void *)session_receive);
#pragma GCC diagnostic pop
    for (unsigned kind = SSH_ED25519; kind <= SSH_RSA; kind <<= 1) {
        if ((link->kinds & kind) != 0) {
            size_t used = strlen(preference);
            snprintf(preference + used, sizeof preference - used, "%s%s", used > 0 ? "," : "",
                     ssh_key_kind_word(kind));
        }
    }
    if (preference[0] != '\0' &&
        libssh2_session_method_pref(link->session, LIBSSH2_METHOD_HOSTKEY, preference) < 0) {
        return -NSH_NOMEM;
    }
    if (link->account->alive_ms > 0) {
        /* When is told by our own timer: the library, which has its own clock, shall ask whenever
         * it is called. */
        libssh2_keepalive_config(link->session, 1, UINT_MAX);
    }
    return 0;
}

static void login_refused(struct ssh_link *link, const char *how)
{
    char text[SSH_TEXT_MAX], *words = NULL;
    int count = 0;
    libssh2_session_last_error(link->session, &words, &count, 0);
    snprintf(text, sizeof text, "user %.64s: %s refused (", link->account->user, how);
    ssh_words_add(text, sizeof text, words == NULL ? "" : words, count > 0 ? (size_t)count : 0);
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used,
             "); the host takes %s: is the public key in its authorized_keys, of a kind that it "
             "accepts (ed25519, ecdsa)?",
             link->methods[0] == '\0' ? "nothing it says" : link->methods);
    link->reused = false;
    link_fail(link, NSH_AUTH, text);
}

/* libssh2's result of a login step: 0 done, EAGAIN, or the next way, or refused. */
static bool login_failed(int result)
{
    return result == LIBSSH2_ERROR_AUTHENTICATION_FAILED ||
           result == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED || result == LIBSSH2_ERROR_FILE ||
           result == LIBSSH2_ERROR_PUBLICKEY_PROTOCOL || result == LIBSSH2_ERROR_METHOD_NONE ||
           result == LIBSSH2_ERROR_METHOD_NOT_SUPPORTED;
}

/* The steps return what libssh2 did, or LINK_GONE when the call has ended and the link may have. */
#define LINK_GONE 1

static int step_handshake(struct ssh_link *link)
{
    int result = libssh2_session_handshake(link->session, NO_SOCKET);
    if (result == 0) {
        if (!host_key_trusted(link)) {
            return LINK_GONE;
        }
        link->state = LINK_METHODS;
    }
    return result;
}

static int step_methods(struct ssh_link *link)
{
    const char *user = link->account->user;
    const char *methods = libssh2_userauth_list(link->session, user, (unsigned)strlen(user));
    if (methods != NULL) {
        link->methods[0] = '\0';
        ssh_words_add(link->methods, sizeof link->methods, methods, strlen(methods));
        link->state = link->account->private_key != NULL ? LINK_KEY : LINK_PASSWORD;
        return 0;
    }
    if (libssh2_userauth_authenticated(link->session) != 0) {
        link->state = LINK_CHANNEL; /* A host that asks for nothing. */
        return 0;
    }
    return libssh2_session_last_errno(link->session);
}

static int step_key(struct ssh_link *link)
{
    const struct ssh_account *account = link->account;
    const char *certificate = account->certificate;
    int result = libssh2_userauth_publickey_frommemory(
        link->session, account->user, strlen(account->user), certificate,
        certificate == NULL ? 0 : strlen(certificate), account->private_key,
        strlen(account->private_key), account->passphrase);
    if (result == 0) {
        link->state = LINK_CHANNEL;
    } else if (login_failed(result) && account->password != NULL) {
        link->state = LINK_PASSWORD;
        return 0;
    } else if (login_failed(result)) {
        login_refused(link, certificate == NULL ? "its key is" : "its certificate is");
        return LINK_GONE;
    }
    return result;
}

static int step_password(struct ssh_link *link)
{
    const struct ssh_account *account = link->account;
    int result =
        libssh2_userauth_password_ex(link->session, account->user, (unsigned)strlen(account->user),
                                     account->password, (unsigned)strlen(account->password), NULL);
    if (result == 0) {
        link->state = LINK_CHANNEL;
    } else if (login_failed(result) || result == LIBSSH2_ERROR_PASSWORD_EXPIRED) {
        login_refused(link, "its password is");
        return LINK_GONE;
    }
    return result;
}

/* The channel of the last command has stayed: only over one does libssh2 read what comes in. */
static int step_channel(struct ssh_link *link)
{
    int result = link->channel == NULL ? 0 : libssh2_channel_free(link->channel);
    if (result == LIBSSH2_ERROR_EAGAIN) {
        return result;
    }
    link->channel = libssh2_channel_open_session(link->session);
    if (link->channel == NULL) {
        return libssh2_session_last_errno(link->session);
    }
    link->state = LINK_EXEC;
    return 0;
}

static int step_exec(struct ssh_link *link)
{
    int result = libssh2_channel_exec(link->channel, link->command);
    if (result == 0) {
        timer_stop(link, &link->timer); /* From here it is the caller's time. */
        link->state = LINK_EOF;
        link->heard = link->asked = false;
        return alive_later(link) ? 0 : LIBSSH2_ERROR_ALLOC;
    }
    return result;
}

static int step_eof(struct ssh_link *link)
{
    int result = libssh2_channel_send_eof(link->channel);
    if (result == 0) {
        link->state = LINK_READ;
    }
    return result;
}

static int output_add(struct output *output, const char *bytes, size_t count)
{
    if (output->count + count > SSH_OUTPUT_MAX) {
        count = SSH_OUTPUT_MAX - output->count;
        output->cut = true;
    }
    if (output->count + count + 1 > output->room) {
        size_t room = (output->count + count + 1) * 2;
        char *at = realloc(output->at, room);
        if (at == NULL) {
            return -NSH_NOMEM;
        }
        output->at = at;
        output->room = room;
    }
    memcpy(output->at + output->count, bytes, count);
    output->count += count;
    output->at[output->count] = '\0';
    return 0;
}

/* Both streams: a host whose errors nobody reads stops writing its output. */
static int step_read(struct ssh_link *link)
{
    char bytes[READ_BYTES];
    bool any = false;
    for (int id = 0; id < 2; id++) {
        ssize_t got = libssh2_channel_read_ex(link->channel, id == 0 ? 0 : SSH_EXTENDED_DATA_STDERR,
                                              bytes, sizeof bytes);
        if (got < 0 && got != LIBSSH2_ERROR_EAGAIN) {
            return (int)got;
        }
        if (got > 0 &&
            output_add(id == 0 ? &link->output : &link->errors, bytes, (size_t)got) < 0) {
            return LIBSSH2_ERROR_ALLOC;
        }
        any = any || got > 0;
    }
    if (any) {
        return 0;
    }
    if (libssh2_channel_eof(link->channel) == 0) {
        return LIBSSH2_ERROR_EAGAIN;
    }
    link->state = LINK_SHUT;
    return 0;
}

static int step_shut(struct ssh_link *link)
{
    int result = libssh2_channel_close(link->channel);
    if (result == 0) {
        link->state = LINK_ENDED;
    }
    return result;
}

static int step_ended(struct ssh_link *link)
{
    int result = libssh2_channel_wait_closed(link->channel);
    if (result != 0) {
        return result;
    }
    char *signal = NULL;
    size_t signal_count = 0;
    struct ssh_result ended = {.text = "",
                               .status = libssh2_channel_get_exit_status(link->channel)};
    libssh2_channel_get_exit_signal(link->channel, &signal, &signal_count, NULL, NULL, NULL, NULL);
    if (signal_count > 0) {
        ended.status = 128;
    }
    if (signal != NULL) {
        libssh2_free(link->session, signal);
    }
    timer_stop(link, &link->alive);
    link->state = LINK_READY;
    run_end(link, &ended);
    return LINK_GONE;
}

/* Kept: what the host says (its own question whether we are there) is read and answered. */
static int step_ready(struct ssh_link *link)
{
    char byte;
    ssize_t got = libssh2_channel_read(link->channel, &byte, 1);
    return got < 0 ? (int)got : LIBSSH2_ERROR_EAGAIN;
}

static int (*const steps[])(struct ssh_link *link) = {
    [LINK_HANDSHAKE] = step_handshake,
    [LINK_METHODS] = step_methods,
    [LINK_KEY] = step_key,
    [LINK_PASSWORD] = step_password,
    [LINK_CHANNEL] = step_channel,
    [LINK_EXEC] = step_exec,
    [LINK_EOF] = step_eof,
    [LINK_READ] = step_read,
    [LINK_SHUT] = step_shut,
    [LINK_ENDED] = step_ended,
    [LINK_READY] = step_ready,
};

static void link_wait(struct ssh_link *link, bool go_on)
{
    unsigned directions = 0;
    int blocked = libssh2_session_block_directions(link->session);
    directions |= (blocked & LIBSSH2_SESSION_BLOCK_INBOUND) != 0 ? NSH_STREAM_READ : 0;
    directions |= (blocked & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0 ? NSH_STREAM_WRITE : 0;
    directions |= go_on ? NSH_STREAM_WRITE : 0;
    directions = directions == 0 ? NSH_STREAM_READ : directions;
    link->services->stream_want(link->services, link->stream, directions);
}

static void link_turn(struct ssh_link *link)
{
    link->turn_bytes = 0;
    for (int i = 0; i < STEPS_PER_TURN; i++) {
        int result = 0;
        if (!ssh_guard_run(&link->debts, steps[link->state], link, &result)) {
            link_fail(link, NSH_PROTOCOL, "a packet that makes no sense");
            return;
        }
        if (result == LINK_GONE) {
            return;
        }
        link->exchanging = link->state == LINK_HANDSHAKE && result == LIBSSH2_ERROR_EAGAIN;
        if (result == LIBSSH2_ERROR_EAGAIN) {
            link_wait(link, false);
            return;
        }
        if (result < 0) {
            link_fail_library(link, result);
            return;
        }
    }
    link_wait(link, true);
}

/* A kept session: its end is all that matters. */
static void ready_turn(struct ssh_link *link)
{
    int result = 0;
    link->turn_bytes = 0;
    if (!ssh_guard_run(&link->debts, step_ready, link, &result) || result != LIBSSH2_ERROR_EAGAIN) {
        link->gone(link->arg);
        return;
    }
    link_wait(link, false);
}

static void stream_ready(void *arg, int code, const char *text)
{
    struct ssh_link *link = arg;
    if (link->state == LINK_READY) {
        ready_turn(link);
        return;
    }
    if (link->state == LINK_CONNECTING) {
        if (code != NSH_OK) {
            link_fail(link, code, text);
            return;
        }
        if (session_begin(link) < 0) {
            link_fail(link, NSH_NOMEM, "out of memory");
            return;
        }
        link->state = LINK_HANDSHAKE;
    }
    link_turn(link);
}

/* ---- the door ---- */

struct ssh_link *ssh_link_new(struct nsh_services *services, const struct ssh_account *account)
{
    struct ssh_link *link = calloc(1, sizeof *link);
    if (link != NULL) {
        *link = (struct ssh_link){.services = services, .account = account};
    }
    return link;
}

static int login_timed(struct ssh_link *link, struct nsh_error *err)
{
    timer_stop(link, &link->timer);
    link->timer =
        link->services->timer(link->services, link->account->login_timeout_ms, login_late, link);
    return link->timer == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
}

static int connect_begin(struct ssh_link *link, struct nsh_error *err)
{
    const struct ssh_account *account = link->account;
    struct nsh_error own = {0};
    err = err == NULL ? &own : err;
    int result = ssh_trust_kinds(account, &link->kinds, err);
    result = result < 0 ? result : login_timed(link, err);
    if (result < 0) {
        return result;
    }
    struct nsh_stream_peer peer = {.host = account->host,
                                   .port = account->port,
                                   .connect_timeout_ms = account->connect_timeout_ms};
    result =
        link->services->stream_open(link->services, &peer, stream_ready, link, &link->stream, err);
    if (result < 0) {
        timer_stop(link, &link->timer);
        nsh_wrap(err, "%s", account->address);
        return result;
    }
    link->state = LINK_CONNECTING;
    return 0;
}

int ssh_link_run(struct ssh_link *link, const char *command,
                 void (*done)(void *arg, const struct ssh_result *result), void *arg,
                 struct nsh_error *err)
{
    char *copy = strdup(command);
    if (copy == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    link->sent = false;
    link->gone = NULL;
    link->reused = link->state == LINK_READY;
    int result = link->reused ? login_timed(link, err) : connect_begin(link, err);
    if (result < 0) {
        free(copy);
        return result;
    }
    free(link->command);
    link->command = copy;
    link->done = done;
    link->arg = arg;
    timer_stop(link, &link->alive);
    if (link->reused) {
        link->state = LINK_CHANNEL;
        link->services->stream_want(link->services, link->stream,
                                    NSH_STREAM_READ | NSH_STREAM_WRITE);
    }
    return 0;
}

bool ssh_link_sent(const struct ssh_link *link)
{
    return link->sent;
}

static void keep_over(void *arg)
{
    struct ssh_link *link = arg;
    link->timer = NULL;
    link->gone(link->arg);
}

bool ssh_link_keep(struct ssh_link *link, void (*gone)(void *arg), void *arg)
{
    if (link->state != LINK_READY || link->account->keep_ms == 0) {
        return false;
    }
    timer_stop(link, &link->timer);
    link->timer = link->services->timer(link->services, link->account->keep_ms, keep_over, link);
    link->heard = link->asked = false;
    if (link->timer == NULL || !alive_later(link)) {
        return false;
    }
    link->gone = gone;
    link->arg = arg;
    link->services->stream_want(link->services, link->stream, NSH_STREAM_READ);
    return true;
}
