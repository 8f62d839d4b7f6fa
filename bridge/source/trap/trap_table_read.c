/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables out of libconfig text. Two passes over all files: objects first, so that a template may
 * name a variable that another file defines; then rows. Mistakes are collected, never the first
 * only.
 */

#include "trap_table.h"

#include "base/confscan.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#define FILES_MAX 256
#define GRADES_MAX 64

struct reading {
    struct trap_tables *tables;
    struct diags *diags;
    struct nsh_error *err;
    bool failed; /* Out of memory. */
};

static const char *const row_names[] = {
    "oid",    "name",          "type",   "severity", "state",  "resource", "qualifier", "message",
    "grades", "severity_from", "sensor", "event",    "offset", "with",     NULL};
static const char *const object_names[] = {"oid", "name", "enum", NULL};
static const char *const file_names[] = {"objects", "traps", "pet", NULL};
static const char *const pet_fields[] = {"pet.guid",
                                         "pet.sensor",
                                         "pet.sensor_number",
                                         "pet.entity",
                                         "pet.entity_instance",
                                         "pet.event_data",
                                         "pet.offset",
                                         NULL};

/* The next element of a growing array, zeroed; NULL at the limit or without memory. */
static void *grow(struct reading *reading, void **items, size_t *count, size_t *room,
                  size_t item_bytes, size_t max)
{
    if (*count == *room) {
        size_t wanted = *room == 0 ? 256 : 2 * *room;
        void *grown = *count >= max ? NULL : realloc(*items, wanted * item_bytes);
        if (grown == NULL) {
            reading->failed = true;
            return NULL;
        }
        *items = grown;
        *room = wanted;
    }
    void *item = (char *)*items + *count * item_bytes;
    memset(item, 0, item_bytes);
    (*count)++;
    return item;
}

static struct text keep(struct reading *reading, const char *chars)
{
    struct text kept = arena_text(&reading->tables->arena, text_of(chars));
    if (kept.at == NULL) {
        reading->failed = true;
    }
    return kept;
}

static const char *intern(struct reading *reading, struct text name, bool add)
{
    const char *known = map_get(&reading->tables->names, name);
    if (known != NULL || !add) {
        return known;
    }
    struct text kept = arena_text(&reading->tables->arena, name);
    union {
        const char *in;
        void *out;
    } same = {.in = kept.at};
    if (kept.at == NULL || map_set(&reading->tables->names, kept, same.out) < 0) {
        reading->failed = true;
        return NULL;
    }
    return kept.at;
}

static void complain(struct reading *reading, const struct conf *setting, const char *text,
                     const char *got)
{
    diag_add(reading->diags, DIAG_ERROR, setting->value_at, NULL, "%s, got \"%s\"", text, got);
}

static bool read_oid(struct reading *reading, struct conf *row, struct trap_oid *ret_oid)
{
    uint32_t arcs[TRAP_OID_ARCS_MAX];
    uint32_t count = 0;
    struct conf *setting = conf_get(row, "oid");
    if (setting == NULL) {
        diag_add(reading->diags, DIAG_ERROR, row->at, NULL, "a row needs an oid");
        return false;
    }
    const char *text = conf_text(setting, NULL, reading->diags);
    if (text == NULL) {
        return false;
    }
    if (trap_oid_read(text, arcs, &count) < 0) {
        complain(reading, setting, "oid must be numbers with dots between, at most 128", text);
        return false;
    }
    uint32_t *kept = arena_array(&reading->tables->arena, count, sizeof *kept);
    if (kept == NULL) {
        reading->failed = true;
        return false;
    }
    memcpy(kept, arcs, count * sizeof *kept);
    *ret_oid = (struct trap_oid){count, kept};
    return true;
}

