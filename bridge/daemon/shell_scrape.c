/* SPDX-License-Identifier: Apache-2.0 */
#include "shell_scrape.h"

#include "shell_series.h"
#include "source/metrics/scrape.h"

#define SCRAPES_SHOWN 1000

static int64_t scrape_now(void *arg)
{
    return shell_now(arg);
}

/* On the pool. */
static int scrape_put(void *arg,
                      int (*decode)(void *arg, const struct sample_sink *sink,
                                    struct nsh_error *err),
                      void *decode_arg, struct nsh_error *err)
{
    const struct shell_series_put put = {
        .door = SHELL_SERIES_SCRAPE, .decode = decode, .arg = decode_arg};
    return shell_series_put(arg, &put, err);
}

/* A job on the pool may be what the stop waits for. */
static void scrape_gone(void *arg)
{
    struct shell *shell = arg;
    shell->jobs--;
    shell_wake(shell);
}

void shell_scrape_stop(struct shell *shell)
{
    if (shell->scrape != NULL) {
        struct scrape *scrape = shell->scrape;
        shell->scrape = NULL;
        shell->jobs++;
        scrape_stop(scrape, scrape_gone, shell);
    }
}

void shell_scrape_begin(struct shell *shell)
{
    struct nsh_error err = {0};
    const struct scrape_services services = {
        .services = loop_services(shell->loop),
        .now_ms = scrape_now,
        .secret = shell_secret,
        .put = scrape_put,
        .arg = shell,
    };
    shell_scrape_stop(shell);
    const struct scrape_jobs *jobs = &shell->generation->config->scrape;
    if (jobs->count > 0 && scrape_new(&services, jobs, &shell->scrape, &err) < 0) {
        LOG(WARNED, {"text", nsh_text(err.text)}); /* No memory: the next reload tries again. */
    }
}

static void add(struct textbuf *out, const char *type, const char *name, uint64_t value,
                const char *help)
{
    textbuf_addf(out,
                 "# HELP nightshift_scrape_%s %s\n# TYPE nightshift_scrape_%s %s\n"
                 "nightshift_scrape_%s %llu\n",
                 name, help, name, type, name, (unsigned long long)value);
}

void shell_scrape_metrics(struct shell *shell, struct textbuf *out)
{
    struct scrape_figures figures = {0};
    if (shell->scrape != NULL) {
        scrape_count(shell->scrape, &figures);
    }
    add(out, "gauge", "targets", figures.targets, "exporters that are scraped");
    add(out, "gauge", "targets_up", figures.up, "exporters whose last scrape was good");
    add(out, "counter", "good_total", figures.done, "scrapes that were good");
    add(out, "counter", "failed_total", figures.failed, "scrapes that failed");
    add(out, "counter", "samples_total", figures.samples, "samples of scrapes");
    add(out, "counter", "put_off_total", figures.put_off,
        "scrapes put off: too many were under way");
}

void shell_scrapes(struct shell *shell, struct shell_request *request)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    textbuf_add_chars(&out, "{\"items\":[");
    if (shell->scrape != NULL) {
        scrape_json(shell->scrape, SCRAPES_SHOWN, &out);
    }
    textbuf_add_chars(&out, "]}");
    shell_answer(shell, request, (struct text){out.at, (uint32_t)out.count});
}
