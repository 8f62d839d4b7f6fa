/* SPDX-License-Identifier: Apache-2.0 */
/*
 * function: a remote function over HTTP, on whichever platform it lives, used in a policy as any
 * driver's verb. Nothing is sent twice; the engine verifies what a function did.
 */

#include "function.h"

#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {"openwhisk", "fission", "kubeless", "knative",     "openfaas",
                                    "lambda",    "google",  "azure",    "cloudevents", NULL};
static const char *const modes[] = {"sync", "async", NULL};
static const char *const formats[] = {"binary", "structured", NULL};

static const struct nsh_option options[] = {
    {.name = "kind",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED,
     .choices = kinds,
     .help = "The platform. cloudevents: any web hook that takes CloudEvents."},
    {.name = "url",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help =
         "openwhisk, openfaas, lambda: the API's host (https://lambda.eu-west-1.amazonaws.com). "
         "Others: where the function is."},
    {.name = "function",
     .type = NSH_STRING,
     .preset = "",
     .help = "Its name (openwhisk: with PACKAGE/). Others than openwhisk, openfaas, lambda: none, "
             "or one more part of the URL."},
    {.name = "namespace", .type = NSH_STRING, .preset = "_", .help = "openwhisk."},
    {.name = "qualifier",
     .type = NSH_STRING,
     .preset = "",
     .help = "lambda: a version or an alias."},
    {.name = "mode",
     .type = NSH_STRING,
     .preset = "sync",
     .choices = modes,
     .help = "async: the platform queues it. openwhisk is then asked until it is done; of fission "
             "and lambda (Event) it counts as accepted, and verifying shows the rest; of openfaas "
             "too, unless api.callback_url says where its answer may be brought."},
    {.name = "format",
     .type = NSH_STRING,
     .preset = "binary",
     .choices = formats,
     .help = "knative, cloudevents: how the event is written."},
    {.name = "user",
     .type = NSH_STRING,
     .preset = "",
     .help = "openwhisk: the part of the key before the colon; openfaas: the user."},
    {.name = "password", .type = NSH_SECRET, .help = "The rest of the key; the password."},
    {.name = "token",
     .type = NSH_SECRET,
     .help = "Sent as bearer: fission, knative, google (an ID token), cloudevents."},
    {.name = "function_key", .type = NSH_SECRET, .help = "azure: x-functions-key."},
    {.name = "region", .type = NSH_STRING, .preset = "", .help = "lambda."},
    {.name = "access_key", .type = NSH_STRING, .preset = "", .help = "lambda: the key's id."},
    {.name = "secret_key", .type = NSH_SECRET, .help = "lambda: the key."},
    {.name = "session_token", .type = NSH_SECRET, .help = "lambda: of a role."},
    {.name = "parameters",
     .type = NSH_MAP,
     .help = "Handed to the function as `settings`; never a secret."},
    NSH_REST_OPTIONS,
};

#define FUNCTION_VERB(verb_name, verb_effect, verb_flags, verb_verify, verb_proof,                 \
                      verb_timeout_ms, verb_help)                                                  \
    {                                                                                              \
        NSH_PROVEN_VERB(verb_name, verb_effect, (verb_flags) | NSH_ANY_ARGS, verb_verify,          \
                        verb_proof, verb_timeout_ms, verb_help)                                    \
    }

static const struct nsh_verb verbs[] = {
    FUNCTION_VERB("power.status", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 30000,
                  "{\"power\": \"on\"|\"off\"}."),
    FUNCTION_VERB("power.on", NSH_CHANGES, NSH_IDEMPOTENT | NSH_EXCLUSIVE, "power.status",
                  "power=on", 120000, "As the function does it."),
    FUNCTION_VERB("power.off", NSH_INTERRUPTS, NSH_IDEMPOTENT | NSH_EXCLUSIVE, "power.status",
                  "power=off", 120000, "As the function does it."),
    FUNCTION_VERB("power.cycle", NSH_INTERRUPTS, NSH_EXCLUSIVE, "power.status", "power=on", 240000,
                  "As the function does it."),
    FUNCTION_VERB("reset.soft", NSH_INTERRUPTS, NSH_EXCLUSIVE, "power.status", "power=on", 120000,
                  "As the function does it."),
    FUNCTION_VERB("reset.hard", NSH_INTERRUPTS, NSH_EXCLUSIVE, "power.status", "power=on", 120000,
                  "As the function does it."),
    FUNCTION_VERB("identify", NSH_CHANGES, NSH_IDEMPOTENT, NULL, NULL, 30000,
                  "As the function does it."),
    FUNCTION_VERB("log.read", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 60000,
                  "As the function does it."),
    FUNCTION_VERB("probe", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 30000,
                  "As the function does it."),
    FUNCTION_VERB("drain", NSH_CHANGES, NSH_IDEMPOTENT, NULL, NULL, 900000,
                  "As the function does it."),
    FUNCTION_VERB("undrain", NSH_CHANGES, NSH_IDEMPOTENT, NULL, NULL, 60000,
                  "As the function does it."),
    FUNCTION_VERB("evacuate", NSH_INTERRUPTS, NSH_EXCLUSIVE, NULL, NULL, 900000,
                  "As the function does it."),
    FUNCTION_VERB("provision", NSH_DESTROYS, NSH_EXCLUSIVE, NULL, NULL, 900000,
                  "As the function does it."),
    FUNCTION_VERB("release", NSH_DESTROYS, NSH_EXCLUSIVE, NULL, NULL, 900000,
                  "As the function does it."),
    FUNCTION_VERB("add", NSH_CHANGES, NSH_EXCLUSIVE, NULL, NULL, 900000,
                  "As the function does it."),
    FUNCTION_VERB("remove", NSH_DESTROYS, NSH_EXCLUSIVE, NULL, NULL, 900000,
                  "As the function does it."),
    FUNCTION_VERB("fence.status", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 60000,
                  "{\"power\": \"on\"|\"off\"}."),
    FUNCTION_VERB("fence", NSH_INTERRUPTS, NSH_IDEMPOTENT | NSH_EXCLUSIVE, "fence.status",
                  "power=off", 120000, "As the function does it."),
    FUNCTION_VERB("fence.release", NSH_CHANGES, NSH_IDEMPOTENT | NSH_EXCLUSIVE, "fence.status",
                  "power=on", 120000, "As the function does it."),
    FUNCTION_VERB(
        "function.doctor", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 60000,
        "For `driver doctor`: asks the platform, runs nothing (lambda, openwhisk, openfaas)."),
    FUNCTION_VERB("notify", NSH_CHANGES, NSH_NOTIFIES, NULL, NULL, 30000,
                  "As the function does it."),
    FUNCTION_VERB("page", NSH_CHANGES, NSH_NOTIFIES, NULL, NULL, 30000, "As the function does it."),
    FUNCTION_VERB("ticket", NSH_CHANGES, NSH_NOTIFIES, NULL, NULL, 30000,
                  "As the function does it."),
};

