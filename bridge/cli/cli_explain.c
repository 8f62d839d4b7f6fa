/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why it acted, why it did not: from what was recorded when it was decided, never re-evaluated.
 * The daemon answers {"decisions": [...], "runs": [...], "actions": [...]}.
 */

#include "cli.h"

static void print_texts(const struct nsh_value *list, const char *indent)
{
    for (uint32_t i = 0; list != NULL && list->type == NSH_LIST && i < list->count; i++) {
        if (list->items[i].type != NSH_STRING) {
            continue;
        }
        CLEANUP(textbuf_donep) struct textbuf line = {0};
        textbuf_add_safe(&line, (struct text){list->items[i].text, list->items[i].count});
        cli_print_wrapped(indent, line.at == NULL ? "" : line.at);
    }
}

static void print_guards(struct cli *cli, const struct nsh_value *guards)
{
    for (uint32_t i = 0; guards != NULL && guards->type == NSH_LIST && i < guards->count; i++) {
        const struct nsh_value *guard = &guards->items[i];
        bool blocks = strcmp(nsh_get_text(guard, "result", "-"), "pass") != 0;
        const char *text = nsh_get_text(guard, "text", "");
        CLEANUP(textbuf_donep) struct textbuf line = {0};
        textbuf_add_safe(&line, text_of(text));
        const char *first =
            arena_printf(&cli->arena, "    guard  %-13s %-7s  ", nsh_get_text(guard, "name", "-"),
                         blocks ? "BLOCKED" : "pass");
        fputs(blocks ? cli_color_of(cli, "refused") : "", stdout);
        cli_print_wrapped(first == NULL ? "" : first, line.at == NULL ? "" : line.at);
        fputs(blocks ? cli_color_end(cli) : "", stdout);
    }
}

static void print_decision(struct cli *cli, const struct nsh_value *decision)
{
    const char *outcome = nsh_get_text(decision, "outcome", nsh_get_text(decision, "state", "-"));
    CLEANUP(textbuf_donep) struct textbuf when = {0};
    cli_cell(cli, decision, "time", CLI_AGO, &when);
    const char *color = cli_color_of(cli, outcome);
    printf("%s%s%s  policy %s on %s, %s  (%s, alarm %s)\n", color, outcome,
           color[0] == 0 ? "" : cli_color_end(cli), nsh_get_text(decision, "policy", "-"),
           nsh_get_text(decision, "subject", nsh_get_text(decision, "host", "-")),
           when.at == NULL ? "-" : when.at, nsh_get_text(decision, "id", "-"),
           nsh_get_text(decision, "alarm", "-"));
    const char *reason = nsh_get_text(decision, "reason", NULL);
    if (reason != NULL && reason[0] != 0) {
        cli_print_line("    because %s", reason);
    }
    print_texts(nsh_get(decision, "conditions"), "    if     ");
    print_guards(cli, nsh_get(decision, "guards"));
}

static void print_run(struct cli *cli, const struct nsh_value *run)
{
    const char *state = nsh_get_text(run, "state", "-");
    printf("%s%s%s  run %s of policy %s on %s\n", cli_color_of(cli, state), state,
           cli_color_end(cli), nsh_get_text(run, "id", "-"), nsh_get_text(run, "policy", "-"),
           nsh_get_text(run, "host", "-"));
    const char *reason = nsh_get_text(run, "reason", NULL);
    if (reason != NULL && reason[0] != 0) {
        cli_print_line("    because %s", reason);
    }
}

static void print_action(struct cli *cli, const struct nsh_value *action)
{
    const char *state = nsh_get_text(action, "state", "-");
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    cli_cell(cli, action, "text", CLI_PLAIN, &text);
    printf("    %-12s %s %s via %s: %s%s%s  %s\n", nsh_get_text(action, "id", "-"),
           nsh_get_text(action, "verb", "-"), nsh_get_text(action, "host", "-"),
           nsh_get_text(action, "driver", "-"), cli_color_of(cli, state), state, cli_color_end(cli),
           text.at == NULL ? "" : text.at);
    const char *instead = nsh_get_text(action, "instead", NULL);
    if (instead != NULL) {
        cli_print_line("                 by its %s, after %s", nsh_get_text(action, "binding", "-"),
                       instead);
    }
}

