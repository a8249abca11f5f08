/* keeper.c - the keeper's loop: signals, the front's life, the fleet's life.
 *
 * Starting: the lock, listening, the engine found and its lock, then a front.
 * Stopping: the front drains and ends, then (on_exit stop) the containers, then
 * the loop.
 */
#include "lifecycle/keeper.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <event2/event.h>
#include <fcntl.h>
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

static const int signals[] = {SIGQUIT, SIGTERM, SIGINT,
                              SIGHUP,  SIGUSR1, SIGUSR2};

enum keeper_step {
    KEEPER_WAITS_FOR_ENGINE, /* nothing is served yet */
    KEEPER_RUNS,
    KEEPER_DRAINS,           /* the front finishes */
    KEEPER_STOPS_CONTAINERS, /* on_exit stop */
    KEEPER_ENDS,
};

struct keeper {
    const struct keeper_config *config;
    enum keeper_step step;
    int exit_code;
    struct loop *loop;
    struct timers *timers;
    struct timer poll_timer;
    struct service_manager *manager;
    struct event *signal_events[ARRAY_LEN(signals)];
    struct listen_sockets *sockets;
    struct log_files *logs;
    bool log_has_moved; /* from stderr to one of them */
    struct front_identity identity;
    int lock_fd;           /* in state_dir; -1: not taken */
    int engine_lock_fd;    /* in the engine's run directory; likewise */
    struct engine *engine; /* NULL: external apps only */
    bool engine_is_up;
    struct err engine_error; /* why it is down */
    char run_dir[256];       /* the engine's, as it was at the start */
    struct front_supervisor *front;
    struct machine *machine;
    struct fleet *fleet;
    struct event_log *events;
    struct front_desk *desk;
    struct metrics_registry *metrics;
    struct metrics_cell *cell;
    uint64_t generation; /* of the configuration */
    enum exit_policy on_exit;
    uint64_t started_unix_ms;
};

static const struct lifecycle_settings *settings_of(const struct keeper *keeper)
{
    return keeper->config->settings;
}

/* --- stopping --- */

static void end_loop(struct keeper *keeper)
{
    keeper->step = KEEPER_ENDS;
    loop_stop(keeper->loop);
}

static void on_containers_stopped(void *arg)
{
    end_loop(arg);
}

static void on_front_finished(void *arg)
{
    struct keeper *keeper = arg;

    fleet_on_front_down(keeper->fleet);
    front_desk_set_channel(keeper->desk, NULL);
    if (keeper->on_exit == EXIT_KEEP) {
        end_loop(keeper);
        return;
    }
    keeper->step = KEEPER_STOPS_CONTAINERS;
    service_manager_status(keeper->manager, "stopping the containers");
    log_notice("keeper", "stopping the containers", "%s", "");
    fleet_stop(keeper->fleet, on_containers_stopped, keeper);
}

