/* keeper_reload.c - another configuration, all or nothing, in both processes.
 *
 * Read and check it, have what it needs of the host (log files, addresses, the
 * engine), ask the front whether it can; only then is anything changed. Until
 * the front answers PREPARED, whatever fails leaves all as it was.
 */
#include "lifecycle/keeper_private.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <unistd.h>

#include "lifecycle/event_log.h"
#include "lifecycle/fleet.h"
#include "lifecycle/front_supervisor.h"
#include "lifecycle/log_files.h"
#include "lifecycle/machine.h"
#include "lifecycle/service_manager.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/list.h"
#include "router/base/log.h"
#include "router/base/metrics.h"

/* Until a front is there that can be asked; until it has answered: more than
 * this, and it hangs. */
#define FRONT_TIMEOUT_MS 20000
/* Podman may have to be started for it. */
#define ENGINE_TIMEOUT_MS 40000

enum reload_step {
    RELOAD_IDLE,
    RELOAD_AWAITS_ENGINE,
    RELOAD_AWAITS_FRONT, /* one starts with the configuration before */
    RELOAD_PREPARES,     /* CONFIG was sent */
    RELOAD_SWITCHES,     /* GO was sent: it is in force here */
};

/* Who asked by an action, and of which front: another one has ids of its own.
 */
struct asker {
    struct list node;
    uint64_t id;
    uint64_t front;
};

struct keeper_reload {
    struct keeper *keeper;
    enum reload_step step;
    struct list askers;
    bool is_asked_again; /* while one is under way */
    struct list next_askers;
    struct keeper_settings
        *settings; /* the new ones, until they are in force */
    struct listen_sockets *sockets;
    struct log_files *logs;
    struct machine *machine;
    uint64_t generation; /* that the front was asked for last */
    uint64_t began_us;
    struct timer timer;
    struct strbuf text; /* errors; warnings, once it is good */
    cJSON *result;      /* once it is in force */
};

static void begin(struct keeper_reload *reload);
static void ask_front(struct keeper_reload *reload);

/* --- the end --- */

static void answer_all(struct keeper_reload *reload, bool ok,
                       struct strview body)
{
    struct keeper *keeper = reload->keeper;
    uint64_t front = front_supervisor_restarts(keeper->front);
    struct list *node;

    while ((node = list_pop_head(&reload->askers))) {
        struct asker *asker = container_of(node, struct asker, node);

        if (asker->front == front)
            keeper_reply(keeper, asker->id, ok, body);
        free(asker);
    }
}

static void forget(struct keeper_reload *reload)
{
    timer_stop(&reload->timer);
    listen_sockets_free(&reload->sockets);
    log_files_free(&reload->logs); /* borrows from settings */
    machine_free(&reload->machine);
    keeper_settings_unref(&reload->settings);
    strbuf_done(&reload->text);
    cJSON_Delete(reload->result);
    reload->result = NULL;
    reload->step = RELOAD_IDLE;
}

static void go_on(struct keeper_reload *reload)
{
    struct list *node;

    forget(reload);
    if (!reload->is_asked_again)
        return;
    reload->is_asked_again = false;
    while ((node = list_pop_head(&reload->next_askers)))
        list_add_tail(&reload->askers, node);
    begin(reload);
}

static void tell(const struct keeper_reload *reload, const char *what,
                 const char *reason)
{
    event_log_add(
        reload->keeper->events,
        &(struct event){.kind = EVENT_RELOAD,
                        .to = what,
                        .reason = reason,
                        .took_ms = (clock_now_us() - reload->began_us) / 1000});
}

/* Each line that waits in reload->text. */
static void log_lines(const struct keeper_reload *reload, enum log_level level,
                      const char *message)
{
    struct strview rest = strbuf_view(&reload->text);
    struct strview line;

    while (rest.len > 0 && sv_split(&rest, '\n', &line)) {
        if (line.len > 0)
            LOG_AT(level, "reload", message, "reason=\"%.*s\"", SV_ARG(line));
    }
}

/* The first word is the failure's code. */
static void answer_refused(struct keeper_reload *reload)
{
    AUTO(strbuf_done) struct strbuf body = STRBUF_INIT;

    strbuf_add_str(&body, "config_refused ");
    strbuf_add_sv(&body, strbuf_view(&reload->text));
    while (body.len > 0 && body.data[body.len - 1] == '\n')
        body.len--;
    answer_all(reload, false, strbuf_view(&body));
}

