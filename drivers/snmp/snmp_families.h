/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SNMP_FAMILIES_H
#define SNMP_FAMILIES_H

#include "snmp_codec.h"

/* One make of outlets. {} in an object identifier is the outlet. */
struct snmp_family {
    const char *name;
    const char *system; /* sysObjectID of its agents begins with this; NULL: never found by it. */
    const char *control, *control_off; /* NULL: the same object switches off. */
    long on, off;                      /* Values to set. */
    bool is_unsigned;                  /* They are Gauge32. */
    const char *status;
    long is_on, is_off; /* Values read. */
    unsigned moves;     /* Bits of the values that mean: on its way. */
    unsigned parts;     /* Numbers of an outlet's index; missing ones in front are 1. 0: 1. */
    const char *load;   /* NULL: not known. */
    const char *label;  /* The outlet's name; NULL: not known. */
    long load_mw;       /* Milliwatts of one unit. */
};

extern const char *const snmp_family_names[]; /* "auto" and all of them, NULL-terminated. */
const struct snmp_family *snmp_family_named(const char *name);
const struct snmp_family *snmp_family_of(const struct snmp_oid *system);

#endif
