# SPDX-License-Identifier: Apache-2.0
embed_texts(poll_tables source/snmp/tables/*.poll tables)
set(ROOM_INCLUDES ${CMAKE_BINARY_DIR}/generated)
set(ROOM_LIBRARIES netsnmp)
set(ROOM_ROOMS abi_snmp)
