/* SPDX-License-Identifier: Apache-2.0 */
/* Syslog in the configuration: what its thread is started with, and what is wrong with it. */

#include "generation.h"

#include "source/syslog/syslog_listen.h"

#include <unistd.h>

static const char *or_null(const char *path)
{
    return path[0] == '\0' ? NULL : path;
}

void generation_syslog_options(const struct config *config, struct syslog_options *ret_options)
{
    *ret_options = (struct syslog_options){
        .patterns = config->syslog_patterns,
        .listen = config->syslog_listen.items,
        .listen_count = config->syslog_listen.count,
        .sources = config->syslog_sources.items,
        .sources_count = config->syslog_sources.count,
        .relays = config->syslog_relays.items,
        .relays_count = config->syslog_relays.count,
        .unmatched_severity = syslog_severity_of(config->syslog_unmatched),
        .tls_cert = or_null(config->syslog_tls_cert),
        .tls_key = or_null(config->syslog_tls_key),
        .tls_clients = or_null(config->syslog_tls_clients),
    };
}

static struct nsh_place place_of(const struct config *config)
{
    return config->syslog_listen.count > 0 ? config->syslog_listen.places[0]
                                           : (struct nsh_place){.file = config->file};
}

void generation_read_syslog(struct generation *generation, struct diags *diags)
{
    const struct config *config = generation->config;
    struct syslog_options options;
    struct nsh_error err = {0};
    size_t errors = diags->errors_count;
    generation_syslog_options(config, &options);
    if (options.listen_count == 0 && access(config->syslog_patterns, F_OK) != 0) {
        return; /* No syslog, no patterns: fine. */
    }
    if (syslog_patterns_read(config->syslog_patterns, diags, &generation->syslog_patterns, &err) <
            0 &&
        diags->errors_count == errors) {
        diag_add(diags, DIAG_ERROR, place_of(config), NULL, "%s", err.text);
    }
    if (syslog_options_check(&options, &err) < 0) {
        diag_add(diags, DIAG_ERROR, place_of(config), NULL, "%s", err.text);
    }
    if (options.unmatched_severity < 0 && strcmp(config->syslog_unmatched, "none") != 0) {
        diag_add(diags, DIAG_ERROR, place_of(config), NULL,
                 "syslog.unmatched is none, or emerg, alert, crit, err, warning, notice, info, "
                 "debug; got \"%.40s\"",
                 config->syslog_unmatched);
    }
}
