/* rollout_verdict.c - whether a new revision is as good as the one before. */
#include "lifecycle/rollout_verdict.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

/* No revision is called worse than the one before for fewer failures. */
#define FAILURES_MIN 2.0
/* An error rate that is borne even where the old revision had none. */
#define RATE_MIN 0.01
/* Where the old one fails this often, it is no measure of the new one's. */
#define RATE_USELESS 0.5

static double rate_of(const struct rollout_outcomes *outcomes)
{
    double rate;

    if (outcomes->attempts == 0)
        return 0;
    rate = (double)outcomes->failures / (double)outcomes->attempts;
    return rate > 1 ? 1 : rate;
}

static bool is_worse(const struct rollout_outcomes *now, double rate)
{
    double n = (double)now->attempts;
    double p = rate < RATE_MIN ? RATE_MIN : rate;

    return (double)now->failures >
           n * p + 3 * sqrt(n * p * (1 - p)) + FAILURES_MIN;
}

/* Of few requests, but all of them. */
static bool all_failed(const struct rollout_outcomes *now)
{
    return now->failures > 0 && now->failures >= now->attempts;
}

enum rollout_verdict rollout_verdict(const struct rollout_outcomes *before,
                                     const struct rollout_outcomes *now,
                                     uint64_t stood_us)
{
    double rate = rate_of(before);

    if (is_worse(now, rate))
        return VERDICT_WORSE;
    if (stood_us < ROLLOUT_TRIAL_US)
        return VERDICT_OPEN;
    if (!all_failed(now) || rate >= RATE_USELESS)
        return VERDICT_PROVEN;
    return stood_us < ROLLOUT_TRIAL_MAX_US ? VERDICT_OPEN : VERDICT_WORSE;
}

uint64_t rollout_verdict_due_us(const struct rollout_outcomes *now)
{
    return all_failed(now) ? ROLLOUT_TRIAL_MAX_US : ROLLOUT_TRIAL_US;
}

void rollout_verdict_say(const struct rollout_outcomes *before,
                         const struct rollout_outcomes *now, char *ret_text,
                         size_t size)
{
    snprintf(ret_text, size,
             "%llu of its %llu requests failed (%llu were answered by the "
             "revision before it instead); of the revision before it %.1f %%",
             (unsigned long long)now->failures,
             (unsigned long long)now->attempts,
             (unsigned long long)now->repeated, rate_of(before) * 100);
}
