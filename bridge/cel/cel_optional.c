/* SPDX-License-Identifier: Apache-2.0 */
/* Optionals: the right answer to fields that may be missing. */

#include "cel/cel_eval.h"

CEL_IMPL(cel_optional_of)
{
    cel_make_optional(run, &args[0], out);
}

CEL_IMPL(cel_optional_of_non_zero)
{
    cel_make_optional(run, cel_is_zero(&args[0]) ? NULL : &args[0], out);
}

CEL_IMPL(cel_optional_none)
{
    *out = (struct cel_value){.kind = CEL_OPTIONAL};
}

CEL_IMPL(cel_optional_has_value)
{
    *out = cel_of_bool(!cel_optional_empty(&args[0]));
}

CEL_IMPL(cel_optional_value)
{
    if (cel_optional_empty(&args[0])) {
        cel_error(run, code, out, "the optional has no value");
    } else {
        *out = *(const struct cel_value *)args[0].pointer;
    }
}

/* or(), orValue(): what stands in for an empty optional is evaluated only then. */
CEL_NODE(cel_run_or_else)
{
    struct cel_value value;
    bool whole = text_is(code->ast->name, "or");
    cel_eval_code(run, code->args[0], &value);
    if (value.kind == CEL_ERROR) {
        *out = value;
    } else if (value.kind != CEL_OPTIONAL) {
        cel_error(run, code, out, "%s() belongs to optionals, and this is a %s", code->ast->name.at,
                  cel_type_name(&value));
    } else if (!cel_optional_empty(&value)) {
        *out = whole ? value : *(const struct cel_value *)value.pointer;
    } else {
        cel_eval_code(run, code->args[1], out);
        if (whole && out->kind != CEL_OPTIONAL && out->kind != CEL_ERROR) {
            cel_error(run, code, out, "or() takes an optional, and this is a %s",
                      cel_type_name(out));
        }
    }
}

CEL_IMPL(cel_optional_unwrap)
{
    struct cel_value list;
    struct cel_value *items = cel_make_list(run, args[0].count, &list);
    if (items == NULL) {
        *out = list;
        return;
    }
    list.count = 0;
    for (uint32_t i = 0; i < args[0].count; i++) {
        struct cel_value item;
        cel_list_at(run, &args[0], i, &item);
        if (item.kind != CEL_OPTIONAL) {
            cel_error(run, code, out, "the list must hold optionals only");
            return;
        }
        if (!cel_optional_empty(&item)) {
            items[list.count++] = *(const struct cel_value *)item.pointer;
        }
    }
    *out = list;
}
