/* admin_handlers.c - what each row of admin_routes.def does. */
#include "proxy/admin/admin_handlers.h"

#include <string.h>

#include <cjson/cJSON.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "proxy/admin/admin_call.h"
#include "proxy/admin/admin_host.h"
#include "proxy/admin/admin_openapi.h"
#include "proxy/admin/admin_status.h"
#include "proxy/admin/metrics_merge.h"
#include "proxy/build_info.h"
#include "proxy/settings.h"
#include "router/app.h"
#include "router/base/loop.h"
#include "router/base/metrics.h"
#include "router/base/metrics_written.h"
#include "router/base/process_metrics.h"

/* A scraper gives up after ten seconds or so, and a person before that. */
#define METRICS_TIMEOUT_MS 1000
#define STATUS_TIMEOUT_MS  2000
#define STOP_TIMEOUT_MS    5000

#define TYPE_TEXT    "text/plain; charset=utf-8"
#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_OPEN_METRICS                                                      \
    "application/openmetrics-text; version=1.0.0; charset=utf-8"

static const struct proxy_settings *settings_of(const struct admin_call *call)
{
    const struct admin_host *host = admin_call_host(call);

    return host->ops->settings(host->front);
}

void admin_handle_healthz(struct admin_call *call)
{
    struct strbuf buf = STRBUF_INIT;

    strbuf_add_str(&buf, "ok\n");
    admin_call_text(call, 200, TYPE_TEXT, &buf);
}

void admin_handle_readyz(struct admin_call *call)
{
    const struct admin_host *host = admin_call_host(call);
    const struct proxy_settings *settings = settings_of(call);
    bool is_serving = host->ops->is_serving(host->front);
    cJSON *json = cJSON_CreateObject();
    cJSON *awaited = cJSON_AddArrayToObject(json, "awaited");
    bool is_ready;

    for (uint32_t i = 0; i < settings->app_count; i++) {
        struct app_counts counts;

        if (settings->apps[i].replicas_min == 0)
            continue;
        app_count(host->ops->app(host->front, i), loop_now_us(host->loop),
                  &counts);
        if (counts.replicas == 0)
            cJSON_AddItemToArray(awaited,
                                 cJSON_CreateString(settings->apps[i].name));
    }
    is_ready = is_serving && cJSON_GetArraySize(awaited) == 0;
    cJSON_AddBoolToObject(json, "serving", is_serving);
    cJSON_AddBoolToObject(json, "ready", is_ready);
    admin_call_json(call, is_ready ? 200 : 503, json);
}

/* --- metrics --- */

static void add_own_metrics(struct strbuf *buf, bool keeper_is_up)
{
    metrics_written_begin(buf, METRICS_WRITTEN_BUILD_INFO);
    strbuf_printf(buf, "%s{version=\"%s\",commit=\"%s\"} 1\n",
                  metrics_written_name(METRICS_WRITTEN_BUILD_INFO),
                  build_version(), build_commit());
    metrics_written_begin(buf, METRICS_WRITTEN_KEEPER_UP);
    strbuf_printf(buf, "%s %d\n",
                  metrics_written_name(METRICS_WRITTEN_KEEPER_UP),
                  keeper_is_up);
    process_metrics_expose(buf, "front");
}

/* Prometheus lists OpenMetrics first where it wants it; nobody lists it to
 * refuse it. */
static enum metrics_format format_for(struct admin_call *call)
{
    const char *accept = evhttp_find_header(
        evhttp_request_get_input_headers(admin_call_request(call)), "Accept");

    return accept && strcasestr(accept, "application/openmetrics-text")
               ? METRICS_OPEN
               : METRICS_TEXT;
}

static void on_keeper_metrics(struct admin_call *call, bool ok,
                              struct strview body)
{
    const struct admin_host *host = admin_call_host(call);
    AUTO(metrics_merge_free) struct metrics_merge *merge = metrics_merge_new();
    AUTO(strbuf_done) struct strbuf own = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf front = STRBUF_INIT;
    struct strbuf merged = STRBUF_INIT;
    enum metrics_format format = format_for(call);

    add_own_metrics(&own, ok);
    metrics_expose(host->ops->metrics(host->front), &front);
    metrics_merge_add(merge, strbuf_view(&own));
    metrics_merge_add(merge, strbuf_view(&front));
    if (ok)
        metrics_merge_add(merge, body);
    metrics_merge_write(merge, format, &merged);
    admin_call_text(call, 200,
                    format == METRICS_OPEN ? TYPE_OPEN_METRICS : TYPE_METRICS,
                    &merged);
}

