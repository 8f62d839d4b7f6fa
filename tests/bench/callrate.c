/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: loop fleet
/*
 * So many calls of one host's verb through the real driver host.
 *
 *   callrate SPAWN-HELPER DRIVERS-FOLDER INVENTORY HOST VERB COUNT AT-ONCE
 *
 * One JSON line: {"calls":2000,"ok":2000,"wall_ms":..}. The time begins when the first call has
 * ended: what has to be started once is not in it. Processes are reaped before it ends, so that
 * who waits for it knows what they all cost.
 */

#include "fleet/fleet.h"
#include "loop/drivers.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REAP_MS 500

struct bench {
    struct drivers *drivers;
    struct loop *loop;
    size_t waiting, ok, failed;
};

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void ended(void *arg, const char *action, const struct nsh_outcome *outcome,
                  const char *trace)
{
    struct bench *bench = arg;
    (void)trace;
    bench->waiting--;
    uv_stop(loop_uv(bench->loop)); /* Else a turn whose timers ended the last would block. */
    bench->ok += outcome->code == NSH_OK;
    if (outcome->code != NSH_OK && bench->failed++ == 0) {
        fprintf(stderr, "callrate: %s: %s: %s\n", action, nsh_code_word(outcome->code),
                outcome->text == NULL ? "" : outcome->text);
    }
}

static void calls_run(struct bench *bench, const struct host *host, const char *verb, size_t from,
                      size_t count, size_t at_once)
{
    const struct binding *binding = host_binding(host, BINDING_BMC);
    static const struct nsh_member member = {"text", {.type = NSH_STRING, .count = 1, .text = "0"}};
    const struct nsh_value args = nsh_map(&member, 1);
    for (size_t i = from; i < from + count; i++) {
        char action[32];
        struct nsh_error err = {0};
        snprintf(action, sizeof action, "act-%06zu", i);
        while (bench->waiting >= at_once) {
            uv_run(loop_uv(bench->loop), UV_RUN_ONCE);
        }
        bench->waiting++;
        if (drivers_start(bench->drivers,
                          &(struct drivers_call){.action = action,
                                                 .host = host->name,
                                                 .device = "bench/bmc",
                                                 .driver = binding->driver,
                                                 .verb = verb,
                                                 .settings = &binding->settings,
                                                 .args = &args,
                                                 .timeout_ms = 60000},
                          &err) < 0) {
            bench->waiting--;
            bench->failed++;
            fprintf(stderr, "callrate: %s\n", err.text);
        }
    }
    while (bench->waiting > 0) {
        uv_run(loop_uv(bench->loop), UV_RUN_ONCE);
    }
}

static void over(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

static void reap(struct bench *bench)
{
    uv_timer_t timer;
    uv_timer_init(loop_uv(bench->loop), &timer);
    uv_timer_start(&timer, over, REAP_MS, 0);
    while (!uv_is_closing((uv_handle_t *)&timer)) {
        uv_run(loop_uv(bench->loop), UV_RUN_ONCE);
    }
    uv_run(loop_uv(bench->loop), UV_RUN_NOWAIT); /* It is closed. */
}

static int fail(const char *text)
{
    fprintf(stderr, "callrate: %s\n", text);
    return 2;
}

int main(int argc, char **argv)
{
    struct bench bench = {.waiting = 0};
    struct nsh_error err = {0};
    struct diags diags = {0};
    if (argc != 8) {
        return fail("usage: callrate SPAWN-HELPER DRIVERS INVENTORY HOST VERB COUNT AT-ONCE");
    }
    size_t count = strtoul(argv[6], NULL, 10), at_once = strtoul(argv[7], NULL, 10);
    if (drivers_load(argv[2], &bench.drivers, &err) < 0) {
        return fail(err.text);
    }
    struct loop_hooks hooks = drivers_hooks(bench.drivers);
    if (loop_new(&(struct loop_options){.spawn_helper = argv[1]}, &hooks, &bench.loop, &err) < 0 ||
        drivers_run(bench.drivers, bench.loop, NULL, NULL, ended, &bench, &err) < 0) {
        return fail(err.text);
    }
    struct inventory *inventory = fleet_load(argv[3], &diags);
    const struct host *host =
        inventory == NULL ? NULL : inventory_host(inventory, text_of(argv[4]));
    if (host == NULL || host_binding(host, BINDING_BMC) == NULL || count == 0 || at_once == 0) {
        return fail("no such host, or nothing to do");
    }
    calls_run(&bench, host, argv[5], 0, 1, 1);
    double begun_ms = now_ms();
    calls_run(&bench, host, argv[5], 1, count - 1, at_once);
    printf("{\"calls\":%zu,\"ok\":%zu,\"failed\":%zu,\"wall_ms\":%.3f}\n", count, bench.ok,
           bench.failed, now_ms() - begun_ms);
    drivers_stop(bench.drivers);
    while (drivers_running(bench.drivers) > 0) {
        uv_run(loop_uv(bench.loop), UV_RUN_ONCE);
    }
    reap(&bench);
    loop_free(bench.loop);
    drivers_free(bench.drivers);
    inventory_free(inventory);
    diags_done(&diags);
    return bench.failed > 0 ? 1 : 0;
}
