/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start: configuration, drivers, loop (its spawn helper forks while the process is small), shell
 * (store, state), sources, API, READY. Stop: sources, shell (what came is committed and answered),
 * API, drivers, store.
 */

#include "daemon.h"

#include "apply.h"
#include "log.h"
#include "loop/drivers.h"
#include "routes.h"
#include "shell_life.h"
#include "systemd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define HELPER_BYTES_MAX 4200
#define DRIVERS_STOP_MS 7000 /* Longer than the grace drivers have for their cancel. */

struct daemon {
    struct systemd_sockets sockets;
    struct generation *generation;
    struct drivers *drivers;
    struct loop *loop;
    struct shell *shell;
    struct trap_listen *traps;
    struct syslog_listen *syslog;
    struct api *api;
    uv_signal_t hangup, terminate, interrupt;
    uv_timer_t watchdog;
    unsigned handles_count;
    bool traps_gone, shell_done, waiting_over;
    bool undone; /* Policies that nobody confirmed were put back. */
    const char *reason;
};

static int64_t boot_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A helper program: where the configuration says, else beside us, else where it is installed. */
static void helper_path(const struct config *config, const char *name, char path[HELPER_BYTES_MAX])
{
    if (config->helpers[0] != '\0') {
        snprintf(path, HELPER_BYTES_MAX, "%s/%s", config->helpers, name);
        return;
    }
    char self[HELPER_BYTES_MAX - 64];
    ssize_t count = readlink("/proc/self/exe", self, sizeof self - 1);
    self[count < 0 ? 0 : count] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL) {
        *slash = '\0';
        snprintf(path, HELPER_BYTES_MAX, "%s/%s", self, name);
        if (access(path, X_OK) == 0) {
            return;
        }
    }
    snprintf(path, HELPER_BYTES_MAX, "%s/%s", NS_LIBEXEC_DIR, name);
}

/* ---- reading ---- */

static void log_configure(const struct config *config)
{
    static const char *const words[] = {"error", "warning", "info"};
    struct log_options options = {.fd = STDERR_FILENO, .journal = systemd_journal()};
    options.json = strcmp(config->log_format, "json") == 0;
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i], config->log_level) == 0) {
            options.level = (enum log_level)i;
        }
    }
    log_open(&options);
}

static int diags_fail(struct diags *diags, struct nsh_error *err)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    diags_print(diags, NULL, isatty(STDERR_FILENO) == 1, &out);
    if (out.at != NULL && write(STDERR_FILENO, out.at, out.count) < 0) {
        errno = 0;
    }
    return nsh_fail(err, NSH_INVALID, "%zu error%s in configuration, inventory, traps or policies",
                    diags->errors_count, PLURAL(diags->errors_count));
}

static int read_all(struct daemon *daemon, const char *file, struct diags *diags,
                    struct nsh_error *err)
{
    struct config *config = config_load(file, diags);
    if (config == NULL) {
        return diags_fail(diags, err);
    }
    log_configure(config);
    int result = drivers_load(config->drivers, &daemon->drivers, err);
    if (result == 0) {
        char helper[HELPER_BYTES_MAX];
        helper_path(config, "nightshift-spawn", helper);
        struct loop_hooks hooks = drivers_hooks(daemon->drivers);
        result = loop_new(&(struct loop_options){.spawn_helper = helper,
                                                 .callback_url = config->api_callback_url,
                                                 .server_connections_max =
                                                     (unsigned)config->server_connections_max},
                          &hooks, &daemon->loop, err);
    }
    if (result < 0) {
        config_free(config);
        return result;
    }
    result = apply_recover(config->policies, wall_ms(), &daemon->undone, err);
    if (result < 0) {
        config_free(config);
        return nsh_wrap(err, "policies that nobody confirmed");
    }
    daemon->generation = generation_load(config, daemon->drivers, false, diags);
    if (daemon->generation == NULL) {
        return diags_fail(diags, err);
    }
    for (size_t i = 0; i < diags->count; i++) {
        LOG(WARNED, {"text", nsh_text(diags->items[i].text)});
    }
    return 0;
}

/* ---- sources ---- */

static void traps_log(void *arg, bool error, const char *text)
{
    LOG(TRAP_NEWS, {"text", nsh_text(text)});
}

