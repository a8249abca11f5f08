/* fleet_place_test.c - room on the machine, in a fleet between a fake engine
 * and a fake front. */
#include "lifecycle/fleet_place.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/event_log.h"
#include "lifecycle/machine.h"
#include "lifecycle/revision.h"
#include "router/base/alloc.h"
#include "tests/support/fleet_bench.h"

#define MIB (UINT64_C(1) << 20)

static struct fleet_bench bench;
static struct machine machine;
static char *device_names[] = {(char *)"t/gpu=0", (char *)"t/gpu=1"};

/* 1000 MiB and 4 CPUs, two devices of 16 GiB; each app takes 600 MiB. */
static void init(void)
{
    machine = (struct machine){
        .totals = {.cpu_millis = 4000,
                   .memory_bytes = 1000 * MIB,
                   .device_count = 2,
                   .device_memory_bytes = {16384 * MIB, 16384 * MIB}},
        .devices = {device_names[0], device_names[1]}};
    bench_init(&bench, 3);
    bench.machine = &machine;
    for (unsigned i = 0; i < 3; i++)
        bench.keeper_apps[i].container.memory_bytes = 600 * MIB;
}

static void done(void)
{
    bench_done(&bench);
    event_log_free(&bench.events);
}

TestSuite(fleet_place, .init = init, .fini = done);

#define FRONT  bench.front->log.data
#define ENGINE bench.engine->log.data

/* App `app` waits for room, and its request is known. */
static void ask(unsigned app)
{
    fake_front_demand(bench.front, app, 1, 0, 1);
    bench_run_ms(&bench, 30);
}

static void say_drained(uint64_t replica)
{
    channel_send_replica_drained(bench.front->channel,
                                 &(struct channel_replica_drained){replica},
                                 NULL, 0);
}

static void say_busy(uint64_t replica)
{
    channel_send_replica_busy(bench.front->channel,
                              &(struct channel_replica_busy){replica}, NULL, 0);
}

static double reserved_memory(void)
{
    cJSON *json = fleet_status_resources(bench.fleet);
    double bytes = cJSON_GetObjectItem(
                       cJSON_GetObjectItem(json, "memory_bytes"), "reserved")
                       ->valuedouble;

    cJSON_Delete(json);
    return bytes / (double)MIB;
}

static void expect_resources(const char *text)
{
    cJSON *json = fleet_status_resources(bench.fleet);
    char *printed = cJSON_PrintUnformatted(json);

    cr_expect_not_null(strstr(printed, text), "\"%s\" is missing in %s", text,
                       printed);
    cJSON_free(printed);
    cJSON_Delete(json);
}

static void expect_metric(const char *line)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    fleet_expose_resources(bench.fleet, &text);
    cr_expect_not_null(strstr(text.data, line), "\"%s\" is missing in\n%s",
                       line, text.data);
}

/* --- room --- */

Test(fleet_place, what_fits_starts_at_once_and_is_reserved_until_it_is_gone)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    cr_expect_eq(reserved_memory(), 600);
    expect_metric("berth_resource_reserved{resource=\"memory\"} 629145600\n");
    expect_metric("berth_resource_total{resource=\"cpus\"} 4\n");
    bench.engine->hold[FAKE_REMOVE] = true;
    fake_engine_exit(bench.engine, "c0", 1);
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
    cr_expect_eq(reserved_memory(), 600, "its container is still there");
    fake_engine_release(bench.engine, FAKE_REMOVE);
    bench_run_ms(&bench, 30);
    cr_expect_eq(reserved_memory(), 0);
}

