/* keeper.c - the keeper's loop: signals, the front's life, the fleet's life.
 *
 * Starting: the lock, listening, the engine found and its lock, then a front.
 * Stopping: the front drains and ends, then (on_exit stop) the containers, then
 * the loop.
 */
#include "lifecycle/keeper_private.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lifecycle/engine.h"
#include "lifecycle/event_log.h"
#include "lifecycle/fleet.h"
#include "lifecycle/front_desk.h"
#include "lifecycle/front_supervisor.h"
#include "lifecycle/inherited_sockets.h"
#include "lifecycle/instance_lock.h"
#include "lifecycle/log_files.h"
#include "lifecycle/machine.h"
#include "lifecycle/podman.h"
#include "lifecycle/service_manager.h"
#include "lifecycle/state_dir.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"
#include "router/base/loop.h"
#include "router/base/metrics.h"
#include "router/base/process_metrics.h"
#include "router/base/timers.h"
#include "router/channel.h"

/* A fast stop: what the front may take to close its connections. */
#define FAST_STOP_MS 500

static const int signals[KEEPER_SIGNALS] = {SIGQUIT, SIGTERM, SIGINT,
                                            SIGHUP,  SIGUSR1, SIGUSR2};

const struct lifecycle_settings *keeper_lifecycle(const struct keeper *keeper)
{
    return keeper->settings->lifecycle;
}

/* --- stopping --- */

void keeper_end_loop(struct keeper *keeper)
{
    keeper->step = KEEPER_ENDS;
    loop_stop(keeper->loop);
}

void keeper_stop(struct keeper *keeper, uint64_t timeout_ms)
{
    switch (keeper->step) {
    case KEEPER_WAITS_FOR_ENGINE:
    case KEEPER_STOPS_CONTAINERS: /* asked twice: what is left stays */
        keeper_end_loop(keeper);
        break;
    case KEEPER_RUNS:
    case KEEPER_DRAINS:
        keeper->step = KEEPER_DRAINS;
        service_manager_stopping(keeper->manager,
                                 "finishing the requests in flight");
        fleet_freeze_starts(keeper->fleet);
        front_supervisor_drain(keeper->front, timeout_ms);
        break;
    case KEEPER_ENDS:
        break;
    }
}

static void stop_fast(struct keeper *keeper, int signal_number)
{
    log_notice("keeper", "asked to stop at once", "signal=%s",
               sigabbrev_np(signal_number));
    keeper_stop(keeper, FAST_STOP_MS);
}

/* The files were rotated: write to what stands at their paths now. */
static void reopen_logs(struct keeper *keeper)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;

    log_files_reopen(keeper->logs, &errors);
    if (errors.len > 0)
        log_error("keeper", "cannot open a log file anew; it goes on as it was",
                  "reason=\"%.*s\"", (int)errors.len - 1, errors.data);
    keeper_send_log_files(front_supervisor_channel(keeper->front),
                          keeper->generation, keeper->logs);
    log_notice("keeper", "log files opened anew", "count=%u",
               log_files_count(keeper->logs));
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct keeper *keeper = arg;

    (void)what;
    switch (number) {
    case SIGQUIT:
        if (keeper->step == KEEPER_DRAINS) {
            stop_fast(keeper, (int)number);
            break;
        }
        log_notice("keeper", "asked to drain and stop", "signal=QUIT");
        keeper_stop(keeper, keeper_lifecycle(keeper)->drain_timeout_ms);
        break;
    case SIGTERM:
    case SIGINT:
        stop_fast(keeper, (int)number);
        break;
    case SIGUSR1:
        if (keeper->front)
            reopen_logs(keeper);
        break;
    case SIGHUP:
        keeper_reload_by_signal(keeper);
        break;
    default:
        log_notice("keeper", "this version does nothing on that signal",
                   "signal=%s", sigabbrev_np((int)number));
        break;
    }
}

static void watch_signals(struct keeper *keeper)
{
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        keeper->signal_events[i] =
            event_new(loop_base(keeper->loop), signals[i],
                      EV_SIGNAL | EV_PERSIST, on_signal, keeper);
        if (!keeper->signal_events[i] ||
            event_add(keeper->signal_events[i], NULL) != 0)
            abort();
    }
}

