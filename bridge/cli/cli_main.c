/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments to a command: flags anywhere, the longest noun and verb that fits, did-you-mean for the
 * rest. */

#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ARGS_MAX 256

static const struct cli_command commands[] = {
#define COMMAND(noun, verb, function, arguments, help) {noun, verb, function, arguments, help},
#include "commands.def"
#undef COMMAND
};
#define COMMANDS_COUNT (sizeof commands / sizeof commands[0])

struct flag {
    const char *name;
    char short_name;
    const char *value;
    size_t offset;
};

static const struct flag flags[] = {
#define FLAG(name, short_name, value, field, help)                                                 \
    {name, short_name, value, offsetof(struct cli_flags, field)},
#include "flags.def"
#undef FLAG
};
#define FLAGS_COUNT (sizeof flags / sizeof flags[0])

const struct cli_command *cli_command_at(size_t index)
{
    return index < COMMANDS_COUNT ? &commands[index] : NULL;
}

enum cli_exit cli_fail(enum cli_exit exit, const char *format, ...)
{
    va_list arguments;
    fputs("nightshift: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return exit;
}

static const struct flag *flag_find(const char *argument, size_t name_count)
{
    for (size_t i = 0; i < FLAGS_COUNT; i++) {
        bool is_long = argument[1] == '-' && strlen(flags[i].name) == name_count - 2 &&
                       strncmp(argument + 2, flags[i].name, name_count - 2) == 0;
        bool is_short =
            name_count == 2 && flags[i].short_name != 0 && argument[1] == flags[i].short_name;
        if (is_long || is_short) {
            return &flags[i];
        }
    }
    return NULL;
}

static enum cli_exit flag_unknown(const char *argument)
{
    const char *names[FLAGS_COUNT + 1];
    for (size_t i = 0; i < FLAGS_COUNT; i++) {
        names[i] = flags[i].name;
    }
    names[FLAGS_COUNT] = NULL;
    size_t dashes = strspn(argument, "-");
    struct text word = {argument + dashes, (uint32_t)strcspn(argument + dashes, "=")};
    const char *nearest = text_nearest(word, names);
    if (nearest != NULL) {
        return cli_fail(CLI_USAGE, "unknown flag %s; did you mean --%s?", argument, nearest);
    }
    return cli_fail(CLI_USAGE, "unknown flag %s; see nightshift help", argument);
}

/* Set the flag at argv[*at], which may take the next argument as its value. */
static enum cli_exit flag_take(struct cli *cli, int argc, char **argv, int *at)
{
    const char *argument = argv[*at];
    size_t name_count = strcspn(argument, "=");
    const struct flag *flag = flag_find(argument, name_count);
    if (flag == NULL) {
        return flag_unknown(argument);
    }
    const char *value = argument[name_count] == '=' ? argument + name_count + 1 : NULL;
    if (flag->value[0] == 0) {
        if (value != NULL) {
            return cli_fail(CLI_USAGE, "--%s takes no value", flag->name);
        }
        value = "yes";
    } else if (value == NULL) {
        if (*at + 1 >= argc) {
            return cli_fail(CLI_USAGE, "--%s wants a value: %s", flag->name, flag->value);
        }
        value = argv[++*at];
    }
    memcpy((char *)&cli->flags + flag->offset, &value, sizeof value);
    return CLI_OK;
}

static enum cli_exit command_unknown(const char *noun, const char *verb)
{
    const char *names[COMMANDS_COUNT + 1];
    size_t count = 0;
    bool noun_known = false;
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        noun_known = noun_known || strcmp(commands[i].noun, noun) == 0;
    }
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        if (!noun_known) {
            names[count++] = commands[i].noun;
        } else if (strcmp(commands[i].noun, noun) == 0) {
            names[count++] = commands[i].verb;
        }
    }
    names[count] = NULL;
    const char *wrong = noun_known ? verb : noun;
    const char *nearest = text_nearest(text_of(wrong), names);
    if (noun_known && verb[0] == 0) {
        fprintf(stderr, "nightshift: %s wants one of:", noun);
        for (size_t i = 0; i < count; i++) {
            fprintf(stderr, " %s", names[i]);
        }
        fputc('\n', stderr);
        return CLI_USAGE;
    }
    if (nearest != NULL && nearest[0] != 0) {
        return cli_fail(CLI_USAGE, "unknown command '%s%s%s'; did you mean '%s'?",
                        noun_known ? noun : "", noun_known ? " " : "", wrong, nearest);
    }
    return cli_fail(CLI_USAGE, "unknown command '%s'; see nightshift help", wrong);
}

