/* Messages of all sizes and their descriptors, between two ends on one loop;
 * and what a hostile or dying peer does. */
#include "router/channel.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/loop.h"

struct end {
    struct channel *channel;
    struct loop *loop;
    unsigned messages; /* received */
    unsigned want;     /* stop the loop after so many */
    unsigned fds;      /* received with the last one */
    size_t last_len;
    enum channel_type last_type;
    char why[256]; /* it closed */
    unsigned closes;
    void (*check)(struct end *end, enum channel_type type,
                  struct strview payload, int *fds, unsigned fd_count);
    uint64_t expected; /* for check */
};

static void on_message(void *arg, enum channel_type type,
                       struct strview payload, int *fds, unsigned fd_count)
{
    struct end *end = arg;

    end->messages++;
    end->last_type = type;
    end->last_len = payload.len;
    end->fds = fd_count;
    if (end->check)
        end->check(end, type, payload, fds, fd_count);
    if (end->messages == end->want)
        loop_stop(end->loop);
}

static void on_close(void *arg, const char *why)
{
    struct end *end = arg;

    end->closes++;
    snprintf(end->why, sizeof end->why, "%s", why);
    channel_free(&end->channel);
    loop_stop(end->loop);
}

static void on_stuck(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    cr_assert_fail("nothing more comes");
}

/* Run the loop until something stops it; at most 20 seconds. */
static void run(struct loop *loop)
{
    struct timeval limit = {20, 0};
    struct event *stuck = evtimer_new(loop_base(loop), on_stuck, NULL);

    evtimer_add(stuck, &limit);
    loop_run(loop);
    event_free(stuck);
}

static void open_end(struct end *end, struct loop *loop, int fd)
{
    end->loop = loop;
    end->channel = channel_new(loop, fd, on_message, on_close, end);
}

struct pair {
    struct loop *loop;
    struct end a;
    struct end b;
};

static void pair_open(struct pair *pair)
{
    int fds[2];

    *pair = (struct pair){.loop = loop_new("test")};
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    open_end(&pair->a, pair->loop, fds[0]);
    open_end(&pair->b, pair->loop, fds[1]);
}

static void pair_close(struct pair *pair)
{
    channel_free(&pair->a.channel);
    channel_free(&pair->b.channel);
    loop_free(&pair->loop);
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* A payload whose bytes tell their place and the message's number. */
static char *pattern(size_t len, uint64_t number)
{
    char *bytes = xcalloc(len + 1, 1);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 31 + (i >> 8) + number);
    return bytes;
}

static void check_pattern(struct end *end, enum channel_type type,
                          struct strview payload, int *fds, unsigned fd_count)
{
    struct channel_config config;
    AUTO(auto_free) char *expected = NULL;

    (void)fds;
    (void)fd_count;
    cr_assert_eq(type, CHANNEL_CONFIG);
    cr_assert(channel_decode_config(payload, &config));
    cr_assert_eq(config.generation, end->expected);
    expected = pattern(config.settings.len, config.generation);
    cr_assert(sv_eq(config.settings, sv_make(expected, config.settings.len)));
    end->expected++;
}

Test(channel, messages_of_all_sizes_arrive_whole_and_in_order)
{
    static const size_t sizes[] = {
        0,     1,      11, 12,      13, 4095, 65523,  65524,  65536, 65537,
        70000, 262144, 0,  3000000, 1,  5,    131072, 200000, 17,    20000000};
    struct pair pair;

    pair_open(&pair);
    pair.b.check = check_pattern;
    pair.b.want = ARRAY_LEN(sizes);
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO(auto_free) char *bytes = pattern(sizes[i], i);
        struct channel_config config = {i, {bytes, sizes[i]}};

        channel_send_config(pair.a.channel, &config, NULL, 0);
    }
    cr_assert_gt(channel_backlog(pair.a.channel), 20000000);
    run(pair.loop);
    cr_assert_eq(pair.b.messages, ARRAY_LEN(sizes));
    cr_assert_eq(channel_backlog(pair.a.channel), 0);
    pair_close(&pair);
}

