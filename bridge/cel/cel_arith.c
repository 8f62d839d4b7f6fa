/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic: integers fail when they overflow, doubles follow IEEE 754. */

#include "cel/cel_private.h"

#define INTEGER(NAME, KIND, MEMBER, BUILTIN)                                                       \
    CEL_IMPL(NAME)                                                                                 \
    {                                                                                              \
        struct cel_value result = {.kind = (KIND)};                                                \
        if (BUILTIN(args[0].MEMBER, args[1].MEMBER, &result.MEMBER)) {                             \
            cel_error(run, code, out, "the result does not fit in 64 bits (overflow)");            \
        } else {                                                                                   \
            *out = result;                                                                         \
        }                                                                                          \
    }

INTEGER(cel_add_int, CEL_INT, integer, __builtin_add_overflow)
INTEGER(cel_subtract_int, CEL_INT, integer, __builtin_sub_overflow)
INTEGER(cel_multiply_int, CEL_INT, integer, __builtin_mul_overflow)
INTEGER(cel_add_uint, CEL_UINT, unsigned_integer, __builtin_add_overflow)
INTEGER(cel_subtract_uint, CEL_UINT, unsigned_integer, __builtin_sub_overflow)
INTEGER(cel_multiply_uint, CEL_UINT, unsigned_integer, __builtin_mul_overflow)

CEL_IMPL(cel_add_double)
{
    *out = cel_of_double(args[0].real + args[1].real);
}

CEL_IMPL(cel_subtract_double)
{
    *out = cel_of_double(args[0].real - args[1].real);
}

CEL_IMPL(cel_multiply_double)
{
    *out = cel_of_double(args[0].real * args[1].real);
}

/* Division by zero gives an infinity or NaN: that is the language. */
__attribute__((no_sanitize("float-divide-by-zero"))) CEL_IMPL(cel_divide_double)
{
    *out = cel_of_double(args[0].real / args[1].real);
}

/* NULL, or why a / b has no integer result. */
static const char *no_quotient(int64_t a, int64_t b, bool modulo)
{
    if (b == 0) {
        return modulo ? "modulus by zero" : "division by zero";
    }
    return a == INT64_MIN && b == -1 ? "the result does not fit in 64 bits (overflow)" : NULL;
}

CEL_IMPL(cel_divide_int)
{
    const char *problem = no_quotient(args[0].integer, args[1].integer, false);
    if (problem != NULL) {
        cel_error(run, code, out, "%s", problem);
    } else {
        *out = cel_of_int(args[0].integer / args[1].integer);
    }
}

CEL_IMPL(cel_modulo_int)
{
    const char *problem = no_quotient(args[0].integer, args[1].integer, true);
    if (problem != NULL) {
        cel_error(run, code, out, "%s", problem);
    } else {
        *out = cel_of_int(args[0].integer % args[1].integer);
    }
}

CEL_IMPL(cel_divide_uint)
{
    if (args[1].unsigned_integer == 0) {
        cel_error(run, code, out, "division by zero");
    } else {
        *out = cel_of_uint(args[0].unsigned_integer / args[1].unsigned_integer);
    }
}

CEL_IMPL(cel_modulo_uint)
{
    if (args[1].unsigned_integer == 0) {
        cel_error(run, code, out, "modulus by zero");
    } else {
        *out = cel_of_uint(args[0].unsigned_integer % args[1].unsigned_integer);
    }
}

CEL_IMPL(cel_negate_int)
{
    int64_t result = 0;
    if (__builtin_sub_overflow(0, args[0].integer, &result)) {
        cel_error(run, code, out, "the result does not fit in 64 bits (overflow)");
    } else {
        *out = cel_of_int(result);
    }
}

CEL_IMPL(cel_negate_double)
{
    *out = cel_of_double(-args[0].real);
}

/* --- joining ------------------------------------------------------------------------------- */

CEL_IMPL(cel_add_text)
{
    uint64_t count = (uint64_t)args[0].count + args[1].count;
    if (count > UINT32_MAX) {
        cel_error(run, code, out, "the text is too long");
        return;
    }
    char *both = cel_room(run, count + 1, out);
    if (both == NULL) {
        return;
    }
    memcpy(both, args[0].text, args[0].count);
    memcpy(both + args[0].count, args[1].text, args[1].count);
    *out = (struct cel_value){.kind = args[0].kind, .count = (uint32_t)count, .text = both};
}

CEL_IMPL(cel_add_list)
{
    uint64_t count = (uint64_t)args[0].count + args[1].count;
    if (!cel_spend(run, count, out)) {
        return;
    }
    struct cel_value *items = cel_make_list(run, (uint32_t)count, out);
    for (uint32_t i = 0; items != NULL && i < args[0].count; i++) {
        cel_list_at(run, &args[0], i, &items[i]);
    }
    for (uint32_t i = 0; items != NULL && i < args[1].count; i++) {
        cel_list_at(run, &args[1], i, &items[args[0].count + i]);
    }
}

/* --- collections --------------------------------------------------------------------------- */

CEL_IMPL(cel_in)
{
    if (args[1].kind == CEL_MAP) {
        *out = cel_of_bool(cel_map_find(run, &args[1], &args[0], NULL));
        return;
    }
    for (uint32_t i = 0; i < args[1].count; i++) {
        struct cel_value item;
        cel_list_at(run, &args[1], i, &item);
        if (cel_equal(run, &item, &args[0])) {
            *out = cel_of_bool(true);
            return;
        }
        if (run->stop != 0 || (i % 8 == 7 && !cel_spend(run, 1, out))) {
            break;
        }
    }
    *out = cel_of_bool(false);
}

CEL_IMPL(cel_size)
{
    *out = cel_of_int(args[0].kind == CEL_STRING ? cel_code_points(cel_text(&args[0]))
                                                 : args[0].count);
}

CEL_IMPL(cel_same)
{
    *out = args[0];
}

CEL_IMPL(cel_to_type)
{
    *out = cel_of_type(cel_type_name(&args[0]));
}
