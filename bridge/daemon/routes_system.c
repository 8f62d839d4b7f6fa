/* SPDX-License-Identifier: Apache-2.0 */
/* About the daemon itself: health, metrics, the store's upkeep. */

#include "routes_private.h"

#include <stdlib.h>

#define READY_REASON_BYTES 256
#define BACKUP_PATH_BYTES_MAX 1000

void routes_healthz(const struct api_request *request)
{
    api_reply(request->exchange, 200, "text/plain", "ok\n", 3);
}

void routes_readyz(const struct api_request *request)
{
    char reason[READY_REASON_BYTES] = "";
    if (shell_ready(request->arg, reason, sizeof reason)) {
        api_reply(request->exchange, 200, "text/plain", "ready\n", 6);
    } else {
        api_refuse(request->exchange, 503, reason[0] == 0 ? "not ready" : reason, NULL);
    }
}

static void metric_add(struct textbuf *out, const char *name, const char *type, const char *help,
                       uint64_t value)
{
    textbuf_addf(
        out, "# HELP nightshift_api_%s %s\n# TYPE nightshift_api_%s %s\nnightshift_api_%s %llu\n",
        name, help, name, type, name, (unsigned long long)value);
}

void routes_metrics(const struct api_request *request)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    struct api_figures figures;
    textbuf_add(&out, shell_metrics(request->arg, request->arena));
    api_count(request, &figures);
    metric_add(&out, "connections_total", "counter", "Connections accepted.", figures.connections);
    metric_add(&out, "connections_open", "gauge", "Connections now.", figures.connections_open);
    metric_add(&out, "requests_total", "counter", "Requests whose head was read.",
               figures.requests);
    metric_add(&out, "requests_suspended", "gauge", "Requests that wait for an answer.",
               figures.suspended);
    metric_add(&out, "streams_open", "gauge", "Event streams now.", figures.streams_open);
    metric_add(&out, "unauthorized_total", "counter", "Requests without a token that is known.",
               figures.unauthorized);
    metric_add(&out, "refused_busy_total", "counter",
               "Requests refused because a bound was reached.", figures.refused_busy);
    metric_add(&out, "refused_large_total", "counter", "Requests refused for their size.",
               figures.refused_large);
    metric_add(&out, "timeouts_total", "counter", "Clients and answers that were too slow.",
               figures.timeouts);
    api_reply(request->exchange, 200, "text/plain; version=0.0.4; charset=utf-8",
              out.at == NULL ? "" : out.at, out.count);
}

void routes_openapi(const struct api_request *request)
{
    size_t count = 0;
    const struct api_route *routes = routes_table(&count);
    CLEANUP(textbuf_donep) struct textbuf document = {0};
    routes_openapi_write(routes, count, &document);
    routes_reply(request, &document);
}

/* ---- the store ------------------------------------------------------------------------------- */

void routes_audit_verify(const struct api_request *request)
{
    struct store_reader *reader = routes_reader(request);
    struct nsh_error err = {0};
    uint64_t records = 0;
    char head[65] = "";
    if (reader == NULL) {
        return;
    }
    int result = store_audit_verify(reader, &records, head, &err);
    if (result < 0 && result != -NSH_CORRUPT) {
        routes_fail(request, &err);
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf document = {0};
    textbuf_addf(&document, ROUTES_API_VERSION "AuditReport\",\"ok\":%s",
                 result == 0 ? "true" : "false");
    if (result == 0) {
        textbuf_addf(&document, ",\"records\":%llu,\"head\":\"%s\"}\n", (unsigned long long)records,
                     head);
    } else {
        textbuf_add_chars(&document, ",\"text\":");
        textbuf_add_json(&document, text_of(err.text));
        textbuf_add_chars(&document, "}\n");
    }
    routes_reply(request, &document);
}

/* The daemon writes it, as its own user: an absolute path without detours, to a name that is free.
 */
static int backup_check(const char *path, struct nsh_error *err)
{
    if (path[0] != '/' || strlen(path) > BACKUP_PATH_BYTES_MAX || path[strlen(path) - 1] == '/') {
        return nsh_fail(err, NSH_INVALID,
                        "path wants an absolute file name of at most %d bytes, got %.100s",
                        BACKUP_PATH_BYTES_MAX, path);
    }
    for (const char *part = path; part != NULL; part = strchr(part + 1, '/')) {
        if (strncmp(part, "/../", 4) == 0 || strcmp(part, "/..") == 0) {
            return nsh_fail(err, NSH_INVALID, "path wants no \"..\", got %.100s", path);
        }
    }
    return 0;
}

void routes_backup(const struct api_request *request)
{
    static const char *const known[] = {"path", NULL};
    struct store_reader *reader = routes_reader(request);
    struct nsh_value body;
    struct nsh_error err = {0};
    if (reader == NULL) {
        return;
    }
    int result = routes_body(request, known, &body, &err);
    const char *path = nsh_get_text(&body, "path", NULL);
    if (result == 0 && path == NULL) {
        result = nsh_fail(&err, NSH_INVALID, "the body wants \"path\", where to write the copy");
    }
    result = result == 0 ? backup_check(path, &err) : result;
    result = result == 0 ? store_backup(reader, path, &err) : result;
    if (result < 0) {
        routes_fail(request, &err);
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf document = {0};
    textbuf_add_chars(&document, ROUTES_API_VERSION "Backup\",\"path\":");
    textbuf_add_json(&document, text_of(path));
    textbuf_add_chars(&document, "}\n");
    routes_reply(request, &document);
}
