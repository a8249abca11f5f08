/* What may start and what gives way: cases, and what always holds. */
#include "router/placement.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000)
#define NOW    (1000 * SECOND)
#define GB     (UINT64_C(1) << 30)
#define MOST   64

struct bench {
    struct placement_machine machine;
    struct placement_replica replicas[MOST];
    uint32_t replica_count;
    struct placement_want wants[MOST];
    uint32_t want_count;
    uint64_t now_us;
    struct placement_answer answers[MOST];
    bool evict[MOST];
    uint32_t evict_for[MOST];
    uint64_t again_us;
    double clock;
};

static void decide(struct bench *b)
{
    struct placement_input input = {.machine = &b->machine,
                                    .replicas = b->replicas,
                                    .replica_count = b->replica_count,
                                    .wants = b->wants,
                                    .want_count = b->want_count,
                                    .now_us = b->now_us ? b->now_us : NOW,
                                    .clock = b->clock};
    struct placement_output output = {
        .answers = b->answers, .evict = b->evict, .evict_for = b->evict_for};

    placement_decide(&input, &output);
    b->clock = output.clock;
    b->again_us = output.again_us;
}

/* An idle replica that has long had its place. */
static struct placement_replica *
add(struct bench *b, uint32_t app, struct placement_need need, uint64_t devices)
{
    struct placement_replica *replica = &b->replicas[b->replica_count];

    *replica = (struct placement_replica){.id = ++b->replica_count,
                                          .app = app,
                                          .need = need,
                                          .devices = devices,
                                          .is_idle = true,
                                          .is_evictable = true,
                                          .since_us = NOW - 900 * SECOND,
                                          .start_us = SECOND,
                                          .uses = 1};
    return replica;
}

static struct placement_want *want(struct bench *b, uint32_t app,
                                   struct placement_need need)
{
    struct placement_want *it = &b->wants[b->want_count++];

    *it = (struct placement_want){
        .app = app, .need = need, .has_none = true, .oldest_us = NOW};
    return it;
}

#define CPUS(n)                                                                \
    (struct placement_need)                                                    \
    {                                                                          \
        .cpu_millis = (n)*1000                                                 \
    }
#define MEMORY(n)                                                              \
    (struct placement_need)                                                    \
    {                                                                          \
        .memory_bytes = (n)*GB                                                 \
    }
#define GPU(millis, gb)                                                        \
    (struct placement_need)                                                    \
    {                                                                          \
        .gpu_millis = (millis), .gpu_memory_bytes = (gb)*GB                    \
    }

static struct bench bench_of(uint64_t cpus, uint64_t memory, uint32_t devices)
{
    struct bench b = {.machine = {.cpu_millis = cpus * 1000,
                                  .memory_bytes = memory * GB,
                                  .device_count = devices}};

    for (uint32_t i = 0; i < devices; i++)
        b.machine.device_memory_bytes[i] = 80 * GB;
    return b;
}

static uint32_t pick(uint32_t bound)
{
    return (uint32_t)rand() % bound;
}

Test(placement, what_fits_starts_and_what_is_unlimited_reserves_nothing)
{
    struct bench b = bench_of(4, 8, 0);

    add(&b, 1, CPUS(3), 0);
    want(&b, 2, CPUS(1));
    want(&b, 3, (struct placement_need){0});
    decide(&b);
    cr_assert_eq(b.answers[0].verdict, PLACEMENT_START);
    cr_assert_eq(b.answers[1].verdict, PLACEMENT_START);
    cr_assert_not(b.evict[0]);
}

Test(placement, what_the_machine_has_not_is_named)
{
    struct bench b = bench_of(4, 8, 1);

    want(&b, 1, CPUS(5));
    want(&b, 2, MEMORY(9));
    want(&b, 3, GPU(2000, 0));
    want(&b, 4, GPU(500, 81));
    decide(&b);
    for (uint32_t i = 0; i < 4; i++) {
        cr_expect_eq(b.answers[i].verdict, PLACEMENT_NEVER, "want %u", i);
        cr_expect_eq(b.answers[i].lacking, i, "want %u: %s", i,
                     placement_resource_name(b.answers[i].lacking));
    }
}

