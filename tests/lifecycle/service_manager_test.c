/* service_manager_test.c */
#include "lifecycle/service_manager.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "router/base/loop.h"
#include "router/base/timers.h"

/* A manager that listens as systemd does. */
struct listener {
    int fd;
    char name[64];
};

static void listen_as(struct listener *listener, bool is_abstract)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t len;

    snprintf(listener->name, sizeof listener->name,
             is_abstract ? "@berth-test-%d" : "/tmp/berth-notify-%d", getpid());
    memcpy(un.sun_path, listener->name, strlen(listener->name) + 1);
    len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                      strlen(listener->name) + 1);
    if (is_abstract) {
        un.sun_path[0] = '\0';
        len--;
    }
    listener->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener->fd, (struct sockaddr *)&un, len), 0);
    setenv("NOTIFY_SOCKET", listener->name, 1);
}

static const char *heard(struct listener *listener)
{
    static char text[1024];
    ssize_t n = recv(listener->fd, text, sizeof text - 1, MSG_DONTWAIT);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void done(struct listener *listener)
{
    close(listener->fd);
    if (listener->name[0] == '/')
        unlink(listener->name);
}

Test(service_manager, tells_a_manager_at_a_path_and_at_an_abstract_name)
{
    for (int is_abstract = 0; is_abstract <= 1; is_abstract++) {
        struct listener listener;
        struct loop *loop = loop_new("test");
        struct timers *timers = timers_new(loop);
        struct service_manager *manager;

        listen_as(&listener, is_abstract);
        manager = service_manager_new(timers);
        cr_assert_null(getenv("NOTIFY_SOCKET"), "a child would take it");
        service_manager_ready(manager, "serving 3 apps");
        cr_assert_str_eq(heard(&listener), "READY=1\nSTATUS=serving 3 apps");
        service_manager_reloading(manager);
        cr_assert_eq(strncmp(heard(&listener), "RELOADING=1\nMONOTONIC_USEC=",
                             strlen("RELOADING=1\nMONOTONIC_USEC=")),
                     0);
        service_manager_stopping(manager, "draining");
        cr_assert_str_eq(heard(&listener), "STOPPING=1\nSTATUS=draining");
        service_manager_status(manager, "stopping the containers");
        cr_assert_str_eq(heard(&listener), "STATUS=stopping the containers");
        service_manager_free(&manager);
        timers_free(&timers);
        loop_free(&loop);
        done(&listener);
    }
}

struct stopper {
    struct timer timer;
    struct loop *loop;
};

static void on_stop(struct timer *timer)
{
    loop_stop(container_of(timer, struct stopper, timer)->loop);
}

Test(service_manager, feeds_the_watchdog_while_the_loop_runs)
{
    struct listener listener;
    struct loop *loop = loop_new("test");
    struct timers *timers = timers_new(loop);
    struct stopper stopper = {.timer = {.on_expire = on_stop}, .loop = loop};
    struct service_manager *manager;
    int count = 0;

    listen_as(&listener, true);
    setenv("WATCHDOG_USEC", "40000", 1);
    manager = service_manager_new(timers);
    cr_assert_null(getenv("WATCHDOG_USEC"));
    timer_start(timers, &stopper.timer, 200);
    loop_run(loop);
    while (strcmp(heard(&listener), "WATCHDOG=1") == 0)
        count++;
    cr_assert_geq(count, 2, "fed %d times in ten halves of its time", count);
    service_manager_free(&manager);
    timers_free(&timers);
    loop_free(&loop);
    done(&listener);
}

Test(service_manager, leaves_another_process_s_watchdog_alone)
{
    struct listener listener;
    struct loop *loop = loop_new("test");
    struct timers *timers = timers_new(loop);
    struct stopper stopper = {.timer = {.on_expire = on_stop}, .loop = loop};
    struct service_manager *manager;

    listen_as(&listener, true);
    setenv("WATCHDOG_USEC", "20000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    manager = service_manager_new(timers);
    timer_start(timers, &stopper.timer, 100);
    loop_run(loop);
    cr_assert_str_eq(heard(&listener), "");
    service_manager_free(&manager);
    timers_free(&timers);
    loop_free(&loop);
    done(&listener);
}

/* The lowest number that is free. */
static int next_descriptor(void)
{
    int fd = dup(STDIN_FILENO);

    close(fd);
    return fd;
}

Test(service_manager, is_silent_without_a_manager)
{
    static const char *const names[] = {NULL, "", "relative", "@", "/"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct loop *loop = loop_new("test");
        struct timers *timers = timers_new(loop);
        struct service_manager *manager;
        int free_before = next_descriptor();

        if (names[i])
            setenv("NOTIFY_SOCKET", names[i], 1);
        manager = service_manager_new(timers);
        cr_assert_eq(next_descriptor(), free_before, "%s: a socket was opened",
                     names[i] ? names[i] : "none");
        cr_assert_null(getenv("NOTIFY_SOCKET"));
        service_manager_ready(manager, "nobody hears it");
        service_manager_free(&manager);
        timers_free(&timers);
        loop_free(&loop);
    }
}
