/* front_replicas.c - the replicas that the keeper told the front of. */
#include "proxy/front_replicas.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/front_apps.h"
#include "proxy/live_check.h"
#include "proxy/probe.h"
#include "proxy/replica_sleep.h"
#include "proxy/worker.h"
#include "router/app.h"
#include "router/app_replicas.h"
#include "router/app_sockets.h"
#include "router/app_trial.h"
#include "router/base/alloc.h"
#include "router/base/id_map.h"
#include "router/base/log.h"
#include "router/base/timers.h"
#include "router/settings.h"

/* How often it is looked how their requests ended. */
#define OUTCOME_MS 100

struct front_replica {
    struct list node;
    struct front_replicas *all;
    struct replica_ref *ref;
    uint64_t id;
    struct front_app *app; /* held */
    struct probe *probe;   /* NULL: published */
    struct replica_sleep *sleep;
    struct live_checker *live;
    struct app_outcomes told; /* to the keeper */
};

struct front_replicas {
    struct loop *loop;
    struct timers *timers;
    struct channel *const *channel;
    struct front_apps *apps;
    struct worker *const *workers;
    unsigned worker_count;
    struct replica_sleep_host sleep_host;
    struct list replicas;
    struct id_map by_id;
    struct timer outcome_timer;
};

static void on_sockets_wanted(struct replica_ref *ref, unsigned count,
                              void *arg);
static void on_taken(struct replica_ref *ref, uint64_t at_us, void *arg);

static void on_new_app(struct app *app, void *arg)
{
    app_set_socket_hook(app, on_sockets_wanted, arg);
    app_set_wake_hook(app, on_taken, arg);
}

/* --- how requests end --- */

static void tell_outcomes(struct front_replica *replica)
{
    struct channel_replica_outcomes message = {.replica = replica->id};
    struct app_outcomes now;

    app_outcomes(replica->ref, &now);
    if (now.answers == replica->told.answers &&
        now.failures == replica->told.failures)
        return;
    replica->told = now;
    message.answers = now.answers;
    message.failures = now.failures;
    message.repeated = now.repeated;
    channel_send_replica_outcomes(*replica->all->channel, &message, NULL, 0);
}

static void on_outcome_timer(struct timer *timer)
{
    struct front_replicas *all =
        container_of(timer, struct front_replicas, outcome_timer);

    LIST_FOREACH (&all->replicas, node)
        tell_outcomes(container_of(node, struct front_replica, node));
    if (!list_is_empty(&all->replicas))
        timer_start(all->timers, timer, OUTCOME_MS);
}

struct front_replicas *front_replicas_new(struct loop *loop,
                                          struct timers *timers,
                                          struct channel *const *channel,
                                          struct front_apps *apps)
{
    struct front_replicas *all = xcalloc(1, sizeof *all);

    all->loop = loop;
    all->timers = timers;
    all->channel = channel;
    all->apps = apps;
    list_init(&all->replicas);
    all->outcome_timer.on_expire = on_outcome_timer;
    all->sleep_host = (struct replica_sleep_host){
        .loop = loop, .timers = timers, .channel = channel};
    front_apps_set_new_hook(apps, on_new_app, all);
    return all;
}

void front_replicas_set_workers(struct front_replicas *all,
                                struct worker *const *workers, unsigned count)
{
    all->workers = workers;
    all->worker_count = count;
    all->sleep_host.workers = workers;
    all->sleep_host.worker_count = count;
}

static struct front_replica *find(struct front_replicas *all, uint64_t id)
{
    return id_map_get(&all->by_id, id);
}

static void close_parked(struct front_replica *replica)
{
    struct front_replicas *all = replica->all;

    for (unsigned i = 0; i < all->worker_count; i++)
        worker_unpark(all->workers[i], front_app_of(replica->app),
                      replica->ref);
}

static void forget(struct front_replica *replica)
{
    probe_free(&replica->probe);
    live_checker_free(&replica->live);
    replica_sleep_free(&replica->sleep);
    close_parked(replica);
    app_remove(replica->ref);
    list_remove(&replica->node);
    id_map_remove(&replica->all->by_id, replica->id);
    front_app_check_end(replica->app);
    front_app_drop(&replica->app);
    free(replica);
}

void front_replicas_free(struct front_replicas **replicas)
{
    struct front_replicas *all = TAKE(*replicas);

    if (!all)
        return;
    timer_stop(&all->outcome_timer);
    all->worker_count = 0; /* they are gone, and what they had parked */
    LIST_FOREACH_SAFE (&all->replicas, node)
        forget(container_of(node, struct front_replica, node));
    id_map_done(&all->by_id);
    free(all);
}

/* --- sockets --- */

static void want_sockets(struct front_replicas *all, uint64_t id, int family,
                         unsigned count)
{
    const struct channel_sockets_wanted message = {
        .replica = id, .family = (uint32_t)family, .count = count};

    channel_send_sockets_wanted(*all->channel, &message, NULL, 0);
}

