/* SPDX-License-Identifier: Apache-2.0 */
/* Sources for people: the list, and what the doctor says of one. */

#include "sources_private.h"

#include "api/api.h"

#include <stdio.h>

#define DOCUMENT(kind) "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"" kind "\""

static const struct source_entry *entry_of(const struct sources *sources, const char *name)
{
    const struct source_entry *entry = sources->entries;
    while (entry != NULL && strcmp(entry->config->name, name) != 0) {
        entry = entry->next;
    }
    return entry;
}

/* What is shown: a source of the configuration, or a receiver of the daemon; both NULL: a reload
 * took it away. */
struct shown {
    const struct source_entry *entry;
    const struct receiver_entry *receiver;
    const struct source_watch *watch;
};

static struct shown shown_of(const struct sources *sources, const char *name)
{
    struct shown shown = {entry_of(sources, name), sources_receiver_find(sources, name), NULL};
    if (shown.receiver != NULL) {
        shown.watch = &shown.receiver->watch;
    } else if (shown.entry != NULL) {
        shown.watch = &shown.entry->watch;
    }
    return shown;
}

static void own_checks(const struct shown *shown, struct nsh_checks *checks)
{
    const struct source_entry *entry = shown->entry;
    if (shown->receiver != NULL && shown->receiver->is.doctor != NULL) {
        shown->receiver->is.doctor(shown->receiver->is.arg, checks);
    } else if (entry != NULL && entry->config->type->doctor != NULL) {
        entry->config->type->doctor(entry->source, entry->config, checks);
    }
}

/* A broker that is not there, a network that is cut off: what its own doctor would say. */
static bool is_ill(const struct shown *shown)
{
    struct nsh_checks checks = {.count = 0};
    own_checks(shown, &checks);
    for (size_t i = 0; i < checks.count; i++) {
        if (checks.items[i].state == NSH_CHECK_FAILED) {
            return true;
        }
    }
    return false;
}

static const char *state_word(const struct shown *shown, int64_t now_ms)
{
    if (shown->watch == NULL) {
        return "gone";
    }
    if ((shown->entry != NULL && shown->entry->failed[0] != '\0') || is_ill(shown)) {
        return "failed"; /* `source doctor` says why. */
    }
    return watch_silent_ms(shown->watch, now_ms) > 0 ? "silent" : "ok";
}

static void add_row(const struct sources *sources, const struct source_figures *figures,
                    int64_t now_ms, struct textbuf *out)
{
    const struct shown shown = shown_of(sources, figures->name);
    textbuf_add_chars(out, "{\"name\":");
    textbuf_add_json(out, text_of(figures->name));
    textbuf_addf(out, ",\"type\":\"%s\",\"state\":\"%s\"", figures->type,
                 state_word(&shown, now_ms));
    if (shown.entry != NULL && shown.entry->config->format.name != NULL) {
        textbuf_add_chars(out, ",\"format\":");
        textbuf_add_json(out, text_of(shown.entry->config->format.name));
    }
    if (shown.watch != NULL && shown.watch->allowed_ms > 0) {
        textbuf_addf(out, ",\"silence_ms\":%lld", (long long)shown.watch->allowed_ms);
    }
    source_figures_json(figures, out);
    textbuf_add_char(out, '}');
}

void sources_list_json(struct sources *sources, int64_t now_ms, struct textbuf *out)
{
    struct source_figures figures;
    textbuf_add_chars(out, DOCUMENT("SourceList") ",\"items\":[");
    for (size_t i = 0; source_book_at(sources->book, i, &figures); i++) {
        textbuf_add_chars(out, i == 0 ? "" : ",");
        add_row(sources, &figures, now_ms, out);
    }
    textbuf_add_chars(out, "]}");
}

/* ---- the doctor ---------------------------------------------------------------------------- */

#define FRESHNESS "silence = \"15m\" with a heartbeat over there (Alertmanager: a Watchdog alert)"

/* pasted: there is a sender to configure; else it asks by itself. */
static void check_heard(const struct shown *shown, const struct source_figures *figures,
                        bool pasted, int64_t now_ms, struct nsh_checks *checks)
{
    CLEANUP(textbuf_donep) struct textbuf ago = {0};
    int64_t silent_ms = watch_silent_ms(shown->watch, now_ms);
    const char *freshness = shown->receiver != NULL ? shown->receiver->is.freshness
                            : pasted                ? FRESHNESS
                                                    : "silence = \"15m\"";
    if (figures->heard_ms == 0) {
        nsh_check_add(checks, "heard", silent_ms > 0 ? NSH_CHECK_FAILED : NSH_CHECK_WARNING,
                      pasted ? "configure the sender as said below, then send a test from there"
                             : "what is wrong stands above; without, nothing happened yet",
                      "nothing was heard since the daemon started");
        return;
    }
    textbuf_add_span(&ago, now_ms - figures->heard_ms);
    if (silent_ms > 0) {
        nsh_check_add(checks, "heard", NSH_CHECK_FAILED,
                      "it may be down, or cannot reach us: nothing interrupting is done meanwhile",
                      "heard %s ago, longer than `silence` allows", ago.at);
    } else {
        nsh_check_add(checks, "heard", NSH_CHECK_OK, NULL, "heard %s ago", ago.at);
    }
    if (shown->watch->allowed_ms == 0 && freshness != NULL) {
        nsh_check_add(checks, "freshness", NSH_CHECK_WARNING, freshness,
                      "nobody would notice when it falls silent");
    }
}

