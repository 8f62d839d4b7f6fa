/* SPDX-License-Identifier: Apache-2.0 */
/* Syslog among the sources: its thread's counters, once a second, as every source's are kept. */

#include "shell_private.h"

#include "sources.h"

void shell_syslog_book(struct shell *shell, const struct syslog_figures *now)
{
    struct syslog_figures *before = &shell->syslog_booked;
    struct source_row *row = source_book_row(sources_book(shell->sources), "syslog", "syslog");
    uint64_t refused = now->malformed + now->denied + now->dropped;
    uint64_t refused_before = before->malformed + before->denied + before->dropped;
    if (now->received != before->received) {
        source_heard(row, shell_now(shell));
    }
    /* Who may not send is told before it is a message: it came nevertheless. */
    source_count(row, SOURCE_COUNT_received,
                 now->received + now->denied + now->kernel_drops -
                     (before->received + before->denied + before->kernel_drops));
    source_count(row, SOURCE_COUNT_events, now->events - before->events);
    source_count(row, SOURCE_COUNT_malformed, now->malformed - before->malformed);
    source_count(row, SOURCE_COUNT_denied, now->denied - before->denied);
    source_count(row, SOURCE_COUNT_full,
                 now->dropped + now->kernel_drops - (before->dropped + before->kernel_drops));
    source_count(row, SOURCE_COUNT_accepted,
                 now->received + now->denied - refused -
                     (before->received + before->denied - refused_before));
    *before = *now;
}
