/* rollout_test.c - reloads of the fleet, and one revision after another,
 * between a fake engine and a fake front. */
#include "lifecycle/rollout.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/fleet_app.h"
#include "router/base/alloc.h"
#include "tests/support/fleet_bench.h"

#define ENGINE bench.engine->log.data

static struct fleet_bench bench;

static void init(void)
{
    bench_init(&bench, 2);
}

static void done(void)
{
    bench_run_ms(&bench, 5); /* what a reload has deferred */
    bench_done(&bench);
}

static void expect_reload(struct bench_generation *next, const char *results)
{
    AUTO(auto_free) char *told = bench_reload(&bench, next);

    cr_assert_str_eq(told ? told : "", results);
}

/* Another specification of app "a". */
static struct bench_generation *other_revision(char *workdir)
{
    struct bench_generation *next = bench_generation(&bench);

    next->keeper_apps[0].container.workdir = workdir;
    return next;
}

static bool says(const char *text)
{
    AUTO(auto_free) char *status = bench_status(&bench, 0);

    return strstr(status, text) != NULL;
}

static bool is_done(void *arg)
{
    (void)arg;
    return says("\"result\":\"done\"");
}

static bool is_rolled_back(void *arg)
{
    (void)arg;
    return says("\"result\":\"rolled_back\"");
}

/* The one before may not have been heard of yet when the next is added. */
static void say_ready(uint64_t replica)
{
    bench.front->last_replica = replica;
    bench_say_ready(&bench);
}

static bool is_ready(void *arg)
{
    (void)arg;
    return says("\"state\":\"ready\"");
}

/* "a" has one replica, number 1, that serves. */
static void start_with_one(void)
{
    bench.apps[0].replicas_min = 1;
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=1", 1));
    say_ready(1);
    cr_assert(bench_run_until(&bench, is_ready, NULL, 5000));
}

Test(rollout, each_app_is_told_what_became_of_it, .init = init, .fini = done)
{
    struct bench_generation *next;
    static char dir[] = "/w";

    bench_start(&bench);
    bench_make_ready(&bench, 0);
    expect_reload(bench_generation(&bench), "a=unchanged b=unchanged");
    next = bench_generation(&bench);
    next->apps[0].queue_size = 77;
    expect_reload(next, "a=changed b=unchanged");
    next = bench_generation(&bench);
    next->apps[0].queue_size = 77;
    next->settings.app_count = 1;
    expect_reload(next, "a=unchanged b=removed");
    next = other_revision(dir);
    next->apps[0].queue_size = 77;
    next->apps[1].id = 2;
    expect_reload(next, "a=rolling b=added");
    cr_expect(strstr(ENGINE, "stop c0\n") == NULL, "%s", ENGINE);
}

Test(rollout, limits_change_in_the_container_that_runs, .init = init,
     .fini = done)
{
    struct bench_generation *next;

    bench_start(&bench);
    bench_make_ready(&bench, 0);
    next = bench_generation(&bench);
    next->keeper_apps[0].container.memory_bytes = 4096;
    next->keeper_apps[0].container.pids = 7;
    expect_reload(next, "a=changed b=unchanged");
    cr_assert(bench_engine_hears(&bench, "update memory=4096 pids=7 c0\n", 1),
              "%s", ENGINE);
    cr_expect(strstr(ENGINE, "create berth-t-a-2") == NULL);
}

Test(rollout, the_old_one_serves_until_the_new_one_is_proven, .init = init,
     .fini = done, .timeout = 20)
{
    static char dir[] = "/w";

    start_with_one();
    expect_reload(other_revision(dir), "a=rolling b=unchanged");
    cr_assert(bench_front_hears(&bench, "add app=0 replica=2", 1));
    cr_expect_eq(fake_front_count(bench.front, "drain replica=1"), 0U);
    cr_expect_eq(fake_front_count(bench.front, "serial=1\n"), 1U);
    cr_expect_eq(fake_front_count(bench.front, "serial=2\n"), 1U,
                 "the front shall prefer it");
    bench_say_ready(&bench);
    bench_run_ms(&bench, 500);
    cr_expect_eq(fake_front_count(bench.front, "drain replica=1"), 0U,
                 "it has not stood its trial yet");
    cr_expect_eq(fake_front_count(bench.front, "trial serial=2\n"), 1U);
    cr_expect_eq(fake_front_count(bench.front, "proven app=0\n"), 0U);
    cr_assert(bench_run_until(&bench, is_done, NULL, 8000));
    cr_expect_eq(fake_front_count(bench.front, "proven app=0\n"), 1U);
    cr_expect_eq(fake_front_count(bench.front, "drain replica=1"), 1U);
}

