/* SPDX-License-Identifier: Apache-2.0 */
/* Files in, trees out: scanner and libconfig side by side, includes, and the typed reads. */

#include "base/confscan_private.h"

#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>

static char *file_read(const char *path, struct arena *arena, struct diags *diags,
                       struct nsh_place at)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        diag_add(diags, DIAG_ERROR, at, NULL, "cannot open %s: %m", path);
        return NULL;
    }
    CLEANUP(textbuf_donep) struct textbuf text = {.count_max = CONF_FILE_BYTES_MAX};
    char bytes[65536];
    for (size_t count = fread(bytes, 1, sizeof bytes, file); count > 0;
         count = fread(bytes, 1, sizeof bytes, file)) {
        textbuf_add(&text, (struct text){bytes, (uint32_t)count});
    }
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed || text.failed) {
        diag_add(diags, DIAG_ERROR, at, NULL, "cannot read %s, or it is larger than %u bytes", path,
                 CONF_FILE_BYTES_MAX);
        return NULL;
    }
    return arena_copy(arena, text.at == NULL ? "" : text.at, text.count);
}

static bool utf8_check(const char *name, const char *text, struct diags *diags)
{
    if (text_is_utf8(text, strlen(text))) {
        return true;
    }
    uint32_t line = 1;
    for (const char *start = text; *start != 0;) {
        size_t count = strcspn(start, "\n");
        if (!text_is_utf8(start, count)) {
            break;
        }
        start += count + (start[count] == '\n');
        line++;
    }
    diag_add(diags, DIAG_ERROR, (struct nsh_place){name, line, 1, 1}, "save the file as UTF-8",
             "this line is no UTF-8");
    return false;
}

bool conf_scan_include(struct conf_scan *scan, struct conf *group)
{
    struct nsh_place at = conf_scan_here(scan, 8);
    size_t line_count = strcspn(scan->at, "\n");
    char name[512];
    if (sscanf(scan->at, "@include \"%511[^\"\n]\"", name) != 1) {
        return conf_scan_fail(scan, at, "@include \"FILE\" alone on its line",
                              "this is no @include");
    }
    if (scan->includes == CONF_INCLUDES_MAX) {
        return conf_scan_fail(scan, at, NULL, "includes are nested too deep");
    }
    const char *path = name[0] == '/' ? arena_printf(scan->arena, "%s", name)
                                      : arena_printf(scan->arena, "%s/%s", scan->folder, name);
    char *text = path == NULL ? NULL : file_read(path, scan->arena, scan->diags, at);
    if (text == NULL || !utf8_check(path, text, scan->diags)) {
        scan->failed = true;
        return false;
    }
    struct conf_scan outer = *scan;
    scan->file = path;
    scan->at = text;
    scan->line = scan->column = 1;
    scan->includes++;
    bool ok = conf_scan_settings(scan, group);
    if (ok && *scan->at == '}') {
        ok = conf_scan_fail(scan, conf_scan_here(scan, 1), NULL, "'}' without '{'");
    }
    scan->file = outer.file;
    scan->at = outer.at;
    scan->line = outer.line;
    scan->column = outer.column;
    scan->includes--;
    conf_scan_advance(scan, line_count);
    return ok;
}

static enum conf_type type_of(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP:
        return CONF_GROUP;
    case CONFIG_TYPE_LIST:
        return CONF_LIST;
    case CONFIG_TYPE_ARRAY:
        return CONF_ARRAY;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return CONF_INT;
    case CONFIG_TYPE_FLOAT:
        return CONF_FLOAT;
    case CONFIG_TYPE_BOOL:
        return CONF_BOOL;
    default:
        return CONF_STRING;
    }
}

/* The first setting that scanner and libconfig see differently, or NULL. */
static const struct conf *disagreement(const struct conf *conf, config_setting_t *setting)
{
    if (type_of(setting) != conf->type) {
        return conf;
    }
    if (conf->type == CONF_STRING) {
        return strcmp(config_setting_get_string(setting), conf->text) == 0 ? NULL : conf;
    }
    if (conf->type == CONF_INT) {
        return config_setting_get_int64(setting) == conf->integer ? NULL : conf;
    }
    if (conf->type == CONF_BOOL) {
        return (config_setting_get_bool(setting) != 0) == conf->boolean ? NULL : conf;
    }
    if (conf->type == CONF_FLOAT) {
        return NULL;
    }
    if ((size_t)config_setting_length(setting) != conf->children_count) {
        return conf;
    }
    unsigned index = 0;
    for (const struct conf *child = conf->first; child != NULL; child = child->next, index++) {
        config_setting_t *other = config_setting_get_elem(setting, index);
        const char *name = config_setting_name(other);
        if ((child->name == NULL) != (name == NULL) ||
            (name != NULL && strcmp(name, child->name) != 0)) {
            return child;
        }
        const struct conf *below = disagreement(child, other);
        if (below != NULL) {
            return below;
        }
    }
    return NULL;
}

