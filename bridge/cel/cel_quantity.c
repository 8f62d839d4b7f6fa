/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantities as Kubernetes writes them: quantity("50Gi"), "1.5k", "200m", "1e3". Kept exactly as a
 * whole number of billionths of at most QUANTITY_WORDS words; what is finer is rounded up, away
 * from zero.
 */

#include "cel/cel_private.h"

#include <stdlib.h>

#define QUANTITY_WORDS 16 /* 32 bits each: about 10^145 with the billionths. */
#define QUANTITY_TEXT_MAX 160
#define QUANTITY_FRACTION 9
#define QUANTITY_PRINT_MAX 180
#define QUANTITY_EXPONENT_MAX 1000

struct quantity {
    struct cel_opaque head;
    bool negative;                  /* Never with 0. */
    uint32_t words[QUANTITY_WORDS]; /* The least first. */
};

/* --- numbers ------------------------------------------------------------------------------- */

static bool is_zero(const struct quantity *a)
{
    for (int i = 0; i < QUANTITY_WORDS; i++) {
        if (a->words[i] != 0) {
            return false;
        }
    }
    return true;
}

/* a = a * by + add; false: it does not fit. */
static bool multiply(struct quantity *a, uint32_t by, uint32_t add)
{
    uint64_t carry = add;
    for (int i = 0; i < QUANTITY_WORDS; i++) {
        carry += (uint64_t)a->words[i] * by;
        a->words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return carry == 0;
}

/* a = a / by; the remainder is returned. */
static uint32_t divide(struct quantity *a, uint32_t by)
{
    uint64_t rest = 0;
    for (int i = QUANTITY_WORDS - 1; i >= 0; i--) {
        rest = rest << 32 | a->words[i];
        a->words[i] = (uint32_t)(rest / by);
        rest %= by;
    }
    return (uint32_t)rest;
}

static int compare_size(const struct quantity *a, const struct quantity *b)
{
    for (int i = QUANTITY_WORDS - 1; i >= 0; i--) {
        if (a->words[i] != b->words[i]) {
            return a->words[i] < b->words[i] ? -1 : 1;
        }
    }
    return 0;
}

static int compare(const struct quantity *a, const struct quantity *b)
{
    if (a->negative != b->negative) {
        return a->negative ? -1 : 1;
    }
    return a->negative ? compare_size(b, a) : compare_size(a, b);
}

static bool add(const struct quantity *a, const struct quantity *b, struct quantity *ret_sum)
{
    struct quantity sum = *a;
    bool same = a->negative == b->negative;
    if (!same && compare_size(a, b) < 0) {
        const struct quantity *swap = a;
        a = b;
        b = swap;
        sum.negative = a->negative;
    }
    int64_t carry = 0;
    for (int i = 0; i < QUANTITY_WORDS; i++) {
        carry += (int64_t)a->words[i] + (same ? (int64_t)b->words[i] : -(int64_t)b->words[i]);
        sum.words[i] = (uint32_t)carry;
        carry = carry < 0 ? -1 : carry >> 32;
    }
    sum.negative = sum.negative && !is_zero(&sum);
    *ret_sum = sum;
    return carry == 0;
}

/* --- class --------------------------------------------------------------------------------- */

static bool equal(const struct cel_opaque *a, const struct cel_opaque *b)
{
    return compare((const struct quantity *)a, (const struct quantity *)b) == 0;
}

/* Plain decimal. */
static void print(const struct cel_opaque *value, struct textbuf *out)
{
    struct quantity rest = *(const struct quantity *)value;
    char chars[QUANTITY_PRINT_MAX];
    size_t at = sizeof chars;
    bool shown = false; /* Zeros at the end of a fraction are not. */
    for (int i = 0; at > 1 && (i <= QUANTITY_FRACTION || !is_zero(&rest)); i++) {
        if (i == QUANTITY_FRACTION && shown) {
            chars[--at] = '.';
        }
        uint32_t digit = divide(&rest, 10);
        shown = shown || digit != 0 || i >= QUANTITY_FRACTION;
        if (shown) {
            chars[--at] = (char)('0' + digit);
        }
    }
    textbuf_add_chars(out, rest.negative ? "-" : "");
    textbuf_add(out, (struct text){chars + at, (uint32_t)(sizeof chars - at)});
}

static const struct cel_opaque_class quantity_class = {"kubernetes.Quantity", equal, print};

/* --- parsing ------------------------------------------------------------------------------- */

struct suffix {
    const char *name;
    int tens, twos; /* Powers. */
};

static const struct suffix suffixes[] = {
    {"", 0, 0},    {"n", -9, 0},  {"u", -6, 0},  {"m", -3, 0},  {"k", 3, 0},   {"M", 6, 0},
    {"G", 9, 0},   {"T", 12, 0},  {"P", 15, 0},  {"E", 18, 0},  {"Ki", 0, 10}, {"Mi", 0, 20},
    {"Gi", 0, 30}, {"Ti", 0, 40}, {"Pi", 0, 50}, {"Ei", 0, 60},
};

static bool parse_suffix(struct text text, int *ret_tens, int *ret_twos)
{
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        if (text_is(text, suffixes[i].name)) {
            *ret_tens = suffixes[i].tens;
            *ret_twos = suffixes[i].twos;
            return true;
        }
    }
    int64_t exponent = 0;
    struct text digits = {text.at + 1, text.count - 1};
    if (text.at[0] != 'e' && text.at[0] != 'E') {
        return false;
    }
    if (text_starts(digits, "+")) {
        digits = (struct text){digits.at + 1, digits.count - 1};
        if (digits.count > 0 && digits.at[0] == '-') {
            return false;
        }
    }
    if (!text_to_int(digits, &exponent) || exponent > QUANTITY_EXPONENT_MAX ||
        exponent < -QUANTITY_EXPONENT_MAX) {
        return false;
    }
    *ret_tens = (int)exponent;
    *ret_twos = 0;
    return true;
}

