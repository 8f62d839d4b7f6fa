/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy apply, confirm, undo: what changes is shown first, the daemon checks it as it would load
 * it, and it stays only when somebody confirms in time.
 */

#include "cli_local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLY_FILES_MAX 20000
#define FILE_BYTES_MAX (1u << 20)

struct apply_files {
    struct cli *cli;
    struct textbuf json;   /* {"name":..,"text":..}, ... */
    const char *temporary; /* A folder with `old` and `new`, for the difference. */
    size_t count;
    bool whole;
};

/* ---- files -------------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static bool file_write(const char *path, struct text text)
{
    FILE *file = fopen(path, "we");
    bool written = file != NULL && fwrite(text.at, 1, text.count, file) == text.count;
    return file != NULL && fclose(file) == 0 && written;
}

/* One of the policies or tests that are handed in. */
static enum cli_exit file_add(struct apply_files *files, const char *path)
{
    struct cli *cli = files->cli;
    CLEANUP(textbuf_donep) struct textbuf text = {.count_max = FILE_BYTES_MAX};
    const char *copy = arena_printf(&cli->arena, "%s/new/%s", files->temporary, base_name(path));
    if (!cli_file_read(path, &text)) {
        return cli_fail(CLI_USAGE, "cannot read %s (a file has at most 1 MiB)", path);
    }
    struct text whole = {text.at, (uint32_t)text.count};
    if (copy == NULL || !file_write(copy, whole)) {
        return cli_fail(CLI_NO, "cannot write %s: %s", copy == NULL ? "" : copy, strerror(errno));
    }
    textbuf_add_chars(&files->json, files->count++ == 0 ? "{\"name\":" : ",{\"name\":");
    textbuf_add_json(&files->json, text_of(base_name(path)));
    textbuf_add_chars(&files->json, ",\"text\":");
    textbuf_add_json(&files->json, whole);
    textbuf_add_char(&files->json, '}');
    return CLI_OK;
}

static int is_ours(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot != NULL &&
           (strcmp(dot, ".policy") == 0 || strcmp(dot, ".test") == 0);
}

static enum cli_exit files_read(struct apply_files *files, const char *path)
{
    struct stat info;
    struct dirent **entries = NULL;
    enum cli_exit result = CLI_OK;
    if (stat(path, &info) != 0) {
        return cli_fail(CLI_USAGE, "cannot read %s: %s", path, strerror(errno));
    }
    if (!S_ISDIR(info.st_mode)) {
        return file_add(files, path);
    }
    files->whole = true;
    int count = scandir(path, &entries, is_ours, alphasort);
    for (int i = 0; i < count; i++) {
        const char *file = arena_printf(&files->cli->arena, "%s/%s", path, entries[i]->d_name);
        result = result == CLI_OK && file != NULL ? file_add(files, file) : result;
        free(entries[i]);
    }
    free(entries);
    if (result == CLI_OK && files->count == 0) {
        result = cli_fail(CLI_USAGE, "no NAME.policy in %s", path);
    }
    return result;
}

/* What the daemon has, beside what it shall get. */
static enum cli_exit olds_write(struct apply_files *files, const struct nsh_value *reply)
{
    struct cli *cli = files->cli;
    const struct nsh_value *items = nsh_get(reply, "items");
    for (uint32_t i = 0; items != NULL && items->type == NSH_LIST && i < items->count; i++) {
        const char *name = nsh_get_text(&items->items[i], "name", "");
        struct text text = text_of(nsh_get_text(&items->items[i], "text", ""));
        const char *old = arena_printf(&cli->arena, "%s/old/%s", files->temporary, name);
        const char *new = arena_printf(&cli->arena, "%s/new/%s", files->temporary, name);
        bool safe = name[0] != 0 && name[0] != '.' && strchr(name, '/') == NULL;
        if (!safe || old == NULL || new == NULL || !file_write(old, text) ||
            (!files->whole && access(new, F_OK) != 0 && !file_write(new, text))) {
            return cli_fail(CLI_NO, "cannot write %s in %s", name, files->temporary);
        }
    }
    return CLI_OK;
}

