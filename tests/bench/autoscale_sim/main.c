/* main.c - autoscale_sim: berth's autoscaler beside Knative's and Ray Serve's,
 * on a virtual clock. Without a trace it runs its synthetic cases. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"
#include "tests/bench/autoscale_sim/sim_cases.h"
#include "tests/bench/autoscale_sim/sim_policies.h"
#include "tests/bench/autoscale_sim/sim_report.h"
#include "tests/bench/autoscale_sim/sim_world.h"

#define POLICIES    3
#define STARTS_MOST 8

static const struct sim_policy *const policies[POLICIES] = {
    &sim_policy_berth, &sim_policy_knative, &sim_policy_ray};
static const double all_starts[] = {0.2, 3, 25};

struct options {
    const char *trace;
    const char *only; /* a case's name */
    const char *plot;
    struct sim_service_model model;
    struct sim_setup setup;
    double minutes;
    double speed;
    double starts[STARTS_MOST];
    uint32_t start_count; /* 0: those of the case */
    uint32_t seeds;
    uint32_t first_seed;
    bool as_json;
    bool is_brief;
    bool has_curve;
};

static const char usage[] =
    "usage: autoscale_sim [option …]\n"
    "Compares policies on synthetic cases, or on a trace.\n"
    "  --trace FILE        rows of TIMESTAMP,ContextTokens,GeneratedTokens\n"
    "  --minutes N         only the trace's first N minutes\n"
    "  --speed N           its arrivals come N times as fast (1)\n"
    "  --service-ms N      service time: constant part (0)\n"
    "  --prompt-ms N       … and for each prompt token (0.025)\n"
    "  --generated-ms N    … and for each generated token (20)\n"
    "  --case NAME         only this synthetic case\n"
    "  --seeds N           runs of a synthetic case (5)\n"
    "  --first-seed N      their first seed (1)\n"
    "  --concurrency N     slots a replica (4, or the case's)\n"
    "  --start S           start time in seconds (0.2, 3 and 25, or the "
    "case's); may be repeated\n"
    "  --start-growth S    more for each other start under way (0)\n"
    "  --cap N             replicas at most (100)\n"
    "  --queue-size N      (10000)   --queue-timeout S  (300)\n"
    "  --idle-timeout S    of berth's last replica (60, as Knative's)\n"
    "  --tail S            simulated after the last arrival (700)\n"
    "  --scale-down-delay S, --target-utilization PERCENT  of berth (auto)\n"
    "  --curve             berth at many scale_down_delays, too\n"
    "  --known             berth knows service and start times from before\n"
    "  --brief             one line a case: berth against Knative\n"
    "  --json              as JSON\n"
    "  --plot FILE.svg     demand and replicas over time, of the last run\n";

static struct options options = {
    .model = {0, 0.025, 20},
    .setup = {.cap = 100,
              .queue_size = 10000,
              .queue_timeout_s = 300,
              .idle_timeout_s = 60,
              .tail_s = 700},
    .speed = 1,
    .seeds = 5,
    .first_seed = 1,
};

enum option_kind { OPTION_TEXT, OPTION_FLAG, OPTION_COUNT, OPTION_NUMBER };

/* Where each option goes; `least` of counts and numbers. */
static const struct row {
    const char *name;
    enum option_kind kind;
    void *target;
    double least;
} rows[] = {
    {"trace", OPTION_TEXT, &options.trace, 0},
    {"minutes", OPTION_NUMBER, &options.minutes, 0},
    {"speed", OPTION_NUMBER, &options.speed, 0.001},
    {"service-ms", OPTION_NUMBER, &options.model.base_ms, 0},
    {"prompt-ms", OPTION_NUMBER, &options.model.ms_per_prompt_token, 0},
    {"generated-ms", OPTION_NUMBER, &options.model.ms_per_generated_token, 0},
    {"case", OPTION_TEXT, &options.only, 0},
    {"seeds", OPTION_COUNT, &options.seeds, 1},
    {"first-seed", OPTION_COUNT, &options.first_seed, 0},
    {"concurrency", OPTION_COUNT, &options.setup.concurrency, 1},
    {"start", OPTION_NUMBER, NULL, 0},
    {"start-growth", OPTION_NUMBER, &options.setup.start_growth_s, 0},
    {"cap", OPTION_COUNT, &options.setup.cap, 1},
    {"queue-size", OPTION_COUNT, &options.setup.queue_size, 0},
    {"queue-timeout", OPTION_NUMBER, &options.setup.queue_timeout_s, 0},
    {"idle-timeout", OPTION_NUMBER, &options.setup.idle_timeout_s, 0},
    {"tail", OPTION_NUMBER, &options.setup.tail_s, 0},
    {"scale-down-delay", OPTION_NUMBER, &options.setup.scale_down_s, 0},
    {"target-utilization", OPTION_COUNT, &options.setup.utilization, 1},
    {"known", OPTION_FLAG, &options.setup.is_known, 0},
    {"curve", OPTION_FLAG, &options.has_curve, 0},
    {"brief", OPTION_FLAG, &options.is_brief, 0},
    {"json", OPTION_FLAG, &options.as_json, 0},
    {"plot", OPTION_TEXT, &options.plot, 0},
};
#define ROWS (sizeof rows / sizeof rows[0])

