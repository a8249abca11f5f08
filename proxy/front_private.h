/* front_private.h - what the files of the front's main thread share: front.c
 * its life and the keeper's messages, front_reload.c one configuration after
 * another.
 */
#ifndef PROXY_FRONT_PRIVATE_H
#define PROXY_FRONT_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/front.h"
#include "proxy/worker.h"
#include "router/base/list.h"
#include "router/base/loop.h"
#include "router/base/timers.h"

struct channel;
struct channel_config;
struct channel_log_file;
struct front_apps;
struct front_replicas;
struct generation;
struct keeper_ping;
struct log_writer;
struct password_helper;

struct front {
    struct loop *loop;
    struct timers *timers;
    struct channel *channel; /* NULL: the keeper is gone */
    const struct front_admin *admin_api;
    void *admin;
    struct metrics_registry *metrics;
    struct front_apps *apps;
    struct keeper_ping *ping;
    struct front_replicas *replicas;
    struct log_writer *log_writer;           /* NULL: no access log yet */
    struct password_helper *password_helper; /* NULL: no route needed it yet */
    int error_log_fd;                        /* -1: stderr */
    struct worker_shared shared;
    struct worker **workers; /* NULL: no configuration came yet */
    unsigned worker_count;
    struct timer drain_timer;

    /* front_reload.c's: */
    struct list generations;       /* all that are not freed */
    struct generation *current;    /* NULL: none was used yet */
    struct generation *next;       /* prepared; NULL: none */
    struct worker_socket *sockets; /* of next, in the order that they came */
    uint32_t socket_count;
    int next_error_log_fd;   /* of next; -1: none came */
    unsigned switched_count; /* workers that serve by current */

    struct questions *questions;
    unsigned drained_count;
    bool is_serving; /* workers run, and are not to drain */
    bool has_served; /* all of them did */
    bool is_draining;
    bool is_aborted;
    struct loop_task rest_task;
    int exit_code;
};

/* --- front.c --- */
/* The keeper's messages make no sense: the end. */
void front_fail(struct front *front, const char *why);
/* What there is one of, once the first configuration says how many workers. */
void front_begin(struct front *front, const struct proxy_settings *settings);

/* --- front_reload.c --- */
void front_on_config(struct front *front, const struct channel_config *message);
void front_on_listener(struct front *front, uint32_t index, int *fds,
                       unsigned fd_count);
void front_on_log_file(struct front *front,
                       const struct channel_log_file *message, int *fds,
                       unsigned fd_count);
void front_on_go(struct front *front, uint64_t number);
/* worker_events */
void front_on_switched(void *front, uint64_t number);
void front_on_generation_ended(void *front, struct worker_generation *part);
/* Forget what was prepared, if anything was. */
void front_drop_next(struct front *front);

#endif
