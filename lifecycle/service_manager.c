/* service_manager.c - what systemd is told of this service. */
#include "lifecycle/service_manager.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/timers.h"

struct service_manager {
    int fd; /* -1: there is nobody to tell */
    struct sockaddr_un address;
    socklen_t address_len;
    struct timers *timers;
    struct timer watchdog;
    uint64_t watchdog_ms; /* how often; 0: it is not wanted */
};

/* A manager that does not read is no reason to wait: what it misses is a
 * status line, or the watchdog that it asked for itself. */
static void tell(struct service_manager *manager, const char *text)
{
    if (manager->fd >= 0)
        (void)!sendto(
            manager->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
            (struct sockaddr *)&manager->address, manager->address_len);
}

static void on_watchdog(struct timer *timer)
{
    struct service_manager *manager =
        container_of(timer, struct service_manager, watchdog);

    tell(manager, "WATCHDOG=1");
    timer_start(manager->timers, timer, manager->watchdog_ms);
}

/* "/path" or "@abstract". */
static void open_socket(struct service_manager *manager, const char *path)
{
    struct sockaddr_un *un = &manager->address;
    size_t len = path ? strlen(path) : 0;

    if (len < 2 || len >= sizeof un->sun_path ||
        (path[0] != '/' && path[0] != '@'))
        return;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len + 1);
    manager->address_len =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    if (path[0] == '@') {
        un->sun_path[0] = '\0';
        manager->address_len--; /* an abstract name has no end but its length */
    }
    manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static void read_watchdog(struct service_manager *manager)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");

    if (!usec || (pid && strtoll(pid, NULL, 10) != getpid()))
        return;
    manager->watchdog_ms = strtoull(usec, NULL, 10) / 2000;
    if (manager->watchdog_ms > 0 && manager->fd >= 0)
        timer_start(manager->timers, &manager->watchdog, manager->watchdog_ms);
}

struct service_manager *service_manager_new(struct timers *timers)
{
    struct service_manager *manager = xcalloc(1, sizeof *manager);

    manager->fd = -1;
    manager->timers = timers;
    manager->watchdog.on_expire = on_watchdog;
    open_socket(manager, getenv("NOTIFY_SOCKET"));
    read_watchdog(manager);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return manager;
}

void service_manager_free(struct service_manager **manager_ptr)
{
    struct service_manager *manager = *manager_ptr;

    if (!manager)
        return;
    timer_stop(&manager->watchdog);
    if (manager->fd >= 0)
        close(manager->fd);
    free(manager);
    *manager_ptr = NULL;
}

static void tell_with_status(struct service_manager *manager, const char *state,
                             const char *status)
{
    char text[512];

    snprintf(text, sizeof text, "%sSTATUS=%s", state, status);
    tell(manager, text);
}

void service_manager_ready(struct service_manager *manager, const char *status)
{
    tell_with_status(manager, "READY=1\n", status);
}

void service_manager_reloading(struct service_manager *manager)
{
    char text[96];

    /* Type=notify-reload wants to know which reload this one is. */
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)clock_now_us());
    tell(manager, text);
}

void service_manager_stopping(struct service_manager *manager,
                              const char *status)
{
    tell_with_status(manager, "STOPPING=1\n", status);
}

void service_manager_status(struct service_manager *manager, const char *status)
{
    tell_with_status(manager, "", status);
}