Test(fleet_place, an_idle_one_of_another_app_gives_way)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    bench.engine->hold[FAKE_STOP] = bench.engine->hold[FAKE_REMOVE] = true;
    fake_front_demand(bench.front, 1, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "evict replica=1\n", 1));
    cr_expect_eq(bench.engine->counts[FAKE_STOP], 0U, "the front says when");
    say_drained(1);
    cr_assert(bench_engine_hears(&bench, "stop c0", 1));
    bench_run_ms(&bench, 50);
    fake_engine_release(bench.engine, FAKE_STOP);
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
    bench_run_ms(&bench, 50);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U,
                 "not before the other's container is gone: %s", ENGINE);
    fake_engine_release(bench.engine, FAKE_REMOVE);
    cr_assert(bench_engine_hears(&bench, "create berth-t-b-2", 1));
    cr_assert(bench_front_hears(&bench, "add app=1 replica=2", 1));
    cr_expect_eq(reserved_memory(), 600);
    expect_metric("berth_evictions_total{app=\"a\",by=\"b\"} 1\n");
    bench_run_ms(&bench, 600);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 2U,
                 "nobody asked for the evicted one: %s", ENGINE);
}

Test(fleet_place, one_that_is_busy_after_all_is_left_alone_and_asked_again)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_front_demand(bench.front, 1, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "evict replica=1\n", 1));
    say_busy(1);
    cr_assert(bench_front_hears(&bench, "evict replica=1\n", 2));
    cr_expect_eq(bench.engine->counts[FAKE_STOP], 0U);
    fake_front_demand(bench.front, 0, 0, 1, 1); /* what it was busy with */
    say_busy(1);
    bench_run_ms(&bench, 400);
    cr_expect_eq(fake_front_count(bench.front, "evict replica=1\n"), 2U,
                 "while it is known to be busy nobody asks");
    fake_front_demand(bench.front, 0, 0, 0, 1);
    cr_assert(bench_front_hears(&bench, "evict replica=1\n", 3));
}

Test(fleet_place, a_request_that_comes_to_the_victim_keeps_it)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_front_demand(bench.front, 1, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "evict replica=1\n", 1));
    fake_front_demand(bench.front, 0, 1, 0, 2);
    say_drained(1);
    cr_assert(bench_front_hears(&bench, "resume replica=1\n", 1));
    cr_expect_eq(bench.engine->counts[FAKE_STOP], 0U);
}

Test(fleet_place, without_a_front_nothing_is_in_flight)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    bench_front_down(&bench);
    bench.apps[1].replicas_min = 1;
    bench.keeper_apps[1].importance = 1;
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
    cr_assert(bench_engine_hears(&bench, "create berth-t-b-2", 1));
    bench_front_up(&bench);
}

Test(fleet_place, an_answer_that_never_comes_does_not_last)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_front_demand(bench.front, 1, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "evict replica=1\n", 1));
    bench_front_down(&bench); /* with the question */
    bench_front_up(&bench);
    fake_front_demand(bench.front, 1, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "evict replica=1\n", 1));
}

/* --- waiting --- */

Test(fleet_place, what_is_lacking_is_told_to_the_front_and_in_status)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_front_demand(bench.front, 0, 0, 1, 1); /* busy */
    bench_run_ms(&bench, 30);
    ask(1);
    cr_assert(bench_front_hears(
        &bench, "state app=1 starting code=no_resources retry=", 1));
    cr_expect_not_null(strstr(FRONT, "reason=memory: 600 MiB wanted, 600 of "
                                     "1000 MiB are reserved\n"),
                       "%s", FRONT);
    expect_resources("\"waiting\":[{\"app\":\"b\",\"replica\":\"b-2\","
                     "\"reason\":\"memory: 600 MiB wanted");
    cr_expect_eq(fake_front_count(bench.front, "evict"), 0U);
    fake_front_demand(bench.front, 0, 0, 0, 1);
    cr_assert(bench_front_hears(&bench, "evict replica=1\n", 1));
    say_drained(1);
    cr_assert(bench_front_hears(&bench, "add app=1 replica=2", 1));
    bench_say_ready(&bench);
    cr_assert(bench_front_hears(&bench, "state app=1 ready code= ", 1));
    expect_resources("\"waiting\":[]");
}

Test(fleet_place, what_can_never_be_is_refused_at_once)
{
    machine.totals.memory_bytes = 500 * MIB;
    bench_start(&bench);
    ask(0);
    cr_assert(
        bench_front_hears(&bench, "state app=0 failed code=no_resources", 1));
    cr_expect_not_null(strstr(FRONT, "reason=memory: 600 MiB wanted, 0 of 500 "
                                     "MiB are reserved"),
                       "%s", FRONT);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U);
    /* A reload brings more. */
    machine.totals.memory_bytes = 700 * MIB;
    fleet_set_machine(bench.fleet, &machine);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=1", 1));
}

