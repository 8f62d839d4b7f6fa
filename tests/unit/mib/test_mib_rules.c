/* SPDX-License-Identifier: Apache-2.0 */
/* Annotations, what names say, and merging an import into a table that people changed. */

#include "../unit.h"

#include "mib/mib.h"

#include <stdlib.h>

/* ---- annotations --------------------------------------------------------------------------- */

static const char module_text[] =
    "-- --#SEVERITY CRITICAL stands before any notification\n"
    "FIRST-MIB { iso 3 } DEFINITIONS ::= BEGIN\n"
    "IMPORTS TRAP-TYPE FROM RFC-1215\n   one, NOTIFICATION-TYPE FROM SNMPv2-SMI;\n"
    "doorOpen TRAP-TYPE\n  ENTERPRISE acme\n"
    "  DESCRIPTION \"a text with --#SEVERITY MAJOR and other TRAP-TYPE words\"\n"
    "  --#TYPE \"door\"\n  --#SEVERITY \"MINOR\"\n  --#STATE NONOPERATIONAL\n  ::= 1\n"
    "door-closed NOTIFICATION-TYPE STATUS current --#SEVERITY\tINFORMATIONAL\n ::= { acme 2 }\n"
    "END\n"
    "second-MIB DEFINITIONS ::= BEGIN\nquiet TRAP-TYPE ENTERPRISE acme ::= 1\nEND\n"
    "unended \"";

static const struct mib_note *note(const struct mib *mib, const char *key)
{
    return map_get(&mib->notes, text_of(key));
}

static void test_notes(void **state)
{
    struct mib mib = {0};
    assert_true(mib_notes_read(&mib, text_of(module_text)));
    assert_int_equal(mib.modules.count, 2);
    assert_non_null(map_get(&mib.modules, TEXT("FIRST-MIB")));
    assert_non_null(map_get(&mib.modules, TEXT("second-MIB")));
    assert_int_equal(mib.notes.count, 3); /* No IMPORTS, no word of a description. */
    assert_string_equal(note(&mib, "FIRST-MIB::doorOpen")->severity, "MINOR");
    assert_string_equal(note(&mib, "FIRST-MIB::doorOpen")->state, "NONOPERATIONAL");
    assert_string_equal(note(&mib, "FIRST-MIB::door-closed")->severity, "INFORMATIONAL");
    assert_null(note(&mib, "second-MIB::quiet")->severity);
    mib_done(&mib);
}

/* ---- rules ---------------------------------------------------------------------------------- */

#define TRAPS_MAX 8

static struct mib made(struct mib_trap *traps, size_t count)
{
    struct mib mib = {.traps_count = count, .traps_room = count};
    mib.traps = calloc(count, sizeof *mib.traps);
    assert_non_null(mib.traps);
    for (size_t i = 0; i < count; i++) {
        mib.traps[i] = traps[i];
        mib.traps[i].module = "M";
    }
    return mib;
}

static void test_severity(void **state)
{
    static const struct {
        const char *name, *note, *description;
        enum severity severity;
        enum mib_why why;
    } rows[] = {
        {"fanFailed", "CRITICAL", "WARNING: no", SEVERITY_CRITICAL, MIB_BY_NOTE},
        {"fanFailed", "SEVERE", NULL, SEVERITY_CRITICAL, MIB_BY_NOTE},
        {"fanFailed", "NON-RECOVERABLE", NULL, SEVERITY_CRITICAL, MIB_BY_NOTE},
        {"fanFailed", "unheard", "WARNING: The fan", SEVERITY_WARNING, MIB_BY_DESCRIPTION},
        {"fanFailed", NULL, " SEVERE: The fan", SEVERITY_CRITICAL, MIB_BY_DESCRIPTION},
        {"fanFailed", NULL, "The fan. Severity: minor.", SEVERITY_MINOR, MIB_BY_DESCRIPTION},
        {"fanFailed", NULL, "Note: a warning", SEVERITY_MAJOR, MIB_BY_WORDS},
        {"fanCritical", NULL, NULL, SEVERITY_CRITICAL, MIB_BY_WORDS},
        {"loginDenied", NULL, NULL, SEVERITY_WARNING, MIB_BY_WORDS},
        {"bootDone", NULL, "", SEVERITY_INFO, MIB_BY_WORDS},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct mib_trap trap = {
            .oid = "1.3", .name = rows[i].name, .description = rows[i].description};
        trap.note.severity = rows[i].note;
        struct mib mib = made(&trap, 1);
        assert_true(mib_judge(&mib));
        if (mib.traps[0].severity != rows[i].severity || mib.traps[0].why != rows[i].why) {
            fail_msg("row %zu: %s (%d)", i, severity_word(mib.traps[0].severity), mib.traps[0].why);
        }
        mib_done(&mib);
    }
}

