/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI 3.1 document, out of the table of routes. */

#include "routes_private.h"

static const struct {
    const char *name, *schema, *help;
} parameters[] = {
    {"host", "\"type\":\"string\"", "Only this host (for hosts: a pattern with * and ?)"},
    {"state", "\"type\":\"string\"", "Only this state; all: every one"},
    {"type", "\"type\":\"string\"", "Only this type; * and ? are patterns"},
    {"since", "\"type\":\"string\"",
     "Only what is newer: a duration such as 2h, or Unix milliseconds"},
    {"limit", "\"type\":\"integer\",\"minimum\":1,\"maximum\":100000", "At most so many"},
    {"unmatched", "\"type\":\"boolean\"", "Only events that no mapping knew"},
    {"after", "\"type\":\"integer\",\"minimum\":0", "Only events after this seq, rising"},
    {"wait", "\"type\":\"string\"", "With after: wait so long for one, up to 60s"},
};

static void parameter_add(struct textbuf *out, const char *in, struct text name, bool *first)
{
    textbuf_addf(out, "%s{\"in\":\"%s\",\"name\":\"%.*s\",\"required\":%s,\"schema\":{",
                 *first ? "" : ",", in, (int)name.count, name.at,
                 strcmp(in, "path") == 0 ? "true" : "false");
    const char *schema = "\"type\":\"string\"", *help = NULL;
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        if (text_is(name, parameters[i].name)) {
            schema = parameters[i].schema;
            help = parameters[i].help;
        }
    }
    textbuf_addf(out, "%s}", schema);
    if (help != NULL) {
        textbuf_addf(out, ",\"description\":\"%s\"", help);
    }
    textbuf_add_char(out, '}');
    *first = false;
}

static void parameters_add(struct textbuf *out, const struct api_route *route)
{
    bool first = true;
    textbuf_add_chars(out, ",\"parameters\":[");
    const char *brace = strchr(route->path, '{');
    if (brace != NULL) {
        parameter_add(out, "path", (struct text){brace + 1, (uint32_t)strcspn(brace + 1, "}")},
                      &first);
    }
    const char *names = route->queries;
    while (names != NULL && *names != 0) {
        size_t count = strcspn(names, " ");
        parameter_add(out, "query", (struct text){names, (uint32_t)count}, &first);
        names += count;
        names += strspn(names, " ");
    }
    textbuf_add_char(out, ']');
}

/* "routes_alarm_clear" is not known here: "postV1AlarmsIdClear" is made of what is. */
static void operation_id(struct textbuf *out, const struct api_route *route)
{
    bool upper = false;
    for (const char *at = route->method; *at != 0; at++) {
        textbuf_add_char(out, (char)(*at | 0x20));
    }
    for (const char *at = route->path; *at != 0; at++) {
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9');
        if (letter) {
            textbuf_add_char(out, upper && *at >= 'a' ? (char)(*at & ~0x20) : *at);
        }
        upper = !letter;
    }
}

static void operation_add(struct textbuf *out, const struct api_route *route)
{
    textbuf_add_char(out, '"');
    for (const char *at = route->method; *at != 0; at++) {
        textbuf_add_char(out, (char)(*at | 0x20));
    }
    textbuf_add_chars(out, "\":{\"operationId\":\"");
    operation_id(out, route);
    textbuf_add_chars(out, "\",\"summary\":");
    textbuf_add_json(out, text_of(route->help));
    textbuf_addf(out, ",\"x-role\":\"%s\"", api_role_word(route->role));
    textbuf_addf(out, ",\"security\":[%s{\"token\":[]}]",
                 route->open || route->role == API_NOBODY ? "{}," : "");
    parameters_add(out, route);
    if (strcmp(route->method, "POST") == 0 || strcmp(route->method, "DELETE") == 0) {
        textbuf_add_chars(out, ",\"requestBody\":{\"content\":{\"application/json\":{\"schema\":"
                               "{\"type\":\"object\"}}}}");
    }
    textbuf_add_chars(out,
                      ",\"responses\":{\"200\":{\"description\":\"Yes\"},\"default\":{\"$ref\":"
                      "\"#/components/responses/Problem\"}}}");
}

void routes_openapi_write(const struct api_route *routes, size_t count, struct textbuf *out)
{
    textbuf_add_chars(out,
                      "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"nightshift\",\"version\":"
                      "\"" NIGHTSHIFT_VERSION
                      "\",\"license\":{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}},"
                      "\"paths\":{");
    for (size_t i = 0; i < count; i++) {
        bool seen = false;
        for (size_t k = 0; k < i; k++) {
            seen = seen || strcmp(routes[k].path, routes[i].path) == 0;
        }
        if (seen) {
            continue;
        }
        textbuf_addf(out, "%s\"%s\":{", i == 0 ? "" : ",", routes[i].path);
        bool first = true;
        for (size_t k = i; k < count; k++) {
            if (strcmp(routes[k].path, routes[i].path) == 0) {
                textbuf_add_chars(out, first ? "" : ",");
                operation_add(out, &routes[k]);
                first = false;
            }
        }
        textbuf_add_char(out, '}');
    }
    textbuf_add_chars(
        out,
        "},\"components\":{\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"}"
        "},"
        "\"responses\":{\"Problem\":{\"description\":\"RFC 9457\",\"content\":"
        "{\"application/problem+json\":{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}}},"
        "\"schemas\":{\"Problem\":{\"type\":\"object\",\"properties\":{\"type\":{\"type\":"
        "\"string\"},"
        "\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":"
        "\"string\"},\"code\":{\"type\":\"string\"},\"hint\":{\"type\":\"string\"}}}}}}\n");
}