/* --- starting --- */

static void fail(struct keeper *keeper, const char *why)
{
    log_error("keeper", "cannot start", "reason=\"%s\"", why);
    keeper->exit_code = 1;
    keeper_end_loop(keeper);
}

static void log_lines(const struct strbuf *lines)
{
    struct strview rest = strbuf_view(lines);
    struct strview line;

    while (rest.len > 0 && sv_split(&rest, '\n', &line)) {
        if (line.len > 0)
            log_error("keeper", "cannot start", "reason=\"%.*s\"",
                      SV_ARG(line));
    }
}

/* The namespace is ours, whatever state_dir another berth has: the lock is
 * where the containers are. Where that cannot be written (rootless Podman of
 * another user's making), the one in state_dir has to do. */
static bool lock_engine(struct keeper *keeper, struct err *err)
{
    const struct engine_capabilities *capabilities =
        engine_capabilities(keeper->engine);

    if (!capabilities->run_dir[0] || keeper->engine_lock_fd >= 0)
        return true;
    if (instance_lock_take(capabilities->run_dir,
                           keeper_lifecycle(keeper)->podman.namespace_name,
                           &keeper->engine_lock_fd, err))
        return true;
    if (err->code == ERR_EXISTS)
        return false;
    log_warn("keeper", "cannot lock the namespace in Podman's run root",
             "reason=\"%s\"", err->text);
    return true;
}

/* Everything is there: serve. */
static void begin(struct keeper *keeper)
{
    struct err err;

    if (keeper->engine && !lock_engine(keeper, &err)) {
        fail(keeper, err.text);
        return;
    }
    keeper->step = KEEPER_RUNS;
    metrics_set(keeper->cell, METRIC_CONFIG_LAST_RELOAD,
                clock_unix_ms() / 1000);
    if (!keeper_start_front(keeper, &err))
        fail(keeper, err.text);
}

static void on_poll_timer(struct timer *timer)
{
    struct keeper *keeper = container_of(timer, struct keeper, poll_timer);

    if (keeper->front && keeper->step == KEEPER_RUNS)
        keeper->settings->ops->poll(keeper->settings,
                                    front_supervisor_channel(keeper->front));
    timer_start(keeper->timers, timer, keeper->config->poll_ms);
}

/* After the Podman that was there went away, another one may answer (a service
 * of berth's own where another's had storage of its own): what it lists is not
 * what we run, and what it would start could not be adopted. */
static bool is_same_engine(struct keeper *keeper,
                           const struct engine_capabilities *capabilities)
{
    if (!keeper->engine_is_known)
        snprintf(keeper->run_dir, sizeof keeper->run_dir, "%s",
                 capabilities->run_dir);
    keeper->engine_is_known = true;
    if (strcmp(keeper->run_dir, capabilities->run_dir) == 0)
        return true;
    err_set(&keeper->engine_error, ERR_FAILED,
            "this is another Podman than at the start: its run root is %s, "
            "not %s; start the one that was there again, or restart berth",
            capabilities->run_dir, keeper->run_dir);
    log_error("keeper",
              "engine is back, but not the same; nothing can be started",
              "reason=\"%s\"", keeper->engine_error.text);
    return false;
}

/* A reload has started it; the fleet gets it when that is in force. */
static void on_late_engine(struct keeper *keeper)
{
    struct err err;

    if (lock_engine(keeper, &err)) {
        keeper_reload_on_engine(keeper, NULL);
        return;
    }
    keeper->engine_is_up = false;
    keeper->engine_error = err;
    keeper_reload_on_engine(keeper, &err);
}

