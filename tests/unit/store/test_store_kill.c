/* SPDX-License-Identifier: Apache-2.0 */

/*
 * kill -9 at random instants: a child appends numbered events and runs and says over a pipe what it
 * was told is durable. Whatever it said must be in the store afterwards, without a gap, once, with
 * a whole audit trail.
 */

#include "store_rig.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define KILLS 30

static void child_add(struct rig *rig, int count)
{
    char message[32], id[32];
    for (int i = 0; i < count; i++) {
        struct event event = rig_event(rig, "power.failed", "h1", 1000);
        snprintf(message, sizeof message, "n=%llu", (unsigned long long)event.seq);
        event.message = text_of(message);
        if (store_batch_event(rig->store, &event, NULL) < 0) {
            _exit(3);
        }
    }
    snprintf(id, sizeof id, "run-%llu", (unsigned long long)store_next_seq(rig->store) - 1);
    struct record record = {
        .kind = RECORD_RUN, .id = text_of(id), .time_ms = 1, .body = TEXT("{}")};
    if (store_batch_record(rig->store, &record, NULL) < 0) {
        _exit(3);
    }
}

_Noreturn static void child_run(struct rig *rig, int pipe_fd, unsigned seed)
{
    struct nsh_error error = {.code = 0};
    if (rig_try_open(rig, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        _exit(2);
    }
    uint64_t submitted_seq = 0;
    uint64_t submitted_batch = 0;
    while (true) {
        child_add(rig, 1 + rand_r(&seed) % 50);
        uint64_t last = store_next_seq(rig->store) - 1;
        uint64_t number = store_batch_number(rig->store);
        if (store_submit(rig->store)) {
            submitted_seq = last;
            submitted_batch = number;
        }
        if (rig_news(rig, 1000) && rig->done.batch == submitted_batch &&
            write(pipe_fd, &submitted_seq, sizeof submitted_seq) != sizeof submitted_seq) {
            _exit(4);
        }
    }
}

/* The last number the child acknowledged before it was killed. */
static uint64_t run_and_kill(struct rig *rig, unsigned *seed)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        child_run(rig, fds[1], *seed);
    }
    close(fds[1]);
    uint64_t acknowledged = 0;
    uint64_t seq;
    /* The instant: after a random number of acknowledgements and a random moment more. */
    for (int left = rand_r(seed) % 40; left >= 0; left--) {
        assert_int_equal(read(fds[0], &seq, sizeof seq), sizeof seq);
        acknowledged = seq;
    }
    struct timespec moment = {.tv_nsec = rand_r(seed) % 1500000};
    nanosleep(&moment, NULL);
    kill(pid, SIGKILL);
    while (read(fds[0], &seq, sizeof seq) == sizeof seq) {
        acknowledged = seq;
    }
    close(fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return acknowledged;
}

struct check {
    uint64_t last;
};

static int check_event(void *arg, const struct event *event)
{
    struct check *check = arg;
    char message[32];
    assert_int_equal(event->seq, check->last + 1);
    check->last = event->seq;
    snprintf(message, sizeof message, "n=%llu", (unsigned long long)event->seq);
    assert_true(text_is(event->message, message));
    return 0;
}

static int check_run(void *arg, const struct record *record)
{
    (*(uint64_t *)arg)++;
    return 0;
}

static void check_content(struct rig *rig, uint64_t acknowledged)
{
    struct store_reader *reader = rig_reader(rig);
    struct nsh_error error = {.code = 0};
    struct check check = {.last = 1};
    while (true) {
        uint64_t before = check.last;
        struct store_events from = {.after_seq = check.last, .limit = 100000};
        assert_int_equal(store_events(reader, &from, check_event, &check, &error), 0);
        if (check.last == before) {
            break;
        }
    }
    assert_true(check.last >= acknowledged);
    uint64_t audits = 0;
    uint64_t runs = 0;
    char head[65];
    assert_int_equal(store_audit_verify(reader, &audits, head, &error), 0);
    struct store_query query = {.kind = RECORD_RUN, .limit = 100000};
    assert_int_equal(store_query(reader, &query, check_run, &runs, &error), 0);
    assert_int_equal(runs, audits);
    store_reader_close(reader);
}

static void test_kills(void **state)
{
    const char *given = getenv("NS_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    printf("NS_SEED=%u repeats this\n", seed);
    struct rig rig;
    rig_init(&rig);
    uint64_t acknowledged = 0;
    for (int i = 0; i < KILLS; i++) {
        uint64_t seq = run_and_kill(&rig, &seed);
        acknowledged = seq > acknowledged ? seq : acknowledged;
        if (i % 3 == 0) {
            continue; /* The next child finds the log as the kill left it. */
        }
        rig_open(&rig);
        assert_true(store_next_seq(rig.store) > acknowledged);
        check_content(&rig, acknowledged);
        rig_close(&rig);
    }
    assert_true(acknowledged > KILLS);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kills)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
