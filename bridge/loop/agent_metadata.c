/* SPDX-License-Identifier: Apache-2.0 */
/* A scan for tags and attributes: all that metadata needs of XML. What it does not know it skips.
 */

#include "loop/agent_metadata.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define HELP_BYTES_MAX 400

struct tag {
    const char *at, *end; /* Of "<name ...>", without the brackets. */
    const char *rest;     /* Behind it. */
};

struct reader {
    const char *at, *end;
    struct arena *arena;
    struct agent_parameter *parameters;
    size_t count;
    const char *choices[AGENT_CHOICES_MAX + 1];
    size_t choices_count;
    bool inside; /* Of a parameter. */
};

/* The end of a tag: the bracket outside of quotes; NULL: none. */
static const char *tag_close(const char *at, const char *end)
{
    char quote = '\0';
    for (; at < end; at++) {
        if (quote != '\0') {
            quote = *at == quote ? '\0' : quote;
        } else if (*at == '"' || *at == '\'') {
            quote = *at;
        } else if (*at == '>') {
            return at;
        }
    }
    return NULL;
}

static bool tag_next(struct reader *reader, struct tag *ret_tag)
{
    const char *open = memchr(reader->at, '<', (size_t)(reader->end - reader->at));
    const char *close = open == NULL ? NULL : tag_close(open, reader->end);
    if (close == NULL) {
        return false;
    }
    *ret_tag = (struct tag){open + 1, close, close + 1};
    reader->at = close + 1;
    return true;
}

static bool tag_is(const struct tag *tag, const char *name)
{
    size_t bytes = strlen(name);
    return (size_t)(tag->end - tag->at) >= bytes && memcmp(tag->at, name, bytes) == 0 &&
           (tag->at + bytes == tag->end || strchr(" \t\r\n/", tag->at[bytes]) != NULL);
}

