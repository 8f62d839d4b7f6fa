/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fence agents by name: `driver = "fence_apc"` is the exec driver with a table made from what that
 * agent says of itself. An agent is asked when a configuration first names it, again at a reload
 * after its file changed: on threads that may wait, never on the loop. A table once given out stays
 * as long as the drivers do.
 */

#include "abi/secret.h"
#include "base/assert.h"
#include "loop/agent_metadata.h"
#include "loop/drivers_private.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGENTS_FOLDER "/usr/sbin"
#define AGENT_PREFIX "fence_"
#define AGENT_NAME_BYTES_MAX 64
#define AGENTS_COUNT_MAX 512 /* Tables; a changed agent makes a new one. */
#define METADATA_BYTES_MAX (1 << 20)
#define METADATA_TIMEOUT_MS 20000 /* Some load a whole cloud's library first. */
#define OWN_OPTIONS_MAX 8
#define AGENT_VERBS_MAX 12

struct agent {
    struct agent *next;
    struct nsh_driver driver;
    struct arena arena;
    struct timespec changed;
};

struct agents {
    pthread_mutex_t lock; /* A reload checks the inventory beside the loop. */
    const struct nsh_driver *exec;
    struct agent *first;
    size_t count;
};

const char *agents_folder(void)
{
    const char *folder = getenv("NIGHTSHIFT_FENCE_AGENTS");
    return folder == NULL || folder[0] != '/' ? AGENTS_FOLDER : folder;
}

static bool name_good(const char *name)
{
    size_t count = strlen(name), prefix = strlen(AGENT_PREFIX);
    for (size_t i = 0; i < count; i++) {
        if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
            name[i] != '_' && name[i] != '-') {
            return false;
        }
    }
    return count > prefix && count <= AGENT_NAME_BYTES_MAX &&
           strncmp(name, AGENT_PREFIX, prefix) == 0;
}

/* ---- asking an agent ---- */

