# SPDX-License-Identifier: Apache-2.0
set(BUS_LIBRARIES rdkafka)
