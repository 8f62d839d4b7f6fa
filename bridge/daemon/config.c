/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading by table: each row finds its setting, checks its type and range, stores it. A key the
 * table does not have is an error with did-you-mean. Mistakes never stop the reading.
 */

#include "config.h"

#include "config_private.h"

#include "base/assert.h"
#include "fleet/fleet.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY_BYTES_MAX 40
#define KNOWN_MAX 64

const struct config_row config_rows[] = {
#define CONFIG(path, TYPE, field, preset, min, max, help)                                          \
    {path, CONFIG_##TYPE, CONFIG_OFFSET_##TYPE(field), preset, min, max, help},
#include "config_keys.def"
#undef CONFIG
};

const size_t config_rows_count = sizeof config_rows / sizeof config_rows[0];

size_t config_group_bytes(const char *path)
{
    const char *dot = strchr(path, '.');
    return dot == NULL ? 0 : (size_t)(dot - path);
}

/* The group a row stands in, or NULL; *ret_name is its last part. */
static struct conf *row_group(struct conf *root, const char *path, const char **ret_name)
{
    size_t bytes = config_group_bytes(path);
    *ret_name = bytes == 0 ? path : path + bytes + 1;
    if (bytes == 0) {
        return root;
    }
    char group[KEY_BYTES_MAX];
    NSH_ASSERT(bytes < sizeof group);
    memcpy(group, path, bytes);
    group[bytes] = '\0';
    return conf_get(root, group);
}

static bool size_of_text(struct text text, int64_t *ret_bytes)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        int64_t number = 0;
        if (text.count > 3 && memcmp(text.at + text.count - 3, units[i].unit, 3) == 0 &&
            text_to_int((struct text){text.at, text.count - 3}, &number)) {
            bool fits = number >= 0 && number <= INT64_MAX >> units[i].shift;
            *ret_bytes = fits ? number << units[i].shift : 0;
            return fits;
        }
    }
    return false;
}

/* Of our own table: a mistake there is ours. */
static int64_t preset_number(const struct config_row *row)
{
    int64_t number = 0;
    struct text preset = text_of(row->preset);
    bool valid = row->type == CONFIG_DURATION ? text_to_duration_ms(preset, &number)
                 : row->type == CONFIG_SIZE   ? size_of_text(preset, &number)
                                              : text_to_int(preset, &number);
    NSH_ASSERT(valid);
    return number;
}

static int64_t read_size(struct conf *setting, const struct config_row *row, struct diags *diags)
{
    static const char remedy[] = "sizes are strings: \"512MiB\", \"20GiB\"";
    int64_t bytes = preset_number(row);
    int64_t given = 0;
    if (setting == NULL) {
        return bytes;
    }
    if (setting->type != CONF_STRING || !size_of_text(text_of(setting->text), &given)) {
        diag_add(diags, DIAG_ERROR, setting->value_at, remedy, "'%s' must be a size with a unit",
                 setting->name);
        return bytes;
    }
    if (given < row->min || given > row->max) {
        diag_add(diags, DIAG_ERROR, setting->value_at, NULL,
                 "'%s' must be between %lld and %lld bytes, got %s", setting->name,
                 (long long)row->min, (long long)row->max, setting->text);
        return bytes;
    }
    return given;
}

static const char *read_path(struct config_reader *reader, struct conf *setting, const char *preset)
{
    const char *path = conf_text(setting, preset, reader->diags);
    if (path[0] == '\0' || path[0] == '/') {
        return path;
    }
    const char *slash = strrchr(reader->config->file, '/');
    const char *whole = slash == NULL ? path
                                      : arena_printf(&reader->config->arena, "%.*s/%s",
                                                     (int)(slash - reader->config->file),
                                                     reader->config->file, path);
    return whole == NULL ? path : whole;
}