Test(placement, a_share_goes_to_the_fullest_device_that_has_room)
{
    struct bench b = bench_of(4, 8, 3);

    add(&b, 1, GPU(250, 10), 1);
    add(&b, 1, GPU(500, 10), 2);
    add(&b, 1, GPU(750, 10), 4);
    want(&b, 2, GPU(500, 10));
    decide(&b);
    cr_assert_eq(b.answers[0].devices, 2);
    b.wants[0].need = GPU(500, 75);
    decide(&b);
    cr_assert_neq(b.answers[0].verdict, PLACEMENT_START, "80 - 10 is too few");
    b.wants[0].need = GPU(200, 10);
    decide(&b);
    cr_assert_eq(b.answers[0].devices, 4);
}

Test(placement, whole_devices_are_empty_ones_and_no_one_elses)
{
    struct bench b = bench_of(4, 8, 4);

    add(&b, 1, GPU(100, 1), 2)->is_idle = false;
    want(&b, 2, GPU(2000, 40));
    want(&b, 3, GPU(1000, 40));
    want(&b, 4, GPU(1000, 40));
    decide(&b);
    cr_assert_eq(b.answers[0].devices, 1 | 4);
    cr_assert_eq(b.answers[1].devices, 8);
    cr_assert_eq(b.answers[2].verdict, PLACEMENT_WAIT);
    cr_assert_eq(b.answers[2].lacking, PLACEMENT_GPUS);
}

Test(placement, a_ninth_app_of_one_device_evicts_the_least_worth)
{
    struct bench b = bench_of(16, 64, 8);

    for (uint32_t i = 0; i < 8; i++)
        add(&b, i, GPU(1000, 0), UINT64_C(1) << i)->uses = 10 + (i * 5) % 8;
    want(&b, 8, GPU(1000, 0));
    decide(&b);
    cr_assert_eq(b.answers[0].verdict, PLACEMENT_SOON);
    for (uint32_t i = 0; i < 8; i++)
        cr_assert_eq(b.evict[i], i == 0);
    b.replicas[0].is_leaving = true;
    decide(&b);
    cr_assert_eq(b.answers[0].verdict, PLACEMENT_SOON, "it is not gone yet");
    for (uint32_t i = 0; i < 8; i++)
        cr_assert_not(b.evict[i], "one is enough");
    b.replicas[0] = b.replicas[--b.replica_count];
    decide(&b);
    cr_assert_eq(b.answers[0].verdict, PLACEMENT_START);
    cr_assert_eq(b.answers[0].devices, 1);
}

struct victim_case {
    const char *label;
    struct placement_replica victim; /* what differs from an idle one */
    int32_t importance;              /* of who wants */
    bool is_evicted;
};

static const struct victim_case victim_cases[] = {
    {"idle", {.is_idle = true, .is_evictable = true}, 0, true},
    {"busy", {.is_evictable = true}, 0, false},
    {"not evictable", {.is_idle = true}, 9, false},
    {"of more importance",
     {.is_idle = true, .is_evictable = true, .importance = 1},
     0,
     false},
    {"of less importance",
     {.is_idle = true, .is_evictable = true, .importance = -1},
     0,
     true},
    {"min, the same importance",
     {.is_idle = true, .is_evictable = true, .is_min = true},
     0,
     false},
    {"min, less importance",
     {.is_idle = true, .is_evictable = true, .is_min = true},
     1,
     true},
    {"leaving already",
     {.is_idle = true, .is_evictable = true, .is_leaving = true},
     0,
     false},
    {"here for 9 seconds",
     {.is_idle = true, .is_evictable = true, .since_us = NOW - 9 * SECOND},
     9,
     false},
    {"here for 10 seconds",
     {.is_idle = true, .is_evictable = true, .since_us = NOW - 10 * SECOND},
     0,
     true},
    {"here for less than twice its start",
     {.is_idle = true,
      .is_evictable = true,
      .since_us = NOW - 39 * SECOND,
      .start_us = 20 * SECOND},
     0,
     false},
    {"the same app's",
     {.app = 7, .is_idle = true, .is_evictable = true},
     0,
     false},
    {"hibernated for it: not evictable, and a min replica",
     {.is_idle = true, .is_min = true, .can_hibernate = true},
     0,
     true},
    {"it could be hibernated, but is busy",
     {.is_evictable = true, .can_hibernate = true},
     0,
     false},
    {"it could be hibernated, but is of more importance",
     {.is_idle = true, .can_hibernate = true, .importance = 1},
     0,
     false},
};

