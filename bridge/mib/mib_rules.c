/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a notification means when its vendor does not say: the severity out of the annotation, the
 * description, else the words of the name; raise and clear out of names that differ in one word
 * ("fanFailed", "fanFailedCleared"). Guesses are marked as such in the table (enum mib_why).
 */

#include "mib_rules.h"
#include "mib.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define NAME_CHARS_MAX 256

struct graded_word {
    const char *word;
    int severity; /* GRADE_CLEAR: what ends something */
};

/* Whole words of annotations, and of "WORD:" at the beginning of a description. */
static const struct graded_word vendor_words[] = {
    {"critical", SEVERITY_CRITICAL},
    {"severe", SEVERITY_CRITICAL},
    {"fatal", SEVERITY_CRITICAL},
    {"emergency", SEVERITY_CRITICAL},
    {"alert", SEVERITY_CRITICAL},
    {"non-recoverable", SEVERITY_CRITICAL},
    {"nonrecoverable", SEVERITY_CRITICAL},
    {"major", SEVERITY_MAJOR},
    {"error", SEVERITY_MAJOR},
    {"minor", SEVERITY_MINOR},
    {"warning", SEVERITY_WARNING},
    {"warn", SEVERITY_WARNING},
    {"informational", SEVERITY_INFO},
    {"information", SEVERITY_INFO},
    {"info", SEVERITY_INFO},
    {"notice", SEVERITY_INFO},
    {"indeterminate", SEVERITY_INFO},
    {"normal", GRADE_CLEAR},
    {"ok", GRADE_CLEAR},
    {"clear", GRADE_CLEAR},
    {"cleared", GRADE_CLEAR},
};

/* Parts of the labels of a status, the first that fits. */
static const struct graded_word label_words[] = {
    {"noncritical", SEVERITY_WARNING}, {"non-critical", SEVERITY_WARNING},
    {"nonrecover", SEVERITY_CRITICAL}, {"non-recover", SEVERITY_CRITICAL},
    {"abnormal", SEVERITY_MAJOR},      {"critical", SEVERITY_CRITICAL},
    {"severe", SEVERITY_CRITICAL},     {"emergency", SEVERITY_CRITICAL},
    {"fatal", SEVERITY_CRITICAL},      {"major", SEVERITY_MAJOR},
    {"fail", SEVERITY_MAJOR},          {"fault", SEVERITY_MAJOR},
    {"error", SEVERITY_MAJOR},         {"minor", SEVERITY_MINOR},
    {"warn", SEVERITY_WARNING},        {"degraded", SEVERITY_WARNING},
    {"info", SEVERITY_INFO},           {"clear", GRADE_CLEAR},
    {"normal", GRADE_CLEAR},           {"healthy", GRADE_CLEAR},
};

/* Parts of names, from the gravest. */
static const struct graded_word name_words[] = {
    {"Critical", SEVERITY_CRITICAL},  {"Fatal", SEVERITY_CRITICAL},
    {"Emergency", SEVERITY_CRITICAL}, {"Fail", SEVERITY_MAJOR},
    {"Down", SEVERITY_MAJOR},         {"Fault", SEVERITY_MAJOR},
    {"Lost", SEVERITY_MAJOR},         {"Loss", SEVERITY_MAJOR},
    {"Error", SEVERITY_MAJOR},        {"Alarm", SEVERITY_MAJOR},
    {"Violation", SEVERITY_MAJOR},    {"Unavailable", SEVERITY_MAJOR},
    {"Unreachable", SEVERITY_MAJOR},  {"Overload", SEVERITY_MAJOR},
    {"Warn", SEVERITY_WARNING},       {"Thresh", SEVERITY_WARNING},
    {"Exceed", SEVERITY_WARNING},     {"Over", SEVERITY_WARNING},
    {"Low", SEVERITY_WARNING},        {"High", SEVERITY_WARNING},
    {"Near", SEVERITY_WARNING},       {"Reject", SEVERITY_WARNING},
    {"Mismatch", SEVERITY_WARNING},   {"Full", SEVERITY_WARNING},
    {"Expire", SEVERITY_WARNING},     {"Denied", SEVERITY_WARNING},
    {"Invalid", SEVERITY_WARNING},
};

