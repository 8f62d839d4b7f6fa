#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# cppcheck finds nothing. It does not know the cleanup attribute: leaks of what CLEANUP holds are the sanitizers' to find.
# readdir() is safe on streams of one's own (readdir_r is the deprecated one).
# A place that must stay carries `cppcheck-suppress NAME` and its reason.
set -u
cd "${NS_SOURCE:?}" || exit 1
cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr -j "$(nproc)" \
    --suppress=resourceLeak --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=normalCheckLevelMaxBranches --suppress=readdirCalled \
    -D_GNU_SOURCE -D__linux__ --library=posix -Ibridge $(git ls-files -co --exclude-standard 'bridge/*.c' 'drivers/*.c')
