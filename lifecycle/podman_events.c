/* podman_events.c - the stream of Podman's events about our containers. */
#include "lifecycle/podman_events.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/podman_call.h"
#include "lifecycle/podman_http.h"
#include "lifecycle/podman_json.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"

#define FAILURE_MAX_BYTES 65536

struct podman_events {
    struct podman_http *http;
    char *namespace_name;
    struct podman_events_handler handler;
    struct podman_request *request; /* NULL: not connected */
    uint64_t since_s; /* Unix time up to which nothing was missed; 0: start */
    struct log_rate bad_line_rate;
};

struct podman_events *
podman_events_new(struct podman_http *http, const char *namespace_name,
                  const struct podman_events_handler *handler)
{
    struct podman_events *events = xcalloc(1, sizeof *events);

    events->http = http;
    events->namespace_name = xstrdup(namespace_name);
    events->handler = *handler;
    return events;
}

void podman_events_free(struct podman_events **events_ptr)
{
    struct podman_events *events = *events_ptr;

    if (!events)
        return;
    podman_http_cancel(&events->request);
    free(events->namespace_name);
    free(events);
    *events_ptr = NULL;
}

static void on_line(void *arg, struct strview line)
{
    struct podman_events *events = arg;
    struct podman_event event;
    struct err err;
    uint64_t skipped;

    if (!podman_json_event(line, &event, &err)) {
        if (log_rate_allows(&events->bad_line_rate, &skipped))
            log_warn("podman", "an event that cannot be read",
                     "reason=\"%s\" skipped=%" PRIu64, err.text, skipped);
        return;
    }
    if (event.time_s > events->since_s)
        events->since_s = event.time_s;
    if (strcmp(event.action, "died") == 0)
        events->handler.on_died(events->handler.arg, event.id, event.exit_code);
}

static void on_done(void *arg, const struct podman_answer *answer,
                    const struct err *err)
{
    struct podman_events *events = arg;
    struct err reason;

    events->request = NULL;
    if (err)
        reason = *err;
    else if (answer->status >= 300)
        podman_json_failure(answer->status, answer->body, &reason);
    else
        err_set(&reason, ERR_UNAVAILABLE, "Podman ended its event stream");
    events->handler.on_lost(events->handler.arg, &reason);
}

/* `died` and not `die`: 4.3 knows only that. */
static void add_path(struct strbuf *path, const struct podman_events *events)
{
    strbuf_printf(
        path, "/v4.0.0/libpod/events?stream=true&since=%" PRIu64 "&filters=",
        events->since_s);
    podman_call_add_filter(path, sv_of(events->namespace_name),
                           "\"type\":[\"container\"],"
                           "\"event\":[\"died\"],");
}

void podman_events_connect(struct podman_events *events)
{
    struct strbuf path = STRBUF_INIT;
    struct podman_http_call call = {
        .method = "GET",
        .max_body = FAILURE_MAX_BYTES,
        .on_line = on_line,
        .on_done = on_done,
        .arg = events,
    };

    podman_http_cancel(&events->request);
    if (events->since_s == 0)
        events->since_s = clock_unix_ms() / 1000;
    add_path(&path, events);
    call.path = path.data;
    events->request = podman_http_send(events->http, &call);
    strbuf_done(&path);
}

void podman_events_disconnect(struct podman_events *events)
{
    podman_http_cancel(&events->request);
}
