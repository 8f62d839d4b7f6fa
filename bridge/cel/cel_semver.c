/* SPDX-License-Identifier: Apache-2.0 */
/* Versions after semver.org 2.0.0: semver("1.2.3-rc.1+build"). Order and equality ignore the build.
 */

#include "cel/cel_private.h"

#define SEMVER_TEXT_MAX 256

struct semver {
    struct cel_opaque head;
    int64_t parts[3];
    struct text pre, build; /* Without - and +; in text. */
    uint32_t text_count;
    char text[SEMVER_TEXT_MAX];
};

/* --- order --------------------------------------------------------------------------------- */

static bool is_digits(struct text text)
{
    for (uint32_t i = 0; i < text.count; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') {
            return false;
        }
    }
    return text.count > 0;
}

/* Cut the first identifier off rest. */
static struct text next_identifier(struct text *rest)
{
    const char *dot = rest->count == 0 ? NULL : memchr(rest->at, '.', rest->count);
    uint32_t count = dot == NULL ? rest->count : (uint32_t)(dot - rest->at);
    struct text identifier = {rest->at, count};
    uint32_t cut = dot == NULL ? count : count + 1;
    *rest = (struct text){rest->at + cut, rest->count - cut};
    return identifier;
}

static int compare_identifiers(struct text a, struct text b)
{
    bool a_digits = is_digits(a), b_digits = is_digits(b);
    if (a_digits != b_digits) {
        return a_digits ? -1 : 1;
    }
    if (a_digits && a.count != b.count) {
        return a.count < b.count ? -1 : 1; /* There are no leading zeros. */
    }
    int order = text_compare(a, b);
    return (order > 0) - (order < 0);
}

static int compare_pre(struct text a, struct text b)
{
    if (a.count == 0 || b.count == 0) {
        return (a.count == 0) - (b.count == 0); /* A release comes after what led to it. */
    }
    while (a.count > 0 && b.count > 0) {
        int order = compare_identifiers(next_identifier(&a), next_identifier(&b));
        if (order != 0) {
            return order;
        }
    }
    return (a.count > 0) - (b.count > 0);
}

static int compare(const struct semver *a, const struct semver *b)
{
    for (int i = 0; i < 3; i++) {
        if (a->parts[i] != b->parts[i]) {
            return a->parts[i] < b->parts[i] ? -1 : 1;
        }
    }
    return compare_pre(a->pre, b->pre);
}

static bool equal(const struct cel_opaque *a, const struct cel_opaque *b)
{
    return compare((const struct semver *)a, (const struct semver *)b) == 0;
}

static void print(const struct cel_opaque *value, struct textbuf *out)
{
    const struct semver *version = (const struct semver *)value;
    textbuf_add(out, (struct text){version->text, version->text_count});
}

static const struct cel_opaque_class semver_class = {"kubernetes.Semver", equal, print};

/* --- parsing ------------------------------------------------------------------------------- */

/* Identifiers separated by dots; strict: no leading zeros in numbers. */
static bool identifiers_are_good(struct text rest, bool strict)
{
    if (rest.count == 0 || rest.at[rest.count - 1] == '.') {
        return false;
    }
    while (rest.count > 0) {
        struct text one = next_identifier(&rest);
        if (one.count == 0 || (strict && one.count > 1 && one.at[0] == '0' && is_digits(one))) {
            return false;
        }
        for (uint32_t i = 0; i < one.count; i++) {
            char c = one.at[i];
            if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '-')) {
                return false;
            }
        }
    }
    return true;
}

static struct text cut_off(struct text *text, char mark, bool *ret_there)
{
    const char *at = text->count == 0 ? NULL : memchr(text->at, mark, text->count);
    *ret_there = at != NULL;
    if (at == NULL) {
        return (struct text){NULL, 0};
    }
    uint32_t before = (uint32_t)(at - text->at);
    struct text after = {at + 1, text->count - before - 1};
    text->count = before;
    return after;
}

