/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIB_MIB_RULES_H
#define MIB_MIB_RULES_H

/* Between the rules and the writer of tables. */

#define GRADE_NONE (-2) /* The word says nothing. */
#define GRADE_CLEAR (-1)

/* What the label of a status means: enum severity, GRADE_CLEAR or GRADE_NONE. */
int mib_label_grade(const char *label);

#endif