/* May be called again to hurry up. */
static void stop(struct keeper *keeper, uint64_t timeout_ms)
{
    switch (keeper->step) {
    case KEEPER_WAITS_FOR_ENGINE:
    case KEEPER_STOPS_CONTAINERS: /* asked twice: what is left stays */
        end_loop(keeper);
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
    stop(keeper, FAST_STOP_MS);
}

static void send_log_files(struct keeper *keeper, struct channel *channel)
{
    for (unsigned i = 0; i < log_files_count(keeper->logs); i++) {
        struct channel_log_file message = {.index = i};
        int fd = fcntl(log_files_fd(keeper->logs, i), F_DUPFD_CLOEXEC, 0);

        channel_send_log_file(channel, &message, &fd, fd >= 0);
    }
}

/* The files were rotated: write to what stands at their paths now. */
static void reopen_logs(struct keeper *keeper)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;

    log_files_reopen(keeper->logs, &errors);
    if (errors.len > 0)
        log_error("keeper", "cannot open a log file anew; it goes on as it was",
                  "reason=\"%.*s\"", (int)errors.len - 1, errors.data);
    send_log_files(keeper, front_supervisor_channel(keeper->front));
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
        stop(keeper, settings_of(keeper)->drain_timeout_ms);
        break;
    case SIGTERM:
    case SIGINT:
        stop_fast(keeper, (int)number);
        break;
    case SIGUSR1:
        if (keeper->front)
            reopen_logs(keeper);
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

/* --- what the front asks --- */

static void write_status(const struct keeper *keeper, struct strbuf *ret_text)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *front = cJSON_AddObjectToObject(json, "front");
    cJSON *engine;
    char *text;

    cJSON_AddNumberToObject(json, "pid", getpid());
    cJSON_AddStringToObject(json, "namespace",
                            settings_of(keeper)->podman.namespace_name);
    cJSON_AddNumberToObject(json, "started_unix_ms",
                            (double)keeper->started_unix_ms);
    cJSON_AddNumberToObject(front, "pid", front_supervisor_pid(keeper->front));
    cJSON_AddNumberToObject(front, "restarts",
                            (double)front_supervisor_restarts(keeper->front));
    if (keeper->engine) {
        const struct engine_capabilities *capabilities =
            engine_capabilities(keeper->engine);

        engine = cJSON_AddObjectToObject(json, "engine");
        cJSON_AddStringToObject(engine, "name", capabilities->name);
        cJSON_AddStringToObject(engine, "version", capabilities->version);
        cJSON_AddBoolToObject(engine, "up", keeper->engine_is_up);
        cJSON_AddStringToObject(engine, "freezer",
                                capabilities->freezes_by_cgroup ? "cgroup"
                                                                : "pause");
        cJSON_AddStringToObject(engine, "freezer_note",
                                capabilities->freeze_text);
        cJSON_AddBoolToObject(engine, "can_hibernate",
                              capabilities->can_hibernate);
        cJSON_AddStringToObject(engine, "hibernation_note",
                                capabilities->hibernate_text);
        if (keeper->engine_is_up)
            cJSON_AddNullToObject(engine, "error");
        else
            cJSON_AddStringToObject(engine, "error", keeper->engine_error.text);
    } else {
        cJSON_AddNullToObject(json, "engine");
    }
    cJSON_AddItemToObject(json, "resources",
                          fleet_status_resources(keeper->fleet));
    cJSON_AddItemToObject(json, "apps", fleet_status_apps(keeper->fleet));
    text = cJSON_PrintUnformatted(json);
    if (text)
        strbuf_add_str(ret_text, text);
    cJSON_free(text);
    cJSON_Delete(json);
}

static void reply(struct keeper *keeper, uint64_t id, bool ok,
                  struct strview body)
{
    struct channel_reply message = {.id = id, .ok = ok, .body = body};

    channel_send_reply(front_supervisor_channel(keeper->front), &message, NULL,
                       0);
}

static bool on_query(struct keeper *keeper, struct strview payload)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct channel_query query;

    if (!channel_decode_query(payload, &query))
        return false;
    if (sv_eq(query.what, SV("status"))) {
        write_status(keeper, &text);
    } else if (sv_eq(query.what, SV("metrics"))) {
        metrics_expose(keeper->metrics, &text);
        fleet_expose_resources(keeper->fleet, &text);
        process_metrics_expose(&text, "keeper");
    } else {
        front_desk_query(keeper->desk, &query);
        return true;
    }
    reply(keeper, query.id, true, strbuf_view(&text));
    return true;
}

static bool on_action(struct keeper *keeper, struct strview payload)
{
    struct channel_action action;

    if (!channel_decode_action(payload, &action))
        return false;
    if (!sv_eq(action.what, SV("stop"))) {
        front_desk_action(keeper->desk, &action);
        return true;
    }
    if (sv_eq(action.argument, SV("keep")))
        keeper->on_exit = EXIT_KEEP;
    else if (sv_eq(action.argument, SV("stop")))
        keeper->on_exit = EXIT_STOP;
    log_notice("keeper", "asked to drain and stop", "by=admin");
    reply(keeper, action.id, true, SV("stopping"));
    stop(keeper, settings_of(keeper)->drain_timeout_ms);
    return true;
}

static bool on_ping(struct keeper *keeper, struct strview payload)
{
    struct channel_ping ping;
    struct channel_pong pong;

    if (!channel_decode_ping(payload, &ping))
        return false;
    pong = (struct channel_pong){ping.at_us};
    channel_send_pong(front_supervisor_channel(keeper->front), &pong, NULL, 0);
    return true;
}