/* Not below `least`, or the program ends. */
static double number(const char *text, double least)
{
    char *end;
    double value = strtod(text, &end);

    if (*text == '\0' || *end != '\0' || !(value >= least) || value > 1e9) {
        fprintf(stderr, "autoscale_sim: %s is no number of at least %g\n", text,
                least);
        exit(2);
    }
    return value;
}

static void take_option(const struct row *row, const char *text)
{
    switch (row->kind) {
    case OPTION_TEXT:
        *(const char **)row->target = text;
        break;
    case OPTION_FLAG:
        *(bool *)row->target = true;
        break;
    case OPTION_COUNT:
        *(uint32_t *)row->target = (uint32_t)number(text, row->least);
        break;
    case OPTION_NUMBER:
        if (row->target)
            *(double *)row->target = number(text, row->least);
        else if (options.start_count < STARTS_MOST)
            options.starts[options.start_count++] = number(text, row->least);
        break;
    }
}

static void read_options(int argc, char **argv)
{
    struct option longs[ROWS + 2] = {0};
    int at;

    for (size_t i = 0; i < ROWS; i++)
        longs[i] = (struct option){.name = rows[i].name,
                                   .has_arg = rows[i].kind == OPTION_FLAG
                                                  ? no_argument
                                                  : required_argument};
    longs[ROWS] = (struct option){"help", no_argument, NULL, 'h'};
    for (;;) {
        int found = getopt_long(argc, argv, "", longs, &at);

        if (found == -1)
            break;
        if (found == 'h') {
            fputs(usage, stdout);
            exit(0);
        }
        if (found != 0) {
            fputs(usage, stderr);
            exit(2);
        }
        take_option(&rows[at], optarg);
    }
    if (optind < argc) {
        fputs(usage, stderr);
        exit(2);
    }
}

/* Where the workload of a run comes from: a trace, or a case and a seed. */
struct source {
    const char *name;
    const char *text;
    const struct sim_workload *trace; /* NULL: the case */
    const struct sim_case *of;
    uint32_t runs;
};

static void print_brief(const char *name, double start_s,
                        const struct sim_result results[POLICIES])
{
    const struct sim_result *b = &results[0];
    const struct sim_result *k = &results[1];
    const struct sim_result *r = &results[2];
    bool waits = b->p95_s <= k->p95_s && b->p99_s <= k->p99_s;
    bool cost = b->replica_s <= k->replica_s;
    bool ray = b->p50_s <= r->p50_s && b->p95_s <= r->p95_s &&
               b->p99_s <= r->p99_s && b->max_s <= r->max_s &&
               b->replica_s <= r->replica_s &&
               b->replicas_most <= r->replicas_most;

    printf("%-14s %5.1f | p95 %7.3f %7.3f  p99 %7.3f %7.3f | cost %7.0f "
           "%7.0f %5.2f | most %3.0f %3.0f | %s%s%s\n",
           name, start_s, b->p95_s, k->p95_s, b->p99_s, k->p99_s, b->replica_s,
           k->replica_s, b->replica_s / k->replica_s, b->replicas_most,
           k->replicas_most, waits ? "" : "WAIT ", cost ? "" : "COST ",
           ray ? "" : "RAY");
}

static void print_results(const struct source *source,
                          const struct sim_setup *setup,
                          const struct sim_result results[POLICIES])
{
    if (options.is_brief) {
        print_brief(source->name, setup->start_s, results);
        return;
    }
    if (options.as_json) {
        static bool has_printed;

        printf("%s{\"case\": \"%s\", \"start_s\": %g, \"concurrency\": %u, "
               "\"runs\": %u, \"policies\": [",
               has_printed ? ",\n" : "", source->name, setup->start_s,
               setup->concurrency, source->runs);
        has_printed = true;
    } else {
        printf("%s: %s; start %g s, %u slots a replica\n", source->name,
               source->text, setup->start_s, setup->concurrency);
        sim_print_head(stdout);
    }
    for (uint32_t i = 0; i < POLICIES; i++) {
        if (options.as_json) {
            fputs(i > 0 ? ", " : "", stdout);
            sim_print_json(stdout, policies[i]->name, &results[i]);
        } else {
            sim_print_row(stdout, policies[i]->name, &results[i]);
        }
    }
    fputs(options.as_json ? "]}" : "\n", stdout);
}

