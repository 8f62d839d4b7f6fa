/* SPDX-License-Identifier: Apache-2.0 */
/* What each page says: rows of the tables, and the few sentences that no table has. */

#include "man.h"

#include "model/verb.h"

static void page_command(FILE *page, const struct drivers *drivers)
{
    man_section(page, "SYNOPSIS", NULL);
    fputs(".Nm\n.Ar command\n.Op Ar arguments\n.Op Ar flags\n", page);
    man_section(page, "DESCRIPTION",
                "Asks nightshiftd, and tells it what to do. What a person reads goes to "
                "standard output as a table; -o json prints the document as it is.");
    man_section(page, "COMMANDS", NULL);
    man_list(page);
#define COMMAND(noun, verb, function, arguments, help)                                             \
    man_item(page, (verb)[0] == '\0' ? (noun) : noun " " verb, arguments, help ".");
#include "commands.def"
#undef COMMAND
    man_list_end(page);
    man_section(page, "FLAGS", NULL);
    man_list(page);
#define FLAG(name, short_name, value, field, help) man_item(page, "--" name, value, help ".");
#include "flags.def"
#undef FLAG
    man_list_end(page);
    man_section(page, "ENVIRONMENT", NULL);
    man_list(page);
    man_item(page, "NIGHTSHIFT_SERVER", NULL, "Address of the daemon, as --server.");
    man_item(page, "NO_COLOR", NULL, "When set and not empty: no colour.");
    man_list_end(page);
    man_section(page, "EXIT STATUS", NULL);
    man_list(page);
#define EXIT(NAME, number, meaning) man_item(page, #number, NULL, meaning ".");
#include "exit_codes.def"
#undef EXIT
    man_list_end(page);
    man_section(page, "EXAMPLES", "Why did that host restart last night?");
    fputs(".Dl nightshift explain host r1h07\n", page);
    man_paragraph(page, "Somebody works on rack r4 for two hours:");
    fputs(".Dl nightshift freeze --scope rack=r4 --reason \"PDU work\" --for 2h\n", page);
    man_section(page, "SEE ALSO", NULL);
    fputs(".Xr nightshift-drivers 7 ,\n.Xr nightshiftd 8\n", page);
}

