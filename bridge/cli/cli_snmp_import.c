/* SPDX-License-Identifier: Apache-2.0 */
/* snmp import: MIB modules in, a table of traps out, to read, change and keep. */

#include "cli_local.h"

#include "base/diag.h"
#include "mib/mib.h"
#include "source/trap/trap_table.h"

#include <errno.h>
#include <stdlib.h>

#define TABLE_BYTES_MAX (64u << 20)

/* Our own few standard modules: those of the build tree or the installation. */
static const char *base_folder(void)
{
    const char *from_env = getenv("NIGHTSHIFT_MIBS");
    return from_env != NULL ? from_env : NS_CONFIG_DIR "/mibs";
}

/* A table the reader of traps does not take is neither merged into nor written. */
static bool table_is_right(const struct cli *cli, const char *name, const char *table)
{
    struct diags diags = {0};
    struct trap_tables *tables = NULL;
    struct nsh_error err = {0};
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    int result = trap_tables_read_text(name, table, &diags, &tables, &err);
    diags_print(&diags, table, cli->color, &out);
    if (out.count > 0) {
        fputs(out.at, stderr);
    }
    diags_done(&diags);
    trap_tables_free(tables);
    return result == 0;
}

/* What net-snmp's parser could not read or find, once each; then what that means. */
static void tell_said(const struct mib *mib)
{
    if (mib->said.count > 0) {
        CLEANUP(textbuf_donep) struct textbuf safe = {0};
        const char *line = mib->said.at;
        while (*line != 0) {
            size_t count = strcspn(line, "\n");
            textbuf_clear(&safe);
            textbuf_add_safe(&safe, (struct text){line, (uint32_t)count});
            /* Where it looked is no mistake. */
            if (count > 0 && safe.at != NULL && !text_starts(text_of(line), "MIB search path")) {
                fprintf(stderr, "nightshift: %s\n", safe.at);
            }
            line += count + (line[count] != 0);
        }
    }
    MAP_EACH (&mib->variables, entry) {
        const struct mib_variable *variable = entry->value;
        if (variable->oid == NULL) {
            fprintf(stderr,
                    "nightshift: variable %s: the module that defines it was not found (--mibs); "
                    "it is left out\n",
                    variable->name);
        }
    }
}

struct counts {
    size_t raise, clear, graded, by_vendor, guessed, alone;
};

static struct counts count_traps(const struct mib *mib)
{
    struct counts counts = {0};
    for (size_t i = 0; i < mib->traps_count; i++) {
        const struct mib_trap *trap = &mib->traps[i];
        counts.raise += trap->state == EVENT_RAISE;
        counts.clear += trap->state == EVENT_CLEAR;
        counts.graded += trap->graded != NULL;
        counts.by_vendor += trap->why != MIB_BY_WORDS;
        counts.guessed += trap->why == MIB_BY_WORDS;
        counts.alone +=
            trap->state == EVENT_RAISE && trap->begun_for == NULL && trap->graded == NULL;
    }
    return counts;
}

static void summary_print(const struct cli *cli, const struct mib *mib,
                          const struct mib_merged *merged, FILE *out)
{
    struct counts counts = count_traps(mib);
    if (cli->output != CLI_TABLE) {
        fprintf(out,
                "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"SnmpImport\",\"notifications\":%zu,"
                "\"severity_by_vendor\":%zu,\"severity_guessed\":%zu,\"raise\":%zu,\"clear\":%zu,"
                "\"by_value\":%zu,\"never_cleared\":%zu,\"added\":%zu,\"changed\":%zu,\"same\":%zu,"
                "\"edited\":%zu,\"gone\":%zu,\"by_hand\":%zu}\n",
                mib->traps_count, counts.by_vendor, counts.guessed, counts.raise, counts.clear,
                counts.graded, counts.alone, merged->added, merged->changed, merged->same,
                merged->edited, merged->gone, merged->by_hand);
        return;
    }
    fprintf(out,
            "%zu notifications: severity of %zu by the vendor, of %zu guessed by their names\n"
            "%zu raise an alarm, %zu end one, %zu as a value says; %zu raise one that no other "
            "ends\n"
            "rows: %zu added, %zu changed, %zu as before; kept: %zu edited, %zu gone from the "
            "modules, %zu by hand\n",
            mib->traps_count, counts.by_vendor, counts.guessed, counts.raise, counts.clear,
            counts.graded, counts.alone, merged->added, merged->changed, merged->same,
            merged->edited, merged->gone, merged->by_hand);
    if (merged->kept.count > 0) {
        fputs(merged->kept.at, out);
    }
}

static enum cli_exit import(struct cli *cli, struct mib *mib, const struct textbuf *old)
{
    const char *into = cli->flags.into;
    CLEANUP(textbuf_donep) struct textbuf table = {.count_max = TABLE_BYTES_MAX};
    struct mib_merged merged = {0};
    struct nsh_error err = {0};
    struct text text = {old->at, (uint32_t)old->count};
    if (mib_merge(mib, text, &table, &merged, &err) < 0) {
        return cli_fail(CLI_USAGE, "%s: %s", into == NULL ? "table" : into, err.text);
    }
    enum cli_exit result = CLI_OK;
    if (!table_is_right(cli, into == NULL ? "table" : into, table.at)) {
        result = cli_fail(CLI_USAGE, "the table would be wrong as said above; nothing is written");
    } else if (into == NULL) {
        fputs(table.at, stdout);
    } else if (cli->flags.dry_run == NULL && !cli_file_replace(cli, into, &table)) {
        result = cli_fail(CLI_USAGE, "cannot write %s: %s", into, strerror(errno));
    }
    if (result == CLI_OK && cli->flags.quiet == NULL) {
        summary_print(cli, mib, &merged, into == NULL ? stderr : stdout);
    }
    textbuf_done(&merged.kept);
    return result;
}

enum cli_exit cli_snmp_import(struct cli *cli)
{
    CLEANUP(textbuf_donep) struct textbuf old = {.count_max = TABLE_BYTES_MAX};
    const char *into = cli->flags.into;
    enum cli_exit result = CLI_OK;
    if (into != NULL && !cli_file_read(into, &old) && errno != ENOENT) {
        return cli_fail(CLI_USAGE, "cannot read %s, or it is longer than %u MiB", into,
                        TABLE_BYTES_MAX >> 20);
    }
    if (old.count > 0 && !table_is_right(cli, into, old.at)) {
        return cli_fail(CLI_USAGE, "%s is no table to merge into", into);
    }
    struct mib mib = {0};
    struct nsh_error err = {0};
    int read = mib_read(cli->args, cli->args_count, cli->flags.mibs, base_folder(), &mib, &err);
    tell_said(&mib);
    if (read < 0) {
        result = cli_fail(CLI_USAGE, "%s", err.text);
    } else if (!mib_judge(&mib)) {
        result = cli_fail(CLI_USAGE, "out of memory");
    } else {
        result = import(cli, &mib, &old);
    }
    mib_done(&mib);
    return result;
}
