/* admin_watch.c - the admin API's looks at what happened: starts, events. */
#include <cjson/cJSON.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/admin/admin_call.h"
#include "proxy/admin/admin_handlers.h"
#include "proxy/admin/admin_host.h"
#include "proxy/settings.h"

#define STARTS_TIMEOUT_MS 2000
#define BEGIN_TIMEOUT_MS  2000

static uint32_t app_id(struct admin_call *call, uint32_t index)
{
    const struct admin_host *host = admin_call_host(call);

    return host->ops->settings(host->front)->apps[index].id;
}

/* --- starts --- */

static void on_starts(struct admin_call *call, bool ok, struct strview body)
{
    struct strbuf text = STRBUF_INIT;

    if (!ok) {
        admin_call_failure(call, body);
        return;
    }
    strbuf_add_sv(&text, body);
    strbuf_add_char(&text, '\n');
    admin_call_text(call, 200, "application/json", &text);
}

void admin_handle_starts(struct admin_call *call)
{
    uint32_t index = admin_find_app(call, admin_call_app(call));

    if (index == UINT32_MAX)
        return;
    admin_call_question(call, &(struct admin_question){
                                  .what = "starts",
                                  .app = app_id(call, index),
                                  .timeout_ms = STARTS_TIMEOUT_MS,
                                  .on_answer = on_starts,
                              });
}

/* --- events --- */

/* "ID KIND JSON" lines, as server-sent events. */
static void write_events(struct strview part, struct strbuf *out)
{
    struct strview line;

    while (sv_split(&part, '\n', &line)) {
        struct strview id;
        struct strview kind;

        if (line.len == 0 || !sv_split(&line, ' ', &id) ||
            !sv_split(&line, ' ', &kind))
            continue;
        strbuf_printf(out, "id: %.*s\nevent: %.*s\ndata: %.*s\n\n", SV_ARG(id),
                      SV_ARG(kind), SV_ARG(line));
    }
}

static const struct admin_stream event_stream = {
    .type = "text/event-stream",
    .silence = ": nothing new\n\n",
    .write = write_events,
};

static void on_no_events(struct admin_call *call, bool ok, struct strview body)
{
    struct strbuf none = STRBUF_INIT;

    if (ok)
        admin_call_text(call, 200, event_stream.type, &none);
    else
        admin_call_failure(call, body);
}

/* What a client that was cut off has seen already. */
static uint64_t last_event_id(struct admin_call *call)
{
    const char *text = evhttp_find_header(
        evhttp_request_get_input_headers(admin_call_request(call)),
        "Last-Event-ID");

    return text ? strtoull(text, NULL, 10) : 0;
}

/* false: the call has been answered. */
static bool make_argument(struct admin_call *call, cJSON *argument)
{
    uint64_t number = last_event_id(call);
    bool has_tail;

    if (number > 0 && number < 1ULL << 53)
        cJSON_AddNumberToObject(argument, "after", (double)number);
    if (!admin_call_number(call, "tail", &number, &has_tail))
        return false;
    if (has_tail)
        cJSON_AddNumberToObject(argument, "tail", (double)number);
    cJSON_AddBoolToObject(argument, "follow",
                          admin_call_flag(call, "follow", true));
    return true;
}

void admin_handle_events(struct admin_call *call)
{
    const char *app = admin_call_param(call, "app");
    uint32_t index = app ? admin_find_app(call, sv_of(app)) : 0;
    cJSON *argument;
    char *text;

    if (index == UINT32_MAX)
        return;
    argument = cJSON_CreateObject();
    if (make_argument(call, argument)) {
        text = cJSON_PrintUnformatted(argument);
        admin_call_question(call,
                            &(struct admin_question){
                                .what = "events",
                                .app = app ? app_id(call, index) : UINT32_MAX,
                                .argument = sv_of(text),
                                .timeout_ms = BEGIN_TIMEOUT_MS,
                                .on_answer = on_no_events,
                                .stream = &event_stream,
                            });
        cJSON_free(text);
    }
    cJSON_Delete(argument);
}
