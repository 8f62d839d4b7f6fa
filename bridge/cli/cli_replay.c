/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay and policy backtest: events of a store, a backup or a file of JSON lines through policies.
 * A store is only read; nothing real is touched.
 */

#include "cli_replay.h"

#include "base/json.h"
#include "store/store.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX (1 << 20)
#define PAGE_EVENTS 100000
#define HOSTS_OF_EVENTS_MAX 100000

/* ---- a store ----------------------------------------------------------------------------------
 */

static int store_row(void *arg, const struct event *event)
{
    struct feed *feed = arg;
    feed->after_seq = event->seq;
    feed->page++;
    return feed->event(feed, event);
}

static int store_feed(struct feed *feed)
{
    struct store_reader *reader = NULL;
    int result = store_reader_open(feed->path, &reader, &feed->err);
    feed->after_seq = 0;
    do {
        feed->page = 0;
        struct store_events query = {.after_seq = feed->after_seq,
                                     .rising = true,
                                     .since_ms = feed->since_ms,
                                     .limit = PAGE_EVENTS};
        result = result < 0 ? result : store_events(reader, &query, store_row, feed, &feed->err);
    } while (result >= 0 && feed->page == PAGE_EVENTS);
    if (reader != NULL) {
        store_reader_close(reader);
    }
    return result < 0 ? result : 0;
}

/* ---- JSON lines -------------------------------------------------------------------------------
 */

static int line_event(struct feed *feed, const char *line, size_t count, struct arena *arena,
                      int64_t *last_ms)
{
    struct nsh_value value;
    struct event event;
    struct nsh_error err = {0};
    if (json_parse(line, count, arena, &value, &err) < 0 ||
        event_from_value(&value, arena, &event, &err) < 0) {
        feed->wrong_lines++;
        if (feed->err.code == 0) {
            feed->err = err; /* The first one is told. */
        }
        return 0;
    }
    if (event.host.count == 0 && event.hint.count == 0 && event.subject.count > 0) {
        const char *hint =
            arena_printf(arena, "host=%.*s", (int)event.subject.count, event.subject.at);
        event.hint = text_of(hint);
    }
    event.received_ms = nsh_get_int(&value, "received_ms", event.time_ms);
    *last_ms = event.received_ms = event.received_ms > *last_ms ? event.received_ms : *last_ms;
    if (event.received_ms < feed->since_ms) {
        return 0;
    }
    return feed->event(feed, &event);
}

static int lines_feed(struct feed *feed)
{
    FILE *file = strcmp(feed->path, "-") == 0 ? stdin : fopen(feed->path, "re");
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    char *line = NULL;
    size_t room = 0;
    int64_t last_ms = 0;
    int result = file == NULL ? nsh_fail(&feed->err, NSH_IO, "cannot read %s", feed->path) : 0;
    for (ssize_t count = 0; result == 0 && (count = getline(&line, &room, file)) >= 0;) {
        if (count > 1 && count < LINE_BYTES_MAX) {
            arena_reset(&arena);
            result = line_event(feed, line, (size_t)count, &arena, &last_ms);
        }
    }
    free(line);
    if (file != NULL && file != stdin) {
        fclose(file);
    }
    return result;
}

static bool is_store(const char *path)
{
    char head[16] = {0};
    FILE *file = fopen(path, "re");
    size_t count = file == NULL ? 0 : fread(head, 1, sizeof head, file);
    if (file != NULL) {
        fclose(file);
    }
    return count == sizeof head && memcmp(head, "SQLite format 3", 16) == 0;
}

static int feed_all(struct feed *feed)
{
    int result = is_store(feed->path) ? store_feed(feed) : lines_feed(feed);
    if (result == 0 && feed->wrong_lines > 0) {
        fprintf(stderr, "nightshift: %llu lines are no events, the first: %s\n",
                (unsigned long long)feed->wrong_lines, feed->err.text);
        feed->wrong_lines = 0;
        feed->err = (struct nsh_error){0};
    }
    return result;
}

/* ---- the inventory ----------------------------------------------------------------------------
 */

static int host_seen(struct feed *feed, const struct event *event)
{
    if (event->host.count == 0 || feed->hosts.count >= HOSTS_OF_EVENTS_MAX ||
        map_get(&feed->hosts, event->host) != NULL) {
        return 0;
    }
    struct text name = arena_text(&feed->cli->arena, event->host);
    return name.at == NULL ? -NSH_NOMEM : map_set(&feed->hosts, name, (void *)(uintptr_t)name.at);
}

/* Without an inventory: the hosts that the events name, every one with every binding. */
static struct inventory *inventory_of_events(struct feed *feed, struct diags *diags)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    feed->event = host_seen;
    if (feed_all(feed) < 0) {
        return NULL;
    }
    textbuf_add_chars(&text, "hosts: (");
    bool first = true;
    MAP_EACH (&feed->hosts, entry) {
        textbuf_add_chars(&text, first ? "{ name = " : ",\n{ name = ");
        textbuf_add_json(&text, entry->key);
        textbuf_add_chars(&text, "; bmc = { driver = \"replay\"; }; os = { driver = \"replay\"; }; "
                                 "node = { driver = \"replay\"; }; instance = { driver = "
                                 "\"replay\"; }; }");
        first = false;
    }
    textbuf_add_chars(&text, ");");
    struct conf *root =
        text.failed ? NULL : conf_read_text("events", text.at, &feed->cli->arena, diags);
    return root == NULL ? NULL : fleet_load_conf(root, diags);
}