static bool libconfig_agrees(const struct conf_scan *scan, const struct conf *root,
                             const char *text)
{
    config_t config;
    config_init(&config);
    if (scan->folder != NULL) {
        config_set_include_dir(&config, scan->folder);
    }
    bool ok = true;
    if (config_read_string(&config, text) != CONFIG_TRUE) {
        const char *file = config_error_file(&config);
        struct nsh_place at = {file == NULL ? scan->file : file,
                               (uint32_t)config_error_line(&config), 1, 1};
        diag_add(scan->diags, DIAG_ERROR, at, NULL, "%s", config_error_text(&config));
        ok = false;
    } else {
        const struct conf *differs = disagreement(root, config_root_setting(&config));
        if (differs != NULL) {
            diag_add(scan->diags, DIAG_ERROR, differs->at, NULL,
                     "this cannot be read without doubt; write it more simply");
            ok = false;
        }
    }
    config_destroy(&config);
    return ok;
}

static struct conf *read_text(const char *name, const char *folder, const char *text,
                              struct arena *arena, struct diags *diags)
{
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
    }
    if (!utf8_check(name, text, diags)) {
        return NULL;
    }
    struct conf *root = arena_alloc(arena, sizeof *root);
    const char *file = arena_copy(arena, name, strlen(name));
    if (root == NULL || file == NULL) {
        diag_add(diags, DIAG_ERROR, (struct nsh_place){name, 1, 1, 1}, NULL, "out of memory");
        return NULL;
    }
    *root = (struct conf){.type = CONF_GROUP, .at = {file, 1, 1, 1}, .value_at = {file, 1, 1, 1}};
    struct conf_scan scan = {.file = file,
                             .folder = folder,
                             .at = text,
                             .line = 1,
                             .column = 1,
                             .arena = arena,
                             .diags = diags};
    bool ok = conf_scan_settings(&scan, root);
    if (ok && *scan.at == '}') {
        ok = conf_scan_fail(&scan, conf_scan_here(&scan, 1), NULL, "'}' without '{'");
    }
    return ok && libconfig_agrees(&scan, root, text) ? root : NULL;
}

struct conf *conf_read(const char *path, struct arena *arena, struct diags *diags)
{
    char *text = file_read(path, arena, diags, (struct nsh_place){.file = path});
    if (text == NULL) {
        return NULL;
    }
    const char *slash = strrchr(path, '/');
    const char *folder = slash == NULL ? "." : arena_copy(arena, path, (size_t)(slash - path));
    return read_text(path, folder, text, arena, diags);
}

struct conf *conf_read_text(const char *name, const char *text, struct arena *arena,
                            struct diags *diags)
{
    return read_text(name, ".", text, arena, diags);
}

struct conf *conf_get(struct conf *group, const char *name)
{
    if (group == NULL || group->type != CONF_GROUP) {
        return NULL;
    }
    for (struct conf *child = group->first; child != NULL; child = child->next) {
        if (strcmp(child->name, name) == 0) {
            child->seen = true;
            return child;
        }
    }
    return NULL;
}

struct nsh_place conf_text_place(const struct conf *setting, uint32_t offset, uint32_t length)
{
    struct nsh_place at = setting->value_at;
    at.length = length;
    for (size_t i = 0; i < setting->pieces_count && setting->pieces[i].offset <= offset; i++) {
        const struct conf_piece *piece = &setting->pieces[i];
        at.line = piece->line;
        at.column = piece->column;
        for (uint32_t c = piece->offset; c < offset && c < setting->text_bytes; c++) {
            if (setting->text[c] == '\n') {
                at.line++;
                at.column = 1;
            } else if (((unsigned char)setting->text[c] & 0xc0) != 0x80) {
                /* An escaped quote or backslash takes two columns. */
                at.column += setting->text[c] == '"' || setting->text[c] == '\\' ? 2 : 1;
            }
        }
    }
    return at;
}

static const char *type_word(enum conf_type type)
{
    static const char *const words[] = {"a group",    "a list",   "an array", "a text",
                                        "an integer", "a number", "a boolean"};
    return words[type];
}

static bool type_wanted(const struct conf *setting, enum conf_type type, struct diags *diags)
{
    if (setting->type == type) {
        return true;
    }
    diag_add(diags, DIAG_ERROR, setting->value_at, NULL, "%s wants %s, got %s",
             setting->name == NULL ? "this" : setting->name, type_word(type),
             type_word(setting->type));
    return false;
}