/* What is taken out of a name to find what it belongs to; end: only at the end. */
struct stem_word {
    const char *word;
    bool end;
};

static const struct stem_word clear_words[] = {
    {"Cleared", false},  {"CLeared", false},      {"Clear", true},
    {"Resolved", false}, {"Restored", false},     {"Recovered", false},
    {"NoLonger", false}, {"Normal", false},       {"OK", true},
    {"Ok", true},        {"Established", false},  {"Passed", false},
    {"Finished", false}, {"Informational", true}, {"Information", true},
    {"Enabled", true},   {"Back", true},          {"Online", true},
    {"Writeable", true}, {"Connected", true},     {"Up", true},
    {"Closed", true},
};
static const struct stem_word raise_words[] = {
    {"Lost", false},           {"Failed", false},       {"Failure", false},
    {"Fail", false},           {"Faults", false},       {"Fault", false},
    {"Down", false},           {"Abnormal", false},     {"Warning", false},
    {"NonRecoverable", false}, {"Critical", false},     {"Degraded", false},
    {"Absent", false},         {"Disabled", false},     {"Offline", false},
    {"WriteProtected", false}, {"Disconnected", false}, {"Error", false},
    {"Alarm", false},          {"Violation", false},    {"Threshold", false},
    {"Detected", false},       {"Opened", false},       {"Open", false},
    {"Active", false},
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool word_is(struct text text, const char *word)
{
    return text.count == strlen(word) && strncasecmp(text.at, word, text.count) == 0;
}

static int vendor_grade(struct text word)
{
    for (size_t i = 0; i < COUNT(vendor_words); i++) {
        if (word_is(word, vendor_words[i].word)) {
            return vendor_words[i].severity;
        }
    }
    return GRADE_NONE;
}

int mib_label_grade(const char *label)
{
    if (strcasecmp(label, "ok") == 0 || strcasecmp(label, "good") == 0) {
        return GRADE_CLEAR;
    }
    for (size_t i = 0; i < COUNT(label_words); i++) {
        if (strcasestr(label, label_words[i].word) != NULL) {
            return label_words[i].severity;
        }
    }
    return GRADE_NONE;
}

/* "SEVERE: The UPS ...", or "... Severity: critical ..." */
static int description_grade(const char *description)
{
    const char *at = description;
    if (at == NULL) {
        return GRADE_NONE;
    }
    const char *said = strcasestr(at, "severity:");
    at = said == NULL ? at : said + strlen("severity:");
    while (isspace((unsigned char)*at)) {
        at++;
    }
    uint32_t count = 0;
    while (isalpha((unsigned char)at[count]) || at[count] == '-') {
        count++;
    }
    return said != NULL || at[count] == ':' ? vendor_grade((struct text){at, count}) : GRADE_NONE;
}

static int name_grade(const char *name)
{
    for (size_t i = 0; i < COUNT(name_words); i++) {
        if (strstr(name, name_words[i].word) != NULL) {
            return name_words[i].severity;
        }
    }
    return SEVERITY_INFO;
}

/* ---- what belongs together ---- */

/* name without word, in small letters; false: it is not in there. */
static bool stem_of(const char *name, const struct stem_word *word, char ret_stem[NAME_CHARS_MAX])
{
    size_t count = strlen(name);
    size_t word_count = strlen(word->word);
    const char *at = strstr(name, word->word);
    if (word->end) {
        at = count > word_count && strcmp(name + count - word_count, word->word) == 0
                 ? name + count - word_count
                 : NULL;
    }
    if (at == NULL || count >= NAME_CHARS_MAX || count == word_count) {
        return false;
    }
    snprintf(ret_stem, NAME_CHARS_MAX, "%.*s%s", (int)(at - name), name, at + word_count);
    for (char *c = ret_stem; *c != 0; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return true;
}

static bool may_end(const struct mib_trap *trap)
{
    return trap->severity == SEVERITY_INFO || trap->why == MIB_BY_WORDS;
}

static bool ends_by_name(const char *name)
{
    char stem[NAME_CHARS_MAX];
    size_t count = strlen(name);
    const size_t lost = strlen("Disconnected");
    if (count > lost && strcmp(name + count - lost, "Disconnected") == 0) {
        return false;
    }
    for (size_t i = 0; i < COUNT(clear_words); i++) {
        if (stem_of(name, &clear_words[i], stem)) {
            return true;
        }
    }
    return false;
}

struct begun { /* The notifications that a stem may stand for, in the order of the modules. */
    struct mib_trap *trap;
    struct begun *next, *last;
};

static bool begun_add(struct mib *mib, struct map *stems, struct mib_trap *trap, const char *stem)
{
    const char *key = arena_printf(&mib->arena, "%s::%s", trap->module, stem);
    struct begun *begun = arena_alloc(&mib->arena, sizeof *begun);
    if (key == NULL || begun == NULL) {
        return false;
    }
    begun->trap = trap;
    struct begun *first = map_get(stems, text_of(key));
    if (first == NULL) {
        begun->last = begun;
        return map_set(stems, text_of(key), begun) == 0;
    }
    first->last->next = begun;
    first->last = begun;
    return true;
}

static bool stems_fill(struct mib *mib, struct map *stems)
{
    for (size_t i = 0; i < mib->traps_count; i++) {
        struct mib_trap *trap = &mib->traps[i];
        char stem[NAME_CHARS_MAX];
        if (may_end(trap) && ends_by_name(trap->name)) {
            continue;
        }
        static const struct stem_word whole = {"", false};
        bool done = !stem_of(trap->name, &whole, stem) || begun_add(mib, stems, trap, stem);
        for (size_t k = 0; k < COUNT(raise_words) && done; k++) {
            done = !stem_of(trap->name, &raise_words[k], stem) || begun_add(mib, stems, trap, stem);
        }
        if (!done) {
            return false;
        }
    }
    return true;
}

static void pair(const struct map *stems, struct mib_trap *trap)
{
    char stem[NAME_CHARS_MAX];
    char key[2 * NAME_CHARS_MAX];
    for (size_t i = 0; i < COUNT(clear_words) && trap->ends == NULL; i++) {
        if (!stem_of(trap->name, &clear_words[i], stem)) {
            continue;
        }
        snprintf(key, sizeof key, "%s::%s", trap->module, stem);
        for (struct begun *begun = map_get(stems, text_of(key)); begun != NULL;
             begun = begun->next) {
            if (begun->trap != trap) {
                trap->ends = trap->ends == NULL ? begun->trap : trap->ends;
                begun->trap->begun_for =
                    begun->trap->begun_for == NULL ? trap : begun->trap->begun_for;
            }
        }
    }
}

/* ---- a value that decides ---- */

static bool has_word(const char *name, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcasestr(name, *words) != NULL) {
            return true;
        }
    }
    return false;
}

