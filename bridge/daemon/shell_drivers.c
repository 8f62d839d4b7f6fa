/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers for people, with what their endpoints answer. */

#include "shell_private.h"

#include "base/json.h"
#include "loop/drivers.h"

#define FUNCTIONS_SUMMARY "Functions of the configuration: programs, kept workers, remote ones."

static void add_text(struct textbuf *out, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        textbuf_addf(out, ",\"%s\":", name);
        textbuf_add_json(out, text_of(value));
    }
}

/* "redfish 10.0.0.7" is one of redfish. */
static bool is_endpoint_of(const char *endpoint, const char *driver)
{
    size_t count = strlen(driver);
    return strncmp(endpoint, driver, count) == 0 &&
           (endpoint[count] == ' ' || endpoint[count] == 0);
}

static unsigned endpoints_not_closed(const struct nsh_value *breakers, const char *driver)
{
    unsigned count = 0;
    for (uint32_t i = 0; breakers != NULL && breakers->type == NSH_LIST && i < breakers->count;
         i++) {
        const struct nsh_value *item = &breakers->items[i];
        count += is_endpoint_of(nsh_get_text(item, "endpoint", ""), driver) &&
                 strcmp(nsh_get_text(item, "state", ""), "closed") != 0;
    }
    return count;
}

static void add_driver(struct textbuf *out, const struct drivers *drivers,
                       const struct nsh_driver *driver, const struct nsh_value *breakers)
{
    size_t devices = 0, running = 0;
    drivers_figures(drivers, driver, &devices, &running);
    textbuf_add_chars(out, "{\"name\":");
    textbuf_add_json(out, text_of(driver->name));
    add_text(out, "version", driver->version);
    add_text(out, "summary", driver->summary);
    add_text(out, "maturity", driver->maturity == NSH_PROVEN ? "proven" : "experimental");
    textbuf_addf(out, ",\"devices\":%zu,\"running\":%zu,\"broken\":%u,\"verbs\":[", devices,
                 running, endpoints_not_closed(breakers, driver->name));
    for (size_t i = 0; i < driver->verbs_count; i++) {
        textbuf_add_chars(out, i == 0 ? "" : ",");
        textbuf_add_json(out, text_of(driver->verbs[i].name));
    }
    textbuf_add_chars(out, "]}");
}

struct agents_list {
    struct textbuf *out;
    const struct drivers *drivers;
    const struct nsh_value *breakers;
};

/* Its verbs are known once somebody asked it; the list asks nobody. */
static void add_agent(void *arg, const char *name, const struct nsh_driver *known)
{
    const struct agents_list *list = arg;
    textbuf_add_char(list->out, ',');
    if (known != NULL) {
        add_driver(list->out, list->drivers, known, list->breakers);
        return;
    }
    textbuf_add_chars(list->out, "{\"name\":");
    textbuf_add_json(list->out, text_of(name));
    textbuf_add_chars(list->out, ",\"summary\":\"A fence agent: driver show reads what it takes.\","
                                 "\"maturity\":\"proven\",\"devices\":0,\"running\":0,"
                                 "\"broken\":0,\"verbs\":[]}");
}

/* Those of the configuration, as a driver: that is how a policy uses them. */
static void add_functions(struct textbuf *out, const struct shell *shell,
                          const struct nsh_value *breakers)
{
    const struct policy_defaults *site = &shell->generation->config->policy;
    if (site->functions_count == 0) {
        return;
    }
    textbuf_addf(
        out,
        ",{\"name\":\"" POLICY_FUNCTIONS_DRIVER "\",\"summary\":\"" FUNCTIONS_SUMMARY
        "\",\"maturity\":\"proven\",\"devices\":%zu,\"running\":0,\"broken\":%u,\"verbs\":[",
        site->functions_count, endpoints_not_closed(breakers, POLICY_FUNCTIONS_DRIVER));
    for (size_t i = 0; i < site->functions_count; i++) {
        textbuf_add_chars(out, i == 0 ? "" : ",");
        textbuf_add_json(out, text_of(site->functions[i].verb.name));
    }
    textbuf_add_chars(out, "]}");
}

/* The engine's breakers, in arena; NULL: it could not be asked. */
static const struct nsh_value *breakers_of(struct shell *shell, struct arena *arena,
                                           struct nsh_value *reply)
{
    struct nsh_error err = {0};
    struct engine_input input = {.kind = INPUT_COMMAND};
    input.command.name = TEXT("breakers");
    input.command.args = nsh_map(NULL, 0);
    if (shell_step(shell, &input, &err) < 0 ||
        json_parse(shell->output.reply.at, shell->output.reply.count, arena, reply, &err) < 0) {
        return NULL;
    }
    return nsh_get(reply, "breakers");
}

void shell_add_breakers(struct shell *shell, struct textbuf *out)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value reply;
    const struct nsh_value *breakers = breakers_of(shell, &arena, &reply);
    if (breakers != NULL) {
        textbuf_add_chars(out, ",\"breakers\":");
        json_write(breakers, out);
    }
}

