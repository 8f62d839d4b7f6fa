/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules by net-snmp's parser. It is made for one process that reads once: its tree is global, and
 * its mistakes go to its log, which is caught here.
 */

#include "mib.h"

#include <net-snmp/net-snmp-config.h> /* Before the others, as it wants. */

#include <errno.h>
#include <net-snmp/library/mib.h>
#include <net-snmp/library/parse.h>
#include <net-snmp/net-snmp-includes.h>
#include <stdlib.h>
#include <unistd.h>

#define OID_CHARS_MAX 1024
#define SAID_BYTES_MAX (64u << 10)

static int on_log(int major, int minor, void *message, void *arg)
{
    (void)major;
    (void)minor;
    const struct snmp_log_message *line = message;
    textbuf_add_chars(arg, line->msg);
    return SNMPERR_SUCCESS;
}

static bool file_text(struct mib *mib, const char *path, struct text *ret_text,
                      struct nsh_error *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        nsh_fail(err, NSH_IO, "cannot read %s: %s", path, strerror(errno));
        return false;
    }
    char *bytes = NULL;
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    if (size < 0 || size > (long)MIB_FILE_BYTES_MAX) {
        nsh_fail(err, NSH_LIMIT, "%s: a module is a file of at most %u MiB", path,
                 MIB_FILE_BYTES_MAX >> 20);
    } else {
        rewind(file);
        bytes = arena_alloc(&mib->arena, (size_t)size + 1);
        size_t count = bytes == NULL ? 0 : fread(bytes, 1, (size_t)size, file);
        *ret_text = (struct text){bytes, (uint32_t)count};
        if (bytes == NULL) {
            nsh_fail(err, NSH_NOMEM, "out of memory");
        }
    }
    fclose(file);
    return bytes != NULL;
}

static void folders_add(const char *folders)
{
    char folder[4096];
    while (folders != NULL && *folders != 0) {
        size_t count = strcspn(folders, ":");
        if (count > 0 && count < sizeof folder) {
            memcpy(folder, folders, count);
            folder[count] = 0;
            add_mibdir(folder);
        }
        folders += count + (folders[count] != 0);
    }
}

/* Later folders win: ours first, what the operator gave last. */
static void folders_add_all(const char *const *files, size_t files_count, const char *folders,
                            const char *base)
{
    folders_add(base);
    folders_add(netsnmp_get_mib_directory());
    for (size_t i = 0; i < files_count; i++) {
        const char *slash = strrchr(files[i], '/');
        char folder[4096];
        if (slash == NULL) {
            add_mibdir(".");
        } else if ((size_t)(slash - files[i]) < sizeof folder) {
            snprintf(folder, sizeof folder, "%.*s", (int)(slash - files[i]), files[i]);
            add_mibdir(folder[0] == 0 ? "/" : folder);
        }
    }
    folders_add(folders);
}

static const char *oid_text(struct mib *mib, const struct tree *node)
{
    char text[OID_CHARS_MAX];
    size_t at = sizeof text - 1;
    text[at] = 0;
    for (; node != NULL; node = node->parent) {
        char arc[24];
        size_t count = (size_t)snprintf(arc, sizeof arc, "%lu%s", node->subid,
                                        at == sizeof text - 1 ? "" : ".");
        if (count > at) {
            return NULL;
        }
        at -= count;
        memcpy(text + at, arc, count);
    }
    return arena_copy(&mib->arena, text + at, sizeof text - 1 - at);
}

static bool is_octets(int type)
{
    return type == TYPE_OCTETSTR || type == TYPE_OPAQUE || type == TYPE_NSAPADDRESS;
}

static bool labels_read(struct mib *mib, const struct tree *node, struct mib_variable *variable)
{
    size_t count = 0;
    for (const struct enum_list *label = node->enums; label != NULL; label = label->next) {
        count++;
    }
    count = count > MIB_LABELS_MAX ? MIB_LABELS_MAX : count;
    variable->labels = arena_array(&mib->arena, count, sizeof *variable->labels);
    const struct enum_list *label = node->enums;
    for (size_t i = 0; variable->labels != NULL && i < count; i++) {
        variable->labels[i].value = label->value;
        variable->labels[i].word = arena_text(&mib->arena, text_of(label->label)).at;
        label = label->next;
    }
    variable->labels_count = variable->labels == NULL ? 0 : count;
    return count == 0 || variable->labels != NULL;
}

