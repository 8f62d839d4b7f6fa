/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of steps that reach beyond one action: each, parallel, need, undo. */

#include "policy/policy_private.h"

#define NEEDS_MAX 16 /* Of one step. */

void policy_each_read(struct policy_loader *loader, struct conf *setting, struct policy_step *step)
{
    policy_value_read(loader, setting, &step->each);
    if (step->each.program == NULL) {
        return;
    }
    struct cel_type type = cel_program_type(step->each.program);
    if (type.kind != CEL_LIST && type.kind != CEL_DYN) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                 "such as each = \"hosts.filter(h, h.role == 'web')\"", "'each' wants a list");
    }
    step->item_type = cel_program_item(step->each.program);
}

void policy_need_read(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_step *step = object;
    bool several = setting->type == CONF_LIST || setting->type == CONF_ARRAY;
    if (setting->type == CONF_BOOL) {
        step->need = conf_bool(setting, false, loader->diags);
        if (step->verb != NULL) {
            diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                     "need = true marks a check; here say what must be so: need = \"...\"",
                     "'need' of a step that acts is a condition, or a list of them");
        }
        return;
    }
    size_t count = several ? setting->children_count : 1;
    if (conf_get(setting->parent, "action") == NULL) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                 "need = true, or say it in 'check' with &&",
                 "'need' of a step that checks is true or false");
        return;
    }
    if (count == 0 || count > NEEDS_MAX) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                 "such as need = ( \"steps.fence.ok\" )", "'need' has 1 to %d conditions",
                 NEEDS_MAX);
        return;
    }
    struct policy_condition *needs = policy_alloc(loader, count, sizeof *needs);
    size_t used = 0;
    setting->seen = true;
    loader->item_type = step->each.program == NULL ? NULL : &step->item_type;
    for (struct conf *item = several ? setting->first : setting; item != NULL && needs != NULL;
         item = several ? item->next : NULL) {
        policy_condition_read(loader, item, &needs[used++]);
    }
    loader->item_type = NULL;
    step->needs = needs;
    step->needs_count = used;
}

/* Which of the step's arguments its undo takes too. */
static bool takes(const struct policy_loader *loader, const struct verb *verb, const char *name)
{
    const struct nsh_option *options = NULL;
    size_t count = 0;
    if (!policy_args_of(loader, verb, &options, &count)) {
        return true; /* The driver checks it. */
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(options[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

void policy_undo_finish(struct policy_loader *loader, struct conf *group, struct policy_step *step)
{
    struct conf *setting = conf_get(group, "undo");
    const char *name = conf_text(setting, NULL, loader->diags);
    if (name == NULL || step->verb == NULL) {
        return;
    }
    const struct verb *verb = policy_verb(loader, setting);
    if (verb == NULL) {
        return;
    }
    bool speaks = verb->binding == BINDING_NONE || step->verb->binding == BINDING_NONE;
    if (speaks || loader->scope == SCOPE_ELSE || step->verb->effect < NSH_CHANGES ||
        strcmp(verb->name, step->verb->name) == 0) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                 "such as action = \"drain\"; undo = \"undrain\"",
                 speaks                             ? "words to people cannot be undone, nor undo"
                 : loader->scope == SCOPE_ELSE      ? "the steps of else are not undone"
                 : step->verb->effect < NSH_CHANGES ? "%s changes nothing: there is nothing to undo"
                                                    : "%s does not undo itself",
                 step->verb->name);
        return;
    }
    struct policy_step *undo = policy_alloc(loader, 1, sizeof *undo);
    struct policy_template *with = policy_alloc(loader, step->with_count + 1, sizeof *with);
    if (undo == NULL || with == NULL) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf title = {0};
    textbuf_addf(&title, "undo_%s", step->name == NULL ? "step" : step->name);
    *undo = (struct policy_step){.name = policy_keep(loader, title.at == NULL ? "" : title.at),
                                 .kind = STEP_ACT,
                                 .verb = verb,
                                 .with = with,
                                 .timeout_ms = step->timeout_ms,
                                 .retries = step->retries,
                                 .retry_delay_ms = step->retry_delay_ms,
                                 .on_fail = ON_FAIL_CONTINUE,
                                 .each = step->each,
                                 .parallel = step->parallel,
                                 .at = policy_keep_place(loader, setting->value_at)};
    for (size_t i = 0; i < step->with_count; i++) {
        if (takes(loader, verb, step->with[i].name)) {
            with[undo->with_count++] = step->with[i];
        }
    }
    step->undo = undo;
}
