/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of the control socket and of scripts: one row each. TARGET is a host, a rack (r2), a
 * feed (feed:a), a pattern (r1h*) or all.
 */

#include "lab_kube.h"

#include "base/arena.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 8

struct command_run {
    struct lab *lab;
    struct text words[WORDS_MAX]; /* words[0] is the command, words[1] mostly the target. */
    size_t words_count;
    struct textbuf *out;
    const struct command_row *row;
    bool failed, wrote;
    /* For those that act on each host of a target. */
    enum lab_fault fault;
    int64_t time_ms, number;
};

typedef void command_each_fn(void *arg, struct lab_host *host);
typedef bool command_prepare_fn(struct command_run *run);

static bool command_fail(struct command_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool command_fail(struct command_run *run, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    textbuf_clear(run->out);
    textbuf_add_chars(run->out, "{\"error\":");
    textbuf_add_json(run->out, text_of(text));
    textbuf_add_chars(run->out, "}\n");
    run->failed = true;
    return false;
}

static bool word_is(const struct command_run *run, size_t index, const char *chars)
{
    return index < run->words_count && text_is(run->words[index], chars);
}

/* The line from a word on: texts have blanks. */
static const char *rest_copy(const struct command_run *run, size_t index, char *room, size_t bytes)
{
    const char *from = index < run->words_count ? run->words[index].at : "";

    snprintf(room, bytes, "%s", from);
    room[strcspn(room, "\r\n")] = '\0';
    return room;
}

static const char *word_copy(const struct command_run *run, size_t index, char *room, size_t bytes)
{
    struct text word = index < run->words_count ? run->words[index] : TEXT("");

    snprintf(room, bytes, "%.*s", (int)word.count, word.at);
    return room;
}

/* ---- reading arguments ------------------------------------------------------------------ */

static bool prepare_fault_at(struct command_run *run, size_t index)
{
    char word[32];

    run->fault = LAB_FAULT_MEMORY;
    if (index >= run->words_count) {
        return true;
    }
    for (unsigned i = 0; i < LAB_FAULTS_COUNT; i++) {
        if (word_is(run, index, lab_fault_words[i])) {
            run->fault = i;
            return true;
        }
    }
    return command_fail(run, "unknown fault %s; there are memory, hung and psu",
                        word_copy(run, index, word, sizeof word));
}

static bool prepare_fault(struct command_run *run)
{
    return prepare_fault_at(run, 2);
}

static bool prepare_time(struct command_run *run)
{
    if (run->words_count < 3 || !text_to_duration_ms(run->words[2], &run->time_ms) ||
        run->time_ms > 3600000) {
        return command_fail(run, "want a time such as 3s, at most 1h");
    }
    return true;
}

static bool prepare_seconds(struct command_run *run)
{
    run->number = run->lab->options.retry_after;
    if (run->words_count > 2 &&
        (!text_to_int(run->words[2], &run->number) || run->number < 0 || run->number > 3600)) {
        return command_fail(run, "want seconds for Retry-After, 0 to 3600");
    }
    return true;
}

/* flap TARGET [FAULT [TIMES [INTERVAL]]] */
static bool prepare_flap(struct command_run *run)
{
    run->number = 5;
    run->time_ms = 500;
    if (run->words_count > 3 &&
        (!text_to_int(run->words[3], &run->number) || run->number < 1 || run->number > 100000)) {
        return command_fail(run, "want how often, 1 to 100000");
    }
    if (run->words_count > 4 &&
        (!text_to_duration_ms(run->words[4], &run->time_ms) || run->time_ms > 3600000)) {
        return command_fail(run, "want an interval such as 500ms");
    }
    return prepare_fault_at(run, 2);
}

/* heat TARGET CELSIUS */
static bool prepare_heat(struct command_run *run)
{
    if (run->words_count < 3 || !text_to_int(run->words[2], &run->number) || run->number < -50 ||
        run->number > 200) {
        return command_fail(run, "want degrees Celsius, -50 to 200");
    }
    return true;
}

/* events TARGET none|full|stream|well */
static bool prepare_events(struct command_run *run)
{
    static const char *const words[] = {"well", "none", "full", "stream"};
    static const int64_t bits[] = {0, LAB_EVENTS_NONE, LAB_EVENTS_FULL, LAB_EVENTS_STREAM};

    run->number = 0;
    for (size_t i = 2; i < run->words_count; i++) {
        size_t at = 0;
        while (at < sizeof words / sizeof words[0] && !word_is(run, i, words[at])) {
            at++;
        }
        if (at == sizeof words / sizeof words[0]) {
            return command_fail(run, "events are none, full, stream or well");
        }
        run->number |= bits[at];
    }
    return true;
}

static bool prepare_say(struct command_run *run)
{
    return run->words_count > 2 || command_fail(run, "want a MessageId such as Lab.1.2.CoolantLow");
}

static bool prepare_lie(struct command_run *run)
{
    run->number = LAB_LIE_STAYS;
    if (word_is(run, 2, "accepts")) {
        run->number = LAB_LIE_ACCEPTS;
    } else if (run->words_count > 2 && !word_is(run, 2, "stays-on")) {
        return command_fail(run, "a BMC lies as stays-on or as accepts");
    }
    return true;
}

/* ---- acting on a host ------------------------------------------------------------------- */

static void each_fail(void *arg, struct lab_host *host)
{
    const struct command_run *run = arg;
    lab_physics_fail(host, run->fault, word_is(run, 3, "sticky"));
}

static void each_repair(void *arg, struct lab_host *host)
{
    const struct command_run *run = arg;

    for (unsigned i = 0; i < LAB_FAULTS_COUNT; i++) {
        if (run->words_count < 3 || run->fault == i) {
            lab_physics_repair(host, i);
        }
    }
}

static void each_clear(void *arg, struct lab_host *host)
{
    bool hung = (host->bmc->modes & LAB_HANG) != 0;

    lab_physics_clear(host);
    if (hung) {
        lab_https_reset(host->bmc);
    }
}

static void each_honest(void *arg, struct lab_host *host)
{
    bool hung = (host->bmc->modes & LAB_HANG) != 0;

    host->bmc->modes &= LAB_DEAD;
    host->bmc->late_ms = 0;
    host->lied = false;
    lab_clock_clear(host->bmc->lab, &host->lie_timer);
    if (hung) {
        lab_https_reset(host->bmc);
    }
}

static void each_lie(void *arg, struct lab_host *host)
{
    const struct command_run *run = arg;

    host->bmc->modes &= (uint8_t) ~(LAB_LIE_STAYS | LAB_LIE_ACCEPTS);
    host->bmc->modes |= (uint8_t)run->number;
}

static void each_hang(void *arg, struct lab_host *host)
{
    host->bmc->modes |= LAB_HANG;
}

static void each_mute(void *arg, struct lab_host *host)
{
    host->bmc->modes |= LAB_MUTE;
}

static void each_garbage(void *arg, struct lab_host *host)
{
    host->bmc->modes |= LAB_GARBAGE;
}

static void each_deny(void *arg, struct lab_host *host)
{
    host->bmc->modes |= LAB_DENY;
}

static void each_busy(void *arg, struct lab_host *host)
{
    host->bmc->modes |= LAB_BUSY;
    host->bmc->retry_after_s = (uint32_t)((const struct command_run *)arg)->number;
}

static void each_late(void *arg, struct lab_host *host)
{
    host->bmc->late_ms = (uint32_t)((const struct command_run *)arg)->time_ms;
}

static void each_lose_power(void *arg, struct lab_host *host)
{
    lab_physics_lose_power(host);
}

static void each_restore_power(void *arg, struct lab_host *host)
{
    lab_physics_restore_power(host);
}

static void each_flap(void *arg, struct lab_host *host)
{
    const struct command_run *run = arg;
    lab_physics_flap(host, run->fault, (uint32_t)run->number, (uint32_t)run->time_ms);
}

static void each_forget(void *arg, struct lab_host *host)
{
    lab_ipmi_forget(host->bmc);
    lab_redfish_forget(host->bmc);
}

static void each_heat(void *arg, struct lab_host *host)
{
    const struct command_run *run = arg;

    host->inlet_more = 0;
    host->inlet_more = (int16_t)(run->number - lab_redfish_inlet(host));
    lab_redfish_report_send(host);
}

static void each_events(void *arg, struct lab_host *host)
{
    host->bmc->events = (uint8_t)((const struct command_run *)arg)->number;
    if ((host->bmc->events & LAB_EVENTS_STREAM) == 0) {
        lab_redfish_stream_break(host->bmc, false);
    }
}

static void each_say(void *arg, struct lab_host *host)
{
    const struct command_run *run = arg;
    char id[128], text[128];

    lab_redfish_say(host, word_copy(run, 2, id, sizeof id), rest_copy(run, 3, text, sizeof text));
}

static void each_cut(void *arg, struct lab_host *host)
{
    lab_redfish_stream_break(host->bmc, true);
}

static void each_sel(void *arg, struct lab_host *host)
{
    struct command_run *run = arg;
    char word[16], argument[64];

    if (!lab_sel_command(host->bmc, word_copy(run, 2, word, sizeof word),
                         word_copy(run, 3, argument, sizeof argument))) {
        command_fail(run, "the event log knows no \"%s\", or not so; try help", word);
    }
}

static void each_push_on(void *arg, struct lab_host *host)
{
    lab_physics_press(host, LAB_ORDER_ON);
}

static void each_push_off(void *arg, struct lab_host *host)
{
    lab_physics_press(host, LAB_ORDER_OFF);
}

static void each_trap(void *arg, struct lab_host *host)
{
    struct command_run *run = arg;
    char oid[128], text[LAB_TRAP_TEXT_MAX];

    word_copy(run, 2, oid, sizeof oid);
    rest_copy(run, 3, text, sizeof text);
    if (run->failed) {
        return;
    }
    for (unsigned i = 0; i < LAB_FAULTS_COUNT; i++) {
        if (strcmp(oid, lab_fault_words[i]) == 0) {
            lab_alert_fault(host, i, !word_is(run, 3, "clear"));
            return;
        }
    }
    if (!lab_alert_custom(host, oid, run->words_count > 3 ? text : NULL)) {
        command_fail(run,
                     "want a fault or a trap's OID such as 1.3.6.1.4.1.674.10892.5.3.2.1.0.2265");
    }
}

/* ---- telling ---------------------------------------------------------------------------- */

static void state_words(struct textbuf *out, const struct lab_host *host)
{
    static const char *const modes[] = {"lie-stays-on", "lie-accepts", "hang", "garbage",
                                        "deny",         "busy",        "dead", "mute"};
    size_t count = 0;

    textbuf_add_chars(out, "\"faults\":[");
    for (unsigned i = 0; i < LAB_FAULTS_COUNT; i++) {
        if ((host->faults & 1u << i) != 0) {
            textbuf_addf(out, "%s\"%s\"", count++ == 0 ? "" : ",", lab_fault_words[i]);
        }
    }
    textbuf_add_chars(out, "],\"modes\":[");
    count = 0;
    for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if ((host->bmc->modes & 1u << i) != 0) {
            textbuf_addf(out, "%s\"%s\"", count++ == 0 ? "" : ",", modes[i]);
        }
    }
    textbuf_add_char(out, ']');
}

