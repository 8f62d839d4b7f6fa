/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receive, decode, map, hand over, answer: one thread, one poll().
 *
 * Flow control: at most FLIGHTS_MAX batches and a window of bytes (event_window.h) wait for the
 * daemon's commit; what comes on top waits in the pool, where the urgent overtakes the rest and
 * which degrades in order. A batch goes out at once while few are under way, and grows while many
 * are: the group that commits together forms by itself, without a timer.
 */

#include "receiver.h"

#include "base/assert.h"
#include "loop/event_pool.h"
#include "loop/event_window.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define RECEIVE_COUNT 64
/* Not a multiple of 4096: else the heads of all share a few lines of the caches. */
#define DATAGRAM_STRIDE (TRAP_DATAGRAM_BYTES_MAX + 832)
#define RECEIVE_ROUNDS_MAX 8 /* Of RECEIVE_COUNT, of one socket, before the daemon is served. */
#define CONTROL_BYTES 128
#define FLIGHTS_MAX 32
#define FLIGHTS_EAGER 4 /* So many may be small. */
#define BATCH_WORTH_BYTES (64u << 10)
#define INFORMS_MAX 4096
#define INFORM_BYTES_MAX (16u << 20)
#define COUNTERS_EVERY_MS 1000
#define LEAVE_MS_MAX 3000

struct inform {
    uint32_t next; /* Slot + 1; also of the free list. */
    int socket;
    struct sockaddr_storage peer;
    socklen_t peer_bytes;
    _Alignas(16) uint8_t control[CONTROL_BYTES]; /* From which of our addresses to answer. */
    size_t control_bytes;
    uint8_t *reply;
    size_t reply_bytes;
};

struct flight {
    uint64_t number;
    int64_t sent_us;
    size_t bytes;
    uint32_t informs;
};

struct running {
    struct receiver_loop *loop;
    struct event_pool pool;
    struct trap_counters counters, reported;
    struct trap trap;
    struct inform *informs;
    uint32_t informs_free;
    size_t inform_bytes;
    struct flight flights[FLIGHTS_MAX];
    uint64_t flights_head, flights_tail;
    struct event_window window;
    int64_t now_us; /* Of this round. */
    uint64_t batch_number;
    uint8_t *out; /* One frame on its way to the daemon. */
    size_t out_count, out_done;
    uint8_t in[512]; /* Frames of the daemon are small. */
    size_t in_count;
    int64_t counted_ms, leave_ms;
    bool gone; /* The daemon. */
};

static volatile sig_atomic_t asked_to_leave;
static struct running *running;
static struct mmsghdr messages[RECEIVE_COUNT];
static struct iovec vectors[RECEIVE_COUNT];
static struct sockaddr_storage peers[RECEIVE_COUNT];
static uint8_t controls[RECEIVE_COUNT][CONTROL_BYTES] __attribute__((aligned(16)));
static uint8_t *datagrams; /* RECEIVE_COUNT of the largest */

static void on_signal(int signal)
{
    asked_to_leave = 1;
}

int receiver_loop_prepare(struct nsh_error *err)
{
    struct sigaction action = {.sa_handler = on_signal};
    running = calloc(1, sizeof *running);
    datagrams = malloc((size_t)RECEIVE_COUNT * DATAGRAM_STRIDE);
    if (running == NULL || datagrams == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for datagrams");
    }
    running->informs = calloc(INFORMS_MAX, sizeof *running->informs);
    running->out = malloc(PIPE_BATCH_BYTES_MAX + EVENT_PACKED_BYTES_MAX + 1024);
    if (running->informs == NULL || running->out == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for informs");
    }
    for (uint32_t i = INFORMS_MAX; i > 0; i--) {
        running->informs[i - 1].next = running->informs_free;
        running->informs_free = i;
    }
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGINT, &action, NULL); /* Of a terminal: the daemon decides. */
    return pool_init(&running->pool, err);
}

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static uint32_t join(uint32_t first, uint32_t second)
{
    if (second == 0) {
        return first;
    }
    uint32_t last = second;
    while (running->informs[last - 1].next != 0) {
        last = running->informs[last - 1].next;
    }
    running->informs[last - 1].next = first;
    return second;
}

