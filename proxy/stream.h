/* stream.h - a client's byte stream: the socket, and TLS where that stands
 * between it and the bytes.
 *
 * The only way by which client.c, exchange.c and tunnel.c move a client's
 * bytes. Plain sockets are served in line. Thread: owner loop.
 */
#ifndef PROXY_STREAM_H
#define PROXY_STREAM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "router/base/attr.h"
#include "router/base/io.h"
#include "tls/tls_stream.h"

struct stream {
    int fd;
    struct tls_stream *tls; /* NULL: plain */
};

static inline enum io_result stream_outcome(ssize_t n, size_t *ret_count)
{
    if (n > 0) {
        *ret_count = (size_t)n;
        return IO_DONE;
    }
    if (n == 0)
        return IO_EOF;
    return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_FAILED;
}

/* recv(), send() and sendmsg() of libc are cancellation points, which costs
 * two locked instructions a call in a process with threads; nobody cancels
 * threads here. A sanitizer wants to see libc's. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STREAM_LIBC_CALLS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||     \
    __has_feature(memory_sanitizer)
#define STREAM_LIBC_CALLS 1
#endif
#endif

static inline ssize_t stream_recv(int fd, void *to, size_t size)
{
#ifdef STREAM_LIBC_CALLS
    return recv(fd, to, size, 0);
#else
    return syscall(SYS_recvfrom, fd, to, size, 0, NULL, NULL);
#endif
}

static inline ssize_t stream_send(int fd, const void *from, size_t size)
{
#ifdef STREAM_LIBC_CALLS
    return send(fd, from, size, MSG_NOSIGNAL);
#else
    return syscall(SYS_sendto, fd, from, size, MSG_NOSIGNAL, NULL, 0);
#endif
}

static inline ssize_t stream_sendmsg(int fd, const struct msghdr *message)
{
#ifdef STREAM_LIBC_CALLS
    return sendmsg(fd, message, MSG_NOSIGNAL);
#else
    return syscall(SYS_sendmsg, fd, message, MSG_NOSIGNAL);
#endif
}

/* Read what is there into the pieces of iov, in order. */
MUST_USE static inline enum io_result stream_read(struct stream *stream,
                                                  const struct iovec *iov,
                                                  int iov_count,
                                                  size_t *ret_count)
{
    ssize_t n;

    if (stream->tls)
        return tls_stream_readv(stream->tls, iov, iov_count, ret_count);
    if (iov_count == 1)
        n = stream_recv(stream->fd, iov[0].iov_base, iov[0].iov_len);
    else
        n = readv(stream->fd, iov, iov_count);
    return stream_outcome(n, ret_count);
}

/* Write as much of the pieces as it takes; iov holds at least one byte.
 * errno says why it failed. */
MUST_USE static inline enum io_result stream_write(struct stream *stream,
                                                   const struct iovec *iov,
                                                   int iov_count,
                                                   size_t *ret_count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(size_t)iov,
                             .msg_iovlen = (size_t)iov_count};
    ssize_t n;

    if (stream->tls)
        return tls_stream_writev(stream->tls, iov, iov_count, ret_count);
    /* send() and sendmsg(): writev() would raise SIGPIPE. */
    if (iov_count == 1)
        n = stream_send(stream->fd, iov[0].iov_base, iov[0].iov_len);
    else
        n = stream_sendmsg(stream->fd, &message);
    return stream_outcome(n, ret_count);
}

/* Bytes are there, though no readiness will tell of them. */
static inline bool stream_has_pending(const struct stream *stream)
{
    return stream->tls && tls_stream_has_pending(stream->tls);
}

/* The socket, where the bytes on it are the bytes themselves, so that the
 * kernel can move them from or to a pipe; -1: they must pass through here. */
static inline int stream_splice_fd(const struct stream *stream)
{
    return stream->tls ? -1 : stream->fd;
}

/* Say that nothing more will be written. (A close_notify for which there is no
 * room now is left out: HTTP says by itself where an answer ends.) */
static inline void stream_shutdown(struct stream *stream)
{
    if (stream->tls)
        (void)tls_stream_shutdown(stream->tls);
    shutdown(stream->fd, SHUT_WR);
}

static inline void stream_close(struct stream *stream)
{
    if (stream->tls)
        (void)tls_stream_shutdown(stream->tls);
    tls_stream_free(&stream->tls);
    close(stream->fd);
    stream->fd = -1;
}

/* Close with a reset, so that the peer sees that it is not whole. */
static inline void stream_reset(struct stream *stream)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    tls_stream_free(&stream->tls);
    setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(stream->fd);
    stream->fd = -1;
}

#endif
