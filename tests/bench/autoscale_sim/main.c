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

#define POLICIES 3

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
    double starts[8];
    uint32_t start_count; /* 0: those of the case */
    uint32_t seeds;
    uint64_t first_seed;
    bool as_json;
    bool is_brief;
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
    "  --known             berth knows service and start times from before\n"
    "  --brief             one line a case: berth against Knative\n"
    "  --json              as JSON\n"
    "  --plot FILE.svg     demand and replicas over time, of the last run\n";

static const struct option long_options[] = {
    {"trace", required_argument, NULL, 't'},
    {"minutes", required_argument, NULL, 'm'},
    {"speed", required_argument, NULL, 'x'},
    {"service-ms", required_argument, NULL, 'b'},
    {"prompt-ms", required_argument, NULL, 'p'},
    {"generated-ms", required_argument, NULL, 'g'},
    {"case", required_argument, NULL, 'c'},
    {"seeds", required_argument, NULL, 'n'},
    {"first-seed", required_argument, NULL, 'f'},
    {"concurrency", required_argument, NULL, 's'},
    {"start", required_argument, NULL, 'l'},
    {"start-growth", required_argument, NULL, 'w'},
    {"cap", required_argument, NULL, 'a'},
    {"queue-size", required_argument, NULL, 'q'},
    {"queue-timeout", required_argument, NULL, 'o'},
    {"idle-timeout", required_argument, NULL, 'i'},
    {"tail", required_argument, NULL, 'e'},
    {"known", no_argument, NULL, 'k'},
    {"brief", no_argument, NULL, 'r'},
    {"json", no_argument, NULL, 'j'},
    {"plot", required_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

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

static void take_option(struct options *options, int option)
{
    struct sim_setup *setup = &options->setup;

    switch (option) {
    case 't':
        options->trace = optarg;
        break;
    case 'm':
        options->minutes = number(optarg, 0);
        break;
    case 'x':
        options->speed = number(optarg, 0.001);
        break;
    case 'b':
        options->model.base_ms = number(optarg, 0);
        break;
    case 'p':
        options->model.ms_per_prompt_token = number(optarg, 0);
        break;
    case 'g':
        options->model.ms_per_generated_token = number(optarg, 0);
        break;
    case 'c':
        options->only = optarg;
        break;
    case 'n':
        options->seeds = (uint32_t)number(optarg, 1);
        break;
    case 'f':
        options->first_seed = (uint64_t)number(optarg, 0);
        break;
    case 's':
        setup->concurrency = (uint32_t)number(optarg, 1);
        break;
    case 'l':
        if (options->start_count < 8)
            options->starts[options->start_count++] = number(optarg, 0);
        break;
    case 'w':
        setup->start_growth_s = number(optarg, 0);
        break;
    case 'a':
        setup->cap = (uint32_t)number(optarg, 1);
        break;
    case 'q':
        setup->queue_size = (uint32_t)number(optarg, 0);
        break;
    case 'o':
        setup->queue_timeout_s = number(optarg, 0);
        break;
    case 'i':
        setup->idle_timeout_s = number(optarg, 0);
        break;
    case 'e':
        setup->tail_s = number(optarg, 0);
        break;
    case 'k':
        setup->is_known = true;
        break;
    case 'r':
        options->is_brief = true;
        break;
    case 'j':
        options->as_json = true;
        break;
    case 'v':
        options->plot = optarg;
        break;
    case 'h':
        fputs(usage, stdout);
        exit(0);
    default:
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

static void print_results(const struct options *options,
                          const struct source *source,
                          const struct sim_setup *setup,
                          const struct sim_result results[POLICIES])
{
    if (options->is_brief) {
        print_brief(source->name, setup->start_s, results);
        return;
    }
    if (options->as_json) {
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
        if (options->as_json) {
            fputs(i > 0 ? ", " : "", stdout);
            sim_print_json(stdout, policies[i]->name, &results[i]);
        } else {
            sim_print_row(stdout, policies[i]->name, &results[i]);
        }
    }
    fputs(options->as_json ? "]}" : "\n", stdout);
}

static bool plot(const char *path, const struct sim_world *worlds)
{
    struct err err;

    if (sim_plot(path, worlds, POLICIES, &err))
        return true;
    fprintf(stderr, "autoscale_sim: %s\n", err.text);
    return false;
}

static bool run_source(const struct options *options,
                       const struct source *source, double start_s)
{
    struct sim_result results[POLICIES] = {0};
    struct sim_setup setup = options->setup;
    bool ok = true;

    setup.start_s = start_s;
    if (setup.concurrency == 0)
        setup.concurrency = source->of ? source->of->concurrency : 4;
    for (uint32_t run = 0; run < source->runs; run++) {
        struct sim_world worlds[POLICIES];
        struct sim_workload made = {0};
        const struct sim_workload *workload = source->trace;

        setup.seed = options->first_seed + run;
        if (!workload) {
            sim_case_make(source->of, setup.seed, &made);
            workload = &made;
        }
        for (uint32_t i = 0; i < POLICIES; i++) {
            struct sim_result result;

            sim_world_run(&worlds[i], &setup, workload, policies[i]);
            sim_result_of(&worlds[i], &result);
            sim_result_add(&results[i], &result, source->runs);
        }
        if (options->plot && run + 1 == source->runs)
            ok = plot(options->plot, worlds);
        for (uint32_t i = 0; i < POLICIES; i++)
            sim_world_done(&worlds[i]);
        sim_workload_done(&made);
    }
    print_results(options, source, &setup, results);
    return ok;
}

static bool run_starts(const struct options *options,
                       const struct source *source)
{
    const double *starts = options->starts;
    uint32_t count = options->start_count;
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
        ok = run_source(options, source, starts[i]) && ok;
    return ok;
}

static bool run_trace(const struct options *options)
{
    struct sim_workload workload = {0};
    struct source source = {
        .name = "trace", .text = options->trace, .trace = &workload, .runs = 1};
    struct err err;
    bool ok;

    if (!sim_workload_read_trace(&workload, options->trace, &options->model,
                                 options->minutes, options->speed, &err)) {
        fprintf(stderr, "autoscale_sim: %s\n", err.text);
        return false;
    }
    ok = run_starts(options, &source);
    sim_workload_done(&workload);
    return ok;
}

static bool run_cases(const struct options *options)
{
    bool found = false;
    bool ok = true;

    for (uint32_t i = 0; i < sim_case_count; i++) {
        const struct sim_case *of = &sim_cases[i];
        struct source source = {.name = of->name,
                                .text = of->text,
                                .of = of,
                                .runs = options->seeds};

        if (options->only && strcmp(options->only, of->name) != 0)
            continue;
        found = true;
        ok = run_starts(options, &source) && ok;
    }
    if (!found)
        fprintf(stderr, "autoscale_sim: there is no case %s\n", options->only);
    return found && ok;
}

int main(int argc, char **argv)
{
    struct options options = {
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
    bool ok;
    int option;

    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        take_option(&options, option);
    if (optind < argc) {
        fputs(usage, stderr);
        return 2;
    }
    if (options.as_json)
        fputs("[", stdout);
    ok = options.trace ? run_trace(&options) : run_cases(&options);
    if (options.as_json)
        fputs("]\n", stdout);
    return ok ? 0 : 1;
}
