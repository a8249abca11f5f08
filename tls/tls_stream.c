/* tls_stream.c - one TLS connection of a client. */
#include "tls/tls_stream.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "router/base/alloc.h"
#include "router/base/strview.h"
#include "tls/tls_context.h"
#include "tls/tls_sni.h"
#include "tls/tls_stream_hello.h"

#define RECORD_BYTES 16384
#define LARGE_BYTES  4096

struct tls_stream {
    SSL *ssl;
    int fd;
    const struct tls_sni *sni;
    struct tls_context *context; /* of the server; holds a reference */
    char *client_subject;        /* once it was asked for */
    const char *failure;         /* a literal, or NULL */
    enum io_result held;         /* of a read, to be told by the next one */
    size_t retry_bytes; /* of a record that waits to be written; 0: none */
    bool wants_write;
    bool read_wants_write;
    bool starved;      /* what is buffered is less than a record */
    bool saw_end;      /* of the socket */
    bool more_follows; /* another record, at once */
};

/* Where the parts of one record are gathered: used within one call only, so
 * one per thread is enough. */
static __thread char gather[RECORD_BYTES];

bool tls_stream_hello_name(const unsigned char *data, size_t len,
                           struct strview *ret_name)
{
    size_t list;
    size_t name;

    /* ServerNameList: length, then type, length, name. */
    if (len < 5)
        return false;
    list = (size_t)data[0] << 8 | data[1];
    name = (size_t)data[3] << 8 | data[4];
    if (list != len - 2 || data[2] != TLSEXT_NAMETYPE_host_name)
        return false;
    if (name != len - 5 || name == 0 || name > TLSEXT_MAXLEN_host_name)
        return false;
    if (memchr(data + 5, 0, name))
        return false;
    *ret_name = sv_make((const char *)data + 5, name);
    return true;
}

/* --- the socket: OpenSSL's own BIO, but for flags of send() --- */

static int socket_write(BIO *bio, const char *data, size_t size,
                        size_t *ret_count)
{
    struct tls_stream *stream = BIO_get_data(bio);
    /* Full segments, where it is known that the next record is written now. */
    int flags = MSG_NOSIGNAL | (stream->more_follows ? MSG_MORE : 0);
    ssize_t n = send(stream->fd, data, size, flags);

    BIO_clear_retry_flags(bio);
    if (n > 0) {
        *ret_count = (size_t)n;
        return 1;
    }
    if (errno == EAGAIN || errno == EINTR)
        BIO_set_retry_write(bio);
    return 0;
}

static int socket_read(BIO *bio, char *data, size_t size, size_t *ret_count)
{
    struct tls_stream *stream = BIO_get_data(bio);
    ssize_t n = recv(stream->fd, data, size, 0);

    BIO_clear_retry_flags(bio);
    if (n > 0) {
        *ret_count = (size_t)n;
        return 1;
    }
    if (n == 0)
        stream->saw_end = true;
    else if (errno == EAGAIN || errno == EINTR)
        BIO_set_retry_read(bio);
    return 0;
}

static long socket_ctrl(BIO *bio, int what, long number, void *pointer)
{
    const struct tls_stream *stream = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    if (what == BIO_CTRL_EOF)
        return stream->saw_end;
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *socket_method;

/* Lives as long as the process. */
static void make_socket_method(void)
{
    socket_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
                                 "berth socket");
    if (!socket_method ||
        BIO_meth_set_write_ex(socket_method, socket_write) != 1 ||
        BIO_meth_set_read_ex(socket_method, socket_read) != 1 ||
        BIO_meth_set_ctrl(socket_method, socket_ctrl) != 1)
        abort();
}

static BIO *socket_bio(struct tls_stream *stream)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    BIO *bio;

    pthread_once(&once, make_socket_method);
    bio = BIO_new(socket_method);
    if (!bio)
        abort(); /* out of memory, which style.md lets abort */
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    return bio;
}

static void use_context(struct tls_stream *stream, struct tls_context *context)
{
    SSL_CTX *ctx = tls_context_ssl(context);

    if (context == stream->context)
        return;
    tls_context_unref(&stream->context);
    stream->context = tls_context_ref(context);
    SSL_set_SSL_CTX(stream->ssl, ctx);
    /* What SSL_set_SSL_CTX() leaves as it was. */
    SSL_set_verify(stream->ssl, SSL_CTX_get_verify_mode(ctx), NULL);
    SSL_set_min_proto_version(stream->ssl, SSL_CTX_get_min_proto_version(ctx));
    SSL_set_max_proto_version(stream->ssl, SSL_CTX_get_max_proto_version(ctx));
}

