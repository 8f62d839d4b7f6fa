/* SPDX-License-Identifier: Apache-2.0 */
#include "trap_pipe.h"

void pipe_put_header(uint8_t header[PIPE_HEADER_BYTES], enum pipe_kind kind, size_t payload_bytes)
{
    uint32_t length = (uint32_t)payload_bytes + 1;
    header[0] = (uint8_t)length;
    header[1] = (uint8_t)(length >> 8);
    header[2] = (uint8_t)(length >> 16);
    header[3] = (uint8_t)(length >> 24);
    header[4] = (uint8_t)kind;
}

/* A missing text is an empty one with a mark before it. */
static void put_chars(struct pack_writer *writer, const char *chars)
{
    pack_u8(writer, chars != NULL);
    pack_text(writer, text_of(chars == NULL ? "" : chars));
}

static const char *get_chars(struct pack_reader *reader, struct arena *arena, bool *failed)
{
    bool present = unpack_u8(reader) != 0;
    struct text text = unpack_text(reader);
    if (!present || reader->failed) {
        return NULL;
    }
    const char *chars = arena_copy(arena, text.at, text.count);
    *failed = *failed || chars == NULL;
    return chars;
}

void pipe_pack_config(struct pack_writer *writer, const struct pipe_config *config)
{
    put_chars(writer, config->tables);
    pack_u32(writer, config->sockets_count);
    pack_text(writer, (struct text){(const char *)config->engine.id, config->engine.id_bytes});
    pack_u32(writer, config->engine.boots);
    pack_u64(writer, (uint64_t)config->engine.start_s);
    pack_varint(writer, config->sources_count);
    for (size_t i = 0; i < config->sources_count; i++) {
        put_chars(writer, config->sources[i]);
    }
    pack_varint(writer, config->communities_count);
    for (size_t i = 0; i < config->communities_count; i++) {
        put_chars(writer, config->communities[i]);
    }
    pack_varint(writer, config->users_count);
    for (size_t i = 0; i < config->users_count; i++) {
        const struct trap_user *user = &config->users[i];
        put_chars(writer, user->name);
        put_chars(writer, user->auth);
        put_chars(writer, user->auth_secret);
        put_chars(writer, user->priv);
        put_chars(writer, user->priv_secret);
        put_chars(writer, user->engine);
    }
}

static size_t get_list(struct pack_reader *reader, struct arena *arena,
                       const char *items[TRAP_LIST_MAX], bool *failed)
{
    uint64_t count = unpack_varint(reader);
    if (count > TRAP_LIST_MAX) {
        reader->failed = true;
        return 0;
    }
    for (uint64_t i = 0; i < count; i++) {
        items[i] = get_chars(reader, arena, failed);
        reader->failed = reader->failed || items[i] == NULL;
    }
    return (size_t)count;
}

int pipe_unpack_config(struct pack_reader *reader, struct arena *arena,
                       struct pipe_config *ret_config, struct nsh_error *err)
{
    struct pipe_config *config = ret_config;
    bool failed = false;
    config->tables = get_chars(reader, arena, &failed);
    config->sockets_count = unpack_u32(reader);
    struct text engine = unpack_text(reader);
    config->engine.boots = unpack_u32(reader);
    config->engine.start_s = (int64_t)unpack_u64(reader);
    config->sources_count = get_list(reader, arena, config->sources, &failed);
    config->communities_count = get_list(reader, arena, config->communities, &failed);
    config->users_count = (size_t)unpack_varint(reader);
    if (reader->failed || engine.count > TRAP_ENGINE_BYTES_MAX ||
        config->users_count > TRAP_LIST_MAX || config->sockets_count > TRAP_SOCKETS_MAX) {
        return nsh_fail(err, NSH_CORRUPT, "the configuration of the receiver is damaged");
    }
    memcpy(config->engine.id, engine.at, engine.count);
    config->engine.id_bytes = engine.count;
    for (size_t i = 0; i < config->users_count; i++) {
        struct trap_user *user = &config->users[i];
        user->name = get_chars(reader, arena, &failed);
        user->auth = get_chars(reader, arena, &failed);
        user->auth_secret = get_chars(reader, arena, &failed);
        user->priv = get_chars(reader, arena, &failed);
        user->priv_secret = get_chars(reader, arena, &failed);
        user->engine = get_chars(reader, arena, &failed);
    }
    if (reader->failed) {
        return nsh_fail(err, NSH_CORRUPT, "the configuration of the receiver is damaged");
    }
    return failed ? nsh_fail(err, NSH_NOMEM, "no memory for the configuration of the receiver") : 0;
}

void pipe_pack_counters(struct pack_writer *writer, const struct trap_counters *counters)
{
#define TRAP_COUNTER(name, help) pack_u64(writer, counters->name);
#include "trap_counters.def"
#undef TRAP_COUNTER
}

void pipe_unpack_counters(struct pack_reader *reader, struct trap_counters *ret_counters)
{
#define TRAP_COUNTER(name, help) ret_counters->name = unpack_u64(reader);
#include "trap_counters.def"
#undef TRAP_COUNTER
}

void trap_counters_add(struct trap_counters *sum, const struct trap_counters *add)
{
#define TRAP_COUNTER(name, help) sum->name += add->name;
#include "trap_counters.def"
#undef TRAP_COUNTER
}