Test(fleet_place, those_that_wait_go_by_rank)
{
    bench.keeper_apps[2].importance = 1;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_front_demand(bench.front, 0, 0, 1, 1);
    bench_run_ms(&bench, 30);
    ask(1);
    ask(2);
    fake_front_demand(bench.front, 0, 0, 0, 1);
    cr_assert(bench_front_hears(&bench, "evict replica=1\n", 1));
    say_drained(1);
    cr_assert(bench_engine_hears(&bench, "create berth-t-", 2));
    cr_expect_not_null(strstr(ENGINE, "create berth-t-c-3"), "%s", ENGINE);
    bench_run_ms(&bench, 100);
    cr_expect_null(strstr(ENGINE, "create berth-t-b-2"), "%s", ENGINE);
}

Test(fleet_place, a_start_that_nobody_waits_for_makes_way)
{
    bench.engine->hold[FAKE_START] = true;
    bench_start(&bench);
    fake_front_demand(bench.front, 0, 1, 0, 0);
    cr_assert(bench_engine_hears(&bench, "start c0", 1));
    ask(1);
    cr_expect_eq(fake_front_count(bench.front, "add"), 0U);
    bench_run_ms(&bench, 300);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U, "somebody waits");
    fake_front_demand(bench.front, 0, 0, 0, 1); /* and hangs up */
    bench_run_ms(&bench, 100);
    fake_engine_release(bench.engine, FAKE_START);
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
    cr_assert(bench_engine_hears(&bench, "create berth-t-b-2", 1));
}

Test(fleet_place, who_may_not_be_evicted_is_not)
{
    bench.keeper_apps[0].is_evictable = false;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    ask(1);
    bench_run_ms(&bench, 500);
    cr_expect_eq(fake_front_count(bench.front, "evict"), 0U, "%s", FRONT);
}

/* --- lower rungs --- */

static bool is_state(void *arg)
{
    AUTO(auto_free) char *status = bench_status(&bench, 0);

    return strstr(status, arg) != NULL;
}

static void await_state(const char *text)
{
    AUTO(auto_free) char *wanted = xstrdup(text);

    cr_assert(bench_run_until(&bench, is_state, wanted, 5000), "%s", text);
}

Test(fleet_place, a_hibernated_one_has_given_its_memory_back_and_asks_for_it)
{
    struct warmth_settings *warmth = &bench.apps[0].warmth;

    warmth->freeze_after_ms = 1;
    warmth->hibernate_when = HIBERNATE_AFTER;
    warmth->hibernate_after_ms = 1;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_front_asleep(bench.front, 1, true, false);
    await_state("\"state\":\"frozen\"");
    cr_expect_eq(reserved_memory(), 600, "frozen, it has all");
    cr_assert(bench_front_hears(&bench, "sleep replica=1 published=0", 1));
    fake_front_asleep(bench.front, 1, true, true);
    await_state("\"state\":\"hibernated\"");
    cr_expect_eq(reserved_memory(), 0);
    bench_make_ready(&bench, 1);
    cr_expect_eq(reserved_memory(), 600, "beside it there is room");
    cr_expect_eq(fake_front_count(bench.front, "evict"), 0U);
    fake_front_demand(bench.front, 1, 0, 1, 1); /* busy */
    fake_front_demand(bench.front, 0, 1, 0, 2);
    bench_run_ms(&bench, 200);
    cr_expect_eq(bench.engine->counts[FAKE_THAW], 0U, "no room to wake");
    fake_front_demand(bench.front, 1, 0, 0, 1);
    cr_assert(bench_front_hears(&bench, "evict replica=", 1));
    say_drained(bench.front->last_replica);
    cr_assert(bench_engine_hears(&bench, "thaw c0", 1));
    await_state("\"state\":\"ready\"");
    cr_expect_eq(reserved_memory(), 600);
}

/* Replica 1 of an app for which nobody waits, whoever waits for others. */
static void say_asleep(void)
{
    bench.front->queued = 0;
    fake_front_asleep(bench.front, 1, true, true);
}

