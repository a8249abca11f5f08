/* tls_socket.c - the encrypted side of a TLS connection. */
#include "tls/tls_socket.h"

#include <assert.h>
#include <errno.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "router/base/alloc.h"

/* What passes as one packet until it is cut for the wire, or, between two
 * processes of one machine, uncut: 64 KiB with all headers. */
#define BATCH_BYTES 65400

struct tls_rest {
    size_t start;
    size_t end;
    char data[];
};

struct batch {
    size_t len;
    char data[BATCH_BYTES];
};

/* Empty but between tls_socket_begin() and _end(), so one a thread is enough.
 * On the heap: what is static for threads is taken off each one's stack, and
 * there are threads with a small one. */
static __thread struct batch *batch;
static pthread_key_t batch_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

void tls_socket_init(struct tls_socket *socket, int fd)
{
    *socket = (struct tls_socket){.fd = fd};
}

void tls_socket_done(struct tls_socket *socket)
{
    free(socket->rest);
    socket->rest = NULL;
}

static bool is_full(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* Behind what is kept already. */
static void keep(struct tls_socket *socket, const char *data, size_t size)
{
    struct tls_rest *rest = socket->rest;
    size_t had = rest ? rest->end : 0;

    if (size == 0)
        return;
    rest = xrealloc(rest, sizeof *rest + had + size);
    if (!socket->rest)
        rest->start = 0;
    memcpy(rest->data + had, data, size);
    rest->end = had + size;
    socket->rest = rest;
}

/* What was gathered and the data behind it: sent or kept. */
static bool send_all(struct tls_socket *socket, const char *data, size_t size)
{
    struct iovec parts[2] = {{batch->data, batch->len},
                             {(void *)(uintptr_t)data, size}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    size_t gathered = batch->len;
    size_t sent = 0;

    batch->len = 0;
    if (!socket->rest) {
        ssize_t n = sendmsg(socket->fd, &message, MSG_NOSIGNAL);

        if (n < 0 && !is_full())
            return false;
        sent = n > 0 ? (size_t)n : 0;
    }
    if (sent < gathered) {
        keep(socket, batch->data + sent, gathered - sent);
        sent = gathered;
    }
    if (size > sent - gathered) /* data is NULL where there is none */
        keep(socket, data + (sent - gathered), size - (sent - gathered));
    return true;
}

static bool take(struct tls_socket *socket, const char *data, size_t size)
{
    if (!socket->more_follows || size > sizeof batch->data - batch->len)
        return send_all(socket, data, size);
    memcpy(batch->data + batch->len, data, size);
    batch->len += size;
    return true;
}

/* --- the BIO: OpenSSL's own would raise SIGPIPE --- */

static int on_write(BIO *bio, const char *data, size_t size, size_t *ret_count)
{
    struct tls_socket *socket = BIO_get_data(bio);
    ssize_t n = -1;

    BIO_clear_retry_flags(bio);
    if (socket->takes_all) {
        *ret_count = size;
        return take(socket, data, size);
    }
    if (tls_socket_flush(socket) == IO_DONE)
        n = send(socket->fd, data, size, MSG_NOSIGNAL);
    if (n > 0) {
        *ret_count = (size_t)n;
        return 1;
    }
    if (is_full())
        BIO_set_retry_write(bio);
    return 0;
}

static int on_read(BIO *bio, char *data, size_t size, size_t *ret_count)
{
    struct tls_socket *socket = BIO_get_data(bio);
    ssize_t n = recv(socket->fd, data, size, 0);

    BIO_clear_retry_flags(bio);
    if (n > 0) {
        *ret_count = (size_t)n;
        return 1;
    }
    if (n == 0)
        socket->saw_end = true;
    else if (is_full())
        BIO_set_retry_read(bio);
    return 0;
}

static long on_control(BIO *bio, int what, long number, void *pointer)
{
    const struct tls_socket *socket = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    if (what == BIO_CTRL_EOF)
        return socket->saw_end;
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

/* Lives as long as the process. */
static void make_method(void)
{
    if (pthread_key_create(&batch_key, free) != 0)
        abort();
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
                          "berth socket");
    if (!method || BIO_meth_set_write_ex(method, on_write) != 1 ||
        BIO_meth_set_read_ex(method, on_read) != 1 ||
        BIO_meth_set_ctrl(method, on_control) != 1)
        abort();
}

BIO *tls_socket_bio(struct tls_socket *socket)
{
    BIO *bio;

    pthread_once(&once, make_method);
    if (!batch) {
        batch = xcalloc(1, sizeof *batch);
        pthread_setspecific(batch_key, batch);
    }
    bio = BIO_new(method);
    if (!bio)
        abort(); /* out of memory, which style.md lets abort */
    BIO_set_data(bio, socket);
    BIO_set_init(bio, 1);
    return bio;
}

/* --- writing together --- */

void tls_socket_begin(struct tls_socket *socket)
{
    assert(!socket->rest && batch->len == 0);
    socket->takes_all = true;
    socket->more_follows = false;
}

bool tls_socket_has_room(const struct tls_socket *socket, size_t bytes)
{
    return !socket->rest && bytes <= sizeof batch->data - batch->len;
}

void tls_socket_end(struct tls_socket *socket)
{
    if (batch->len > 0)
        (void)send_all(socket, NULL, 0);
    socket->takes_all = false;
    socket->more_follows = false;
}

enum io_result tls_socket_flush(struct tls_socket *socket)
{
    struct tls_rest *rest = socket->rest;
    ssize_t n;

    if (!rest)
        return IO_DONE;
    n = send(socket->fd, rest->data + rest->start, rest->end - rest->start,
             MSG_NOSIGNAL);
    if (n < 0)
        return is_full() ? IO_AGAIN : IO_FAILED;
    rest->start += (size_t)n;
    if (rest->start < rest->end) {
        errno = EAGAIN; /* as the next send() would say */
        return IO_AGAIN;
    }
    free(TAKE(socket->rest));
    return IO_DONE;
}

size_t tls_socket_rest(const struct tls_socket *socket)
{
    return socket->rest ? socket->rest->end - socket->rest->start : 0;
}
