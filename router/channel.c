/* channel.c - framed messages and descriptors over one Unix stream socket.
 *
 * A frame is payload length, type and descriptor count (u32 each), then the
 * payload. Descriptors travel with the first byte of their frame. The kernel
 * ends a read behind the piece that carried some, and we read no further than
 * the end of their frame: so those that wait belong to the frame at the end
 * of the buffer.
 */
#include "router/channel.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/list.h"
#include "router/base/loop.h"

#define HEADER_BYTES   12
#define READ_BYTES     65536
#define READS_PER_TURN 32
#define CHUNK_BYTES    65536   /* small messages are gathered up to this */
#define KEEP_BYTES     1048576 /* a larger read buffer is given back */
#define RETRY_US       10000

/* Bytes to be sent, of one message or several. Its descriptors go with its
 * first byte, so only the first message of a chunk may have any. */
struct chunk {
    struct list node;
    struct strbuf data;
    size_t sent;
    unsigned fd_count; /* 0 once they are sent */
    int fds[CHANNEL_DESCRIPTORS_MAX];
};

struct channel {
    struct loop *loop;
    int fd; /* -1 once it is freed */
    channel_message_fn on_message;
    channel_close_fn on_close;
    void *arg;
    struct event *readable;
    struct event *writable;
    struct event *retry;        /* after ETOOMANYREFS */
    struct loop_task send_task; /* gathers what one turn sends */
    struct list chunks;
    size_t backlog;
    bool is_over_backlog;
    bool is_closing; /* on_close was called, or is about to be */
    bool write_is_blocked;
    struct strbuf in;
    unsigned in_fd_count;
    bool in_fds_were_cut; /* no descriptor was free for all that came */
    int in_fds[CHANNEL_DESCRIPTORS_MAX];
};

struct header {
    uint32_t length;
    uint32_t type;
    uint32_t fd_count;
};

static void close_fds(int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        auto_close(&fds[i]);
}

/* --- closing -------------------------------------------------------------- */

static void free_chunk(struct channel *channel, struct chunk *chunk)
{
    channel->backlog -= chunk->data.len - chunk->sent;
    list_remove(&chunk->node);
    close_fds(chunk->fds, chunk->fd_count);
    strbuf_done(&chunk->data);
    free(chunk);
}

static void drop_chunks(struct channel *channel)
{
    LIST_FOREACH_SAFE (&channel->chunks, it)
        free_chunk(channel, container_of(it, struct chunk, node));
}

static void fail(struct channel *channel, const char *why)
{
    if (channel->is_closing)
        return;
    channel->is_closing = true;
    event_del(channel->readable);
    event_del(channel->writable);
    event_del(channel->retry);
    drop_chunks(channel);
    channel->on_close(channel->arg, why);
}

static void fail_errno(struct channel *channel, const char *call, int error)
{
    char reason[128];
    char why[192];

    snprintf(why, sizeof why, "%s: %s", call,
             strerror_r(error, reason, sizeof reason));
    fail(channel, why);
}

/* --- receiving ------------------------------------------------------------ */

static struct header parse_header(const char *data)
{
    struct wire_reader reader = wire_reader_of(sv_make(data, HEADER_BYTES));
    struct header header;

    header.length = wire_get_u32(&reader);
    header.type = wire_get_u32(&reader);
    header.fd_count = wire_get_u32(&reader);
    return header;
}

/* NULL, or what is wrong with it. */
static const char *check_header(const struct header *header)
{
    if (header->type == CHANNEL_NONE || header->type >= CHANNEL_TYPE_COUNT)
        return "a message of unknown type";
    if (header->length > CHANNEL_MESSAGE_MAX)
        return "a message longer than is allowed";
    if (header->fd_count > CHANNEL_DESCRIPTORS_MAX)
        return "a message with more descriptors than are allowed";
    return NULL;
}

/* As above: may a frame that announces `count` take the descriptors that wait?
 * Where some were cut off, it gets those that came. */
static bool fds_match(const struct channel *channel, unsigned count)
{
    if (count == 0)
        return true; /* those that wait are of a frame behind this one */
    return channel->in_fd_count == count ||
           (channel->in_fds_were_cut && channel->in_fd_count < count);
}

