/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_TRAP_TRAP_TABLE_H
#define SOURCE_TRAP_TRAP_TABLE_H

/*
 * The tables that say what a trap means: a folder of NAME.traps files (libconfig text, see
 * etc/traps/README.md), read once, looked up by hash of the identifier. Files are read in the order
 * of their names; the first row of an identifier wins, so that a site's own 00-site.traps overrides
 * what is shipped.
 */

#include "trap.h"

#include "base/diag.h"
#include "base/map.h"
#include "model/event.h"

#define TRAP_ROWS_MAX 65536
#define TRAP_OBJECTS_MAX 65536
#define TRAP_PARTS_MAX 8 /* Of a template. */

/* What a reference in a template or in severity_from names. */
struct trap_ref {
    uint32_t number;  /* 1..: the Nth varbind; 0: by name */
    const char *name; /* Interned: an object's name.at, or "pet.FIELD" for a row of pet. */
    bool index;       /* The instance ("3" of ifIndex.3), not the value. */
};

struct trap_part {
    struct text literal; /* count 0: the reference */
    struct trap_ref ref;
};

struct trap_template {
    const struct trap_part *parts; /* NULL: none given */
    size_t count;
};

struct trap_label {
    int64_t value;
    const char *word;
};

/* A variable: the identifier of a column or scalar, without instance. */
struct trap_object {
    struct trap_oid oid;
    struct text name; /* Interned: equal names are the same pointer. */
    const struct trap_label *labels;
    size_t labels_count;
    size_t number; /* In the tables, 0.. */
};

/* What a value of severity_from means; severity -1 is "clear": over, at severity info. */
struct trap_grade {
    int64_t value;
    int severity;
};

/* A row of pet: -1 matches anything. */
struct trap_pet_key {
    int sensor, event, offset;
};

struct trap_row {
    struct trap_oid oid; /* count 0: a row of pet */
    struct trap_pet_key pet;
    const char *with;      /* Interned: only when the trap carries this object. NULL: always */
    struct trap_row *next; /* The next row of the same identifier. */
    struct text name, type;
    int severity; /* enum severity; -1: not said */
    int state;    /* enum event_state; -1: not said (pulse; for PET the direction) */
    struct text qualifier;
    struct trap_template resource, message;
    struct trap_ref severity_from;
    const struct trap_grade *grades;
    size_t grades_count;
};

struct trap_tables {
    struct arena arena;
    struct trap_row *rows;
    size_t rows_count, rows_room;
    struct trap_row *pets; /* In the order of the files: the first that matches wins. */
    size_t pets_count, pets_room;
    struct trap_object *objects;
    size_t objects_count, objects_room;
    uint32_t *row_slots, *object_slots; /* index + 1; 0: empty */
    size_t row_slots_count, object_slots_count;
    struct map names;                    /* Interned names of objects. */
    bool lengths[TRAP_OID_ARCS_MAX + 1]; /* Lengths that objects have. */
    size_t files_count;
};

/*
 * Read every *.traps of folder; all mistakes of all files go to diags. -NSH_INVALID when there was
 * one, -NSH_IO when the folder cannot be read. A folder without tables is no error: everything is
 * unmatched then.
 */
int trap_tables_read(const char *folder, struct diags *diags, struct trap_tables **ret_tables,
                     struct nsh_error *err);

/* The same from one text, for tests and fuzzing. */
int trap_tables_read_text(const char *name, const char *text, struct diags *diags,
                          struct trap_tables **ret_tables, struct nsh_error *err);
void trap_tables_free(struct trap_tables *tables);

/*
 * The first row of an identifier (ask `with` and go on to `next`): as it is, or with / without the
 * 0 before the last arc (RFC 3584's two forms). NULL: none.
 */
const struct trap_row *trap_tables_find(const struct trap_tables *tables, struct trap_oid oid);

const struct trap_row *trap_tables_find_pet(const struct trap_tables *tables,
                                            const struct trap_pet_key *key);

/* The object whose identifier is the longest beginning of oid, at least 5 arcs. NULL: none. */
const struct trap_object *trap_tables_find_object(const struct trap_tables *tables,
                                                  struct trap_oid oid);

/* For the reader alone: index rows and objects once all are there. false: no memory. */
bool trap_tables_index(struct trap_tables *tables);

#endif
