/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAB_MAAS_H
#define LAB_MAAS_H

/*
 * The lab's MAAS: a machine for each host of the lab, whose power it switches and whose life it
 * knows. What boots, boots in the lab's time; what hangs, makes a deployment fail.
 *
 *   lab_maas.c        requests: who may, paths, answers
 *   lab_maas_auth.c   OAuth 1.0a PLAINTEXT, checked strictly
 *   lab_maas_boxes.c  machines: states, and how they change
 */

#include "lab_service.h"

#define MAAS_KEYS "lab-consumer:lab-token:lab-secret"
#define MAAS_KEYS_GUEST "guest-consumer:guest-token:guest-secret"
#define MAAS_NONCES_MAX 4096     /* Remembered; a timestamp older than that is refused anyway. */
#define MAAS_TIMESTAMP_S_MAX 300 /* As MAAS takes it. */
#define MAAS_TEXT_MAX 256

enum maas_box_state {
    BOX_NEW,
    BOX_COMMISSIONING,
    BOX_FAILED_COMMISSIONING,
    BOX_MISSING,
    BOX_READY,
    BOX_RESERVED,
    BOX_DEPLOYED,
    BOX_RETIRED,
    BOX_BROKEN,
    BOX_DEPLOYING,
    BOX_ALLOCATED,
    BOX_FAILED_DEPLOYMENT,
    BOX_RELEASING,
    BOX_FAILED_RELEASING,
    BOX_DISK_ERASING,
    BOX_FAILED_DISK_ERASING,
    BOX_RESCUE,
    BOX_ENTERING_RESCUE,
    BOX_FAILED_ENTERING_RESCUE,
    BOX_EXITING_RESCUE,
    BOX_FAILED_EXITING_RESCUE,
    BOX_STATES_COUNT
};
extern const char *const maas_box_words[BOX_STATES_COUNT]; /* "Failed deployment" */

/* What a machine that changes waits for. */
enum maas_phase { PHASE_NONE, PHASE_DOWN, PHASE_UP, PHASE_OFF };

struct maas_box {
    struct lab_host *host;
    enum maas_box_state state, before; /* before: rescue mode. */
    enum maas_phase phase;
    enum maas_box_state done, failed; /* Where the phases end. */
    bool off_after, release_after;
    bool switching;    /* A power order of MAAS is under way. */
    int64_t limit_ms;  /* Monotonic. */
    const char *owner; /* NULL: nobody. */
    const char *power; /* As last seen. */
    char agent[MAAS_TEXT_MAX], series[64], message[MAAS_TEXT_MAX];
};

struct maas_user {
    const char *name, *key;
    bool administers;
};

struct lab_maas {
    struct lab_door door;
    struct lab *lab;
    struct maas_box *boxes; /* One for each host, in their order. */
    char (*nonces)[64];
    size_t nonces_count;
    struct lab_timer tick;
};

/* ---- lab_maas_auth.c ---- */

/* Who signed the request; NULL: nobody may be that, why says what is wrong. */
const struct maas_user *maas_authorize(struct lab_maas *maas, const char *authorization, char *why,
                                       size_t why_bytes);

/* ---- lab_maas_boxes.c ---- */

int maas_boxes_open(struct lab_maas *maas);
/* What a box's name in MAAS is. */
void maas_box_id(const struct lab_maas *maas, const struct maas_box *box, char room[8]);
struct maas_box *maas_box_find(struct lab_maas *maas, const char *id);
/* Switch its host, through its BMC; false: the BMC does not answer. */
bool maas_box_power(struct maas_box *box, bool on, bool soft, const char *request);
/* What its BMC says: "on", "off", "error"; NULL: nothing. */
const char *maas_box_look(struct maas_box *box);
bool maas_box_switching(struct maas_box *box);
void maas_box_deploy(struct maas_box *box, const char *series);
void maas_box_release(struct maas_box *box, bool erase);
void maas_box_abort(struct maas_box *box);
void maas_box_break(struct maas_box *box, const char *comment);
void maas_box_commission(struct maas_box *box);
void maas_box_rescue(struct maas_box *box, bool enter);

#endif
