/* SPDX-License-Identifier: Apache-2.0 */
#include "generation.h"

#include "base/assert.h"
#include "fleet/fleet.h"
#include "source/syslog/syslog_patterns.h"
#include "source/trap/trap_access.h"
#include "source/trap/trap_table.h"

#include <stdlib.h>
#include <unistd.h>

#define BINDING_MISTAKES_MAX 20 /* Hosts are alike: what is wrong with one is wrong with many. */

static void tell(struct diags *diags, struct nsh_place at, const struct nsh_error *err)
{
    if (err->file[0] != '\0') {
        at = (struct nsh_place){err->file, err->line, err->column, err->length};
    }
    diag_add(diags, DIAG_ERROR, at, NULL, "%s", err->text);
}

/* ---- services and bindings against their drivers ---- */

static void check_service(const struct config *config, const struct drivers *drivers,
                          const char *name, const struct config_service *service,
                          struct diags *diags)
{
    struct nsh_error err = {0};
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value checked;
    if (service->driver == NULL) {
        return;
    }
    const struct nsh_driver *driver = drivers_learn(drivers, service->driver);
    if (driver == NULL) {
        diag_add(diags, DIAG_ERROR, service->at, NULL, "no driver '%.64s' is installed in %s",
                 service->driver, config->drivers);
    } else if (options_check(driver->options, driver->options_count, &service->settings, NULL, NULL,
                             &arena, &checked, &err) < 0) {
        diag_add(diags, DIAG_ERROR, service->at, NULL, "%s: driver %s: %s", name, driver->name,
                 err.text);
    } else if (driver_verb(driver, name) == NULL) {
        diag_add(diags, DIAG_ERROR, service->at, NULL, "driver %s has no verb '%s'", driver->name,
                 name);
    }
}

static void check_services(const struct config *config, const struct drivers *drivers,
                           struct diags *diags)
{
    check_service(config, drivers, "page", &config->pager, diags);
    check_service(config, drivers, "notify", &config->notify, diags);
    check_service(config, drivers, "ticket", &config->ticket, diags);
    for (size_t i = 0; i < config->receivers.count; i++) {
        check_service(config, drivers, "notify", &config->receivers.items[i].service, diags);
    }
    if (config->pager.driver == NULL) {
        diag_add(diags, DIAG_WARNING, (struct nsh_place){.file = config->file},
                 "pager = { driver = \"page\"; url = \"https://...\"; };",
                 "no pager is configured: where a ladder ends, nobody is woken");
    }
}

/* ---- functions against the drivers that carry them out ---- */

static int function_check(const struct drivers *drivers, const struct policy_declared *function,
                          struct arena *arena, struct nsh_error *err)
{
    struct nsh_value checked;
    const struct nsh_driver *driver = drivers_learn(drivers, function->driver);
    if (driver == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "no driver '%.64s' is installed", function->driver);
    }
    if (!driver_takes_functions(driver)) {
        return nsh_fail(
            err, NSH_INVALID,
            "driver %s has verbs of its own and runs no functions: exec and function do",
            driver->name);
    }
    int result = options_table_check(function->verb.args, function->verb.args_count, err) < 0
                     ? nsh_wrap(err, "params")
                     : options_check(driver->options, driver->options_count, &function->settings,
                                     NULL, NULL, arena, &checked, err);
    return result < 0 ? nsh_wrap(err, "function %s", function->verb.name) : 0;
}

static void check_functions(const struct config *config, const struct drivers *drivers,
                            struct diags *diags)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    for (size_t i = 0; i < config->policy.functions_count; i++) {
        const struct policy_declared *function = &config->policy.functions[i];
        struct nsh_error err = {0};
        if (function_check(drivers, function, &arena, &err) < 0) {
            diag_add(diags, DIAG_ERROR, function->at, NULL, "%s", err.text);
        }
    }
}

/* Whom a step tells, when that is known now: "" for the service of its verb, NULL for nobody. */
static const char *addressee(const struct policy_step *step)
{
    if (step->verb == NULL || step->verb->binding != BINDING_NONE) {
        return NULL;
    }
    for (size_t i = 0; i < step->with_count; i++) {
        const struct policy_template *with = &step->with[i];
        if (strcmp(with->name, "to") == 0) {
            bool known = with->pieces_count == 0 && with->literal.type == NSH_STRING;
            return known ? with->literal.text : NULL;
        }
    }
    return "";
}

