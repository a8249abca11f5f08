/* keeper_front.c - the front's life, as the keeper lives it: what it is told at
 * its start, and what it asks.
 */
#include "lifecycle/keeper_private.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lifecycle/engine.h"
#include "lifecycle/event_log.h"
#include "lifecycle/fleet.h"
#include "lifecycle/front_desk.h"
#include "lifecycle/front_supervisor.h"
#include "lifecycle/log_files.h"
#include "lifecycle/service_manager.h"
#include "router/base/log.h"
#include "router/base/metrics.h"
#include "router/base/process_metrics.h"

/* --- what the front asks --- */

static void add_broken_file(void *arg, const char *file, const char *reason,
                            uint64_t since_unix_ms)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddStringToObject(json, "file", file);
    cJSON_AddStringToObject(json, "reason", reason);
    cJSON_AddNumberToObject(json, "since_unix_ms", (double)since_unix_ms);
    cJSON_AddItemToArray(arg, json);
}

static void add_broken_files(cJSON *json, const struct keeper_settings *of)
{
    cJSON *list = cJSON_AddArrayToObject(json, "broken_certificates");

    if (of->ops->broken_files)
        of->ops->broken_files(of, add_broken_file, list);
}

static void write_status(const struct keeper *keeper, struct strbuf *ret_text)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *front = cJSON_AddObjectToObject(json, "front");
    cJSON *engine;
    char *text;

    cJSON_AddNumberToObject(json, "pid", getpid());
    cJSON_AddStringToObject(json, "namespace",
                            keeper_lifecycle(keeper)->podman.namespace_name);
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
    add_broken_files(json, keeper->settings);
    cJSON_AddItemToObject(json, "resources",
                          fleet_status_resources(keeper->fleet));
    cJSON_AddItemToObject(json, "apps", fleet_status_apps(keeper->fleet));
    text = cJSON_PrintUnformatted(json);
    if (text)
        strbuf_add_str(ret_text, text);
    cJSON_free(text);
    cJSON_Delete(json);
}

void keeper_reply(struct keeper *keeper, uint64_t id, bool ok,
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
    } else if (sv_eq(query.what, SV("config"))) {
        keeper->settings->ops->print(keeper->settings, &text);
    } else if (sv_eq(query.what, SV("metrics"))) {
        metrics_expose(keeper->metrics, &text);
        fleet_expose_resources(keeper->fleet, &text);
        process_metrics_expose(&text, "keeper");
    } else {
        front_desk_query(keeper->desk, &query);
        return true;
    }
    keeper_reply(keeper, query.id, true, strbuf_view(&text));
    return true;
}

