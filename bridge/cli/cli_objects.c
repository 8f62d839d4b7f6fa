/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and single objects: hosts, alarms, runs, policies, drivers, events, freezes. */

#include "cli_local.h"

#include "base/json.h"

#include <unistd.h>

static const struct cli_column host_columns[] = {
    {"HOST", "name", CLI_PLAIN, 0},
    {"RACK", "rack", CLI_PLAIN, 0},
    {"POOL", "pool", CLI_PLAIN, 0},
    {"STATE", "state", CLI_STATE, 0},
    {"DRIVER", "driver", CLI_PLAIN, 0},
    {"ALARMS", "alarms", CLI_PLAIN, 0},
    {"LAST ACTION", "last_action", CLI_PLAIN, 0},
    {"WHEN", "last_action_ms", CLI_AGO, 0},
    {0},
};

static const struct cli_column host_fields[] = {
    {"host", "name", CLI_PLAIN, 0},
    {"rack", "rack", CLI_PLAIN, 0},
    {"pool", "pool", CLI_PLAIN, 0},
    {"role", "role", CLI_PLAIN, 0},
    {"serial", "serial", CLI_PLAIN, 0},
    {"uuid", "uuid", CLI_PLAIN, 0},
    {"state", "state", CLI_STATE, 0},
    {"maintenance", "maintenance", CLI_PLAIN, 0},
    {"run", "run", CLI_PLAIN, 0},
    {"interrupts in 24 h", "interrupts", CLI_PLAIN, 0},
    {"addresses", "addresses", CLI_PLAIN, 0},
    {"labels", "labels", CLI_PLAIN, 0},
    {"bindings", "bindings", CLI_PLAIN, 0},
    {"last action", "last_action", CLI_PLAIN, 0},
    {"last action at", "last_action_ms", CLI_AGO, 0},
    {0},
};

static const struct cli_column alarm_columns[] = {
    {"ALARM", "id", CLI_PLAIN, 0},         {"SEVERITY", "severity", CLI_SEVERITY, 0},
    {"STATE", "state", CLI_STATE, 0},      {"HOST", "host", CLI_PLAIN, 0},
    {"TYPE", "type", CLI_PLAIN, 0},        {"RESOURCE", "resource", CLI_PLAIN, 20},
    {"COUNT", "count", CLI_PLAIN, 0},      {"RAISED", "raised_ms", CLI_AGO, 0},
    {"MESSAGE", "message", CLI_PLAIN, 48}, {0},
};

static const struct cli_column alarm_fields[] = {
    {"alarm", "id", CLI_PLAIN, 0},
    {"state", "state", CLI_STATE, 0},
    {"severity", "severity", CLI_SEVERITY, 0},
    {"type", "type", CLI_PLAIN, 0},
    {"name", "name", CLI_PLAIN, 0},
    {"host", "host", CLI_PLAIN, 0},
    {"resource", "resource", CLI_PLAIN, 0},
    {"qualifier", "qualifier", CLI_PLAIN, 0},
    {"source", "source", CLI_PLAIN, 0},
    {"count", "count", CLI_PLAIN, 0},
    {"raised", "raised_ms", CLI_AGO, 0},
    {"changed", "changed_ms", CLI_AGO, 0},
    {"cleared", "cleared_ms", CLI_AGO, 0},
    {"message", "message", CLI_PLAIN, 0},
    {0},
};

static const struct cli_column run_columns[] = {
    {"RUN", "id", CLI_PLAIN, 0},
    {"STATE", "state", CLI_STATE, 0},
    {"POLICY", "policy", CLI_PLAIN, 0},
    {"HOST", "host", CLI_PLAIN, 0},
    {"STEP", "step", CLI_PLAIN, 0},
    {"STARTED", "started_ms", CLI_AGO, 0},
    {"ALARM", "alarm", CLI_PLAIN, 0},
    {"REASON", "reason", CLI_PLAIN, 56},
    {0},
};

static const struct cli_column policy_columns[] = {
    {"POLICY", "name", CLI_PLAIN, 0},      {"MODE", "mode", CLI_PLAIN, 0},
    {"SUBJECT", "subject", CLI_PLAIN, 0},  {"OWNER", "owner", CLI_PLAIN, 0},
    {"SUMMARY", "summary", CLI_PLAIN, 52}, {0},
};