struct inventory *cli_replay_inventory(struct feed *feed)
{
    struct diags diags = {0};
    const char *path = feed->cli->flags.inventory;
    struct inventory *inventory =
        path != NULL ? fleet_load(path, &diags) : inventory_of_events(feed, &diags);
    if (path == NULL && inventory != NULL && feed->cli->flags.quiet == NULL) {
        fprintf(stderr,
                "nightshift: no --inventory: %zu hosts as the events name them, without racks "
                "and pools; limits of these are not seen\n",
                inventory->hosts_count);
    }
    if (inventory == NULL) {
        cli_diags_show(feed->cli, &diags);
        if (feed->err.code != 0) {
            cli_fail(CLI_USAGE, "%s", feed->err.text);
        }
    }
    diags_done(&diags);
    return inventory;
}

/* ---- running ----------------------------------------------------------------------------------
 */

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The inventory that is replayed with says which host it is, as the daemon's would. */
static int replay_one(struct feed *feed, const struct event *event)
{
    struct event copy = *event;
    bool conflict = false;
    const struct host *host = fleet_resolve(feed->inventory, event, &conflict);
    copy.host = host == NULL ? event->host : text_of(host->name);
    return replay_event(feed->replay, &copy, &feed->err);
}

enum cli_exit cli_policies_replay(struct feed *feed, const struct inventory *inventory,
                                  const char *path, struct rehearsed *ret)
{
    struct policy_defaults defaults;
    struct diags diags = {0};
    if (cli_site_defaults(feed->cli, &defaults) != CLI_OK) {
        return CLI_NO;
    }
    ret->policies = policy_load(path, &defaults, NULL, 0, &diags);
    if (ret->policies == NULL) {
        cli_diags_show(feed->cli, &diags);
    }
    diags_done(&diags);
    if (ret->policies == NULL) {
        return CLI_NO;
    }
    if (feed->cli->flags.enforce != NULL) {
        policy_set_mode(ret->policies, POLICY_ENFORCE);
    }
    double start = seconds_now();
    int result = replay_new(inventory, ret->policies, &ret->replay, &feed->err);
    feed->replay = ret->replay;
    feed->inventory = inventory;
    feed->event = replay_one;
    result = result == 0 ? feed_all(feed) : result;
    result = result == 0 ? replay_end(ret->replay, &ret->report, &feed->err) : result;
    ret->seconds = seconds_now() - start;
    return result == 0 ? CLI_OK : cli_fail(CLI_NO, "%s", feed->err.text);
}

void cli_rehearsed_done(struct rehearsed *rehearsed)
{
    replay_free(rehearsed->replay);
    policy_set_free(rehearsed->policies);
}

enum cli_exit cli_feed_open(struct cli *cli, struct feed *feed)
{
    int64_t since_ms = 0;
    *feed = (struct feed){.cli = cli, .path = cli->args[0]};
    if (strcmp(feed->path, "-") != 0 && access(feed->path, R_OK) != 0) {
        return cli_fail(CLI_USAGE, "cannot read %s", feed->path);
    }
    const char *since = cli->flags.from != NULL ? cli->flags.from : cli->flags.since;
    if (since != NULL) {
        if (!text_to_duration_ms(text_of(since), &since_ms)) {
            return cli_fail(CLI_USAGE, "--from wants a duration such as 30d, got %s", since);
        }
        feed->since_ms = cli->now_ms - since_ms;
    }
    if (strcmp(feed->path, "-") == 0 && cli->flags.inventory == NULL) {
        return cli_fail(CLI_USAGE, "events from stdin are read once: say --inventory FILE");
    }
    return CLI_OK;
}

const char *cli_replay_policies(const struct cli *cli)
{
    return cli->flags.policies != NULL ? cli->flags.policies : NS_CONFIG_DIR "/policies";
}

/* ---- showing ----------------------------------------------------------------------------------
 */

static const struct cli_column decision_columns[] = {
    {"TIME", "when", CLI_PLAIN, 0},       {"SUBJECT", "subject", CLI_PLAIN, 0},
    {"POLICY", "policy", CLI_PLAIN, 0},   {"OUTCOME", "outcome", CLI_STATE, 0},
    {"ACTIONS", "actions", CLI_PLAIN, 0}, {"CLEARED AFTER", "cleared_ms", CLI_LENGTH, 0},
    {"WHY", "reason", CLI_PLAIN, 60},     {0},
};

#define DECISION_MEMBERS 9

