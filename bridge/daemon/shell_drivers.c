/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers for people, with what their endpoints answer. */

#include "shell_private.h"

#include "base/json.h"
#include "loop/drivers.h"

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
    textbuf_add_char(&out, ']');
    if (breakers != NULL) {
        textbuf_add_chars(&out, ",\"breakers\":");
        json_write(breakers, &out);
    }
    textbuf_add_char(&out, '}');
    shell_answer(shell, request, (struct text){out.at, (uint32_t)out.count});
}
