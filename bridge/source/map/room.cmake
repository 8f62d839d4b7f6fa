# SPDX-License-Identifier: Apache-2.0
# Every formats/NAME.map becomes a text in the program, made anew when one changes.
file(GLOB formats CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bridge/source/map/formats/*.map)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${formats})
set(made "")
foreach(format ${formats})
    get_filename_component(name ${format} NAME_WE)
    file(READ ${format} bytes HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
    string(APPEND made "{\"${name}\", (const unsigned char[]){${bytes}0}},\n")
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/source_formats.inc CONTENT "${made}" @ONLY)
install(FILES ${formats} DESTINATION ${CMAKE_INSTALL_FULL_DATADIR}/nightshift/formats)
set(ROOM_INCLUDES ${CMAKE_BINARY_DIR}/generated)