struct nsh_value cli_decision_value(struct cli *cli, const struct replay_decision *decision,
                                    const char *change)
{
    struct nsh_member *members = arena_array(&cli->arena, DECISION_MEMBERS, sizeof *members);
    CLEANUP(textbuf_donep) struct textbuf when = {0};
    if (members == NULL) {
        return nsh_null();
    }
    textbuf_add_time(&when, decision->at_ms);
    const char *text = arena_printf(&cli->arena, "%.19s", when.at == NULL ? "" : when.at);
    size_t count = 0;
    if (change != NULL) {
        members[count++] = (struct nsh_member){"change", nsh_text(change)};
    }
    members[count++] = (struct nsh_member){"when", nsh_text(text)};
    members[count++] = (struct nsh_member){"time", nsh_int(decision->at_ms)};
    members[count++] = (struct nsh_member){"subject", nsh_text(decision->subject)};
    members[count++] = (struct nsh_member){"policy", nsh_text(decision->policy)};
    members[count++] = (struct nsh_member){"outcome", nsh_text(decision->outcome)};
    members[count++] = (struct nsh_member){"actions", nsh_text(decision->actions)};
    members[count++] = (struct nsh_member){"reason", nsh_text(decision->reason)};
    if (decision->cleared_ms >= 0) {
        members[count++] = (struct nsh_member){"cleared_ms", nsh_int(decision->cleared_ms)};
    }
    return nsh_map(members, count);
}

static void document_print(struct cli *cli, const char *kind, const struct nsh_value *items,
                           size_t count, const struct cli_column *columns, const char *what)
{
    struct nsh_member members[] = {
        {"apiVersion", nsh_text("nightshift/v1")},
        {"kind", nsh_text(kind)},
        {"items", nsh_list(items, count)},
    };
    struct nsh_value document = nsh_map(members, 3);
    cli_print_list(cli, &document, columns, what);
}

/* "9 run, 2 refused" by outcome, in the order they first came. */
static void outcomes_print(const struct replay_report *report)
{
    struct map counts = {0};
    for (size_t i = 0; i < report->items_count; i++) {
        struct text outcome = text_of(report->items[i].outcome);
        uintptr_t count = (uintptr_t)map_get(&counts, outcome);
        (void)map_set(&counts, outcome, (void *)(count + 1)); /* Only a figure for people. */
    }
    bool first = true;
    MAP_EACH (&counts, entry) {
        fprintf(stderr, "%s%zu %.*s", first ? ": " : ", ", (size_t)(uintptr_t)entry->value,
                (int)entry->key.count, entry->key.at);
        first = false;
    }
    map_done(&counts);
}

static void summary_print(const struct cli *cli, const struct rehearsed *rehearsed)
{
    const struct replay_report *report = &rehearsed->report;
    if (cli->flags.quiet != NULL) {
        return;
    }
    fflush(stdout);
    fprintf(stderr, "%llu events, %llu decisions", (unsigned long long)report->events,
            (unsigned long long)report->decisions);
    outcomes_print(report);
    if (report->dropped > 0) {
        fprintf(stderr, " (%llu more are not listed)", (unsigned long long)report->dropped);
    }
    fputs("\nNothing was done.\n", stderr);
    if (cli->flags.verbose != NULL) {
        double rate = rehearsed->seconds > 0 ? (double)report->events / rehearsed->seconds : 0;
        fprintf(stderr, "%.3f s of the processor: %.0f events a second\n", rehearsed->seconds,
                rate);
    }
}

static enum cli_exit replay_show(struct cli *cli, const struct rehearsed *rehearsed)
{
    const struct replay_report *report = &rehearsed->report;
    int64_t limit = REPLAY_DECISIONS_MAX;
    if (cli->flags.limit != NULL &&
        (!text_to_int(text_of(cli->flags.limit), &limit) || limit < 0)) {
        return cli_fail(CLI_USAGE, "--limit wants a number, got %s", cli->flags.limit);
    }
    size_t count = report->items_count < (size_t)limit ? report->items_count : (size_t)limit;
    struct nsh_value *items = arena_array(&cli->arena, count + 1, sizeof *items);
    if (items == NULL) {
        return cli_fail(CLI_NO, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = cli_decision_value(cli, &report->items[i], NULL);
    }
    document_print(cli, "Replay", items, count, decision_columns, "decisions");
    summary_print(cli, rehearsed);
    return CLI_OK;
}

enum cli_exit cli_replay(struct cli *cli)
{
    struct feed feed;
    struct rehearsed rehearsed = {0};
    enum cli_exit result = cli_feed_open(cli, &feed);
    if (result != CLI_OK) {
        return result;
    }
    struct inventory *inventory = cli_replay_inventory(&feed);
    result = inventory == NULL
                 ? CLI_NO
                 : cli_policies_replay(&feed, inventory, cli_replay_policies(cli), &rehearsed);
    result = result == CLI_OK ? replay_show(cli, &rehearsed) : result;
    cli_rehearsed_done(&rehearsed);
    map_done(&feed.hosts);
    inventory_free(inventory);
    return result;
}