static void informs_free(struct running *run, uint32_t chain)
{
    while (chain != 0) {
        struct inform *inform = &run->informs[chain - 1];
        uint32_t next = inform->next;
        free(inform->reply);
        run->inform_bytes -= inform->reply_bytes;
        *inform = (struct inform){.next = run->informs_free};
        run->informs_free = chain;
        chain = next;
    }
}

static void informs_answer(struct running *run, uint32_t chain)
{
    for (uint32_t at = chain; at != 0; at = run->informs[at - 1].next) {
        struct inform *inform = &run->informs[at - 1];
        struct iovec vector = {inform->reply, inform->reply_bytes};
        struct msghdr message = {
            .msg_name = &inform->peer,
            .msg_namelen = inform->peer_bytes,
            .msg_iov = &vector,
            .msg_iovlen = 1,
            .msg_control = inform->control_bytes > 0 ? inform->control : NULL,
            .msg_controllen = inform->control_bytes,
        };
        if (sendmsg(inform->socket, &message, MSG_DONTWAIT) >= 0) {
            run->counters.answered++;
        }
    }
    informs_free(run, chain);
}

/* Of the control messages of a datagram what a reply needs to leave from the address it came to. */
static size_t read_control(struct msghdr *message, uint8_t control[CONTROL_BYTES])
{
    struct msghdr reply = {.msg_control = control, .msg_controllen = CONTROL_BYTES};
    size_t used = 0;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL; at = CMSG_NXTHDR(message, at)) {
        if ((at->cmsg_level != IPPROTO_IP || at->cmsg_type != IP_PKTINFO) &&
            (at->cmsg_level != IPPROTO_IPV6 || at->cmsg_type != IPV6_PKTINFO)) {
            continue;
        }
        struct cmsghdr *copy = CMSG_FIRSTHDR(&reply);
        size_t data_bytes = at->cmsg_len - CMSG_LEN(0);
        if (copy == NULL || CMSG_SPACE(data_bytes) > CONTROL_BYTES) {
            continue;
        }
        *copy = (struct cmsghdr){at->cmsg_len, at->cmsg_level, at->cmsg_type};
        memcpy(CMSG_DATA(copy), CMSG_DATA(at), data_bytes);
        if (at->cmsg_level == IPPROTO_IP) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(at), sizeof info);
            info.ipi_ifindex = 0;
            memcpy(CMSG_DATA(copy), &info, sizeof info);
        }
        used = CMSG_SPACE(data_bytes);
    }
    return used;
}

/* Slot + 1, or 0: no room, the sender will repeat it. */
static uint32_t inform_keep(struct running *run, struct msghdr *message, int socket)
{
    uint32_t slot = run->informs_free;
    if (slot == 0 || run->inform_bytes + run->trap.reply_bytes > INFORM_BYTES_MAX ||
        run->trap.reply_bytes == 0) {
        return 0;
    }
    uint8_t *reply = malloc(run->trap.reply_bytes);
    if (reply == NULL) {
        return 0;
    }
    struct inform *inform = &run->informs[slot - 1];
    run->informs_free = inform->next;
    memcpy(reply, run->trap.reply, run->trap.reply_bytes);
    *inform = (struct inform){
        .socket = socket,
        .peer_bytes = message->msg_namelen,
        .reply = reply,
        .reply_bytes = run->trap.reply_bytes,
    };
    memcpy(&inform->peer, message->msg_name, message->msg_namelen);
    inform->control_bytes = read_control(message, inform->control);
    run->inform_bytes += inform->reply_bytes;
    return slot;
}