static bool on_action(struct keeper *keeper, struct strview payload)
{
    struct channel_action action;

    if (!channel_decode_action(payload, &action))
        return false;
    if (sv_eq(action.what, SV("reload"))) {
        keeper_reload_by_action(keeper, action.id);
        return true;
    }
    if (!sv_eq(action.what, SV("stop"))) {
        front_desk_action(keeper->desk, &action);
        return true;
    }
    if (sv_eq(action.argument, SV("keep")))
        keeper->on_exit = EXIT_KEEP;
    else if (sv_eq(action.argument, SV("stop")))
        keeper->on_exit = EXIT_STOP;
    log_notice("keeper", "asked to drain and stop", "by=admin");
    keeper_reply(keeper, action.id, true, SV("stopping"));
    keeper_stop(keeper, keeper_lifecycle(keeper)->drain_timeout_ms);
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

static bool on_prepared(struct keeper *keeper, struct strview payload)
{
    struct channel_prepared message;

    if (!channel_decode_prepared(payload, &message))
        return false;
    keeper_reload_on_prepared(keeper, &message);
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
        ok = on_prepared(keeper, payload);
    else
        ok = fleet_on_message(keeper->fleet, type, payload);
    if (!ok)
        log_error("keeper", "the front sent what makes no sense", "type=%s",
                  channel_type_name(type));
}

/* --- the front's life --- */

void keeper_send_log_files(struct channel *channel, uint64_t generation,
                           const struct log_files *logs)
{
    for (unsigned i = 0; i < log_files_count(logs); i++) {
        struct channel_log_file message = {generation, i};
        int fd = fcntl(log_files_fd(logs, i), F_DUPFD_CLOEXEC, 0);

        channel_send_log_file(channel, &message, &fd, fd >= 0);
    }
}

/* In parts: a message carries so many descriptors at most. */
static void send_listener(struct channel *channel,
                          const struct listen_sockets *sockets, unsigned index)
{
    struct channel_listener message = {.listener = index};
    unsigned fd_count;
    const int *fds = listen_sockets_fds(sockets, index, &fd_count);

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

void keeper_send_listeners(struct channel *channel,
                           const struct listen_sockets *sockets, bool only_new)
{
    for (unsigned i = 0; i < listen_sockets_count(sockets); i++)
        if (!only_new || listen_sockets_is_new(sockets, i))
            send_listener(channel, sockets, i);
}

static void on_front_start(void *arg, struct channel *channel)
{
    struct keeper *keeper = arg;
    struct channel_config config = {
        keeper->generation, keeper->settings->ops->encode(keeper->settings)};
    struct channel_go go = {keeper->generation};

    channel_send_config(channel, &config, NULL, 0);
    keeper_send_log_files(channel, keeper->generation, keeper->logs);
    keeper_send_listeners(channel, keeper->sockets, false);
    fleet_on_front_up(keeper->fleet, channel);
    front_desk_set_channel(keeper->desk, channel);
    channel_send_go(channel, &go, NULL, 0);
}

/* Until it serves, whoever started it looks at stderr. */
static void move_log(struct keeper *keeper)
{
    uint32_t number = keeper_lifecycle(keeper)->error_log;

    if (number == 0 || keeper->log_has_moved)
        return;
    keeper->log_has_moved = true;
    log_notice("keeper", "the log goes on in a file", "path=\"%s\"",
               keeper_lifecycle(keeper)->log_files.items[number - 1]);
    log_set_fd(log_files_fd(keeper->logs, number - 1));
}

/* What is served, and what is the matter if anything is. */
void keeper_tell_manager(struct keeper *keeper)
{
    char status[256];

    snprintf(status, sizeof status, "serving %u apps on %u addresses%s",
             keeper_lifecycle(keeper)->app_count,
             listen_sockets_count(keeper->sockets),
             keeper->engine && !keeper->engine_is_up
                 ? "; the engine is away: nothing can be started"
                 : "");
    service_manager_ready(keeper->manager, status);
}

static void on_front_ready(void *arg, uint64_t generation)
{
    struct keeper *keeper = arg;

    keeper_tell_manager(keeper);
    if (keeper_reload_on_ready(keeper, generation))
        return;
    event_log_add(keeper->events,
                  &(struct event){.kind = EVENT_FRONT, .to = "ready"});
    move_log(keeper);
    log_notice("keeper", "serving", "front_pid=%d listeners=%u apps=%u",
               (int)front_supervisor_pid(keeper->front),
               listen_sockets_count(keeper->sockets),
               keeper_lifecycle(keeper)->app_count);
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
    keeper_reload_on_front_down(keeper);
}

static void on_containers_stopped(void *arg)
{
    keeper_end_loop(arg);
}

static void on_front_finished(void *arg)
{
    struct keeper *keeper = arg;

    fleet_on_front_down(keeper->fleet);
    front_desk_set_channel(keeper->desk, NULL);
    if (keeper->on_exit == EXIT_KEEP) {
        keeper_end_loop(keeper);
        return;
    }
    keeper->step = KEEPER_STOPS_CONTAINERS;
    service_manager_status(keeper->manager, "stopping the containers");
    log_notice("keeper", "stopping the containers", "%s", "");
    fleet_stop(keeper->fleet, on_containers_stopped, keeper);
}

bool keeper_start_front(struct keeper *keeper, struct err *err)
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
