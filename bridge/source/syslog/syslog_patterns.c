/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns out of libconfig text. Mistakes are collected, never the first only. */

#include "syslog_patterns.h"

#include "base/confscan.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

struct reading {
    struct syslog_patterns *patterns;
    struct diags *diags;
    struct arena scratch;
};

static const char *const row_names[] = {"name",     "program",  "match",    "type",
                                        "severity", "state",    "resource", "qualifier",
                                        "message",  "examples", NULL};
static const char *const file_names[] = {"patterns", NULL};

static struct text text_keep(struct reading *reading, struct conf *row, const char *name)
{
    const char *chars = conf_text(conf_get(row, name), "", reading->diags);
    return arena_text(&reading->patterns->arena, text_of(chars));
}

static bool need(struct reading *reading, struct conf *row, const char *name)
{
    struct conf *setting = conf_get(row, name);
    if (setting != NULL && (setting->type != CONF_STRING || setting->text_bytes > 0)) {
        return true;
    }
    diag_add(reading->diags, DIAG_ERROR, row->value_at, NULL, "a pattern needs '%s'", name);
    return false;
}

static void read_severity(struct reading *reading, struct conf *row, struct syslog_row *ret_row)
{
    struct conf *setting = conf_get(row, "severity");
    const char *word = conf_text(setting, "info", reading->diags);
    int severity = severity_of(text_of(word));
    if (severity < 0) {
        diag_add(reading->diags, DIAG_ERROR, setting->value_at, NULL,
                 "severity is info, warning, minor, major, critical or fatal, got \"%.40s\"", word);
        return;
    }
    ret_row->severity = (enum severity)severity;
}

static void read_state(struct reading *reading, struct conf *row, struct syslog_row *ret_row)
{
    struct conf *setting = conf_get(row, "state");
    const char *word = conf_text(setting, "pulse", reading->diags);
    static const enum event_state states[] = {EVENT_PULSE, EVENT_RAISE, EVENT_CLEAR};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(event_state_word(states[i]), word) == 0) {
            ret_row->state = states[i];
            return;
        }
    }
    diag_add(reading->diags, DIAG_ERROR, setting->value_at, NULL,
             "state is raise, clear or pulse, got \"%.40s\"", word);
}

static void read_template(struct reading *reading, struct conf *row, const char *name,
                          uint32_t groups_count, struct text *ret_text)
{
    *ret_text = text_keep(reading, row, name);
    if (ret_text->at != NULL && !syslog_template_good(*ret_text, groups_count)) {
        diag_add(reading->diags, DIAG_ERROR, conf_get(row, name)->value_at, NULL,
                 "'%s' may use ${0} to ${%u}, ${program}, ${pid} and ${host}", name,
                 groups_count - 1);
    }
}

static void read_match(struct reading *reading, struct conf *row, struct syslog_row *ret_row)
{
    const char *problem = NULL;
    struct conf *setting = conf_get(row, "match");
    const char *chars = conf_text(setting, NULL, reading->diags);
    if (chars == NULL) {
        return;
    }
    ret_row->match = cel_pattern_compile(&reading->patterns->arena, text_of(chars), &problem);
    if (ret_row->match == NULL) {
        diag_add(reading->diags, DIAG_ERROR, setting->value_at, NULL,
                 "this is no regular expression: %s", problem);
    }
}

static void read_row(struct reading *reading, struct conf *row)
{
    struct syslog_patterns *patterns = reading->patterns;
    size_t errors = reading->diags->errors_count;
    if (row->type != CONF_GROUP) {
        diag_add(reading->diags, DIAG_ERROR, row->at, NULL,
                 "a pattern is a group: { name = \"...\"; match = \"...\"; type = \"...\"; }");
        return;
    }
    if (!need(reading, row, "name") || !need(reading, row, "match") ||
        !need(reading, row, "type") || !need(reading, row, "examples")) {
        return;
    }
    struct syslog_row *made = arena_alloc(&patterns->arena, sizeof *made);
    if (made == NULL || patterns->count == SYSLOG_ROWS_MAX) {
        diag_add(reading->diags, DIAG_ERROR, row->at, NULL, "more than %d patterns",
                 SYSLOG_ROWS_MAX);
        return;
    }
    made->at = row->value_at;
    made->name = text_keep(reading, row, "name");
    made->program = text_keep(reading, row, "program");
    made->type = text_keep(reading, row, "type");
    made->qualifier = text_keep(reading, row, "qualifier");
    read_match(reading, row, made);
    read_severity(reading, row, made);
    read_state(reading, row, made);
    uint32_t groups_count =
        made->match == NULL ? CEL_PATTERN_GROUPS_MAX : cel_pattern_groups(made->match);
    read_template(reading, row, "resource", groups_count, &made->resource);
    read_template(reading, row, "message", groups_count, &made->message);
    conf_unknown(row, row_names, reading->diags);
    if (reading->diags->errors_count == errors) {
        *(patterns->first == NULL ? &patterns->first : &patterns->last->next) = made;
        patterns->last = made;
        patterns->count++;
    }
}

/* ---- examples ---- */

static const struct syslog_row *row_at(const struct syslog_patterns *patterns,
                                       const struct conf *setting)
{
    for (const struct syslog_row *row = patterns->first; row != NULL; row = row->next) {
        if (row->at.file == setting->value_at.file && row->at.line == setting->value_at.line &&
            row->at.column == setting->value_at.column) {
            return row;
        }
    }
    return NULL; /* It was wrong. */
}

