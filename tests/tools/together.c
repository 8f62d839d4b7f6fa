/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: loop fleet
/*
 * Calls drivers of many kinds side by side, through the real driver host, and tells how long the
 * calls took: what one peer does to the others' calls.
 *
 *   together SPAWN-HELPER DRIVERS-FOLDER INVENTORY CREDENTIALS-FOLDER DRIVER=VERB...
 *
 * Each host has one binding, whose driver is asked the verb named for it; a host's rack is its
 * group. Lines of stdin:
 *
 *   phase NAME MS PERIOD-MS [HUNG-GROUP]   each host is asked every PERIOD-MS for MS; a call that
 *                                          still runs is waited for first. Of the hung group calls
 *                                          last HUNG_TIMEOUT_MS, and are cancelled at the end.
 *   report NAME                            all phases of that name together
 *   burst HOLD-MS                          one call of each host at once; then HOLD-MS pass
 *   drain                                  all of them have ended
 *
 * phase and report print a line for each group, burst and drain one:
 *   {"phase":"quiet","group":"ssh","calls":400,"ok":400,"p50_ms":1.2,"p99_ms":3.4,"first":""}
 *   {"burst":10000,"in_flight":10000,"rss_kib":200000}   {"drain":10000,"ok":10000,"rss_kib":..}
 */

#include "fleet/fleet.h"
#include "loop/drivers.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define GROUPS_MAX 16
#define NAMES_MAX 8
#define CALL_TIMEOUT_MS 20000
#define BURST_TIMEOUT_MS 180000
#define HUNG_TIMEOUT_MS 2000
#define TICK_MS 5

struct samples {
    double *at;
    size_t count, room, ok;
    char first[200]; /* What the first failure said. */
};

struct group {
    const char *name;
    size_t running;
    struct samples now; /* Of this phase. */
};

/* All phases of a name. */
struct phases {
    char name[32];
    struct samples groups[GROUPS_MAX];
};

struct slot {
    const struct host *host;
    const struct binding *binding;
    const char *verb;
    size_t group;
    unsigned calls;
    bool running;
    double begun_ms, due_ms;
    char action[32];
};

struct together {
    struct drivers *drivers;
    struct loop *loop;
    const char *folder;
    struct slot *slots;
    size_t slots_count, running;
    struct group groups[GROUPS_MAX];
    size_t groups_count;
    struct phases phases[NAMES_MAX];
    size_t phases_count;
    double until_ms, period_ms;
    const char *hung;
};

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static long rss_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss; /* The most there ever was. */
}

static int secret_of(void *arg, const char *reference, struct arena *arena, const char **ret_secret,
                     struct nsh_error *err)
{
    const struct together *together = arg;
    return fleet_secret(reference, together->folder, true, arena, ret_secret, err);
}

/* ---- samples ---- */

static void samples_add(struct samples *samples, double value)
{
    if (samples->count == samples->room) {
        samples->room = samples->room * 2 + 64;
        samples->at = realloc(samples->at, samples->room * sizeof *samples->at);
        if (samples->at == NULL) {
            abort();
        }
    }
    samples->at[samples->count++] = value;
}

