# SPDX-License-Identifier: Apache-2.0
set(DRIVER_LIBRARIES ns_abi_snmp openssl)
install(FILES ${CMAKE_SOURCE_DIR}/drivers/notify/NIGHTSHIFT-MIB.txt
    DESTINATION ${CMAKE_INSTALL_FULL_DATADIR}/nightshift/mibs)
