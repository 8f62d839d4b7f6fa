# SPDX-License-Identifier: Apache-2.0
if(NOT TARGET ssh_memory)
    add_library(ssh_memory STATIC ${CMAKE_SOURCE_DIR}/drivers/ssh/ssh_memory.c)
endif()
set(UNIT_LIBRARIES codec_ssh ssh_memory)
