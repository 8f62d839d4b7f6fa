/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CLI_REPLAY_H
#define CLI_CLI_REPLAY_H

/* What replay and policy backtest share: recorded events through policies. */

#include "cli_local.h"

#include "fleet/fleet.h"
#include "rehearse/replay.h"

/* Where events come from, and what is done with each. */
struct feed {
    struct cli *cli;
    const char *path;
    int64_t since_ms;
    int (*event)(struct feed *feed, const struct event *event);
    struct nsh_error err;
    uint64_t after_seq;
    size_t page;
    uint64_t wrong_lines;
    /* What it is done with. */
    struct map hosts;
    const struct inventory *inventory;
    struct replay *replay;
};

struct rehearsed {
    struct policy_set *policies;
    struct replay *replay;
    struct replay_report report;
    double seconds;
};

enum cli_exit cli_feed_open(struct cli *cli, struct feed *feed);
/* --inventory, or the hosts that the events name. NULL: it was told. */
struct inventory *cli_replay_inventory(struct feed *feed);
const char *cli_replay_policies(const struct cli *cli); /* --policies, or the daemon's folder. */
enum cli_exit cli_policies_replay(struct feed *feed, const struct inventory *inventory,
                                  const char *path, struct rehearsed *ret);
void cli_rehearsed_done(struct rehearsed *rehearsed);
/* As a row; change may be NULL. Room for one more member is behind the last. */
struct nsh_value cli_decision_value(struct cli *cli, const struct replay_decision *decision,
                                    const char *change);

#endif
