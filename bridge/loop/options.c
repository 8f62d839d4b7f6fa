/* SPDX-License-Identifier: Apache-2.0 */
/* Settings and arguments against a table of options: one row says the type, the range, the preset.
 */

#include "base/assert.h"
#include "loop/drivers_private.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define OPTIONS_COUNT_MAX 192 /* Of one table; some fence agents have 100. */

static const char *type_words(enum nsh_type type)
{
    switch (type) {
    case NSH_NULL:
        return "nothing";
    case NSH_BOOL:
        return "true or false";
    case NSH_INT:
        return "a whole number";
    case NSH_DOUBLE:
        return "a number";
    case NSH_STRING:
        return "a text";
    case NSH_LIST:
        return "a list";
    case NSH_MAP:
        return "a group";
    case NSH_DURATION:
        return "a duration such as \"30s\"";
    case NSH_SECRET:
        return "a secret such as \"file:NAME\"";
    }
    return "something else";
}

static bool text_to_real(const char *chars, double *ret_real)
{
    char *end = NULL;
    errno = 0;
    *ret_real = strtod(chars, &end);
    return end != chars && *end == 0 && errno == 0 && isfinite(*ret_real);
}

/* A text of the table (preset, min, max) as a value of the option's type. */
static bool value_of_text(enum nsh_type type, const char *chars, struct nsh_value *ret_value)
{
    int64_t integer = 0;
    double real = 0;
    switch (type) {
    case NSH_BOOL:
        *ret_value = nsh_bool(strcmp(chars, "true") == 0);
        return strcmp(chars, "true") == 0 || strcmp(chars, "false") == 0;
    case NSH_INT:
        if (!text_to_int(text_of(chars), &integer)) {
            return false;
        }
        *ret_value = nsh_int(integer);
        return true;
    case NSH_DURATION:
        if (!text_to_duration_ms(text_of(chars), &integer)) {
            return false;
        }
        *ret_value = nsh_int(integer);
        return true;
    case NSH_DOUBLE:
        *ret_value = nsh_double(0);
        if (!text_to_real(chars, &real)) {
            return false;
        }
        *ret_value = nsh_double(real);
        return true;
    case NSH_STRING:
    case NSH_SECRET:
        *ret_value = nsh_text(chars);
        return true;
    case NSH_NULL:
    case NSH_LIST:
    case NSH_MAP:
        break;
    }
    return false;
}

static double real_of(const struct nsh_value *value)
{
    return value->type == NSH_DOUBLE ? value->real : (double)value->integer;
}

static int range_check(const struct nsh_option *option, const struct nsh_value *value,
                       const char *given, struct nsh_error *err)
{
    struct nsh_value bound;
    if (value->type != NSH_INT && value->type != NSH_DOUBLE) {
        return 0;
    }
    bool low = option->min != NULL && value_of_text(option->type, option->min, &bound) &&
               real_of(value) < real_of(&bound);
    bool high = option->max != NULL && value_of_text(option->type, option->max, &bound) &&
                real_of(value) > real_of(&bound);
    if (!low && !high) {
        return 0;
    }
    return nsh_fail(err, NSH_INVALID, "%s must be %s%s%s%s, got %s", option->name,
                    option->max == NULL   ? "at least "
                    : option->min == NULL ? "at most "
                                          : "between ",
                    option->min != NULL ? option->min : "",
                    option->min != NULL && option->max != NULL ? " and " : "",
                    option->max != NULL ? option->max : "", given);
}

static int choice_check(const struct nsh_option *option, const struct nsh_value *value,
                        struct nsh_error *err)
{
    if (option->choices == NULL || value->type != NSH_STRING) {
        return 0;
    }
    char words[256] = "";
    size_t used = 0;
    for (size_t i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(option->choices[i], value->text) == 0) {
            return 0;
        }
        int more = snprintf(words + used, sizeof words - used, "%s%s", i == 0 ? "" : ", ",
                            option->choices[i]);
        used += more > 0 && (size_t)more < sizeof words - used ? (size_t)more : 0;
    }
    return nsh_fail(err, NSH_INVALID, "%s must be one of %s, got \"%.64s\"", option->name, words,
                    value->text);
}

static int wrong_type(const struct nsh_option *option, const struct nsh_value *given,
                      struct nsh_error *err)
{
    if (given->type == NSH_STRING && option->type != NSH_SECRET) {
        return nsh_fail(err, NSH_INVALID, "%s wants %s, got \"%.64s\"", option->name,
                        type_words(option->type), given->text);
    }
    return nsh_fail(err, NSH_INVALID, "%s wants %s, got %s", option->name, type_words(option->type),
                    type_words(given->type));
}

/* How a value reads in an error: the person's own text when there is one. */
static void given_words(const struct nsh_value *given, char words[64])
{
    if (given->type == NSH_STRING) {
        snprintf(words, 64, "%.60s", given->text);
    } else if (given->type == NSH_DOUBLE) {
        snprintf(words, 64, "%g", given->real);
    } else {
        snprintf(words, 64, "%lld", (long long)given->integer);
    }
}

static bool value_convert(const struct nsh_option *option, const struct nsh_value *given,
                          struct nsh_value *ret_value)
{
    if (option->type == NSH_DURATION) {
        return given->type == NSH_STRING && value_of_text(NSH_DURATION, given->text, ret_value);
    }
    if (option->type == NSH_DOUBLE && given->type == NSH_INT) {
        *ret_value = nsh_double((double)given->integer);
        return true;
    }
    *ret_value = *given;
    return given->type == (option->type == NSH_SECRET ? NSH_STRING : option->type);
}

