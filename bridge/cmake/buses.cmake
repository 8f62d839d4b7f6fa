# SPDX-License-Identifier: Apache-2.0
# Sources that need a large library are modules: NAME.so from bridge/source/bus/NAME/*.c, loaded by who has such a source.
# They see abi/ and source/bus/bus.h. A module.cmake in the folder sets BUS_LIBRARIES.

set(NS_SOURCE_DIR ${CMAKE_INSTALL_FULL_LIBDIR}/nightshift/sources)
file(GLOB bus_folders CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/bridge/source/bus
     ${CMAKE_SOURCE_DIR}/bridge/source/bus/*/module.cmake)
foreach(file ${bus_folders})
    get_filename_component(bus ${file} DIRECTORY)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bridge/source/bus/${bus}/*.c)
    set(BUS_LIBRARIES "")
    include(${CMAKE_SOURCE_DIR}/bridge/source/bus/${file})
    set(targets "")
    foreach(library ${BUS_LIBRARIES})
        ns_library(${library} target)
        list(APPEND targets ${target})
    endforeach()
    add_library(bus_${bus} MODULE ${sources})
    set_target_properties(bus_${bus} PROPERTIES
        PREFIX "" OUTPUT_NAME ${bus} LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/sources)
    target_include_directories(bus_${bus} PRIVATE ${CMAKE_BINARY_DIR}/include/source/bus)
    target_link_libraries(bus_${bus} PRIVATE ns_abi ${targets})
    install(TARGETS bus_${bus} LIBRARY DESTINATION ${NS_SOURCE_DIR})
endforeach()
