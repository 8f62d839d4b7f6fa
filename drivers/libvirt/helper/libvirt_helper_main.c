/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request, the connection, the answer. The process ends with the answer: libvirt's threads and
 * connections go with it, and a hang of the library is ended by our own clock, which knows whether
 * an order had left.
 */

#include "libvirt_helper.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define REQUEST_BYTES_MAX (64 * 1024)
#define MARGIN_MS 500 /* Before the caller's time is over. */

static volatile sig_atomic_t order_out;  /* An order is at libvirt, or was. */
static volatile sig_atomic_t order_done; /* One was accepted. */

void order_leaves(void)
{
    order_out = 1;
}

void order_accepted(void)
{
    order_done = 1;
}

/* ---- answers ---- */

static _Noreturn void answer(struct json_object *object)
{
    const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
    if (text == NULL || puts(text) < 0 || fflush(stdout) != 0) {
        _exit(EXIT_FAILURE);
    }
    _exit(EXIT_SUCCESS);
}

static void put(struct json_object *object, const char *name, struct json_object *value)
{
    if (object == NULL || value == NULL || json_object_object_add(object, name, value) != 0) {
        _exit(EXIT_FAILURE); /* No memory: an end without an answer. */
    }
}

_Noreturn void answer_ok(struct json_object *result, const char *text)
{
    struct json_object *object = json_object_new_object();
    put(object, "ok", json_object_new_boolean(true));
    put(object, "text", json_object_new_string(text));
    put(object, "result", result);
    answer(object);
}

static _Noreturn void answer_failed(int code, bool effect_possible, const char *text)
{
    struct json_object *object = json_object_new_object();
    put(object, "ok", json_object_new_boolean(false));
    put(object, "code", json_object_new_string(nsh_code_word(code)));
    put(object, "error", json_object_new_string(text));
    put(object, "effect_possible", json_object_new_boolean(effect_possible));
    answer(object);
}

_Noreturn void answer_fail(int code, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    answer_failed(code, order_done != 0 || order_out != 0, text);
}

/* What libvirt's codes mean. clear: with this code nothing was done, also when it answers an order.
 */
static const struct {
    int error, code;
    bool clear;
} meanings[] = {
    {VIR_ERR_NO_DOMAIN, NSH_NOT_FOUND, true},
    {VIR_ERR_AUTH_FAILED, NSH_AUTH, true},
    {VIR_ERR_AUTH_CANCELLED, NSH_AUTH, true},
    {VIR_ERR_AUTH_UNAVAILABLE, NSH_AUTH, true},
    {VIR_ERR_ACCESS_DENIED, NSH_DENIED, true},
    {VIR_ERR_OPERATION_DENIED, NSH_DENIED, true},
    {VIR_ERR_OPERATION_INVALID, NSH_CONFLICT, true},
    {VIR_ERR_NO_SUPPORT, NSH_UNSUPPORTED, true},
    {VIR_ERR_OPERATION_UNSUPPORTED, NSH_UNSUPPORTED, true},
    {VIR_ERR_ARGUMENT_UNSUPPORTED, NSH_UNSUPPORTED, true},
    {VIR_ERR_CONFIG_UNSUPPORTED, NSH_UNSUPPORTED, true},
    {VIR_ERR_INVALID_ARG, NSH_INVALID, true},
    {VIR_ERR_NO_CONNECT, NSH_UNREACHABLE, true},
    {VIR_ERR_RESOURCE_BUSY, NSH_BUSY, false},
    {VIR_ERR_OPERATION_TIMEOUT, NSH_TIMEOUT, false},
    {VIR_ERR_OPERATION_FAILED, NSH_FAILED, false},
    {VIR_ERR_NO_MEMORY, NSH_LIMIT, false},
};

_Noreturn void answer_error(const char *doing)
{
    const virError *error = virGetLastError();
    int number = error == NULL ? VIR_ERR_INTERNAL_ERROR : error->code;
    int code = NSH_FAILED;
    bool clear = false;
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (meanings[i].error == number) {
            code = meanings[i].code;
            clear = meanings[i].clear;
        }
    }
    char text[512];
    snprintf(text, sizeof text, "%s: %s", doing,
             error == NULL || error->message == NULL ? "no reason given" : error->message);
    answer_failed(code, order_done != 0 || (order_out != 0 && !clear), text);
}

/* ---- time: only what a signal handler may do ---- */

