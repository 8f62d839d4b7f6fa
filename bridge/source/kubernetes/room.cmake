# SPDX-License-Identifier: Apache-2.0
set(ROOM_LIBRARIES libcurl libuv)
set(ROOM_ROOMS source_map)
set(ROOM_TYPES kubernetes)