static const struct cli_column driver_columns[] = {
    {"DRIVER", "name", CLI_PLAIN, 0},
    {"VERSION", "version", CLI_PLAIN, 0},
    {"DEVICES", "devices", CLI_PLAIN, 0},
    {"RUNNING", "running", CLI_PLAIN, 0},
    {"BROKEN", "broken", CLI_PLAIN, 0},
    {"VERBS", "verbs", CLI_PLAIN, 64},
    {0},
};

static const struct cli_column event_columns[] = {
    {"SEQ", "seq", CLI_PLAIN, 0},
    {"RECEIVED", "received_ms", CLI_AGO, 0},
    {"SEVERITY", "severity", CLI_SEVERITY, 0},
    {"STATE", "state", CLI_STATE, 0},
    {"HOST", "host", CLI_PLAIN, 0},
    {"TYPE", "type", CLI_PLAIN, 0},
    {"MESSAGE", "message", CLI_PLAIN, 48},
    {0},
};

static const struct cli_column freeze_columns[] = {
    {"FREEZE", "id", CLI_PLAIN, 0},      {"SCOPE", "scope", CLI_PLAIN, 0},
    {"OWNER", "owner", CLI_PLAIN, 0},    {"EXPIRES", "expires", CLI_PLAIN, 0},
    {"REASON", "reason", CLI_PLAIN, 60}, {0},
};

static enum cli_exit list(struct cli *cli, const char *path, const struct cli_column *columns,
                          const char *what)
{
    struct nsh_value document;
    enum cli_exit result = cli_request(cli, "GET", cli_path(cli, path), NULL, &document);
    if (result == CLI_OK) {
        cli_print_list(cli, &document, columns, what);
    }
    return result;
}

/* One object below path; *ret_document may be a document with one item or the object itself. */
static enum cli_exit fetch(struct cli *cli, const char *path, struct nsh_value *ret_document)
{
    return cli_request(cli, "GET",
                       arena_printf(&cli->arena, "%s%s", path, cli_escape(cli, cli->args[0])), NULL,
                       ret_document);
}

enum cli_exit cli_host_list(struct cli *cli)
{
    return list(cli, "/v1/hosts", host_columns, "hosts");
}

enum cli_exit cli_alarm_list(struct cli *cli)
{
    if (cli->flags.state == NULL) {
        cli->flags.state = "raised";
    }
    return list(cli, "/v1/alarms", alarm_columns, "alarms");
}

enum cli_exit cli_run_list(struct cli *cli)
{
    return list(cli, "/v1/runs", run_columns, "runs");
}

enum cli_exit cli_policy_list(struct cli *cli)
{
    return list(cli, "/v1/policies", policy_columns, "policies");
}

/* Endpoints that failed, below what was asked. */
void cli_print_endpoints(struct cli *cli, const struct nsh_value *document)
{
    static const struct cli_column columns[] = {
        {"ENDPOINT", "endpoint", CLI_PLAIN, 0}, {"BREAKER", "state", CLI_STATE, 0},
        {"FAILURES", "failures", CLI_PLAIN, 0}, {"OPENED", "opens", CLI_PLAIN, 0},
        {"DEFERRED", "deferred", CLI_PLAIN, 0}, {"SINCE", "since_ms", CLI_AGO, 0},
        {"LAST", "last", CLI_PLAIN, 0},         {0},
    };
    const struct nsh_value *breakers = nsh_get(document, "breakers");
    if (cli->output != CLI_TABLE || breakers == NULL || breakers->type != NSH_LIST ||
        breakers->count == 0) {
        return;
    }
    const struct nsh_member members[] = {{"items", *breakers}};
    const struct nsh_value items = nsh_map(members, 1);
    fputs("\n", stdout);
    cli_print_list(cli, &items, columns, "endpoints that failed");
}

/* A fence agent that is installed, and that no host uses. */
static bool is_idle_agent(const struct nsh_value *driver)
{
    return strncmp(nsh_get_text(driver, "name", ""), "fence_", 6) == 0 &&
           nsh_get_int(driver, "devices", 0) == 0;
}

/* Dozens of fence agents may be installed: for people only those that are used, and how many more.
 */