static void deliver(struct channel *channel, const struct header *header,
                    const char *payload)
{
    int fds[CHANNEL_DESCRIPTORS_MAX];
    unsigned count = 0;

    if (header->fd_count > 0) {
        count = channel->in_fd_count;
        memcpy(fds, channel->in_fds, count * sizeof fds[0]);
        channel->in_fd_count = 0;
        channel->in_fds_were_cut = false;
    }
    channel->on_message(channel->arg, (enum channel_type)header->type,
                        sv_make(payload, header->length), fds, count);
    close_fds(fds, count);
}

/* Deliver one message where it is whole. Returns its size, or 0. */
static size_t deliver_next(struct channel *channel, struct strview rest)
{
    struct header header;
    const char *wrong;

    if (rest.len < HEADER_BYTES) {
        if (rest.len == 0 && channel->in_fd_count > 0)
            fail(channel, "descriptors without a message");
        return 0;
    }
    header = parse_header(rest.ptr);
    wrong = check_header(&header);
    if (!wrong && !fds_match(channel, header.fd_count))
        wrong = "a message without the descriptors that it announced";
    if (wrong) {
        fail(channel, wrong);
        return 0;
    }
    if (rest.len - HEADER_BYTES < header.length)
        return 0;
    deliver(channel, &header, rest.ptr + HEADER_BYTES);
    return HEADER_BYTES + header.length;
}

static void deliver_all(struct channel *channel)
{
    size_t at = 0;
    size_t size = 1;

    while (!channel->is_closing && size > 0) {
        size = deliver_next(channel, sv_skip(strbuf_view(&channel->in), at));
        at += size;
    }
    if (channel->is_closing)
        return; /* the last payload may still be in use */
    strbuf_consume(&channel->in, at);
    if (channel->in.len == 0 && channel->in.capacity > KEEP_BYTES)
        strbuf_done(&channel->in);
}

/* Keep what descriptors came. Returns false when there are too many. */
static bool keep_fds(struct channel *channel, struct msghdr *message)
{
    bool fits = true;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c;
         c = CMSG_NXTHDR(message, c)) {
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (channel->in_fd_count < CHANNEL_DESCRIPTORS_MAX) {
                channel->in_fds[channel->in_fd_count++] = fd;
            } else {
                close(fd);
                fits = false;
            }
        }
    }
    if (message->msg_flags & MSG_CTRUNC)
        channel->in_fds_were_cut = true;
    return fits;
}

static void on_end(struct channel *channel)
{
    fail(channel, channel->in.len > 0
                      ? "the peer closed in the middle of a message"
                      : "the peer closed");
}

/* How much may be read: see above. */
static size_t read_limit(const struct channel *channel)
{
    size_t have = channel->in.len;
    size_t frame = HEADER_BYTES;

    if (channel->in_fd_count == 0 && !channel->in_fds_were_cut)
        return READ_BYTES;
    if (have >= HEADER_BYTES)
        frame += parse_header(channel->in.data).length;
    return frame - have < READ_BYTES ? frame - have : READ_BYTES;
}

/* One read, and what it made whole. Returns false when there is no more now. */
static bool receive(struct channel *channel)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(CHANNEL_DESCRIPTORS_MAX * sizeof(int))];
    } control;
    size_t limit = read_limit(channel);
    struct iovec iov = {strbuf_reserve(&channel->in, limit), limit};
    struct msghdr message = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    ssize_t n = recvmsg(channel->fd, &message, MSG_CMSG_CLOEXEC);

    if (n < 0) {
        if (errno == EINTR)
            return true;
        if (errno == ECONNRESET)
            on_end(channel);
        else if (errno != EAGAIN)
            fail_errno(channel, "recvmsg", errno);
        return false;
    }
    if (n == 0) {
        on_end(channel);
        return false;
    }
    channel->in.len += (size_t)n;
    if (!keep_fds(channel, &message)) {
        fail(channel, "descriptors without a message");
        return false;
    }
    deliver_all(channel);
    return !channel->is_closing;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct channel *channel = arg;

    (void)fd;
    (void)what;
    for (unsigned i = 0; i < READS_PER_TURN; i++) {
        if (!receive(channel))
            return;
    }
}

