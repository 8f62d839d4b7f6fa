/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy backtest: what changed policies would have decided otherwise about events that happened;
 * what that adds up to; and which new actions would have hit a host that got well by itself.
 */

#include "cli_replay.h"

#include <stdlib.h>

#define ALONE_MS_MAX                                                                               \
    (INT64_C(60) * 60 * 1000) /* Well so soon after: the action was not needed.                    \
                               */

static const struct cli_column change_columns[] = {
    {"CHANGE", "change", CLI_PLAIN, 0},
    {"TIME", "when", CLI_PLAIN, 0},
    {"SUBJECT", "subject", CLI_PLAIN, 0},
    {"POLICY", "policy", CLI_PLAIN, 0},
    {"OUTCOME", "outcome", CLI_STATE, 0},
    {"ACTIONS", "actions", CLI_PLAIN, 0},
    {"ALONE AFTER", "alone_ms", CLI_LENGTH, 0},
    {"WHY", "reason", CLI_PLAIN, 60},
    {0},
};

struct backtest {
    struct cli *cli;
    struct rehearsed now, then;
    struct map now_keys, then_keys;
    struct map acted;  /* Subject -> 1 + index of the newest run about it in `now`, */
    uintptr_t *before; /* and of the one before each. 0: none. */
    struct nsh_value *items;
    size_t count, gone;
    size_t fresh, alone; /* New runs; those of hosts that got well by themselves. */
    int64_t alone_ms_most;
};

static bool acts(const struct replay_decision *decision)
{
    return strcmp(decision->outcome, "run") == 0 || strcmp(decision->outcome, "would-run") == 0;
}

/* The same decision at the same time with the same actions is no change; its words may differ. */
static const char *decision_key(struct cli *cli, const struct replay_decision *decision)
{
    return arena_printf(&cli->arena, "%lld %s %s %s %s", (long long)decision->at_ms,
                        decision->policy, decision->subject, decision->outcome, decision->actions);
}

static bool keys_take(struct cli *cli, const struct replay_report *report, struct map *keys)
{
    for (size_t i = 0; i < report->items_count; i++) {
        const char *key = decision_key(cli, &report->items[i]);
        if (key == NULL || map_set(keys, text_of(key), (void *)(uintptr_t)key) < 0) {
            return false;
        }
    }
    return true;
}

static bool is_in(struct backtest *backtest, const struct map *keys,
                  const struct replay_decision *decision)
{
    const char *key = decision_key(backtest->cli, decision);
    return key != NULL && map_get(keys, text_of(key)) != NULL;
}

/* ---- who got well alone ------------------------------------------------------------------- */

/* True: the recorded events say that it was over, and the current policies did nothing for it. */
static bool alone(struct backtest *backtest, const struct replay_decision *decision)
{
    const struct replay_report *now = &backtest->now.report;
    if (!acts(decision) || decision->cleared_ms < 0 || decision->cleared_ms > ALONE_MS_MAX) {
        return false;
    }
    int64_t end_ms = decision->at_ms + decision->cleared_ms;
    uintptr_t at = (uintptr_t)map_get(&backtest->acted, text_of(decision->subject));
    for (; at > 0; at = backtest->before[at - 1]) {
        const struct replay_decision *helped = &now->items[at - 1];
        if (helped->at_ms <= end_ms && helped->at_ms >= decision->at_ms - ALONE_MS_MAX) {
            return false;
        }
    }
    return true;
}

/* The runs of the current policies about each subject, from the newest back. */
static bool acted_take(struct backtest *backtest)
{
    const struct replay_report *now = &backtest->now.report;
    backtest->before =
        arena_array(&backtest->cli->arena, now->items_count + 1, sizeof *backtest->before);
    for (size_t i = 0; backtest->before != NULL && i < now->items_count; i++) {
        struct text subject = text_of(now->items[i].subject);
        if (!acts(&now->items[i])) {
            continue;
        }
        backtest->before[i] = (uintptr_t)map_get(&backtest->acted, subject);
        if (map_set(&backtest->acted, subject, (void *)(uintptr_t)(i + 1)) < 0) {
            return false;
        }
    }
    return backtest->before != NULL;
}

static void alone_add(struct backtest *backtest, const struct replay_decision *decision,
                      struct nsh_value *row)
{
    backtest->fresh += acts(decision);
    if (row->type != NSH_MAP || !alone(backtest, decision)) {
        return;
    }
    struct nsh_member *members =
        arena_array(&backtest->cli->arena, row->count + 1, sizeof *members);
    if (members != NULL) {
        memcpy(members, row->members, row->count * sizeof *members);
        members[row->count] = (struct nsh_member){"alone_ms", nsh_int(decision->cleared_ms)};
        *row = nsh_map(members, row->count + 1);
    }
    backtest->alone++;
    backtest->alone_ms_most = decision->cleared_ms > backtest->alone_ms_most
                                  ? decision->cleared_ms
                                  : backtest->alone_ms_most;
}

/* ---- the changes -------------------------------------------------------------------------- */

static void changes_take(struct backtest *backtest, const struct replay_report *report,
                         const struct map *others, const char *word, bool fresh)
{
    for (size_t i = 0; i < report->items_count; i++) {
        if (is_in(backtest, others, &report->items[i])) {
            continue;
        }
        struct nsh_value row = cli_decision_value(backtest->cli, &report->items[i], word);
        if (fresh) {
            alone_add(backtest, &report->items[i], &row);
        }
        backtest->items[backtest->count++] = row;
    }
}

