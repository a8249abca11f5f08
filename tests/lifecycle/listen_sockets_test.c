/* listen_sockets_test.c */
#include "lifecycle/listen_sockets.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct listen_request request_of(const char *text, uint32_t count)
{
    struct listen_request request = {
        .text = text, .socket_count = count, .unix_mode = 0600};
    struct err err = {0};

    cr_assert(address_parse(sv_of(text), &request.address, &err), "%s",
              err.text);
    return request;
}

static unsigned port_of(int fd)
{
    struct address address = {.len = sizeof address.v6};

    cr_assert_eq(getsockname(fd, &address.any, &address.len), 0);
    return address_port(&address);
}

/* A port of 127.0.0.1 that another socket listens on. */
static int occupy(char *ret_text, size_t size)
{
    struct sockaddr_in sin = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    /* As an nginx with `reuseport` would have it: it must be found too. */
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
    cr_assert_eq(listen(fd, 1), 0);
    snprintf(ret_text, size, "127.0.0.1:%u", port_of(fd));
    return fd;
}

/* A port that was free a moment ago. */
static void find_free(char *ret_text, size_t size)
{
    int fd = occupy(ret_text, size);

    close(fd);
}

static bool connects(const struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM, 0);
    bool ok = connect(fd, &address->any, address->len) == 0;

    close(fd);
    return ok;
}

Test(listen_sockets, makes_one_socket_for_each_worker)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    char text[32];
    struct listen_request request;
    struct listen_sockets *sockets;
    unsigned count;
    const int *fds;

    find_free(text, sizeof text);
    request = request_of(text, 3);
    sockets = listen_sockets_open(&request, 1, &errors);
    cr_assert_not_null(sockets, "%s", errors.data);
    cr_assert_not(connects(&request.address), "nobody listens yet");
    cr_assert(listen_sockets_listen(sockets, &errors));
    cr_assert(connects(&request.address));
    cr_assert_eq(listen_sockets_count(sockets), 1U);
    fds = listen_sockets_fds(sockets, 0, &count);
    cr_assert_eq(count, 3U);
    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(port_of(fds[i]), address_port(&request.address));
    listen_sockets_free(&sockets);
    cr_assert_not(connects(&request.address));
}

Test(listen_sockets, a_port_in_use_is_named_with_who_listens)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    char text[32];
    char pid[32];
    int other = occupy(text, sizeof text);
    struct listen_request request = request_of(text, 1);

    cr_assert_null(listen_sockets_open(&request, 1, &errors));
    snprintf(pid, sizeof pid, "(pid %d)", (int)getpid());
    cr_assert_not_null(strstr(errors.data, text), "%s", errors.data);
    cr_assert_not_null(strstr(errors.data, "in use"), "%s", errors.data);
    cr_assert_not_null(strstr(errors.data, pid), "%s", errors.data);
    close(other);
}

Test(listen_sockets, all_that_is_wrong_is_said_at_once)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    char first[32];
    char second[32];
    int other = occupy(first, sizeof first);
    int another = occupy(second, sizeof second);
    struct listen_request requests[] = {request_of(first, 1),
                                        request_of("192.0.2.1:80", 1),
                                        request_of(second, 1)};

    cr_assert_null(listen_sockets_open(requests, 3, &errors));
    cr_assert_not_null(strstr(errors.data, first), "%s", errors.data);
    cr_assert_not_null(strstr(errors.data, second), "%s", errors.data);
    cr_assert_not_null(strstr(errors.data, "192.0.2.1:80"), "%s", errors.data);
    close(other);
    close(another);
}

Test(listen_sockets, waits_for_a_port_that_is_about_to_be_free)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    char text[32];
    int other = occupy(text, sizeof text);
    struct listen_request request = request_of(text, 1);
    struct listen_sockets *sockets;
    pid_t pid = fork();

    if (pid == 0) {
        /* The other holder: it lets go after a moment. */
        usleep(200000);
        _exit(0);
    }
    close(other);
    sockets = listen_sockets_open(&request, 1, &errors);
    cr_assert_not_null(sockets, "%s", errors.data);
    listen_sockets_free(&sockets);
}

