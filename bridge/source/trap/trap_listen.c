/* SPDX-License-Identifier: Apache-2.0 */
#include "trap_listen.h"

#include "trap_access.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define RECEIVE_BUFFER_BYTES                                                                       \
    (25 << 20) /* Some 40,000 traps: a stall of 200 ms at 200,000 a second. */
#define RESTART_MS_MIN 100
#define RESTART_MS_MAX 30000
#define RESTART_CALM_MS 60000 /* A receiver that lived that long starts again at once. */
#define RETRY_MS 2
#define READ_BYTES (256u << 10)
#define ACK_BYTES 13

struct receiver {
    struct trap_listen *listen;
    unsigned number;
    uint32_t generation;
    uv_process_t process;
    uv_pipe_t pipe;
    uv_timer_t timer; /* Back-off, or the next try of a refused batch. */
    bool process_open, pipe_open, ready, held, ended;
    bool exited, drained; /* Both: what it left in the pipe was read, another may start. */
    int64_t exit_status;
    int exit_signal;
    int sockets[TRAP_SOCKETS_MAX];
    size_t sockets_count;
    int64_t restart_ms, started_ms;
    struct trap_counters past, now;
    uv_write_t config_write;
    uint8_t *frame; /* What was read and not yet consumed. */
    size_t frame_bytes;
};

struct trap_listen {
    uv_loop_t *loop;
    struct intake *intake;
    char *program;
    uint8_t *config; /* The frame. */
    size_t config_bytes;
    struct receiver *receivers[TRAP_RECEIVERS_MAX];
    unsigned receivers_count;
    size_t handovers_count, handles_count;
    uint64_t restarts, batches, refused;
    bool stopping;
    void (*done)(void *arg);
    void *done_arg;
    void (*log)(void *arg, bool error, const char *text);
    void *log_arg;
};

/* One batch on its way through the intake. Its answer is in it: the receiver waits for each one, so
 * none is lost for want of memory. */
struct handover {
    struct trap_listen *listen;
    unsigned receiver;
    uint32_t generation;
    uint64_t number;
    uv_write_t write;
    uint8_t ack[PIPE_HEADER_BYTES + ACK_BYTES];
};

static void receiver_start(struct receiver *receiver);
static void frames_take(struct receiver *receiver);

__attribute__((format(printf, 3, 4))) static void say(struct trap_listen *listen, bool error,
                                                      const char *format, ...)
{
    char text[512];
    va_list args;
    if (listen->log == NULL) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    listen->log(listen->log_arg, error, text);
}

