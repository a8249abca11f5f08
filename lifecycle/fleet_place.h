/* fleet_place.h - who has which part of the machine: what replicas reserve,
 * who waits for room, who gives way.
 *
 * An app says how many replicas more it wants (fleet_place_want), and is
 * answered by fleet_app_start_placed() for each that has its room; a replica
 * that has given something back asks again before it climbs (fleet_place_wake).
 * Answers come in a later turn of the loop, never within a call. A reservation
 * is held from the answer on, by the replica's state, until its container is
 * gone; those of an earlier berth are known from the containers' labels. So
 * nothing is over-reserved. Thread: keeper main.
 */
#ifndef LIFECYCLE_FLEET_PLACE_H
#define LIFECYCLE_FLEET_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strbuf.h"
#include "router/placement.h"

struct cJSON;
struct engine_container;
struct event_log;
struct fleet_app;
struct fleet_place; /* opaque; defined in fleet_place.c */
struct loop;
struct machine;
struct replica;
struct timers;

/* Where an app stands with its wants; embedded in fleet_app, written by
 * fleet_place alone. Zeroed at first. */
struct fleet_place_want {
    struct fleet_app *app; /* NULL: nothing was ever wanted */
    uint32_t count;        /* replicas more that it wants */
    uint64_t since_us;     /* since when it waits for room; 0: it does not */
    /* Of the last answer that was no START: */
    enum placement_verdict verdict;
    char reason[256];        /* "gpus: all 8 are …"; "": it does not wait */
    uint64_t retry_after_us; /* when there may be room; 0: not known */
};

/* machine NULL: it is not bounded. Borrows all but the machine, which may be
 * changed by fleet_place_set_machine(). */
MUST_USE struct fleet_place *fleet_place_new(struct loop *loop,
                                             struct timers *timers,
                                             struct event_log *events,
                                             const struct machine *machine);
/* NULL is skipped. */
void fleet_place_free(struct fleet_place **place);

/* A reload changed what there is. What is reserved stays so, even where it is
 * more than there is now. */
void fleet_place_set_machine(struct fleet_place *place,
                             const struct machine *machine);

/* `app` wants so many replicas more than it has. 0: none (any more). */
void fleet_place_want(struct fleet_place *place, struct fleet_app *app,
                      uint32_t count);
/* `app` is about to be freed. Its replicas went before. */
void fleet_place_forget_app(struct fleet_place *place, struct fleet_app *app);
/* Something changed that may make room (an app became idle): see again who
 * waits. Cheap where nobody does. */
void fleet_place_look(struct fleet_place *place);

/* A replica that was started in answer to a want went to another state: what
 * it reserves follows. On GONE it ends, once its container is gone. */
void fleet_place_on_state(struct fleet_place *place, struct replica *replica);
/* Ask for what a PRIMED or HIBERNATED replica has not reserved now. on_placed
 * runs once, when it has been: it may climb, and must leave that state soon or
 * say fleet_place_sleep(). Asking again changes nothing. */
void fleet_place_wake(struct fleet_place *place, struct replica *replica,
                      void (*on_placed)(void *arg, struct replica *replica),
                      void *arg);
/* It does not climb after all: the question, or what was reserved by the
 * answer, is taken back. */
void fleet_place_sleep(struct fleet_place *place, struct replica *replica);
/* Reserve other amounts for a replica, for limits that are changed in place.
 * false: there is no room for more now, nothing was changed. */
MUST_USE bool fleet_place_resize(struct fleet_place *place,
                                 const struct replica *replica,
                                 uint64_t cpu_millis, uint64_t memory_bytes);

/* The front answered REPLICA_EVICT: by its drain (true: it is to be stopped,
 * *ret_by is the app that needs the room, borrowed; false: nobody asked, or
 * not any more), or by REPLICA_BUSY. */
MUST_USE bool fleet_place_is_evicted(struct fleet_place *place,
                                     const struct replica *replica,
                                     const char **ret_by);
void fleet_place_on_busy(struct fleet_place *place, uint64_t replica_id);

/* A container was found that is not (yet) a replica's: what its label says is
 * reserved until it is adopted or gone. app NULL: of no app. */
void fleet_place_found(struct fleet_place *place, struct fleet_app *app,
                       const struct engine_container *container);
/* It became this replica. */
void fleet_place_adopted(struct fleet_place *place, struct replica *replica);
void fleet_place_container_gone(struct fleet_place *place,
                                const char *container_id);

/* "resources" of status: totals, what is reserved and by whom, who waits. */
MUST_USE struct cJSON *fleet_place_status(const struct fleet_place *place);
/* berth_resource_*, berth_evictions_total, in exposition format. */
void fleet_place_expose(const struct fleet_place *place, struct strbuf *buf);

#endif