static void drivers_print(struct cli *cli, const struct nsh_value *document)
{
    const struct nsh_value *items = nsh_get(document, "items");
    uint32_t all = items != NULL && items->type == NSH_LIST ? items->count : 0, count = 0;
    struct nsh_value *shown = arena_array(&cli->arena, (size_t)all + 1, sizeof *shown);
    for (uint32_t i = 0; shown != NULL && i < all; i++) {
        if (!is_idle_agent(&items->items[i])) {
            shown[count++] = items->items[i];
        }
    }
    bool whole = cli->output != CLI_TABLE || cli->flags.state != NULL || shown == NULL;
    if (whole || count == all) {
        cli_print_list(cli, document, driver_columns, "drivers");
        return;
    }
    struct nsh_member member = {"items", {.type = NSH_LIST, .count = count, .items = shown}};
    struct nsh_value few = {.type = NSH_MAP, .count = 1, .members = &member};
    const char *quiet = cli->flags.quiet;
    cli->flags.quiet = "yes";
    cli_print_list(cli, &few, driver_columns, "drivers");
    cli->flags.quiet = quiet;
    if (quiet == NULL && cli->flags.no_headers == NULL) {
        fflush(stdout);
        fprintf(stderr,
                "%u drivers, %u of them fence agents that no host uses\n"
                "--state all lists them, driver show NAME describes one\n",
                all, all - count);
    }
}

enum cli_exit cli_driver_list(struct cli *cli)
{
    struct nsh_value document;
    enum cli_exit result = cli_request(cli, "GET", cli_path(cli, "/v1/drivers"), NULL, &document);
    if (result == CLI_OK) {
        drivers_print(cli, &document);
        cli_print_endpoints(cli, &document);
    }
    return result;
}

enum cli_exit cli_event_list(struct cli *cli)
{
    return list(cli, "/v1/events", event_columns, "events");
}

enum cli_exit cli_freeze_list(struct cli *cli)
{
    return list(cli, "/v1/freezes", freeze_columns, "freezes");
}

enum cli_exit cli_host_show(struct cli *cli)
{
    struct nsh_value host;
    enum cli_exit result = fetch(cli, "/v1/hosts/", &host);
    if (result != CLI_OK || cli_print_document(cli, &host)) {
        return result;
    }
    cli_print_fields(cli, &host, host_fields);
    cli->flags.host = cli->args[0];
    cli->flags.no_headers = NULL;
    cli->flags.quiet = "yes";
    cli->flags.state = "raised";
    puts("\nRAISED ALARMS");
    result = list(cli, "/v1/alarms", alarm_columns, "alarms");
    if (result == CLI_OK) {
        puts("\nRUNS");
        cli->flags.limit = "5";
        cli->flags.state = NULL;
        result = list(cli, "/v1/runs", run_columns, "runs");
    }
    return result;
}

enum cli_exit cli_alarm_show(struct cli *cli)
{
    struct nsh_value alarm;
    enum cli_exit result = fetch(cli, "/v1/alarms/", &alarm);
    if (result == CLI_OK && !cli_print_document(cli, &alarm)) {
        cli_print_fields(cli, &alarm, alarm_fields);
        fflush(stdout);
        fprintf(stderr, "\nwhat was decided: nightshift explain alarm %s\n", cli->args[0]);
    }
    return result;
}

static const struct cli_column policy_fields[] = {
    {"policy", "name", CLI_PLAIN, 0},
    {"summary", "summary", CLI_PLAIN, 0},
    {"owner", "owner", CLI_PLAIN, 0},
    {"mode", "mode", CLI_PLAIN, 0},
    {"subject", "subject", CLI_PLAIN, 0},
    {"file", "file", CLI_PLAIN, 0},
    {"tags", "tags", CLI_LINES, 0},
    {"raises", "raises", CLI_PLAIN, 0},
    {"when", "trigger", CLI_PLAIN, 0},
    {"events", "events", CLI_SET, 0},
    {"metric", "metric", CLI_PLAIN, 0},
    {"each of", "parts", CLI_LINES, 0},
    {"from", "from", CLI_LINES, 0},
    {"severity", "severity", CLI_PLAIN, 0},
    {"condition", "condition", CLI_PLAIN, 0},
    {"clear", "clear", CLI_PLAIN, 0},
    {"count", "count", CLI_SET, 0},
    {"within", "within_ms", CLI_LENGTH, 0},
    {"distinct", "distinct", CLI_PLAIN, 0},
    {"by", "by", CLI_PLAIN, 0},
    {"updates", "updates", CLI_SET, 0},
    {"absent", "absent_ms", CLI_LENGTH, 0},
    {"expect", "expect", CLI_PLAIN, 0},
    {"for", "for_ms", CLI_LENGTH, 0},
    {"keep", "keep_ms", CLI_LENGTH, 0},
    {"settle", "settle_ms", CLI_LENGTH, 0},
    {"stale after", "stale_after_ms", CLI_LENGTH, 0},
    {"calendar", "calendar", CLI_PLAIN, 0},
    {"unless", "unless", CLI_LINES, 0},
    {"hold", "hold.text", CLI_PLAIN, 0},
    {"deny", "deny", CLI_LINES, 0},
    {"once within", "once_within_ms", CLI_LENGTH, 0},
    {"concurrent", "concurrent", CLI_LINES, 0},
    {"rates", "rates", CLI_LINES, 0},
    {"witnesses", "witnesses", CLI_PLAIN, 0},
    {"keep ready", "keep_ready", CLI_PLAIN, 0},
    {"do", "steps", CLI_LINES, 0},
    {"else", "otherwise", CLI_LINES, 0},
    {"revision", "revision", CLI_PLAIN, 0},
    {0},
};

