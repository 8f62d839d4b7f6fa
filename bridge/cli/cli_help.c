/* SPDX-License-Identifier: Apache-2.0 */
/* Help, completion, version: all from the tables. */

#include "cli.h"

#include <stdlib.h>

static const struct {
    int number;
    const char *meaning;
} exits[] = {
#define EXIT(NAME, number, meaning) {number, meaning},
#include "exit_codes.def"
#undef EXIT
};

static const struct {
    const char *name;
    char short_name;
    const char *value, *help;
} flags[] = {
#define FLAG(name, short_name, value, field, help) {name, short_name, value, help},
#include "flags.def"
#undef FLAG
};

static void print_command(const struct cli_command *command)
{
    char usage[80];
    snprintf(usage, sizeof usage, "%s%s%s %s", command->noun, command->verb[0] != 0 ? " " : "",
             command->verb, command->arguments);
    printf("  %-30s %s\n", usage, command->help);
}

static void print_flags(void)
{
    puts("\nFlags");
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        char usage[64];
        snprintf(usage, sizeof usage, "%c%c --%s %s", flags[i].short_name != 0 ? '-' : ' ',
                 flags[i].short_name != 0 ? flags[i].short_name : ' ', flags[i].name,
                 flags[i].value);
        printf("  %-34s %s\n", usage, flags[i].help);
    }
}

enum cli_exit cli_help(struct cli *cli)
{
    if (cli->args_count > 0 && strcmp(cli->args[0], "exit-codes") == 0) {
        for (size_t i = 0; i < sizeof exits / sizeof exits[0]; i++) {
            printf("%4d  %s\n", exits[i].number, exits[i].meaning);
        }
        return CLI_OK;
    }
    bool any = false;
    if (cli->args_count == 0) {
        puts("nightshift: wake a function, not a person\n\nUsage: nightshift COMMAND [flags]\n");
    }
    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        const struct cli_command *command = cli_command_at(i);
        bool wanted = cli->args_count == 0 || strcmp(command->noun, cli->args[0]) == 0;
        if (wanted && (cli->args_count < 2 || command->verb[0] == 0 ||
                       strcmp(command->verb, cli->args[1]) == 0)) {
            print_command(command);
            any = true;
        }
    }
    if (!any) {
        return cli_fail(CLI_USAGE, "no command '%s'; see nightshift help", cli->args[0]);
    }
    if (cli->args_count == 0) {
        print_flags();
        puts("\nStart with: nightshift status, nightshift explain host NAME. Exit codes: "
             "nightshift help exit-codes");
    }
    return CLI_OK;
}

static void completion_words(const char *separator)
{
    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        const struct cli_command *command = cli_command_at(i);
        bool seen = i > 0 && strcmp(cli_command_at(i - 1)->noun, command->noun) == 0;
        if (!seen) {
            printf("%s%s", command->noun, separator);
        }
    }
}

static void completion_verbs(const char *before, const char *between, const char *after)
{
    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        const struct cli_command *command = cli_command_at(i);
        bool seen = i > 0 && strcmp(cli_command_at(i - 1)->noun, command->noun) == 0;
        if (seen) {
            continue;
        }
        char verbs[256] = "";
        size_t count = 0;
        for (size_t j = i;
             cli_command_at(j) != NULL && strcmp(cli_command_at(j)->noun, command->noun) == 0;
             j++) {
            if (cli_command_at(j)->verb[0] != 0) {
                count += (size_t)snprintf(verbs + count, sizeof verbs - count, "%s ",
                                          cli_command_at(j)->verb);
            }
        }
        if (count > 0) {
            printf("%s%s%s%s%s\n", before, command->noun, between, verbs, after);
        }
    }
}

static void completion_flags(void)
{
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        printf("--%s ", flags[i].name);
    }
}

static void completion_bash(void)
{
    puts("# bash completion for nightshift\n_nightshift() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} noun=${COMP_WORDS[1]}");
    fputs("    if [[ $word == -* ]]; then\n        COMPREPLY=($(compgen -W '", stdout);
    completion_flags();
    puts("' -- \"$word\")); return\n    fi");
    fputs("    if [ \"$COMP_CWORD\" = 1 ]; then\n        COMPREPLY=($(compgen -W '", stdout);
    completion_words(" ");
    puts("' -- \"$word\")); return\n    fi");
    puts("    if [ \"$COMP_CWORD\" = 2 ]; then\n        local verbs=\n        case $noun in");
    completion_verbs("        ", ") verbs='", "' ;;");
    puts("        esac\n        if [ -n \"$verbs\" ]; then COMPREPLY=($(compgen -W \"$verbs\" -- "
         "\"$word\")); return; fi\n    fi");
    puts("    local list=\n    case \"$noun ${COMP_WORDS[2]}\" in\n"
         "        'host show' | 'explain host') list=host ;;\n"
         "        'alarm show' | 'alarm clear' | 'explain alarm') list=alarm ;;\n"
         "        'run show' | 'run cancel' | 'explain run') list=run ;;\n"
         "        'policy show') list=policy ;;\n    esac\n"
         "    if [ -n \"$list\" ]; then\n"
         "        COMPREPLY=($(compgen -W \"$(nightshift $list list -o name --timeout 200ms "
         "2>/dev/null)\" -- \"$word\"))\n"
         "    else\n        COMPREPLY=($(compgen -f -- \"$word\"))\n    fi\n}\n"
         "complete -o filenames -F _nightshift nightshift");
}

static void completion_fish(void)
{
    fputs("complete -c nightshift -f\ncomplete -c nightshift -n __fish_use_subcommand -a '",
          stdout);
    completion_words(" ");
    puts("'");
    completion_verbs("complete -c nightshift -n '__fish_seen_subcommand_from ", "' -a '", "'");
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        printf("complete -c nightshift -l %s -d '%s'\n", flags[i].name, flags[i].help);
    }
}

enum cli_exit cli_completion(struct cli *cli)
{
    if (strcmp(cli->args[0], "bash") == 0) {
        completion_bash();
    } else if (strcmp(cli->args[0], "zsh") == 0) {
        puts("#compdef nightshift\nautoload -U +X bashcompinit && bashcompinit");
        completion_bash();
    } else if (strcmp(cli->args[0], "fish") == 0) {
        completion_fish();
    } else {
        return cli_fail(CLI_USAGE, "completion wants bash, zsh or fish, got %s", cli->args[0]);
    }
    return CLI_OK;
}
