# SPDX-License-Identifier: Apache-2.0
set(DRIVER_LIBRARIES ns_abi_snmp)
