#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-format leaves every source as it is.
set -u
cd "${NS_SOURCE:?}" || exit 1
git ls-files -co --exclude-standard 'bridge/*.c' 'bridge/*.h' 'drivers/*.c' 'drivers/*.h' 'tests/*.c' 'tests/*.h' |
    xargs clang-format --dry-run --Werror
