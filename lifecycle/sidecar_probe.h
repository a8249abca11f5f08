/* sidecar_probe.h - whether a sidecar is ready: its ready_check, made from the
 * keeper inside the pod's network namespace.
 *
 * The keeper parses nothing that an app says: of an answer over HTTP it looks
 * at the twelve bytes that hold the status, and reads no more. Thread: owner
 * loop.
 */
#ifndef LIFECYCLE_SIDECAR_PROBE_H
#define LIFECYCLE_SIDECAR_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/err.h"

struct loop;
struct sidecar_probe; /* opaque; defined in sidecar_probe.c */

struct sidecar_check {
    bool is_http; /* else it is enough that it accepts a connection */
    uint32_t port;
    char *path;
    uint32_t status_min;
    uint32_t status_max;
    char *pattern; /* not NULL: a line of its log instead (sidecar_line.h) */
};

struct sidecar_probe_options {
    struct loop *loop;
    /* An unconnected socket inside, or false: the process has ended. */
    bool (*open_socket)(void *arg, int family, int *ret_fd, struct err *err);
    /* err NULL: it is ready. ERR_TIMEOUT: not within timeout_ms; else as
     * open_socket() said. Once, never within sidecar_probe_start(). */
    void (*done)(void *arg, const struct err *err);
    void *arg;
    const struct sidecar_check *check; /* borrowed until it ends */
    uint64_t timeout_ms;
};

/* First at once, then with pauses of 2 ms doubling to 250 ms; on 127.0.0.1 and
 * [::1] by turns. */
MUST_USE struct sidecar_probe *
sidecar_probe_start(const struct sidecar_probe_options *options);
/* done does not run any more. NULL is skipped. */
void sidecar_probe_cancel(struct sidecar_probe **probe);

#endif
