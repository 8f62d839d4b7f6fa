/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The doctor: asks every host of a driver something that only reads, some at the same time, and
 * tells of each how it went (abi/doctor.h, doctor_checks.h). One examination at a time.
 */

#include "doctor_checks.h"
#include "shell_private.h"

#include "base/assert.h"
#include "base/json.h"
#include "loop/drivers.h"

#include <stdio.h>
#include <stdlib.h>

#define DOCTOR_NAME_BYTES_MAX 96
#define SERVICES_COUNT_MAX 3

struct patient {
    const char *host;  /* "" for a service: the pager. */
    const char *place; /* Which binding or service: "bmc", "page". */
    const struct nsh_driver *driver;
    const struct nsh_value *settings;
    const struct nsh_verb *verb; /* NULL: the driver only acts. */
    int64_t started_ms, elapsed_ms;
    enum nsh_check_state worst;
    char *text;
    char *checks; /* JSON; NULL: none. */
};

struct doctor {
    struct shell_request *request;
    struct generation *generation;
    uint64_t number;
    struct patient *patients;
    size_t count, next, running, failures, warnings;
};

/* The driver's own doctor; else, of a host, what only reads and needs no argument, and of those
 * what shows that the credentials are good first. A service is never asked what it may take for
 * its one task: a pager's program need not look at the verb. */
static const struct nsh_verb *reading_verb(const struct nsh_driver *driver, bool service)
{
    char name[DOCTOR_NAME_BYTES_MAX];
    snprintf(name, sizeof name, "%s.doctor", driver->name);
    const struct nsh_verb *verb = driver_verb(driver, name);
    if (verb != NULL || service) {
        return verb;
    }
    verb = driver_verb(driver, "power.status");
    for (size_t i = 0; verb == NULL && i < driver->verbs_count; i++) {
        bool wants = false;
        for (size_t a = 0; a < driver->verbs[i].args_count; a++) {
            wants = wants || (driver->verbs[i].args[a].flags & NSH_REQUIRED) != 0;
        }
        verb = driver->verbs[i].effect == NSH_READS && !wants ? &driver->verbs[i] : NULL;
    }
    return verb;
}

/* What its settings say by themselves. What is wrong with them the call told. */
static void patient_settings(struct shell *shell, const struct patient *patient,
                             struct nsh_checks *checks)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value settings;
    if (options_check(patient->driver->options, patient->driver->options_count, patient->settings,
                      shell_secret, shell, &arena, &settings, NULL) == 0) {
        doctor_checks_settings(patient->driver, &settings, checks);
    }
}

static char *checks_text(const struct nsh_checks *checks)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    for (size_t i = 0; i < checks->count; i++) {
        const struct nsh_check *check = &checks->items[i];
        textbuf_add_chars(&out, i == 0 ? "{\"check\":" : ",{\"check\":");
        textbuf_add_json(&out, text_of(check->name));
        textbuf_addf(&out, ",\"state\":\"%s\",\"text\":", nsh_check_word(check->state));
        textbuf_add_json(&out, text_of(check->text));
        textbuf_add_chars(&out, ",\"hint\":");
        textbuf_add_json(&out, text_of(check->hint));
        textbuf_add_char(&out, '}');
    }
    return out.at == NULL ? NULL : strdup(out.at);
}

/* One line for the table: what the peer answered, else the worst check. */
static char *patient_text(const struct patient *patient, const struct nsh_outcome *outcome,
                          const struct nsh_checks *checks)
{
    CLEANUP(textbuf_donep) struct textbuf words = {0};
    for (size_t i = 0; i < checks->count && patient->worst != NSH_CHECK_OK; i++) {
        const struct nsh_check *check = &checks->items[i];
        if (check->state == patient->worst) {
            textbuf_addf(&words, "%s: %s", check->name, check->text);
            return strdup(words.at == NULL ? "" : words.at);
        }
    }
    if (outcome->result != NULL && nsh_get(outcome->result, "checks") == NULL) {
        json_write(outcome->result, &words);
    } else {
        const char *said = outcome->text == NULL ? "" : outcome->text;
        textbuf_addf(&words, "%s%s%zu checks", said, said[0] == '\0' ? "" : "; ", checks->count);
    }
    return strdup(words.at == NULL ? "" : words.at);
}

static void patient_end(struct shell *shell, struct doctor *doctor, struct patient *patient,
                        const struct nsh_outcome *outcome)
{
    struct nsh_checks checks = {0};
    const char *verb = patient->verb == NULL ? "" : patient->verb->name;
    const char *dot = strrchr(verb, '.');
    bool examines = dot != NULL && strcmp(dot, ".doctor") == 0;
    if (examines && outcome->code == NSH_UNSUPPORTED) { /* Its own driver cannot look. */
        nsh_check_add(&checks, "answer", NSH_CHECK_SKIPPED, NULL, "%s",
                      outcome->text == NULL ? "" : outcome->text);
    } else if (patient->verb != NULL) {
        doctor_checks_outcome(outcome, patient->elapsed_ms, &checks);
    }
    patient_settings(shell, patient, &checks);
    patient->worst = doctor_checks_worst(&checks);
    doctor->failures += patient->worst == NSH_CHECK_FAILED;
    doctor->warnings += patient->worst == NSH_CHECK_WARNING;
    patient->checks = checks_text(&checks);
    patient->text = patient_text(patient, outcome, &checks);
}