static void column_read(struct mib *mib, const struct tree *node, struct mib_variable *variable)
{
    const struct tree *row = node->parent;
    if (row == NULL || (row->indexes == NULL && row->augments == NULL)) {
        return;
    }
    variable->entry = arena_text(&mib->arena, text_of(row->label)).at;
    for (const struct index_list *index = row->indexes; index != NULL; index = index->next) {
        variable->is_index |= index->ilabel != NULL && strcmp(index->ilabel, node->label) == 0;
    }
}

/* The variable of a label, read once. NULL: no memory. */
static const struct mib_variable *variable_read(struct mib *mib, const char *label, int module)
{
    const struct tree *node = find_tree_node(label, module);
    node = node != NULL ? node : find_tree_node(label, -1);
    const char *oid = node == NULL ? NULL : oid_text(mib, node);
    const char *key = oid != NULL ? oid : arena_text(&mib->arena, text_of(label)).at;
    struct mib_variable *variable = key == NULL ? NULL : map_get(&mib->variables, text_of(key));
    if (variable != NULL || key == NULL) {
        return variable;
    }
    variable = arena_alloc(&mib->arena, sizeof *variable);
    if (variable == NULL) {
        return NULL;
    }
    *variable =
        (struct mib_variable){.name = arena_text(&mib->arena, text_of(label)).at, .oid = oid};
    if (node != NULL) {
        variable->octets = is_octets(node->type);
        column_read(mib, node, variable);
    }
    return variable->name != NULL && (node == NULL || labels_read(mib, node, variable)) &&
                   map_set(&mib->variables, text_of(key), variable) == 0
               ? variable
               : NULL;
}

static struct mib_trap *trap_next(struct mib *mib, struct nsh_error *err)
{
    if (mib->traps_count == mib->traps_room) {
        size_t room = mib->traps_room == 0 ? 256 : 2 * mib->traps_room;
        struct mib_trap *grown =
            room > MIB_TRAPS_MAX ? NULL : realloc(mib->traps, room * sizeof *mib->traps);
        if (grown == NULL) {
            nsh_fail(err, NSH_LIMIT, "more than %d notifications, or out of memory", MIB_TRAPS_MAX);
            return NULL;
        }
        mib->traps = grown;
        mib->traps_room = room;
    }
    struct mib_trap *trap = &mib->traps[mib->traps_count++];
    *trap = (struct mib_trap){0};
    return trap;
}

static int trap_read(struct mib *mib, const struct tree *node, const char *module,
                     struct nsh_error *err)
{
    struct mib_trap *trap = trap_next(mib, err);
    if (trap == NULL) {
        return -NSH_LIMIT;
    }
    trap->oid = oid_text(mib, node);
    trap->module = arena_text(&mib->arena, text_of(module)).at;
    trap->name = arena_text(&mib->arena, text_of(node->label)).at;
    trap->description =
        node->description == NULL ? NULL : arena_text(&mib->arena, text_of(node->description)).at;
    size_t count = 0;
    for (const struct varbind_list *item = node->varbinds; item != NULL; item = item->next) {
        count++;
    }
    if (count > MIB_VARIABLES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "%s::%s has more than %d variables", module, node->label,
                        MIB_VARIABLES_MAX);
    }
    trap->variables = arena_array(&mib->arena, count + 1, sizeof(struct mib_variable *));
    const struct varbind_list *item = node->varbinds;
    for (; trap->variables != NULL && trap->variables_count < count; item = item->next) {
        const struct mib_variable *variable = variable_read(mib, item->vblabel, node->modid);
        if (variable == NULL) {
            return nsh_fail(err, NSH_NOMEM, "out of memory");
        }
        trap->variables[trap->variables_count++] = variable;
    }
    const char *key = arena_printf(&mib->arena, "%s::%s", module, node->label);
    const struct mib_note *note = key == NULL ? NULL : map_get(&mib->notes, text_of(key));
    if (note != NULL) {
        trap->note = *note;
    }
    return trap->oid != NULL && trap->module != NULL && trap->name != NULL && key != NULL &&
                   trap->variables != NULL
               ? 0
               : nsh_fail(err, NSH_NOMEM, "out of memory");
}

