/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CONFSCAN_PRIVATE_H
#define BASE_CONFSCAN_PRIVATE_H

/* Shared by the scanner (confscan.c) and the reader of files (confread.c); nobody else. */

#include "base/confscan.h"

#define CONF_DEPTH_MAX 24
#define CONF_PIECES_MAX 256
#define CONF_INCLUDES_MAX 10
#define CONF_FILE_BYTES_MAX (32u << 20)

struct conf_scan {
    const char *file;   /* For places. In arena. */
    const char *folder; /* What @include is relative to: the folder of the first file. */
    const char *at;
    uint32_t line, column;
    unsigned depth, includes;
    bool failed;
    struct conf *last[CONF_DEPTH_MAX]; /* The last child of the open group at each depth. */
    struct arena *arena;
    struct diags *diags;
};

bool conf_scan_settings(struct conf_scan *scan, struct conf *group);
bool conf_scan_include(struct conf_scan *scan, struct conf *group);
bool conf_scan_fail(struct conf_scan *scan, struct nsh_place at, const char *remedy,
                    const char *text);
struct nsh_place conf_scan_here(const struct conf_scan *scan, uint32_t length);
void conf_scan_advance(struct conf_scan *scan, size_t count);

#endif
