/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page: the end of every ladder. A webhook (templated body, HMAC signature) or the local mail
 * program. The token is sent as the message's id, so that a receiver can tell a repetition.
 */

#include "page.h"

#include "abi/notice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADER_BYTES_MAX 256
#define HEADER_VALUE_BYTES_MAX 8192 /* Some bearer tokens have thousands. */
#define MAIL_ADDRESS_BYTES_MAX 200

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

const struct nsh_option page_args[] = {
    {.name = "title", .type = NSH_STRING, .flags = NSH_REQUIRED, .help = "One line."},
    NSH_NOTICE_ARGS("Free text.", "What belongs together."),
};

const size_t page_args_count = sizeof page_args / sizeof page_args[0];

static const struct nsh_verb verbs[] = {
    NSH_NOTICE_VERB("page", page_args, 20000, "Wake a person, with the evidence."),
    NSH_NOTICE_VERB("notify", page_args, 20000, "Tell people or systems; nobody is woken."),
    NSH_NOTICE_VERB("ticket", page_args, 20000, "Open a ticket, by a webhook that does."),
    {.name = PAGE_DOCTOR,
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 15000,
     .help = "For `driver doctor`: the server or the program, the template; nobody is paged."},
};

static char *copy_of(const struct nsh_value *settings, const char *name, bool *failed)
{
    const char *text = nsh_get_text(settings, name, NULL);
    char *copy = text == NULL ? NULL : strdup(text);
    *failed = *failed || (text != NULL && copy == NULL);
    return copy;
}

/* "Name: value", or NULL when the setting is missing. */
static char *header_of(const struct nsh_value *settings, const char *setting, const char *name,
                       bool *failed)
{
    const char *text = nsh_get_text(settings, setting, NULL);
    char *line = text == NULL ? NULL : malloc(strlen(name) + 2 + strlen(text) + 1);
    *failed = *failed || (text != NULL && line == NULL);
    if (line != NULL) {
        stpcpy(stpcpy(stpcpy(line, name), ": "), text);
    }
    return line;
}

void page_endpoint(const char *url, char *endpoint, size_t room)
{
    const char *scheme_end = strstr(url, "://");
    const char *authority = scheme_end == NULL ? url : scheme_end + 3;
    size_t count = strcspn(authority, "/?#");
    for (size_t i = 0; i < count; i++) {
        if (authority[i] == '@') {
            authority += i + 1;
            count -= i + 1;
            i = (size_t)-1;
        }
    }
    snprintf(endpoint, room, "%.*s%.*s", scheme_end == NULL ? 0 : (int)(scheme_end + 3 - url), url,
             (int)count, authority);
}

void page_words_add(char words[PAGE_WORDS_BYTES_MAX], const char *text, size_t count_max)
{
    size_t used = strlen(words);
    for (size_t i = 0;
         i < count_max && text != NULL && text[i] != 0 && used + 1 < PAGE_WORDS_BYTES_MAX; i++) {
        words[used++] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : ' ';
    }
    words[used] = 0;
}