Test(channel, every_field_of_a_message_comes_out_as_it_was_put)
{
    struct channel_replica_add in = {
        .app = 7,
        .replica = UINT64_MAX - 1,
        .name = SV("sentiment-1"),
        .connect = 2,
        .address = {NULL, 0},
        .port = 65535,
        .probe = 1,
        .forwarded = 0,
        .revision = SV("0f1e2d"),
        .sleep = 2,
        .family = 10,
        .serial = UINT64_MAX - 2,
        .trial = 1,
    };
    struct channel_replica_add out;
    struct strbuf payload = STRBUF_INIT;

    wire_put_u32(&payload, in.app);
    wire_put_u64(&payload, in.replica);
    wire_put_sv(&payload, in.name);
    wire_put_u32(&payload, in.connect);
    wire_put_sv(&payload, in.address);
    wire_put_u32(&payload, in.port);
    wire_put_u32(&payload, in.probe);
    wire_put_u32(&payload, in.forwarded);
    wire_put_sv(&payload, in.revision);
    wire_put_u32(&payload, in.sleep);
    wire_put_u32(&payload, in.family);
    wire_put_u64(&payload, in.serial);
    wire_put_u32(&payload, in.trial);
    cr_assert(channel_decode_replica_add(strbuf_view(&payload), &out));
    cr_assert_eq(out.app, 7);
    cr_assert_eq(out.replica, UINT64_MAX - 1);
    cr_assert(sv_eq(out.name, SV("sentiment-1")));
    cr_assert_eq(out.connect, 2);
    cr_assert_null(out.address.ptr);
    cr_assert_eq(out.port, 65535);
    cr_assert_eq(out.probe, 1);
    cr_assert_eq(out.forwarded, 0);
    cr_assert(sv_eq(out.revision, in.revision));
    cr_assert_eq(out.sleep, 2);
    cr_assert_eq(out.family, 10);
    cr_assert_eq(out.serial, UINT64_MAX - 2);
    cr_assert_eq(out.trial, 1);
    for (size_t len = 0; len < payload.len; len++)
        cr_assert_not(
            channel_decode_replica_add(sv_make(payload.data, len), &out),
            "a message cut after %zu bytes was taken", len);
    strbuf_add_char(&payload, 'x');
    cr_assert_not(channel_decode_replica_add(strbuf_view(&payload), &out));
    strbuf_done(&payload);
}

/* Descriptors of the files whose inodes are expected, expected + 1, … */
static ino_t inode_of(int fd)
{
    struct stat st;

    cr_assert_eq(fstat(fd, &st), 0);
    return st.st_ino;
}

static ino_t sent_inodes[4096];

static void check_inodes(struct end *end, enum channel_type type,
                         struct strview payload, int *fds, unsigned fd_count)
{
    struct channel_listener listener;

    (void)payload;
    if (type != CHANNEL_LISTENER) {
        cr_assert_eq(fd_count, 0);
        return;
    }
    cr_assert(channel_decode_listener(payload, &listener));
    cr_assert_eq(fd_count, listener.listener);
    for (unsigned i = 0; i < fd_count; i++) {
        cr_assert_eq(inode_of(fds[i]), sent_inodes[end->expected++]);
        cr_assert(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
    }
}

static int new_file(ino_t *ret_inode)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    cr_assert_geq(fd, 0);
    *ret_inode = inode_of(fd);
    return fd;
}