/* Before the version is chosen, so that each server has its own protocols. */
static int on_hello(SSL *ssl, int *alert, void *arg)
{
    struct tls_stream *stream = SSL_get_app_data(ssl);
    const unsigned char *data;
    struct strview name = {NULL, 0};
    size_t len;

    (void)arg;
    if (!stream) /* tls_context_accept(): there is no choice */
        return SSL_CLIENT_HELLO_SUCCESS;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &len) &&
        !tls_stream_hello_name(data, len, &name)) {
        *alert = SSL_AD_DECODE_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    use_context(stream, tls_sni_find(stream->sni, name));
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* Acknowledges the name, which a client with a session checks. */
static int on_servername(SSL *ssl, int *alert, void *arg)
{
    (void)ssl;
    (void)alert;
    (void)arg;
    return SSL_TLSEXT_ERR_OK;
}

void tls_stream_hello_install(struct ssl_ctx_st *ssl)
{
    SSL_CTX_set_client_hello_cb(ssl, on_hello, NULL);
    SSL_CTX_set_tlsext_servername_callback(ssl, on_servername);
}

struct tls_stream *tls_stream_new(const struct tls_sni *sni, int fd)
{
    struct tls_stream *stream = xcalloc(1, sizeof *stream);
    BIO *bio = socket_bio(stream);

    stream->fd = fd;
    stream->sni = sni;
    stream->held = IO_DONE;
    stream->context = tls_context_ref(tls_sni_find(sni, SV("")));
    stream->ssl = SSL_new(tls_context_ssl(stream->context));
    if (!stream->ssl)
        abort();
    SSL_set_bio(stream->ssl, bio, bio);
    SSL_set_app_data(stream->ssl, stream);
    SSL_set_accept_state(stream->ssl);
    return stream;
}

void tls_stream_free(struct tls_stream **stream_ptr)
{
    struct tls_stream *stream = *stream_ptr;

    if (!stream)
        return;
    SSL_free(stream->ssl);
    tls_context_unref(&stream->context);
    free(stream->client_subject);
    free(stream);
    *stream_ptr = NULL;
}

static enum io_result fail(struct tls_stream *stream, const char *text)
{
    stream->failure = text;
    ERR_clear_error();
    return IO_FAILED;
}

/* What a call that returned `result` <= 0 came to. */
static enum io_result outcome(struct tls_stream *stream, int result)
{
    int saved = errno;
    unsigned long code;
    const char *text;

    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        stream->wants_write = false;
        return IO_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        stream->wants_write = true;
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    case SSL_ERROR_SYSCALL:
        return fail(stream,
                    saved ? strerrordesc_np(saved) : "connection closed");
    default:
        code = ERR_peek_error();
        if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            return fail(stream, "connection closed without close_notify");
        text = code ? ERR_reason_error_string(code) : NULL;
        return fail(stream, text ? text : "protocol error");
    }
}

/* A ticket brings the certificate that was verified when it was given: look
 * whether it is still in time (the CA is part of what a ticket is bound to). */
static bool resumed_client_is_valid(const struct tls_stream *stream)
{
    const X509 *client = SSL_get0_peer_certificate(stream->ssl);

    if (!SSL_session_reused(stream->ssl) || !client)
        return true;
    return X509_cmp_current_time(X509_get0_notBefore(client)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(client)) > 0;
}

enum io_result tls_stream_handshake(struct tls_stream *stream)
{
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_do_handshake(stream->ssl);
    if (result != 1) {
        enum io_result io = outcome(stream, result);

        if (io == IO_AGAIN)
            return IO_AGAIN;
        if (BIO_number_read(SSL_get_rbio(stream->ssl)) == 0)
            return IO_EOF;
        return io == IO_EOF ? fail(stream, "connection closed") : io;
    }
    if (!resumed_client_is_valid(stream))
        return fail(stream, "the resumed client certificate has expired");
    return IO_DONE;
}

static enum io_result read_once(struct tls_stream *stream, char *data,
                                size_t size, size_t *ret_count)
{
    int result;
    enum io_result io;

    ERR_clear_error();
    errno = 0;
    result = SSL_read_ex(stream->ssl, data, size, ret_count);
    io = result == 1 ? IO_DONE : outcome(stream, result);
    stream->starved = io == IO_AGAIN;
    stream->read_wants_write = io == IO_AGAIN && stream->wants_write;
    return io;
}

enum io_result tls_stream_readv(struct tls_stream *stream,
                                const struct iovec *parts, int count,
                                size_t *ret_count)
{
    enum io_result io = stream->held;
    size_t total = 0;
    size_t filled = 0; /* of parts[0] */

    stream->held = IO_DONE;
    while (io == IO_DONE && count > 0) {
        size_t n;

        /* No further look at the socket: mostly there is nothing. */
        if (total > 0 && !tls_stream_has_pending(stream))
            break;
        io = read_once(stream, (char *)parts->iov_base + filled,
                       parts->iov_len - filled, &n);
        if (io != IO_DONE)
            break;
        total += n;
        filled += n;
        if (filled == parts->iov_len) {
            parts++;
            count--;
            filled = 0;
        }
    }
    if (total == 0)
        return io;
    if (io == IO_EOF || io == IO_FAILED)
        stream->held = io;
    *ret_count = total;
    return IO_DONE;
}

