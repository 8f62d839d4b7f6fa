/* SPDX-License-Identifier: Apache-2.0 */
/* The table of functions. */

#include "cel/cel_private.h"

const struct cel_function_row cel_function_rows[] = {
#define CEL_FUNCTION(name, type, impl) {name, type, impl},
#include "cel/cel_functions.def"
#undef CEL_FUNCTION
};

const size_t cel_function_rows_count = sizeof cel_function_rows / sizeof *cel_function_rows;

/* Operators that are nodes of their own never come here. */
CEL_IMPL(cel_node_only)
{
    cel_error(run, code, out, "no such function");
}
