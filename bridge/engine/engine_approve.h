/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_APPROVE_H
#define ENGINE_ENGINE_APPROVE_H

/* Runs that ask a person: approve and veto. Part of engine_private.h. */

/* What people said to a step that asks. */
struct gate_word {
    const char *who, *reason;
    int64_t ms;
};

struct gate {
    struct gate_word words[POLICY_ASK_COUNT_MAX]; /* Who said yes. */
    uint32_t words_count;
    int64_t since_ms, ends_ms;
    int64_t passed_ms;  /* Enough said yes, or the time is over; 0: not yet. */
    const char *passed; /* Why. */
};

void run_give_back(struct engine *engine, struct run *run); /* Its host, unless it did something. */
void approve_begin(struct engine *engine, struct run *run);
void approve_look(struct engine *engine, struct run *run);
bool approve_waits(const struct run *run);
/* False, ret_why says so: nobody is asked here. */
bool approve_needed(struct engine *engine, struct run *run, const struct policy_ask *ask,
                    const char **ret_why);
void approve_resume(struct engine *engine, struct run *run, int64_t down_ms);
void approve_json(const struct engine *engine, const struct run *run, struct textbuf *json);
void approve_load(struct run *run, const struct nsh_value *value);
void approve_words(const struct engine *engine, const struct run *run, struct textbuf *text);
void approvals_json(struct engine *engine, struct textbuf *json); /* A list, with countdowns. */
const char *approve_page_text(struct engine *engine,
                              const struct run *run); /* NULL: it asks nothing. */
/* "approve", "deny", "veto" */
int command_approve(struct engine *engine, const struct engine_command *command,
                    struct nsh_error *err);
int command_deny(struct engine *engine, const struct engine_command *command,
                 struct nsh_error *err);

#endif
