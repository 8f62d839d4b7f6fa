/* SPDX-License-Identifier: Apache-2.0 */
/* policy test: every NAME.test of the paths, without a daemon; nothing real is touched. */

#include "cli_local.h"

#include "rehearse/rehearse.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define TEST_FILES_MAX 20000 /* As many as policies. */
#define TRACE_LINES_MAX 60

struct policy_test {
    struct cli *cli;
    struct policy_defaults defaults;
    struct coverage coverage;
    const char *files[TEST_FILES_MAX];
    size_t files_count;
    size_t tests_count, failed_count, wrong_count; /* wrong: files that cannot be read. */
    uint64_t steps;
    struct textbuf items; /* JSON, when wanted. */
    bool json;
    struct cli_recorded recorded[REHEARSE_TESTS_MAX]; /* Of the file that is run. */
    size_t recorded_count;
    bool lenient; /* A policy without tests is none of its business. */
};

/* ---- which files ------------------------------------------------------------------------------
 */

static bool file_add(struct policy_test *test, const char *path)
{
    if (path == NULL || test->files_count >= TEST_FILES_MAX) {
        return false;
    }
    test->files[test->files_count++] = path;
    return true;
}

static bool ends_with(const char *name, const char *end)
{
    size_t count = strlen(name), end_count = strlen(end);
    return count > end_count && strcmp(name + count - end_count, end) == 0;
}

static int is_test(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && ends_with(entry->d_name, ".test");
}

static enum cli_exit folder_add(struct policy_test *test, const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_test, alphasort);
    if (count < 0) {
        return cli_fail(CLI_USAGE, "cannot read %s", path);
    }
    bool added = true;
    size_t length = strlen(path);
    const char *slash = length > 0 && path[length - 1] == '/' ? "" : "/";
    for (int i = 0; i < count; i++) {
        added = file_add(test, arena_printf(&test->cli->arena, "%s%s%s", path, slash,
                                            entries[i]->d_name)) &&
                added;
        free(entries[i]);
    }
    free(entries);
    return added ? CLI_OK : cli_fail(CLI_USAGE, "more than %d files", TEST_FILES_MAX);
}

/* NAME.policy means NAME.test: what is beside it. */
static enum cli_exit path_add(struct policy_test *test, const char *path)
{
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return folder_add(test, path);
    }
    if (ends_with(path, ".policy")) {
        path = arena_printf(&test->cli->arena, "%.*s.test", (int)(strlen(path) - 7), path);
    }
    if (test->lenient && path != NULL && stat(path, &info) != 0) {
        return CLI_OK;
    }
    if (path == NULL || stat(path, &info) != 0) {
        return cli_fail(CLI_USAGE, "no file %s", path == NULL ? "" : path);
    }
    return file_add(test, path) ? CLI_OK : cli_fail(CLI_USAGE, "too many files");
}

/* ---- telling ----------------------------------------------------------------------------------
 */

static void trace_show(const char *trace)
{
    unsigned lines = 0;
    fputs("what happened:\n", stderr);
    for (const char *at = trace; at != NULL && *at != 0 && lines < TRACE_LINES_MAX; lines++) {
        size_t count = strcspn(at, "\n");
        CLEANUP(textbuf_donep) struct textbuf safe = {0};
        textbuf_add_safe(&safe, (struct text){at, (uint32_t)count});
        fprintf(stderr, "%s\n", safe.at == NULL ? "" : safe.at);
        at += count + (at[count] == '\n');
    }
    if (lines == TRACE_LINES_MAX) {
        fputs("            ... and more\n", stderr);
    }
}

