/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Faults of the disk under a running store, made by a VFS that stands between SQLite and the real
 * one: every write and every sync fails in turn; the disk is full; the file system turns read-only.
 * Always: nothing is reported durable while it is not, nothing is lost, and the store recovers by
 * itself.
 */

#include "store_rig.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/mount.h>

/* ---- the VFS that fails on request
 * ---------------------------------------------------------------------------- */

enum fault_kind { FAULT_NONE, FAULT_FULL, FAULT_WRITE, FAULT_SYNC, FAULT_READONLY, FAULT_FILE };

static struct {
    atomic_int kind;
    atomic_int countdown; /* Operations until the first that fails. */
    atomic_int seen;      /* Operations of that kind so far. */
    atomic_int failed;
} fault;

struct fault_file {
    sqlite3_file base;
    sqlite3_io_methods methods;
    sqlite3_file *real;
    bool main; /* The file itself, not its log. */
};

static sqlite3_vfs *fault_real;

static void fault_set(enum fault_kind kind, int after)
{
    fault.kind = FAULT_NONE;
    fault.countdown = after;
    fault.seen = 0;
    fault.failed = 0;
    fault.kind = (int)kind;
}

static bool fault_now(enum fault_kind kind)
{
    if (fault.kind != (int)kind) {
        return false;
    }
    fault.seen++;
    if (atomic_fetch_sub(&fault.countdown, 1) > 0) {
        return false;
    }
    fault.countdown = 0;
    fault.failed++;
    return true;
}

#define REAL(file) (((struct fault_file *)(file))->real)

static int fault_close(sqlite3_file *file)
{
    int code = REAL(file)->pMethods->xClose(REAL(file));
    sqlite3_free(REAL(file));
    return code;
}

static int fault_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset)
{
    return REAL(file)->pMethods->xRead(REAL(file), bytes, count, offset);
}

static int fault_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset)
{
    if (fault_now(FAULT_FULL)) {
        return SQLITE_FULL;
    }
    if (fault_now(FAULT_WRITE)) {
        /* A torn write: half of it arrived. */
        REAL(file)->pMethods->xWrite(REAL(file), bytes, count / 2, offset);
        return SQLITE_IOERR_WRITE;
    }
    return fault_now(FAULT_READONLY)
               ? SQLITE_READONLY
               : REAL(file)->pMethods->xWrite(REAL(file), bytes, count, offset);
}

static int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return REAL(file)->pMethods->xTruncate(REAL(file), size);
}

static int fault_sync(sqlite3_file *file, int flags)
{
    if (((struct fault_file *)file)->main && fault_now(FAULT_FILE)) {
        return SQLITE_IOERR_FSYNC;
    }
    return fault_now(FAULT_SYNC) ? SQLITE_IOERR_FSYNC
                                 : REAL(file)->pMethods->xSync(REAL(file), flags);
}

static int fault_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return REAL(file)->pMethods->xFileSize(REAL(file), size);
}

static int fault_lock(sqlite3_file *file, int lock)
{
    return REAL(file)->pMethods->xLock(REAL(file), lock);
}

static int fault_unlock(sqlite3_file *file, int lock)
{
    return REAL(file)->pMethods->xUnlock(REAL(file), lock);
}

static int fault_check_lock(sqlite3_file *file, int *out)
{
    return REAL(file)->pMethods->xCheckReservedLock(REAL(file), out);
}

static int fault_control(sqlite3_file *file, int op, void *arg)
{
    return REAL(file)->pMethods->xFileControl(REAL(file), op, arg);
}

static int fault_sector(sqlite3_file *file)
{
    return REAL(file)->pMethods->xSectorSize(REAL(file));
}

static int fault_character(sqlite3_file *file)
{
    return REAL(file)->pMethods->xDeviceCharacteristics(REAL(file));
}

static int fault_shm_map(sqlite3_file *file, int page, int bytes, int extend, void volatile **at)
{
    return REAL(file)->pMethods->xShmMap(REAL(file), page, bytes, extend, at);
}

