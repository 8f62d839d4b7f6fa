/* SPDX-License-Identifier: Apache-2.0 */
/* The names and types conditions and templates may use. */

#include "policy/policy_private.h"

#define OF_TEXT                                                                                    \
    {                                                                                              \
        .kind = CEL_STRING                                                                         \
    }
#define OF_INT                                                                                     \
    {                                                                                              \
        .kind = CEL_INT                                                                            \
    }
#define OF_BOOL                                                                                    \
    {                                                                                              \
        .kind = CEL_BOOL                                                                           \
    }
#define OF_DYN                                                                                     \
    {                                                                                              \
        .kind = CEL_DYN                                                                            \
    }
#define OF_DATA                                                                                    \
    {                                                                                              \
        .kind = CEL_MAP                                                                            \
    }
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RECORD(record_name, record_fields)                                                         \
    {                                                                                              \
        .name = (record_name), .fields = (record_fields), .fields_count = COUNT(record_fields)     \
    }

static const struct cel_type text_type = OF_TEXT;

static const struct cel_field event_fields[] = {
    {"id", OF_TEXT},       {"source", OF_TEXT},    {"type", OF_TEXT},  {"subject", OF_TEXT},
    {"time", OF_TEXT},     {"severity", OF_INT},   {"state", OF_TEXT}, {"host", OF_TEXT},
    {"resource", OF_TEXT}, {"qualifier", OF_TEXT}, {"name", OF_TEXT},  {"message", OF_TEXT},
    {"data", OF_DATA},
};
static const struct cel_record event_record = RECORD("event", event_fields);

static const struct cel_field host_fields[] = {
    {"id", OF_TEXT},
    {"name", OF_TEXT},
    {"role", OF_TEXT},
    {"rack", OF_TEXT},
    {"site", OF_TEXT},
    {"room", OF_TEXT},
    {"row", OF_TEXT},
    {"pool", OF_TEXT},
    {"serial", OF_TEXT},
    {"uuid", OF_TEXT},
    {"maintenance", OF_BOOL},
    {"quorum", OF_TEXT},
    {"labels", {.kind = CEL_MAP, .of = &text_type}},
    {"addresses", {.kind = CEL_LIST, .of = &text_type}},
    {"bindings", {.kind = CEL_LIST, .of = &text_type}},
};
static const struct cel_record host_record = RECORD("host", host_fields);

static const struct cel_field subject_fields[] = {{"name", OF_TEXT}, {"kind", OF_TEXT}};
static const struct cel_record subject_record = RECORD("subject", subject_fields);

static const struct cel_field policy_fields[] = {
    {"name", OF_TEXT}, {"owner", OF_TEXT}, {"mode", OF_TEXT}, {"summary", OF_TEXT}};
static const struct cel_record policy_record = RECORD("policy", policy_fields);

static const struct cel_field alarm_fields[] = {
    {"id", OF_TEXT},   {"type", OF_TEXT},   {"severity", OF_INT}, {"resource", OF_TEXT},
    {"count", OF_INT}, {"raised", OF_TEXT}, {"text", OF_TEXT},
};
static const struct cel_record alarm_record = RECORD("alarm", alarm_fields);

static const struct cel_field run_fields[] = {{"id", OF_TEXT}, {"attempt", OF_INT}};
static const struct cel_record run_record = RECORD("run", run_fields);

static const struct cel_field step_fields[] = {
    {"ok", OF_BOOL}, {"error", OF_TEXT}, {"result", OF_DYN}};
static const struct cel_record step_record = RECORD("step", step_fields);
static const struct cel_type step_type = {.kind = CEL_RECORD, .record = &step_record};

static const struct cel_field failed_fields[] = {{"step", OF_TEXT}, {"error", OF_TEXT}};
static const struct cel_record failed_record = RECORD("failed", failed_fields);

static const struct cel_type host_type = {.kind = CEL_RECORD, .record = &host_record};
static const struct cel_type event_type = {.kind = CEL_RECORD, .record = &event_record};

