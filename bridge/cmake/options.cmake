# SPDX-License-Identifier: Apache-2.0
# The language, the warning set, the sanitizers and the hardening, in one place.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release)
endif()

option(NS_WERROR "Warnings are errors" ON)
set(NS_SANITIZE "" CACHE STRING "Sanitizers: address;undefined or thread")
option(NS_COVERAGE "Count covered branches" OFF)
option(NS_FUZZ "Build fuzz targets with libFuzzer (clang)" OFF)

include(GNUInstallDirs)
set(NS_DRIVER_DIR ${CMAKE_INSTALL_FULL_LIBDIR}/nightshift/drivers)
set(NS_LIBEXEC_DIR ${CMAKE_INSTALL_FULL_LIBEXECDIR}/nightshift)
set(NS_CONFIG_DIR ${CMAKE_INSTALL_FULL_SYSCONFDIR}/nightshift)

add_compile_definitions(_GNU_SOURCE NIGHTSHIFT_VERSION="${PROJECT_VERSION}")
add_compile_options(
    -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wswitch-enum -Wcast-qual -Wformat=2 -Wvla
    -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef -Wwrite-strings -Wno-unused-parameter
    -fno-strict-aliasing -fno-common -g)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-format-truncation) # Bounded texts are cut on purpose.
endif()
if(NS_WERROR)
    add_compile_options(-Werror)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    add_compile_options(-O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection)
    add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
    set(CMAKE_C_FLAGS_RELEASE "") # Assertions stay on: no -DNDEBUG.
endif()
if(NS_SANITIZE)
    string(REPLACE ";" "," sanitizers "${NS_SANITIZE}")
    add_compile_options(-fsanitize=${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${sanitizers})
    add_compile_definitions(NS_SANITIZED=1)
endif()
if(NS_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
endif()
if(NS_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
    add_link_options(-fsanitize=fuzzer-no-link)
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
foreach(library json-c libconfig libuv libcurl sqlite3 libmicrohttpd gnutls openssl libseccomp expat)
    pkg_check_modules(${library} REQUIRED IMPORTED_TARGET ${library})
endforeach()
pkg_check_modules(librabbitmq REQUIRED IMPORTED_TARGET librabbitmq) # modules alone: bridge/source/bus
pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka)
pkg_check_modules(yaml-0.1 REQUIRED IMPORTED_TARGET yaml-0.1) # clouds.yaml
pkg_check_modules(snappy REQUIRED IMPORTED_TARGET snappy) # remote-write bodies
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib) # gzip bodies
find_library(NETSNMP_LIBRARY netsnmp REQUIRED)
add_library(netsnmp INTERFACE)
target_link_libraries(netsnmp INTERFACE ${NETSNMP_LIBRARY} PkgConfig::openssl)
find_library(CMOCKA_LIBRARY cmocka REQUIRED)

# ns_library(NAME ret): the target of an outside library by the name rooms and drivers use.
function(ns_library name ret)
    if(TARGET PkgConfig::${name})
        set(${ret} PkgConfig::${name} PARENT_SCOPE)
    elseif(TARGET ${name})
        set(${ret} ${name} PARENT_SCOPE)
    else()
        message(FATAL_ERROR "unknown library ${name}: add it to bridge/cmake/options.cmake")
    endif()
endfunction()
