/* placement.h - what may start, and what gives way for it: a pure function.
 *
 * The caller lists what there is (every replica that has or had reserved
 * something, until its container is gone) and what is wanted; it is told what
 * to start, on which devices, and what to evict. Room is given once it is
 * free, never before, so nothing is over-reserved, not even for a moment: who
 * evicts waits until the victims are gone. Times in microseconds of any
 * monotonic clock, the same in all calls.
 */
#ifndef ROUTER_PLACEMENT_H
#define ROUTER_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#define PLACEMENT_DEVICES 64 /* at most, on the machine */
#define PLACEMENT_WHOLE   1000

/* Of a replica; nothing is reserved of what is 0. */
struct placement_need {
    uint64_t cpu_millis;
    uint64_t memory_bytes;
    /* A fraction of one device below PLACEMENT_WHOLE, else whole devices, a
     * multiple of it. */
    uint32_t gpu_millis;
    uint64_t gpu_memory_bytes; /* on the device, or on each */
};

struct placement_machine {
    uint64_t cpu_millis;
    uint64_t memory_bytes;
    uint32_t device_count;
    uint64_t device_memory_bytes[PLACEMENT_DEVICES]; /* 0: not known */
};

/* What a replica reserves on its rung. */
enum placement_hold {
    PLACEMENT_ALL,         /* from the start on; ready, frozen, stopping too */
    PLACEMENT_ASLEEP,      /* frozen after on_sleep: no gpu_memory */
    PLACEMENT_DEVICES_ALL, /* hibernated: gpus and gpu_memory */
    PLACEMENT_DEVICES_ASLEEP, /* hibernated after on_sleep: gpus */
    PLACEMENT_NOTHING,        /* primed */
};

struct placement_replica {
    uint64_t id;
    uint32_t app; /* its number; equal ones are the same app's */
    struct placement_need need;
    enum placement_hold hold;
    uint64_t devices;  /* bit n: device n */
    bool is_leaving;   /* its room comes back by itself */
    bool is_idle;      /* none in flight, none queued */
    bool is_evictable; /* by its app's settings */
    bool is_min;       /* one of those that `replicas MIN` asks for */
    /* To make room it would be hibernated, not stopped: it gives all of its
     * room back and still counts for MIN. */
    bool can_hibernate;
    bool is_starting;   /* not ready yet */
    int32_t importance; /* of its app */
    uint64_t since_us;  /* when it got its place */
    /* When its last request ended, or it became ready; 0: not known. */
    uint64_t used_us;
    uint64_t start_us; /* what having it again would take */
    uint64_t uses;     /* requests that it served */
    double clock;      /* placement_output.clock when it was used last */
    uint64_t resident_bytes;
};

/* A replica to start, or one to wake that had given something back. */
struct placement_want {
    uint32_t app;
    struct placement_need need; /* what it is to get, on top of what it has */
    uint64_t pinned;            /* to wake: its container's devices; 0: any */
    bool has_none; /* its app has no replica that is ready or comes */
    int32_t importance;
    uint64_t oldest_us; /* its oldest waiting request; 0: none waits */
};

struct placement_input {
    const struct placement_machine *machine;
    const struct placement_replica *replicas;
    uint32_t replica_count;
    const struct placement_want *wants;
    uint32_t want_count;
    uint64_t now_us;
    double clock; /* the last output's; 0 at first */
};

enum placement_verdict {
    PLACEMENT_START, /* now, on `devices` */
    PLACEMENT_SOON,  /* when those that leave are gone: ask again then */
    PLACEMENT_WAIT,  /* there is no room and none can be made: `lacking` */
    PLACEMENT_NEVER, /* the whole machine has not as much: `lacking` */
};

enum placement_resource {
    PLACEMENT_CPUS,
    PLACEMENT_MEMORY,
    PLACEMENT_GPUS,
    PLACEMENT_GPU_MEMORY,
};
const char *placement_resource_name(enum placement_resource resource);

struct placement_answer { /* to one want */
    enum placement_verdict verdict;
    uint64_t devices;
    enum placement_resource lacking;
};

struct placement_output {
    struct placement_answer *answers; /* [want_count], the caller's */
    bool *evict;                      /* [replica_count], the caller's */
    uint32_t *evict_for; /* [replica_count], the caller's, or NULL: if it is
                            evicted, which of the wants gets its room */
    /* When to ask again though nothing happens: then a replica loses its
     * protection that somebody waits for. 0: no need. */
    uint64_t again_us;
    double clock; /* GreedyDual-Size-Frequency's; keep it for the next call */
};

/* Those wanted are served by rank: apps with no replica, then importance, then
 * the oldest waiting request (none: last). Evicted are idle, evictable
 * replicas of other apps, of the same importance or less (a min replica only
 * of less), where that makes room; those that can be hibernated, which costs
 * them no boot, before any other, and whether evictable, or min, or not; of
 * the sets that do, one of low worth from which none can be left out. One that
 * has had its place for less than max(10 s, twice its start) keeps it unless it
 * was not used for half the time of its start (why: placement.c); one that
 * still starts, for nobody, keeps it from those for whom nobody waits either.
 * Fills ret's arrays, which the caller made. Cost: O(R log R + W (R +
 * victims^2)) for R replicas and W wants. Thread: any. */
void placement_decide(const struct placement_input *input,
                      struct placement_output *ret);

/* What is reserved of a need. */
struct placement_need placement_held(const struct placement_need *need,
                                     enum placement_hold hold);

/* Whether one of that need would fit if nothing else was there. */
bool placement_fits_empty(const struct placement_machine *machine,
                          const struct placement_need *need,
                          enum placement_resource *ret_lacking);

/* What keeping it is worth: clock + uses * restart time / bytes. */
double placement_worth(const struct placement_replica *replica);

#endif
