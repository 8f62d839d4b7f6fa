/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: source_trap
/*
 * traphost RECEIVER TABLES LISTEN SECONDS [RECEIVERS]: the trap intake alone, with an intake that
 * commits every millisecond and keeps nothing. Prints one JSON object: events, drops, CPU of the
 * receivers per trap.
 */

#include "../unit/source_trap/trap_host.h"

#include <sys/resource.h>

struct bench {
    uv_loop_t loop;
    struct intake intake;
    struct trap_listen *listen;
    uv_timer_t commit, end;
};

static double cpu_of(int pid)
{
    char path[64];
    char line[1024];
    unsigned long user = 0;
    unsigned long system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(line, sizeof line, file) == NULL) {
        return 0;
    }
    fclose(file);
    char *at = strrchr(line, ')');
    if (at == NULL || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                             &system) != 2) {
        return 0;
    }
    return (double)(user + system) / 100.0;
}

static void host_log(void *arg, bool error, const char *text)
{
    fprintf(stderr, "# %s\n", text);
}

static void on_commit(uv_timer_t *timer)
{
    struct bench *bench = timer->data;
    host_commit(&bench->intake, true);
}

static void on_stopped(void *arg)
{
    struct bench *bench = arg;
    uv_close((uv_handle_t *)&bench->commit, NULL);
    uv_close((uv_handle_t *)&bench->end, NULL);
}

static void on_end(uv_timer_t *timer)
{
    struct bench *bench = timer->data;
    struct trap_figures figures;
    double cpu_s = 0;
    struct rusage own;
    trap_listen_figures(bench->listen, &figures);
    for (unsigned i = 0; i < TRAP_RECEIVERS_MAX; i++) {
        int pid = trap_listen_pid(bench->listen, i);
        cpu_s += pid > 0 ? cpu_of(pid) : 0;
    }
    getrusage(RUSAGE_SELF, &own);
    double host_s = (double)own.ru_utime.tv_sec + (double)own.ru_stime.tv_sec +
                    (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
    printf("{");
#define TRAP_COUNTER(name, help)                                                                   \
    printf("\"" #name "\":%llu,", (unsigned long long)figures.counters.name);
#include "source/trap/trap_counters.def"
#undef TRAP_COUNTER
    printf("\"batches\":%llu,\"bytes\":%llu,\"restarts\":%llu,\"receiver_us_per_trap\":%.3f,\"host_"
           "us_per_trap\":%.3f}\n",
           (unsigned long long)bench->intake.batches_count,
           (unsigned long long)bench->intake.bytes_count, (unsigned long long)figures.restarts,
           figures.counters.received > 0 ? cpu_s * 1e6 / (double)figures.counters.received : 0.0,
           figures.counters.received > 0 ? host_s * 1e6 / (double)figures.counters.received : 0.0);
    fflush(stdout);
    host_commit(&bench->intake, false);
    uv_timer_stop(&bench->commit);
    trap_listen_stop(bench->listen, on_stopped, bench);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct nsh_error err = {0};
    if (argc < 5) {
        fprintf(stderr, "usage: traphost RECEIVER TABLES LISTEN SECONDS [RECEIVERS]\n");
        return 2;
    }
    static const struct trap_user users[] = {{.name = "trapuser",
                                              .auth = "SHA-256",
                                              .auth_secret = "authpass12",
                                              .priv = "AES",
                                              .priv_secret = "privpass12"}};
    const char *const listen[] = {argv[3]};
    struct trap_options options = {
        .receiver = argv[1],
        .tables = argv[2],
        .listen = listen,
        .listen_count = 1,
        .receivers = argc > 5 ? (unsigned)atoi(argv[5]) : 1,
        .users = users,
        .users_count = 1,
        .log = host_log,
    };
    uv_loop_init(&bench.loop);
    if (trap_listen_new(&bench.loop, &bench.intake, &options, &bench.listen, &err) < 0) {
        fprintf(stderr, "traphost: %s\n", err.text);
        return 1;
    }
    uv_timer_init(&bench.loop, &bench.commit);
    uv_timer_init(&bench.loop, &bench.end);
    bench.commit.data = &bench;
    bench.end.data = &bench;
    uv_timer_start(&bench.commit, on_commit, 1, 1);
    uv_timer_start(&bench.end, on_end, (uint64_t)(atof(argv[4]) * 1000), 0);
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    return 0;
}
