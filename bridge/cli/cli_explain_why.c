/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain policy and explain event: what was decided, and when nothing was, why not: who listens to
 * what, and what came. From what was recorded; nothing is evaluated again.
 */

#include "cli.h"

#include "base/map.h"

#define TYPES_MAX 8 /* Of one policy that are looked up. */

static const char *word_of(const struct nsh_value *item, const char *name)
{
    return nsh_get_text(item, name, "");
}

static int severity_rank(const char *word)
{
    static const char *const words[] = {"info", "warning", "minor", "major", "critical", "fatal"};
    for (int i = 0; i < 6; i++) {
        if (strcmp(words[i], word) == 0) {
            return i;
        }
    }
    return -1;
}

/* "over 12 decisions: 9 skipped, 3 run" */
static void print_outcomes(const struct nsh_value *decisions)
{
    struct map counts = {0};
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    for (uint32_t i = 0; decisions != NULL && i < decisions->count; i++) {
        struct text outcome = text_of(word_of(&decisions->items[i], "outcome"));
        uintptr_t count = (uintptr_t)map_get(&counts, outcome);
        (void)map_set(&counts, outcome, (void *)(count + 1)); /* Only a figure for people. */
    }
    MAP_EACH (&counts, entry) {
        textbuf_addf(&text, "%s%zu %.*s", text.count == 0 ? "" : ", ",
                     (size_t)(uintptr_t)entry->value, (int)entry->key.count, entry->key.at);
    }
    map_done(&counts);
    if (text.count > 0) {
        cli_print_line("The newest %u decisions: %s (--limit, --since: more)\n", decisions->count,
                       text.at);
    }
}

/* ---- a policy ------------------------------------------------------------------------------ */

/* "fan.failed: none ever came" or the newest one, and whether it was severe enough. */
static void print_newest(struct cli *cli, const char *type, const char *severity)
{
    struct nsh_value document;
    const char *path =
        arena_printf(&cli->arena, "/v1/events?limit=1&type=%s", cli_escape(cli, type));
    if (path == NULL || cli_request(cli, "GET", path, NULL, &document) != CLI_OK) {
        return;
    }
    const struct nsh_value *items = nsh_get(&document, "items");
    if (items == NULL || items->type != NSH_LIST || items->count == 0) {
        cli_print_line("    %-28s none was ever received", type);
        return;
    }
    const struct nsh_value *event = &items->items[0];
    const char *got = word_of(event, "severity");
    CLEANUP(textbuf_donep) struct textbuf ago = {0};
    cli_cell(cli, event, "received_ms", CLI_AGO, &ago);
    bool low = severity_rank(got) < severity_rank(severity);
    cli_print_line("    %-28s newest %s: event %lld, %s, host %s%s%s", type, ago.at,
                   (long long)nsh_get_int(event, "seq", 0), got,
                   word_of(event, "host")[0] == 0 ? "not known" : word_of(event, "host"),
                   low ? "; not severe enough: it wants " : "", low ? severity : "");
}

static void print_types(struct cli *cli, const struct nsh_value *of, unsigned *left)
{
    const struct nsh_value *events = nsh_get(of, "events");
    for (uint32_t i = 0; events != NULL && events->type == NSH_LIST && i < events->count; i++) {
        if (*left > 0 && events->items[i].type == NSH_STRING) {
            print_newest(cli, events->items[i].text, word_of(of, "severity"));
            (*left)--;
        }
    }
}

static void print_trigger(struct cli *cli, const struct nsh_value *policy)
{
    const struct nsh_value *branches = nsh_get(policy, "branches");
    bool several = branches != NULL && branches->type == NSH_LIST && branches->count > 0;
    unsigned left = TYPES_MAX;
    cli_print_line("It listens to:");
    for (uint32_t i = 0; several && i < branches->count; i++) {
        print_types(cli, &branches->items[i], &left);
    }
    if (!several) {
        print_types(cli, policy, &left);
    }
    const char *condition = word_of(policy, "condition");
    if (condition[0] != 0) {
        cli_print_line("    if %s", condition);
    }
}

enum cli_exit cli_explain_policy(struct cli *cli)
{
    struct nsh_value document, policy;
    enum cli_exit result = cli_explain_fetch(cli, "policy", &document);
    if (result != CLI_OK || cli_print_document(cli, &document)) {
        return result;
    }
    const char *path = arena_printf(&cli->arena, "/v1/policies/%s", cli_escape(cli, cli->args[0]));
    result = cli_request(cli, "GET", path, NULL, &policy);
    if (result != CLI_OK) {
        return result;
    }
    cli_print_line("%s  mode %s  %s", word_of(&policy, "name"), word_of(&policy, "mode"),
                   word_of(&policy, "summary"));
    print_outcomes(nsh_get(&document, "decisions"));
    if (!cli_explain_print(cli, &document)) {
        cli_print_line("It decided nothing%s.", cli->flags.since == NULL ? "" : " in that time");
        print_trigger(cli, &policy);
        cli_print_line("An event in detail: nightshift explain event SEQ");
    }
    return CLI_OK;
}