Test(rollout, recreate_starts_the_new_one_when_the_old_one_is_gone,
     .init = init, .fini = done, .timeout = 20)
{
    static char dir[] = "/w";
    struct bench_generation *next;
    const char *gone;
    const char *made;

    start_with_one();
    next = other_revision(dir);
    next->keeper_apps[0].update.recreate = true;
    expect_reload(next, "a=rolling b=unchanged");
    cr_assert(bench_engine_hears(&bench, "create berth-t-a-2", 1), "%s",
              ENGINE);
    gone = strstr(ENGINE, "remove c0\n");
    made = strstr(ENGINE, "create berth-t-a-2");
    cr_expect(gone && gone < made, "both at the same time:\n%s", ENGINE);
}

static void say_outcomes(uint64_t replica, uint64_t answers, uint64_t failures)
{
    const struct channel_replica_outcomes message = {replica, answers, failures,
                                                     failures / 2};

    channel_send_replica_outcomes(bench.front->channel, &message, NULL, 0);
}

Test(rollout, one_whose_only_request_failed_is_not_proven_yet, .init = init,
     .fini = done, .timeout = 20)
{
    static char dir[] = "/w";

    start_with_one();
    expect_reload(other_revision(dir), "a=rolling b=unchanged");
    cr_assert(bench_front_hears(&bench, "add app=0 replica=2", 1));
    bench_say_ready(&bench);
    bench_run_ms(&bench, 50);
    say_outcomes(2, 1, 1);
    bench_run_ms(&bench, 3500);
    cr_expect(says("\"step\":\"trying\""));
    say_outcomes(2, 2, 1);
    cr_assert(bench_run_until(&bench, is_done, NULL, 3000),
              "a good answer comes late, but it comes");
}

Test(rollout, without_a_way_back_nothing_is_on_trial, .init = init,
     .fini = done, .timeout = 20)
{
    struct bench_generation *next;
    static char dir[] = "/w";

    start_with_one();
    next = other_revision(dir);
    next->keeper_apps[0].update.rollback = false;
    expect_reload(next, "a=rolling b=unchanged");
    cr_assert(bench_front_hears(&bench, "add app=0 replica=2", 1));
    cr_expect_eq(fake_front_count(bench.front, "trial"), 0U);
}

Test(rollout, one_that_does_not_start_is_rolled_back, .init = init,
     .fini = done, .timeout = 20)
{
    static char dir[] = "/w";

    start_with_one();
    bench.engine->exit_at_start = 3;
    expect_reload(other_revision(dir), "a=rolling b=unchanged");
    cr_assert(bench_run_until(&bench, is_rolled_back, NULL, 8000));
    cr_expect(says("exited with code 3"));
    cr_expect(says("\"state\":\"ready\""));
    cr_expect_eq(fake_front_count(bench.front, "drain replica=1"), 0U);
    bench.engine->exit_at_start = -1;
}

Test(rollout, one_that_fails_more_requests_is_rolled_back, .init = init,
     .fini = done, .timeout = 20)
{
    static char dir[] = "/w";

    start_with_one();
    expect_reload(other_revision(dir), "a=rolling b=unchanged");
    cr_assert(bench_front_hears(&bench, "add app=0 replica=2", 1));
    bench_say_ready(&bench);
    bench_run_ms(&bench, 50);
    say_outcomes(1, 1000, 10);
    say_outcomes(2, 100, 2);
    bench_run_ms(&bench, 100);
    cr_expect(says("\"result\":\"rolling\""), "as many as the old one's");
    say_outcomes(2, 200, 40);
    cr_assert(bench_run_until(&bench, is_rolled_back, NULL, 3000));
    cr_expect(says("40 of its 200 requests failed (20 were answered by"));
    cr_expect_eq(fake_front_count(bench.front, "drain replica=1"), 0U);
    cr_expect_eq(fake_front_count(bench.front, "drain replica=2"), 1U);
}

Test(rollout, an_app_at_zero_is_proven_with_one_replica_that_leaves,
     .init = init, .fini = done, .timeout = 20)
{
    static char dir[] = "/w";

    bench_start(&bench);
    bench_run_ms(&bench, 20);
    expect_reload(other_revision(dir), "a=rolling b=unchanged");
    cr_assert(bench_front_hears(&bench, "add app=0 replica=1", 1));
    bench_say_ready(&bench);
    cr_assert(bench_run_until(&bench, is_done, NULL, 3000));
    cr_expect(bench_front_hears(&bench, "drain replica=1", 1));
}

