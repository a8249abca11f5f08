/* fleet_place_private.h - what the files of fleet_place share: fleet_place.c
 * (who has what, who asks), fleet_place_look.c (who gets it now), fleet_evict.c
 * (who gives way), fleet_place_status.c (telling of it). Nobody else includes
 * it.
 */
#ifndef LIFECYCLE_FLEET_PLACE_PRIVATE_H
#define LIFECYCLE_FLEET_PLACE_PRIVATE_H

#include "lifecycle/fleet_app.h"
#include "lifecycle/fleet_place.h"
#include "lifecycle/machine.h"
#include "lifecycle/replica.h"
#include "router/base/id_map.h"
#include "router/base/list.h"
#include "router/base/loop.h"
#include "router/base/timers.h"

/* What one container has, or is to get. */
struct reservation {
    struct list node;
    struct fleet_app *app;   /* NULL: of no app */
    struct replica *replica; /* NULL: of a container that is no replica's */
    char container_id[80];   /* where replica is NULL */
    struct placement_need need;
    enum placement_hold hold; /* how much of it is reserved now */
    uint64_t devices;         /* by their position in the machine */
    char *device_names;       /* a comma between two; "": none */
    uint64_t since_us;        /* when it got its place */
    uint64_t uses;            /* requests that it served */
    double clock;             /* GreedyDual's, when it was used last */
    uint64_t resident_bytes;  /* of it, as it was measured last */
    bool is_removing;         /* its container is on its way out */

    /* it asks for the rest of its need */
    bool is_asking;
    uint64_t asked_us;
    void (*on_room)(struct replica *replica, const struct fleet_room *room);

    /* it is to make room */
    char *evicted_for; /* app; NULL: it is not */
    uint64_t evict_us; /* when that was asked of the front */
    char *evict_reason;
    bool is_to_hibernate;   /* that is how it makes room; else it goes */
    uint64_t busy_until_us; /* the front said that it has something to do */
};

struct eviction_count {
    char *app;
    char *by;
    uint64_t count;
};

struct fleet_place {
    struct loop *loop;
    struct timers *timers;
    struct event_log *events;
    const struct machine *machine;
    struct list reservations;
    struct id_map by_replica; /* reservation, by the replica's id */
    uint32_t asking;          /* reservations that ask */
    double clock;
    uint64_t looked_us; /* last time */
    uint64_t look_number;
    struct loop_task look_task;
    struct timer timer; /* looks again */
    uint32_t eviction_count;
    struct eviction_count *evictions;
};

static inline struct reservation *reservation_of(struct list *node)
{
    return container_of(node, struct reservation, node);
}

struct reservation *fleet_place_find(const struct fleet_place *place,
                                     const struct replica *replica);
/* What it has reserved now. */
struct placement_need fleet_place_held(const struct reservation *reservation);

/* It has what it asked for, or does not want it any more. */
void fleet_place_stop_asking(struct fleet_place *place, struct reservation *it);
/* devices: bits of their positions in the machine. */
void fleet_place_set_devices(struct fleet_place *place, struct reservation *it,
                             uint64_t devices);

/* Before all else of looking. */
void fleet_place_init_look(struct fleet_place *place);
/* See who can have what he asks for, in this turn. */
void fleet_place_look_now(struct fleet_place *place);
/* Soon; at once where the last time is a moment ago. */
void fleet_place_look(struct fleet_place *place);

/* Have it go, as the front allows. by: the app that needs the room. */
void fleet_evict(struct fleet_place *place, struct reservation *reservation,
                 const struct fleet_app *by);
/* As placement sees it. is_min: one of those that `replicas MIN` asks for. */
void fleet_evict_describe(const struct reservation *reservation, bool is_min,
                          struct placement_replica *ret_replica);
/* Forget that it was asked to go, where that has led to nothing. Returns when
 * it changes by itself; 0: it does not. */
uint64_t fleet_evict_expire(struct reservation *reservation, uint64_t now_us);
/* Its replica went to another state: one that is hibernated has made room, one
 * that woke up will not. */
void fleet_evict_on_state(struct fleet_place *place,
                          struct reservation *reservation);

#endif
