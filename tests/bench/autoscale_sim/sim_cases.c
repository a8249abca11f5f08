/* sim_cases.c - synthetic workloads.
 *
 * The first four are scaling.md's. The others are families: one kind of
 * traffic each, short and long services, few and many slots a replica.
 */
#include "tests/bench/autoscale_sim/sim_cases.h"

#include <math.h>

#include "tests/bench/autoscale_sim/sim_random.h"

#define PI 3.14159265358979323846

/* Poisson arrivals of a rate that changes: those of the highest one, thinned
 * (Lewis and Shedler 1979). cv 0: services are all alike. */
struct stream {
    struct sim_workload *workload;
    struct sim_random *random;
    double service_s;
    double cv;
};

static void add_one(const struct stream *stream, double at_s)
{
    double service_s = stream->cv > 0
                           ? sim_random_lognormal(stream->random,
                                                  stream->service_s, stream->cv)
                           : stream->service_s;

    sim_workload_add(stream->workload, at_s, service_s);
}

static void add_poisson(const struct stream *stream, double from_s, double to_s,
                        double rate)
{
    double at_s = from_s;

    for (;;) {
        at_s += sim_random_exponential(stream->random, 1 / rate);
        if (at_s >= to_s)
            return;
        add_one(stream, at_s);
    }
}

/* rate, service_s, cv, duration_s */
static void fill_poisson(struct sim_workload *workload, const double *numbers,
                         struct sim_random *random)
{
    struct stream stream = {workload, random, numbers[1], numbers[2]};

    add_poisson(&stream, 0, numbers[3], numbers[0]);
    sim_workload_sort(workload, numbers[3]);
}

/* count, service_s, cv: all at once */
static void fill_batch(struct sim_workload *workload, const double *numbers,
                       struct sim_random *random)
{
    struct stream stream = {workload, random, numbers[1], numbers[2]};

    for (uint32_t i = 0; i < (uint32_t)numbers[0]; i++)
        add_one(&stream, 0.001 * i);
    sim_workload_sort(workload, 1);
}

/* rate, service_s, cv, duration_s, peak rate, length of the peak: in the
 * middle */
static void fill_step(struct sim_workload *workload, const double *numbers,
                      struct sim_random *random)
{
    struct stream stream = {workload, random, numbers[1], numbers[2]};
    double from_s = (numbers[3] - numbers[5]) / 2;

    add_poisson(&stream, 0, from_s, numbers[0]);
    add_poisson(&stream, from_s, from_s + numbers[5], numbers[4]);
    add_poisson(&stream, from_s + numbers[5], numbers[3], numbers[0]);
    sim_workload_sort(workload, numbers[3]);
}

/* quiet rate, service_s, cv, duration_s, burst rate, mean length of a burst;
 * quiet lasts four times as long */
static void fill_bursts(struct sim_workload *workload, const double *numbers,
                        struct sim_random *random)
{
    struct stream stream = {workload, random, numbers[1], numbers[2]};
    double at_s = 0;

    for (unsigned i = 0; at_s < numbers[3]; i++) {
        double mean_s = i % 2 ? numbers[5] : 4 * numbers[5];
        double to_s = at_s + sim_random_exponential(random, mean_s);

        add_poisson(&stream, at_s, fmin(to_s, numbers[3]),
                    i % 2 ? numbers[4] : numbers[0]);
        at_s = to_s;
    }
    sim_workload_sort(workload, numbers[3]);
}

/* lowest rate, service_s, cv, duration_s, highest rate, period_s: a sine */
static void fill_ramp(struct sim_workload *workload, const double *numbers,
                      struct sim_random *random)
{
    struct stream stream = {workload, random, numbers[1], numbers[2]};
    double at_s = 0;

    for (;;) {
        double share;

        at_s += sim_random_exponential(random, 1 / numbers[4]);
        if (at_s >= numbers[3])
            break;
        share = (1 - cos(2 * PI * at_s / numbers[5])) / 2;
        if (sim_random_unit(random) * numbers[4] <
            numbers[0] + share * (numbers[4] - numbers[0]))
            add_one(&stream, at_s);
    }
    sim_workload_sort(workload, numbers[3]);
}