/* Digits with at most one point; how many chars they are, 0: none. */
static uint32_t parse_digits(struct text text, struct quantity *out, int *ret_fraction)
{
    uint32_t at = 0, digits = 0;
    bool point = false;
    for (; at < text.count; at++) {
        char c = text.at[at];
        if (c == '.' && !point) {
            point = true;
        } else if (c >= '0' && c <= '9') {
            if (!multiply(out, 10, (uint32_t)(c - '0'))) {
                return 0;
            }
            digits++;
            *ret_fraction += point;
        } else {
            break;
        }
    }
    return digits > 0 ? at : 0;
}

/* times 10^tens * 2^twos. */
static bool scale(struct quantity *number, int tens, int twos)
{
    bool fits = true, inexact = false;
    for (; twos > 0 && fits; twos -= 10) {
        fits = multiply(number, 1024, 0);
    }
    for (; tens > 0 && fits && !is_zero(number); tens--) {
        fits = multiply(number, 10, 0);
    }
    for (; tens < 0 && !is_zero(number); tens++) {
        inexact = divide(number, 10) != 0 || inexact;
    }
    return fits && (!inexact || multiply(number, 1, 1));
}

static void of_int(int64_t value, struct quantity *ret_number)
{
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    *ret_number = (struct quantity){.head = {&quantity_class}, .negative = value < 0};
    ret_number->words[0] = (uint32_t)size;
    ret_number->words[1] = (uint32_t)(size >> 32);
    scale(ret_number, QUANTITY_FRACTION, 0); /* It fits. */
}

