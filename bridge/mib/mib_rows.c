/* SPDX-License-Identifier: Apache-2.0 */
/* A notification, a variable: each as one row of a table of traps. */

#include "mib_rows.h"
#include "mib_rules.h"

#define SENTENCE_CHARS_MAX 160

static void add_field(struct textbuf *out, const char *key, struct text value)
{
    textbuf_addf(out, " %s = \"", key);
    bool known = text_is_utf8(value.at, value.count);
    for (uint32_t i = 0; i < value.count; i++) {
        char c = value.at[i];
        if (c == '"' || c == '\\') {
            textbuf_add_char(out, '\\');
        }
        textbuf_add_char(out, (unsigned char)c < ' ' || c == 0x7f  ? ' '
                              : (unsigned char)c >= 0x80 && !known ? '?'
                                                                   : c);
    }
    textbuf_add_chars(out, "\";");
}

static void add_field_chars(struct textbuf *out, const char *key, const char *value)
{
    add_field(out, key, text_of(value));
}

static void add_labels(struct textbuf *out, const struct mib_variable *variable)
{
    if (variable->labels_count == 0) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf list = {0};
    for (size_t i = 0; i < variable->labels_count; i++) {
        textbuf_addf(&list, "%s%lld %s", i == 0 ? "" : ", ", (long long)variable->labels[i].value,
                     variable->labels[i].word);
    }
    add_field(out, "enum", (struct text){list.at, (uint32_t)list.count});
}

void mib_variable_row(const struct mib_variable *variable, struct textbuf *out)
{
    textbuf_add_chars(out, "{");
    add_field_chars(out, "oid", variable->oid);
    add_field_chars(out, "name", variable->name);
    add_labels(out, variable);
    textbuf_add_chars(out, " }");
}

static void add_place(struct textbuf *out, const struct mib_variable *at)
{
    if (at == NULL) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf place = {0};
    if (at->entry != NULL) {
        size_t count = strlen(at->entry);
        const size_t end = strlen("Entry");
        bool entry = count > end && strcmp(at->entry + count - end, "Entry") == 0;
        textbuf_addf(&place, "%.*s/", (int)(entry ? count - end : count), at->entry);
    }
    textbuf_addf(&place, "${%s%s}", at->name, at->entry != NULL && !at->is_index ? ".index" : "");
    add_field(out, "resource", (struct text){place.at, (uint32_t)place.count});
}

static void add_grades(struct textbuf *out, const struct mib_variable *graded)
{
    if (graded == NULL) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf list = {0};
    for (size_t i = 0; i < graded->labels_count; i++) {
        int grade = mib_label_grade(graded->labels[i].word);
        if (grade != GRADE_NONE) {
            textbuf_addf(&list, "%s%lld %s", list.count == 0 ? "" : ", ",
                         (long long)graded->labels[i].value,
                         grade == GRADE_CLEAR ? "clear" : severity_word((enum severity)grade));
        }
    }
    add_field_chars(out, "severity_from", graded->name);
    add_field(out, "grades", (struct text){list.at, (uint32_t)list.count});
}

static bool tells(const struct mib_variable *variable)
{
    static const char *const words[] = {"message", "descr", "text", "argsString", "summary", NULL};
    for (size_t i = 0; words[i] != NULL && variable->oid != NULL && variable->octets; i++) {
        if (strcasestr(variable->name, words[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* The first sentence, on one line; a '$' would begin a reference. */
static void add_sentence(struct textbuf *out, const char *description)
{
    char sentence[SENTENCE_CHARS_MAX + 1] = {0};
    size_t count = 0;
    for (const char *c = description; *c != 0 && count < SENTENCE_CHARS_MAX; c++) {
        bool space = strchr(" \t\r\n", *c) != NULL;
        if (!space && *c != '$') {
            sentence[count++] = *c;
        } else if (count > 0 && sentence[count - 1] == '.') {
            break;
        } else if (space && count > 0 && sentence[count - 1] != ' ') {
            sentence[count++] = ' ';
        }
    }
    /* Not in the middle of a character. */
    while (count > 0 &&
           ((unsigned char)sentence[count - 1] >= 0x80 || sentence[count - 1] == ' ') &&
           !text_is_utf8(sentence, count)) {
        count--;
    }
    while (count > 0 && (sentence[count - 1] == '.' || sentence[count - 1] == ' ')) {
        count--;
    }
    if (count > 0) {
        add_field(out, "message", (struct text){sentence, (uint32_t)count});
    }
}

static void add_message(struct textbuf *out, const struct mib_trap *trap)
{
    for (size_t i = 0; i < trap->variables_count; i++) {
        if (tells(trap->variables[i])) {
            CLEANUP(textbuf_donep) struct textbuf message = {0};
            textbuf_addf(&message, "${%s}", trap->variables[i]->name);
            add_field(out, "message", (struct text){message.at, (uint32_t)message.count});
            return;
        }
    }
    if (trap->description != NULL) {
        add_sentence(out, trap->description);
    }
}

void mib_trap_row(const struct mib_trap *trap, struct textbuf *out)
{
    CLEANUP(textbuf_donep) struct textbuf name = {0};
    textbuf_addf(&name, "%s::%s", trap->module, trap->name);
    textbuf_add_chars(out, "{");
    add_field_chars(out, "oid", trap->oid);
    add_field(out, "name", (struct text){name.at, (uint32_t)name.count});
    if (trap->type != NULL) {
        add_field_chars(out, "type", trap->type);
    }
    add_field_chars(out, "severity", severity_word(trap->severity));
    if (trap->state != EVENT_PULSE) {
        add_field_chars(out, "state", event_state_word(trap->state));
    }
    add_place(out, trap->located);
    add_grades(out, trap->graded);
    add_message(out, trap);
    textbuf_add_chars(out, " }");
}
