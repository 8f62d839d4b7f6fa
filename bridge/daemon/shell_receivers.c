/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receivers with keys of their own, traps and syslog, among the sources: once a second their
 * counters go into the book, and what they are now is told, so that they are listed, examined and
 * watched for silence as every source.
 */

#include "shell_private.h"

#include "sources.h"

#include <stdio.h>

#define RECEIVERS_GONE_MS 10000 /* A receiver that restarts is back long before. */

static void check_listen(const char *key, const struct config_texts *listen,
                         struct nsh_checks *checks)
{
    if (listen->count == 0) {
        nsh_check_add(checks, "listens", NSH_CHECK_OK, NULL, "on sockets of systemd");
        return;
    }
    nsh_check_add(checks, "listens", NSH_CHECK_OK, NULL, "%s on %.120s%s", key, listen->items[0],
                  listen->count > 1 ? " and others" : "");
}

static void check_networks(const char *key, const struct config_texts *networks, const char *kind,
                           struct nsh_checks *checks)
{
    if (networks->count == 0) {
        CLEANUP(textbuf_donep) struct textbuf hint = {0};
        textbuf_addf(&hint, "%s.sources = [\"10.0.0.0/8\"]: the networks of the senders", key);
        nsh_check_add(checks, "networks", NSH_CHECK_WARNING, hint.at,
                      "only this machine may send %s", kind);
        return;
    }
    nsh_check_add(checks, "networks", NSH_CHECK_OK, NULL, "%s may come from %.100s%s", kind,
                  networks->items[0], networks->count > 1 ? " and other networks" : "");
}

static void check_kernel(uint64_t drops, struct nsh_checks *checks)
{
    bool well = drops == 0;
    nsh_check_add(checks, "kernel", well ? NSH_CHECK_OK : NSH_CHECK_WARNING,
                  well ? NULL : "net.core.rmem_max = 8388608, and fewer chatty senders",
                  "%llu datagrams were lost before they could be read", (unsigned long long)drops);
}

/* Counters of another thread are read one by one: what is left of all may be less than nothing. */
static uint64_t left_of(uint64_t all, uint64_t gone)
{
    return all > gone ? all - gone : 0;
}

/* ---- traps --------------------------------------------------------------------------------- */

static void check_senders(const struct config *config, struct nsh_checks *checks)
{
    bool open = config->snmp_communities.count == 0;
    if (config->snmp_users.count > 0) {
        nsh_check_add(checks, "v3", NSH_CHECK_OK, NULL, "%zu users of SNMPv3",
                      config->snmp_users.count);
    } else {
        nsh_check_add(checks, "v3", NSH_CHECK_WARNING,
                      "snmp.users, where the senders can do SNMPv3",
                      "anybody in those networks can make up a trap: v1 and v2c prove nothing");
    }
    nsh_check_add(checks, "communities", open ? NSH_CHECK_WARNING : NSH_CHECK_OK,
                  open ? "snmp.communities = [\"...\"]" : NULL,
                  open ? "any community is accepted" : "%zu communities are accepted",
                  config->snmp_communities.count);
}

static void doctor_traps(void *arg, struct nsh_checks *checks)
{
    const struct shell *shell = arg;
    const struct config *config = shell->generation->config;
    struct trap_figures figures;
    if (shell->traps == NULL) {
        return;
    }
    trap_listen_figures(shell->traps, &figures);
    check_listen("SNMP", &config->snmp_listen, checks);
    nsh_check_add(checks, "receivers",
                  figures.ready == figures.receivers ? NSH_CHECK_OK
                  : figures.ready > 0                ? NSH_CHECK_WARNING
                                                     : NSH_CHECK_FAILED,
                  figures.ready == figures.receivers ? NULL : "the daemon's log says why they end",
                  "%u of %u receivers run, %llu restarts", figures.ready, figures.receivers,
                  (unsigned long long)figures.restarts);
    check_networks("snmp", &config->snmp_sources, "traps", checks);
    check_senders(config, checks);
    check_kernel(figures.counters.kernel_drops, checks);
    nsh_check_add(checks, "informs", NSH_CHECK_OK, NULL,
                  "%llu informs came, %llu are answered: each after its event was durable",
                  (unsigned long long)figures.counters.informs,
                  (unsigned long long)figures.counters.answered);
}

static void paste_traps(void *arg, struct textbuf *out)
{
    const struct shell *shell = arg;
    const struct config_texts *listen = &shell->generation->config->snmp_listen;
    const char *port = listen->count == 0 ? NULL : strrchr(listen->items[0], ':');
    textbuf_addf(
        out,
        "# a test from there, answered once it is durable; etc/traps/README.md has devices\n"
        "snmpinform -v 2c -c COMMUNITY NIGHTSHIFT:%s '' 1.3.6.1.6.3.1.1.5.1\n",
        port == NULL ? "162" : port + 1);
}

static uint64_t trap_drops(const struct trap_counters *counters)
{
    return counters->dropped_info + counters->dropped_warning + counters->dropped_minor +
           counters->dropped_major + counters->dropped_critical + counters->dropped_fatal +
           counters->kernel_drops;
}

