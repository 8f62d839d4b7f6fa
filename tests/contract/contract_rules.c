/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer by its rules: the first whose texts all stand in the request, and whose `when` is the
 * peer's state, answers. {{state}} in an answer is the state.
 */

#include "base/json.h"
#include "contract.h"

#include <stdio.h>
#include <stdlib.h>

static bool rule_matches(const struct nsh_value *rule, const char *request, const char *state)
{
    const struct nsh_value *match = nsh_get(rule, "match");
    const char *when = nsh_get_text(rule, "when", NULL);
    if (when != NULL && strcmp(when, state) != 0) {
        return false;
    }
    for (uint32_t i = 0; match != NULL && match->type == NSH_LIST && i < match->count; i++) {
        if (strstr(request, match->items[i].text) == NULL) {
            return false;
        }
    }
    return true;
}

static void text_fill(const char *text, const char *state, struct textbuf *out)
{
    static const char mark[] = "{{state}}";
    for (const char *at; (at = strstr(text, mark)) != NULL; text = at + sizeof mark - 1) {
        textbuf_add(out, (struct text){text, (uint32_t)(at - text)});
        textbuf_add_chars(out, state);
    }
    textbuf_add_chars(out, text);
}

/* "body" (or "output") as text, or a JSON value that is written as text. */
static char *output_of(const struct nsh_value *rule, const char *state)
{
    const struct nsh_value *body = nsh_get(rule, "body");
    struct textbuf text = {0}, out = {0};
    if (body != NULL && body->type == NSH_STRING) {
        textbuf_add_chars(&text, body->text);
    } else if (body != NULL) {
        json_write(body, &text);
    }
    textbuf_add_chars(&out, "");
    text_fill(text.at == NULL ? "" : text.at, state, &out);
    textbuf_done(&text);
    return out.at;
}

void rules_answer(struct world *world, const char *request, bool act, struct rule_reply *ret_reply)
{
    const struct nsh_value *rules = nsh_get(world->subject->device, "rules");
    *ret_reply = (struct rule_reply){.status = 404, .output = "", .errors = ""};
    for (uint32_t i = 0; rules != NULL && i < rules->count; i++) {
        const struct nsh_value *rule = &rules->items[i];
        if (!rule_matches(rule, request, world->state)) {
            continue;
        }
        const char *then = nsh_get_text(rule, "then", NULL);
        const struct nsh_value *headers = nsh_get(rule, "headers");
        ret_reply->found = true;
        ret_reply->effect = nsh_get_bool(rule, "effect", false);
        ret_reply->refused = nsh_get_bool(rule, "refused", false);
        ret_reply->open = nsh_get_bool(rule, "open", false);
        ret_reply->hang_up = nsh_get_bool(rule, "hang_up", false);
        ret_reply->status = (int)nsh_get_int(rule, "status", 0);
        ret_reply->errors = nsh_get_text(rule, "errors", "");
        for (uint32_t h = 0; headers != NULL && h < headers->count && h < 7; h++) {
            ret_reply->header_room[h] = headers->items[h].text;
        }
        if (act && then != NULL) {
            snprintf(world->state, sizeof world->state, "%s", then);
        }
        ret_reply->owned = output_of(rule, world->state);
        ret_reply->output = ret_reply->owned;
        return;
    }
}
