/* podman_events.h - the stream of Podman's events about our containers.
 *
 * Podman sends no byte before the first event, so nothing tells that the
 * stream is there, only that it is lost. Each new stream begins where the last
 * one was known to be whole (`since`), so that no death is missed; some come
 * twice. Thread: owner loop.
 */
#ifndef LIFECYCLE_PODMAN_EVENTS_H
#define LIFECYCLE_PODMAN_EVENTS_H

#include "router/base/attr.h"
#include "router/base/err.h"

struct podman_events; /* opaque */
struct podman_http;

struct podman_events_handler {
    void (*on_died)(void *arg, const char *id, int exit_code); /* -1: ? */
    /* The stream ended; connect again, once Podman answers. */
    void (*on_lost)(void *arg, const struct err *err);
    void *arg;
};

/* Borrows http; copies the rest. */
MUST_USE struct podman_events *
podman_events_new(struct podman_http *http, const char *namespace_name,
                  const struct podman_events_handler *handler);
void podman_events_free(struct podman_events **events); /* NULL is skipped */

/* Open the stream; one that is open already is given up. */
void podman_events_connect(struct podman_events *events);
void podman_events_disconnect(struct podman_events *events);

#endif