/* One "NUMBER WORD" of a comma-separated list; at moves on. */
static bool next_label(struct text *at, int64_t *ret_value, struct text *ret_word)
{
    struct text item = *at;
    const char *comma = memchr(at->at, ',', at->count);
    item.count = comma == NULL ? at->count : (uint32_t)(comma - at->at);
    uint32_t used = item.count + (comma != NULL);
    *at = (struct text){at->at + used, at->count - used};
    while (item.count > 0 && *item.at == ' ') {
        item = (struct text){item.at + 1, item.count - 1};
    }
    while (item.count > 0 && item.at[item.count - 1] == ' ') {
        item.count--;
    }
    const char *space = memchr(item.at, ' ', item.count);
    if (space == NULL) {
        return false;
    }
    uint32_t digits = (uint32_t)(space - item.at);
    *ret_word = (struct text){space + 1, item.count - digits - 1};
    return ret_word->count > 0 && text_to_int((struct text){item.at, digits}, ret_value);
}

static size_t labels_count(struct text list)
{
    size_t count = 1;
    for (uint32_t i = 0; i < list.count; i++) {
        count += list.at[i] == ',';
    }
    return count;
}

static void read_labels(struct reading *reading, struct conf *setting, struct trap_object *object)
{
    const char *chars = conf_text(setting, NULL, reading->diags);
    if (chars == NULL) {
        return;
    }
    struct text list = keep(reading, chars);
    size_t count = labels_count(list);
    struct trap_label *labels = arena_array(&reading->tables->arena, count, sizeof *labels);
    if (labels == NULL || reading->failed) {
        reading->failed = true;
        return;
    }
    object->labels = labels;
    for (size_t i = 0; i < count; i++) {
        struct text word;
        if (!next_label(&list, &labels[i].value, &word)) {
            complain(reading, setting, "enum must be \"NUMBER WORD, NUMBER WORD ...\"", chars);
            object->labels_count = 0;
            return;
        }
        labels[i].word = arena_copy(&reading->tables->arena, word.at, word.count);
        reading->failed = reading->failed || labels[i].word == NULL;
        object->labels_count++;
    }
}

static void read_object(struct reading *reading, struct conf *row)
{
    struct trap_oid oid = {0};
    if (row->type != CONF_GROUP) {
        diag_add(reading->diags, DIAG_ERROR, row->at, NULL,
                 "an object is a group: { oid = \"1.3...\"; name = \"...\"; }");
        return;
    }
    bool ok = read_oid(reading, row, &oid);
    const char *name = conf_text(conf_get(row, "name"), NULL, reading->diags);
    struct conf *labels = conf_get(row, "enum");
    conf_unknown(row, object_names, reading->diags);
    if (name == NULL || name[0] == '\0') {
        diag_add(reading->diags, DIAG_ERROR, row->at, NULL, "an object needs a name");
        return;
    }
    struct trap_tables *tables = reading->tables;
    struct trap_object *object =
        ok ? grow(reading, (void **)&tables->objects, &tables->objects_count, &tables->objects_room,
                  sizeof *object, TRAP_OBJECTS_MAX)
           : NULL;
    if (object == NULL) {
        return;
    }
    object->oid = oid;
    object->name = text_of(intern(reading, text_of(name), true));
    if (labels != NULL) {
        read_labels(reading, labels, object);
    }
}

/* "3", "ifIndex", "3.index", "pet.entity" -> ref. */
static bool read_ref(struct reading *reading, struct text word, bool is_pet,
                     struct trap_ref *ret_ref)
{
    static const char suffix[] = ".index";
    struct trap_ref ref = {0};
    int64_t number = 0;
    if (word.count > sizeof suffix - 1 &&
        memcmp(word.at + word.count - (sizeof suffix - 1), suffix, sizeof suffix - 1) == 0) {
        ref.index = true;
        word.count -= (uint32_t)(sizeof suffix - 1);
    }
    if (text_to_int(word, &number)) {
        ref.number = (uint32_t)number;
        *ret_ref = ref;
        return number >= 1 && number <= TRAP_VARBINDS_MAX;
    }
    for (size_t i = 0; is_pet && pet_fields[i] != NULL; i++) {
        if (text_is(word, pet_fields[i])) {
            ref.name = pet_fields[i];
            *ret_ref = ref;
            return true;
        }
    }
    ref.name = intern(reading, word, false);
    *ret_ref = ref;
    return ref.name != NULL;
}

