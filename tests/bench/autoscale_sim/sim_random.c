/* sim_random.c - SplitMix64 (Steele, Lea, Flood 2014), and distributions. */
#include "tests/bench/autoscale_sim/sim_random.h"

#include <math.h>

void sim_random_init(struct sim_random *random, uint64_t seed)
{
    random->state = seed * UINT64_C(0x2545F4914F6CDD1D) + 1;
}

uint64_t sim_random_next(struct sim_random *random)
{
    uint64_t z = (random->state += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

double sim_random_unit(struct sim_random *random)
{
    return (double)(sim_random_next(random) >> 11) * 0x1.0p-53;
}

uint32_t sim_random_below(struct sim_random *random, uint32_t bound)
{
    return (uint32_t)(sim_random_unit(random) * bound);
}

double sim_random_exponential(struct sim_random *random, double mean)
{
    return -mean * log1p(-sim_random_unit(random));
}

/* Box and Muller. */
static double normal(struct sim_random *random)
{
    double radius = sqrt(-2 * log1p(-sim_random_unit(random)));

    return radius * cos(2 * 3.14159265358979323846 * sim_random_unit(random));
}

double sim_random_lognormal(struct sim_random *random, double mean, double cv)
{
    double sigma2 = log1p(cv * cv);

    return mean * exp(sqrt(sigma2) * normal(random) - sigma2 / 2);
}
