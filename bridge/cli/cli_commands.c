/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that change something, or ask the daemon for more than an object. */

#include "cli.h"

#include "base/json.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* {"reason": ..., and further members as text} */
static const char *body_of(struct cli *cli, const char *const *names, const char *const *values,
                           size_t count)
{
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    textbuf_add_char(&body, '{');
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (values[i] != NULL) {
            textbuf_add_chars(&body, first ? "" : ",");
            textbuf_add_json(&body, text_of(names[i]));
            textbuf_add_char(&body, ':');
            textbuf_add_json(&body, text_of(values[i]));
            first = false;
        }
    }
    textbuf_add_char(&body, '}');
    return arena_printf(&cli->arena, "%s", body.at);
}

static enum cli_exit command(struct cli *cli, const char *method, const char *path,
                             const char *body, const char *said)
{
    struct nsh_value reply;
    enum cli_exit result = cli_request(cli, method, path, body, &reply);
    if (result == CLI_OK && !cli_print_document(cli, &reply) && cli->flags.quiet == NULL) {
        cli_print_line("%s", said);
    }
    return result;
}

static enum cli_exit reason_wanted(struct cli *cli)
{
    if (cli->flags.reason == NULL || cli->flags.reason[0] == 0) {
        return cli_fail(CLI_USAGE, "%s needs --reason TEXT: it is kept in the audit trail",
                        cli->command->noun);
    }
    return CLI_OK;
}

enum cli_exit cli_freeze(struct cli *cli)
{
    if (reason_wanted(cli) != CLI_OK) {
        return CLI_USAGE;
    }
    const char *scope = cli->flags.scope == NULL ? "all" : cli->flags.scope;
    const char *lasting = cli->flags.lasting == NULL ? "1h" : cli->flags.lasting;
    int64_t for_ms = 0;
    if (!text_to_duration_ms(text_of(lasting), &for_ms) || for_ms <= 0) {
        return cli_fail(CLI_USAGE, "--for wants a duration such as 30m or 2h, got %s", lasting);
    }
    const char *body = body_of(cli, (const char *const[]){"scope", "reason", "for"},
                               (const char *const[]){scope, cli->flags.reason, lasting}, 3);
    struct nsh_value reply;
    enum cli_exit result = cli_request(cli, "POST", "/v1/freezes", body, &reply);
    if (result == CLI_OK && !cli_print_document(cli, &reply)) {
        const char *id = nsh_get_text(&reply, "id", "?");
        cli_print_line(
            "%s: %s frozen for %s. No new step starts; alarms are still recorded and explained.",
            id, scope, lasting);
        cli_print_line("End it with: nightshift unfreeze %s", id);
    }
    return result;
}

enum cli_exit cli_unfreeze(struct cli *cli)
{
    const char *path = arena_printf(&cli->arena, "/v1/freezes/%s", cli_escape(cli, cli->args[0]));
    const char *body =
        body_of(cli, (const char *const[]){"reason"}, (const char *const[]){cli->flags.reason}, 1);
    return command(
        cli, "DELETE", path, body,
        "ended. What waited is looked at again; what is too old is dropped with a reason.");
}

enum cli_exit cli_run_cancel(struct cli *cli)
{
    if (reason_wanted(cli) != CLI_OK) {
        return CLI_USAGE;
    }
    const char *path =
        arena_printf(&cli->arena, "/v1/runs/%s/cancel", cli_escape(cli, cli->args[0]));
    const char *body =
        body_of(cli, (const char *const[]){"reason"}, (const char *const[]){cli->flags.reason}, 1);
    return command(cli, "POST", path, body, "cancelled: no new step starts");
}

enum cli_exit cli_alarm_clear(struct cli *cli)
{
    if (reason_wanted(cli) != CLI_OK) {
        return CLI_USAGE;
    }
    const char *path =
        arena_printf(&cli->arena, "/v1/alarms/%s/clear", cli_escape(cli, cli->args[0]));
    const char *body =
        body_of(cli, (const char *const[]){"reason"}, (const char *const[]){cli->flags.reason}, 1);
    return command(cli, "POST", path, body, "cleared");
}

