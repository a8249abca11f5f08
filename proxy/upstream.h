/* upstream.h - one connection to a replica.
 *
 * While it is in use its events go to its exchange; while it is parked, to
 * upstream_pool. Its read event stays armed all the time, but for
 * back-pressure. Thread: owner loop, which can change (upstream_detach()).
 */
#ifndef PROXY_UPSTREAM_H
#define PROXY_UPSTREAM_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "proxy/stream.h"
#include "router/base/attr.h"
#include "router/base/io.h"

struct exchange;
struct replica_ref;
struct slot;
struct worker;

struct upstream {
    int fd;                    /* -1: closed while it was parked */
    struct worker *worker;     /* NULL: detached, to be attached by a taker */
    struct exchange *exchange; /* NULL: parked */
    struct slot *slot;         /* while it is parked */
    struct event read_event;
    struct event write_event;
    bool is_reading;
    bool is_writing; /* the write event is armed */
    bool is_connecting;
    bool is_reused; /* it has served a request before */
};

/* A connection to the replica for `exchange`. fd: a socket of its stash, taken;
 * -1: CONNECT_DIRECT, which needs none. The connection may still be under way
 * (is_connecting): try to write. NULL: errno says why. */
MUST_USE struct upstream *upstream_open(struct worker *worker,
                                        const struct replica_ref *replica,
                                        int fd, struct exchange *exchange);
/* NULL is skipped; sets NULL. On its own loop, or detached. */
void upstream_close(struct upstream **upstream);

/* Its loop no longer knows it; another one may attach it. */
void upstream_detach(struct upstream *upstream);
void upstream_attach(struct upstream *upstream, struct worker *worker);

void upstream_pause(struct upstream *upstream); /* reading */
void upstream_resume(struct upstream *upstream);
/* Have exchange_on_upstream_writable() called when it takes bytes again. */
void upstream_await_write(struct upstream *upstream);
void upstream_stop_write(struct upstream *upstream);

/* Its bytes as a stream, which borrows the socket. */
static inline struct stream upstream_stream(const struct upstream *upstream)
{
    return (struct stream){.fd = upstream->fd};
}

/* As stream_read() and stream_write(). */
MUST_USE enum io_result upstream_read(struct upstream *upstream,
                                      const struct iovec *iov, int iov_count,
                                      size_t *ret_count);
MUST_USE enum io_result upstream_write(struct upstream *upstream,
                                       const struct iovec *iov, int iov_count,
                                       size_t *ret_count);
void upstream_shutdown(struct upstream *upstream);

/* Nothing has come on it since it was parked: one system call. */
MUST_USE bool upstream_is_quiet(const struct upstream *upstream);

#endif