static void listen_free_when_done(struct trap_listen *listen)
{
    if (!listen->stopping || listen->handles_count > 0 || listen->handovers_count > 0) {
        return;
    }
    for (unsigned i = 0; i < listen->receivers_count; i++) {
        struct receiver *receiver = listen->receivers[i];
        for (size_t k = 0; k < receiver->sockets_count; k++) {
            close(receiver->sockets[k]);
        }
        free(receiver->frame);
        free(receiver);
    }
    OPENSSL_cleanse(listen->config, listen->config_bytes);
    free(listen->config);
    free(listen->program);
    void (*done)(void *arg) = listen->done;
    void *arg = listen->done_arg;
    free(listen);
    if (done != NULL) {
        done(arg);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct receiver *receiver = handle->data;
    struct trap_listen *listen = receiver->listen;
    listen->handles_count--;
    if (handle == (uv_handle_t *)&receiver->process) {
        receiver->process_open = false;
    } else if (handle == (uv_handle_t *)&receiver->pipe) {
        receiver->pipe_open = false;
    }
    if (receiver->ended && !receiver->process_open && !receiver->pipe_open && !listen->stopping) {
        receiver->ended = false;
        receiver_start(receiver);
    }
    listen_free_when_done(listen);
}

static void handle_close(uv_handle_t *handle)
{
    if (!uv_is_closing(handle)) {
        uv_close(handle, on_handle_closed);
    }
}

static int64_t now_ms(struct trap_listen *listen)
{
    return (int64_t)uv_now(listen->loop);
}

static void on_restart(uv_timer_t *timer)
{
    struct receiver *receiver = timer->data;
    receiver->ended = true;
    if (receiver->process_open) {
        handle_close((uv_handle_t *)&receiver->process);
    }
    if (receiver->pipe_open) {
        handle_close((uv_handle_t *)&receiver->pipe);
    }
    if (!receiver->process_open && !receiver->pipe_open && !receiver->listen->stopping) {
        receiver->ended = false;
        receiver_start(receiver);
    }
}

/* Its batches in flight stay with the intake; their answers find another generation and are
 * dropped. */
static void receiver_ended(struct receiver *receiver, const char *how, int64_t status)
{
    struct trap_listen *listen = receiver->listen;
    bool wanted = receiver->exit_signal == 0 && status == 0; /* trap_listen_reload() */
    receiver->ready = false;
    receiver->generation++;
    trap_counters_add(&receiver->past, &receiver->now);
    receiver->now = (struct trap_counters){0};
    receiver->frame_bytes = 0;
    if (receiver->pipe_open) {
        handle_close((uv_handle_t *)&receiver->pipe);
    }
    if (listen->stopping) {
        return;
    }
    bool calm = wanted || now_ms(listen) - receiver->started_ms > RESTART_CALM_MS;
    receiver->restart_ms =
        calm || receiver->restart_ms == 0 ? RESTART_MS_MIN : 2 * receiver->restart_ms;
    if (receiver->restart_ms > RESTART_MS_MAX) {
        receiver->restart_ms = RESTART_MS_MAX;
    }
    if (!wanted) {
        listen->restarts++;
        say(listen, true, "trap receiver %u %s %lld; starting another in %lld ms", receiver->number,
            how, (long long)status, (long long)receiver->restart_ms);
    }
    uv_timer_start(&receiver->timer, on_restart, wanted ? 0 : (uint64_t)receiver->restart_ms, 0);
}

/* The process is gone and all it wrote is read. */
static void receiver_check_end(struct receiver *receiver)
{
    if (receiver->exited && receiver->drained && !receiver->held) {
        receiver->exited = false;
        receiver_ended(receiver,
                       receiver->exit_signal != 0 ? "was ended by signal" : "ended with status",
                       receiver->exit_signal != 0 ? receiver->exit_signal : receiver->exit_status);
    }
}

static void on_exit_of(uv_process_t *process, int64_t status, int signal)
{
    struct receiver *receiver = process->data;
    handle_close((uv_handle_t *)process);
    receiver->exited = true;
    receiver->exit_status = status;
    receiver->exit_signal = signal;
    receiver_check_end(receiver);
}

/* bytes and write stay until written was called, soon or when the pipe closes. */
static int pipe_send(struct receiver *receiver, uv_write_t *write, uint8_t *bytes, size_t count,
                     uv_write_cb written)
{
    uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)count);
    return uv_write(write, (uv_stream_t *)&receiver->pipe, &buf, 1, written);
}

static void on_ack_written(uv_write_t *write, int status)
{
    free(write->data);
}

static int ack_send(struct receiver *receiver, struct handover *handover, bool durable,
                    uint32_t duplicates)
{
    struct pack_writer writer = {.at = handover->ack + PIPE_HEADER_BYTES, .room = ACK_BYTES};
    pipe_put_header(handover->ack, PIPE_ACK, ACK_BYTES);
    pack_u64(&writer, handover->number);
    pack_u8(&writer, durable);
    pack_u32(&writer, duplicates);
    NSH_ASSERT(!writer.failed && writer.count == ACK_BYTES);
    handover->write.data = handover;
    return pipe_send(receiver, &handover->write, handover->ack, sizeof handover->ack,
                     on_ack_written);
}

static void on_durable(void *arg, bool durable, uint32_t duplicates)
{
    struct handover *handover = arg;
    struct trap_listen *listen = handover->listen;
    struct receiver *receiver = listen->receivers[handover->receiver];
    listen->handovers_count--;
    if (receiver->generation != handover->generation || !receiver->pipe_open ||
        uv_is_closing((uv_handle_t *)&receiver->pipe) ||
        ack_send(receiver, handover, durable, duplicates) < 0) {
        free(handover);
    }
    listen_free_when_done(listen);
}

static void on_retry(uv_timer_t *timer)
{
    struct receiver *receiver = timer->data;
    receiver->held = false;
    frames_take(receiver);
    receiver_check_end(receiver);
}

