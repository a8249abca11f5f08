/* fleet_place.c - who has which part of the machine, and who asks for more. */
#include "lifecycle/fleet_place_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/replica_warmth.h"
#include "lifecycle/reservation.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"

/* See lacks_room(). */
#define LARGE_SHARE 4

static const struct machine unbounded = {
    .totals = {.cpu_millis = UINT64_MAX / 4, .memory_bytes = UINT64_MAX / 4}};

/* --- reservations --- */

struct reservation *fleet_place_find(const struct fleet_place *place,
                                     const struct replica *replica)
{
    return id_map_get(&place->by_replica, replica_view(replica)->id);
}

static struct reservation *find_container(const struct fleet_place *place,
                                          const char *id)
{
    LIST_FOREACH (&place->reservations, node) {
        struct reservation *it = reservation_of(node);
        const char *has = it->replica ? replica_view(it->replica)->container_id
                                      : it->container_id;

        if (has[0] && strcmp(has, id) == 0)
            return it;
    }
    return NULL;
}

static struct reservation *add_reservation(struct fleet_place *place,
                                           struct fleet_app *app,
                                           struct replica *replica)
{
    struct reservation *it = xcalloc(1, sizeof *it);

    it->app = app;
    it->replica = replica;
    it->hold = PLACEMENT_NOTHING;
    it->device_names = xstrdup("");
    list_add_tail(&place->reservations, &it->node);
    if (replica)
        id_map_put(&place->by_replica, replica_view(replica)->id, it);
    return it;
}

static void clear_wait(struct fleet_app *app)
{
    if (!app || app->place_wait.verdict == PLACEMENT_START)
        return;
    app->place_wait = (struct fleet_place_wait){.verdict = PLACEMENT_START};
    fleet_app_on_wait(app);
}

static bool app_asks(const struct fleet_place *place,
                     const struct fleet_app *app)
{
    LIST_FOREACH (&place->reservations, node) {
        const struct reservation *it = reservation_of(node);

        if (it->app == app && it->is_asking)
            return true;
    }
    return false;
}

void fleet_place_stop_asking(struct fleet_place *place, struct reservation *it)
{
    if (!it->is_asking)
        return;
    it->is_asking = false;
    place->asking--;
    if (!app_asks(place, it->app))
        clear_wait(it->app);
}

static void remove_reservation(struct fleet_place *place,
                               struct reservation *it)
{
    fleet_place_stop_asking(place, it);
    if (it->replica)
        id_map_remove(&place->by_replica, replica_view(it->replica)->id);
    list_remove(&it->node);
    free(it->device_names);
    free(it->evicted_for);
    free(it->evict_reason);
    free(it);
    fleet_place_look_now(place);
}

struct placement_need fleet_place_held(const struct reservation *it)
{
    return placement_held(&it->need, it->hold);
}

/* By their names, which stay when the machine's list changes. Devices that are
 * not berth's to hand out are nobody's to reserve. */
static void find_devices(const struct fleet_place *place,
                         struct reservation *it)
{
    struct strview rest = sv_of(it->device_names);
    struct strview name;

    it->devices = 0;
    while (rest.len > 0 && sv_split(&rest, ',', &name)) {
        uint32_t index = machine_find_device(place->machine, name);

        if (index < PLACEMENT_DEVICES)
            it->devices |= UINT64_C(1) << index;
    }
}

void fleet_place_set_devices(struct fleet_place *place, struct reservation *it,
                             uint64_t devices)
{
    struct strbuf names = STRBUF_INIT;

    strbuf_add_str(&names, "");
    for (uint32_t i = 0; i < place->machine->totals.device_count; i++) {
        if (devices >> i & 1)
            strbuf_printf(&names, "%s%s", names.len > 0 ? "," : "",
                          place->machine->devices[i]);
    }
    free(it->device_names);
    it->device_names = names.data;
    it->devices = devices;
}

/* --- asking --- */