static void item_json(struct policy_test *test, const char *file, const struct rehearsal_test *one,
                      const struct diags *diags)
{
    struct textbuf *out = &test->items;
    textbuf_add_chars(out, out->count > 0 ? ",{\"file\":" : "{\"file\":");
    textbuf_add_json(out, text_of(file));
    if (one != NULL) {
        textbuf_add_chars(out, ",\"name\":");
        textbuf_add_json(out, text_of(one->name));
        textbuf_addf(out, ",\"line\":%u,\"steps\":%llu", one->at.line,
                     (unsigned long long)one->steps);
    }
    bool failed = one == NULL || one->failed;
    textbuf_addf(out, ",\"result\":\"%s\"", failed ? "failed" : "passed");
    if (failed && one != NULL) {
        textbuf_add_chars(out, ",\"trace\":");
        textbuf_add_json(out, text_of(one->trace == NULL ? "" : one->trace));
    }
    textbuf_add_chars(out, ",\"diagnostics\":[");
    for (size_t i = 0; i < diags->count; i++) {
        textbuf_add_chars(out, i > 0 ? "," : "");
        cli_diag_json(out, &diags->items[i]);
    }
    textbuf_add_chars(out, "]}");
}

static enum cli_exit test_run(struct policy_test *test, const char *file,
                              struct rehearsal *rehearsal, size_t index)
{
    struct diags diags = {0};
    struct nsh_error err = {0};
    struct rehearsal_test one;
    if (rehearsal_run(rehearsal, index, &test->coverage, &diags, &one, &err) < 0) {
        diags_done(&diags);
        return cli_fail(CLI_NO, "%s", err.text);
    }
    test->tests_count++;
    test->failed_count += one.failed;
    test->steps += one.steps;
    if (one.recorded != NULL && test->recorded_count < REHEARSE_TESTS_MAX) {
        test->recorded[test->recorded_count++] =
            (struct cli_recorded){one.at, arena_printf(&test->cli->arena, "%s", one.recorded)};
    }
    if (test->json) {
        item_json(test, file, &one, &diags);
    } else if (one.failed) {
        fprintf(stderr, "FAILED %s: %s\n", file, one.name);
        cli_diags_show(test->cli, &diags);
        trace_show(one.trace);
        fputc('\n', stderr);
    }
    diags_done(&diags);
    return CLI_OK;
}

static enum cli_exit file_run(struct policy_test *test, const char *file)
{
    struct diags diags = {0};
    bool records = test->cli->flags.record != NULL;
    struct rehearsal *rehearsal =
        (records ? rehearsal_read_to_record : rehearsal_read)(file, &test->defaults, &diags);
    test->recorded_count = 0;
    if (rehearsal == NULL) {
        test->wrong_count++;
        if (test->json) {
            item_json(test, file, NULL, &diags);
        } else {
            cli_diags_show(test->cli, &diags);
        }
    }
    diags_done(&diags);
    enum cli_exit result = CLI_OK;
    for (size_t i = 0;
         rehearsal != NULL && result == CLI_OK && i < rehearsal_tests_count(rehearsal); i++) {
        result = test_run(test, file, rehearsal, i);
    }
    if (result == CLI_OK && test->recorded_count > 0) {
        result = cli_policy_record(test->cli, file, test->recorded, test->recorded_count);
    }
    rehearsal_free(rehearsal);
    return result;
}

static unsigned percent_taken(const struct policy_test *test)
{
    size_t all = test->coverage.branches.count;
    return all == 0 ? 100 : (unsigned)(test->coverage.taken_count * 100 / all);
}

static void coverage_json(struct textbuf *out, const struct coverage *coverage)
{
    bool first = true;
    textbuf_addf(out, "{\"branches\":%zu,\"taken\":%zu,\"never\":[", coverage->branches.count,
                 coverage->taken_count);
    MAP_EACH (&coverage->branches, entry) {
        const struct branch *branch = entry->value;
        if (!branch->taken) {
            textbuf_add_chars(out, first ? "{\"policy\":" : ",{\"policy\":");
            textbuf_add_json(out, text_of(branch->policy));
            textbuf_add_chars(out, ",\"branch\":");
            textbuf_add_json(out, text_of(branch->what));
            textbuf_addf(out, ",\"line\":%u}", branch->at.line);
            first = false;
        }
    }
    textbuf_add_chars(out, "]}");
}

/* Like a compiler, so that an editor jumps there. */
static void coverage_show(const struct coverage *coverage)
{
    MAP_EACH (&coverage->branches, entry) {
        const struct branch *branch = entry->value;
        if (!branch->taken) {
            fprintf(stderr, "%s:%u:%u: note: no test takes this branch of %s: %s\n",
                    branch->at.file, branch->at.line, branch->at.column, branch->policy,
                    branch->what);
        }
    }
}