static struct config_texts read_texts(struct config_reader *reader, struct conf *setting)
{
    struct config_texts texts = {0};
    if (setting == NULL) {
        return texts;
    }
    if (setting->type != CONF_ARRAY && setting->type != CONF_LIST) {
        diag_add(reader->diags, DIAG_ERROR, setting->value_at, "write [\"...\", \"...\"]",
                 "'%s' must be an array of strings", setting->name);
        return texts;
    }
    const char **items =
        arena_array(&reader->config->arena, setting->children_count + 1, sizeof *items);
    struct nsh_place *places =
        arena_array(&reader->config->arena, setting->children_count + 1, sizeof *places);
    for (struct conf *item = setting->first; items != NULL && places != NULL && item != NULL;
         item = item->next) {
        const char *text = conf_text(item, NULL, reader->diags);
        if (text != NULL) {
            places[texts.count] = item->value_at;
            items[texts.count++] = text;
        }
    }
    texts.items = items;
    texts.places = places;
    return texts;
}

static void read_row(struct config_reader *reader, const struct config_row *row,
                     struct conf *setting)
{
    void *field = (char *)reader->config + row->offset;
    struct diags *diags = reader->diags;
    switch (row->type) {
    case CONFIG_PATH:
        *(const char **)field = read_path(reader, setting, row->preset);
        break;
    case CONFIG_TEXT:
        *(const char **)field = conf_text(setting, row->preset, diags);
        break;
    case CONFIG_INT:
        *(int64_t *)field = conf_int(setting, preset_number(row), row->min, row->max, diags);
        break;
    case CONFIG_BOOL:
        *(bool *)field = conf_bool(setting, strcmp(row->preset, "true") == 0, diags);
        break;
    case CONFIG_SIZE:
        *(int64_t *)field = read_size(setting, row, diags);
        break;
    case CONFIG_DURATION:
        *(int64_t *)field =
            conf_duration_ms(setting, preset_number(row), row->min, row->max, diags);
        break;
    case CONFIG_TEXTS:
        *(struct config_texts *)field = read_texts(reader, setting);
        break;
    case CONFIG_SERVICE:
        *(struct config_service *)field =
            config_read_service(reader, setting, (const char *const[]){"driver", NULL});
        break;
    case CONFIG_RECEIVERS:
        *(struct config_receivers *)field = config_read_receivers(reader, setting);
        break;
    case CONFIG_USERS:
        *(struct config_users *)field = config_read_users(reader, setting);
        break;
    case CONFIG_TOKENS:
        *(struct config_tokens *)field = config_read_tokens(reader, setting);
        break;
    case CONFIG_SCRAPE:
        *(struct scrape_jobs *)field = scrape_read(setting, &reader->config->arena, diags);
        break;
    case CONFIG_SIGNALS:
        *(struct signals *)field = signals_read(setting, &reader->config->arena, diags);
        break;
    case CONFIG_SOURCES:
        *(struct source_configs *)field = config_read_sources(reader, setting);
        break;
    case CONFIG_POLICY:
    default:
        break;
    }
}

/* Report what nobody asked for in the group called name (bytes 0: the root). */
static void check_unknown(struct conf *root, const char *name, size_t bytes, struct diags *diags)
{
    const char *known[KNOWN_MAX + 1] = {NULL};
    char groups[KNOWN_MAX][KEY_BYTES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < config_rows_count && count < KNOWN_MAX; i++) {
        const char *path = config_rows[i].path;
        size_t group = config_group_bytes(path);
        if (bytes > 0 && group == bytes && memcmp(path, name, bytes) == 0) {
            known[count++] = path + bytes + 1;
        } else if (bytes == 0 && group == 0) {
            known[count++] = path;
        } else if (bytes == 0 && (count == 0 || strncmp(known[count - 1], path, group) != 0 ||
                                  known[count - 1][group] != '\0')) {
            snprintf(groups[count], sizeof groups[count], "%.*s", (int)group, path);
            known[count] = groups[count];
            count++;
        }
    }
    char key[KEY_BYTES_MAX];
    snprintf(key, sizeof key, "%.*s", (int)bytes, name);
    struct conf *group = bytes == 0 ? root : conf_get(root, key);
    if (group != NULL && group->type != CONF_GROUP) {
        diag_add(diags, DIAG_ERROR, group->value_at, NULL, "'%s' must be a group { }", key);
        return;
    }
    conf_unknown(group, known, diags);
}

/* Once for each group of the table: at its first row. */
static bool first_of_group(size_t index)
{
    size_t bytes = config_group_bytes(config_rows[index].path);
    return bytes > 0 && (index == 0 || config_group_bytes(config_rows[index - 1].path) != bytes ||
                         memcmp(config_rows[index - 1].path, config_rows[index].path, bytes) != 0);
}

