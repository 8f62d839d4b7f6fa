/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: loop fleet
/*
 * Calls driver functions by hand, through the real driver host and an inventory.
 *
 *   drive SPAWN-HELPER DRIVERS-FOLDER INVENTORY CREDENTIALS-FOLDER
 *
 * Each line of stdin is `HOST VERB [timeout=MS] [cancel=MS] [token=T] [set.NAME=VALUE]
 * [NAME=VALUE]`: a call (of the action T, which may ask again) on the host's bmc, with settings
 * (set.) and arguments on top of the inventory's. A line that ends in '&' starts its call and goes
 * on; any other waits until all have ended. HOST * is every host. Devices stay open between lines:
 * sessions are kept. One JSON line for each call:
 *
 *   {"host":"r1h01","verb":"power.on","code":"ok","effect_possible":false,"retry_after_ms":0,
 *    "ms":312,"result":{"power":"on","changed":true},"text":"","trace":"..."}
 */

#include "base/json.h"
#include "base/text.h"
#include "fleet/fleet.h"
#include "loop/drivers.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define WORDS_MAX 16
#define CALLS_MAX 20000

struct drive_call {
    char action[24];
    const char *host;
    char verb[32];
    int64_t begun_ms;
    struct nsh_timer *cancel;
    struct drive *drive;
};

struct drive {
    struct drivers *drivers;
    struct loop *loop;
    struct inventory *inventory;
    const char *folder;
    struct drive_call *calls;
    size_t calls_count, waiting;
};

struct line {
    char *host, *verb;
    struct nsh_member settings[WORDS_MAX], args[WORDS_MAX];
    size_t settings_count, args_count;
    uint32_t timeout_ms, cancel_ms;
    const char *token;
    bool on;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int secret_of(void *arg, const char *reference, struct arena *arena, const char **ret_secret,
                     struct nsh_error *err)
{
    const struct drive *drive = arg;
    if (strchr(reference, ':') == NULL) { /* set.password=TEXT: given as it is. */
        *ret_secret = arena_copy(arena, reference, strlen(reference));
        return *ret_secret == NULL ? -NSH_NOMEM : 0;
    }
    return fleet_secret(reference, drive->folder, true, arena, ret_secret, err);
}

static void call_print(const struct drive_call *call, const struct nsh_outcome *outcome,
                       const char *trace)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    textbuf_addf(&out, "{\"host\":\"%s\",\"verb\":\"%s\",\"code\":\"%s\",", call->host, call->verb,
                 nsh_code_word(outcome->code));
    textbuf_addf(&out, "\"effect_possible\":%s,\"retry_after_ms\":%u,\"ms\":%lld,\"result\":",
                 outcome->effect_possible ? "true" : "false", outcome->retry_after_ms,
                 (long long)(now_ms() - call->begun_ms));
    if (outcome->result == NULL) {
        textbuf_add_chars(&out, "null");
    } else {
        json_write(outcome->result, &out);
    }
    textbuf_add_chars(&out, ",\"text\":");
    textbuf_add_json(&out, text_of(outcome->text == NULL ? "" : outcome->text));
    textbuf_add_chars(&out, ",\"trace\":");
    textbuf_add_json(&out, text_of(trace));
    printf("%s}\n", out.at);
    fflush(stdout);
}

/* Actions are a0, a1, ... unless the line named its own: then the newest of that name. */
static struct drive_call *call_find(struct drive *drive, const char *action)
{
    char *end = NULL;
    size_t index = strtoul(action + 1, &end, 10);
    if (action[0] == 'a' && action[1] >= '0' && action[1] <= '9' && *end == '\0') {
        return &drive->calls[index];
    }
    for (index = drive->calls_count - 1; strcmp(drive->calls[index].action, action) != 0;) {
        index--;
    }
    return &drive->calls[index];
}

static void ended(void *arg, const char *action, const struct nsh_outcome *outcome,
                  const char *trace)
{
    struct drive *drive = arg;
    struct drive_call *call = call_find(drive, action);
    if (call->cancel != NULL) {
        struct nsh_services *services = loop_services(drive->loop);
        services->timer_cancel(services, call->cancel);
        call->cancel = NULL;
    }
    call_print(call, outcome, trace);
    drive->waiting--;
    uv_stop(loop_uv(drive->loop)); /* Else a turn whose timers ended the last call would block. */
}