/* Nothing has changed. What is wrong stands in reload->text. */
static void refuse(struct keeper_reload *reload)
{
    struct keeper *keeper = reload->keeper;

    metrics_add(keeper->cell, METRIC_CONFIG_RELOADS_REFUSED, 1);
    log_lines(reload, LOG_ERROR,
              "configuration refused; the one before stays in force");
    tell(reload, "refused", reload->text.data);
    keeper_tell_manager(keeper);
    answer_refused(reload);
    go_on(reload);
}

static void refuse_because(struct keeper_reload *reload, const char *why)
{
    strbuf_clear(&reload->text);
    strbuf_printf(&reload->text, "%s\n", why);
    refuse(reload);
}

static unsigned count_results(const cJSON *apps, const char *result)
{
    unsigned count = 0;
    const cJSON *app;

    cJSON_ArrayForEach(app, apps)
    {
        const cJSON *text = cJSON_GetObjectItemCaseSensitive(app, "result");

        count += sv_eq(sv_of(cJSON_GetStringValue(text)), sv_of(result));
    }
    return count;
}

static void log_applied(const struct keeper_reload *reload)
{
    const cJSON *apps =
        cJSON_GetObjectItemCaseSensitive(reload->result, "apps");
    unsigned unchanged = count_results(apps, "unchanged");
    unsigned changed = count_results(apps, "changed");
    unsigned rolling = count_results(apps, "rolling");
    unsigned added = count_results(apps, "added");
    unsigned removed = count_results(apps, "removed");
    AUTO(auto_free)
    char *text = xasprintf("%u unchanged, %u changed, %u rolling, %u added, "
                           "%u removed",
                           unchanged, changed, rolling, added, removed);

    log_notice("reload", "configuration applied",
               "generation=%llu took_ms=%llu unchanged=%u changed=%u "
               "rolling=%u added=%u removed=%u",
               (unsigned long long)reload->generation,
               (unsigned long long)(clock_now_us() - reload->began_us) / 1000,
               unchanged, changed, rolling, added, removed);
    tell(reload, "applied", text);
}

static void conclude(struct keeper_reload *reload)
{
    struct keeper *keeper = reload->keeper;
    char *text;

    fleet_on_switched(keeper->fleet);
    metrics_add(keeper->cell, METRIC_CONFIG_RELOADS_APPLIED, 1);
    metrics_set(keeper->cell, METRIC_CONFIG_LAST_RELOAD,
                clock_unix_ms() / 1000);
    log_lines(reload, LOG_WARN, "about the new configuration");
    log_applied(reload);
    cJSON_AddNumberToObject(
        reload->result, "took_ms",
        (double)((clock_now_us() - reload->began_us) / 1000));
    text = cJSON_PrintUnformatted(reload->result);
    answer_all(reload, true, sv_of(text));
    cJSON_free(text);
    go_on(reload);
}

bool keeper_reload_on_ready(struct keeper *keeper, uint64_t generation)
{
    struct keeper_reload *reload = keeper->reload;

    if (reload->step == RELOAD_AWAITS_FRONT) {
        timer_stop(&reload->timer);
        ask_front(reload);
    } else if (reload->step == RELOAD_SWITCHES &&
               generation == reload->generation) {
        conclude(reload);
        return true;
    }
    return false;
}

static void add_warnings(cJSON *result, const struct strbuf *text)
{
    cJSON *warnings = cJSON_AddArrayToObject(result, "warnings");
    struct strview rest = strbuf_view(text);
    struct strview line;

    while (rest.len > 0 && sv_split(&rest, '\n', &line)) {
        AUTO(auto_free) char *copy = xstrndup(line.ptr, line.len);

        if (line.len > 0)
            cJSON_AddItemToArray(warnings, cJSON_CreateString(copy));
    }
}

static void add_listeners(cJSON *result, const struct keeper_reload *reload)
{
    cJSON *listeners = cJSON_AddObjectToObject(result, "listeners");
    unsigned count = listen_sockets_count(reload->sockets);
    unsigned opened = 0;

    for (unsigned i = 0; i < count; i++)
        opened += listen_sockets_is_new(reload->sockets, i);
    cJSON_AddNumberToObject(listeners, "kept", count - opened);
    cJSON_AddNumberToObject(listeners, "opened", opened);
    cJSON_AddNumberToObject(listeners, "closed",
                            listen_sockets_count(reload->keeper->sockets) -
                                (count - opened));
}

