# SPDX-License-Identifier: Apache-2.0
# The pure halves of drivers.
set(UNIT_LIBRARIES codec_ipmi codec_kubernetes codec_page codec_snmp)
