/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns -> trees: RE2 syntax without \C (a text is never cut inside a code point). */

#include "cel/cel_regex.h"

#include <stdio.h>
#include <stdlib.h>

enum { FLAG_FOLD = 1, FLAG_DOT_ALL = 2, FLAG_LINES = 4, FLAG_UNGREEDY = 8 };

struct parser {
    struct arena *arena;
    struct text pattern;
    uint32_t at, depth, groups;
    unsigned flags;
    const char *problem;
};

static const struct regex_node *parse_alternation(struct parser *parser);

static const struct regex_node *fail(struct parser *parser, const char *problem)
{
    if (parser->problem == NULL) {
        parser->problem = problem;
    }
    return NULL;
}

static bool more(const struct parser *parser)
{
    return parser->at < parser->pattern.count;
}

static char peek(const struct parser *parser)
{
    return more(parser) ? parser->pattern.at[parser->at] : '\0';
}

static bool take(struct parser *parser, const char *chars)
{
    struct text rest = {parser->pattern.at + parser->at, parser->pattern.count - parser->at};
    if (!text_starts(rest, chars)) {
        return false;
    }
    parser->at += (uint32_t)strlen(chars);
    return true;
}

static uint32_t take_code_point(struct parser *parser)
{
    uint32_t length = 1;
    uint32_t code_point =
        cel_decode(parser->pattern.at + parser->at, parser->pattern.count - parser->at, &length);
    parser->at += length;
    return code_point;
}

static const struct regex_node *new_node(struct parser *parser, struct regex_node from)
{
    struct regex_node *node = arena_alloc(parser->arena, sizeof *node);
    if (node == NULL) {
        return fail(parser, "out of memory");
    }
    *node = from;
    return node;
}

/* --- character classes --------------------------------------------------------------------- */

static const struct regex_node *new_class(struct parser *parser, struct regex_ranges *ranges)
{
    regex_sort_ranges(ranges);
    if (ranges->full) {
        return fail(parser, "a character class has too many ranges");
    }
    struct regex_range *copy = arena_array(parser->arena, ranges->count, sizeof *copy);
    if (copy == NULL || parser->problem != NULL) {
        return fail(parser, "out of memory");
    }
    memcpy(copy, ranges->at, ranges->count * sizeof *copy);
    return new_node(
        parser,
        (struct regex_node){.kind = REGEX_CLASS, .ranges = copy, .ranges_count = ranges->count});
}

struct named_class {
    const char *name, *ranges; /* Pairs of low and high. */
};

static const struct named_class named_classes[] = {
    {"[:alnum:]", "09AZaz"},
    {"[:alpha:]", "AZaz"},
    {"[:ascii:]", "\001\177"},
    {"[:blank:]", "\t\t  "},
    {"[:cntrl:]", "\001\037\177\177"},
    {"[:digit:]", "09"},
    {"[:graph:]", "!~"},
    {"[:lower:]", "az"},
    {"[:print:]", " ~"},
    {"[:punct:]", "!/:@[`{~"},
    {"[:space:]", "\t\r  "},
    {"[:upper:]", "AZ"},
    {"[:word:]", "09AZaz__"},
    {"[:xdigit:]", "09AFaf"},
    {"\\d", "09"},
    {"\\s", "\t\n\f\r  "},
    {"\\w", "09AZaz__"},
};

static void add_pairs(struct regex_ranges *ranges, const char *pairs)
{
    for (; pairs[0] != '\0'; pairs += 2) {
        uint32_t low = (unsigned char)pairs[0] == 1 ? 0 : (unsigned char)pairs[0];
        regex_add_range(ranges, low, (unsigned char)pairs[1]);
    }
}

/* The name of \pN or \p{Greek}, with what it says about negation; the \p is taken. */
static bool take_property_name(struct parser *parser, struct text *ret_name, bool *negated)
{
    bool braces = take(parser, "{");
    if (braces && take(parser, "^")) {
        *negated = !*negated;
    }
    uint32_t start = parser->at;
    while (more(parser) && (braces ? peek(parser) != '}' : parser->at == start)) {
        parser->at++;
    }
    *ret_name = (struct text){parser->pattern.at + start, parser->at - start};
    return ret_name->count > 0 && (!braces || take(parser, "}"));
}