/* rate, service_s, cv, duration_s, share: the rate wanders between rate /
 * (1 + share) and rate * (1 + share), changing every 20 seconds */
static void fill_wander(struct sim_workload *workload, const double *numbers,
                        struct sim_random *random)
{
    struct stream stream = {workload, random, numbers[1], numbers[2]};
    double level = 0;

    for (double at_s = 0; at_s < numbers[3]; at_s += 20) {
        level += 0.8 * (sim_random_unit(random) - 0.5) - 0.1 * level;
        level = fmax(-1, fmin(1, level));
        add_poisson(&stream, at_s, fmin(at_s + 20, numbers[3]),
                    numbers[0] * pow(1 + numbers[4], level));
    }
    sim_workload_sort(workload, numbers[3]);
}

const struct sim_case sim_cases[] = {
    {"zero",
     "20 req/s from zero, s 0.25",
     2,
     5,
     fill_poisson,
     {20, 0.25, 0.5, 420}},
    {"batch", "a batch of 300, s 1", 1, 8, fill_batch, {300, 1, 0.5}},
    {"peak",
     "4 to 40 req/s for 20 s, s 0.25",
     2,
     3,
     fill_step,
     {4, 0.25, 0.5, 300, 40, 20}},
    {"steady",
     "steady 30 req/s, s 0.25",
     4,
     3,
     fill_poisson,
     {30, 0.25, 0.5, 600}},
    {"poisson-short",
     "10 req/s, s 0.1",
     4,
     0,
     fill_poisson,
     {10, 0.1, 1, 1200}},
    {"poisson-mid", "8 req/s, s 0.8", 4, 0, fill_poisson, {8, 0.8, 1, 1200}},
    {"poisson-one",
     "3 req/s, s 1, one slot",
     1,
     0,
     fill_poisson,
     {3, 1, 1, 1200}},
    {"poisson-wide",
     "60 req/s, s 0.5, 8 slots",
     8,
     0,
     fill_poisson,
     {60, 0.5, 1, 1200}},
    {"long-steady", "5 req/s, s 5", 4, 0, fill_poisson, {5, 5, 0.8, 1800}},
    {"long-wander",
     "about 5 req/s, s 5, wandering",
     4,
     0,
     fill_wander,
     {5, 5, 0.8, 1800, 0.5}},
    {"bursts",
     "2 req/s, bursts of 20, s 0.5",
     4,
     0,
     fill_bursts,
     {2, 0.5, 1, 1800, 20, 15}},
    {"bursts-one",
     "0.5 req/s, bursts of 5, s 1, one slot",
     1,
     0,
     fill_bursts,
     {0.5, 1, 1, 1800, 5, 20}},
    {"ramp",
     "1 to 20 req/s and back in 10 min, s 0.6",
     4,
     0,
     fill_ramp,
     {1, 0.6, 1, 1200, 20, 600}},
    {"ramp-long",
     "0.5 to 8 req/s and back in 20 min, s 4",
     4,
     0,
     fill_ramp,
     {0.5, 4, 0.8, 2400, 8, 1200}},
    {"wander",
     "about 3 req/s, s 0.6, wandering",
     4,
     0,
     fill_wander,
     {3, 0.6, 1, 1800, 2}},
    {"sparse",
     "a request each 20 s, s 1",
     4,
     0,
     fill_poisson,
     {0.05, 1, 1, 3600}},
};
const uint32_t sim_case_count = sizeof sim_cases / sizeof sim_cases[0];

void sim_case_make(const struct sim_case *of, uint64_t seed,
                   struct sim_workload *ret_workload)
{
    struct sim_random random;

    sim_random_init(&random, seed);
    *ret_workload = (struct sim_workload){0};
    of->fill(ret_workload, of->numbers, &random);
}
