# SPDX-License-Identifier: Apache-2.0
set(ROOM_ROOMS source_map source_snmp source_probe)
set(ROOM_TYPES snmp_poll)