static void print_waits(const struct nsh_value *waits)
{
    for (uint32_t i = 0; i < waits->count; i++) {
        printf("    %s\n", waits->items[i].type == NSH_STRING ? waits->items[i].text : "");
    }
}

/* What waits for time, and what is watched and not true yet. False: nothing to say of it. */
static bool print_pending(struct cli *cli, const struct nsh_value *pending)
{
    const struct nsh_value *waits = nsh_get(pending, "waits");
    bool words = waits != NULL && waits->type == NSH_LIST && waits->count > 0;
    const char *state = nsh_get_text(pending, "state", "pending");
    bool waiting = strcmp(state, "pending") == 0;
    if (!waiting && (!words || strcmp(state, "idle") != 0)) {
        return false;
    }
    CLEANUP(textbuf_donep) struct textbuf since = {0};
    cli_cell(cli, pending, waiting ? "since_ms" : "waits_ms", CLI_AGO, &since);
    const char *ago = since.at == NULL ? "-" : since.at;
    const char *policy = nsh_get_text(pending, "policy", "-");
    const char *subject = nsh_get_text(pending, "subject", "-");
    if (waiting) {
        printf("%swaiting%s  policy %s on %s matches since %s (alarm %s): its time is not over\n",
               cli_color_of(cli, "held"), cli_color_end(cli), policy, subject, ago,
               nsh_get_text(pending, "alarm", "-"));
    } else {
        printf("%swatching%s policy %s on %s, as of %s\n", cli_color_of(cli, "held"),
               cli_color_end(cli), policy, subject, ago);
    }
    if (words) {
        print_waits(waits);
    }
    return true;
}

/* Everything the document says; false: it says nothing. */
bool cli_explain_print(struct cli *cli, const struct nsh_value *document)
{
    const struct nsh_value *decisions = nsh_get(document, "decisions");
    const struct nsh_value *runs = nsh_get(document, "runs");
    const struct nsh_value *actions = nsh_get(document, "actions");
    const struct nsh_value *pending = nsh_get(document, "pending");
    bool any = false;
    for (uint32_t i = 0; pending != NULL && i < pending->count; i++) {
        any = print_pending(cli, &pending->items[i]) || any;
    }
    for (uint32_t i = 0; decisions != NULL && i < decisions->count; i++) {
        if (any) {
            putchar('\n');
        }
        print_decision(cli, &decisions->items[i]);
        any = true;
    }
    if (any && runs != NULL && runs->count > 0) {
        putchar('\n');
    }
    for (uint32_t i = 0; runs != NULL && i < runs->count; i++) {
        print_run(cli, &runs->items[i]);
        any = true;
    }
    for (uint32_t i = 0; actions != NULL && i < actions->count; i++) {
        print_action(cli, &actions->items[i]);
        any = true;
    }
    return any;
}

enum cli_exit cli_explain_fetch(struct cli *cli, const char *kind, struct nsh_value *ret_document)
{
    const char *path =
        arena_printf(&cli->arena, "/v1/explain/%s/%s", kind, cli_escape(cli, cli->args[0]));
    return cli_request(cli, "GET", cli_path(cli, path), NULL, ret_document);
}

static enum cli_exit explain(struct cli *cli, const char *kind)
{
    struct nsh_value document;
    enum cli_exit result = cli_explain_fetch(cli, kind, &document);
    if (result != CLI_OK || cli_print_document(cli, &document)) {
        return result;
    }
    if (!cli_explain_print(cli, &document)) {
        cli_print_line("No policy looked at %s %s: nothing matched its alarms, or it has none.",
                       kind, cli->args[0]);
        cli_print_line("Its alarms: nightshift alarm list --state all --host %s", cli->args[0]);
    }
    return CLI_OK;
}

enum cli_exit cli_explain_host(struct cli *cli)
{
    return explain(cli, "host");
}

enum cli_exit cli_explain_alarm(struct cli *cli)
{
    return explain(cli, "alarm");
}

enum cli_exit cli_explain_run(struct cli *cli)
{
    return explain(cli, "run");
}
