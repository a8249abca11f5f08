/* podman_http.h - HTTP to Podman over its Unix socket, on the keeper's loop.
 *
 * The only user of libcurl in the keeper: connections are reused, every call
 * has a time-out and a bound on what it may answer. Thread: owner loop.
 */
#ifndef LIFECYCLE_PODMAN_HTTP_H
#define LIFECYCLE_PODMAN_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"

struct loop;
struct podman_http;    /* opaque: connections to one socket */
struct podman_request; /* opaque: one request under way */

#define PODMAN_LINE_MAX (1U << 20)

struct podman_answer {
    unsigned status;
    struct strview body; /* what on_bytes and on_line did not get */
};

/* Borrowed until podman_http_send() returns. */
struct podman_http_call {
    const char *method;  /* GET, POST or DELETE; a literal */
    const char *path;    /* with its query, encoded */
    const char *field;   /* one more of the head; NULL: none. Copied */
    struct strview body; /* JSON; ptr NULL: none */
    int body_fd;         /* with body_bytes: the body instead, from there on */
    uint64_t body_bytes; /* 0: none. The file must stay until on_done */
    uint64_t timeout_ms; /* for all of it; 0: none */
    size_t max_body;     /* bytes of answer kept at most; beyond: an error */

    /* At most one of these: called with what a 2xx answer brings while it
     * comes. on_line: a line without its end, at most PODMAN_LINE_MAX bytes.
     * May cancel the request. */
    void (*on_bytes)(void *arg, struct strview bytes);
    void (*on_line)(void *arg, struct strview line);

    /* Once, unless cancelled; never within podman_http_send(). err is NULL
     * when there was an answer, of whatever status. Codes: ERR_UNAVAILABLE
     * (nobody listens, or the connection broke), ERR_TIMEOUT, ERR_DENIED,
     * ERR_PROTOCOL, ERR_LIMIT. The request's pointer is dead when it runs. */
    void (*on_done)(void *arg, const struct podman_answer *answer,
                    const struct err *err);
    void *arg;
};

/* socket_path: copied. */
MUST_USE struct podman_http *podman_http_new(struct loop *loop,
                                             const char *socket_path);
/* Cancels what is under way. NULL is skipped. Not from one of its
 * callbacks. */
void podman_http_free(struct podman_http **http);

/* For requests from now on; those under way go on as they are. Copied. */
void podman_http_set_socket(struct podman_http *http, const char *socket_path);

struct podman_request *podman_http_send(struct podman_http *http,
                                        const struct podman_http_call *call);
/* No callback runs any more. NULL is skipped; sets it to NULL. */
void podman_http_cancel(struct podman_request **request);

/* Read no more of its answer until it is let go: what has come goes to
 * on_bytes or on_line all the same, and Podman waits. May be called from
 * within on_bytes. */
void podman_http_hold(struct podman_request *request, bool is_held);

/* Percent-encode (RFC 3986, 2.1) all but unreserved characters. */
void podman_http_encode(struct strbuf *buf, struct strview text);

#endif