static int fault_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return REAL(file)->pMethods->xShmLock(REAL(file), offset, n, flags);
}

static void fault_shm_barrier(sqlite3_file *file)
{
    REAL(file)->pMethods->xShmBarrier(REAL(file));
}

static int fault_shm_unmap(sqlite3_file *file, int remove)
{
    return REAL(file)->pMethods->xShmUnmap(REAL(file), remove);
}

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct fault_file *mine = (struct fault_file *)file;
    mine->base.pMethods = NULL;
    mine->main = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    mine->real = sqlite3_malloc(fault_real->szOsFile);
    memset(mine->real, 0, (size_t)fault_real->szOsFile);
    int code = fault_real->xOpen(fault_real, name, mine->real, flags, out);
    if (code != SQLITE_OK) {
        sqlite3_free(mine->real);
        return code;
    }
    mine->methods = (sqlite3_io_methods){
        .iVersion = 2,
        .xClose = fault_close,
        .xRead = fault_read,
        .xWrite = fault_write,
        .xTruncate = fault_truncate,
        .xSync = fault_sync,
        .xFileSize = fault_size,
        .xLock = fault_lock,
        .xUnlock = fault_unlock,
        .xCheckReservedLock = fault_check_lock,
        .xFileControl = fault_control,
        .xSectorSize = fault_sector,
        .xDeviceCharacteristics = fault_character,
        .xShmMap = fault_shm_map,
        .xShmLock = fault_shm_lock,
        .xShmBarrier = fault_shm_barrier,
        .xShmUnmap = fault_shm_unmap,
    };
    mine->base.pMethods = &mine->methods;
    return SQLITE_OK;
}

static int install_vfs(void **state)
{
    static sqlite3_vfs vfs;
    fault_real = sqlite3_vfs_find(NULL);
    vfs = *fault_real;
    vfs.zName = "fault";
    vfs.szOsFile = sizeof(struct fault_file);
    vfs.xOpen = fault_open;
    return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK ? 0 : -1;
}

/* ---- what must hold
 * ------------------------------------------------------------------------------------------- */

struct count {
    uint64_t events, last;
    bool gap;
};

static int count_event(void *arg, const struct event *event)
{
    struct count *count = arg;
    count->gap = count->gap || event->seq != count->last + 1;
    count->last = event->seq;
    count->events++;
    return 0;
}

static int count_record(void *arg, const struct record *record)
{
    (*(int *)arg)++;
    return 0;
}

/* Gapless events up to last, a whole audit trail of audits rows, as many runs. */
static void check_content(struct rig *rig, uint64_t last, uint64_t audits)
{
    struct store_reader *reader = rig_reader(rig);
    struct nsh_error error = {.code = 0};
    struct count count = {.last = 1};
    for (uint64_t before = 0; count.last != before;) { /* A page after the other. */
        before = count.last;
        struct store_events page = {.after_seq = before, .limit = 100000};
        assert_int_equal(store_events(reader, &page, count_event, &count, &error), 0);
    }
    assert_int_equal(count.last, last);
    assert_false(count.gap);
    uint64_t rows = 0;
    char head[65];
    if (store_audit_verify(reader, &rows, head, &error) < 0) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(rows, audits);
    int runs = 0;
    struct store_query query = {.kind = RECORD_RUN, .limit = 100000};
    assert_int_equal(store_query(reader, &query, count_record, &runs, &error), 0);
    assert_int_equal(runs, audits);
    store_reader_close(reader);
}

static void add_work(struct rig *rig, int number)
{
    char id[24];
    for (int i = 0; i < 40; i++) {
        rig_add_event(rig, "power.failed", "h1", 1000 + number);
    }
    snprintf(id, sizeof id, "run-%d", number);
    rig_add_record(rig, RECORD_RUN, id, true, "running", 1000 + number, "{\"v\":1}");
}

