/* replica_view.h - what others may know of a replica: its state, how it is
 * reached, and how its last start went. Plain values; replica.c fills them.
 */
#ifndef LIFECYCLE_REPLICA_VIEW_H
#define LIFECYCLE_REPLICA_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/address.h"
#include "router/base/digest.h"
#include "router/base/err.h"
#include "router/replica_ref.h"

enum replica_state {
#define REPLICA_STATE(NAME, text, meaning) REPLICA_##NAME,
#include "lifecycle/replica_state.def"
#undef REPLICA_STATE
    REPLICA_STATE_COUNT
};

/* How near to ready it was when its last start began: a thaw is one, too. */
enum replica_rung {
    RUNG_ABSENT,
    RUNG_PULLED,
    RUNG_PRIMED,
    RUNG_HIBERNATED,
    RUNG_FROZEN,
    RUNG_COUNT
};

/* Durations of a start's phases, 0 for those that were not gone through. */
struct replica_phases {
    uint64_t evict_us; /* waited for room on the machine */
    uint64_t queue_us; /* waited for its turn to start */
    uint64_t pull_us;  /* image looked up, and pulled */
    uint64_t create_us;
    uint64_t prime_us;
    uint64_t start_us;
    uint64_t boot_us;  /* until it accepted a connection */
    uint64_t ready_us; /* until its ready check passed, or on_wake answered */
    uint64_t thaw_us;  /* from the request that woke it until it ran */
    /* From ready until the app began to answer the request that waited; 1 where
     * that was before its thaw was seen to be done. */
    uint64_t first_byte_us;
    uint64_t total_us; /* from the decision to ready */
};

/* How to reach it. */
struct replica_reach {
    enum connect_kind connect;
    struct address address; /* CONNECT_DIRECT */
    uint32_t port;          /* CONNECT_INSIDE */
    char *socket_path;      /* CONNECT_KEEPER */
    bool forwarded;         /* accepted before the app listens */
};

/* All that others may know of it; read only. */
struct replica_view {
    uint64_t id;
    char *name; /* APP-ID */
    enum replica_state state;
    uint64_t since_us;          /* in this state */
    uint64_t since_unix_ms;     /* likewise */
    uint64_t before_us;         /* how long it was in the state before */
    uint64_t ready_at_us;       /* 0: never */
    char reason[ERR_TEXT_SIZE]; /* why it is in this state */
    char probe_text[256];       /* why the ready check has not passed yet */
    char container_id[80];      /* "": none */
    int pid;                    /* 0: none */
    char revision[DIGEST_HEX_SIZE];
    bool is_adopted;
    bool is_external; /* an upstream: somebody else runs it */
    enum replica_rung from;
    bool is_start;         /* its way to READY is a start, or a thaw, of ours */
    int family;            /* CONNECT_INSIDE: AF_INET, AF_INET6; 0: not known */
    uint64_t asleep_at_us; /* when it was frozen last */
    uint64_t hibernate_failed_at_us; /* 0: never */
    uint64_t began_unix_ms;
    uint64_t answers;  /* that it gave, as the front counts them */
    uint64_t failures; /* attempts at it that failed, 5xx among them */
    uint64_t repeated; /* of those, what another revision was asked instead */
    struct replica_phases phases;
    struct replica_reach reach; /* from PROBING on */
};

#endif
