/* SPDX-License-Identifier: Apache-2.0 */
/* What a driver's table must obey beyond what the driver host checks, and how it reads. */

#include "contract.h"
#include "model/verb.h"

#include <stdio.h>

static unsigned complain(const struct nsh_driver *driver, const char *what, const char *why)
{
    printf("  table of %s: %s: %s\n", driver->name, what, why);
    return 1;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static unsigned verb_verdict(const struct nsh_driver *driver, const struct nsh_verb *verb)
{
    const struct verb *known = verb_find(text_of(verb->name));
    unsigned bad = 0;
    if (verb->effect == NSH_READS && (verb->flags & NSH_IDEMPOTENT) == 0) {
        bad += complain(driver, verb->name, "it only reads, so it is idempotent");
    }
    if (verb->effect >= NSH_INTERRUPTS && (verb->flags & (NSH_EXCLUSIVE | NSH_NOTIFIES)) == 0) {
        bad += complain(driver, verb->name, "it interrupts, so it is exclusive");
    }
    if (known == NULL) {
        return bad;
    }
    if ((known->binding == BINDING_NONE) != ((verb->flags & NSH_NOTIFIES) != 0)) {
        bad += complain(driver, verb->name, "NSH_NOTIFIES is for verbs that need no host");
    }
    if (!same(known->verify, verb->verify) || !same(known->proof, verb->proof)) {
        bad += complain(driver, verb->name, "verify and proof differ from bridge/model/verbs.def");
    }
    return bad;
}

/* What looks like a secret is one: else it would be shown. */
static unsigned option_verdict(const struct nsh_driver *driver, const struct nsh_option *option)
{
    static const char *const words[] = {"password", "secret", "token", "passphrase", "private"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strstr(option->name, words[i]) != NULL && option->type != NSH_SECRET) {
            return complain(driver, option->name, "its name says secret, its type does not");
        }
    }
    if (option->type == NSH_SECRET && (option->preset != NULL || option->choices != NULL)) {
        return complain(driver, option->name, "a secret has no preset and no choices");
    }
    return 0;
}

unsigned table_check(const struct nsh_driver *driver)
{
    unsigned bad = 0, identifying = 0;
    for (size_t i = 0; i < driver->options_count; i++) {
        bad += option_verdict(driver, &driver->options[i]);
        identifying += (driver->options[i].flags & NSH_IDENTIFIES) != 0;
    }
    if (identifying == 0) {
        bad += complain(driver, "options", "none names the endpoint (NSH_IDENTIFIES)");
    }
    for (size_t i = 0; i < driver->verbs_count; i++) {
        bad += verb_verdict(driver, &driver->verbs[i]);
        for (size_t other = 0; other < i; other++) {
            if (strcmp(driver->verbs[i].name, driver->verbs[other].name) == 0) {
                bad += complain(driver, driver->verbs[i].name, "stands twice");
            }
        }
    }
    return bad;
}

static void options_describe(const struct nsh_option *options, size_t count, const char *indent,
                             struct textbuf *out)
{
    static const char *const types[] = {
        [NSH_NULL] = "null",     [NSH_BOOL] = "bool",         [NSH_INT] = "int",
        [NSH_DOUBLE] = "double", [NSH_STRING] = "text",       [NSH_LIST] = "list",
        [NSH_MAP] = "map",       [NSH_DURATION] = "duration", [NSH_SECRET] = "secret"};
    for (size_t i = 0; i < count; i++) {
        const struct nsh_option *option = &options[i];
        textbuf_addf(out, "%s%s: %s", indent, option->name, types[option->type]);
        textbuf_addf(out, "%s%s", (option->flags & NSH_REQUIRED) != 0 ? ", required" : "",
                     (option->flags & NSH_IDENTIFIES) != 0 ? ", the endpoint" : "");
        if (option->preset != NULL) {
            textbuf_addf(out, ", preset %s", option->preset[0] == 0 ? "\"\"" : option->preset);
        }
        if (option->min != NULL || option->max != NULL) {
            textbuf_addf(out, ", %s to %s", option->min == NULL ? "" : option->min,
                         option->max == NULL ? "" : option->max);
        }
        for (size_t c = 0; option->choices != NULL && option->choices[c] != NULL; c++) {
            textbuf_addf(out, "%s%s", c == 0 ? ", one of " : " ", option->choices[c]);
        }
        textbuf_addf(out, "\n%s    %s\n", indent, option->help);
    }
}

void table_describe(const struct nsh_driver *driver, struct textbuf *out)
{
    textbuf_addf(out, "%s: %s\n%s\n\noptions\n", driver->name, driver->summary,
                 driver->maturity == NSH_PROVEN ? "proven" : "experimental");
    options_describe(driver->options, driver->options_count, "    ", out);
    textbuf_add_chars(out, "\nverbs\n");
    for (size_t i = 0; i < driver->verbs_count; i++) {
        const struct nsh_verb *verb = &driver->verbs[i];
        textbuf_addf(out, "    %s: %s%s%s%s, ", verb->name, effect_word(verb->effect),
                     (verb->flags & NSH_IDEMPOTENT) != 0 ? ", idempotent" : "",
                     (verb->flags & NSH_EXCLUSIVE) != 0 ? ", exclusive" : "",
                     (verb->flags & NSH_NOTIFIES) != 0 ? ", notifies" : "");
        textbuf_add_duration(out, verb->timeout_ms_default);
        if (verb->verify != NULL) {
            textbuf_addf(out, ", proven by %s %s", verb->verify,
                         verb->proof == NULL ? "" : verb->proof);
        }
        textbuf_addf(out, "%s%s\n        %s\n", verb->undo == NULL ? "" : ", undone by ",
                     verb->undo == NULL ? "" : verb->undo, verb->help);
        options_describe(verb->args, verb->args_count, "        ", out);
    }
}
