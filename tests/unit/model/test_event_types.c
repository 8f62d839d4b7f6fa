/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy that nearly names an event of our own sources is told so: every type that they and the
 * shipped signals say stands in event_types.def, and nothing that nobody says. Types that are made
 * of what a device or product says (`kubernetes.event.REASON`, `alert.NAME`) cannot.
 */

#include "../unit.h"

#include "model/event.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const own[] = {
#define EVENT_TYPE(name)
#define EVENT_TYPE_OWN(name) name,
#include "model/event_types.def"
#undef EVENT_TYPE
#undef EVENT_TYPE_OWN
};
static const char *const given[] = {
#define EVENT_TYPE(name) name,
#define EVENT_TYPE_OWN(name)
#include "model/event_types.def"
#undef EVENT_TYPE
#undef EVENT_TYPE_OWN
};
#define OWN (sizeof own / sizeof own[0])

static bool said[OWN];
static size_t found;

static void says(const char *at, size_t count, const char *file)
{
    struct text type = {at, (uint32_t)count};
    bool known = false;
    found++;
    for (size_t i = 0; i < OWN; i++) {
        said[i] = said[i] || text_is(type, own[i]);
        known = known || text_is(type, own[i]);
    }
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        known = known || text_is(type, given[i]);
    }
    if (!known) {
        fail_msg("bridge/model/event_types.def lacks %.*s, of %s", (int)count, at, file);
    }
}

static char *read_all(const char *path)
{
    struct textbuf out = {0};
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (int c = fgetc(file); c != EOF; c = fgetc(file)) {
        textbuf_add_char(&out, (char)c);
    }
    fclose(file);
    assert_non_null(out.at);
    return out.at;
}

typedef void (*reader)(const char *text, const char *file);