Test(placement, only_who_may_be_is_evicted)
{
    for (size_t i = 0; i < sizeof victim_cases / sizeof victim_cases[0]; i++) {
        const struct victim_case *c = &victim_cases[i];
        struct bench b = bench_of(1, 1, 0);

        b.replicas[0] = c->victim;
        b.replicas[0].need = CPUS(1);
        b.replica_count = 1;
        want(&b, 7, CPUS(1))->importance = c->importance;
        decide(&b);
        cr_expect_eq(b.evict[0], c->is_evicted, "%s", c->label);
        if (!c->victim.is_leaving)
            cr_expect_eq(b.answers[0].verdict,
                         c->is_evicted ? PLACEMENT_SOON : PLACEMENT_WAIT, "%s",
                         c->label);
    }
}

Test(placement, those_without_a_replica_go_first_then_importance_then_age)
{
    struct bench b = bench_of(1, 1, 0);

    want(&b, 1, CPUS(1))->has_none = false;
    b.wants[0].importance = 9;
    want(&b, 2, CPUS(1));
    want(&b, 3, CPUS(1))->importance = 1;
    want(&b, 4, CPUS(1))->importance = 1;
    b.wants[3].oldest_us = NOW - 1;
    for (uint32_t i = 0; i < 4; i++) {
        static const uint32_t order[] = {3, 2, 1, 0};

        decide(&b);
        for (uint32_t k = 0; k < 4; k++)
            cr_assert_eq(b.answers[k].verdict == PLACEMENT_START, k == order[i],
                         "turn %u, want %u", i, k);
        b.wants[order[i]].need = CPUS(2); /* can never have it */
    }
}

Test(placement, a_lower_rank_takes_nothing_that_a_higher_one_waits_for)
{
    struct bench b = bench_of(4, 1, 0);

    add(&b, 1, CPUS(3), 0)->is_leaving = true;
    want(&b, 2, CPUS(4))->importance = 1;
    want(&b, 3, CPUS(1));
    decide(&b);
    cr_assert_eq(b.answers[0].verdict, PLACEMENT_SOON);
    cr_assert_eq(b.answers[1].verdict, PLACEMENT_WAIT, "one cpu is free now");
}

Test(placement, one_victim_of_less_worth_than_several_is_taken)
{
    struct bench b = bench_of(4, 8, 0);

    add(&b, 1, CPUS(2), 0)->uses = 10;
    add(&b, 2, CPUS(2), 0)->uses = 11;
    b.machine.cpu_millis = 8000;
    add(&b, 3, CPUS(4), 0)->uses = 12;
    want(&b, 9, CPUS(4));
    decide(&b);
    cr_assert(!b.evict[0] && !b.evict[1] && b.evict[2]);
}

Test(placement, whoever_can_be_hibernated_gives_way_before_one_is_stopped)
{
    struct bench b = bench_of(4, 8, 0);

    add(&b, 1, MEMORY(4), 0)->uses = 1;
    add(&b, 2, MEMORY(2), 0)->uses = 1000;
    add(&b, 3, MEMORY(2), 0)->uses = 1001;
    b.replicas[1].can_hibernate = b.replicas[2].can_hibernate = true;
    want(&b, 9, MEMORY(4));
    decide(&b);
    cr_assert(!b.evict[0] && b.evict[1] && b.evict[2], "though worth more");
    b.wants[0].need = MEMORY(2);
    decide(&b);
    cr_assert(!b.evict[0] && b.evict[1] && !b.evict[2], "the least worth");
    b.wants[0].need = MEMORY(6);
    decide(&b);
    cr_assert_eq(b.evict[0] + b.evict[1] + b.evict[2], 2, "both kinds");
    cr_assert(b.evict[0], "those that sleep are not enough");
}

/* What is used now and then must in the end push out what was dear once and is
 * not used any more, however dear: GreedyDual's clock rises with each victim,
 * and what is used takes its value from it. */