static bool decides(const struct mib_variable *variable)
{
    static const char *const now[] = {"severity", "status", "state", "level", "condition", NULL};
    static const char *const then[] = {"prev", "old", "last", "admin", NULL};
    bool good = false;
    bool bad = false;
    if (variable->oid == NULL || !has_word(variable->name, now) || has_word(variable->name, then)) {
        return false;
    }
    for (size_t i = 0; i < variable->labels_count; i++) {
        int grade = mib_label_grade(variable->labels[i].word);
        good |= grade == GRADE_CLEAR || grade == SEVERITY_INFO;
        bad |= grade >= SEVERITY_MAJOR;
    }
    return good && bad;
}

static void grade_by_value(struct mib_trap *trap)
{
    for (size_t i = 0; i < trap->variables_count && trap->graded == NULL; i++) {
        trap->graded = decides(trap->variables[i]) ? trap->variables[i] : NULL;
    }
    for (size_t i = 0; trap->graded != NULL && i < trap->graded->labels_count; i++) {
        if (mib_label_grade(trap->graded->labels[i].word) == GRADE_CLEAR) {
            trap->state = EVENT_RAISE;
        }
    }
}

/* ---- where on the host ---- */

static bool ends_with(const char *name, const char *end)
{
    size_t count = strlen(name);
    size_t end_count = strlen(end);
    return count > end_count && strcmp(name + count - end_count, end) == 0;
}