/* version->text is set. */
static const char *parse(struct semver *version)
{
    struct text core = {version->text, version->text_count};
    bool has_build = false, has_pre = false;
    version->build = cut_off(&core, '+', &has_build);
    version->pre = cut_off(&core, '-', &has_pre);
    for (int i = 0; i < 3; i++) {
        bool more = false;
        struct text part = core, rest = cut_off(&part, '.', &more);
        if (more != (i < 2)) {
            return "No Major.Minor.Patch elements found";
        }
        if (!is_digits(part) || (part.count > 1 && part.at[0] == '0') ||
            !text_to_int(part, &version->parts[i])) {
            return "Invalid character(s), leading zeros or too large a number in a part";
        }
        core = rest;
    }
    if ((has_pre && !identifiers_are_good(version->pre, true)) ||
        (has_build && !identifiers_are_good(version->build, false))) {
        return "Invalid character(s) in prerelease or build";
    }
    return NULL;
}

/* "v01.2" becomes "1.2.0". False: it cannot be made whole. */
static bool normalize(struct text text, struct textbuf *out)
{
    int parts = 0;
    bool more = true;
    if (text_starts(text, "v")) {
        text = (struct text){text.at + 1, text.count - 1};
    }
    for (; parts < 3 && more; parts++) {
        struct text part = text, rest = {NULL, 0};
        if (parts < 2) {
            rest = cut_off(&part, '.', &more);
        }
        while (part.count > 1 && part.at[0] == '0' && part.at[1] >= '0' && part.at[1] <= '9') {
            part = (struct text){part.at + 1, part.count - 1};
        }
        if (!more && parts < 2 && part.count > 0 &&
            (memchr(part.at, '-', part.count) != NULL ||
             memchr(part.at, '+', part.count) != NULL)) {
            return false; /* A short version has no prerelease and no build. */
        }
        textbuf_addf(out, "%s", parts == 0 ? "" : ".");
        textbuf_add(out, part);
        text = rest;
    }
    for (; parts < 3; parts++) {
        textbuf_add_chars(out, ".0");
    }
    return !out->failed;
}

/* NULL, or what is wrong. */
static const char *read_version(const struct cel_value *args, uint32_t count,
                                struct semver *version)
{
    CLEANUP(textbuf_donep) struct textbuf normal = {.count_max = SEMVER_TEXT_MAX + 8};
    struct text text = cel_text(&args[0]);
    if (text.count == 0) {
        return "Version string empty";
    }
    if (text.count > SEMVER_TEXT_MAX - 4) {
        return "Version string too long";
    }
    if (count > 1 && args[1].boolean) {
        if (!normalize(text, &normal)) {
            return "short version cannot contain PreRelease/Build meta data";
        }
        text = (struct text){normal.at, (uint32_t)normal.count};
    }
    if (text.count > sizeof version->text) {
        return "Version string too long";
    }
    version->head.class = &semver_class;
    version->text_count = text.count;
    memcpy(version->text, text.at, text.count);
    return parse(version);
}

CEL_IMPL(cel_semver_parse)
{
    struct semver *version = cel_room(run, sizeof *version, out);
    if (version == NULL) {
        return;
    }
    const char *problem = read_version(args, code->count, version);
    if (problem != NULL) {
        cel_error(run, code, out, "%s", problem);
    } else {
        *out = (struct cel_value){.kind = CEL_OPAQUE, .pointer = version};
    }
}

CEL_IMPL(cel_semver_is)
{
    (void)run;
    struct semver version;
    *out = cel_of_bool(read_version(args, code->count, &version) == NULL);
}

/* --- members ------------------------------------------------------------------------------- */

CEL_IMPL(cel_semver_compare)
{
    (void)run, (void)code;
    *out = cel_of_int(compare(args[0].pointer, args[1].pointer));
}

CEL_IMPL(cel_semver_less)
{
    (void)run, (void)code;
    *out = cel_of_bool(compare(args[0].pointer, args[1].pointer) < 0);
}

CEL_IMPL(cel_semver_greater)
{
    (void)run, (void)code;
    *out = cel_of_bool(compare(args[0].pointer, args[1].pointer) > 0);
}

CEL_IMPL(cel_semver_major)
{
    (void)run, (void)code;
    *out = cel_of_int(((const struct semver *)args[0].pointer)->parts[0]);
}

CEL_IMPL(cel_semver_minor)
{
    (void)run, (void)code;
    *out = cel_of_int(((const struct semver *)args[0].pointer)->parts[1]);
}

CEL_IMPL(cel_semver_patch)
{
    (void)run, (void)code;
    *out = cel_of_int(((const struct semver *)args[0].pointer)->parts[2]);
}