Test(placement, what_was_dear_once_does_not_stay_for_ever)
{
    srand(8);
    for (unsigned run = 0; run < 200; run++) {
        struct bench b = bench_of(4, 5, 0);
        uint32_t evictions = 0;
        bool is_old_there = true;
        double bound;

        add(&b, 100, MEMORY(1), 0)->uses = 1 + pick(1000);
        b.replicas[0].start_us = (1 + pick(30)) * SECOND;
        for (uint32_t i = 0; i < 4; i++)
            add(&b, i, MEMORY(1), 0);
        /* Each victim is worth at least one start of a second for a request. */
        bound =
            placement_worth(&b.replicas[0]) / ((double)SECOND / (double)GB) + 1;
        for (uint32_t step = 0; is_old_there; step++) {
            cr_assert_leq(evictions, 5 * bound, "run %u: the old one stays",
                          run);
            b.want_count = 0;
            want(&b, 200 + step, MEMORY(1));
            decide(&b);
            cr_assert_eq(b.answers[0].verdict, PLACEMENT_SOON);
            for (uint32_t i = 0; i < 5; i++) {
                if (!b.evict[i])
                    continue;
                is_old_there &= b.replicas[i].app != 100;
                b.replicas[i].app = 200 + step; /* it came in its place */
                b.replicas[i].uses = 1;
                b.replicas[i].start_us = SECOND;
                b.replicas[i].clock = b.clock;
                evictions++;
            }
        }
    }
}

Test(placement, to_wake_needs_room_on_its_own_device)
{
    struct bench b = bench_of(4, 8, 2);
    struct placement_replica *asleep = add(&b, 1, GPU(500, 50), 1);

    asleep->hold = PLACEMENT_ASLEEP;
    add(&b, 2, GPU(500, 50), 1);
    want(&b, 1, GPU(0, 50))->pinned = 1;
    decide(&b);
    cr_assert_eq(b.answers[0].verdict, PLACEMENT_SOON);
    cr_assert(b.evict[1], "who took its memory");
    cr_assert_not(b.evict[0]);
    b.replica_count = 1;
    decide(&b);
    cr_assert_eq(b.answers[0].verdict, PLACEMENT_START);
    cr_assert_eq(b.answers[0].devices, 1);
}

Test(placement, a_rung_reserves_what_it_uses)
{
    static const uint64_t cpus[] = {1, 1, 0, 0, 0};
    static const uint64_t memory[] = {1, 0, 1, 0, 0};

    for (unsigned hold = 0; hold < 5; hold++) {
        struct bench b = bench_of(1, 1, 1);
        struct placement_replica *replica;

        replica = add(&b, 1,
                      (struct placement_need){.cpu_millis = 1000,
                                              .gpu_millis = 500,
                                              .gpu_memory_bytes = 80 * GB},
                      1);
        replica->hold = (enum placement_hold)hold;
        replica->is_idle = false;
        want(&b, 2, CPUS(1));
        want(&b, 3, GPU(500, 80));
        decide(&b);
        cr_expect_eq(b.answers[0].verdict == PLACEMENT_START, cpus[hold] == 0,
                     "cpus of %u", hold);
        cr_expect_eq(b.answers[1].verdict == PLACEMENT_START, memory[hold] == 0,
                     "gpu_memory of %u", hold);
    }
}

/* --- what always holds --- */

static struct placement_need any_need(void)
{
    struct placement_need need = {.cpu_millis = pick(3) * 500,
                                  .memory_bytes = pick(4) * GB};

    if (pick(2)) {
        need.gpu_millis = pick(3) ? (1 + pick(4)) * 250 : (1 + pick(2)) * 1000;
        need.gpu_memory_bytes = pick(50) * GB;
    }
    return need;
}

static void check_reserved(const struct bench *b)
{
    uint64_t cpus = 0;
    uint64_t memory = 0;
    uint32_t millis[8] = {0};
    uint64_t bytes[8] = {0};

    for (uint32_t i = 0; i < b->replica_count; i++) {
        const struct placement_replica *replica = &b->replicas[i];

        cpus += replica->need.cpu_millis;
        memory += replica->need.memory_bytes;
        for (uint32_t d = 0; d < b->machine.device_count; d++) {
            if (!(replica->devices >> d & 1))
                continue;
            millis[d] += replica->need.gpu_millis < 1000
                             ? replica->need.gpu_millis
                             : 1000;
            bytes[d] += replica->need.gpu_memory_bytes;
        }
    }
    cr_assert_leq(cpus, b->machine.cpu_millis);
    cr_assert_leq(memory, b->machine.memory_bytes);
    for (uint32_t d = 0; d < b->machine.device_count; d++) {
        cr_assert_leq(millis[d], 1000);
        cr_assert_leq(bytes[d], 80 * GB);
    }
}

