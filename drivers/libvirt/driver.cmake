# SPDX-License-Identifier: Apache-2.0
# The library lives in a program of its own: it ends the process when memory runs out, and it blocks.
find_package(PkgConfig REQUIRED)
pkg_check_modules(libvirt QUIET IMPORTED_TARGET libvirt)
if(libvirt_FOUND)
    file(GLOB helper_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/drivers/libvirt/helper/*.c)
    # Not sanitized: it runs within a limit on memory, and ends by _exit(). So what it needs of abi/ is compiled again.
    add_executable(nightshift-libvirt ${helper_sources} ${CMAKE_SOURCE_DIR}/bridge/abi/error.c
        ${CMAKE_SOURCE_DIR}/bridge/abi/encode.c ${CMAKE_SOURCE_DIR}/bridge/abi/pool.c ${CMAKE_SOURCE_DIR}/bridge/abi/value.c)
    target_include_directories(nightshift-libvirt PRIVATE $<TARGET_PROPERTY:ns_abi,INTERFACE_INCLUDE_DIRECTORIES>)
    target_compile_options(nightshift-libvirt PRIVATE -fno-sanitize=all)
    target_link_options(nightshift-libvirt PRIVATE -fno-sanitize=all)
    set_target_properties(nightshift-libvirt PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
    target_link_libraries(nightshift-libvirt PRIVATE PkgConfig::libvirt PkgConfig::json-c)
    install(TARGETS nightshift-libvirt RUNTIME DESTINATION ${NS_LIBEXEC_DIR})
else()
    message(STATUS "nightshift-libvirt is left out: no libvirt")
endif()
