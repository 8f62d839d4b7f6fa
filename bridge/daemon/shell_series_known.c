/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a start: which series are raised is what the store's alarms say. So a crash between a turn
 * and the next save of states neither leaves an alarm that nobody clears nor raises one twice.
 */

#include "shell_series_private.h"

#include "base/json.h"
#include "fleet/fleet.h"

#define AGAIN_EACH 16                      /* Looked for in one second. */
#define AGAIN_MS (INT64_C(15) * 60 * 1000) /* After the start; then the series does not come. */

struct search {
    const struct inventory *inventory;
    const struct shell_known *known;
};

static bool is_host(void *arg, struct text host)
{
    const struct search *search = arg;
    if (search->known->host.count == 0) {
        return text_equal(search->known->subject, host);
    }
    char hint[2 * SERIES_TEXT_BYTES_MAX + 16];
    int count = snprintf(hint, sizeof hint, "host=%.*s,addr=%.*s", (int)host.count, host.at,
                         (int)host.count, host.at);
    struct event event = {.hint = {hint, (uint32_t)count}};
    bool conflict = false;
    const struct host *found = fleet_resolve(search->inventory, &event, &conflict);
    return found != NULL && text_is(search->known->host, found->name);
}

static bool look(struct shell *shell, struct shell_known *known)
{
    struct search search = {shell->generation->inventory, known};
    pthread_mutex_lock(&shell->series->mutex);
    known->found =
        series_known(shell->series->table, known->signal, known->resource, is_host, &search);
    pthread_mutex_unlock(&shell->series->mutex);
    shell->series->known_left -= known->found;
    return known->found;
}

static int alarm_row(void *arg, const struct record *record)
{
    struct shell_series *series = arg;
    static const char prefix[] = "signal/";
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body;
    if (series->known_count == SHELL_SERIES_KNOWN_MAX ||
        json_parse(record->body.at, record->body.count, &arena, &body, NULL) < 0 ||
        !text_starts(text_of(nsh_get_text(&body, "source", "")), prefix)) {
        return 0;
    }
    struct arena *keep = &series->known_arena;
    series->known[series->known_count++] = (struct shell_known){
        .signal = arena_text(keep, text_of(nsh_get_text(&body, "qualifier", ""))),
        .resource = arena_text(keep, text_of(nsh_get_text(&body, "resource", ""))),
        .host = arena_text(keep, text_of(nsh_get_text(&body, "host", ""))),
        .subject = arena_text(keep, text_of(nsh_get_text(&body, "subject", ""))),
    };
    return 0;
}

int shell_series_known(struct shell *shell, struct nsh_error *err)
{
    struct shell_series *series = shell->series;
    const struct config *config = shell->generation->config;
    struct store_reader *reader = NULL;
    if (config->signals.count == 0) {
        return 0;
    }
    series->known =
        arena_array(&series->known_arena, SHELL_SERIES_KNOWN_MAX, sizeof *series->known);
    if (series->known == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = store_reader_open(config->store_path, &reader, err);
    if (result < 0) {
        return nsh_wrap(err, "while reading the alarms of signals");
    }
    const struct store_query query = {
        .kind = RECORD_ALARM, .state = TEXT("raised"), .limit = 100000};
    result = store_query(reader, &query, alarm_row, series, err);
    store_reader_close(reader);
    series->known_left = series->known_count;
    for (size_t i = 0; result == 0 && i < series->known_count; i++) {
        look(shell, &series->known[i]);
    }
    return result;
}

void shell_series_known_again(struct shell *shell)
{
    struct shell_series *series = shell->series;
    if (series->known_left == 0 || shell_now(shell) - shell->started_ms > AGAIN_MS) {
        return;
    }
    for (size_t i = 0; i < AGAIN_EACH && series->known_left > 0; i++) {
        series->known_cursor = (series->known_cursor + 1) % series->known_count;
        struct shell_known *known = &series->known[series->known_cursor];
        if (!known->found) {
            look(shell, known);
        }
    }
}
