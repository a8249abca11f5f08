/* channel.h - the one socket pair between keeper and front: typed messages,
 * descriptors passed beside them.
 *
 * A stream socket, so that a message may be of any size; each has a header of
 * its length, type and descriptor count. What one loop turn sends leaves at its
 * end, in few writes. Sending never blocks: what the socket does not take is
 * kept and sent later; a peer that takes nothing until CHANNEL_BACKLOG_MAX
 * bytes wait is treated as gone. Thread: owner loop.
 */
#ifndef ROUTER_CHANNEL_H
#define ROUTER_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"
#include "router/base/wire.h"

struct loop;
struct channel; /* opaque; defined in channel.c */

#define CHANNEL_BACKLOG_MAX     (256U << 20)
#define CHANNEL_MESSAGE_MAX     (128U << 20)
#define CHANNEL_DESCRIPTORS_MAX 64
#define ANSWER_WINDOW           (64U << 10)

enum channel_type {
    CHANNEL_NONE = 0,
#define CHANNEL_MESSAGE(NAME, name, fields) CHANNEL_##NAME,
#include "router/channel.def"
#undef CHANNEL_MESSAGE
    CHANNEL_TYPE_COUNT
};

/* struct channel_config { uint64_t generation; struct strview settings; }; …
 * Views in a decoded message are borrowed from its payload. */
#define U32(field)   uint32_t field;
#define U64(field)   uint64_t field;
#define BYTES(field) struct strview field;
#define CHANNEL_MESSAGE(NAME, name, fields)                                    \
    struct channel_##name {                                                    \
        fields                                                                 \
    };
#include "router/channel.def"
#undef CHANNEL_MESSAGE
#undef U32
#undef U64
#undef BYTES

/* channel_decode_NAME(payload, &message): false when it is not whole. */
#define CHANNEL_MESSAGE(NAME, name, fields)                                    \
    MUST_USE bool channel_decode_##name(struct strview payload,                \
                                        struct channel_##name *ret_message);
#include "router/channel.def"
#undef CHANNEL_MESSAGE

/* channel_send_NAME(channel, &message, fds, fd_count): queues it; copies the
 * bytes, and duplicates nothing: takes the descriptors (closes them once they
 * are sent, or dropped because the channel is closed). fds NULL: none.
 * channel NULL: there is no peer now; the message is dropped. */
#define CHANNEL_MESSAGE(NAME, name, fields)                                    \
    void channel_send_##name(struct channel *channel,                          \
                             const struct channel_##name *message,             \
                             const int *fds, unsigned fd_count);
#include "router/channel.def"
#undef CHANNEL_MESSAGE

const char *channel_type_name(enum channel_type type);

/* Whose descriptors: the handler must take (and set to -1) those it keeps;
 * the rest are closed after it returned. There may be fewer than were sent,
 * when this process had no more descriptors free. */
typedef void (*channel_message_fn)(void *arg, enum channel_type type,
                                   struct strview payload, int *fds,
                                   unsigned fd_count);
/* The peer closed, sent nonsense or takes nothing; why says which. Called
 * once, from the loop, never from within channel_send_…(); the channel may be
 * freed in it. */
typedef void (*channel_close_fn)(void *arg, const char *why);

/* Takes fd (a Unix stream socket; made non-blocking). */
MUST_USE struct channel *channel_new(struct loop *loop, int fd,
                                     channel_message_fn on_message,
                                     channel_close_fn on_close, void *arg);
/* Closes it; what was not sent is dropped. NULL is skipped. May be called
 * from its own callbacks. */
void channel_free(struct channel **channel);

/* Bytes that wait to be sent. */
size_t channel_backlog(const struct channel *channel);

/* Write what waits, blocking, for at most timeout_ms: before an exit. */
void channel_flush(struct channel *channel, unsigned timeout_ms);

#endif