static __attribute__((noinline)) bool take_property(struct parser *parser,
                                                    struct regex_ranges *ranges)
{
    struct regex_ranges own;
    struct text name;
    own.count = 0;
    own.full = false;
    bool negated = take(parser, "\\P");
    if (!negated && !take(parser, "\\p")) {
        return false;
    }
    if (!take_property_name(parser, &name, &negated) || !regex_add_unicode(&own, name)) {
        fail(parser, "\\p needs a category (\\pL, \\p{Lu}) or a script (\\p{Greek})");
        return false;
    }
    if ((parser->flags & FLAG_FOLD) != 0) {
        regex_fold_ranges(&own);
    }
    if (negated) {
        regex_negate_ranges(&own);
    }
    for (uint32_t i = 0; i < own.count; i++) {
        regex_add_range(ranges, own.at[i].low, own.at[i].high);
    }
    return true;
}

/* \d, [:alpha:], [:^alpha:], \D ... at the parser's place. */
static bool take_named(struct parser *parser, struct regex_ranges *ranges, bool in_brackets)
{
    struct text rest = {parser->pattern.at + parser->at, parser->pattern.count - parser->at};
    if (rest.count == 0 || (rest.at[0] != '[' && rest.at[0] != '\\')) {
        return false;
    }
    if (text_starts(rest, "\\p") || text_starts(rest, "\\P")) {
        return take_property(parser, ranges);
    }
    for (size_t i = 0; i < sizeof named_classes / sizeof *named_classes; i++) {
        const char *name = named_classes[i].name;
        char negated[16] = "";
        if (name[0] == '\\') {
            negated[0] = '\\';
            negated[1] = (char)(name[1] - 32);
        } else {
            snprintf(negated, sizeof negated, "[:^%s", name + 2);
        }
        bool plain = text_starts(rest, name);
        if ((name[0] == '[' && !in_brackets) || (!plain && !text_starts(rest, negated))) {
            continue;
        }
        parser->at += (uint32_t)strlen(plain ? name : negated);
        struct regex_ranges own;
        own.count = 0;
        own.full = false;
        add_pairs(&own, named_classes[i].ranges);
        if (!plain) {
            regex_negate_ranges(&own);
        }
        for (uint32_t r = 0; r < own.count; r++) {
            regex_add_range(ranges, own.at[r].low, own.at[r].high);
        }
        return true;
    }
    if (in_brackets && text_starts(rest, "[:") &&
        memmem(rest.at + 2, rest.count - 2, ":]", 2) != NULL) {
        fail(parser, "there is no class of this name ([:alpha:], [:digit:] ...)");
    }
    return false;
}

static uint32_t take_hex(struct parser *parser)
{
    bool braces = take(parser, "{");
    uint32_t all = 0, digits = 0;
    while (more(parser) && strchr("0123456789abcdefABCDEF", peek(parser)) != NULL &&
           digits < (braces ? 8 : 2)) {
        char digit[2] = {peek(parser)};
        all = all * 16 + (uint32_t)strtoul(digit, NULL, 16);
        parser->at++;
        digits++;
    }
    if (digits == 0 || (!braces && digits != 2) || (braces && !take(parser, "}")) ||
        all > 0x10ffff) {
        fail(parser, "a bad \\x escape");
    }
    return all;
}

static uint32_t take_octal(struct parser *parser)
{
    uint32_t all = 0;
    for (int digits = 0; digits < 3 && peek(parser) >= '0' && peek(parser) <= '7' && more(parser);
         digits++) {
        all = all * 8 + (uint32_t)(peek(parser) - '0');
        parser->at++;
    }
    return all;
}