/* How well a variable says where: an index, a name of the part, a column of the part's row. */
static int place_rank(const struct mib_variable *variable)
{
    if (variable->oid == NULL) {
        return 0;
    }
    if (variable->is_index) {
        return 3;
    }
    if (ends_with(variable->name, "FQDD") || ends_with(variable->name, "IndexOID") ||
        ends_with(variable->name, "NexusEvent")) {
        return 2;
    }
    return variable->entry != NULL ? 1 : 0;
}

static void locate(struct mib_trap *trap)
{
    int best = 0;
    for (size_t i = 0; i < trap->variables_count; i++) {
        int rank = place_rank(trap->variables[i]);
        if (rank > best) {
            best = rank;
            trap->located = trap->variables[i];
        }
    }
}

static struct mib_trap *family_of(const struct mib_trap *trap)
{
    return trap->ends != NULL ? trap->ends : trap->begun_for != NULL ? trap->begun_for->ends : NULL;
}

static bool carries(const struct mib_trap *trap, const struct mib_variable *variable)
{
    bool found = variable == NULL;
    for (size_t i = 0; i < trap->variables_count; i++) {
        found |= trap->variables[i] == variable;
    }
    return found;
}

/* What begins and ends must name the same place, or it would never end: a place that one of a
 * family does not carry is nobody's. */
static void locate_families(struct mib *mib)
{
    for (size_t i = 0; i < mib->traps_count; i++) {
        struct mib_trap *family = family_of(&mib->traps[i]);
        if (family != NULL && !carries(&mib->traps[i], family->located)) {
            family->located = NULL;
        }
    }
    for (size_t i = 0; i < mib->traps_count; i++) {
        struct mib_trap *family = family_of(&mib->traps[i]);
        mib->traps[i].located = family != NULL ? family->located : mib->traps[i].located;
    }
}

/* ---- all together ---- */

static void judge_severity(struct mib_trap *trap)
{
    int grade =
        trap->note.severity == NULL ? GRADE_NONE : vendor_grade(text_of(trap->note.severity));
    trap->why = MIB_BY_NOTE;
    if (grade == GRADE_NONE) {
        trap->why = MIB_BY_DESCRIPTION;
        grade = description_grade(trap->description);
    }
    if (grade == GRADE_NONE) {
        trap->why = MIB_BY_WORDS;
        grade = name_grade(trap->name);
    }
    trap->state = grade == GRADE_CLEAR ? EVENT_CLEAR : EVENT_PULSE;
    trap->severity = grade == GRADE_CLEAR ? SEVERITY_INFO : (enum severity)grade;
}

static bool state_is_bad(const char *state)
{
    static const char *const bad[] = {"degraded", "failed", "nonoperational", "down", NULL};
    return state != NULL && has_word(state, bad);
}

/* The first notification of a family gives the alarm its name; the others say it as their type. */
static bool judge_state(struct mib *mib, struct mib_trap *trap)
{
    const struct mib_trap *family = family_of(trap);
    if (trap->ends != NULL) {
        trap->state = EVENT_CLEAR;
        trap->severity = trap->why == MIB_BY_WORDS ? SEVERITY_INFO : trap->severity;
    } else if (trap->begun_for != NULL) {
        trap->state = EVENT_RAISE;
    } else if (trap->state != EVENT_CLEAR && state_is_bad(trap->note.state)) {
        trap->state = EVENT_RAISE;
    } else if (trap->why == MIB_BY_WORDS) {
        grade_by_value(trap);
    }
    if (family != NULL && family != trap) {
        trap->type = arena_printf(&mib->arena, "snmp.%s", family->name);
        return trap->type != NULL;
    }
    return true;
}

bool mib_judge(struct mib *mib)
{
    struct map stems = {0};
    for (size_t i = 0; i < mib->traps_count; i++) {
        judge_severity(&mib->traps[i]);
        locate(&mib->traps[i]);
    }
    bool done = stems_fill(mib, &stems);
    for (size_t i = 0; i < mib->traps_count && done; i++) {
        if (may_end(&mib->traps[i])) {
            pair(&stems, &mib->traps[i]);
        }
    }
    for (size_t i = 0; i < mib->traps_count && done; i++) {
        done = judge_state(mib, &mib->traps[i]);
    }
    locate_families(mib);
    map_done(&stems);
    return done;
}
