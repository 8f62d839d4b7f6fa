/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source test: what bytes of a file become, without the daemon: of a source of the configuration,
 * of a format, of a map in a file; of the daemon's own receivers, trap and syslog.
 */

#include "cli_local.h"
#include "cli_traps.h"

#include "base/json.h"
#include "model/event.h"
#include "source/map/source_type.h"
#include "source/syslog/syslog_patterns.h"

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

/* What is shown: the events, one JSON object after the other, and what became of the rest. */
struct testing {
    struct cli *cli;
    struct textbuf items;
    uint32_t events, unmatched, ignored, malformed;
    int rule;        /* -1: not by rules. */
    const char *why; /* Of the first unmatched or ignored one, or NULL. */
};

static void testing_add(struct testing *testing, const struct event *event)
{
    textbuf_add_chars(&testing->items, testing->events == 0 ? "" : ",");
    event_to_json(event, &testing->items);
    testing->events++;
    testing->unmatched += event->unmatched;
}

/* ---- sources and formats ------------------------------------------------------------------- */

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

static enum cli_exit test_source(struct testing *testing, const struct textbuf *file)
{
    struct cli *cli = testing->cli;
    struct source_config config = {.name = ""};
    struct source_events events = {0};
    struct nsh_error err = {0};
    enum cli_exit result = test_config(cli, &config);
    if (result != CLI_OK) {
        return result;
    }
    if (test_run(cli, &config, file, &events, &err) < 0) {
        return cli_fail(CLI_NO, "%s: malformed, it would be refused: %s", cli->args[1], err.text);
    }
    for (uint32_t i = 0; i < events.count; i++) {
        testing_add(testing, &events.items[i]);
    }
    testing->unmatched = events.unmatched;
    testing->ignored = events.ignored;
    testing->why = events.why;
    testing->rule = events.rule;
    return CLI_OK;
}

/* ---- syslog: a message a line -------------------------------------------------------------- */

/* The patterns: --patterns, else those of the installation. */
static enum cli_exit patterns_read(struct cli *cli, struct syslog_patterns **ret_patterns)
{
    const char *folder =
        cli->flags.patterns == NULL ? NS_CONFIG_DIR "/syslog" : cli->flags.patterns;
    struct diags diags = {0};
    struct nsh_error err = {0};
    int result = syslog_patterns_read(folder, &diags, ret_patterns, &err);
    cli_diags_show(cli, &diags);
    diags_done(&diags);
    return result < 0
               ? cli_fail(CLI_USAGE, "patterns of %s: %s; --patterns FOLDER says where they are",
                          folder, err.text)
               : CLI_OK;
}

static void test_line(struct testing *testing, struct syslog_mapper *mapper, struct text line,
                      size_t number)
{
    struct syslog_message message;
    struct nsh_error err = {0};
    struct event event;
    const struct syslog_origin origin = {.address = TEXT("0.0.0.0"),
                                         .relay = true, /* So that a name in it is seen. */
                                         .received_ms = testing->cli->now_ms};
    if (syslog_decode(line, &message, &err) < 0) {
        testing->malformed++;
        fprintf(stderr, "nightshift: line %zu: %s\n", number, err.text);
    } else if (syslog_map(mapper, &message, &origin, &event)) {
        testing_add(testing, &event);
    } else {
        testing->ignored++;
        testing->why = "no pattern knows them, and they are not severe (syslog.unmatched)";
    }
}

static enum cli_exit test_syslog(struct testing *testing, const struct textbuf *file)
{
    struct syslog_patterns *patterns = NULL;
    enum cli_exit result = patterns_read(testing->cli, &patterns);
    if (result != CLI_OK) {
        return result;
    }
    struct syslog_mapper mapper = {.patterns = patterns,
                                   .unmatched_severity = syslog_severity_of("crit")};
    size_t number = 0;
    for (size_t at = 0; at < file->count;) {
        const char *end = memchr(file->at + at, '\n', file->count - at);
        size_t count = end == NULL ? file->count - at : (size_t)(end - file->at) - at;
        size_t taken = count > SYSLOG_MESSAGE_BYTES_MAX ? SYSLOG_MESSAGE_BYTES_MAX : count;
        number++;
        if (count > 0) {
            test_line(testing, &mapper, (struct text){file->at + at, (uint32_t)taken}, number);
        }
        at += count + 1;
    }
    syslog_mapper_done(&mapper);
    syslog_patterns_free(patterns);
    return CLI_OK;
}

