/* SPDX-License-Identifier: Apache-2.0 */
/* All cases of one device of NAME.peer.json: each verb, each thing that can go wrong, everywhere.
 */

#include "contract.h"

#include <stdio.h>

#define BYTES_EACH_MAX 600      /* Of an answer every byte is tried up to here, then every 37th. */
#define BYTES_EACH_HTTP_MAX 100 /* Bodies of HTTP are long, and the same parser reads them all. */
#define BYTES_EACH_STREAM_MAX 8 /* Handshakes are dear, and a stream has no message borders. */
#define ALLOCS_MAX 6000

struct sweep {
    const struct subject *subject;
    const struct nsh_verb *verb;
    unsigned cases_count, violations_count, failed_count;
};

static const char *twist_word(enum twist_kind kind)
{
    static const char *const words[] = {"as it should be", "silence",     "silence from then on",
                                        "disconnect",      "unreachable", "status",
                                        "signal",          "garbage",     "truncated",
                                        "a byte changed",  "twice",       "too long",
                                        "reset",           "slow"};
    return words[kind];
}

static void case_name(const struct run_case *run, char words[160])
{
    if (run->fail_alloc != 0) {
        snprintf(words, 160, "allocation %u%s fails", run->fail_alloc,
                 run->fail_alloc_ever ? " and all after it" : "");
    } else if (run->fail_call != 0) {
        snprintf(words, 160, "service call %u fails", run->fail_call);
    } else if (run->cancel_after >= 0) {
        snprintf(words, 160, "cancel after %d callbacks%s", run->cancel_after,
                 run->stubborn ? ", stubborn program" : "");
    } else if (run->close_in_complete) {
        snprintf(words, 160, "%u at once%s, closed in complete(), exchange %u: %s", run->ops,
                 run->cancel_in_complete ? ", the first's end cancels the second" : "",
                 run->twist.exchange, twist_word(run->twist.kind));
    } else if (run->ops > 1) {
        snprintf(words, 160, "two at once%s",
                 run->cancel_in_complete ? ", the first's end cancels the second" : "");
    } else {
        snprintf(words, 160, "exchange %u: %s %u", run->twist.exchange, twist_word(run->twist.kind),
                 run->twist.value);
    }
}

static struct run_result sweep_run(struct sweep *sweep, struct run_case run)
{
    struct run_result result;
    char words[160];
    run.subject = sweep->subject;
    run.verb = sweep->verb;
    run.ops = run.ops == 0 ? 1 : run.ops;
    run_case(&run, &result);
    sweep->cases_count++;
    sweep->violations_count += result.violations_count;
    if (result.violations_count > 0) {
        case_name(&run, words);
        printf("    ^ %s/%s %s: %s (ended as %s)\n", sweep->subject->driver->name,
               sweep->subject->name, sweep->verb->name, words,
               result.code < 0 ? "refused" : nsh_code_word(result.code));
        sweep->failed_count++;
    }
    return result;
}

static void sweep_twist(struct sweep *sweep, unsigned exchange, enum twist_kind kind,
                        unsigned value)
{
    sweep_run(sweep, (struct run_case){.twist = {kind, exchange, value}, .cancel_after = -1});
}

static void sweep_bytes(struct sweep *sweep, unsigned exchange, const struct seen *seen)
{
    unsigned each_max = seen->channel == CHANNEL_HTTP     ? BYTES_EACH_HTTP_MAX
                        : seen->channel == CHANNEL_STREAM ? BYTES_EACH_STREAM_MAX
                                                          : BYTES_EACH_MAX;
    for (unsigned at = 0; at < seen->reply_bytes; at += at < each_max ? 1 : 37) {
        sweep_twist(sweep, exchange, TWIST_TRUNCATE, at);
        if (seen->channel == CHANNEL_DATAGRAM || seen->channel == CHANNEL_STREAM) {
            sweep_twist(sweep, exchange, TWIST_FLIP, at);
        }
    }
}

/* Each exchange of the good run goes wrong in each way its channel knows. */
static void sweep_exchange(struct sweep *sweep, unsigned exchange, const struct seen *seen)
{
    static const unsigned statuses[] = {300, 302, 400, 401, 403, 404, 405, 408, 409, 412, 413,
                                        422, 428, 429, 500, 501, 502, 503, 504, 99,  999};
    static const unsigned exits[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 75, 126, 127, 255};
    static const enum twist_kind kinds[] = {TWIST_SILENCE, TWIST_SILENCE_EVER, TWIST_DISCONNECT,
                                            TWIST_UNREACHABLE};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        sweep_twist(sweep, exchange, kinds[i], 0);
    }
    for (unsigned i = 0; i < 16; i++) {
        sweep_twist(sweep, exchange, TWIST_GARBAGE, i);
    }
    if (seen->channel == CHANNEL_HTTP) {
        for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
            sweep_twist(sweep, exchange, TWIST_STATUS, statuses[i]);
        }
        sweep_twist(sweep, exchange, TWIST_TOO_LONG, 0);
    } else if (seen->channel == CHANNEL_PROGRAM) {
        for (size_t i = 0; i < sizeof exits / sizeof exits[0]; i++) {
            sweep_twist(sweep, exchange, TWIST_STATUS, exits[i]);
        }
        sweep_twist(sweep, exchange, TWIST_SIGNAL, 9);
        sweep_twist(sweep, exchange, TWIST_SIGNAL, 11);
        sweep_twist(sweep, exchange, TWIST_TOO_LONG, 0);
    } else {
        sweep_twist(sweep, exchange, TWIST_TWICE, 0);
    }
    if (seen->channel == CHANNEL_STREAM) {
        sweep_twist(sweep, exchange, TWIST_RESET, 0);
        sweep_twist(sweep, exchange, TWIST_SLOW, 0);
    }
    sweep_bytes(sweep, exchange, seen);
}

