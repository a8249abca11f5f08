/* service_manager.h - what systemd is told of this service: sd_notify(3).
 *
 * Without NOTIFY_SOCKET all of it does nothing. Of another manager that
 * speaks the same protocol (a supervisor, Podman's --sdnotify) the same is
 * true. Thread: keeper main.
 */
#ifndef LIFECYCLE_SERVICE_MANAGER_H
#define LIFECYCLE_SERVICE_MANAGER_H

#include "router/base/attr.h"

struct service_manager; /* opaque; defined in service_manager.c */
struct timers;

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and removes them from
 * the environment, so that no child speaks in our name. From then on the
 * watchdog is fed, twice in its time, for as long as the loop of `timers`
 * runs. */
MUST_USE struct service_manager *service_manager_new(struct timers *timers);
/* NULL is skipped. */
void service_manager_free(struct service_manager **manager);

/* Serving; also after a reload. status: a line for `systemctl status`. */
void service_manager_ready(struct service_manager *manager, const char *status);
/* A reload has begun; service_manager_ready() ends it. */
void service_manager_reloading(struct service_manager *manager);
void service_manager_stopping(struct service_manager *manager,
                              const char *status);
void service_manager_status(struct service_manager *manager,
                            const char *status);

#endif