static void test_pairs(void **state)
{
    struct mib_trap traps[] = {
        {.oid = "1", .name = "fanFailed"},  {.oid = "2", .name = "fanWarning"},
        {.oid = "3", .name = "fanNormal"},  {.oid = "4", .name = "linkDown"},
        {.oid = "5", .name = "linkUp"},     {.oid = "6", .name = "portDisconnected"},
        {.oid = "7", .name = "testPassed"}, {.oid = "8", .name = "diskDegraded"},
    };
    traps[7].note.state = "DEGRADED";
    struct mib mib = made(traps, ROWS(traps));
    assert_true(mib_judge(&mib));
    static const struct {
        enum event_state state;
        const char *type;
    } wanted[] = {
        {EVENT_RAISE, NULL},
        {EVENT_RAISE, "snmp.fanFailed"},
        {EVENT_CLEAR, "snmp.fanFailed"},
        {EVENT_RAISE, NULL},
        {EVENT_CLEAR, "snmp.linkDown"},
        {EVENT_PULSE, NULL}, /* "Disconnected" ends nothing. */
        {EVENT_PULSE, NULL}, /* Nothing that it would end. */
        {EVENT_RAISE, NULL}, /* The vendor says so. */
    };
    for (size_t i = 0; i < ROWS(traps); i++) {
        const char *type = mib.traps[i].type == NULL ? "" : mib.traps[i].type;
        if (mib.traps[i].state != wanted[i].state ||
            strcmp(type, wanted[i].type == NULL ? "" : wanted[i].type) != 0) {
            fail_msg("%s: %s '%s'", mib.traps[i].name, event_state_word(mib.traps[i].state), type);
        }
    }
    mib_done(&mib);
}

/* What begins and ends an alarm names the same place, or none. */
static void test_place(void **state)
{
    struct mib_variable index = {
        .name = "fanIndex", .oid = "1.3.6.1.9.1", .entry = "fanEntry", .is_index = true};
    struct mib_variable speed = {.name = "fanSpeed", .oid = "1.3.6.1.9.2", .entry = "fanEntry"};
    struct mib_variable homeless = {.name = "fanText", .octets = true};
    const struct mib_variable *both[] = {&speed, &index};
    const struct mib_variable *one[] = {&speed, &homeless};
    for (size_t i = 0; i < 2; i++) {
        struct mib_trap traps[] = {
            {.oid = "1", .name = "fanFailed", .variables = both, .variables_count = 2},
            {.oid = "2",
             .name = "fanFailedCleared",
             .variables = i == 0 ? both : one,
             .variables_count = 2},
        };
        struct mib mib = made(traps, 2);
        assert_true(mib_judge(&mib));
        const struct mib_variable *wanted = i == 0 ? &index : NULL;
        assert_ptr_equal(mib.traps[0].located, wanted);
        assert_ptr_equal(mib.traps[1].located, wanted);
        mib_done(&mib);
    }
}

static void test_value(void **state)
{
    struct mib_label labels[] = {{1, "other"}, {2, "ok"}, {3, "nonCritical"}, {4, "failed"}};
    struct mib_variable status = {
        .name = "fanStatus", .oid = "1.3.6.1.9.1", .labels = labels, .labels_count = 4};
    struct mib_variable before = status;
    before.name = "fanPreviousStatus";
    const struct mib_variable *variables[] = {&before, &status};
    struct mib_trap trap = {
        .oid = "1.3.6.1.9", .name = "fanEvent", .variables = variables, .variables_count = 2};
    struct mib mib = made(&trap, 1);
    assert_true(mib_judge(&mib));
    assert_ptr_equal(mib.traps[0].graded, &status);
    struct mib_merged merged;
    struct nsh_error err = {0};
    struct textbuf out = {0};
    assert_int_equal(mib_merge(&mib, (struct text){0}, &out, &merged, &err), 0);
    assert_non_null(strstr(out.at, "state = \"raise\"; severity_from = \"fanStatus\"; "
                                   "grades = \"2 clear, 3 warning, 4 major\";"));
    textbuf_done(&out);
    textbuf_done(&merged.kept);
    mib_done(&mib);
}

