/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One program per call. Its doctor does not run the program, which may take any call for the one
 * it is there for: it looks at the file.
 */

#include "exec.h"

#include "abi/events.h"
#include "abi/json_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STAT_PROGRAM "/usr/bin/stat"

/* "755 0 regular file": who may write it, and run it. */
static void doctor_ended(struct exec_call *call, const struct nsh_exit *end)
{
    struct nsh_services *services = call->device->services;
    struct nsh_op *op = call->op;
    struct nsh_checks checks = {0};
    char *kind = NULL;
    unsigned long mode = strtoul(end->output, &kind, 8);
    if (end->code != NSH_OK || end->status != 0 || end->signal != 0 || kind == end->output) {
        exec_fail(call, end->code != NSH_OK ? end->code : NSH_NOT_FOUND,
                  end->code != NSH_OK ? end->text : "no such program");
        return;
    }
    if (strstr(kind, "regular") == NULL || (mode & 0111) == 0) {
        nsh_check_add(&checks, "program", NSH_CHECK_FAILED, "chmod +x; a file, not a folder",
                      "cannot be run: mode %03lo,%.60s", mode, kind);
    } else if ((mode & (S_IWOTH | S_IWGRP)) != 0) {
        nsh_check_add(&checks, "program", NSH_CHECK_FAILED, "chmod go-w it, and who owns it?",
                      "others may change it: mode %03lo", mode);
    } else {
        nsh_check_add(&checks, "program", NSH_CHECK_OK, NULL, "mode %03lo", mode);
    }
    op->driver_data = NULL;
    free(call);
    nsh_checks_complete(services, op, &checks);
}

void exec_json_ended(struct exec_call *call, const struct nsh_exit *end)
{
    if (exec_verb_is(call->op, "doctor")) {
        doctor_ended(call, end);
        return;
    }
    struct exec_reply reply;
    exec_json_reply(end, call->op->verb->effect != NSH_READS, &reply);
    exec_json_answered(call, &reply, end->output, end->output_bytes);
}

/* Of an answer that was understood; whether it says yes or no. */
static void events_tell(const struct exec_call *call, const char *line, size_t line_bytes)
{
    struct nsh_pool pool = {0};
    struct nsh_value answer;
    if (memmem(line, line_bytes, "\"events\"", 8) != NULL &&
        nsh_json_read(&pool, line, line_bytes, &answer, NULL) == 0) {
        nsh_events_tell(call->device->services, call->op, &answer);
    }
    nsh_pool_done(&pool);
}

void exec_json_answered(struct exec_call *call, struct exec_reply *reply, const char *line,
                        size_t line_bytes)
{
    if (reply->answered) {
        events_tell(call, line, line_bytes);
    }
    if (reply->code == NSH_OK && strcmp(call->op->verb->name, "power.status") == 0) {
        const char *power = nsh_get_text(&reply->result, "power", "");
        if (strcmp(power, "on") != 0 && strcmp(power, "off") != 0) {
            reply->code = NSH_PROTOCOL;
            snprintf(reply->words, sizeof reply->words,
                     "wanted \"power\": \"on\" or \"off\" in its result");
        }
    }
    char words[EXEC_WORDS_BYTES_MAX + 256];
    snprintf(words, sizeof words, "%.200s: %s", call->device->program,
             reply->words[0] != 0 ? reply->words : nsh_code_word(reply->code));
    exec_redact(call->device, words);
    exec_end(call,
             &(struct nsh_outcome){.code = reply->code,
                                   .effect_possible = reply->effect_possible,
                                   .result = reply->code == NSH_OK && reply->result.type == NSH_MAP
                                                 ? &reply->result
                                                 : NULL,
                                   .text = words});
    exec_reply_done(reply);
}

int exec_json_start(struct exec_call *call, struct nsh_error *err)
{
    struct nsh_device *device = call->device;
    char *input = NULL;
    if (exec_verb_is(call->op, "doctor")) {
        const char *const look[] = {STAT_PROGRAM,    "-L", "-c", "%a %u %F", "--",
                                    device->program, NULL};
        return exec_run(call, look, NULL, err);
    }
    if (device->contract == CONTRACT_WORKER) {
        return exec_worker_start(call, err);
    }
    struct nsh_value parameters = nsh_map(device->parameters, device->parameters_count);
    const char *const argv[] = {device->program, NULL};
    int result = exec_json_request(call->op, &parameters, 0, &input, err);
    return result < 0 ? result : exec_run(call, argv, input, err);
}
