/* front.c - the front's main thread. */
#include "proxy/front.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/front_apps.h"
#include "proxy/front_private.h"
#include "proxy/front_replicas.h"
#include "proxy/keeper_ping.h"
#include "proxy/generation.h"
#include "proxy/log_writer.h"
#include "proxy/password_helper.h"
#include "proxy/questions.h"
#include "proxy/settings.h"
#include "proxy/worker.h"
#include "router/app.h"
#include "router/app_progress.h"
#include "router/base/alloc.h"
#include "router/base/list.h"
#include "router/base/log.h"
#include "router/base/loop.h"
#include "router/base/metrics.h"
#include "router/base/timers.h"
#include "router/channel.h"

/* --- the end --- */

static void stop(struct front *front)
{
    front_apps_unpark(front->apps);
    for (unsigned i = 0; i < front->worker_count; i++)
        worker_stop(front->workers[i]);
    loop_stop(front->loop);
}

static void on_worker_drained(void *arg)
{
    struct front *front = arg;

    if (++front->drained_count == front->worker_count)
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
    for (unsigned i = 0; i < front->worker_count; i++)
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
    for (unsigned i = 0; i < front->worker_count; i++)
        worker_drain(front->workers[i]);
    timer_start(front->timers, &front->drain_timer,
                timeout_ms ? timeout_ms : 1);
}

void front_fail(struct front *front, const char *why)
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
    front_apps_close(front->apps);
    drain(front,
          front->current ? front->current->settings->drain_timeout_ms : 0);
}

/* --- the beginning --- */

static void on_broken(void *arg, uint64_t replica, const char *text)
{
    struct front *front = arg;
    const struct channel_replica_broken message = {.replica = replica,
                                                   .text = sv_of(text)};

    channel_send_replica_broken(front->channel, &message, NULL, 0);
}

static void on_first_byte(void *arg, uint64_t replica, uint64_t at_us)
{
    struct front *front = arg;
    const struct channel_replica_first_byte message = {replica, at_us};

    channel_send_replica_first_byte(front->channel, &message, NULL, 0);
}

void front_begin(struct front *front, const struct proxy_settings *settings)
{
    front->worker_count = settings->worker_count;
    log_setup(STDERR_FILENO, settings->log_level, settings->log_json, "front");
    front->shared = (struct worker_shared){
        .worker_count = front->worker_count,
        .main_loop = front->loop,
        .events = {on_worker_drained, on_broken, front_on_switched,
                   front_on_generation_ended, front, on_first_byte},
        .metrics = front->metrics,
    };
    front->workers = xcalloc(front->worker_count, sizeof(struct worker *));
    for (unsigned i = 0; i < front->worker_count; i++)
        front->workers[i] = worker_new(&front->shared, i);
    front_apps_set_workers(front->apps, front->workers, front->worker_count);
    front_replicas_set_workers(front->replicas, front->workers,
                               front->worker_count);
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
    const struct proxy_settings *settings =
        front->current ? front->current->settings : NULL;

    if (message->server == UINT32_MAX)
        return on_admin_tls_update(front, message->settings);
    if (!settings || message->server >= settings->server_count ||
        settings->servers[message->server].tls.pair_count == 0)
        return false;
    for (unsigned i = 0; i < front->worker_count; i++) {
        struct wire_reader reader = wire_reader_of(message->settings);
        struct tls_settings fresh;

        if (!tls_settings_decode(&reader, &fresh))
            return false;
        worker_update_tls(front->workers[i], message->server, &fresh);
    }
    return true;
}

static void on_app_state(struct front *front,
                         const struct channel_app_state *message)
{
    struct front_app *app = front_apps_find(front->apps, message->app);

    if (!front_apps_knew(front->apps, message->app) ||
        message->state > APP_FAILED) {
        front_fail(front, "the state of an app that never was");
        return;
    }
    if (app)
        app_set_state(front_app_of(app), (enum app_state)message->state,
                      message->code, message->reason, message->retry_after_ms);
}

static void on_app_starts(struct front *front,
                          const struct channel_app_starts *message)
{
    struct front_app *app = front_apps_find(front->apps, message->app);

    if (!front_apps_knew(front->apps, message->app))
        front_fail(front, "starts of an app that never was");
    else if (app)
        app_set_starts(front_app_of(app), message->until_us);
}

static void on_app_progress(struct front *front,
                            const struct channel_app_progress *message)
{
    struct front_app *app = front_apps_find(front->apps, message->app);

    if (app)
        app_set_progress(front_app_of(app), message->phase,
                         message->layers_done, message->layers_known,
                         message->bytes);
}

/* Each decodes and handles; false: not whole, or of no type that there is. */
static bool handle_app(struct front *front, enum channel_type type,
                       struct strview payload)
{
    union {
        struct channel_app_state state;
        struct channel_app_starts starts;
        struct channel_app_progress progress;
        struct channel_pong pong;
        struct channel_drain end;
    } m;