static void sweep_cancels(struct sweep *sweep, unsigned dispatched)
{
    for (int after = 0; after <= (int)dispatched; after++) {
        sweep_run(sweep, (struct run_case){.cancel_after = after});
        sweep_run(sweep, (struct run_case){.cancel_after = after, .stubborn = true});
        for (unsigned exchange = 1; exchange <= (unsigned)after + 1; exchange++) {
            sweep_run(sweep, (struct run_case){.cancel_after = after,
                                               .twist = {TWIST_SILENCE_EVER, exchange, 0}});
        }
    }
}

static void sweep_failures(struct sweep *sweep, unsigned calls)
{
    for (unsigned i = 1; i <= calls; i++) {
        sweep_run(sweep, (struct run_case){.cancel_after = -1, .fail_call = i});
    }
    for (int ever = 0; ever < 2; ever++) {
        for (unsigned i = 1; i <= ALLOCS_MAX; i++) {
            struct run_case run = {
                .cancel_after = -1, .fail_alloc = i, .fail_alloc_ever = ever == 1};
            if (sweep_run(sweep, run).allocs_count < i) {
                break; /* It ran through without needing so many. */
            }
        }
    }
}

/* Two at once, one of which ends the other; and devices that are closed by the end of a call. */
static void sweep_entangled(struct sweep *sweep, unsigned exchanges)
{
    static const enum twist_kind kinds[] = {TWIST_NONE, TWIST_SILENCE_EVER, TWIST_DISCONNECT,
                                            TWIST_UNREACHABLE, TWIST_GARBAGE};
    unsigned ops_max = (sweep->verb->flags & NSH_EXCLUSIVE) == 0 ? 2 : 1;
    for (unsigned ops = 1; ops <= ops_max; ops++) {
        for (unsigned i = 1; i <= exchanges; i++) {
            for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
                struct run_case run = {.cancel_after = -1,
                                       .ops = ops,
                                       .cancel_in_complete = ops == 2,
                                       .twist = {kinds[k], i, 1}};
                sweep_run(sweep, run);
                run.close_in_complete = true;
                sweep_run(sweep, run);
                run.cancel_in_complete = false;
                sweep_run(sweep, run);
                run.cancel_after = (int)i;
                sweep_run(sweep, run);
            }
        }
    }
}

static void sweep_verb(struct sweep *sweep)
{
    run_remember_clean(NULL);
    const struct nsh_value *how =
        nsh_get(nsh_get(sweep->subject->device, "verbs"), sweep->verb->name);
    const char *others = nsh_get_text(sweep->subject->device, "others", NULL);
    const char *wanted = nsh_get_text(how, "code", how == NULL ? others : "ok");
    if (wanted == NULL) {
        return; /* Another device runs it. */
    }
    struct run_result clean = sweep_run(sweep, (struct run_case){.cancel_after = -1});
    int code = clean.code < 0 ? -clean.code : clean.code;
    if (strcmp(nsh_code_word(code), wanted) != 0) {
        printf("    %s/%s %s: ends as %s, not %s\n", sweep->subject->driver->name,
               sweep->subject->name, sweep->verb->name, nsh_code_word(code), wanted);
        sweep->violations_count++;
    }
    if (how == NULL || clean.code < 0) {
        return; /* Refused before anything happened. */
    }
    for (unsigned i = 0; i < clean.exchanges_count && i < EXCHANGES_MAX; i++) {
        sweep_exchange(sweep, i + 1, &clean.seen[i]);
    }
    sweep_cancels(sweep, clean.dispatched_count);
    sweep_failures(sweep, clean.calls_count);
    sweep_entangled(sweep, clean.exchanges_count);
    printf("  %s/%s %s: %u exchanges, %u callbacks, %u service calls, %u allocations\n",
           sweep->subject->driver->name, sweep->subject->name, sweep->verb->name,
           clean.exchanges_count, clean.dispatched_count, clean.calls_count, clean.allocs_count);
}

unsigned sweep_subject(const struct subject *subject)
{
    struct sweep sweep = {.subject = subject};
    for (size_t i = 0; i < subject->driver->verbs_count; i++) {
        sweep.verb = &subject->driver->verbs[i];
        sweep_verb(&sweep);
    }
    printf("%s/%s: %u cases, %u violations\n", subject->driver->name, subject->name,
           sweep.cases_count, sweep.violations_count);
    return sweep.violations_count;
}