enum cli_exit cli_reload(struct cli *cli)
{
    return command(cli, "POST", "/v1/reload", "{}", "reloaded");
}

enum cli_exit cli_backup(struct cli *cli)
{
    char path[PATH_MAX];
    const char *target = cli->args[0];
    if (target[0] != '/') {
        char folder[PATH_MAX];
        if (getcwd(folder, sizeof folder) == NULL ||
            (size_t)snprintf(path, sizeof path, "%s/%s", folder, target) >= sizeof path) {
            return cli_fail(CLI_USAGE, "cannot make %s absolute", target);
        }
        target = path;
    }
    const char *body =
        body_of(cli, (const char *const[]){"path"}, (const char *const[]){target}, 1);
    return command(cli, "POST", "/v1/backup", body, arena_printf(&cli->arena, "wrote %s", target));
}

enum cli_exit cli_audit_verify(struct cli *cli)
{
    struct nsh_value reply;
    enum cli_exit result = cli_request(cli, "GET", "/v1/audit/verify", NULL, &reply);
    if (result != CLI_OK) {
        return result;
    }
    bool ok = nsh_get_bool(&reply, "ok", false);
    if (!cli_print_document(cli, &reply)) {
        cli_print_line("%lld records, chain %s%s%s, head %.16s",
                       (long long)nsh_get_int(&reply, "records", 0),
                       cli_color_of(cli, ok ? "ok" : "failed"), ok ? "ok" : "BROKEN",
                       cli_color_end(cli), nsh_get_text(&reply, "head", ""));
        if (!ok) {
            cli_print_line("%s", nsh_get_text(&reply, "text", ""));
        }
    }
    return ok ? CLI_OK : CLI_NO;
}

enum cli_exit cli_plan(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"ACTION", "verb", CLI_PLAIN, 0},
        {"HOST", "host", CLI_PLAIN, 0},
        {"POLICY", "policy", CLI_PLAIN, 0},
        {"MODE", "mode", CLI_PLAIN, 0},
        {"OUTCOME", "outcome", CLI_STATE, 0},
        {"WHY", "reason", CLI_PLAIN, 80},
        {0},
    };
    struct nsh_value plan;
    enum cli_exit result = cli_request(cli, "GET", "/v1/plan", NULL, &plan);
    if (result != CLI_OK) {
        return result;
    }
    struct nsh_value document = plan;
    const struct nsh_value *actions = nsh_get(&plan, "actions");
    unsigned decided = 0;
    for (uint32_t i = 0; actions != NULL && actions->type == NSH_LIST && i < actions->count; i++) {
        decided += strcmp(nsh_get_text(&actions->items[i], "outcome", ""), "decided") == 0;
    }
    if (actions != NULL && cli->output == CLI_TABLE) {
        struct nsh_member *member = arena_alloc(&cli->arena, sizeof *member);
        if (member == NULL) {
            return cli_fail(CLI_NO, "out of memory");
        }
        *member = (struct nsh_member){"items", *actions};
        document = nsh_map(member, 1);
    }
    cli_print_list(cli, &document, columns,
                   decided == 0 ? "actions planned. Nothing has been done."
                                : arena_printf(&cli->arena,
                                               "actions looked at, %u of them decided before. "
                                               "Nothing has been done.",
                                               decided));
    return CLI_OK;
}

#define EVENTS_BYTES_MAX (1 << 20)

