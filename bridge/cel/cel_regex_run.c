/* SPDX-License-Identifier: Apache-2.0 */
/* Matching: the automaton where there is one, else all threads of the program side by side (Pike).
 */

#include "cel/cel_regex.h"

struct threads {
    uint32_t *at;   /* Instructions in order of preference. */
    int32_t *spans; /* Per thread. */
    uint32_t count;
};

struct machine {
    const struct cel_regex *regex;
    struct text text;
    uint32_t spans_count; /* 0: only whether it matches. */
    struct threads lists[2];
    uint32_t *seen; /* Generation in which an instruction was added. */
    uint32_t generation;
    struct frame *stack;
};

struct frame {
    uint32_t at;
    int32_t slot, old; /* slot >= 0: give it its old value back. */
};

static bool is_word(const struct text *text, uint32_t at)
{
    if (at >= text->count) {
        return false;
    }
    char c = text->at[at];
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool holds(const struct text *text, uint32_t at, uint8_t asserts)
{
    bool begin = at == 0, end = at == text->count;
    bool word = (at > 0 && is_word(text, at - 1)) != is_word(text, at);
    switch (asserts) {
    case ASSERT_BEGIN_TEXT:
        return begin;
    case ASSERT_END_TEXT:
        return end;
    case ASSERT_BEGIN_LINE:
        return begin || text->at[at - 1] == '\n';
    case ASSERT_END_LINE:
        return end || text->at[at] == '\n';
    case ASSERT_WORD:
        return word;
    default:
        return !word;
    }
}

static void keep_thread(struct machine *machine, struct threads *list, uint32_t at,
                        const int32_t *spans)
{
    if (machine->spans_count > 0) {
        memcpy(list->spans + (size_t)list->count * machine->spans_count, spans,
               machine->spans_count * sizeof *spans);
    }
    list->at[list->count++] = at;
}

/* Follow at through everything that takes no byte; spans is changed on the way and restored. */
static void add_thread(struct machine *machine, struct threads *list, uint32_t start, uint32_t here,
                       int32_t *spans)
{
    uint32_t count = 0;
    machine->stack[count++] = (struct frame){start, -1, 0};
    while (count > 0) {
        struct frame frame = machine->stack[--count];
        if (frame.slot >= 0) {
            spans[frame.slot] = frame.old;
            continue;
        }
        if (machine->seen[frame.at] == machine->generation) {
            continue;
        }
        machine->seen[frame.at] = machine->generation;
        const struct regex_inst *inst = &machine->regex->program[frame.at];
        switch (inst->op) {
        case REGEX_OP_SPLIT:
            machine->stack[count++] = (struct frame){inst->b, -1, 0};
            machine->stack[count++] = (struct frame){inst->a, -1, 0};
            break;
        case REGEX_OP_SAVE:
            if (inst->low < machine->spans_count) {
                machine->stack[count++] = (struct frame){0, inst->low, spans[inst->low]};
                spans[inst->low] = (int32_t)here;
            }
            machine->stack[count++] = (struct frame){inst->a, -1, 0};
            break;
        case REGEX_OP_ASSERT:
            if (holds(&machine->text, here, inst->asserts)) {
                machine->stack[count++] = (struct frame){inst->a, -1, 0};
            }
            break;
        default:
            keep_thread(machine, list, frame.at, spans);
            break;
        }
    }
}

static bool machine_open(struct cel_run *run, struct machine *machine)
{
    uint32_t count = machine->regex->program_count;
    size_t per_list = count * (sizeof(uint32_t) + machine->spans_count * sizeof(int32_t));
    struct cel_value ignored;
    char *room = cel_room(run,
                          2 * per_list + count * sizeof(uint32_t) +
                              (2 * (size_t)count + 2) * sizeof(struct frame),
                          &ignored);
    if (room == NULL) {
        return false;
    }
    machine->stack = (struct frame *)(void *)room;
    room += (2 * (size_t)count + 2) * sizeof(struct frame);
    for (int i = 0; i < 2; i++) {
        machine->lists[i].at = (uint32_t *)(void *)room;
        room += count * sizeof(uint32_t);
        machine->lists[i].spans = (int32_t *)(void *)room;
        room += (size_t)count * machine->spans_count * sizeof(int32_t);
    }
    machine->seen = (uint32_t *)(void *)room;
    return true;
}

/* One byte (or the end): threads of now move to next. True: a match was found and is in spans. */
static bool machine_step(struct machine *machine, struct threads *now, struct threads *next,
                         uint32_t here, int32_t *best)
{
    bool end = here == machine->text.count, matched = false;
    uint8_t byte = end ? 0 : (uint8_t)machine->text.at[here];
    int32_t spans[2 * CEL_REGEX_GROUPS_MAX];
    next->count = 0;
    machine->generation++;
    for (uint32_t i = 0; i < now->count; i++) {
        const struct regex_inst *inst = &machine->regex->program[now->at[i]];
        const int32_t *own = now->spans + (size_t)i * machine->spans_count;
        if (inst->op == REGEX_OP_MATCH) {
            memcpy(best, own, machine->spans_count * sizeof *best);
            if (machine->spans_count > 0) {
                best[1] = (int32_t)here;
            }
            matched = true;
            break; /* Those after it are less preferred. */
        }
        if (!end && byte >= inst->low && byte <= inst->high) {
            memcpy(spans, own, machine->spans_count * sizeof *spans);
            add_thread(machine, next, inst->a, here + 1, spans);
        }
    }
    return matched;
}

static bool machine_run(struct machine *machine, uint32_t start, int32_t *best)
{
    struct threads *now = &machine->lists[0], *next = &machine->lists[1];
    bool matched = false;
    machine->generation = 1;
    for (uint32_t here = start; here <= machine->text.count; here++) {
        if (!matched && (here == start || !machine->regex->anchored)) {
            int32_t spans[2 * CEL_REGEX_GROUPS_MAX];
            memset(spans, -1, sizeof spans);
            spans[0] = (int32_t)here;
            add_thread(machine, now, machine->regex->start, here, spans);
        }
        if (now->count == 0 && (matched || machine->regex->anchored)) {
            break;
        }
        matched = machine_step(machine, now, next, here, best) || matched;
        if (matched && machine->spans_count == 0) {
            break;
        }
        struct threads *other = now;
        now = next;
        next = other;
    }
    return matched;
}

bool cel_regex_find(struct cel_run *run, const struct cel_regex *regex, struct text text,
                    uint32_t start, int32_t spans[2 * CEL_REGEX_GROUPS_MAX])
{
    struct machine machine = {.regex = regex, .text = text, .spans_count = 2 * (regex->groups + 1)};
    struct cel_value ignored;
    uint64_t work = (uint64_t)(text.count - start) * regex->program_count / 64;
    return cel_spend(run, work, &ignored) && machine_open(run, &machine) &&
           machine_run(&machine, start, spans);
}

static bool automaton_matches(const struct regex_automaton *automaton, struct text text)
{
    uint32_t state = 0, classes = automaton->classes_count;
    for (uint32_t i = 0; i < text.count; i++) {
        if ((automaton->accepts[state] & 1) != 0 || state == automaton->dead) {
            break;
        }
        state = automaton->next[state * classes + automaton->classes[(uint8_t)text.at[i]]];
    }
    return automaton->accepts[state] != 0;
}

bool cel_regex_matches(struct cel_run *run, const struct cel_regex *regex, struct text text)
{
    struct cel_value ignored;
    const struct regex_automaton *automaton = regex_automaton_of(regex);
    if (automaton != NULL) {
        return cel_spend(run, text.count / 64, &ignored) && automaton_matches(automaton, text);
    }
    struct machine machine = {.regex = regex, .text = text};
    int32_t none[2];
    return cel_spend(run, (uint64_t)text.count * regex->program_count / 64, &ignored) &&
           machine_open(run, &machine) && machine_run(&machine, 0, none);
}

const struct cel_regex *cel_regex_of(struct cel_run *run, const struct cel_code *code,
                                     struct text pattern, struct cel_value *out)
{
    if (code->extra != NULL) {
        return code->extra;
    }
    const char *problem = NULL;
    if (!cel_spend(run, 500 + (uint64_t)pattern.count * 8, out)) {
        return NULL;
    }
    const struct cel_regex *regex = cel_regex_compile(run->arena, pattern, &problem);
    if (regex == NULL) {
        cel_error(run, code, out, "this is no regular expression: %s", problem);
    }
    return regex;
}