static void try_example(struct reading *reading, const struct syslog_row *row,
                        const struct conf *example)
{
    struct text groups[CEL_PATTERN_GROUPS_MAX];
    struct text line = {example->text, example->text_bytes};
    arena_reset(&reading->scratch);
    /* A glob is a name too: what stands for any program fits itself. */
    const struct syslog_row *found =
        syslog_patterns_find(reading->patterns, row->program, line, &reading->scratch, groups);
    if (found == row) {
        return;
    }
    diag_add(reading->diags, DIAG_ERROR, example->value_at, NULL,
             found == NULL ? "'%.*s' does not match its own example%.*s"
                           : "'%.*s' is hidden for this example by '%.*s', which comes first",
             (int)row->name.count, row->name.at, found == NULL ? 0 : (int)found->name.count,
             found == NULL ? "" : found->name.at);
}

static void try_examples(struct reading *reading, struct conf *setting)
{
    const struct syslog_row *row = row_at(reading->patterns, setting);
    struct conf *examples = row == NULL ? NULL : conf_get(setting, "examples");
    if (examples == NULL) {
        return;
    }
    if (examples->type != CONF_ARRAY || examples->children_count == 0 ||
        examples->children_count > SYSLOG_EXAMPLES_MAX) {
        diag_add(reading->diags, DIAG_ERROR, examples->value_at, NULL,
                 "'examples' is an array of 1 to %d lines", SYSLOG_EXAMPLES_MAX);
        return;
    }
    for (struct conf *item = examples->first; item != NULL; item = item->next) {
        if (item->type != CONF_STRING) {
            diag_add(reading->diags, DIAG_ERROR, item->value_at, NULL, "an example is a text");
        } else {
            try_example(reading, row, item);
        }
    }
}

/* ---- files ---- */

static struct conf *read_file(struct reading *reading, const char *path)
{
    size_t errors = reading->diags->errors_count;
    char *kept = arena_copy(&reading->patterns->arena, path, strlen(path));
    struct conf *root =
        kept == NULL ? NULL : conf_read(kept, &reading->patterns->arena, reading->diags);
    struct conf *rows = root == NULL ? NULL : conf_get(root, "patterns");
    if (root == NULL || reading->diags->errors_count != errors) {
        return NULL;
    }
    conf_unknown(root, file_names, reading->diags);
    if (rows == NULL || rows->type != CONF_LIST) {
        diag_add(reading->diags, DIAG_ERROR, rows == NULL ? root->at : rows->value_at, NULL,
                 "a file of patterns is patterns = ( { ... }, ... );");
        return NULL;
    }
    for (struct conf *row = rows->first; row != NULL; row = row->next) {
        read_row(reading, row);
    }
    return rows;
}

static int is_patterns(const struct dirent *entry)
{
    size_t count = strlen(entry->d_name);
    return entry->d_name[0] != '.' && count > 9 &&
           strcmp(entry->d_name + count - 9, ".patterns") == 0;
}

static int read_folder(struct reading *reading, const char *folder, struct nsh_error *err)
{
    struct dirent **entries = NULL;
    struct conf *files[SYSLOG_FILES_MAX];
    size_t errors = reading->diags->errors_count;
    int count = scandir(folder, &entries, is_patterns, alphasort);
    if (count < 0) {
        return nsh_fail(err, NSH_IO, "cannot read the patterns in %s: %s", folder, strerror(errno));
    }
    for (int i = 0; i < count && i < SYSLOG_FILES_MAX; i++) {
        CLEANUP(textbuf_donep) struct textbuf path = {0};
        textbuf_addf(&path, "%s/%s", folder, entries[i]->d_name);
        files[i] = path.at == NULL ? NULL : read_file(reading, path.at);
    }
    for (int i = 0; i < count && i < SYSLOG_FILES_MAX; i++) {
        for (struct conf *row = files[i] == NULL ? NULL : files[i]->first; row != NULL;
             row = row->next) {
            try_examples(reading, row);
        }
    }
    for (int i = 0; i < count; i++) {
        free(entries[i]);
    }
    free(entries);
    if (count > SYSLOG_FILES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "more than %d files of patterns", SYSLOG_FILES_MAX);
    }
    return reading->diags->errors_count == errors
               ? 0
               : nsh_fail(err, NSH_INVALID, "%zu mistakes in the patterns of %s",
                          reading->diags->errors_count - errors, folder);
}

int syslog_patterns_read(const char *folder, struct diags *diags,
                         struct syslog_patterns **ret_patterns, struct nsh_error *err)
{
    struct reading reading = {.diags = diags, .patterns = calloc(1, sizeof *reading.patterns)};
    if (reading.patterns == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = read_folder(&reading, folder, err);
    arena_done(&reading.scratch);
    if (result < 0) {
        syslog_patterns_free(reading.patterns);
        return result;
    }
    *ret_patterns = reading.patterns;
    return 0;
}

void syslog_patterns_free(struct syslog_patterns *patterns)
{
    if (patterns != NULL) {
        arena_done(&patterns->arena);
        free(patterns);
    }
}

const struct syslog_row *syslog_patterns_find(const struct syslog_patterns *patterns,
                                              struct text program, struct text message,
                                              struct arena *scratch,
                                              struct text ret_groups[CEL_PATTERN_GROUPS_MAX])
{
    for (const struct syslog_row *row = patterns->first; row != NULL; row = row->next) {
        if ((row->program.count == 0 || text_equal(row->program, program) ||
             text_glob(row->program, program)) &&
            cel_pattern_match(row->match, message, scratch, ret_groups)) {
            return row;
        }
    }
    return NULL;
}
