/* SPDX-License-Identifier: Apache-2.0 */
/* The list `sources` of the configuration against the types there are. */

#include "source/map/source_type.h"

#include "loop/drivers.h"

#include <ctype.h>
#include <stdio.h>

#define MINUTE_MS INT64_C(60000)
#define SILENCE_MS_MIN (10 * INT64_C(1000))
#define SILENCE_MS_MAX (7 * 24 * 60 * MINUTE_MS)
#define KNOWN_MAX 64

static const char *const common_keys[] = {"name", "type", "format", "map", "silence"};
#define COMMON_COUNT (sizeof common_keys / sizeof common_keys[0])

struct configs_reader {
    const struct source_type *const *types;
    const char *folder;
    struct arena *arena;
    struct diags *diags;
};

static bool is_common(const char *key)
{
    for (size_t i = 0; i < COMMON_COUNT; i++) {
        if (strcmp(common_keys[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static const struct source_type *type_of(struct configs_reader *reader, struct conf *group)
{
    const char *names[KNOWN_MAX + 1] = {NULL};
    struct conf *setting = conf_get(group, "type");
    const char *word = conf_text(setting, NULL, reader->diags);
    if (setting == NULL) {
        diag_add(reader->diags, DIAG_ERROR, group->value_at, "type = \"webhook\"",
                 "'type' is missing here");
    }
    if (word == NULL) {
        return NULL; /* Told. */
    }
    for (size_t i = 0; i < KNOWN_MAX && reader->types[i] != NULL; i++) {
        names[i] = reader->types[i]->name;
        if (strcmp(word, names[i]) == 0) {
            return reader->types[i];
        }
    }
    CLEANUP(textbuf_donep) struct textbuf all = {0};
    for (size_t i = 0; names[i] != NULL; i++) {
        textbuf_addf(&all, "%s%s", i == 0 ? "" : ", ", names[i]);
    }
    const char *nearest = text_nearest(text_of(word), names);
    const char *remedy =
        nearest == NULL ? NULL : arena_printf(reader->arena, "did you mean '%s'?", nearest);
    diag_add(reader->diags, DIAG_ERROR, setting == NULL ? group->value_at : setting->value_at,
             remedy, "no type of sources is called '%.40s': %s", word,
             all.at == NULL ? "" : all.at);
    return NULL;
}

/* A name stands in a path, in metrics and as event.source. */
static bool name_fits(const char *name)
{
    size_t count = strlen(name);
    bool fits = count > 0 && count < SOURCE_NAME_BYTES_MAX && isalnum((unsigned char)name[0]);
    for (size_t i = 0; fits && i < count; i++) {
        fits = isalnum((unsigned char)name[i]) || strchr("-_.", name[i]) != NULL;
    }
    return fits;
}

/* The daemon's own stand in the same list. */
static bool name_is_taken(const char *name)
{
    return strcmp(name, "trap") == 0 || strcmp(name, "syslog") == 0 || strcmp(name, "events") == 0;
}

static const char *read_name(struct configs_reader *reader, struct conf *group)
{
    struct conf *setting = conf_get(group, "name");
    const char *name = conf_text(setting, NULL, reader->diags);
    if (setting == NULL) {
        diag_add(reader->diags, DIAG_ERROR, group->value_at, "name = \"alertmanager\"",
                 "'name' is missing here");
    } else if (name != NULL && !name_fits(name)) {
        diag_add(reader->diags, DIAG_ERROR, setting->value_at, NULL,
                 "a source's name is made of letters, digits, '-', '_', '.', at most %d",
                 SOURCE_NAME_BYTES_MAX - 1);
    } else if (name != NULL && name_is_taken(name)) {
        diag_add(reader->diags, DIAG_ERROR, setting->value_at, NULL,
                 "the daemon's own receivers are called trap, syslog and events");
    }
    return name;
}

/* Its own keys as one map, checked by the type's table. */
static void read_settings(struct configs_reader *reader, struct conf *group,
                          struct source_config *config)
{
    const struct source_type *type = config->type;
    struct nsh_error err = {0};
    if (!conf_value(group, reader->arena, &config->given)) {
        diag_add(reader->diags, DIAG_ERROR, group->value_at, NULL,
                 "this cannot be read as a value");
        return;
    }
    struct nsh_member *members =
        arena_array(reader->arena, config->given.count + 1, sizeof *members);
    size_t count = 0;
    for (uint32_t i = 0; members != NULL && i < config->given.count; i++) {
        if (!is_common(config->given.members[i].name)) {
            members[count++] = config->given.members[i];
        }
    }
    const struct nsh_value own = nsh_map(members, count);
    if (options_check(type->options, type->options_count, &own, NULL, NULL, reader->arena,
                      &config->settings, &err) < 0) {
        diag_add(reader->diags, DIAG_ERROR, config->at, NULL, "source %s: %s",
                 config->name == NULL ? "" : config->name, err.text);
    }
}

static void read_map(struct configs_reader *reader, struct conf *group,
                     struct source_config *config)
{
    struct conf *format = conf_get(group, "format"), *map = conf_get(group, "map");
    uint32_t flags = config->type->flags;
    const char *name = conf_text(format, NULL, reader->diags);
    if ((flags & (SOURCE_MAPS | SOURCE_MAY_MAP)) == 0 && (format != NULL || map != NULL)) {
        diag_add(reader->diags, DIAG_ERROR, (format != NULL ? format : map)->at, NULL,
                 "a source of type %s knows what its messages mean: it takes no format and no map",
                 config->type->name);
    } else if (format != NULL && map != NULL) {
        diag_add(reader->diags, DIAG_ERROR, map->at, NULL, "a source has a format or a map");
    } else if ((flags & SOURCE_MAPS) != 0 && format == NULL && map == NULL) {
        diag_add(reader->diags, DIAG_ERROR, group->value_at,
                 "format = \"alertmanager\", or map = ( { type = \"...\"; } )",
                 "neither 'format' nor 'map' says what its messages mean");
    } else if (format != NULL && name != NULL) {
        source_format_read(name, reader->folder, format->value_at, reader->arena, reader->diags,
                           &config->format);
    } else if (map != NULL) {
        config->format.map = source_map_read(map, reader->arena, reader->diags);
    }
}

static void read_source(struct configs_reader *reader, struct conf *group,
                        struct source_config *config)
{
    config->at = group->value_at;
    config->setting = group;
    config->name = read_name(reader, group);
    config->type = type_of(reader, group);
    config->silence_ms = conf_duration_ms(conf_get(group, "silence"), 0, SILENCE_MS_MIN,
                                          SILENCE_MS_MAX, reader->diags);
    if (config->type == NULL) {
        return;
    }
    size_t before = reader->diags->errors_count;
    read_settings(reader, group, config);
    read_map(reader, group, config);
    for (size_t i = 0; i < config->type->options_count; i++) {
        conf_get(group, config->type->options[i].name); /* Seen. */
    }
    if (config->type->check != NULL && reader->diags->errors_count == before) {
        config->type->check(config, reader->diags);
    }
}

struct source_configs source_configs_read(struct conf *setting,
                                          const struct source_type *const *types,
                                          const char *folder, struct arena *arena,
                                          struct diags *diags)
{
    struct configs_reader reader = {types, folder, arena, diags};
    struct source_configs configs = {0};
    if (setting == NULL) {
        return configs;
    }
    if (setting->type != CONF_LIST || setting->children_count > SOURCES_MAX) {
        diag_add(diags, DIAG_ERROR, setting->value_at,
                 "( { name = \"alertmanager\"; type = \"webhook\"; format = \"alertmanager\"; } )",
                 "'sources' must be a list ( ) of at most %d groups { }", SOURCES_MAX);
        return configs;
    }
    struct source_config *items = arena_array(arena, setting->children_count + 1, sizeof *items);
    configs.items = items;
    for (struct conf *group = setting->first; items != NULL && group != NULL; group = group->next) {
        struct source_config *config = &items[configs.count];
        if (group->type != CONF_GROUP) {
            diag_add(diags, DIAG_ERROR, group->value_at, NULL, "a source must be a group { }");
            continue;
        }
        read_source(&reader, group, config);
        const struct source_config *twin =
            config->name == NULL ? NULL : source_config_find(&configs, config->name);
        if (twin != NULL) {
            diag_add(diags, DIAG_ERROR, config->at, NULL, "source %s stands in line %u already",
                     config->name, twin->at.line);
        }
        configs.count++;
    }
    return configs;
}

const struct source_config *source_config_find(const struct source_configs *configs,
                                               const char *name)
{
    for (size_t i = 0; i < configs->count; i++) {
        if (configs->items[i].name != NULL && strcmp(configs->items[i].name, name) == 0) {
            return &configs->items[i];
        }
    }
    return NULL;
}

struct nsh_place source_key_place(const struct source_config *config, const char *key)
{
    struct conf *setting = conf_get(config->setting, key);
    return setting == NULL ? config->at : setting->value_at;
}

void source_paste(const struct source_config *config, const char *url, struct textbuf *out)
{
    const struct {
        const char *mark, *value;
    } marks[] = {{"{URL}", url}, {"{NAME}", config->name}, {"{SECRET}", "THE-SECRET"}};
    const char *at = config->format.paste;
    while (at != NULL && *at != '\0') {
        size_t plain = strcspn(at, "{"), m = 0;
        textbuf_add(out, (struct text){at, (uint32_t)plain});
        at += plain;
        while (m < 3 && strncmp(at, marks[m].mark, strlen(marks[m].mark)) != 0) {
            m++;
        }
        if (m < 3) {
            textbuf_add_chars(out, marks[m].value);
            at += strlen(marks[m].mark);
        } else if (*at != '\0') {
            textbuf_add_char(out, *at++);
        }
    }
}