Test(channel, descriptors_arrive_with_their_own_message)
{
    static const unsigned counts[] = {1, 0, 3, 64, 0, 2, 64, 1, 5};
    AUTO(auto_free) char *bytes = pattern(150000, 0);
    struct pair pair;
    unsigned sent = 0;
    unsigned before;

    pair_open(&pair);
    before = open_descriptors();
    pair.b.check = check_inodes;
    for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
        struct channel_listener listener = {counts[i]};
        struct channel_config config = {0, {bytes, i * 18000}};
        int fds[CHANNEL_DESCRIPTORS_MAX];

        for (unsigned k = 0; k < counts[i]; k++)
            fds[k] = new_file(&sent_inodes[sent++]);
        channel_send_listener(pair.a.channel, &listener, fds, counts[i]);
        channel_send_config(pair.a.channel, &config, NULL, 0);
        pair.b.want += 2;
    }
    run(pair.loop);
    cr_assert_eq(pair.b.expected, sent);
    cr_assert_eq(open_descriptors(), before, "descriptors were left open");
    pair_close(&pair);
}

static void keep_first(struct end *end, enum channel_type type,
                       struct strview payload, int *fds, unsigned fd_count)
{
    (void)type;
    (void)payload;
    cr_assert_eq(fd_count, 2);
    end->expected = (uint64_t)fds[0];
    fds[0] = -1;
}

Test(channel, a_handler_keeps_the_descriptors_that_it_takes)
{
    struct channel_listener listener = {0};
    struct pair pair;
    ino_t inodes[2];
    int fds[2] = {new_file(&inodes[0]), new_file(&inodes[1])};

    pair_open(&pair);
    pair.b.check = keep_first;
    pair.b.want = 1;
    channel_send_listener(pair.a.channel, &listener, fds, 2);
    run(pair.loop);
    cr_assert_eq(inode_of((int)pair.b.expected), inodes[0]);
    close((int)pair.b.expected);
    pair_close(&pair);
}

Test(channel, a_long_message_with_descriptors_does_not_take_the_next_ones)
{
    AUTO(auto_free) char *bytes = pattern(500000, 0);
    struct channel_sockets first = {1, 2, {bytes, 500000}};
    struct channel_sockets second = {2, 2, SV("")};
    struct pair pair;
    ino_t inode;

    pair_open(&pair);
    pair.b.want = 2;
    channel_send_sockets(pair.a.channel, &first,
                         (int[]){new_file(&inode), new_file(&inode)}, 2);
    channel_send_sockets(pair.a.channel, &second, (int[]){new_file(&inode)}, 1);
    run(pair.loop);
    cr_assert_eq(pair.b.fds, 1);
    pair_close(&pair);
}

static void count_fds(struct end *end, enum channel_type type,
                      struct strview payload, int *fds, unsigned fd_count)
{
    (void)type;
    (void)payload;
    (void)fds;
    end->expected += fd_count;
}