static void each_state(void *arg, struct lab_host *host)
{
    struct command_run *run = arg;
    const struct lab_bmc *bmc = host->bmc;
    char address[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &bmc->address.sin_addr, address, sizeof address);
    textbuf_addf(run->out,
                 "{\"host\":\"%s\",\"kind\":\"%s\",\"address\":\"%s:%u\",\"power\":\"%s\","
                 "\"shown\":\"%s\",\"os_up\":%s,",
                 host->name, bmc->kind == LAB_IPMI ? "ipmi" : "redfish", address,
                 ntohs(bmc->address.sin_port), lab_power_word(host->power),
                 lab_power_word(lab_physics_shown(host)), host->os_up ? "true" : "false");
    state_words(run->out, host);
    textbuf_addf(run->out,
                 ",\"late_ms\":%u,\"offs\":%u,\"resets\":%u,\"identify\":%s,\"requests\":%llu,"
                 "\"logins\":%u}\n",
                 bmc->late_ms, host->offs_count, host->resets_count,
                 lab_physics_lit(host) ? "true" : "false", (unsigned long long)bmc->requests,
                 bmc->logins);
    run->wrote = true;
}

static void each_ledger(void *arg, struct lab_host *host)
{
    struct command_run *run = arg;
    lab_ledger_write(run->lab, host, run->out);
    run->wrote = true;
}