void shell_drivers(struct shell *shell, struct shell_request *request)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value reply;
    const struct nsh_value *breakers = breakers_of(shell, &arena, &reply);
    textbuf_add_chars(&out,
                      "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"DriverList\",\"items\":[");
    const struct nsh_driver *driver;
    for (size_t i = 0; (driver = drivers_at(shell->drivers, i)) != NULL; i++) {
        textbuf_add_chars(&out, i == 0 ? "" : ",");
        add_driver(&out, shell->drivers, driver, breakers);
    }
    add_functions(&out, shell, breakers);
    struct agents_list agents = {&out, shell->drivers, breakers};
    drivers_agents_each(shell->drivers, add_agent, &agents); /* Of exec: it is not the first. */
    textbuf_add_char(&out, ']');
    if (breakers != NULL) {
        textbuf_add_chars(&out, ",\"breakers\":");
        json_write(breakers, &out);
    }
    textbuf_add_char(&out, '}');
    shell_answer(shell, request, (struct text){out.at, (uint32_t)out.count});
}

/* ---- one of them ---- */

static void add_options(struct textbuf *out, const struct nsh_option *options, size_t count)
{
    static const char *const types[] = {
        [NSH_NULL] = "null",     [NSH_BOOL] = "bool",         [NSH_INT] = "int",
        [NSH_DOUBLE] = "double", [NSH_STRING] = "text",       [NSH_LIST] = "list",
        [NSH_MAP] = "map",       [NSH_DURATION] = "duration", [NSH_SECRET] = "secret"};
    textbuf_add_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        const struct nsh_option *option = &options[i];
        textbuf_add_chars(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        textbuf_add_json(out, text_of(option->name));
        add_text(out, "type", types[option->type]);
        textbuf_addf(out, ",\"required\":%s",
                     (option->flags & NSH_REQUIRED) != 0 ? "true" : "false");
        add_text(out, "preset", option->preset);
        add_text(out, "min", option->min);
        add_text(out, "max", option->max);
        for (size_t c = 0; option->choices != NULL && option->choices[c] != NULL; c++) {
            textbuf_add_chars(out, c == 0 ? ",\"choices\":[" : ",");
            textbuf_add_json(out, text_of(option->choices[c]));
            textbuf_add_chars(out, option->choices[c + 1] == NULL ? "]" : "");
        }
        add_text(out, "help", option->help);
        textbuf_add_char(out, '}');
    }
    textbuf_add_char(out, ']');
}

static void add_verb(struct textbuf *out, const struct nsh_verb *verb)
{
    textbuf_add_chars(out, "{\"name\":");
    textbuf_add_json(out, text_of(verb->name));
    add_text(out, "effect", effect_word(verb->effect));
    add_text(out, "verify", verb->verify);
    add_text(out, "proof", verb->proof);
    add_text(out, "undo", verb->undo);
    textbuf_addf(out, ",\"timeout_ms\":%u", verb->timeout_ms_default);
    add_text(out, "help", verb->help);
    textbuf_add_chars(out, ",\"args\":");
    add_options(out, verb->args, verb->args_count);
    textbuf_add_char(out, '}');
}

static void functions_write(struct textbuf *out, const struct policy_defaults *site)
{
    textbuf_add_chars(out, "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"Driver\",\"name\":"
                           "\"" POLICY_FUNCTIONS_DRIVER "\",\"summary\":\"" FUNCTIONS_SUMMARY
                           "\",\"maturity\":\"proven\",\"options\":[],\"verbs\":[");
    for (size_t i = 0; i < site->functions_count; i++) {
        textbuf_add_chars(out, i == 0 ? "" : ",");
        add_verb(out, &site->functions[i].verb);
    }
    textbuf_add_chars(out, "]}");
}

/* A job: an agent that nobody named yet is asked what it takes. */
static int driver_write(struct shell_job *job, struct store_reader *reader, struct nsh_error *err)
{
    struct textbuf *out = &job->document;
    const char *id = nsh_get_text(&job->request->args, "id", "");
    const struct policy_defaults *site = &job->generation->config->policy;
    (void)reader;
    if (strcmp(id, POLICY_FUNCTIONS_DRIVER) == 0 && site->functions_count > 0) {
        functions_write(out, site);
        return 0;
    }
    const struct nsh_driver *driver = drivers_learn(job->shell->drivers, id);
    if (driver == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "no driver '%.64s' is installed", id);
    }
    textbuf_add_chars(out, "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"Driver\",\"name\":");
    textbuf_add_json(out, text_of(driver->name));
    add_text(out, "version", driver->version);
    add_text(out, "summary", driver->summary);
    add_text(out, "maturity", driver->maturity == NSH_PROVEN ? "proven" : "experimental");
    textbuf_add_chars(out, ",\"options\":");
    add_options(out, driver->options, driver->options_count);
    textbuf_add_chars(out, ",\"verbs\":[");
    for (size_t i = 0; i < driver->verbs_count; i++) {
        textbuf_add_chars(out, i == 0 ? "" : ",");
        add_verb(out, &driver->verbs[i]);
    }
    textbuf_add_chars(out, "]}");
    return 0;
}

void shell_driver(struct shell *shell, struct shell_request *request)
{
    shell_job(shell, request, driver_write);
}
