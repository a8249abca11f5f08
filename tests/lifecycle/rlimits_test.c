#include "lifecycle/rlimits.h"

#include <criterion/criterion.h>
#include <sys/resource.h>

Test(rlimits, are_those_of_this_process)
{
    struct rlimit limit;
    struct rlimits limits;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlimits_of_process(&limits);
    cr_assert_eq(limits.hard[RLIMIT_NOFILE], limit.rlim_max);
    cr_assert_gt(limits.nr_open, 0);
    cr_assert_gt(limits.pid_max, 0);

    limit.rlim_cur = limit.rlim_max = limit.rlim_max - 1;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    rlimits_of_process(&limits);
    cr_assert_eq(limits.hard[RLIMIT_NOFILE], limit.rlim_max);
}

Test(rlimits, are_found_by_podmans_names)
{
    cr_assert_eq(rlimits_find("nofile"), RLIMIT_NOFILE);
    cr_assert_eq(rlimits_find("nproc"), RLIMIT_NPROC);
    cr_assert_eq(rlimits_find("memlock"), RLIMIT_MEMLOCK);
    cr_assert_eq(rlimits_find("NOFILE"), -1);
    cr_assert_eq(rlimits_find(""), -1);
}

Test(rlimits, the_most_is_what_the_kernel_lets_this_process_set)
{
    struct rlimits limits = {.nr_open = 1000000, .pid_max = 4000};

    for (int i = 0; i < RLIMITS_COUNT; i++)
        limits.hard[i] = UINT64_MAX;
    limits.hard[RLIMIT_NOFILE] = 500;
    limits.hard[RLIMIT_CORE] = 7;
    cr_assert_eq(rlimits_most(&limits, RLIMIT_NOFILE), 500);
    cr_assert_eq(rlimits_most(&limits, RLIMIT_CORE), 7);
    cr_assert_eq(rlimits_most(&limits, RLIMIT_NPROC), 4000);
    cr_assert_eq(rlimits_most(&limits, RLIMIT_CPU), UINT64_MAX);
    limits.can_raise = true;
    cr_assert_eq(rlimits_most(&limits, RLIMIT_NOFILE), 1000000);
    cr_assert_eq(rlimits_most(&limits, RLIMIT_CORE), UINT64_MAX);
    cr_assert_eq(rlimits_most(&limits, RLIMIT_NPROC), UINT64_MAX);
}
