/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sources ask of drivers, and where they stand. A source asks through the driver host like
 * actions do, so that a BMC has one session for both; it may only ask what reads. How far it has
 * read (its mark) goes into the commit that holds the events, so nothing is lost and nothing told
 * twice, wherever the daemon ends.
 */

#include "shell_private.h"

#include "loop/drivers.h"
#include "sources.h"

#include <stdio.h>
#include <stdlib.h>

#define SOURCE_CALLS_MAX 4096
#define MARKS_MAX 200000
#define ACTION_BYTES 40

struct asked {
    void (*done)(void *arg, const struct nsh_outcome *outcome);
    void *arg;
    char action[ACTION_BYTES];
};

struct shell_mark {
    char *id, *text;
};

/* ---- calls ---- */

static void action_write(char action[ACTION_BYTES], uint64_t number)
{
    snprintf(action, ACTION_BYTES, SOURCE_CALL_PREFIX "%llu", (unsigned long long)number);
}

static int binding_check(const struct shell *shell, const struct source_call *call,
                         const struct binding **ret_binding, struct nsh_error *err)
{
    const struct host *host = inventory_host(shell->generation->inventory, text_of(call->host));
    const struct binding *binding = host == NULL ? NULL : host_binding(host, call->binding);
    const struct nsh_driver *driver = drivers_find(shell->drivers, call->driver);
    const struct nsh_verb *verb = driver == NULL ? NULL : driver_verb(driver, call->verb);
    if (binding == NULL || strcmp(binding->driver, call->driver) != 0) {
        return nsh_fail(err, NSH_NOT_FOUND, "host %s has no %s by %s any more", call->host,
                        binding_word(call->binding), call->driver);
    }
    if (verb == NULL) {
        return nsh_fail(err, NSH_UNSUPPORTED, "driver %s is not installed, or has no %s",
                        call->driver, call->verb);
    }
    if (verb->effect != NSH_READS) {
        return nsh_fail(err, NSH_DENIED, "%s does more than reading: no source may", call->verb);
    }
    *ret_binding = binding;
    return 0;
}

int shell_source_call(void *arg, const struct source_call *call, uint64_t *ret_number,
                      struct nsh_error *err)
{
    struct shell *shell = arg;
    const struct binding *binding = NULL;
    int result = binding_check(shell, call, &binding, err);
    if (result < 0) {
        return result;
    }
    if (shell->stopping || shell->source_calls.count >= SOURCE_CALLS_MAX) {
        return nsh_fail(err, shell->stopping ? NSH_CANCELLED : NSH_LIMIT, "%s",
                        shell->stopping ? "the daemon is stopping"
                                        : "sources have too many calls running");
    }
    struct asked *asked = calloc(1, sizeof *asked);
    if (asked == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    char device[320];
    snprintf(device, sizeof device, "%s/%s", call->host, binding_word(call->binding));
    *asked = (struct asked){.done = call->done, .arg = call->arg};
    action_write(asked->action, ++shell->source_calls_count);
    if (map_set(&shell->source_calls, text_of(asked->action), asked) < 0) {
        free(asked);
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    const struct drivers_call start = {
        .action = asked->action,
        .host = call->host,
        .device = device,
        .driver = call->driver,
        .verb = call->verb,
        .settings = &binding->settings,
        .args = call->args,
        .timeout_ms = call->timeout_ms,
    };
    uint64_t number = shell->source_calls_count;
    result = drivers_start(shell->drivers, &start, err);
    if (result < 0) {
        free(map_remove(&shell->source_calls, text_of(asked->action)));
        return result;
    }
    *ret_number = number;
    return 0;
}

void shell_source_call_done(struct shell *shell, const char *action,
                            const struct nsh_outcome *outcome)
{
    struct asked *asked = map_remove(&shell->source_calls, text_of(action));
    if (asked != NULL) {
        asked->done(asked->arg, outcome);
        free(asked);
    }
}

void shell_source_call_cancel(void *arg, uint64_t number)
{
    struct shell *shell = arg;
    char action[ACTION_BYTES];
    action_write(action, number);
    free(map_remove(&shell->source_calls, text_of(action)));
    if (shell->drivers != NULL) {
        drivers_cancel(shell->drivers, action);
    }
}

void shell_source_calls_stop(struct shell *shell)
{
    for (size_t i = 0; i < shell->source_calls.used; i++) {
        const struct asked *asked = shell->source_calls.entries[i].value;
        if (asked != NULL) {
            char action[ACTION_BYTES];
            memcpy(action, asked->action, sizeof action);
            drivers_cancel(shell->drivers, action); /* done() follows. */
        }
    }
}

size_t shell_reading_calls(const struct shell *shell)
{
    return shell->source_calls.count;
}

/* ---- marks ---- */

static void mark_free(struct shell_mark *mark)
{
    free(mark->id);
    free(mark->text);
    free(mark);
}

/* Of an empty text, too: it may be no bytes at all. */
static char *text_keep(struct text text)
{
    return text.count == 0 ? strdup("") : strndup(text.at, text.count);
}

/* -NSH_LIMIT: it is one too many. */
static int mark_set(struct shell *shell, struct text id, struct text text)
{
    if (id.at == NULL || text.at == NULL) {
        return 0; /* Nothing was kept. */
    }
    struct shell_mark *mark = map_get(&shell->marks, id);
    char *copy = text_keep(text);
    if (mark != NULL && copy != NULL) {
        free(mark->text);
        mark->text = copy;
        return 0;
    }
    if (mark == NULL && shell->marks.count >= MARKS_MAX) {
        free(copy);
        return -NSH_LIMIT;
    }
    mark = copy == NULL ? NULL : calloc(1, sizeof *mark);
    if (mark == NULL) {
        free(copy);
        return -NSH_NOMEM;
    }
    mark->text = copy;
    mark->id = text_keep(id);
    if (mark->id == NULL || map_set(&shell->marks, text_of(mark->id), mark) < 0) {
        mark_free(mark);
        return -NSH_NOMEM;
    }
    return 0;
}

int shell_mark_load(struct shell *shell, const struct record *record, struct nsh_error *err)
{
    return mark_set(shell, record->id, record->body) == -NSH_NOMEM
               ? nsh_fail(err, NSH_NOMEM, "no memory for the mark of a source")
               : 0;
}

void shell_mark_keep(struct shell *shell, const char *id, const char *mark)
{
    /* Without memory the older one stays until the next start: what is read again then has the ids
     * it had. One too many is not written either: a start would not know it, and reading all again
     * is better than no start. */
    if (mark_set(shell, text_of(id), text_of(mark)) == -NSH_LIMIT) {
        if (shell_complain(shell, LOG_SOURCE_NEWS)) {
            LOG(SOURCE_NEWS, {"text", nsh_text("too many marks: a source begins anew at the next "
                                               "start")});
        }
        return;
    }
    shell_store_record(shell, &(struct record){
                                  .kind = RECORD_MARK,
                                  .live = true,
                                  .time_ms = shell_now(shell),
                                  .id = text_of(id),
                                  .body = text_of(mark),
                              });
}

const char *shell_mark(void *arg, const char *id)
{
    const struct shell *shell = arg;
    const struct shell_mark *mark = map_get(&shell->marks, text_of(id));
    return mark == NULL ? NULL : mark->text;
}

void shell_marks_done(struct shell *shell)
{
    MAP_EACH (&shell->marks, entry) {
        mark_free(entry->value);
    }
    map_done(&shell->marks);
    MAP_EACH (&shell->source_calls, entry) {
        free(entry->value);
    }
    map_done(&shell->source_calls);
}