const char *function_setting(const struct nsh_rest_call *call, const char *name)
{
    return nsh_get_text(nsh_rest_settings(call->rest), name, "");
}

bool function_doctor(const struct nsh_rest_call *call)
{
    return strcmp(call->op->verb->name, "function.doctor") == 0;
}

static int kind_check(const struct nsh_value *settings, enum function_kind kind,
                      struct nsh_error *err)
{
    static const char *const of_lambda[] = {"region", "access_key", "secret_key"};
    bool named = kind == KIND_OPENWHISK || kind == KIND_OPENFAAS || kind == KIND_LAMBDA;
    if (named && nsh_get_text(settings, "function", "")[0] == '\0') {
        return nsh_fail(err, NSH_INVALID, "kind = \"%s\" needs function", kinds[kind]);
    }
    for (size_t i = 0; kind == KIND_LAMBDA && i < sizeof of_lambda / sizeof of_lambda[0]; i++) {
        if (nsh_get_text(settings, of_lambda[i], "")[0] == '\0') {
            return nsh_fail(err, NSH_INVALID, "kind = \"lambda\" needs %s", of_lambda[i]);
        }
    }
    return 0;
}

/* The header that never changes; none for Basic and for signatures. */
static int credential_set(struct nsh_device *device, const struct nsh_value *settings,
                          struct nsh_error *err)
{
    const char *token = nsh_get_text(settings, "token", "");
    const char *key = nsh_get_text(settings, "function_key", "");
    struct nsh_pool pool = {0};
    const char *header = NULL;
    int result = 0;
    if (token[0] != '\0' || key[0] != '\0') {
        header = nsh_pool_printf(&pool, "%s%s",
                                 token[0] != '\0' ? "Authorization: Bearer " : "x-functions-key: ",
                                 token[0] != '\0' ? token : key);
        result = header == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory")
                                : nsh_rest_credential(device->rest, header, err);
    }
    nsh_pool_done(&pool);
    return result;
}

static void function_close(struct nsh_device *device)
{
    nsh_rest_close(device->rest);
    free(device);
}

static int function_open(struct nsh_services *services, const struct nsh_value *settings,
                         struct nsh_device **ret_device, struct nsh_error *err)
{
    static const char *const secrets[] = {"password",   "token",         "function_key",
                                          "secret_key", "session_token", NULL};
    char url[NSH_REST_URL_BYTES_MAX];
    const char *word = nsh_get_text(settings, "kind", "");
    int kind = 0;
    while (kind < KINDS_COUNT - 1 && strcmp(kinds[kind], word) != 0) {
        kind++;
    }
    int result =
        nsh_rest_base_check("url", nsh_get_text(settings, "url", ""), url, sizeof url, err);
    result = result < 0 ? result : kind_check(settings, (enum function_kind)kind, err);
    if (result < 0) {
        return result;
    }
    struct nsh_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    device->services = services;
    device->kind = (enum function_kind)kind;
    device->async = strcmp(nsh_get_text(settings, "mode", "sync"), "async") == 0;
    result = nsh_rest_open(services,
                           &(struct nsh_rest_config){
                               .base = url,
                               .settings = settings,
                               .secrets = secrets,
                               .server = true,
                               .sign = kind == KIND_LAMBDA ? function_sign : NULL,
                           },
                           &device->rest, err);
    result = result < 0 ? result : credential_set(device, settings, err);
    if (result < 0) {
        function_close(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

static int function_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    return nsh_rest_start(device->rest, device, op, sizeof(struct function_call), function_ask,
                          err);
}

__attribute__((visibility("default"))) const struct nsh_driver nsh_driver = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "function",
    .version = "1",
    .summary = "Remote functions: OpenWhisk, Fission, Kubeless, Knative, OpenFaaS, Lambda, Google, "
               "Azure, CloudEvents",
    .maturity = NSH_EXPERIMENTAL,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = function_open,
    .start = function_start,
    .cancel = nsh_rest_cancel,
    .close = function_close,
};