static void make_frozen(unsigned index, uint64_t replica)
{
    bench_make_ready(&bench, index);
    fake_front_asleep(bench.front, replica, true, false);
    bench_run_ms(&bench, 30);
}

/* Of app 0, for a request of app 1. */
static void begin_to_hibernate(void)
{
    bench.apps[0].warmth.freeze_after_ms = 60000;
    bench.apps[0].warmth.hibernate_when = HIBERNATE_PRESSURE;
    bench.apps[0].replicas_min = 1; /* it is not stopped */
    bench.events = event_log_new();
    bench_start(&bench);
    make_frozen(0, 1);
    bench.engine->hold[FAKE_HIBERNATE] = true;
    fake_front_demand(bench.front, 1, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "sleep replica=1 published=0", 1));
    say_asleep();
    cr_assert(bench_engine_hears(&bench, "hibernate c0", 1));
}

static const struct event *last_eviction(void)
{
    const struct event *found = NULL;
    const struct event *event;
    uint64_t id = 0;

    while ((event = event_log_after(bench.events, id))) {
        id = event->id;
        if (event->kind == EVENT_EVICTION)
            found = event;
    }
    return found;
}

Test(fleet_place, a_frozen_one_is_hibernated_for_another_app)
{
    const struct event *event;

    begin_to_hibernate();
    bench_run_ms(&bench, 2500); /* as long as the disk takes */
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U, "not before: %s",
                 ENGINE);
    cr_expect_eq(reserved_memory(), 600);
    cr_expect_null(last_eviction());
    fake_engine_release(bench.engine, FAKE_HIBERNATE);
    cr_assert(bench_front_hears(&bench, "add app=1 replica=2", 1));
    bench_say_ready(&bench);
    await_state("\"state\":\"hibernated\",\"reason\":\"another app needs its");
    cr_expect_eq(reserved_memory(), 600);
    cr_expect_eq(fake_front_count(bench.front, "evict"), 0U, "%s", FRONT);
    cr_expect_eq(bench.engine->counts[FAKE_STOP], 0U);
    cr_expect_eq(bench.engine->counts[FAKE_HIBERNATE], 1U);
    expect_metric("berth_evictions_total{app=\"a\",by=\"b\"} 1\n");
    event = last_eviction();
    cr_assert_not_null(event);
    cr_expect_str_eq(event->replica, "a-1");
    cr_expect_str_eq(event->to, "hibernated");
    cr_expect_str_eq(event->by, "b");
    cr_expect_str_eq(event->reason, "hibernated for b");
}

Test(fleet_place, a_ready_one_that_may_be_frozen_is_frozen_and_hibernated)
{
    bench.apps[0].warmth.freeze_after_ms = 60000;
    bench.apps[0].replicas_min = 1; /* which it still counts for */
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_front_demand(bench.front, 1, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "sleep replica=1 published=0", 1));
    say_asleep();
    cr_assert(bench_engine_hears(&bench, "freeze c0", 1));
    cr_assert(bench_engine_hears(&bench, "hibernate c0", 1));
    cr_assert(bench_front_hears(&bench, "add app=1 replica=2", 1));
    bench_run_ms(&bench, 600);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 2U, "%s", ENGINE);
    cr_expect_eq(bench.engine->counts[FAKE_THAW], 0U, "%s", ENGINE);
}

/* It fell asleep by itself in the moment in which it was asked to: the front
 * answers twice, and the first time it is still being frozen. */
Test(fleet_place, two_answers_of_the_front_are_one_hibernation)
{
    bench.apps[0].warmth.freeze_after_ms = 60000;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    bench.engine->hold[FAKE_FREEZE] = bench.engine->hold[FAKE_HIBERNATE] = true;
    fake_front_demand(bench.front, 1, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "sleep replica=1 published=0", 1));
    bench.front->queued = 0;
    fake_front_asleep(bench.front, 1, true, false);
    say_asleep();
    cr_assert(bench_engine_hears(&bench, "freeze c0", 1));
    bench_run_ms(&bench, 30);
    fake_engine_release(bench.engine, FAKE_FREEZE);
    cr_assert(bench_engine_hears(&bench, "hibernate c0", 1));
    say_asleep();
    bench_run_ms(&bench, 30);
    fake_engine_release(bench.engine, FAKE_HIBERNATE);
    await_state("\"state\":\"hibernated\",\"reason\":\"another app");
    cr_expect_eq(bench.engine->counts[FAKE_HIBERNATE], 1U);
}