static int users_resolve(struct config *config, struct arena *arena, struct trap_user **ret_users,
                         struct nsh_error *err)
{
    struct trap_user *users = arena_array(arena, config->snmp_users.count + 1, sizeof *users);
    if (users == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < config->snmp_users.count; i++) {
        int result = config_user_resolve(config, i, arena, &users[i], err);
        if (result < 0) {
            return result;
        }
    }
    *ret_users = users;
    return 0;
}

static int traps_start(struct daemon *daemon, struct nsh_error *err)
{
    struct config *config = daemon->generation->config;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct trap_user *users = NULL;
    char receiver[HELPER_BYTES_MAX];
    size_t id_bytes = 0;
    if (config->snmp_listen.count == 0 && daemon->sockets.datagrams_count == 0) {
        daemon->traps_gone = true;
        return 0;
    }
    int result = users_resolve(config, &arena, &users, err);
    if (result < 0) {
        return result;
    }
    helper_path(config, "nightshift-trap", receiver);
    struct trap_options options = {
        .receiver = receiver,
        .tables = config->traps,
        .listen = config->snmp_listen.items,
        .listen_count = config->snmp_listen.count,
        .fds = daemon->sockets.datagrams,
        .fds_count = daemon->sockets.datagrams_count,
        .receivers = (unsigned)config->snmp_receivers,
        .sources = config->snmp_sources.items,
        .sources_count = config->snmp_sources.count,
        .communities = config->snmp_communities.items,
        .communities_count = config->snmp_communities.count,
        .users = users,
        .users_count = config->snmp_users.count,
        .log = traps_log,
    };
    if (config_engine_id(config->snmp_engine, options.engine.id, &id_bytes)) {
        options.engine.id_bytes = (uint32_t)id_bytes;
    }
    result = trap_listen_new(loop_uv(daemon->loop), shell_intake(daemon->shell), &options,
                             &daemon->traps, err);
    explicit_bzero(users, config->snmp_users.count * sizeof *users);
    if (result < 0) {
        return result;
    }
    shell_traps_set(daemon->shell, daemon->traps);
    LOG(TRAPS_LISTEN,
        {"listen",
         nsh_text(config->snmp_listen.count == 0 ? "systemd" : config->snmp_listen.items[0])},
        {"receivers", nsh_int(config->snmp_receivers)});
    return 0;
}

static int syslog_start(struct daemon *daemon, struct nsh_error *err)
{
    struct syslog_options options;
    generation_syslog_options(daemon->generation->config, &options);
    if (options.listen_count == 0) {
        return 0;
    }
    int result = syslog_listen_new(shell_intake(daemon->shell), &options, &daemon->syslog, err);
    if (result < 0) {
        return result;
    }
    shell_syslog_set(daemon->shell, daemon->syslog);
    syslog_patterns_free(
        TAKE(daemon->generation->syslog_patterns)); /* Read by its thread's start. */
    LOG(SYSLOG_LISTENS, {"listen", nsh_text(options.listen[0])},
        {"listeners", nsh_int((int64_t)options.listen_count)});
    return 0;
}

/* ---- API ---- */

static int tokens_resolve(struct config *config, struct arena *arena, struct api_token **ret_tokens,
                          struct nsh_error *err)
{
    struct api_token *tokens = arena_array(arena, config->api_tokens.count + 1, sizeof *tokens);
    if (tokens == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < config->api_tokens.count; i++) {
        tokens[i] = config->api_tokens.items[i];
        int result = config_secret(config, tokens[i].secret, arena, &tokens[i].secret, err);
        if (result < 0) {
            return nsh_wrap(err, "API token %s", tokens[i].name);
        }
    }
    *ret_tokens = tokens;
    return 0;
}