/* The character of an escape; the backslash is taken. */
static uint32_t take_escape(struct parser *parser)
{
    static const char from[] = "afnrtv", to[] = "\a\f\n\r\t\v";
    char c = peek(parser);
    if (!more(parser)) {
        fail(parser, "a backslash at the end");
        return 0;
    }
    const char *known = strchr(from, c);
    if (c != '\0' && known != NULL) {
        parser->at++;
        return (unsigned char)to[known - from];
    }
    if (c == '0' ||
        (c >= '1' && c <= '7' && parser->at + 1 < parser->pattern.count &&
         parser->pattern.at[parser->at + 1] >= '0' && parser->pattern.at[parser->at + 1] <= '7')) {
        return take_octal(parser);
    }
    if (c == 'x') {
        parser->at++;
        return take_hex(parser);
    }
    bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter) {
        fail(parser, "this escape is not known");
    }
    return take_code_point(parser);
}

static uint32_t take_class_char(struct parser *parser)
{
    return take(parser, "\\") ? take_escape(parser) : take_code_point(parser);
}

static void take_class_item(struct parser *parser, struct regex_ranges *ranges)
{
    if (take_named(parser, ranges, true) || parser->problem != NULL) {
        return;
    }
    uint32_t low = take_class_char(parser), high = low;
    bool dash = peek(parser) == '-' && parser->at + 1 < parser->pattern.count &&
                parser->pattern.at[parser->at + 1] != ']';
    if (dash) {
        parser->at++;
        high = take_class_char(parser);
    }
    if (high < low) {
        fail(parser, "a range of a class runs backwards");
    } else {
        regex_add_range(ranges, low, high);
    }
}

static __attribute__((noinline)) const struct regex_node *parse_class(struct parser *parser)
{
    struct regex_ranges ranges;
    ranges.count = 0;
    ranges.full = false;
    bool negated = take(parser, "^"), first = true;
    while (parser->problem == NULL && (first || peek(parser) != ']')) {
        if (!more(parser)) {
            return fail(parser, "a '[' without ']'");
        }
        take_class_item(parser, &ranges);
        first = false;
    }
    parser->at++;
    if ((parser->flags & FLAG_FOLD) != 0) {
        regex_fold_ranges(&ranges);
    }
    if (negated) {
        regex_negate_ranges(&ranges);
    }
    return new_class(parser, &ranges);
}

static __attribute__((noinline)) const struct regex_node *char_node(struct parser *parser,
                                                                    uint32_t c)
{
    struct regex_ranges ranges;
    ranges.count = 0;
    ranges.full = false;
    regex_add_range(&ranges, c, c);
    if ((parser->flags & FLAG_FOLD) != 0) {
        regex_fold_ranges(&ranges);
    }
    return new_class(parser, &ranges);
}

static __attribute__((noinline)) const struct regex_node *dot_node(struct parser *parser)
{
    struct regex_ranges ranges;
    ranges.count = 0;
    ranges.full = false;
    if ((parser->flags & FLAG_DOT_ALL) == 0) {
        regex_add_range(&ranges, '\n', '\n');
    }
    regex_negate_ranges(&ranges);
    return new_class(parser, &ranges);
}

/* --- groups -------------------------------------------------------------------------------- */

/* "i-s" up to ':' or ')'. */
static bool take_flags(struct parser *parser)
{
    static const char letters[] = "ismU";
    bool off = false;
    while (more(parser) && peek(parser) != ':' && peek(parser) != ')') {
        char c = peek(parser);
        const char *known = strchr(letters, c);
        if (c == '-' && !off) {
            off = true;
        } else if (known != NULL) {
            unsigned flag = 1u << (known - letters);
            parser->flags = off ? parser->flags & ~flag : parser->flags | flag;
        } else {
            fail(parser, "an unknown flag after '(?'");
            return false;
        }
        parser->at++;
    }
    if (!more(parser)) {
        fail(parser, "a '(' without ')'");
    }
    return more(parser);
}

static bool take_group_name(struct parser *parser)
{
    uint32_t start = parser->at;
    while (more(parser) && peek(parser) != '>') {
        char c = peek(parser);
        bool good =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9');
        if (!good) {
            break;
        }
        parser->at++;
    }
    if (parser->at == start || !take(parser, ">")) {
        fail(parser, "a bad group name");
        return false;
    }
    return true;
}

