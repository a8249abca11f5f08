/* fleet_warmth.c: which apps have a primed replica, and what gives way when
 * memory is short, with a /proc of the test's own.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lifecycle/machine.h"
#include "router/base/alloc.h"
#include "tests/support/fleet_bench.h"

static struct fleet_bench bench;
static char proc[64];

static void set_available(unsigned percent)
{
    char path[96];
    char draft[96];
    FILE *file;

    snprintf(path, sizeof path, "%s/meminfo", proc);
    snprintf(draft, sizeof draft, "%s/draft", proc);
    file = fopen(draft, "we");
    cr_assert_not_null(file);
    fprintf(file, "MemTotal: 100000 kB\nMemAvailable: %u kB\n", percent * 1000);
    fclose(file);
    cr_assert_eq(rename(draft, path), 0);
}

static void init(void)
{
    snprintf(proc, sizeof proc, "/tmp/berth-proc-XXXXXX");
    cr_assert_not_null(mkdtemp(proc));
    set_available(80);
    bench_init(&bench, 3);
    bench.proc = proc;
}

static void done(void)
{
    char path[96];

    bench_done(&bench);
    snprintf(path, sizeof path, "%s/meminfo", proc);
    unlink(path);
    rmdir(proc);
}

TestSuite(fleet_warmth, .init = init, .fini = done);

#define FRONT  bench.front->log.data
#define ENGINE bench.engine->log.data

static void keep_auto(void)
{
    for (unsigned i = 0; i < 3; i++)
        bench.apps[i].warmth.keep_primed_auto = true;
}

Test(fleet_warmth, auto_primes_one_of_each_app_that_has_none_warmer)
{
    keep_auto();
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "init c", 3));
    bench_run_ms(&bench, 600);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 3U, "%s", ENGINE);
    cr_expect_eq(bench.engine->counts[FAKE_START], 0U);
}

Test(fleet_warmth, auto_primes_none_beside_a_ready_one)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    keep_auto();
    cr_assert(bench_engine_hears(&bench, "init c", 2));
    bench_run_ms(&bench, 600);
    cr_expect_eq(fake_engine_count(bench.engine), 3U, "%s", ENGINE);
    cr_expect_null(strstr(ENGINE, "create berth-t-a-2"), "%s", ENGINE);
}

Test(fleet_warmth, auto_primes_what_was_used_last_first)
{
    bench.apps[2].idle_timeout_ms = 100;
    bench_start(&bench);
    bench_make_ready(&bench, 2);
    fake_front_demand(bench.front, 2, 0, 1, 1);
    fake_front_demand(bench.front, 2, 0, 0, 1);
    cr_assert(bench_front_hears(&bench, "drain replica=1", 1));
    channel_send_replica_drained(bench.front->channel,
                                 &(struct channel_replica_drained){1}, NULL, 0);
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
    keep_auto();
    cr_assert(bench_engine_hears(&bench, "init c1", 1));
    cr_expect_not_null(strstr(ENGINE, "create berth-t-c-2"), "%s", ENGINE);
}

Test(fleet_warmth, auto_primes_none_where_memory_is_not_plenty)
{
    set_available(20);
    keep_auto();
    bench_start(&bench);
    bench_run_ms(&bench, 900);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U, "%s", ENGINE);
}

Test(fleet_warmth, those_primed_by_auto_go_when_memory_is_not_plenty)
{
    keep_auto();
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "init c", 3));
    set_available(20);
    cr_assert(bench_engine_hears(&bench, "remove c", 3));
}

Test(fleet_warmth, frozen_ones_are_hibernated_before_an_idle_one_is_stopped)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    bench_make_ready(&bench, 1);
    fake_front_asleep(bench.front, 2, true, false);
    cr_assert(bench_engine_hears(&bench, "freeze c1", 1));
    set_available(5);
    cr_assert(bench_front_hears(&bench, "sleep replica=2 published=0", 1));
    fake_front_asleep(bench.front, 2, true, true);
    cr_assert(bench_engine_hears(&bench, "hibernate c1", 1));
    cr_expect_null(strstr(FRONT, "drain"), "%s", FRONT);
}

Test(fleet_warmth, the_least_worth_keeping_leaves_where_none_can_be_hibernated)
{
    bench.engine->base.capabilities.can_hibernate = false;
    bench.engine->resident_bytes = 1 << 20;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    bench.engine->resident_bytes = 900 << 20;
    bench_make_ready(&bench, 1);
    fake_front_demand(bench.front, 0, 0, 0, 1);
    fake_front_demand(bench.front, 1, 0, 0, 1);
    set_available(5);
    cr_assert(bench_front_hears(&bench, "drain replica=", 1));
    cr_expect_not_null(strstr(FRONT, "reason=the machine runs short"), "%s",
                       FRONT);
    bench_run_ms(&bench, 1200);
    cr_expect_eq(fake_front_count(bench.front, "drain replica="), 1U,
                 "one at a time, and what that gave is seen first");
}

Test(fleet_warmth, who_is_in_use_or_asked_to_stay_does_not_give_way)
{
    bench.engine->base.capabilities.can_hibernate = false;
    bench.apps[1].replicas_min = 1;
    bench.keeper_apps[2].is_evictable = false;
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "add app=1", 1));
    bench_say_ready(&bench);
    bench_make_ready(&bench, 0);
    bench_make_ready(&bench, 2);
    fake_front_demand(bench.front, 0, 0, 1, 1);
    set_available(5);
    bench_run_ms(&bench, 1600);
    cr_expect_null(strstr(FRONT, "drain"), "%s", FRONT);
    fake_front_demand(bench.front, 0, 0, 0, 1);
    cr_assert(bench_front_hears(&bench, "drain replica=2", 1), "%s", FRONT);
}

/* --- resources --- */

