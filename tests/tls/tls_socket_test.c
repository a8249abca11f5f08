/* The encrypted side by itself: what leaves together, what is kept. */
#include "tls/tls_socket.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/base/alloc.h"

struct end {
    struct tls_socket socket;
    BIO *bio;
    int peer;
};

/* type: SOCK_SEQPACKET shows which bytes left by one call. */
static void end_open(struct end *end, int type)
{
    int fds[2];

    signal(SIGPIPE, SIG_IGN); /* as berth does */
    cr_assert_eq(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds), 0);
    tls_socket_init(&end->socket, fds[0]);
    end->bio = tls_socket_bio(&end->socket);
    end->peer = fds[1];
}

static void end_close(struct end *end)
{
    BIO_free(end->bio);
    tls_socket_done(&end->socket);
    close(end->socket.fd);
    close(end->peer);
}

static int put(struct end *end, const char *data, size_t size)
{
    size_t n = 0;
    int result = BIO_write_ex(end->bio, data, size, &n);

    cr_assert(result == 0 || n > 0);
    return result == 1 ? (int)n : -1;
}

/* Write until the peer's side is full; returns how much that was. */
static size_t fill(struct end *end)
{
    static const char bytes[4096];
    size_t total = 0;
    int n;

    while ((n = put(end, bytes, sizeof bytes)) > 0)
        total += (size_t)n;
    cr_assert(BIO_should_retry(end->bio));
    return total;
}