/* One run of a policy; the caller calls sim_world_done(). */
static void run_once(const struct source *source, const struct sim_setup *setup,
                     const struct sim_policy *policy, struct sim_world *world,
                     struct sim_workload *made)
{
    *made = (struct sim_workload){0};
    if (!source->trace)
        sim_case_make(source->of, setup->seed, made);
    sim_world_run(world, setup, source->trace ? source->trace : made, policy);
}

/* The mean of all runs. */
static struct sim_result run_policy(const struct source *source,
                                    struct sim_setup setup,
                                    const struct sim_policy *policy)
{
    struct sim_result mean = {0};

    for (uint32_t run = 0; run < source->runs; run++) {
        struct sim_workload made;
        struct sim_result result;
        struct sim_world world;

        setup.seed = options.first_seed + run;
        run_once(source, &setup, policy, &world, &made);
        sim_result_of(&world, &result);
        sim_result_add(&mean, &result, source->runs);
        sim_world_done(&world);
        sim_workload_done(&made);
    }
    return mean;
}

/* The first run of each policy. */
static bool plot(const struct source *source, struct sim_setup setup)
{
    struct sim_workload made[POLICIES];
    struct sim_world worlds[POLICIES];
    struct err err;
    bool ok;

    setup.seed = options.first_seed;
    for (uint32_t i = 0; i < POLICIES; i++)
        run_once(source, &setup, policies[i], &worlds[i], &made[i]);
    ok = sim_plot(options.plot, worlds, POLICIES, &err);
    if (!ok)
        fprintf(stderr, "autoscale_sim: %s\n", err.text);
    for (uint32_t i = 0; i < POLICIES; i++) {
        sim_world_done(&worlds[i]);
        sim_workload_done(&made[i]);
    }
    return ok;
}

/* What waits cost: berth at one scale_down_delay after the other. */
static void print_curve(const struct source *source, struct sim_setup setup)
{
    static const double delays[] = {2, 5, 10, 20, 40, 80, 160, 320, 640};

    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        struct sim_result result;
        char name[32];

        setup.scale_down_s = delays[i];
        result = run_policy(source, setup, &sim_policy_berth);
        snprintf(name, sizeof name, "  kept %.0f s", delays[i]);
        sim_print_row(stdout, name, &result);
    }
    fputs("\n", stdout);
}

static bool run_source(const struct source *source, double start_s)
{
    struct sim_result results[POLICIES];
    struct sim_setup setup = options.setup;

    setup.start_s = start_s;
    if (setup.concurrency == 0)
        setup.concurrency = source->of ? source->of->concurrency : 4;
    for (uint32_t i = 0; i < POLICIES; i++)
        results[i] = run_policy(source, setup, policies[i]);
    print_results(source, &setup, results);
    if (options.has_curve && !options.as_json)
        print_curve(source, setup);
    return !options.plot || plot(source, setup);
}

static bool run_starts(const struct source *source)
{
    const double *starts = options.starts;
    uint32_t count = options.start_count;
    bool ok = true;

    if (count == 0) {
        starts = all_starts;
        count = sizeof all_starts / sizeof all_starts[0];
        if (source->of && source->of->start_s > 0) {
            starts = &source->of->start_s;
            count = 1;
        }
    }
    for (uint32_t i = 0; i < count; i++)
        ok = run_source(source, starts[i]) && ok;
    return ok;
}

static bool run_trace(void)
{
    struct sim_workload workload = {0};
    struct source source = {
        .name = "trace", .text = options.trace, .trace = &workload, .runs = 1};
    struct err err;
    bool ok;

    if (!sim_workload_read_trace(&workload, options.trace, &options.model,
                                 options.minutes, options.speed, &err)) {
        fprintf(stderr, "autoscale_sim: %s\n", err.text);
        return false;
    }
    ok = run_starts(&source);
    sim_workload_done(&workload);
    return ok;
}

static bool run_cases(void)
{
    bool found = false;
    bool ok = true;

    for (uint32_t i = 0; i < sim_case_count; i++) {
        const struct sim_case *of = &sim_cases[i];
        struct source source = {.name = of->name,
                                .text = of->text,
                                .of = of,
                                .runs = options.seeds};

        if (options.only && strcmp(options.only, of->name) != 0)
            continue;
        found = true;
        ok = run_starts(&source) && ok;
    }
    if (!found)
        fprintf(stderr, "autoscale_sim: there is no case %s\n", options.only);
    return found && ok;
}

int main(int argc, char **argv)
{
    bool ok;

    read_options(argc, argv);
    if (options.as_json)
        fputs("[", stdout);
    ok = options.trace ? run_trace() : run_cases();
    if (options.as_json)
        fputs("]\n", stdout);
    return ok ? 0 : 1;
}