    switch (type) {
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
    case CHANNEL_APP_PROGRESS:
        if (!channel_decode_app_progress(payload, &m.progress))
            return false;
        on_app_progress(front, &m.progress);
        return true;
    case CHANNEL_PONG:
        if (!channel_decode_pong(payload, &m.pong))
            return false;
        keeper_ping_on_pong(front->ping, m.pong.at_us);
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

static bool handle_replica(struct front *front, enum channel_type type,
                           struct strview payload, int *fds, unsigned fd_count)
{
    union {
        struct channel_replica_add add;
        struct channel_sockets sockets;
        struct channel_replica_drain drain;
        struct channel_app_shrink shrink;
        struct channel_app_proven proven;
        struct channel_replica_evict evict;
        struct channel_replica_resume resume;
        struct channel_replica_remove remove;
    } m;

    switch (type) {
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
    case CHANNEL_APP_PROVEN:
        return channel_decode_app_proven(payload, &m.proven) &&
               front_replicas_proven(front->replicas, m.proven.app);
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
    default:
        return handle_app(front, type, payload);
    }
}

static bool handle(struct front *front, enum channel_type type,
                   struct strview payload, int *fds, unsigned fd_count)
{
    union {
        struct channel_config config;
        struct channel_listener listener;
        struct channel_log_file log_file;
        struct channel_go go;
        struct channel_tls_update tls;
    } m;

    switch (type) {
    case CHANNEL_CONFIG:
        if (!channel_decode_config(payload, &m.config))
            return false;
        front_on_config(front, &m.config);
        return true;
    case CHANNEL_LISTENER:
        if (!channel_decode_listener(payload, &m.listener))
            return false;
        front_on_listener(front, m.listener.listener, fds, fd_count);
        return true;
    case CHANNEL_LOG_FILE:
        if (!channel_decode_log_file(payload, &m.log_file))
            return false;
        front_on_log_file(front, &m.log_file, fds, fd_count);
        return true;
    case CHANNEL_GO:
        if (!channel_decode_go(payload, &m.go))
            return false;
        front_on_go(front, m.go.generation);
        return true;
    case CHANNEL_TLS_UPDATE:
        return channel_decode_tls_update(payload, &m.tls) &&
               on_tls_update(front, &m.tls);
    default:
        return handle_replica(front, type, payload, fds, fd_count);
    }
}

static void on_message(void *arg, enum channel_type type,
                       struct strview payload, int *fds, unsigned fd_count)
{
    struct front *front = arg;

    if (!front->workers && type != CHANNEL_CONFIG && type != CHANNEL_DRAIN) {
        front_fail(front, "not the configuration first");
        return;
    }
    if (!handle(front, type, payload, fds, fd_count))
        front_fail(front, channel_type_name(type));
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

static void on_rest_is_run(struct loop_task *task)
{
    struct front *front = container_of(task, struct front, rest_task);

    loop_stop(front->loop);
}

/* What workers have posted last, generations that have ended among it. */
static void run_rest(struct front *front)
{
    front->rest_task.run = on_rest_is_run;
    loop_post(front->loop, &front->rest_task);
    loop_run(front->loop);
}

static void free_all(struct front *front)
{
    if (front->admin)
        front->admin_api->stop(front->admin);
    questions_free(&front->questions);
    password_helper_free(&front->password_helper); /* answers to workers */
    timer_stop(&front->drain_timer);
    channel_free(&front->channel);
    front_drop_next(front);
    front_apps_set_workers(front->apps, NULL, 0);
    for (unsigned i = 0; i < front->worker_count; i++)
        worker_free(&front->workers[i]);
    free(front->workers);
    front_replicas_free(&front->replicas);
    run_rest(front);
    assert(list_is_empty(&front->generations));
    keeper_ping_free(&front->ping);
    front_apps_free(&front->apps);
    log_writer_free(&front->log_writer);
    timers_free(&front->timers);
    loop_free(&front->loop);
    metrics_registry_free(&front->metrics);
    if (front->error_log_fd >= 0) {
        log_set_fd(STDERR_FILENO);
        close(front->error_log_fd);
    }
}

int front_main(int channel_fd, const struct front_admin *admin)
{
    struct front front = {
        .admin_api = admin, .error_log_fd = -1, .next_error_log_fd = -1};
    int exit_code;

    ignore_signals();
    front.loop = loop_new("front");
    front.timers = timers_new(front.loop);
    front.metrics = metrics_registry_new();
    front.apps =
        front_apps_new(front.loop, front.timers, &front.channel, front.metrics);
    front.ping = keeper_ping_new(front.timers, &front.channel, front.metrics);
    front.replicas = front_replicas_new(front.loop, front.timers,
                                        &front.channel, front.apps);
    front.drain_timer.on_expire = on_drain_timer;
    list_init(&front.generations);
    front.questions = questions_new(&front.channel);
    front.channel = channel_new(front.loop, channel_fd, on_message,
                                on_channel_closed, &front);
    loop_run(front.loop);
    exit_code = front.exit_code;
    /* Nobody told the workers to end. */
    if (exit_code != 0 && front.is_serving)
        _exit(exit_code);
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
    return front->current->settings;
}

struct metrics_registry *front_metrics(const struct front *front)
{
    return front->metrics;
}

struct app *front_app(const struct front *front, uint32_t index)
{
    return front->current->apps[index];
}

bool front_is_serving(const struct front *front)
{
    return front->is_serving && front->has_served;
}

struct questions *front_questions(struct front *front)
{
    return front->questions;
}
