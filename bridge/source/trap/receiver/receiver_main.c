/* SPDX-License-Identifier: Apache-2.0 */
#include "receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef NS_SANITIZED
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0"; /* The leak checker needs what the sandbox refuses. */
}
#endif

/* What is not read in time the kernel drops, whatever its severity: receivers go before those who
 * only wait for what they read. Where it is not allowed, it goes without. */
#define NICE (-5)

static int problem(const char *text)
{
    uint8_t header[PIPE_HEADER_BYTES];
    size_t count = strlen(text);
    pipe_put_header(header, PIPE_PROBLEM, count);
    if (write(PIPE_FD, header, sizeof header) < 0 || write(PIPE_FD, text, count) < 0) {
        fprintf(stderr, "nightshift-trap: %s\n", text);
    }
    return 1;
}

static bool read_all(uint8_t *bytes, size_t count)
{
    while (count > 0) {
        ssize_t got = read(PIPE_FD, bytes, count);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        bytes += got;
        count -= (size_t)got;
    }
    return true;
}

static int read_config(struct arena *arena, struct pipe_config *config, struct nsh_error *err)
{
    uint8_t header[PIPE_HEADER_BYTES];
    if (!read_all(header, sizeof header)) {
        return nsh_fail(err, NSH_PROTOCOL,
                        "nightshift-trap is started by nightshiftd, not by hand");
    }
    size_t length = (size_t)header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16 |
                    (size_t)header[3] << 24;
    if (length == 0 || length > PIPE_FRAME_BYTES_MAX || header[4] != PIPE_CONFIG) {
        return nsh_fail(err, NSH_PROTOCOL, "no configuration on descriptor %d", PIPE_FD);
    }
    uint8_t *payload = malloc(length);
    if (payload == NULL || !read_all(payload, length - 1)) {
        free(payload);
        return nsh_fail(err, NSH_PROTOCOL, "half a configuration on descriptor %d", PIPE_FD);
    }
    struct pack_reader reader = {.at = payload, .count = length - 1};
    int r = pipe_unpack_config(&reader, arena, config, err);
    OPENSSL_cleanse(payload, length);
    free(payload);
    return r;
}

static void wipe(const char *secret)
{
    if (secret != NULL) {
        OPENSSL_cleanse((void *)(uintptr_t)secret,
                        strlen(secret)); /* Our own copy, in the arena. */
    }
}

static int setup(struct receiver_loop *loop, struct pipe_config *config, struct nsh_error *err)
{
    struct diags diags = {0};
    struct trap_tables *tables = NULL;
    int r = trap_tables_read(config->tables, &diags, &tables, err);
    if (r < 0) {
        struct textbuf out = {0};
        diags_print(&diags, NULL, false, &out);
        r = diags.errors_count > 0
                ? nsh_fail(err, NSH_INVALID, "%zu error%s in trap tables: %.600s",
                           diags.errors_count, PLURAL(diags.errors_count),
                           out.at == NULL ? "" : out.at)
                : r;
        return r;
    }
    diags_done(&diags);
    for (size_t i = 0; r == 0 && i < config->sources_count; i++) {
        r = trap_access_allow(&loop->access, config->sources[i], err);
    }
    for (size_t i = 0; r == 0 && i < config->communities_count; i++) {
        loop->access.communities[loop->access.communities_count++] = config->communities[i];
    }
    if (r == 0) {
        r = trap_decoder_new(config->users, config->users_count, &config->engine, &loop->decoder,
                             err);
    }
    for (size_t i = 0; i < config->users_count; i++) {
        wipe(config->users[i].auth_secret);
        wipe(config->users[i].priv_secret);
    }
    if (r < 0) {
        return r;
    }
    loop->mapper = trap_mapper_new(tables);
    if (loop->mapper == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for mapping traps");
    }
    for (uint32_t i = 0; i < config->sockets_count; i++) {
        int fd = PIPE_SOCKETS_FD + (int)i;
        if (fcntl(fd, F_GETFD) < 0) {
            break; /* Sockets of activation belong to the first receiver alone. */
        }
        fcntl(fd, F_SETFL, O_NONBLOCK);
        loop->sockets[loop->sockets_count++] = fd;
    }
    return receiver_loop_prepare(err);
}

#ifdef __SANITIZE_ADDRESS__
/* The leak check at the end looks into the process from outside, which the sandbox forbids. */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}
#endif

int main(int argc, char **argv)
{
    static struct pipe_config config;
    static struct receiver_loop loop;
    struct arena arena = ARENA_INIT;
    struct nsh_error err = {0};
    if (argc == 2 && strcmp(argv[1], "--sandbox-self-test") == 0) {
        if (receiver_sandbox_enter(&err) < 0) {
            fprintf(stderr, "nightshift-trap: %s\n", err.text);
            return 1;
        }
        return receiver_sandbox_test() == 0 ? 0 : 1;
    }
    if (argc != 1) {
        fprintf(stderr, "usage: nightshift-trap    started by nightshiftd, with its configuration "
                        "on descriptor 3\n"
                        "       nightshift-trap --sandbox-self-test\n");
        return 2;
    }
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* Before the first secret is read. */
    if (read_config(&arena, &config, &err) < 0) {
        fprintf(stderr, "nightshift-trap: %s\n", err.text);
        return 1;
    }
    if (getpriority(PRIO_PROCESS, 0) > NICE) {
        (void)setpriority(PRIO_PROCESS, 0, NICE);
    }
    if (setup(&loop, &config, &err) < 0 || receiver_sandbox_enter(&err) < 0) {
        return problem(err.text);
    }
    fcntl(PIPE_FD, F_SETFL, O_NONBLOCK);
    receiver_loop_run(&loop);
    return 0;
}