/* 0; -NSH_LIMIT and the like: not now. */
static int batch_push(struct receiver *receiver, struct pack_reader *reader)
{
    struct trap_listen *listen = receiver->listen;
    uint64_t number = unpack_u64(reader);
    uint32_t events = unpack_u32(reader);
    struct trap_counters counters;
    pipe_unpack_counters(reader, &counters);
    size_t bytes_count = reader->count - reader->offset;
    if (reader->failed || bytes_count == 0 || events == 0) {
        return -NSH_CORRUPT;
    }
    struct handover *handover = malloc(sizeof *handover);
    if (handover == NULL) {
        return -NSH_LIMIT;
    }
    *handover = (struct handover){.listen = listen,
                                  .receiver = receiver->number,
                                  .generation = receiver->generation,
                                  .number = number};
    struct intake_batch batch = {
        .bytes = reader->at + reader->offset,
        .bytes_count = bytes_count,
        .events_count = events,
        .received_ms = intake_now_ms(listen->intake),
        .flow = (uintptr_t)receiver,
        .done = on_durable,
        .arg = handover,
    };
    listen->handovers_count++;
    int r = intake_push(listen->intake, &batch, NULL);
    if (r < 0) {
        listen->handovers_count--;
        free(handover);
        return r;
    }
    receiver->now = counters;
    listen->batches++;
    return 0;
}

/* One frame; false: keep it, the intake is full. */
static bool frame_take(struct receiver *receiver, enum pipe_kind kind, const uint8_t *payload,
                       size_t payload_bytes)
{
    struct trap_listen *listen = receiver->listen;
    struct pack_reader reader = {.at = payload, .count = payload_bytes};
    int r = 0;
    switch (kind) {
    case PIPE_READY:
        receiver->ready = true;
        break;
    case PIPE_BATCH:
        r = batch_push(receiver, &reader);
        break;
    case PIPE_COUNTERS:
        pipe_unpack_counters(&reader, &receiver->now);
        break;
    case PIPE_PROBLEM:
        say(listen, true, "trap receiver %u: %.*s", receiver->number,
            (int)(payload_bytes > 400 ? 400 : payload_bytes), (const char *)payload);
        break;
    case PIPE_CONFIG:
    case PIPE_ACK:
    default:
        r = -NSH_CORRUPT;
        break;
    }
    if (r == -NSH_CORRUPT) { /* It decodes hostile datagrams: what it says is not believed. */
        say(listen, true, "trap receiver %u sent a damaged frame", receiver->number);
        uv_process_kill(&receiver->process, SIGKILL);
        return true;
    }
    if (r < 0 && !listen->stopping) {
        listen->refused++;
        receiver->held = true;
        uv_read_stop((uv_stream_t *)&receiver->pipe);
        uv_timer_start(&receiver->timer, on_retry, RETRY_MS, 0);
        return false;
    }
    return true;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct receiver *receiver = handle->data;
    size_t room = PIPE_FRAME_BYTES_MAX + READ_BYTES - receiver->frame_bytes;
    *buf = uv_buf_init((char *)receiver->frame + receiver->frame_bytes, (unsigned)room);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct receiver *receiver = stream->data;
    if (count < 0) {
        uv_read_stop(stream);
        receiver->drained = true;
        if (!receiver->exited && receiver->process_open) {
            uv_process_kill(&receiver->process, SIGKILL); /* Deaf and dumb: it is of no use. */
        }
        receiver_check_end(receiver);
        return;
    }
    receiver->frame_bytes += (size_t)count;
    frames_take(receiver);
}