static void cancel_due(void *arg)
{
    struct drive_call *call = arg;
    call->cancel = NULL;
    drivers_cancel(call->drive->drivers, call->action);
}

/* The binding that a verb of the vocabulary goes by; a driver's own goes by the binding of that
 * driver. Without one: the controller. */
static const struct binding *binding_for(const struct host *host, const char *verb)
{
    const struct verb *known = verb_find(text_of(verb));
    const struct binding *binding = known == NULL ? NULL : host_binding(host, known->binding);
    for (size_t i = 0; known == NULL && binding == NULL && i < host->bindings_count; i++) {
        size_t count = strlen(host->bindings[i].driver);
        if (strncmp(verb, host->bindings[i].driver, count) == 0 && verb[count] == '.') {
            binding = &host->bindings[i];
        }
    }
    return binding == NULL ? host_binding(host, BINDING_BMC) : binding;
}

/* What the inventory says, with what the line says on top. */
static struct nsh_value settings_of(const struct binding *binding, const struct line *line,
                                    struct nsh_member members[64])
{
    size_t count = 0;
    for (uint32_t i = 0; i < binding->settings.count && count < 32; i++) {
        members[count++] = binding->settings.members[i];
    }
    for (size_t i = 0; i < line->settings_count; i++) {
        size_t at = 0;
        while (at < count && strcmp(members[at].name, line->settings[i].name) != 0) {
            at++;
        }
        members[at] = line->settings[i];
        count += at == count ? 1 : 0;
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) { /* set.NAME= takes a setting away. */
        bool empty = members[i].value.type == NSH_STRING && members[i].value.count == 0;
        members[kept] = members[i];
        kept += empty ? 0 : 1;
    }
    return nsh_map(members, kept);
}

static void call_start(struct drive *drive, const struct host *host, const struct line *line)
{
    const struct binding *binding = binding_for(host, line->verb);
    struct nsh_member members[64];
    char device[96];
    struct nsh_error err = {0};
    if (binding == NULL || drive->calls_count == CALLS_MAX) {
        return;
    }
    struct drive_call *call = &drive->calls[drive->calls_count];
    snprintf(call->action, sizeof call->action, "a%zu", drive->calls_count++);
    if (line->token != NULL) {
        snprintf(call->action, sizeof call->action, "%s", line->token);
    }
    snprintf(call->verb, sizeof call->verb, "%s", line->verb);
    snprintf(device, sizeof device, "%.64s/%.20s", host->name, binding_word(binding->kind));
    call->host = host->name;
    call->begun_ms = now_ms();
    call->drive = drive;
    struct nsh_value settings = settings_of(binding, line, members);
    struct nsh_value args = nsh_map(line->args, line->args_count);
    drive->waiting++;
    (void)drivers_learn(drive->drivers, binding->driver); /* A fence agent, by its name. */
    if (drivers_start(drive->drivers,
                      &(struct drivers_call){.action = call->action,
                                             .host = host->name,
                                             .device = device,
                                             .driver = binding->driver,
                                             .verb = call->verb,
                                             .settings = &settings,
                                             .args = &args,
                                             .timeout_ms = line->timeout_ms},
                      &err) < 0) {
        drive->waiting--;
        call_print(call, &(struct nsh_outcome){.code = err.code, .text = err.text}, "");
    } else if (line->cancel_ms > 0) {
        struct nsh_services *services = loop_services(drive->loop);
        call->cancel = services->timer(services, line->cancel_ms, cancel_due, call);
    }
}

static struct nsh_value value_of(const char *text)
{
    int64_t number = 0;
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0
               ? nsh_bool(strcmp(text, "true") == 0)
           : text_to_int(text_of(text), &number) ? nsh_int(number)
                                                 : nsh_text(text);
}

