/* admin_act.c - what the admin API has done to apps.
 *
 * Whoever asks for application/x-ndjson is told what goes on, a line of JSON
 * each; everybody else is answered when the action is done or has failed.
 */
#include <cjson/cJSON.h>
#include <event2/http.h>
#include <stdio.h>
#include <string.h>

#include "proxy/admin/admin_call.h"
#include "proxy/admin/admin_handlers.h"
#include "proxy/admin/admin_host.h"
#include "proxy/field_time.h"
#include "proxy/settings.h"

#define LINES_TYPE "application/x-ndjson"

/* The keeper's parts are such lines already. */
static void write_lines(struct strview part, struct strbuf *out)
{
    strbuf_add_sv(out, part);
}

static void write_end(bool ok, struct strview body, struct strbuf *out)
{
    struct strview code;
    struct strview message;

    if (ok) {
        strbuf_add_sv(out, body);
        strbuf_add_char(out, '\n');
        return;
    }
    admin_split_failure(body, &code, &message);
    strbuf_add_str(out, "{\"error\":{\"code\":");
    strbuf_add_json(out, code);
    strbuf_add_str(out, ",\"message\":");
    strbuf_add_json(out, message);
    strbuf_add_str(out, "}}\n");
}

static const struct admin_stream lines = {
    .type = LINES_TYPE,
    .silence = "\n",
    .write = write_lines,
    .finish = write_end,
};

static void on_done(struct admin_call *call, bool ok, struct strview body)
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

static bool wants_lines(struct admin_call *call)
{
    const char *accept = evhttp_find_header(
        evhttp_request_get_input_headers(admin_call_request(call)), "Accept");

    return accept && strstr(accept, LINES_TYPE);
}

static void ask(struct admin_call *call, const char *what, uint32_t app,
                struct strview argument)
{
    admin_call_question(call, &(struct admin_question){
                                  .what = what,
                                  .is_action = true,
                                  .app = app,
                                  .argument = argument,
                                  .on_answer = on_done,
                                  .stream = wants_lines(call) ? &lines : NULL,
                              });
}

static void act(struct admin_call *call, const char *what,
                const cJSON *argument)
{
    const struct admin_host *host = admin_call_host(call);
    uint32_t index = admin_find_app(call, admin_call_app(call));
    char *text;

    if (index == UINT32_MAX)
        return;
    text = cJSON_PrintUnformatted(argument);
    ask(call, what, host->ops->settings(host->front)->apps[index].id,
        sv_of(text));
    cJSON_free(text);
}

static bool has_only(const cJSON *json, const char *member)
{
    int count = cJSON_GetArraySize(json);

    return count == 0 ||
           (count == 1 && member && strcmp(json->child->string, member) == 0);
}

cJSON *admin_read_body(struct admin_call *call, const char *member,
                       const char *should_be)
{
    struct strview body = admin_call_body(call);
    cJSON *json = body.len > 0 ? cJSON_ParseWithLength(body.ptr, body.len)
                               : cJSON_CreateObject();

    if (cJSON_IsObject(json) && has_only(json, member))
        return json;
    cJSON_Delete(json);
    admin_call_error(call, 400, "bad_request", "the body must be %s",
                     should_be);
    return NULL;
}

static void act_plainly(struct admin_call *call, const char *what)
{
    cJSON *body = admin_read_body(call, NULL, "empty");

    if (!body)
        return;
    cJSON_Delete(body);
    body = cJSON_CreateObject();
    act(call, what, body);
    cJSON_Delete(body);
}

void admin_handle_pull(struct admin_call *call)
{
    act_plainly(call, "pull");
}

void admin_handle_restart(struct admin_call *call)
{
    act_plainly(call, "restart");
}

void admin_handle_freeze(struct admin_call *call)
{
    act_plainly(call, "freeze");
}

void admin_handle_hibernate(struct admin_call *call)
{
    act_plainly(call, "hibernate");
}

void admin_handle_wake(struct admin_call *call)
{
    static const char should_be[] = "{\"for\": \"10m\"}, or empty";
    cJSON *body = admin_read_body(call, "for", should_be);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, "for");
    cJSON *argument;
    uint64_t ms = 0;

    if (!body)
        return;
    if (item && (!cJSON_IsString(item) ||
                 !field_time_duration(sv_of(item->valuestring), &ms))) {
        admin_call_error(call, 400, "bad_request", "the body must be %s",
                         should_be);
    } else {
        argument = cJSON_CreateObject();
        cJSON_AddNumberToObject(argument, "for_ms", (double)ms);
        act(call, "wake", argument);
        cJSON_Delete(argument);
    }
    cJSON_Delete(body);
}

void admin_handle_scale(struct admin_call *call)
{
    static const char should_be[] = "{\"replicas\": N}";
    cJSON *body = admin_read_body(call, "replicas", should_be);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, "replicas");
    cJSON *argument;

    if (!body)
        return;
    if (!cJSON_IsNumber(item) || item->valuedouble < 0 ||
        item->valuedouble > 1e6 ||
        item->valuedouble != (double)(uint32_t)item->valuedouble) {
        admin_call_error(call, 400, "bad_request", "the body must be %s",
                         should_be);
    } else {
        argument = cJSON_CreateObject();
        cJSON_AddNumberToObject(argument, "replicas", item->valuedouble);
        act(call, "scale", argument);
        cJSON_Delete(argument);
    }
    cJSON_Delete(body);
}

static void on_reloaded(struct admin_call *call, bool ok, struct strview body)
{
    if (ok)
        on_done(call, ok, body);
    else
        admin_call_error(call, 422, "reload_refused", "%.*s", SV_ARG(body));
}

void admin_handle_reload(struct admin_call *call)
{
    admin_call_question(call, &(struct admin_question){
                                  .what = "reload",
                                  .is_action = true,
                                  .app = UINT32_MAX,
                                  .argument = SV(""),
                                  .on_answer = on_reloaded,
                              });
}