void fleet_place_ask(struct fleet_place *place, struct fleet_app *app,
                     struct replica *replica,
                     void (*on_room)(struct replica *replica,
                                     const struct fleet_room *room))
{
    struct reservation *it = fleet_place_find(place, replica);

    if (!it) {
        it = add_reservation(place, app, replica);
        it->need = machine_need_of(replica_app(replica));
    }
    if (it->is_asking)
        return;
    it->is_asking = true;
    it->asked_us = clock_now_us();
    it->on_room = on_room;
    place->asking++;
    fleet_place_look_now(place);
}

bool fleet_place_is_asking(const struct fleet_place *place,
                           const struct replica *replica)
{
    const struct reservation *it = fleet_place_find(place, replica);

    return it && it->is_asking;
}

bool fleet_place_has_all(const struct fleet_place *place,
                         const struct replica *replica)
{
    const struct reservation *it = fleet_place_find(place, replica);

    return !it || it->hold == PLACEMENT_ALL;
}

uint32_t fleet_place_count_asleep(const struct fleet_place *place,
                                  const struct fleet_app *app)
{
    uint32_t count = 0;

    LIST_FOREACH (&app->replicas, node) {
        const struct replica *replica = replica_of_node(node);

        count +=
            replica_is_asleep(replica) && fleet_place_is_asking(place, replica);
    }
    return count;
}

void fleet_place_take_back(struct fleet_place *place, struct replica *replica)
{
    struct reservation *it = fleet_place_find(place, replica);

    if (it)
        fleet_place_stop_asking(place, it);
}

/* --- what becomes of replicas --- */

static enum placement_hold hold_in(const struct reservation *it)
{
    const struct app_settings *settings = it->app->settings->app;
    bool sleeps = settings->warmth.on_sleep != NULL;

    switch (replica_view(it->replica)->state) {
    case REPLICA_PRIMED:
        return PLACEMENT_NOTHING;
    case REPLICA_FROZEN:
        return sleeps ? PLACEMENT_ASLEEP : PLACEMENT_ALL;
    case REPLICA_HIBERNATED:
        return sleeps ? PLACEMENT_DEVICES_ASLEEP : PLACEMENT_DEVICES_ALL;
    default:
        return it->hold;
    }
}

/* Its container could not be removed: what it has stays reserved until it is
 * not listed any more. */
static void outlive_replica(struct fleet_place *place, struct reservation *it)
{
    const struct replica_view *view = replica_view(it->replica);

    fleet_place_stop_asking(place, it);
    id_map_remove(&place->by_replica, view->id);
    snprintf(it->container_id, sizeof it->container_id, "%s",
             view->container_id);
    it->replica = NULL;
    it->app = NULL;
    it->is_removing = true;
}

void fleet_place_on_state(struct fleet_place *place, struct fleet_app *app,
                          struct replica *replica)
{
    struct reservation *it = fleet_place_find(place, replica);

    (void)app;
    if (!it)
        return;
    if (replica_view(replica)->state == REPLICA_GONE) {
        if (replica_leaves_container(replica))
            outlive_replica(place, it);
        else
            remove_reservation(place, it);
        return;
    }
    if (replica_view(replica)->state >= REPLICA_DRAINING)
        fleet_place_stop_asking(place, it);
    fleet_evict_on_state(place, it);
    if (hold_in(it) != it->hold) {
        it->hold = hold_in(it);
        fleet_place_look_now(place);
    }
    fleet_place_look(place);
}

