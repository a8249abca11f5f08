/* When and how many sockets are asked for. (Who gets them: app_test.c.) */
#include "router/socket_stash.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "router/app.h"
#include "router/app_sockets.h"

static struct socket_stash stash;
static unsigned resolved;

static void on_resolve(struct socket_waiter *waiter)
{
    cr_assert_not(waiter->is_waiting);
    resolved++;
}

static int new_fd(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void add(unsigned count)
{
    int fds[SOCKET_STASH_MAX + 8];

    for (unsigned i = 0; i < count; i++)
        fds[i] = new_fd();
    socket_stash_add(&stash, fds, count, 0, on_resolve);
}

Test(socket_stash, one_ask_at_a_time_brings_it_to_its_target)
{
    struct socket_waiter waiter = {0};
    int fd;

    socket_stash_init(&stash, CONNECT_INSIDE);
    cr_assert_eq(socket_stash_wanted(&stash), 0, "before any was taken");
    add(SOCKET_STASH_LOW + 2);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(socket_stash_wanted(&stash), 0);
        fd = socket_stash_take(&stash, &waiter);
        cr_assert_geq(fd, 0);
        close(fd);
    }
    cr_assert_eq(socket_stash_wanted(&stash), 0);
    close(socket_stash_take(&stash, &waiter));
    cr_assert_eq(socket_stash_ask(&stash),
                 SOCKET_STASH_TARGET - SOCKET_STASH_LOW + 1);
    close(socket_stash_take(&stash, &waiter));
    cr_assert_eq(socket_stash_wanted(&stash), 0, "one is under way");
    add(SOCKET_STASH_TARGET - SOCKET_STASH_LOW + 1);
    cr_assert_eq(stash.count, SOCKET_STASH_TARGET - 1);
    cr_assert_eq(socket_stash_wanted(&stash), 0);
}

Test(socket_stash, waiters_are_asked_for_beyond_the_target)
{
    struct socket_waiter waiters[5] = {0};

    socket_stash_init(&stash, CONNECT_INSIDE);
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(socket_stash_take(&stash, &waiters[i]), -1);
    cr_assert_eq(socket_stash_ask(&stash), SOCKET_STASH_TARGET + 5);
    /* Fewer came than were asked for: again. */
    add(3);
    cr_assert_eq(resolved, 3);
    cr_assert_eq(socket_stash_ask(&stash), SOCKET_STASH_TARGET + 2);
    socket_stash_add(&stash, NULL, 0, EMFILE, on_resolve);
    cr_assert_eq(resolved, 5);
    cr_assert_eq(waiters[4].errno_value, EMFILE);
    cr_assert_eq(socket_stash_wanted(&stash), 0, "a failure is not repeated");
}

Test(socket_stash, more_than_it_holds_is_closed)
{
    int fds[SOCKET_STASH_MAX];
    int last = -1;

    socket_stash_init(&stash, CONNECT_INSIDE);
    add(SOCKET_STASH_MAX);
    last = new_fd();
    socket_stash_add(&stash, &last, 1, 0, on_resolve);
    cr_assert_eq(stash.count, SOCKET_STASH_MAX);
    cr_assert_eq(fcntl(last, F_GETFD), -1);
    cr_assert_eq(socket_stash_empty(&stash, fds), SOCKET_STASH_MAX);
    cr_assert_eq(stash.count, 0);
}

Test(socket_stash, without_a_stash_one_is_asked_for_each_waiter)
{
    struct socket_waiter waiters[3] = {0};

    socket_stash_init(&stash, CONNECT_KEEPER);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(socket_stash_take(&stash, &waiters[i]), -1);
    socket_stash_leave(&stash, &waiters[1]);
    cr_assert_eq(socket_stash_ask(&stash), 2);
    cr_assert_eq(socket_stash_ask(&stash), 0);
    cr_assert_eq(socket_stash_take(&stash, &waiters[1]), -1);
    cr_assert_eq(socket_stash_ask(&stash), 1);
    socket_stash_add(&stash, NULL, 0, ECONNREFUSED, on_resolve);
    cr_assert_eq(resolved, 1);
    cr_assert_eq(waiters[0].errno_value, ECONNREFUSED);
    socket_stash_fail(&stash, ECONNRESET, on_resolve);
    cr_assert_eq(resolved, 3);
}