static void read_template(struct reading *reading, struct conf *setting, bool is_pet,
                          struct trap_template *ret)
{
    const char *chars = conf_text(setting, NULL, reading->diags);
    if (chars == NULL) {
        return;
    }
    struct text rest = keep(reading, chars);
    struct trap_part *parts = arena_array(&reading->tables->arena, TRAP_PARTS_MAX, sizeof *parts);
    if (parts == NULL || reading->failed) {
        reading->failed = true;
        return;
    }
    ret->parts = parts;
    while (rest.count > 0) {
        if (ret->count == TRAP_PARTS_MAX) {
            complain(reading, setting, "a template has at most 8 parts", chars);
            return;
        }
        struct trap_part *part = &parts[ret->count++];
        const char *open = memmem(rest.at, rest.count, "${", 2);
        if (open != rest.at) {
            part->literal =
                (struct text){rest.at, open == NULL ? rest.count : (uint32_t)(open - rest.at)};
            rest = (struct text){rest.at + part->literal.count, rest.count - part->literal.count};
            continue;
        }
        const char *close = memchr(rest.at, '}', rest.count);
        if (close == NULL) {
            complain(reading, setting, "a reference ends with \"}\"", chars);
            return;
        }
        struct text word = {rest.at + 2, (uint32_t)(close - rest.at) - 2};
        if (!read_ref(reading, word, is_pet, &part->ref)) {
            uint32_t offset = (uint32_t)strlen(chars) - rest.count;
            diag_add(reading->diags, DIAG_ERROR, conf_text_place(setting, offset, word.count + 3),
                     NULL,
                     "${%.*s} is neither the number of a varbind (1 to %d) nor the name of an "
                     "object of the tables",
                     (int)word.count, word.at, TRAP_VARBINDS_MAX);
            return;
        }
        uint32_t used = (uint32_t)(close - rest.at) + 1;
        rest = (struct text){rest.at + used, rest.count - used};
    }
}

static void read_grades(struct reading *reading, struct conf *setting, struct trap_row *row)
{
    const char *chars = conf_text(setting, NULL, reading->diags);
    struct text list = text_of(chars);
    size_t count = chars == NULL ? 0 : labels_count(list);
    if (count == 0) {
        return;
    }
    struct trap_grade *grades = arena_array(&reading->tables->arena, count, sizeof *grades);
    if (grades == NULL || count > GRADES_MAX) {
        reading->failed = true;
        return;
    }
    row->grades = grades;
    for (size_t i = 0; i < count; i++) {
        struct text word;
        bool ok = next_label(&list, &grades[i].value, &word);
        grades[i].severity = ok && !text_is(word, "clear") ? severity_of(word) : -1;
        if (!ok || (grades[i].severity < 0 && !text_is(word, "clear"))) {
            complain(reading, setting,
                     "grades must be \"NUMBER SEVERITY, ...\" with info, warning, minor, major, "
                     "critical, fatal or clear",
                     chars);
            return;
        }
        row->grades_count++;
    }
}

static void read_words(struct reading *reading, struct conf *row, struct trap_row *ret)
{
    struct conf *severity = conf_get(row, "severity");
    struct conf *state = conf_get(row, "state");
    const char *word = conf_text(severity, NULL, reading->diags);
    ret->severity = word == NULL ? -1 : severity_of(text_of(word));
    if (word != NULL && ret->severity < 0) {
        complain(reading, severity,
                 "severity must be info, warning, minor, major, critical or fatal", word);
    }
    word = conf_text(state, NULL, reading->diags);
    ret->state = -1;
    for (int i = EVENT_PULSE; word != NULL && i <= EVENT_CLEAR; i++) {
        if (strcmp(word, event_state_word((enum event_state)i)) == 0) {
            ret->state = i;
        }
    }
    if (word != NULL && ret->state < 0) {
        complain(reading, state, "state must be raise, clear or pulse", word);
    }
}