bool tls_stream_has_pending(const struct tls_stream *stream)
{
    return stream->held != IO_DONE ||
           (!stream->starved && SSL_has_pending(stream->ssl) == 1);
}

bool tls_stream_read_wants_write(const struct tls_stream *stream)
{
    return stream->read_wants_write;
}

/* The same bytes as before, wherever they are now. */
static struct strview same_record(const struct iovec *parts, int count,
                                  size_t bytes)
{
    size_t len = 0;

    if (parts[0].iov_len >= bytes)
        return sv_make(parts[0].iov_base, bytes);
    for (int i = 0; i < count && len < bytes; i++) {
        size_t left = bytes - len;
        size_t n = parts[i].iov_len < left ? parts[i].iov_len : left;

        if (n > 0)
            memcpy(gather + len, parts[i].iov_base, n);
        len += n;
    }
    assert(len == bytes);
    return sv_make(gather, len);
}

/* What goes into the next record. A large part goes by itself, where it lies;
 * small ones are gathered, but take no more of a large one than half of it:
 * else each part that follows would be cut and copied, too. */
static struct strview next_record(const struct iovec *parts, int count)
{
    size_t len = 0;

    if (count == 1 || parts[0].iov_len >= LARGE_BYTES)
        return sv_make(parts[0].iov_base, parts[0].iov_len < RECORD_BYTES
                                              ? parts[0].iov_len
                                              : RECORD_BYTES);
    for (int i = 0; i < count && len < sizeof gather; i++) {
        size_t n = parts[i].iov_len;
        bool fits = n <= sizeof gather - len;

        if (!fits && n >= 2 * LARGE_BYTES)
            n /= 2;
        if (n > sizeof gather - len)
            n = sizeof gather - len;
        if (n > 0)
            memcpy(gather + len, parts[i].iov_base, n);
        len += n;
        if (!fits)
            break;
    }
    return sv_make(gather, len);
}

enum io_result tls_stream_writev(struct tls_stream *stream,
                                 const struct iovec *parts, int count,
                                 size_t *ret_count)
{
    struct strview run = stream->retry_bytes
                             ? same_record(parts, count, stream->retry_bytes)
                             : next_record(parts, count);
    size_t total = 0;
    int result;

    for (int i = 0; i < count && total <= run.len; i++)
        total += parts[i].iov_len;
    stream->more_follows = total > run.len;
    ERR_clear_error();
    errno = 0;
    result = SSL_write_ex(stream->ssl, run.ptr, run.len, ret_count);
    stream->more_follows = false;
    stream->retry_bytes = result == 1 ? 0 : run.len;
    return result == 1 ? IO_DONE : outcome(stream, result);
}

enum io_result tls_stream_shutdown(struct tls_stream *stream)
{
    int result;

    if (stream->failure || !SSL_is_init_finished(stream->ssl))
        return IO_DONE;
    ERR_clear_error();
    errno = 0;
    result = SSL_shutdown(stream->ssl);
    /* 0: ours is out, the client's is not in, which nobody waits for. */
    return result >= 0 ? IO_DONE : outcome(stream, result);
}

bool tls_stream_wants_write(const struct tls_stream *stream)
{
    return stream->wants_write;
}

struct tls_context *tls_stream_context(const struct tls_stream *stream)
{
    return stream->context;
}

bool tls_stream_is_tls13(const struct tls_stream *stream)
{
    return SSL_version(stream->ssl) == TLS1_3_VERSION;
}

const char *tls_stream_version(const struct tls_stream *stream)
{
    return SSL_get_version(stream->ssl);
}

const char *tls_stream_cipher(const struct tls_stream *stream)
{
    return SSL_get_cipher_name(stream->ssl);
}

bool tls_stream_is_resumed(const struct tls_stream *stream)
{
    return SSL_session_reused(stream->ssl) == 1;
}

const char *tls_stream_server_name(const struct tls_stream *stream)
{
    const char *name =
        SSL_get_servername(stream->ssl, TLSEXT_NAMETYPE_host_name);

    return name ? name : "";
}

const char *tls_stream_client_subject(struct tls_stream *stream)
{
    const X509 *client = SSL_get0_peer_certificate(stream->ssl);
    BIO *bio;
    const char *text;
    long len;

    if (!client || SSL_get_verify_result(stream->ssl) != X509_V_OK)
        return NULL;
    if (stream->client_subject)
        return stream->client_subject;
    bio = BIO_new(BIO_s_mem());
    if (!bio)
        abort();
    /* ESC_CTRL and ESC_MSB: nothing in it can break a field line. */
    X509_NAME_print_ex(bio, X509_get_subject_name(client), 0, XN_FLAG_RFC2253);
    len = BIO_get_mem_data(bio, &text);
    stream->client_subject = xstrndup(text, len > 0 ? (size_t)len : 0);
    BIO_free(bio);
    return stream->client_subject;
}

const char *tls_stream_failure(const struct tls_stream *stream)
{
    return stream->failure ? stream->failure : "no failure";
}