static struct machine machine = {
    .totals = {.cpu_millis = 4000, .memory_bytes = 1000}};

static void make_frozen(unsigned index, uint64_t replica)
{
    bench_make_ready(&bench, index);
    fake_front_asleep(bench.front, replica, true, false);
    bench_run_ms(&bench, 30);
}

/* One that takes `memory` awake is hibernated, two that take 400 are frozen, of
 * which b is of more importance. */
static void fill(uint64_t memory)
{
    bench.machine = &machine;
    for (unsigned i = 0; i < 3; i++)
        bench.keeper_apps[i].container.memory_bytes = i == 0 ? memory : 400;
    bench.keeper_apps[1].importance = 1;
    bench.apps[0].warmth.hibernate_when = HIBERNATE_AFTER;
    bench.apps[0].warmth.hibernate_after_ms = 1;
    bench_start(&bench);
    make_frozen(0, 1);
    cr_assert(bench_front_hears(&bench, "sleep replica=1 published=0", 1));
    fake_front_asleep(bench.front, 1, true, true);
    cr_assert(bench_engine_hears(&bench, "hibernate c0", 1));
    make_frozen(1, 2);
    make_frozen(2, 3);
}

Test(fleet_warmth, where_all_is_reserved_one_is_hibernated_for_the_next_to_wake)
{
    fill(250);
    cr_assert(bench_front_hears(&bench, "sleep replica=3 published=0", 1));
    fake_front_asleep(bench.front, 3, true, true);
    cr_assert(bench_engine_hears(&bench, "hibernate c2", 1));
    bench_run_ms(&bench, 600);
    cr_expect_eq(fake_front_count(bench.front, "sleep replica=2"), 0U,
                 "that is enough: %s", FRONT);
}

Test(fleet_warmth, none_is_hibernated_for_one_that_has_room_or_takes_too_much)
{
    static const unsigned memory[] = {200, 251};

    for (size_t i = 0; i < ARRAY_LEN(memory); i++) {
        fill(memory[i]);
        bench_run_ms(&bench, 600);
        cr_expect_eq(fake_front_count(bench.front, "published=0"), 1U,
                     "of %u: %s", memory[i], FRONT);
        if (i == 0) {
            done();
            init();
        }
    }
}

Test(fleet_warmth, freeze_after_off_is_not_overridden_by_pressure)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    bench.apps[1].warmth.freeze_after_ms = 60000;
    bench_make_ready(&bench, 1);
    set_available(5);
    cr_assert(bench_front_hears(&bench, "sleep replica=2 published=1", 1));
    cr_expect_null(strstr(FRONT, "sleep replica=1"), "%s", FRONT);
    cr_expect_eq(bench.engine->counts[FAKE_FREEZE], 0U);
}