/* "snmp." and the part of the name after the module. */
static struct text preset_type(struct reading *reading, struct text name)
{
    const char *colons = memmem(name.at, name.count, "::", 2);
    const char *bare = colons == NULL ? name.at : colons + 2;
    char *type = arena_printf(&reading->tables->arena, "snmp.%s", bare);
    reading->failed = reading->failed || type == NULL;
    return text_of(type);
}

static int pet_number(struct reading *reading, struct conf *row, const char *name, int max)
{
    return (int)conf_int(conf_get(row, name), -1, 0, max, reading->diags);
}

static void read_row(struct reading *reading, struct conf *conf, bool is_pet)
{
    struct trap_row row = {0};
    if (conf->type != CONF_GROUP) {
        diag_add(reading->diags, DIAG_ERROR, conf->at, NULL,
                 "a row is a group: { oid = \"1.3...\"; name = \"...\"; }");
        return;
    }
    bool ok = is_pet || read_oid(reading, conf, &row.oid);
    const char *name = conf_text(conf_get(conf, "name"), NULL, reading->diags);
    const char *type = conf_text(conf_get(conf, "type"), NULL, reading->diags);
    const char *qualifier = conf_text(conf_get(conf, "qualifier"), NULL, reading->diags);
    read_words(reading, conf, &row);
    read_template(reading, conf_get(conf, "resource"), is_pet, &row.resource);
    read_template(reading, conf_get(conf, "message"), is_pet, &row.message);
    struct conf *from = conf_get(conf, "severity_from");
    const char *word = conf_text(from, NULL, reading->diags);
    if (word != NULL && !read_ref(reading, text_of(word), is_pet, &row.severity_from)) {
        complain(reading, from,
                 "severity_from must be the number of a varbind or the name of an object", word);
    }
    read_grades(reading, conf_get(conf, "grades"), &row);
    struct conf *with = conf_get(conf, "with");
    word = conf_text(with, NULL, reading->diags);
    row.with = word == NULL ? NULL : intern(reading, text_of(word), false);
    if (word != NULL && row.with == NULL) {
        complain(reading, with, "with must be the name of an object of the tables", word);
    }
    if (is_pet) {
        row.pet = (struct trap_pet_key){pet_number(reading, conf, "sensor", 255),
                                        pet_number(reading, conf, "event", 255),
                                        pet_number(reading, conf, "offset", 15)};
    }
    conf_unknown(conf, row_names, reading->diags);
    if (name == NULL || name[0] == '\0') {
        diag_add(reading->diags, DIAG_ERROR, conf->at, NULL, "a row needs a name");
        return;
    }
    row.name = keep(reading, name);
    row.type = type != NULL ? keep(reading, type) : preset_type(reading, row.name);
    row.qualifier = qualifier != NULL ? keep(reading, qualifier) : (struct text){0};
    struct trap_tables *tables = reading->tables;
    struct trap_row *kept = NULL;
    if (is_pet) {
        kept = grow(reading, (void **)&tables->pets, &tables->pets_count, &tables->pets_room,
                    sizeof row, TRAP_ROWS_MAX);
    } else if (ok) {
        kept = grow(reading, (void **)&tables->rows, &tables->rows_count, &tables->rows_room,
                    sizeof row, TRAP_ROWS_MAX);
    }
    if (kept != NULL) {
        *kept = row;
    }
}

static struct conf *list_of(struct reading *reading, struct conf *root, const char *name)
{
    struct conf *list = conf_get(root, name);
    if (list != NULL && list->type != CONF_LIST) {
        diag_add(reading->diags, DIAG_ERROR, list->value_at, NULL,
                 "%s is a list of groups: ( { ... }, { ... } )", name);
        return NULL;
    }
    return list;
}