/* ---- what it adds up to ------------------------------------------------------------------- */

struct sum {
    size_t now, then;
};

/* "power.cycle, page" counts for both verbs; without actions the outcome is the kind. */
static bool sum_add(struct backtest *backtest, struct map *sums, const char *kind, bool then)
{
    for (const char *at = kind; *at != 0;) {
        size_t length = strcspn(at, ",");
        struct text word = {at, (uint32_t)length};
        struct sum *sum = map_get(sums, word);
        if (sum == NULL) {
            sum = arena_alloc(&backtest->cli->arena, sizeof *sum);
            if (sum == NULL || map_set(sums, word, sum) < 0) {
                return false;
            }
        }
        *(then ? &sum->then : &sum->now) += 1;
        at += length;
        at += strspn(at, ", ");
    }
    return true;
}

static bool sums_take(struct backtest *backtest, struct map *sums, bool then)
{
    const struct replay_report *report = then ? &backtest->then.report : &backtest->now.report;
    bool taken = true;
    for (size_t i = 0; taken && i < report->items_count; i++) {
        const struct replay_decision *decision = &report->items[i];
        bool acted = decision->actions[0] != 0;
        taken = sum_add(backtest, sums, acted ? decision->actions : decision->outcome, then);
    }
    return taken;
}

static void sums_show(const struct map *sums)
{
    fprintf(stderr, "\n%-20s %8s %8s %8s\n", "", "now", "new", "change");
    MAP_EACH (sums, entry) {
        const struct sum *sum = entry->value;
        long long change = (long long)sum->then - (long long)sum->now;
        fprintf(stderr, "%-20.*s %8zu %8zu ", (int)entry->key.count, entry->key.at, sum->now,
                sum->then);
        if (change == 0) {
            fprintf(stderr, "%8s\n", "-");
        } else {
            fprintf(stderr, "%+8lld\n", change);
        }
    }
}

static void summary_show(struct backtest *backtest)
{
    const struct replay_report *report = &backtest->then.report;
    struct map sums = {0};
    CLEANUP(textbuf_donep) struct textbuf span = {0}, most = {0};
    fflush(stdout);
    if (sums_take(backtest, &sums, false) && sums_take(backtest, &sums, true)) {
        sums_show(&sums);
    }
    map_done(&sums);
    textbuf_add_span(&span, report->last_ms - report->first_ms);
    cli_length(backtest->alone_ms_most, &most);
    fprintf(stderr, "\n%llu events of %s: %zu decisions no more, %zu new. Nothing was done.\n",
            (unsigned long long)report->events, span.at == NULL ? "" : span.at, backtest->gone,
            backtest->count - backtest->gone);
    if (backtest->alone > 0) {
        fprintf(stderr,
                "! %zu of %zu new runs are about a host that got well by itself, within %s at "
                "most\n",
                backtest->alone, backtest->fresh, most.at == NULL ? "" : most.at);
    }
}

static enum cli_exit backtest_show(struct backtest *backtest)
{
    struct cli *cli = backtest->cli;
    const struct replay_report *now = &backtest->now.report, *then = &backtest->then.report;
    backtest->items = arena_array(&cli->arena, now->items_count + then->items_count + 1,
                                  sizeof(struct nsh_value));
    if (backtest->items == NULL || !keys_take(cli, now, &backtest->now_keys) ||
        !keys_take(cli, then, &backtest->then_keys) || !acted_take(backtest)) {
        return cli_fail(CLI_NO, "out of memory");
    }
    changes_take(backtest, now, &backtest->then_keys, "no more", false);
    backtest->gone = backtest->count;
    changes_take(backtest, then, &backtest->now_keys, "new", true);
    struct nsh_member members[] = {
        {"apiVersion", nsh_text("nightshift/v1")},
        {"kind", nsh_text("Backtest")},
        {"events", nsh_int((int64_t)then->events)},
        {"new_runs", nsh_int((int64_t)backtest->fresh)},
        {"recovered_alone", nsh_int((int64_t)backtest->alone)},
        {"items", nsh_list(backtest->items, backtest->count)},
    };
    struct nsh_value document = nsh_map(members, 6);
    cli_print_list(cli, &document, change_columns, "decisions differ");
    if (cli->flags.quiet == NULL) {
        summary_show(backtest);
    }
    return backtest->count == 0 ? CLI_OK : CLI_NO;
}

enum cli_exit cli_policy_backtest(struct cli *cli)
{
    struct feed feed;
    struct backtest backtest = {.cli = cli};
    enum cli_exit result = cli_feed_open(cli, &feed);
    if (result != CLI_OK) {
        return result;
    }
    if (strcmp(feed.path, "-") == 0) {
        return cli_fail(CLI_USAGE, "a backtest reads its events twice: they must be in a file");
    }
    struct inventory *inventory = cli_replay_inventory(&feed);
    result = inventory == NULL
                 ? CLI_NO
                 : cli_policies_replay(&feed, inventory, cli_replay_policies(cli), &backtest.now);
    result = result == CLI_OK ? cli_policies_replay(&feed, inventory, cli->args[1], &backtest.then)
                              : result;
    result = result == CLI_OK ? backtest_show(&backtest) : result;
    cli_rehearsed_done(&backtest.now);
    cli_rehearsed_done(&backtest.then);
    map_done(&backtest.now_keys);
    map_done(&backtest.then_keys);
    map_done(&backtest.acted);
    map_done(&feed.hosts);
    inventory_free(inventory);
    return result;
}
