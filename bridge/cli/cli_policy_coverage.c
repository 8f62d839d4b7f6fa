/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy coverage: what the tests of each policy make it do, and the places they never reach. A
 * policy without any test counts with all its branches.
 */

#include "cli_local.h"

#include <sys/stat.h>

#define POLICIES_SHOWN_MAX 20000

struct covered {
    const char *policy, *file;
    size_t branches, taken;
};

struct covering {
    struct cli *cli;
    struct coverage coverage;
    struct covered *items; /* In the order of the branches, which is that of the policies. */
    size_t count;
    struct map by_name; /* "FILE NAME" -> struct covered */
};

static const struct cli_column columns[] = {
    {"POLICY", "policy", CLI_PLAIN, 0}, {"BRANCHES", "branches", CLI_PLAIN, 0},
    {"TAKEN", "taken", CLI_PLAIN, 0},   {"COVERED", "covered", CLI_PLAIN, 0},
    {"FILE", "file", CLI_PLAIN, 60},    {0},
};

static bool is_tests(const char *path)
{
    size_t count = strlen(path);
    return count > 5 && strcmp(path + count - 5, ".test") == 0;
}

/* Also those that no file of tests names. */
static enum cli_exit policies_add(struct covering *covering, const char *path)
{
    struct diags diags = {0};
    struct policy_defaults defaults;
    if (cli_site_defaults(covering->cli, &defaults) != CLI_OK) {
        return CLI_NO;
    }
    struct policy_set *set = policy_load(path, &defaults, NULL, 0, &diags);
    if (set == NULL) {
        cli_diags_show(covering->cli, &diags);
    } else {
        coverage_policies(&covering->coverage, set);
    }
    diags_done(&diags);
    bool read = set != NULL;
    policy_set_free(set);
    return read ? CLI_OK : CLI_NO;
}

static struct covered *covered_of(struct covering *covering, const struct branch *branch)
{
    struct arena *arena = &covering->cli->arena;
    const char *key = arena_printf(arena, "%s %s", branch->at.file, branch->policy);
    struct covered *covered = key == NULL ? NULL : map_get(&covering->by_name, text_of(key));
    if (covered != NULL || key == NULL || covering->count == POLICIES_SHOWN_MAX) {
        return covered;
    }
    covered = &covering->items[covering->count];
    if (map_set(&covering->by_name, text_of(key), covered) < 0) {
        return NULL;
    }
    covering->count++;
    *covered = (struct covered){.policy = branch->policy, .file = branch->at.file};
    return covered;
}

static bool count_all(struct covering *covering)
{
    size_t room = covering->coverage.branches.count + 1;
    covering->items = arena_array(&covering->cli->arena, room, sizeof *covering->items);
    if (covering->items == NULL) {
        return false;
    }
    MAP_EACH (&covering->coverage.branches, entry) {
        const struct branch *branch = entry->value;
        struct covered *covered = covered_of(covering, branch);
        if (covered == NULL) {
            return false;
        }
        covered->branches++;
        covered->taken += branch->taken;
    }
    return true;
}

static unsigned percent(size_t taken, size_t branches)
{
    return branches == 0 ? 100 : (unsigned)(taken * 100 / branches);
}

/* ---- showing ----------------------------------------------------------------------------------
 */

static struct nsh_value never_value(struct covering *covering, const struct covered *covered)
{
    size_t room = covered->branches - covered->taken + 1, count = 0;
    struct nsh_value *items = arena_array(&covering->cli->arena, room, sizeof *items);
    MAP_EACH (&covering->coverage.branches, entry) {
        const struct branch *branch = entry->value;
        struct nsh_member *members = branch->taken ||
                                             strcmp(branch->policy, covered->policy) != 0 ||
                                             strcmp(branch->at.file, covered->file) != 0
                                         ? NULL
                                         : arena_array(&covering->cli->arena, 3, sizeof *members);
        if (items != NULL && members != NULL) {
            members[0] = (struct nsh_member){"line", nsh_int(branch->at.line)};
            members[1] = (struct nsh_member){"column", nsh_int(branch->at.column)};
            members[2] = (struct nsh_member){"branch", nsh_text(branch->what)};
            items[count++] = nsh_map(members, 3);
        }
    }
    return nsh_list(items, (uint32_t)count);
}