static void on_engine_up(void *arg,
                         const struct engine_capabilities *capabilities)
{
    struct keeper *keeper = arg;

    if (!is_same_engine(keeper, capabilities)) {
        fleet_hold_starts(keeper->fleet);
        return;
    }
    keeper->engine_is_up = true;
    metrics_set(keeper->cell, METRIC_PODMAN_UP, 1);
    event_log_add(keeper->events,
                  &(struct event){.kind = EVENT_ENGINE,
                                  .to = "up",
                                  .reason = capabilities->version});
    log_notice("keeper", "engine is there",
               "name=%s version=%s rootless=%d sockets_inside=%d",
               capabilities->name, capabilities->version,
               capabilities->rootless, capabilities->sockets_inside);
    if (keeper->step == KEEPER_RUNS)
        keeper_tell_manager(keeper);
    if (keeper->step == KEEPER_WAITS_FOR_ENGINE)
        begin(keeper);
    if (keeper->step != KEEPER_RUNS)
        return;
    if (keeper->fleet_has_engine)
        fleet_on_engine_up(keeper->fleet);
    else
        on_late_engine(keeper);
}

static void on_engine_down(void *arg, const struct err *err)
{
    struct keeper *keeper = arg;

    keeper->engine_is_up = false;
    keeper->engine_error = *err;
    metrics_set(keeper->cell, METRIC_PODMAN_UP, 0);
    event_log_add(keeper->events, &(struct event){.kind = EVENT_ENGINE,
                                                  .to = "down",
                                                  .reason = err->text});
    if (keeper->step == KEEPER_WAITS_FOR_ENGINE) {
        fail(keeper, err->text);
        return;
    }
    log_error("keeper",
              "engine is away; what is ready goes on serving, nothing can be "
              "started",
              "reason=\"%s\"", err->text);
    fleet_on_engine_down(keeper->fleet, err->text);
    if (keeper->step == KEEPER_RUNS)
        keeper_tell_manager(keeper);
    if (!keeper->fleet_has_engine)
        keeper_reload_on_engine(keeper, err);
}

static void on_engine_died(void *arg, const char *id, int exit_code)
{
    struct keeper *keeper = arg;

    fleet_on_engine_died(keeper->fleet, id, exit_code);
}

static void on_sidecar(void *arg, const char *id, const char *sidecar,
                       const char *why)
{
    struct keeper *keeper = arg;

    fleet_on_sidecar(keeper->fleet, id, sidecar, why);
}

bool keeper_needs_engine(const struct lifecycle_settings *settings)
{
    for (uint32_t i = 0; i < settings->app_count; i++) {
        if (settings->apps[i].container.image)
            return true;
    }
    return false;
}

/* What can be known before anything runs; all that is wrong is said at once.
 */
static bool prepare(struct keeper *keeper)
{
    const struct lifecycle_settings *settings = keeper_lifecycle(keeper);
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct err err;

    if (!front_identity_find(settings->user, &keeper->identity, &err))
        strbuf_printf(&errors, "%s\n", err.text);
    if (!state_dir_prepare(settings->state_dir, &err))
        strbuf_printf(&errors, "%s\n", err.text);
    else if (!instance_lock_take(settings->state_dir,
                                 settings->podman.namespace_name,
                                 &keeper->lock_fd, &err))
        strbuf_printf(&errors, "%s\n", err.text);
    keeper->machine = machine_of(settings, &errors);
    keeper->logs = log_files_open(&settings->log_files, &errors);
    /* Another berth holds its ports: to complain of them too is noise. */
    if (keeper->lock_fd >= 0)
        keeper->sockets =
            listen_sockets_open(keeper->settings->listeners,
                                keeper->settings->listener_count, &errors);
    /* From here on, who connects waits in the kernel until there is a front:
     * after a crash nobody is refused while Podman is looked for. */
    if (errors.len == 0 && !listen_sockets_listen(keeper->sockets, &errors))
        listen_sockets_free(&keeper->sockets);
    log_lines(&errors);
    return errors.len == 0;
}

static void drop_inherited(void)
{
    AUTO(strbuf_done) struct strbuf lines = STRBUF_INIT;
    struct strview rest;
    struct strview line;

    inherited_sockets_close_rest(&lines);
    rest = strbuf_view(&lines);
    while (rest.len > 0 && sv_split(&rest, '\n', &line)) {
        if (line.len > 0)
            log_warn("keeper", "a socket that was passed is of no use",
                     "reason=\"%.*s\"", SV_ARG(line));
    }
}