static void on_sockets_wanted(struct replica_ref *ref, unsigned count,
                              void *arg)
{
    want_sockets(arg, ref->id, ref->connect == CONNECT_INSIDE ? ref->family : 0,
                 count);
}

static void on_probe_want(void *arg, int family, unsigned count)
{
    struct front_replica *replica = arg;

    want_sockets(replica->all, replica->id, family, count);
}

static void take_all(int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        fds[i] = -1;
}

static void close_all(int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
    take_all(fds, count);
}

void front_replicas_sockets(struct front_replicas *all,
                            const struct channel_sockets *message, int *fds,
                            unsigned fd_count)
{
    struct front_replica *replica = find(all, message->replica);

    if (!replica)
        return;
    if (replica->probe) {
        probe_add_sockets(replica->probe, (int)message->family, fds, fd_count,
                          message->error);
    } else if (fd_count > 0 && replica->ref->connect == CONNECT_INSIDE &&
               (int)message->family != replica->ref->family) {
        close_all(fds, fd_count); /* the probe's, which it did not need */
        return;
    } else {
        if (fd_count == 0)
            log_warn("front", "the keeper has no socket to a replica",
                     "replica=%s why=\"%.*s\"", replica->ref->name,
                     SV_ARG(message->error));
        app_add_sockets(replica->ref, fds, fd_count, ECONNREFUSED);
    }
    take_all(fds, fd_count);
}

/* --- probing --- */

static void on_probe_ready(void *arg, int family, uint64_t boot_us,
                           uint64_t ready_us)
{
    struct front_replica *replica = arg;
    const struct channel_replica_ready message = {.replica = replica->id,
                                                  .boot_us = boot_us,
                                                  .ready_us = ready_us,
                                                  .family = (uint32_t)family};

    probe_free(&replica->probe);
    replica->ref->family = family;
    if (family != AF_INET)
        app_drop_sockets(replica->ref);
    replica_sleep_publish(replica->sleep, APP_AWAKE);
    live_checker_start(replica->live);
    log_info("front", "replica ready", "replica=%s boot_us=%llu ready_us=%llu",
             replica->ref->name, (unsigned long long)boot_us,
             (unsigned long long)ready_us);
    channel_send_replica_ready(*replica->all->channel, &message, NULL, 0);
}

static void on_probe_status(void *arg, const char *text)
{
    struct front_replica *replica = arg;
    const struct channel_probe_status message = {.replica = replica->id,
                                                 .text = sv_of(text)};

    log_debug("front", "replica not ready", "replica=%s why=\"%s\"",
              replica->ref->name, text);
    channel_send_probe_status(*replica->all->channel, &message, NULL, 0);
}

static void start_probe(struct front_replica *replica, bool forwarded)
{
    struct front_replicas *all = replica->all;
    const struct app_settings *settings =
        app_settings_now(front_app_of(replica->app));
    const struct probe_events events = {.on_ready = on_probe_ready,
                                        .on_status = on_probe_status,
                                        .on_want = on_probe_want,
                                        .arg = replica};

    replica->probe = probe_new(all->loop, all->timers, replica->ref,
                               &settings->ready_check, forwarded, &events);
}

static void on_hung(void *arg, const char *text)
{
    struct front_replica *replica = arg;
    const struct channel_replica_hung message = {.replica = replica->id,
                                                 .text = sv_of(text)};

    channel_send_replica_hung(*replica->all->channel, &message, NULL, 0);
}

void front_replicas_on_settings(struct front_replicas *all)
{
    LIST_FOREACH (&all->replicas, node) {
        struct front_replica *replica =
            container_of(node, struct front_replica, node);

        if (!replica->probe && !app_is_draining(replica->ref))
            live_checker_start(replica->live);
    }
}

bool front_replicas_add(struct front_replicas *all,
                        const struct channel_replica_add *message, int *fds,
                        unsigned fd_count)
{
    struct address address = {0};
    struct front_app *app = front_apps_find(all->apps, message->app);
    struct front_replica *replica;
    struct err err;

    if (!front_apps_knew(all->apps, message->app) ||
        find(all, message->replica) || message->sleep > APP_WITHHELD)
        return false;
    if (!app)
        return true; /* it was removed while this was under way */
    if (message->connect == CONNECT_DIRECT &&
        !address_parse(message->address, &address, &err))
        return false;
    replica = xcalloc(1, sizeof *replica);
    replica->all = all;
    replica->id = message->replica;
    replica->app = front_app_ref(app);
    replica->ref = app_replica_new(
        front_app_of(app), message->replica, message->name,
        (enum connect_kind)message->connect, &address, message->port);
    replica->ref->family = message->family ? (int)message->family : AF_INET;
    replica->ref->serial = message->serial;
    if (message->trial)
        app_trial_begin(replica->ref);
    replica->sleep =
        replica_sleep_new(&all->sleep_host, front_app_of(app), replica->ref);
    replica->live = live_checker_new(all->loop, all->timers, front_app_of(app),
                                     replica->ref, on_hung, replica);
    if (message->revision.len > 0)
        replica->ref->revision =
            xstrndup(message->revision.ptr, message->revision.len);
    list_add_tail(&all->replicas, &replica->node);
    if (!timer_is_running(&all->outcome_timer))
        timer_start(all->timers, &all->outcome_timer, OUTCOME_MS);
    id_map_put(&all->by_id, replica->id, replica);
    if (message->probe)
        start_probe(replica, message->forwarded);
    if (replica->probe && fd_count > 0)
        probe_add_sockets(replica->probe, AF_INET, fds, fd_count,
                          sv_make(NULL, 0));
    else if (fd_count > 0)
        app_add_sockets(replica->ref, fds, fd_count, 0);
    take_all(fds, fd_count);
    if (!replica->probe) {
        replica_sleep_publish(replica->sleep, (enum app_sleep)message->sleep);
        live_checker_start(replica->live);
    }
    return true;
}

