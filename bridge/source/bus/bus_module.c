/* SPDX-License-Identifier: Apache-2.0 */
/* Transports that bring a library of their own, loaded when they are needed. */

#include "bus_private.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES_MAX 512

/* Beside a build tree's programs, else where modules are installed. */
static void module_path(const char *name, char path[PATH_BYTES_MAX])
{
    char self[PATH_BYTES_MAX - 80];
    ssize_t count = readlink("/proc/self/exe", self, sizeof self - 1);
    self[count < 0 ? 0 : count] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL) {
        *slash = '\0';
        snprintf(path, PATH_BYTES_MAX, "%s/../sources/%s.so", self, name);
        if (access(path, R_OK) == 0) {
            return;
        }
    }
    snprintf(path, PATH_BYTES_MAX, "%s/%s.so", NS_SOURCE_DIR, name);
}

int bus_transport_load(const char *name, const struct bus_transport **ret_transport,
                       struct nsh_error *err)
{
    static const struct bus_transport *const own[] = {&bus_mqtt, &bus_nats};
    char path[PATH_BYTES_MAX];
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strcmp(own[i]->name, name) == 0) {
            *ret_transport = own[i];
            return 0;
        }
    }
    module_path(name, path);
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* For good: libraries keep threads. */
    if (module == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "cannot load %s: %s", path, dlerror());
    }
    const struct bus_transport *transport = dlsym(module, "bus_transport");
    if (transport == NULL || transport->abi != BUS_ABI || transport->size != sizeof *transport) {
        return nsh_fail(err, NSH_UNSUPPORTED, "%s is of another version of nightshift", path);
    }
    *ret_transport = transport;
    return 0;
}