/* --- sending -------------------------------------------------------------- */

static ssize_t send_chunk(struct channel *channel, struct chunk *chunk)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(CHANNEL_DESCRIPTORS_MAX * sizeof(int))];
    } control;
    struct iovec iov = {chunk->data.data + chunk->sent,
                        chunk->data.len - chunk->sent};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    size_t size = chunk->fd_count * sizeof(int);

    if (size > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(size);
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(&control.align), chunk->fds, size);
    }
    return sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Send what the socket takes. Returns 0, or the errno that stopped it. */
static int send_all(struct channel *channel)
{
    while (!list_is_empty(&channel->chunks)) {
        struct chunk *chunk =
            container_of(channel->chunks.next, struct chunk, node);
        ssize_t n = send_chunk(channel, chunk);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        close_fds(chunk->fds, chunk->fd_count);
        chunk->fd_count = 0;
        chunk->sent += (size_t)n;
        channel->backlog -= (size_t)n;
        if (chunk->sent == chunk->data.len)
            free_chunk(channel, chunk);
    }
    return 0;
}

static void block_write(struct channel *channel, struct event *until,
                        const struct timeval *timeout)
{
    if (event_add(until, timeout) != 0)
        abort();
    channel->write_is_blocked = true;
}

static void send_or_wait(struct channel *channel)
{
    static const struct timeval pause = {0, RETRY_US};
    int error = send_all(channel);

    switch (error) {
    case 0:
        break;
    case EAGAIN:
        block_write(channel, channel->writable, NULL);
        break;
    case ETOOMANYREFS:
        /* Too many descriptors are under way: the peer must read first. The
         * socket is writable all the while, so that cannot be waited for. */
        block_write(channel, channel->retry, &pause);
        break;
    case EPIPE:
    case ECONNRESET:
        /* The peer's last words still stand in our receive buffer. */
        while (!channel->is_closing && receive(channel))
            ;
        fail(channel, "the peer closed");
        break;
    default:
        fail_errno(channel, "sendmsg", error);
        break;
    }
}

static void run_send_task(struct loop_task *task)
{
    struct channel *channel = container_of(task, struct channel, send_task);

    if (channel->is_closing)
        return;
    if (channel->is_over_backlog)
        fail(channel, "the peer takes no messages");
    else if (!channel->write_is_blocked)
        send_or_wait(channel);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct channel *channel = arg;

    (void)fd;
    (void)what;
    channel->write_is_blocked = false;
    send_or_wait(channel);
}

/* The chunk that the next message goes into. */
static struct chunk *chunk_for(struct channel *channel, unsigned fd_count)
{
    struct chunk *chunk;

    if (!list_is_empty(&channel->chunks)) {
        chunk = container_of(channel->chunks.prev, struct chunk, node);
        if (fd_count == 0 && chunk->data.len < CHUNK_BYTES)
            return chunk;
    }
    chunk = xcalloc(1, sizeof *chunk);
    list_add_tail(&channel->chunks, &chunk->node);
    return chunk;
}

static struct chunk *begin_message(struct channel *channel,
                                   enum channel_type type, const int *fds,
                                   unsigned fd_count)
{
    struct chunk *chunk;

    loop_assert_owner(channel->loop);
    assert(fd_count <= CHANNEL_DESCRIPTORS_MAX);
    chunk = chunk_for(channel, fd_count);
    if (fd_count > 0)
        memcpy(chunk->fds, fds, fd_count * sizeof fds[0]);
    chunk->fd_count += fd_count;
    wire_put_u32(&chunk->data, 0); /* end_message() fills it in */
    wire_put_u32(&chunk->data, type);
    wire_put_u32(&chunk->data, fd_count);
    return chunk;
}

static void end_message(struct channel *channel, struct chunk *chunk,
                        size_t start)
{
    size_t length = chunk->data.len - start - HEADER_BYTES;

    assert(length <= CHANNEL_MESSAGE_MAX);
    for (unsigned i = 0; i < 4; i++)
        chunk->data.data[start + i] = (char)(length >> (8 * i));
    channel->backlog += HEADER_BYTES + length;
    if (channel->backlog > CHANNEL_BACKLOG_MAX)
        channel->is_over_backlog = true;
    if (!loop_task_is_pending(&channel->send_task))
        loop_defer(channel->loop, &channel->send_task);
}

