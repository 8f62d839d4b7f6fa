/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: loop fleet
/*
 * Power status of every host of an inventory through the real driver host: cold once, then warm.
 *
 *   fanout SPAWN-HELPER DRIVERS-FOLDER INVENTORY DRIVER CREDENTIALS-FOLDER [WARM-ROUNDS [AT-ONCE]]
 *
 * One JSON line a round, the last one after a pause ("idle", with what is held then, and
 * "descriptors": the connections that are kept, and a few):
 * {"round":"cold","hosts":1000,"ok":1000,"failed":0,"wall_ms":..,"cpu_ms":..,"rss_kib":..}
 */

#include "fleet/fleet.h"
#include "loop/drivers.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define IDLE_MS 4000

struct bench {
    struct drivers *drivers;
    struct loop *loop;
    size_t waiting, ok, failed;
    size_t at_once; /* So many calls under way, at most. */
    const char *folder;
    char first_failure[256];
};

static double now_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int secret_of(void *arg, const char *reference, struct arena *arena, const char **ret_secret,
                     struct nsh_error *err)
{
    const struct bench *bench = arg;
    return fleet_secret(reference, bench->folder, true, arena, ret_secret, err);
}

static void ended(void *arg, const char *action, const struct nsh_outcome *outcome,
                  const char *trace)
{
    struct bench *bench = arg;
    (void)trace;
    bench->waiting--;
    if (bench->waiting == 0 || bench->waiting == bench->at_once - 1) {
        uv_stop(
            loop_uv(bench->loop)); /* Else a turn whose timers ended the last call would block. */
    }
    if (outcome->code == NSH_OK) {
        bench->ok++;
        return;
    }
    if (bench->failed++ == 0) {
        snprintf(bench->first_failure, sizeof bench->first_failure, "%s: %s", action,
                 outcome->text == NULL ? "" : outcome->text);
    }
}

static long rss_kib(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident) != 2) {
        resident = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return resident * 4;
}

static size_t descriptors_count(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL) {
        count++;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count;
}

static int round_run(struct bench *bench, const struct inventory *inventory, const char *driver,
                     const char *name, unsigned number)
{
    double wall = now_ms(CLOCK_MONOTONIC), cpu = now_ms(CLOCK_PROCESS_CPUTIME_ID);
    size_t hosts = 0;
    struct nsh_value nothing = {.type = NSH_MAP};
    bench->ok = bench->failed = 0;
    for (size_t i = 0; i < inventory->hosts_count; i++) {
        const struct host *host = &inventory->hosts[i];
        const struct binding *binding = host_binding(host, BINDING_BMC);
        if (binding == NULL || strcmp(binding->driver, driver) != 0) {
            continue;
        }
        char action[96], device[96];
        snprintf(action, sizeof action, "%s-%u", host->name, number);
        snprintf(device, sizeof device, "%s/bmc", host->name);
        struct nsh_error err = {0};
        while (bench->waiting >= bench->at_once) {
            uv_run(loop_uv(bench->loop), UV_RUN_ONCE);
        }
        hosts++;
        bench->waiting++;
        if (drivers_start(bench->drivers,
                          &(struct drivers_call){.action = action,
                                                 .host = host->name,
                                                 .device = device,
                                                 .driver = driver,
                                                 .verb = "power.status",
                                                 .settings = &binding->settings,
                                                 .args = &nothing,
                                                 .timeout_ms = 60000},
                          &err) < 0) {
            bench->waiting--;
            bench->failed++;
            snprintf(bench->first_failure, sizeof bench->first_failure, "%s: %.200s", action,
                     err.text);
        }
    }
    while (bench->waiting > 0) {
        uv_run(loop_uv(bench->loop), UV_RUN_ONCE);
    }
    printf("{\"round\":\"%s\",\"hosts\":%zu,\"ok\":%zu,\"failed\":%zu,\"wall_ms\":%.1f,\"cpu_ms\":%"
           ".1f,\"rss_kib\":%ld}\n",
           name, hosts, bench->ok, bench->failed, now_ms(CLOCK_MONOTONIC) - wall,
           now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu, rss_kib());
    fflush(stdout);
    if (bench->failed > 0) {
        fprintf(stderr, "%zu failed, the first: %s\n", bench->failed, bench->first_failure);
    }
    return bench->failed > 0 ? 1 : 0;
}

static void idle_over(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

/* What is held while nothing is asked, once what a burst left was given back. */
static void idle_look(struct bench *bench, const struct inventory *inventory)
{
    uv_timer_t timer;
    uv_timer_init(loop_uv(bench->loop), &timer);
    uv_timer_start(&timer, idle_over, IDLE_MS, 0);
    while (!uv_is_closing((uv_handle_t *)&timer)) {
        uv_run(loop_uv(bench->loop), UV_RUN_ONCE);
    }
    uv_run(loop_uv(bench->loop), UV_RUN_NOWAIT); /* It is closed. */
    printf("{\"round\":\"idle\",\"hosts\":%zu,\"ok\":%zu,\"rss_kib\":%ld,\"descriptors\":%zu}\n",
           inventory->hosts_count, bench->ok, rss_kib(), descriptors_count());
    fflush(stdout);
}

static int fail(const struct nsh_error *err)
{
    fprintf(stderr, "fanout: %s\n", err->text);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(
            stderr,
            "usage: %s SPAWN-HELPER DRIVERS INVENTORY DRIVER CREDENTIALS [WARM-ROUNDS [AT-ONCE]]\n",
            argv[0]);
        return 2;
    }
    struct bench bench = {.folder = argv[5]};
    struct nsh_error err = {0};
    struct diags diags = {0};
    /* As the daemon does: every connection is a descriptor. */
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (drivers_load(argv[2], &bench.drivers, &err) < 0) {
        return fail(&err);
    }
    struct loop_hooks hooks = drivers_hooks(bench.drivers);
    if (loop_new(&(struct loop_options){.spawn_helper = argv[1]}, &hooks, &bench.loop, &err) < 0 ||
        drivers_run(bench.drivers, bench.loop, secret_of, &bench, ended, &bench, &err) < 0) {
        return fail(&err);
    }
    struct inventory *inventory = fleet_load(argv[3], &diags);
    if (inventory == NULL) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(&diags, NULL, false, &out);
        fprintf(stderr, "%s", out.at == NULL ? "" : out.at);
        return 2;
    }
    bench.at_once = argc > 7 ? strtoul(argv[7], NULL, 10) : 0;
    bench.at_once = bench.at_once == 0 ? SIZE_MAX : bench.at_once;
    int result = round_run(&bench, inventory, argv[4], "cold", 0);
    unsigned rounds = argc > 6 ? (unsigned)strtoul(argv[6], NULL, 10) : 3;
    for (unsigned i = 1; i <= rounds; i++) {
        result |= round_run(&bench, inventory, argv[4], "warm", i);
    }
    idle_look(&bench, inventory);
    drivers_stop(bench.drivers);
    while (drivers_running(bench.drivers) > 0) {
        uv_run(loop_uv(bench.loop), UV_RUN_ONCE);
    }
    loop_free(bench.loop);
    drivers_free(bench.drivers);
    inventory_free(inventory);
    diags_done(&diags);
    return result;
}
