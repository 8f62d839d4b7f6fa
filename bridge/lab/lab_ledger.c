/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: one JSON line for everything that was done to a host, in the order it was done.
 * Written to a file opened for appending, one write a line, and the newest LEDGER_KEPT_MAX lines
 * are kept for `ctl ledger`.
 */

#include "lab.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define LEDGER_KEPT_MAX 65536 /* Some 13 MB at 200 bytes a line. */

struct lab_ledger {
    int fd;
    uint64_t sequence;
    struct ledger_line {
        char *text;
        const struct lab_host *host;
    } lines[LEDGER_KEPT_MAX];
};

int lab_ledger_open(struct lab *lab, const char *path, struct nsh_error *err)
{
    lab->ledger = calloc(1, sizeof *lab->ledger);
    if (lab->ledger == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for the ledger");
    }
    lab->ledger->fd = -1;
    if (path == NULL) {
        return 0;
    }
    lab->ledger->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (lab->ledger->fd < 0) {
        return nsh_fail(err, NSH_IO, "cannot write the ledger %s: %s", path, strerror(errno));
    }
    return 0;
}

void lab_ledger_close(struct lab *lab)
{
    if (lab->ledger == NULL) {
        return;
    }
    for (size_t i = 0; i < LEDGER_KEPT_MAX; i++) {
        free(lab->ledger->lines[i].text);
    }
    if (lab->ledger->fd >= 0) {
        close(lab->ledger->fd);
    }
    free(lab->ledger);
    lab->ledger = NULL;
}

void lab_ledger_add(struct lab *lab, const struct lab_host *host, const char *via,
                    const char *request, const char *answer, const char *effect)
{
    struct lab_ledger *ledger = lab->ledger;
    CLEANUP(textbuf_donep) struct textbuf line = {.count_max = 4096};

    textbuf_addf(&line, "{\"seq\":%llu,\"time\":\"", (unsigned long long)++ledger->sequence);
    textbuf_add_time(&line, lab_clock_unix_ms());
    textbuf_addf(&line,
                 "\",\"at_ms\":%lld,\"host\":", (long long)(lab_clock_now_ms(lab) - lab->start_ms));
    textbuf_add_json(&line, text_of(host == NULL ? "" : host->name));
    textbuf_add_chars(&line, ",\"via\":");
    textbuf_add_json(&line, text_of(via));
    textbuf_add_chars(&line, ",\"request\":");
    textbuf_add_json(&line, text_of(request));
    textbuf_add_chars(&line, ",\"answer\":");
    textbuf_add_json(&line, text_of(answer));
    textbuf_add_chars(&line, ",\"effect\":");
    textbuf_add_json(&line, text_of(effect));
    textbuf_add_chars(&line, "}\n");
    if (line.failed) {
        return;
    }
    if (ledger->fd >= 0 && write(ledger->fd, line.at, line.count) != (ssize_t)line.count) {
        fprintf(stderr, "nightshift-lab: the ledger cannot be written: %s\n", strerror(errno));
    }
    struct ledger_line *kept = &ledger->lines[ledger->sequence % LEDGER_KEPT_MAX];
    free(kept->text);
    kept->text = TAKE(line.at);
    kept->host = host;
}

void lab_ledger_write(const struct lab *lab, const struct lab_host *host, struct textbuf *out)
{
    for (uint64_t i = 1; i <= LEDGER_KEPT_MAX; i++) {
        const struct ledger_line *kept =
            &lab->ledger->lines[(lab->ledger->sequence + i) % LEDGER_KEPT_MAX];
        if (kept->text != NULL && (host == NULL || kept->host == host)) {
            textbuf_add_chars(out, kept->text);
        }
    }
}