static size_t get(struct end *end, char *to, size_t size)
{
    size_t got = 0;

    while (got < size) {
        ssize_t n = recv(end->peer, to + got, size - got, 0);

        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

Test(tls_socket, what_is_gathered_leaves_by_one_send)
{
    struct end end;
    char text[32];

    end_open(&end, SOCK_SEQPACKET);
    cr_assert_eq(put(&end, "alone", 5), 5);
    tls_socket_begin(&end.socket);
    end.socket.more_follows = true;
    cr_assert_eq(put(&end, "one ", 4), 4);
    cr_assert_eq(put(&end, "two ", 4), 4);
    cr_assert_eq(recv(end.peer, text, sizeof text, 0), 5);
    cr_assert_eq(recv(end.peer, text, sizeof text, 0), -1);
    end.socket.more_follows = false;
    cr_assert_eq(put(&end, "three", 5), 5);
    tls_socket_end(&end.socket);
    cr_assert_eq(recv(end.peer, text, sizeof text, 0), 13);
    cr_assert_eq(memcmp(text, "one two three", 13), 0);
    cr_assert_eq(recv(end.peer, text, sizeof text, 0), -1);
    end_close(&end);
}

/* Whoever said that more follows may fail to write it. */
Test(tls_socket, the_end_sends_what_is_still_gathered)
{
    struct end end;
    char text[32];

    end_open(&end, SOCK_STREAM);
    tls_socket_begin(&end.socket);
    end.socket.more_follows = true;
    cr_assert_eq(put(&end, "one", 3), 3);
    tls_socket_end(&end.socket);
    cr_assert_eq(get(&end, text, sizeof text), 3);
    tls_socket_begin(&end.socket);
    tls_socket_end(&end.socket);
    cr_assert_eq(get(&end, text, sizeof text), 0);
    end_close(&end);
}

Test(tls_socket, more_than_has_room_goes_out_before_more_is_gathered)
{
    struct end end;
    size_t room = 0;
    char *data = xcalloc(1, 65536);
    char *seen = xcalloc(1, 65536);
    int big = 1 << 20;

    end_open(&end, SOCK_STREAM);
    setsockopt(end.socket.fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
    while (tls_socket_has_room(&end.socket, room + 1))
        room++;
    cr_assert_gt(room, 3 * 16384);
    cr_assert_lt(room, 65536);
    memset(data, 'd', 65536);
    tls_socket_begin(&end.socket);
    end.socket.more_follows = true;
    cr_assert_eq(put(&end, data, room), (int)room);
    cr_assert_not(tls_socket_has_room(&end.socket, 1));
    cr_assert_eq(get(&end, seen, 65536), 0);
    cr_assert_eq(put(&end, "x", 1), 1);
    cr_assert_eq(get(&end, seen, 65536), room + 1);
    cr_assert_eq(seen[room], 'x');
    cr_assert_eq(memcmp(seen, data, room), 0);
    tls_socket_end(&end.socket);
    end_close(&end);
    free(data);
    free(seen);
}

Test(tls_socket, what_the_socket_does_not_take_is_kept_in_order)
{
    struct end end;
    char *junk;
    char text[32];
    size_t filled;

    end_open(&end, SOCK_STREAM);
    filled = fill(&end);
    tls_socket_begin(&end.socket);
    end.socket.more_follows = true;
    cr_assert_eq(put(&end, "one ", 4), 4);
    end.socket.more_follows = false;
    cr_assert_eq(put(&end, "two ", 4), 4);
    cr_assert_eq(tls_socket_rest(&end.socket), 8);
    cr_assert_not(tls_socket_has_room(&end.socket, 1));
    cr_assert_eq(put(&end, "three ", 6), 6);
    tls_socket_end(&end.socket);
    cr_assert_eq(tls_socket_rest(&end.socket), 14);
    cr_assert_eq(tls_socket_flush(&end.socket), IO_AGAIN);
    /* Nothing passes it. */
    cr_assert_eq(put(&end, "four", 4), -1);
    cr_assert(BIO_should_retry(end.bio));
    junk = xcalloc(1, filled);
    cr_assert_eq(get(&end, junk, filled), filled);
    cr_assert_eq(put(&end, "four", 4), 4);
    cr_assert_eq(tls_socket_rest(&end.socket), 0);
    cr_assert_eq(get(&end, text, sizeof text), 18);
    cr_assert_eq(memcmp(text, "one two three four", 18), 0);
    end_close(&end);
    free(junk);
}

Test(tls_socket, a_rest_goes_out_piece_by_piece)
{
    const size_t size = 60000;
    struct end end;
    char *data = xcalloc(1, size);
    char *seen = xcalloc(1, size + (1 << 20));
    size_t filled;
    size_t got = 0;
    size_t last = size + 1;
    int small = 4096;

    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 7 + i / 251);
    end_open(&end, SOCK_STREAM);
    setsockopt(end.socket.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    filled = fill(&end);
    tls_socket_begin(&end.socket);
    cr_assert_eq(put(&end, data, size), (int)size);
    tls_socket_end(&end.socket);
    while (tls_socket_flush(&end.socket) == IO_AGAIN) {
        cr_assert_leq(tls_socket_rest(&end.socket), last);
        last = tls_socket_rest(&end.socket);
        got += get(&end, seen + got, 8192);
    }
    cr_assert_lt(last, size, "it was not in pieces");
    got += get(&end, seen + got, size + filled - got);
    cr_assert_eq(got, size + filled);
    cr_assert_eq(memcmp(seen + filled, data, size), 0);
    end_close(&end);
    free(data);
    free(seen);
}

Test(tls_socket, a_broken_socket_fails_without_a_signal)
{
    struct end end;

    end_open(&end, SOCK_STREAM);
    signal(SIGPIPE, SIG_DFL);
    close(end.peer);
    cr_assert_eq(put(&end, "x", 1), -1);
    cr_assert_not(BIO_should_retry(end.bio));
    tls_socket_begin(&end.socket);
    end.socket.more_follows = true;
    cr_assert_eq(put(&end, "one", 3), 3);
    end.socket.more_follows = false;
    cr_assert_eq(put(&end, "two", 3), -1);
    cr_assert_eq(errno, EPIPE);
    cr_assert_not(BIO_should_retry(end.bio));
    tls_socket_end(&end.socket);
    cr_assert_eq(tls_socket_rest(&end.socket), 0);
    end.peer = -1;
    end_close(&end);
}

Test(tls_socket, an_end_of_what_comes_is_told_apart_from_nothing_there)
{
    struct end end;
    char text[8];
    size_t n;

    end_open(&end, SOCK_STREAM);
    cr_assert_eq(BIO_read_ex(end.bio, text, sizeof text, &n), 0);
    cr_assert(BIO_should_retry(end.bio));
    cr_assert_not(BIO_eof(end.bio));
    cr_assert_eq(send(end.peer, "hi", 2, 0), 2);
    cr_assert_eq(BIO_read_ex(end.bio, text, sizeof text, &n), 1);
    cr_assert_eq(n, 2);
    shutdown(end.peer, SHUT_WR);
    cr_assert_eq(BIO_read_ex(end.bio, text, sizeof text, &n), 0);
    cr_assert_not(BIO_should_retry(end.bio));
    cr_assert(BIO_eof(end.bio));
    end_close(&end);
}