static void frames_take(struct receiver *receiver)
{
    size_t used = 0;
    while (!receiver->held && receiver->frame_bytes - used >= PIPE_HEADER_BYTES) {
        const uint8_t *at = receiver->frame + used;
        uint32_t length =
            (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        if (length == 0 || length > PIPE_FRAME_BYTES_MAX - 4) {
            say(receiver->listen, true, "trap receiver %u sent a damaged frame", receiver->number);
            uv_process_kill(&receiver->process, SIGKILL);
            receiver->frame_bytes = 0;
            return;
        }
        if (receiver->frame_bytes - used < 4 + (size_t)length ||
            !frame_take(receiver, at[4], at + PIPE_HEADER_BYTES, length - 1)) {
            break;
        }
        used += 4 + (size_t)length;
    }
    if (used > 0) {
        memmove(receiver->frame, receiver->frame + used, receiver->frame_bytes - used);
        receiver->frame_bytes -= used;
    }
    if (!receiver->held && !receiver->drained && receiver->pipe_open &&
        !uv_is_closing((uv_handle_t *)&receiver->pipe)) {
        uv_read_start((uv_stream_t *)&receiver->pipe, on_alloc, on_read);
    }
}

static int receiver_spawn(struct receiver *receiver)
{
    struct trap_listen *listen = receiver->listen;
    uv_stdio_container_t stdio[PIPE_SOCKETS_FD + TRAP_SOCKETS_MAX] = {
        {.flags = UV_IGNORE},
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
        {.flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_READABLE_PIPE | UV_WRITABLE_PIPE),
         .data.stream = (uv_stream_t *)&receiver->pipe},
    };
    for (size_t i = 0; i < receiver->sockets_count; i++) {
        stdio[PIPE_SOCKETS_FD + i] =
            (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = receiver->sockets[i]};
    }
    char *args[] = {listen->program, NULL};
    char *environment[] = {NULL};
    uv_process_options_t options = {
        .file = listen->program,
        .args = args,
        .env = environment,
        .cwd = "/",
        .exit_cb = on_exit_of,
        .stdio = stdio,
        .stdio_count = (int)(PIPE_SOCKETS_FD + receiver->sockets_count),
    };
    uv_pipe_init(listen->loop, &receiver->pipe, 0);
    receiver->pipe.data = receiver;
    receiver->pipe_open = true;
    receiver->process.data = receiver;
    listen->handles_count += 2;
    receiver->process_open = true;
    return uv_spawn(listen->loop, &receiver->process, &options);
}

static void receiver_start(struct receiver *receiver)
{
    struct trap_listen *listen = receiver->listen;
    receiver->started_ms = now_ms(listen);
    receiver->exited = false;
    receiver->drained = false;
    int r = receiver_spawn(receiver);
    if (r < 0) {
        say(listen, true, "cannot start %s: %s", listen->program, uv_strerror(r));
        handle_close((uv_handle_t *)&receiver->process);
        receiver->exit_signal = 0;
        receiver_ended(receiver, "did not start:", r);
        return;
    }
    int size = (int)(2 * PIPE_FRAME_BYTES_MAX);
    uv_recv_buffer_size((uv_handle_t *)&receiver->pipe, &size);
    pipe_send(receiver, &receiver->config_write, listen->config, listen->config_bytes, NULL);
    uv_read_start((uv_stream_t *)&receiver->pipe, on_alloc, on_read);
}

static int socket_open(const char *listen, struct nsh_error *err)
{
    struct sockaddr_storage address;
    socklen_t address_bytes = 0;
    int on = 1;
    int off = 0;
    int buffer = RECEIVE_BUFFER_BYTES;
    int r = trap_listen_parse(listen, &address, &address_bytes, err);
    if (r < 0) {
        return r;
    }
    int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return nsh_fail(err, NSH_IO, "%s: %s", listen, strerror(errno));
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) < 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    }
    if (address.ss_family == AF_INET6) { /* [::] hears IPv4 as well: one socket for both. */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    } else {
        setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    }
    if (bind(fd, (const struct sockaddr *)&address, address_bytes) < 0) {
        r = nsh_fail(err, NSH_IO, "cannot listen on %s: %s%s", listen, strerror(errno),
                     errno == EACCES
                         ? " (ports below 1024 need CAP_NET_BIND_SERVICE or socket activation)"
                         : "");
        close(fd);
        return r;
    }
    return fd;
}

static int sockets_open(struct receiver *receiver, const struct trap_options *options,
                        struct nsh_error *err)
{
    if (options->listen_count + options->fds_count > TRAP_SOCKETS_MAX) {
        return nsh_fail(err, NSH_LIMIT, "more than %d addresses to listen on", TRAP_SOCKETS_MAX);
    }
    for (size_t i = 0; i < options->listen_count; i++) {
        int fd = socket_open(options->listen[i], err);
        if (fd < 0) {
            return fd;
        }
        receiver->sockets[receiver->sockets_count++] = fd;
    }
    for (size_t i = 0; receiver->number == 0 && i < options->fds_count; i++) {
        int fd = fcntl(options->fds[i], F_DUPFD_CLOEXEC, 3);
        if (fd < 0) {
            return nsh_fail(err, NSH_IO, "socket %d: %s", options->fds[i], strerror(errno));
        }
        receiver->sockets[receiver->sockets_count++] = fd;
    }
    return 0;
}