/* As the daemon would understand it, with what it does not say filled in. */
static enum cli_exit policy_file_show(struct cli *cli, const char *path)
{
    struct diags diags = {0};
    struct policy_defaults defaults;
    if (cli_site_defaults(cli, &defaults) != CLI_OK) {
        return CLI_NO;
    }
    struct policy_set *set = policy_load(path, &defaults, NULL, 0, &diags);
    cli_diags_show(cli, &diags);
    diags_done(&diags);
    enum cli_exit result = set == NULL ? CLI_NO : CLI_OK;
    for (size_t i = 0; result == CLI_OK && i < set->policies_count; i++) {
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        struct nsh_value policy;
        policy_add_json(&text, &set->policies[i], true);
        textbuf_add_chars(&text, ",\"apiVersion\":\"nightshift/v1\",\"kind\":\"Policy\"}");
        if (text.failed || json_parse(text.at, text.count, &cli->arena, &policy, NULL) < 0) {
            result = cli_fail(CLI_NO, "out of memory");
        } else if (!cli_print_document(cli, &policy)) {
            fputs(i > 0 ? "\n" : "", stdout);
            cli_print_fields(cli, &policy, policy_fields);
        }
    }
    if (result == CLI_OK && cli->output == CLI_TABLE) {
        CLEANUP(textbuf_donep) struct textbuf worst = {0};
        policy_worst_words(&worst, set);
        cli_print_line("\n%s", worst.at == NULL ? "" : worst.at);
    }
    policy_set_free(set);
    return result;
}

/* A policy of the daemon by its name, or those of a file or folder. */
/* What became of the hosts that it would have acted on. */
static void score_show(struct cli *cli)
{
    struct nsh_value score;
    const char *path =
        arena_printf(&cli->arena, "/v1/policies/%s/score", cli_escape(cli, cli->args[0]));
    if (path == NULL || cli_request(cli, "GET", path, NULL, &score) != CLI_OK) {
        return;
    }
    long long decided = nsh_get_int(&score, "decided", 0),
              judged = nsh_get_int(&score, "judged", 0);
    if (decided == 0) {
        return;
    }
    cli_print_line("\nIn the last 30 days it would have acted %lld times. Within the hour after:",
                   decided);
    cli_print_line("  %6lld  the host was restarted, and not by us",
                   (long long)nsh_get_int(&score, "same", 0));
    cli_print_line("  %6lld  the alarm cleared without anybody",
                   (long long)nsh_get_int(&score, "alone", 0));
    cli_print_line("  %6lld  neither", decided - (long long)nsh_get_int(&score, "same", 0) -
                                           (long long)nsh_get_int(&score, "alone", 0));
    if (judged > 0) {
        cli_print_line("It was right in %lld %% of the %lld that can be judged.",
                       (long long)nsh_get_int(&score, "precision", 0), judged);
    }
    if (nsh_get_bool(&score, "promote", false)) {
        cli_print_line("Promotion suggested: from %lld %% on (promote_percent), mode = \"enforce\" "
                       "is worth a thought.",
                       (long long)nsh_get_int(&score, "wanted", 0));
    }
}

