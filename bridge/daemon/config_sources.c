/* SPDX-License-Identifier: Apache-2.0 */
/* The list `sources`. */

#include "config_private.h"

#include "sources.h"

struct source_configs config_read_sources(struct config_reader *reader, struct conf *setting)
{
    const char *slash = strrchr(reader->config->file, '/');
    const char *folder = slash == NULL ? NULL
                                       : arena_copy(&reader->config->arena, reader->config->file,
                                                    (size_t)(slash - reader->config->file));
    return source_configs_read(setting, source_types, folder, &reader->config->arena,
                               reader->diags);
}
