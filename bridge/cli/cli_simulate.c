/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simulate: faults that happened, on hosts of a simulated world, with a set of policies awake: what
 * would have been repaired without a person, what was refused and why, and whether anything was
 * done that should not have been. Nothing real is touched.
 */

#include "cli_local.h"

#include "base/json.h"
#include "fleet/fleet.h"
#include "sim/sim_trace.h"

#include <stdlib.h>
#include <time.h>

#define DAY_MS 86400000.0
#define HEARD_WORD 1
#define HEARD_PERSON 3

struct group {
    const char *class_, *desc;
    size_t count, repaired, escalated, told, untouched;
    double nothing_ms, simulated_ms;
};

struct simulation {
    struct cli *cli;
    struct sim_trace trace;
    struct inventory *inventory;
    struct policy_set *policies;
    struct sim_fault *faults;
    struct sim_outcome *outcomes;
    unsigned char *told;       /* What people heard of it: HEARD_. */
    struct map guards;         /* Name of a guard -> how often it stood in the way. */
    struct map outcome_counts; /* "run", "held" ... of decisions */
    struct sim_report report;
    struct arena scratch;
    uint64_t escalated, runs;
    double seconds;
};

/* ---- what the engine writes --------------------------------------------------------------------
 */

static void count_up(struct simulation *simulation, struct map *map, const char *name)
{
    uintptr_t count = (uintptr_t)map_get(map, text_of(name));
    struct text key = arena_text(&simulation->cli->arena, text_of(name));
    if (key.at != NULL) {
        (void)map_set(map, key, (void *)(count + 1)); /* Only a figure for people. */
    }
}

static void decision_take(struct simulation *simulation, const struct record *record)
{
    struct nsh_value body;
    arena_reset(&simulation->scratch);
    if (json_parse(record->body.at, record->body.count, &simulation->scratch, &body, NULL) < 0) {
        return;
    }
    const char *outcome = nsh_get_text(&body, "outcome", "");
    count_up(simulation, &simulation->outcome_counts, outcome);
    const struct nsh_value *guards = nsh_get(&body, "guards");
    for (uint32_t i = 0; guards != NULL && guards->type == NSH_LIST && i < guards->count; i++) {
        if (strcmp(nsh_get_text(&guards->items[i], "result", ""), "block") == 0) {
            count_up(simulation, &simulation->guards, nsh_get_text(&guards->items[i], "name", ""));
        }
    }
}

/* A run that ended: whose trouble was it? */
static void run_take(struct simulation *simulation, const struct record *record)
{
    if (record->live) {
        return;
    }
    bool escalated = text_is(record->state, "escalated") || text_is(record->state, "refused");
    simulation->runs++;
    simulation->escalated += escalated;
    const struct host *host = inventory_host(simulation->inventory, record->host);
    for (size_t i = 0; host != NULL && i < simulation->trace.items_count; i++) {
        const struct sim_fault *fault = &simulation->faults[i];
        int64_t at_ms = record->time_ms - SIM_EPOCH_MS;
        if (fault->host == host->index && fault->at_ms <= at_ms &&
            at_ms <= fault->at_ms + fault->lasting_ms) {
            simulation->told[i] =
                (unsigned char)(escalated ? HEARD_PERSON : simulation->told[i] | HEARD_WORD);
        }
    }
}

static void record_take(void *arg, const struct record *record)
{
    if (record->kind == RECORD_DECISION) {
        decision_take(arg, record);
    } else if (record->kind == RECORD_RUN) {
        run_take(arg, record);
    }
}

/* ---- getting ready -----------------------------------------------------------------------------
 */

static enum cli_exit trace_get(struct simulation *simulation, const char *path)
{
    struct diags diags = {0};
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL) {
        return cli_fail(CLI_USAGE, "cannot read %s", path);
    }
    int result = sim_trace_read(file, path, &simulation->trace, &diags);
    if (file != stdin) {
        fclose(file);
    }
    if (result < 0) {
        cli_diags_show(simulation->cli, &diags);
    }
    diags_done(&diags);
    return result == 0 ? CLI_OK : CLI_NO;
}

static enum cli_exit inventory_get(struct simulation *simulation)
{
    struct diags diags = {0};
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    const char *path = simulation->cli->flags.inventory;
    if (path != NULL) {
        simulation->inventory = fleet_load(path, &diags);
    } else {
        sim_trace_inventory(&simulation->trace, &text);
        struct conf *root =
            text.failed ? NULL : conf_read_text("trace", text.at, &simulation->cli->arena, &diags);
        simulation->inventory = root == NULL ? NULL : fleet_load_conf(root, &diags);
    }
    int result = simulation->inventory == NULL
                     ? -NSH_INVALID
                     : sim_trace_faults(&simulation->trace, simulation->inventory,
                                        simulation->cli->flags.faults, &simulation->faults, &diags);
    if (result < 0) {
        cli_diags_show(simulation->cli, &diags);
    }
    diags_done(&diags);
    return result == 0 ? CLI_OK : CLI_NO;
}

