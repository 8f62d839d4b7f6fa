/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signal score: rows `timestamp,value` in, rows `timestamp,score` out, each as soon as it was read:
 * what the daemon's detector, as it is shipped, would have said at that moment. No row is looked at
 * before its turn, and nothing is set for one file.
 */

#include "cli_local.h"

#include "base/diag.h"
#include "model/event.h"
#include "signal/signal.h"

#include <errno.h>
#include <stdlib.h>

#define ROW_BYTES_MAX 4096
#define HEADER "timestamp,value"

struct scoring {
    struct cli *cli;
    const char *path;
    uint32_t line;
    struct signal_baseline baseline;
    struct diags diags;
};

static void wrong(struct scoring *scoring, size_t column, size_t length, const char *wanted,
                  const char *got)
{
    CLEANUP(textbuf_donep) struct textbuf safe = {0};
    struct nsh_place at = {.file = scoring->path,
                           .line = scoring->line,
                           .column = (uint32_t)column + 1,
                           .length = (uint32_t)length};
    textbuf_add_safe(&safe, text_of(got));
    diag_add(&scoring->diags, DIAG_ERROR, at, NULL, "%s, got '%s'", wanted,
             safe.failed || safe.at == NULL ? "" : safe.at);
}

/* "2014-02-14 14:30:00", RFC 3339, or Unix seconds. Without a zone it is UTC. */
static bool time_read(const char *text, int64_t *ret_ms)
{
    char whole[64], *end = NULL;
    size_t count = strlen(text);
    errno = 0;
    double seconds = strtod(text, &end);
    if (end != text && *end == 0 && errno == 0) {
        *ret_ms = seconds >= 0 && seconds < 253402300800.0 ? (int64_t)(seconds * 1000.0) : -1;
        return *ret_ms >= 0;
    }
    if (count < strlen("2014-02-14 14:30:00") || count + 2 > sizeof whole) {
        return false;
    }
    snprintf(whole, sizeof whole, "%s", text);
    if (whole[10] == ' ') {
        whole[10] = 'T';
    }
    const char *zone = whole + 19;
    if (strpbrk(zone, "Zz+-") == NULL) {
        whole[count] = 'Z';
        whole[count + 1] = 0;
    }
    return event_time_read(whole, ret_ms) && *ret_ms >= 0;
}

static bool value_read(const char *text, double *ret_value)
{
    char *end = NULL;
    *ret_value = strtod(text, &end);
    return end != text && *end == 0 && signal_value_is_good(*ret_value);
}

static char *trimmed(char *text)
{
    text += strspn(text, " \t");
    text[strcspn(text, "\r\n")] = 0;
    for (size_t count = strlen(text); count > 0 && strchr(" \t", text[count - 1]); count--) {
        text[count - 1] = 0;
    }
    return text;
}

static bool row_score(struct scoring *scoring, char *row)
{
    int64_t at_ms = 0;
    double value = 0;
    struct signal_score score;
    char *comma = strchr(row, ',');
    if (comma == NULL) {
        wrong(scoring, 0, strlen(trimmed(row)), "a row is " HEADER, row);
        return false;
    }
    *comma = 0;
    char *time = trimmed(row), *number = trimmed(comma + 1);
    if (!time_read(time, &at_ms)) {
        wrong(scoring, (size_t)(time - row), strlen(time),
              "a time is '2026-01-31 23:59:00', RFC 3339 or Unix seconds", time);
        return false;
    }
    if (!value_read(number, &value)) {
        wrong(scoring, (size_t)(number - row), strlen(number), "a value is a finite number",
              number);
        return false;
    }
    if (!signal_baseline_put(&scoring->baseline, at_ms, value, &score)) {
        wrong(scoring, (size_t)(time - row), strlen(time), "rows are in the order of time", time);
        return false;
    }
    printf("%s,%.6f\n", time, signal_score_unit(score.news));
    return true;
}

static bool header_read(struct scoring *scoring, char *row)
{
    char *header = trimmed(row);
    if (strcmp(header, HEADER) != 0) {
        wrong(scoring, 0, strlen(header), "the first row is '" HEADER "'", header);
        return false;
    }
    printf("timestamp,score\n");
    return true;
}

static bool file_score(struct scoring *scoring, FILE *file)
{
    char row[ROW_BYTES_MAX];
    while (fgets(row, sizeof row, file) != NULL) {
        scoring->line++;
        if (strlen(row) + 1 == sizeof row) {
            wrong(scoring, 0, 1, "a row has at most 4094 bytes", "more");
            return false;
        }
        if (*trimmed(row) == 0 && scoring->line > 1) {
            continue;
        }
        if (!(scoring->line == 1 ? header_read(scoring, row) : row_score(scoring, row))) {
            return false;
        }
    }
    if (scoring->line == 0) {
        scoring->line = 1;
        wrong(scoring, 0, 1, "the first row is '" HEADER "'", "");
        return false;
    }
    return true;
}

enum cli_exit cli_signal_score(struct cli *cli)
{
    if (cli->args_count != 1) {
        return cli_fail(CLI_USAGE, "signal score takes one file of rows '" HEADER "'; - is stdin");
    }
    struct scoring scoring = {.cli = cli, .path = cli->args[0]};
    bool from_stdin = strcmp(scoring.path, "-") == 0;
    FILE *file = from_stdin ? stdin : fopen(scoring.path, "re");
    if (file == NULL) {
        return cli_fail(CLI_USAGE, "cannot read %s: %s", scoring.path, strerror(errno));
    }
    bool good = file_score(&scoring, file);
    if (ferror(file)) {
        good = false;
        cli_fail(CLI_USAGE, "cannot read %s: %s", scoring.path, strerror(errno));
    }
    if (!from_stdin) {
        fclose(file);
    }
    cli_diags_show(cli, &scoring.diags);
    diags_done(&scoring.diags);
    return good && fflush(stdout) == 0 ? CLI_OK : CLI_USAGE;
}
