/* SPDX-License-Identifier: Apache-2.0 */
/* Policies and freezes for people. */

#include "shell_private.h"

#include <stdio.h>

#define LIST_HEAD(kind) "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"" kind "\",\"items\":["

/* ---- policies ---- */

static bool listens(const struct policy *policy, struct text type)
{
    for (size_t i = 0; i < policy->when.events_count; i++) {
        if (text_glob(text_of(policy->when.events[i]), type)) {
            return true;
        }
    }
    return false;
}

void shell_policies(struct shell *shell, struct shell_request *request)
{
    const struct policy_set *set = shell->generation->policies;
    const char *type = nsh_get_text(&request->args, "type", "");
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    bool first = true;
    textbuf_add_chars(&out, LIST_HEAD("PolicyList"));
    for (size_t i = 0; i < set->policies_count; i++) {
        if (type[0] != 0 && !listens(&set->policies[i], text_of(type))) {
            continue;
        }
        textbuf_add_chars(&out, first ? "" : ",");
        policy_add_json(&out, &set->policies[i], type[0] != 0);
        textbuf_add_char(&out, '}');
        first = false;
    }
    textbuf_addf(&out, "],\"revision\":\"%016llx\"", (unsigned long long)set->revision);
    policy_add_worst(&out, set);
    textbuf_add_char(&out, '}');
    shell_answer(shell, request, (struct text){out.at, (uint32_t)out.count});
}

void shell_policy(struct shell *shell, struct shell_request *request)
{
    const char *id = nsh_get_text(&request->args, "id", "");
    const struct policy *policy = map_get(&shell->generation->policies->by_name, text_of(id));
    if (policy == NULL) {
        struct nsh_error err = {0};
        nsh_fail(&err, NSH_NOT_FOUND, "no policy '%.128s' is loaded", id);
        shell_answer_error(shell, request, &err);
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    policy_add_json(&out, policy, true);
    textbuf_add_chars(&out, ",\"apiVersion\":\"nightshift/v1\",\"kind\":\"Policy\"}");
    shell_answer(shell, request, (struct text){out.at, (uint32_t)out.count});
}

/* ---- freezes ---- */

static int take_freeze(void *arg, const struct record *record)
{
    struct textbuf *out = arg;
    if (record->live) {
        textbuf_add_chars(out, out->at[out->count - 1] == '[' ? "" : ",");
        textbuf_add(out, record->body);
    }
    return 0;
}

static int freezes_run(struct shell_job *job, struct store_reader *reader, struct nsh_error *err)
{
    struct store_query query = {.kind = RECORD_FREEZE, .limit = 10000};
    textbuf_add_chars(&job->document, LIST_HEAD("FreezeList"));
    int result =
        job->document.failed ? 0 : store_query(reader, &query, take_freeze, &job->document, err);
    textbuf_add_chars(&job->document, "]}");
    return result;
}

void shell_freezes(struct shell *shell, struct shell_request *request)
{
    shell_job(shell, request, freezes_run);
}