Test(fleet_place, a_request_calls_the_hibernation_for_another_off)
{
    begin_to_hibernate();
    fake_front_demand(bench.front, 0, 1, 0, 2);
    cr_assert(bench_engine_hears(&bench, "thaw c0", 1));
    await_state("\"state\":\"ready\"");
    bench_run_ms(&bench, 100);
    cr_expect_eq(reserved_memory(), 600);
    cr_expect_null(last_eviction());
    fake_front_demand(bench.front, 0, 0, 0, 2); /* served */
    bench.engine->hold[FAKE_HIBERNATE] = false;
    cr_assert(bench_front_hears(&bench, "sleep replica=1 published=0", 2),
              "asked again: %s", FRONT);
}

Test(fleet_place, one_that_cannot_be_written_out_is_left_or_stopped)
{
    begin_to_hibernate();
    fake_engine_fail(bench.engine, FAKE_HIBERNATE, 1, ERR_LIMIT,
                     "swap is full");
    fake_engine_release(bench.engine, FAKE_HIBERNATE);
    cr_assert(bench_front_hears(&bench, "sleep replica=1 published=1", 1),
              "it takes requests again: %s", FRONT);
    fake_front_asleep(bench.front, 1, true, false);
    bench_run_ms(&bench, 300);
    cr_expect_eq(fake_front_count(bench.front, "evict"), 0U,
                 "it may not be stopped");
    cr_expect_eq(bench.engine->counts[FAKE_HIBERNATE], 1U);
    cr_expect_eq(reserved_memory(), 600);
    bench.apps[0].replicas_min = 0;
    fleet_set_machine(bench.fleet, &machine); /* looks again */
    cr_assert(bench_front_hears(&bench, "evict replica=1\n", 1));
}

Test(fleet_place, what_the_front_does_not_let_sleep_is_asked_again)
{
    bench.apps[0].warmth.freeze_after_ms = 60000;
    bench_start(&bench);
    make_frozen(0, 1);
    fake_front_demand(bench.front, 1, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "sleep replica=1 published=0", 1));
    fake_front_asleep(bench.front, 1, false, false);
    cr_assert(bench_front_hears(&bench, "sleep replica=1 published=0", 2));
}

/* --- devices --- */

Test(fleet_place, a_container_gets_its_devices_and_a_label_that_says_so)
{
    for (unsigned i = 0; i < 2; i++) {
        bench.keeper_apps[i].container.memory_bytes = 0;
        bench.keeper_apps[i].container.gpu_millis = 1000;
        bench.keeper_apps[i].container.gpu_memory_bytes = 100 * MIB;
    }
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    ask(1);
    cr_assert(bench_front_hears(&bench, "add app=1", 1));
    cr_expect_str_eq(fake_engine_find(bench.engine, "c0")->devices, "t/gpu=0");
    cr_expect_str_eq(fake_engine_find(bench.engine, "c1")->devices, "t/gpu=1");
    cr_expect_str_eq(
        fake_engine_find(bench.engine, "c1")->container.reserved,
        "cpu_millis=0 memory=0 gpu_millis=1000 gpu_memory=104857600 "
        "devices=t/gpu=1");
    expect_resources("{\"name\":\"t/gpu=1\",\"reserved\":1,"
                     "\"memory_bytes\":17179869184,"
                     "\"memory_reserved_bytes\":104857600,"
                     "\"holders\":[\"b-2\"]}");
    expect_metric("berth_resource_reserved{resource=\"gpus\"} 2\n");
}

/* --- what was there before --- */

static void add_container(const char *app, uint64_t replica, unsigned index,
                          const char *reserved)
{
    char revision[DIGEST_HEX_SIZE];
    struct fake_container *at;

    revision_compute(&bench.keeper_apps[index].container,
                     bench.engine->image_id, revision);
    at = fake_engine_add(bench.engine, app, replica, revision, true);
    snprintf(at->container.reserved, sizeof at->container.reserved, "%s",
             reserved);
}