/* Stable over restarts, different between machines: RFC 3411 with the octets form, after net-snmp's
 * number. */
static void engine_make(struct trap_engine *engine)
{
    static const uint8_t head[] = {0x80, 0x00, 0x1f, 0x88, 0x05};
    char machine[64] = "nightshift";
    FILE *file = fopen("/etc/machine-id", "re");
    if (file != NULL) {
        if (fgets(machine, sizeof machine, file) == NULL) {
            machine[0] = '\0';
        }
        fclose(file);
    }
    uint64_t hash = trap_hash_bytes(TRAP_HASH_SEED, machine, strlen(machine));
    memcpy(engine->id, head, sizeof head);
    memcpy(engine->id + sizeof head, &hash, sizeof hash);
    engine->id_bytes = sizeof head + sizeof hash;
}

static int config_make(struct trap_listen *listen, const struct trap_options *options,
                       struct nsh_error *err)
{
    struct trap_access access = {0};
    struct trap_decoder *decoder = NULL;
    struct pipe_config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for trap intake");
    }
    int r = 0;
    if (options->sources_count > TRAP_LIST_MAX || options->communities_count > TRAP_LIST_MAX ||
        options->users_count > TRAP_LIST_MAX) {
        r = nsh_fail(err, NSH_LIMIT, "more than %d sources, communities or users", TRAP_LIST_MAX);
    }
    for (size_t i = 0; r == 0 && i < options->sources_count; i++) {
        r = trap_access_allow(&access, options->sources[i], err);
        config->sources[config->sources_count++] = options->sources[i];
    }
    for (size_t i = 0; r == 0 && i < options->communities_count; i++) {
        config->communities[config->communities_count++] = options->communities[i];
    }
    for (size_t i = 0; r == 0 && i < options->users_count; i++) {
        config->users[config->users_count++] = options->users[i];
    }
    if (r == 0) {
        r = trap_decoder_new(options->users, options->users_count, NULL, &decoder, err);
        trap_decoder_free(decoder);
    }
    config->tables = options->tables;
    config->engine = options->engine;
    config->engine.start_s =
        (int64_t)(uv_hrtime() / 1000000000u); /* CLOCK_MONOTONIC, as the receiver's. */
    if (config->engine.id_bytes == 0) {
        engine_make(&config->engine);
    }
    if (config->engine.boots == 0) {
        config->engine.boots = (uint32_t)((time(NULL) - 1600000000) & INT32_MAX);
    }
    config->sockets_count = (uint32_t)(options->listen_count + options->fds_count);
    struct pack_writer writer = {0};
    if (r == 0) {
        pipe_pack_config(&writer, config);
        listen->config = malloc(PIPE_HEADER_BYTES + writer.count);
        r = listen->config == NULL ? nsh_fail(err, NSH_NOMEM, "no memory for trap intake") : 0;
    }
    if (r == 0) {
        listen->config_bytes = PIPE_HEADER_BYTES + writer.count;
        pipe_put_header(listen->config, PIPE_CONFIG, writer.count);
        writer =
            (struct pack_writer){.at = listen->config + PIPE_HEADER_BYTES, .room = writer.count};
        pipe_pack_config(&writer, config);
        NSH_ASSERT(!writer.failed);
    }
    free(config);
    return r;
}

static int receiver_new(struct trap_listen *listen, const struct trap_options *options,
                        struct nsh_error *err)
{
    struct receiver *receiver = calloc(1, sizeof *receiver);
    if (receiver == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for trap intake");
    }
    receiver->listen = listen;
    receiver->number = listen->receivers_count;
    listen->receivers[listen->receivers_count++] = receiver;
    receiver->frame = malloc(PIPE_FRAME_BYTES_MAX + READ_BYTES);
    if (receiver->frame == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for trap intake");
    }
    uv_timer_init(listen->loop, &receiver->timer);
    receiver->timer.data = receiver;
    listen->handles_count++;
    return sockets_open(receiver, options, err);
}

