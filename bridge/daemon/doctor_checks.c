/* SPDX-License-Identifier: Apache-2.0 */
/* Conclusions of the doctor: what settings and the end of a call say, in words and with a hint. */

#include "doctor_checks.h"

#include "base/assert.h"

#include <stdio.h>
#include <string.h>

#define LATENCY_WARNING_MS 2000 /* A reading that takes longer delays every proof. */

/* ---- settings ---- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool has_secret(const struct nsh_driver *driver, const struct nsh_value *settings)
{
    for (size_t i = 0; i < driver->options_count; i++) {
        if (driver->options[i].type == NSH_SECRET &&
            nsh_get_text(settings, driver->options[i].name, "")[0] != '\0') {
            return true;
        }
    }
    return false;
}

static bool has_option(const struct nsh_driver *driver, const char *name)
{
    for (size_t i = 0; i < driver->options_count; i++) {
        if (strcmp(driver->options[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void check_tls(const struct nsh_driver *driver, const struct nsh_value *settings,
                      struct nsh_checks *checks)
{
    const char *tls = nsh_get_text(settings, "tls", "");
    const char *url = nsh_get_text(settings, "url", nsh_get_text(settings, "address", ""));
    bool plain = strcmp(tls, "none") == 0 || starts_with(url, "http://");
    bool insecure = strcmp(tls, "insecure") == 0 || nsh_get_bool(settings, "insecure", false) ||
                    !nsh_get_bool(settings, "verify", true);
    if (plain && has_secret(driver, settings)) {
        nsh_check_add(checks, "tls", NSH_CHECK_FAILED, "use https: the peer's own TLS, or a proxy",
                      "the secret goes over the wire readable (http)");
    } else if (plain) {
        nsh_check_add(checks, "tls", NSH_CHECK_WARNING, "use https",
                      "http: anybody on the way can change what is asked");
    } else if (insecure) {
        nsh_check_add(checks, "tls", NSH_CHECK_WARNING,
                      "verify the certificate (ca_file), or pin the peer's key (pinned_key)",
                      "encrypted, to anybody: the certificate is not verified");
    } else if (has_option(driver, "tls") || has_option(driver, "insecure") ||
               starts_with(url, "https://")) {
        nsh_check_add(checks, "tls", NSH_CHECK_OK, NULL, "the peer must prove who it is");
    }
}

static void check_passwords(const struct nsh_driver *driver, const struct nsh_value *settings,
                            struct nsh_checks *checks)
{
    const char *user = nsh_get_text(settings, "user", nsh_get_text(settings, "username", ""));
    bool any = false;
    for (size_t i = 0; i < driver->options_count; i++) {
        const char *name = driver->options[i].name;
        const char *secret =
            driver->options[i].type == NSH_SECRET ? nsh_get_text(settings, name, "") : "";
        if (secret[0] == '\0') {
            continue;
        }
        any = true;
        if (nsh_password_shipped(user, secret)) {
            nsh_check_add(checks, "default-password", NSH_CHECK_FAILED,
                          "change it on the device, then in the secret's file",
                          "%s is what its maker ships", name);
            return;
        }
        if (strcmp(user, secret) == 0) {
            nsh_check_add(checks, "default-password", NSH_CHECK_WARNING,
                          "change it on the device, then in the secret's file",
                          "%s is the name of its user", name);
            return;
        }
    }
    if (any) {
        nsh_check_add(checks, "default-password", NSH_CHECK_OK, NULL, "none that a maker ships");
    }
}

void doctor_checks_settings(const struct nsh_driver *driver, const struct nsh_value *settings,
                            struct nsh_checks *checks)
{
    check_tls(driver, settings, checks);
    check_passwords(driver, settings, checks);
}

/* ---- the end of a call ---- */

/* What a code says: the check that it fails, and what to do about it. A certificate that was not
 * accepted counts as credentials of the peer. */
static const struct {
    int code;
    const char *check, *hint;
} meanings[] = {
    {NSH_TIMEOUT, "reachable", "power, cable, VLAN, firewall and the address in the inventory"},
    {NSH_UNREACHABLE, "reachable", "power, cable, VLAN, firewall and the address in the inventory"},
    {NSH_DISCONNECTED, "reachable", "the peer's own log; restart the controller"},
    {NSH_AUTH, "credentials", "user and password in the secret's file; is the account locked?"},
    {NSH_DENIED, "permissions", "give the account the rights that the driver's README names"},
    {NSH_BUSY, "answer", "the peer asks to come back later: ask less often, or free its sessions"},
    {NSH_PROTOCOL, "answer", "update the peer's firmware; is it what the inventory says?"},
    {NSH_UNSUPPORTED, "answer", "the peer lacks the function: see the driver's README"},
    {NSH_MISMATCH, "identity", "serial or uuid in the inventory: the address is of another host"},
    {NSH_NOT_FOUND, "object", "the name in the binding: the peer has no such object"},
    {NSH_INVALID, "settings", "correct the binding or the secret it names"},
    {NSH_IO, "settings", "the files that the binding names, and their rights"},
};

static void check_failure(const struct nsh_outcome *outcome, struct nsh_checks *checks)
{
    const char *text = outcome->text == NULL || outcome->text[0] == '\0'
                           ? nsh_code_word(outcome->code)
                           : outcome->text;
    if (strstr(text, "certificate") != NULL || strstr(text, "SSL") != NULL) {
        nsh_check_add(checks, "tls", NSH_CHECK_FAILED,
                      "ca_file: the authority that signed the peer's certificate; or pinned_key",
                      "%s", text);
        return;
    }
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (meanings[i].code == outcome->code) {
            nsh_check_add(checks, meanings[i].check, NSH_CHECK_FAILED, meanings[i].hint, "%s: %s",
                          nsh_code_word(outcome->code), text);
            return;
        }
    }
    nsh_check_add(checks, "answer", NSH_CHECK_FAILED, "the peer's own log", "%s: %s",
                  nsh_code_word(outcome->code), text);
}

void doctor_checks_outcome(const struct nsh_outcome *outcome, int64_t elapsed_ms,
                           struct nsh_checks *checks)
{
    bool answered = outcome->code == NSH_OK || outcome->code == NSH_AUTH ||
                    outcome->code == NSH_DENIED || outcome->code == NSH_BUSY;
    if (answered && elapsed_ms > LATENCY_WARNING_MS) {
        nsh_check_add(checks, "reachable", NSH_CHECK_WARNING,
                      "a slow controller: ask it less often, update its firmware",
                      "answered after %lld ms", (long long)elapsed_ms);
    } else if (answered) {
        nsh_check_add(checks, "reachable", NSH_CHECK_OK, NULL, "answered within %lld ms",
                      (long long)elapsed_ms);
    }
    if (outcome->code == NSH_OK || outcome->code == NSH_DENIED) {
        nsh_check_add(checks, "credentials", NSH_CHECK_OK, NULL, "accepted");
    }
    if (outcome->code != NSH_OK) {
        check_failure(outcome, checks);
    } else {
        nsh_checks_merge(checks, outcome->result);
    }
}

enum nsh_check_state doctor_checks_worst(const struct nsh_checks *checks)
{
    enum nsh_check_state worst = NSH_CHECK_OK;
    for (size_t i = 0; i < checks->count; i++) {
        enum nsh_check_state state = checks->items[i].state;
        if (state != NSH_CHECK_SKIPPED && state > worst) {
            worst = state;
        }
    }
    return worst;
}
