/* start_log.c - the last starts of an app. */
#include "lifecycle/start_log.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/event_log.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"

struct fault {
    uint64_t at_unix_ms; /* 0: none */
    char code[32];
    char *message;
    char *log; /* last lines; "": none */
};

struct start {
    char *replica;
    uint64_t at_unix_ms; /* when it began */
    const char *from;
    bool was_urgent;
    bool is_ok;
    struct replica_phases phases;
    cJSON *evicted;
    struct fault error;
    struct fault ended;
};

struct start_log {
    unsigned count;
    struct start starts[START_LOG_MAX]; /* the oldest first */
};

/* clang-format off */
/* In path order; architecture.md has the names. */
static const struct {
    const char *name;
    size_t offset;
} phase_rows[] = {
#define PHASE(name) {#name, offsetof(struct replica_phases, name##_us)}
    PHASE(queue), PHASE(evict), PHASE(pull),  PHASE(create), PHASE(prime),
    PHASE(start), PHASE(boot),  PHASE(ready), PHASE(thaw),
    PHASE(first_byte),
#undef PHASE
};
/* clang-format on */

struct start_log *start_log_new(void)
{
    return xcalloc(1, sizeof(struct start_log));
}

static void fault_done(struct fault *fault)
{
    free(fault->message);
    free(fault->log);
}

static void start_done(struct start *start)
{
    free(start->replica);
    cJSON_Delete(start->evicted);
    fault_done(&start->error);
    fault_done(&start->ended);
}

void start_log_free(struct start_log **log)
{
    if (!*log)
        return;
    for (unsigned i = 0; i < (*log)->count; i++)
        start_done(&(*log)->starts[i]);
    free(*log);
    *log = NULL;
}

/* The newest lines of it. */
static void fault_set(struct fault *fault,
                      const struct replica_failure *failure)
{
    struct strview log = failure->log;

    if (log.len > START_LOG_BYTES)
        log = sv_skip(log, log.len - START_LOG_BYTES);
    fault_done(fault);
    fault->at_unix_ms = clock_unix_ms();
    snprintf(fault->code, sizeof fault->code, "%s", failure->code);
    fault->message = xstrdup(failure->reason);
    fault->log = log.len > 0 ? xstrndup(log.ptr, log.len) : xstrdup("");
}

/* Replicas of others that made room since it began. */
static cJSON *find_evicted(const struct start_end *end)
{
    cJSON *list = cJSON_CreateArray();
    const struct event *event;
    uint64_t at = 0;

    while (end->events && (event = event_log_after(end->events, at))) {
        cJSON *one;

        at = event->id;
        if (event->kind != EVENT_EVICTION ||
            event->at_unix_ms < end->view->began_unix_ms ||
            strcmp(event->by, end->app) != 0)
            continue;
        one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "app", event->app);
        cJSON_AddStringToObject(one, "replica", event->replica);
        cJSON_AddItemToArray(list, one);
    }
    return list;
}

static struct start *find(struct start_log *log, const char *replica)
{
    for (unsigned i = log->count; i > 0; i--)
        if (strcmp(log->starts[i - 1].replica, replica) == 0)
            return &log->starts[i - 1];
    return NULL;
}

static void drop(struct start_log *log, unsigned index)
{
    start_done(&log->starts[index]);
    memmove(&log->starts[index], &log->starts[index + 1],
            (log->count - index - 1) * sizeof log->starts[0]);
    log->count--;
}

/* An app that is frozen and thawed all day long shall not push out why its last
 * real start took so long. */
static void make_room(struct start_log *log, bool for_thaw)
{
    unsigned thaws = 0;
    unsigned oldest = 0;

    for (unsigned i = log->count; i > 0; i--) {
        if (log->starts[i - 1].phases.thaw_us == 0)
            continue;
        thaws++;
        oldest = i - 1;
    }
    if (for_thaw && thaws >= START_LOG_THAWS)
        drop(log, oldest);
    else if (log->count == START_LOG_MAX)
        drop(log, 0);
}

static struct start *new_start(struct start_log *log, bool is_thaw)
{
    make_room(log, is_thaw);
    log->starts[log->count] = (struct start){0};
    return &log->starts[log->count++];
}