static bool line_word(struct line *line, char *word)
{
    char *value = strchr(word, '=');
    if (value == NULL) {
        return false;
    }
    *value++ = '\0';
    if (strcmp(word, "timeout") == 0 || strcmp(word, "cancel") == 0) {
        *(word[0] == 't' ? &line->timeout_ms : &line->cancel_ms) =
            (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(word, "token") == 0) {
        line->token = value;
    } else if (strncmp(word, "set.", 4) == 0 && line->settings_count < WORDS_MAX) {
        line->settings[line->settings_count++] = (struct nsh_member){word + 4, nsh_text(value)};
    } else if (line->args_count < WORDS_MAX) {
        line->args[line->args_count++] = (struct nsh_member){word, value_of(value)};
    }
    return true;
}

static bool line_read(char *text, struct line *ret_line)
{
    char *rest = text, *word;
    *ret_line = (struct line){.host = NULL};
    while ((word = strsep(&rest, " \t\r\n")) != NULL) {
        if (*word == '\0') {
            continue;
        }
        if (strcmp(word, "&") == 0) {
            ret_line->on = true;
        } else if (ret_line->host == NULL) {
            ret_line->host = word;
        } else if (ret_line->verb == NULL) {
            ret_line->verb = word;
        } else if (!line_word(ret_line, word)) {
            return false;
        }
    }
    return ret_line->verb != NULL;
}

static int line_run(struct drive *drive, char *text)
{
    struct line line;
    size_t hosts = 0;
    if (!line_read(text, &line)) {
        fprintf(stderr, "drive: want: HOST VERB [NAME=VALUE...] [&]\n");
        return 2;
    }
    for (size_t i = 0; i < drive->inventory->hosts_count; i++) {
        const struct host *host = &drive->inventory->hosts[i];
        if (strcmp(line.host, "*") == 0 || strcmp(line.host, host->name) == 0) {
            hosts++;
            call_start(drive, host, &line);
        }
    }
    if (hosts == 0) {
        fprintf(stderr, "drive: no host %s\n", line.host);
        return 2;
    }
    while (!line.on && drive->waiting > 0) {
        uv_run(loop_uv(drive->loop), UV_RUN_ONCE);
    }
    return 0;
}

static int drive_open(struct drive *drive, char **argv)
{
    struct nsh_error err = {0};
    struct diags diags = {0};
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files); /* As the daemon does: every connection is a descriptor. */
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    drive->calls = calloc(CALLS_MAX, sizeof *drive->calls);
    if (drive->calls == NULL || drivers_load(argv[2], &drive->drivers, &err) < 0) {
        fprintf(stderr, "drive: %s\n", err.text);
        return 2;
    }
    struct loop_hooks hooks = drivers_hooks(drive->drivers);
    if (loop_new(&(struct loop_options){.spawn_helper = argv[1]}, &hooks, &drive->loop, &err) < 0 ||
        drivers_run(drive->drivers, drive->loop, secret_of, drive, ended, drive, &err) < 0) {
        fprintf(stderr, "drive: %s\n", err.text);
        return 2;
    }
    drive->inventory = fleet_load(argv[3], &diags);
    if (drive->inventory == NULL) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(&diags, NULL, false, &out);
        fprintf(stderr, "%s", out.at == NULL ? "" : out.at);
        return 2;
    }
    diags_done(&diags);
    return 0;
}

int main(int argc, char **argv)
{
    struct drive drive = {.folder = argc > 4 ? argv[4] : NULL};
    char text[2048];
    if (argc != 5) {
        fprintf(stderr, "usage: %s SPAWN-HELPER DRIVERS INVENTORY CREDENTIALS\n", argv[0]);
        return 2;
    }
    int result = drive_open(&drive, argv);
    if (result != 0) {
        return result;
    }
    while (result == 0 && fgets(text, sizeof text, stdin) != NULL) {
        result = line_run(&drive, text);
    }
    while (drive.waiting > 0) {
        uv_run(loop_uv(drive.loop), UV_RUN_ONCE);
    }
    drivers_stop(drive.drivers);
    while (drivers_running(drive.drivers) > 0) {
        uv_run(loop_uv(drive.loop), UV_RUN_ONCE);
    }
    loop_free(drive.loop);
    drivers_free(drive.drivers);
    inventory_free(drive.inventory);
    free(drive.calls);
    return result;
}
