/* SPDX-License-Identifier: Apache-2.0 */
/* The client side of the daemon's API: libcurl over the unix socket or TCP. */

#include "cli.h"

#include "base/json.h"

#include <curl/curl.h>
#include <stdlib.h>

#define SERVER_DEFAULT "unix:/run/nightshift/api.sock"
#define REPLY_BYTES_MAX (256u << 20)
#define TOKEN_BYTES_MAX 4096

static size_t reply_add(char *bytes, size_t size, size_t count, void *arg)
{
    struct textbuf *reply = arg;
    textbuf_add(reply, (struct text){bytes, (uint32_t)(size * count)});
    return reply->failed ? 0 : size * count;
}

static const char *server_of(const struct cli *cli)
{
    if (cli->flags.server != NULL) {
        return cli->flags.server;
    }
    const char *from_env = getenv("NIGHTSHIFT_SERVER");
    return from_env != NULL && from_env[0] != 0 ? from_env : SERVER_DEFAULT;
}

static enum cli_exit header_token(struct cli *cli, struct curl_slist **headers)
{
    if (cli->flags.token == NULL) {
        return CLI_OK;
    }
    FILE *file = fopen(cli->flags.token, "re");
    char token[TOKEN_BYTES_MAX];
    if (file == NULL || fgets(token, sizeof token, file) == NULL) {
        if (file != NULL) {
            fclose(file);
        }
        return cli_fail(CLI_USAGE, "cannot read a token from %s", cli->flags.token);
    }
    fclose(file);
    token[strcspn(token, "\r\n")] = 0;
    const char *line = arena_printf(&cli->arena, "Authorization: Bearer %s", token);
    *headers = curl_slist_append(*headers, line);
    return CLI_OK;
}

/* The exit code of an HTTP status, after saying what the daemon said. */
static enum cli_exit problem_print(struct cli *cli, long status, const struct textbuf *reply)
{
    struct nsh_value problem = nsh_null();
    const char *detail = NULL, *hint = NULL, *code = "";
    if (reply->at != NULL &&
        json_parse(reply->at, reply->count, &cli->arena, &problem, NULL) == 0) {
        detail = nsh_get_text(&problem, "detail", nsh_get_text(&problem, "title", NULL));
        hint = nsh_get_text(&problem, "hint", NULL);
        code = nsh_get_text(&problem, "code", "");
    }
    fprintf(stderr, "nightshift: %s\n",
            detail != NULL ? detail : "the daemon answered with an error");
    if (hint != NULL) {
        fprintf(stderr, "  %s\n", hint);
    }
    switch (status) {
    case 401:
    case 403:
        return CLI_DENIED;
    case 404:
        return CLI_NOT_FOUND;
    case 409:
        return strcmp(code, "refused") == 0 ? CLI_REFUSED : CLI_NO;
    case 503:
        return CLI_UNREACHABLE;
    case 504:
        return CLI_TIMEOUT;
    default:
        return status >= 500 ? CLI_NO : CLI_USAGE;
    }
}

static const char *url_of(struct cli *cli, CURL *curl, const char *path)
{
    const char *server = server_of(cli);
    if (strncmp(server, "unix:", 5) == 0) {
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, server + 5);
        return arena_printf(&cli->arena, "http://localhost%s", path);
    }
    return arena_printf(&cli->arena, "%s%s", server, path);
}

static enum cli_exit request_failed(struct cli *cli, CURLcode code)
{
    const char *server = server_of(cli);
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return cli_fail(CLI_TIMEOUT,
                        "no answer from %s in time; what was asked for may still be done", server);
    }
    fprintf(stderr, "nightshift: cannot reach the daemon at %s: %s\n", server,
            curl_easy_strerror(code));
    fputs("  is nightshiftd running? --server or $NIGHTSHIFT_SERVER says where\n", stderr);
    return CLI_UNREACHABLE;
}

static enum cli_exit timeout_of(const struct cli *cli, int64_t *ret_ms)
{
    *ret_ms = 30000;
    if (cli->flags.timeout != NULL && !text_to_duration_ms(text_of(cli->flags.timeout), ret_ms)) {
        return cli_fail(CLI_USAGE, "--timeout wants a duration such as 30s, got %s",
                        cli->flags.timeout);
    }
    return CLI_OK;
}

static void request_prepare(struct cli *cli, CURL *curl, const char *method, const char *path,
                            struct curl_slist *headers)
{
    curl_easy_setopt(curl, CURLOPT_URL, url_of(cli, curl, path));
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
}

static const char *body_type(const char *path, const char *body)
{
    if (strcmp(path, "/v1/events") != 0) {
        return "Content-Type: application/json";
    }
    return body[0] == '[' ? "Content-Type: application/cloudevents-batch+json"
                          : "Content-Type: application/cloudevents+json";
}