/* --- going --- */

static void on_drained(struct replica_ref *ref, void *arg)
{
    struct front_replicas *all = arg;
    const struct channel_replica_drained message = {.replica = ref->id};

    close_parked(find(all, ref->id));
    channel_send_replica_drained(*all->channel, &message, NULL, 0);
}

void front_replicas_drain(struct front_replicas *all, uint64_t id)
{
    struct front_replica *replica = find(all, id);

    if (!replica)
        return;
    probe_free(&replica->probe);
    live_checker_stop(replica->live);
    replica_sleep_stop(replica->sleep);
    app_drain(replica->ref, on_drained, all);
    front_app_check_end(replica->app);
    close_parked(replica);
    for (unsigned i = 0; i < all->worker_count; i++)
        worker_end_tunnels(all->workers[i], replica->ref);
}

bool front_replicas_shrink(struct front_replicas *all,
                           const struct channel_app_shrink *message)
{
    struct front_app *app = front_apps_find(all->apps, message->app);

    if (!app)
        return front_apps_knew(all->apps, message->app);
    app_shrink(front_app_of(app), message->keep, on_drained, all);
    return true;
}

bool front_replicas_proven(struct front_replicas *all, uint32_t id)
{
    struct front_app *app = front_apps_find(all->apps, id);

    if (!app)
        return front_apps_knew(all->apps, id);
    app_trial_end(front_app_of(app), loop_now_us(all->loop));
    return true;
}

void front_replicas_evict(struct front_replicas *all, uint64_t id)
{
    const struct channel_replica_busy busy = {.replica = id};
    struct front_replica *replica = find(all, id);

    if (replica && !app_evict(replica->ref, on_drained, all))
        channel_send_replica_busy(*all->channel, &busy, NULL, 0);
}

void front_replicas_resume(struct front_replicas *all, uint64_t id)
{
    struct front_replica *replica = find(all, id);

    if (!replica)
        return;
    app_resume(replica->ref, loop_now_us(all->loop));
    replica_sleep_resume(replica->sleep);
    if (!replica->probe)
        live_checker_start(replica->live);
}

/* --- sleeping --- */

static void on_taken(struct replica_ref *ref, uint64_t at_us, void *arg)
{
    struct front_replica *replica = find(arg, ref->id);

    if (replica)
        replica_sleep_on_taken(replica->sleep, at_us);
}

static bool sleep_app(struct front_replicas *all,
                      const struct channel_app_sleep *message)
{
    struct front_app *front_app = front_apps_find(all->apps, message->app);
    struct app *app;
    struct replica_ref *ref;
    enum app_sleep how;

    if (!front_app)
        return front_apps_knew(all->apps, message->app);
    app = front_app_of(front_app);
    how = replica_sleep_how(app, true);
    while ((ref = app_sleep_next(app, message->awake, how)))
        replica_sleep_marked(find(all, ref->id)->sleep, how);
    return true;
}

bool front_replicas_on_sleep(struct front_replicas *all, enum channel_type type,
                             struct strview payload)
{
    struct channel_app_sleep app;
    struct channel_replica_sleep sleep;
    struct channel_replica_awake awake;
    struct front_replica *replica;

    switch (type) {
    case CHANNEL_APP_SLEEP:
        return channel_decode_app_sleep(payload, &app) && sleep_app(all, &app);
    case CHANNEL_REPLICA_SLEEP:
        if (!channel_decode_replica_sleep(payload, &sleep))
            return false;
        replica = find(all, sleep.replica);
        if (replica)
            replica_sleep_ask(replica->sleep, sleep.published);
        return true;
    case CHANNEL_REPLICA_AWAKE:
        if (!channel_decode_replica_awake(payload, &awake))
            return false;
        replica = find(all, awake.replica);
        if (replica)
            replica_sleep_awake(replica->sleep, awake.answer, awake.nap);
        return true;
    default:
        return false;
    }
}

void front_replicas_remove(struct front_replicas *all, uint64_t id)
{
    struct front_replica *replica = find(all, id);

    if (replica)
        forget(replica);
}
