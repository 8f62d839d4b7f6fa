/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mail over SMTP (RFC 5321), with TLS from the start, after STARTTLS (RFC 3207), or without.
 * The dialogue is a row of commands, each sent when the reply to the one before came. What came
 * before TLS stands for nothing after it: a reply that came along with that to STARTTLS ends the
 * call.
 */

#include "notify_mail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 480
#define RETRY_MS                                                                                   \
    60000 /* After a 4xx that is not said to be shorter; a grey list wants minutes.                \
           */

enum stage {
    STAGE_GREETING,
    STAGE_EHLO,
    STAGE_STARTTLS,
    STAGE_EHLO_AGAIN,
    STAGE_AUTH,
    STAGE_AUTH_USER,
    STAGE_AUTH_PASSWORD,
    STAGE_FROM,
    STAGE_TO,
    STAGE_DATA,
    STAGE_BODY,
};

static const char *const stage_words[] = {"greeting", "EHLO", "STARTTLS", "EHLO", "AUTH",    "AUTH",
                                          "AUTH",     "MAIL", "RCPT",     "DATA", "the mail"};

struct mail_call {
    struct nsh_device *device;
    struct nsh_op *op;
    struct notify_pipe pipe;
    struct nsh_pool pool;
    struct notify_notice notice;
    char *mail;
    enum stage stage;
    size_t to_at;
    char input[NOTIFY_REPLY_BYTES_MAX];
    size_t input_bytes;
    struct notify_reply server;   /* What it said to EHLO. */
    bool examines, said, refused; /* said: the mail; refused: it was not taken. */
};

/* ---- ends ---- */

static void call_free(struct mail_call *call)
{
    notify_pipe_close(&call->pipe);
    call->op->driver_data = NULL;
    nsh_pool_done(&call->pool);
    free(call);
}

static void call_end(struct mail_call *call, const struct nsh_outcome *outcome)
{
    struct nsh_services *services = call->device->services;
    struct nsh_op *op = call->op;
    call_free(call);
    services->complete(services, op, outcome);
}

static void call_fail(struct mail_call *call, int code, const char *what)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "%s %s: %s", call->device->address, stage_words[call->stage], what);
    call_end(call, &(struct nsh_outcome){.code = code,
                                         .effect_possible = call->said && !call->refused &&
                                                            notify_pipe_written(&call->pipe),
                                         .text = text,
                                         .retry_after_ms = code == NSH_BUSY ? RETRY_MS : 0});
}

/* 5.7.x and 53x: who we are; 4xx: later. */
static void call_refused(struct mail_call *call, const struct notify_reply *reply)
{
    char words[NOTIFY_REPLY_TEXT_MAX + 16];
    bool login = call->stage >= STAGE_AUTH && call->stage <= STAGE_AUTH_PASSWORD;
    int status = reply->status;
    int code = status >= 400 && status < 500               ? NSH_BUSY
               : status == 530 || (login && status == 535) ? NSH_AUTH
               : login || status == 550 || status == 554   ? NSH_DENIED
               : status == 552                             ? NSH_LIMIT
               : status >= 500                             ? NSH_REFUSED
                                                           : NSH_PROTOCOL;
    call->refused = status >= 400;
    snprintf(words, sizeof words, "%d %s", status, reply->text);
    call_fail(call, code, words);
}

static void call_well(struct mail_call *call, const struct notify_reply *reply)
{
    char key[NOTIFY_KEY_BYTES_MAX + 1] = "", text[TEXT_MAX];
    snprintf(text, sizeof text, "%s: %d %s", call->device->address, reply->status, reply->text);
    snprintf(key, sizeof key, "%s", call->notice.key);
    const struct nsh_member members[] = {{"key", nsh_text(key)},
                                         {"receiver", nsh_text("accepted")}};
    const struct nsh_value result = nsh_map(members, 2);
    call_end(call, &(struct nsh_outcome){.code = NSH_OK, .result = &result, .text = text});
}

static void call_examined(struct mail_call *call)
{
    struct nsh_services *services = call->device->services;
    struct nsh_op *op = call->op;
    struct nsh_checks checks = {0};
    bool plain = call->device->security == SECURITY_NONE;
    nsh_check_add(&checks, "permissions", NSH_CHECK_OK, NULL,
                  "takes mail from %.80s to all %zu addresses", call->device->from, call->to_at);
    nsh_check_add(&checks, "mail-security", plain ? NSH_CHECK_WARNING : NSH_CHECK_OK,
                  plain ? "security = \"starttls\"" : NULL, "%s",
                  plain ? "mails go in clear" : "TLS");
    call_free(call);
    nsh_checks_complete(services, op, &checks);
}

