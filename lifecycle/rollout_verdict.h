/* rollout_verdict.h - whether a revision that is tried is as good as the one
 * before, by how requests at both end. Pure: no clock, no fleet. */
#ifndef LIFECYCLE_ROLLOUT_VERDICT_H
#define LIFECYCLE_ROLLOUT_VERDICT_H

#include <stddef.h>
#include <stdint.h>

enum rollout_verdict {
    VERDICT_OPEN,   /* look again later */
    VERDICT_PROVEN, /* it may take the place of the one before */
    VERDICT_WORSE,  /* go back */
};

/* Of all replicas of a revision, since they were made. */
struct rollout_outcomes {
    uint64_t attempts;
    uint64_t failures; /* 5xx among them */
    uint64_t repeated; /* of the failures: no client has seen them */
};

/* So long the first replica of a new revision serves beside the old ones before
 * any of those leaves: what is wrong with it shows in its first requests. */
#define ROLLOUT_TRIAL_US 3000000U
/* And so long where all that it was asked has failed, but that was too little
 * to be sure; then it is worse. */
#define ROLLOUT_TRIAL_MAX_US 30000000U

/* before, now: of the old and the new revision. stood_us: how long the new one
 * has served. WORSE: when it has failed more often than chance makes of the old
 * one's rate (three standard deviations of a binomial count, and two more), at
 * any time. */
enum rollout_verdict rollout_verdict(const struct rollout_outcomes *before,
                                     const struct rollout_outcomes *now,
                                     uint64_t stood_us);
/* When OPEN may change by itself; since the same moment as stood_us. */
uint64_t rollout_verdict_due_us(const struct rollout_outcomes *now);
/* Why it is worse, for people. */
void rollout_verdict_say(const struct rollout_outcomes *before,
                         const struct rollout_outcomes *now, char *ret_text,
                         size_t size);

#endif
