/* SPDX-License-Identifier: Apache-2.0 */
/* snmp import: MIB modules in, a table of traps out, to read, change and keep. */

#include "cli.h"

#include "base/diag.h"
#include "mib/mib.h"
#include "source/trap/trap_table.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define TABLE_BYTES_MAX (64u << 20)

/* Our own few standard modules: those of the build tree or the installation. */
static const char *base_folder(void)
{
    const char *from_env = getenv("NIGHTSHIFT_MIBS");
    return from_env != NULL ? from_env : NS_CONFIG_DIR "/mibs";
}

/* The table as it stands; an empty text when there is none. */
static enum cli_exit old_read(const char *path, struct textbuf *out)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return errno == ENOENT ? CLI_OK
                               : cli_fail(CLI_USAGE, "cannot read %s: %s", path, strerror(errno));
    }
    out->count_max = TABLE_BYTES_MAX;
    char chunk[4096];
    size_t count = fread(chunk, 1, sizeof chunk, file);
    for (; count > 0 && !out->failed; count = fread(chunk, 1, sizeof chunk, file)) {
        textbuf_add(out, (struct text){chunk, (uint32_t)count});
    }
    bool failed = ferror(file) != 0 || out->failed;
    fclose(file);
    return failed ? cli_fail(CLI_USAGE, "cannot read %s, or it is longer than %u MiB", path,
                             TABLE_BYTES_MAX >> 20)
                  : CLI_OK;
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

static enum cli_exit table_write(const char *path, const struct textbuf *table)
{
    char temporary[4096];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.new", path) >= sizeof temporary) {
        return cli_fail(CLI_USAGE, "%s: the name is too long", path);
    }
    FILE *file = fopen(temporary, "we");
    if (file == NULL) {
        return cli_fail(CLI_USAGE, "cannot write %s: %s", temporary, strerror(errno));
    }
    bool written = fwrite(table->at, 1, table->count, file) == table->count && fflush(file) == 0 &&
                   fsync(fileno(file)) == 0;
    int why = errno;
    written = fclose(file) == 0 && written;
    if (!written || rename(temporary, path) != 0) {
        why = written ? errno : why;
        unlink(temporary);
        return cli_fail(CLI_USAGE, "cannot write %s: %s", path, strerror(why));
    }
    return CLI_OK;
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
    } else if (cli->flags.dry_run == NULL) {
        result = table_write(into, &table);
    }
    if (result == CLI_OK && cli->flags.quiet == NULL) {
        summary_print(cli, mib, &merged, into == NULL ? stderr : stdout);
    }
    textbuf_done(&merged.kept);
    return result;
}

enum cli_exit cli_snmp_import(struct cli *cli)
{
    CLEANUP(textbuf_donep) struct textbuf old = {0};
    enum cli_exit result = cli->flags.into == NULL ? CLI_OK : old_read(cli->flags.into, &old);
    if (result == CLI_OK && old.count > 0 && !table_is_right(cli, cli->flags.into, old.at)) {
        result = cli_fail(CLI_USAGE, "%s is no table to merge into", cli->flags.into);
    }
    if (result != CLI_OK) {
        return result;
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
