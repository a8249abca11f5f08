/* front_desk.c - what the front asks, a row each. */
#include "lifecycle/front_desk.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/event_log.h"
#include "lifecycle/event_stream.h"
#include "lifecycle/fleet.h"
#include "lifecycle/fleet_action.h"
#include "lifecycle/fleet_app.h"
#include "lifecycle/log_follow.h"
#include "router/base/alloc.h"

struct front_desk {
    struct front_desk_options options;
    struct answers answers;
    struct fleet_actions *actions;
};

/* A question, taken apart. */
struct asked {
    uint64_t id;
    struct fleet_app *app; /* NULL: about none */
    const cJSON *argument; /* an object; NULL: it has none */
};

struct front_desk *front_desk_new(const struct front_desk_options *options)
{
    struct front_desk *desk = xcalloc(1, sizeof *desk);
    const struct fleet_actions_options actions_options = {
        .loop = options->loop,
        .timers = options->timers,
        .fleet = options->fleet,
        .events = options->events,
    };

    desk->options = *options;
    answers_init(&desk->answers);
    desk->actions = fleet_actions_new(&actions_options);
    return desk;
}

void front_desk_free(struct front_desk **desk)
{
    if (!*desk)
        return;
    answers_set_channel(&(*desk)->answers, NULL);
    fleet_actions_free(&(*desk)->actions);
    free(*desk);
    *desk = NULL;
}

void front_desk_set_channel(struct front_desk *desk, struct channel *channel)
{
    answers_set_channel(&desk->answers, channel);
}

bool front_desk_on_message(struct front_desk *desk, enum channel_type type,
                           struct strview payload)
{
    return answers_on_message(&desk->answers, type, payload);
}

/* --- what is in an argument --- */

static bool argument_is_true(const struct asked *asked, const char *name)
{
    return cJSON_IsTrue(
        cJSON_GetObjectItemCaseSensitive(asked->argument, name));
}

static bool argument_has_number(const struct asked *asked, const char *name,
                                uint64_t *ret_number)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(asked->argument, name);

    if (!cJSON_IsNumber(item) || item->valuedouble < 0)
        return false;
    *ret_number = (uint64_t)item->valuedouble;
    return true;
}

/* --- questions --- */

/* {"after": ID, "tail": N, "follow": bool} */
static void ask_events(struct front_desk *desk, const struct asked *asked)
{
    struct event_ask ask = {
        .app = asked->app ? asked->app->settings->app->name : NULL,
        .follow = argument_is_true(asked, "follow"),
    };

    (void)argument_has_number(asked, "after", &ask.after);
    ask.has_tail = argument_has_number(asked, "tail", &ask.tail);
    event_stream_start(&desk->answers, asked->id, desk->options.loop,
                       desk->options.events, &ask);
}

static void ask_starts(struct front_desk *desk, const struct asked *asked)
{
    cJSON *json = fleet_app_starts(desk->options.fleet, asked->app);
    char *text = cJSON_PrintUnformatted(json);

    answers_reply(&desk->answers, asked->id, true, sv_of(text ? text : "{}"));
    cJSON_free(text);
    cJSON_Delete(json);
}

static const char *argument_text(const struct asked *asked, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(asked->argument, name);

    return cJSON_IsString(item) ? item->valuestring : NULL;
}

/* {"replica": "a-3", "sidecar": NAME, "tail": N, "follow": bool} */
static void ask_logs(struct front_desk *desk, const struct asked *asked)
{
    const struct log_host host = {desk->options.loop,
                                  fleet_engine(desk->options.fleet),
                                  desk->options.fleet, desk->options.events};
    struct log_ask ask = {
        .replica = argument_text(asked, "replica"),
        .sidecar = argument_text(asked, "sidecar"),
        .follow = argument_is_true(asked, "follow"),
    };
    struct err err;

    ask.has_tail = argument_has_number(asked, "tail", &ask.tail);
    if (!log_follow_start(&desk->answers, asked->id, &host, asked->app->id,
                          &ask, &err))
        answers_reply(&desk->answers, asked->id, false, sv_of(err.text));
}

struct row {
    const char *what;
    bool needs_app;
    void (*run)(struct front_desk *desk, const struct asked *asked);
};

static const struct row queries[] = {
    {"events", false, ask_events},
    {"logs", true, ask_logs},
    {"starts", true, ask_starts},
};

/* --- actions --- */

/* {"for_ms": N}, {"replicas": N} */
static void act(struct front_desk *desk, const struct asked *asked,
                enum fleet_action_kind kind)
{
    struct fleet_action_ask ask = {.kind = kind, .app = asked->app->id};
    uint64_t replicas = 0;

    (void)argument_has_number(asked, "for_ms", &ask.keep_ms);
    (void)argument_has_number(asked, "replicas", &replicas);
    ask.replicas = replicas < UINT32_MAX ? (uint32_t)replicas : UINT32_MAX;
    fleet_action_start(desk->actions, &desk->answers, asked->id, &ask);
}

#define FLEET_ACTION(NAME, name)                                               \
    static void act_##name(struct front_desk *desk, const struct asked *asked) \
    {                                                                          \
        act(desk, asked, ACTION_##NAME);                                       \
    }
#include "lifecycle/fleet_action.def"
#undef FLEET_ACTION

static const struct row actions[] = {
#define FLEET_ACTION(NAME, name) {#name, true, act_##name},
#include "lifecycle/fleet_action.def"
#undef FLEET_ACTION
};

/* --- finding the row --- */

static void run_row(struct front_desk *desk, const struct row *row,
                    const struct channel_query *query)
{
    struct asked asked = {.id = query->id};
    cJSON *argument =
        query->argument.len > 0
            ? cJSON_ParseWithLength(query->argument.ptr, query->argument.len)
            : NULL;

    asked.argument = argument;
    if (query->app != UINT32_MAX)
        asked.app = fleet_find_app(desk->options.fleet, query->app);
    if ((row->needs_app || query->app != UINT32_MAX) && !asked.app)
        answers_reply(&desk->answers, query->id, false,
                      SV("unknown_app there is no such app any more"));
    else
        row->run(desk, &asked);
    cJSON_Delete(argument);
}

static void find_row(struct front_desk *desk, const struct row *rows,
                     size_t count, const struct channel_query *query)
{
    for (size_t i = 0; i < count; i++) {
        if (!sv_eq(query->what, sv_of(rows[i].what)))
            continue;
        run_row(desk, &rows[i], query);
        return;
    }
    answers_reply(&desk->answers, query->id, false,
                  SV("bad_request the keeper knows of no such thing"));
}

void front_desk_query(struct front_desk *desk,
                      const struct channel_query *query)
{
    find_row(desk, queries, ARRAY_LEN(queries), query);
}

void front_desk_action(struct front_desk *desk,
                       const struct channel_action *action)
{
    const struct channel_query query = {action->id, action->what, action->app,
                                        action->argument};

    find_row(desk, actions, ARRAY_LEN(actions), &query);
}