static const char *or_none(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

static int api_begin(struct daemon *daemon, struct nsh_error *err)
{
    struct config *config = daemon->generation->config;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct api_token *tokens = NULL;
    size_t routes_count = 0;
    int result = tokens_resolve(config, &arena, &tokens, err);
    if (result < 0) {
        return result;
    }
    struct api_options options = {
        .unix_path = daemon->sockets.stream >= 0 ? NULL : or_none(config->api_socket),
        .unix_fd = daemon->sockets.stream,
        .unix_group = or_none(config->api_group),
        .tcp_address = or_none(config->api_listen),
        .tls_cert_file = or_none(config->api_tls_cert),
        .tls_key_file = or_none(config->api_tls_key),
        .tls_clients_file = or_none(config->api_tls_clients),
        .tokens = tokens,
        .tokens_count = config->api_tokens.count,
        .open_reads = config->api_open_reads,
        .store_path = config->store_path,
        .threads = (unsigned)config->api_threads,
        .body_bytes_max = (uint32_t)config->api_body_bytes_max,
        .arg = daemon->shell,
        .admit = routes_admit,
    };
    const struct api_route *routes = routes_table(&routes_count);
    result = api_start(&options, routes, routes_count, &daemon->api, err);
    if (result == 0) {
        LOG(API_LISTENS, {"socket", nsh_text(config->api_socket)},
            {"tcp", nsh_text(config->api_listen)});
    }
    return result;
}

/* ---- signals and the watchdog ---- */

static void on_hangup(uv_signal_t *signal, int number)
{
    struct daemon *daemon = signal->data;
    shell_reload(daemon->shell);
}

static void on_shell_stopped(void *arg)
{
    ((struct daemon *)arg)->shell_done = true;
}

static void on_terminate(uv_signal_t *signal, int number)
{
    struct daemon *daemon = signal->data;
    if (daemon->reason != NULL) {
        return;
    }
    daemon->reason = number == SIGTERM ? "SIGTERM" : "SIGINT";
    uv_stop(loop_uv(daemon->loop));
}

static void on_watchdog(uv_timer_t *timer)
{
    systemd_notify("WATCHDOG=1"); /* From the loop: a loop that hangs does not say it. */
}

static void handle_add(struct daemon *daemon, uv_handle_t *handle)
{
    handle->data = daemon;
    daemon->handles_count++;
}

static void signals_start(struct daemon *daemon)
{
    uv_loop_t *uv = loop_uv(daemon->loop);
    uv_signal_init(uv, &daemon->hangup);
    uv_signal_init(uv, &daemon->terminate);
    uv_signal_init(uv, &daemon->interrupt);
    uv_timer_init(uv, &daemon->watchdog);
    handle_add(daemon, (uv_handle_t *)&daemon->hangup);
    handle_add(daemon, (uv_handle_t *)&daemon->terminate);
    handle_add(daemon, (uv_handle_t *)&daemon->interrupt);
    handle_add(daemon, (uv_handle_t *)&daemon->watchdog);
    uv_signal_start(&daemon->hangup, on_hangup, SIGHUP);
    uv_signal_start(&daemon->terminate, on_terminate, SIGTERM);
    uv_signal_start(&daemon->interrupt, on_terminate, SIGINT);
    uint64_t watchdog_ms = systemd_watchdog_ms();
    if (watchdog_ms > 0) {
        uv_timer_start(&daemon->watchdog, on_watchdog, watchdog_ms, watchdog_ms);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    ((struct daemon *)handle->data)->handles_count--;
}

static void signals_stop(struct daemon *daemon)
{
    if (daemon->handles_count == 0) {
        return;
    }
    uv_close((uv_handle_t *)&daemon->hangup, on_handle_closed);
    uv_close((uv_handle_t *)&daemon->terminate, on_handle_closed);
    uv_close((uv_handle_t *)&daemon->interrupt, on_handle_closed);
    uv_close((uv_handle_t *)&daemon->watchdog, on_handle_closed);
    while (daemon->handles_count > 0) {
        uv_run(loop_uv(daemon->loop), UV_RUN_NOWAIT);
    }
}

/* ---- the end ---- */

static void on_traps_gone(void *arg)
{
    ((struct daemon *)arg)->traps_gone = true;
}

static void on_waited(uv_timer_t *timer)
{
    ((struct daemon *)timer->data)->waiting_over = true;
}

static void drivers_end(struct daemon *daemon)
{
    uv_loop_t *uv = loop_uv(daemon->loop);
    uv_timer_t limit;
    uv_timer_init(uv, &limit);
    handle_add(daemon, (uv_handle_t *)&limit);
    uv_timer_start(&limit, on_waited, DRIVERS_STOP_MS, 0);
    drivers_stop(daemon->drivers);
    while (drivers_running(daemon->drivers) > 0 && !daemon->waiting_over) {
        uv_run(uv, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&limit, on_handle_closed);
    while (daemon->handles_count > 0) {
        uv_run(uv, UV_RUN_NOWAIT);
    }
}

/* Sources first: what they handed over is committed and answered. */
static void shell_end(struct daemon *daemon)
{
    uv_loop_t *uv = loop_uv(daemon->loop);
    shell_syslog_set(daemon->shell, NULL);
    if (daemon->syslog != NULL) {
        syslog_listen_free(TAKE(daemon->syslog));
    }
    shell_stop(daemon->shell, on_shell_stopped, daemon);
    while (!daemon->shell_done) {
        uv_run(uv, UV_RUN_ONCE);
    }
    if (daemon->api != NULL) {
        api_stop(daemon->api);
    }
    shell_traps_set(daemon->shell, NULL);
    if (daemon->traps != NULL) {
        trap_listen_stop(daemon->traps, on_traps_gone, daemon);
    }
}

static void daemon_end(struct daemon *daemon)
{
    systemd_notify("STOPPING=1");
    uint64_t next = 0;
    size_t doubtful = 0;
    if (daemon->shell != NULL) {
        shell_end(daemon);
        size_t reading = shell_reading_calls(daemon->shell);
        doubtful = drivers_running(daemon->drivers);
        doubtful -= reading < doubtful ? reading : doubtful;
        next = shell_next_seq(daemon->shell);
    }
    if (daemon->loop != NULL) {
        signals_stop(daemon);
        drivers_end(daemon);
    }
    if (daemon->shell != NULL) {
        shell_free(daemon->shell);
    }
    while (daemon->traps != NULL && !daemon->traps_gone) {
        uv_run(loop_uv(daemon->loop), UV_RUN_ONCE);
    }
    if (daemon->loop != NULL) {
        loop_free(daemon->loop);
    }
    if (daemon->drivers != NULL) {
        drivers_free(daemon->drivers);
    }
    LOG(STOPPED, {"events_next", nsh_int((int64_t)next)},
        {"calls_in_doubt", nsh_int((int64_t)doubtful)});
}

static int daemon_start(struct daemon *daemon, const char *file, struct diags *diags,
                        struct nsh_error *err)
{
    int result = read_all(daemon, file, diags, err);
    if (result < 0) {
        return result;
    }
    signals_start(daemon);
    struct shell_options options = {daemon->loop, daemon->drivers, daemon->generation,
                                    daemon->undone};
    result = shell_new(&options, &daemon->shell, err);
    if (result == 0) {
        result = traps_start(daemon, err);
    }
    if (result == 0) {
        result = syslog_start(daemon, err);
    }
    if (result == 0) {
        shell_sources_start(daemon->shell);
    }
    return result < 0 ? result : api_begin(daemon, err);
}

int daemon_run(const struct daemon_options *options, struct nsh_error *err)
{
    struct daemon daemon = {.sockets = {.stream = -1}};
    struct diags diags = {0};
    int64_t began_ms = boot_ms();
    systemd_sockets_take(&daemon.sockets);
    int result = daemon_start(&daemon, options->config, &diags, err);
    diags_done(&diags);
    if (result < 0) {
        LOG(START_FAILED, {"code", nsh_text(nsh_code_word(-result))},
            {"text", nsh_text(err->text)});
        daemon_end(&daemon);
        return result;
    }
    const struct generation *generation = shell_generation(daemon.shell);
    LOG(STARTED, {"version", nsh_text(NIGHTSHIFT_VERSION)}, {"config", nsh_text(options->config)},
        {"hosts", nsh_int((int64_t)generation->inventory->hosts_count)},
        {"policies", nsh_int((int64_t)generation->policies->policies_count)},
        {"events_next", nsh_int((int64_t)shell_next_seq(daemon.shell))},
        {"start_ms", nsh_int(boot_ms() - began_ms)});
    systemd_notify("READY=1");
    while (daemon.reason == NULL) {
        uv_run(loop_uv(daemon.loop), UV_RUN_DEFAULT);
    }
    LOG(STOPPING, {"reason", nsh_text(daemon.reason)});
    daemon_end(&daemon);
    return 0;
}