static void samples_move(struct samples *into, struct samples *from)
{
    for (size_t i = 0; i < from->count; i++) {
        samples_add(into, from->at[i]);
    }
    into->ok += from->ok;
    if (into->first[0] == '\0') {
        snprintf(into->first, sizeof into->first, "%s", from->first);
    }
    free(from->at);
    *from = (struct samples){0};
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double share_of(const struct samples *samples, size_t percent)
{
    return samples->count == 0 ? 0 : samples->at[(samples->count - 1) * percent / 100];
}

static void samples_print(const char *phase, const char *group, struct samples *samples)
{
    if (samples->count > 0) {
        qsort(samples->at, samples->count, sizeof *samples->at, compare);
    }
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    textbuf_addf(&out, "{\"phase\":\"%s\",\"group\":\"%s\",\"calls\":%zu,\"ok\":%zu,", phase, group,
                 samples->count, samples->ok);
    textbuf_addf(&out, "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"first\":",
                 share_of(samples, 50), share_of(samples, 99), share_of(samples, 100));
    textbuf_add_json(&out, text_of(samples->first));
    printf("%s}\n", out.at);
    fflush(stdout);
}

/* ---- calls ---- */

static void ended(void *arg, const char *action, const struct nsh_outcome *outcome,
                  const char *trace)
{
    struct together *together = arg;
    struct slot *slot = &together->slots[strtoul(action + 1, NULL, 10)];
    struct group *group = &together->groups[slot->group];
    (void)trace;
    slot->running = false;
    together->running--;
    group->running--;
    samples_add(&group->now, now_ms() - slot->begun_ms);
    if (outcome->code == NSH_OK) {
        group->now.ok++;
    } else if (group->now.first[0] == '\0') {
        snprintf(group->now.first, sizeof group->now.first, "%s: %s", nsh_code_word(outcome->code),
                 outcome->text == NULL ? "" : outcome->text);
    }
    uv_stop(
        loop_uv(together->loop)); /* Else a turn whose timers ended the last call would block. */
}

static void slot_start(struct together *together, struct slot *slot, uint32_t timeout_ms)
{
    char device[96];
    struct nsh_error err = {0};
    struct nsh_value nothing = nsh_map(NULL, 0);
    snprintf(device, sizeof device, "%.64s/%.20s", slot->host->name,
             binding_word(slot->binding->kind));
    snprintf(slot->action, sizeof slot->action, "h%zu-%u", (size_t)(slot - together->slots),
             slot->calls++);
    slot->begun_ms = now_ms();
    slot->running = true;
    together->running++;
    together->groups[slot->group].running++;
    if (drivers_start(together->drivers,
                      &(struct drivers_call){.action = slot->action,
                                             .host = slot->host->name,
                                             .device = device,
                                             .driver = slot->binding->driver,
                                             .verb = slot->verb,
                                             .settings = &slot->binding->settings,
                                             .args = &nothing,
                                             .timeout_ms = timeout_ms},
                      &err) < 0) {
        ended(together, slot->action, &(struct nsh_outcome){.code = err.code, .text = err.text},
              "");
    }
}

static bool hung_is(const struct together *together, const struct slot *slot)
{
    return together->hung != NULL &&
           strcmp(together->hung, together->groups[slot->group].name) == 0;
}

/* ---- phases ---- */

static void tick(uv_timer_t *timer)
{
    struct together *together = timer->data;
    double now = now_ms();
    if (now >= together->until_ms) {
        uv_close((uv_handle_t *)timer, NULL);
        return;
    }
    for (size_t i = 0; i < together->slots_count; i++) {
        struct slot *slot = &together->slots[i];
        if (!slot->running && now >= slot->due_ms) {
            slot->due_ms += together->period_ms;
            slot->due_ms = slot->due_ms < now ? now : slot->due_ms;
            slot_start(together, slot, hung_is(together, slot) ? HUNG_TIMEOUT_MS : CALL_TIMEOUT_MS);
        }
    }
}

static void run_until(struct together *together, double ms, uv_timer_cb due)
{
    uv_timer_t timer = {.data = together};
    together->until_ms = now_ms() + ms;
    uv_timer_init(loop_uv(together->loop), &timer);
    uv_timer_start(&timer, due, 0, TICK_MS);
    while (!uv_is_closing((uv_handle_t *)&timer)) {
        uv_run(loop_uv(together->loop), UV_RUN_ONCE);
    }
    uv_run(loop_uv(together->loop), UV_RUN_NOWAIT); /* It is closed. */
}

static void nothing_due(uv_timer_t *timer)
{
    const struct together *together = timer->data;
    if (now_ms() >= together->until_ms) {
        uv_close((uv_handle_t *)timer, NULL);
    }
}

static void calls_end(struct together *together)
{
    while (together->running > 0) {
        uv_run(loop_uv(together->loop), UV_RUN_ONCE);
    }
}

static struct phases *phases_named(struct together *together, const char *name)
{
    for (size_t i = 0; i < together->phases_count; i++) {
        if (strcmp(together->phases[i].name, name) == 0) {
            return &together->phases[i];
        }
    }
    if (together->phases_count == NAMES_MAX) {
        abort();
    }
    struct phases *phases = &together->phases[together->phases_count++];
    snprintf(phases->name, sizeof phases->name, "%s", name);
    return phases;
}

static void phase_run(struct together *together, const char *name, double ms, double period_ms,
                      const char *hung)
{
    struct phases *phases = phases_named(together, name);
    double now = now_ms();
    together->period_ms = period_ms;
    together->hung = hung;
    for (size_t i = 0; i < together->slots_count; i++) {
        together->slots[i].due_ms = now + period_ms * (double)i / (double)together->slots_count;
    }
    run_until(together, ms, tick);
    for (size_t i = 0; i < together->slots_count; i++) {
        if (together->slots[i].running && hung_is(together, &together->slots[i])) {
            drivers_cancel(together->drivers, together->slots[i].action);
        }
    }
    calls_end(together);
    for (size_t i = 0; i < together->groups_count; i++) {
        struct group *group = &together->groups[i];
        samples_print(name, group->name, &group->now);
        if (hung != NULL && strcmp(hung, group->name) == 0) { /* Not what is compared. */
            free(group->now.at);
            group->now = (struct samples){0};
        }
        samples_move(&phases->groups[i], &group->now);
    }
}

static void burst_run(struct together *together, double hold_ms)
{
    for (size_t i = 0; i < together->slots_count; i++) {
        slot_start(together, &together->slots[i], BURST_TIMEOUT_MS);
        if (i % 64 == 0) { /* As in the daemon, others have their turn in between. */
            uv_run(loop_uv(together->loop), UV_RUN_NOWAIT);
        }
    }
    run_until(together, hold_ms, nothing_due);
    printf("{\"burst\":%zu,\"in_flight\":%zu,\"rss_kib\":%ld}\n", together->slots_count,
           together->running, rss_kib());
    fflush(stdout);
}

static void drain_run(struct together *together)
{
    size_t count = 0, ok = 0;
    char first[200] = "";
    calls_end(together);
    for (size_t i = 0; i < together->groups_count; i++) {
        struct samples *samples = &together->groups[i].now;
        count += samples->count;
        ok += samples->ok;
        if (first[0] == '\0') {
            snprintf(first, sizeof first, "%s", samples->first);
        }
        samples_print("burst", together->groups[i].name, samples);
        free(samples->at);
        *samples = (struct samples){0};
    }
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    textbuf_add_json(&out, text_of(first));
    printf("{\"drain\":%zu,\"ok\":%zu,\"rss_kib\":%ld,\"first\":%s}\n", count, ok, rss_kib(),
           out.at);
    fflush(stdout);
}

static void report_run(struct together *together, const char *name)
{
    struct phases *phases = phases_named(together, name);
    for (size_t i = 0; i < together->groups_count; i++) {
        samples_print(name, together->groups[i].name, &phases->groups[i]);
    }
}

static void line_run(struct together *together, char *line)
{
    char *word[5] = {NULL}, *rest = line, *one;
    size_t count = 0;
    while ((one = strsep(&rest, " \t\r\n")) != NULL) {
        if (*one != '\0' && count < 5) {
            word[count++] = one;
        }
    }
    if (count >= 4 && strcmp(word[0], "phase") == 0) {
        phase_run(together, word[1], strtod(word[2], NULL), strtod(word[3], NULL), word[4]);
    } else if (count == 2 && strcmp(word[0], "report") == 0) {
        report_run(together, word[1]);
    } else if (count == 2 && strcmp(word[0], "burst") == 0) {
        burst_run(together, strtod(word[1], NULL));
    } else if (count == 1 && strcmp(word[0], "drain") == 0) {
        drain_run(together);
    } else {
        fprintf(stderr, "together: what is %s?\n", count > 0 ? word[0] : "an empty line");
    }
}

/* ---- set-up ---- */

static size_t group_of(struct together *together, const char *name)
{
    for (size_t i = 0; i < together->groups_count; i++) {
        if (strcmp(together->groups[i].name, name) == 0) {
            return i;
        }
    }
    if (together->groups_count == GROUPS_MAX) {
        abort();
    }
    together->groups[together->groups_count].name = name;
    return together->groups_count++;
}

static const char *rack_of(const struct host *host)
{
    for (size_t i = 0; i < host->domains_count; i++) {
        if (strcmp(host->domains[i].kind, "rack") == 0) {
            return host->domains[i].name;
        }
    }
    return "none";
}

static const char *verb_for(const char *driver, char *const *verbs)
{
    size_t count = strlen(driver);
    for (; *verbs != NULL; verbs++) {
        if (strncmp(*verbs, driver, count) == 0 && (*verbs)[count] == '=') {
            return *verbs + count + 1;
        }
    }
    return NULL;
}

static void slots_make(struct together *together, const struct inventory *inventory,
                       char *const *verbs)
{
    together->slots = calloc(inventory->hosts_count + 1, sizeof *together->slots);
    for (size_t i = 0; together->slots != NULL && i < inventory->hosts_count; i++) {
        const struct host *host = &inventory->hosts[i];
        const char *verb =
            host->bindings_count == 0 ? NULL : verb_for(host->bindings[0].driver, verbs);
        if (verb != NULL) {
            together->slots[together->slots_count++] =
                (struct slot){.host = host,
                              .binding = &host->bindings[0],
                              .verb = verb,
                              .group = group_of(together, rack_of(host))};
        }
    }
}

static int fail(const struct nsh_error *err)
{
    fprintf(stderr, "together: %s\n", err->text);
    return 2;
}

int main(int argc, char **argv)
{
    static struct together together;
    struct nsh_error err = {0};
    struct diags diags = {0};
    struct rlimit files;
    char *line = NULL;
    size_t room = 0;
    if (argc < 6) {
        fprintf(stderr, "usage: %s SPAWN-HELPER DRIVERS INVENTORY CREDENTIALS DRIVER=VERB...\n",
                argv[0]);
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files); /* As the daemon does: every connection is a descriptor. */
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    together.folder = argv[4];
    if (drivers_load(argv[2], &together.drivers, &err) < 0) {
        return fail(&err);
    }
    struct loop_hooks hooks = drivers_hooks(together.drivers);
    if (loop_new(&(struct loop_options){.spawn_helper = argv[1]}, &hooks, &together.loop, &err) <
            0 ||
        drivers_run(together.drivers, together.loop, secret_of, &together, ended, &together, &err) <
            0) {
        return fail(&err);
    }
    struct inventory *inventory = fleet_load(argv[3], &diags);
    if (inventory == NULL) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(&diags, NULL, false, &out);
        fprintf(stderr, "%s", out.at == NULL ? "" : out.at);
        return 2;
    }
    slots_make(&together, inventory, argv + 5);
    while (getline(&line, &room, stdin) > 0) {
        line_run(&together, line);
    }
    free(line);
    drivers_stop(together.drivers);
    while (drivers_running(together.drivers) > 0) {
        uv_run(loop_uv(together.loop), UV_RUN_ONCE);
    }
    loop_free(together.loop);
    drivers_free(together.drivers);
    inventory_free(inventory);
    diags_done(&diags);
    for (size_t i = 0; i < together.phases_count; i++) {
        for (size_t g = 0; g < together.groups_count; g++) {
            free(together.phases[i].groups[g].at);
        }
    }
    free(together.slots);
    return 0;
}
