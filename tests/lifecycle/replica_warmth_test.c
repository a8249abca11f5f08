/* replica_warmth.c: the rungs below ready, with a fake engine and an owner that
 * writes down what it hears.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lifecycle/replica.h"
#include "lifecycle/replica_warmth.h"
#include "router/base/clock.h"
#include "router/base/loop.h"
#include "tests/support/fleet_bench.h"

static struct fleet_bench bench; /* for its loop, engine and settings */
static struct image_store *images;
static struct start_queue starts;
static struct replica_host host;
static struct replica *replica;
static struct strbuf heard;

static void on_state(void *arg, struct replica *it, enum replica_state before)
{
    (void)arg;
    strbuf_printf(&heard, "%s>%s ", replica_state_name(before),
                  replica_state_name(replica_view(it)->state));
}

static void on_failed(void *arg, struct replica *it,
                      const struct replica_failure *failure)
{
    (void)arg;
    (void)it;
    strbuf_printf(&heard, "[%s: %s] ", failure->code, failure->reason);
}

static const struct replica_owner owner = {.on_state = on_state,
                                           .on_failed = on_failed};

static void init(void)
{
    bench_init(&bench, 1);
    images = image_store_new(bench.loop, bench.timers, &bench.engine->base,
                             &bench.settings.podman, NULL);
    start_queue_init(&starts, 1);
    host = (struct replica_host){.loop = bench.loop,
                                 .timers = bench.timers,
                                 .engine = &bench.engine->base,
                                 .images = images,
                                 .starts = &starts,
                                 .namespace_name = "t",
                                 .state_dir = bench.state_dir};
    strbuf_add_str(&heard, "");
}

static void done(void)
{
    replica_free(&replica);
    cr_expect_eq(starts.active, 0U, "its turn was given back");
    image_store_free(&images);
    bench_done(&bench);
    strbuf_done(&heard);
}

TestSuite(replica_warmth, .init = init, .fini = done);

#define ENGINE bench.engine->log.data

static bool has_state(void *arg)
{
    return replica_view(replica)->state == *(const enum replica_state *)arg;
}

static void await(enum replica_state state)
{
    cr_assert(bench_run_until(&bench, has_state, &state, 5000),
              "not %s: %s\n%s", replica_state_name(state), heard.data, ENGINE);
}

static void forget(void)
{
    strbuf_clear(&heard);
    strbuf_add_str(&heard, "");
}

static void make_ready(void)
{
    replica = replica_start(&host, &bench.keeper_apps[0], 1, true, &owner);
    await(REPLICA_PROBING);
    replica_on_ready(replica, 0, 0, 0);
    forget();
}

static void make_frozen(void)
{
    make_ready();
    cr_assert(replica_freeze(replica, false, "idle"));
    bench_run_ms(&bench, 10);
    cr_assert_str_eq(heard.data, "ready>frozen ");
    forget();
}

static void make_hibernated(void)
{
    make_frozen();
    cr_assert(replica_hibernate(replica, "pressure"));
    await(REPLICA_HIBERNATED);
    forget();
}

static bool is_frozen(void)
{
    return fake_engine_find(bench.engine, "c0")->container.is_frozen;
}

Test(replica_warmth, is_frozen_and_thawed_again)
{
    uint64_t before_us = clock_now_us() - 3000;

    make_frozen();
    cr_expect(is_frozen());
    cr_expect(replica_is_asleep(replica));
    cr_expect(replica_is_announced(replica), "it takes requests");
    cr_expect_not(replica_is_starting(replica));
    replica_thaw(replica, before_us, "a request came");
    replica_thaw(replica, before_us, "twice is as good as once");
    await(REPLICA_READY);
    cr_expect_str_eq(heard.data, "frozen>ready ");
    cr_expect_not(is_frozen());
    cr_expect_eq(replica_view(replica)->from, RUNG_FROZEN);
    cr_expect_geq(replica_view(replica)->phases.thaw_us, 3000U);
    cr_expect_eq(replica_view(replica)->phases.create_us, 0U);
    cr_expect_eq(bench.engine->counts[FAKE_THAW], 1U);
}

Test(replica_warmth, an_answer_may_come_before_its_thaw_is_seen)
{
    make_frozen();
    replica_thaw(replica, clock_now_us(), "a request came");
    cr_expect_not(replica_on_first_byte(replica, clock_now_us()));
    await(REPLICA_READY);
    cr_expect_eq(replica_view(replica)->phases.first_byte_us, 1U);
    cr_expect_not(replica_on_first_byte(replica, clock_now_us()), "once");
    forget();
    cr_assert(replica_freeze(replica, false, "idle"));
    bench_run_ms(&bench, 10);
    replica_thaw(replica, clock_now_us(), "a request came");
    await(REPLICA_READY);
    cr_expect_eq(replica_view(replica)->phases.first_byte_us, 0U);
    cr_expect(replica_on_first_byte(replica, clock_now_us() + 5000));
    cr_expect_geq(replica_view(replica)->phases.first_byte_us, 4000U);
}

