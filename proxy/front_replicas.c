/* front_replicas.c - the replicas that the keeper told the front of. */
#include "proxy/front_replicas.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/probe.h"
#include "proxy/worker.h"
#include "router/app.h"
#include "router/app_replicas.h"
#include "router/app_sockets.h"
#include "router/base/alloc.h"
#include "router/base/id_map.h"
#include "router/base/log.h"
#include "router/settings.h"

struct front_replica {
    struct list node;
    struct front_replicas *all;
    struct replica_ref *ref;
    uint64_t id;
    uint32_t app;
    struct probe *probe; /* NULL: published */
};

struct front_replicas {
    struct loop *loop;
    struct timers *timers;
    struct channel *const *channel;
    struct app *const *apps;
    uint32_t app_count;
    struct worker *const *workers;
    unsigned worker_count;
    struct list replicas;
    struct id_map by_id;
};

static void on_sockets_wanted(struct replica_ref *ref, unsigned count,
                              void *arg);

struct front_replicas *front_replicas_new(struct loop *loop,
                                          struct timers *timers,
                                          struct channel *const *channel,
                                          struct app *const *apps,
                                          uint32_t app_count)
{
    struct front_replicas *all = xcalloc(1, sizeof *all);

    all->loop = loop;
    all->timers = timers;
    all->channel = channel;
    all->apps = apps;
    all->app_count = app_count;
    list_init(&all->replicas);
    for (uint32_t i = 0; i < app_count; i++)
        app_set_socket_hook(apps[i], on_sockets_wanted, all);
    return all;
}

void front_replicas_set_workers(struct front_replicas *all,
                                struct worker *const *workers, unsigned count)
{
    all->workers = workers;
    all->worker_count = count;
}

static struct front_replica *find(struct front_replicas *all, uint64_t id)
{
    return id_map_get(&all->by_id, id);
}

static void close_parked(struct front_replica *replica)
{
    struct front_replicas *all = replica->all;

    for (unsigned i = 0; i < all->worker_count; i++)
        worker_unpark(all->workers[i], all->apps[replica->app], replica->ref);
}

static void forget(struct front_replica *replica)
{
    probe_free(&replica->probe);
    close_parked(replica);
    app_remove(replica->ref);
    list_remove(&replica->node);
    id_map_remove(&replica->all->by_id, replica->id);
    free(replica);
}

void front_replicas_free(struct front_replicas **replicas)
{
    struct front_replicas *all = TAKE(*replicas);

    if (!all)
        return;
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

static void publish(struct front_replica *replica)
{
    app_publish(replica->ref, loop_now_us(replica->all->loop));
}

static void on_probe_ready(void *arg, int family, uint64_t boot_us,
                           uint64_t ready_us)
{
    struct front_replica *replica = arg;
    const struct channel_replica_ready message = {
        .replica = replica->id, .boot_us = boot_us, .ready_us = ready_us};

    probe_free(&replica->probe);
    replica->ref->family = family;
    if (family != AF_INET)
        app_drop_sockets(replica->ref);
    publish(replica);
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
        app_settings_of(all->apps[replica->app]);
    const struct probe_events events = {.on_ready = on_probe_ready,
                                        .on_status = on_probe_status,
                                        .on_want = on_probe_want,
                                        .arg = replica};

    replica->probe = probe_new(all->loop, all->timers, replica->ref,
                               &settings->ready_check, forwarded, &events);
}

bool front_replicas_add(struct front_replicas *all,
                        const struct channel_replica_add *message, int *fds,
                        unsigned fd_count)
{
    struct address address = {0};
    struct front_replica *replica;
    struct err err;

    if (message->app >= all->app_count || find(all, message->replica))
        return false;
    if (message->connect == CONNECT_DIRECT &&
        !address_parse(message->address, &address, &err))
        return false;
    replica = xcalloc(1, sizeof *replica);
    replica->all = all;
    replica->id = message->replica;
    replica->app = message->app;
    replica->ref = app_replica_new(
        all->apps[message->app], message->replica, message->name,
        (enum connect_kind)message->connect, &address, message->port);
    replica->ref->family = AF_INET;
    if (message->revision.len > 0)
        replica->ref->revision =
            xstrndup(message->revision.ptr, message->revision.len);
    list_add_tail(&all->replicas, &replica->node);
    id_map_put(&all->by_id, replica->id, replica);
    if (message->probe)
        start_probe(replica, message->forwarded);
    if (replica->probe && fd_count > 0)
        probe_add_sockets(replica->probe, AF_INET, fds, fd_count,
                          sv_make(NULL, 0));
    else if (fd_count > 0)
        app_add_sockets(replica->ref, fds, fd_count, 0);
    take_all(fds, fd_count);
    if (!replica->probe)
        publish(replica);
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
    app_drain(replica->ref, on_drained, all);
    close_parked(replica);
    for (unsigned i = 0; i < all->worker_count; i++)
        worker_end_tunnels(all->workers[i], replica->ref);
}

bool front_replicas_shrink(struct front_replicas *all,
                           const struct channel_app_shrink *message)
{
    if (message->app >= all->app_count)
        return false;
    app_shrink(all->apps[message->app], message->keep, on_drained, all);
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

    if (replica)
        app_resume(replica->ref, loop_now_us(all->loop));
}

void front_replicas_remove(struct front_replicas *all, uint64_t id)
{
    struct front_replica *replica = find(all, id);

    if (replica)
        forget(replica);
}
