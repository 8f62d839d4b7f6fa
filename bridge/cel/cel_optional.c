/* SPDX-License-Identifier: Apache-2.0 */
/* Optionals: the right answer to fields that may be missing. */

#include "cel/cel_private.h"

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

CEL_IMPL(cel_optional_or)
{
    *out = args[cel_optional_empty(&args[0]) ? 1 : 0];
}

CEL_IMPL(cel_optional_or_value)
{
    *out = cel_optional_empty(&args[0]) ? args[1] : *(const struct cel_value *)args[0].pointer;
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
