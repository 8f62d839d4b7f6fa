/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page: the end of every ladder. A webhook (templated body, HMAC signature) or the local mail
 * program. The token is sent as the message's id, so that a receiver can tell a repetition.
 */

#include "abi/driver.h"
#include "page_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES_MAX 256
#define WORDS_BYTES_MAX 512

struct nsh_device {
    struct nsh_services *services;
    char *url, *template, *secret, *ca_file, *mail_program, *mail_to, *mail_from, *content_type,
        *authorization;
    bool insecure;
};

struct page_call {
    struct nsh_device *device;
    struct nsh_op *op;
    struct nsh_http *http;
    struct nsh_process *process;
};

static const struct nsh_option options[] = {
    {.name = "url",
     .type = NSH_STRING,
     .flags = NSH_IDENTIFIES,
     .help = "Where to POST the page (http or https)."},
    {.name = "secret",
     .type = NSH_SECRET,
     .help = "Signs each page: Standard Webhooks headers webhook-id, webhook-timestamp, "
             "webhook-signature."},
    {.name = "authorization",
     .type = NSH_SECRET,
     .help = "Value of the Authorization header, such as a bearer token."},
    {.name = "template",
     .type = NSH_STRING,
     .help = "Body with {{title}} {{text}} {{severity}} {{host}} {{policy}} {{run}} {{alarm}} "
             "{{reason}} {{evidence}} "
             "{{token}}; without it all of them as one JSON object."},
    {.name = "content_type",
     .type = NSH_STRING,
     .preset = "application/json",
     .help = "Content-Type of the body."},
    {.name = "ca_file",
     .type = NSH_STRING,
     .help = "Certificates the server is verified against; default the system's."},
    {.name = "insecure",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "Do not verify the server's certificate."},
    {.name = "mail_to",
     .type = NSH_STRING,
     .help = "Send a mail to this address, with the local mail program."},
    {.name = "mail_from",
     .type = NSH_STRING,
     .preset = "nightshift",
     .help = "Sender of the mail."},
    {.name = "mail_program",
     .type = NSH_STRING,
     .preset = "/usr/sbin/sendmail",
     .help = "Program that takes `-i -t` and the message on standard input."},
};

static const struct nsh_option page_args[] = {
    {.name = "title", .type = NSH_STRING, .flags = NSH_REQUIRED, .help = "One line."},
    {.name = "text", .type = NSH_STRING, .help = "What happened, for a person who was asleep."},
    {.name = "severity", .type = NSH_STRING, .help = "info to fatal."},
    {.name = "team", .type = NSH_STRING, .help = "Whom it is for."},
    {.name = "urgency", .type = NSH_STRING, .help = "Free text."},
    {.name = "host", .type = NSH_STRING, .help = "The host, if one."},
    {.name = "policy", .type = NSH_STRING, .help = "The policy that asks."},
    {.name = "run", .type = NSH_STRING, .help = "The run."},
    {.name = "alarm", .type = NSH_STRING, .help = "The alarm."},
    {.name = "reason", .type = NSH_STRING, .help = "Why a person is needed."},
    {.name = "evidence",
     .type = NSH_LIST,
     .help = "Lines: the alarm, each step and what came of it, each guard."},
    {.name = "time_ms",
     .type = NSH_INT,
     .help = "When it was decided, Unix milliseconds; signed with the page."},
};

#define PAGE_VERB(verb_name, verb_help)                                                            \
    {                                                                                              \
        .name = (verb_name), .effect = NSH_CHANGES, .flags = NSH_IDEMPOTENT | NSH_NOTIFIES,        \
        .args = page_args, .args_count = sizeof page_args / sizeof page_args[0],                   \
        .timeout_ms_default = 20000, .help = (verb_help),                                          \
    }

static const struct nsh_verb verbs[] = {
    PAGE_VERB("page", "Wake a person, with the evidence."),
    PAGE_VERB("notify", "Tell people or systems; nobody is woken."),
    PAGE_VERB("ticket", "Open a ticket, by a webhook that does."),
};