static void check_evictions(const struct bench *b)
{
    for (uint32_t i = 0; i < b->replica_count; i++) {
        const struct placement_replica *replica = &b->replicas[i];
        bool has_reason = false;

        if (!b->evict[i])
            continue;
        cr_assert(replica->is_idle && !replica->is_leaving &&
                  (replica->is_evictable || replica->can_hibernate));
        cr_assert_leq(replica->since_us + 10 * SECOND, b->now_us);
        for (uint32_t k = 0; k < b->want_count; k++)
            has_reason |= b->answers[k].verdict == PLACEMENT_SOON &&
                          b->wants[k].importance >= replica->importance &&
                          b->wants[k].app != replica->app;
        cr_assert(has_reason);
    }
}

/* Do what it says; who leaves goes some steps later. */
static void act(struct bench *b)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < b->replica_count; i++) {
        struct placement_replica *replica = &b->replicas[i];

        if (replica->is_leaving && pick(3) == 0)
            continue;
        if (b->evict[i])
            replica->is_leaving = true;
        replica->is_idle = pick(3) > 0;
        b->replicas[kept++] = *replica;
    }
    b->replica_count = kept;
    for (uint32_t i = 0; i < b->want_count && b->replica_count < MOST; i++) {
        struct placement_replica *replica;

        if (b->answers[i].verdict != PLACEMENT_START)
            continue;
        replica =
            add(b, b->wants[i].app, b->wants[i].need, b->answers[i].devices);
        replica->importance = b->wants[i].importance;
        replica->since_us = b->now_us;
        replica->is_min = pick(4) == 0;
        replica->uses = pick(20);
        replica->is_evictable = pick(8) > 0;
        replica->can_hibernate = replica->devices == 0 && pick(3) == 0;
    }
}

Test(placement, nothing_is_ever_over_reserved)
{
    srand(5);
    for (unsigned run = 0; run < 300; run++) {
        struct bench b = bench_of(4 + pick(4), 8 + pick(8), pick(5));

        b.now_us = NOW;
        for (unsigned step = 0; step < 100; step++) {
            b.now_us += pick(4) * SECOND;
            b.want_count = 0;
            for (uint32_t i = pick(6); i > 0; i--) {
                struct placement_want *it = want(&b, pick(12), any_need());

                it->has_none = pick(2);
                it->importance = (int32_t)pick(3);
                it->oldest_us = pick(2) * (b.now_us - pick(1000));
            }
            decide(&b);
            check_evictions(&b);
            act(&b);
            check_reserved(&b);
        }
    }
}

/* With any one of them kept, the rest do not make room. */
Test(placement, of_those_evicted_none_could_be_left_out)
{
    unsigned seen = 0;

    srand(6);
    for (unsigned run = 0; run < 20000; run++) {
        struct bench b = bench_of(6, 12, 3);

        for (unsigned i = 0; i < 20; i++) {
            b.want_count = 0;
            want(&b, i, any_need());
            decide(&b);
            if (b.answers[0].verdict == PLACEMENT_START)
                add(&b, i, b.wants[0].need, b.answers[0].devices)->uses =
                    pick(50);
            else if (b.answers[0].verdict == PLACEMENT_SOON)
                break;
        }
        if (b.answers[0].verdict != PLACEMENT_SOON)
            continue;
        for (uint32_t keep = 0; keep < b.replica_count; keep++) {
            struct bench without = b;

            if (!b.evict[keep])
                continue;
            for (uint32_t i = 0; i < b.replica_count; i++) {
                without.replicas[i].is_evictable = false;
                without.replicas[i].is_leaving = b.evict[i] && i != keep;
            }
            decide(&without);
            cr_assert_eq(without.answers[0].verdict, PLACEMENT_WAIT);
            seen++;
        }
    }
    cr_assert_gt(seen, 1000);
}

/* Two apps that do not fit together, asked for by turns each second. */
Test(placement, two_that_do_not_fit_swap_no_faster_than_the_residence)
{
    struct bench b = bench_of(1, 1, 0);
    uint64_t last_us = 0;
    unsigned swaps = 0;

    for (unsigned second = 1; second <= 600; second++) {
        uint32_t app = second % 2;

        b.now_us = NOW + second * SECOND;
        if (b.replica_count > 0 && b.replicas[0].app == app)
            continue;
        b.want_count = 0;
        want(&b, app, CPUS(1));
        decide(&b);
        if (b.evict[0])
            b.replica_count = 0; /* gone by the next second */
        if (b.answers[0].verdict != PLACEMENT_START)
            continue;
        add(&b, app, CPUS(1), 0)->since_us = b.now_us;
        b.replicas[0].start_us = 8 * SECOND;
        cr_assert(last_us == 0 || b.now_us - last_us >= 16 * SECOND);
        last_us = b.now_us;
        swaps++;
    }
    cr_assert_gt(swaps, 20, "yet they do take turns");
}