/* ---- commands ---- */

static void piped(void *arg, int code, const char *text);

static void command(struct mail_call *call, enum stage stage, const char *text)
{
    call->stage = stage;
    if (text == NULL || !notify_pipe_write(&call->pipe, text, strlen(text))) {
        call->said = false;
        call_fail(call, NSH_NOMEM, "out of memory");
    }
}

static void say_hello(struct mail_call *call, enum stage stage)
{
    command(call, stage, "EHLO nightshift\r\n");
}

static void say_from(struct mail_call *call)
{
    command(call, STAGE_FROM,
            nsh_pool_printf(&call->pool, "MAIL FROM:<%s>\r\n", call->device->from));
}

static void say_to(struct mail_call *call)
{
    const char *to = call->device->to[call->to_at];
    if (to != NULL) {
        command(call, STAGE_TO, nsh_pool_printf(&call->pool, "RCPT TO:<%s>\r\n", to));
    } else if (call->examines) {
        call_examined(call); /* It goes without a mail. */
    } else {
        command(call, STAGE_DATA, "DATA\r\n");
    }
}

static void say_base64(struct mail_call *call, enum stage stage, const char *prefix,
                       const char *bytes, size_t count)
{
    const char *encoded = nsh_base64(&call->pool, bytes, count);
    command(call, stage,
            encoded == NULL ? NULL : nsh_pool_printf(&call->pool, "%s%s\r\n", prefix, encoded));
}

static void say_who(struct mail_call *call)
{
    const char *user = notify_setting(call->device, "user");
    const char *password = notify_setting(call->device, "password");
    if (user[0] == '\0') {
        say_from(call);
    } else if (call->server.auth_plain) {
        size_t count = strlen(user) + strlen(password) + 2;
        char *plain = nsh_pool_alloc(&call->pool, count + 1);
        if (plain == NULL) {
            call_fail(call, NSH_NOMEM, "out of memory");
            return;
        }
        stpcpy(stpcpy(plain + 1, user) + 1, password); /* A NUL before each. */
        say_base64(call, STAGE_AUTH_PASSWORD, "AUTH PLAIN ", plain, count);
    } else if (call->server.auth_login) {
        command(call, STAGE_AUTH, "AUTH LOGIN\r\n");
    } else {
        call_fail(call, NSH_UNSUPPORTED, "the server offers neither AUTH PLAIN nor LOGIN");
    }
}

static void helloed(struct mail_call *call, const struct notify_reply *reply)
{
    bool wants = call->stage == STAGE_EHLO && call->device->security == SECURITY_STARTTLS;
    call->server = *reply;
    if (wants && !reply->starttls) {
        call_fail(call, NSH_UNSUPPORTED,
                  "the server offers no STARTTLS, and nothing is told in clear");
    } else if (wants) {
        command(call, STAGE_STARTTLS, "STARTTLS\r\n");
    } else {
        say_who(call);
    }
}

/* One write: what is not all gone has no end, and is no mail. */
static void say_mail(struct mail_call *call)
{
    call->said = true;
    command(call, STAGE_BODY, call->mail);
}

static void encrypt(struct mail_call *call)
{
    struct nsh_error err = {0};
    if (call->input_bytes > 0) { /* CVE-2011-0411 and its kin. */
        call_fail(call, NSH_PROTOCOL, "the server said more before TLS than it was asked");
    } else if (notify_pipe_encrypt(&call->pipe, &err) < 0) {
        call_fail(call, err.code, err.text);
    }
}

/* ---- replies ---- */

static void replied(struct mail_call *call, const struct notify_reply *reply)
{
    static const int wanted[] = {220, 250, 220, 250, 334, 334, 235, 250, 250, 354, 250};
    bool forwards = call->stage == STAGE_TO && reply->status == 251;
    if (reply->status != wanted[call->stage] && !forwards) {
        call_refused(call, reply);
        return;
    }
    switch (call->stage) {
    case STAGE_GREETING:
        say_hello(call, STAGE_EHLO);
        return;
    case STAGE_EHLO:
    case STAGE_EHLO_AGAIN:
        helloed(call, reply);
        return;
    case STAGE_STARTTLS:
        encrypt(call);
        return;
    case STAGE_AUTH:
        say_base64(call, STAGE_AUTH_USER, "", notify_setting(call->device, "user"),
                   strlen(notify_setting(call->device, "user")));
        return;
    case STAGE_AUTH_USER:
        say_base64(call, STAGE_AUTH_PASSWORD, "", notify_setting(call->device, "password"),
                   strlen(notify_setting(call->device, "password")));
        return;
    case STAGE_AUTH_PASSWORD:
        say_from(call);
        return;
    case STAGE_TO:
        call->to_at++;
        say_to(call);
        return;
    case STAGE_FROM:
        say_to(call);
        return;
    case STAGE_DATA:
        say_mail(call);
        return;
    case STAGE_BODY:
        call_well(call, reply); /* A QUIT would wait for nothing. */
        return;
    }
}