/*
 * Let the Nth operation fail (and all after it, until the fault is over), while a batch is being
 * written: it must not be reported before the fault is over, and must be there afterwards, once.
 */
static void sweep(enum fault_kind kind, enum store_health expected, const char *words)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    uint64_t batches = 0;
    int recovered = 0;
    for (int n = 0; n < 12; n++) {
        add_work(&rig, (int)batches++);
        uint64_t number = store_batch_number(rig.store);
        fault_set(kind, n);
        assert_true(store_submit(rig.store));
        assert_true(rig_news(&rig, RIG_WAIT_MS));
        if (rig.done.batch == number) { /* It took fewer operations than n. */
            fault_set(FAULT_NONE, 0);
            break;
        }
        assert_true(fault.failed > 0);
        assert_int_equal(rig.done.health, expected);
        assert_int_equal(rig.done.batch, number - 1);
        if (strstr(rig.done.text, words) == NULL) {
            fail_msg("'%s' does not say '%s'", rig.done.text, words);
        }
        add_work(&rig, (int)batches++); /* The next one collects meanwhile. */
        assert_false(store_submit(rig.store));
        fault_set(FAULT_NONE, 0);
        rig_wait_batch(&rig, number);
        assert_int_equal(rig.done.health, STORE_OK);
        assert_string_equal(rig.done.text, "");
        rig_commit(&rig);
        check_content(&rig, batches * 40, batches);
        recovered++;
    }
    assert_true(recovered >= 1);
    rig_close(&rig);
    rig_open(&rig);
    assert_int_equal(store_next_seq(rig.store), batches * 40 + 1);
    check_content(&rig, batches * 40, batches);
    rig_done(&rig);
}

static void test_full_disk(void **state)
{
    sweep(FAULT_FULL, STORE_FULL, "disk full: ");
}

static void test_torn_writes(void **state)
{
    sweep(FAULT_WRITE, STORE_FAILING, "check the disk");
}

static void test_failing_syncs(void **state)
{
    sweep(FAULT_SYNC, STORE_FAILING, "s.db: ");
}

static void test_read_only(void **state)
{
    sweep(FAULT_READONLY, STORE_FAILING, "store failing: ");
}

/* A fault that stays: the health stays, retries do not help and do no harm, the collecting batch is
 * bounded. */
static void test_a_fault_that_stays(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    add_work(&rig, 0);
    rig_commit(&rig);
    fault_set(FAULT_FULL, 0);
    add_work(&rig, 1);
    uint64_t number = store_batch_number(rig.store);
    assert_true(store_submit(rig.store));
    rig_wait_health(&rig, STORE_FULL);
    int tries = fault.failed;
    while (fault.failed < tries + 2) { /* Two more tries, a second apart, and no news from them. */
        assert_false(rig_news(&rig, 300));
    }
    assert_int_equal(rig.done.batch, number - 1);
    check_content(&rig, 40, 1); /* Readers go on. */
    fault_set(FAULT_NONE, 0);
    rig_wait_batch(&rig, number);
    check_content(&rig, 80, 2);
    rig_done(&rig);
}

/* Closing while ill gives up; what was durable is there, what was not was never reported. */
static void test_close_while_ill(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    add_work(&rig, 0);
    rig_commit(&rig);
    fault_set(FAULT_SYNC, 0);
    add_work(&rig, 1);
    assert_true(store_submit(rig.store));
    rig_wait_health(&rig, STORE_FAILING);
    rig_close(&rig);
    fault_set(FAULT_NONE, 0);
    rig_open(&rig);
    assert_in_range(store_next_seq(rig.store), 41, 81);
    rig_done(&rig);
}

