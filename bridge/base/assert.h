/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

/* Assertions: on in every build. For our own mistakes only; what others send is answered with
 * errors. */

_Noreturn void nsh_assert_failed(const char *condition, const char *file, int line);

#define NSH_ASSERT(condition)                                                                      \
    ((condition) ? (void)0 : nsh_assert_failed(#condition, __FILE__, __LINE__))

#endif