static pid_t metadata_spawn(const char *path, int output)
{
    static char *const env[] = {
        (char *)(uintptr_t) "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        (char *)(uintptr_t) "LANG=C.UTF-8", NULL};
    char *const argv[] = {(char *)(uintptr_t)path, (char *)(uintptr_t) "-o",
                          (char *)(uintptr_t) "metadata", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    if (posix_spawn(&pid, path, &actions, &attributes, argv, env) != 0) {
        pid = -1;
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return pid;
}

/* All it prints until it ends; false: it did not end in time, or not well. */
static bool metadata_print(const char *path, struct textbuf *out)
{
    int fds[2], status = -1;
    int64_t until_ms = loop_now_ms() + METADATA_TIMEOUT_MS;
    if (pipe2(fds, O_CLOEXEC) < 0) {
        return false;
    }
    pid_t pid = metadata_spawn(path, fds[1]);
    close(fds[1]);
    bool open = pid > 0;
    while (open && out->count < METADATA_BYTES_MAX) {
        struct pollfd one = {.fd = fds[0], .events = POLLIN};
        int64_t left_ms = until_ms - loop_now_ms();
        char bytes[16384];
        ssize_t count =
            left_ms > 0 && poll(&one, 1, (int)left_ms) > 0 ? read(fds[0], bytes, sizeof bytes) : -1;
        open = count > 0;
        if (open) {
            textbuf_add(out, (struct text){bytes, (uint32_t)count});
        }
    }
    close(fds[0]);
    if (pid > 0) {
        if (loop_now_ms() >= until_ms || out->count >= METADATA_BYTES_MAX) {
            kill(-pid, SIGKILL);
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    return pid > 0 && status == 0 && !out->failed;
}

/* ---- its table ---- */

static const struct nsh_option *exec_option(const struct agents *agents, const char *name)
{
    for (size_t i = 0; i < agents->exec->options_count; i++) {
        if (strcmp(agents->exec->options[i].name, name) == 0) {
            return &agents->exec->options[i];
        }
    }
    return NULL;
}

static bool has_option(const struct nsh_option *options, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(options[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Parameters that are about the program, not about the device, and those exec speaks for. */
static bool parameter_ours(const char *name)
{
    static const char *const ours[] = {"action", "help",          "version", "debug", "debug_file",
                                       "quiet",  "verbose_level", "verbose", "delay", "separator"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (strcmp(ours[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static enum nsh_type parameter_type(const struct agent_parameter *parameter)
{
    if (strcmp(parameter->type, "boolean") == 0) {
        return NSH_BOOL;
    }
    if (strcmp(parameter->type, "integer") == 0 || strcmp(parameter->type, "second") == 0) {
        return NSH_INT;
    }
    return nsh_name_says_secret(parameter->name) ? NSH_SECRET : NSH_STRING;
}

static bool option_make(struct agent *agent, const struct agent_parameter *parameter,
                        struct nsh_option *ret_option)
{
    bool preset = parameter->preset != NULL && parameter->preset[0] != '\0';
    bool secret = parameter_type(parameter) == NSH_SECRET;
    const char *help =
        arena_printf(&agent->arena, "%s%s%s%s",
                     parameter->help[0] == '\0' ? "The agent says no more" : parameter->help,
                     preset ? " (the agent's default: " : "", preset ? parameter->preset : "",
                     preset ? ")" : "");
    bool address = strcmp(parameter->name, "ip") == 0;
    bool login = strcmp(parameter->name, "username") == 0; /* `user` is the same. */
    *ret_option = (struct nsh_option){
        .name = parameter->name,
        .type = parameter_type(parameter),
        .flags = (parameter->required && !preset && !login ? NSH_REQUIRED : 0) |
                 (address ? NSH_IDENTIFIES : 0),
        .choices = secret ? NULL : parameter->choices,
        .help = help,
    };
    return help != NULL;
}

static bool options_make(const struct agents *agents, struct agent *agent, const char *path,
                         const struct agent_metadata *metadata)
{
    static const char *const contract[] = {"fence", NULL};
    static const char *const shared[] = {"user", "memory_mib", "cpu_s", "output_kib"};
    struct nsh_option *options =
        arena_array(&agent->arena, metadata->parameters_count + OWN_OPTIONS_MAX, sizeof *options);
    const char **program = arena_array(&agent->arena, 2, sizeof *program);
    size_t count = 0;
    bool good = options != NULL && program != NULL;
    if (!good) {
        return false;
    }
    program[0] = path;
    options[count++] = (struct nsh_option){.name = "program",
                                           .type = NSH_STRING,
                                           .preset = path,
                                           .choices = program,
                                           .help = "The agent."};
    options[count++] = (struct nsh_option){.name = "contract",
                                           .type = NSH_STRING,
                                           .preset = "fence",
                                           .choices = contract,
                                           .help = "How it is spoken to."};
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
        options[count] = *exec_option(agents, shared[i]);
        options[count++].flags = 0;
    }
    for (size_t i = 0; good && i < metadata->parameters_count; i++) {
        const struct agent_parameter *parameter = &metadata->parameters[i];
        if (!parameter->deprecated && !parameter_ours(parameter->name) &&
            !has_option(options, count, parameter->name)) {
            good = option_make(agent, parameter, &options[count++]);
        }
    }
    if (!has_option(options, count, "ip")) {
        options[0].flags = NSH_IDENTIFIES;
    }
    agent->driver.options = options;
    agent->driver.options_count = count;
    return good;
}

struct verb_row {
    const char *name; /* Of the vocabulary, or below the agent's. */
    bool own, wanted;
    enum nsh_effect effect;
    uint32_t flags;
    const char *verify, *proof;
    uint32_t timeout_ms;
    const char *help;
};

static bool verbs_make(struct agent *agent, const struct agent_metadata *metadata)
{
    const bool on = metadata->on, off = metadata->off, status = metadata->status;
    const uint32_t once = NSH_IDEMPOTENT | NSH_EXCLUSIVE;
    const struct verb_row rows[] = {
        {"power.status", false, status, NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 60000, "status."},
        {"power.on", false, on && status, NSH_CHANGES, once, "power.status", "power=on", 120000,
         "on, which the agent proves."},
        {"power.off", false, off && status, NSH_INTERRUPTS, once, "power.status", "power=off",
         120000, "off, which the agent proves."},
        {"power.cycle", false, on && off && status, NSH_INTERRUPTS, NSH_EXCLUSIVE, "power.status",
         "power=on", 240000, "off, status, on: not the agent's own reboot."},
        {"fence.status", false, status, NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 60000, "status."},
        {"fence", false, off && status, NSH_INTERRUPTS, once, "fence.status", "power=off", 120000,
         "off, which the agent proves."},
        {"fence.release", false, on && status, NSH_CHANGES, once, "fence.status", "power=on",
         120000, "on, which the agent proves."},
        {"probe", false, metadata->monitor, NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 60000,
         "monitor: whether the device answers."},
        {"list", true, metadata->list, NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 60000,
         "The plugs or machines the device has."},
        {"doctor", true, metadata->monitor || status, NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 60000,
         "For `driver doctor`: its settings against its metadata, then monitor."},
    };
    struct nsh_verb *verbs = arena_array(&agent->arena, AGENT_VERBS_MAX, sizeof *verbs);
    size_t count = 0;
    for (size_t i = 0; verbs != NULL && i < sizeof rows / sizeof rows[0]; i++) {
        const struct verb_row *row = &rows[i];
        const char *name = row->own
                               ? arena_printf(&agent->arena, "%s.%s", agent->driver.name, row->name)
                               : row->name;
        if (name == NULL) {
            return false;
        }
        if (row->wanted) {
            verbs[count++] = (struct nsh_verb){
                .name = name,
                .effect = row->effect,
                .flags = row->flags,
                .verify = row->verify,
                .proof = row->proof,
                .timeout_ms_default = row->timeout_ms,
                .help = row->help,
            };
        }
    }
    agent->driver.verbs = verbs;
    agent->driver.verbs_count = count;
    return verbs != NULL && count > 0;
}

static void agent_free(struct agent *agent)
{
    arena_done(&agent->arena);
    free(agent);
}

static struct agent *agent_make(const struct agents *agents, const char *name, const char *file)
{
    CLEANUP(textbuf_donep) struct textbuf xml = {0};
    struct agent_metadata metadata;
    struct nsh_error err = {0};
    struct agent *agent = calloc(1, sizeof *agent);
    if (agent == NULL) {
        return NULL;
    }
    const char *path = arena_copy(&agent->arena, file, strlen(file));
    agent->driver = *agents->exec; /* Its functions and limits. */
    agent->driver.name = arena_copy(&agent->arena, name, strlen(name));
    bool good = path != NULL && agent->driver.name != NULL && metadata_print(path, &xml) &&
                agent_metadata_read(xml.at == NULL ? "" : xml.at, xml.count, &agent->arena,
                                    &metadata, &err) == 0;
    if (good) {
        agent->driver.summary = metadata.summary;
        good = options_make(agents, agent, path, &metadata) && verbs_make(agent, &metadata) &&
               options_table_check(agent->driver.options, agent->driver.options_count, &err) == 0;
    }
    if (!good) {
        agent_free(agent);
        return NULL;
    }
    return agent;
}

/* ---- all of them ---- */

struct agents *agents_new(const struct nsh_driver *exec)
{
    struct agents *agents = exec == NULL ? NULL : calloc(1, sizeof *agents);
    if (agents != NULL) {
        pthread_mutex_init(&agents->lock, NULL);
        agents->exec = exec;
    }
    return agents;
}

void agents_free(struct agents *agents)
{
    if (agents == NULL) {
        return;
    }
    while (agents->first != NULL) {
        struct agent *agent = agents->first;
        agents->first = agent->next;
        agent_free(agent);
    }
    pthread_mutex_destroy(&agents->lock);
    free(agents);
}

static struct agent *agent_known(const struct agents *agents, const char *name,
                                 const struct timespec *changed)
{
    for (struct agent *agent = agents->first; agent != NULL; agent = agent->next) {
        if (strcmp(agent->driver.name, name) == 0 &&
            (changed == NULL || (agent->changed.tv_sec == changed->tv_sec &&
                                 agent->changed.tv_nsec == changed->tv_nsec))) {
            return agent; /* The newest of that name stands first. */
        }
    }
    return NULL;
}

const struct nsh_driver *agents_find(struct agents *agents, const char *name)
{
    if (agents == NULL || !name_good(name)) {
        return NULL;
    }
    pthread_mutex_lock(&agents->lock);
    const struct agent *agent = agent_known(agents, name, NULL);
    pthread_mutex_unlock(&agents->lock);
    return agent == NULL ? NULL : &agent->driver;
}

static bool agent_installed(const char *name, char *path, size_t path_bytes, struct stat *status)
{
    snprintf(path, path_bytes, "%s/%s", agents_folder(), name);
    return name_good(name) && stat(path, status) == 0 && S_ISREG(status->st_mode);
}

bool agents_installed(const struct agents *agents, const char *name)
{
    char path[4096];
    struct stat status;
    return agents != NULL && agent_installed(name, path, sizeof path, &status);
}

/* Keep it, unless another thread asked the same agent meanwhile. */
static void agent_keep(struct agents *agents, struct agent *agent)
{
    pthread_mutex_lock(&agents->lock);
    bool keep = agent_known(agents, agent->driver.name, &agent->changed) == NULL &&
                agents->count < AGENTS_COUNT_MAX;
    if (keep) {
        agent->next = agents->first;
        agents->first = agent;
        agents->count++;
    }
    pthread_mutex_unlock(&agents->lock);
    if (!keep) {
        agent_free(agent);
    }
}

const struct nsh_driver *agents_learn(struct agents *agents, const char *name)
{
    char path[4096];
    struct stat status;
    if (agents == NULL || !agent_installed(name, path, sizeof path, &status)) {
        return agents_find(agents, name);
    }
    pthread_mutex_lock(&agents->lock);
    bool known = agent_known(agents, name, &status.st_mtim) != NULL;
    pthread_mutex_unlock(&agents->lock);
    struct agent *agent = known ? NULL : agent_make(agents, name, path); /* Nobody waits for it. */
    if (agent != NULL) {
        agent->changed = status.st_mtim;
        agent_keep(agents, agent);
    }
    return agents_find(agents, name);
}

static int is_agent(const struct dirent *entry)
{
    return name_good(entry->d_name);
}

void agents_each(struct agents *agents,
                 void (*each)(void *arg, const char *name, const struct nsh_driver *known),
                 void *arg)
{
    struct dirent **entries = NULL;
    int count = agents == NULL ? 0 : scandir(agents_folder(), &entries, is_agent, alphasort);
    for (int i = 0; i < count; i++) {
        pthread_mutex_lock(&agents->lock);
        const struct agent *agent = agent_known(agents, entries[i]->d_name, NULL);
        pthread_mutex_unlock(&agents->lock);
        each(arg, entries[i]->d_name, agent == NULL ? NULL : &agent->driver);
        free(entries[i]);
    }
    free(entries);
}
