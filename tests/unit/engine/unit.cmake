# SPDX-License-Identifier: Apache-2.0
# The engine's allocations go through the rig, so that each can fail in turn.
set(UNIT_LIBRARIES ns_engine ns_fleet -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc)