static void folder_remove(struct cli *cli, const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry = NULL; folder != NULL && (entry = readdir(folder)) != NULL;) {
        const char *file = arena_printf(&cli->arena, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && file != NULL) {
            unlink(file);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    rmdir(path);
}

static bool temporary_make(struct apply_files *files)
{
    struct cli *cli = files->cli;
    const char *home = getenv("TMPDIR");
    char *made =
        arena_printf(&cli->arena, "%s/nightshift-apply.XXXXXX", home == NULL ? "/tmp" : home);
    files->temporary = made == NULL ? NULL : mkdtemp(made);
    const char *old = arena_printf(&cli->arena, "%s/old", files->temporary);
    const char *new = arena_printf(&cli->arena, "%s/new", files->temporary);
    return files->temporary != NULL && old != NULL && new != NULL &&mkdir(old, 0700) == 0 &&
           mkdir(new, 0700) == 0;
}

static void temporary_remove(struct apply_files *files)
{
    struct cli *cli = files->cli;
    if (files->temporary == NULL) {
        return;
    }
    folder_remove(cli, arena_printf(&cli->arena, "%s/old", files->temporary));
    folder_remove(cli, arena_printf(&cli->arena, "%s/new", files->temporary));
    rmdir(files->temporary);
}

/* ---- what changes -------------------------------------------------------------------------- */

/* CLI_OK: nothing; CLI_NO: something; printed. */
static enum cli_exit difference_show(struct apply_files *files)
{
    struct cli *cli = files->cli;
    struct nsh_value reply;
    enum cli_exit result = cli_request(cli, "GET", "/v1/policy-files", NULL, &reply);
    result = result == CLI_OK ? olds_write(files, &reply) : result;
    if (result != CLI_OK) {
        return CLI_USAGE;
    }
    const char *sides[] = {arena_printf(&cli->arena, "%s/old", files->temporary),
                           arena_printf(&cli->arena, "%s/new", files->temporary)};
    /* Not loaded here: the daemon does, which alone knows the verbs of its drivers. */
    result = cli_policy_difference(cli, sides[0], sides[1]);
    fflush(stdout);
    return result;
}

static enum cli_exit post(struct apply_files *files, bool dry_run, struct nsh_value *reply)
{
    struct cli *cli = files->cli;
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    textbuf_addf(&body, "{\"whole\":%s,\"dry_run\":%s,\"reason\":", files->whole ? "true" : "false",
                 dry_run ? "true" : "false");
    textbuf_add_json(&body, text_of(cli->flags.reason == NULL ? "" : cli->flags.reason));
    if (cli->flags.confirm_within != NULL) {
        textbuf_add_chars(&body, ",\"confirm_within\":");
        textbuf_add_json(&body, text_of(cli->flags.confirm_within));
    }
    textbuf_addf(&body, ",\"files\":[%s]}", files->json.at);
    if (body.failed || files->json.failed) {
        return cli_fail(CLI_NO, "out of memory");
    }
    return cli_request(cli, "POST", "/v1/policy-files", body.at, reply);
}

static void warnings_show(const struct nsh_value *reply)
{
    const struct nsh_value *warnings = nsh_get(reply, "warnings");
    for (uint32_t i = 0; warnings != NULL && warnings->type == NSH_LIST && i < warnings->count;
         i++) {
        if (warnings->items[i].type == NSH_STRING) {
            fprintf(stderr, "warning: %s\n", warnings->items[i].text);
        }
    }
}

static enum cli_exit agreed(struct cli *cli)
{
    if (cli->flags.yes != NULL) {
        return CLI_OK;
    }
    if (isatty(STDIN_FILENO) != 1) {
        return cli_fail(CLI_USAGE, "say --yes: there is no terminal to ask on");
    }
    char line[16] = {0};
    fputs("Apply these? [y/N] ", stderr);
    bool yes = fgets(line, sizeof line, stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
    return yes ? CLI_OK : cli_fail(CLI_NO, "nothing was changed");
}

static void applied_show(struct cli *cli, const struct nsh_value *reply)
{
    CLEANUP(textbuf_donep) struct textbuf until = {0}, left = {0};
    if (cli_print_document(cli, reply) || cli->flags.quiet != NULL) {
        return;
    }
    cli_length((nsh_get_int(reply, "left_ms", 0) + 500) / 1000 * 1000, &left);
    textbuf_add_time(&until, nsh_get_int(reply, "until_ms", 0));
    cli_print_line("Applied: %lld policies, revision %s.",
                   (long long)nsh_get_int(reply, "policies", 0),
                   nsh_get_text(reply, "revision", "?"));
    cli_print_line("Keep them:  nightshift policy confirm   within %s (until %.19sZ)", left.at,
                   until.at);
    cli_print_line("Back now:   nightshift policy undo      else the old ones come back by "
                   "themselves.");
}

static enum cli_exit apply(struct apply_files *files)
{
    struct cli *cli = files->cli;
    struct nsh_value reply;
    enum cli_exit result =
        temporary_make(files)
            ? files_read(files, cli->args[0])
            : cli_fail(CLI_NO, "cannot make a temporary folder: %s", strerror(errno));
    enum cli_exit changes = result == CLI_OK ? post(files, true, &reply) : result;
    if (changes != CLI_OK) {
        return changes;
    }
    warnings_show(&reply);
    changes = difference_show(files);
    if (changes == CLI_OK && cli->flags.quiet == NULL) {
        fputs("nothing to apply\n", stderr);
    }
    if (changes != CLI_NO || cli->flags.dry_run != NULL) {
        return changes;
    }
    result = agreed(cli);
    result = result == CLI_OK ? post(files, false, &reply) : result;
    if (result == CLI_OK) {
        applied_show(cli, &reply);
    }
    return result;
}

enum cli_exit cli_policy_apply(struct cli *cli)
{
    struct apply_files files = {.cli = cli};
    enum cli_exit result = apply(&files);
    temporary_remove(&files);
    textbuf_done(&files.json);
    return result;
}

/* ---- confirm and undo ---------------------------------------------------------------------- */

static enum cli_exit decide(struct cli *cli, const char *what, const char *said, const char *then)
{
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    struct nsh_value reply;
    textbuf_add_chars(&body, "{\"reason\":");
    textbuf_add_json(&body, text_of(cli->flags.reason == NULL ? "" : cli->flags.reason));
    textbuf_add_char(&body, '}');
    const char *path = arena_printf(&cli->arena, "/v1/policy-files/%s", what);
    enum cli_exit result = cli_request(cli, "POST", path, body.at, &reply);
    if (result == CLI_OK && !cli_print_document(cli, &reply) && cli->flags.quiet == NULL) {
        cli_print_line("%s: %lld policies, revision %s, %s.", said,
                       (long long)nsh_get_int(&reply, "policies", 0),
                       nsh_get_text(&reply, "revision", "?"), then);
    }
    return result;
}

enum cli_exit cli_policy_confirm(struct cli *cli)
{
    return decide(cli, "confirm", "Confirmed", "stay");
}

enum cli_exit cli_policy_undo(struct cli *cli)
{
    return decide(cli, "undo", "Undone", "are in force again");
}