enum cli_exit cli_policy_show(struct cli *cli)
{
    struct nsh_value policy;
    if (strchr(cli->args[0], '/') != NULL || access(cli->args[0], F_OK) == 0) {
        return policy_file_show(cli, cli->args[0]);
    }
    enum cli_exit result = fetch(cli, "/v1/policies/", &policy);
    if (result == CLI_OK && !cli_print_document(cli, &policy)) {
        cli_print_fields(cli, &policy, policy_fields);
        score_show(cli);
    }
    return result;
}

static void print_step(struct cli *cli, const struct nsh_value *step, uint32_t number)
{
    const char *state = nsh_get_text(step, "state", "-");
    CLEANUP(textbuf_donep) struct textbuf words = {0};
    const struct nsh_value *error = nsh_get(step, "error");
    cli_cell(cli, step,
             error != NULL && error->type == NSH_STRING && error->count > 0 ? "error" : "result",
             CLI_PLAIN, &words);
    int64_t started_ms = nsh_get_int(step, "started_ms", 0);
    int64_t ended_ms = nsh_get_int(step, "ended_ms", 0);
    CLEANUP(textbuf_donep) struct textbuf length = {0};
    if (started_ms > 0 && ended_ms >= started_ms) {
        cli_length(ended_ms - started_ms, &length);
    }
    printf("  %2u  %-14s %-14s %s%-10s%s %8s  %s\n", number, nsh_get_text(step, "name", "-"),
           nsh_get_text(step, "verb", nsh_get_text(step, "kind", "-")), cli_color_of(cli, state),
           state, cli_color_of(cli, state)[0] != 0 ? cli_color_end(cli) : "",
           length.at == NULL ? "" : length.at, words.at == NULL ? "" : words.at);
    const struct nsh_value *items = nsh_get(step, "items");
    for (uint32_t i = 0; items != NULL && items->type == NSH_LIST && i < items->count; i++) {
        const struct nsh_value *item = &items->items[i];
        state = nsh_get_text(item, "state", "-");
        printf("      %-29s %s%-10s%s %8s  %s\n", nsh_get_text(item, "name", "-"),
               cli_color_of(cli, state), state,
               cli_color_of(cli, state)[0] != 0 ? cli_color_end(cli) : "", "",
               nsh_get_text(item, "text", ""));
    }
}

/* A run that asks: how long there is for an answer. */
static void print_waits(struct cli *cli, const struct nsh_value *waits)
{
    if (waits == NULL || waits->type != NSH_MAP || nsh_get_int(waits, "passed_ms", 0) != 0) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf left = {0};
    int64_t left_ms = nsh_get_int(waits, "ends_ms", 0) - cli->now_ms;
    cli_length(left_ms > 0 ? left_ms : 0, &left);
    bool veto = strcmp(nsh_get_text(waits, "for", ""), "veto") == 0;
    cli_print_line("asks       %s: %s in %s unless somebody answers; %lld of %lld said yes",
                   nsh_get_text(waits, "what", "-"),
                   veto                                                          ? "done"
                   : strcmp(nsh_get_text(waits, "on_timeout", ""), "allow") == 0 ? "allowed"
                                                                                 : "denied",
                   left.at == NULL ? "-" : left.at, (long long)nsh_get_int(waits, "given", 0),
                   (long long)nsh_get_int(waits, "count", 0));
}

enum cli_exit cli_run_show(struct cli *cli)
{
    static const struct cli_column fields[] = {
        {"run", "id", CLI_PLAIN, 0},
        {"state", "state", CLI_STATE, 0},
        {"policy", "policy", CLI_PLAIN, 0},
        {"host", "host", CLI_PLAIN, 0},
        {"alarm", "alarm", CLI_PLAIN, 0},
        {"started", "started_ms", CLI_AGO, 0},
        {"ended", "ended_ms", CLI_AGO, 0},
        {"reason", "reason", CLI_PLAIN, 0},
        {0},
    };
    struct nsh_value run;
    enum cli_exit result = fetch(cli, "/v1/runs/", &run);
    if (result != CLI_OK || cli_print_document(cli, &run)) {
        return result;
    }
    cli_print_fields(cli, &run, fields);
    print_waits(cli, nsh_get(&run, "waits"));
    const struct nsh_value *steps = nsh_get(&run, "steps");
    if (steps != NULL && steps->type == NSH_LIST) {
        puts("steps");
        for (uint32_t i = 0; i < steps->count; i++) {
            print_step(cli, &steps->items[i], i + 1);
        }
    }
    return CLI_OK;
}