static char *copy_of(const struct nsh_value *settings, const char *name, bool *failed)
{
    const char *text = nsh_get_text(settings, name, NULL);
    char *copy = text == NULL ? NULL : strdup(text);
    *failed = *failed || (text != NULL && copy == NULL);
    return copy;
}

static void page_close(struct nsh_device *device)
{
    char *texts[] = {device->url,       device->template,     device->secret,
                     device->ca_file,   device->mail_program, device->mail_to,
                     device->mail_from, device->content_type, device->authorization};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(texts[i]);
    }
    free(device);
}

static int page_open(struct nsh_services *services, const struct nsh_value *settings,
                     struct nsh_device **ret_device, struct nsh_error *err)
{
    struct nsh_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    bool failed = false;
    device->services = services;
    device->url = copy_of(settings, "url", &failed);
    device->template = copy_of(settings, "template", &failed);
    device->secret = copy_of(settings, "secret", &failed);
    device->authorization = copy_of(settings, "authorization", &failed);
    device->ca_file = copy_of(settings, "ca_file", &failed);
    device->content_type = copy_of(settings, "content_type", &failed);
    device->mail_program = copy_of(settings, "mail_program", &failed);
    device->mail_to = copy_of(settings, "mail_to", &failed);
    device->mail_from = copy_of(settings, "mail_from", &failed);
    device->insecure = nsh_get_bool(settings, "insecure", false);
    int result = 0;
    if (failed) {
        result = nsh_fail(err, NSH_NOMEM, "out of memory");
    } else if ((device->url == NULL) == (device->mail_to == NULL)) {
        result = nsh_fail(err, NSH_INVALID, "page wants either url or mail_to");
    }
    if (result < 0) {
        page_close(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

static void call_end(struct page_call *call, const struct nsh_outcome *outcome)
{
    struct nsh_device *device = call->device;
    struct nsh_op *op = call->op;
    op->driver_data = NULL;
    free(call);
    device->services->complete(device->services, op, outcome);
}

static void posted(void *arg, const struct nsh_http_reply *reply)
{
    struct page_call *call = arg;
    char words[WORDS_BYTES_MAX];
    struct nsh_outcome outcome = {.code = NSH_OK, .text = words};
    if (reply->code != NSH_OK) {
        snprintf(words, sizeof words, "POST %s: %s", call->device->url,
                 reply->text == NULL ? "failed" : reply->text);
        outcome.code = reply->code;
        outcome.effect_possible = reply->sent;
    } else {
        snprintf(words, sizeof words, "POST %s: %d %.200s", call->device->url, reply->status,
                 reply->status >= 300 && reply->body != NULL ? reply->body : "");
        if (reply->status == 401 || reply->status == 403) {
            outcome.code = NSH_AUTH;
        } else if (reply->status == 429 || reply->status == 503) {
            const char *after = nsh_http_header(reply, "retry-after");
            long seconds = after == NULL ? 0 : strtol(after, NULL, 10);
            outcome.code = NSH_BUSY;
            outcome.retry_after_ms = seconds > 0 && seconds <= 3600 ? (uint32_t)seconds * 1000 : 0;
        } else if (reply->status >= 500) {
            outcome.code = NSH_FAILED;
            outcome.effect_possible = true;
        } else if (reply->status >= 300) {
            outcome.code = NSH_REFUSED;
        }
    }
    call_end(call, &outcome);
}

static int start_webhook(struct page_call *call, struct nsh_error *err)
{
    struct nsh_device *device = call->device;
    const struct nsh_op *op = call->op;
    struct page_text body = {0};
    int result = page_body(device->template, op->args, op->token, &body, err);
    char id[HEADER_BYTES_MAX], stamp[64], signature[HEADER_BYTES_MAX] = "webhook-signature: ";
    char type[HEADER_BYTES_MAX], authorization[2 * HEADER_BYTES_MAX];
    const char *headers[6] = {0};
    size_t count = 0;
    int64_t time_s = nsh_get_int(op->args, "time_ms", 0) / 1000;
    if (result == 0) {
        snprintf(type, sizeof type, "Content-Type: %s", device->content_type);
        snprintf(id, sizeof id, "webhook-id: %s", op->token);
        headers[count++] = type;
        headers[count++] = id;
    }
    if (result == 0 && device->authorization != NULL) {
        snprintf(authorization, sizeof authorization, "Authorization: %s", device->authorization);
        headers[count++] = authorization;
    }
    if (result == 0 && device->secret != NULL) {
        size_t used = strlen(signature);
        result = page_signature(device->secret, op->token, time_s, body.at, body.count,
                                signature + used, sizeof signature - used, err);
        snprintf(stamp, sizeof stamp, "webhook-timestamp: %lld", (long long)time_s);
        headers[count++] = stamp;
        headers[count++] = signature;
    }
    if (result == 0) {
        result = device->services->http(device->services,
                                        &(struct nsh_http_request){
                                            .method = "POST",
                                            .url = device->url,
                                            .headers = headers,
                                            .body = body.at,
                                            .body_bytes = body.count,
                                            .reply_bytes_max = 64 * 1024,
                                            .timeout_ms = op->timeout_ms,
                                            .ca_file = device->ca_file,
                                            .insecure = device->insecure,
                                        },
                                        posted, call, &call->http, err);
    }
    page_text_done(&body);
    return result;
}

static void mailed(void *arg, const struct nsh_exit *end)
{
    struct page_call *call = arg;
    char words[WORDS_BYTES_MAX];
    struct nsh_outcome outcome = {.code = NSH_OK, .text = words};
    snprintf(words, sizeof words, "mail to %s accepted by %s", call->device->mail_to,
             call->device->mail_program);
    if (end->code != NSH_OK || end->status != 0 || end->signal != 0) {
        snprintf(words, sizeof words, "%s: %s, status %d, signal %d: %.200s",
                 call->device->mail_program, end->text == NULL ? "" : end->text, end->status,
                 end->signal, end->errors == NULL ? "" : end->errors);
        outcome.code = end->code != NSH_OK ? end->code : NSH_FAILED;
        outcome.effect_possible = end->started;
    }
    call_end(call, &outcome);
}

static int start_mail(struct page_call *call, struct nsh_error *err)
{
    struct nsh_device *device = call->device;
    struct page_text mail = {0};
    int result =
        page_mail(device->mail_to, device->mail_from, call->op->args, call->op->token, &mail, err);
    if (result == 0) {
        const char *const argv[] = {device->mail_program, "-i", "-t", NULL};
        result = device->services->spawn(device->services,
                                         &(struct nsh_spawn){.argv = argv,
                                                             .input = mail.at,
                                                             .input_bytes = mail.count,
                                                             .timeout_ms = call->op->timeout_ms},
                                         mailed, call, &call->process, err);
    }
    page_text_done(&mail);
    return result;
}

static int page_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    struct page_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *call = (struct page_call){.device = device, .op = op};
    op->driver_data = call;
    int result = device->url != NULL ? start_webhook(call, err) : start_mail(call, err);
    if (result < 0) {
        op->driver_data = NULL;
        free(call);
    }
    return result;
}

static void page_cancel(struct nsh_device *device, struct nsh_op *op)
{
    struct page_call *call = op->driver_data;
    if (call == NULL) {
        return;
    }
    if (call->process != NULL) {
        device->services->spawn_cancel(device->services, call->process); /* mailed() follows. */
        return;
    }
    device->services->http_cancel(device->services, call->http);
    call_end(call, &(struct nsh_outcome){
                       .code = NSH_CANCELLED, .effect_possible = true, .text = "cancelled"});
}

const struct nsh_driver nsh_driver __attribute__((visibility("default"))) = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "page",
    .version = "1.0",
    .summary = "Pages, notices and tickets by webhook or mail.",
    .maturity = NSH_PROVEN,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = page_open,
    .start = page_start,
    .cancel = page_cancel,
    .close = page_close,
};
