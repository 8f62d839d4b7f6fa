/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of checks: filling, telling, reading back. */

#include "abi/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUSY_RETRY_MS 5000

static const char *const state_words[] = {"ok", "warning", "failed", "skipped"};

const char *nsh_check_word(enum nsh_check_state state)
{
    return state_words[state];
}

/* One clean line, whatever a peer wrote: nsh_fail() knows how. */
static void text_keep(char *into, size_t room, const char *text)
{
    struct nsh_error clean;
    (void)nsh_fail(&clean, NSH_OK, "%s", text);
    size_t count = strlen(clean.text);
    if (count >= room) {
        count = room - 1;
        while (count > 0 && ((unsigned char)clean.text[count] & 0xc0) == 0x80) {
            count--; /* Not in the middle of a character. */
        }
    }
    memcpy(into, clean.text, count);
    into[count] = '\0';
}

void nsh_check_add(struct nsh_checks *checks, const char *name, enum nsh_check_state state,
                   const char *hint, const char *format, ...)
{
    char text[NSH_ERROR_TEXT_MAX];
    va_list arguments;
    if (checks->count == NSH_CHECKS_COUNT_MAX) {
        return;
    }
    struct nsh_check *check = &checks->items[checks->count++];
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    check->state = state;
    text_keep(check->name, sizeof check->name, name);
    text_keep(check->text, sizeof check->text, text);
    text_keep(check->hint, sizeof check->hint, hint == NULL ? "" : hint);
}

void nsh_checks_complete(struct nsh_services *services, struct nsh_op *op,
                         const struct nsh_checks *checks)
{
    struct nsh_member members[NSH_CHECKS_COUNT_MAX][4];
    struct nsh_value items[NSH_CHECKS_COUNT_MAX];
    for (size_t i = 0; i < checks->count; i++) {
        const struct nsh_check *check = &checks->items[i];
        members[i][0] = (struct nsh_member){"check", nsh_text(check->name)};
        members[i][1] = (struct nsh_member){"state", nsh_text(nsh_check_word(check->state))};
        members[i][2] = (struct nsh_member){"text", nsh_text(check->text)};
        members[i][3] = (struct nsh_member){"hint", nsh_text(check->hint)};
        items[i] = nsh_map(members[i], 4);
    }
    struct nsh_member member = {"checks", nsh_list(items, checks->count)};
    struct nsh_value result = nsh_map(&member, 1);
    services->complete(services, op,
                       &(struct nsh_outcome){.code = NSH_OK, .result = &result, .text = ""});
}

void nsh_checks_fail(struct nsh_services *services, struct nsh_op *op, int code, const char *text)
{
    services->complete(services, op,
                       &(struct nsh_outcome){
                           .code = code,
                           .text = text,
                           .retry_after_ms = code == NSH_BUSY ? BUSY_RETRY_MS : 0,
                       });
}

static bool state_of(const char *word, enum nsh_check_state *ret_state)
{
    for (size_t i = 0; i < sizeof state_words / sizeof state_words[0]; i++) {
        if (strcmp(state_words[i], word) == 0) {
            *ret_state = (enum nsh_check_state)i;
            return true;
        }
    }
    return false;
}

void nsh_checks_merge(struct nsh_checks *checks, const struct nsh_value *result)
{
    const struct nsh_value *list = nsh_get(result, "checks");
    for (uint32_t i = 0; list != NULL && list->type == NSH_LIST && i < list->count; i++) {
        const struct nsh_value *item = &list->items[i];
        const char *name = nsh_get_text(item, "check", "");
        enum nsh_check_state state = NSH_CHECK_OK;
        if (name[0] != '\0' && state_of(nsh_get_text(item, "state", ""), &state)) {
            nsh_check_add(checks, name, state, nsh_get_text(item, "hint", ""), "%s",
                          nsh_get_text(item, "text", ""));
        }
    }
}

bool nsh_password_shipped(const char *user, const char *password)
{
    static const struct {
        const char *user, *password;
    } shipped[] = {
#define SHIPPED(user, password, maker) {user, password},
#include "abi/shipped_passwords.def"
#undef SHIPPED
    };
    for (size_t i = 0; password != NULL && i < sizeof shipped / sizeof shipped[0]; i++) {
        if (strcmp(shipped[i].password, password) == 0 &&
            (shipped[i].user == NULL || (user != NULL && strcmp(shipped[i].user, user) == 0))) {
            return true;
        }
    }
    return false;
}