/* There is no peer, or not any more: what was given is dropped. */
static bool is_gone(const struct channel *channel, const int *fds,
                    unsigned fd_count)
{
    if (channel && !channel->is_closing && !channel->is_over_backlog)
        return false;
    for (unsigned i = 0; i < fd_count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    return true;
}

#define U32(field)   wire_put_u32(&chunk->data, message->field);
#define U64(field)   wire_put_u64(&chunk->data, message->field);
#define BYTES(field) wire_put_sv(&chunk->data, message->field);
#define CHANNEL_MESSAGE(NAME, name, fields)                                    \
    void channel_send_##name(struct channel *channel,                          \
                             const struct channel_##name *message,             \
                             const int *fds, unsigned fd_count)                \
    {                                                                          \
        struct chunk *chunk;                                                   \
        size_t start;                                                          \
                                                                               \
        if (is_gone(channel, fds, fd_count))                                   \
            return;                                                            \
        chunk = begin_message(channel, CHANNEL_##NAME, fds, fd_count);         \
        start = chunk->data.len - HEADER_BYTES;                                \
        fields end_message(channel, chunk, start);                             \
    }
#include "router/channel.def"
#undef CHANNEL_MESSAGE
#undef U32
#undef U64
#undef BYTES

/* --- life ----------------------------------------------------------------- */

static struct event *new_event(struct channel *channel, int fd, short what,
                               event_callback_fn on_event)
{
    struct event *event =
        event_new(loop_base(channel->loop), fd, what, on_event, channel);

    if (!event)
        abort();
    return event;
}

struct channel *channel_new(struct loop *loop, int fd,
                            channel_message_fn on_message,
                            channel_close_fn on_close, void *arg)
{
    struct channel *channel = xcalloc(1, sizeof *channel);

    channel->loop = loop;
    channel->fd = fd;
    channel->on_message = on_message;
    channel->on_close = on_close;
    channel->arg = arg;
    channel->send_task.run = run_send_task;
    list_init(&channel->chunks);
    evutil_make_socket_nonblocking(fd);
    channel->readable =
        new_event(channel, fd, EV_READ | EV_PERSIST, on_readable);
    channel->writable = new_event(channel, fd, EV_WRITE, on_writable);
    channel->retry = new_event(channel, -1, 0, on_writable);
    if (event_add(channel->readable, NULL) != 0)
        abort();
    return channel;
}

static void free_late(void *ptr)
{
    struct channel *channel = ptr;

    strbuf_done(&channel->in);
    free(channel);
}

void channel_free(struct channel **channel_ptr)
{
    struct channel *channel = *channel_ptr;

    if (!channel)
        return;
    loop_assert_owner(channel->loop);
    *channel_ptr = NULL;
    channel->is_closing = true;
    event_free(channel->readable);
    event_free(channel->writable);
    event_free(channel->retry);
    drop_chunks(channel);
    close_fds(channel->in_fds, channel->in_fd_count);
    auto_close(&channel->fd);
    /* The send task may be pending, and a caller further up may still look at
     * the channel or at the payload of the message in which this happens. */
    loop_free_later(channel->loop, channel, free_late);
}

size_t channel_backlog(const struct channel *channel)
{
    return channel->backlog;
}

void channel_flush(struct channel *channel, unsigned timeout_ms)
{
    uint64_t end_us = clock_now_us() + timeout_ms * 1000ULL;

    while (!channel->is_closing) {
        struct pollfd pfd = {.fd = channel->fd, .events = POLLOUT};
        int error = send_all(channel);
        uint64_t now_us = clock_now_us();

        if ((error != EAGAIN && error != ETOOMANYREFS) || now_us >= end_us)
            return;
        if (error == ETOOMANYREFS)
            poll(NULL, 0, RETRY_US / 1000);
        else
            poll(&pfd, 1, (int)((end_us - now_us) / 1000 + 1));
    }
}
