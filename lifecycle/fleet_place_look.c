/* fleet_place_look.c - who of those that ask gets room now, who gives way for
 * it, and what the others are told. */
#include "lifecycle/fleet_place_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/reservation.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"

/* Looks that nothing urgent asks for are at least so far apart. */
#define LOOK_EVERY_US 20000U
/* What a client is told where nobody knows when there will be room. */
#define RETRY_AFTER_US UINT64_C(5000000)

/* --- who asks --- */

/* Of its app, none is ready or comes, and none asks before it. */
static bool has_none(const struct fleet_place *place,
                     const struct reservation *asker)
{
    LIST_FOREACH (&asker->app->replicas, node) {
        const struct replica *replica = replica_of_node(node);
        const struct reservation *it = fleet_place_find(place, replica);

        if (replica == asker->replica)
            return true;
        if (!it || it->is_asking ||
            (it->hold == PLACEMENT_ALL &&
             replica_view(replica)->state < REPLICA_DRAINING))
            return false;
    }
    return true;
}

/* What it has not reserved of what it needs. */
static struct placement_want want_of(const struct fleet_place *place,
                                     const struct reservation *it)
{
    const struct fleet_app *app = it->app;
    struct placement_need held = fleet_place_held(it);

    return (struct placement_want){
        .app = app->id,
        .need = {.cpu_millis = it->need.cpu_millis - held.cpu_millis,
                 .memory_bytes = it->need.memory_bytes - held.memory_bytes,
                 .gpu_millis = it->need.gpu_millis - held.gpu_millis,
                 .gpu_memory_bytes =
                     it->need.gpu_memory_bytes - held.gpu_memory_bytes},
        .pinned = it->devices,
        .has_none = has_none(place, it),
        .importance = app->settings->importance,
        .oldest_us = app->queued > 0 ? app->oldest_us : 0,
    };
}

static void give_room(struct fleet_place *place, struct reservation *it,
                      uint64_t devices)
{
    AUTO(strbuf_done) struct strbuf label = STRBUF_INIT;
    AUTO(auto_free) char *names = NULL;
    const char *list[PLACEMENT_DEVICES + 1];
    uint64_t now_us = clock_now_us();
    struct fleet_room room = {.devices = list};
    uint64_t waited_us = now_us - it->asked_us;
    char *rest;
    unsigned count = 0;

    if (it->hold == PLACEMENT_NOTHING)
        fleet_place_set_devices(place, it, devices);
    it->hold = PLACEMENT_ALL;
    it->since_us = now_us;
    it->clock = place->clock;
    reservation_format(&it->need, sv_of(it->device_names), &label);
    room.label = label.data;
    room.waited_us =
        it->app->place_wait.verdict == PLACEMENT_START ? 0 : waited_us;
    rest = names = xstrdup(it->device_names);
    while (rest && *rest)
        list[count++] = strsep(&rest, ",");
    list[count] = NULL;
    fleet_place_stop_asking(place, it);
    it->on_room(it->replica, &room);
}

/* --- telling why it waits --- */

static void describe(const struct fleet_place *place,
                     const struct reservation *it,
                     const struct placement_answer *answer, char *ret_text,
                     size_t size)
{
    const struct placement_machine *totals = &place->machine->totals;
    const struct placement_need *need = &it->need;
    struct placement_need held = {0};

    if (answer->verdict == PLACEMENT_SOON) {
        snprintf(ret_text, size, "room for it is being made");
        return;
    }
    LIST_FOREACH (&place->reservations, node) {
        struct placement_need one = fleet_place_held(reservation_of(node));

        held.cpu_millis += one.cpu_millis;
        held.memory_bytes += one.memory_bytes;
        held.gpu_millis += one.gpu_millis;
    }
    switch (answer->lacking) {
    case PLACEMENT_CPUS:
        snprintf(ret_text, size, "cpus: %g wanted, %g of %g are reserved",
                 (double)need->cpu_millis / 1e3, (double)held.cpu_millis / 1e3,
                 (double)totals->cpu_millis / 1e3);
        break;
    case PLACEMENT_MEMORY:
        snprintf(ret_text, size,
                 "memory: %.0f MiB wanted, %.0f of %.0f MiB are reserved",
                 (double)need->memory_bytes / 1048576,
                 (double)held.memory_bytes / 1048576,
                 (double)totals->memory_bytes / 1048576);
        break;
    case PLACEMENT_GPUS:
        snprintf(ret_text, size, "gpus: %g wanted, %g of %u are reserved",
                 (double)need->gpu_millis / 1e3, (double)held.gpu_millis / 1e3,
                 totals->device_count);
        break;
    case PLACEMENT_GPU_MEMORY:
        snprintf(ret_text, size,
                 "gpu_memory: %.0f MiB wanted, no device has as much free",
                 (double)need->gpu_memory_bytes / 1048576);
        break;
    }
}

/* Of several that wait, the first one's. */
static void set_wait(const struct fleet_place *place,
                     const struct reservation *it,
                     const struct placement_answer *answer, uint64_t again_us)
{
    struct fleet_place_wait *wait = &it->app->place_wait;
    struct fleet_place_wait next = {
        .verdict = answer->verdict,
        .retry_at_us = again_us ? again_us : clock_now_us() + RETRY_AFTER_US};

    if (wait->look_number == place->look_number)
        return;
    describe(place, it, answer, next.reason, sizeof next.reason);
    wait->look_number = next.look_number = place->look_number;
    if (next.verdict == wait->verdict && strcmp(next.reason, wait->reason) == 0)
        return;
    if (wait->verdict == PLACEMENT_START)
        log_info("place", "an app waits for room", "app=%s reason=\"%s\"",
                 it->app->settings->app->name, next.reason);
    *wait = next;
    fleet_app_on_wait(it->app);
}