static void check_choice(struct conf *root, const char *path, const char *value,
                         const char *const *choices, struct diags *diags)
{
    const char *name = NULL;
    struct conf *group = row_group(root, path, &name);
    struct conf *setting = conf_get(group, name);
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], value) == 0) {
            return;
        }
    }
    const char *nearest = text_nearest(text_of(value), choices);
    char remedy[64] = "";
    snprintf(remedy, sizeof remedy, "did you mean '%s'?", nearest == NULL ? "" : nearest);
    diag_add(diags, DIAG_ERROR, setting->value_at, nearest == NULL ? NULL : remedy,
             "'%s' must be one of %s, %s%s%s; got \"%.40s\"", setting->name, choices[0], choices[1],
             choices[2] == NULL ? "" : ", ", choices[2] == NULL ? "" : choices[2], value);
}

static void check_together(struct config *config, struct conf *root, struct diags *diags)
{
    static const char *const formats[] = {"logfmt", "json", NULL};
    static const char *const levels[] = {"error", "warning", "info", NULL};
    check_choice(root, "log.format", config->log_format, formats, diags);
    check_choice(root, "log.level", config->log_level, levels, diags);
    if ((config->api_tls_cert[0] == '\0') != (config->api_tls_key[0] == '\0')) {
        diag_add(diags, DIAG_ERROR, conf_get(root, "api")->at, NULL,
                 "tls_cert and tls_key go together");
    }
}

static struct config *config_take(struct config *config, struct conf *root, struct diags *diags)
{
    struct config_reader reader = {config, diags};
    for (size_t i = 0; root != NULL && i < config_rows_count; i++) {
        if (config_rows[i].type != CONFIG_POLICY) {
            const char *name = NULL;
            struct conf *group = row_group(root, config_rows[i].path, &name);
            read_row(&reader, &config_rows[i], conf_get(group, name));
        }
    }
    if (root != NULL) {
        config->drivers = config->drivers[0] == '\0' ? NS_DRIVER_DIR : config->drivers;
        config->policy = policy_defaults_builtin();
        policy_defaults_read(root, &config->policy, diags);
        policy_functions_read(root, &config->arena, &config->policy, diags);
        conf_get(root, "defaults");
        conf_get(root, "guards");
        conf_get(root, "calendars");
        for (size_t i = 0; i < config_rows_count; i++) {
            if (first_of_group(i) && config_rows[i].type != CONFIG_POLICY) {
                check_unknown(root, config_rows[i].path, config_group_bytes(config_rows[i].path),
                              diags);
            }
        }
        check_unknown(root, "", 0, diags);
        check_together(config, root, diags);
    }
    if (diags->errors_count > 0 || root == NULL) {
        config_free(config);
        return NULL;
    }
    return config;
}

static struct config *config_new(const char *file, struct diags *diags)
{
    struct config *config = calloc(1, sizeof *config);
    if (config != NULL) {
        config->file = arena_copy(&config->arena, file, strlen(file));
    }
    if (config == NULL || config->file == NULL) {
        diag_add(diags, DIAG_ERROR, (struct nsh_place){.file = file}, NULL, "out of memory");
        config_free(config);
        return NULL;
    }
    return config;
}

struct config *config_load(const char *file, struct diags *diags)
{
    struct config *config = config_new(file, diags);
    return config == NULL
               ? NULL
               : config_take(config, conf_read(config->file, &config->arena, diags), diags);
}

struct config *config_load_text(const char *name, const char *text, struct diags *diags)
{
    struct config *config = config_new(name, diags);
    return config == NULL
               ? NULL
               : config_take(config, conf_read_text(config->file, text, &config->arena, diags),
                             diags);
}

void config_free(struct config *config)
{
    if (config != NULL) {
        arena_done(&config->arena);
        free(config);
    }
}

int config_secret(void *arg, const char *reference, struct arena *arena, const char **ret_secret,
                  struct nsh_error *err)
{
    const struct config *config = arg;
    return fleet_secret(reference, config->credentials, config->plain_secrets, arena, ret_secret,
                        err);
}
