/* Pipes by themselves, and the long bodies that pass through them. */
#include "proxy/pipe.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/buffer_pool.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

#define KB 1024U
#define MB (1024U * 1024U)

/* --- pipes --- */

struct sockets {
    int near; /* non-blocking */
    int far;
};

static struct sockets sockets_new(void)
{
    int fds[2];

    cr_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    cr_assert(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
    return (struct sockets){fds[0], fds[1]};
}

Test(pipe, moves_bytes_from_one_socket_to_another)
{
    struct sockets from = sockets_new();
    struct sockets to = sockets_new();
    struct buffer_pool pool;
    struct pipe *pipe;
    size_t count = 0;

    buffer_pool_init(&pool, MB);
    pipe = pipe_take(&pool);
    cr_assert(pipe);
    cr_assert(pipe_fill(pipe, from.near, 100, &count) == IO_AGAIN);
    raw_send(from.far, "some bytes");
    cr_assert(pipe_fill(pipe, from.near, 4, &count) == IO_DONE);
    cr_assert(count == 4 && pipe->count == 4);
    cr_assert(pipe_drain(pipe, to.near, &count) == IO_DONE);
    cr_assert(count == 4 && pipe->count == 0);
    raw_expect(to.far, "some");
    close(from.far);
    cr_assert(pipe_fill(pipe, from.near, 100, &count) == IO_DONE);
    cr_assert(pipe_fill(pipe, from.near, 100, &count) == IO_EOF);
    close(to.far);
    cr_assert(pipe->count == 6);
    signal(SIGPIPE, SIG_IGN); /* as the front does */
    cr_assert(pipe_drain(pipe, to.near, &count) == IO_FAILED);
    pipe_give(&pool, &pipe);
    buffer_pool_done(&pool);
    close(from.near);
    close(to.near);
}

Test(pipe, is_kept_for_the_next_use_but_not_with_bytes_in_it)
{
    struct sockets from = sockets_new();
    struct buffer_pool pool;
    struct pipe *pipe;
    size_t count;
    int fd;

    buffer_pool_init(&pool, MB);
    pipe = pipe_take(&pool);
    cr_assert(pipe);
    fd = pipe->read_fd;
    pipe_give(&pool, &pipe);
    cr_assert_null(pipe);
    cr_assert(fcntl(fd, F_GETFD) >= 0);
    pipe = pipe_take(&pool);
    cr_assert(pipe && pipe->read_fd == fd);
    raw_send(from.far, "x");
    cr_assert(pipe_fill(pipe, from.near, 1, &count) == IO_DONE);
    pipe_give(&pool, &pipe);
    cr_assert(fcntl(fd, F_GETFD) < 0);
    cr_assert(pool.extra_bytes == 0);
    buffer_pool_done(&pool);
    close(from.near);
    close(from.far);
}

Test(pipe, counts_against_the_share_of_buffer_memory)
{
    struct buffer_pool pool;
    struct pipe *first;
    struct pipe *second;

    buffer_pool_init(&pool, 2 * PIPE_BYTES - 1);
    first = pipe_take(&pool);
    cr_assert(first);
    second = pipe_take(&pool);
    cr_assert_null(second);
    pipe_give(&pool, &first);
    second = pipe_take(&pool);
    cr_assert(second);
    pipe_give(&pool, &second);
    buffer_pool_done(&pool);
}

Test(pipe, is_asked_for_again_some_time_after_the_system_refused)
{
    struct rlimit before;
    struct rlimit none;
    struct buffer_pool pool;
    struct pipe *pipe = NULL;
    unsigned tries = 0;

    cr_assert(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = (struct rlimit){0, before.rlim_max};
    buffer_pool_init(&pool, MB);
    cr_assert(setrlimit(RLIMIT_NOFILE, &none) == 0);
    pipe = pipe_take(&pool);
    cr_assert(setrlimit(RLIMIT_NOFILE, &before) == 0);
    cr_assert_null(pipe);
    while (!(pipe = pipe_take(&pool)))
        cr_assert(++tries < 1000);
    cr_assert(tries > 10);
    pipe_give(&pool, &pipe);
    buffer_pool_done(&pool);
}

/* --- bodies --- */

static unsigned count_pipes(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;
    struct dirent *entry;

    cr_assert(dir);
    while ((entry = readdir(dir))) {
        char path[300];
        char to[64] = "";

        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        if (readlink(path, to, sizeof to - 1) > 0 &&
            strncmp(to, "pipe:", 5) == 0)
            count++;
    }
    closedir(dir);
    return count;
}

struct sender {
    pthread_t thread;
    int fd;
    size_t count;
};

static void *send_pattern(void *arg)
{
    struct sender *sender = arg;

    raw_send_pattern(sender->fd, 0, sender->count);
    return NULL;
}

static void start_sending(struct sender *sender, int fd, size_t count)
{
    sender->fd = fd;
    sender->count = count;
    pthread_create(&sender->thread, NULL, send_pattern, sender);
}

static void send_answer_head(int app, size_t length)
{
    char head[128];

    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", length);
    raw_send(app, head);
}

static void send_put_head(int client, size_t length)
{
    char head[128];

    snprintf(head, sizeof head,
             "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
             length);
    raw_send(client, head);
}

/* Around all thresholds: buffers, their number, the pipe, its minimum. */
static const size_t sizes[] = {
    16 * KB - 1, 16 * KB,      64 * KB - 1,  64 * KB,      64 * KB + 1,
    80 * KB - 1, 80 * KB,      80 * KB + 1,  128 * KB,     192 * KB + 7,
    256 * KB,    256 * KB + 1, 272 * KB - 1, 320 * KB + 3, 336 * KB,
    512 * KB,    MB - 1,       MB,           MB + 1,       3 * MB + 12345,
};

static void pass_answer(int app, int client, size_t size)
{
    struct sender sender;

    send_answer_head(app, size);
    start_sending(&sender, app, size);
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    raw_expect_pattern(client, 0, size);
    pthread_join(sender.thread, NULL);
}

static void pass_request(int client, int app, size_t size)
{
    struct sender sender;

    send_put_head(client, size);
    start_sending(&sender, client, size);
    fixture_expect_head(app, "PUT / HTTP/1.1\r\n");
    raw_expect_pattern(app, 0, size);
    pthread_join(sender.thread, NULL);
}

Test(pipe, passes_answers_of_all_sizes_whole, .timeout = 120)
{
    struct front_fixture f = fixture_begin(1);
    unsigned before;
    int client;
    int app;

    fixture_start(&f);
    before = count_pipes();
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        pass_answer(app, client, sizes[i]);
        raw_send(client, GET);
        fixture_expect_head(app, "GET / "); /* on the same connection */
    }
    fixture_answer_ok(app, client);
    cr_assert(count_pipes() > before, "no pipe was used");
    cr_assert(count_pipes() <= before + 4, "pipes are not used again");
    close(client);
    close(app);
    fixture_end(&f);
}

Test(pipe, passes_requests_of_all_sizes_whole, .timeout = 120)
{
    struct front_fixture f = fixture_begin(1);
    unsigned before;
    int client;
    int app;

    fixture_start(&f);
    before = count_pipes();
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        pass_request(client, app, sizes[i]);
        fixture_answer_ok(app, client);
    }
    cr_assert(count_pipes() > before, "no pipe was used");
    close(client);
    close(app);
    fixture_end(&f);
}

