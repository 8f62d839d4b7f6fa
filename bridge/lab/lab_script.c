/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts: lines "at TIME COMMAND", TIME counted from the start of the lab; '#' begins a comment.
 */

#include "lab.h"

#include "base/arena.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct script_line {
    struct script_line *next;
    struct lab_timer timer;
    struct lab *lab;
    char *text;
};

struct lab_script {
    struct script_line *first;
};

static void script_due(void *arg)
{
    struct script_line *line = arg;
    CLEANUP(textbuf_donep) struct textbuf out = {0};

    if (!lab_command_run(line->lab, line->text, &out)) {
        fprintf(stderr, "nightshift-lab: script: %s: %s", line->text, out.at);
    }
}

static int script_add(struct lab *lab, const char *path, unsigned number, char *text,
                      struct nsh_error *err)
{
    int64_t time_ms = 0;
    int count = 0;
    char time[32];

    text[strcspn(text, "#\r\n")] = '\0';
    text += strspn(text, " \t");
    if (*text == '\0') {
        return 0;
    }
    if (sscanf(text, "at %31s %n", time, &count) != 1 || count == 0 || text[count] == '\0' ||
        !(strcmp(time, "0") == 0 || text_to_duration_ms(text_of(time), &time_ms))) {
        return nsh_fail(err, NSH_INVALID, "%s:%u: want `at TIME COMMAND`, such as at 5s fail r1h03",
                        path, number);
    }
    struct script_line *line = calloc(1, sizeof *line);
    char *copy = strdup(text + count);
    if (line == NULL || copy == NULL) {
        free(line);
        free(copy);
        return nsh_fail(err, NSH_NOMEM, "no memory for %s", path);
    }
    *line = (struct script_line){.lab = lab, .text = copy, .next = lab->script->first};
    lab->script->first = line;
    lab_clock_set(lab, &line->timer, time_ms, script_due, line);
    return 0;
}

int lab_script_load(struct lab *lab, const char *path, struct nsh_error *err)
{
    char text[1024];
    unsigned number = 0;
    int result = 0;
    FILE *in = fopen(path, "r");

    lab->script = calloc(1, sizeof *lab->script);
    if (in == NULL || lab->script == NULL) {
        if (in != NULL) {
            fclose(in);
        }
        return nsh_fail(err, NSH_IO, "script %s: %s", path, strerror(errno));
    }
    while (result == 0 && fgets(text, sizeof text, in) != NULL) {
        result = script_add(lab, path, ++number, text, err);
    }
    fclose(in);
    return result;
}

void lab_script_free(struct lab *lab)
{
    struct script_line *line = lab->script == NULL ? NULL : lab->script->first;

    while (line != NULL) {
        struct script_line *next = line->next;
        free(line->text);
        free(line);
        line = next;
    }
    free(lab->script);
    lab->script = NULL;
}