void admin_handle_metrics(struct admin_call *call)
{
    admin_call_ask(call, "metrics", METRICS_TIMEOUT_MS, on_keeper_metrics);
}

/* --- status --- */

static void on_status(struct admin_call *call, bool ok, struct strview body)
{
    struct strview keeper = ok ? body : sv_make(NULL, 0);

    admin_call_json(call, 200,
                    admin_status_json(admin_call_host(call), keeper));
}

void admin_handle_status(struct admin_call *call)
{
    admin_call_ask(call, "status", STATUS_TIMEOUT_MS, on_status);
}

static void on_apps(struct admin_call *call, bool ok, struct strview body)
{
    struct strview keeper = ok ? body : sv_make(NULL, 0);

    admin_call_json(call, 200, admin_apps_json(admin_call_host(call), keeper));
}

void admin_handle_apps(struct admin_call *call)
{
    admin_call_ask(call, "status", STATUS_TIMEOUT_MS, on_apps);
}

/* Index of the app that the path names; UINT32_MAX after an answer. */
static uint32_t find_app(struct admin_call *call)
{
    return admin_find_app(call, admin_call_app(call));
}

static void on_app(struct admin_call *call, bool ok, struct strview body)
{
    struct strview keeper = ok ? body : sv_make(NULL, 0);
    uint32_t index = find_app(call); /* anew: a reload may have come between */

    if (index != UINT32_MAX)
        admin_call_json(call, 200,
                        admin_app_json(admin_call_host(call), index, keeper));
}

void admin_handle_app(struct admin_call *call)
{
    if (find_app(call) != UINT32_MAX)
        admin_call_ask(call, "status", STATUS_TIMEOUT_MS, on_app);
}

void admin_handle_routes(struct admin_call *call)
{
    admin_call_json(call, 200, admin_routes_json(admin_call_host(call)));
}

/* --- what it is, and what it does --- */

static void on_config(struct admin_call *call, bool ok, struct strview body)
{
    struct strbuf text = STRBUF_INIT;

    if (!ok) {
        admin_call_failure(call, body);
        return;
    }
    strbuf_add_sv(&text, body);
    admin_call_text(call, 200, TYPE_TEXT, &text);
}

void admin_handle_config(struct admin_call *call)
{
    admin_call_ask(call, "config", STATUS_TIMEOUT_MS, on_config);
}

void admin_handle_openapi(struct admin_call *call)
{
    struct strbuf text = STRBUF_INIT;

    strbuf_add_sv(&text, admin_openapi());
    admin_call_text(call, 200, "application/json", &text);
}

/* --- stop --- */

static void on_stop(struct admin_call *call, bool ok, struct strview body)
{
    cJSON *json;

    if (!ok) {
        if (!body.ptr)
            body = SV("the keeper gave no answer in time");
        admin_call_error(call, 503, "stop_failed", "%.*s", SV_ARG(body));
        return;
    }
    json = cJSON_CreateObject();
    cJSON_AddBoolToObject(json, "stopping", true);
    admin_call_json(call, 202, json);
}

/* ACTION "stop" has "keep", "stop" or, for what on_exit says, "". */
void admin_handle_stop(struct admin_call *call)
{
    static const char should_be[] =
        "{\"keep_containers\": true} or false, or empty";
    cJSON *body = admin_read_body(call, "keep_containers", should_be);
    const cJSON *keep =
        cJSON_GetObjectItemCaseSensitive(body, "keep_containers");
    struct strview argument = SV("");

    if (!body)
        return;
    if (keep && !cJSON_IsBool(keep)) {
        cJSON_Delete(body);
        admin_call_error(call, 400, "bad_request", "the body must be %s",
                         should_be);
        return;
    }
    if (keep)
        argument = cJSON_IsTrue(keep) ? SV("keep") : SV("stop");
    cJSON_Delete(body);
    admin_call_question(call, &(struct admin_question){
                                  .what = "stop",
                                  .is_action = true,
                                  .app = UINT32_MAX,
                                  .argument = argument,
                                  .timeout_ms = STOP_TIMEOUT_MS,
                                  .on_answer = on_stop,
                              });
}
