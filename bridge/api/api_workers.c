/* SPDX-License-Identifier: Apache-2.0 */
/* Reader threads: each with its own store reader, opened when it is first needed. */

#include "api_private.h"

static bool workers_pop(struct api_workers *workers, struct api_job *ret_job)
{
    pthread_mutex_lock(&workers->lock);
    while (workers->count == 0 && !workers->stopping) {
        pthread_cond_wait(&workers->wake, &workers->lock);
    }
    bool found = !workers->stopping;
    if (found) {
        *ret_job = workers->jobs[workers->first];
        workers->first = (workers->first + 1) % API_READS_MAX;
        workers->count--;
    }
    pthread_mutex_unlock(&workers->lock);
    return found;
}

static void *workers_run(void *arg)
{
    struct api_workers *workers = arg;
    struct store_reader *reader = NULL;
    struct api_job job;
    while (workers_pop(workers, &job)) {
        if (reader == NULL && workers->store_path != NULL) {
            (void)store_reader_open(workers->store_path, &reader,
                                    NULL); /* Tried again next time. */
        }
        job.exchange->request.reader = reader;
        job.fn(&job.exchange->request);
    }
    store_reader_close(reader);
    return NULL;
}

int workers_start(struct api_workers *workers, unsigned count, const char *store_path,
                  struct nsh_error *err)
{
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->wake, NULL);
    workers->store_path = store_path;
    for (unsigned i = 0; i < count && i < API_READERS_MAX; i++) {
        if (pthread_create(&workers->threads[i], NULL, workers_run, workers) != 0) {
            return nsh_fail(err, NSH_LIMIT, "cannot start a reader thread");
        }
        workers->threads_count++;
    }
    return 0;
}

void workers_stop(struct api_workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->threads_count; i++) {
        pthread_join(workers->threads[i], NULL);
    }
    workers->threads_count = 0;
    for (; workers->count > 0; workers->count--) {
        struct api_exchange *exchange = workers->jobs[workers->first].exchange;
        workers->first = (workers->first + 1) % API_READS_MAX;
        pthread_mutex_lock(&exchange->lock);
        bool owed = exchange->owed; /* The job would have answered: nobody does any more. */
        exchange->owed = false;
        pthread_mutex_unlock(&exchange->lock);
        if (owed) {
            exchange_unref(exchange);
        }
    }
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->lock);
}

int workers_push(struct api_workers *workers, const struct api_job *job, struct nsh_error *err)
{
    pthread_mutex_lock(&workers->lock);
    bool taken = !workers->stopping && workers->count < API_READS_MAX;
    if (taken) {
        workers->jobs[(workers->first + workers->count) % API_READS_MAX] = *job;
        workers->count++;
        pthread_cond_signal(&workers->wake);
    }
    pthread_mutex_unlock(&workers->lock);
    return taken ? 0 : nsh_fail(err, NSH_LIMIT, "%d reads wait already", API_READS_MAX);
}