struct options_run {
    drivers_secret_fn secret;
    void *secret_arg;
    struct arena *arena;
    struct nsh_error *err;
};

static int option_take(const struct options_run *run, const struct nsh_option *option,
                       const struct nsh_value *given, struct nsh_value *ret_value)
{
    struct nsh_value value = nsh_null();
    char words[64];
    if (!value_convert(option, given, &value)) {
        return wrong_type(option, given, run->err);
    }
    if (option->type == NSH_SECRET && run->secret != NULL) {
        const char *secret = NULL;
        int result = run->secret(run->secret_arg, value.text, run->arena, &secret, run->err);
        if (result < 0) {
            nsh_wrap(run->err, "%s", option->name);
            return result;
        }
        value = nsh_text(secret);
    }
    given_words(given, words);
    int result = range_check(option, &value, words, run->err);
    if (result == 0) {
        result = choice_check(option, &value, run->err);
    }
    if (result == 0 && !arena_value(run->arena, &value, ret_value)) {
        return nsh_fail(run->err, NSH_NOMEM, "out of memory");
    }
    return result;
}

static int unknown_check(const struct nsh_option *options, size_t options_count,
                         const struct nsh_value *given, struct nsh_error *err)
{
    const char *names[OPTIONS_COUNT_MAX + 1] = {NULL};
    NSH_ASSERT(options_count <= OPTIONS_COUNT_MAX);
    for (size_t i = 0; i < options_count; i++) {
        names[i] = options[i].name;
    }
    for (uint32_t m = 0; m < given->count; m++) {
        const char *name = given->members[m].name;
        size_t i = 0;
        while (i < options_count && strcmp(names[i], name) != 0) {
            i++;
        }
        if (i == options_count) {
            const char *nearest = text_nearest(text_of(name), names);
            return nsh_fail(err, NSH_INVALID, "unknown setting '%.64s'%s%s%s", name,
                            nearest == NULL ? "" : ", did you mean '",
                            nearest == NULL ? "" : nearest, nearest == NULL ? "" : "'?");
        }
    }
    return 0;
}

int options_check(const struct nsh_option *options, size_t options_count,
                  const struct nsh_value *given, drivers_secret_fn secret, void *secret_arg,
                  struct arena *arena, struct nsh_value *ret_checked, struct nsh_error *err)
{
    static const struct nsh_value nothing = {.type = NSH_MAP};
    struct options_run run = {secret, secret_arg, arena, err};
    given = given == NULL || given->type == NSH_NULL ? &nothing : given;
    if (given->type != NSH_MAP) {
        return nsh_fail(err, NSH_INVALID, "settings want a group, got %s", type_words(given->type));
    }
    int result = unknown_check(options, options_count, given, err);
    struct nsh_member *members = arena_array(arena, options_count + 1, sizeof *members);
    size_t count = 0;
    if (result == 0 && members == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (size_t i = 0; result == 0 && i < options_count; i++) {
        const struct nsh_value *value = nsh_get(given, options[i].name);
        members[count].name = options[i].name;
        if (value != NULL && value->type != NSH_NULL) {
            result = option_take(&run, &options[i], value, &members[count++].value);
        } else if (options[i].preset != NULL) {
            bool valid = value_of_text(options[i].type, options[i].preset, &members[count++].value);
            NSH_ASSERT(valid); /* drivers_load() checked the table. */
        } else if ((options[i].flags & NSH_REQUIRED) != 0) {
            result = nsh_fail(err, NSH_INVALID, "%s is missing: %s", options[i].name,
                              options[i].help == NULL ? "it is required" : options[i].help);
        }
    }
    if (result == 0) {
        *ret_checked = nsh_map(members, count);
    }
    return result;
}

int options_table_check(const struct nsh_option *options, size_t options_count,
                        struct nsh_error *err)
{
    struct nsh_value value;
    if (options_count > OPTIONS_COUNT_MAX) {
        return nsh_fail(err, NSH_INVALID, "%zu options, at most %d", options_count,
                        OPTIONS_COUNT_MAX);
    }
    for (size_t i = 0; i < options_count; i++) {
        const struct nsh_option *option = &options[i];
        if (option->name == NULL || option->name[0] == 0 || option->help == NULL) {
            return nsh_fail(err, NSH_INVALID, "option %zu has no name or no help", i);
        }
        const char *texts[] = {option->preset, option->min, option->max};
        for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
            if (texts[t] != NULL && !value_of_text(option->type, texts[t], &value)) {
                return nsh_fail(err, NSH_INVALID, "option %s: \"%s\" is not %s", option->name,
                                texts[t], type_words(option->type));
            }
        }
        if (option->preset != NULL && value_of_text(option->type, option->preset, &value) &&
            (range_check(option, &value, option->preset, err) < 0 ||
             choice_check(option, &value, err) < 0)) {
            return nsh_wrap(err, "preset");
        }
        for (size_t other = 0; other < i; other++) {
            if (strcmp(options[other].name, option->name) == 0) {
                return nsh_fail(err, NSH_INVALID, "option %s stands twice", option->name);
            }
        }
    }
    return 0;
}