static void each_file(const char *pattern, reader read)
{
    char path[1024];
    glob_t files;
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/%s", pattern);
    assert_int_equal(glob(path, 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char *text = read_all(files.gl_pathv[i]);
        read(text, files.gl_pathv[i] + sizeof TEST_SOURCE_DIR);
        free(text);
    }
    globfree(&files);
}

/* A word of dots and lower case: "fan.failed", not "fan." and not "fan.NAME". */
static size_t type_at(const char *at)
{
    size_t count = 0;
    bool dotted = false;
    while (islower((unsigned char)at[count]) || isdigit((unsigned char)at[count]) ||
           at[count] == '-' || (at[count] == '.' && count > 0)) {
        dotted = dotted || at[count] == '.';
        count++;
    }
    return dotted && at[count - 1] != '.' ? count : 0;
}

/* What follows each key, up to end. */
static void after(const char *text, const char *file, const char *key, char end)
{
    for (const char *at = strstr(text, key); at != NULL; at = strstr(at + 1, key)) {
        const char *begin = at + strlen(key);
        size_t count = type_at(begin);
        if (count > 0 && begin[count] == end) {
            says(begin, count, file);
        }
    }
}

static struct textbuf sources; /* All C of sources and daemon: for what a macro stands. */

static void add_c(const char *text, const char *file)
{
    (void)file;
    textbuf_add_chars(&sources, text);
}

/* `.type = TEXT("fan.failed")`, and `.type = TEXT(FAN_TYPE)`. */
static void read_c(const char *text, const char *file)
{
    static const char key[] = "type = TEXT(";
    after(text, file, "type = TEXT(\"", '"');
    for (const char *at = strstr(text, key); at != NULL; at = strstr(at + 1, key)) {
        char define[128];
        at += sizeof key - 1;
        if (!isupper((unsigned char)at[0])) {
            continue;
        }
        snprintf(define, sizeof define, "#define %.*s \"", (int)strcspn(at, ")"), at);
        if (strstr(sources.at, define) == NULL) {
            fail_msg("%s: what is %.*s?", file, (int)strcspn(at, ")"), at);
        }
        after(sources.at, file, define, '"');
    }
}

static void read_probes(const char *text, const char *file)
{
    static const char key[] = "] = {\"";
    for (const char *at = strstr(text, key); at != NULL; at = strstr(at + 1, key)) {
        const char *next = strstr(at, "\", \"");
        assert_non_null(next);
        size_t count = type_at(next + 4);
        if (count > 0) {
            says(next + 4, count, file);
        }
    }
}

static void read_tables(const char *text, const char *file)
{
    after(text, file, "type = \"", '"');
}

static void read_signals(const char *text, const char *file)
{
    after(text, file, "event = \"", '"');
}

/* A type by itself, or one of two: 'a.b', X ? 'a.b' : 'c.d'; not what something is added to. */
static void read_map(const char *text, const char *file)
{
    const char *next = text;
    for (const char *line = text; *line != '\0'; line = next) {
        line += strspn(line, " ");
        next = line + strcspn(line, "\n");
        next += *next == '\n';
        if (strncmp(line, "type = ", 7) != 0) {
            continue;
        }
        for (const char *at = line; *at != '\n' && *at != '\0'; at++) {
            size_t count = *at == '\'' ? type_at(at + 1) : 0;
            bool alone =
                at[-1] == '"' || strncmp(at - 2, "? ", 2) == 0 || strncmp(at - 2, ": ", 2) == 0;
            if (count > 0 && alone && at[count + 1] == '\'' && strncmp(at + count + 2, " +", 2)) {
                says(at + 1, count, file);
            }
        }
    }
}

/* The table of what the source tells: `kubernetes.node.cordoned`, `.uncordoned`. */
static void read_cluster(const char *text, const char *file)
{
    static const char key[] = "| `kubernetes.node.";
    size_t rows = 0;
    for (const char *at = strstr(text, key); at != NULL; at = strstr(at + 1, key), rows++) {
        const char *end = strchr(at + 2, '|');
        for (const char *word = strchr(at, '`'); word != NULL && word < end;
             word = strchr(word + 1, '`')) {
            char type[128];
            const char *name = word[1] == '.' ? word + 2 : word + sizeof key - 3;
            size_t count = strcspn(name, "`");
            if (word[1] != '.' && strncmp(word, key + 2, sizeof key - 3) != 0) {
                continue;
            }
            snprintf(type, sizeof type, "kubernetes.node.%.*s", (int)count, name);
            if (type_at(type) == strlen(type)) {
                says(type, strlen(type), file);
            }
        }
    }
    assert_true(rows >= 5);
}

static void test_own(void **state)
{
    static const char *const c_files[] = {"bridge/source/*/*.[ch]", "bridge/source/*/*/*.[ch]",
                                          "bridge/daemon/*.[ch]"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        each_file(c_files[i], add_c);
    }
    for (size_t i = 0; i < 3; i++) {
        each_file(c_files[i], read_c);
    }
    each_file("bridge/source/probe/probe_options.c", read_probes);
    each_file("bridge/source/snmp/tables/*.poll", read_tables);
    each_file("bridge/source/map/formats/*.map", read_map);
    each_file("bridge/source/kubernetes/README.md", read_cluster);
    each_file("etc/signals/*", read_signals);
    textbuf_done(&sources);
    assert_true(found > 60);
    for (size_t i = 0; i < OWN; i++) {
        if (!said[i]) {
            fail_msg("nobody says %s", own[i]);
        }
    }
}

static void test_nearest(void **state)
{
    static const struct {
        const char *type, *nearest;
    } rows[] = {
        {"snmp.unreachble", "snmp.unreachable"},
        {"certificate.expirng", "certificate.expiring"},
        {"kubernetes.node.notready", "kubernetes.node.not-ready"},
        {"telemetry.abscent", "telemetry.absent"},
        {"ssh.los", "ssh.lost"},
        {"psu.lost", NULL}, /* As far from ssh.lost as any three letters. */
        {"port.lost", NULL},
        {"site.own", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *nearest = event_type_nearest(text_of(rows[i].type));
        if (rows[i].nearest == NULL) {
            assert_null(nearest);
        } else {
            assert_non_null(nearest);
            assert_string_equal(nearest, rows[i].nearest);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_own), cmocka_unit_test(test_nearest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