/* --- looking --- */

struct look {
    uint32_t count;
    struct placement_replica *replicas;
    struct reservation **holders;
    bool *evict;
    uint32_t *evict_for;
    uint32_t ask_count;
    struct placement_want *wants;
    struct fleet_app **apps; /* of the asks */
    struct reservation **asks;
    struct placement_answer *answers;
    uint64_t again_us; /* when to look again; 0: no need */
};

static void look_by(struct look *look, uint64_t at_us)
{
    if (at_us != 0 && (look->again_us == 0 || at_us < look->again_us))
        look->again_us = at_us;
}

/* One of those that `replicas MIN` asks for: the oldest ones. */
static bool is_min(const struct reservation *it)
{
    uint32_t before = 0;

    if (!it->app || !it->replica)
        return false;
    LIST_FOREACH (&it->app->replicas, node) {
        const struct replica *other = replica_of_node(node);

        if (other == it->replica)
            return before < it->app->settings->app->replicas_min;
        before += replica_view(other)->state < REPLICA_DRAINING;
    }
    return false;
}

static void look_at(struct fleet_place *place, struct look *look)
{
    uint64_t now_us = clock_now_us();
    uint32_t most = 0;

    LIST_FOREACH (&place->reservations, node)
        most++;
    look->replicas = xcalloc(most + 1U, sizeof *look->replicas);
    look->holders = xcalloc(most + 1U, sizeof *look->holders);
    look->evict = xcalloc(most + 1U, sizeof *look->evict);
    look->evict_for = xcalloc(most + 1U, sizeof *look->evict_for);
    look->wants = xcalloc(most + 1U, sizeof *look->wants);
    look->apps = xcalloc(most + 1U, sizeof *look->apps);
    look->asks = xcalloc(most + 1U, sizeof *look->asks);
    look->answers = xcalloc(most + 1U, sizeof *look->answers);
    LIST_FOREACH (&place->reservations, node) {
        struct reservation *it = reservation_of(node);

        look_by(look, fleet_evict_expire(it, now_us));
        if (it->hold != PLACEMENT_NOTHING) {
            look->holders[look->count] = it;
            fleet_evict_describe(it, is_min(it),
                                 &look->replicas[look->count++]);
        }
        if (it->is_asking && it->app->host->may_start) {
            look->asks[look->ask_count] = it;
            look->apps[look->ask_count] = it->app;
            look->wants[look->ask_count++] = want_of(place, it);
        }
    }
}

static void look_done(struct look *look)
{
    free(look->replicas);
    free(look->holders);
    free(look->evict);
    free(look->evict_for);
    free(look->wants);
    free(look->apps);
    free(look->asks);
    free(look->answers);
}

/* Of the asks of one app the first tells why it waits. Those that go come last:
 * a replica that is not there yet is gone at once, and its reservation with it.
 */
static void apply(struct fleet_place *place, struct look *look,
                  uint64_t again_us)
{
    for (uint32_t i = 0; i < look->ask_count; i++) {
        if (look->answers[i].verdict == PLACEMENT_START)
            give_room(place, look->asks[i], look->answers[i].devices);
    }
    place->look_number++;
    for (uint32_t i = 0; i < look->ask_count; i++) {
        if (look->answers[i].verdict != PLACEMENT_START)
            set_wait(place, look->asks[i], &look->answers[i], again_us);
    }
    for (uint32_t i = 0; i < look->count; i++) {
        if (look->evict[i])
            fleet_evict(place, look->holders[i],
                        look->apps[look->evict_for[i]]);
    }
}

static void look_again_at(struct fleet_place *place, uint64_t at_us)
{
    uint64_t now_us = clock_now_us();
    uint64_t delay_ms = at_us > now_us ? (at_us - now_us + 999) / 1000 : 1;

    timer_start(place->timers, &place->timer, delay_ms);
}

static void on_look(struct loop_task *task)
{
    struct fleet_place *place =
        container_of(task, struct fleet_place, look_task);
    struct look look = {0};
    struct placement_output out = {0};

    if (place->asking == 0)
        return;
    look_at(place, &look);
    place->looked_us = clock_now_us();
    out = (struct placement_output){.answers = look.answers,
                                    .evict = look.evict,
                                    .evict_for = look.evict_for};
    placement_decide(
        &(const struct placement_input){.machine = &place->machine->totals,
                                        .replicas = look.replicas,
                                        .replica_count = look.count,
                                        .wants = look.wants,
                                        .want_count = look.ask_count,
                                        .now_us = place->looked_us,
                                        .clock = place->clock},
        &out);
    place->clock = out.clock;
    timer_stop(&place->timer);
    look_by(&look, out.again_us);
    if (look.again_us != 0)
        look_again_at(place, look.again_us);
    apply(place, &look, out.again_us);
    look_done(&look);
}

static void on_timer(struct timer *timer)
{
    fleet_place_look_now(container_of(timer, struct fleet_place, timer));
}

void fleet_place_look_now(struct fleet_place *place)
{
    if (place->asking > 0 && !loop_task_is_pending(&place->look_task))
        loop_defer(place->loop, &place->look_task);
}

void fleet_place_look(struct fleet_place *place)
{
    if (place->asking == 0)
        return;
    if (clock_now_us() - place->looked_us >= LOOK_EVERY_US)
        fleet_place_look_now(place);
    else if (!timer_is_running(&place->timer))
        look_again_at(place, place->looked_us + LOOK_EVERY_US);
}

void fleet_place_init_look(struct fleet_place *place)
{
    place->look_task.run = on_look;
    place->timer.on_expire = on_timer;
}
