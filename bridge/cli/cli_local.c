/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that need no daemon: policy check, config check, version. */

#include "cli_local.h"

#include <curl/curl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void cli_diags_show(const struct cli *cli, const struct diags *diags)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    diags_print(diags, NULL, cli->color && isatty(STDERR_FILENO) == 1, &out);
    if (out.count > 0) {
        fwrite(out.at, 1, out.count, stderr);
    }
}

void cli_diag_json(struct textbuf *out, const struct diag *diag)
{
    static const char *const levels[] = {"error", "warning", "note"};
    textbuf_add_chars(out, "{\"file\":");
    textbuf_add_json(out, text_of(diag->at.file == NULL ? "" : diag->at.file));
    textbuf_addf(out, ",\"line\":%u,\"column\":%u,\"length\":%u,\"level\":\"%s\",\"text\":",
                 diag->at.line, diag->at.column, diag->at.length, levels[diag->level]);
    textbuf_add_json(out, text_of(diag->text));
    if (diag->remedy != NULL) {
        textbuf_add_chars(out, ",\"remedy\":");
        textbuf_add_json(out, text_of(diag->remedy));
    }
    textbuf_add_char(out, '}');
}

enum cli_exit cli_site_defaults(struct cli *cli, struct policy_defaults *defaults)
{
    struct diags diags = {0};
    *defaults = policy_defaults_builtin();
    if (cli->flags.config != NULL) {
        struct conf *root = conf_read(cli->flags.config, &cli->arena, &diags);
        if (root != NULL) {
            policy_defaults_read(root, defaults, &diags);
            policy_functions_read(root, &cli->arena, defaults, &diags);
        }
    }
    cli_diags_show(cli, &diags);
    bool bad = diags.errors_count > 0;
    diags_done(&diags);
    return bad ? CLI_NO : CLI_OK;
}

struct policy_check {
    size_t policies_count, errors_count, warnings_count;
    struct textbuf items; /* JSON, when wanted. */
    struct textbuf worst; /* What the set can do at worst: JSON or words. */
    bool json;
};

/* All paths as one set: policies are judged by what they do to each other, too. */
static void check_paths(struct cli *cli, const struct policy_defaults *defaults,
                        struct policy_check *check)
{
    struct diags diags = {0};
    struct policy_set *set = policy_load_files(cli->args, cli->args_count, defaults, &diags);
    for (size_t i = 0; check->json && i < diags.count; i++) {
        textbuf_add_chars(&check->items, check->items.count > 0 ? "," : "");
        cli_diag_json(&check->items, &diags.items[i]);
    }
    if (!check->json) {
        cli_diags_show(cli, &diags);
    }
    check->errors_count += diags.errors_count;
    check->warnings_count += diags.warnings_count;
    if (set != NULL) {
        check->policies_count += set->policies_count;
        (check->json ? policy_add_worst : policy_worst_words)(&check->worst, set);
        policy_set_free(set);
    }
    diags_done(&diags);
}

const char *cli_counted(struct cli *cli, size_t count, const char *one, const char *many)
{
    const char *text = count == 0
                           ? arena_printf(&cli->arena, "no %s", many)
                           : arena_printf(&cli->arena, "%zu %s", count, count == 1 ? one : many);
    return text == NULL ? "" : text;
}

enum cli_exit cli_policy_check(struct cli *cli)
{
    struct policy_check check = {.json = cli->output == CLI_JSON || cli->output == CLI_JSONL};
    struct policy_defaults defaults;
    if (cli_site_defaults(cli, &defaults) != CLI_OK) {
        return CLI_NO;
    }
    check_paths(cli, &defaults, &check);
    if (check.json) {
        cli_print_line("{\"apiVersion\":\"nightshift/v1\",\"kind\":\"PolicyCheck\",\"policies\":"
                       "%zu,\"errors\":%zu,\"warnings\":%zu,\"items\":[%s]%s}",
                       check.policies_count, check.errors_count, check.warnings_count,
                       check.items.at == NULL ? "" : check.items.at,
                       check.worst.at == NULL ? "" : check.worst.at);
    } else if (cli->flags.quiet == NULL) {
        const char *errors = cli_counted(cli, check.errors_count, "error", "errors");
        const char *warnings = cli_counted(cli, check.warnings_count, "warning", "warnings");
        if (check.errors_count > 0) {
            cli_print_line("%s, %s", errors, warnings);
        } else {
            cli_print_line("%s, %s, %s",
                           cli_counted(cli, check.policies_count, "policy", "policies"), errors,
                           warnings);
            cli_print_line("%s", check.worst.at == NULL ? "" : check.worst.at);
        }
    }
    textbuf_done(&check.items);
    textbuf_done(&check.worst);
    return check.errors_count > 0 ? CLI_NO : CLI_OK;
}

/* The daemon stands beside this command in a build tree and where it is installed; else PATH finds
 * it. */
static const char *daemon_path(struct cli *cli)
{
    char self[4096];
    ssize_t count = readlink("/proc/self/exe", self, sizeof self - 1);
    if (count > 0) {
        self[count] = 0;
        char *slash = strrchr(self, '/');
        if (slash != NULL) {
            *slash = 0;
            const char *beside = arena_printf(&cli->arena, "%s/nightshiftd", self);
            if (access(beside, X_OK) == 0) {
                return beside;
            }
        }
    }
    return "nightshiftd";
}

enum cli_exit cli_config_check(struct cli *cli)
{
    const char *file = cli->args_count > 0 ? cli->args[0] : cli->flags.config;
    if (file == NULL) {
        file = NS_CONFIG_DIR "/nightshift.conf";
    }
    const char *path = daemon_path(cli);
    /* posix_spawnp takes char *const[] but changes nothing. */
    char *const arguments[] = {(char *)(uintptr_t)path, (char *)(uintptr_t) "--check",
                               (char *)(uintptr_t) "--config", (char *)(uintptr_t)file, NULL};
    pid_t child = 0;
    if (posix_spawnp(&child, path, NULL, NULL, arguments, environ) != 0) {
        return cli_fail(CLI_USAGE, "cannot start %s, which does the checking", path);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
        return cli_fail(CLI_NO, "%s --check ended badly", path);
    }
    return (enum cli_exit)WEXITSTATUS(status);
}

enum cli_exit cli_version(struct cli *cli)
{
    if (cli->output == CLI_JSON || cli->output == CLI_JSONL) {
        cli_print_line("{\"apiVersion\":\"nightshift/v1\",\"kind\":\"Version\",\"version\":\"%s\"}",
                       NIGHTSHIFT_VERSION);
        return CLI_OK;
    }
    cli_print_line("nightshift %s", NIGHTSHIFT_VERSION);
    if (cli->flags.parts != NULL) {
        cli_print_line("%s", curl_version());
    }
    return CLI_OK;
}
