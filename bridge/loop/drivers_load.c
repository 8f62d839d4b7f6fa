/* SPDX-License-Identifier: Apache-2.0 */
/* Modules: every *.so of a folder, its table checked before anything of it runs. */

#include "base/assert.h"
#include "loop/drivers_private.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define VERBS_COUNT_MAX 64 /* Of one driver. */

static bool named_below(const char *driver, const char *verb)
{
    size_t bytes = strlen(driver);
    return strncmp(verb, driver, bytes) == 0 && verb[bytes] == '.' && verb[bytes + 1] != 0;
}

static int verb_check(const struct nsh_driver *driver, const struct nsh_verb *verb,
                      struct nsh_error *err)
{
    if (verb->name == NULL || verb->help == NULL || verb->timeout_ms_default == 0) {
        return nsh_fail(err, NSH_INVALID, "a verb without name, help or default time-out");
    }
    const struct verb *known = verb_find(text_of(verb->name));
    if (known == NULL && !named_below(driver->name, verb->name)) {
        return nsh_fail(err, NSH_INVALID,
                        "verb %s is not in the vocabulary; its own would be %s.NAME", verb->name,
                        driver->name);
    }
    if (known != NULL && verb->effect < known->effect) {
        return nsh_fail(err, NSH_INVALID, "verb %s declares the effect %s, the vocabulary %s",
                        verb->name, effect_word(verb->effect), effect_word(known->effect));
    }
    /* A verb of the vocabulary may be proven by another binding of the host: its BMC tells. */
    bool elsewhere = known != NULL && known->verify != NULL && verb->verify != NULL &&
                     strcmp(known->verify, verb->verify) == 0;
    const char *others[] = {verb->verify, verb->undo};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (others[i] != NULL && driver_verb(driver, others[i]) == NULL && !(i == 0 && elsewhere)) {
            return nsh_fail(err, NSH_INVALID, "verb %s names %s, which the driver has not",
                            verb->name, others[i]);
        }
    }
    const struct nsh_verb *proves = verb->verify == NULL ? NULL : driver_verb(driver, verb->verify);
    if (proves != NULL && proves->effect != NSH_READS) {
        return nsh_fail(err, NSH_INVALID, "verb %s: %s, which verifies it, does not only read",
                        verb->name, verb->verify);
    }
    if (options_table_check(verb->args, verb->args_count, err) < 0) {
        return nsh_wrap(err, "verb %s", verb->name);
    }
    return 0;
}

static int driver_check(const struct drivers *drivers, const struct nsh_driver *driver,
                        struct nsh_error *err)
{
    if (driver->abi != NSH_ABI || driver->size != sizeof(struct nsh_driver)) {
        return nsh_fail(err, NSH_INVALID,
                        "driver ABI %u of %u bytes, this nightshift has %u of %zu", driver->abi,
                        driver->size, NSH_ABI, sizeof(struct nsh_driver));
    }
    if (driver->name == NULL || driver->name[0] == 0 || driver->version == NULL ||
        driver->summary == NULL || driver->open == NULL || driver->start == NULL ||
        driver->cancel == NULL || driver->close == NULL) {
        return nsh_fail(err, NSH_INVALID, "the table lacks a name, summary or function");
    }
    if (drivers_find(drivers, driver->name) != NULL) {
        return nsh_fail(err, NSH_EXISTS, "another module has the name %s", driver->name);
    }
    if (driver->verbs_count == 0 || driver->verbs_count > VERBS_COUNT_MAX) {
        return nsh_fail(err, NSH_INVALID, "%zu verbs, must be 1 to %d", driver->verbs_count,
                        VERBS_COUNT_MAX);
    }
    int result = options_table_check(driver->options, driver->options_count, err);
    for (size_t i = 0; result == 0 && i < driver->verbs_count; i++) {
        result = verb_check(driver, &driver->verbs[i], err);
    }
    return result;
}

/* A leak found at the end of the program can only be told by name while the module is there. */
#ifdef NS_SANITIZED
#define MODULE_STAYS RTLD_NODELETE
#else
#define MODULE_STAYS 0
#endif

static int module_load(struct drivers *drivers, const char *path, struct nsh_error *err)
{
    if (drivers->modules_count == DRIVERS_COUNT_MAX) {
        return nsh_fail(err, NSH_LIMIT, "more than %d drivers", DRIVERS_COUNT_MAX);
    }
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | MODULE_STAYS);
    if (handle == NULL) {
        return nsh_fail(err, NSH_INVALID, "%s", dlerror());
    }
    const struct nsh_driver *driver = dlsym(handle, NSH_DRIVER_SYMBOL);
    int result = driver == NULL ? nsh_fail(err, NSH_INVALID, "it exports no %s", NSH_DRIVER_SYMBOL)
                                : driver_check(drivers, driver, err);
    if (result < 0) {
        nsh_wrap(err, "%s", path);
        dlclose(handle);
        return result;
    }
    drivers->modules[drivers->modules_count++] = (struct module){handle, driver};
    return 0;
}

