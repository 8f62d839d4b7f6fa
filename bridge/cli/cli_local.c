/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that need no daemon: policy check, config check, version. */

#include "cli.h"

#include "policy/policy.h"

#include <curl/curl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void diags_show(const struct cli *cli, const struct diags *diags)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    diags_print(diags, NULL, cli->color, &out);
    if (out.count > 0) {
        fwrite(out.at, 1, out.count, stderr);
    }
}

enum cli_exit cli_policy_check(struct cli *cli)
{
    size_t policies = 0, errors = 0, warnings = 0;
    struct policy_defaults defaults = policy_defaults_builtin();
    for (size_t i = 0; i < cli->args_count; i++) {
        struct diags diags = {0};
        struct policy_set *set = policy_load(cli->args[i], &defaults, NULL, 0, &diags);
        diags_show(cli, &diags);
        errors += diags.errors_count;
        warnings += diags.warnings_count;
        if (set != NULL) {
            policies += set->policies_count;
            policy_set_free(set);
        }
        diags_done(&diags);
    }
    if (cli->output == CLI_JSON || cli->output == CLI_JSONL) {
        cli_print_line("{\"apiVersion\":\"nightshift/"
                       "v1\",\"kind\":\"PolicyCheck\",\"policies\":%zu,\"errors\":%zu,"
                       "\"warnings\":%zu}",
                       policies, errors, warnings);
    } else if (cli->flags.quiet == NULL) {
        cli_print_line("%zu policies: %zu errors, %zu warnings", policies, errors, warnings);
    }
    return errors > 0 ? CLI_NO : CLI_OK;
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