/* ---- traps: what snmp decode reads --------------------------------------------------------- */

static void on_trap(void *arg, const struct trap_packet *packet, const struct event *event)
{
    (void)packet;
    testing_add(arg, event);
}

static void on_no_trap(void *arg, size_t number, const char *code, const char *why)
{
    struct testing *testing = arg;
    (void)code;
    testing->malformed++;
    fprintf(stderr, "nightshift: packet %zu: %s\n", number, why);
}

static enum cli_exit test_traps(struct testing *testing, const struct textbuf *file)
{
    const struct cli_traps_seen seen = {on_trap, on_no_trap, testing};
    return cli_traps_decode(testing->cli, (const uint8_t *)file->at, file->count, &seen);
}

/* ---- what is seen -------------------------------------------------------------------------- */

static void test_document(const struct testing *testing, struct textbuf *out)
{
    textbuf_add_chars(out, "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"SourceTest\",\"source\":");
    textbuf_add_json(out, text_of(testing->cli->args[0]));
    textbuf_addf(out, ",\"rule\":%d,\"events\":%u,\"unmatched\":%u,\"ignored\":%u,\"malformed\":%u",
                 testing->rule, testing->events, testing->unmatched, testing->ignored,
                 testing->malformed);
    if (testing->why != NULL) {
        textbuf_add_chars(out, ",\"why\":");
        textbuf_add_json(out, text_of(testing->why));
    }
    textbuf_add_chars(out, ",\"items\":[");
    textbuf_add(out, (struct text){testing->items.at, (uint32_t)testing->items.count});
    textbuf_add_chars(out, "]}");
}

static enum cli_exit test_show(const struct testing *testing)
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
    CLEANUP(textbuf_donep) struct textbuf document = {0};
    struct nsh_error err = {0};
    struct nsh_value value;
    test_document(testing, &document);
    if (json_parse(document.at, document.count, &testing->cli->arena, &value, &err) < 0) {
        return cli_fail(CLI_NO, "%s", err.text);
    }
    cli_print_list(testing->cli, &value, columns, "events");
    if (testing->cli->output == CLI_TABLE && testing->why != NULL) {
        cli_print_line("%u unmatched, %u ignored: %s", testing->unmatched, testing->ignored,
                       testing->why);
    }
    if (testing->malformed > 0) {
        return cli_fail(CLI_NO, "%s: %u malformed, they would be refused", testing->cli->args[1],
                        testing->malformed);
    }
    return testing->unmatched > 0 ? CLI_PARTLY : CLI_OK;
}

enum cli_exit cli_source_test(struct cli *cli)
{
    CLEANUP(textbuf_donep) struct textbuf file = {0};
    struct testing testing = {.cli = cli, .rule = -1};
    bool piped = strcmp(cli->args[1], "-") == 0;
    if (!cli_bytes_read(piped ? "/dev/stdin" : cli->args[1], &file)) {
        return cli_fail(CLI_USAGE, "cannot read %s", cli->args[1]);
    }
    enum cli_exit result = CLI_OK;
    if (strcmp(cli->args[0], "syslog") == 0) {
        result = test_syslog(&testing, &file);
    } else if (strcmp(cli->args[0], "trap") == 0) {
        result = test_traps(&testing, &file);
    } else {
        result = test_source(&testing, &file);
    }
    result = result == CLI_OK ? test_show(&testing) : result;
    textbuf_done(&testing.items);
    return result;
}
