/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy fmt: the form of *.policy and *.test files. A file is only rewritten when it is read the
 * same afterwards.
 */

#include "cli_local.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT_BYTES_MAX (16u << 20)

struct formatting {
    struct cli *cli;
    size_t files, changed;
};

static uint64_t real_bits(double real)
{
    uint64_t bits = 0;
    memcpy(&bits, &real, sizeof bits);
    return bits;
}

static bool same(const struct conf *a, const struct conf *b)
{
    bool names = (a->name == NULL) == (b->name == NULL) &&
                 (a->name == NULL || strcmp(a->name, b->name) == 0);
    bool texts = a->type != CONF_STRING ||
                 (a->text_bytes == b->text_bytes && memcmp(a->text, b->text, a->text_bytes) == 0);
    if (!names || a->type != b->type || !texts || a->integer != b->integer ||
        real_bits(a->real) != real_bits(b->real) || a->boolean != b->boolean ||
        a->children_count != b->children_count) {
        return false;
    }
    for (const struct conf *one = a->first, *two = b->first; one != NULL && two != NULL;
         one = one->next, two = two->next) {
        if (!same(one, two)) {
            return false;
        }
    }
    return true;
}

bool cli_bytes_read(const char *path, struct textbuf *out)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    char block[8192];
    for (size_t count = 0; (count = fread(block, 1, sizeof block, file)) > 0;) {
        textbuf_add(out, (struct text){block, (uint32_t)count});
    }
    bool read = ferror(file) == 0;
    fclose(file);
    textbuf_add_chars(out, "");
    return read && !out->failed;
}

bool cli_file_read(const char *path, struct textbuf *out)
{
    return cli_bytes_read(path, out) && (out->count == 0 || memchr(out->at, 0, out->count) == NULL);
}

bool cli_file_replace(struct cli *cli, const char *path, const struct textbuf *text)
{
    const char *temporary = arena_printf(&cli->arena, "%s.new", path);
    struct stat info = {.st_mode = 0644};
    bool known = temporary != NULL && (stat(path, &info) == 0 || errno == ENOENT);
    FILE *file = known ? fopen(temporary, "wxe") : NULL;
    if (file == NULL) {
        return false;
    }
    bool written = fwrite(text->at, 1, text->count, file) == text->count;
    written = fchmod(fileno(file), info.st_mode & 07777) == 0 && written;
    written = fflush(file) == 0 && fsync(fileno(file)) == 0 && written;
    written = fclose(file) == 0 && written;
    if (!written || rename(temporary, path) != 0) {
        unlink(temporary);
        return false;
    }
    return true;
}

static enum cli_exit formatted(struct formatting *formatting, const char *path,
                               const struct textbuf *old, struct textbuf *new)
{
    struct cli *cli = formatting->cli;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    struct conf *before = conf_read_text(path, old->at, &arena, &diags);
    if (before == NULL) {
        cli_diags_show(cli, &diags);
        diags_done(&diags);
        return CLI_NO;
    }
    bool made = policy_format(old->at, new);
    struct conf *after = made ? conf_read_text(path, new->at, &arena, &diags) : NULL;
    diags_done(&diags);
    if (after == NULL || !same(before, after)) {
        return cli_fail(CLI_NO, "%s: left as it is: it would not be read the same afterwards",
                        path);
    }
    return CLI_OK;
}

static enum cli_exit file_format(struct formatting *formatting, const char *path)
{
    struct cli *cli = formatting->cli;
    CLEANUP(textbuf_donep) struct textbuf old = {.count_max = FORMAT_BYTES_MAX};
    CLEANUP(textbuf_donep) struct textbuf new = {.count_max = 2 * FORMAT_BYTES_MAX};
    if (!cli_file_read(path, &old)) {
        return cli_fail(CLI_USAGE, "cannot read %s", path);
    }
    formatting->files++;
    if (old.count == 0) {
        return CLI_OK;
    }
    enum cli_exit result = formatted(formatting, path, &old, &new);
    if (result != CLI_OK || (new.count == old.count &&memcmp(old.at, new.at, new.count) == 0)) {
        return result;
    }
    formatting->changed++;
    if (cli->flags.dry_run == NULL && !cli_file_replace(cli, path, &new)) {
        return cli_fail(CLI_NO, "cannot write %s: %s", path, strerror(errno));
    }
    if (cli->flags.quiet == NULL) {
        cli_print_line("%s", path);
    }
    return CLI_OK;
}

static int is_ours(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot != NULL &&
           (strcmp(dot, ".policy") == 0 || strcmp(dot, ".test") == 0);
}

static enum cli_exit path_format(struct formatting *formatting, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return file_format(formatting, path);
    }
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_ours, alphasort);
    enum cli_exit worst = count < 0 ? cli_fail(CLI_USAGE, "cannot read %s", path) : CLI_OK;
    for (int i = 0; i < count; i++) {
        const char *file = arena_printf(&formatting->cli->arena, "%s/%s", path, entries[i]->d_name);
        enum cli_exit result = file == NULL ? CLI_NO : file_format(formatting, file);
        worst = result == CLI_OK ? worst : result;
        free(entries[i]);
    }
    free(entries);
    return worst;
}

enum cli_exit cli_policy_fmt(struct cli *cli)
{
    struct formatting formatting = {.cli = cli};
    enum cli_exit worst = CLI_OK;
    for (size_t i = 0; i < cli->args_count; i++) {
        enum cli_exit result = path_format(&formatting, cli->args[i]);
        worst = result == CLI_OK ? worst : result;
    }
    if (worst == CLI_OK && cli->flags.dry_run != NULL && formatting.changed > 0) {
        worst = CLI_NO; /* For continuous integration. */
    }
    return worst;
}