static void page_lab(FILE *page, const struct drivers *drivers)
{
    man_section(page, "SYNOPSIS", NULL);
    fputs(".Nm\n.Op Ar options\n.Nm\n.Cm ctl\n.Ar socket\n.Ar command\n.Op Ar arguments\n", page);
    man_section(page, "DESCRIPTION",
                "Racks of hosts whose BMCs speak real Redfish over HTTPS and real IPMI over "
                "RMCP+, send real traps, and can lie, hang and fail on request. Everything that "
                "was done to a host stands in a ledger. Policies are tested with it.");
    man_section(page, "OPTIONS", NULL);
    man_list(page);
#define LAB_OPTION(name, field, TYPE, preset, min, max, argument, help)                            \
    man_item(page, "--" name, argument, help ".");
#include "lab_options.def"
#undef LAB_OPTION
    man_list_end(page);
    man_section(page, "FAULTS", "For the command fail of ctl and for scripts:");
    man_list(page);
#define CURE_CYCLE "Healed by switching it off and on."
#define CURE_RESET "Healed by a reset as well."
#define CURE_REPAIR "Stays until somebody repairs it."
#define LAB_FAULT(NAME, word, cure, sensor, offset, pet, raise, clear, part, broken, well)         \
    man_item(page, word, NULL, broken " " CURE_##cure);
#include "lab_faults.def"
#undef LAB_FAULT
    man_list_end(page);
}

static void page_configuration(FILE *page, const struct drivers *drivers)
{
    man_section(page, "DESCRIPTION",
                "A libconfig file: groups in braces, lists in parentheses, texts in quotes, "
                "durations such as 30s and "
                "sizes such as 20GiB as texts. A key below is written group.key. All mistakes are "
                "shown at once by "
                "nightshiftd --check.");
    man_section(page, "KEYS", NULL);
    man_list(page);
#define CONFIG(path, TYPE, field, preset, min, max, help) man_item(page, path, preset, help);
#include "config_keys.def"
#undef CONFIG
    man_list_end(page);
    man_section(page, "SECRETS",
                "A secret is named, never written: file:NAME in the folder credentials or by "
                "absolute path, env:NAME, or "
                "credential:NAME of the service manager. Files must not be readable by others.");
    man_section(page, "SEE ALSO", NULL);
    fputs(".Xr nightshift 1 ,\n.Xr nightshift-drivers 7 ,\n.Xr nightshiftd 8\n", page);
}

static void page_daemon(FILE *page, const struct drivers *drivers)
{
    man_section(page, "SYNOPSIS", NULL);
    fputs(".Nm\n.Op Fl Fl config Ar file\n.Op Fl Fl check | Fl Fl example\n", page);
    man_section(page, "DESCRIPTION",
                "Takes in events, decides by policies, calls driver functions, verifies, and keeps "
                "a record of all of "
                "it. An action leaves only after its intent is on disk; a source is acknowledged "
                "only after its event "
                "is.");
    man_list(page);
    man_item(page, "--config", "FILE",
             "The configuration; default " NS_CONFIG_DIR "/nightshift.conf.");
    man_item(page, "--check", NULL,
             "Show all mistakes of configuration, inventory, trap tables and policies; exit 1 when "
             "there are any.");
    man_item(page, "--example", NULL, "Print a configuration with every key at its default.");
    man_list_end(page);
    man_section(page, "SIGNALS", NULL);
    man_list(page);
    man_item(page, "SIGHUP", NULL,
             "Read everything anew; what is wrong is refused as a whole, the old stays.");
    man_item(page, "SIGTERM", NULL, "Commit, answer who waits, end.");
    man_list_end(page);
    man_section(page, "SEE ALSO", NULL);
    fputs(".Xr nightshift 1 ,\n.Xr nightshift.conf 5\n", page);
}

static void option_text(FILE *page, const struct nsh_option *option)
{
    static const char *const types[] = {
        [NSH_NULL] = "anything", [NSH_BOOL] = "true or false", [NSH_INT] = "number",
        [NSH_DOUBLE] = "number", [NSH_STRING] = "text",        [NSH_LIST] = "list",
        [NSH_MAP] = "group",     [NSH_DURATION] = "duration",  [NSH_SECRET] = "secret"};
    char help[768];
    int used = snprintf(
        help, sizeof help, "%s (%s%s%s%s%s%s%s)", option->help, types[option->type],
        (option->flags & NSH_REQUIRED) != 0 ? ", required" : "",
        option->preset == NULL ? "" : ", default ", option->preset == NULL ? "" : option->preset,
        option->min == NULL ? "" : ", at least ", option->min == NULL ? "" : option->min,
        option->max == NULL ? "" : ", at most ");
    if (option->max != NULL && used > 0 && (size_t)used < sizeof help) {
        snprintf(help + used - 1, sizeof help - (size_t)used + 1, "%s)", option->max);
    }
    man_item(page, option->name, NULL, help);
}

static void page_drivers(FILE *page, const struct drivers *drivers)
{
    man_section(page, "DESCRIPTION",
                "A driver reaches one kind of server. The bindings of a host in the "
                "inventory name a driver and its options; policies name verbs.");
    man_section(page, "VERBS", NULL);
    man_list(page);
    for (size_t i = 0; verb_at(i) != NULL; i++) {
        const struct verb *verb = verb_at(i);
        char help[512];
        snprintf(help, sizeof help, "%s It %s; carried out by the binding %s.%s%s", verb->help,
                 effect_word(verb->effect), binding_word(verb->binding),
                 verb->proof == NULL ? "" : " Proven by ", verb->proof == NULL ? "" : verb->proof);
        man_item(page, verb->name, NULL, help);
    }
    man_list_end(page);
    for (size_t i = 0; drivers_at(drivers, i) != NULL; i++) {
        const struct nsh_driver *driver = drivers_at(drivers, i);
        char title[96];
        snprintf(title, sizeof title, "DRIVER %s", driver->name);
        man_section(page, title, driver->summary);
        man_paragraph(page, "Options:");
        man_list(page);
        for (size_t o = 0; o < driver->options_count; o++) {
            option_text(page, &driver->options[o]);
        }
        man_list_end(page);
        man_paragraph(page, "Verbs:");
        man_list(page);
        for (size_t v = 0; v < driver->verbs_count; v++) {
            man_item(page, driver->verbs[v].name, NULL, driver->verbs[v].help);
        }
        man_list_end(page);
    }
    man_section(page, "SEE ALSO", NULL);
    fputs(".Xr nightshift 1 ,\n.Xr nightshiftd 8\n", page);
}

const struct man_page man_pages[] = {
    {"nightshift", "1", "wake a function, not a person: the command", page_command},
    {"nightshift-lab", "1", "a data centre in a box", page_lab},
    {"nightshift-drivers", "7", "what nightshift can do to a server", page_drivers},
    {"nightshift.conf", "5", "configuration of nightshiftd", page_configuration},
    {"nightshiftd", "8", "wake a function, not a person: the daemon", page_daemon},
    {0},
};
