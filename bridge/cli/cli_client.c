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
    const char *detail = NULL, *hint = NULL;
    if (reply->at != NULL &&
        json_parse(reply->at, reply->count, &cli->arena, &problem, NULL) == 0) {
        detail = nsh_get_text(&problem, "detail", nsh_get_text(&problem, "title", NULL));
        hint = nsh_get_text(&problem, "hint", NULL);
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
        return CLI_REFUSED;
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

enum cli_exit cli_request(struct cli *cli, const char *method, const char *path, const char *body,
                          struct nsh_value *ret_reply)
{
    int64_t timeout_ms = 30000;
    if (cli->flags.timeout != NULL &&
        !text_to_duration_ms(text_of(cli->flags.timeout), &timeout_ms)) {
        return cli_fail(CLI_USAGE, "--timeout wants a duration such as 30s, got %s",
                        cli->flags.timeout);
    }
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        return cli_fail(CLI_NO, "out of memory");
    }
    struct curl_slist *headers = NULL;
    CLEANUP(textbuf_donep) struct textbuf reply = {.count_max = REPLY_BYTES_MAX};
    enum cli_exit result = header_token(cli, &headers);
    if (result == CLI_OK) {
        if (body != NULL) {
            headers = curl_slist_append(
                headers, body[0] == '[' ? "Content-Type: application/cloudevents-batch+json"
                         : strcmp(path, "/v1/events") == 0
                             ? "Content-Type: application/cloudevents+json"
                             : "Content-Type: application/json");
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        }
        curl_easy_setopt(curl, CURLOPT_URL, url_of(cli, curl, path));
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
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
