# SPDX-License-Identifier: Apache-2.0
set(UNIT_LIBRARIES codec_netbox)