Test(pipe, passes_both_directions_at_once, .timeout = 120)
{
    struct front_fixture f = fixture_begin(1);
    struct sender up;
    struct sender down;
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    send_put_head(client, 8 * MB);
    start_sending(&up, client, 8 * MB);
    app = raw_accept(f.listen);
    fixture_expect_head(app, "PUT / HTTP/1.1\r\n");
    send_answer_head(app, 8 * MB);
    /* Its end comes after the request's: else the rest of that is not read. */
    start_sending(&down, app, 8 * MB - 1);
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    raw_expect_pattern(client, 0, 4 * MB);
    raw_expect_pattern(app, 0, 8 * MB);
    raw_expect_pattern(client, 4 * MB, 4 * MB - 1);
    pthread_join(up.thread, NULL);
    pthread_join(down.thread, NULL);
    raw_send_pattern(app, 8 * MB - 1, 1);
    raw_expect_pattern(client, 8 * MB - 1, 1);
    raw_expect_end(client); /* it was answered before it was whole */
    close(client);
    close(app);
    fixture_end(&f);
}

Test(pipe, waits_for_slow_readers_on_both_sides, .timeout = 120)
{
    struct front_fixture f = fixture_begin(1);
    struct sender sender;
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_shrink_buffers(client);
    app = fixture_send_get(&f, client);
    raw_shrink_buffers(app);
    send_answer_head(app, 12 * MB);
    start_sending(&sender, app, 12 * MB);
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    for (size_t at = 0; at < 12 * MB; at += 256 * KB) {
        if (at % MB == 0)
            usleep(20000);
        raw_expect_pattern(client, at, 256 * KB);
    }
    pthread_join(sender.thread, NULL);
    send_put_head(client, 12 * MB);
    start_sending(&sender, client, 12 * MB);
    fixture_expect_head(app, "PUT / ");
    for (size_t at = 0; at < 12 * MB; at += 256 * KB) {
        if (at % MB == 0)
            usleep(20000);
        raw_expect_pattern(app, at, 256 * KB);
    }
    pthread_join(sender.thread, NULL);
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(pipe, passes_pieces_that_come_one_by_one)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    send_answer_head(app, 300 * KB);
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    for (size_t at = 0; at < 300 * KB; at += 25 * KB) {
        raw_send_pattern(app, at, 25 * KB);
        raw_expect_pattern(client, at, 25 * KB); /* before the next is sent */
    }
    raw_send(client, GET);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(pipe, copies_where_there_is_no_memory_for_one_or_it_may_not_hold_enough,
     .timeout = 60)
{
    static const struct {
        const char *label;
        uint64_t memory;
        uint64_t response_buffer;
    } cases[] = {
        {"no memory", 0, 256 * KB},
        {"little memory", PIPE_BYTES - 1, 256 * KB},
        {"small buffers", 64 * MB, 16 * KB},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct front_fixture f = fixture_begin(1);
        unsigned before;
        int client;
        int app;

        harness_settings(f.h)->buffer_memory_bytes = cases[i].memory;
        harness_route(f.h, 0)->response_buffer_bytes = cases[i].response_buffer;
        fixture_start(&f);
        before = count_pipes();
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        pass_answer(app, client, 2 * MB + 1);
        cr_assert(count_pipes() == before, "%s", cases[i].label);
        close(client);
        close(app);
        fixture_end(&f);
    }
}

Test(pipe, delivers_nothing_beyond_the_length_of_a_long_answer)
{
    struct front_fixture f = fixture_begin(1);
    char *body = malloc(300 * KB);
    int client;
    int app;

    fixture_start(&f);
    for (int i = 0; i < 5; i++) {
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        send_answer_head(app, 300 * KB);
        fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
        raw_fill_pattern(body, 0, 300 * KB);
        raw_send_bytes(app, body, 200 * KB);
        raw_expect_pattern(client, 0, 200 * KB);
        /* The end and what is too much come at once. */
        memcpy(body, body + 200 * KB, 100 * KB);
        memcpy(body + 100 * KB, OK, sizeof OK);
        raw_send_bytes(app, body, 100 * KB + sizeof OK);
        raw_expect_pattern(client, 200 * KB, 100 * KB);
        raw_expect_silence(client, 20);
        raw_expect_end(app); /* it is not used again */
        close(app);
        close(client);
    }
    free(body);
    fixture_end(&f);
}

Test(pipe, leaves_the_next_request_behind_a_long_body_alone)
{
    struct front_fixture f = fixture_begin(1);
    char *bytes = malloc(MB + sizeof GET - 1);
    struct sender sender;
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    send_put_head(client, 2 * MB);
    start_sending(&sender, client, MB);
    fixture_expect_head(app, "PUT / ");
    raw_expect_pattern(app, 0, MB);
    pthread_join(sender.thread, NULL);
    raw_fill_pattern(bytes, MB, MB);
    memcpy(bytes + MB, GET, sizeof GET - 1);
    raw_send_bytes(client, bytes, MB + sizeof GET - 1);
    raw_expect_pattern(app, MB, MB);
    raw_expect_silence(app, 20);
    fixture_answer_ok(app, client);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, client);
    free(bytes);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(pipe, shows_the_client_that_a_long_answer_was_not_whole)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    send_answer_head(app, MB);
    raw_send_pattern(app, 0, 500 * KB);
    close(app);
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    raw_expect_pattern(client, 0, 500 * KB);
    raw_expect_end(client);
    close(client);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(pipe, never_completes_a_long_request_that_was_broken_off)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    send_put_head(client, MB);
    raw_send_pattern(client, 0, 500 * KB);
    app = raw_accept(f.listen);
    fixture_expect_head(app, "PUT / ");
    raw_expect_pattern(app, 0, 300 * KB);
    raw_reset(client);
    cr_assert(raw_read_off(app) < 700 * KB);
    close(app);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(pipe, is_closed_with_what_a_client_that_went_did_not_take, .timeout = 60)
{
    struct front_fixture f = fixture_begin(1);
    unsigned before = 0;
    int client;
    int app;

    harness_app(f.h, 0)->concurrency = 1;
    fixture_start(&f);
    for (int i = 0; i < 40; i++) {
        struct sender sender;

        if (i == 20)
            before = count_pipes();
        client = harness_connect(f.h);
        raw_shrink_buffers(client);
        app = fixture_send_get(&f, client); /* the one slot is free again */
        send_answer_head(app, 16 * MB);
        start_sending(&sender, app, 16 * MB);
        fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
        raw_expect_pattern(client, 0, 100 * KB);
        raw_reset(client);
        pthread_join(sender.thread, NULL);
        raw_read_off(app);
        close(app);
    }
    cr_assert(count_pipes() <= before + 4, "%u pipes, then %u", before,
              count_pipes());
    fixture_end(&f);
}

Test(pipe, takes_no_body_from_an_answer_to_head)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    app = raw_accept(f.listen);
    fixture_expect_head(app, "HEAD / ");
    send_answer_head(app, 16 * MB);
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    raw_send(client, GET);
    fixture_expect_head(app, "GET / ");
    pass_answer(app, client, MB);
    close(client);
    close(app);
    fixture_end(&f);
}