enum cli_exit cli_request(struct cli *cli, const char *method, const char *path, const char *body,
                          struct nsh_value *ret_reply)
{
    int64_t timeout_ms = 0;
    struct curl_slist *headers = NULL;
    CLEANUP(textbuf_donep) struct textbuf reply = {.count_max = REPLY_BYTES_MAX};
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        return cli_fail(CLI_NO, "out of memory");
    }
    enum cli_exit result = timeout_of(cli, &timeout_ms);
    result = result == CLI_OK ? header_token(cli, &headers) : result;
    if (result == CLI_OK) {
        if (body != NULL) {
            headers = curl_slist_append(headers, body_type(path, body));
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        }
        request_prepare(cli, curl, method, path, headers);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, reply_add);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
        CURLcode code = curl_easy_perform(curl);
        long status = 0;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        struct nsh_error err = {0};
        *ret_reply = nsh_null();
        if (code != CURLE_OK) {
            result = request_failed(cli, code);
        } else if (status >= 300) {
            result = problem_print(cli, status, &reply);
        } else if (reply.count > 0 &&
                   json_parse(reply.at, reply.count, &cli->arena, ret_reply, &err) < 0) {
            result = cli_fail(CLI_NO, "the daemon's answer is no JSON: %s", err.text);
        }
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return result;
}

/* ---- server-sent events ---------------------------------------------------------------------- */

struct stream {
    CURL *curl;
    struct textbuf bytes; /* Not yet a whole line; or the problem's document. */
    char event[32];
    bool (*row)(void *arg, const char *event, struct text data);
    void *arg;
    bool enough;
};

static void stream_line(struct stream *stream, struct text line)
{
    if (text_starts(line, "event: ")) {
        snprintf(stream->event, sizeof stream->event, "%.*s", (int)line.count - 7, line.at + 7);
    } else if (text_starts(line, "data: ") && !stream->enough) {
        struct text data = {line.at + 6, line.count - 6};
        stream->enough = !stream->row(stream->arg, stream->event, data);
    }
}

static size_t stream_add(char *bytes, size_t size, size_t count, void *arg)
{
    struct stream *stream = arg;
    struct textbuf *buf = &stream->bytes;
    long status = 0;
    textbuf_add(buf, (struct text){bytes, (uint32_t)(size * count)});
    curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &status);
    size_t start = 0;
    for (char *end; status < 300 && !buf->failed && start < buf->count &&
                    (end = memchr(buf->at + start, '\n', buf->count - start)) != NULL;) {
        size_t line_bytes = (size_t)(end - buf->at) - start;
        stream_line(stream, (struct text){buf->at + start, (uint32_t)line_bytes});
        start += line_bytes + 1;
    }
    if (start > 0) {
        memmove(buf->at, buf->at + start, buf->count - start);
        buf->count -= start;
        buf->at[buf->count] = 0;
    }
    return buf->failed || stream->enough ? 0 : size * count;
}

enum cli_exit cli_stream(struct cli *cli, const char *path,
                         bool (*row)(void *arg, const char *event, struct text data), void *arg)
{
    struct curl_slist *headers = NULL;
    struct stream stream = {.curl = curl_easy_init(), .row = row, .arg = arg};
    if (stream.curl == NULL) {
        return cli_fail(CLI_NO, "out of memory");
    }
    enum cli_exit result = header_token(cli, &headers);
    if (result == CLI_OK) {
        request_prepare(cli, stream.curl, "GET", path, headers);
        curl_easy_setopt(stream.curl, CURLOPT_WRITEFUNCTION, stream_add);
        curl_easy_setopt(stream.curl, CURLOPT_WRITEDATA, &stream);
        CURLcode code = curl_easy_perform(stream.curl);
        long status = 0;
        curl_easy_getinfo(stream.curl, CURLINFO_RESPONSE_CODE, &status);
        if (status >= 300) {
            result = problem_print(cli, status, &stream.bytes);
        } else if (!stream.enough && status == 0) {
            result = request_failed(cli, code);
        } else if (!stream.enough) {
            result = cli_fail(CLI_UNREACHABLE, "the daemon ended the stream");
        }
    }
    textbuf_done(&stream.bytes);
    curl_slist_free_all(headers);
    curl_easy_cleanup(stream.curl);
    return result;
}

const char *cli_escape(struct cli *cli, const char *part)
{
    char *escaped = curl_easy_escape(NULL, part, 0);
    const char *copy = escaped == NULL ? "" : arena_printf(&cli->arena, "%s", escaped);
    curl_free(escaped);
    return copy;
}

const char *cli_path(struct cli *cli, const char *path)
{
    const char *state = cli->flags.state;
    if (state != NULL && strcmp(state, "all") == 0) {
        state = NULL;
    }
    int64_t since_ms = 0;
    const char *since = NULL;
    if (cli->flags.since != NULL && text_to_duration_ms(text_of(cli->flags.since), &since_ms)) {
        since = arena_printf(&cli->arena, "%lld", (long long)(cli->now_ms - since_ms));
    }
    const struct {
        const char *name, *value;
    } parameters[] = {
        {"host", cli->flags.host},   {"state", state}, {"type", cli->flags.type},
        {"limit", cli->flags.limit}, {"since", since}, {"unmatched", cli->flags.unmatched},
    };
    char separator = strchr(path, '?') == NULL ? '?' : '&';
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        if (parameters[i].value != NULL) {
            path = arena_printf(&cli->arena, "%s%c%s=%s", path, separator, parameters[i].name,
                                cli_escape(cli, parameters[i].value));
            separator = '&';
        }
    }
    return path;
}