void start_log_add(struct start_log *log, const struct start_end *end)
{
    const struct replica_failure *failure = end->failure;
    struct start *start;

    if (failure && failure->was_ready) {
        start = find(log, end->view->name); /* an adopted one has none */
        if (start)
            fault_set(&start->ended, failure);
        return;
    }
    start = new_start(log, end->view->phases.thaw_us > 0);
    start->replica = xstrdup(end->view->name);
    start->at_unix_ms = end->view->began_unix_ms;
    start->from = end->from;
    start->was_urgent = end->was_urgent;
    start->is_ok = !failure;
    start->phases = end->view->phases;
    start->phases.total_us += start->phases.first_byte_us;
    start->evicted = find_evicted(end);
    if (failure)
        fault_set(&start->error, failure);
}

void start_log_first_byte(struct start_log *log, const char *replica,
                          uint64_t first_byte_us)
{
    struct start *start = find(log, replica);

    if (!start || !start->is_ok || start->phases.first_byte_us > 0)
        return;
    start->phases.first_byte_us = first_byte_us;
    start->phases.total_us += first_byte_us;
}

/* --- as text and JSON --- */

static uint64_t phase_of(const struct replica_phases *phases, size_t row)
{
    uint64_t us;

    memcpy(&us, (const char *)phases + phase_rows[row].offset, sizeof us);
    return us;
}

void start_phases_write(const struct replica_phases *phases, struct strbuf *buf)
{
    for (size_t i = 0; i < ARRAY_LEN(phase_rows); i++) {
        uint64_t us = phase_of(phases, i);

        if (us > 0)
            strbuf_printf(buf, "%s%s %.1f ms", buf->len > 0 ? ", " : "",
                          phase_rows[i].name, (double)us / 1e3);
    }
}

cJSON *start_phases_json(const struct replica_phases *phases)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; i < ARRAY_LEN(phase_rows); i++) {
        uint64_t us = phase_of(phases, i);
        cJSON *phase;

        if (us == 0)
            continue;
        phase = cJSON_CreateObject();
        cJSON_AddStringToObject(phase, "name", phase_rows[i].name);
        cJSON_AddNumberToObject(phase, "us", (double)us);
        cJSON_AddItemToArray(list, phase);
    }
    return list;
}

/* Bytes that are no text are shown as such. */
static void add_line(cJSON *lines, struct strview line)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    strbuf_add_json(&text, line);
    cJSON_AddItemToArray(lines, cJSON_Parse(text.data));
}

static void add_fault(cJSON *json, const char *name, const struct fault *fault)
{
    struct strview rest;
    struct strview line;
    cJSON *object;
    cJSON *lines;

    if (fault->at_unix_ms == 0)
        return;
    object = cJSON_AddObjectToObject(json, name);
    cJSON_AddNumberToObject(object, "at_unix_ms", (double)fault->at_unix_ms);
    cJSON_AddStringToObject(object, "code", fault->code);
    cJSON_AddStringToObject(object, "message", fault->message);
    lines = cJSON_AddArrayToObject(object, "log");
    rest = sv_of(fault->log);
    while (rest.len > 0 && sv_split(&rest, '\n', &line))
        add_line(lines, line);
}

static cJSON *start_json(const struct start *start)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddStringToObject(json, "replica", start->replica);
    cJSON_AddNumberToObject(json, "at_unix_ms", (double)start->at_unix_ms);
    cJSON_AddStringToObject(json, "from", start->from);
    cJSON_AddStringToObject(json, "why",
                            start->was_urgent ? "a request waited for it"
                                              : "it was to be ready");
    cJSON_AddBoolToObject(json, "ok", start->is_ok);
    cJSON_AddNumberToObject(json, "total_us", (double)start->phases.total_us);
    cJSON_AddItemToObject(json, "phases", start_phases_json(&start->phases));
    if (cJSON_GetArraySize(start->evicted) > 0)
        cJSON_AddItemToObject(json, "evicted",
                              cJSON_Duplicate(start->evicted, true));
    add_fault(json, "error", &start->error);
    add_fault(json, "ended", &start->ended);
    return json;
}

cJSON *start_log_json(const struct start_log *log)
{
    cJSON *list = cJSON_CreateArray();

    for (unsigned i = log->count; i > 0; i--)
        cJSON_AddItemToArray(list, start_json(&log->starts[i - 1]));
    return list;
}

cJSON *start_log_last_json(const struct start_log *log)
{
    return log->count > 0 ? start_json(&log->starts[log->count - 1])
                          : cJSON_CreateNull();
}