static const struct regex_node *parse_group(struct parser *parser)
{
    unsigned flags = parser->flags;
    uint32_t group = 0;
    if (take(parser, "?P<") || take(parser, "?<")) {
        if (!take_group_name(parser)) {
            return NULL;
        }
        group = ++parser->groups;
    } else if (take(parser, "?")) {
        if (!take_flags(parser)) {
            return NULL;
        }
        if (take(parser, ")")) {
            return new_node(parser, (struct regex_node){.kind = REGEX_EMPTY}); /* Flags stay. */
        }
        parser->at++;
    } else {
        group = ++parser->groups;
    }
    if (parser->groups >= CEL_REGEX_GROUPS_MAX) {
        return fail(parser, "too many groups");
    }
    const struct regex_node *inner = parse_alternation(parser);
    if (inner == NULL || !take(parser, ")")) {
        return fail(parser, "a '(' without ')'");
    }
    parser->flags = flags;
    return group == 0
               ? inner
               : new_node(parser,
                          (struct regex_node){.kind = REGEX_GROUP, .a = inner, .group = group});
}

/* --- atoms and repetition ------------------------------------------------------------------ */

static const struct regex_node *assert_node(struct parser *parser, unsigned asserts)
{
    return new_node(parser, (struct regex_node){.kind = REGEX_ASSERT, .asserts = (uint8_t)asserts});
}

static __attribute__((noinline)) const struct regex_node *named_node(struct parser *parser)
{
    struct regex_ranges ranges;
    ranges.count = 0;
    ranges.full = false;
    return take_named(parser, &ranges, false) ? new_class(parser, &ranges) : NULL;
}

static const struct regex_node *parse_quoted(struct parser *parser)
{
    const struct regex_node *all = new_node(parser, (struct regex_node){.kind = REGEX_EMPTY});
    while (all != NULL && more(parser) && !take(parser, "\\E")) {
        const struct regex_node *next = char_node(parser, take_code_point(parser));
        all = new_node(parser, (struct regex_node){.kind = REGEX_CONCAT, .a = all, .b = next});
    }
    return parser->problem == NULL ? all : NULL;
}

static const struct regex_node *parse_atom(struct parser *parser)
{
    bool lines = (parser->flags & FLAG_LINES) != 0;
    const struct regex_node *named = named_node(parser);
    if (named != NULL || parser->problem != NULL) {
        return named;
    }
    if (take(parser, "(")) {
        return parse_group(parser);
    }
    if (take(parser, "[")) {
        return parse_class(parser);
    }
    if (take(parser, ".")) {
        return dot_node(parser);
    }
    if (take(parser, "^")) {
        return assert_node(parser, lines ? ASSERT_BEGIN_LINE : ASSERT_BEGIN_TEXT);
    }
    if (take(parser, "$")) {
        return assert_node(parser, lines ? ASSERT_END_LINE : ASSERT_END_TEXT);
    }
    if (take(parser, "\\A") || take(parser, "\\z")) {
        bool begin = parser->pattern.at[parser->at - 1] == 'A';
        return assert_node(parser, begin ? ASSERT_BEGIN_TEXT : ASSERT_END_TEXT);
    }
    if (take(parser, "\\b") || take(parser, "\\B")) {
        bool word = parser->pattern.at[parser->at - 1] == 'b';
        return assert_node(parser, word ? ASSERT_WORD : ASSERT_NOT_WORD);
    }
    if (take(parser, "\\Q")) {
        return parse_quoted(parser);
    }
    if (peek(parser) != '\0' && strchr("*+?", peek(parser)) != NULL) {
        return fail(parser, "nothing to repeat before '*', '+' or '?'");
    }
    uint32_t c = take(parser, "\\") ? take_escape(parser) : take_code_point(parser);
    return parser->problem == NULL ? char_node(parser, c) : NULL;
}