const char *conf_text(struct conf *setting, const char *fallback, struct diags *diags)
{
    return setting != NULL && type_wanted(setting, CONF_STRING, diags) ? setting->text : fallback;
}

int64_t conf_int(struct conf *setting, int64_t fallback, int64_t min, int64_t max,
                 struct diags *diags)
{
    if (setting == NULL || !type_wanted(setting, CONF_INT, diags)) {
        return fallback;
    }
    if (setting->integer < min || setting->integer > max) {
        diag_add(diags, DIAG_ERROR, setting->value_at, NULL,
                 "%s must be between %lld and %lld, got %lld",
                 setting->name == NULL ? "this" : setting->name, (long long)min, (long long)max,
                 (long long)setting->integer);
        return fallback;
    }
    return setting->integer;
}

bool conf_bool(struct conf *setting, bool fallback, struct diags *diags)
{
    return setting != NULL && type_wanted(setting, CONF_BOOL, diags) ? setting->boolean : fallback;
}

int64_t conf_duration_ms(struct conf *setting, int64_t fallback, int64_t min, int64_t max,
                         struct diags *diags)
{
    if (setting == NULL) {
        return fallback;
    }
    const char *name = setting->name == NULL ? "this" : setting->name;
    int64_t ms = 0;
    if (setting->type == CONF_INT || setting->type == CONF_FLOAT) {
        diag_add(diags, DIAG_ERROR, setting->value_at,
                 "durations are texts: \"90s\", \"2m30s\", \"1h\"", "'%s' needs a unit", name);
        return fallback;
    }
    if (!type_wanted(setting, CONF_STRING, diags)) {
        return fallback;
    }
    if (!text_to_duration_ms(text_of(setting->text), &ms)) {
        diag_add(diags, DIAG_ERROR, setting->value_at, "such as \"90s\", \"2m30s\", \"1h\"",
                 "%s wants a duration, got \"%s\"", name, setting->text);
        return fallback;
    }
    if (ms < min || ms > max) {
        CLEANUP(textbuf_donep) struct textbuf range = {0};
        textbuf_add_duration(&range, min);
        textbuf_add_chars(&range, " and ");
        textbuf_add_duration(&range, max);
        diag_add(diags, DIAG_ERROR, setting->value_at, NULL, "%s must be between %s, got %s", name,
                 range.at == NULL ? "?" : range.at, setting->text);
        return fallback;
    }
    return ms;
}

bool conf_value(struct conf *setting, struct arena *arena, struct nsh_value *ret_value)
{
    setting->seen = true;
    switch (setting->type) {
    case CONF_STRING:
        *ret_value = (struct nsh_value){
            .type = NSH_STRING, .count = setting->text_bytes, .text = setting->text};
        return true;
    case CONF_INT:
        *ret_value = nsh_int(setting->integer);
        return true;
    case CONF_FLOAT:
        *ret_value = nsh_double(setting->real);
        return true;
    case CONF_BOOL:
        *ret_value = nsh_bool(setting->boolean);
        return true;
    case CONF_GROUP:
    case CONF_LIST:
    case CONF_ARRAY:
        break;
    }
    size_t count = 0;
    struct nsh_value *items = arena_array(arena, setting->children_count, sizeof *items);
    struct nsh_member *members = arena_array(arena, setting->children_count, sizeof *members);
    if (items == NULL || members == NULL) {
        return false;
    }
    for (struct conf *child = setting->first; child != NULL; child = child->next, count++) {
        if (!conf_value(child, arena, &items[count])) {
            return false;
        }
        members[count] = (struct nsh_member){child->name, items[count]};
    }
    *ret_value = setting->type == CONF_GROUP ? nsh_map(members, count) : nsh_list(items, count);
    return true;
}

void conf_unknown(struct conf *group, const char *const *known, struct diags *diags)
{
    for (struct conf *child = group->first; child != NULL; child = child->next) {
        if (child->seen || child->name == NULL) {
            continue;
        }
        char remedy[160];
        const char *nearest = text_nearest(text_of(child->name), known);
        size_t used = 0;
        if (nearest != NULL) {
            snprintf(remedy, sizeof remedy, "did you mean '%s'?", nearest);
        } else {
            used = (size_t)snprintf(remedy, sizeof remedy, "known here:");
            for (size_t i = 0; known[i] != NULL && used < sizeof remedy; i++) {
                used += (size_t)snprintf(remedy + used, sizeof remedy - used, " %s", known[i]);
            }
        }
        diag_add(diags, DIAG_ERROR, child->at, remedy, "unknown key '%s'%s%s", child->name,
                 group->name == NULL ? "" : " in ", group->name == NULL ? "" : group->name);
    }
}
