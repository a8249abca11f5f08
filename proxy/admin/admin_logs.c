/* admin_logs.c - the admin API's way to what apps say. */
#include <cjson/cJSON.h>
#include <string.h>

#include "proxy/admin/admin_call.h"
#include "proxy/admin/admin_handlers.h"
#include "proxy/admin/admin_host.h"
#include "proxy/settings.h"
#include "router/base/wire.h"
#include "router/log_record.h"

#define BEGIN_TIMEOUT_MS 2000

struct record {
    enum log_record kind;
    struct strview replica;
    struct strview sidecar; /* "": none */
    struct strview line;
};

static bool next_record(struct wire_reader *reader, struct record *ret)
{
    if (reader->failed || wire_reader_is_done(reader))
        return false;
    ret->kind = (enum log_record)wire_get_u32(reader);
    ret->replica = wire_get_sv(reader);
    ret->sidecar = wire_get_sv(reader);
    ret->line = wire_get_sv(reader);
    return !reader->failed;
}

/* The line's bytes as they are. */
static void write_text(struct strview part, struct strbuf *out)
{
    struct wire_reader reader = wire_reader_of(part);
    struct record record;

    while (next_record(&reader, &record)) {
        strbuf_add_sv(out, record.replica);
        if (record.sidecar.len > 0) {
            strbuf_add_char(out, '/');
            strbuf_add_sv(out, record.sidecar);
        }
        strbuf_add_str(out, record.kind == LOG_RECORD_NOTE ? " - " : " | ");
        strbuf_add_sv(out, record.line);
        strbuf_add_char(out, '\n');
    }
}

static void write_json(struct strview part, struct strbuf *out)
{
    static const char *const members[] = {"note", "stdout", "stderr"};
    struct wire_reader reader = wire_reader_of(part);
    struct record record;

    while (next_record(&reader, &record)) {
        strbuf_add_str(out, "{\"replica\":");
        strbuf_add_json(out, record.replica);
        if (record.sidecar.len > 0) {
            strbuf_add_str(out, ",\"sidecar\":");
            strbuf_add_json(out, record.sidecar);
        }
        strbuf_printf(out, ",\"source\":\"%s\",\"line\":",
                      (unsigned)record.kind < ARRAY_LEN(members)
                          ? members[record.kind]
                          : "note");
        strbuf_add_json(out, record.line);
        strbuf_add_str(out, "}\n");
    }
}

static const struct admin_stream text_stream = {
    .type = "text/plain; charset=utf-8",
    .silence = "",
    .write = write_text,
};

/* A blank line is no record, and shows whether somebody still listens. */
static const struct admin_stream json_stream = {
    .type = "application/x-ndjson",
    .silence = "\n",
    .write = write_json,
};

static void on_no_logs(struct admin_call *call, bool ok, struct strview body)
{
    struct strbuf none = STRBUF_INIT;

    if (ok)
        admin_call_text(call, 200, text_stream.type, &none);
    else
        admin_call_failure(call, body);
}

static void copy_text(struct admin_call *call, cJSON *argument,
                      const char *name)
{
    const char *text = admin_call_param(call, name);

    if (text && text[0])
        cJSON_AddStringToObject(argument, name, text);
}

static void ask(struct admin_call *call, uint32_t app, const cJSON *argument)
{
    const char *format = admin_call_param(call, "format");
    char *text = cJSON_PrintUnformatted(argument);

    admin_call_question(call,
                        &(struct admin_question){
                            .what = "logs",
                            .app = app,
                            .argument = sv_of(text),
                            .timeout_ms = BEGIN_TIMEOUT_MS,
                            .on_answer = on_no_logs,
                            .stream = format && strcmp(format, "json") == 0
                                          ? &json_stream
                                          : &text_stream,
                        });
    cJSON_free(text);
}

void admin_handle_logs(struct admin_call *call)
{
    const struct admin_host *host = admin_call_host(call);
    uint32_t index = admin_find_app(call, admin_call_app(call));
    cJSON *argument;
    uint64_t tail = 0;
    bool has_tail;

    if (index == UINT32_MAX ||
        !admin_call_number(call, "tail", &tail, &has_tail))
        return;
    argument = cJSON_CreateObject();
    cJSON_AddBoolToObject(argument, "follow",
                          admin_call_flag(call, "follow", false));
    if (has_tail)
        cJSON_AddNumberToObject(argument, "tail", (double)tail);
    copy_text(call, argument, "replica");
    copy_text(call, argument, "sidecar");
    ask(call, host->ops->settings(host->front)->apps[index].id, argument);
    cJSON_Delete(argument);
}