static enum cli_exit policies_get(struct simulation *simulation)
{
    struct policy_defaults defaults;
    struct diags diags = {0};
    const struct cli *cli = simulation->cli;
    if (cli_site_defaults(simulation->cli, &defaults) != CLI_OK) {
        return CLI_NO;
    }
    const char *path =
        cli->flags.policies != NULL ? cli->flags.policies : NS_CONFIG_DIR "/policies";
    simulation->policies = policy_load(path, &defaults, NULL, 0, &diags);
    if (simulation->policies == NULL) {
        cli_diags_show(cli, &diags);
    } else if (cli->flags.enforce != NULL) {
        policy_set_mode(simulation->policies, POLICY_ENFORCE);
    }
    diags_done(&diags);
    return simulation->policies == NULL ? CLI_NO : CLI_OK;
}

static enum cli_exit world_run(struct simulation *simulation)
{
    int64_t seed = 1;
    const char *wanted = simulation->cli->flags.seed;
    if (wanted != NULL && (!text_to_int(text_of(wanted), &seed) || seed < 0)) {
        return cli_fail(CLI_USAGE, "--seed wants a number, got %s", wanted);
    }
    size_t count = simulation->trace.items_count;
    simulation->outcomes = calloc(count + 1, sizeof simulation->outcomes[0]);
    simulation->told = calloc(count + 1, sizeof simulation->told[0]);
    if (simulation->outcomes == NULL || simulation->told == NULL) {
        return cli_fail(CLI_NO, "out of memory");
    }
    struct sim_options options = {
        .seed = (uint64_t)seed,
        .inventory = simulation->inventory,
        .policies = simulation->policies,
        .duration_ms = (int64_t)(simulation->trace.last_days * DAY_MS),
        .faults = simulation->faults,
        .faults_count = count,
        .outcomes = simulation->outcomes,
        .once = true,
        .record = record_take,
        .arg = simulation,
    };
    clock_t start = clock();
    (void)sim_run(&options, &simulation->report, NULL); /* The report says what must not happen. */
    simulation->seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    return CLI_OK;
}

/* ---- figures -----------------------------------------------------------------------------------
 */

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return count == 0 ? 0 : values[count / 2];
}

static struct group *group_of(struct group *groups, size_t *count, const struct sim_traced *item)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(groups[i].class_, item->class_) == 0 &&
            strcmp(groups[i].desc, item->desc) == 0) {
            return &groups[i];
        }
    }
    groups[*count] = (struct group){.class_ = item->class_, .desc = item->desc};
    return &groups[(*count)++];
}

static double recovered_ms(const struct simulation *simulation, size_t i)
{
    int64_t ms = simulation->outcomes[i].recovered_ms;
    int64_t lasting_ms = simulation->faults[i].lasting_ms;
    return (double)(ms < 0 || ms > lasting_ms ? lasting_ms : ms);
}

static void group_take(const struct simulation *simulation, struct group *group, size_t i)
{
    bool repaired = simulation->outcomes[i].by_engine;
    group->count++;
    group->repaired += repaired;
    group->escalated += !repaired && simulation->told[i] == HEARD_PERSON;
    group->told += !repaired && simulation->told[i] == HEARD_WORD;
    group->untouched += !repaired && simulation->told[i] == 0;
    group->nothing_ms += (double)simulation->faults[i].lasting_ms;
    group->simulated_ms += recovered_ms(simulation, i);
}

static struct nsh_value counts_value(struct cli *cli, const struct map *map)
{
    struct nsh_member *members = arena_array(&cli->arena, map->count + 1, sizeof *members);
    size_t count = 0;
    MAP_EACH (map, entry) {
        if (members != NULL) {
            members[count++] =
                (struct nsh_member){entry->key.at, nsh_int((int64_t)(uintptr_t)entry->value)};
        }
    }
    return nsh_map(members, count);
}

static struct nsh_value group_value(struct cli *cli, const struct group *group)
{
    struct nsh_member members[] = {
        {"class", nsh_text(group->class_)},
        {"desc", nsh_text(group->desc)},
        {"faults", nsh_int((int64_t)group->count)},
        {"repaired", nsh_int((int64_t)group->repaired)},
        {"escalated", nsh_int((int64_t)group->escalated)},
        {"told", nsh_int((int64_t)group->told)},
        {"untouched", nsh_int((int64_t)group->untouched)},
        {"mean_nothing_ms", nsh_int((int64_t)(group->nothing_ms / (double)group->count))},
        {"mean_ms", nsh_int((int64_t)(group->simulated_ms / (double)group->count))},
    };
    struct nsh_value map = nsh_map(members, sizeof members / sizeof members[0]);
    struct nsh_value copy = nsh_null();
    (void)arena_value(&cli->arena, &map, &copy);
    return copy;
}