static bool take_number(struct parser *parser, uint32_t *ret_number)
{
    uint32_t all = 0, digits = 0;
    while (more(parser) && peek(parser) >= '0' && peek(parser) <= '9' && digits < 6) {
        all = all * 10 + (uint32_t)(peek(parser) - '0');
        parser->at++;
        digits++;
    }
    *ret_number = all;
    return digits > 0;
}

/* {2}, {2,}, {2,5}; anything else is no repetition. */
static bool take_braces(struct parser *parser, uint32_t *ret_min, uint32_t *ret_max)
{
    uint32_t start = parser->at;
    if (take(parser, "{") && take_number(parser, ret_min)) {
        *ret_max = *ret_min;
        if (take(parser, ",") && !take_number(parser, ret_max)) {
            *ret_max = UINT32_MAX;
        }
        if (take(parser, "}")) {
            bool sane = *ret_min <= REGEX_REPEAT_MAX && *ret_max >= *ret_min &&
                        (*ret_max == UINT32_MAX || *ret_max <= REGEX_REPEAT_MAX);
            if (!sane) {
                fail(parser, "a bad repetition count (at most 1000)");
            }
            return sane;
        }
    }
    parser->at = start;
    return false;
}

static bool take_repeat(struct parser *parser, uint32_t *ret_min, uint32_t *ret_max)
{
    *ret_min = 0;
    *ret_max = UINT32_MAX;
    if (take(parser, "*")) {
        return true;
    }
    if (take(parser, "+")) {
        *ret_min = 1;
        return true;
    }
    if (take(parser, "?")) {
        *ret_max = 1;
        return true;
    }
    return take_braces(parser, ret_min, ret_max);
}

static const struct regex_node *parse_repeat(struct parser *parser)
{
    const struct regex_node *node = parse_atom(parser);
    uint32_t min = 0, max = 0;
    bool repeated = false;
    while (node != NULL && parser->problem == NULL && take_repeat(parser, &min, &max)) {
        if (repeated) {
            return fail(parser, "two repetitions in a row");
        }
        bool lazy = take(parser, "?") != ((parser->flags & FLAG_UNGREEDY) != 0);
        node = new_node(parser,
                        (struct regex_node){
                            .kind = REGEX_REPEAT, .a = node, .min = min, .max = max, .lazy = lazy});
        repeated = true;
    }
    return parser->problem == NULL ? node : NULL;
}

static const struct regex_node *parse_concat(struct parser *parser)
{
    const struct regex_node *all = NULL;
    while (more(parser) && peek(parser) != '|' && peek(parser) != ')') {
        const struct regex_node *next = parse_repeat(parser);
        if (next == NULL) {
            return NULL;
        }
        all =
            all == NULL
                ? next
                : new_node(parser, (struct regex_node){.kind = REGEX_CONCAT, .a = all, .b = next});
    }
    return all != NULL ? all : new_node(parser, (struct regex_node){.kind = REGEX_EMPTY});
}

static const struct regex_node *parse_alternation(struct parser *parser)
{
    if (parser->depth == REGEX_DEPTH_MAX) {
        return fail(parser, "groups are nested too deep");
    }
    parser->depth++;
    const struct regex_node *all = parse_concat(parser);
    while (all != NULL && take(parser, "|")) {
        const struct regex_node *next = parse_concat(parser);
        all = next == NULL
                  ? NULL
                  : new_node(parser,
                             (struct regex_node){.kind = REGEX_ALTERNATE, .a = all, .b = next});
    }
    parser->depth--;
    return all;
}

const struct regex_node *regex_parse(struct arena *arena, struct text pattern, uint32_t *ret_groups,
                                     const char **ret_problem)
{
    struct parser parser = {.arena = arena, .pattern = pattern};
    const struct regex_node *node = parse_alternation(&parser);
    if (node != NULL && more(&parser)) {
        node = fail(&parser, "a ')' without '('");
    }
    *ret_problem = parser.problem == NULL ? "it cannot be read" : parser.problem;
    *ret_groups = parser.groups;
    return parser.problem == NULL ? node : NULL;
}