Test(placement, one_that_nobody_uses_any_more_gives_its_turn_up)
{
    static const struct {
        const char *label;
        struct placement_replica replica;
        bool gives_way;
        uint64_t again_us;
    } cases[] = {
        {"used a moment ago",
         {.used_us = NOW, .start_us = 3 * SECOND},
         false,
         NOW + 3 * SECOND / 2},
        {"not used for half of its start",
         {.used_us = NOW - 3 * SECOND / 2, .start_us = 3 * SECOND},
         true,
         0},
        {"a slow start, at the end of its turn",
         {.used_us = NOW,
          .start_us = 25 * SECOND,
          .since_us = NOW - 45 * SECOND},
         false,
         NOW + 5 * SECOND},
        {"a slow start, after its turn",
         {.used_us = NOW,
          .start_us = 25 * SECOND,
          .since_us = NOW - 50 * SECOND},
         true,
         0},
        {"it is not known when",
         {.start_us = SECOND / 10, .since_us = NOW - 9 * SECOND},
         false,
         NOW + SECOND},
        {"used a moment ago, but it may not be evicted",
         {.used_us = NOW, .start_us = SECOND, .importance = 1},
         false,
         0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench b = bench_of(1, 8, 0);
        struct placement_replica *replica = add(&b, 1, CPUS(1), 0);
        uint64_t since_us = cases[i].replica.since_us;

        replica->since_us = since_us ? since_us : NOW - 5 * SECOND;
        replica->used_us = cases[i].replica.used_us;
        replica->start_us = cases[i].replica.start_us;
        replica->importance = cases[i].replica.importance;
        want(&b, 2, CPUS(1));
        decide(&b);
        cr_expect_eq(b.evict[0], cases[i].gives_way, "%s", cases[i].label);
        cr_expect_eq(b.again_us, cases[i].again_us, "%s", cases[i].label);
    }
}

Test(placement, a_start_that_nobody_waits_for_makes_way_for_who_waits)
{
    for (unsigned waits = 0; waits < 2; waits++) {
        struct bench b = bench_of(1, 8, 0);
        struct placement_replica *replica = add(&b, 1, CPUS(1), 0);

        replica->is_starting = true;
        replica->since_us = NOW - SECOND;
        want(&b, 2, CPUS(1))->oldest_us = waits ? NOW : 0;
        decide(&b);
        cr_expect_eq(b.evict[0], waits == 1, "waits: %u", waits);
        cr_expect_eq(b.again_us, waits ? 0 : NOW + 9 * SECOND);
    }
}

Test(placement, it_is_said_for_whom_one_is_evicted)
{
    struct bench b = bench_of(4, 8, 0);

    add(&b, 1, CPUS(2), 0);
    add(&b, 2, CPUS(2), 0);
    want(&b, 3, CPUS(2))->importance = 1;
    want(&b, 4, CPUS(2))->importance = 2;
    decide(&b);
    cr_assert(b.evict[0]);
    cr_assert(b.evict[1]);
    cr_expect_eq(b.evict_for[0], 1U, "the more important one is served first");
    cr_expect_eq(b.evict_for[1], 0U);
}

Test(placement, a_primed_one_needs_the_devices_that_its_container_has)
{
    static const struct {
        uint32_t taken_millis;
        uint64_t taken_gb;
        enum placement_verdict verdict;
        enum placement_resource lacking;
    } cases[] = {
        {500, 40, PLACEMENT_START, PLACEMENT_CPUS},
        {501, 10, PLACEMENT_WAIT, PLACEMENT_GPUS},
        {250, 41, PLACEMENT_WAIT, PLACEMENT_GPU_MEMORY},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench b = bench_of(4, 8, 2);

        add(&b, 1, GPU(cases[i].taken_millis, cases[i].taken_gb), 2)->is_idle =
            false;
        want(&b, 2, GPU(500, 40))->pinned = 2;
        decide(&b);
        cr_expect_eq(b.answers[0].verdict, cases[i].verdict, "case %zu", i);
        if (cases[i].verdict == PLACEMENT_START)
            cr_expect_eq(b.answers[0].devices, 2U, "case %zu", i);
        else
            cr_expect_eq(b.answers[0].lacking, cases[i].lacking, "case %zu", i);
    }
}
