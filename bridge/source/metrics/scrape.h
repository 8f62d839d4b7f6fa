/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_METRICS_SCRAPE_H
#define SOURCE_METRICS_SCRAPE_H

/*
 * Scrapes: exporters that are asked in turn, for those who run no Prometheus. Each target has its
 * own moment within the interval, so that they do not come together. Besides its samples a scrape
 * gives `up` (1, or 0 when it failed), `scrape_duration_seconds` and `scrape_samples_scraped`.
 *
 * On the loop thread; bodies are read on the pool. At most SCRAPE_RUNNING_MAX scrapes at once; what
 * comes in their way is put off by a second, and counted.
 */

#include "abi/driver.h"
#include "base/confscan.h"
#include "model/sample.h"

#define SCRAPE_JOBS_MAX 256
#define SCRAPE_TARGETS_MAX 20000 /* Of all jobs. */
#define SCRAPE_LABELS_MAX 12     /* Of a job, besides job and instance. */
#define SCRAPE_RUNNING_MAX 128
#define SCRAPE_BODY_BYTES_MAX (32u << 20)

struct scrape_target {
    const char *url, *instance;
};

struct scrape_job {
    const char *name;
    const struct scrape_target *targets;
    size_t targets_count;
    const struct sample_label *labels;
    size_t labels_count;
    int64_t interval_ms, timeout_ms;
    const char *bearer; /* A reference of a secret, or NULL. */
    const char *ca_file;
    bool insecure;
};

struct scrape_jobs {
    const struct scrape_job *items;
    size_t count;
};

/* The list `scrape`; NULL: none. Lives in arena. */
struct scrape_jobs scrape_read(struct conf *setting, struct arena *arena, struct diags *diags);

struct scrape_figures {
    uint64_t done, failed, samples, put_off;
    size_t targets, running, up;
};

struct scrape_services {
    struct nsh_services *services;
    int64_t (*now_ms)(void *arg); /* Engine time. */
    int (*secret)(void *arg, const char *reference, struct arena *arena, const char **ret_secret,
                  struct nsh_error *err);
    /* Any thread: decode hands samples to a sink, or none. */
    int (*put)(void *arg,
               int (*decode)(void *arg, const struct sample_sink *sink, struct nsh_error *err),
               void *decode_arg, struct nsh_error *err);
    void *arg;
};

struct scrape;

/* Everything jobs names is copied. */
int scrape_new(const struct scrape_services *services, const struct scrape_jobs *jobs,
               struct scrape **ret_scrape, struct nsh_error *err);
/* Nothing new is asked; what is on the pool ends, then it frees itself and calls gone(arg). */
void scrape_stop(struct scrape *scrape, void (*gone)(void *arg), void *arg);
void scrape_count(const struct scrape *scrape, struct scrape_figures *ret_figures);
/* JSON objects of the targets, with what was wrong last; at most limit. */
void scrape_json(const struct scrape *scrape, size_t limit, struct textbuf *out);

#endif