static void check_counts(const struct source_figures *figures, struct nsh_checks *checks)
{
    const uint64_t *counts = figures->counts;
    uint64_t dropped = source_dropped(figures);
    bool well = counts[SOURCE_COUNT_malformed] == 0 && dropped == 0;
    nsh_check_add(checks, "messages", well ? NSH_CHECK_OK : NSH_CHECK_WARNING,
                  well ? NULL
                       : "the last mistake stands in `wrong`; `nightshift source test` "
                         "shows what a message becomes",
                  "%llu received, %llu accepted, %llu malformed, %llu dropped",
                  (unsigned long long)counts[SOURCE_COUNT_received],
                  (unsigned long long)counts[SOURCE_COUNT_accepted],
                  (unsigned long long)counts[SOURCE_COUNT_malformed], (unsigned long long)dropped);
    bool known = counts[SOURCE_COUNT_unmatched] == 0;
    nsh_check_add(checks, "events", known ? NSH_CHECK_OK : NSH_CHECK_WARNING,
                  known ? NULL
                        : "`nightshift event list --unmatched` shows them; add a rule to "
                          "its map",
                  "%llu event%s, %llu known already, %llu no rule knew",
                  (unsigned long long)counts[SOURCE_COUNT_events],
                  PLURAL(counts[SOURCE_COUNT_events]),
                  (unsigned long long)counts[SOURCE_COUNT_duplicates],
                  (unsigned long long)counts[SOURCE_COUNT_unmatched]);
    if (figures->why[0] != '\0') {
        nsh_check_add(checks, "wrong", NSH_CHECK_WARNING, NULL, "%.150s", figures->why);
    }
}

static void check_secrets(struct sources *sources, const struct source_entry *entry,
                          struct nsh_checks *checks)
{
    const struct source_type *type = entry->config->type;
    for (size_t i = 0; i < type->options_count; i++) {
        struct nsh_error err = {0};
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        const char *secret = NULL;
        const char *name = type->options[i].name;
        const char *reference = nsh_get_text(&entry->config->settings, name, NULL);
        if (type->options[i].type != NSH_SECRET || reference == NULL) {
            continue;
        }
        if (sources->options.shared.secret(sources->options.shared.arg, reference, &arena, &secret,
                                           &err) < 0) {
            nsh_check_add(checks, name, NSH_CHECK_FAILED, "make the file readable for the daemon",
                          "%.180s", err.text);
        } else {
            nsh_check_add(checks, name, NSH_CHECK_OK, NULL, "the secret can be read");
        }
    }
}

static void add_checks(const struct nsh_checks *checks, struct textbuf *out)
{
    for (size_t i = 0; i < checks->count; i++) {
        const struct nsh_check *check = &checks->items[i];
        textbuf_add_chars(out, i == 0 ? "{\"check\":" : ",{\"check\":");
        textbuf_add_json(out, text_of(check->name));
        textbuf_addf(out, ",\"state\":\"%s\",\"text\":", nsh_check_word(check->state));
        textbuf_add_json(out, text_of(check->text));
        textbuf_add_chars(out, ",\"hint\":");
        textbuf_add_json(out, text_of(check->hint));
        textbuf_add_char(out, '}');
    }
}

/* Where senders of the API's sources send to. */
static void url_of(const struct source_entry *entry, char *url, size_t url_bytes)
{
    const struct config *config = entry->generation->config;
    snprintf(url, url_bytes, "%s://%s/v1/%s/%s", config->api_tls_cert[0] == '\0' ? "http" : "https",
             config->api_listen[0] == '\0' ? "HOST:8640" : config->api_listen,
             entry->config->type->path == NULL ? "webhooks" : entry->config->type->path,
             entry->config->name);
}

static void add_paste(const struct shown *shown, struct textbuf *out)
{
    if (shown->receiver == NULL) {
        char url[512];
        url_of(shown->entry, url, sizeof url);
        source_paste(shown->entry->config, url, out);
    } else if (shown->receiver->is.paste != NULL) {
        shown->receiver->is.paste(shown->receiver->is.arg, out);
    }
}

int sources_doctor_json(struct sources *sources, const char *name, int64_t now_ms,
                        struct textbuf *out, struct nsh_error *err)
{
    struct source_figures figures;
    struct nsh_checks checks = {.count = 0};
    const struct shown shown = shown_of(sources, name);
    if (shown.watch == NULL || !source_book_find(sources->book, name, &figures)) {
        return nsh_fail(err, NSH_NOT_FOUND, "no source '%.64s' is configured", name);
    }
    if (shown.entry != NULL && shown.entry->failed[0] != '\0') {
        nsh_check_add(&checks, "started", NSH_CHECK_FAILED, "correct it, then `nightshift reload`",
                      "%.180s", shown.entry->failed);
    }
    own_checks(&shown, &checks);
    if (shown.entry != NULL) {
        check_secrets(sources, shown.entry, &checks);
    }
    CLEANUP(textbuf_donep) struct textbuf paste = {0};
    add_paste(&shown, &paste);
    check_heard(&shown, &figures, paste.count > 0, now_ms, &checks);
    check_counts(&figures, &checks);
    textbuf_add_chars(out, DOCUMENT("SourceDoctor") ",\"source\":");
    add_row(sources, &figures, now_ms, out);
    textbuf_add_chars(out, ",\"checks\":[");
    add_checks(&checks, out);
    textbuf_add_chars(out, "],\"paste\":");
    textbuf_add_json(out, text_of(paste.at == NULL ? "" : paste.at));
    textbuf_add_char(out, '}');
    return 0;
}
