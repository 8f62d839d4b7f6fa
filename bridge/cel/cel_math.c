/* SPDX-License-Identifier: Apache-2.0 */
/* math.*: rounding, signs, bits, the least and the greatest. */

#include "cel/cel_private.h"

#include <math.h>

/* Of two arguments, or of one list; sign 1: the greatest, -1: the least. */
static void extreme(struct cel_run *run, const struct cel_code *code, const struct cel_value *args,
                    int sign, struct cel_value *out)
{
    bool list = code->count == 1 && args[0].kind == CEL_LIST;
    uint32_t count = list ? args[0].count : code->count;
    struct cel_value best = {.kind = CEL_NULL};
    for (uint32_t i = 0; i < count; i++) {
        struct cel_value item;
        if (list) {
            cel_list_at(run, &args[0], i, &item);
        } else {
            item = args[i];
        }
        if (item.kind != CEL_INT && item.kind != CEL_UINT && item.kind != CEL_DOUBLE) {
            cel_error(run, code, out, "%s() takes numbers, and this is a %s", code->ast->name.at,
                      cel_type_name(&item));
            return;
        }
        if (i == 0 || cel_compare(&item, &best) == sign) {
            best = item;
        }
    }
    if (count == 0) {
        cel_error(run, code, out, "%s() of an empty list", code->ast->name.at);
    } else if (cel_spend(run, count / 8, out)) {
        *out = best;
    }
}

CEL_IMPL(cel_math_greatest)
{
    extreme(run, code, args, 1, out);
}

CEL_IMPL(cel_math_least)
{
    extreme(run, code, args, -1, out);
}

#define OF_DOUBLE(NAME, MAKE, expression)                                                          \
    CEL_IMPL(NAME)                                                                                 \
    {                                                                                              \
        double x = args[0].real;                                                                   \
        *out = MAKE(expression);                                                                   \
    }

OF_DOUBLE(cel_math_ceil, cel_of_double, ceil(x))
OF_DOUBLE(cel_math_floor, cel_of_double, floor(x))
OF_DOUBLE(cel_math_round, cel_of_double, round(x))
OF_DOUBLE(cel_math_trunc, cel_of_double, trunc(x))
OF_DOUBLE(cel_math_is_nan, cel_of_bool, isnan(x))
OF_DOUBLE(cel_math_is_inf, cel_of_bool, isinf(x) != 0)
OF_DOUBLE(cel_math_is_finite, cel_of_bool, isfinite(x) != 0)

CEL_IMPL(cel_math_sqrt)
{
    double x = args[0].kind == CEL_INT    ? (double)args[0].integer
               : args[0].kind == CEL_UINT ? (double)args[0].unsigned_integer
                                          : args[0].real;
    *out = cel_of_double(sqrt(x));
}

CEL_IMPL(cel_math_abs)
{
    if (args[0].kind == CEL_INT && args[0].integer == INT64_MIN) {
        cel_error(run, code, out, "the result does not fit in 64 bits (overflow)");
        return;
    }
    *out = args[0];
    if (args[0].kind == CEL_DOUBLE) {
        out->real = fabs(args[0].real);
    } else if (args[0].kind == CEL_INT && args[0].integer < 0) {
        out->integer = -args[0].integer;
    }
}

CEL_IMPL(cel_math_sign)
{
    *out = args[0];
    if (args[0].kind == CEL_DOUBLE) {
        out->real =
            isnan(args[0].real) ? args[0].real : (double)((args[0].real > 0) - (args[0].real < 0));
    } else if (args[0].kind == CEL_INT) {
        out->integer = (args[0].integer > 0) - (args[0].integer < 0);
    } else {
        out->unsigned_integer = args[0].unsigned_integer > 0;
    }
}

#define OF_BITS(NAME, expression)                                                                  \
    CEL_IMPL(NAME)                                                                                 \
    {                                                                                              \
        uint64_t a = args[0].unsigned_integer, b = code->count > 1 ? args[1].unsigned_integer : 0; \
        (void)b;                                                                                   \
        *out = args[0];                                                                            \
        out->unsigned_integer = (expression);                                                      \
    }

OF_BITS(cel_math_bit_and, a &b)
OF_BITS(cel_math_bit_or, a | b)
OF_BITS(cel_math_bit_xor, a ^ b)
OF_BITS(cel_math_bit_not, ~a)

static void shift(struct cel_run *run, const struct cel_code *code, const struct cel_value *args,
                  bool left, struct cel_value *out)
{
    int64_t by = args[1].integer;
    uint64_t bits = args[0].unsigned_integer;
    if (by < 0) {
        cel_error(run, code, out, "a shift by a negative number of bits");
        return;
    }
    *out = args[0];
    out->unsigned_integer = by > 63 ? 0 : left ? bits << by : bits >> by;
}

CEL_IMPL(cel_math_shift_left)
{
    shift(run, code, args, true, out);
}

CEL_IMPL(cel_math_shift_right)
{
    shift(run, code, args, false, out);
}