/* Lines go to another file, or are of another kind, from here on. */
static void switch_log(struct keeper *keeper)
{
    const struct lifecycle_settings *settings = keeper_lifecycle(keeper);
    int fd = settings->error_log == 0
                 ? STDERR_FILENO
                 : log_files_fd(keeper->logs, settings->error_log - 1);

    log_setup(fd, keeper->settings->log_level, keeper->settings->log_json,
              "keeper");
    keeper->log_has_moved = settings->error_log != 0;
}

/* The front has agreed, and all is open: none of this can fail. */
static void switch_over(struct keeper_reload *reload)
{
    struct keeper *keeper = reload->keeper;
    struct channel *channel = front_supervisor_channel(keeper->front);
    struct channel_go go = {reload->generation};
    struct keeper_settings *before = keeper->settings;
    struct log_files *logs_before = keeper->logs;
    struct machine *machine_before = keeper->machine;

    reload->result = cJSON_CreateObject();
    cJSON_AddNumberToObject(reload->result, "generation",
                            (double)reload->generation);
    add_warnings(reload->result, &reload->text);
    add_listeners(reload->result, reload);
    keeper_send_log_files(channel, reload->generation, reload->logs);
    keeper_send_listeners(channel, reload->sockets, true);
    channel_send_go(channel, &go, NULL, 0);

    reload->step = RELOAD_SWITCHES;
    timer_start(keeper->timers, &reload->timer, FRONT_TIMEOUT_MS);
    keeper->generation = reload->generation;
    keeper->settings = TAKE(reload->settings);
    keeper->on_exit = keeper_lifecycle(keeper)->on_exit;
    listen_sockets_take_over(reload->sockets, &keeper->sockets);
    keeper->sockets = TAKE(reload->sockets);
    keeper->logs = TAKE(reload->logs);
    switch_log(keeper);
    log_files_free(&logs_before);
    keeper->machine = TAKE(reload->machine);
    fleet_set_machine(keeper->fleet, keeper->machine);
    machine_free(&machine_before);
    fleet_reload(keeper->fleet, keeper->settings,
                 cJSON_AddArrayToObject(reload->result, "apps"));
    if (keeper->engine && !keeper->fleet_has_engine) {
        keeper->fleet_has_engine = true;
        fleet_on_engine_up(keeper->fleet);
    }
    keeper_settings_unref(&before);
}

/* --- asking the front --- */

void keeper_reload_on_prepared(struct keeper *keeper,
                               const struct channel_prepared *message)
{
    struct keeper_reload *reload = keeper->reload;

    if (reload->step != RELOAD_PREPARES ||
        message->generation != reload->generation)
        return; /* at a front's start, or given up meanwhile */
    timer_stop(&reload->timer);
    if (!message->ok) {
        strbuf_clear(&reload->text);
        strbuf_add(&reload->text, message->text.ptr, message->text.len);
        refuse(reload);
        return;
    }
    if (keeper->step != KEEPER_RUNS) {
        refuse_because(reload, "berth stops");
        return;
    }
    if (!listen_sockets_listen(reload->sockets, &reload->text))
        refuse(reload);
    else
        switch_over(reload);
}

static void ask_front(struct keeper_reload *reload)
{
    struct keeper *keeper = reload->keeper;
    struct channel_config config;

    timer_start(keeper->timers, &reload->timer, FRONT_TIMEOUT_MS);
    if (!front_supervisor_is_ready(keeper->front)) {
        reload->step = RELOAD_AWAITS_FRONT;
        return;
    }
    reload->step = RELOAD_PREPARES;
    /* A number of its own: a late answer to one that was given up is not
     * taken for this one's. */
    if (reload->generation < keeper->generation)
        reload->generation = keeper->generation;
    reload->generation++;
    config = (struct channel_config){
        reload->generation, reload->settings->ops->encode(reload->settings)};
    channel_send_config(front_supervisor_channel(keeper->front), &config, NULL,
                        0);
}

void keeper_reload_on_front_down(struct keeper *keeper)
{
    struct keeper_reload *reload = keeper->reload;

    /* Once it is in force, the next front starts with it; one that waits for a
     * front goes on waiting. */
    if (reload->step == RELOAD_PREPARES)
        refuse_because(reload,
                       "the front ended while it prepared the configuration");
}