/* ---- the report ---- */

static void add_patient(struct textbuf *out, const struct patient *patient)
{
    textbuf_add_chars(out, "{\"driver\":");
    textbuf_add_json(out, text_of(patient->driver->name));
    textbuf_add_chars(out, ",\"host\":");
    textbuf_add_json(out, text_of(patient->host));
    textbuf_addf(out, ",\"binding\":\"%s\",\"state\":\"%s\",\"elapsed_ms\":%lld,\"text\":",
                 patient->place, patient->verb == NULL ? "skipped" : nsh_check_word(patient->worst),
                 (long long)patient->elapsed_ms);
    textbuf_add_json(out, text_of(patient->text == NULL ? "" : patient->text));
    textbuf_addf(out, ",\"checks\":[%s]}", patient->checks == NULL ? "" : patient->checks);
}

static void doctor_free(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->count; i++) {
        free(doctor->patients[i].text);
        free(doctor->patients[i].checks);
    }
    generation_unref(doctor->generation);
    free(doctor->patients);
    free(doctor);
}

static void doctor_report(struct shell *shell, struct doctor *doctor)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    textbuf_add_chars(&out,
                      "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"DoctorReport\",\"items\":[");
    for (size_t i = 0; i < doctor->count; i++) {
        textbuf_add_chars(&out, i == 0 ? "" : ",");
        add_patient(&out, &doctor->patients[i]);
    }
    textbuf_addf(&out, "],\"failures\":%zu,\"warnings\":%zu", doctor->failures, doctor->warnings);
    shell_add_breakers(shell, &out);
    textbuf_add_char(&out, '}');
    shell->doctor = NULL;
    shell_answer(shell, doctor->request, (struct text){out.at, (uint32_t)out.count});
    doctor_free(doctor);
}

/* ---- the round ---- */

static void patient_start(struct shell *shell, struct doctor *doctor, size_t index)
{
    struct patient *patient = &doctor->patients[index];
    char action[64], device[320];
    struct nsh_error err = {0};
    if (patient->verb == NULL) {
        patient_end(shell, doctor, patient,
                    &(struct nsh_outcome){.code = NSH_OK,
                                          .text = "this driver only acts: nothing to read"});
        return;
    }
    snprintf(action, sizeof action, DOCTOR_PREFIX "%llu-%zu", (unsigned long long)doctor->number,
             index);
    snprintf(device, sizeof device, "%s/%s", patient->host[0] == '\0' ? "service" : patient->host,
             patient->place);
    struct drivers_call call = {
        .action = action,
        .host = patient->host,
        .device = device,
        .driver = patient->driver->name,
        .verb = patient->verb->name,
        .settings = patient->settings,
    };
    patient->started_ms = shell_now(shell);
    int result = drivers_start(shell->drivers, &call, &err);
    if (result < 0) {
        patient_end(shell, doctor, patient,
                    &(struct nsh_outcome){.code = -result, .text = err.text});
        return;
    }
    doctor->running++;
}

/* As many as may at once; the report when none is left. */
static void doctor_go_on(struct shell *shell, struct doctor *doctor)
{
    size_t at_once = (size_t)doctor->generation->config->doctor_calls_max;
    while (doctor->next < doctor->count && doctor->running < at_once) {
        patient_start(shell, doctor, doctor->next++);
    }
    if (doctor->running == 0 && doctor->next == doctor->count) {
        doctor_report(shell, doctor);
    }
}

void shell_doctor_done(struct shell *shell, const char *action, const struct nsh_outcome *outcome)
{
    struct doctor *doctor = shell->doctor;
    unsigned long long number = 0;
    size_t index = 0;
    int read = sscanf(action, DOCTOR_PREFIX "%llu-%zu", &number, &index);
    NSH_ASSERT(read == 2);
    if (doctor == NULL || doctor->number != number) {
        return; /* The daemon stops. */
    }
    struct patient *patient = &doctor->patients[index];
    patient->elapsed_ms = shell_now(shell) - patient->started_ms;
    patient_end(shell, doctor, patient, outcome);
    doctor->running--;
    doctor_go_on(shell, doctor);
}

void shell_doctor_end(struct shell *shell)
{
    if (shell->doctor != NULL) {
        struct nsh_error err = {0};
        nsh_fail(&err, NSH_CANCELLED, "the daemon is stopping");
        struct doctor *doctor = shell->doctor;
        shell->doctor = NULL;
        shell_answer_error(shell, doctor->request, &err);
        doctor_free(doctor);
    }
}