/* Text with its entities replaced and its white space folded; in arena, NULL: no memory. */
static const char *text_plain(struct reader *reader, const char *at, size_t bytes)
{
    static const struct {
        const char *entity;
        char plain;
    } entities[] = {{"&lt;", '<'},    {"&gt;", '>'},  {"&amp;", '&'}, {"&quot;", '"'},
                    {"&apos;", '\''}, {"&#10;", ' '}, {"&#9;", ' '}};
    char *text = arena_copy(reader->arena, at, bytes);
    size_t used = 0;
    for (size_t i = 0; text != NULL && i < bytes; i++) {
        char c = text[i];
        for (size_t e = 0; c == '&' && e < sizeof entities / sizeof entities[0]; e++) {
            size_t count = strlen(entities[e].entity);
            if (strncmp(text + i, entities[e].entity, count) == 0) {
                c = entities[e].plain;
                i += count - 1;
                break;
            }
        }
        c = (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c;
        if (c != ' ' || (used > 0 && text[used - 1] != ' ')) {
            text[used++] = c;
        }
    }
    if (text != NULL) {
        text[used > 0 && text[used - 1] == ' ' ? used - 1 : used] = '\0';
        if (!text_is_utf8(text, strlen(text))) {
            for (char *byte = text; *byte != '\0'; byte++) {
                *byte = (unsigned char)*byte >= 0x80 ? '?' : *byte;
            }
        }
    }
    return text;
}

/* The value of name="value"; NULL: the tag has none. */
static const char *tag_value(struct reader *reader, const struct tag *tag, const char *name)
{
    size_t bytes = strlen(name);
    for (const char *at = tag->at; at + bytes + 2 < tag->end; at++) {
        bool begins = strchr(" \t\r\n", at[0]) != NULL && memcmp(at + 1, name, bytes) == 0 &&
                      at[bytes + 1] == '=';
        const char *open = at + bytes + 2;
        if (!begins || open >= tag->end || (*open != '"' && *open != '\'')) {
            continue;
        }
        const char *close = memchr(open + 1, *open, (size_t)(tag->end - open - 1));
        return close == NULL ? NULL : text_plain(reader, open + 1, (size_t)(close - open - 1));
    }
    return NULL;
}

static bool tag_says(struct reader *reader, const struct tag *tag, const char *name)
{
    const char *value = tag_value(reader, tag, name);
    return value != NULL && (strcmp(value, "1") == 0 || strcmp(value, "true") == 0);
}

/* The text between a tag and the next one. */
static const char *tag_text(struct reader *reader, const struct tag *tag)
{
    const char *next = memchr(tag->rest, '<', (size_t)(reader->end - tag->rest));
    size_t bytes = (size_t)((next == NULL ? reader->end : next) - tag->rest);
    const char *text =
        text_plain(reader, tag->rest, bytes > HELP_BYTES_MAX ? HELP_BYTES_MAX : bytes);
    return text == NULL ? "" : text;
}

static int parameter_begin(struct reader *reader, const struct tag *tag, struct nsh_error *err)
{
    if (reader->count == AGENT_PARAMETERS_MAX) {
        return nsh_fail(err, NSH_LIMIT, "metadata with more than %d parameters",
                        AGENT_PARAMETERS_MAX);
    }
    const char *name = tag_value(reader, tag, "name");
    if (name == NULL || name[0] == '\0') {
        return 0;
    }
    reader->parameters[reader->count++] = (struct agent_parameter){
        .name = name,
        .type = "string",
        .help = "",
        .required = tag_says(reader, tag, "required"),
        .deprecated = tag_says(reader, tag, "deprecated"),
    };
    reader->inside = true;
    reader->choices_count = 0;
    return 0;
}

static int parameter_end(struct reader *reader, struct nsh_error *err)
{
    struct agent_parameter *parameter = &reader->parameters[reader->count - 1];
    reader->inside = false;
    if (reader->choices_count > 0) {
        const char **choices =
            arena_array(reader->arena, reader->choices_count + 1, sizeof *choices);
        if (choices == NULL) {
            return nsh_fail(err, NSH_NOMEM, "out of memory");
        }
        memcpy(choices, reader->choices, reader->choices_count * sizeof *choices);
        parameter->choices = choices;
    }
    return 0;
}

static void parameter_part(struct reader *reader, const struct tag *tag)
{
    struct agent_parameter *parameter = &reader->parameters[reader->count - 1];
    if (tag_is(tag, "content")) {
        const char *type = tag_value(reader, tag, "type");
        parameter->type = type == NULL ? "string" : type;
        parameter->preset = tag_value(reader, tag, "default");
    } else if (tag_is(tag, "option") && reader->choices_count < AGENT_CHOICES_MAX) {
        const char *value = tag_value(reader, tag, "value");
        if (value != NULL) {
            reader->choices[reader->choices_count++] = value;
        }
    } else if (tag_is(tag, "shortdesc")) {
        parameter->help = tag_text(reader, tag);
    }
}

static void action_take(struct reader *reader, const struct tag *tag,
                        struct agent_metadata *metadata)
{
    const char *name = tag_value(reader, tag, "name");
    const struct {
        const char *word;
        bool *known;
    } actions[] = {{"on", &metadata->on},
                   {"off", &metadata->off},
                   {"status", &metadata->status},
                   {"monitor", &metadata->monitor},
                   {"list", &metadata->list}};
    for (size_t i = 0; name != NULL && i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].word, name) == 0) {
            *actions[i].known = true;
        }
    }
}

int agent_metadata_read(const char *xml, size_t bytes, struct arena *arena,
                        struct agent_metadata *ret_metadata, struct nsh_error *err)
{
    struct agent_metadata metadata = {0};
    struct reader reader = {.at = xml, .end = xml + bytes, .arena = arena};
    struct tag tag;
    int result = 0;
    reader.parameters = arena_array(arena, AGENT_PARAMETERS_MAX, sizeof *reader.parameters);
    if (reader.parameters == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    while (result == 0 && tag_next(&reader, &tag)) {
        if (tag_is(&tag, "resource-agent")) {
            metadata.summary = tag_value(&reader, &tag, "shortdesc");
            metadata.summary = metadata.summary == NULL ? "" : metadata.summary;
        } else if (tag_is(&tag, "parameter")) {
            result = parameter_begin(&reader, &tag, err);
        } else if (tag_is(&tag, "/parameter") && reader.inside) {
            result = parameter_end(&reader, err);
        } else if (tag_is(&tag, "action")) {
            action_take(&reader, &tag, &metadata);
        } else if (reader.inside) {
            parameter_part(&reader, &tag);
        }
    }
    if (result < 0) {
        return result;
    }
    if (metadata.summary == NULL || reader.count == 0) {
        return nsh_fail(err, NSH_PROTOCOL, "this is no metadata of a fence agent");
    }
    metadata.parameters = reader.parameters;
    metadata.parameters_count = reader.count;
    *ret_metadata = metadata;
    return 0;
}