static void traps_book(struct shell *shell, struct source_row *row, const struct trap_counters *now)
{
    uint64_t drops = trap_drops(now), folded = now->duplicate + now->coalesced;
    if (now->events + folded != shell->traps_heard) {
        shell->traps_heard = now->events + folded;
        source_heard(row, shell_now(shell));
    }
    source_count_to(row, SOURCE_COUNT_received, now->received + now->kernel_drops);
    /* What came and was neither refused nor lost, or is still on its way. */
    source_count_to(row, SOURCE_COUNT_accepted,
                    left_of(now->received + now->kernel_drops,
                            now->malformed + now->denied + now->stale + drops));
    source_count_to(row, SOURCE_COUNT_malformed, now->malformed);
    source_count_to(row, SOURCE_COUNT_ignored, now->ignored);
    source_count_to(row, SOURCE_COUNT_denied, now->denied);
    source_count_to(row, SOURCE_COUNT_stale, now->stale);
    source_count_to(row, SOURCE_COUNT_full, drops);
    source_count_to(row, SOURCE_COUNT_events, now->events);
    source_count_to(row, SOURCE_COUNT_unmatched, now->unmatched);
    source_count_to(row, SOURCE_COUNT_duplicates, folded);
}

static void traps_second(struct shell *shell, char *reason, size_t reason_bytes)
{
    struct trap_figures figures;
    const struct source_receiver receiver = {
        .name = "trap",
        .type = "trap",
        .silence_ms = shell->generation->config->snmp_silence_ms,
        .freshness = "snmp.silence = \"1h\", where some device sends at least that often",
        .doctor = doctor_traps,
        .paste = paste_traps,
        .arg = shell,
    };
    trap_listen_figures(shell->traps, &figures);
    traps_book(shell, sources_receiver(shell->sources, &receiver), &figures.counters);
    if (figures.ready > 0) {
        shell->trap_ready_ms = shell_now(shell);
    }
    if (shell_now(shell) - shell->trap_ready_ms > RECEIVERS_GONE_MS) {
        snprintf(reason, reason_bytes, "no trap receiver is running");
    }
}

/* ---- syslog -------------------------------------------------------------------------------- */

static void doctor_syslog(void *arg, struct nsh_checks *checks)
{
    const struct shell *shell = arg;
    const struct config *config = shell->generation->config;
    struct syslog_figures figures;
    if (shell->syslog == NULL) {
        return;
    }
    syslog_listen_figures(shell->syslog, &figures);
    check_listen("syslog", &config->syslog_listen, checks);
    check_networks("syslog", &config->syslog_sources, "syslog", checks);
    check_kernel(figures.kernel_drops, checks);
    nsh_check_add(
        checks, "connections",
        figures.connections_refused + figures.tls_failed == 0 ? NSH_CHECK_OK : NSH_CHECK_WARNING,
        figures.tls_failed == 0 ? NULL : "the sender's authority, or a certificate's end",
        "%llu are open, %llu were too many, TLS of %llu failed",
        (unsigned long long)figures.connections_open,
        (unsigned long long)figures.connections_refused, (unsigned long long)figures.tls_failed);
    nsh_check_add(checks, "patterns", NSH_CHECK_OK, NULL,
                  "%llu messages no pattern knows, %llu were cut at 8 KiB",
                  (unsigned long long)figures.unmatched, (unsigned long long)figures.cut);
}

static void paste_syslog(void *arg, struct textbuf *out)
{
    (void)arg;
    textbuf_add_chars(out, "# /etc/rsyslog.d/60-nightshift.conf; with TLS and a queue: "
                           "etc/syslog/README.md\n*.warning;kern.* @@NIGHTSHIFT:514\n");
}

static void syslog_book(struct shell *shell, struct source_row *row,
                        const struct syslog_figures *now)
{
    uint64_t drops = syslog_drops(now);
    /* Any line counts, not only those that mean something: it is the way that must be open. */
    if (now->received - now->malformed != shell->syslog_heard) {
        shell->syslog_heard = now->received - now->malformed;
        source_heard(row, shell_now(shell));
    }
    /* Who may not send is told before it is a message: it came nevertheless. */
    source_count_to(row, SOURCE_COUNT_received, now->received + now->denied + now->kernel_drops);
    source_count_to(row, SOURCE_COUNT_events, now->events);
    source_count_to(row, SOURCE_COUNT_malformed, now->malformed);
    source_count_to(row, SOURCE_COUNT_denied, now->denied);
    source_count_to(row, SOURCE_COUNT_full, drops + now->kernel_drops);
    source_count_to(row, SOURCE_COUNT_accepted, left_of(now->received, now->malformed + drops));
}

static void syslog_second(struct shell *shell)
{
    struct syslog_figures figures;
    const struct source_receiver receiver = {
        .name = "syslog",
        .type = "syslog",
        .silence_ms = shell->generation->config->syslog_silence_ms,
        .freshness = "syslog.silence = \"1h\", with a mark of rsyslog (module immark) over there",
        .doctor = doctor_syslog,
        .paste = paste_syslog,
        .arg = shell,
    };
    syslog_listen_figures(shell->syslog, &figures);
    syslog_book(shell, sources_receiver(shell->sources, &receiver), &figures);
}

void shell_receivers_second(struct shell *shell, char *reason, size_t reason_bytes)
{
    reason[0] = '\0';
    if (shell->traps != NULL) {
        traps_second(shell, reason, reason_bytes);
    }
    if (shell->syslog != NULL) {
        syslog_second(shell);
    }
}
