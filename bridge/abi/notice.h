/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_NOTICE_H
#define NSH_NOTICE_H

/*
 * What a call that speaks to people carries (page, notify, ticket, resolve), for the drivers that
 * have such verbs: the engine says the same to each of them.
 *
 *     static const struct nsh_option args[] = {
 *         {.name = "title", .type = NSH_STRING, .help = "One line."},
 *         NSH_NOTICE_ARGS("Free text.", "What belongs together."),
 *     };
 *     static const struct nsh_verb verbs[] = {
 *         NSH_NOTICE_VERB("page", args, 20000, "Wake a person."),
 *     };
 *
 * The title is each driver's own row: some cannot do without.
 */

#include "abi/driver.h"

#define NSH_NOTICE_ARGS(urgency_help, key_help)                                                    \
    {.name = "text", .type = NSH_STRING, .help = "What happened."},                                \
        {.name = "severity", .type = NSH_STRING, .help = "info to fatal."},                        \
        {.name = "team", .type = NSH_STRING, .help = "Whom it is for."},                           \
        {.name = "urgency", .type = NSH_STRING, .help = (urgency_help)},                           \
        {.name = "key", .type = NSH_STRING, .help = (key_help)},                                   \
        {.name = "host", .type = NSH_STRING, .help = "The host, if one."},                         \
        {.name = "policy", .type = NSH_STRING, .help = "The policy that asks."},                   \
        {.name = "run", .type = NSH_STRING, .help = "The run."},                                   \
        {.name = "alarm", .type = NSH_STRING, .help = "The alarm."},                               \
        {.name = "reason", .type = NSH_STRING, .help = "Why a person is needed."},                 \
        {.name = "evidence",                                                                       \
         .type = NSH_LIST,                                                                         \
         .help = "Lines: the alarm, each step and what came of it, each guard."},                  \
    {                                                                                              \
        .name = "time_ms", .type = NSH_INT, .help = "When it was decided, Unix milliseconds."      \
    }

/* verb_args: the array itself. */
#define NSH_NOTICE_VERB(verb_name, verb_args, verb_timeout_ms, verb_help)                          \
    {                                                                                              \
        .name = (verb_name), .effect = NSH_CHANGES, .flags = NSH_IDEMPOTENT | NSH_NOTIFIES,        \
        .args = (verb_args), .args_count = sizeof(verb_args) / sizeof(verb_args)[0],               \
        .timeout_ms_default = (verb_timeout_ms), .help = (verb_help),                              \
    }

#endif