struct sums {
    struct group all;
    double median_nothing_ms, median_ms;
};

static struct sums sums_of(const struct simulation *simulation, double *values)
{
    struct sums sums = {0};
    size_t count = simulation->trace.items_count;
    for (size_t i = 0; i < count; i++) {
        group_take(simulation, &sums.all, i);
        values[i] = (double)simulation->faults[i].lasting_ms;
    }
    sums.median_nothing_ms = median(values, count);
    for (size_t i = 0; i < count; i++) {
        values[i] = recovered_ms(simulation, i);
    }
    sums.median_ms = median(values, count);
    return sums;
}

/* ---- showing -----------------------------------------------------------------------------------
 */

static const struct cli_column group_columns[] = {
    {"CLASS", "class", CLI_PLAIN, 24},
    {"FAULT", "desc", CLI_PLAIN, 40},
    {"COUNT", "faults", CLI_PLAIN, 0},
    {"REPAIRED", "repaired", CLI_PLAIN, 0},
    {"ESCALATED", "escalated", CLI_PLAIN, 0},
    {"TOLD", "told", CLI_PLAIN, 0},
    {"UNTOUCHED", "untouched", CLI_PLAIN, 0},
    {"MEAN, NOTHING DONE", "mean_nothing_ms", CLI_LENGTH, 0},
    {"MEAN", "mean_ms", CLI_LENGTH, 0},
    {0},
};

static void counts_print(const char *first, const struct map *map)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    MAP_EACH (map, entry) {
        textbuf_addf(&text, "%s%.*s %zu", text.count == 0 ? "" : ", ", (int)entry->key.count,
                     entry->key.at, (size_t)(uintptr_t)entry->value);
    }
    cli_print_line("%s%s", first, text.count == 0 ? "none" : text.at);
}

static void length_print(const char *first, double before_ms, double after_ms)
{
    CLEANUP(textbuf_donep) struct textbuf before = {0}, after = {0};
    cli_length((int64_t)before_ms, &before);
    cli_length((int64_t)after_ms, &after);
    cli_print_line("%s%s with nothing done, %s simulated", first, before.at, after.at);
}

static void summary_print(const struct simulation *simulation, const struct sums *sums)
{
    const struct sim_report *report = &simulation->report;
    double count = (double)sums->all.count;
    fputc('\n', stdout);
    cli_print_line("repaired without a person  %zu of %zu faults", sums->all.repaired,
                   sums->all.count);
    cli_print_line("escalated to a person      %zu", sums->all.escalated);
    cli_print_line("told: notice, ticket       %zu", sums->all.told);
    cli_print_line("left alone                 %zu", sums->all.untouched);
    cli_print_line("interrupting actions       %llu", (unsigned long long)report->orders);
    cli_print_line("wrong actions              %llu", (unsigned long long)report->wrong);
    counts_print("decisions                  ", &simulation->outcome_counts);
    counts_print("stopped by guard           ", &simulation->guards);
    length_print("median to recovery         ", sums->median_nothing_ms, sums->median_ms);
    length_print("mean to recovery           ", sums->all.nothing_ms / count,
                 sums->all.simulated_ms / count);
    cli_print_line("node-days lost             %.1f with nothing done, %.1f simulated",
                   sums->all.nothing_ms / DAY_MS, sums->all.simulated_ms / DAY_MS);
    if (report->violation[0] != '\0') {
        cli_print_line("must not happen            %s", report->violation);
    }
}

