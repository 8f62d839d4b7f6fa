# SPDX-License-Identifier: Apache-2.0
# Rooms: one folder, one static library, one include path. `#include "base/map.h"` finds its header only when the
# including room named base (or a room that uses base): a link of each room's folder in the build tree is the path.

# room(PATH USES rooms... LIBS libraries... PARTS folders...): bridge/PATH (and those folders in it) as library
# ns_PATH ('/' becomes '_').
function(room path)
    cmake_parse_arguments(ROOM "" "" "USES;LIBS;PARTS" ${ARGN})
    string(REPLACE "/" "_" name ns_${path})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bridge/${path}/*.c)
    foreach(part ${ROOM_PARTS})
        file(GLOB part_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bridge/${path}/${part}/*.c)
        list(APPEND sources ${part_sources})
    endforeach()
    set(link ${CMAKE_BINARY_DIR}/include/${path}/${path})
    get_filename_component(parent ${link} DIRECTORY)
    file(MAKE_DIRECTORY ${parent})
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/bridge/${path} ${link} SYMBOLIC)
    if(sources)
        add_library(${name} STATIC ${sources})
        set(scope PUBLIC)
    else()
        add_library(${name} INTERFACE)
        set(scope INTERFACE)
    endif()
    target_include_directories(${name} ${scope} ${CMAKE_BINARY_DIR}/include/${path})
    foreach(used ${ROOM_USES})
        target_link_libraries(${name} ${scope} ns_${used})
    endforeach()
    foreach(library ${ROOM_LIBS})
        ns_library(${library} target)
        target_link_libraries(${name} ${scope} ${target})
    endforeach()
endfunction()

# room_each(FOLDER USES ...): every folder below bridge/FOLDER is a room that uses the same; each may name further
# libraries and exclusions in its own room.cmake. Adding one touches no list.
function(room_each folder)
    file(GLOB children CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/bridge/${folder}
         ${CMAKE_SOURCE_DIR}/bridge/${folder}/*)
    set(all "")
    foreach(child ${children})
        if(IS_DIRECTORY ${CMAKE_SOURCE_DIR}/bridge/${folder}/${child})
            set(ROOM_LIBRARIES "")
            include(${CMAKE_SOURCE_DIR}/bridge/${folder}/${child}/room.cmake OPTIONAL)
            room(${folder}/${child} ${ARGN} LIBS ${ROOM_LIBRARIES})
            list(APPEND all ns_${folder}_${child})
        endif()
    endforeach()
    set(NS_ALL_${folder} ${all} PARENT_SCOPE)
endfunction()
