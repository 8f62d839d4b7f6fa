/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIB_MIB_H
#define MIB_MIB_H

/*
 * A vendor's MIB modules become a table of traps: net-snmp's parser reads them, rules say what each
 * notification means where the vendor does not, and the table is written as text that people read,
 * change and keep (etc/traps/README.md has its form). Data flows one way:
 *
 *     mib_read()   files -> notifications and variables, with the vendor's own words
 *     mib_judge()  -> severity, raise or clear, what belongs together
 *     mib_merge()  -> text; rows that somebody changed since the last import stay as they are
 *
 * Sources: RFC 2578 to 2580 (SMIv2), RFC 1155, 1212 and 1215 (SMIv1), RFC 3584 (the identifier of a
 * TRAP-TYPE), and the annotations --#SEVERITY and --#STATE that network managers put into comments.
 */

#include "base/diag.h"
#include "base/map.h"
#include "model/event.h"

#define MIB_FILE_BYTES_MAX (16u << 20)
#define MIB_FILES_MAX 256
#define MIB_TRAPS_MAX 65536
#define MIB_VARIABLES_MAX 1024 /* Of one notification. */
#define MIB_LABELS_MAX 256     /* Of one variable. */

struct mib_label {
    int64_t value;
    const char *word;
};

struct mib_variable {
    const char *name;
    const char *oid;   /* Of the column or scalar; NULL: the module that defines it is missing */
    const char *entry; /* The row it is a column of ("ifEntry"); NULL: a scalar */
    bool is_index;     /* Its value is (part of) its row's index. */
    bool octets;
    struct mib_label *labels;
    size_t labels_count;
};

/* What a vendor says in comments; NULL: nothing. */
struct mib_note {
    const char *severity, *state;
};

enum mib_why { MIB_BY_NOTE, MIB_BY_DESCRIPTION, MIB_BY_WORDS };

struct mib_trap {
    const char *oid, *module, *name, *description; /* description NULL: none */
    struct mib_note note;
    const struct mib_variable **variables;
    size_t variables_count;
    /* Of mib_judge(): */
    enum severity severity;
    enum mib_why why;
    enum event_state state;
    const char *type;                   /* NULL: the preset, "snmp." and the name */
    const struct mib_variable *graded;  /* Its value decides the severity. NULL: none */
    const struct mib_variable *located; /* It says where on the host. NULL: none */
    struct mib_trap *ends, *begun_for;  /* The first that it ends; one that ends it. */
};

struct mib {
    struct arena arena;
    struct mib_trap *traps; /* In the order of their identifiers. */
    size_t traps_count, traps_room;
    struct map variables; /* By identifier or, without one, by name: struct mib_variable */
    struct map notes;     /* "MODULE::name": struct mib_note */
    struct map modules;   /* Names of the modules of the files given. */
    struct textbuf said;  /* Lines of the parser: what it could not read or find. */
};

/*
 * Read files; what they import is looked for beside them, in folders (':' between them), where
 * net-snmp keeps modules, and in base (our own few standard ones). 0, -NSH_IO (a file cannot be
 * read), -NSH_INVALID (no module, or a module without a notification), -NSH_LIMIT, -NSH_NOMEM.
 * net-snmp's parser is one for the process and never forgets: one call for a process.
 */
int mib_read(const char *const *files, size_t files_count, const char *folders, const char *base,
             struct mib *mib, struct nsh_error *err);
void mib_done(struct mib *mib);

/* The annotations and the module names of one file's text; pure. false: no memory. */
bool mib_notes_read(struct mib *mib, struct text source);

/* Fill in what mib_read() cannot know. false: no memory. */
bool mib_judge(struct mib *mib);

struct mib_merged {
    size_t added, changed, same; /* Rows of this import. */
    size_t edited;               /* Rows that somebody changed: kept as they are. */
    size_t gone;                 /* Rows of an earlier import that these modules lack: kept. */
    size_t by_hand;              /* Rows without a mark: kept. */
    struct textbuf kept;         /* A line for each row of edited and gone. */
};

/*
 * The table's text. old: the table as it stands, count 0 for none; it must be a table that the
 * reader of traps takes. Every row of an import carries a mark at its end; one whose text no longer
 * agrees with its mark was edited. -NSH_INVALID: old is no such table (err has the line).
 */
int mib_merge(const struct mib *mib, struct text old, struct textbuf *out,
              struct mib_merged *ret_merged, struct nsh_error *err);

#endif
