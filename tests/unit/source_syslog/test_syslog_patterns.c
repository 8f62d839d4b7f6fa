/* SPDX-License-Identifier: Apache-2.0 */
/* The shipped patterns keep their examples; what a message becomes; mistakes in a table are told
 * where they are. */

#include "../unit.h"

#include "source/syslog/syslog_patterns.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct syslog_patterns *read_shipped(void)
{
    struct diags diags = {0};
    struct syslog_patterns *patterns = NULL;
    struct nsh_error err = {0};
    if (syslog_patterns_read(TEST_SOURCE_DIR "/etc/syslog", &diags, &patterns, &err) < 0) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(&diags, NULL, false, &out);
        fail_msg("%s\n%s", err.text, out.at == NULL ? "" : out.at);
    }
    diags_done(&diags);
    return patterns;
}

static void test_shipped(void **state)
{
    struct syslog_patterns *patterns = read_shipped();
    assert_true(patterns->count >= 60);
    for (struct syslog_row *row = patterns->first; row != NULL; row = row->next) {
        for (struct syslog_row *other = row->next; other != NULL; other = other->next) {
            if (text_equal(row->name, other->name)) {
                fail_msg("two patterns are called %.*s", (int)row->name.count, row->name.at);
            }
        }
        /* What is cleared is raised by somebody, for the same resource. */
        bool raised = row->state != EVENT_CLEAR;
        for (struct syslog_row *other = patterns->first; other != NULL && !raised;
             other = other->next) {
            raised = other->state == EVENT_RAISE && text_equal(other->type, row->type);
        }
        if (!raised) {
            fail_msg("nobody raises what %.*s clears", (int)row->name.count, row->name.at);
        }
        /* A policy that names it is not told that it does not exist. */
        const char *nearest = event_type_nearest(row->type);
        if (nearest != NULL) {
            fail_msg("bridge/model/event_types.def lacks %.*s", (int)row->type.count, row->type.at);
        }
    }
    syslog_patterns_free(patterns);
}

/* Patterns that the node problem detector of Kubernetes watches for; each of them is known here
 * too. */
static const char *const watched_elsewhere[] = {
    "Killed process 1234 (java) total-vm:12kB, anon-rss:8kB, file-rss:0kB",
    "task docker:1234 blocked for more than 120 seconds.",
    "unregister_netdevice: waiting for eth0 to become free. Usage count = 2",
    "BUG: unable to handle kernel NULL pointer dereference at 0000000000000010",
    "divide error: 0000 [#1] SMP",
    "EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2",
    "Buffer I/O error on dev sda1, logical block 0",
    "XFS (sda2): Log I/O Error Detected. Shutting down filesystem",
    "EDAC MC0: 1 CE memory read error on DIMM_A1 (channel:0)",
    "{1}[Hardware Error]: event severity: fatal",
    "{1}[Hardware Error]: event severity: recoverable",
    "{1}[Hardware Error]: event severity: corrected",
    "EXT4-fs (sda1): Remounting filesystem read-only",
};

static void test_watched_elsewhere(void **state)
{
    struct syslog_patterns *patterns = read_shipped();
    CLEANUP(arena_donep) struct arena scratch = ARENA_INIT;
    struct text groups[CEL_PATTERN_GROUPS_MAX];
    for (size_t i = 0; i < ROWS(watched_elsewhere); i++) {
        if (syslog_patterns_find(patterns, TEXT("kernel"), text_of(watched_elsewhere[i]), &scratch,
                                 groups) == NULL) {
            fail_msg("no pattern for: %s", watched_elsewhere[i]);
        }
    }
    syslog_patterns_free(patterns);
}

struct row {
    const char *bytes;
    bool relay;
    const char *wanted; /* type severity state resource | message | hint; NULL: no event */
    const char *why;
};

static const struct row rows[] = {
    {"<2>Mar  1 10:00:00 r1h02 kernel: NVRM: Xid (PCI:0000:3b:00): 79, pid=1, name=x, GPU has "
     "fallen off the bus.",
     false,
     "gpu.failed critical raise gpu/0000:3b:00 | GPU 0000:3b:00 is lost (Xid 79) | addr=192.0.2.7",
     "the address says whose it is, not the name in it"},
    {"<2>Mar  1 10:00:00 r1h02 kernel: NVRM: Xid (PCI:0000:3b:00): 79, pid=1", true,
     "gpu.failed critical raise gpu/0000:3b:00 | GPU 0000:3b:00 is lost (Xid 79) | "
     "host=r1h02,addr=r1h02",
     "from a relay the name does"},
    {"<2>1 2026-03-02T10:00:00Z r1h02.dc1.example kernel - - - igb 0000:01:00.0 eth0: igb: eth0 "
     "NIC Link is Down",
     true,
     "network.link.down major raise if/eth0 | interface eth0 is down | "
     "host=r1h02.dc1.example,host=r1h02,addr=r1h02.dc1.example",
     "long and short name are tried"},
    {"<2>Mar  1 10:00:00 localhost kernel: md: md0: recovery done.", true,
     "raid.degraded info clear raid/md0 | md0 is whole again | addr=192.0.2.7",
     "a relay's own message"},
    {"<2>Mar  1 10:00:00 a,host=victim kernel: md: md0: recovery done.", true,
     "raid.degraded info clear raid/md0 | md0 is whole again | addr=192.0.2.7",
     "a name that would be two hints is none"},
    {"<4>Mar  1 10:00:00 h kernel: EDAC MC0: 1 CE memory read error on D\xff\xfe\x01M (x)", false,
     "memory.correctable warning pulse dimm/D???M | correctable memory error on D???M | "
     "addr=192.0.2.7",
     "bytes that are no text, and control characters"},
    {"<6>Mar  1 10:00:00 h sshd[1]: Accepted publickey for root", false, NULL,
     "means nothing here"},
    {"<2>Mar  1 10:00:00 h raidd: array is on fire", false,
     "syslog.unmatched critical pulse  | array is on fire | addr=192.0.2.7",
     "too severe to be passed over"},
    {"<6>Mar  1 10:00:00 h app: NVRM: Xid (PCI:0000:3b:00): 79,", false, NULL,
     "only the kernel may say so"},
};

