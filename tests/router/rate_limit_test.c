#include "router/rate_limit.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>

#define S 1000000ULL

static bool take(struct rate_limit *limit, const char *key, uint64_t now_us)
{
    uint64_t wait_ms;

    return rate_limit_take(limit, sv_of(key), now_us, &wait_ms) != RATE_REFUSED;
}

Test(rate_limit, a_burst_and_then_the_rate)
{
    struct rate_limit *limit = rate_limit_new(2, 1, 3, 16);
    uint64_t wait_ms = 0;

    for (int i = 0; i < 4; i++)
        cr_expect(take(limit, "a", S), "%d", i);
    cr_expect_eq(rate_limit_take(limit, SV("a"), S, &wait_ms), RATE_REFUSED);
    cr_expect_eq(wait_ms, 500);
    cr_expect_not(take(limit, "a", S + 499999));
    cr_expect(take(limit, "a", S + 500000));
    cr_expect_not(take(limit, "a", S + 500000));
    /* After a pause the whole burst is there again, and no more. */
    for (int i = 0; i < 4; i++)
        cr_expect(take(limit, "a", 100 * S), "%d", i);
    cr_expect_not(take(limit, "a", 100 * S));
    rate_limit_unref(&limit);
}

Test(rate_limit, keys_do_not_count_for_each_other)
{
    struct rate_limit *limit = rate_limit_new(1, 3600, 0, 16);

    cr_expect(take(limit, "a", S));
    cr_expect(take(limit, "b", S));
    cr_expect_not(take(limit, "a", S));
    cr_expect(take(limit, "a-longer-key-than-eight-bytes", S));
    cr_expect(take(limit, "a-longer-key-than-eight-byteS", S));
    rate_limit_unref(&limit);
}

Test(rate_limit, a_long_run_comes_out_at_the_rate)
{
    struct rate_limit *limit = rate_limit_new(600, 60, 5, 16);
    unsigned allowed = 0;

    for (uint64_t now = S; now < 61 * S; now += 1000)
        allowed += take(limit, "a", now);
    cr_expect_geq(allowed, 600);
    cr_expect_leq(allowed, 606);
    rate_limit_unref(&limit);
}

Test(rate_limit, the_key_not_used_longest_goes_when_the_table_is_full)
{
    struct rate_limit *limit = rate_limit_new(1, 3600, 0, 4);
    uint64_t wait_ms;

    for (int i = 0; i < 4; i++) {
        char key[8];

        snprintf(key, sizeof key, "k%d", i);
        cr_assert(take(limit, key, S));
    }
    cr_expect_not(take(limit, "k0", S)); /* used again: k1 is the oldest */
    cr_expect_eq(rate_limit_take(limit, SV("new"), S, &wait_ms),
                 RATE_ALLOWED_EVICTED);
    cr_expect_not(take(limit, "k0", S));
    cr_expect(take(limit, "k1", S), "it was forgotten");
    /* One whose time is over is no loss. */
    cr_expect_eq(rate_limit_take(limit, SV("later"), 4000 * S, &wait_ms),
                 RATE_ALLOWED);
    rate_limit_unref(&limit);
}

Test(rate_limit, ten_times_the_table_is_walked_through)
{
    struct rate_limit *limit = rate_limit_new(1, 1, 0, 1000);

    for (unsigned i = 0; i < 10000; i++) {
        char key[16];

        snprintf(key, sizeof key, "%u", i);
        cr_assert(take(limit, key, S), "%u", i);
    }
    rate_limit_unref(&limit);
}

struct taker {
    struct rate_limit *limit;
    unsigned allowed;
};

static void *run_taker(void *arg)
{
    struct taker *taker = arg;

    for (int i = 0; i < 10000; i++)
        taker->allowed += take(taker->limit, "a", S);
    return NULL;
}

Test(rate_limit, threads_together_get_no_more_than_one)
{
    struct rate_limit *limit = rate_limit_new(1, 3600, 99, 16);
    struct taker takers[4];
    pthread_t threads[4];
    unsigned allowed = 0;

    for (int i = 0; i < 4; i++) {
        takers[i] = (struct taker){limit, 0};
        cr_assert_eq(pthread_create(&threads[i], NULL, run_taker, &takers[i]),
                     0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        allowed += takers[i].allowed;
    }
    cr_expect_eq(allowed, 100);
    rate_limit_unref(&limit);
}