static void doctor_take(struct shell *shell, struct doctor *doctor, const char *id,
                        struct patient patient, const char *driver)
{
    patient.driver = drivers_find(shell->drivers, driver);
    if (patient.driver != NULL &&
        (id[0] == '\0' || strcmp(id, "all") == 0 || strcmp(id, driver) == 0)) {
        patient.verb = reading_verb(patient.driver, patient.host[0] == '\0');
        doctor->patients[doctor->count++] = patient;
    }
}

/* The services, which have no host: once, however many of them are the same. */
static void doctor_fill_services(struct shell *shell, struct doctor *doctor, const char *id)
{
    const struct config *config = doctor->generation->config;
    const struct config_service *services[] = {&config->pager, &config->notify, &config->ticket};
    static const char *const places[] = {"page", "notify", "ticket"};
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        if (services[i]->driver != NULL) {
            doctor_take(shell, doctor, id,
                        (struct patient){
                            .host = "", .place = places[i], .settings = &services[i]->settings},
                        services[i]->driver);
        }
    }
    for (size_t i = 0; i < config->receivers.count; i++) {
        const struct config_receiver *receiver = &config->receivers.items[i];
        if (receiver->service.driver != NULL) {
            doctor_take(shell, doctor, id,
                        (struct patient){.host = "",
                                         .place = receiver->place,
                                         .settings = &receiver->service.settings},
                        receiver->service.driver);
        }
    }
}

/* Each function by its driver's doctor: which driver that is, or that it is a function, names it.
 */
static void doctor_fill_functions(struct shell *shell, struct doctor *doctor, const char *id)
{
    const struct policy_defaults *site = &doctor->generation->config->policy;
    for (size_t i = 0; i < site->functions_count; i++) {
        const struct policy_declared *function = &site->functions[i];
        bool ours = strcmp(id, POLICY_FUNCTIONS_DRIVER) == 0;
        const char *place =
            arena_printf(&doctor->request->arena, "function/%s", function->verb.name);
        if (place != NULL) {
            doctor_take(
                shell, doctor, ours ? "" : id,
                (struct patient){.host = "", .place = place, .settings = &function->settings},
                function->driver);
        }
    }
}

static void doctor_fill(struct shell *shell, struct doctor *doctor, const char *id,
                        const char *only)
{
    const struct inventory *inventory = doctor->generation->inventory;
    for (size_t h = 0; h < inventory->hosts_count; h++) {
        const struct host *host = &inventory->hosts[h];
        for (size_t b = 0; b < host->bindings_count; b++) {
            const struct binding *binding = &host->bindings[b];
            if (only[0] == '\0' || strcmp(only, host->name) == 0) {
                doctor_take(shell, doctor, id,
                            (struct patient){.host = host->name,
                                             .place = binding_word(binding->kind),
                                             .settings = &binding->settings},
                            binding->driver);
            }
        }
    }
    if (only[0] == '\0') {
        doctor_fill_services(shell, doctor, id);
        doctor_fill_functions(shell, doctor, id);
    }
}

void shell_doctor(struct shell *shell, struct shell_request *request)
{
    const char *id = nsh_get_text(&request->args, "id", "");
    const char *only = nsh_get_text(&request->args, "host", "");
    struct nsh_error err = {0};
    bool all = id[0] == '\0' || strcmp(id, "all") == 0;
    bool functions = strcmp(id, POLICY_FUNCTIONS_DRIVER) == 0 &&
                     shell->generation->config->policy.functions_count > 0;
    if (!all && !functions && !drivers_installed(shell->drivers, id)) {
        nsh_fail(&err, NSH_NOT_FOUND, "no driver '%.64s' is installed", id);
    } else if (only[0] != '\0' &&
               inventory_host(shell->generation->inventory, text_of(only)) == NULL) {
        nsh_fail(&err, NSH_NOT_FOUND, "no host '%.64s' is in the inventory", only);
    } else if (shell->doctor != NULL) {
        nsh_fail(&err, NSH_BUSY, "another examination is running");
    }
    struct doctor *doctor = err.code == 0 ? calloc(1, sizeof *doctor) : NULL;
    size_t hosts = shell->generation->inventory->hosts_count;
    struct patient *patients = doctor == NULL
                                   ? NULL
                                   : calloc(hosts * HOST_BINDINGS_MAX + SERVICES_COUNT_MAX +
                                                shell->generation->config->receivers.count +
                                                shell->generation->config->policy.functions_count,
                                            sizeof *patients);
    if (patients == NULL) {
        if (err.code == 0) {
            nsh_fail(&err, NSH_NOMEM, "out of memory");
        }
        free(doctor);
        shell_answer_error(shell, request, &err);
        return;
    }
    *doctor = (struct doctor){
        .request = request,
        .generation = generation_ref(shell->generation),
        .number = ++shell->doctors,
        .patients = patients,
    };
    shell->doctor = doctor;
    doctor_fill(shell, doctor, id, only);
    doctor_go_on(shell, doctor);
}
