/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CEL_EVAL_H
#define CEL_EVAL_H

/* The node functions of programs: what cel_build.c chooses from. */

#include "cel/cel_private.h"

cel_run_fn cel_run_constant, cel_run_variable, cel_run_local, cel_run_unknown, cel_run_select,
    cel_run_optional_select, cel_run_test, cel_run_call, cel_run_and, cel_run_and_rest, cel_run_or,
    cel_run_not, cel_run_ternary, cel_run_equal, cel_run_not_equal, cel_run_less,
    cel_run_less_equal, cel_run_more, cel_run_more_equal, cel_run_list, cel_run_map, cel_run_index,
    cel_run_optional_index, cel_run_quantifier, cel_run_gather, cel_run_gather_map, cel_run_sort_by,
    cel_run_bind, cel_run_optional_map, cel_run_or_else, cel_run_record_field;

#endif