Test(listen_sockets, two_addresses_of_one_port_go_together)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    char text[32];
    char any[32];
    struct listen_request requests[2];
    struct listen_sockets *sockets;

    find_free(text, sizeof text);
    requests[0] = request_of(text, 2);
    snprintf(any, sizeof any, "*:%u", address_port(&requests[0].address));
    requests[1] = request_of(any, 2);
    sockets = listen_sockets_open(requests, 2, &errors);
    cr_assert_not_null(sockets, "%s", errors.data);
    cr_assert(listen_sockets_listen(sockets, &errors), "%s", errors.data);
    listen_sockets_free(&sockets);
}

/* --- Unix sockets --- */

static char dir[64];
static char unix_text[128];

static void make_dir(void)
{
    strcpy(dir, "/tmp/berth-listen-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(unix_text, sizeof unix_text, "unix:%s/s.sock", dir);
}

static void remove_dir(void)
{
    unlink(unix_text + 5);
    rmdir(dir);
}

Test(listen_sockets, a_unix_socket_has_its_mode_and_goes_away, .init = make_dir,
     .fini = remove_dir)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct listen_request request = request_of(unix_text, 1);
    struct listen_sockets *sockets;
    struct stat st;

    request.unix_mode = 0620;
    sockets = listen_sockets_open(&request, 1, &errors);
    cr_assert_not_null(sockets);
    cr_assert(listen_sockets_listen(sockets, &errors), "%s", errors.data);
    cr_assert_eq(stat(unix_text + 5, &st), 0);
    cr_assert(S_ISSOCK(st.st_mode));
    cr_assert_eq(st.st_mode & 07777, 0620U);
    cr_assert(connects(&request.address));
    listen_sockets_free(&sockets);
    cr_assert_neq(access(unix_text + 5, F_OK), 0);
}

Test(listen_sockets, a_stale_unix_socket_is_replaced, .init = make_dir,
     .fini = remove_dir)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct listen_request request = request_of(unix_text, 1);
    int old = socket(AF_UNIX, SOCK_STREAM, 0);
    struct listen_sockets *sockets;

    cr_assert_eq(bind(old, &request.address.any, request.address.len), 0);
    close(old); /* its file stays */
    sockets = listen_sockets_open(&request, 1, &errors);
    cr_assert(listen_sockets_listen(sockets, &errors), "%s", errors.data);
    cr_assert(connects(&request.address));
    listen_sockets_free(&sockets);
}

Test(listen_sockets, a_unix_socket_that_somebody_listens_on_is_left_alone,
     .init = make_dir, .fini = remove_dir)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct listen_request request = request_of(unix_text, 1);
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    struct listen_sockets *sockets;

    cr_assert_eq(bind(other, &request.address.any, request.address.len), 0);
    cr_assert_eq(listen(other, 200), 0);
    sockets = listen_sockets_open(&request, 1, &errors);
    cr_assert_not(listen_sockets_listen(sockets, &errors));
    cr_assert_not_null(strstr(errors.data, "another process listens"), "%s",
                       errors.data);
    listen_sockets_free(&sockets);
    cr_assert(connects(&request.address), "the other one still listens");
    close(other);
}

Test(listen_sockets, a_file_in_the_place_of_a_unix_socket_is_never_removed,
     .init = make_dir, .fini = remove_dir)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct listen_request request = request_of(unix_text, 1);
    FILE *file = fopen(unix_text + 5, "w");
    struct listen_sockets *sockets;

    fclose(file);
    sockets = listen_sockets_open(&request, 1, &errors);
    cr_assert_not(listen_sockets_listen(sockets, &errors));
    cr_assert_not_null(strstr(errors.data, "no socket"), "%s", errors.data);
    listen_sockets_free(&sockets);
    cr_assert_eq(access(unix_text + 5, F_OK), 0);
}

Test(listen_sockets, does_not_remove_the_socket_of_a_successor,
     .init = make_dir, .fini = remove_dir)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct listen_request request = request_of(unix_text, 1);
    struct listen_sockets *sockets = listen_sockets_open(&request, 1, &errors);
    int successor = socket(AF_UNIX, SOCK_STREAM, 0);
    char old[96];

    cr_assert(listen_sockets_listen(sockets, &errors));
    /* Kept elsewhere, so that its inode number is not given out again. */
    snprintf(old, sizeof old, "%s/old.sock", dir);
    cr_assert_eq(rename(unix_text + 5, old), 0);
    cr_assert_eq(bind(successor, &request.address.any, request.address.len), 0);
    listen_sockets_free(&sockets);
    cr_assert_eq(access(unix_text + 5, F_OK), 0);
    unlink(old);
    close(successor);
}

/* --- at a reload --- */

