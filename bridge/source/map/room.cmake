# SPDX-License-Identifier: Apache-2.0
embed_texts(source_formats source/map/formats/*.map formats)
set(ROOM_INCLUDES ${CMAKE_BINARY_DIR}/generated)
