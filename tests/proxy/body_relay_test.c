/* One direction of a body, over socket pairs: decoded, kept, framed anew. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/body_relay.h"
#include "proxy/stream.h"

struct rig {
    struct buffer_pool buffers;
    struct arena arena;
    struct body_relay relay;
    struct http_limits limits;
    struct stream out; /* what the relay writes to */
    int peer;          /* what came out */
};

static void rig_begin(struct rig *rig, size_t extra_limit)
{
    int pair[2];

    memset(rig, 0, sizeof *rig);
    buffer_pool_init(&rig->buffers, extra_limit);
    arena_init(&rig->arena);
    relay_init(&rig->relay, &rig->buffers);
    rig->limits = (struct http_limits){16384, 16384, 100};
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    rig->out.fd = pair[0];
    rig->peer = pair[1];
}

static void rig_end(struct rig *rig)
{
    relay_done(&rig->relay);
    arena_done(&rig->arena);
    cr_assert_eq(rig->buffers.extra_bytes, 0);
    buffer_pool_done(&rig->buffers);
    close(rig->out.fd);
    close(rig->peer);
}

static void start(struct rig *rig, enum http_framing framing, uint64_t length,
                  uint64_t buffers_bytes, bool keeps_sent)
{
    const struct http_head head = {.kind = HTTP_KIND_REQUEST,
                                   .framing = framing,
                                   .has_content_length =
                                       framing == FRAMING_LENGTH,
                                   .content_length = length};

    relay_start(&rig->relay, &head, &rig->limits, buffers_bytes, keeps_sent);
}

/* As if these bytes had been read. Returns what came of it; all must fit. */
static enum relay_result feed(struct rig *rig, const char *text,
                              struct strview *ret_excess)
{
    struct iovec iov[BODY_RELAY_SPACE];
    struct rejection rejection;
    size_t len = strlen(text);

    cr_assert(relay_space(&rig->relay, false, iov) > 0);
    cr_assert(iov[0].iov_len >= len);
    memcpy(iov[0].iov_base, text, len);
    return relay_fill(&rig->relay, len, &rig->arena, ret_excess, &rejection);
}

/* Write what the socket takes; returns how much that was. */
static size_t write_out(struct rig *rig)
{
    struct iovec iov[BODY_RELAY_PENDING];
    size_t total = 0;
    size_t count;
    int pieces;

    while ((pieces = relay_pending(&rig->relay, iov)) > 0 &&
           stream_write(&rig->out, iov, pieces, &count) == IO_DONE) {
        relay_sent(&rig->relay, count);
        total += count;
    }
    return total;
}

static void expect_out(struct rig *rig, const char *want)
{
    char got[4096] = "";
    ssize_t n = recv(rig->peer, got, sizeof got - 1, MSG_DONTWAIT);

    if (n < 0)
        got[0] = '\0';
    cr_assert_str_eq(got, want);
}

Test(body_relay, frames_each_piece_as_a_chunk_where_it_stands)
{
    struct rig rig;
    struct strview excess;

    rig_begin(&rig, 1 << 20);
    start(&rig, FRAMING_CHUNKED, 0, 65536, false);
    rig.relay.is_chunked = true;
    strbuf_add_str(&rig.relay.head, "HEAD\r\n\r\n");
    cr_assert_eq(feed(&rig, "3\r\nabc\r\n2\r\nde\r\n", &excess), RELAY_MORE);
    write_out(&rig);
    expect_out(&rig, "HEAD\r\n\r\n5\r\nabcde\r\n");
    cr_assert_eq(feed(&rig, "1\r", &excess), RELAY_MORE);
    write_out(&rig);
    expect_out(&rig, "");
    cr_assert_eq(feed(&rig, "\nf\r\n0\r\n\r\nNEXT", &excess), RELAY_WHOLE);
    cr_assert(sv_eq(excess, SV("NEXT")));
    relay_finish(&rig.relay, SV("X-T: 1\r\n"));
    write_out(&rig);
    expect_out(&rig, "1\r\nf\r\n0\r\nX-T: 1\r\n\r\n");
    cr_assert(relay_is_done(&rig.relay));
    rig_end(&rig);
}

Test(body_relay, gathers_pieces_while_the_reader_is_slow)
{
    struct rig rig;
    struct strview excess;

    rig_begin(&rig, 1 << 20);
    start(&rig, FRAMING_CHUNKED, 0, 65536, false);
    rig.relay.is_chunked = true;
    for (int i = 0; i < 100; i++)
        cr_assert_eq(feed(&rig, "2\r\nab\r\n", &excess), RELAY_MORE);
    cr_assert_eq(rig.relay.buffer_count, 1);
    write_out(&rig);
    cr_assert_eq(rig.relay.buffer_count, 0);
    rig_end(&rig);
}

Test(body_relay, refuses_broken_framing)
{
    struct rig rig;
    struct strview excess;

    rig_begin(&rig, 1 << 20);
    start(&rig, FRAMING_CHUNKED, 0, 65536, false);
    cr_assert_eq(feed(&rig, "3\r\nabcX", &excess), RELAY_REFUSED);
    rig_end(&rig);
}