/* ---- merging -------------------------------------------------------------------------------- */

static struct mib_trap pair_of_traps[] = {
    {.oid = "1.3.6.1.9.0.1", .name = "fanFailed", .description = "A fan \"1\" failed ${x}. More."},
    {.oid = "1.3.6.1.9.0.2", .name = "fanNormal"},
};

static char *merge(const char *old, size_t traps_count, struct mib_merged *ret_merged, int wanted)
{
    struct mib mib = made(pair_of_traps, traps_count);
    struct nsh_error err = {0};
    struct textbuf out = {0};
    assert_true(mib_judge(&mib));
    int result = mib_merge(&mib, text_of(old), &out, ret_merged, &err);
    if (result != wanted) {
        fail_msg("%d: %s", result, err.text);
    }
    textbuf_done(&ret_merged->kept);
    mib_done(&mib);
    return out.at;
}

/* text with the first `what` replaced */
static char *with(const char *text, const char *what, const char *by)
{
    struct textbuf out = {0};
    const char *at = strstr(text, what);
    assert_non_null(at);
    textbuf_addf(&out, "%.*s%s%s", (int)(at - text), text, by, at + strlen(what));
    return out.at;
}

static void test_merge(void **state)
{
    struct mib_merged merged = {0};
    char *first = merge(NULL, 2, &merged, 0);
    assert_int_equal(merged.added, 2);
    assert_non_null(strstr(first, "message = \"A fan \\\"1\\\" failed {x}\";"));

    char *again = merge(first, 2, &merged, 0);
    assert_string_equal(again, first);
    assert_int_equal(merged.same, 2);
    free(again);

    /* An edit, a comment and a row by hand stay; the mark of the other still follows the modules.
     */
    char *edited = with(first, "severity = \"major\"", "severity = \"minor\"");
    char *noted = with(edited, "traps = (\n",
                       "traps = (\n  # ours, and ( no { list\n  { oid = "
                       "\"1.3.6.1.9.0.7\"; severity = \"info\"; },\n");
    again = merge(noted, 2, &merged, 0);
    assert_string_equal(again, noted);
    free(again);
    assert_int_equal(merged.edited, 1);
    assert_int_equal(merged.same, 1);
    assert_int_equal(merged.by_hand, 1);

    /* A row that the modules lost stays and is told; one that they have anew comes last. */
    char *one = merge(NULL, 1, &merged, 0);
    free(merge(first, 1, &merged, 0));
    assert_int_equal(merged.gone, 1);
    assert_int_equal(merged.changed, 1); /* Without its end it is no longer raised. */
    char *two = merge(one, 2, &merged, 0);
    assert_int_equal(merged.added, 1);
    assert_int_equal(merged.changed, 1);
    assert_non_null(strstr(strstr(two, "fanFailed"), "fanNormal"));
    again = merge(two, 2, &merged, 0);
    assert_string_equal(again, two);
    free(first), free(again), free(edited), free(noted), free(one), free(two);
}

static void test_merge_keeps_other_lists(void **state)
{
    struct mib_merged merged = {0};
    static const char old[] = "objects = ( { oid = \"1.3.6.1.9.1\"; name = \"x\"; } );\n"
                              "pet = ( { sensor = 1; } ); # ( the end";
    char *out = merge(old, 1, &merged, 0);
    assert_true(strncmp(out, old, strlen(old)) == 0);
    assert_non_null(strstr(out, "\ntraps = (\n  { oid = \"1.3.6.1.9.0.1\""));
    free(out);
    static const char line[] = "traps = ( { oid = \"1.3.6.1.9.0.7\"; } );";
    out = merge(line, 2, &merged, 0);
    assert_non_null(strstr(out, "\n);"));
    free(merge(out, 2, &merged, 0));
    assert_int_equal(merged.same, 2);
    free(out);
    static const char *const wrong[] = {"traps = ( { oid = \"1.3\"; ", "traps = ( {} ",
                                        "traps = ({}", "traps = (); traps = ();"};
    for (size_t i = 0; i < ROWS(wrong); i++) {
        free(merge(wrong[i], 1, &merged, -NSH_INVALID));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_severity),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_merge_keeps_other_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
