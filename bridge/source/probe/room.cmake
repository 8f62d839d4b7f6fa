# SPDX-License-Identifier: Apache-2.0
set(ROOM_ROOMS source_map source_snmp)
set(ROOM_TYPES probe)
