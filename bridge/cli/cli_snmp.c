/* SPDX-License-Identifier: Apache-2.0 */
/* snmp decode: what each packet of a file would become. snmp send: the packets of a file, to a trap
 * port. */

#include "cli.h"

#include "cli_traps.h"

#include "base/json.h"

#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILE_CHUNK_BYTES 65536

struct decoding {
    struct cli *cli;
    struct trap_mapper *mapper;
    const struct cli_traps_seen *seen;
};

/* What snmp decode shows. */
struct decoded {
    struct cli *cli;
    size_t packets, malformed, unmatched;
};

static uint8_t *file_read(const char *name, size_t *ret_count)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    if (file == NULL) {
        return NULL;
    }
    struct textbuf bytes = {.count_max = TRAP_FILE_BYTES_MAX};
    static char chunk[FILE_CHUNK_BYTES];
    size_t count = fread(chunk, 1, sizeof chunk, file);
    for (; count > 0 && !bytes.failed; count = fread(chunk, 1, sizeof chunk, file)) {
        textbuf_add(&bytes, (struct text){chunk, (uint32_t)count});
    }
    if (file != stdin) {
        fclose(file);
    }
    textbuf_add_chars(&bytes, "");
    *ret_count = bytes.count;
    return (uint8_t *)bytes.at;
}

static void print_event(void *arg, const struct trap_packet *packet, const struct event *event)
{
    struct decoded *decoded = arg;
    CLEANUP(textbuf_donep) struct textbuf line = {0};
    decoded->packets++;
    decoded->unmatched += event->unmatched;
    if (decoded->cli->output != CLI_TABLE) {
        event_to_json(event, &line);
        cli_print_line("%s", line.at == NULL ? "" : line.at);
        return;
    }
    const char *severity = severity_word(event->severity);
    textbuf_add_safe(&line, event->type);
    textbuf_addf(&line, "  %s  ", event_state_word(event->state));
    if (event->resource.count > 0) {
        textbuf_add_safe(&line, event->resource);
        textbuf_add_chars(&line, "  ");
    }
    textbuf_add_safe(&line, event->name);
    textbuf_add_chars(&line, event->unmatched ? "  (unmatched)" : "");
    if (event->message.count > 0) {
        textbuf_add_chars(&line, "  ");
        textbuf_add_safe(&line, event->message);
    }
    cli_print_line("%4zu  %s%-8s%s  %s", packet->number, cli_color_of(decoded->cli, severity),
                   severity, cli_color_end(decoded->cli), line.at == NULL ? "" : line.at);
}

