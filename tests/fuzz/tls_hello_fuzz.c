/* Any bytes as a server_name extension, and as what a client sends to a TLS
 * connection: nothing is read past its end, no name is taken that RFC 6066
 * does not have, and nothing but a handshake's failure or its wait comes of
 * bytes that hold no secret. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "tests/support/test_certs.h"
#include "tls/settings.h"
#include "tls/tls_context.h"
#include "tls/tls_sni.h"
#include "tls/tls_stream.h"
#include "tls/tls_stream_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static struct tls_context *make_context(const char *name)
{
    struct test_cert cert = test_cert_make(&(struct test_cert_options){
        .name = name, .key = TEST_KEY_EC, .valid_s = 3600});
    char text[] = "file";
    struct tls_pair pair = {text, text, cert.certificate_pem, cert.key_pem};
    struct tls_settings settings = {.pair_count = 1,
                                    .pairs = &pair,
                                    .min_version = TLS_VERSION_1_2,
                                    .max_version = TLS_VERSION_1_3,
                                    .session_timeout_ms = 3600000};
    struct err err;
    struct tls_context *context =
        tls_context_new(&settings, NULL, SV("fuzz"), &err);

    check(context != NULL);
    test_cert_done(&cert);
    return context;
}

/* Made once; freed at exit, so that leaks of an input show. */
static struct tls_sni *sni;

static void free_sni(void)
{
    tls_sni_free(&sni);
}

static void set_up(void)
{
    struct tls_context *standard = make_context("one.test");
    struct tls_context *other = make_context("*.two.test");

    signal(SIGPIPE, SIG_IGN);
    sni = tls_sni_new(standard);
    tls_sni_add(sni, SV("*.two.test"), other);
    tls_context_unref(&standard);
    tls_context_unref(&other);
    atexit(free_sni);
}

static void try_name(const uint8_t *data, size_t size)
{
    struct strview name;

    if (!tls_stream_hello_name(data, size, &name))
        return;
    check(name.len > 0 && name.len <= 255);
    check((const uint8_t *)name.ptr >= data &&
          (const uint8_t *)name.ptr + name.len == data + size);
    check(!memchr(name.ptr, 0, name.len));
    check(tls_sni_find(sni, name) != NULL);
}

static void try_stream(const uint8_t *data, size_t size)
{
    struct tls_stream *stream;
    int fds[2];

    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    stream = tls_stream_new(sni, fds[0]);
    /* In two parts: the first ends somewhere in the middle. */
    (void)!write(fds[1], data, size / 3);
    check(tls_stream_handshake(stream) != IO_DONE);
    (void)!write(fds[1], data + size / 3, size - size / 3);
    check(tls_stream_handshake(stream) != IO_DONE);
    shutdown(fds[1], SHUT_WR);
    for (int i = 0; i < 4; i++) {
        enum io_result result = tls_stream_handshake(stream);

        check(result != IO_DONE);
        if (result == IO_FAILED)
            check(*tls_stream_failure(stream) != '\0');
    }
    tls_stream_free(&stream);
    close(fds[0]);
    close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!sni)
        set_up();
    try_name(data, size);
    try_stream(data, size);
    return 0;
}
