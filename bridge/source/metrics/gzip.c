/* SPDX-License-Identifier: Apache-2.0 */
#include "gzip.h"

#define ZLIB_CONST /* What is read stays as it is. */
#include <zlib.h>

#define GZIP_WINDOW 31 /* The largest window, and gzip's head alone. */
#define ROOM_FIRST 65536

/* Pieces that double: what a bomb costs is what it really was. */
static int inflate_all(z_stream *stream, size_t bytes_max, struct arena *arena,
                       struct text *ret_text, struct nsh_error *err)
{
    size_t room = ROOM_FIRST < bytes_max ? ROOM_FIRST : bytes_max, used = 0;
    char *bytes = NULL;
    for (;;) {
        char *more = arena_alloc(arena, room + 1);
        if (more == NULL) {
            return nsh_fail(err, NSH_NOMEM, "out of memory");
        }
        if (used > 0) {
            memcpy(more, bytes, used);
        }
        bytes = more;
        stream->next_out = (Bytef *)bytes + used;
        stream->avail_out = (uInt)(room - used);
        int result = inflate(stream, Z_NO_FLUSH);
        used = room - stream->avail_out;
        if (result == Z_STREAM_END && stream->avail_in == 0) {
            *ret_text = (struct text){bytes, (uint32_t)used};
            return 0;
        }
        if (result != Z_OK || stream->avail_out > 0) {
            return nsh_fail(err, NSH_INVALID, "the body is no whole gzip stream");
        }
        if (room == bytes_max) {
            return nsh_fail(err, NSH_LIMIT, "more than %zu bytes uncompressed", bytes_max);
        }
        room = room > bytes_max / 2 ? bytes_max : room * 2;
    }
}

int gzip_read(const char *body, size_t body_bytes, size_t bytes_max, struct arena *arena,
              struct text *ret_text, struct nsh_error *err)
{
    z_stream stream = {.avail_in = (uInt)body_bytes};
    stream.next_in = (z_const Bytef *)body;
    if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = inflate_all(&stream, bytes_max, arena, ret_text, err);
    inflateEnd(&stream);
    return result;
}