static const struct cli_command *command_find(const char *noun, const char *verb, size_t *ret_used)
{
    const struct cli_command *alone = NULL;
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        if (strcmp(commands[i].noun, noun) != 0) {
            continue;
        }
        if (commands[i].verb[0] == 0) {
            alone = &commands[i];
        } else if (strcmp(commands[i].verb, verb) == 0) {
            *ret_used = 2;
            return &commands[i];
        }
    }
    *ret_used = 1;
    return alone;
}

static enum cli_exit output_choose(struct cli *cli)
{
    static const char *const words[] = {"table", "json", "jsonl", "name"};
    const char *wanted = cli->flags.output == NULL ? "table" : cli->flags.output;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(wanted, words[i]) == 0) {
            cli->output = (enum cli_output)i;
            const char *color = cli->flags.color == NULL ? "auto" : cli->flags.color;
            const char *no_color = getenv("NO_COLOR");
            const char *term = getenv("TERM");
            cli->color = strcmp(color, "always") == 0 ||
                         (strcmp(color, "auto") == 0 && isatty(STDOUT_FILENO) &&
                          (no_color == NULL || no_color[0] == 0) && term != NULL &&
                          strcmp(term, "dumb") != 0);
            return CLI_OK;
        }
    }
    return cli_fail(CLI_USAGE, "-o wants table, json, jsonl or name, got %s", wanted);
}

static unsigned arguments_wanted(const char *arguments)
{
    unsigned count = 0;
    for (const char *at = arguments; *at != 0; at++) {
        if ((at == arguments || at[-1] == ' ') && *at != '[') {
            count++;
        }
        if (*at == '[') {
            break;
        }
    }
    return count;
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    const char *words[ARGS_MAX] = {0};
    size_t count = 0;
    bool flags_over = false;
    for (int i = 1; i < argc; i++) {
        if (!flags_over && strcmp(argv[i], "--") == 0) {
            flags_over = true;
        } else if (!flags_over && argv[i][0] == '-' && argv[i][1] != 0) {
            enum cli_exit result = flag_take(&cli, argc, argv, &i);
            if (result != CLI_OK) {
                return (int)result;
            }
        } else if (count < ARGS_MAX) {
            words[count++] = argv[i];
        }
    }
    if (output_choose(&cli) != CLI_OK) {
        return CLI_USAGE;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    cli.now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (count == 0) {
        cli_help(&cli);
        return cli.flags.help != NULL ? CLI_OK : CLI_USAGE;
    }
    size_t used = 0;
    cli.command = command_find(words[0], count > 1 ? words[1] : "", &used);
    if (cli.command == NULL) {
        return (int)command_unknown(words[0], count > 1 ? words[1] : "");
    }
    cli.args = words + used;
    cli.args_count = count - used;
    if (cli.flags.help != NULL) {
        cli.args = words;
        cli.args_count = count;
        return (int)cli_help(&cli);
    }
    if (cli.args_count < arguments_wanted(cli.command->arguments)) {
        return (int)cli_fail(CLI_USAGE, "usage: nightshift %s%s%s %s", cli.command->noun,
                             cli.command->verb[0] != 0 ? " " : "", cli.command->verb,
                             cli.command->arguments);
    }
    if (cli.args_count > 0 && cli.command->arguments[0] == 0) {
        return (int)command_unknown(words[0], words[used]);
    }
    int result = (int)cli.command->run(&cli);
    arena_done(&cli.arena);
    if (fflush(stdout) != 0) {
        return (int)cli_fail(CLI_NO, "cannot write the output");
    }
    return result;
}
