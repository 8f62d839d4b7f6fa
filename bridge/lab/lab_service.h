/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAB_SERVICE_H
#define LAB_SERVICE_H

/*
 * Services of the lab that are no BMCs: a door at the first address with a port of its own. It is a
 * host for the operator's commands, so that a service hangs, lies and refuses as a BMC does.
 */

#include "lab.h"

struct lab_door {
    struct lab_bmc bmc;   /* Its modes are the service's misbehaviour. */
    struct lab_host host; /* Of the service's name. */
};

/* Listen; answer() is called for each request. */
int lab_door_open(struct lab *lab, struct lab_door *door, const char *name, int64_t port,
                  lab_answer_fn *answer, struct nsh_error *err);
void lab_door_close(struct lab_door *door);

/* The value of name in "a=b&c=d", percent-decoded; false: not given. form may be NULL. */
bool lab_form_find(const char *form, const char *name, char *room, size_t room_bytes);
/* The same of the index-th that has the name. */
bool lab_form_nth(const char *form, const char *name, size_t index, char *room, size_t room_bytes);
/* count bytes, percent-decoded; '+' is a blank. */
void lab_percent_decode(const char *from, size_t count, char *room, size_t room_bytes);

/* An answer of plain text. */
void lab_reply_text(struct lab_reply *reply, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Take back what stands in the answer: it was done, and nobody hears of it. */
void lab_reply_lose(struct lab_reply *reply);

/* ---- lab_maas.c ------------------------------------------------------------------------- */

int lab_maas_open(struct lab *lab, struct nsh_error *err);
void lab_maas_close(struct lab *lab);

/* ---- lab_netbox.c ----------------------------------------------------------------------- */

int lab_netbox_open(struct lab *lab, struct nsh_error *err);
void lab_netbox_close(struct lab *lab);

#endif