static bool lagging(struct running *run)
{
    return run->flights_tail - run->flights_head == FLIGHTS_MAX || run->out_done < run->out_count ||
           window_room(&run->window, run->now_us) == 0;
}

static void count_refusal(struct trap_counters *counters, int code)
{
    switch (-code) {
    case NSH_UNSUPPORTED:
        counters->ignored++;
        break;
    case NSH_AUTH:
        counters->denied++;
        break;
    case NSH_STALE:
        counters->stale++;
        break;
    default:
        counters->malformed++;
        break;
    }
}

static void send_report(struct running *run, struct msghdr *message, int socket)
{
    uint8_t control[CONTROL_BYTES] __attribute__((aligned(16)));
    /* The bytes are sent, never changed; sendmsg() just has no const. */
    struct iovec vector = {(void *)(uintptr_t)run->trap.reply, run->trap.reply_bytes};
    struct msghdr reply = {.msg_name = message->msg_name,
                           .msg_namelen = message->msg_namelen,
                           .msg_iov = &vector,
                           .msg_iovlen = 1};
    reply.msg_controllen = read_control(message, control);
    reply.msg_control = reply.msg_controllen > 0 ? control : NULL;
    if (sendmsg(socket, &reply, MSG_DONTWAIT) >= 0) {
        run->counters.reports++;
    }
}

static void take_datagram(struct running *run, struct mmsghdr *received, int socket,
                          int64_t wall_ms, int64_t now_s)
{
    struct receiver_loop *loop = run->loop;
    struct msghdr *message = &received->msg_hdr;
    const struct sockaddr_storage *from = message->msg_name;
    char chars[PEER_ADDRESS_CHARS_MAX];
    struct event event;
    run->counters.received++;
    int r = trap_decode(loop->decoder, message->msg_iov->iov_base, received->msg_len, now_s,
                        &run->trap, NULL);
    if (r < 0) {
        count_refusal(&run->counters, r);
        if (run->trap.reply_bytes > 0) {
            send_report(run, message, socket);
        }
        return;
    }
    if (run->trap.version != TRAP_V3 &&
        (!trap_access_source(&loop->access, from) ||
         !trap_access_community(&loop->access, run->trap.community))) {
        run->counters.denied++;
        return;
    }
    uint32_t inform = 0;
    if (run->trap.inform) {
        run->counters.informs++;
        inform = inform_keep(run, message, socket);
        if (inform == 0) {
            return;
        }
    }
    struct text source = peer_address_write(from, chars);
    trap_map(loop->mapper, &run->trap, source, wall_ms, &event);
    run->counters.unmatched += event.unmatched;
    struct pool_add add = {.event = &event, .waiter = inform, .lagging = lagging(run)};
    if (add.lagging) {
        add.identity = trap_identity(&run->trap, source);
    }
    (void)pool_put(&run->pool, &add, join);
    if (run->pool.orphans != 0) {
        informs_free(run, run->pool.orphans);
        run->pool.orphans = 0;
    }
}

static int receive_some(struct running *run, size_t index)
{
    int socket = run->loop->sockets[index];
    for (size_t i = 0; i < RECEIVE_COUNT; i++) {
        vectors[i] = (struct iovec){datagrams + i * DATAGRAM_STRIDE, TRAP_DATAGRAM_BYTES_MAX};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &peers[i],
            .msg_namelen = sizeof peers[i],
            .msg_iov = &vectors[i],
            .msg_iovlen = 1,
            .msg_control = controls[i],
            .msg_controllen = CONTROL_BYTES,
        };
    }
    int count = recvmmsg(socket, messages, RECEIVE_COUNT, MSG_DONTWAIT, NULL);
    if (count <= 0) {
        return 0;
    }
    int64_t wall_ms = clock_ms(CLOCK_REALTIME);
    int64_t now_s = clock_ms(CLOCK_MONOTONIC) / 1000;
    for (int i = 0; i < count; i++) {
        take_datagram(run, &messages[i], socket, wall_ms, now_s);
    }
    return count;
}