/* A step that tells somebody who is not there, or cannot hear it, would fail in the night. */
static void check_addressees(const struct config *config, const struct drivers *drivers,
                             const struct policy_step *steps, size_t count, struct diags *diags)
{
    for (size_t i = 0; i < count; i++) {
        const char *to = addressee(&steps[i]);
        bool resolves = to != NULL && strcmp(steps[i].verb->name, "resolve") == 0;
        const struct config_receiver *receiver = to == NULL ? NULL : config_receiver(config, to);
        const char *name = receiver == NULL ? config->pager.driver : receiver->service.driver;
        const struct nsh_driver *driver =
            !resolves || name == NULL ? NULL : drivers_learn(drivers, name);
        if (to != NULL && to[0] != '\0' && receiver == NULL) {
            diag_add(diags, DIAG_ERROR, steps[i].at, NULL,
                     "no receiver '%.64s': see `receivers` in %s", to, config->file);
        } else if (driver != NULL && driver_verb(driver, "resolve") == NULL) {
            diag_add(diags, DIAG_ERROR, steps[i].at, "to = \"NAME\", or a pager that has it",
                     "%s, which is told here, cannot close anything: driver %s has no verb "
                     "'resolve'",
                     to[0] == '\0' ? "the pager" : to, driver->name);
        }
    }
}

static void check_receivers_named(const struct config *config, const struct drivers *drivers,
                                  const struct policy_set *set, struct diags *diags)
{
    for (size_t i = 0; set != NULL && i < set->policies_count; i++) {
        const struct policy *policy = &set->policies[i];
        check_addressees(config, drivers, policy->steps, policy->steps_count, diags);
        check_addressees(config, drivers, policy->otherwise, policy->otherwise_count, diags);
    }
}

/* What is wrong with a binding, or an empty text. */
static void binding_mistake(const struct drivers *drivers, const struct binding *binding,
                            struct arena *arena, struct nsh_error *err)
{
    struct nsh_value checked;
    const struct nsh_driver *driver = drivers_learn(drivers, binding->driver);
    if (driver == NULL) {
        nsh_fail(err, NSH_NOT_FOUND, "no driver '%.64s' is installed", binding->driver);
    } else {
        options_check(driver->options, driver->options_count, &binding->settings, NULL, NULL, arena,
                      &checked, err);
    }
}

static void check_bindings(const struct inventory *inventory, const struct drivers *drivers,
                           const char *file, struct diags *diags)
{
    unsigned mistakes = 0;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    for (size_t h = 0; h < inventory->hosts_count && mistakes < BINDING_MISTAKES_MAX; h++) {
        const struct host *host = &inventory->hosts[h];
        for (size_t b = 0; b < host->bindings_count; b++) {
            struct nsh_error err = {0};
            binding_mistake(drivers, &host->bindings[b], &arena, &err);
            if (err.code != 0) {
                mistakes++;
                diag_add(diags, DIAG_ERROR, (struct nsh_place){.file = file}, NULL, "%s: %s: %s",
                         host->name, binding_word(host->bindings[b].kind), err.text);
            }
        }
        arena_reset(&arena);
    }
}

/* ---- what receivers would refuse ---- */

static void check_engine(const struct config *config, struct diags *diags)
{
    uint8_t id[TRAP_ENGINE_BYTES_MAX];
    size_t count = 0;
    if (config->snmp_engine[0] != '\0' && !config_engine_id(config->snmp_engine, id, &count)) {
        diag_add(diags, DIAG_ERROR, (struct nsh_place){.file = config->file},
                 "\"0x80001f8804...\": 5 to 32 bytes",
                 "snmp.engine is no SNMP engine id: \"%.80s\"", config->snmp_engine);
    }
}

