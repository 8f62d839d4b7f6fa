/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clouds.yaml, by libyaml's events: mappings, sequences and texts as a tree of values, then the
 * settings of one cloud out of it. Aliases are refused, so that a small file stays small. Bounds:
 * OPENSTACK_CLOUDS_*_MAX, NSH_VALUE_DEPTH_MAX.
 */

#include "openstack_codec.h"

#include <string.h>
#include <yaml.h>

struct yaml_reader {
    yaml_parser_t parser;
    struct nsh_pool *pool;
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
                        "clouds: line %zu: %s", reader->parser.problem_mark.line + 1,
                        reader->parser.problem == NULL ? "no YAML" : reader->parser.problem);
    }
    if (++reader->nodes_count > OPENSTACK_CLOUDS_NODES_MAX) {
        yaml_event_delete(ret_event);
        return nsh_fail(reader->err, NSH_LIMIT, "clouds: more than %d entries",
                        OPENSTACK_CLOUDS_NODES_MAX);
    }
    return 0;
}

static int scalar_read(struct yaml_reader *reader, const yaml_event_t *event,
                       struct nsh_value *ret_value)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t count = event->data.scalar.length;
    if (memchr(text, 0, count) != NULL) {
        return nsh_fail(reader->err, NSH_INVALID, "clouds: line %zu: NUL in a text",
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
                     : nsh_fail(reader->err, NSH_INVALID, "clouds: line %zu: a name must be a text",
                                event.start_mark.line + 1);
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
        return nsh_fail(reader->err, NSH_INVALID, "clouds: line %zu: %s",
                        event->start_mark.line + 1,
                        event->type == YAML_ALIAS_EVENT ? "aliases are not read" : "no value");
    }
    if (reader->depth == NSH_VALUE_DEPTH_MAX) {
        return nsh_fail(reader->err, NSH_LIMIT, "clouds: deeper than %d", NSH_VALUE_DEPTH_MAX);
    }
    reader->depth++;
    int result = children_read(reader, event->type == YAML_MAPPING_START_EVENT, ret_value);
    reader->depth--;
    return result;
}

static int yaml_read(struct nsh_pool *pool, const char *yaml, size_t yaml_bytes,
                     struct nsh_value *ret_value, struct nsh_error *err)
{
    struct yaml_reader reader = {.pool = pool, .err = err};
    yaml_event_t event;
    int result = 0;
    if (yaml_bytes > OPENSTACK_CLOUDS_BYTES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "clouds: more than %u bytes", OPENSTACK_CLOUDS_BYTES_MAX);
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
            result = nsh_fail(err, NSH_INVALID, "clouds: the file is empty");
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

/* ---- one cloud -------------------------------------------------------------------------- */

/* Names in clouds.yaml (below auth, else in the cloud itself) and in our settings. */
static const struct {
    const char *yaml, *ours;
    bool auth;
} names[] = {
    {"auth_url", "auth_url", true},
    {"username", "user", true},
    {"user_id", "user_id", true},
    {"password", "password", true},
    {"user_domain_name", "user_domain", true},
    {"project_name", "project", true},
    {"project_id", "project_id", true},
    {"project_domain_name", "project_domain", true},
    {"application_credential_id", "application_credential_id", true},
    {"application_credential_name", "application_credential_name", true},
    {"application_credential_secret", "application_credential_secret", true},
    {"region_name", "region", false},
    {"interface", "interface", false},
    {"cacert", "ca_file", false},
    {"cert", "client_cert", false},
    {"key", "client_key", false},
};
#define NAMES_COUNT (sizeof names / sizeof names[0])

static int cloud_find(const struct nsh_value *root, const char *name,
                      const struct nsh_value **ret_cloud, struct nsh_error *err)
{
    const struct nsh_value *clouds = nsh_get(root, "clouds");
    if (clouds == NULL || clouds->type != NSH_MAP || clouds->count == 0) {
        return nsh_fail(err, NSH_INVALID, "clouds: the file has no clouds");
    }
    if (name == NULL && clouds->count > 1) {
        return nsh_fail(err, NSH_INVALID, "cloud: which of %u? (%s, %s ...)", clouds->count,
                        clouds->members[0].name, clouds->members[1].name);
    }
    const struct nsh_value *cloud =
        name == NULL ? &clouds->members[0].value : nsh_get(clouds, name);
    if (cloud == NULL || cloud->type != NSH_MAP) {
        return nsh_fail(err, NSH_INVALID, "cloud: the file has no cloud %s", name);
    }
    *ret_cloud = cloud;
    return 0;
}

int openstack_clouds_read(struct nsh_pool *pool, const char *yaml, size_t yaml_bytes,
                          const char *cloud_name, const struct nsh_value *given,
                          struct nsh_value *ret_settings, struct nsh_error *err)
{
    struct nsh_value root = nsh_null();
    const struct nsh_value *cloud = NULL;
    size_t used = 0;
    int result = yaml_read(pool, yaml, yaml_bytes, &root, err);
    result = result < 0 ? result : cloud_find(&root, cloud_name, &cloud, err);
    if (result < 0) {
        return result;
    }
    const char *verify = nsh_get_text(cloud, "verify", "true");
    if (strcasecmp(verify, "false") == 0 &&
        strcmp(nsh_get_text(given, "tls", "verify"), "verify") == 0) {
        return nsh_fail(err, NSH_INVALID,
                        "clouds: it says verify: false; to trust anybody say tls = \"insecure\"");
    }
    struct nsh_member *members = nsh_pool_array(pool, NAMES_COUNT, sizeof *members);
    if (members == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < NAMES_COUNT; i++) {
        const char *text =
            nsh_get_text(names[i].auth ? nsh_get(cloud, "auth") : cloud, names[i].yaml, "");
        if (text[0] != '\0' && nsh_get_text(given, names[i].ours, "")[0] == '\0') {
            members[used++] = (struct nsh_member){names[i].ours, nsh_text(text)};
        }
    }
    *ret_settings = nsh_map(members, used);
    return 0;
}
