/* SPDX-License-Identifier: Apache-2.0 */
/* source list, doctor: from the daemon. source test, format: without it, from the configuration. */

#include "cli_local.h"

#include "base/json.h"
#include "model/event.h"
#include "source/map/source_type.h"

#include <stdlib.h>
#include <unistd.h>

#define SOURCE_TYPE(name) extern const struct source_type source_type_##name;
#include "source_types.inc"
#undef SOURCE_TYPE

static const struct source_type *const source_types[] = {
#define SOURCE_TYPE(name) &source_type_##name,
#include "source_types.inc"
#undef SOURCE_TYPE
    NULL};

/* ---- from the daemon ----------------------------------------------------------------------- */

enum cli_exit cli_source_list(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"SOURCE", "name", CLI_PLAIN, 0},
        {"TYPE", "type", CLI_PLAIN, 0},
        {"STATE", "state", CLI_STATE, 0},
        {"HEARD", "heard_ms", CLI_AGO, 0},
        {"RECEIVED", "received", CLI_PLAIN, 0},
        {"EVENTS", "events", CLI_PLAIN, 0},
        {"KNOWN", "duplicates", CLI_PLAIN, 0},
        {"UNMATCHED", "unmatched", CLI_PLAIN, 0},
        {"MALFORMED", "malformed", CLI_PLAIN, 0},
        {"DROPPED", "dropped", CLI_PLAIN, 0},
        {0},
    };
    struct nsh_value list;
    enum cli_exit result = cli_request(cli, "GET", "/v1/sources", NULL, &list);
    if (result == CLI_OK) {
        cli_print_list(cli, &list, columns, "sources");
    }
    return result;
}

static bool any_failed(const struct nsh_value *checks)
{
    bool failed = false;
    for (uint32_t i = 0; checks != NULL && checks->type == NSH_LIST && i < checks->count; i++) {
        failed = failed || strcmp(nsh_get_text(&checks->items[i], "state", ""), "failed") == 0;
    }
    return failed;
}

enum cli_exit cli_source_doctor(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"CHECK", "check", CLI_PLAIN, 0},
        {"STATE", "state", CLI_STATE, 0},
        {"WHAT", "text", CLI_PLAIN, 90},
        {"HINT", "hint", CLI_PLAIN, 100},
        {0},
    };
    struct nsh_value report;
    enum cli_exit result = cli_request(
        cli, "GET",
        arena_printf(&cli->arena, "/v1/sources/%s/doctor", cli_escape(cli, cli->args[0])), NULL,
        &report);
    if (result != CLI_OK) {
        return result;
    }
    const struct nsh_value *checks = nsh_get(&report, "checks");
    const char *paste = nsh_get_text(&report, "paste", "");
    if (!cli_print_document(cli, &report) && checks != NULL) {
        const struct nsh_member member = {"items", *checks};
        const struct nsh_value document = nsh_map(&member, 1);
        cli_print_list(cli, &document, columns, "checks");
        if (paste[0] != '\0') {
            fputs("\nAt the sender:\n\n", stdout);
            CLEANUP(textbuf_donep) struct textbuf safe = {0};
            for (const char *at = paste; *at != '\0';) { /* Line by line: each made harmless. */
                size_t count = strcspn(at, "\n");
                textbuf_clear(&safe);
                textbuf_add_safe(&safe, (struct text){at, (uint32_t)count});
                printf("%s\n", safe.at == NULL ? "" : safe.at);
                at += count + (at[count] == '\n');
            }
        }
    }
    return any_failed(checks) ? CLI_NO : CLI_OK;
}

/* ---- formats ------------------------------------------------------------------------------- */

static enum cli_exit format_list(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"FORMAT", "name", CLI_PLAIN, 0}, {"WHAT", "summary", CLI_PLAIN, 90}, {0}};
    size_t count = 0;
    while (source_format_name(count) != NULL) {
        count++;
    }
    struct nsh_value *rows = arena_array(&cli->arena, count + 1, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < count; i++) {
        struct diags diags = {0};
        struct source_format format = {.summary = ""};
        struct nsh_member *members = arena_array(&cli->arena, 2, sizeof *members);
        source_format_read(source_format_name(i), NULL, (struct nsh_place){0}, &cli->arena, &diags,
                           &format);
        diags_done(&diags);
        if (members != NULL) {
            members[0] = (struct nsh_member){"name", nsh_text(source_format_name(i))};
            members[1] = (struct nsh_member){"summary", nsh_text(format.summary)};
            rows[i] = nsh_map(members, 2);
        }
    }
    const struct nsh_member all[] = {{"apiVersion", nsh_text("nightshift/v1")},
                                     {"kind", nsh_text("SourceFormatList")},
                                     {"items", nsh_list(rows, rows == NULL ? 0 : count)}};
    const struct nsh_value document = nsh_map(all, 3);
    cli_print_list(cli, &document, columns, "formats");
    return CLI_OK;
}

enum cli_exit cli_source_format(struct cli *cli)
{
    if (cli->args_count == 0) {
        return format_list(cli);
    }
    const char *text = source_format_text(cli->args[0]);
    if (text == NULL) {
        return cli_fail(CLI_NO,
                        "no format '%.60s' is built in; `nightshift source format` lists "
                        "them",
                        cli->args[0]);
    }
    fputs(text, stdout);
    return CLI_OK;
}

/* ---- test ---------------------------------------------------------------------------------- */

/* The source called name of the configuration. False: it has none, *ret_bad: what is wrong was
 * told. */
