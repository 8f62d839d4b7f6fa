# SPDX-License-Identifier: Apache-2.0
# The library is linked into the module: ssh_guard.h says why. Where it has no such archive, the shared one is used,
# and the guard catches nothing.
find_library(LIBSSH2_ARCHIVE NAMES libssh2.a)
if(LIBSSH2_ARCHIVE AND NOT TARGET libssh2_own)
    add_library(libssh2_own INTERFACE)
    target_link_libraries(libssh2_own INTERFACE ${LIBSSH2_ARCHIVE} PkgConfig::openssl z)
    # Hidden, or the copy that libcurl brought into the process would be called instead.
    target_link_options(libssh2_own INTERFACE -Wl,--exclude-libs,libssh2.a)
    # What it forgets to free, the guard notes.
    foreach(function EVP_PKEY_new_raw_public_key EVP_PKEY_new_raw_private_key EVP_PKEY_free RSA_new RSA_free
            EC_KEY_new_by_curve_name EC_KEY_free EC_KEY_set_private_key BN_clear_free)
        target_link_options(libssh2_own INTERFACE -Wl,--wrap=${function})
    endforeach()
elseif(NOT TARGET libssh2_own)
    message(WARNING "no libssh2.a: a broken packet from a host may end the daemon (drivers/ssh/ssh_guard.h)")
    add_library(libssh2_own INTERFACE)
    target_link_libraries(libssh2_own INTERFACE ssh2 PkgConfig::openssl)
endif()
set(DRIVER_MODULE_LIBRARIES libssh2_own)
set(DRIVER_LIBRARIES openssl)
