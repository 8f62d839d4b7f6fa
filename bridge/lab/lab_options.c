/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of nightshift-lab: one row of lab_options.def for each option. */

#include "lab.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum option_type { OPTION_NUMBER, OPTION_DURATION, OPTION_TEXT, OPTION_FLAG };

static const struct option_row {
    const char *name;
    size_t offset;
    enum option_type type;
    const char *preset;
    int64_t min, max;
    const char *argument, *help;
} rows[] = {
#define LAB_OPTION(name, field, TYPE, preset, min, max, argument, help)                            \
    {name, offsetof(struct lab_options, field), OPTION_##TYPE, preset, min, max, argument, help},
#include "lab_options.def"
#undef LAB_OPTION
};

#define ROWS_COUNT (sizeof rows / sizeof rows[0])

void lab_options_help(void)
{
    printf("Usage: nightshift-lab [OPTION...]\n"
           "       nightshift-lab ctl SOCKET COMMAND...   (ctl SOCKET help)\n\n"
           "A data centre in a box: hosts whose BMCs speak real Redfish and IPMI on loopback "
           "addresses,\n"
           "send real SNMP traps, and fail, lie and hang on request.\n\n");
    for (size_t i = 0; i < ROWS_COUNT; i++) {
        char left[40];
        snprintf(left, sizeof left, "--%s%s%s", rows[i].name, rows[i].argument == NULL ? "" : " ",
                 rows[i].argument == NULL ? "" : rows[i].argument);
        printf("  %-28s %s", left, rows[i].help);
        if (rows[i].preset != NULL) {
            printf(" [%s]", rows[i].preset);
        }
        printf("\n");
    }
}

static bool option_set(const struct option_row *row, const char *text, struct lab_options *options)
{
    char *field = (char *)options + row->offset;
    struct text value = text_of(text);
    int64_t number = 0;

    switch (row->type) {
    case OPTION_FLAG:
        *(bool *)(void *)field = true;
        return true;
    case OPTION_TEXT:
        *(const char **)(void *)field = text;
        return true;
    case OPTION_NUMBER:
    case OPTION_DURATION:
        if (!(row->type == OPTION_NUMBER ? text_to_int(value, &number)
                                         : text_to_duration_ms(value, &number)) ||
            number < row->min || number > row->max) {
            fprintf(stderr, "nightshift-lab: --%s: want %s from %lld to %lld%s, got %s\n",
                    row->name, row->type == OPTION_NUMBER ? "a number" : "a time such as 200ms",
                    (long long)row->min, (long long)row->max,
                    row->type == OPTION_NUMBER ? "" : " ms", text);
            return false;
        }
        *(int64_t *)(void *)field = number;
        return true;
    }
    return false;
}

static const struct option_row *option_find(struct text name)
{
    for (size_t i = 0; i < ROWS_COUNT; i++) {
        if (text_is(name, rows[i].name)) {
            return &rows[i];
        }
    }
    return NULL;
}

static void option_unknown(const char *word, struct text name)
{
    const char *names[ROWS_COUNT + 1] = {NULL};

    for (size_t i = 0; i < ROWS_COUNT; i++) {
        names[i] = rows[i].name;
    }
    const char *nearest = text_nearest(name, names);
    fprintf(stderr, "nightshift-lab: unknown option %s", word);
    if (nearest != NULL) {
        fprintf(stderr, "; did you mean --%s?", nearest);
    }
    fprintf(stderr, "\n");
}

/* What needs more than one option to be wrong. */
static int options_check_all(const struct lab_options *options)
{
    static const char *const versions[] = {"auto", "v1", "v2c", "v3"};
    bool known = false;
    int wrong = 0;

    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        known = known || strcmp(options->trap_version, versions[i]) == 0;
    }
    if (!known) {
        fprintf(stderr, "nightshift-lab: --trap-version: want auto, v1, v2c or v3, got %s\n",
                options->trap_version);
        wrong = 2;
    }
    if (options->write_inventory != NULL && options->state == NULL) {
        fprintf(stderr, "nightshift-lab: --write-inventory needs --state FOLDER, for ca.pem and "
                        "the password file\n");
        wrong = 2;
    }
    if (options->informs && strcmp(options->trap_version, "v1") == 0) {
        fprintf(stderr, "nightshift-lab: SNMPv1 has no informs: leave out --informs or use v2c\n");
        wrong = 2;
    }
    return wrong;
}

int lab_options_parse(int argc, char **argv, struct lab_options *ret_options)
{
    int wrong = 0;

    *ret_options = (struct lab_options){.base = NULL};
    for (size_t i = 0; i < ROWS_COUNT; i++) {
        if (rows[i].preset != NULL) {
            option_set(&rows[i], rows[i].preset, ret_options);
        }
    }
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        size_t name_bytes = strncmp(word, "--", 2) == 0 ? strcspn(word + 2, "=") : 0;
        struct text name = {word + 2, (uint32_t)name_bytes};
        const struct option_row *row = name_bytes == 0 ? NULL : option_find(name);
        if (row == NULL) {
            option_unknown(word, name);
            wrong = 2;
            continue;
        }
        const char *value = word[2 + name_bytes] == '=' ? word + 3 + name_bytes : NULL;
        if (row->type != OPTION_FLAG && value == NULL) {
            value = argv[++i];
        }
        if (row->type != OPTION_FLAG && value == NULL) {
            fprintf(stderr, "nightshift-lab: --%s needs %s\n", row->name, row->argument);
            return 2;
        }
        wrong = option_set(row, value, ret_options) ? wrong : 2;
    }
    return wrong != 0 ? wrong : options_check_all(ret_options);
}