static void on_front_message(void *arg, enum channel_type type,
                             struct strview payload, int *fds,
                             unsigned fd_count)
{
    struct keeper *keeper = arg;
    bool ok;

    (void)fds;
    (void)fd_count; /* the front passes none; channel closes what it did */
    if (type == CHANNEL_PING)
        ok = on_ping(keeper, payload);
    else if (type == CHANNEL_QUERY)
        ok = on_query(keeper, payload);
    else if (type == CHANNEL_ACTION)
        ok = on_action(keeper, payload);
    else if (type == CHANNEL_CREDIT || type == CHANNEL_FORGET)
        ok = front_desk_on_message(keeper->desk, type, payload);
    else if (type == CHANNEL_PREPARED)
        ok = true; /* at the start: READY says it again */
    else
        ok = fleet_on_message(keeper->fleet, type, payload);
    if (!ok)
        log_error("keeper", "the front sent what makes no sense", "type=%s",
                  channel_type_name(type));
}

/* --- the front's life --- */

static void send_listeners(struct keeper *keeper, struct channel *channel)
{
    unsigned count = listen_sockets_count(keeper->sockets);

    for (unsigned i = 0; i < count; i++) {
        struct channel_listener message = {.listener = i};
        unsigned fd_count;
        const int *fds = listen_sockets_fds(keeper->sockets, i, &fd_count);

        /* In parts: a message carries so many descriptors at most. */
        for (unsigned j = 0; j < fd_count; j += CHANNEL_DESCRIPTORS_MAX) {
            int copies[CHANNEL_DESCRIPTORS_MAX];
            unsigned n = 0;

            for (; n < CHANNEL_DESCRIPTORS_MAX && j + n < fd_count; n++) {
                copies[n] = fcntl(fds[j + n], F_DUPFD_CLOEXEC, 0);
                if (copies[n] < 0)
                    break;
            }
            channel_send_listener(channel, &message, copies, n);
        }
    }
}

static void on_front_start(void *arg, struct channel *channel)
{
    struct keeper *keeper = arg;
    struct channel_config config = {
        keeper->generation,
        keeper->config->front_settings(keeper->config->arg)};
    struct channel_go go = {keeper->generation};

    channel_send_config(channel, &config, NULL, 0);
    send_log_files(keeper, channel);
    send_listeners(keeper, channel);
    fleet_on_front_up(keeper->fleet, channel);
    front_desk_set_channel(keeper->desk, channel);
    channel_send_go(channel, &go, NULL, 0);
}

/* Until it serves, whoever started it looks at stderr. */
static void move_log(struct keeper *keeper)
{
    uint32_t number = settings_of(keeper)->error_log;

    if (number == 0 || keeper->log_has_moved)
        return;
    keeper->log_has_moved = true;
    log_notice("keeper", "the log goes on in a file", "path=\"%s\"",
               settings_of(keeper)->log_files.items[number - 1]);
    log_set_fd(log_files_fd(keeper->logs, number - 1));
}

static void on_poll_timer(struct timer *timer)
{
    struct keeper *keeper = container_of(timer, struct keeper, poll_timer);
    const struct keeper_config *config = keeper->config;

    if (keeper->front && keeper->step == KEEPER_RUNS)
        config->on_poll(config->arg, front_supervisor_channel(keeper->front));
    timer_start(keeper->timers, timer, config->poll_ms);
}

/* For `systemctl status`: what is served, and what is the matter if anything
 * is. */
static void tell_manager(struct keeper *keeper)
{
    char status[256];

    snprintf(status, sizeof status, "serving %u apps on %u addresses%s",
             settings_of(keeper)->app_count,
             listen_sockets_count(keeper->sockets),
             keeper->engine && !keeper->engine_is_up
                 ? "; the engine is away: nothing can be started"
                 : "");
    service_manager_ready(keeper->manager, status);
}

static void on_front_ready(void *arg)
{
    struct keeper *keeper = arg;

    tell_manager(keeper);
    event_log_add(keeper->events,
                  &(struct event){.kind = EVENT_FRONT, .to = "ready"});
    move_log(keeper);
    log_notice("keeper", "serving", "front_pid=%d listeners=%u apps=%u",
               (int)front_supervisor_pid(keeper->front),
               listen_sockets_count(keeper->sockets),
               settings_of(keeper)->app_count);
}

static void on_front_down(void *arg)
{
    struct keeper *keeper = arg;

    metrics_add(keeper->cell, METRIC_FRONT_RESTARTS, 1);
    event_log_add(keeper->events,
                  &(struct event){.kind = EVENT_FRONT,
                                  .to = "ended",
                                  .reason = "another one is started"});
    fleet_on_front_down(keeper->fleet);
    front_desk_set_channel(keeper->desk, NULL);
}