/* Of the processor: what else the machine does is left out. */
static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void result_show(struct policy_test *test, double seconds)
{
    struct cli *cli = test->cli;
    double rate = seconds > 0 ? (double)test->steps / seconds : 0;
    if (test->json) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        coverage_json(&out, &test->coverage);
        cli_print_line("{\"apiVersion\":\"nightshift/v1\",\"kind\":\"PolicyTest\",\"files\":%zu,"
                       "\"tests\":%zu,\"failed\":%zu,\"unreadable\":%zu,\"steps\":%llu,"
                       "\"seconds\":%.3f,\"coverage\":%s,\"items\":[%s]}",
                       test->files_count, test->tests_count, test->failed_count, test->wrong_count,
                       (unsigned long long)test->steps, seconds, out.at,
                       test->items.at == NULL ? "" : test->items.at);
        return;
    }
    coverage_show(&test->coverage);
    if (cli->flags.quiet != NULL) {
        return;
    }
    cli_print_line("%s, %zu failed; %zu of %zu branches taken (%u %%)",
                   cli_counted(cli, test->tests_count, "test", "tests"),
                   test->failed_count + test->wrong_count, test->coverage.taken_count,
                   test->coverage.branches.count, percent_taken(test));
    if (cli->flags.verbose != NULL) {
        cli_print_line("%llu steps of the engine in %.3f s of the processor: %.0f a second",
                       (unsigned long long)test->steps, seconds, rate);
    }
}

static enum cli_exit verdict(const struct policy_test *test)
{
    int64_t wanted = 0;
    if (test->failed_count + test->wrong_count > 0) {
        return CLI_NO;
    }
    if (test->cli->flags.coverage != NULL) {
        (void)text_to_int(text_of(test->cli->flags.coverage), &wanted); /* Checked before. */
        if ((int64_t)percent_taken(test) < wanted) {
            return cli_fail(CLI_NO, "%u %% of the branches were taken, --coverage wants %lld",
                            percent_taken(test), (long long)wanted);
        }
    }
    return CLI_OK;
}

static struct policy_test test; /* Large, and needed once. */

enum cli_exit cli_tests_run(struct cli *cli, struct coverage *coverage, size_t *ret_failed)
{
    test.cli = cli;
    test.lenient = true;
    test.coverage = *coverage;
    enum cli_exit result = cli_site_defaults(cli, &test.defaults);
    for (size_t i = 0; result == CLI_OK && i < cli->args_count; i++) {
        result = path_add(&test, cli->args[i]);
    }
    for (size_t i = 0; result == CLI_OK && i < test.files_count; i++) {
        result = file_run(&test, test.files[i]);
    }
    *coverage = test.coverage;
    *ret_failed = test.failed_count + test.wrong_count;
    return result;
}

enum cli_exit cli_policy_test(struct cli *cli)
{
    test.cli = cli;
    test.json = cli->output == CLI_JSON || cli->output == CLI_JSONL;
    int64_t wanted = 0;
    if (cli->flags.coverage != NULL &&
        (!text_to_int(text_of(cli->flags.coverage), &wanted) || wanted < 0 || wanted > 100)) {
        return cli_fail(CLI_USAGE, "--coverage wants 0 to 100, got %s", cli->flags.coverage);
    }
    if (cli_site_defaults(cli, &test.defaults) != CLI_OK) {
        return CLI_NO;
    }
    enum cli_exit result = CLI_OK;
    for (size_t i = 0; result == CLI_OK && i < cli->args_count; i++) {
        result = path_add(&test, cli->args[i]);
    }
    if (result == CLI_OK && test.files_count == 0) {
        result = cli_fail(CLI_USAGE, "no NAME.test there");
    }
    double start = seconds_now();
    for (size_t i = 0; result == CLI_OK && i < test.files_count; i++) {
        result = file_run(&test, test.files[i]);
    }
    if (result == CLI_OK) {
        result_show(&test, seconds_now() - start);
        result = verdict(&test);
    }
    coverage_done(&test.coverage);
    textbuf_done(&test.items);
    return result;
}