static bool one_line(const char *text, size_t bytes_max)
{
    size_t count = text == NULL ? 0 : strlen(text);
    for (size_t i = 0; i < count; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    return count <= bytes_max;
}

static bool ascii_line(const char *text, size_t bytes_max)
{
    for (size_t i = 0; text != NULL && text[i] != 0; i++) {
        if ((text[i] & 0x80) != 0) {
            return false;
        }
    }
    return one_line(text, bytes_max);
}

static int settings_check(const struct nsh_device *device, struct nsh_error *err)
{
    if ((device->url == NULL) == (device->mail_to == NULL)) {
        return nsh_fail(err, NSH_INVALID, "page wants either url or mail_to");
    }
    if (device->url != NULL && strncasecmp(device->url, "http://", 7) != 0 &&
        strncasecmp(device->url, "https://", 8) != 0) {
        return nsh_fail(err, NSH_INVALID, "url begins with http:// or https://");
    }
    if (!one_line(device->content_type, HEADER_BYTES_MAX) ||
        !one_line(device->authorization, HEADER_VALUE_BYTES_MAX)) {
        return nsh_fail(err, NSH_INVALID,
                        "content_type and authorization are one line, of at most %d and %d bytes",
                        HEADER_BYTES_MAX, HEADER_VALUE_BYTES_MAX);
    }
    if (!ascii_line(device->mail_to, MAIL_ADDRESS_BYTES_MAX) ||
        !ascii_line(device->mail_from, MAIL_ADDRESS_BYTES_MAX)) {
        return nsh_fail(err, NSH_INVALID,
                        "mail_to and mail_from are one line of ASCII, at most %d bytes",
                        MAIL_ADDRESS_BYTES_MAX);
    }
    if (device->mail_to != NULL &&
        (device->mail_program == NULL || device->mail_program[0] != '/')) {
        return nsh_fail(err, NSH_INVALID, "mail_program wants an absolute path");
    }
    return 0;
}

static void page_close(struct nsh_device *device)
{
    if (device->secret != NULL) {
        explicit_bzero(device->secret, strlen(device->secret));
    }
    if (device->authorization != NULL) {
        explicit_bzero(device->authorization, strlen(device->authorization));
    }
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
    device->authorization = header_of(settings, "authorization", "Authorization", &failed);
    device->ca_file = copy_of(settings, "ca_file", &failed);
    device->content_type = header_of(settings, "content_type", "Content-Type", &failed);
    device->mail_program = copy_of(settings, "mail_program", &failed);
    device->mail_to = copy_of(settings, "mail_to", &failed);
    device->mail_from = copy_of(settings, "mail_from", &failed);
    device->insecure = nsh_get_bool(settings, "insecure", false);
    int result = failed ? nsh_fail(err, NSH_NOMEM, "out of memory") : settings_check(device, err);
    if (result < 0) {
        page_close(device);
        return result;
    }
    page_endpoint(device->url == NULL ? "" : device->url, device->endpoint,
                  sizeof device->endpoint);
    *ret_device = device;
    return 0;
}

void page_call_end(struct page_call *call, const struct nsh_outcome *outcome)
{
    struct nsh_device *device = call->device;
    struct nsh_op *op = call->op;
    op->driver_data = NULL;
    free(call);
    device->services->complete(device->services, op, outcome);
}

/* What an HTTP status says of the page. A redirect is not followed: a page goes where it was
 * configured to go. */
static void status_read(const struct nsh_http_reply *reply, struct nsh_outcome *outcome)
{
    int status = reply->status;
    if (status >= 200 && status < 300) {
        outcome->code = NSH_OK;
    } else if (status == 401) {
        outcome->code = NSH_AUTH;
    } else if (status == 403) {
        outcome->code = NSH_DENIED;
    } else if (status == 429 || status == 503) {
        const char *after = nsh_http_header(reply, "retry-after");
        long seconds = after == NULL ? 0 : strtol(after, NULL, 10);
        outcome->code = NSH_BUSY;
        outcome->retry_after_ms = seconds > 0 && seconds <= 3600 ? (uint32_t)seconds * 1000 : 0;
    } else if (status >= 300 && status < 500 && status != 408) {
        outcome->code = NSH_REFUSED;
    } else if (status >= 500 || status == 408) {
        outcome->code = NSH_FAILED;
        outcome->effect_possible = true;
    } else {
        outcome->code = NSH_PROTOCOL;
        outcome->effect_possible = true;
    }
}

static void posted(void *arg, const struct nsh_http_reply *reply)
{
    struct page_call *call = arg;
    char words[PAGE_WORDS_BYTES_MAX];
    struct nsh_outcome outcome = {.code = reply->code, .text = words};
    snprintf(words, sizeof words, "POST %s: ", call->device->endpoint);
    if (reply->code != NSH_OK) {
        outcome.effect_possible = reply->sent;
        page_words_add(words, reply->text == NULL ? nsh_code_word(reply->code) : reply->text, 200);
        page_call_end(call, &outcome);
        return;
    }
    status_read(reply, &outcome);
    size_t used = strlen(words);
    snprintf(words + used, sizeof words - used, "%d", reply->status);
    if (outcome.code != NSH_OK) {
        const char *location = nsh_http_header(reply, "location");
        page_words_add(words, location == NULL ? " " : " is a redirect, not followed", 40);
        page_words_add(words, location == NULL ? reply->body : "", 200);
    }
    page_call_end(call, &outcome);
}

static int start_webhook(struct page_call *call, struct nsh_error *err)
{
    struct nsh_device *device = call->device;
    const struct nsh_op *op = call->op;
    struct page_text body = {0};
    int result = page_body(device->template, op->args, op->token, &body, err);
    char id[HEADER_BYTES_MAX], stamp[64], signature[HEADER_BYTES_MAX] = "webhook-signature: ";
    const char *headers[6] = {0};
    size_t count = 0;
    int64_t time_s = nsh_get_int(op->args, "time_ms", 0) / 1000;
    if (result == 0) {
        snprintf(id, sizeof id, "webhook-id: %s", op->token);
        if (device->content_type != NULL) {
            headers[count++] = device->content_type;
        }
        headers[count++] = id;
    }
    if (result == 0 && device->authorization != NULL) {
        headers[count++] = device->authorization;
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
                                            .server = true,
                                        },
                                        posted, call, &call->http, err);
    }
    page_text_done(&body);
    return result;
}

static void mailed(void *arg, const struct nsh_exit *end)
{
    struct page_call *call = arg;
    char words[PAGE_WORDS_BYTES_MAX];
    struct nsh_outcome outcome = {.code = NSH_OK, .text = words};
    snprintf(words, sizeof words, "mail to %s accepted by %.200s", call->device->mail_to,
             call->device->mail_program);
    if (end->code != NSH_OK || end->status != 0 || end->signal != 0) {
        snprintf(words, sizeof words,
                 "%.200s: %s, status %d, signal %d: ", call->device->mail_program,
                 nsh_code_word(end->code), end->status, end->signal);
        page_words_add(words, end->errors, 200);
        outcome.code = end->code != NSH_OK ? end->code : NSH_FAILED;
        outcome.effect_possible = end->started;
    }
    page_call_end(call, &outcome);
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
    int result = strcmp(op->verb->name, PAGE_DOCTOR) == 0 ? page_doctor_start(call, err)
                 : device->url != NULL                    ? start_webhook(call, err)
                                                          : start_mail(call, err);
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
    page_call_end(call, &(struct nsh_outcome){.code = NSH_CANCELLED,
                                              .effect_possible = op->verb->effect != NSH_READS,
                                              .text = "cancelled"});
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
