/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The doctor: asks every host of a driver something that only reads, some at the same time, and
 * tells of each how it went. One examination at a time.
 */

#include "shell_private.h"

#include "base/assert.h"
#include "base/json.h"
#include "loop/drivers.h"

#include <stdio.h>
#include <stdlib.h>

struct patient {
    const struct host *host;
    const struct binding *binding;
    const struct nsh_verb *verb; /* NULL: the driver only acts. */
    int64_t started_ms, elapsed_ms;
    bool failed;
    char *text;
};

struct doctor {
    struct shell_request *request;
    struct generation *generation;
    uint64_t number;
    struct patient *patients;
    size_t count, next, running, failures;
};

/* What only reads and needs no argument; what shows that the credentials are good comes first. */
static const struct nsh_verb *reading_verb(const struct nsh_driver *driver)
{
    const struct nsh_verb *verb = driver_verb(driver, "power.status");
    for (size_t i = 0; verb == NULL && i < driver->verbs_count; i++) {
        bool wants = false;
        for (size_t a = 0; a < driver->verbs[i].args_count; a++) {
            wants = wants || (driver->verbs[i].args[a].flags & NSH_REQUIRED) != 0;
        }
        verb = driver->verbs[i].effect == NSH_READS && !wants ? &driver->verbs[i] : NULL;
    }
    return verb;
}

static void patient_end(struct doctor *doctor, struct patient *patient, int code, const char *text)
{
    patient->failed = code != NSH_OK;
    doctor->failures += patient->failed;
    CLEANUP(textbuf_donep) struct textbuf words = {0};
    textbuf_addf(&words, "%s%s%s", patient->failed ? nsh_code_word(code) : "",
                 patient->failed && text[0] != '\0' ? ": " : "", text);
    patient->text = words.at == NULL ? NULL : strdup(words.at);
}

/* ---- the report ---- */

static void add_patient(struct textbuf *out, const struct patient *patient)
{
    textbuf_add_chars(out, "{\"driver\":");
    textbuf_add_json(out, text_of(patient->binding->driver));
    textbuf_add_chars(out, ",\"host\":");
    textbuf_add_json(out, text_of(patient->host->name));
    textbuf_addf(out, ",\"binding\":\"%s\",\"state\":\"%s\",\"elapsed_ms\":%lld,\"text\":",
                 binding_word(patient->binding->kind),
                 patient->verb == NULL ? "skipped"
                 : patient->failed     ? "failed"
                                       : "ok",
                 (long long)patient->elapsed_ms);
    textbuf_add_json(out, text_of(patient->text == NULL ? "" : patient->text));
    textbuf_add_char(out, '}');
}

static void doctor_free(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->count; i++) {
        free(doctor->patients[i].text);
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
    textbuf_addf(&out, "],\"failures\":%zu", doctor->failures);
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
        patient->text = strdup("this driver only acts: there is nothing to read");
        return;
    }
    snprintf(action, sizeof action, DOCTOR_PREFIX "%llu-%zu", (unsigned long long)doctor->number,
             index);
    snprintf(device, sizeof device, "%s/%s", patient->host->name,
             binding_word(patient->binding->kind));
    struct drivers_call call = {
        .action = action,
        .host = patient->host->name,
        .device = device,
        .driver = patient->binding->driver,
        .verb = patient->verb->name,
        .settings = &patient->binding->settings,
    };
    patient->started_ms = shell_now(shell);
    int result = drivers_start(shell->drivers, &call, &err);
    if (result < 0) {
        patient_end(doctor, patient, -result, err.text);
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
    CLEANUP(textbuf_donep) struct textbuf words = {0};
    if (outcome->code == NSH_OK && outcome->result != NULL) {
        json_write(outcome->result, &words);
    } else {
        textbuf_add_chars(&words, outcome->text == NULL ? "" : outcome->text);
    }
    patient_end(doctor, patient, outcome->code, words.at == NULL ? "" : words.at);
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

static bool doctor_wants(const struct binding *binding, const char *id)
{
    return id[0] == '\0' || strcmp(id, "all") == 0 || strcmp(id, binding->driver) == 0;
}

static void doctor_fill(struct shell *shell, struct doctor *doctor, const char *id)
{
    const struct inventory *inventory = doctor->generation->inventory;
    for (size_t h = 0; h < inventory->hosts_count; h++) {
        const struct host *host = &inventory->hosts[h];
        for (size_t b = 0; b < host->bindings_count; b++) {
            const struct binding *binding = &host->bindings[b];
            const struct nsh_driver *driver = drivers_find(shell->drivers, binding->driver);
            if (driver != NULL && doctor_wants(binding, id)) {
                doctor->patients[doctor->count++] = (struct patient){
                    .host = host, .binding = binding, .verb = reading_verb(driver)};
            }
        }
    }
}

void shell_doctor(struct shell *shell, struct shell_request *request)
{
    const char *id = nsh_get_text(&request->args, "id", "");
    struct nsh_error err = {0};
    bool all = id[0] == '\0' || strcmp(id, "all") == 0;
    if (!all && drivers_find(shell->drivers, id) == NULL) {
        nsh_fail(&err, NSH_NOT_FOUND, "no driver '%.64s' is installed", id);
    } else if (shell->doctor != NULL) {
        nsh_fail(&err, NSH_BUSY, "another examination is running");
    }
    struct doctor *doctor = err.code == 0 ? calloc(1, sizeof *doctor) : NULL;
    size_t hosts = shell->generation->inventory->hosts_count;
    struct patient *patients =
        doctor == NULL ? NULL : calloc(hosts * HOST_BINDINGS_MAX + 1, sizeof *patients);
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
    doctor_fill(shell, doctor, id);
    doctor_go_on(shell, doctor);
}
