/* SPDX-License-Identifier: Apache-2.0 */
/* Line by line, twice: to find what is wrong, and to hand over. */

#include "exposition.h"

#include "base/assert.h"
#include "metrics_labels.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define NUMBER_BYTES_MAX 64
#define EXPORTED "exported_"

struct pass {
    const struct exposition *exposition;
    const struct sample_sink *sink; /* NULL: only look. */
    struct nsh_error *err;
    const char *line_at, *at, *end; /* The line. */
    size_t line, samples;
    struct sample_label labels[SAMPLE_LABELS_MAX + 1];
    size_t count;
    size_t used;                                                                 /* Of chars. */
    bool ended;                                                                  /* "# EOF" came. */
    char chars[EXPOSITION_LINE_BYTES_MAX + SAMPLE_LABELS_MAX * sizeof EXPORTED]; /* Unescaped. */
};

bool exposition_is_openmetrics(const char *content_type)
{
    return strstr(content_type, "application/openmetrics-text") != NULL;
}

static int wrong(const struct pass *pass, const char *what)
{
    return nsh_fail(pass->err, NSH_INVALID, "line %zu, column %zu: %s", pass->line,
                    (size_t)(pass->at - pass->line_at) + 1, what);
}

static bool is(const struct pass *pass, char c)
{
    return pass->at < pass->end && *pass->at == c;
}

static void spaces(struct pass *pass)
{
    while (is(pass, ' ') || is(pass, '\t')) {
        pass->at++;
    }
}

static bool take(struct pass *pass, char c)
{
    bool found = is(pass, c);
    pass->at += found;
    return found;
}

static struct text take_name(struct pass *pass)
{
    const char *begin = pass->at;
    while (pass->at < pass->end &&
           (isalpha((unsigned char)*pass->at) || *pass->at == '_' || *pass->at == ':' ||
            (pass->at > begin && isdigit((unsigned char)*pass->at)))) {
        pass->at++;
    }
    return (struct text){begin, (uint32_t)(pass->at - begin)};
}

/* A text in quotes, unescaped into the line's room. False: it does not end, or escapes nothing. */
static bool take_quoted(struct pass *pass, struct text *ret_text)
{
    char *begin = pass->chars + pass->used;
    if (!take(pass, '"')) {
        return false;
    }
    while (pass->at < pass->end && *pass->at != '"') {
        char c = *pass->at++;
        if (c == '\\') {
            char escaped = pass->at < pass->end ? *pass->at++ : '\0';
            if (escaped != '\\' && escaped != '"' && escaped != 'n') {
                return false;
            }
            c = escaped == 'n' ? '\n' : escaped;
        }
        pass->chars[pass->used++] = c;
    }
    *ret_text = (struct text){begin, (uint32_t)(pass->chars + pass->used - begin)};
    return take(pass, '"');
}

static bool label_add(struct pass *pass, struct text name, struct text value)
{
    if (pass->count == SAMPLE_LABELS_MAX) {
        return false;
    }
    pass->labels[pass->count++] = (struct sample_label){name, value};
    return true;
}

/* What the target says of itself comes first; the body's own word for it gets another name. */
static struct text own_name(struct pass *pass, struct text name)
{
    const struct exposition *exposition = pass->exposition;
    for (size_t i = 0; i < exposition->extra_count; i++) {
        if (text_equal(exposition->extra[i].name, name) && name.count < SAMPLE_NAME_BYTES_MAX) {
            char *chars = pass->chars + pass->used;
            memcpy(chars, EXPORTED, sizeof EXPORTED - 1);
            memcpy(chars + sizeof EXPORTED - 1, name.at, name.count);
            pass->used += sizeof EXPORTED - 1 + name.count;
            return (struct text){chars, (uint32_t)(sizeof EXPORTED - 1 + name.count)};
        }
    }
    return name;
}

/* {a="x",b="y"}; the metric's name may stand in it as a text of its own. */
static int read_labels(struct pass *pass)
{
    while (!take(pass, '}')) {
        struct text name, value;
        spaces(pass);
        bool quoted = is(pass, '"');
        if (quoted ? !take_quoted(pass, &name) : (name = take_name(pass)).count == 0) {
            return wrong(pass, "here a label's name must stand, or }");
        }
        spaces(pass);
        if (quoted && !is(pass, '=')) {
            value = name;
            name = TEXT(SAMPLE_METRIC);
        } else {
            if (!take(pass, '=')) {
                return wrong(pass, "here = must stand");
            }
            spaces(pass);
            if (!take_quoted(pass, &value)) {
                return wrong(pass, "here a text in quotes must stand, with \\\\, \\\" and \\n");
            }
            name = own_name(pass, name);
        }
        if (!label_add(pass, name, value)) {
            return wrong(pass, "too many labels");
        }
        spaces(pass);
        if (!take(pass, ',') && !is(pass, '}')) {
            return wrong(pass, "here , or } must stand");
        }
        spaces(pass);
    }
    return 0;
}

