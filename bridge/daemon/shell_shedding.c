/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When events had to be dropped, one alarm says so: how many, how severe, by whom. It is raised
 * within a second (a warning while later events only replace earlier ones of their alarm, critical
 * when the kernel or severities from major on are hit), told again when it gets worse, and cleared
 * when nothing was dropped for SHEDDING_CALM_MS. Senders that were only asked to come again (HTTP
 * 503) have lost nothing.
 */

#include "shell_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHEDDING_CALM_MS 10000
#define SHEDDING_ID "intake.shedding"

static struct shedding shedding_now(const struct shell *shell)
{
    struct shedding now = {0};
    if (shell->traps != NULL) {
        struct trap_figures traps;
        trap_listen_figures(shell->traps, &traps);
        const struct trap_counters *c = &traps.counters;
        now.low = c->dropped_info + c->dropped_warning + c->dropped_minor;
        now.high = c->dropped_major + c->dropped_critical + c->dropped_fatal;
        now.unread = c->kernel_drops;
        now.folded = c->coalesced;
    }
    if (shell->syslog != NULL) {
        struct syslog_figures syslog;
        syslog_listen_figures(shell->syslog, &syslog);
        now.low += syslog.dropped_info + syslog.dropped_warning + syslog.dropped_minor;
        now.high += syslog.dropped_major + syslog.dropped_critical + syslog.dropped_fatal;
        now.unread += syslog.kernel_drops;
        now.folded += syslog.coalesced;
    }
    return now;
}

/* False: there was no room, not even in what is kept for us: the next second tries again. */
static bool shedding_tell(struct shell *shell, bool raise, enum severity severity)
{
    const struct shedding *since = &shell->shedding_since, *now = &shell->shedding;
    char message[320];
    int count = snprintf(
        message, sizeof message,
        "%s: %llu dropped below major, %llu dropped of major and above, %llu dropped unread by the "
        "kernel, %llu replaced by later ones of the same alarm",
        raise ? "more comes than can be taken" : "all is taken again; there were",
        (unsigned long long)(now->low - since->low), (unsigned long long)(now->high - since->high),
        (unsigned long long)(now->unread - since->unread),
        (unsigned long long)(now->folded - since->folded));
    const struct event event = {
        .time_ms = shell_now(shell),
        .severity = severity,
        .state = raise ? EVENT_RAISE : EVENT_CLEAR,
        .source = TEXT("nightshift"),
        .type = TEXT(SHEDDING_ID),
        .subject = TEXT("intake"),
        .resource = TEXT("intake"),
        .message = {message, (uint32_t)count},
    };
    size_t bytes_count = event_packed_bytes(&event);
    uint8_t *bytes = malloc(bytes_count);
    if (bytes == NULL) {
        return false;
    }
    event_pack(&event, bytes, bytes_count);
    const struct intake_batch batch = {.bytes = bytes,
                                       .bytes_count = bytes_count,
                                       .events_count = 1,
                                       .received_ms = event.time_ms};
    bool told = intake_push(shell->intake, &batch, NULL) == 0;
    free(bytes);
    return told;
}

static void shedding_log(struct shell *shell)
{
    const struct shedding *since = &shell->shedding_since, *now = &shell->shedding;
    if (shell_complain(shell, LOG_SHEDDING)) {
        LOG(SHEDDING, {"low", nsh_int((int64_t)(now->low - since->low))},
            {"high", nsh_int((int64_t)(now->high - since->high))},
            {"unread", nsh_int((int64_t)(now->unread - since->unread))},
            {"folded", nsh_int((int64_t)(now->folded - since->folded))});
    }
}

/* At a start, of an alarm that the last life left. */
void shell_shedding_known(struct shell *shell, const struct record *record)
{
    if (record->kind == RECORD_ALARM && record->body.count > 0 &&
        memmem(record->body.at, record->body.count, "\"" SHEDDING_ID "\"",
               sizeof SHEDDING_ID + 1) != NULL &&
        memmem(record->body.at, record->body.count, "\"raised\"", 8) != NULL) {
        shell->shedding_told = SEVERITY_MAJOR;
    }
}

/* INFO: nothing was dropped since. */
static enum severity severity_now(const struct shedding *before, const struct shedding *now)
{
    if (now->high + now->unread > before->high + before->unread) {
        return SEVERITY_CRITICAL;
    }
    if (now->low > before->low) {
        return SEVERITY_MAJOR;
    }
    return now->folded > before->folded ? SEVERITY_WARNING : SEVERITY_INFO;
}

void shell_shedding_second(struct shell *shell)
{
    struct shedding before = shell->shedding;
    struct shedding now = shell->shedding = shedding_now(shell);
    enum severity severity = severity_now(&before, &now);
    if (severity != SEVERITY_INFO) {
        shell->shedding_ms = shell_now(shell);
        if (shell->shedding_told == 0 && shell->shedding_due == 0) {
            shell->shedding_since = before;
        }
    }
    if (severity > shell->shedding_due) {
        shell->shedding_due = severity; /* Until it is told, also when the storm is over by then. */
    }
    if (shell->shedding_due > shell->shedding_told) {
        if (shedding_tell(shell, true, shell->shedding_due)) {
            shell->shedding_told = shell->shedding_due;
            shedding_log(shell);
        }
    } else if (shell->shedding_told != 0 &&
               shell_now(shell) - shell->shedding_ms >= SHEDDING_CALM_MS &&
               shedding_tell(shell, false, shell->shedding_told)) {
        shell->shedding_told = shell->shedding_due = 0;
    }
}
