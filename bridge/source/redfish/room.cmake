# SPDX-License-Identifier: Apache-2.0
set(ROOM_LIBRARIES openssl)
set(ROOM_ROOMS source_map)
set(ROOM_TYPES redfish)