static const struct cel_variable variables[POLICY_VARIABLES_COUNT] = {
    [VAR_EVENT] = {"event", {.kind = CEL_RECORD, .record = &event_record}},
    [VAR_HOST] = {"host", {.kind = CEL_RECORD, .record = &host_record}},
    [VAR_SUBJECT] = {"subject", {.kind = CEL_RECORD, .record = &subject_record}},
    [VAR_POLICY] = {"policy", {.kind = CEL_RECORD, .record = &policy_record}},
    [VAR_ALARM] = {"alarm", {.kind = CEL_RECORD, .record = &alarm_record}},
    [VAR_INFO] = {"info", OF_INT},
    [VAR_WARNING] = {"warning", OF_INT},
    [VAR_MINOR] = {"minor", OF_INT},
    [VAR_MAJOR] = {"major", OF_INT},
    [VAR_CRITICAL] = {"critical", OF_INT},
    [VAR_FATAL] = {"fatal", OF_INT},
    [VAR_SELF] = {"", OF_DYN}, /* Nobody can write that; policy_own_env() names it. */
    [VAR_RUN] = {"run", {.kind = CEL_RECORD, .record = &run_record}},
    [VAR_STEPS] = {"steps", {.kind = CEL_MAP, .of = &step_type}},
    [VAR_CLEARED] = {"cleared", OF_BOOL},
    [VAR_MATCHED] = {"matched", {.kind = CEL_LIST, .of = &event_type}},
    [VAR_HOSTS] = {"hosts", {.kind = CEL_LIST, .of = &host_type}},
    [VAR_ITEM] = {"item", OF_DYN},
    [VAR_FAILED] = {"failed", {.kind = CEL_RECORD, .record = &failed_record}},
    [VAR_FAILURE] = {"failure", OF_TEXT},
};

#define SAMPLES(function_name, count)                                                              \
    {                                                                                              \
        .name = (function_name), .params = {OF_TEXT, OF_TEXT, OF_TEXT}, .params_count = (count),   \
        .result = {.kind = CEL_DOUBLE}, .literal_args = true,                                      \
    }

static const struct cel_function functions[POLICY_FUNCTIONS_COUNT] = {
    [FN_ACTIVE] =
        {
            .name = "active",
            .params = {OF_TEXT},
            .params_count = 1,
            .result = OF_BOOL,
            .literal_args = true,
        },
    [FN_IN_CALENDAR] =
        {
            .name = "in_calendar",
            .params = {OF_TEXT},
            .params_count = 1,
            .result = OF_BOOL,
            .literal_args = true,
        },
    [FN_SIGNAL] =
        {
            .name = "signal",
            .params = {OF_TEXT},
            .params_count = 1,
            .result = OF_BOOL,
            .literal_args = true,
        },
    [FN_METRIC] = SAMPLES("metric", 1),
    [FN_AVG_OVER] = SAMPLES("avg_over", 2),
    [FN_MIN_OVER] = SAMPLES("min_over", 2),
    [FN_MAX_OVER] = SAMPLES("max_over", 2),
    [FN_RATE_OVER] = SAMPLES("rate_over", 2),
    [FN_DELTA_OVER] = SAMPLES("delta_over", 2),
    [FN_PREDICT] = SAMPLES("predict", 3),
    [FN_ANOMALY] = SAMPLES("anomaly", 2),
};

#define ENV(count, wanted_kind)                                                                    \
    {                                                                                              \
        .variables = variables, .variables_count = (count), .functions = functions,                \
        .functions_count = POLICY_FUNCTIONS_COUNT, .wanted = {.kind = (wanted_kind)},              \
        .strict = true,                                                                            \
    }

static const struct cel_env envs[SCOPES_COUNT][2] = {
    [SCOPE_WHEN] = {ENV(POLICY_WHEN_VARIABLES, CEL_DYN), ENV(POLICY_WHEN_VARIABLES, CEL_BOOL)},
    [SCOPE_STEP] = {ENV(POLICY_STEP_VARIABLES, CEL_DYN), ENV(POLICY_STEP_VARIABLES, CEL_BOOL)},
    [SCOPE_ELSE] = {ENV(POLICY_VARIABLES_COUNT, CEL_DYN), ENV(POLICY_VARIABLES_COUNT, CEL_BOOL)},
};