Test(replica_warmth, only_a_ready_one_is_frozen)
{
    bench.engine->hold[FAKE_START] = true;
    replica = replica_start(&host, &bench.keeper_apps[0], 1, true, &owner);
    await(REPLICA_STARTING);
    cr_expect_not(replica_freeze(replica, false, "too early"));
    fake_engine_release(bench.engine, FAKE_START);
    await(REPLICA_PROBING);
    cr_expect_not(
        replica_freeze(replica, false, "never before its first ready"));
    replica_on_ready(replica, 0, 0, 0);
    replica_leave(replica, "idle");
    cr_expect_not(replica_freeze(replica, false, "it drains"));
    cr_expect_eq(bench.engine->counts[FAKE_FREEZE], 0U);
}

Test(replica_warmth, a_request_that_comes_during_the_freeze_ends_it)
{
    make_ready();
    bench.engine->hold[FAKE_FREEZE] = true;
    cr_assert(replica_freeze(replica, false, "idle"));
    bench_run_ms(&bench, 10);
    replica_thaw(replica, 0, "a request came");
    await(REPLICA_READY);
    cr_expect_str_eq(heard.data, "ready>frozen frozen>ready ");
    cr_expect_not(is_frozen());
}

Test(replica_warmth, one_that_cannot_be_frozen_is_ready_again)
{
    make_ready();
    fake_engine_fail(bench.engine, FAKE_FREEZE, 1, ERR_TIMEOUT, "it will not");
    cr_assert(replica_freeze(replica, true, "idle"));
    await(REPLICA_READY);
    cr_expect_str_eq(heard.data, "ready>frozen frozen>ready ");
    cr_expect_not(replica_is_withheld(replica));
    cr_expect_str_eq(replica_view(replica)->reason, "it will not");
    cr_expect_not(replica_view(replica)->is_start, "that was no start");
}

Test(replica_warmth, one_that_is_to_be_hibernated_is_as_soon_as_it_is_frozen)
{
    make_ready();
    replica_want_hibernate(replica, "another app needs it");
    cr_assert(replica_freeze(replica, true, "another app needs it"));
    await(REPLICA_HIBERNATED);
    cr_expect_str_eq(replica_view(replica)->reason, "another app needs it");
}

Test(replica_warmth, is_hibernated_and_comes_back)
{
    struct engine_memory memory;

    bench.engine->resident_bytes = 5 << 20;
    make_hibernated();
    cr_assert(replica_memory(replica, &memory));
    cr_expect_eq(memory.swapped_bytes, 5U << 20);
    cr_expect(replica_is_withheld(replica), "it is not published");
    cr_expect_str_eq(replica_view(replica)->reason, "pressure");
    replica_thaw(replica, 0, "a request waits");
    cr_expect(replica_is_starting(replica), "it is on its way");
    await(REPLICA_READY);
    cr_expect_str_eq(heard.data, "hibernated>ready ");
    cr_expect_eq(replica_view(replica)->from, RUNG_HIBERNATED);
    cr_expect_not(replica_is_withheld(replica));
}

Test(replica_warmth, a_request_stops_the_hibernation)
{
    make_frozen();
    bench.engine->hold[FAKE_HIBERNATE] = true;
    cr_assert(replica_hibernate(replica, "pressure"));
    bench_run_ms(&bench, 10);
    cr_expect(replica_is_hibernating(replica));
    replica_thaw(replica, 0, "a request waits");
    await(REPLICA_READY);
    cr_expect_str_eq(heard.data, "frozen>ready ");
    cr_expect_not(replica_is_hibernating(replica));
    cr_expect_null(replica_hibernate_reason(replica));
}

Test(replica_warmth, one_that_swap_cannot_hold_stays_frozen_and_says_so)
{
    make_frozen();
    fake_engine_fail(bench.engine, FAKE_HIBERNATE, 1, ERR_LIMIT,
                     "swap has no room");
    cr_assert(replica_hibernate(replica, "pressure"));
    bench_run_ms(&bench, 20);
    cr_expect_str_eq(heard.data, "frozen>frozen ", "%s", heard.data);
    cr_expect_not_null(strstr(replica_view(replica)->reason, "no room"));
    cr_expect_gt(replica_view(replica)->hibernate_failed_at_us, 0U);
    cr_expect(is_frozen());
}

