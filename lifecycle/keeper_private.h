/* keeper_private.h - what the files of the keeper share: keeper.c (its life,
 * signals, the engine), keeper_front.c (the front's life, what it asks) and
 * keeper_reload.c (another configuration). Nobody else includes it.
 */
#ifndef LIFECYCLE_KEEPER_PRIVATE_H
#define LIFECYCLE_KEEPER_PRIVATE_H

#include "lifecycle/front_process.h"
#include "lifecycle/keeper.h"
#include "router/base/err.h"
#include "router/base/timers.h"
#include "router/channel.h"

struct engine;
struct event;
struct event_log;
struct front_desk;
struct fleet;
struct front_supervisor;
struct keeper_reload; /* opaque; keeper_reload.c */
struct log_files;
struct machine;
struct service_manager;

enum keeper_step {
    KEEPER_WAITS_FOR_ENGINE, /* nothing is served yet */
    KEEPER_RUNS,
    KEEPER_DRAINS,           /* the front finishes */
    KEEPER_STOPS_CONTAINERS, /* on_exit stop */
    KEEPER_ENDS,
};

#define KEEPER_SIGNALS 6

struct keeper {
    const struct keeper_config *config;
    struct keeper_settings *settings; /* that are in force */
    /* What the engine was started with, none of which can change. */
    struct keeper_settings *engine_settings;
    enum keeper_step step;
    int exit_code;
    struct loop *loop;
    struct timers *timers;
    struct timer poll_timer;
    struct service_manager *manager;
    struct event *signal_events[KEEPER_SIGNALS];
    struct listen_sockets *sockets;
    struct log_files *logs;
    bool log_has_moved; /* from stderr to one of them */
    struct front_identity identity;
    int lock_fd;           /* in state_dir; -1: not taken */
    int engine_lock_fd;    /* in the engine's run directory; likewise */
    struct engine *engine; /* NULL: external apps only */
    bool engine_is_up;
    struct err engine_error; /* why it is down */
    bool engine_is_known;    /* it was up once: */
    char run_dir[256];       /* as it was then */
    struct front_supervisor *front;
    struct machine *machine;
    struct fleet *fleet;
    bool fleet_has_engine;
    struct event_log *events;
    struct front_desk *desk;
    struct metrics_registry *metrics;
    struct metrics_cell *cell;
    uint64_t generation; /* of the configuration that is in force */
    struct keeper_reload *reload;
    enum exit_policy on_exit;
    uint64_t started_unix_ms;
};

const struct lifecycle_settings *keeper_lifecycle(const struct keeper *keeper);

/* --- keeper.c --- */

/* May be called again to hurry up. */
void keeper_stop(struct keeper *keeper, uint64_t timeout_ms);
void keeper_end_loop(struct keeper *keeper);
bool keeper_needs_engine(const struct lifecycle_settings *settings);
/* Start what runs containers; keeper->engine is NULL. */
void keeper_start_engine(struct keeper *keeper,
                         struct keeper_settings *settings);

/* --- keeper_front.c --- */

MUST_USE bool keeper_start_front(struct keeper *keeper, struct err *err);
void keeper_reply(struct keeper *keeper, uint64_t id, bool ok,
                  struct strview body);
/* For `systemctl status`. */
void keeper_tell_manager(struct keeper *keeper);
/* LOG_FILE for each, of the configuration of that generation. */
void keeper_send_log_files(struct channel *channel, uint64_t generation,
                           const struct log_files *logs);
/* LISTENER for each; only_new: for those that a reload opened. */
void keeper_send_listeners(struct channel *channel,
                           const struct listen_sockets *sockets, bool only_new);

/* --- keeper_reload.c --- */

MUST_USE struct keeper_reload *keeper_reload_new(struct keeper *keeper);
/* NULL is skipped. */
void keeper_reload_free(struct keeper_reload **reload);

/* Apply the configuration as it is in its files now. While a reload is under
 * way, those who ask share the one that follows it. */
void keeper_reload_by_signal(struct keeper *keeper);
/* Answers the action (keeper_reply()) when all is in force, or refused. */
void keeper_reload_by_action(struct keeper *keeper, uint64_t id);

void keeper_reload_on_prepared(struct keeper *keeper,
                               const struct channel_prepared *message);
/* The front has this generation in force. true: that ends a reload; false: it
 * has started. */
MUST_USE bool keeper_reload_on_ready(struct keeper *keeper,
                                     uint64_t generation);
void keeper_reload_on_front_down(struct keeper *keeper);
/* The engine is there, or (err) it cannot be had. */
void keeper_reload_on_engine(struct keeper *keeper, const struct err *err);
#endif