static void on_timer(struct timer *timer)
{
    struct keeper_reload *reload =
        container_of(timer, struct keeper_reload, timer);

    switch (reload->step) {
    case RELOAD_AWAITS_ENGINE:
        refuse_because(reload, "Podman, which the first app with an image "
                               "needs, does not come up");
        break;
    case RELOAD_AWAITS_FRONT:
        refuse_because(reload, "there is no front that could apply it: it "
                               "does not start");
        break;
    case RELOAD_PREPARES:
        refuse_because(reload, "the front does not answer");
        break;
    default:
        log_error("reload", "the front does not say that it has switched",
                  "generation=%llu", (unsigned long long)reload->generation);
        conclude(reload);
        break;
    }
}

/* --- reading, and what the host has to give --- */

void keeper_reload_on_engine(struct keeper *keeper, const struct err *err)
{
    struct keeper_reload *reload = keeper->reload;

    if (reload->step != RELOAD_AWAITS_ENGINE)
        return;
    if (err)
        refuse_because(reload, err->text);
    else
        ask_front(reload);
}

/* The first app that has a container. */
static bool awaits_engine(struct keeper_reload *reload)
{
    struct keeper *keeper = reload->keeper;

    if (keeper->fleet_has_engine ||
        !keeper_needs_engine(reload->settings->lifecycle) ||
        (keeper->engine && keeper->engine_is_up))
        return false;
    reload->step = RELOAD_AWAITS_ENGINE;
    timer_start(keeper->timers, &reload->timer, ENGINE_TIMEOUT_MS);
    if (!keeper->engine)
        keeper_start_engine(keeper, reload->settings);
    return true;
}

static void begin(struct keeper_reload *reload)
{
    struct keeper *keeper = reload->keeper;
    const struct keeper_config *config = keeper->config;
    struct keeper_settings *next;
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;

    reload->began_us = clock_now_us();
    service_manager_reloading(keeper->manager);
    log_notice("reload", "reading the configuration anew", "%s", "");
    next = config->load(config->arg, keeper->settings, &reload->text);
    reload->settings = next;
    if (!next) {
        refuse(reload);
        return;
    }
    reload->logs = log_files_open(&next->lifecycle->log_files, &errors);
    reload->sockets = listen_sockets_reopen(keeper->sockets, next->listeners,
                                            next->listener_count, &errors);
    reload->machine = machine_of(next->lifecycle, &errors);
    if (errors.len > 0) {
        strbuf_clear(&reload->text);
        strbuf_add(&reload->text, errors.data, errors.len);
        refuse(reload);
        return;
    }
    if (!awaits_engine(reload))
        ask_front(reload);
}

/* --- who asks --- */

void keeper_reload_by_signal(struct keeper *keeper)
{
    struct keeper_reload *reload = keeper->reload;

    if (keeper->step != KEEPER_RUNS || !keeper->front)
        log_warn("reload",
                 "nothing to reload: berth does not serve yet, or "
                 "not any more",
                 "%s", "");
    else if (reload->step != RELOAD_IDLE)
        reload->is_asked_again = true;
    else
        begin(reload);
}

void keeper_reload_by_action(struct keeper *keeper, uint64_t id)
{
    struct keeper_reload *reload = keeper->reload;
    struct asker *asker;

    if (keeper->step != KEEPER_RUNS) {
        keeper_reply(keeper, id, false, SV("not_possible berth stops"));
        return;
    }
    asker = xcalloc(1, sizeof *asker);
    asker->id = id;
    asker->front = front_supervisor_restarts(keeper->front);
    list_add_tail(reload->step == RELOAD_IDLE ? &reload->askers
                                              : &reload->next_askers,
                  &asker->node);
    keeper_reload_by_signal(keeper);
}

struct keeper_reload *keeper_reload_new(struct keeper *keeper)
{
    struct keeper_reload *reload = xcalloc(1, sizeof *reload);

    reload->keeper = keeper;
    reload->timer.on_expire = on_timer;
    list_init(&reload->askers);
    list_init(&reload->next_askers);
    return reload;
}

void keeper_reload_free(struct keeper_reload **reload_ptr)
{
    struct keeper_reload *reload = TAKE(*reload_ptr);
    struct list *node;

    if (!reload)
        return;
    forget(reload);
    while ((node = list_pop_head(&reload->askers)) ||
           (node = list_pop_head(&reload->next_askers)))
        free(container_of(node, struct asker, node));
    free(reload);
}
