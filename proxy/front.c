/* front.c - the front's main thread. */
#include "proxy/front.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/access_log.h"
#include "proxy/front_replicas.h"
#include "proxy/log_writer.h"
#include "proxy/password_helper.h"
#include "proxy/questions.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/worker.h"
#include "router/app.h"
#include "router/base/alloc.h"
#include "router/base/list.h"
#include "router/base/log.h"
#include "router/base/loop.h"
#include "router/base/metrics.h"
#include "router/base/timers.h"
#include "router/channel.h"

/* How often changed counts are told to the keeper. */
#define DEMAND_MS 250

struct demand {
    struct front *front;
    struct app *app;
    struct metrics_cell *cell;
    struct app_counts told;
    bool was_told;
};

struct front {
    struct loop *loop;
    struct timers *timers;
    struct channel *channel; /* NULL: the keeper is gone */
    const struct front_admin *admin_api;
    void *admin;
    struct proxy_settings *settings;
    struct metrics_registry *metrics;
    uint64_t started_us;
    uint64_t generation;
    struct app **apps;
    struct demand *demands;
    struct routes *routes;
    struct front_replicas *replicas;
    struct access_logs *access_logs;
    struct log_writer *log_writer;           /* NULL: there is no access log */
    struct password_helper *password_helper; /* NULL: no route needs it */
    int error_log_fd;                        /* -1: stderr */
    struct worker_shared shared;
    struct worker **workers;
    struct timer demand_timer;
    struct timer drain_timer;
    struct questions *questions;
    unsigned drained_count;
    bool is_serving;
    bool is_draining;
    bool is_aborted;
    int shared_fd; /* a listener that the workers share */
    int exit_code;
};

/* --- demand --- */

static bool has_changed(const struct demand *demand,
                        const struct app_counts *now)
{
    const struct app_counts *told = &demand->told;

    return !demand->was_told || now->queued != told->queued ||
           now->in_flight != told->in_flight || now->tunnels != told->tunnels ||
           now->arrivals != told->arrivals ||
           now->completions != told->completions ||
           now->unserved != told->unserved ||
           now->keep_until_us != told->keep_until_us;
}

static void tell_demand(struct demand *demand, bool always)
{
    struct front *front = demand->front;
    uint64_t now = loop_now_us(front->loop);
    struct app_counts counts;
    struct channel_demand message;
    uint64_t end_us;
    bool busy;

    app_count(demand->app, now, &counts);
    metrics_set(demand->cell, METRIC_QUEUE_DEPTH, counts.queued);
    metrics_set(demand->cell, METRIC_IN_FLIGHT, counts.in_flight);
    metrics_set(demand->cell, METRIC_TUNNELS, counts.tunnels);
    if (!always && !has_changed(demand, &counts))
        return;
    demand->told = counts;
    demand->was_told = true;
    busy = counts.queued > 0 || counts.in_flight > 0 || counts.tunnels > 0;
    end_us = counts.last_end_us ? counts.last_end_us : front->started_us;
    message = (struct channel_demand){
        .app = app_index(demand->app),
        .queued = counts.queued,
        .in_flight = counts.in_flight,
        .tunnels = counts.tunnels,
        .arrivals = counts.arrivals,
        .unserved = counts.unserved,
        /* A worker's clock may be read later than this turn's. */
        .idle_us = busy || end_us > now ? 0 : now - end_us,
        .at_us = now,
        .completions = counts.completions,
        .service_time_us = counts.service_time_us,
        .slot_time_us = counts.slot_time_us,
        .keep_until_us = counts.keep_until_us,
        .waited_us = counts.waited_us_max,
    };
    channel_send_demand(front->channel, &message, NULL, 0);
}

static void on_demand(struct app *app, void *arg)
{
    struct front *front = arg;

    tell_demand(&front->demands[app_index(app)], true);
}

static void on_demand_timer(struct timer *timer)
{
    struct front *front = container_of(timer, struct front, demand_timer);

    for (uint32_t i = 0; i < front->settings->app_count; i++)
        tell_demand(&front->demands[i], false);
    timer_start(front->timers, timer, DEMAND_MS);
}

/* --- the end --- */

