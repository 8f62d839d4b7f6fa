/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: loop
/*
 * contract MODULE.so DRIVER-FOLDER [PEER.so]: check the module's table, compare its description
 * with DRIVER-FOLDER/NAME.golden (NSH_ACCEPT=1 rewrites it), and run every device of
 * DRIVER-FOLDER/NAME.peer.json.
 */

#include "base/json.h"
#include "contract.h"
#include "loop/drivers.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX (1 << 20)

static char *file_read(const char *path, size_t *ret_count)
{
    FILE *file = fopen(path, "rb");
    char *bytes = file == NULL ? NULL : malloc(FILE_BYTES_MAX);
    if (bytes != NULL) {
        *ret_count = fread(bytes, 1, FILE_BYTES_MAX - 1, file);
        bytes[*ret_count] = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return bytes;
}

/* Through the driver host's own door: a folder with a link to the module. */
static char temporary[] = "/tmp/contract-XXXXXX", link_path[64];

static struct drivers *module_load(const char *module)
{
    struct nsh_error err = {0};
    struct drivers *drivers = NULL;
    if (mkdtemp(temporary) == NULL) {
        return NULL;
    }
    char *path = realpath(module, NULL);
    snprintf(link_path, sizeof link_path, "%s/driver.so", temporary);
    if (path == NULL || symlink(path, link_path) < 0 ||
        drivers_load(temporary, &drivers, &err) < 0) {
        printf("%s: %s\n", module, err.text);
        drivers = NULL;
    }
    free(path);
    return drivers;
}

static unsigned golden_check(const struct nsh_driver *driver, const char *folder)
{
    char path[512];
    struct textbuf text = {0};
    size_t count = 0;
    snprintf(path, sizeof path, "%s/%s.golden", folder, driver->name);
    table_describe(driver, &text);
    if (getenv("NSH_ACCEPT") != NULL) {
        FILE *file = fopen(path, "wb");
        if (file != NULL) {
            fwrite(text.at, 1, text.count, file);
            fclose(file);
        }
    }
    char *golden = file_read(path, &count);
    unsigned bad = golden == NULL || strcmp(golden, text.at) != 0;
    if (bad != 0) {
        printf("%s is not what the table says (NSH_ACCEPT=1 rewrites it):\n%s", path, text.at);
    }
    free(golden);
    textbuf_done(&text);
    return bad;
}

static int marker_of(void *arg, const char *reference, struct arena *arena, const char **ret_secret,
                     struct nsh_error *err)
{
    /* A secret of a form of its own has a '*' where the marker goes. */
    const char *star = strchr(reference, '*');
    *ret_secret = CONTRACT_MARKER;
    if (star != NULL) {
        bool *secret_url = arg;
        *secret_url = *secret_url || strstr(reference, "://") != NULL;
        *ret_secret = arena_printf(arena, "%.*s" CONTRACT_MARKER "%s", (int)(star - reference),
                                   reference, star + 1);
    }
    return 0;
}

static unsigned device_run(const struct nsh_driver *driver, const struct nsh_value *device,
                           const struct contract_peer *peer)
{
    struct arena arena = ARENA_INIT;
    struct nsh_error err;
    struct subject subject = {.driver = driver,
                              .device = device,
                              .datagrams = nsh_get_bool(device, "datagrams", false) ? peer : NULL,
                              .streams = nsh_get_bool(device, "streams", false) ? peer : NULL,
                              .name = nsh_get_text(device, "name", "?")};
    unsigned bad = 1;
    if (options_check(driver->options, driver->options_count, nsh_get(device, "settings"),
                      marker_of, &subject.secret_url, &arena, &subject.settings, &err) < 0) {
        printf("%s: settings: %s\n", subject.name, err.text);
    } else {
        bad = sweep_subject(&subject);
    }
    arena_done(&arena);
    return bad;
}

/* Every verb of the table is described by a device. */
static unsigned coverage_check(const struct nsh_driver *driver, const struct nsh_value *devices)
{
    unsigned bad = 0;
    for (size_t v = 0; v < driver->verbs_count; v++) {
        bool found = false;
        for (uint32_t i = 0; i < devices->count; i++) {
            found = found ||
                    nsh_get(nsh_get(&devices->items[i], "verbs"), driver->verbs[v].name) != NULL;
        }
        if (!found) {
            printf("%s: no device of its peer file runs %s\n", driver->name, driver->verbs[v].name);
            bad++;
        }
    }
    return bad;
}

static unsigned peers_run(const struct nsh_driver *driver, const char *folder,
                          const struct contract_peer *peer)
{
    char path[512];
    struct arena arena = ARENA_INIT;
    struct nsh_value file;
    struct nsh_error err = {0};
    size_t count = 0;
    unsigned bad = 0;
    snprintf(path, sizeof path, "%s/%s.peer.json", folder, driver->name);
    char *bytes = file_read(path, &count);
    if (bytes == NULL || json_parse(bytes, count, &arena, &file, &err) < 0) {
        printf("%s: %s\n", path, bytes == NULL ? "a driver says what its peer answers" : err.text);
        free(bytes);
        arena_done(&arena);
        return 1;
    }
    const struct nsh_value *devices = nsh_get(&file, "devices"), *spares = nsh_get(&file, "spares");
    for (uint32_t i = 0; spares != NULL && i < spares->count; i++) {
        alloc_spare(spares->items[i].text);
    }
    for (uint32_t i = 0; devices != NULL && i < devices->count; i++) {
        bad += device_run(driver, &devices->items[i], peer);
    }
    bad += devices == NULL ? 1 : coverage_check(driver, devices);
    run_remember_clean(NULL);
    free(bytes);
    arena_done(&arena);
    return bad;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: contract MODULE.so DRIVER-FOLDER [PEER.so]\n");
        return 2;
    }
    struct drivers *drivers = module_load(argv[1]);
    void *peer = argc > 3 ? dlopen(argv[3], RTLD_NOW) : NULL;
    if (drivers == NULL || (argc > 3 && peer == NULL)) {
        printf("%s\n", drivers == NULL ? "the module does not load" : dlerror());
        return 1;
    }
    const struct nsh_driver *driver = drivers_at(drivers, 0);
    unsigned bad = table_check(driver);
    bad += golden_check(driver, argv[2]);
    bad += peers_run(driver, argv[2], peer == NULL ? NULL : dlsym(peer, "contract_peer"));
    printf("%s: %s\n", driver->name, bad == 0 ? "keeps the contract" : "breaks the contract");
    fflush(stdout); /* Before the sanitizer's leak check, which does not. */
    drivers_free(drivers);
    unlink(link_path); /* It stayed for the sanitizer's symbols. */
    rmdir(temporary);
    if (peer != NULL) {
        dlclose(peer);
    }
    return bad == 0 ? 0 : 1;
}
