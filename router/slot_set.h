/* slot_set.h - the slots of one replica: which are free, and which carry an
 * idle connection of which worker.
 *
 * Slots are made when they are first needed. All operations are O(1), taking
 * one O(workers). Thread: guarded by the app's lock.
 */
#ifndef ROUTER_SLOT_SET_H
#define ROUTER_SLOT_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/list.h"

struct replica_ref;
struct slot;

struct slot_set {
    struct replica_ref *replica; /* borrowed; what its slots point to */
    uint32_t limit;              /* 0: none */
    uint32_t made;
    uint32_t held;
    uint32_t parked_count;
    unsigned worker_count;
    struct list plain;   /* free, without a connection; last used first */
    struct list *parked; /* [worker_count] free, with one; likewise */
};

void slot_set_init(struct slot_set *set, struct replica_ref *replica,
                   uint32_t limit, unsigned worker_count);
/* None may be held or carry a connection. */
void slot_set_done(struct slot_set *set);

bool slot_set_has_free(const struct slot_set *set);

/* Another limit. Free slots beyond it go at once where they carry nothing,
 * held ones when they are put back; for those that carry a connection there is
 * slot_set_trim(). */
void slot_set_limit(struct slot_set *set, uint32_t limit);
/* More are held than may be: the next that is released must not be passed on.
 */
bool slot_set_is_over(const struct slot_set *set);
/* There are more slots than may be: one that is put back goes. */
bool slot_set_has_surplus(const struct slot_set *set);
/* A connection of `worker` whose slot was one too many, and is gone; NULL:
 * there is none. */
MUST_USE void *slot_set_trim(struct slot_set *set, unsigned worker);

/* One whose connection is parked on `worker`, else one without, else another
 * worker's. There must be a free one. */
MUST_USE struct slot *slot_set_take(struct slot_set *set, unsigned worker);

/* Give a held slot back with the connection `parked` of `worker`, or NULL (as
 * it must be where there is a surplus: the slot is freed). */
void slot_set_put(struct slot_set *set, struct slot *slot, void *parked,
                  unsigned worker);

/* Take the connection off a slot, if it is free and still carries this one:
 * then the slot may be gone. */
MUST_USE bool slot_set_unpark(struct slot_set *set, struct slot *slot,
                              const void *parked);

/* Take any connection of `worker` off its slot; NULL: there is none. */
MUST_USE void *slot_set_unpark_any(struct slot_set *set, unsigned worker);

#endif