static void command_stats(struct command_run *run)
{
    struct lab_trap_figures traps;

    lab_trap_count(run->lab, &traps);
    textbuf_addf(
        run->out,
        "{\"hosts\":%zu,\"bmcs\":%zu,\"connections\":%llu,\"connections_peak\":%llu,"
        "\"refused\":%llu,\"traps\":{\"sent\":%llu,\"failed\":%llu,\"dropped\":%llu,"
        "\"acknowledged\":%llu,"
        "\"unanswered\":%llu,\"waiting\":%llu}}\n",
        run->lab->hosts_count, run->lab->bmcs_count, (unsigned long long)run->lab->connections,
        (unsigned long long)run->lab->connections_peak, (unsigned long long)run->lab->refused,
        (unsigned long long)traps.sent, (unsigned long long)traps.failed,
        (unsigned long long)traps.dropped, (unsigned long long)traps.acknowledged,
        (unsigned long long)traps.unanswered, (unsigned long long)traps.waiting);
    run->wrote = true;
}

/* ---- the table -------------------------------------------------------------------------- */

static const struct command_row {
    const char *name, *arguments, *help;
    command_prepare_fn *prepare;
    command_each_fn *each;
    bool noted; /* In the ledger, as the operator's doing. */
} rows[] = {
    {"fail", "TARGET [memory|hung|psu] [sticky]",
     "A fault, with its trap; sticky: nothing cures it", prepare_fault, each_fail, false},
    {"repair", "TARGET [FAULT]", "Repair faults, with the clear trap", prepare_fault, each_repair,
     false},
    {"clear", "TARGET", "No faults, no misbehaviour, power on", NULL, each_clear, true},
    {"lie", "TARGET [stays-on|accepts]",
     "Accept power orders and do nothing; stays-on reports success", prepare_lie, each_lie, true},
    {"hang", "TARGET", "The BMC does nothing and never answers", NULL, each_hang, true},
    {"mute", "TARGET", "Power orders are carried out, their answers are lost", NULL, each_mute,
     true},
    {"late", "TARGET TIME", "The BMC answers that much later", prepare_time, each_late, true},
    {"garbage", "TARGET", "The BMC answers nonsense", NULL, each_garbage, true},
    {"deny", "TARGET", "The BMC refuses the credentials", NULL, each_deny, true},
    {"busy", "TARGET [SECONDS]", "503 with Retry-After; completion code C0h", prepare_seconds,
     each_busy, true},
    {"honest", "TARGET", "End lie, hang, mute, late, garbage, deny, busy", NULL, each_honest, true},
    {"lose-power", "TARGET", "The host and its BMC lose power", NULL, each_lose_power, true},
    {"restore-power", "TARGET", "Power comes back: the BMC starts, the host stays off", NULL,
     each_restore_power, true},
    {"flap", "TARGET [FAULT [TIMES [INTERVAL]]]", "The fault comes and goes", prepare_flap,
     each_flap, true},
    {"fail-rack", "RACK [FAULT]", "All hosts of a rack fail together", prepare_fault, each_fail,
     true},
    {"fail-feed", "feed:a|feed:b", "All hosts of a feed lose power", NULL, each_lose_power, true},
    {"forget", "TARGET", "The BMC restarts and forgets its sessions", NULL, each_forget, true},
    {"heat", "TARGET CELSIUS", "Its inlet is so warm", prepare_heat, each_heat, true},
    {"events", "TARGET [none|full|stream]",
     "Redfish has no EventService, takes no subscription, "
     "offers a stream; or is well",
     prepare_events, each_events, true},
    {"say", "TARGET MESSAGE-ID [TEXT]", "An event to those who read its stream", prepare_say,
     each_say, true},
    {"cut", "TARGET", "Its streams break in the middle of an event", NULL, each_cut, true},
    {"sel", "TARGET WORD [ARGUMENT]",
     "The event log: add HEX, clear, restart-ids, room N, clock S, clock-unset, halves, lost, well",
     NULL, each_sel, false},
    {"push-on", "TARGET", "Somebody presses the power button", NULL, each_push_on, false},
    {"push-off", "TARGET", "Somebody holds the power button", NULL, each_push_off, false},
    {"trap", "TARGET FAULT|OID [clear|TEXT]", "Send only the trap", NULL, each_trap, false},
    {"state", "[TARGET]", "What is true, a JSON line a host", NULL, each_state, false},
    {"ledger", "[TARGET]", "What was done, a JSON line each", NULL, each_ledger, false},
    {"kube", "compact|break|conflict",
     "Its history is forgotten, its watches break, its next patch comes too late", NULL, NULL,
     true},
    {"stats", "", "Figures", NULL, NULL, false},
    {"help", "", "Show this", NULL, NULL, false},
    {"quit", "", "End the lab", NULL, NULL, false},
};

