# SPDX-License-Identifier: Apache-2.0
set(ROOM_LIBRARIES libuv)
set(ROOM_ROOMS source_map source_sse)
set(ROOM_TYPES contrail)