enum cli_exit cli_event_send(struct cli *cli)
{
    const char *name = cli->args[0];
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    if (file == NULL) {
        return cli_fail(CLI_USAGE, "cannot open %s", name);
    }
    char *body = arena_alloc(&cli->arena, EVENTS_BYTES_MAX + 1);
    size_t count = body == NULL ? 0 : fread(body, 1, EVENTS_BYTES_MAX, file);
    bool more = fgetc(file) != EOF;
    if (file != stdin) {
        fclose(file);
    }
    if (body == NULL || more) {
        return cli_fail(CLI_USAGE, "%s is larger than %d bytes", name, EVENTS_BYTES_MAX);
    }
    struct nsh_value document;
    struct nsh_error err = {0};
    if (json_parse(body, count, &cli->arena, &document, &err) < 0) {
        return cli_fail(CLI_USAGE, "%s: %s", name, err.text);
    }
    const char *start = body + strspn(body, " \t\r\n");
    return command(cli, "POST", "/v1/events", start, "accepted: durable");
}

struct tail {
    struct cli *cli;
    unsigned rows, rows_max;
};

/* "14:05:31" */
static void print_clock(int64_t unix_ms)
{
    CLEANUP(textbuf_donep) struct textbuf clock = {0};
    textbuf_add_time(&clock, unix_ms);
    printf("%.8s  ", clock.count > 11 ? clock.at + 11 : "-");
}

static void print_word(struct cli *cli, const char *word, int width)
{
    const char *color = cli_color_of(cli, word);
    printf("%s%-*s%s ", color, width, word, color[0] != 0 ? cli_color_end(cli) : "");
}

static void tail_print(struct cli *cli, bool is_event, const struct nsh_value *item)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    print_clock(nsh_get_int(item, is_event ? "received_ms" : "time", 0));
    print_word(cli, is_event ? nsh_get_text(item, "state", "-") : "decided", 8);
    print_word(cli, nsh_get_text(item, is_event ? "severity" : "outcome", "-"), 9);
    printf("%-12s %-28s ", nsh_get_text(item, "host", "-"),
           nsh_get_text(item, is_event ? "type" : "policy", "-"));
    cli_cell(cli, item, is_event ? "message" : "reason", CLI_PLAIN, &text);
    cli_print_line("%s", text.at == NULL ? "" : text.at);
}

static bool tail_row(void *arg, const char *event, struct text data)
{
    struct tail *tail = arg;
    struct cli *cli = tail->cli;
    struct nsh_value item;
    if (cli->output != CLI_TABLE) {
        cli_print_line("%.*s", (int)data.count, data.at);
    } else if (json_parse(data.at, data.count, &cli->arena, &item, NULL) == 0) {
        tail_print(cli, strcmp(event, "event") == 0, &item);
        arena_reset(&cli->arena);
    }
    fflush(stdout);
    return ++tail->rows < tail->rows_max;
}

enum cli_exit cli_tail(struct cli *cli)
{
    struct tail tail = {.cli = cli, .rows_max = UINT_MAX};
    int64_t rows = 0;
    if (cli->flags.limit != NULL) {
        if (!text_to_int(text_of(cli->flags.limit), &rows) || rows < 1 || rows > UINT_MAX) {
            return cli_fail(CLI_USAGE, "--limit wants a number, got %s", cli->flags.limit);
        }
        tail.rows_max = (unsigned)rows;
        cli->flags.limit = NULL; /* Ours: the stream has no end. */
    }
    return cli_stream(cli, cli_path(cli, "/v1/stream"), tail_row, &tail);
}

/* ---- changes, as several files ask for them ---- */

void cli_body_add(struct textbuf *body, const char *name, const char *value)
{
    textbuf_addf(body, "%s\"%s\":", body->count == 1 ? "" : ",", name);
    textbuf_add_json(body, text_of(value));
}

enum cli_exit cli_change(struct cli *cli, const char *method, const char *path,
                         struct textbuf *body, const char *said)
{
    textbuf_add_char(body, '}');
    struct nsh_value reply;
    enum cli_exit result = cli_request(cli, method, path, body->at, &reply);
    if (result == CLI_OK && !cli_print_document(cli, &reply) && cli->flags.quiet == NULL) {
        cli_print_line("%s: %s", nsh_get_text(&reply, "id", "done"), said);
    }
    return result;
}
