/* A split: shares as the weights say, and as few moves as can be. */
#include "router/split.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>

#define KEYS 20000

static const char *const names[] = {"stable", "next", "third", "fourth"};

static struct split *make(unsigned count, const uint32_t *weights)
{
    return split_new(names, weights, count);
}

/* --- in turn --- */

Test(split, in_turn_the_counts_are_exact_after_each_round)
{
    static const uint32_t weights[] = {95, 5, 0, 50};
    struct split *split = make(4, weights);

    for (unsigned round = 0; round < 5; round++) {
        unsigned counts[4] = {0};

        for (unsigned i = 0; i < 150; i++)
            counts[split_in_turn(split, 0)]++;
        for (unsigned i = 0; i < 4; i++)
            cr_expect_eq(counts[i], weights[i]);
    }
    split_free(&split);
    cr_assert_null(split);
    split_free(&split);
}

Test(split, in_turn_the_small_one_is_spread_evenly)
{
    static const uint32_t weights[] = {9, 1};
    struct split *split = make(2, weights);
    unsigned since = 0;
    unsigned seen = 0;

    for (unsigned i = 0; i < 1000; i++) {
        since++;
        if (split_in_turn(split, 0) == 0)
            continue;
        cr_assert(seen == 0 || since == 10, "after %u", since);
        since = 0;
        seen++;
    }
    cr_assert_eq(seen, 100);
    split_free(&split);
}

Test(split, who_is_left_out_gets_none_and_the_others_its_share_by_weight)
{
    static const uint32_t weights[] = {50, 30, 20};
    struct split *split = make(3, weights);
    unsigned counts[3] = {0};

    for (unsigned i = 0; i < 5000; i++)
        counts[split_in_turn(split, 1)]++;
    cr_expect_eq(counts[0], 0);
    cr_expect_eq(counts[1], 3000);
    cr_expect_eq(counts[2], 2000);
    for (unsigned i = 0; i < 1000; i++)
        counts[split_in_turn(split, 0)]++;
    cr_expect_eq(counts[0], 500, "it has nothing to make up for");
    split_free(&split);
}

Test(split, what_is_left_when_some_are_out)
{
    static const uint32_t weights[] = {1, 0, 1};
    struct split *split = make(3, weights);

    cr_expect_not(split_is_exhausted(split, 0));
    cr_expect_not(split_is_exhausted(split, 1));
    cr_expect(split_is_exhausted(split, 5));
    cr_expect_eq(split_by_key(split, SV("k"), 1), 2);
    cr_expect_eq(split_by_key(split, SV("k"), 4), 0);
    split_free(&split);
}

#define THREADS 4
#define TURNS   20000

static struct split *shared;

static void *take_turns(void *arg)
{
    unsigned *counts = arg;

    for (unsigned i = 0; i < TURNS; i++)
        counts[split_in_turn(shared, 0)]++;
    return NULL;
}

Test(split, the_counts_of_all_threads_together_are_exact)
{
    static const uint32_t weights[] = {7, 1};
    unsigned counts[THREADS][2] = {0};
    pthread_t threads[THREADS];
    unsigned small = 0;

    shared = make(2, weights);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, take_turns, counts[i]);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        small += counts[i][1];
    }
    cr_assert_eq(small, THREADS * TURNS / 8);
    split_free(&shared);
}

/* --- by key --- */

static unsigned of_key(const struct split *split, unsigned key, uint64_t out)
{
    char text[32];

    snprintf(text, sizeof text, "user-%u", key);
    return split_by_key(split, sv_of(text), out);
}

static const struct {
    const char *label;
    uint32_t weights[4];
} shares[] = {
    {"halves", {1, 1, 0, 0}},
    {"a canary", {99, 1, 0, 0}},
    {"large weights", {950000, 50000, 0, 0}},
    {"several", {40, 30, 20, 10}},
};

Test(split, keys_are_shared_out_by_weight)
{
    for (size_t k = 0; k < ARRAY_LEN(shares); k++) {
        struct split *split = make(4, shares[k].weights);
        double counts[4] = {0};
        double sum = 0;

        for (unsigned i = 0; i < KEYS; i++)
            counts[of_key(split, i, 0)]++;
        for (unsigned i = 0; i < 4; i++)
            sum += shares[k].weights[i];
        for (unsigned i = 0; i < 4; i++) {
            double expected = (double)KEYS * shares[k].weights[i] / sum;

            /* Five standard deviations of a fair draw. */
            cr_expect_lt((counts[i] - expected) * (counts[i] - expected),
                         25 * expected + 0.5, "%s: %f instead of %f",
                         shares[k].label, counts[i], expected);
        }
        split_free(&split);
    }
}

Test(split, another_weight_moves_no_key_between_the_others)
{
    static const uint32_t before[] = {50, 30, 20};
    static const uint32_t after[] = {50, 60, 20};
    struct split *old = make(3, before);
    struct split *new = make(3, after);
    unsigned moved = 0;

    for (unsigned i = 0; i < KEYS; i++) {
        unsigned from = of_key(old, i, 0);
        unsigned to = of_key(new, i, 0);

        cr_assert(from == to || to == 1, "key %u from %u to %u", i, from, to);
        moved += from != to;
    }
    /* From 30 of 100 to 60 of 130: 16.2 % of the keys, and no more. */
    cr_expect_gt(moved, KEYS * 150 / 1000);
    cr_expect_lt(moved, KEYS * 175 / 1000);
    split_free(&old);
    split_free(&new);
}

Test(split, while_one_is_out_the_keys_of_the_others_stay)
{
    static const uint32_t weights[] = {50, 30, 20};
    struct split *split = make(3, weights);

    for (unsigned i = 0; i < KEYS; i++) {
        unsigned usual = of_key(split, i, 0);
        unsigned now = of_key(split, i, 1);

        cr_assert_neq(now, 0);
        cr_assert(usual == 0 || now == usual, "key %u", i);
        cr_assert_eq(of_key(split, i, 0), usual, "it comes back");
    }
    split_free(&split);
}

Test(split, the_order_of_the_targets_does_not_matter)
{
    static const char *const turned[] = {"third", "stable", "next"};
    static const unsigned where[] = {1, 2, 0};
    static const uint32_t weights[] = {50, 30, 20};
    static const uint32_t turned_weights[] = {20, 50, 30};
    struct split *a = make(3, weights);
    struct split *b = split_new(turned, turned_weights, 3);

    for (unsigned i = 0; i < KEYS; i++)
        cr_assert_eq(where[of_key(a, i, 0)], of_key(b, i, 0));
    split_free(&a);
    split_free(&b);
}