/* A failing checkpoint is no failing commit: the log holds everything. */
static void test_failing_checkpoint_loses_nothing(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    fault_set(FAULT_FILE, 0);
    int batches = 0;
    while (fault.failed < 3) { /* The log grows until checkpoints are tried. */
        for (int k = 0; k < 4000; k++) {
            rig_add_event(&rig, "power.failed", "h1", 1000);
        }
        rig_commit(&rig);
        assert_int_equal(rig.done.health, STORE_OK);
        assert_true(++batches < 150); /* Its thread gets its turn some time. */
    }
    fault_set(FAULT_NONE, 0);
    rig_add_event(&rig, "power.failed", "h1", 1000);
    rig_commit(&rig);
    check_content(&rig, (uint64_t)batches * 4000 + 1, 0);
    rig_done(&rig);
}

/* A commit beside a checkpoint waits for a step of it, not for all: many syncs, each of little. */
static void test_checkpoint_in_steps(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    fault_set(FAULT_FILE, INT32_MAX); /* It counts. */
    int batches = 0;
    while (fault.seen < 64) { /* In one go it would be one for each round. */
        for (int k = 0; k < 4000; k++) {
            rig_add_event(&rig, "power.failed", "h1", 1000);
        }
        rig_commit(&rig);
        assert_true(++batches < 150);
    }
    fault_set(FAULT_NONE, 0);
    check_content(&rig, (uint64_t)batches * 4000, 0);
    rig_done(&rig);
}

/* The file is taken away under the daemon: no event may be reported durable in a file without a
 * name. */
static void test_moved_file(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    add_work(&rig, 0);
    rig_commit(&rig);
    char moved[128];
    snprintf(moved, sizeof moved, "%s.away", rig.path);
    assert_int_equal(rename(rig.path, moved), 0);
    add_work(&rig, 1);
    uint64_t number = store_batch_number(rig.store);
    assert_true(store_submit(rig.store));
    rig_wait_health(&rig, STORE_FAILING);
    assert_int_equal(rig.done.batch, number - 1);
    assert_int_equal(rename(moved, rig.path), 0);
    rig_wait_batch(&rig, number);
    check_content(&rig, 80, 2);
    rig_done(&rig);
}

/* A real file system without room, where the test may mount one. */
static void test_tmpfs_without_room(void **state)
{
    struct rig rig;
    char mount_point[] = "/tmp/ns-full-XXXXXX";
    assert_non_null(mkdtemp(mount_point));
    if (mount("tmpfs", mount_point, "tmpfs", 0, "size=4m") != 0) {
        rmdir(mount_point);
        skip();
    }
    rig_init_in(&rig, mount_point);
    char ballast[128];
    snprintf(ballast, sizeof ballast, "%s/ballast", mount_point);
    int fd = open(ballast, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    rig_open(&rig);
    add_work(&rig, 0);
    rig_commit(&rig);
    char *zeros = calloc(1, 1 << 16);
    while (write(fd, zeros, 1 << 16) > 0) {
    }
    while (write(fd, zeros, 512) > 0) {
    }
    uint64_t batches = 1;
    do {
        add_work(&rig, (int)batches++);
        assert_true(store_submit(rig.store));
        assert_true(rig_news(&rig, RIG_WAIT_MS));
    } while (rig.done.health == STORE_OK);
    assert_int_equal(rig.done.health, STORE_FULL);
    assert_non_null(strstr(rig.done.text, "free space"));
    assert_int_equal(unlink(ballast), 0);
    close(fd);
    rig_wait_batch(&rig, batches);
    check_content(&rig, batches * 40, batches);
    rig_done(&rig);
    free(zeros);
    umount(mount_point);
    rmdir(mount_point);
}

static int no_fault(void **state)
{
    fault_set(FAULT_NONE, 0);
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, no_fault)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_full_disk),
        TEST(test_torn_writes),
        TEST(test_failing_syncs),
        TEST(test_read_only),
        TEST(test_a_fault_that_stays),
        TEST(test_close_while_ill),
        TEST(test_failing_checkpoint_loses_nothing),
        TEST(test_checkpoint_in_steps),
        TEST(test_moved_file),
        TEST(test_tmpfs_without_room),
    };
    return cmocka_run_group_tests(tests, install_vfs, NULL);
}
