/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machines of the lab's MAAS. A change of state waits for what the host really does: it goes
 * down, it comes up, its power goes off. What takes too long has failed.
 */

#include "lab_maas.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 50

/* Of 20, as MAAS makes its ids: no letter can be taken for another. */
static const char digits[] = "3467acdefghkmnpqrtwx";
#define ID_DIGITS 6
#define ID_FIRST 7000000u /* So that the first ones do not begin with a row of threes. */

const char *const maas_box_words[BOX_STATES_COUNT] = {
    [BOX_NEW] = "New",
    [BOX_COMMISSIONING] = "Commissioning",
    [BOX_FAILED_COMMISSIONING] = "Failed commissioning",
    [BOX_MISSING] = "Missing",
    [BOX_READY] = "Ready",
    [BOX_RESERVED] = "Reserved",
    [BOX_DEPLOYED] = "Deployed",
    [BOX_RETIRED] = "Retired",
    [BOX_BROKEN] = "Broken",
    [BOX_DEPLOYING] = "Deploying",
    [BOX_ALLOCATED] = "Allocated",
    [BOX_FAILED_DEPLOYMENT] = "Failed deployment",
    [BOX_RELEASING] = "Releasing",
    [BOX_FAILED_RELEASING] = "Releasing failed",
    [BOX_DISK_ERASING] = "Disk erasing",
    [BOX_FAILED_DISK_ERASING] = "Failed disk erasing",
    [BOX_RESCUE] = "Rescue mode",
    [BOX_ENTERING_RESCUE] = "Entering rescue mode",
    [BOX_FAILED_ENTERING_RESCUE] = "Failed to enter rescue mode",
    [BOX_EXITING_RESCUE] = "Exiting rescue mode",
    [BOX_FAILED_EXITING_RESCUE] = "Failed to exit rescue mode",
};

void maas_box_id(const struct lab_maas *maas, const struct maas_box *box, char room[8])
{
    unsigned number = ID_FIRST + (unsigned)(box - maas->boxes) * 7919u;

    for (size_t i = ID_DIGITS; i > 0; i--) {
        room[i - 1] = digits[number % (sizeof digits - 1)];
        number /= (unsigned)sizeof digits - 1;
    }
    room[ID_DIGITS] = '\0';
}

struct maas_box *maas_box_find(struct lab_maas *maas, const char *id)
{
    char own[8];

    for (size_t i = 0; i < maas->lab->hosts_count; i++) {
        maas_box_id(maas, &maas->boxes[i], own);
        if (strcmp(own, id) == 0) {
            return &maas->boxes[i];
        }
    }
    return NULL;
}

/* ---- power ------------------------------------------------------------------------------ */

const char *maas_box_look(struct maas_box *box)
{
    const struct lab_bmc *bmc = box->host->bmc;
    unsigned shown = lab_physics_shown(box->host);

    if ((bmc->modes & (LAB_DEAD | LAB_HANG)) != 0) {
        return NULL;
    }
    box->power = (bmc->modes & (LAB_DENY | LAB_GARBAGE)) != 0  ? "error"
                 : shown == LAB_ON || shown == LAB_TURNING_OFF ? "on"
                                                               : "off";
    return box->power;
}

bool maas_box_switching(struct maas_box *box)
{
    unsigned power = box->host->power;

    box->switching = box->switching && (power == LAB_TURNING_OFF || power == LAB_TURNING_ON);
    return box->switching;
}

static bool box_order(struct maas_box *box, enum lab_order order, const char *request)
{
    struct lab_host *host = box->host;
    const unsigned silent = LAB_DEAD | LAB_HANG | LAB_DENY | LAB_GARBAGE;

    if ((host->bmc->modes & silent) != 0) {
        lab_ledger_add(host->bmc->lab, host, "maas", request, "no BMC", "none");
        return false;
    }
    lab_physics_order(host, order, "maas", request, "accepted");
    box->switching = true;
    return true;
}

bool maas_box_power(struct maas_box *box, bool on, bool soft, const char *request)
{
    return box_order(box, on ? LAB_ORDER_ON : soft ? LAB_ORDER_SOFT_OFF : LAB_ORDER_OFF, request);
}

/* ---- changes ---------------------------------------------------------------------------- */

static void box_state(struct maas_box *box, enum maas_box_state state, const char *message)
{
    box->state = state;
    snprintf(box->message, sizeof box->message, "%s", message);
}

/* Boot (by a cycle when it is on), or switch off; then done, or failed. */
static void box_begin(struct maas_box *box, enum maas_box_state running, bool boot,
                      enum maas_box_state done, enum maas_box_state failed)
{
    struct lab *lab = box->host->bmc->lab;
    bool on = box->host->power == LAB_ON || box->host->power == LAB_TURNING_ON;

    box_state(box, running, "");
    box->done = done;
    box->failed = failed;
    box->off_after = box->release_after = false;
    box->limit_ms = lab_clock_now_ms(lab) + lab->options.maas_limit_ms;
    box->phase = !boot ? PHASE_OFF : on ? PHASE_DOWN : PHASE_UP;
    if (boot) {
        box_order(box, on ? LAB_ORDER_CYCLE : LAB_ORDER_ON, maas_box_words[running]);
    } else if (on) {
        box_order(box, LAB_ORDER_OFF, maas_box_words[running]);
    }
}