static struct nsh_value covered_value(struct covering *covering, const struct covered *covered)
{
    struct arena *arena = &covering->cli->arena;
    struct nsh_member *members = arena_array(arena, 6, sizeof *members);
    if (members == NULL) {
        return nsh_null();
    }
    unsigned part = percent(covered->taken, covered->branches);
    members[0] = (struct nsh_member){"policy", nsh_text(covered->policy)};
    members[1] = (struct nsh_member){"file", nsh_text(covered->file)};
    members[2] = (struct nsh_member){"branches", nsh_int((int64_t)covered->branches)};
    members[3] = (struct nsh_member){"taken", nsh_int((int64_t)covered->taken)};
    members[4] = (struct nsh_member){"covered", nsh_text(arena_printf(arena, "%u %%", part))};
    members[5] = (struct nsh_member){"never", never_value(covering, covered)};
    return nsh_map(members, 6);
}

/* Like a compiler, with the line itself: one set of notes for each policy. */
static void never_show(const struct covering *covering, const struct covered *covered)
{
    struct diags diags = {0};
    MAP_EACH (&covering->coverage.branches, entry) {
        const struct branch *branch = entry->value;
        if (!branch->taken && strcmp(branch->policy, covered->policy) == 0 &&
            strcmp(branch->at.file, covered->file) == 0) {
            diag_add(&diags, DIAG_WARNING, branch->at, NULL, "no test of %s: %s", branch->policy,
                     branch->what);
        }
    }
    cli_diags_show(covering->cli, &diags);
    if (diags.warnings_count > diags.count) {
        fprintf(stderr, "%s: %zu more\n", covered->file, diags.warnings_count - diags.count);
    }
    diags_done(&diags);
}

static enum cli_exit coverage_show(struct covering *covering)
{
    struct cli *cli = covering->cli;
    struct nsh_value *items = arena_array(&cli->arena, covering->count + 1, sizeof *items);
    if (items == NULL) {
        return cli_fail(CLI_NO, "out of memory");
    }
    for (size_t i = 0; i < covering->count; i++) {
        items[i] = covered_value(covering, &covering->items[i]);
    }
    const struct coverage *coverage = &covering->coverage;
    struct nsh_member members[] = {
        {"apiVersion", nsh_text("nightshift/v1")},
        {"kind", nsh_text("PolicyCoverage")},
        {"branches", nsh_int((int64_t)coverage->branches.count)},
        {"taken", nsh_int((int64_t)coverage->taken_count)},
        {"items", nsh_list(items, (uint32_t)covering->count)},
    };
    struct nsh_value document = nsh_map(members, 5);
    bool people = cli->output != CLI_JSON && cli->output != CLI_JSONL;
    cli_print_list(cli, &document, columns, "policies");
    fflush(stdout);
    for (size_t i = 0; people && cli->flags.quiet == NULL && i < covering->count; i++) {
        never_show(covering, &covering->items[i]);
    }
    return CLI_OK;
}

static enum cli_exit verdict(const struct covering *covering, size_t failed, int64_t wanted)
{
    unsigned part = percent(covering->coverage.taken_count, covering->coverage.branches.count);
    if (failed > 0) {
        return CLI_NO;
    }
    if ((int64_t)part < wanted) {
        return cli_fail(CLI_NO, "%zu of %zu branches are taken (%u %%), --coverage wants %lld %%",
                        covering->coverage.taken_count, covering->coverage.branches.count, part,
                        (long long)wanted);
    }
    return CLI_OK;
}

enum cli_exit cli_policy_coverage(struct cli *cli)
{
    struct covering covering = {.cli = cli};
    enum cli_exit result = CLI_OK;
    size_t failed = 0;
    int64_t wanted = 0;
    if (cli->flags.coverage != NULL &&
        (!text_to_int(text_of(cli->flags.coverage), &wanted) || wanted < 0 || wanted > 100)) {
        return cli_fail(CLI_USAGE, "--coverage wants 0 to 100, got %s", cli->flags.coverage);
    }
    for (size_t i = 0; result == CLI_OK && i < cli->args_count; i++) {
        result = is_tests(cli->args[i]) ? CLI_OK : policies_add(&covering, cli->args[i]);
    }
    result = result == CLI_OK ? cli_tests_run(cli, &covering.coverage, &failed) : result;
    if (result == CLI_OK && !count_all(&covering)) {
        result = cli_fail(CLI_NO, "out of memory");
    }
    result = result == CLI_OK ? coverage_show(&covering) : result;
    result = result == CLI_OK ? verdict(&covering, failed, wanted) : result;
    map_done(&covering.by_name);
    coverage_done(&covering.coverage);
    return result;
}