static bool configured(struct cli *cli, const char *name, struct source_config *ret_config,
                       bool *ret_bad)
{
    const char *file = cli->flags.config;
    struct diags diags = {0};
    *ret_bad = false;
    if (file == NULL) {
        file = NS_CONFIG_DIR "/nightshift.conf";
        if (access(file, R_OK) != 0) {
            return false;
        }
    }
    const char *slash = strrchr(file, '/');
    const char *folder =
        slash == NULL ? NULL : arena_copy(&cli->arena, file, (size_t)(slash - file));
    struct conf *root = conf_read(file, &cli->arena, &diags);
    struct source_configs configs =
        source_configs_read(conf_get(root, "sources"), source_types, folder, &cli->arena, &diags);
    const struct source_config *found = source_config_find(&configs, name);
    *ret_bad = diags.errors_count > 0;
    cli_diags_show(cli, &diags);
    diags_done(&diags);
    if (found != NULL && !*ret_bad) {
        *ret_config = *found;
    }
    return found != NULL && !*ret_bad;
}

/* NAME is a source of the configuration, else a format. */
static enum cli_exit test_config(struct cli *cli, struct source_config *ret_config)
{
    const char *name = cli->args[0];
    bool bad = false;
    if (configured(cli, name, ret_config, &bad)) {
        return CLI_OK;
    }
    if (bad) {
        return CLI_NO;
    }
    struct diags diags = {0};
    size_t count = strlen(name);
    bool file = count > 4 && strcmp(name + count - 4, ".map") == 0;
    if (!file && source_format_text(name) == NULL) {
        return cli_fail(CLI_NO,
                        "'%.60s' is neither a source of the configuration (--config), nor a "
                        "format: `nightshift source format` lists those, NAME.map is a file of "
                        "your own",
                        name);
    }
    *ret_config = (struct source_config){.name = name};
    bool good = source_format_read(name, NULL, (struct nsh_place){.file = name}, &cli->arena,
                                   &diags, &ret_config->format);
    cli_diags_show(cli, &diags);
    diags_done(&diags);
    return good ? CLI_OK : CLI_NO;
}

static int test_run(struct cli *cli, const struct source_config *config, const struct textbuf *file,
                    struct source_events *ret_events, struct nsh_error *err)
{
    struct nsh_value body;
    if (config->format.map == NULL && config->type != NULL && config->type->decode != NULL) {
        return config->type->decode(config, file->at, file->count, &cli->arena, ret_events, err);
    }
    if (config->format.map == NULL) {
        return nsh_fail(err, NSH_UNSUPPORTED, "a source of type %s cannot be tested from a file",
                        config->type == NULL ? "" : config->type->name);
    }
    int result = json_parse(file->at, file->count, &cli->arena, &body, err);
    if (result < 0) {
        return result;
    }
    const struct nsh_member own[] = {
        {"name", nsh_text(config->name)},
        {"type", nsh_text(config->type == NULL ? "" : config->type->name)},
        {"peer", nsh_text("")}};
    const struct nsh_value source = nsh_map(own, 3);
    const struct source_message message = {
        .body = &body, .source = &source, .name = config->name, .received_ms = cli->now_ms};
    return source_map_run(config->format.map, &message, &cli->arena, ret_events, err);
}

static void test_document(const struct source_config *config, const struct source_events *events,
                          struct textbuf *out)
{
    textbuf_add_chars(out, "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"SourceTest\",\"source\":");
    textbuf_add_json(out, text_of(config->name));
    textbuf_addf(out, ",\"rule\":%d,\"events\":%u,\"unmatched\":%u,\"ignored\":%u", events->rule,
                 events->count, events->unmatched, events->ignored);
    if (events->why != NULL) {
        textbuf_add_chars(out, ",\"why\":");
        textbuf_add_json(out, text_of(events->why));
    }
    textbuf_add_chars(out, ",\"items\":[");
    for (uint32_t i = 0; i < events->count; i++) {
        textbuf_add_chars(out, i == 0 ? "" : ",");
        event_to_json(&events->items[i], out);
    }
    textbuf_add_chars(out, "]}");
}

enum cli_exit cli_source_test(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"TYPE", "type", CLI_PLAIN, 0},
        {"STATE", "state", CLI_STATE, 0},
        {"SEVERITY", "severity", CLI_SEVERITY, 0},
        {"HOST", "host", CLI_PLAIN, 0},
        {"RESOURCE", "resource", CLI_PLAIN, 24},
        {"ID", "id", CLI_PLAIN, 24},
        {"MESSAGE", "message", CLI_PLAIN, 60},
        {0},
    };
    struct source_config config = {.name = ""};
    struct source_events events = {0};
    struct nsh_error err = {0};
    CLEANUP(textbuf_donep) struct textbuf file = {0};
    CLEANUP(textbuf_donep) struct textbuf document = {0};
    struct nsh_value value;
    enum cli_exit result = test_config(cli, &config);
    if (result != CLI_OK) {
        return result;
    }
    bool piped = strcmp(cli->args[1], "-") == 0;
    if (!cli_file_read(piped ? "/dev/stdin" : cli->args[1], &file)) {
        return cli_fail(CLI_USAGE, "cannot read %s", cli->args[1]);
    }
    if (test_run(cli, &config, &file, &events, &err) < 0) {
        return cli_fail(CLI_NO, "%s: malformed, it would be refused: %s", cli->args[1], err.text);
    }
    test_document(&config, &events, &document);
    if (json_parse(document.at, document.count, &cli->arena, &value, &err) < 0) {
        return cli_fail(CLI_NO, "%s", err.text);
    }
    cli_print_list(cli, &value, columns, "events");
    if (cli->output == CLI_TABLE && events.why != NULL) {
        cli_print_line("%u unmatched, %u ignored: %s", events.unmatched, events.ignored,
                       events.why);
    }
    return events.unmatched > 0 ? CLI_PARTLY : CLI_OK;
}