static void stop(struct front *front)
{
    for (uint32_t i = 0; front->workers && i < front->settings->worker_count;
         i++)
        worker_stop(front->workers[i]);
    loop_stop(front->loop);
}

static void on_worker_drained(void *arg)
{
    struct front *front = arg;

    if (++front->drained_count == front->settings->worker_count)
        stop(front);
}

static void on_drain_timer(struct timer *timer)
{
    struct front *front = container_of(timer, struct front, drain_timer);

    if (front->is_aborted) {
        /* Not reached unless a worker hangs: nothing may outlive a drain. */
        log_error("front", "a worker does not end", "%s", "");
        _exit(1);
    }
    front->is_aborted = true;
    log_notice("front", "requests in flight are broken off", "%s", "");
    for (uint32_t i = 0; i < front->settings->worker_count; i++)
        worker_abort(front->workers[i]);
    timer_start(front->timers, timer, 2000);
}

static void drain(struct front *front, uint64_t timeout_ms)
{
    if (front->is_draining)
        return;
    front->is_draining = true;
    if (!front->is_serving) {
        loop_stop(front->loop);
        return;
    }
    front->is_serving = false;
    for (uint32_t i = 0; i < front->settings->worker_count; i++)
        worker_drain(front->workers[i]);
    timer_start(front->timers, &front->drain_timer,
                timeout_ms ? timeout_ms : 1);
}

static void fail(struct front *front, const char *why)
{
    log_error("front", "the keeper's message makes no sense", "why=\"%s\"",
              why);
    front->exit_code = 1;
    front->is_draining = true;
    loop_stop(front->loop);
}

static void on_channel_closed(void *arg, const char *why)
{
    struct front *front = arg;

    log_warn("front", "the keeper is gone", "why=\"%s\"", why);
    channel_free(&front->channel);
    questions_fail(front->questions, SV("the keeper is gone"));
    /* Nothing will start any more. */
    for (uint32_t i = 0; front->settings && i < front->settings->app_count; i++)
        app_close(front->apps[i]);
    drain(front, front->settings ? front->settings->drain_timeout_ms : 0);
}

/* --- the beginning --- */

static void on_broken(void *arg, uint64_t replica, const char *text)
{
    struct front *front = arg;
    const struct channel_replica_broken message = {.replica = replica,
                                                   .text = sv_of(text)};

    channel_send_replica_broken(front->channel, &message, NULL, 0);
}

static void make_apps(struct front *front)
{
    struct proxy_settings *settings = front->settings;

    front->apps = xcalloc(settings->app_count + 1, sizeof(struct app *));
    front->demands = xcalloc(settings->app_count + 1, sizeof *front->demands);
    for (uint32_t i = 0; i < settings->app_count; i++) {
        struct demand *demand = &front->demands[i];

        front->apps[i] = app_new(&settings->apps[i], i, settings->worker_count);
        app_set_demand_hook(front->apps[i], front->loop, on_demand, front);
        demand->front = front;
        demand->app = front->apps[i];
        demand->cell = metrics_cell_new(front->metrics, METRIC_SCOPE_APP,
                                        settings->apps[i].name);
    }
}

static void make_workers(struct front *front)
{
    struct proxy_settings *settings = front->settings;

    front->shared = (struct worker_shared){
        .worker_count = settings->worker_count,
        .main_loop = front->loop,
        .events = {on_worker_drained, on_broken, front},
        .settings = settings,
        .routes = front->routes,
        .apps = front->apps,
        .metrics = front->metrics,
        .access_logs = front->access_logs,
        .log_writer = front->log_writer,
        .password_helper = front->password_helper,
    };
    front->workers = xcalloc(settings->worker_count, sizeof(struct worker *));
    for (uint32_t i = 0; i < settings->worker_count; i++)
        front->workers[i] = worker_new(&front->shared, i);
}

/* The keeper has tried them; but this process may be held to another policy
 * (an OpenSSL configuration that only one of the two users can read). */
static bool certificates_are_good(const struct proxy_settings *settings,
                                  struct err *err)
{
    const struct tls_settings *admin = &settings->admin.tls;
    struct err warning;

