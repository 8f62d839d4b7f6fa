/* SPDX-License-Identifier: Apache-2.0 */
/* YAML, by libyaml's events: mappings, sequences and texts as a tree of values. */

#include "abi/yaml_value.h"

#include <string.h>
#include <yaml.h>

struct yaml_reader {
    yaml_parser_t parser;
    struct nsh_pool *pool;
    const char *what;
    struct nsh_error *err;
    size_t nodes_count;
    unsigned depth;
};

/* The children of one mapping or sequence while it is read: the newest first. */
struct yaml_child {
    struct yaml_child *before;
    struct nsh_member member;
};

static int node_read(struct yaml_reader *reader, yaml_event_t *event, struct nsh_value *ret_value);

static int event_next(struct yaml_reader *reader, yaml_event_t *ret_event)
{
    if (yaml_parser_parse(&reader->parser, ret_event) == 0) {
        return nsh_fail(reader->err,
                        reader->parser.error == YAML_MEMORY_ERROR ? NSH_NOMEM : NSH_INVALID,
                        "%s: line %zu: %s", reader->what, reader->parser.problem_mark.line + 1,
                        reader->parser.problem == NULL ? "no YAML" : reader->parser.problem);
    }
    if (++reader->nodes_count > NSH_YAML_NODES_MAX) {
        yaml_event_delete(ret_event);
        return nsh_fail(reader->err, NSH_LIMIT, "%s: more than %d entries", reader->what,
                        NSH_YAML_NODES_MAX);
    }
    return 0;
}

static int scalar_read(struct yaml_reader *reader, const yaml_event_t *event,
                       struct nsh_value *ret_value)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t count = event->data.scalar.length;
    if (memchr(text, 0, count) != NULL) {
        return nsh_fail(reader->err, NSH_INVALID, "%s: line %zu: NUL in a text", reader->what,
                        event->start_mark.line + 1);
    }
    char *copy = nsh_pool_copy(reader->pool, text, count);
    if (copy == NULL) {
        return nsh_fail(reader->err, NSH_NOMEM, "out of memory");
    }
    *ret_value = (struct nsh_value){.type = NSH_STRING, .count = (uint32_t)count, .text = copy};
    return 0;
}

/* One more child; *ret_end: the mapping or sequence is over. */
static int child_read(struct yaml_reader *reader, bool map, struct yaml_child **children,
                      bool *ret_end)
{
    yaml_event_t event;
    struct nsh_value name = nsh_null();
    struct yaml_child *child = nsh_pool_alloc(reader->pool, sizeof *child);
    int result = child == NULL ? nsh_fail(reader->err, NSH_NOMEM, "out of memory")
                               : event_next(reader, &event);
    if (result < 0) {
        return result;
    }
    *ret_end = event.type == (map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT);
    if (!*ret_end && map) {
        result = event.type == YAML_SCALAR_EVENT
                     ? scalar_read(reader, &event, &name)
                     : nsh_fail(reader->err, NSH_INVALID, "%s: line %zu: a name must be a text",
                                reader->what, event.start_mark.line + 1);
        yaml_event_delete(&event);
        result = result < 0 ? result : event_next(reader, &event);
        if (result < 0) {
            return result;
        }
    }
    if (!*ret_end) {
        result = node_read(reader, &event, &child->member.value);
        child->member.name = name.type == NSH_STRING ? name.text : "";
        child->before = *children;
        *children = child;
    }
    yaml_event_delete(&event);
    return result;
}

static int children_read(struct yaml_reader *reader, bool map, struct nsh_value *ret_value)
{
    struct yaml_child *children = NULL;
    size_t count = 0;
    bool end = false;
    for (;; count++) {
        int result = child_read(reader, map, &children, &end);
        if (result < 0) {
            return result;
        }
        if (end) {
            break;
        }
    }
    struct nsh_member *members = nsh_pool_array(reader->pool, count, sizeof *members);
    struct nsh_value *items = nsh_pool_array(reader->pool, count, sizeof *items);
    if (members == NULL || items == NULL) {
        return nsh_fail(reader->err, NSH_NOMEM, "out of memory");
    }
    for (size_t i = count; i-- > 0; children = children->before) {
        members[i] = children->member;
        items[i] = children->member.value;
    }
    *ret_value = map ? nsh_map(members, count) : nsh_list(items, count);
    return 0;
}

static int node_read(struct yaml_reader *reader, yaml_event_t *event, struct nsh_value *ret_value)
{
    if (event->type == YAML_SCALAR_EVENT) {
        return scalar_read(reader, event, ret_value);
    }
    if (event->type != YAML_MAPPING_START_EVENT && event->type != YAML_SEQUENCE_START_EVENT) {
        return nsh_fail(reader->err, NSH_INVALID, "%s: line %zu: %s", reader->what,
                        event->start_mark.line + 1,
                        event->type == YAML_ALIAS_EVENT ? "aliases are not read" : "no value");
    }
    if (reader->depth == NSH_VALUE_DEPTH_MAX) {
        return nsh_fail(reader->err, NSH_LIMIT, "%s: deeper than %d", reader->what,
                        NSH_VALUE_DEPTH_MAX);
    }
    reader->depth++;
    int result = children_read(reader, event->type == YAML_MAPPING_START_EVENT, ret_value);
    reader->depth--;
    return result;
}

int nsh_yaml_read(struct nsh_pool *pool, const char *what, const char *yaml, size_t yaml_bytes,
                  struct nsh_value *ret_value, struct nsh_error *err)
{
    struct yaml_reader reader = {.pool = pool, .what = what, .err = err};
    yaml_event_t event;
    int result = 0;
    if (yaml_bytes > NSH_YAML_BYTES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "%s: more than %u bytes", what, NSH_YAML_BYTES_MAX);
    }
    if (yaml_parser_initialize(&reader.parser) == 0) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)yaml, yaml_bytes);
    /* Stream, document, then its one node. */
    do {
        result = event_next(&reader, &event);
        if (result < 0) {
            break;
        }
        bool over = event.type == YAML_STREAM_END_EVENT;
        bool before =
            event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_START_EVENT;
        if (over) {
            result = nsh_fail(err, NSH_INVALID, "%s: the file is empty", what);
        } else if (!before) {
            result = node_read(&reader, &event, ret_value);
        }
        yaml_event_delete(&event);
        if (!before) {
            break;
        }
    } while (result == 0);
    yaml_parser_delete(&reader.parser);
    return result;
}
