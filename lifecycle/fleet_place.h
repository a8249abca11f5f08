/* fleet_place.h - who has which part of the machine: what replicas reserve,
 * who waits for room, who gives way.
 *
 * A replica asks before it climbs to a rung that reserves (CREATING on its way
 * up, PRIMED, HIBERNATED, FROZEN after on_sleep) and goes on when on_room says
 * so, in a later turn of the loop, never within the call. What was reserved is
 * held, as its state says, until its container is gone; that of containers of
 * an earlier berth is known from their labels. So nothing is over-reserved, not
 * for a moment. Thread: keeper main.
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

/* events NULL: nobody keeps them. machine NULL: nothing is bounded. Borrows
 * all. */
MUST_USE struct fleet_place *fleet_place_new(struct loop *loop,
                                             struct timers *timers,
                                             struct event_log *events,
                                             const struct machine *machine);
/* No replica may be left. NULL is skipped. */
void fleet_place_free(struct fleet_place **place);

/* A reload changed what there is. What is reserved stays so, even where it is
 * more than there is now. */
void fleet_place_set_machine(struct fleet_place *place,
                             const struct machine *machine);

/* What a replica gets, borrowed for the call. */
struct fleet_room {
    const char *const *devices; /* CDI names; NULL ends them */
    const char *label;          /* reservation.h */
    uint64_t waited_us;         /* for it; 0: there was room at once */
};

/* Ask for what the replica has not reserved now. Asking again changes nothing.
 * on_room runs once, when it has been; the replica climbs in it, or as soon as
 * may be. Borrows app and replica until fleet_place_on_state(…GONE). */
void fleet_place_ask(struct fleet_place *place, struct fleet_app *app,
                     struct replica *replica,
                     void (*on_room)(struct replica *replica,
                                     const struct fleet_room *room));
bool fleet_place_is_asking(const struct fleet_place *place,
                           const struct replica *replica);
/* It has reserved all that it needs awake. */
bool fleet_place_has_all(const struct fleet_place *place,
                         const struct replica *replica);
/* Of the app's replicas that sleep, those that ask. */
uint32_t fleet_place_count_asleep(const struct fleet_place *place,
                                  const struct fleet_app *app);
/* It does not climb after all. Where it was answered already, it keeps what it
 * got until it changes its state. */
void fleet_place_take_back(struct fleet_place *place, struct replica *replica);
/* A replica went to another state: what it reserves follows. On GONE it is
 * forgotten, and its reservation with its container. */
void fleet_place_on_state(struct fleet_place *place, struct fleet_app *app,
                          struct replica *replica);
/* Reserve other amounts of cpus and memory for it, whose limits are changed in
 * place; is_growing: what is more than before, but nothing less. false: there
 * is no room for more now, nothing was changed. */
MUST_USE bool fleet_place_resize(struct fleet_place *place,
                                 const struct replica *replica,
                                 const struct placement_need *need,
                                 bool is_growing);

/* An app's demand has changed: it may be idle now. */
void fleet_place_on_demand(struct fleet_place *place);
/* The replica has served so many more requests: that says what it is worth. */
void fleet_place_on_served(struct fleet_place *place,
                           const struct replica *replica, uint64_t served);
/* So much of its memory is resident: likewise. */
void fleet_place_on_measured(struct fleet_place *place,
                             const struct replica *replica, uint64_t bytes);
/* GreedyDual-Size-Frequency's H. */
double fleet_place_worth(const struct fleet_place *place,
                         const struct replica *replica);
/* It gives way to the machine's shortage: what is left has aged by that. */
void fleet_place_gave_way(struct fleet_place *place,
                          const struct replica *replica);
/* A hibernated replica (of at most a quarter of the machine) could not wake
 * now, since cpus or memory are reserved by others, and nobody makes room yet.
 * ret_importance: the highest of the apps of such. */
MUST_USE bool fleet_place_is_full(const struct fleet_place *place,
                                  int32_t *ret_importance);
/* Why replicas of the app do not climb. In fleet_app, written by fleet_place
 * alone, which has the app decide anew when it has changed. */
struct fleet_place_wait {
    enum placement_verdict verdict; /* PLACEMENT_START: none waits */
    char reason[256];
    uint64_t retry_at_us; /* when it may be worth to ask again */
    uint64_t look_number; /* fleet_place's own */
};

/* The front's answers to REPLICA_EVICT, or to REPLICA_SLEEP where it is to be
 * hibernated. true: it is drained, and still to go: stop it, *ret_why says why.
 */
MUST_USE bool fleet_place_on_drained(struct fleet_place *place,
                                     const struct replica *replica,
                                     const char **ret_why);
void fleet_place_on_busy(struct fleet_place *place,
                         const struct replica *replica);

/* A container was found that is no replica's (yet): what its label says is
 * reserved until it is adopted (app: whose it may become) or gone. */
void fleet_place_found(struct fleet_place *place, struct fleet_app *app,
                       const struct engine_container *container);
/* It became this replica. */
void fleet_place_adopted(struct fleet_place *place, struct fleet_app *app,
                         struct replica *replica);
/* It is removed. */
void fleet_place_container_gone(struct fleet_place *place,
                                const char *container_id);
/* These are all that there are: what others had is free. */
void fleet_place_listed(struct fleet_place *place,
                        const struct engine_container *containers,
                        unsigned count);

/* "resources" of status: totals, what is reserved and by whom, who waits. */
MUST_USE struct cJSON *fleet_place_status(const struct fleet_place *place);
/* berth_resource_*, berth_evictions_total, in exposition format. */
void fleet_place_expose(const struct fleet_place *place, struct strbuf *buf);

#endif