static int is_module(const struct dirent *entry)
{
    size_t bytes = strlen(entry->d_name);
    return entry->d_name[0] != '.' && bytes > 3 && strcmp(entry->d_name + bytes - 3, ".so") == 0;
}

int drivers_load(const char *folder, struct drivers **ret_drivers, struct nsh_error *err)
{
    struct drivers *drivers = calloc(1, sizeof *drivers);
    if (drivers == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_module, alphasort);
    int result = count < 0 ? nsh_fail(err, NSH_IO, "drivers folder %s: %m", folder) : 0;
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (result == 0) {
            result = module_load(drivers, path, err);
        }
        free(entries[i]);
    }
    free(entries);
    if (result < 0) {
        drivers_free(drivers);
        return result;
    }
    drivers->agents = agents_new(drivers_find(drivers, "exec"));
    *ret_drivers = drivers;
    return 0;
}

void drivers_free(struct drivers *drivers)
{
    if (drivers == NULL) {
        return;
    }
    NSH_ASSERT(drivers->calls.count == 0);
    for (size_t i = 0; i < drivers->modules_count && drivers->devices_open == 0; i++) {
        dlclose(drivers->modules[i].handle); /* A device that never let go keeps its code. */
    }
    if (drivers->devices_open == 0) {
        agents_free(drivers->agents);
    }
    map_done(&drivers->devices);
    map_done(&drivers->calls);
    free(drivers);
}

static const struct nsh_driver *module_find(const struct drivers *drivers, const char *name)
{
    for (size_t i = 0; i < drivers->modules_count; i++) {
        if (strcmp(drivers->modules[i].driver->name, name) == 0) {
            return drivers->modules[i].driver;
        }
    }
    return NULL;
}

const struct nsh_driver *drivers_find(const struct drivers *drivers, const char *name)
{
    const struct nsh_driver *module = module_find(drivers, name);
    return module != NULL ? module : agents_find(drivers->agents, name);
}

const struct nsh_driver *drivers_learn(const struct drivers *drivers, const char *name)
{
    const struct nsh_driver *module = module_find(drivers, name);
    return module != NULL ? module : agents_learn(drivers->agents, name);
}

bool drivers_installed(const struct drivers *drivers, const char *name)
{
    return module_find(drivers, name) != NULL || agents_installed(drivers->agents, name);
}

void drivers_agents_each(const struct drivers *drivers,
                         void (*each)(void *arg, const char *name, const struct nsh_driver *known),
                         void *arg)
{
    agents_each(drivers->agents, each, arg);
}

const struct nsh_driver *drivers_at(const struct drivers *drivers, size_t index)
{
    return index < drivers->modules_count ? drivers->modules[index].driver : NULL;
}

const struct nsh_verb *driver_verb(const struct nsh_driver *driver, const char *name)
{
    for (size_t i = 0; i < driver->verbs_count; i++) {
        if (strcmp(driver->verbs[i].name, name) == 0) {
            return &driver->verbs[i];
        }
    }
    return NULL;
}

bool driver_takes_functions(const struct nsh_driver *driver)
{
    bool any = false;
    for (size_t i = 0; i < driver->verbs_count; i++) {
        any = any || ((driver->verbs[i].flags & (NSH_ANY_ARGS | NSH_NOTIFIES)) == NSH_ANY_ARGS);
    }
    return any;
}

const struct verb *drivers_verbs(const struct drivers *drivers, struct arena *arena,
                                 size_t *ret_count)
{
    size_t count = 0, room = 0;
    for (size_t i = 0; i < drivers->modules_count; i++) {
        room += drivers->modules[i].driver->verbs_count;
    }
    struct verb *verbs = arena_array(arena, room + 1, sizeof *verbs);
    for (size_t i = 0; verbs != NULL && i < drivers->modules_count; i++) {
        const struct nsh_driver *driver = drivers->modules[i].driver;
        for (size_t v = 0; v < driver->verbs_count; v++) {
            const struct nsh_verb *verb = &driver->verbs[v];
            if (verb_find(text_of(verb->name)) != NULL) {
                continue;
            }
            verbs[count++] = (struct verb){
                .name = verb->name,
                .effect = verb->effect,
                .binding = (verb->flags & NSH_NOTIFIES) != 0 ? BINDING_NONE : BINDING_BMC,
                .verify = verb->verify,
                .proof = verb->proof,
                .driver = driver->name,
                .help = verb->help,
            };
        }
    }
    *ret_count = count;
    return verbs;
}