int trap_listen_new(uv_loop_t *loop, struct intake *intake, const struct trap_options *options,
                    struct trap_listen **ret_listen, struct nsh_error *err)
{
    unsigned wanted = options->receivers == 0 ? 1 : options->receivers;
    if (wanted > TRAP_RECEIVERS_MAX) {
        return nsh_fail(err, NSH_INVALID, "receivers must be 1 to %d, got %u", TRAP_RECEIVERS_MAX,
                        wanted);
    }
    struct trap_listen *listen = calloc(1, sizeof *listen);
    if (listen == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for trap intake");
    }
    listen->loop = loop;
    listen->intake = intake;
    listen->log = options->log;
    listen->log_arg = options->log_arg;
    listen->program = strdup(options->receiver);
    int r = listen->program == NULL ? nsh_fail(err, NSH_NOMEM, "no memory for trap intake") : 0;
    if (r == 0 && access(listen->program, X_OK) < 0) {
        r = nsh_fail(err, NSH_IO, "cannot run the trap receiver %s: %s", listen->program,
                     strerror(errno));
    }
    if (r == 0) {
        r = config_make(listen, options, err);
    }
    for (unsigned i = 0; r == 0 && i < wanted; i++) {
        r = receiver_new(listen, options, err);
    }
    if (r != 0) {
        trap_listen_stop(listen, NULL, NULL);
        return r;
    }
    for (unsigned i = 0; i < listen->receivers_count; i++) {
        receiver_start(listen->receivers[i]);
    }
    *ret_listen = listen;
    return 0;
}

void trap_listen_stop(struct trap_listen *listen, void (*done)(void *arg), void *arg)
{
    NSH_ASSERT(!listen->stopping);
    listen->stopping = true;
    listen->done = done;
    listen->done_arg = arg;
    for (unsigned i = 0; i < listen->receivers_count; i++) {
        struct receiver *receiver = listen->receivers[i];
        if (receiver->process_open && !uv_is_closing((uv_handle_t *)&receiver->process)) {
            uv_process_kill(&receiver->process,
                            SIGKILL); /* It has nothing to save: what counts is with us. */
        }
        if (receiver->pipe_open) {
            handle_close((uv_handle_t *)&receiver->pipe);
        }
        if (receiver->timer.data != NULL) {
            handle_close((uv_handle_t *)&receiver->timer);
        }
    }
    listen_free_when_done(listen);
}

void trap_listen_reload(struct trap_listen *listen)
{
    for (unsigned i = 0; i < listen->receivers_count; i++) {
        struct receiver *receiver = listen->receivers[i];
        if (receiver->process_open && !uv_is_closing((uv_handle_t *)&receiver->process)) {
            receiver->restart_ms = 0;
            uv_process_kill(&receiver->process, SIGTERM);
        }
    }
}

/*
 * What the kernel dropped at a socket since it was opened. SO_RXQ_OVFL would say it only with the
 * next datagram, and to a receiver that may be gone by then.
 */
static uint64_t drops_of(int fd)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t bytes = sizeof info;
    return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &bytes) < 0 ? 0 : info[SK_MEMINFO_DROPS];
}

void trap_listen_figures(const struct trap_listen *listen, struct trap_figures *ret_figures)
{
    struct trap_figures figures = {
        .restarts = listen->restarts,
        .batches = listen->batches,
        .refused = listen->refused,
        .receivers = listen->receivers_count,
    };
    for (unsigned i = 0; i < listen->receivers_count; i++) {
        trap_counters_add(&figures.counters, &listen->receivers[i]->past);
        trap_counters_add(&figures.counters, &listen->receivers[i]->now);
        figures.ready += listen->receivers[i]->ready;
        for (size_t k = 0; k < listen->receivers[i]->sockets_count; k++) {
            figures.counters.kernel_drops += drops_of(listen->receivers[i]->sockets[k]);
        }
    }
    *ret_figures = figures;
}

unsigned trap_listen_port(const struct trap_listen *listen, unsigned index)
{
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof address;
    const struct receiver *receiver = listen->receivers[0];
    if (index >= receiver->sockets_count ||
        getsockname(receiver->sockets[index], (struct sockaddr *)&address, &bytes) < 0) {
        return 0;
    }
    struct sockaddr_in in; /* The port stands at the same place for IPv6. */
    memcpy(&in, &address, sizeof in);
    return ntohs(in.sin_port);
}

int trap_listen_pid(const struct trap_listen *listen, unsigned number)
{
    const struct receiver *receiver =
        number < listen->receivers_count ? listen->receivers[number] : NULL;
    return receiver == NULL || !receiver->ready ? 0 : receiver->process.pid;
}
