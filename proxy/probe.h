/* probe.h - the ready check of one replica that starts.
 *
 * Attempts begin at once, then every 2 ms doubling to 50 ms, and after the
 * first seconds every 250 ms, so that a quick app is found ready when it is.
 * Thread: main.
 */
#ifndef PROXY_PROBE_H
#define PROXY_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

struct loop;
struct probe; /* opaque; defined in probe.c */
struct ready_check;
struct replica_ref;
struct timers;

struct probe_events {
    /* Once. family: AF_INET or AF_INET6, where it was reached
     * (CONNECT_INSIDE). boot_us: from the start of the probe until it accepted
     * a connection; ready_us: from then until the check passed. The probe may
     * be freed in it. */
    void (*on_ready)(void *arg, int family, uint64_t boot_us,
                     uint64_t ready_us);
    /* Why it is not ready yet: when that changes. Borrowed. */
    void (*on_status)(void *arg, const char *text);
    /* It needs sockets of the replica: answer by probe_add_sockets(). */
    void (*on_want)(void *arg, int family, unsigned count);
    void *arg;
};

/* Begins at once. Borrows all but check; of the replica what never changes.
 * forwarded: a connection is accepted before the app listens, so that one must
 * stay open for a while to count. */
MUST_USE struct probe *probe_new(struct loop *loop, struct timers *timers,
                                 const struct replica_ref *replica,
                                 const struct ready_check *check,
                                 bool forwarded,
                                 const struct probe_events *events);
void probe_free(struct probe **probe);

/* Takes the descriptors. count 0: there are none, error says why. */
void probe_add_sockets(struct probe *probe, int family, const int *fds,
                       unsigned count, struct strview error);

#endif