bool policy_has_own_name(const struct policy_loader *loader)
{
    return loader->subject != NULL && strcmp(loader->subject, "host") != 0;
}

const struct cel_env *policy_env(void)
{
    return policy_scope_env(SCOPE_ELSE, CEL_DYN);
}

const struct cel_env *policy_scope_env(enum policy_scope scope, enum cel_kind wanted)
{
    return &envs[scope][wanted == CEL_BOOL];
}

/* The subject by its own name: "rack has no field ..." says which. */
static const struct cel_type *self_type(struct policy_loader *loader)
{
    static const struct cel_field fields[] = {
        {"name", OF_TEXT},
        {"kind", OF_TEXT},
        {"hosts", {.kind = CEL_LIST, .of = &host_type}},
        {"host", {.kind = CEL_RECORD, .record = &host_record}}, /* Last: of parts only. */
    };
    struct cel_type *type = policy_alloc(loader, 1, sizeof *type);
    struct cel_record *record = policy_alloc(loader, 1, sizeof *record);
    if (type == NULL || record == NULL) {
        return NULL;
    }
    *record = (struct cel_record){
        .name = loader->subject,
        .fields = fields,
        .fields_count = COUNT(fields) - (policy_subject_is_part(loader->subject) ? 0 : 1)};
    *type = (struct cel_type){.kind = CEL_RECORD, .record = record};
    return type;
}

static const struct cel_env *steps_env_new(struct policy_loader *loader, enum cel_kind wanted)
{
    size_t count = loader->scope == SCOPE_WHEN ? 0 : loader->step_names_count;
    struct cel_env *env = policy_alloc(loader, 1, sizeof *env);
    struct cel_variable *all = policy_alloc(loader, POLICY_VARIABLES_COUNT, sizeof *all);
    struct cel_record *record = policy_alloc(loader, 1, sizeof *record);
    struct cel_field *fields = policy_alloc(loader, count + 1, sizeof *fields);
    if (env == NULL || all == NULL || record == NULL || fields == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        fields[i] = (struct cel_field){loader->step_names[i], step_type};
    }
    *record = (struct cel_record){.name = "steps", .fields = fields, .fields_count = count};
    memcpy(all, variables, sizeof variables);
    all[VAR_STEPS].type = (struct cel_type){.kind = CEL_RECORD, .record = record};
    if (loader->item_type != NULL) {
        all[VAR_ITEM].type = *loader->item_type;
    } else {
        all[VAR_ITEM].name = ""; /* Nobody can write that. */
    }
    if (policy_has_own_name(loader)) {
        const struct cel_type *self = self_type(loader);
        if (self == NULL) {
            return NULL;
        }
        all[VAR_SELF] = (struct cel_variable){loader->subject, *self};
    }
    *env = *policy_scope_env(loader->scope, wanted);
    env->variables = all;
    return env;
}

const struct cel_env *policy_steps_env(struct policy_loader *loader, enum cel_kind wanted)
{
    CLEANUP(textbuf_donep) struct textbuf names = {0};
    const struct cel_type *item = loader->item_type;
    textbuf_addf(&names, "%d %d %s", (int)loader->scope, (int)wanted,
                 policy_has_own_name(loader) ? loader->subject : "");
    if (item != NULL) {
        textbuf_addf(&names, " %d/%p/%p", (int)item->kind, (const void *)item->of,
                     (const void *)item->record);
    }
    size_t steps_count = loader->scope == SCOPE_WHEN ? 0 : loader->step_names_count;
    for (size_t i = 0; i < steps_count; i++) {
        textbuf_addf(&names, " %s", loader->step_names[i]);
    }
    struct cel_env *env = map_get(&loader->envs, text_of(names.at));
    if (env != NULL) {
        return env;
    }
    const char *key = arena_copy(&loader->keys, names.at, names.count);
    const struct cel_env *made = key == NULL ? NULL : steps_env_new(loader, wanted);
    if (made == NULL || map_set(&loader->envs, text_of(key), (void *)(uintptr_t)made) < 0) {
        loader->no_memory = true;
        return NULL;
    }
    return made;
}