static void time_is_over(int number)
{
    static const char before[] =
        "{\"ok\":false,\"code\":\"timeout\",\"effect_possible\":false,"
        "\"error\":\"libvirt did not answer in time; no order had left\"}\n";
    static const char after[] = "{\"ok\":false,\"code\":\"timeout\",\"effect_possible\":true,"
                                "\"error\":\"libvirt did not answer in time\"}\n";
    (void)number;
    ssize_t written = order_out ? write(STDOUT_FILENO, after, sizeof after - 1)
                                : write(STDOUT_FILENO, before, sizeof before - 1);
    _exit(written > 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void time_begins(int64_t timeout_ms)
{
    struct sigaction action = {.sa_handler = time_is_over};
    int64_t left_ms = timeout_ms > 2 * MARGIN_MS ? timeout_ms - MARGIN_MS : timeout_ms / 2 + 1;
    struct itimerval timer = {
        .it_value = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* ---- the request ---- */

static const char *text_of(struct json_object *object, const char *name)
{
    struct json_object *member = NULL;
    const char *text =
        json_object_object_get_ex(object, name, &member) ? json_object_get_string(member) : "";
    return text == NULL ? "" : text;
}

/* The object lives as long as the process. */
static struct request request_read(void)
{
    static char bytes[REQUEST_BYTES_MAX + 1];
    size_t count = fread(bytes, 1, REQUEST_BYTES_MAX, stdin);
    bytes[count] = 0;
    struct json_object *object = json_tokener_parse(bytes), *timeout = NULL;
    explicit_bzero(bytes, sizeof bytes);
    if (object == NULL || !json_object_is_type(object, json_type_object)) {
        answer_fail(NSH_INVALID, "the request is no JSON object");
    }
    json_object_object_get_ex(object, "timeout_ms", &timeout);
    return (struct request){.verb = text_of(object, "verb"),
                            .uri = text_of(object, "uri"),
                            .domain = text_of(object, "domain"),
                            .uuid = text_of(object, "uuid"),
                            .user = text_of(object, "user"),
                            .password = text_of(object, "password"),
                            .to = text_of(object, "to"),
                            .timeout_ms = timeout == NULL ? 0 : json_object_get_int64(timeout)};
}

/* ---- the connection ---- */

static int credentials_give(virConnectCredentialPtr wanted, unsigned count, void *arg)
{
    const struct request *request = arg;
    for (unsigned i = 0; i < count; i++) {
        bool name = wanted[i].type == VIR_CRED_USERNAME || wanted[i].type == VIR_CRED_AUTHNAME;
        const char *text = name ? request->user : request->password;
        wanted[i].result = text[0] == 0 ? NULL : strdup(text);
        wanted[i].resultlen = wanted[i].result == NULL ? 0 : (unsigned)strlen(text);
        if (wanted[i].result == NULL) {
            return -1;
        }
    }
    return 0;
}

static virConnectPtr connect_to(struct request *request)
{
    static int kinds[] = {VIR_CRED_USERNAME, VIR_CRED_AUTHNAME, VIR_CRED_PASSPHRASE,
                          VIR_CRED_NOECHOPROMPT};
    virConnectAuth auth = {.credtype = kinds,
                           .ncredtype = sizeof kinds / sizeof kinds[0],
                           .cb = credentials_give,
                           .cbdata = request};
    bool reads = strcmp(request->verb, "power.status") == 0 ||
                 strcmp(request->verb, "probe") == 0 ||
                 strcmp(request->verb, "libvirt.status") == 0;
    virConnectPtr connection = virConnectOpenAuth(request->uri, &auth, reads ? VIR_CONNECT_RO : 0);
    if (connection != NULL) {
        return connection;
    }
    const virError *error = virGetLastError();
    int number = error == NULL ? VIR_ERR_INTERNAL_ERROR : error->code;
    if (number == VIR_ERR_RPC || number == VIR_ERR_SYSTEM_ERROR ||
        number == VIR_ERR_INTERNAL_ERROR || number == VIR_ERR_GNUTLS_ERROR) {
        answer_fail(number == VIR_ERR_GNUTLS_ERROR ? NSH_AUTH : NSH_UNREACHABLE, "connect: %s",
                    error == NULL ? "no reason given" : error->message);
    }
    answer_error("connect");
}

static virDomainPtr find(virConnectPtr connection, const struct request *request)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    virDomainPtr domain = virDomainLookupByUUIDString(connection, request->domain);
    domain = domain != NULL ? domain : virDomainLookupByName(connection, request->domain);
    if (domain == NULL) {
        answer_error("domain");
    }
    if (virDomainGetUUIDString(domain, uuid) < 0) {
        answer_error("its UUID");
    }
    if (request->uuid[0] != 0 && strcasecmp(request->uuid, uuid) != 0) {
        answer_fail(NSH_MISMATCH, "domain %s has the UUID %s, not %s", request->domain, uuid,
                    request->uuid);
    }
    return domain;
}

static void quiet(void *arg, virErrorPtr error)
{
    (void)arg;
    (void)error; /* They are answered. */
}

int main(void)
{
    struct request request = request_read();
    time_begins(request.timeout_ms);
    virSetErrorFunc(NULL, quiet);
    if (virInitialize() < 0) {
        answer_error("libvirt");
    }
    virConnectPtr connection = connect_to(&request);
    verb_run(&request, connection, find(connection, &request));
    return EXIT_FAILURE;
}
