# SPDX-License-Identifier: Apache-2.0
# In test_trap_listen the daemon's end can be without memory.
set(UNIT_LIBRARIES "$<$<STREQUAL:$<TARGET_PROPERTY:NAME>,test_trap_listen>:-Wl,--wrap=malloc>")