static void check_traps(const struct config *config, struct diags *diags)
{
    struct nsh_error err = {0};
    struct trap_tables *tables = NULL;
    size_t errors = diags->errors_count;
    bool wanted = config->snmp_listen.count > 0 || access(config->traps, F_OK) == 0;
    if (!wanted) {
        return; /* No traps, no tables: fine. */
    }
    if (trap_tables_read(config->traps, diags, &tables, &err) == 0) {
        trap_tables_free(tables);
    } else if (diags->errors_count == errors) {
        tell(diags, (struct nsh_place){.file = config->traps}, &err);
    }
    for (size_t i = 0; i < config->snmp_listen.count; i++) {
        struct sockaddr_storage address;
        socklen_t bytes = 0;
        if (trap_listen_parse(config->snmp_listen.items[i], &address, &bytes, &err) < 0) {
            tell(diags, config->snmp_listen.places[i], &err);
        }
    }
    struct trap_access *allowed = calloc(1, sizeof *allowed);
    for (size_t i = 0; allowed != NULL && i < config->snmp_sources.count; i++) {
        if (trap_access_allow(allowed, config->snmp_sources.items[i], &err) < 0) {
            tell(diags, config->snmp_sources.places[i], &err);
        }
    }
    free(allowed);
    check_engine(config, diags);
}

static void check_users(struct config *config, struct diags *diags)
{
    for (size_t i = 0; i < config->snmp_users.count; i++) {
        struct nsh_error err = {0};
        struct trap_decoder *decoder = NULL;
        struct trap_user user;
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        if (config_user_resolve(config, i, &arena, &user, &err) < 0 ||
            trap_decoder_new(&user, 1, NULL, &decoder, &err) < 0) {
            tell(diags, config->snmp_users.places[i], &err);
        }
        trap_decoder_free(decoder);
    }
}

/* ---- all together ---- */

struct generation *generation_load(struct config *config, const struct drivers *drivers, bool deep,
                                   struct diags *diags)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct generation *generation = calloc(1, sizeof *generation);
    if (generation == NULL) {
        diag_add(diags, DIAG_ERROR, (struct nsh_place){0}, NULL, "out of memory");
        config_free(config);
        return NULL;
    }
    size_t verbs_count = 0;
    const struct verb *verbs = drivers_verbs(drivers, &arena, &verbs_count);
    generation->refs = 1;
    generation->config = config;
    generation->inventory = fleet_load(config->inventory, diags);
    generation->policies =
        policy_load(config->policies, &config->policy, verbs, verbs_count, diags);
    check_services(config, drivers, diags);
    check_functions(config, drivers, diags);
    check_receivers_named(config, drivers, generation->policies, diags);
    check_traps(config, diags);
    generation_read_syslog(generation, diags);
    if (generation->inventory != NULL) {
        if (!generation_tell_identity(generation->inventory, drivers)) {
            diag_add(diags, DIAG_ERROR, (struct nsh_place){0}, NULL, "out of memory");
        }
        check_bindings(generation->inventory, drivers, config->inventory, diags);
    }
    if (deep) {
        check_users(config, diags);
    }
    if (diags->errors_count > 0 || generation->inventory == NULL || generation->policies == NULL) {
        generation_unref(generation);
        return NULL;
    }
    return generation;
}

struct generation *generation_ref(struct generation *generation)
{
    generation->refs++;
    return generation;
}

void generation_unref(struct generation *generation)
{
    if (generation == NULL) {
        return;
    }
    NSH_ASSERT(generation->refs > 0);
    if (--generation->refs > 0) {
        return;
    }
    if (generation->policies != NULL) {
        policy_set_free(generation->policies);
    }
    syslog_patterns_free(generation->syslog_patterns);
    inventory_free(generation->inventory);
    config_free(generation->config);
    free(generation);
}

size_t generation_check(const char *file, bool color, struct textbuf *out)
{
    struct diags diags = {0};
    struct drivers *drivers = NULL;
    struct nsh_error err = {0};
    struct config *config = config_load(file, &diags);
    if (config != NULL && drivers_load(config->drivers, &drivers, &err) < 0) {
        diag_add(&diags, DIAG_ERROR, (struct nsh_place){.file = file}, NULL, "drivers: %s",
                 err.text);
        config_free(config);
        config = NULL;
    }
    if (config != NULL) {
        struct generation *generation = generation_load(config, drivers, true, &diags);
        if (generation != NULL) {
            textbuf_addf(out, "%s: %zu hosts, %zu policies: no errors\n", file,
                         generation->inventory->hosts_count, generation->policies->policies_count);
        }
        generation_unref(generation);
    }
    diags_print(&diags, NULL, color, out);
    size_t errors = diags.errors_count;
    textbuf_addf(out, "%zu error%s, %zu warning%s\n", errors, PLURAL(errors), diags.warnings_count,
                 PLURAL(diags.warnings_count));
    diags_done(&diags);
    if (drivers != NULL) {
        drivers_free(drivers);
    }
    return errors;
}