void lab_command_help(struct textbuf *out)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", rows[i].name, rows[i].arguments);
        textbuf_addf(out, "  %-44s %s\n", left, rows[i].help);
    }
    textbuf_add_chars(
        out, "TARGET: a host (r1h03), a rack (r2), a feed (feed:a), a pattern (r1h*), all\n");
}

static bool command_split(struct command_run *run, const char *line)
{
    while (*line != '\0') {
        line += strspn(line, " \t\r\n");
        size_t count = strcspn(line, " \t\r\n");
        if (count == 0) {
            break;
        }
        if (run->words_count == WORDS_MAX) {
            return command_fail(run, "more than %d words", WORDS_MAX);
        }
        run->words[run->words_count++] = (struct text){line, (uint32_t)count};
        line += count;
    }
    return run->words_count > 0 || command_fail(run, "no command; try help");
}

static bool command_alone(struct command_run *run)
{
    if (word_is(run, 0, "stats")) {
        command_stats(run);
    } else if (word_is(run, 0, "help")) {
        lab_command_help(run->out);
    } else if (word_is(run, 0, "kube")) {
        if (run->words_count < 2 || !lab_kube_command(run->lab, run->words[1])) {
            return command_fail(run, "want kube compact, break or conflict, and --kube-port");
        }
        textbuf_add_chars(run->out, "{\"ok\":true}\n");
    } else {
        uv_stop(&run->lab->loop);
        textbuf_add_chars(run->out, "{\"ok\":true}\n");
    }
    return true;
}

