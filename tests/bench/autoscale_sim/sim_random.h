/* sim_random.h - a small generator: the same numbers on every machine. */
#ifndef BENCH_SIM_RANDOM_H
#define BENCH_SIM_RANDOM_H

#include <stdint.h>

struct sim_random {
    uint64_t state;
};

/* Any seed; different seeds give unrelated sequences. */
void sim_random_init(struct sim_random *random, uint64_t seed);
uint64_t sim_random_next(struct sim_random *random);
/* [0, 1) */
double sim_random_unit(struct sim_random *random);
/* 0 … bound - 1; bound > 0. */
uint32_t sim_random_below(struct sim_random *random, uint32_t bound);
/* Exponential of this mean. */
double sim_random_exponential(struct sim_random *random, double mean);
/* Log-normal of this mean and coefficient of variation. */
double sim_random_lognormal(struct sim_random *random, double mean, double cv);

#endif