Test(replica_warmth, on_wake_comes_before_ready)
{
    bench.apps[0].warmth.on_wake = "/wake";
    make_ready();
    cr_assert(replica_freeze(replica, true, "idle"));
    bench_run_ms(&bench, 10);
    cr_expect_not(replica_is_starting(replica));
    replica_thaw(replica, 0, "a request waits");
    await(REPLICA_PROBING);
    cr_expect(replica_is_starting(replica));
    cr_expect(replica_is_withheld(replica));
    replica_on_ready(replica, 0, 4000, 0);
    cr_expect_str_eq(heard.data, "ready>frozen frozen>probing probing>ready ");
    cr_expect_eq(replica_view(replica)->phases.ready_us, 4000U);
    cr_expect_not(replica_is_withheld(replica));
    bench.apps[0].warmth.on_wake = NULL;
}

Test(replica_warmth, leaves_from_every_rung_thawed_first)
{
    static void (*const rungs[])(void) = {make_frozen, make_hibernated};

    done();
    for (size_t i = 0; i < ARRAY_LEN(rungs); i++) {
        const char *thaw;

        init();
        rungs[i]();
        replica_leave(replica, "idle");
        replica_on_drained(replica); /* of the one that took requests */
        await(REPLICA_GONE);
        thaw = strstr(ENGINE, "thaw c0");
        cr_assert_not_null(thaw, "%s", ENGINE);
        cr_expect_not_null(strstr(thaw, "stop c0"),
                           "thawed before it is "
                           "stopped:\n%s",
                           ENGINE);
        cr_expect_eq(fake_engine_count(bench.engine), 0U);
        done();
    }
    init();
}

Test(replica_warmth, one_that_ends_while_it_is_thawed_to_be_stopped_goes)
{
    make_hibernated();
    bench.engine->hold[FAKE_THAW] = true;
    replica_leave(replica, "idle");
    bench_run_ms(&bench, 10);
    fake_engine_exit(bench.engine, "c0", 137);
    await(REPLICA_GONE);
    cr_expect_str_eq(heard.data, "hibernated>stopping stopping>gone ");
}

Test(replica_warmth, its_end_is_seen_on_every_rung)
{
    static const struct {
        void (*make)(void);
        const char *heard;
    } rungs[] = {
        {make_frozen, "frozen>failed "},
        {make_hibernated, "hibernated>failed "},
    };

    done();
    for (size_t i = 0; i < ARRAY_LEN(rungs); i++) {
        init();
        rungs[i].make();
        fake_engine_exit(bench.engine, "c0", 137);
        cr_expect_eq(
            strncmp(heard.data, rungs[i].heard, strlen(rungs[i].heard)), 0,
            "%s", heard.data);
        await(REPLICA_GONE);
        cr_expect_not_null(strstr(heard.data, "[crashed: "), "%s", heard.data);
        done();
    }
    init();
}

Test(replica_warmth, a_drain_is_called_off_and_it_is_frozen_as_before)
{
    make_frozen();
    replica_leave(replica, "idle");
    replica_resume(replica, "wanted");
    cr_expect_str_eq(heard.data, "frozen>draining draining>frozen ");
    replica_leave(replica, "idle");
    replica_thaw(replica, 0, "a request came before the drain did");
    bench_run_ms(&bench, 10);
    cr_expect_not(is_frozen());
    cr_expect_eq(replica_view(replica)->state, REPLICA_DRAINING);
    replica_resume(replica, "wanted");
    cr_expect_eq(replica_view(replica)->state, REPLICA_READY);
}

/* --- primed --- */

static void make_primed(void)
{
    replica = replica_prime(&host, &bench.keeper_apps[0], 1, &owner);
    await(REPLICA_PRIMED);
    forget();
}

Test(replica_warmth, is_primed_and_starts_when_it_is_wanted)
{
    replica = replica_prime(&host, &bench.keeper_apps[0], 1, &owner);
    await(REPLICA_PRIMED);
    cr_expect_str_eq(heard.data, "pulling>creating creating>primed ");
    cr_expect(replica_is_priming(replica));
    cr_expect_not(replica_is_starting(replica));
    cr_expect_not(replica_is_announced(replica));
    cr_expect_eq(starts.active, 0U, "it holds no turn");
    cr_expect_eq(bench.engine->counts[FAKE_START], 0U);
    replica_climb(replica, true, "a request waits");
    cr_expect(replica_is_starting(replica));
    await(REPLICA_PROBING);
    replica_on_ready(replica, 0, 0, 0);
    cr_expect_eq(replica_view(replica)->from, RUNG_PRIMED);
    cr_expect_eq(replica_view(replica)->phases.create_us, 0U,
                 "that was before it was wanted");
    cr_expect_eq(bench.engine->counts[FAKE_INIT], 1U);
}

Test(replica_warmth, a_request_takes_what_is_being_primed)
{
    bench.engine->hold[FAKE_CREATE] = true;
    replica = replica_prime(&host, &bench.keeper_apps[0], 1, &owner);
    await(REPLICA_CREATING);
    replica_climb(replica, true, "a request waits");
    fake_engine_release(bench.engine, FAKE_CREATE);
    await(REPLICA_PROBING);
    cr_expect_eq(bench.engine->counts[FAKE_INIT], 0U,
                 "it goes straight on:\n%s", ENGINE);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U);
}