static void test_map(void **state)
{
    struct syslog_patterns *patterns = read_shipped();
    struct syslog_mapper mapper = {.patterns = patterns, .unmatched_severity = 2};
    struct syslog_origin origin = {.address = TEXT("192.0.2.7"), .received_ms = 5};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct syslog_message message;
        struct event event;
        char got[1024] = "";
        assert_int_equal(syslog_decode(text_of(rows[i].bytes), &message, NULL), 0);
        origin.relay = rows[i].relay;
        if (syslog_map(&mapper, &message, &origin, &event)) {
            snprintf(got, sizeof got, "%.*s %s %s %.*s | %.*s | %.*s", (int)event.type.count,
                     event.type.at, severity_word(event.severity), event_state_word(event.state),
                     (int)event.resource.count, event.resource.at, (int)event.message.count,
                     event.message.at, (int)event.hint.count, event.hint.at);
            assert_true(text_is(event.source, "syslog/192.0.2.7"));
            assert_true(event.data.count > 0);
        }
        if (strcmp(got, rows[i].wanted == NULL ? "" : rows[i].wanted) != 0) {
            fail_msg("%s: got '%s'", rows[i].why, got);
        }
    }
    syslog_mapper_done(&mapper);
    syslog_patterns_free(patterns);
}

static const struct {
    const char *table, *wanted, *why;
} mistakes[] = {
    {"patterns = ( { name = \"a\"; match = \"x(\"; type = \"t\"; examples = [\"x\"]; } );",
     "no regular expression", "a regex that is none"},
    {"patterns = ( { name = \"a\"; match = \"x\"; type = \"t\"; examples = [\"y\"]; } );",
     "does not match its own example", "an example that does not match"},
    {"patterns = ( { name = \"a\"; match = \"x\"; type = \"t\"; examples = [\"x\"]; },\n"
     "  { name = \"b\"; match = \"xy\"; type = \"t\"; examples = [\"xy\"]; } );",
     "hidden for this example by 'a'", "a row that never comes to its turn"},
    {"patterns = ( { name = \"a\"; match = \"x\"; type = \"t\"; } );", "needs 'examples'",
     "no example"},
    {"patterns = ( { name = \"a\"; match = \"x\"; type = \"t\"; examples = [ ]; } );",
     "1 to 16 lines", "none in the list"},
    {"patterns = ( { name = \"a\"; match = \"(x)\"; type = \"t\"; resource = \"${2}\"; examples = "
     "[\"x\"]; } );",
     "may use ${0} to ${1}", "a group that is not there"},
    {"patterns = ( { name = \"a\"; match = \"x\"; typ = \"t\"; type = \"t\"; examples = [\"x\"]; } "
     ");",
     "typ", "a key that is none"},
    {"patterns = ( { name = \"a\"; match = \"x\"; type = \"t\"; severity = \"bad\"; examples = "
     "[\"x\"]; } );",
     "severity is", "a severity that is none"},
    {"patterns = ( { name = \"a\"; match = \"x\"; type = \"t\"; state = \"on\"; examples = "
     "[\"x\"]; } );",
     "state is", "a state that is none"},
    {"rows = ( );", "a file of patterns is", "no patterns at all"},
};

static void test_mistakes(void **state)
{
    char folder[] = "/tmp/nightshift-patterns.XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x.patterns", folder);
    for (size_t i = 0; i < ROWS(mistakes); i++) {
        struct diags diags = {0};
        struct nsh_error err = {0};
        struct syslog_patterns *patterns = NULL;
        FILE *file = fopen(path, "w");
        fputs(mistakes[i].table, file);
        fclose(file);
        assert_int_equal(syslog_patterns_read(folder, &diags, &patterns, &err), -NSH_INVALID);
        assert_null(patterns);
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(&diags, NULL, false, &out);
        if (strstr(out.at, mistakes[i].wanted) == NULL) {
            fail_msg("%s: got %s", mistakes[i].why, out.at);
        }
        diags_done(&diags);
    }
    unlink(path);
    rmdir(folder);
    struct diags diags = {0};
    struct syslog_patterns *patterns = NULL;
    assert_int_equal(syslog_patterns_read(folder, &diags, &patterns, NULL), -NSH_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_watched_elsewhere),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