static bool command_targets(struct command_run *run, const char *line)
{
    char word[64];
    bool tells = run->row->each == each_state || run->row->each == each_ledger;

    if (run->words_count < 2 && run->row->each == each_ledger) {
        lab_ledger_write(run->lab, NULL, run->out);
        return true;
    }
    if (run->words_count < 2 && !tells) {
        return command_fail(run, "want: %s %s", run->row->name, run->row->arguments);
    }
    if (run->row->prepare != NULL && !run->row->prepare(run)) {
        return false;
    }
    if (run->row->noted) {
        lab_ledger_add(run->lab, lab_world_host(run->lab, run->words[1]), "control", line, "",
                       "none");
    }
    struct text target = run->words_count < 2 ? TEXT("all") : run->words[1];
    size_t count = lab_world_select(run->lab, target, run->row->each, run);
    if (run->failed) {
        return false;
    }
    if (count == 0) {
        return command_fail(run, "no host, rack or feed %s", word_copy(run, 1, word, sizeof word));
    }
    if (!tells) {
        textbuf_addf(run->out, "{\"ok\":true,\"hosts\":%zu}\n", count);
    }
    return true;
}

bool lab_command_run(struct lab *lab, const char *line, struct textbuf *out)
{
    struct command_run run = {.lab = lab, .out = out};
    const char *names[sizeof rows / sizeof rows[0] + 1] = {NULL};
    char word[64];

    if (!command_split(&run, line)) {
        return false;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        names[i] = rows[i].name;
        if (word_is(&run, 0, rows[i].name)) {
            run.row = &rows[i];
        }
    }
    if (run.row == NULL) {
        const char *nearest = text_nearest(run.words[0], names);
        return command_fail(&run, "unknown command %s; %s%s", word_copy(&run, 0, word, sizeof word),
                            nearest == NULL ? "try help" : "did you mean ",
                            nearest == NULL ? "" : nearest);
    }
    return run.row->each == NULL ? command_alone(&run) : command_targets(&run, line);
}