Test(replica_warmth, what_only_warms_waits_behind_what_is_wanted)
{
    struct start_ticket other = {0};

    cr_assert(start_queue_enter(&starts, &other, true));
    replica = replica_prime(&host, &bench.keeper_apps[0], 1, &owner);
    await(REPLICA_CREATING);
    cr_expect_not(list_is_empty(&starts.others));
    replica_climb(replica, true, "a request waits");
    cr_expect_not(list_is_empty(&starts.urgent), "it moved up");
    cr_expect(list_is_empty(&starts.others));
    start_ticket_return(&other);
    await(REPLICA_PROBING);
}

Test(replica_warmth, to_prime_one_nothing_is_pulled)
{
    bench.engine->image_is_there = false;
    replica = replica_prime(&host, &bench.keeper_apps[0], 1, &owner);
    await(REPLICA_GONE);
    cr_expect_eq(bench.engine->counts[FAKE_PULL], 0U);
    cr_expect_str_eq(heard.data, "pulling>gone ");
}

Test(replica_warmth, a_primed_one_leaves_and_its_end_is_no_crash)
{
    make_primed();
    replica_leave(replica, "not wanted");
    await(REPLICA_GONE);
    cr_expect_str_eq(heard.data, "primed>stopping stopping>gone ");
    cr_expect_eq(bench.engine->counts[FAKE_STOP], 0U,
                 "there is nothing to stop");
    replica_free(&replica);
    make_primed();
    fake_engine_exit(bench.engine, replica_view(replica)->container_id, 1);
    await(REPLICA_GONE);
    cr_expect_str_eq(heard.data, "primed>stopping stopping>gone ");
}

/* --- adopted --- */

static void adopt(const struct fake_container *at)
{
    struct err err;

    replica = replica_adopt(&host, &bench.keeper_apps[0], &at->container,
                            &owner, &err);
    cr_assert_not_null(replica, "%s", err.text);
}

Test(replica_warmth, a_frozen_one_is_found_frozen)
{
    struct fake_container *at =
        fake_engine_add(bench.engine, "a", 7, "1", true);

    at->container.is_frozen = true;
    adopt(at);
    cr_expect_eq(replica_view(replica)->state, REPLICA_FROZEN);
    cr_expect_not(replica_is_withheld(replica));
    replica_thaw(replica, 0, "a request came");
    await(REPLICA_READY);
    cr_expect(replica_view(replica)->from == RUNG_FROZEN);
}

/* How much of it is in swap says which it was. */
Test(replica_warmth, a_hibernated_one_is_found_hibernated)
{
    static const struct {
        const char *label;
        struct engine_memory memory;
        enum replica_state state;
    } cases[] = {
        {"nothing in swap", {100 << 20, 0}, REPLICA_FROZEN},
        {"a little", {100 << 20, 10 << 20}, REPLICA_FROZEN},
        {"the most", {10 << 20, 100 << 20}, REPLICA_HIBERNATED},
        {"a small one", {3 << 20, 4096}, REPLICA_HIBERNATED},
        {"a small one that never was", {3 << 20, 0}, REPLICA_FROZEN},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake_container *at =
            fake_engine_add(bench.engine, "a", 7 + i, "1", true);

        at->container.is_frozen = true;
        at->memory = cases[i].memory;
        adopt(at);
        cr_expect_eq(replica_view(replica)->state, cases[i].state, "%s",
                     cases[i].label);
        cr_expect_eq(replica_is_withheld(replica),
                     cases[i].state == REPLICA_HIBERNATED, "%s",
                     cases[i].label);
        replica_free(&replica);
    }
}

/* The time it waited for room is told apart from that of its thaw. */
Test(replica_warmth, how_long_it_waited_for_room_is_told)
{
    const struct replica_phases *phases;

    make_hibernated();
    replica_wake(replica, 700000, "there is room");
    await(REPLICA_READY);
    phases = &replica_view(replica)->phases;
    cr_expect_eq(phases->evict_us, 700000U);
    cr_expect_geq(phases->total_us, 700000U);
    cr_expect_eq(phases->thaw_us, phases->total_us - phases->evict_us);
}

Test(replica_warmth, a_primed_one_is_found_primed)
{
    struct fake_container *at =
        fake_engine_add(bench.engine, "a", 7, "1", false);

    at->container.is_created = true;
    at->container.is_primed = true;
    at->container.pid = 4242;
    adopt(at);
    cr_expect_eq(replica_view(replica)->state, REPLICA_PRIMED);
    replica_climb(replica, true, "a request waits");
    await(REPLICA_PROBING);
}