static struct listen_sockets *running_of(struct listen_request *requests,
                                         unsigned count)
{
    struct strbuf errors = STRBUF_INIT;
    struct listen_sockets *sockets =
        listen_sockets_open(requests, count, &errors);

    cr_assert_not_null(sockets, "%s", errors.data);
    cr_assert(listen_sockets_listen(sockets, &errors), "%s", errors.data);
    return sockets;
}

static int first_fd(const struct listen_sockets *sockets, unsigned index)
{
    unsigned count;

    return listen_sockets_fds(sockets, index, &count)[0];
}

Test(listen_sockets, a_reload_keeps_opens_and_closes)
{
    struct strbuf errors = STRBUF_INIT;
    struct listen_sockets *running;
    struct listen_sockets *next;
    struct listen_request before[2];
    struct listen_request after[2];
    char texts[3][32];
    int kept;

    for (unsigned i = 0; i < 3; i++)
        find_free(texts[i], sizeof texts[i]);
    before[0] = request_of(texts[0], 2);
    before[1] = request_of(texts[1], 1);
    after[0] = request_of(texts[2], 1);
    after[1] = request_of(texts[0], 2);
    running = running_of(before, 2);
    kept = first_fd(running, 0);
    next = listen_sockets_reopen(running, after, 2, &errors);
    cr_assert_not_null(next, "%s", errors.data);
    cr_assert(listen_sockets_listen(next, &errors), "%s", errors.data);
    cr_expect(listen_sockets_is_new(next, 0));
    cr_expect_not(listen_sockets_is_new(next, 1));
    cr_expect(connects(&before[1].address), "nothing is closed yet");
    listen_sockets_take_over(next, &running);
    cr_expect_null(running);
    cr_expect_eq(first_fd(next, 1), kept);
    cr_expect(connects(&after[0].address));
    cr_expect(connects(&after[1].address));
    cr_expect_not(connects(&before[1].address));
    listen_sockets_free(&next);
    cr_expect_not(connects(&after[1].address));
}

Test(listen_sockets, a_reload_that_is_given_up_leaves_all_as_it_was)
{
    struct strbuf errors = STRBUF_INIT;
    struct listen_sockets *running;
    struct listen_sockets *next;
    struct listen_request requests[2];
    char texts[2][32];

    for (unsigned i = 0; i < 2; i++) {
        find_free(texts[i], sizeof texts[i]);
        requests[i] = request_of(texts[i], 1);
    }
    running = running_of(requests, 1);
    next = listen_sockets_reopen(running, requests, 2, &errors);
    cr_assert_not_null(next, "%s", errors.data);
    cr_assert(listen_sockets_listen(next, &errors));
    listen_sockets_free(&next);
    cr_expect(connects(&requests[0].address));
    cr_expect_not(connects(&requests[1].address));
    listen_sockets_free(&running);
}

Test(listen_sockets, a_reload_names_at_once_an_address_that_is_in_use)
{
    struct strbuf errors = STRBUF_INIT;
    struct listen_sockets *running;
    struct listen_request requests[2];
    char texts[2][32];
    int fd = occupy(texts[1], sizeof texts[1]);

    find_free(texts[0], sizeof texts[0]);
    requests[0] = request_of(texts[0], 1);
    requests[1] = request_of(texts[1], 1);
    running = running_of(requests, 1);
    cr_expect_null(listen_sockets_reopen(running, requests, 2, &errors));
    cr_expect(strstr(errors.data, texts[1]) &&
                  strstr(errors.data, "Address already in use"),
              "%s", errors.data);
    cr_expect(connects(&requests[0].address));
    listen_sockets_free(&running);
    strbuf_done(&errors);
    close(fd);
}

/* A socket of the admin API never becomes one of the data plane. */
Test(listen_sockets, a_reload_does_not_turn_an_admin_socket_into_another)
{
    struct strbuf errors = STRBUF_INIT;
    struct listen_sockets *running;
    struct listen_sockets *next;
    struct listen_request before;
    struct listen_request after;
    char text[32];

    find_free(text, sizeof text);
    before = after = request_of(text, 1);
    before.is_admin = true;
    running = running_of(&before, 1);
    next = listen_sockets_reopen(running, &after, 1, &errors);
    cr_expect(!next || listen_sockets_is_new(next, 0), "%s", errors.data);
    listen_sockets_free(&next);
    listen_sockets_free(&running);
    strbuf_done(&errors);
}