void keeper_start_engine(struct keeper *keeper,
                         struct keeper_settings *settings)
{
    struct podman_options options = {
        .loop = keeper->loop,
        .timers = keeper->timers,
        .settings = &settings->lifecycle->podman,
        .state_dir = settings->lifecycle->state_dir,
        .cell = keeper->cell,
        .events = {.on_died = on_engine_died,
                   .on_sidecar = on_sidecar,
                   .on_down = on_engine_down,
                   .on_up = on_engine_up,
                   .arg = keeper},
    };

    keeper->engine_settings = keeper_settings_ref(settings);
    keeper->engine = podman_new(&options);
}

static void start_fleet(struct keeper *keeper)
{
    struct fleet_options options = {
        .loop = keeper->loop,
        .timers = keeper->timers,
        .settings = keeper->settings,
        .machine = keeper->machine,
        .engine = keeper->engine,
        .metrics = keeper->metrics,
        .events = keeper->events,
    };
    struct front_desk_options desk = {
        .loop = keeper->loop,
        .timers = keeper->timers,
        .events = keeper->events,
    };

    keeper->fleet = fleet_new(&options);
    desk.fleet = keeper->fleet;
    keeper->desk = front_desk_new(&desk);
    keeper->fleet_has_engine = keeper->engine != NULL;
}

static void free_logs(struct keeper *keeper)
{
    log_set_fd(STDERR_FILENO);
    log_files_free(&keeper->logs);
}

static void keeper_done(struct keeper *keeper)
{
    keeper_reload_free(&keeper->reload);
    front_supervisor_free(&keeper->front);
    front_desk_free(&keeper->desk);
    fleet_free(&keeper->fleet);
    engine_free(&keeper->engine);
    listen_sockets_free(&keeper->sockets);
    event_log_free(&keeper->events);
    metrics_registry_free(&keeper->metrics);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        if (keeper->signal_events[i])
            event_free(keeper->signal_events[i]);
    }
    timer_stop(&keeper->poll_timer);
    service_manager_free(&keeper->manager);
    timers_free(&keeper->timers);
    loop_free(&keeper->loop);
    auto_close(&keeper->engine_lock_fd);
    auto_close(&keeper->lock_fd);
    machine_free(&keeper->machine);
    free_logs(keeper);
    keeper_settings_unref(&keeper->engine_settings);
    keeper_settings_unref(&keeper->settings);
}

int keeper_run(const struct keeper_config *config)
{
    struct keeper keeper = {
        .config = config,
        .settings = keeper_settings_ref(config->settings),
        .step = KEEPER_WAITS_FOR_ENGINE,
        .lock_fd = -1,
        .engine_lock_fd = -1,
        .generation = 1,
        .on_exit = config->settings->lifecycle->on_exit,
        .started_unix_ms = clock_unix_ms(),
    };

    inherited_sockets_read(INHERITED_SOCKETS_FIRST);
    if (!prepare(&keeper)) {
        listen_sockets_free(&keeper.sockets);
        auto_close(&keeper.lock_fd);
        machine_free(&keeper.machine);
        free_logs(&keeper);
        keeper_settings_unref(&keeper.settings);
        return 1;
    }
    keeper.loop = loop_new("keeper");
    drop_inherited();
    keeper.timers = timers_new(keeper.loop);
    keeper.manager = service_manager_new(keeper.timers);
    keeper.poll_timer.on_expire = on_poll_timer;
    timer_start(keeper.timers, &keeper.poll_timer, config->poll_ms);
    keeper.metrics = metrics_registry_new();
    keeper.cell = metrics_cell_new(keeper.metrics, METRIC_SCOPE_PROCESS, "");
    keeper.events = event_log_new();
    watch_signals(&keeper);
    keeper.reload = keeper_reload_new(&keeper);
    if (keeper_needs_engine(keeper_lifecycle(&keeper)))
        keeper_start_engine(&keeper, keeper.settings);
    start_fleet(&keeper);
    if (!keeper.engine)
        begin(&keeper);
    loop_run(keeper.loop);
    log_notice("keeper", "stopped", "exit_code=%d", keeper.exit_code);
    keeper_done(&keeper);
    return keeper.exit_code;
}
