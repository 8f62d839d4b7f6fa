/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is true of a host: power with its delays, an operating system that is up some time after
 * power on, faults and what cures them. Every change of the truth is a ledger line with via
 * "physics".
 */

#include "lab.h"

#include "base/assert.h"

#include <stdio.h>

#define BIT(fault) ((uint8_t)(1u << (fault)))

const char *const lab_fault_words[LAB_FAULTS_COUNT] = {
#define LAB_FAULT(NAME, word, ...) [LAB_FAULT_##NAME] = word,
#include "lab_faults.def"
#undef LAB_FAULT
};

static const struct {
    enum lab_cure cure;
    uint8_t sensor_type, offset;
} faults[LAB_FAULTS_COUNT] = {
#define LAB_FAULT(NAME, word, cure, type, offset, ...)                                             \
    [LAB_FAULT_##NAME] = {LAB_CURE_##cure, type, offset},
#include "lab_faults.def"
#undef LAB_FAULT
};

const char *lab_power_word(unsigned power)
{
    static const char *const words[] = {
        [LAB_OFF] = "off",
        [LAB_ON] = "on",
        [LAB_TURNING_OFF] = "turning-off",
        [LAB_TURNING_ON] = "turning-on",
    };

    NSH_ASSERT(power < sizeof words / sizeof words[0]);
    return words[power];
}

unsigned lab_physics_shown(const struct lab_host *host)
{
    return host->lied ? host->shown : host->power;
}

bool lab_physics_lit(const struct lab_host *host)
{
    return host->identify && (host->identify_until_ms == 0 ||
                              lab_clock_now_ms(host->bmc->lab) < host->identify_until_ms);
}

static void physics_note(struct lab_host *host, const char *effect)
{
    lab_ledger_add(host->bmc->lab, host, "physics", "", "", effect);
    host->etag++;
}

static bool physics_hung(const struct lab_host *host)
{
    return (host->faults & BIT(LAB_FAULT_HUNG)) != 0;
}

/* ---- faults ----------------------------------------------------------------------------- */

void lab_physics_fail(struct lab_host *host, enum lab_fault fault, bool sticky)
{
    char effect[40];

    host->faults |= BIT(fault);
    host->sticky = (uint8_t)(sticky ? host->sticky | BIT(fault) : host->sticky & ~BIT(fault));
    if (fault == LAB_FAULT_HUNG) {
        host->os_up = false;
    }
    snprintf(effect, sizeof effect, "fault %s", lab_fault_words[fault]);
    physics_note(host, effect);
    lab_sel_add(host->bmc, faults[fault].sensor_type, (uint8_t)(fault + 1), faults[fault].offset,
                true);
    lab_alert_fault(host, fault, true);
}

void lab_physics_repair(struct lab_host *host, enum lab_fault fault)
{
    char effect[40];

    if ((host->faults & BIT(fault)) == 0) {
        return;
    }
    host->faults &= (uint8_t)~BIT(fault);
    host->sticky &= (uint8_t)~BIT(fault);
    snprintf(effect, sizeof effect, "cured %s", lab_fault_words[fault]);
    physics_note(host, effect);
    lab_sel_add(host->bmc, faults[fault].sensor_type, (uint8_t)(fault + 1), faults[fault].offset,
                false);
    lab_alert_fault(host, fault, false);
}

/* ---- starting --------------------------------------------------------------------------- */

/* Power-on self test and boot are over: what a start can cure is cured, unless it comes back. */
static void physics_booted(void *arg)
{
    struct lab_host *host = arg;

    for (unsigned i = 0; i < LAB_FAULTS_COUNT; i++) {
        bool cures =
            faults[i].cure == LAB_CURE_RESET || (faults[i].cure == LAB_CURE_CYCLE && host->was_off);
        if ((host->faults & BIT(i)) == 0 || !cures) {
            continue;
        }
        if ((host->sticky & BIT(i)) != 0) {
            lab_alert_fault(host, i, true);
        } else {
            lab_physics_repair(host, i);
        }
    }
    host->was_off = false;
    host->os_up = !physics_hung(host);
    physics_note(host, host->os_up ? "os-up" : "os-hung");
}

static void physics_boot(struct lab_host *host)
{
    struct lab *lab = host->bmc->lab;

    host->os_up = false;
    lab_clock_set(lab, &host->boot_timer, lab->options.boot_ms, physics_booted, host);
}

/* ---- power ------------------------------------------------------------------------------ */

static void physics_turned_on(void *arg)
{
    struct lab_host *host = arg;

    host->power = LAB_ON;
    physics_note(host, "on");
    physics_boot(host);
}

static void physics_turn_on(void *arg)
{
    struct lab_host *host = arg;
    struct lab *lab = host->bmc->lab;

    host->power = LAB_TURNING_ON;
    host->cycling = false;
    lab_clock_set(lab, &host->power_timer, lab->options.on_ms, physics_turned_on, host);
}

static void physics_turned_off(void *arg)
{
    struct lab_host *host = arg;
    struct lab *lab = host->bmc->lab;

    host->power = LAB_OFF;
    host->was_off = true;
    host->os_up = false;
    host->offs_count++;
    physics_note(host, "off");
    if (host->cycling) {
        lab_clock_set(lab, &host->power_timer, lab->options.cycle_ms, physics_turn_on, host);
    }
}

static void physics_turn_off(struct lab_host *host, bool then_on, int64_t delay_ms)
{
    struct lab *lab = host->bmc->lab;

    lab_clock_clear(lab, &host->boot_timer);
    host->power = LAB_TURNING_OFF;
    host->cycling = then_on;
    lab_clock_set(lab, &host->power_timer, delay_ms, physics_turned_off, host);
}

static void physics_reset(struct lab_host *host)
{
    host->resets_count++;
    physics_note(host, "reset");
    physics_boot(host);
}

/* The operating system restarts by itself, when it listens. */
static void physics_soft_reset(void *arg)
{
    physics_reset(arg);
}

/* ---- orders ----------------------------------------------------------------------------- */

static const char *physics_carry_out(struct lab_host *host, enum lab_order order)
{
    const struct lab_options *options = &host->bmc->lab->options;
    bool on = host->power == LAB_ON || host->power == LAB_TURNING_ON;
    bool listens = host->power == LAB_ON && host->os_up;

    switch (order) {
    case LAB_ORDER_ON:
        if (host->power == LAB_TURNING_OFF) {
            host->cycling = true;
            return "on";
        }
        if (on) {
            return "none";
        }
        physics_turn_on(host);
        return "on";
    case LAB_ORDER_OFF:
    case LAB_ORDER_CYCLE:
        if (!on && order == LAB_ORDER_OFF) {
            host->cycling = false;
            return "none";
        }
        if (on) {
            physics_turn_off(host, order == LAB_ORDER_CYCLE, options->off_ms);
        } else {
            physics_turn_on(host);
        }
        return order == LAB_ORDER_CYCLE ? "cycle" : "off";
    case LAB_ORDER_RESET:
        if (host->power != LAB_ON) {
            return "none";
        }
        physics_reset(host);
        return "reset";
    case LAB_ORDER_SOFT_OFF:
        if (!listens) {
            return "none";
        }
        physics_turn_off(host, false, options->soft_ms);
        return "off";
    case LAB_ORDER_SOFT_RESET:
        if (!listens) {
            return "none";
        }
        lab_clock_set(host->bmc->lab, &host->boot_timer, options->soft_ms, physics_soft_reset,
                      host);
        return "reset";
    case LAB_ORDER_NMI:
        return "nmi";
    }
    NSH_ASSERT(false);
    return "none";
}

static void physics_lie_shown(void *arg)
{
    struct lab_host *host = arg;

    host->lied = true;
    host->shown = host->lie_power;
    host->etag++;
    if (host->lie_cycling && host->lie_power == LAB_OFF) {
        host->lie_cycling = false;
        host->lie_power = LAB_ON;
        lab_clock_set(host->bmc->lab, &host->lie_timer, host->bmc->lab->options.cycle_ms,
                      physics_lie_shown, host);
    }
}

/* The report will say what was asked for, with the delay of the real thing. */
static void physics_lie(struct lab_host *host, enum lab_order order)
{
    const struct lab_options *options = &host->bmc->lab->options;
    bool off = order == LAB_ORDER_OFF || order == LAB_ORDER_SOFT_OFF || order == LAB_ORDER_CYCLE;

    if (order == LAB_ORDER_RESET || order == LAB_ORDER_SOFT_RESET || order == LAB_ORDER_NMI) {
        return;
    }
    host->lie_power = off ? LAB_OFF : LAB_ON;
    host->lie_cycling = order == LAB_ORDER_CYCLE;
    lab_clock_set(host->bmc->lab, &host->lie_timer, off ? options->off_ms : options->on_ms,
                  physics_lie_shown, host);
}

void lab_physics_order(struct lab_host *host, enum lab_order order, const char *via,
                       const char *request, const char *answer)
{
    const char *effect = "none";

    if ((host->bmc->modes & LAB_LIE_STAYS) != 0) {
        physics_lie(host, order);
        effect = "none (lied)";
    } else if ((host->bmc->modes & LAB_LIE_ACCEPTS) != 0) {
        effect = "none (ignored)";
    } else {
        host->lied = false;
        effect = physics_carry_out(host, order);
    }
    host->bmc->swallow = (host->bmc->modes & LAB_MUTE) != 0;
    lab_ledger_add(host->bmc->lab, host, via, request, host->bmc->swallow ? "lost" : answer,
                   effect);
}

/* The button at the front: no BMC lies about it, and none is needed. */
void lab_physics_press(struct lab_host *host, enum lab_order order)
{
    bool dead = (host->bmc->modes & LAB_DEAD) != 0;

    host->lied = false;
    const char *effect = dead ? "none" : physics_carry_out(host, order);
    lab_ledger_add(host->bmc->lab, host, "button", order == LAB_ORDER_ON ? "on" : "off", "",
                   effect);
}

/* ---- the world around ------------------------------------------------------------------- */

static void physics_bmc_started(void *arg)
{
    struct lab_bmc *bmc = arg;

    bmc->modes &= (uint8_t)~LAB_DEAD;
    lab_https_reset(bmc);
}

static void physics_host_dies(struct lab *lab, struct lab_host *host)
{
    lab_clock_clear(lab, &host->power_timer);
    lab_clock_clear(lab, &host->boot_timer);
    lab_clock_clear(lab, &host->lie_timer);
    host->lied = false;
    host->identify = false;
    if (host->power != LAB_OFF) {
        host->power = LAB_OFF;
        host->was_off = true;
        host->os_up = false;
        host->cycling = false;
        physics_note(host, "power-lost");
    }
}

/* Hosts behind one BMC share its chassis, and its power supplies. */
void lab_physics_lose_power(struct lab_host *host)
{
    struct lab_bmc *bmc = host->bmc;

    lab_clock_clear(bmc->lab, &bmc->start_timer);
    bmc->modes |= LAB_DEAD;
    lab_ipmi_forget(bmc);
    lab_redfish_forget(bmc);
    for (size_t i = 0; i < bmc->hosts_count; i++) {
        physics_host_dies(bmc->lab, &bmc->hosts[i]);
    }
}

void lab_physics_restore_power(struct lab_host *host)
{
    struct lab_bmc *bmc = host->bmc;

    if ((bmc->modes & LAB_DEAD) != 0) {
        physics_note(host, "power-restored");
        lab_clock_set(bmc->lab, &bmc->start_timer, bmc->lab->options.bmc_boot_ms,
                      physics_bmc_started, bmc);
    }
}

static void physics_flap_step(void *arg)
{
    struct lab_host *host = arg;

    if ((host->faults & BIT(host->flap_fault)) == 0) {
        if (host->flaps_left == 0) {
            return;
        }
        host->flaps_left--;
        lab_physics_fail(host, host->flap_fault, false);
    } else {
        lab_physics_repair(host, host->flap_fault);
    }
    lab_clock_set(host->bmc->lab, &host->flap_timer, host->flap_ms, physics_flap_step, host);
}

void lab_physics_flap(struct lab_host *host, enum lab_fault fault, uint32_t times,
                      uint32_t interval_ms)
{
    host->flaps_left = times;
    host->flap_ms = interval_ms;
    host->flap_fault = (uint8_t)fault;
    physics_flap_step(host);
}

void lab_physics_identify(struct lab_host *host, bool lit, int64_t for_ms, const char *via)
{
    host->identify = lit;
    host->identify_until_ms = for_ms == 0 ? 0 : lab_clock_now_ms(host->bmc->lab) + for_ms;
    host->etag++;
    lab_ledger_add(host->bmc->lab, host, via, lit ? "identify on" : "identify off", "ok",
                   lit ? "identify" : "identify-off");
}

void lab_physics_clear(struct lab_host *host)
{
    struct lab_bmc *bmc = host->bmc;

    lab_clock_clear(bmc->lab, &host->flap_timer);
    lab_clock_clear(bmc->lab, &host->lie_timer);
    for (unsigned i = 0; i < LAB_FAULTS_COUNT; i++) {
        lab_physics_repair(host, i);
    }
    if ((bmc->modes & LAB_DEAD) != 0) {
        physics_bmc_started(bmc);
    }
    bmc->modes = 0;
    bmc->late_ms = 0;
    host->lied = false;
    if (host->power == LAB_OFF) {
        physics_turn_on(host);
    } else if (host->power == LAB_ON && !host->os_up) {
        physics_boot(host);
    }
}