static int read_all(struct reading *reading, struct conf **roots, size_t roots_count)
{
    struct trap_tables *tables = reading->tables;
    for (size_t i = 0; i < roots_count; i++) {
        struct conf *list = list_of(reading, roots[i], "objects");
        for (struct conf *row = list == NULL ? NULL : list->first; row != NULL; row = row->next) {
            read_object(reading, row);
        }
    }
    for (size_t i = 0; i < roots_count; i++) {
        struct conf *list = list_of(reading, roots[i], "traps");
        for (struct conf *row = list == NULL ? NULL : list->first; row != NULL; row = row->next) {
            read_row(reading, row, false);
        }
        list = list_of(reading, roots[i], "pet");
        for (struct conf *row = list == NULL ? NULL : list->first; row != NULL; row = row->next) {
            read_row(reading, row, true);
        }
        conf_unknown(roots[i], file_names, reading->diags);
    }
    if (!reading->failed && !trap_tables_index(tables)) {
        reading->failed = true;
    }
    if (reading->failed) {
        return nsh_fail(reading->err, NSH_LIMIT,
                        "trap tables: no memory, or more than %d rows or objects", TRAP_ROWS_MAX);
    }
    if (reading->diags->errors_count > 0) {
        return nsh_fail(reading->err, NSH_INVALID, "trap tables: %zu error%s",
                        reading->diags->errors_count, PLURAL(reading->diags->errors_count));
    }
    return 0;
}

static int is_table(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot != NULL && strcmp(dot, ".traps") == 0;
}

static int finish(int r, struct trap_tables *tables, struct trap_tables **ret_tables)
{
    if (r < 0) {
        trap_tables_free(tables);
        return r;
    }
    *ret_tables = tables;
    return 0;
}

int trap_tables_read(const char *folder, struct diags *diags, struct trap_tables **ret_tables,
                     struct nsh_error *err)
{
    struct dirent **entries = NULL;
    struct conf *roots[FILES_MAX];
    struct trap_tables *tables = calloc(1, sizeof *tables);
    if (tables == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for trap tables");
    }
    int count = scandir(folder, &entries, is_table, alphasort);
    int r = 0;
    if (count < 0) {
        r = nsh_fail(err, NSH_IO, "cannot read the folder of trap tables %s: %s", folder,
                     strerror(errno));
    } else if (count > FILES_MAX) {
        r = nsh_fail(err, NSH_LIMIT, "%s has %d trap tables, the limit is %d", folder, count,
                     FILES_MAX);
    }
    for (int i = 0; i < count; i++) {
        /* Paths and settings stand in diagnostics: they live with those. */
        const char *path =
            r < 0 ? NULL : arena_printf(&diags->arena, "%s/%s", folder, entries[i]->d_name);
        struct conf *root = path == NULL ? NULL : conf_read(path, &diags->arena, diags);
        if (root != NULL) {
            roots[tables->files_count++] = root;
        } else if (r == 0 && diags->errors_count == 0) {
            r = nsh_fail(err, NSH_IO, "cannot read %s/%s", folder, entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    if (r == 0) {
        struct reading reading = {.tables = tables, .diags = diags, .err = err};
        r = read_all(&reading, roots, tables->files_count);
    }
    return finish(r, tables, ret_tables);
}

int trap_tables_read_text(const char *name, const char *text, struct diags *diags,
                          struct trap_tables **ret_tables, struct nsh_error *err)
{
    struct trap_tables *tables = calloc(1, sizeof *tables);
    if (tables == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for trap tables");
    }
    struct reading reading = {.tables = tables, .diags = diags, .err = err};
    struct conf *root = conf_read_text(name, text, &diags->arena, diags);
    tables->files_count = 1;
    int r = read_all(&reading, &root, root == NULL ? 0 : 1);
    return finish(r, tables, ret_tables);
}