static const char *image_of(unsigned container)
{
    char id[16];
    const struct fake_container *found;

    snprintf(id, sizeof id, "c%u", container);
    found = fake_engine_find(bench.engine, id);
    return found ? found->container.image_id : "";
}

/* Somebody pulls ahead for another app while berth runs. */
static void move_tag(void)
{
    strcpy(bench.engine->image_id, "sha256:2");
}

Test(rollout, all_replicas_of_a_revision_are_of_one_image, .init = init,
     .fini = done, .timeout = 20)
{
    unsigned looks;

    bench.apps[0].replicas_max = 4;
    start_with_one();
    looks = bench.engine->counts[FAKE_IMAGE];
    move_tag();
    fleet_app_scale(fleet_find_app(bench.fleet, 0), 2);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=2", 1));
    say_ready(2);
    cr_expect_str_eq(image_of(0), "sha256:1");
    cr_expect_str_eq(image_of(1), "sha256:1", "whatever its name means now");
    cr_expect_eq(bench.engine->counts[FAKE_IMAGE], looks, "nobody looks");
    cr_expect(says("\"rollout\":null"));
    /* The pull policy has its say at a reload: this is another revision. */
    expect_reload(bench_generation(&bench), "a=unchanged b=unchanged");
    cr_assert(bench_front_hears(&bench, "add app=0 replica=3", 1));
    cr_expect_str_eq(image_of(2), "sha256:2");
    say_ready(3);
    cr_assert(bench_run_until(&bench, is_done, NULL, 8000));
}

Test(rollout, an_image_that_is_gone_is_looked_for_by_its_name, .init = init,
     .fini = done, .timeout = 20)
{
    bench.apps[0].replicas_max = 4;
    start_with_one();
    move_tag();
    strcpy(bench.engine->pruned_id, "sha256:1");
    fleet_app_scale(fleet_find_app(bench.fleet, 0), 2);
    /* Number 2 could not be made: what its name means now is a revision. */
    cr_assert(bench_front_hears(&bench, "add app=0 replica=3", 1));
    cr_expect_eq(fake_front_count(bench.front, "add app=0 replica=2"), 0U);
    cr_expect_str_eq(image_of(1), "sha256:2");
    cr_expect_eq(metrics_sum(bench.metrics, METRIC_START_FAILURES, "a"), 0U);
    say_ready(3);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=4", 1));
    say_ready(4);
    cr_assert(bench_run_until(&bench, is_done, NULL, 8000));
}

Test(rollout, an_image_that_was_pruned_and_is_back_is_the_same, .init = init,
     .fini = done, .timeout = 20)
{
    bench.apps[0].replicas_max = 4;
    start_with_one();
    fake_engine_fail(bench.engine, FAKE_CREATE, 1, ERR_NOT_FOUND,
                     "image not known");
    fleet_app_scale(fleet_find_app(bench.fleet, 0), 2);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=2", 1));
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 3U);
    cr_expect_str_eq(image_of(1), "sha256:1");
    cr_expect(says("\"rollout\":null"));
}

Test(rollout, replicas_of_an_older_revision_are_adopted_and_replaced,
     .init = init, .fini = done, .timeout = 20)
{
    bench.apps[0].replicas_min = 1;
    fake_engine_add(bench.engine, "a", 7, "0ld", true);
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=7", 1));
    say_ready(7);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=8", 1));
    cr_expect_eq(fake_front_count(bench.front, "serial=0\n"), 1U);
    cr_expect_eq(fake_front_count(bench.front, "serial=1\n"), 1U,
                 "the front shall prefer it");
    cr_expect(strstr(ENGINE, "stop c0\n") == NULL, "%s", ENGINE);
    say_ready(8);
    cr_assert(bench_run_until(&bench, is_done, NULL, 8000));
    cr_expect_eq(fake_front_count(bench.front, "drain replica=7"), 1U);
}

Test(rollout, an_upstream_app_changes_its_addresses_in_place, .init = init,
     .fini = done)
{
    struct bench_generation *next;
    struct address address;

    bench_make_external(&bench, 1, "127.0.0.1:1");
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "add app=1", 1));
    cr_assert(address_parse(SV("127.0.0.1:2"), &address, NULL));
    next = bench_generation(&bench);
    next->apps[1].upstreams = &address;
    expect_reload(next, "a=unchanged b=changed");
    cr_expect(bench_front_hears(&bench, "add app=1", 2));
    cr_expect(bench_front_hears(&bench, "drain replica=1", 1));
}