/* Lower the limit so that just `count` more descriptors can be opened. */
static void leave_free(unsigned count)
{
    struct rlimit limit;
    int fd = 0;

    for (; count > 0; fd++)
        count -= fcntl(fd, F_GETFD) < 0;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = (rlim_t)fd;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

Test(channel, a_receiver_without_free_descriptors_still_gets_its_messages)
{
    struct channel_listener listener = {0};
    struct pair pair;
    ino_t inode;
    int fds[8];

    pair_open(&pair);
    for (unsigned i = 0; i < 8; i++)
        fds[i] = new_file(&inode);
    channel_send_listener(pair.a.channel, &listener, fds, 8);
    channel_send_listener(pair.a.channel, &listener, NULL, 0);
    channel_flush(pair.a.channel, 1000);
    leave_free(3);
    pair.b.check = count_fds;
    pair.b.want = 2;
    run(pair.loop);
    cr_assert_eq(pair.b.expected, 3);
    cr_assert_eq(pair.b.closes, 0);
    pair_close(&pair);
}

Test(channel, sending_to_nobody_closes_the_descriptors)
{
    struct channel_listener listener = {0};
    unsigned before = open_descriptors();
    ino_t inode;
    int fds[2] = {new_file(&inode), new_file(&inode)};

    channel_send_listener(NULL, &listener, fds, 2);
    cr_assert_eq(open_descriptors(), before);
}

Test(channel, freeing_drops_what_was_not_sent)
{
    struct channel_listener listener = {0};
    unsigned before = open_descriptors();
    struct pair pair;
    ino_t inode;

    pair_open(&pair);
    channel_send_listener(pair.a.channel, &listener, (int[]){new_file(&inode)},
                          1);
    pair_close(&pair);
    cr_assert_eq(open_descriptors(), before);
}

Test(channel, the_end_is_reported_once_after_all_that_was_sent)
{
    struct channel_go go = {1};
    struct pair pair;

    pair_open(&pair);
    for (unsigned i = 0; i < 10; i++)
        channel_send_go(pair.a.channel, &go, NULL, 0);
    channel_flush(pair.a.channel, 1000);
    channel_free(&pair.a.channel);
    run(pair.loop);
    cr_assert_eq(pair.b.messages, 10);
    cr_assert_eq(pair.b.closes, 1);
    cr_assert_str_eq(pair.b.why, "the peer closed");
    pair_close(&pair);
}

Test(channel, a_peer_that_is_gone_is_seen_when_something_is_sent)
{
    struct channel_go go = {1};
    struct pair pair;

    pair_open(&pair);
    channel_send_go(pair.b.channel, &go, NULL, 0);
    channel_flush(pair.b.channel, 1000);
    channel_free(&pair.b.channel);
    channel_send_go(pair.a.channel, &go, NULL, 0);
    cr_assert_eq(pair.a.closes, 0, "reported from within the call");
    run(pair.loop);
    cr_assert_eq(pair.a.messages, 1, "its last words are lost");
    cr_assert_eq(pair.a.closes, 1);
    pair_close(&pair);
}

Test(channel, a_peer_that_takes_nothing_is_treated_as_gone)
{
    AUTO(auto_free) char *bytes = pattern(CHANNEL_MESSAGE_MAX / 2, 0);
    struct channel_config config = {0, {bytes, CHANNEL_MESSAGE_MAX / 2}};
    struct loop *loop = loop_new("test");
    struct end end = {0};
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    open_end(&end, loop, fds[0]);
    for (unsigned i = 0; i < 5; i++)
        channel_send_config(end.channel, &config, NULL, 0);
    run(loop);
    cr_assert_eq(end.closes, 1);
    cr_assert_str_eq(end.why, "the peer takes no messages");
    close(fds[1]);
    loop_free(&loop);
}

static void free_in_message(struct end *end, enum channel_type type,
                            struct strview payload, int *fds, unsigned fd_count)
{
    struct channel_config config;

    (void)type;
    (void)fds;
    (void)fd_count;
    channel_free(&end->channel);
    /* The payload may be used until the handler returns. */
    cr_assert(channel_decode_config(payload, &config));
    cr_assert(sv_eq(config.settings, SV("hello")));
    loop_stop(end->loop);
}

Test(channel, it_may_be_freed_while_it_delivers_a_message)
{
    struct channel_config config = {0, SV("hello")};
    unsigned before = open_descriptors();
    struct pair pair;
    ino_t inode;

    pair_open(&pair);
    pair.b.check = free_in_message;
    for (unsigned i = 0; i < 3; i++)
        channel_send_config(pair.a.channel, &config, (int[]){new_file(&inode)},
                            1);
    run(pair.loop);
    cr_assert_eq(pair.b.messages, 1);
    pair_close(&pair);
    cr_assert_eq(open_descriptors(), before);
}

struct garbage_case {
    const char *label;
    struct strview bytes;
    unsigned fd_count; /* sent with the first byte */
    bool is_cut;       /* the peer closes behind it */
    const char *why;
};

static const struct garbage_case garbage_cases[] = {
    {"type 0",
     {"\0\0\0\0\0\0\0\0\0\0\0\0", 12},
     0,
     false,
     "a message of unknown type"},
    {"type beyond the last",
     {"\0\0\0\0\xFF\0\0\0\0\0\0\0", 12},
     0,
     false,
     "a message of unknown type"},
    {"longer than allowed",
     {"\xFF\xFF\xFF\xFF\1\0\0\0\0\0\0\0", 12},
     0,
     false,
     "a message longer than is allowed"},
    {"too many descriptors",
     {"\0\0\0\0\1\0\0\0\x41\0\0\0", 12},
     0,
     false,
     "a message with more descriptors than are allowed"},
    {"descriptors announced, none sent",
     {"\0\0\0\0\1\0\0\0\1\0\0\0", 12},
     0,
     false,
     "a message without the descriptors that it announced"},
    {"fewer sent than announced",
     {"\0\0\0\0\1\0\0\0\2\0\0\0", 12},
     1,
     false,
     "a message without the descriptors that it announced"},
    {"more sent than announced",
     {"\0\0\0\0\1\0\0\0\1\0\0\0", 12},
     2,
     false,
     "a message without the descriptors that it announced"},
    {"none announced, some sent",
     {"\0\0\0\0\1\0\0\0\0\0\0\0", 12},
     1,
     false,
     "descriptors without a message"},
    {"more than a message may have",
     {"\0\0\0\0\1\0\0\0\x40\0\0\0", 12},
     65,
     false,
     NULL},
    {"cut in the header",
     {"\1\0\0", 3},
     0,
     true,
     "the peer closed in the middle of a message"},
    {"cut in the payload",
     {"\7\0\0\0\1\0\0\0\0\0\0\0abc", 15},
     0,
     true,
     "the peer closed in the middle of a message"},
    {"closed", {"", 0}, 0, true, "the peer closed"},
};

static void send_raw(int fd, struct strview bytes, unsigned fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(128 * sizeof(int))];
    } control = {0};
    struct iovec iov = {(void *)(uintptr_t)bytes.ptr, bytes.len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (fd_count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        for (unsigned i = 0; i < fd_count; i++) {
            int zero = 0;

            memcpy(CMSG_DATA(&control.align) + i * sizeof zero, &fd,
                   sizeof zero);
        }
    }
    if (bytes.len > 0)
        cr_assert_eq(sendmsg(fd, &message, 0), (ssize_t)bytes.len);
}