/* ---- an event ------------------------------------------------------------------------------ */

static bool decided(const struct nsh_value *document, const char *policy)
{
    static const char *const lists[] = {"decisions", "pending"};
    for (size_t l = 0; l < 2; l++) {
        const struct nsh_value *list = nsh_get(document, lists[l]);
        for (uint32_t i = 0; list != NULL && list->type == NSH_LIST && i < list->count; i++) {
            if (strcmp(word_of(&list->items[i], "policy"), policy) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* The least severity at which a policy looks at the type. */
static const char *wanted_severity(const struct nsh_value *policy, const char *type)
{
    const struct nsh_value *branches = nsh_get(policy, "branches");
    const char *least = word_of(policy, "severity");
    for (uint32_t i = 0; branches != NULL && branches->type == NSH_LIST && i < branches->count;
         i++) {
        const struct nsh_value *events = nsh_get(&branches->items[i], "events");
        for (uint32_t e = 0; events != NULL && e < events->count; e++) {
            if (text_glob(text_of(events->items[e].text), text_of(type))) {
                least = word_of(&branches->items[i], "severity");
            }
        }
    }
    return least;
}

static void print_listener(const struct nsh_value *document, const struct nsh_value *policy,
                           const struct nsh_value *event)
{
    const char *name = word_of(policy, "name"), *severity = word_of(event, "severity");
    const char *wanted = wanted_severity(policy, word_of(event, "type"));
    if (decided(document, name)) {
        cli_print_line("    %-24s looked at it: see above", name);
    } else if (severity_rank(severity) < severity_rank(wanted)) {
        cli_print_line("    %-24s wants %s at least, this is %s", name, wanted, severity);
    } else if (strcmp(word_of(event, "state"), "clear") == 0) {
        cli_print_line("    %-24s hears that it is over; nothing is decided for that", name);
    } else if (strcmp(word_of(event, "state"), "pulse") == 0 &&
               nsh_get_int(policy, "for_ms", 0) > 0) {
        cli_print_line("    %-24s waits for an alarm that stays (`for`); this is over at once",
                       name);
    } else if (word_of(policy, "condition")[0] != 0) {
        cli_print_line("    %-24s its condition was not true: %s", name,
                       word_of(policy, "condition"));
    } else {
        cli_print_line("    %-24s decided nothing: the alarm was known already, it ended before "
                       "its time was over, or the policy came later",
                       name);
    }
}

static void print_listeners(struct cli *cli, const struct nsh_value *document,
                            const struct nsh_value *event)
{
    struct nsh_value policies;
    const char *type = word_of(event, "type");
    const char *path = arena_printf(&cli->arena, "/v1/policies?type=%s", cli_escape(cli, type));
    if (path == NULL || cli_request(cli, "GET", path, NULL, &policies) != CLI_OK) {
        return;
    }
    const struct nsh_value *items = nsh_get(&policies, "items");
    if (items == NULL || items->type != NSH_LIST || items->count == 0) {
        cli_print_line("No policy listens to %s.", type);
        return;
    }
    cli_print_line("Policies that listen to %s:", type);
    for (uint32_t i = 0; i < items->count; i++) {
        print_listener(document, &items->items[i], event);
    }
}

static void print_event(struct cli *cli, const struct nsh_value *event, const char *alarm)
{
    CLEANUP(textbuf_donep) struct textbuf ago = {0};
    cli_cell(cli, event, "received_ms", CLI_AGO, &ago);
    const char *severity = word_of(event, "severity"), *host = word_of(event, "host");
    cli_print_line("event %lld  %s%s%s %s  %s  host %s  %s",
                   (long long)nsh_get_int(event, "seq", 0), cli_color_of(cli, severity), severity,
                   cli_color_end(cli), word_of(event, "state"), word_of(event, "type"),
                   host[0] == 0 ? "-" : host, ago.at == NULL ? "" : ago.at);
    if (word_of(event, "message")[0] != 0) {
        cli_print_line("    %s", word_of(event, "message"));
    }
    if (nsh_get_bool(event, "unmatched", false)) {
        cli_print_line("    No trap table knows it: it is kept, and no policy hears of it by a "
                       "name of ours.");
    }
    if (host[0] == 0) {
        cli_print_line("    No host of the inventory fits it: policies about hosts do not look at "
                       "it.");
    } else if (alarm[0] != 0) {
        cli_print_line("    It belongs to alarm %s.", alarm);
    } else {
        cli_print_line("    It raised no alarm.");
    }
    putchar('\n');
}

enum cli_exit cli_explain_event(struct cli *cli)
{
    struct nsh_value document;
    enum cli_exit result = cli_explain_fetch(cli, "event", &document);
    const struct nsh_value *event = result == CLI_OK ? nsh_get(&document, "event") : NULL;
    if (result != CLI_OK || event == NULL || cli_print_document(cli, &document)) {
        return result;
    }
    print_event(cli, event, word_of(&document, "alarm"));
    if (cli_explain_print(cli, &document)) {
        putchar('\n');
    }
    print_listeners(cli, &document, event);
    return CLI_OK;
}