    if (admin->pair_count > 0 && !tls_settings_check(admin, &warning, err))
        return false;
    for (uint32_t i = 0; i < settings->server_count; i++) {
        const struct tls_settings *tls = &settings->servers[i].tls;

        if (tls->pair_count > 0 && !tls_settings_check(tls, &warning, err))
            return false;
    }
    return true;
}

static void on_config(struct front *front, const struct channel_config *message)
{
    struct err err;

    if (front->settings) {
        fail(front, "a second configuration");
        return;
    }
    front->settings = proxy_settings_decode(message->settings);
    if (!front->settings) {
        fail(front, "a configuration that is not whole");
        return;
    }
    if (!certificates_are_good(front->settings, &err)) {
        fail(front, err.text);
        return;
    }
    front->generation = message->generation;
    log_setup(STDERR_FILENO, front->settings->log_level,
              front->settings->log_json, "front");
    make_apps(front);
    front->routes = routes_new(front->settings, front->apps);
    front->access_logs = access_logs_new(&front->settings->shared);
    if (front->settings->shared.access_log_count > 0)
        front->log_writer = log_writer_new(
            front->settings->shared.log_file_count, front->metrics);
    if (front->settings->shared.basic_file_count > 0)
        front->password_helper = password_helper_new();
    make_workers(front);
    front->replicas =
        front_replicas_new(front->loop, front->timers, &front->channel,
                           front->apps, front->settings->app_count);
    front_replicas_set_workers(front->replicas, front->workers,
                               front->settings->worker_count);
    if (front->admin_api)
        front->admin = front->admin_api->start(front);
}