Test(body_relay, sends_again_what_it_kept)
{
    struct rig rig;
    struct strview excess;

    rig_begin(&rig, 1 << 20);
    start(&rig, FRAMING_LENGTH, 6, 65536, true);
    strbuf_add_str(&rig.relay.head, "H ");
    cr_assert_eq(feed(&rig, "abc", &excess), RELAY_MORE);
    write_out(&rig);
    expect_out(&rig, "H abc");
    cr_assert_eq(feed(&rig, "def", &excess), RELAY_WHOLE);
    write_out(&rig);
    expect_out(&rig, "def");
    cr_assert(relay_can_rewind(&rig.relay));
    relay_rewind(&rig.relay);
    write_out(&rig);
    expect_out(&rig, "H abcdef");
    rig_end(&rig);
}

/* `count` bytes of 'x' as they come; returns how many found room. */
static size_t fill_up(struct rig *rig, size_t count)
{
    size_t taken = 0;

    while (taken < count) {
        struct iovec iov[BODY_RELAY_SPACE];
        struct strview excess;
        struct rejection rejection;
        int pieces = relay_space(&rig->relay, true, iov);
        size_t size = 0;

        if (pieces == 0)
            break;
        for (int i = 0; i < pieces; i++) {
            memset(iov[i].iov_base, 'x', iov[i].iov_len);
            size += iov[i].iov_len;
        }
        cr_assert(relay_fill(&rig->relay, size, &rig->arena, &excess,
                             &rejection) != RELAY_REFUSED);
        taken += size;
    }
    return taken;
}

Test(body_relay, has_room_for_what_it_was_given_and_no_more)
{
    static const struct {
        const char *label;
        uint64_t buffers_bytes;
        size_t extra_limit;
        size_t want;
    } cases[] = {
        {"as configured", 65536, 1 << 20, 65536},
        {"one buffer at least", 0, 1 << 20, IO_BUFFER_BYTES},
        {"one buffer when memory is used up", 65536, 0, IO_BUFFER_BYTES},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig rig;

        rig_begin(&rig, cases[i].extra_limit);
        start(&rig, FRAMING_LENGTH, 1 << 20, cases[i].buffers_bytes, false);
        cr_assert_eq(fill_up(&rig, 1 << 20), cases[i].want, "%s",
                     cases[i].label);
        cr_assert(!relay_has_room(&rig.relay));
        cr_assert(write_out(&rig) > 0);
        rig_end(&rig);
    }
}

/* What one read brings shall leave as one packet, as TLS records, too. */
Test(body_relay, a_long_body_is_read_in_pieces_of_less_than_a_packet)
{
    struct rig rig;
    struct iovec iov[BODY_RELAY_SPACE];
    struct rejection rejection;
    struct strview excess;

    rig_begin(&rig, 1 << 20);
    start(&rig, FRAMING_LENGTH, 1 << 20, 1 << 20, false);
    for (int i = 0; i < 4; i++) {
        int pieces = relay_space(&rig.relay, false, iov);
        size_t total = 0;

        cr_assert_eq(pieces, i == 0 ? 1 : BODY_RELAY_SPACE);
        for (int piece = 0; piece < pieces; piece++) {
            memset(iov[piece].iov_base, 'x', iov[piece].iov_len);
            total += iov[piece].iov_len;
        }
        cr_assert_eq(total, i == 0 ? IO_BUFFER_BYTES : BODY_RELAY_READ_BYTES);
        cr_assert_eq(
            relay_fill(&rig.relay, total, &rig.arena, &excess, &rejection),
            RELAY_MORE);
        cr_assert(rig.relay.was_full);
    }
    relay_reset(&rig.relay);
    rig_end(&rig);
}

Test(body_relay, gives_up_a_second_attempt_for_room)
{
    struct rig rig;

    rig_begin(&rig, 1 << 20);
    start(&rig, FRAMING_LENGTH, 1 << 20, 32768, true);
    cr_assert_eq(fill_up(&rig, 1 << 20), 32768);
    cr_assert(relay_can_rewind(&rig.relay));
    cr_assert(write_out(&rig) > 0);
    cr_assert(relay_has_room(&rig.relay));
    cr_assert(fill_up(&rig, 16384) > 0);
    cr_assert(!relay_can_rewind(&rig.relay));
    rig_end(&rig);
}

Test(body_relay, ends_a_body_of_unknown_length_by_close_only)
{
    static const struct {
        const char *label;
        enum http_framing framing;
        bool ends;
    } cases[] = {{"until close", FRAMING_CLOSE, true},
                 {"of a length", FRAMING_LENGTH, false},
                 {"chunked", FRAMING_CHUNKED, false}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig rig;

        rig_begin(&rig, 1 << 20);
        start(&rig, cases[i].framing, 10, 65536, false);
        cr_assert_eq(relay_end(&rig.relay), cases[i].ends, "%s",
                     cases[i].label);
        rig_end(&rig);
    }
}
