/* tls_stream.c - one TLS connection of a client. */
#include "tls/tls_stream.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"
#include "router/base/strview.h"
#include "tls/tls_context.h"
#include "tls/tls_sni.h"
#include "tls/tls_socket.h"
#include "tls/tls_stream_hello.h"

#define RECORD_BYTES 16384
#define LARGE_BYTES  4096
/* What encryption adds to a record: 22 bytes with TLS 1.3, at most 85 with the
 * ciphers of TLS 1.2 (header, IV, SHA-384, padding). */
#define RECORD_EXTRA 96

struct tls_stream {
    SSL *ssl;
    struct tls_socket socket;
    const struct tls_sni *sni;
    struct tls_context *context; /* of the server; holds a reference */
    char *client_subject;        /* once it was asked for */
    const char *failure;         /* a literal, or NULL */
    enum io_result held;         /* of a read, to be told by the next one */
    /* Written, but not counted to the caller: some of it is in the socket's
     * rest. 0 if and only if there is none. */
    size_t owed;
    bool wants_write;
    bool read_wants_write;
    bool starved; /* what is buffered is less than a record */
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
    BIO *bio;

    tls_socket_init(&stream->socket, fd);
    bio = tls_socket_bio(&stream->socket);
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
    tls_socket_done(&stream->socket);
    tls_context_unref(&stream->context);
    free(stream->client_subject);
    free(stream);
    *stream_ptr = NULL;
}

/* OpenSSL wants no error of before in the thread's queue. Mostly there is none,
 * and a look costs a tenth of what it costs to clear it. */
static void forget_errors(void)
{
    if (ERR_peek_error())
        ERR_clear_error();
    errno = 0;
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

    forget_errors();
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

    forget_errors();
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

/* What is still to be written of the parts of a call. */
struct left {
    const struct iovec *parts;
    int count;
    size_t skip; /* of parts[0] */
    size_t bytes;
};

static struct left all_of(const struct iovec *parts, int count)
{
    struct left left = {parts, count, 0, 0};

    for (int i = 0; i < count; i++)
        left.bytes += parts[i].iov_len;
    return left;
}

static struct strview part_of(const struct left *left, int i)
{
    size_t skip = i == 0 ? left->skip : 0;

    return sv_make((const char *)left->parts[i].iov_base + skip,
                   left->parts[i].iov_len - skip);
}

static void advance(struct left *left, size_t bytes)
{
    left->bytes -= bytes;
    left->skip += bytes;
    while (left->count > 0 && left->skip >= left->parts[0].iov_len) {
        left->skip -= left->parts[0].iov_len;
        left->parts++;
        left->count--;
    }
}

/* What goes into the next record. A large part goes by itself, where it lies;
 * small ones are gathered, but take no more of a large one than half of it:
 * else each part that follows would be cut and copied, too. */
static struct strview next_record(const struct left *left)
{
    struct strview part = part_of(left, 0);
    size_t len = 0;

    if (left->count == 1 || part.len >= LARGE_BYTES)
        return sv_make(part.ptr,
                       part.len < RECORD_BYTES ? part.len : RECORD_BYTES);
    for (int i = 0; i < left->count && len < sizeof gather; i++) {
        size_t room = sizeof gather - len;
        size_t n;

        part = part_of(left, i);
        n = part.len;
        if (n > room && n >= 2 * LARGE_BYTES)
            n /= 2;
        if (n > room)
            n = room;
        if (n > 0)
            memcpy(gather + len, part.ptr, n);
        len += n;
        if (n < part.len)
            break;
    }
    return sv_make(gather, len);
}

/* Whether another record has room behind one of `bytes`. */
static bool another_fits(const struct tls_stream *stream,
                         const struct left *left, size_t bytes)
{
    size_t next = left->bytes - bytes;

    if (next > RECORD_BYTES)
        next = RECORD_BYTES;
    return next > 0 && tls_socket_has_room(&stream->socket,
                                           bytes + next + 2 * RECORD_EXTRA);
}

/* As many records as leave by one send(). Returns what SSL_write_ex() did, and
 * how much it took. */
static int write_records(struct tls_stream *stream, struct left *left,
                         size_t *ret_taken)
{
    struct tls_socket *socket = &stream->socket;
    int result;

    *ret_taken = 0;
    tls_socket_begin(socket);
    do {
        struct strview run = next_record(left);
        size_t n;

        socket->more_follows = another_fits(stream, left, run.len);
        result = SSL_write_ex(stream->ssl, run.ptr, run.len, &n);
        if (result != 1)
            break;
        advance(left, n);
        *ret_taken += n;
    } while (socket->more_follows);
    tls_socket_end(socket);
    return result;
}

/* Counts what is out, but never all while there is a rest, so that the caller
 * comes again; what counts encrypted is never less than what it was. */
static enum io_result count_out(struct tls_stream *stream, size_t *ret_count)
{
    size_t rest = tls_socket_rest(&stream->socket);
    size_t owed = stream->owed < rest ? stream->owed : rest;
    size_t count = stream->owed - owed;

    stream->owed = owed;
    if (count == 0) {
        stream->wants_write = true;
        return IO_AGAIN;
    }
    *ret_count = count;
    return IO_DONE;
}

enum io_result tls_stream_writev(struct tls_stream *stream,
                                 const struct iovec *parts, int count,
                                 size_t *ret_count)
{
    struct left left = all_of(parts, count);
    int result;

    if (stream->owed > 0) {
        assert(left.bytes >= stream->owed);
        if (tls_socket_flush(&stream->socket) == IO_FAILED)
            return fail(stream, strerrordesc_np(errno));
        return count_out(stream, ret_count);
    }
    forget_errors();
    result = write_records(stream, &left, &stream->owed);
    if (stream->owed == 0)
        return outcome(stream, result);
    return count_out(stream, ret_count);
}

enum io_result tls_stream_shutdown(struct tls_stream *stream)
{
    int result;

    if (stream->failure || !SSL_is_init_finished(stream->ssl))
        return IO_DONE;
    forget_errors();
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