static void print_refusal(void *arg, size_t number, const char *code, const char *why)
{
    struct decoded *decoded = arg;
    decoded->malformed++;
    if (code == NULL) {
        fprintf(stderr, "nightshift: packet %zu: %s\n", number, why);
        return;
    }
    decoded->packets++;
    if (decoded->cli->output == CLI_TABLE) {
        cli_print_line("%4zu  -         %s: %s", number, code, why);
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf line = {0};
    textbuf_addf(&line, "{\"packet\":%zu,\"code\":\"%s\",\"error\":", number, code);
    textbuf_add_json(&line, text_of(why));
    cli_print_line("%s}", line.at == NULL ? "" : line.at);
}

/* ---- packets to events --------------------------------------------------------------------- */

static void skipped(void *arg, size_t number, const char *why)
{
    const struct decoding *decoding = arg;
    decoding->seen->refused(decoding->seen->arg, number, NULL, why);
}

static int decode_packet(void *arg, const struct trap_packet *packet)
{
    const struct decoding *decoding = arg;
    const struct cli_traps_seen *seen = decoding->seen;
    struct nsh_error err = {0};
    /* Nobody is asked to answer here: any engine will do. */
    static const struct trap_engine engine = {.id = {0x80, 0, 0, 0, 1}, .id_bytes = 5, .boots = 1};
    struct trap_decoder *decoder = NULL;
    struct trap *trap = malloc(sizeof *trap);
    int result = trap == NULL ? nsh_fail(&err, NSH_NOMEM, "out of memory")
                              : trap_decoder_new(packet->user, packet->user == NULL ? 0 : 1,
                                                 &engine, &decoder, &err);
    if (result == 0) {
        result = trap_decode(decoder, packet->bytes, packet->bytes_count, 0, trap, &err);
    }
    if (result == 0) {
        struct event event;
        trap_map(decoding->mapper, trap, packet->source, packet->time_ms, &event);
        seen->event(seen->arg, packet, &event);
    } else {
        seen->refused(seen->arg, packet->number, nsh_code_word(-result), err.text);
    }
    trap_decoder_free(decoder);
    free(trap);
    return 0;
}

/* The tables: --traps, else those of the build tree or the installation. */
static const char *traps_folder(const struct cli *cli)
{
    if (cli->flags.traps != NULL) {
        return cli->flags.traps;
    }
    const char *from_env = getenv("NIGHTSHIFT_TRAPS");
    return from_env != NULL ? from_env : NS_CONFIG_DIR "/traps";
}

static enum cli_exit tables_read(struct cli *cli, struct trap_tables **ret_tables)
{
    struct diags diags = {0};
    struct nsh_error err = {0};
    int result = trap_tables_read(traps_folder(cli), &diags, ret_tables, &err);
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    diags_print(&diags, NULL, cli->color, &out);
    if (out.count > 0) {
        fputs(out.at, stderr);
    }
    diags_done(&diags);
    return result < 0
               ? cli_fail(CLI_USAGE, "trap tables of %s: %s; --traps FOLDER says where they are",
                          traps_folder(cli), err.text)
               : CLI_OK;
}

enum cli_exit cli_traps_decode(struct cli *cli, const uint8_t *bytes, size_t count,
                               const struct cli_traps_seen *seen)
{
    struct decoding decoding = {.cli = cli, .seen = seen};
    struct trap_tables *tables = NULL;
    struct nsh_error err = {0};
    enum cli_exit result = tables_read(cli, &tables);
    if (result != CLI_OK) {
        return result;
    }
    decoding.mapper = trap_mapper_new(tables);
    int ended = decoding.mapper == NULL
                    ? nsh_fail(&err, NSH_NOMEM, "out of memory")
                    : trap_file_each(bytes, count, decode_packet, skipped, &decoding, &err);
    trap_mapper_free(decoding.mapper);
    trap_tables_free(tables);
    return ended < 0 ? cli_fail(CLI_USAGE, "%s", err.text) : CLI_OK;
}

enum cli_exit cli_snmp_decode(struct cli *cli)
{
    struct decoded decoded = {.cli = cli};
    const struct cli_traps_seen seen = {print_event, print_refusal, &decoded};
    size_t count = 0;
    CLEANUP(freep) uint8_t *bytes = file_read(cli->args[0], &count);
    if (bytes == NULL) {
        return cli_fail(CLI_USAGE, "cannot read %s", cli->args[0]);
    }
    enum cli_exit result = cli_traps_decode(cli, bytes, count, &seen);
    if (result != CLI_OK) {
        return result;
    }
    if (cli->flags.quiet == NULL) {
        fflush(stdout);
        fprintf(stderr, "%zu packets, %zu unmatched, %zu malformed\n", decoded.packets,
                decoded.unmatched, decoded.malformed);
    }
    return decoded.malformed > 0 ? CLI_NO : CLI_OK;
}

struct sending {
    int fd;
    size_t sent, failed;
};

static int send_packet(void *arg, const struct trap_packet *packet)
{
    struct sending *sending = arg;
    if (send(sending->fd, packet->bytes, packet->bytes_count, 0) == (ssize_t)packet->bytes_count) {
        sending->sent++;
    } else {
        sending->failed++;
    }
    return 0;
}

/* "HOST:PORT", "[V6]:PORT" or "HOST" for port 162: a connected UDP socket, or -1. */
static int target_open(const char *target)
{
    char host[256];
    const char *port = "162";
    const char *colon = strrchr(target, ':');
    bool bracketed = target[0] == '[';
    snprintf(host, sizeof host, "%s", target + bracketed);
    if (bracketed) {
        host[strcspn(host, "]")] = 0;
    }
    if (colon != NULL && (bracketed ? colon[-1] == ']' : strchr(target, ':') == colon)) {
        port = colon + 1;
        if (!bracketed) {
            host[colon - target] = 0;
        }
    }
    struct addrinfo *list = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    if (getaddrinfo(host, port, &hints, &list) != 0) {
        return -1;
    }
    int fd = socket(list->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, list->ai_addr, list->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    return fd;
}

enum cli_exit cli_snmp_send(struct cli *cli)
{
    size_t count = 0;
    CLEANUP(freep) uint8_t *bytes = file_read(cli->args[1], &count);
    if (bytes == NULL) {
        return cli_fail(CLI_USAGE, "cannot read %s", cli->args[1]);
    }
    CLEANUP(closep) int fd = target_open(cli->args[0]);
    if (fd < 0) {
        return cli_fail(CLI_USAGE, "no such address: %s (HOST:PORT is wanted)", cli->args[0]);
    }
    struct sending sending = {.fd = fd};
    struct nsh_error err = {0};
    if (trap_file_each(bytes, count, send_packet, NULL, &sending, &err) < 0) {
        return cli_fail(CLI_USAGE, "%s: %s", cli->args[1], err.text);
    }
    if (cli->output == CLI_TABLE && cli->flags.quiet == NULL) {
        cli_print_line("%zu packets sent to %s, %zu not", sending.sent, cli->args[0],
                       sending.failed);
    } else if (cli->output != CLI_TABLE) {
        cli_print_line(
            "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"SnmpSend\",\"sent\":%zu,\"failed\":%zu}",
            sending.sent, sending.failed);
    }
    return sending.failed > 0 ? CLI_PARTLY : CLI_OK;
}