static void received(struct mail_call *call)
{
    struct notify_reply reply = {0};
    long count = notify_reply_read(call->input, call->input_bytes, &reply);
    if (count < 0) {
        call_fail(call, NSH_PROTOCOL, "an answer that is no SMTP");
        return;
    }
    if (count == 0) {
        return;
    }
    call->input_bytes -= (size_t)count;
    memmove(call->input, call->input + count, call->input_bytes);
    if (call->input_bytes > 0 && call->stage != STAGE_STARTTLS) {
        call_fail(call, NSH_PROTOCOL, "the server answers before it is asked");
        return;
    }
    replied(call, &reply);
}

static void piped(void *arg, int code, const char *text)
{
    struct mail_call *call = arg;
    if (code != NSH_OK) {
        call_fail(call, code, text);
        return;
    }
    if (notify_pipe_secure(&call->pipe) && call->stage == STAGE_STARTTLS) {
        say_hello(call, STAGE_EHLO_AGAIN);
        return;
    }
    size_t room = sizeof call->input - call->input_bytes;
    long count = notify_pipe_read(&call->pipe, call->input + call->input_bytes, room);
    if (count < 0) {
        call_fail(call, NSH_DISCONNECTED, "the connection ended");
    } else if (count > 0) {
        call->input_bytes += (size_t)count;
        received(call);
    }
}

/* ---- the door ---- */

int notify_mail_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    struct mail_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    call->device = device;
    call->op = op;
    call->examines = notify_verb_of(op) == VERB_DOCTOR;
    op->driver_data = call;
    int result = 0;
    if (!call->examines) {
        result = !notify_of(device, &call->pool, op, &call->notice)
                     ? nsh_fail(err, NSH_NOMEM, "out of memory")
                     : notify_mail(&call->pool, &call->notice, device->from, device->to,
                                   &call->mail, err);
    }
    call->pipe = (struct notify_pipe){.services = device->services,
                                      .host = device->host,
                                      .port = device->port,
                                      .tls = device->tls,
                                      .ready = piped,
                                      .arg = call};
    result = result < 0 ? result
                        : notify_pipe_open(&call->pipe, device->security == SECURITY_IMPLICIT, err);
    if (result < 0) {
        call_free(call);
    }
    return result;
}

void notify_mail_cancel(struct nsh_device *device, struct nsh_op *op)
{
    struct mail_call *call = op->driver_data;
    (void)device;
    if (call != NULL) {
        call_fail(call, NSH_CANCELLED, "cancelled");
    }
}

int notify_mail_open(struct nsh_device *device, struct nsh_error *err)
{
    const char *security = notify_setting(device, "security");
    char host[256];
    device->address = notify_setting(device, "address");
    device->from = notify_setting(device, "from");
    device->security = strcmp(security, "none") == 0       ? SECURITY_NONE
                       : strcmp(security, "implicit") == 0 ? SECURITY_IMPLICIT
                                                           : SECURITY_STARTTLS;
    device->port = device->security == SECURITY_NONE       ? 25
                   : device->security == SECURITY_IMPLICIT ? 465
                                                           : 587;
    if (!nsh_address_split(device->address, host, sizeof host, &device->port)) {
        return nsh_fail(err, NSH_INVALID,
                        "address: want smtp.example or smtp.example:587, got '%.80s'",
                        device->address);
    }
    if (!notify_address_good(device->from)) {
        return nsh_fail(err, NSH_INVALID, "from: want user@host.example, got '%.100s'",
                        device->from);
    }
    if (device->security == SECURITY_NONE && notify_setting(device, "user")[0] != '\0') {
        return nsh_fail(err, NSH_INVALID,
                        "user: no password is sent in clear; security = \"starttls\"");
    }
    device->host = nsh_pool_text(&device->pool, host);
    int result =
        device->host == NULL
            ? nsh_fail(err, NSH_NOMEM, "out of memory")
            : notify_addresses(&device->pool, notify_setting(device, "to"), &device->to, err);
    return result < 0 || device->security == SECURITY_NONE
               ? result
               : notify_tls_open(&device->settings, device->host, &device->tls, err);
}