static void box_freed(struct maas_box *box)
{
    box->owner = NULL;
    box->agent[0] = '\0';
    box->series[0] = '\0';
}

void maas_box_release(struct maas_box *box, bool erase)
{
    if (erase) {
        box_begin(box, BOX_DISK_ERASING, true, BOX_DISK_ERASING, BOX_FAILED_DISK_ERASING);
        box->release_after = true;
        return;
    }
    box_begin(box, BOX_RELEASING, false, BOX_READY, BOX_FAILED_RELEASING);
}

static void box_finish(struct maas_box *box)
{
    box->phase = PHASE_NONE;
    if (box->off_after) {
        box_begin(box, box->state, false, box->done, box->failed);
        return;
    }
    if (box->release_after) {
        maas_box_release(box, false);
        return;
    }
    box_state(box, box->done, "");
    if (box->done == BOX_READY) {
        box_freed(box);
    }
}

static void box_tick(struct maas_box *box, int64_t now_ms)
{
    const struct lab_host *host = box->host;
    char message[MAAS_TEXT_MAX];

    if (box->phase == PHASE_DOWN && !host->os_up) {
        box->phase = PHASE_UP;
    }
    if (box->phase == PHASE_UP ? host->os_up && host->power == LAB_ON
                               : box->phase == PHASE_OFF && host->power == LAB_OFF) {
        box_finish(box);
    } else if (box->phase != PHASE_NONE && now_ms >= box->limit_ms) {
        box->phase = PHASE_NONE;
        snprintf(message, sizeof message, "Node operation '%s' timed out",
                 maas_box_words[box->state]);
        box_state(box, box->failed, message);
    }
}

static void boxes_tick(void *arg)
{
    struct lab_maas *maas = arg;
    int64_t now_ms = lab_clock_now_ms(maas->lab);

    for (size_t i = 0; i < maas->lab->hosts_count; i++) {
        maas_box_switching(&maas->boxes[i]);
        if (maas->boxes[i].phase != PHASE_NONE) {
            box_tick(&maas->boxes[i], now_ms);
        }
    }
    lab_clock_set(maas->lab, &maas->tick, TICK_MS, boxes_tick, maas);
}

void maas_box_deploy(struct maas_box *box, const char *series)
{
    box_begin(box, BOX_DEPLOYING, true, BOX_DEPLOYED, BOX_FAILED_DEPLOYMENT);
    snprintf(box->series, sizeof box->series, "%s", series[0] == '\0' ? "jammy" : series);
}

void maas_box_abort(struct maas_box *box)
{
    enum maas_box_state to = box->state == BOX_DEPLOYING       ? BOX_ALLOCATED
                             : box->state == BOX_COMMISSIONING ? BOX_NEW
                                                               : BOX_FAILED_DISK_ERASING;

    box->phase = PHASE_NONE;
    box->off_after = box->release_after = false;
    box_order(box, LAB_ORDER_OFF, "abort");
    box_state(box, to, "");
}

void maas_box_break(struct maas_box *box, const char *comment)
{
    box->phase = PHASE_NONE;
    if (box->owner != NULL) {
        box_order(box, LAB_ORDER_OFF, "mark_broken");
        box_freed(box);
    }
    box_state(box, BOX_BROKEN, comment);
}

void maas_box_commission(struct maas_box *box)
{
    box_begin(box, BOX_COMMISSIONING, true, BOX_READY, BOX_FAILED_COMMISSIONING);
    box->off_after = true;
}

void maas_box_rescue(struct maas_box *box, bool enter)
{
    bool boots = enter || box->before == BOX_DEPLOYED;

    if (enter) {
        box->before = box->state;
        box_begin(box, BOX_ENTERING_RESCUE, true, BOX_RESCUE, BOX_FAILED_ENTERING_RESCUE);
    } else {
        box_begin(box, BOX_EXITING_RESCUE, boots, box->before, BOX_FAILED_EXITING_RESCUE);
    }
}

/* ---- the beginning ---------------------------------------------------------------------- */

/* What runs is deployed; what is off is free. */
int maas_boxes_open(struct lab_maas *maas)
{
    struct lab *lab = maas->lab;

    maas->boxes = calloc(lab->hosts_count, sizeof *maas->boxes);
    if (maas->boxes == NULL) {
        return -NSH_NOMEM;
    }
    for (size_t i = 0; i < lab->hosts_count; i++) {
        struct maas_box *box = &maas->boxes[i];
        bool on = lab->hosts[i].power == LAB_ON;
        *box = (struct maas_box){
            .host = &lab->hosts[i],
            .state = on ? BOX_DEPLOYED : BOX_READY,
            .power = on ? "on" : "off",
            .owner = on ? "admin" : NULL,
        };
        snprintf(box->series, sizeof box->series, "%s", on ? "jammy" : "");
    }
    lab_clock_set(lab, &maas->tick, TICK_MS, boxes_tick, maas);
    return 0;
}