/* Whether so much more than `held` is still within `total`. */
static bool may_grow(uint64_t total, uint64_t held, uint64_t from, uint64_t to)
{
    return to <= from || held + (to - from) <= total;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

bool fleet_place_resize(struct fleet_place *place,
                        const struct replica *replica,
                        const struct placement_need *need, bool is_growing)
{
    const struct placement_machine *totals = &place->machine->totals;
    struct reservation *it = fleet_place_find(place, replica);
    struct placement_need next = *need;
    struct placement_need held = {0};

    if (!it)
        return true;
    if (is_growing) {
        next.cpu_millis = larger(next.cpu_millis, it->need.cpu_millis);
        next.memory_bytes = larger(next.memory_bytes, it->need.memory_bytes);
    }
    LIST_FOREACH (&place->reservations, node) {
        struct placement_need one = fleet_place_held(reservation_of(node));

        held.cpu_millis += one.cpu_millis;
        held.memory_bytes += one.memory_bytes;
    }
    /* What it does not hold now it will ask for. */
    if ((it->hold == PLACEMENT_ALL || it->hold == PLACEMENT_ASLEEP) &&
        (!may_grow(totals->cpu_millis, held.cpu_millis, it->need.cpu_millis,
                   next.cpu_millis) ||
         !may_grow(totals->memory_bytes, held.memory_bytes,
                   it->need.memory_bytes, next.memory_bytes)))
        return false;
    it->need.cpu_millis = next.cpu_millis;
    it->need.memory_bytes = next.memory_bytes;
    fleet_place_look_now(place);
    return true;
}

/* --- what replicas are worth --- */

void fleet_place_on_demand(struct fleet_place *place)
{
    fleet_place_look(place);
}

void fleet_place_on_served(struct fleet_place *place,
                           const struct replica *replica, uint64_t served)
{
    struct reservation *it = fleet_place_find(place, replica);

    if (!it || served == 0)
        return;
    it->uses += served;
    it->clock = place->clock;
}

void fleet_place_on_measured(struct fleet_place *place,
                             const struct replica *replica, uint64_t bytes)
{
    struct reservation *it = fleet_place_find(place, replica);

    if (it)
        it->resident_bytes = bytes;
}

double fleet_place_worth(const struct fleet_place *place,
                         const struct replica *replica)
{
    const struct reservation *it = fleet_place_find(place, replica);
    struct placement_replica seen;

    if (!it)
        return place->clock;
    fleet_evict_describe(it, false, &seen);
    return placement_worth(&seen);
}

void fleet_place_gave_way(struct fleet_place *place,
                          const struct replica *replica)
{
    double worth = fleet_place_worth(place, replica);

    if (worth > place->clock)
        place->clock = worth;
}

/* Beside what is held. One that takes a large part of the machine is not kept
 * room for: too much would have to be empty for it. */
static bool lacks_room(const struct placement_need *need,
                       const struct placement_need *held,
                       const struct placement_machine *totals)
{
    return need->cpu_millis <= totals->cpu_millis / LARGE_SHARE &&
           need->memory_bytes <= totals->memory_bytes / LARGE_SHARE &&
           (held->cpu_millis + need->cpu_millis > totals->cpu_millis ||
            held->memory_bytes + need->memory_bytes > totals->memory_bytes);
}

bool fleet_place_is_full(const struct fleet_place *place,
                         int32_t *ret_importance)
{
    struct placement_need held = {0};
    bool is_full = false;

    if (place->asking > 0)
        return false; /* that is seen to already */
    LIST_FOREACH (&place->reservations, node) {
        const struct reservation *it = reservation_of(node);
        struct placement_need one = fleet_place_held(it);

        if (it->replica && replica_is_hibernating(it->replica))
            continue;
        held.cpu_millis += one.cpu_millis;
        held.memory_bytes += one.memory_bytes;
    }
    LIST_FOREACH (&place->reservations, node) {
        const struct reservation *it = reservation_of(node);

        if (!it->replica ||
            replica_view(it->replica)->state != REPLICA_HIBERNATED ||
            !lacks_room(&it->need, &held, &place->machine->totals))
            continue;
        if (!is_full || it->app->settings->importance > *ret_importance)
            *ret_importance = it->app->settings->importance;
        is_full = true;
    }
    return is_full;
}

/* --- containers of before --- */

static void read_label(struct fleet_place *place, struct reservation *it,
                       const struct engine_container *container)
{
    struct strview devices = {NULL, 0};

    if (!container->reserved[0])
        return;
    if (!reservation_parse(sv_of(container->reserved), &it->need, &devices)) {
        log_warn("place", "the label of a container makes no sense",
                 "container=%.12s label=\"%s\"", container->id,
                 container->reserved);
        return;
    }
    free(it->device_names);
    it->device_names =
        xstrndup(devices.len > 0 ? devices.ptr : "", devices.len);
    find_devices(place, it);
}

void fleet_place_found(struct fleet_place *place, struct fleet_app *app,
                       const struct engine_container *container)
{
    struct reservation *it = find_container(place, container->id);

    if (it) {
        it->is_removing = app == NULL;
        return;
    }
    /* What does not run, and what was never started, uses nothing. */
    if (!container->is_running)
        return;
    it = add_reservation(place, NULL, NULL);
    snprintf(it->container_id, sizeof it->container_id, "%s", container->id);
    it->hold = PLACEMENT_ALL;
    it->since_us = clock_now_us();
    it->is_removing = app == NULL;
    if (app)
        it->need = machine_need_of(app->settings);
    read_label(place, it, container);
}

void fleet_place_adopted(struct fleet_place *place, struct fleet_app *app,
                         struct replica *replica)
{
    struct reservation *it =
        find_container(place, replica_view(replica)->container_id);
    struct placement_need need = machine_need_of(replica_app(replica));

    if (!it)
        it = add_reservation(place, app, replica);
    else
        id_map_put(&place->by_replica, replica_view(replica)->id, it);
    it->app = app;
    it->replica = replica;
    it->is_removing = false;
    it->clock = place->clock;
    if (replica_view(replica)->state == REPLICA_PRIMED ||
        replica_view(replica)->state == REPLICA_HIBERNATED)
        it->hold = hold_in(it);
    /* These are changed in place, and the label stays as it was. */
    if (need.cpu_millis > it->need.cpu_millis)
        it->need.cpu_millis = need.cpu_millis;
    if (need.memory_bytes > it->need.memory_bytes)
        it->need.memory_bytes = need.memory_bytes;
}

void fleet_place_container_gone(struct fleet_place *place,
                                const char *container_id)
{
    struct reservation *it = find_container(place, container_id);

    if (it && !it->replica)
        remove_reservation(place, it);
}

void fleet_place_listed(struct fleet_place *place,
                        const struct engine_container *containers,
                        unsigned count)
{
    LIST_FOREACH_SAFE (&place->reservations, node) {
        struct reservation *it = reservation_of(node);
        bool is_there = it->replica != NULL;

        for (unsigned i = 0; i < count && !is_there; i++)
            is_there = strcmp(containers[i].id, it->container_id) == 0;
        if (!is_there)
            remove_reservation(place, it);
    }
}

/* --- made and freed --- */

void fleet_place_set_machine(struct fleet_place *place,
                             const struct machine *machine)
{
    place->machine = machine ? machine : &unbounded;
    LIST_FOREACH (&place->reservations, node)
        find_devices(place, reservation_of(node));
    fleet_place_look_now(place);
}

struct fleet_place *fleet_place_new(struct loop *loop, struct timers *timers,
                                    struct event_log *events,
                                    const struct machine *machine)
{
    struct fleet_place *place = xcalloc(1, sizeof *place);

    place->loop = loop;
    place->timers = timers;
    place->events = events;
    place->machine = machine ? machine : &unbounded;
    fleet_place_init_look(place);
    list_init(&place->reservations);
    return place;
}

void fleet_place_free(struct fleet_place **place_ptr)
{
    struct fleet_place *place = *place_ptr;

    if (!place)
        return;
    timer_stop(&place->timer);
    LIST_FOREACH_SAFE (&place->reservations, node) {
        struct reservation *it = reservation_of(node);

        list_remove(&it->node);
        free(it->device_names);
        free(it->evicted_for);
        free(it->evict_reason);
        free(it);
    }
    for (uint32_t i = 0; i < place->eviction_count; i++) {
        free(place->evictions[i].app);
        free(place->evictions[i].by);
    }
    free(place->evictions);
    id_map_done(&place->by_replica);
    free(place);
    *place_ptr = NULL;
}
