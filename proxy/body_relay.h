/* body_relay.h - one direction of an exchange: the head that was written for
 * the other side, and the body behind it, decoded as it comes, kept in bounded
 * buffers, framed anew as it goes.
 *
 * It moves no bytes by itself: who reads asks for space, who writes asks what
 * is pending. Chunk framing is put around a buffer in place, when it is first
 * offered for writing, so small pieces gather while the reader is slow and
 * leave at once when it is not. Long plain bodies pass through a pipe instead,
 * as long as nothing stands in the buffers. Thread: owner loop.
 */
#ifndef PROXY_BODY_RELAY_H
#define PROXY_BODY_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "proxy/buffer_pool.h"
#include "proxy/http_body.h"
#include "proxy/pipe.h"
#include "router/base/attr.h"
#include "router/base/strbuf.h"

/* At most so many buffers are filled by one read, and so many bytes: what they
 * are when they leave as TLS records goes into one packet, which is at most 64
 * KB with all headers (tls_socket.h). */
#define BODY_RELAY_SPACE      4
#define BODY_RELAY_READ_BYTES (64 * 1024 - 512)
/* At most so many pieces are offered to one write. */
#define BODY_RELAY_PENDING 16
/* A body of which less is left goes through the buffers. */
#define BODY_RELAY_PIPE_MIN (64 * 1024)

struct body_relay {
    struct buffer_pool *pool;
    struct http_body body; /* how the incoming bytes are framed */
    struct strbuf head;    /* goes out first */
    size_t head_sent;
    struct io_buffer *first; /* oldest; sent ones only while keeps_sent */
    struct io_buffer *last;
    struct io_buffer *at; /* the first that is not wholly sent, or NULL */
    uint32_t at_sent;     /* bytes of it that are sent */
    struct io_buffer *space[BODY_RELAY_SPACE]; /* offered for a read */
    uint32_t space_used;
    uint32_t space_bytes; /* what it has room for, within one read */
    uint32_t buffer_count;
    uint32_t buffer_max;
    struct pipe *pipe;  /* comes before the buffers; NULL: it would be empty */
    bool pipe_is_full;  /* nothing more goes into it until something left */
    struct strbuf tail; /* last chunk and trailers, once the body is whole */
    size_t tail_sent;
    bool is_chunked; /* going out */
    bool is_whole;   /* all of it has come in */
    bool keeps_sent; /* for a retry */
    bool dropped;    /* something that was sent is gone: no rewind */
    bool was_full;   /* the last read filled all the space it had */
};

/* Once for a new object; relay_start() then begins each use of it, and
 * relay_reset() ends it. */
void relay_init(struct body_relay *relay, struct buffer_pool *pool);
void relay_done(struct body_relay *relay);

/* For the body that `head` announces; buffers_bytes: how much may be held.
 * keeps_sent: what was sent stays in the buffers, so that it can be sent
 * again, until they are needed. */
void relay_start(struct body_relay *relay, const struct http_head *head,
                 const struct http_limits *limits, uint64_t buffers_bytes,
                 bool keeps_sent);
/* Before anything was read: how much may be held. */
void relay_set_limit(struct body_relay *relay, uint64_t buffers_bytes);
/* An answer of berth's own: all of it is in head. */
void relay_start_local(struct body_relay *relay);
/* Bytes without framing or end, both ways (a tunnel). */
void relay_start_raw(struct body_relay *relay, uint64_t buffers_bytes);
/* Forget the body, and of the head all but its first head_bytes. */
void relay_discard(struct body_relay *relay, size_t head_bytes);
/* Gives all buffers back; keeps the memory of small heads. */
void relay_reset(struct body_relay *relay);

/* --- what comes in --- */

/* Where to read to: fills ret_iov[BODY_RELAY_SPACE], returns the pieces; 0: no
 * room until something was sent. Follow with relay_fill() or
 * relay_cancel_space(). exact: not beyond the end of a body of known length.
 */
int relay_space(struct body_relay *relay, bool exact, struct iovec *ret_iov);
void relay_cancel_space(struct body_relay *relay);
bool relay_has_room(const struct body_relay *relay);

enum relay_result {
    RELAY_MORE,
    RELAY_WHOLE,
    RELAY_REFUSED, /* broken framing: *ret_rejection */
};

/* `count` bytes were read into the space. ret_excess: bytes behind the end of
 * the body; borrowed until the next call. Where several pieces were offered
 * and it was not `exact`, ptr may be NULL: only the length is known. */
MUST_USE enum relay_result relay_fill(struct body_relay *relay, size_t count,
                                      struct arena *arena,
                                      struct strview *ret_excess,
                                      struct rejection *ret_rejection);
/* As relay_fill(), with bytes that stand in *buffer (read together with the
 * head); takes it, and leaves NULL. An empty buffer is given back. */
MUST_USE enum relay_result relay_adopt(struct body_relay *relay,
                                       struct io_buffer **buffer,
                                       struct arena *arena,
                                       struct strview *ret_excess,
                                       struct rejection *ret_rejection);
/* The peer closed. Returns whether that ended the body well. */
MUST_USE bool relay_end(struct body_relay *relay);

/* The body is whole: what stands behind it when it goes out in chunks.
 * trailers: whole field lines, or empty. */
void relay_finish(struct body_relay *relay, struct strview trailers);

/* --- past the buffers --- */

/* How much may be moved into relay->pipe (pipe_fill()) now; 0: read into the
 * buffers. Follow with relay_pipe_filled() or relay_pipe_unfilled(). */
size_t relay_pipe_space(struct body_relay *relay);
MUST_USE enum relay_result relay_pipe_filled(struct body_relay *relay,
                                             size_t count);
void relay_pipe_unfilled(struct body_relay *relay);

/* --- what goes out --- */

/* While there is a relay->pipe, it goes first: pipe_drain(), and then this. */
void relay_pipe_drained(struct body_relay *relay);
/* Fills ret_iov[BODY_RELAY_PENDING]; 0: nothing to write now. */
int relay_pending(struct body_relay *relay, struct iovec *ret_iov);
void relay_sent(struct body_relay *relay, size_t count);
/* All that there will ever be was sent. */
bool relay_is_done(const struct body_relay *relay);
/* Neither head nor body waits to be sent. */
bool relay_is_empty(const struct body_relay *relay);

/* Everything that was sent is still there. */
bool relay_can_rewind(const struct body_relay *relay);
/* Send it all again. */
void relay_rewind(struct body_relay *relay);
/* It will not be sent again: give back what was sent. */
void relay_drop_sent(struct body_relay *relay);

#endif