static bool start_front(struct keeper *keeper, struct err *err)
{
    struct front_supervisor_options options = {
        .loop = keeper->loop,
        .timers = keeper->timers,
        .argv = keeper->config->front_argv,
        .identity = keeper->identity,
        .on_start = on_front_start,
        .on_ready = on_front_ready,
        .on_message = on_front_message,
        .on_down = on_front_down,
        .on_finished = on_front_finished,
        .arg = keeper,
    };

    keeper->front = front_supervisor_new(&options, err);
    return keeper->front != NULL;
}

/* --- starting --- */

static void fail(struct keeper *keeper, const char *why)
{
    log_error("keeper", "cannot start", "reason=\"%s\"", why);
    keeper->exit_code = 1;
    end_loop(keeper);
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
                           settings_of(keeper)->podman.namespace_name,
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
    if (!start_front(keeper, &err))
        fail(keeper, err.text);
}

/* After the Podman that was there went away, another one may answer (a service
 * of berth's own where another's had storage of its own): what it lists is not
 * what we run, and what it would start could not be adopted. */
static bool is_same_engine(struct keeper *keeper,
                           const struct engine_capabilities *capabilities)
{
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

static void on_engine_up(void *arg,
                         const struct engine_capabilities *capabilities)
{
    struct keeper *keeper = arg;

    if (keeper->step == KEEPER_WAITS_FOR_ENGINE)
        snprintf(keeper->run_dir, sizeof keeper->run_dir, "%s",
                 capabilities->run_dir);
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
        tell_manager(keeper);
    if (keeper->step == KEEPER_WAITS_FOR_ENGINE)
        begin(keeper);
    if (keeper->step == KEEPER_RUNS)
        fleet_on_engine_up(keeper->fleet);
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
    if (keeper->step == KEEPER_RUNS)
        tell_manager(keeper);
}

static void on_engine_died(void *arg, const char *id, int exit_code)
{
    struct keeper *keeper = arg;

    fleet_on_engine_died(keeper->fleet, id, exit_code);
}

static bool needs_engine(const struct lifecycle_settings *settings)
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
    const struct lifecycle_settings *settings = settings_of(keeper);
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
        keeper->sockets = listen_sockets_open(
            keeper->config->listeners, keeper->config->listener_count, &errors);
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

static void start_engine(struct keeper *keeper)
{
    struct podman_options options = {
        .loop = keeper->loop,
        .timers = keeper->timers,
        .settings = &settings_of(keeper)->podman,
        .state_dir = settings_of(keeper)->state_dir,
        .cell = keeper->cell,
        .events = {.on_died = on_engine_died,
                   .on_down = on_engine_down,
                   .on_up = on_engine_up,
                   .arg = keeper},
    };

    if (needs_engine(settings_of(keeper)))
        keeper->engine = podman_new(&options);
}

static void start_fleet(struct keeper *keeper)
{
    struct fleet_options options = {
        .loop = keeper->loop,
        .timers = keeper->timers,
        .settings = settings_of(keeper),
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
}

static void free_logs(struct keeper *keeper)
{
    log_set_fd(STDERR_FILENO);
    log_files_free(&keeper->logs);
}

static void keeper_done(struct keeper *keeper)
{
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
}

int keeper_run(const struct keeper_config *config)
{
    struct keeper keeper = {
        .config = config,
        .step = KEEPER_WAITS_FOR_ENGINE,
        .lock_fd = -1,
        .engine_lock_fd = -1,
        .generation = 1,
        .on_exit = config->settings->on_exit,
        .started_unix_ms = clock_unix_ms(),
    };

    inherited_sockets_read(INHERITED_SOCKETS_FIRST);
    if (!prepare(&keeper)) {
        listen_sockets_free(&keeper.sockets);
        auto_close(&keeper.lock_fd);
        machine_free(&keeper.machine);
        free_logs(&keeper);
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
    start_engine(&keeper);
    start_fleet(&keeper);
    if (!keeper.engine)
        begin(&keeper);
    loop_run(keeper.loop);
    log_notice("keeper", "stopped", "exit_code=%d", keeper.exit_code);
    keeper_done(&keeper);
    return keeper.exit_code;
}