/* NULL, or what is wrong. */
static const char *parse(struct text text, struct quantity *ret_number)
{
    struct quantity number = {.head = {&quantity_class}}, most;
    int fraction = 0, tens = 0, twos = 0;
    bool sign = text_starts(text, "-") || text_starts(text, "+");
    if (text.count == 0 || text.count > QUANTITY_TEXT_MAX) {
        return "quantities must match the regular expression "
               "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    }
    struct text digits = {text.at + sign, text.count - sign};
    uint32_t used = parse_digits(digits, &number, &fraction);
    if (used == 0) {
        return "a quantity begins with a number (50Gi)";
    }
    struct text suffix = {digits.at + used, digits.count - used};
    if (!parse_suffix(suffix, &tens, &twos)) {
        return "unable to parse quantity's suffix";
    }
    if (!scale(&number, tens - fraction + QUANTITY_FRACTION, twos)) {
        return "the quantity is too large";
    }
    number.negative = text.at[0] == '-' && !is_zero(&number);
    of_int(INT64_MAX, &most);
    if (twos > 0 && compare(&number, &most) > 0) {
        number = most; /* As Kubernetes does for the binary suffixes. */
    }
    *ret_number = number;
    return NULL;
}

static void make(struct cel_run *run, const struct quantity *from, struct cel_value *out)
{
    struct quantity *copy = cel_room(run, sizeof *copy, out);
    if (copy != NULL) {
        *copy = *from;
        *out = (struct cel_value){.kind = CEL_OPAQUE, .pointer = copy};
    }
}

CEL_IMPL(cel_quantity_parse)
{
    struct quantity number;
    const char *problem = parse(cel_text(&args[0]), &number);
    if (problem != NULL) {
        cel_error(run, code, out, "%s", problem);
    } else {
        make(run, &number, out);
    }
}

CEL_IMPL(cel_quantity_is)
{
    (void)run, (void)code;
    struct quantity number;
    *out = cel_of_bool(parse(cel_text(&args[0]), &number) == NULL);
}

/* --- members ------------------------------------------------------------------------------- */

static void run_add(struct cel_run *run, const struct cel_code *code, const struct cel_value *args,
                    bool subtract, struct cel_value *out)
{
    struct quantity other, sum;
    if (args[1].kind == CEL_INT) {
        of_int(args[1].integer, &other);
    } else {
        other = *(const struct quantity *)args[1].pointer;
    }
    if (subtract && !is_zero(&other)) {
        other.negative = !other.negative;
    }
    if (add(args[0].pointer, &other, &sum)) {
        make(run, &sum, out);
    } else {
        cel_error(run, code, out, "the quantity is too large");
    }
}

CEL_IMPL(cel_quantity_add)
{
    run_add(run, code, args, false, out);
}

CEL_IMPL(cel_quantity_sub)
{
    run_add(run, code, args, true, out);
}

CEL_IMPL(cel_quantity_compare)
{
    (void)run, (void)code;
    *out = cel_of_int(compare(args[0].pointer, args[1].pointer));
}

CEL_IMPL(cel_quantity_less)
{
    (void)run, (void)code;
    *out = cel_of_bool(compare(args[0].pointer, args[1].pointer) < 0);
}

CEL_IMPL(cel_quantity_greater)
{
    (void)run, (void)code;
    *out = cel_of_bool(compare(args[0].pointer, args[1].pointer) > 0);
}

CEL_IMPL(cel_quantity_sign)
{
    (void)run, (void)code;
    const struct quantity *number = args[0].pointer;
    *out = cel_of_int(number->negative ? -1 : !is_zero(number));
}

static bool to_int(const struct quantity *number, int64_t *ret_value)
{
    struct quantity rest = *number;
    uint64_t limit = (uint64_t)INT64_MAX + number->negative;
    for (int i = 0; i < QUANTITY_FRACTION; i++) {
        if (divide(&rest, 10) != 0) {
            return false;
        }
    }
    uint64_t size = (uint64_t)rest.words[1] << 32 | rest.words[0];
    rest.words[0] = rest.words[1] = 0;
    if (!is_zero(&rest) || size > limit) {
        return false;
    }
    *ret_value = (int64_t)(number->negative ? 0 - size : size);
    return true;
}

CEL_IMPL(cel_quantity_is_integer)
{
    (void)run, (void)code;
    int64_t value;
    *out = cel_of_bool(to_int(args[0].pointer, &value));
}

CEL_IMPL(cel_quantity_as_integer)
{
    int64_t value;
    if (to_int(args[0].pointer, &value)) {
        *out = cel_of_int(value);
    } else {
        cel_error(run, code, out, "cannot convert value to integer");
    }
}

/* Through its text: the nearest double. */
CEL_IMPL(cel_quantity_as_float)
{
    (void)run, (void)code;
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    print(args[0].pointer, &text);
    *out = cel_of_double(text.at == NULL ? 0 : strtod(text.at, NULL));
}