static void flush_out(struct running *run)
{
    while (run->out_done < run->out_count) {
        ssize_t written = write(PIPE_FD, run->out + run->out_done, run->out_count - run->out_done);
        if (written < 0) {
            run->gone = run->gone || (errno != EAGAIN && errno != EINTR);
            return;
        }
        run->out_done += (size_t)written;
    }
}

/* What the pool counted is told with the rest. */
static void count_pool(struct running *run)
{
    const struct pool_counts *counts = &run->pool.counts;
    struct trap_counters *counters = &run->counters;
    uint64_t *dropped[] = {&counters->dropped_info,     &counters->dropped_warning,
                           &counters->dropped_minor,    &counters->dropped_major,
                           &counters->dropped_critical, &counters->dropped_fatal};
    _Static_assert(sizeof dropped / sizeof dropped[0] == SEVERITIES_COUNT,
                   "a counter for every severity");
    counters->duplicate = counts->duplicate;
    counters->coalesced = counts->coalesced;
    counters->urgent = counts->urgent;
    for (unsigned i = 0; i < SEVERITIES_COUNT; i++) {
        *dropped[i] = counts->dropped[i];
    }
}

static void send_counters(struct running *run, int64_t now)
{
    run->counted_ms = now;
    count_pool(run);
    if (run->out_done < run->out_count ||
        memcmp(&run->counters, &run->reported, sizeof run->counters) == 0) {
        return;
    }
    struct pack_writer writer = {.at = run->out + PIPE_HEADER_BYTES, .room = 512};
    pipe_pack_counters(&writer, &run->counters);
    pipe_put_header(run->out, PIPE_COUNTERS, writer.count);
    run->reported = run->counters;
    run->out_count = PIPE_HEADER_BYTES + writer.count;
    run->out_done = 0;
    flush_out(run);
}

static bool may_send(struct running *run)
{
    uint64_t flights = run->flights_tail - run->flights_head;
    return run->pool.alive_count > 0 && !lagging(run) &&
           (flights < FLIGHTS_EAGER || run->pool.alive_bytes >= BATCH_WORTH_BYTES ||
            pool_is_urgent(&run->pool));
}

#define BATCH_HEAD_BYTES (PIPE_HEADER_BYTES + 12 + sizeof(struct trap_counters))

static void hand_over(struct running *run)
{
    run->now_us = now_us();
    while (may_send(run)) {
        uint32_t events = 0;
        uint32_t informs = 0;
        size_t room = window_room(&run->window, run->now_us);
        room = room < PIPE_BATCH_BYTES_MAX ? room : PIPE_BATCH_BYTES_MAX;
        size_t count =
            pool_take(&run->pool, run->out + BATCH_HEAD_BYTES, room, &events, &informs, join);
        NSH_ASSERT(events > 0);
        struct pack_writer writer = {.at = run->out + PIPE_HEADER_BYTES, .room = BATCH_HEAD_BYTES};
        run->counters.events += events;
        count_pool(run);
        pack_u64(&writer, ++run->batch_number);
        pack_u32(&writer, events);
        pipe_pack_counters(&writer, &run->counters);
        NSH_ASSERT(writer.count == BATCH_HEAD_BYTES - PIPE_HEADER_BYTES);
        pipe_put_header(run->out, PIPE_BATCH, writer.count + count);
        run->reported = run->counters;
        run->out_count = BATCH_HEAD_BYTES + count;
        run->out_done = 0;
        run->flights[run->flights_tail++ % FLIGHTS_MAX] =
            (struct flight){run->batch_number, run->now_us, count, informs};
        window_sent(&run->window, count, run->now_us);
        flush_out(run);
    }
}

/* Batches are committed in order; an answer for a later one would answer the earlier as well, but
 * none comes early. */
