/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For `driver doctor`: what can be looked at without waking anybody. A page is put together and
 * thrown away (template, signature); of a webhook's server the root is asked for with HEAD, without
 * the hook's path, secret and authorization. Of a mail program: that it is there and may be run.
 * That a page is taken only a page shows.
 */

#include "page.h"

#include "abi/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIGNATURE_BYTES_MAX 256
#define REPLY_BYTES_MAX 4096

/* A page that has everything, by the verb's own table. */
static struct nsh_value sample_page(struct nsh_member members[PAGE_ARGS_MAX])
{
    size_t count = page_args_count < PAGE_ARGS_MAX ? page_args_count : PAGE_ARGS_MAX;
    for (size_t i = 0; i < count; i++) {
        members[i].name = page_args[i].name;
        members[i].value = page_args[i].type == NSH_INT    ? nsh_int(0)
                           : page_args[i].type == NSH_LIST ? nsh_list(NULL, 0)
                                                           : nsh_text("x");
    }
    return nsh_map(members, count);
}

static int body_look(const struct nsh_device *device, struct nsh_checks *checks)
{
    struct nsh_member members[PAGE_ARGS_MAX];
    struct nsh_value page = sample_page(members);
    char signature[SIGNATURE_BYTES_MAX];
    struct page_text body = {0};
    struct nsh_error err = {.code = NSH_OK};
    const char *what = "template";
    int result = page_body(device->template, &page, "token", &body, &err);
    if (result == 0 && device->secret != NULL) {
        what = "secret";
        result = page_signature(device->secret, "token", 0, body.at, body.count, signature,
                                sizeof signature, &err);
    }
    page_text_done(&body);
    if (result == -NSH_NOMEM) {
        return result;
    }
    if (result < 0) {
        nsh_check_add(checks, what, NSH_CHECK_FAILED, "correct it: no page would leave", "%s",
                      err.text);
    } else {
        nsh_check_add(checks, "template", NSH_CHECK_OK, NULL, "a page can be put together%s",
                      device->secret != NULL ? " and signed" : "");
    }
    return 0;
}

static void look_end(struct page_call *call, struct nsh_checks *checks)
{
    struct nsh_services *services = call->device->services;
    struct nsh_op *op = call->op;
    nsh_check_add(checks, "delivery", NSH_CHECK_SKIPPED, "page yourself once",
                  "nobody was paged: that a page is taken only a page shows");
    op->driver_data = NULL;
    free(call);
    nsh_checks_complete(services, op, checks);
}

/* ---- a webhook ---- */

static void answered(void *arg, const struct nsh_http_reply *reply)
{
    struct page_call *call = arg;
    struct nsh_checks checks = {0};
    char words[PAGE_WORDS_BYTES_MAX];
    if (reply->code != NSH_OK || body_look(call->device, &checks) < 0) {
        int code = reply->code != NSH_OK ? reply->code : NSH_NOMEM;
        snprintf(words, sizeof words, "HEAD %s: ", call->device->endpoint);
        page_words_add(words, reply->text == NULL ? nsh_code_word(code) : reply->text, 200);
        page_call_end(call, &(struct nsh_outcome){.code = code, .text = words});
        return;
    }
    if (reply->status == 502 || reply->status == 503 || reply->status == 504) {
        nsh_check_add(&checks, "server", NSH_CHECK_WARNING, "what stands behind its gateway",
                      "%s says %d: what takes pages may be down", call->device->endpoint,
                      reply->status);
    } else {
        nsh_check_add(&checks, "server", NSH_CHECK_OK, NULL, "%s answers (%d at its root)",
                      call->device->endpoint, reply->status);
    }
    look_end(call, &checks);
}

static int webhook_look(struct page_call *call, struct nsh_error *err)
{
    struct nsh_device *device = call->device;
    size_t room = strlen(device->url) + 2;
    char *root = malloc(room);
    if (root == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    page_endpoint(device->url, root, room);
    strcat(root, "/"); /* NOLINT(clang-analyzer-security.insecureAPI.strcpy): there is room. */
    int result = device->services->http(device->services,
                                        &(struct nsh_http_request){
                                            .method = "HEAD",
                                            .url = root,
                                            .reply_bytes_max = REPLY_BYTES_MAX,
                                            .timeout_ms = call->op->timeout_ms,
                                            .ca_file = device->ca_file,
                                            .insecure = device->insecure,
                                        },
                                        answered, call, &call->http, err);
    free(root);
    return result;
}

/* ---- mail ---- */

static void program_look(const char *program, struct nsh_checks *checks)
{
    struct stat about;
    if (stat(program, &about) < 0) {
        nsh_check_add(checks, "program", NSH_CHECK_FAILED,
                      "install a mail program, or name another: mail_program", "%.100s: %s",
                      program, strerror(errno));
    } else if (!S_ISREG(about.st_mode) || access(program, X_OK) < 0) {
        nsh_check_add(checks, "program", NSH_CHECK_FAILED,
                      "chmod +x, or name another: mail_program",
                      "%.100s is no program that may be run", program);
    } else {
        nsh_check_add(checks, "program", NSH_CHECK_OK, NULL, "%.100s may be run", program);
    }
}

static int mail_look(struct page_call *call, struct nsh_error *err)
{
    const struct nsh_device *device = call->device;
    struct nsh_member members[PAGE_ARGS_MAX];
    struct nsh_value page = sample_page(members);
    struct nsh_checks checks = {0};
    struct page_text mail = {0};
    int result = page_mail(device->mail_to, device->mail_from, &page, "token", &mail, err);
    page_text_done(&mail);
    if (result < 0) {
        return result;
    }
    program_look(device->mail_program, &checks);
    look_end(call, &checks);
    return 0;
}

int page_doctor_start(struct page_call *call, struct nsh_error *err)
{
    return call->device->url != NULL ? webhook_look(call, err) : mail_look(call, err);
}