static void document_print(const struct simulation *simulation, const struct sums *sums,
                           const struct nsh_value *items, size_t count)
{
    struct cli *cli = simulation->cli;
    const struct sim_report *report = &simulation->report;
    struct nsh_member members[] = {
        {"apiVersion", nsh_text("nightshift/v1")},
        {"kind", nsh_text("Simulation")},
        {"hosts", nsh_int((int64_t)simulation->inventory->hosts_count)},
        {"policies", nsh_int((int64_t)simulation->policies->policies_count)},
        {"days", nsh_double(simulation->trace.last_days)},
        {"faults", nsh_int((int64_t)sums->all.count)},
        {"repaired", nsh_int((int64_t)sums->all.repaired)},
        {"escalated", nsh_int((int64_t)sums->all.escalated)},
        {"told", nsh_int((int64_t)sums->all.told)},
        {"untouched", nsh_int((int64_t)sums->all.untouched)},
        {"actions", nsh_int((int64_t)report->orders)},
        {"wrong_actions", nsh_int((int64_t)report->wrong)},
        {"pages", nsh_int((int64_t)report->pages)},
        {"runs", nsh_int((int64_t)simulation->runs)},
        {"runs_escalated", nsh_int((int64_t)simulation->escalated)},
        {"decisions", counts_value(cli, &simulation->outcome_counts)},
        {"guards", counts_value(cli, &simulation->guards)},
        {"median_nothing_ms", nsh_int((int64_t)sums->median_nothing_ms)},
        {"median_ms", nsh_int((int64_t)sums->median_ms)},
        {"mean_nothing_ms", nsh_int((int64_t)(sums->all.nothing_ms / (double)sums->all.count))},
        {"mean_ms", nsh_int((int64_t)(sums->all.simulated_ms / (double)sums->all.count))},
        {"node_days_nothing", nsh_double(sums->all.nothing_ms / DAY_MS)},
        {"node_days", nsh_double(sums->all.simulated_ms / DAY_MS)},
        {"violation", nsh_text(report->violation)},
        {"items", nsh_list(items, count)},
    };
    struct nsh_value document = nsh_map(members, sizeof members / sizeof members[0]);
    cli_print_list(cli, &document, group_columns, "kinds of faults");
    if (cli->output == CLI_TABLE) {
        summary_print(simulation, sums);
    }
}

static void notes_print(const struct simulation *simulation)
{
    const struct sim_trace *trace = &simulation->trace;
    const struct cli *cli = simulation->cli;
    if (cli->flags.quiet != NULL) {
        return;
    }
    fflush(stdout);
    if (cli->flags.inventory == NULL) {
        fprintf(stderr,
                "nightshift: no --inventory: %zu hosts as the trace names them, in racks "
                "of eight\n",
                simulation->inventory->hosts_count);
    }
    if (trace->repeated + trace->beginless + trace->endless > 0) {
        fprintf(stderr,
                "nightshift: %llu faults began twice, %llu ended that never began, %llu never "
                "ended\n",
                (unsigned long long)trace->repeated, (unsigned long long)trace->beginless,
                (unsigned long long)trace->endless);
    }
    if (cli->flags.verbose != NULL) {
        double years = trace->last_days / 365;
        fprintf(stderr, "%llu steps in %.3f s of the processor: %.1f simulated years a second\n",
                (unsigned long long)simulation->report.steps, simulation->seconds,
                simulation->seconds > 0 ? years / simulation->seconds : 0);
    }
    fputs("What heals what is assumed by kind of fault, unless the trace says it. Nothing was "
          "done.\n",
          stderr);
}

static enum cli_exit report_show(struct simulation *simulation)
{
    struct cli *cli = simulation->cli;
    size_t count = simulation->trace.items_count, groups_count = 0;
    struct group *groups = arena_array(&cli->arena, count + 1, sizeof *groups);
    struct nsh_value *items = arena_array(&cli->arena, count + 1, sizeof *items);
    double *values = arena_array(&cli->arena, count + 1, sizeof *values);
    if (groups == NULL || items == NULL || values == NULL) {
        return cli_fail(CLI_NO, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        const struct sim_traced *item = &simulation->trace.items[i];
        group_take(simulation, group_of(groups, &groups_count, item), i);
    }
    for (size_t i = 0; i < groups_count; i++) {
        items[i] = group_value(cli, &groups[i]);
    }
    struct sums sums = sums_of(simulation, values);
    document_print(simulation, &sums, items, groups_count);
    notes_print(simulation);
    bool good = simulation->report.violation[0] == '\0' && simulation->report.wrong == 0;
    return good ? CLI_OK : CLI_NO;
}

static void simulation_done(struct simulation *simulation)
{
    map_done(&simulation->guards);
    map_done(&simulation->outcome_counts);
    policy_set_free(simulation->policies);
    inventory_free(simulation->inventory);
    free(simulation->faults);
    free(simulation->outcomes);
    free(simulation->told);
    sim_trace_done(&simulation->trace);
    arena_done(&simulation->scratch);
}

enum cli_exit cli_simulate(struct cli *cli)
{
    struct simulation simulation = {.cli = cli};
    if (cli->flags.faults == NULL) {
        return cli_fail(CLI_USAGE, "simulate wants --faults FILE, a trace of faults");
    }
    enum cli_exit result = trace_get(&simulation, cli->flags.faults);
    result = result == CLI_OK ? inventory_get(&simulation) : result;
    result = result == CLI_OK ? policies_get(&simulation) : result;
    result = result == CLI_OK ? world_run(&simulation) : result;
    result = result == CLI_OK ? report_show(&simulation) : result;
    simulation_done(&simulation);
    return result;
}