static void take_ack(struct running *run, struct pack_reader *reader)
{
    uint64_t number = unpack_u64(reader);
    bool durable = unpack_u8(reader) != 0;
    (void)unpack_u32(reader);
    for (uint64_t i = run->flights_head; i < run->flights_tail; i++) {
        struct flight *flight = &run->flights[i % FLIGHTS_MAX];
        if (flight->number == number) {
            if (durable) {
                informs_answer(run, flight->informs);
            } else {
                informs_free(run, flight->informs);
            }
            window_answered(&run->window, flight->bytes, flight->sent_us, now_us());
            *flight = (struct flight){0};
        }
    }
    while (run->flights_head < run->flights_tail &&
           run->flights[run->flights_head % FLIGHTS_MAX].number == 0) {
        run->flights_head++;
    }
}

static void read_daemon(struct running *run)
{
    ssize_t count = read(PIPE_FD, run->in + run->in_count, sizeof run->in - run->in_count);
    if (count <= 0) {
        run->gone = count == 0 || (errno != EAGAIN && errno != EINTR);
        return;
    }
    run->in_count += (size_t)count;
    size_t used = 0;
    while (run->in_count - used >= PIPE_HEADER_BYTES) {
        const uint8_t *at = run->in + used;
        size_t length =
            (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
        if (length == 0 || length > sizeof run->in - 4 || at[4] != PIPE_ACK) {
            run->gone = true;
            return;
        }
        if (run->in_count - used < 4 + length) {
            break;
        }
        struct pack_reader reader = {.at = at + PIPE_HEADER_BYTES, .count = length - 1};
        take_ack(run, &reader);
        used += 4 + length;
    }
    memmove(run->in, run->in + used, run->in_count - used);
    run->in_count -= used;
}

/* Asked to leave: no more is received, what is there is handed over. */
static bool left(struct running *run, int64_t now)
{
    if (!asked_to_leave) {
        return false;
    }
    if (run->leave_ms == 0) {
        run->leave_ms = now + LEAVE_MS_MAX;
    }
    bool idle = run->pool.alive_count == 0 && run->flights_head == run->flights_tail &&
                run->out_done == run->out_count;
    return idle || now >= run->leave_ms;
}

static int wait_some(struct running *run, struct pollfd *fds, size_t sockets_count)
{
    fds[0] = (struct pollfd){.fd = PIPE_FD, .events = POLLIN};
    if (run->out_done < run->out_count) {
        fds[0].events |= POLLOUT;
    }
    for (size_t i = 0; i < sockets_count; i++) {
        fds[i + 1] = (struct pollfd){.fd = run->loop->sockets[i], .events = POLLIN};
    }
    return poll(fds, asked_to_leave ? 1 : sockets_count + 1,
                asked_to_leave ? 10 : COUNTERS_EVERY_MS);
}

void receiver_loop_run(struct receiver_loop *loop)
{
    struct running *run = running;
    struct pollfd fds[TRAP_SOCKETS_MAX + 1];
    run->loop = loop;
    pipe_put_header(run->out, PIPE_READY, 0);
    run->out_count = PIPE_HEADER_BYTES;
    flush_out(run);
    while (!run->gone) {
        int64_t now = clock_ms(CLOCK_MONOTONIC);
        if (left(run, now)) {
            return;
        }
        int ready = wait_some(run, fds, loop->sockets_count);
        run->now_us = now_us();
        if (ready > 0 && (fds[0].revents & POLLOUT) != 0) {
            flush_out(run);
        }
        if (ready > 0 && (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            read_daemon(run);
        }
        for (size_t i = 0; i < loop->sockets_count && ready > 0 && !asked_to_leave; i++) {
            int count = (fds[i + 1].revents & POLLIN) != 0 ? RECEIVE_COUNT : 0;
            for (int round = 0; round < RECEIVE_ROUNDS_MAX && count == RECEIVE_COUNT; round++) {
                count = receive_some(run, i);
            }
        }
        hand_over(run);
        if (now - run->counted_ms >= COUNTERS_EVERY_MS) {
            send_counters(run, now);
        }
    }
}