static void run_garbage(const struct garbage_case *c)
{
    unsigned before = open_descriptors();
    struct loop *loop = loop_new("test");
    struct end end = {0};
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    open_end(&end, loop, fds[0]);
    send_raw(fds[1], c->bytes, c->fd_count);
    if (c->is_cut)
        close(fds[1]);
    if (c->why) {
        run(loop);
        cr_assert_eq(end.closes, 1, "%s", c->label);
        cr_assert_str_eq(end.why, c->why, "%s", c->label);
    } else {
        end.want = 1; /* those beyond the room are dropped by the kernel */
        run(loop);
        cr_assert_eq(end.fds, CHANNEL_DESCRIPTORS_MAX, "%s", c->label);
        channel_free(&end.channel);
    }
    if (!c->is_cut)
        close(fds[1]);
    loop_free(&loop);
    cr_assert_eq(open_descriptors(), before, "%s: descriptors leak", c->label);
}

Test(channel, garbage_from_the_peer_ends_the_channel)
{
    for (size_t i = 0; i < ARRAY_LEN(garbage_cases); i++)
        run_garbage(&garbage_cases[i]);
}

Test(channel, a_flush_gives_up_when_its_time_is_over)
{
    AUTO(auto_free) char *bytes = pattern(4000000, 0);
    struct channel_config config = {0, {bytes, 4000000}};
    struct loop *loop = loop_new("test");
    struct end end = {0};
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    open_end(&end, loop, fds[0]);
    channel_send_config(end.channel, &config, NULL, 0);
    channel_flush(end.channel, 50);
    cr_assert_gt(channel_backlog(end.channel), 0);
    channel_free(&end.channel);
    close(fds[1]);
    loop_free(&loop);
}

Test(channel, every_type_has_a_name)
{
    cr_assert_str_eq(channel_type_name(CHANNEL_REPLICA_ADD), "replica_add");
    cr_assert_str_eq(channel_type_name(CHANNEL_TYPE_COUNT), "unknown");
}
