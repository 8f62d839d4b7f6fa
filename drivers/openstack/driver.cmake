# SPDX-License-Identifier: Apache-2.0
set(DRIVER_LIBRARIES yaml-0.1)