Test(fleet_place, what_runs_already_is_reserved_before_anything_starts)
{
    add_container("a", 1, 0,
                  "cpu_millis=0 memory=943718400 gpu_millis=500 gpu_memory=7 "
                  "devices=t/gpu=1");
    bench.engine->hold[FAKE_IMAGE] = true; /* it is still looked at */
    bench_start(&bench);
    fake_front_demand(bench.front, 1, 1, 0, 1);
    bench_run_ms(&bench, 50);
    cr_expect_eq(reserved_memory(), 900);
    expect_resources("\"holders\":[\"c0\"]");
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U, "%s", ENGINE);
    fake_engine_release(bench.engine, FAKE_IMAGE);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=1", 1));
    expect_resources("\"holders\":[\"a-1\"]");
    cr_expect_eq(reserved_memory(), 900, "as it was made, not as it is now");
}

Test(fleet_place, what_is_found_in_swap_has_its_memory_reserved_when_it_wakes)
{
    for (unsigned i = 0; i < 3; i++) {
        char name[2] = {(char)('a' + i), '\0'};

        bench.keeper_apps[i].container.memory_bytes = 600 * MIB;
        add_container(name, i + 1, i,
                      "cpu_millis=0 memory=629145600 gpu_millis=0 gpu_memory=0 "
                      "devices=");
        bench.engine->containers[i].container.is_frozen = true;
        bench.engine->containers[i].memory =
            (struct engine_memory){MIB, i == 0 ? 0 : 500 * MIB};
    }
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "add app=2 replica=3", 1));
    bench_run_ms(&bench, 50);
    cr_expect_eq(reserved_memory(), 600, "of three, one is not in swap");
    fake_front_demand(bench.front, 1, 1, 0, 1);
    bench_run_ms(&bench, 100);
    cr_expect_eq(bench.engine->counts[FAKE_THAW], 0U, "no room to wake");
    cr_assert(bench_front_hears(&bench, "sleep replica=1 published=0", 1));
    say_asleep();
    cr_assert(bench_engine_hears(&bench, "hibernate c0", 1));
    cr_assert(bench_engine_hears(&bench, "thaw c1", 1));
    cr_expect_eq(reserved_memory(), 600);
}

Test(fleet_place, what_is_to_be_removed_is_reserved_until_it_is_gone)
{
    add_container("old", 1, 0,
                  "cpu_millis=0 memory=943718400 gpu_millis=0 gpu_memory=0 "
                  "devices=");
    bench.engine->hold[FAKE_REMOVE] = true;
    bench_start(&bench);
    fake_front_demand(bench.front, 1, 1, 0, 1);
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
    bench_run_ms(&bench, 50);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U, "%s", ENGINE);
    cr_expect_eq(reserved_memory(), 900);
    fake_engine_release(bench.engine, FAKE_REMOVE);
    cr_assert(bench_engine_hears(&bench, "create berth-t-b-2", 1));
}

Test(fleet_place, a_container_that_cannot_be_removed_keeps_what_it_has)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_engine_fail(bench.engine, FAKE_REMOVE, 1, ERR_UNAVAILABLE, "away");
    fake_engine_exit(bench.engine, "c0", 1);
    cr_assert(bench_front_hears(&bench, "remove replica=1", 1));
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
    fake_front_demand(bench.front, 1, 1, 0, 1);
    bench_run_ms(&bench, 100);
    cr_expect_eq(reserved_memory(), 600);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U, "%s", ENGINE);
    fleet_on_engine_up(bench.fleet); /* it is listed again, and removed */
    cr_assert(bench_engine_hears(&bench, "create berth-t-b-2", 1));
    cr_expect_eq(reserved_memory(), 600);
}

Test(fleet_place, a_label_that_makes_no_sense_is_no_reservation)
{
    add_container("a", 1, 0, "gpu_millis=1");
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=1", 1));
    cr_expect_eq(reserved_memory(), 600, "what its app takes now");
}
