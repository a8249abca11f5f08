/* fake_podman.h - an HTTP server on a Unix socket that answers by a table, in
 * threads of its own: for what a real Podman cannot be made to do.
 */
#ifndef TESTS_SUPPORT_FAKE_PODMAN_H
#define TESTS_SUPPORT_FAKE_PODMAN_H

#include <stdbool.h>

enum fake_action {
    FAKE_ANSWER, /* status and body, with a Content-Length */
    FAKE_RAW,    /* body as it is, then the connection is closed */
    FAKE_HANG,   /* take the request, answer nothing */
    FAKE_STREAM, /* status and body as a chunked stream that stays open */
    FAKE_DRIP,   /* as FAKE_STREAM, a byte a chunk, and ended */
};

struct fake_route {
    const char *start; /* of the request: "GET /v4.0.0/libpod/version" */
    enum fake_action action;
    unsigned status;
    const char *body;
};

struct fake_podman; /* opaque */

/* The first route that fits counts; none: 404. routes: borrowed, count ended
 * by a row with start NULL. */
struct fake_podman *fake_podman_new(const char *socket_path,
                                    const struct fake_route *routes);
/* Answer by other routes from now on. Thread-safe. */
void fake_podman_set_routes(struct fake_podman *fake,
                            const struct fake_route *routes);
/* Close all connections and stop listening; the path is removed. */
void fake_podman_free(struct fake_podman **fake);

/* How many requests began with this so far. */
unsigned fake_podman_count(struct fake_podman *fake, const char *start);
/* Connections taken so far. */
unsigned fake_podman_connections(struct fake_podman *fake);
/* Whole text of the last request that began with this; "" for none. The
 * caller frees it. */
char *fake_podman_last(struct fake_podman *fake, const char *start);

/* A Podman of this version that is well, without containers. The table ends
 * every other: FAKE_WELL("5.4.2"), {NULL, 0, 0, NULL} */
#define FAKE_WELL(version)                                                     \
    {"GET /v4.0.0/libpod/version", FAKE_ANSWER, 200,                           \
     "{\"Version\":\"" version "\"}"},                                         \
        {"GET /v4.0.0/libpod/info", FAKE_ANSWER, 200,                          \
         "{\"host\":{\"security\":{\"rootless\":false}}}"},                    \
        {"GET /v4.0.0/libpod/_ping", FAKE_ANSWER, 200, "OK"},                  \
    {                                                                          \
        "GET /v4.0.0/libpod/events", FAKE_STREAM, 200, ""                      \
    }

#endif
