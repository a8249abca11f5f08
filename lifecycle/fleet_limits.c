/* fleet_limits.c - limits of containers that run. */
#include "lifecycle/fleet_limits.h"

#include <stdlib.h>

#include "lifecycle/container_limits.h"
#include "lifecycle/machine.h"
#include "lifecycle/rollout.h"
#include "router/base/alloc.h"
#include "router/base/log.h"

struct limit_update {
    struct list node;
    struct fleet_host *host;
    struct engine_call *call;
    char *name; /* the replica's */
    uint64_t replica_id;
    bool is_outdated; /* they changed again meanwhile */
};

static void free_update(struct limit_update *update)
{
    list_remove(&update->node);
    free(update->name);
    free(update);
}

/* is_least: the larger of what is reserved and what is needed now. */
static bool reserve(struct fleet_host *host, struct replica *replica,
                    bool is_least)
{
    const struct placement_need need = machine_need_of(replica_app(replica));

    return fleet_place_resize(host->place, replica, &need, is_least);
}

static void replace_all(struct fleet_app *app)
{
    if (!rollout_is_under_way(app)) /* else new ones are made anyway */
        rollout_restart(app);
}

static void update_one(struct fleet_host *host, struct replica *replica);

static void on_updated(void *arg, const struct err *err)
{
    struct limit_update *update = arg;
    struct replica *replica =
        id_map_get(&update->host->by_id, update->replica_id);
    bool is_gone =
        !replica ||
        (err && (err->code == ERR_CANCELLED || err->code == ERR_NOT_FOUND));

    if (!err && replica && update->is_outdated) {
        struct fleet_host *host = update->host;

        free_update(update);
        update_one(host, replica);
        return;
    }
    if (!err && replica) {
        (void)!reserve(update->host, replica, false);
        log_info("fleet", "limits changed in place", "replica=%s",
                 update->name);
    } else if (!is_gone) {
        log_warn("fleet",
                 "limits of a running container cannot be changed; its app's "
                 "replicas are replaced",
                 "replica=%s reason=\"%s\"", update->name, err->text);
        replace_all(replica_owner_arg(replica));
    }
    free_update(update);
}

static struct limit_update *find_update(const struct fleet_host *host,
                                        uint64_t replica_id)
{
    LIST_FOREACH (&host->limit_updates, node) {
        struct limit_update *update =
            container_of(node, struct limit_update, node);

        if (update->replica_id == replica_id)
            return update;
    }
    return NULL;
}

/* One at a time: of two under way the engine may carry out the older last. */
static void update_one(struct fleet_host *host, struct replica *replica)
{
    const struct replica_view *view = replica_view(replica);
    struct limit_update *update;

    if (view->is_external || view->container_id[0] == '\0' ||
        view->state >= REPLICA_STOPPING || !host->replicas.engine)
        return;
    update = find_update(host, view->id);
    if (update) {
        update->is_outdated = true;
        return;
    }
    if (!reserve(host, replica, true)) {
        log_warn("fleet",
                 "a running container keeps its limits: the machine has no "
                 "room for more now; its next start has the new ones",
                 "replica=%s", view->name);
        return;
    }
    update = xcalloc(1, sizeof *update);
    update->host = host;
    update->replica_id = view->id;
    update->name = xstrdup(view->name);
    list_add_tail(&host->limit_updates, &update->node);
    update->call =
        engine_update(host->replicas.engine, view->container_id,
                      &replica_app(replica)->container, on_updated, update);
}

void fleet_limits_update_all(struct fleet_app *app)
{
    LIST_FOREACH (&app->replicas, node)
        update_one(app->host, replica_of_node(node));
}

void fleet_limits_check(struct fleet_app *app, struct replica *replica,
                        const struct engine_container *found)
{
    if (container_limits_fit(&found->limits, &replica_app(replica)->container))
        return;
    log_info("fleet", "a container that was found has other limits",
             "replica=%s", replica_view(replica)->name);
    update_one(app->host, replica);
}

void fleet_limits_cancel(struct fleet_host *host)
{
    LIST_FOREACH_SAFE (&host->limit_updates, node) {
        struct limit_update *update =
            container_of(node, struct limit_update, node);

        engine_cancel(&update->call); /* its callback frees it */
    }
}
