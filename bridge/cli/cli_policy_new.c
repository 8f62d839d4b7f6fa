/* SPDX-License-Identifier: Apache-2.0 */
/* policy new: a commented policy and its tests, which pass: a beginning that can be changed line by
 * line. */

#include "cli_local.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define POLICY_NAME_MAX 64

/* NAME is put in for each @. */
static const char policy_template[] =
    "# @: what it is for, and why it does what it does, for the one who reads it at 3 a.m.\n"
    "# Rehearse it: nightshift policy test @.test\n"
    "policies: (\n"
    "{\n"
    "  name    = \"@\";\n"
    "  summary = \"Uncorrectable memory error: power-cycle once, verify, else page\";\n"
    "  owner   = \"my-team\";\n"
    "  subject = \"host\";                          # one state and one run for each host\n"
    "  mode    = \"observe\";                       # acts on nothing until you say enforce\n"
    "\n"
    "  # When an alarm of this type and severity is raised, and is still there after this long.\n"
    "  when   = { event    = \"memory.uncorrectable\";\n"
    "             severity = \"major\";\n"
    "             for      = \"10s\";\n"
    "             settle   = \"5s\"; };             # let a rack alarm or the storm brake speak "
    "first\n"
    "\n"
    "  # Never when one of these is true. One that cannot be told forbids, too.\n"
    "  unless = ( \"host.maintenance\" );\n"
    "\n"
    "  # Tighter than the site's guards, which hold anyway.\n"
    "  limits = { once_within = \"6h\"; concurrent = { rack = 1; }; };\n"
    "\n"
    "  # Step by step; the first one that fails leads to else.\n"
    "  do = ( { step = \"cycle\";  action = \"power.cycle\"; timeout = \"5m\"; },\n"
    "         { step = \"verify\"; check = \"cleared\"; within = \"10m\"; every = \"10s\"; } );\n"
    "\n"
    "  else = ( { step = \"page\"; action = \"page\";\n"
    "             with = { team = \"my-team\"; text = \"${host.name}: ${failure}\"; }; } );\n"
    "}\n"
    ");\n";

static const char test_template[] =
    "# Rehearses @.policy, as if its mode were enforce. Nothing real is touched.\n"
    "racks = { r1 = 8; };                         # hosts r1h01 to r1h08\n"
    "\n"
    "tests: (\n"
    "{\n"
    "  name = \"one cycle heals it\";\n"
    "  stubs = ( { action = \"power.cycle\"; after = \"20s\"; } );\n"
    "  timeline = (\n"
    "    { at = \"0s\"; event = { type = \"memory.uncorrectable\"; host = \"r1h01\"; severity = "
    "\"critical\"; }; },\n"
    "    { at = \"1m\"; event = { type = \"memory.uncorrectable\"; host = \"r1h01\"; state = "
    "\"clear\"; }; }\n"
    "  );\n"
    "  expect = (\n"
    "    { at = \"15s\"; run = \"@\"; subject = \"r1h01\"; },\n"
    "    { at = \"35s\"; step = \"cycle\"; ok = true; },\n"
    "    { at = \"1m\";  end = \"done\"; },\n"
    "    { never = \"page\"; }\n"
    "  );\n"
    "},\n"
    "{\n"
    "  name = \"it does not help: a person\";\n"
    "  stubs = ( { action = \"power.cycle\"; } );\n"
    "  timeline = ( { event = { type = \"memory.uncorrectable\"; host = \"r1h01\"; severity = "
    "\"critical\"; }; } );\n"
    "  expect = ( { step = \"verify\"; ok = false; }, { count = 1; action = \"page\"; }, { end = "
    "\"escalated\"; } );\n"
    "},\n"
    "{\n"
    "  name = \"the BMC is not there: a person\";\n"
    "  stubs = ( { action = \"power.cycle\"; fail = \"unreachable\"; } );\n"
    "  timeline = ( { event = { type = \"memory.uncorrectable\"; host = \"r1h01\"; severity = "
    "\"critical\"; }; } );\n"
    "  expect = ( { step = \"cycle\"; ok = false; error = \"unreachable\"; }, { end = "
    "\"escalated\"; } );\n"
    "},\n"
    "{\n"
    "  name = \"somebody works on the host\";\n"
    "  timeline = ( { set = { host = \"r1h01\"; maintenance = true; }; },\n"
    "               { event = { type = \"memory.uncorrectable\"; host = \"r1h01\"; severity = "
    "\"critical\"; }; } );\n"
    "  expect = ( { skipped = \"@\"; because = \"host.maintenance is true\"; }, { never = \"run\"; "
    "} );\n"
    "}\n"
    ");\n";

static bool name_is_good(const char *name)
{
    size_t count =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return count > 0 && count <= POLICY_NAME_MAX && name[count] == 0 && name[0] != '.';
}

/* Never over a file that is there. */
static enum cli_exit file_write(const char *path, const char *template, const char *name)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    for (const char *at = template; *at != 0; at++) {
        if (*at == '@') {
            textbuf_add_chars(&text, name);
        } else {
            textbuf_add_char(&text, *at);
        }
    }
    if (text.failed) {
        return cli_fail(CLI_NO, "out of memory");
    }
    CLEANUP(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return cli_fail(CLI_USAGE, "cannot make %s: %s", path, strerror(errno));
    }
    size_t written = 0;
    while (written < text.count) {
        ssize_t count = write(fd, text.at + written, text.count - written);
        if (count <= 0) {
            return cli_fail(CLI_NO, "cannot write %s: %s", path, strerror(errno));
        }
        written += (size_t)count;
    }
    return CLI_OK;
}

enum cli_exit cli_policy_new(struct cli *cli)
{
    const char *path = cli->args[0];
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    if (!name_is_good(name)) {
        return cli_fail(CLI_USAGE,
                        "a policy's name has 1 to %d letters, digits, '-', '_' and '.', got '%s'",
                        POLICY_NAME_MAX, name);
    }
    const char *policy = arena_printf(&cli->arena, "%s.policy", path);
    const char *test = arena_printf(&cli->arena, "%s.test", path);
    if (policy == NULL || test == NULL) {
        return cli_fail(CLI_NO, "out of memory");
    }
    if (access(test, F_OK) == 0) {
        return cli_fail(CLI_USAGE, "%s is there already", test);
    }
    enum cli_exit result = file_write(policy, policy_template, name);
    result = result == CLI_OK ? file_write(test, test_template, name) : result;
    if (result == CLI_OK && cli->flags.quiet == NULL) {
        cli_print_line("wrote %s and %s", policy, test);
        cli_print_line("Change them, then: nightshift policy test %s", test);
    }
    return result;
}