static int take_number(struct pass *pass, double *ret_number)
{
    char chars[NUMBER_BYTES_MAX];
    size_t count = 0;
    while (pass->at + count < pass->end && pass->at[count] != ' ' && pass->at[count] != '\t') {
        count++;
    }
    if (count == 0 || count >= sizeof chars) {
        return wrong(pass, "here a number must stand");
    }
    memcpy(chars, pass->at, count);
    chars[count] = '\0';
    char *end = NULL;
    /* strtod() reads more than the format has: hexadecimal, "nan(...)". */
    bool foreign = strpbrk(chars, "xX(pP") != NULL;
    double number = strtod(chars, &end);
    if (foreign || *end != '\0' || end == chars) {
        return wrong(pass, "here a number must stand");
    }
    pass->at += count;
    *ret_number = number;
    return 0;
}

static int read_time(struct pass *pass, int64_t *ret_ms)
{
    double time = 0;
    const struct exposition *exposition = pass->exposition;
    *ret_ms = exposition->now_ms;
    if (pass->at == pass->end || is(pass, '#')) {
        return 0;
    }
    int result = take_number(pass, &time);
    time = exposition->openmetrics ? time * 1000 : time;
    if (result == 0 && !(fabs(time) < 9e15)) {
        return wrong(pass, "no time");
    }
    *ret_ms = (int64_t)time;
    return result;
}

static void sample_hand_over(struct pass *pass, int64_t at_ms, double value)
{
    pass->samples++;
    if (pass->sink != NULL) {
        pass->sink->labels(pass->sink->arg, pass->labels, pass->count);
        pass->sink->value(pass->sink->arg, at_ms, value);
    }
}

/* name{labels} value [time] [# exemplar] */
static int read_sample(struct pass *pass)
{
    double value = 0;
    int64_t at_ms = 0;
    pass->count = pass->used = 0;
    struct text metric = take_name(pass);
    if (metric.count > 0) {
        label_add(pass, TEXT(SAMPLE_METRIC), metric);
    } else if (!is(pass, '{')) {
        return wrong(pass, "here a metric's name must stand");
    }
    for (size_t i = 0; i < pass->exposition->extra_count; i++) {
        label_add(pass, pass->exposition->extra[i].name, pass->exposition->extra[i].value);
    }
    spaces(pass);
    int result = take(pass, '{') ? read_labels(pass) : 0;
    spaces(pass);
    result = result == 0 ? take_number(pass, &value) : result;
    spaces(pass);
    result = result == 0 ? read_time(pass, &at_ms) : result;
    spaces(pass);
    if (result == 0 && pass->at < pass->end && !is(pass, '#')) {
        return wrong(pass, "the line should have ended");
    }
    if (result == 0 && pass->sink == NULL) {
        result = metrics_labels_check(pass->labels, pass->count, pass->line, pass->err);
    }
    if (result == 0) {
        sample_hand_over(pass, at_ms, value);
    }
    return result;
}

static int read_line(struct pass *pass)
{
    struct text line = {pass->at, (uint32_t)(pass->end - pass->at)};
    spaces(pass);
    if (pass->ended && pass->at < pass->end) {
        return wrong(pass, "nothing may follow # EOF");
    }
    if (is(pass, '#')) {
        pass->ended = pass->exposition->openmetrics && text_is(line, "# EOF");
        return 0;
    }
    return pass->at == pass->end ? 0 : read_sample(pass);
}

static int read_body(struct pass *pass)
{
    const char *at = pass->exposition->body.at, *end = at + pass->exposition->body.count;
    int result = 0;
    for (pass->line = 1; result == 0 && at < end; pass->line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        pass->line_at = pass->at = at;
        pass->end = newline == NULL ? end : newline;
        at = newline == NULL ? end : newline + 1;
        if (pass->end > pass->at && pass->end[-1] == '\r') {
            pass->end--;
        }
        if (pass->end - pass->at > EXPOSITION_LINE_BYTES_MAX) {
            return wrong(pass, "the line is too long");
        }
        result = read_line(pass);
    }
    if (result == 0 && pass->exposition->openmetrics && !pass->ended) {
        return nsh_fail(pass->err, NSH_INVALID, "the body is cut: it does not end with # EOF");
    }
    return result;
}

int exposition_read(const struct exposition *exposition, const struct sample_sink *sink,
                    size_t *ret_samples, struct nsh_error *err)
{
    NSH_ASSERT(exposition->extra_count <= EXPOSITION_EXTRA_MAX);
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct pass *pass = arena_alloc(&arena, sizeof *pass);
    if (pass == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    pass->exposition = exposition;
    pass->err = err;
    pass->sink = NULL;
    pass->samples = 0;
    pass->ended = false;
    int result = read_body(pass);
    if (result < 0) {
        return result;
    }
    *ret_samples = pass->samples;
    pass->sink = sink;
    pass->ended = false;
    return read_body(pass);
}
