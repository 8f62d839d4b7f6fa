# SPDX-License-Identifier: Apache-2.0
set(ROOM_LIBRARIES openssl)
set(ROOM_ROOMS source_map source_sse)
set(ROOM_TYPES redfish)
