# SPDX-License-Identifier: Apache-2.0
set(UNIT_LIBRARIES ns_engine ns_fleet)
