/* SPDX-License-Identifier: Apache-2.0 */
/* One request to SNS on a thread of its own: the certificate that signs, or a confirmation. */

#include "webhook_private.h"

#include <curl/curl.h>
#include <stdlib.h>

#define FETCH_BYTES_MAX (64u << 10)
#define FETCH_MS_MAX 10000L

struct fetch {
    struct sns *sns;
    char *url;
    bool confirm;
    struct textbuf answer;
};

static size_t on_bytes(char *bytes, size_t one, size_t count, void *arg)
{
    struct fetch *fetch = arg;
    if (fetch->answer.count + count > FETCH_BYTES_MAX) {
        return 0;
    }
    textbuf_add(&fetch->answer, (struct text){bytes, (uint32_t)count});
    return fetch->answer.failed ? 0 : one * count;
}

/* NULL: it worked. */
static const char *fetch_do(struct fetch *fetch)
{
    long status = 0;
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        return "out of memory";
    }
    curl_easy_setopt(curl, CURLOPT_URL, fetch->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, FETCH_MS_MAX);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, fetch);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK) {
        return curl_easy_strerror(code);
    }
    return status == 200 ? NULL : "the answer is no 200";
}

static void fetch_free(struct fetch *fetch)
{
    sns_unref(fetch->sns);
    textbuf_done(&fetch->answer);
    free(fetch->url);
    free(fetch);
}

static void *fetch_thread(void *arg)
{
    struct fetch *fetch = arg;
    const char *failed = fetch_do(fetch);
    if (fetch->confirm) {
        sns_confirmed(fetch->sns, failed);
    } else {
        sns_fetched(fetch->sns, fetch->url, failed == NULL ? fetch->answer.at : NULL, failed);
    }
    fetch_free(fetch);
    return NULL;
}

int webhook_fetch(void *arg, struct sns *sns, const char *url, bool confirm)
{
    pthread_t thread;
    pthread_attr_t attributes;
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL) {
        return -NSH_NOMEM;
    }
    fetch->sns = sns_ref(sns);
    fetch->confirm = confirm;
    fetch->url = strdup(url);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int result =
        fetch->url == NULL ? -1 : pthread_create(&thread, &attributes, fetch_thread, fetch);
    pthread_attr_destroy(&attributes);
    if (result != 0) {
        fetch_free(fetch);
        return -NSH_NOMEM;
    }
    return 0;
}
