# SPDX-License-Identifier: Apache-2.0
# Every folder below drivers/ is a driver: NAME.so from its *.c. It sees abi/ and itself, nothing else.
# NAME_codec*.c (pure) are also a library codec_NAME, for the lab and the fuzzers.
# An optional driver.cmake in the folder sets DRIVER_LIBRARIES, and DRIVER_MODULE_LIBRARIES for what the codec needs not.

file(GLOB driver_folders CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/drivers ${CMAKE_SOURCE_DIR}/drivers/*)
set(NS_DRIVERS "")
foreach(driver ${driver_folders})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/drivers/${driver}/*.c)
    if(NOT sources)
        continue()
    endif()
    set(DRIVER_LIBRARIES "")
    set(DRIVER_MODULE_LIBRARIES "")
    include(${CMAKE_SOURCE_DIR}/drivers/${driver}/driver.cmake OPTIONAL)
    set(targets "")
    foreach(library ${DRIVER_LIBRARIES})
        ns_library(${library} target)
        list(APPEND targets ${target})
    endforeach()

    file(GLOB codec_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/drivers/${driver}/${driver}_codec*.c)
    add_library(driver_${driver} MODULE ${sources})
    set_target_properties(driver_${driver} PROPERTIES
        PREFIX "" OUTPUT_NAME ${driver} LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/drivers)
    target_include_directories(driver_${driver} PRIVATE ${CMAKE_SOURCE_DIR}/drivers/${driver})
    target_link_libraries(driver_${driver} PRIVATE ns_abi ${DRIVER_MODULE_LIBRARIES} ${targets})
    install(TARGETS driver_${driver} LIBRARY DESTINATION ${NS_DRIVER_DIR})
    if(codec_sources)
        add_library(codec_${driver} STATIC ${codec_sources})
        target_include_directories(codec_${driver} PUBLIC ${CMAKE_SOURCE_DIR}/drivers/${driver})
        target_link_libraries(codec_${driver} PUBLIC ns_abi ${targets})
    endif()
    list(APPEND NS_DRIVERS ${driver})
endforeach()