/* The module of the files given that defines node, or NULL. */
static const char *module_of(const struct mib *mib, const struct tree *node)
{
    for (int i = 0; i < node->number_modules; i++) {
        const int *list = node->number_modules == 1 ? &node->modid : node->module_list;
        char name[256];
        if (list != NULL) {
            const char *found = map_get(&mib->modules, text_of(module_name(list[i], name)));
            if (found != NULL) {
                return found;
            }
        }
    }
    return NULL;
}

/* The node after this one, children first, without recursion: trees of modules are deep. */
static const struct tree *tree_after(const struct tree *node)
{
    if (node->child_list != NULL) {
        return node->child_list;
    }
    while (node != NULL && node->next_peer == NULL) {
        node = node->parent;
    }
    return node == NULL ? NULL : node->next_peer;
}

/* A TRAP-TYPE hangs below a node that the parser makes, "ENTERPRISE#" with the arc 0 (RFC 3584); it
 * is that node which has the type. */
static bool is_trap(const struct tree *node)
{
    return node->type == TYPE_NOTIFTYPE ||
           (node->parent != NULL && node->parent->type == TYPE_TRAPTYPE);
}

static int traps_read(struct mib *mib, struct nsh_error *err)
{
    for (const struct tree *node = get_tree_head(); node != NULL; node = tree_after(node)) {
        const char *module = is_trap(node) ? module_of(mib, node) : NULL;
        int result = module == NULL ? 0 : trap_read(mib, node, module, err);
        if (result < 0) {
            return result;
        }
    }
    return mib->traps_count > 0
               ? 0
               : nsh_fail(err, NSH_INVALID,
                          "no notification (TRAP-TYPE, NOTIFICATION-TYPE) was found");
}

static int by_oid(const void *left, const void *right)
{
    const struct mib_trap *a = left;
    const struct mib_trap *b = right;
    const char *p = a->oid;
    const char *q = b->oid;
    while (*p != 0 && *q != 0) {
        char *end_p = NULL;
        char *end_q = NULL;
        unsigned long x = strtoul(p, &end_p, 10);
        unsigned long y = strtoul(q, &end_q, 10);
        if (x != y) {
            return x < y ? -1 : 1;
        }
        p = end_p + (*end_p == '.');
        q = end_q + (*end_q == '.');
    }
    return (*p != 0) - (*q != 0);
}

static void parser_begin(struct mib *mib)
{
    mib->said.count_max = SAID_BYTES_MAX;
    snmp_disable_log();
    snmp_enable_calllog();
    snmp_register_callback(SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_LOGGING, on_log, &mib->said);
    /* Descriptions are wanted, and what real modules do against the letter of the language. */
    static const int wanted[] = {NETSNMP_DS_LIB_SAVE_MIB_DESCRS, NETSNMP_DS_LIB_MIB_PARSE_LABEL,
                                 NETSNMP_DS_LIB_MIB_ERRORS};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, wanted[i], 1);
    }
    netsnmp_init_mib_internals();
}

int mib_read(const char *const *files, size_t files_count, const char *folders, const char *base,
             struct mib *mib, struct nsh_error *err)
{
    if (files_count > MIB_FILES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "at most %d files", MIB_FILES_MAX);
    }
    for (size_t i = 0; i < files_count; i++) {
        struct text source;
        if (!file_text(mib, files[i], &source, err)) {
            return -err->code;
        }
        size_t before = mib->modules.count;
        if (!mib_notes_read(mib, source)) {
            return nsh_fail(err, NSH_NOMEM, "out of memory");
        }
        if (mib->modules.count == before) {
            return nsh_fail(err, NSH_INVALID, "%s:1:1: no MIB module (NAME DEFINITIONS ::= BEGIN)",
                            files[i]);
        }
    }
    parser_begin(mib);
    folders_add_all(files, files_count, folders, base);
    for (size_t i = 0; i < files_count; i++) {
        read_mib(files[i]);
    }
    int result = traps_read(mib, err);
    snmp_unregister_callback(SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_LOGGING, on_log, &mib->said, 1);
    if (result == 0) {
        qsort(mib->traps, mib->traps_count, sizeof *mib->traps, by_oid);
    }
    return result;
}

void mib_done(struct mib *mib)
{
    map_done(&mib->variables);
    map_done(&mib->notes);
    map_done(&mib->modules);
    textbuf_done(&mib->said);
    free(mib->traps);
    arena_done(&mib->arena);
    *mib = (struct mib){0};
}