static int take(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

/* One descriptor a worker, or one for all: then each gets its own copy. */
static void on_listener(struct front *front, uint32_t index, int *fds,
                        unsigned fd_count)
{
    uint32_t workers = front->settings->worker_count;

    if (index >= front->settings->listener_count || fd_count == 0 ||
        front->is_serving) {
        fail(front, "a listener that is not configured");
        return;
    }
    if (front->settings->listeners[index].is_admin) {
        for (unsigned i = 0; front->admin && i < fd_count; i++)
            front->admin_api->listen(front->admin, index, take(&fds[i]));
        return;
    }
    for (uint32_t i = 0; i < workers; i++) {
        int fd = i < fd_count ? take(&fds[i]) : -1;

        if (fd < 0)
            fd = dup(front->shared_fd);
        else
            front->shared_fd = fd;
        if (fd >= 0)
            worker_add_listener(front->workers[i], index, fd);
    }
}

/* Its number stays the same over a rotation: other threads write to it. */
static void move_error_log(struct front *front, int fd)
{
    if (front->error_log_fd >= 0) {
        dup3(fd, front->error_log_fd, O_CLOEXEC);
        return;
    }
    front->error_log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (front->error_log_fd >= 0)
        log_set_fd(front->error_log_fd);
}

static void on_log_file(struct front *front, uint32_t index, int *fds,
                        unsigned fd_count)
{
    const struct shared_settings *shared = &front->settings->shared;

    if (index >= shared->log_file_count) {
        fail(front, "a log file that is not configured");
        return;
    }
    if (fd_count == 0) {
        log_error("front", "no descriptor was left for a log file", "%s", "");
        return;
    }
    if (shared->error_log == index + 1)
        move_error_log(front, fds[0]);
    if (front->log_writer)
        log_writer_set_file(front->log_writer, index, take(&fds[0]));
}

static void on_go(struct front *front, uint64_t generation)
{
    const struct channel_ready message = {.generation = generation};

    if (front->is_serving || front->is_draining)
        return;
    front->is_serving = true;
    for (uint32_t i = 0; i < front->settings->worker_count; i++)
        worker_start(front->workers[i]);
    on_demand_timer(&front->demand_timer);
    log_notice("front", "serving", "workers=%u", front->settings->worker_count);
    channel_send_ready(front->channel, &message, NULL, 0);
}

/* --- messages --- */

static bool on_admin_tls_update(struct front *front, struct strview encoded)
{
    struct wire_reader reader = wire_reader_of(encoded);
    AUTO(tls_settings_done) struct tls_settings settings = {0};

    if (!tls_settings_decode(&reader, &settings) || settings.pair_count == 0)
        return false;
    if (front->admin)
        front->admin_api->update_tls(front->admin, &settings);
    return true;
}

/* Decoded once for each worker: they share nothing. */
static bool on_tls_update(struct front *front,
                          const struct channel_tls_update *message)
{
    uint32_t workers = front->settings->worker_count;

    if (message->server == UINT32_MAX)
        return on_admin_tls_update(front, message->settings);
    if (message->server >= front->settings->server_count ||
        front->settings->servers[message->server].tls.pair_count == 0)
        return false;
    for (uint32_t i = 0; i < workers; i++) {
        struct wire_reader reader = wire_reader_of(message->settings);
        struct tls_settings settings;

        if (!tls_settings_decode(&reader, &settings))
            return false;
        worker_update_tls(front->workers[i], message->server, &settings);
    }
    return true;
}

static void on_app_state(struct front *front,
                         const struct channel_app_state *message)
{
    if (message->app >= front->settings->app_count ||
        message->state > APP_FAILED) {
        fail(front, "the state of an app that is not configured");
        return;
    }
    app_set_state(front->apps[message->app], (enum app_state)message->state,
                  message->code, message->reason, message->retry_after_ms);
}

static void on_app_starts(struct front *front,
                          const struct channel_app_starts *message)
{
    if (message->app >= front->settings->app_count)
        fail(front, "starts of an app that is not configured");
    else
        app_set_starts(front->apps[message->app], message->until_us);
}

/* Decode and handle; false: not whole. */
static bool handle(struct front *front, enum channel_type type,
                   struct strview payload, int *fds, unsigned fd_count)
{
    union {
        struct channel_config config;
        struct channel_listener listener;
        struct channel_log_file log_file;
        struct channel_go go;
        struct channel_tls_update tls;
        struct channel_replica_add add;
        struct channel_sockets sockets;
        struct channel_replica_drain drain;
        struct channel_app_shrink shrink;
        struct channel_replica_evict evict;
        struct channel_replica_resume resume;
        struct channel_replica_remove remove;
        struct channel_app_state state;
        struct channel_app_starts starts;
        struct channel_drain end;
    } m;

    switch (type) {
    case CHANNEL_CONFIG:
        if (!channel_decode_config(payload, &m.config))
            return false;
        on_config(front, &m.config);
        return true;
    case CHANNEL_LISTENER:
        if (!channel_decode_listener(payload, &m.listener))
            return false;
        on_listener(front, m.listener.listener, fds, fd_count);
        return true;
    case CHANNEL_LOG_FILE:
        if (!channel_decode_log_file(payload, &m.log_file))
            return false;
        on_log_file(front, m.log_file.index, fds, fd_count);
        return true;
    case CHANNEL_GO:
        if (!channel_decode_go(payload, &m.go))
            return false;
        on_go(front, m.go.generation);
        return true;
    case CHANNEL_TLS_UPDATE:
        return channel_decode_tls_update(payload, &m.tls) &&
               on_tls_update(front, &m.tls);
    case CHANNEL_REPLICA_ADD:
        return channel_decode_replica_add(payload, &m.add) &&
               front_replicas_add(front->replicas, &m.add, fds, fd_count);
    case CHANNEL_SOCKETS:
        if (!channel_decode_sockets(payload, &m.sockets))
            return false;
        front_replicas_sockets(front->replicas, &m.sockets, fds, fd_count);
        return true;
    case CHANNEL_REPLICA_DRAIN:
        if (!channel_decode_replica_drain(payload, &m.drain))
            return false;
        front_replicas_drain(front->replicas, m.drain.replica);
        return true;
    case CHANNEL_APP_SHRINK:
        return channel_decode_app_shrink(payload, &m.shrink) &&
               front_replicas_shrink(front->replicas, &m.shrink);
    case CHANNEL_REPLICA_EVICT:
        if (!channel_decode_replica_evict(payload, &m.evict))
            return false;
        front_replicas_evict(front->replicas, m.evict.replica);
        return true;
    case CHANNEL_APP_SLEEP:
    case CHANNEL_REPLICA_SLEEP:
    case CHANNEL_REPLICA_AWAKE:
        return front_replicas_on_sleep(front->replicas, type, payload);
    case CHANNEL_REPLICA_RESUME:
        if (!channel_decode_replica_resume(payload, &m.resume))
            return false;
        front_replicas_resume(front->replicas, m.resume.replica);
        return true;
    case CHANNEL_REPLICA_REMOVE:
        if (!channel_decode_replica_remove(payload, &m.remove))
            return false;
        front_replicas_remove(front->replicas, m.remove.replica);
        return true;
    case CHANNEL_APP_STATE:
        if (!channel_decode_app_state(payload, &m.state))
            return false;
        on_app_state(front, &m.state);
        return true;
    case CHANNEL_APP_STARTS:
        if (!channel_decode_app_starts(payload, &m.starts))
            return false;
        on_app_starts(front, &m.starts);
        return true;
    case CHANNEL_REPLY:
    case CHANNEL_REPLY_PART:
        return questions_on_message(front->questions, type, payload);
    case CHANNEL_DRAIN:
        if (!channel_decode_drain(payload, &m.end))
            return false;
        drain(front, m.end.timeout_ms);
        return true;
    default:
        return false;
    }
}

static void on_message(void *arg, enum channel_type type,
                       struct strview payload, int *fds, unsigned fd_count)
{
    struct front *front = arg;

    if (!front->settings && type != CHANNEL_CONFIG && type != CHANNEL_DRAIN) {
        fail(front, "not the configuration first");
        return;
    }
    if (!handle(front, type, payload, fds, fd_count))
        fail(front, channel_type_name(type));
}

/* --- life --- */

static void ignore_signals(void)
{
    /* A terminal sends these to the whole group; they are the keeper's. */
    static const int ignored[] = {SIGPIPE, SIGINT,  SIGHUP,
                                  SIGQUIT, SIGUSR1, SIGUSR2};

    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        signal(ignored[i], SIG_IGN);
}

static void free_all(struct front *front)
{
    uint32_t workers = front->settings ? front->settings->worker_count : 0;
    uint32_t apps = front->settings ? front->settings->app_count : 0;

    if (front->admin)
        front->admin_api->stop(front->admin);
    questions_free(&front->questions);
    password_helper_free(&front->password_helper); /* answers to workers */
    for (uint32_t i = 0; i < workers; i++)
        worker_free(&front->workers[i]);
    free(front->workers);
    log_writer_free(&front->log_writer);
    access_logs_free(&front->access_logs);
    front_replicas_free(&front->replicas);
    timer_stop(&front->demand_timer);
    timer_stop(&front->drain_timer);
    channel_free(&front->channel);
    routes_free(&front->routes);
    for (uint32_t i = 0; i < apps; i++)
        app_free(&front->apps[i]);
    timers_free(&front->timers);
    loop_free(&front->loop);
    free(front->apps);
    free(front->demands);
    metrics_registry_free(&front->metrics);
    proxy_settings_free(&front->settings);
    if (front->error_log_fd >= 0) {
        log_set_fd(STDERR_FILENO);
        close(front->error_log_fd);
    }
}

int front_main(int channel_fd, const struct front_admin *admin)
{
    struct front front = {
        .admin_api = admin, .shared_fd = -1, .error_log_fd = -1};
    int exit_code;

    ignore_signals();
    front.loop = loop_new("front");
    front.timers = timers_new(front.loop);
    front.metrics = metrics_registry_new();
    front.started_us = loop_now_us(front.loop);
    front.demand_timer.on_expire = on_demand_timer;
    front.drain_timer.on_expire = on_drain_timer;
    front.questions = questions_new(&front.channel);
    front.channel = channel_new(front.loop, channel_fd, on_message,
                                on_channel_closed, &front);
    loop_run(front.loop);
    exit_code = front.exit_code;
    free_all(&front);
    return exit_code;
}

/* --- for the admin API --- */

struct loop *front_loop(const struct front *front)
{
    return front->loop;
}

const struct proxy_settings *front_settings(const struct front *front)
{
    return front->settings;
}

struct metrics_registry *front_metrics(const struct front *front)
{
    return front->metrics;
}

struct app *front_app(const struct front *front, uint32_t index)
{
    return front->apps[index];
}

bool front_is_serving(const struct front *front)
{
    return front->is_serving;
}

struct questions *front_questions(struct front *front)
{
    return front->questions;
}
