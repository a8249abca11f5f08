/* access_log.c - the lines of access logs. */
#include "proxy/access_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proxy/http_head.h"
#include "proxy/protection_settings.h"
#include "router/base/alloc.h"

/* Of a first line that could not be understood. */
#define RAW_LINE_MAX 2048

_Static_assert(LOG_VARIABLE_COUNT <= 64, "access_log.uses has one bit each");

struct access_logs *access_logs_new(const struct shared_settings *s)
{
    struct access_logs *logs = xcalloc(1, sizeof *logs);

    logs->count = s->access_log_count;
    logs->all = xcalloc(s->access_log_count + 1U, sizeof *logs->all);
    for (uint32_t i = 0; i < s->access_log_count; i++) {
        struct access_log *log = &logs->all[i];
        struct strview unknown;
        struct err err;

        log->file = s->access_logs[i].file;
        /* conf has refused what fails here. */
        if (!log_format_parse(sv_of(s->access_logs[i].format), &log->format,
                              &unknown, &err))
            continue;
        for (unsigned j = 0; j < log->format.op_count; j++)
            log->uses |= 1ULL << log->format.ops[j].variable;
    }
    return logs;
}

void access_logs_renumber(struct access_logs *logs, const unsigned *numbers)
{
    for (uint32_t i = 0; i < logs->count; i++)
        logs->all[i].file = numbers[logs->all[i].file];
}

void access_logs_free(struct access_logs **logs_ptr)
{
    struct access_logs *logs = *logs_ptr;

    if (!logs)
        return;
    for (uint32_t i = 0; i < logs->count; i++)
        log_format_done(&logs->all[i].format);
    free(logs->all);
    free(logs);
    *logs_ptr = NULL;
}

/* --- the request's head -----------------------------------------------------
 */

/* Whoever reads the log must not find there what opens a door. */
static bool is_secret(struct strview field)
{
    return sv_eq(field, SV("authorization")) ||
           sv_eq(field, SV("proxy-authorization")) ||
           sv_eq(field, SV("x-api-key"));
}

static struct strview field_value(const struct http_head *head,
                                  struct strview name)
{
    const struct http_field *field = http_head_find_name(head, name);

    if (!field)
        return sv_make(NULL, 0);
    return is_secret(name) ? SV("***") : field->value;
}

static struct strview request_line(const struct http_head *head,
                                   struct arena *arena)
{
    static const char version[] = " HTTP/1.";
    struct strview method = head->method_name;
    struct strview target = head->target;
    size_t len = method.len + 1 + target.len + sizeof version;
    char *text = arena_alloc(arena, len);
    char *at = text;

    memcpy(at, method.ptr, method.len);
    at += method.len;
    *at++ = ' ';
    memcpy(at, target.ptr, target.len);
    at += target.len;
    memcpy(at, version, sizeof version - 1);
    at[sizeof version - 1] = head->minor == 0 ? '0' : '1';
    return sv_make(text, len);
}

static struct strview head_value(const struct log_op *op,
                                 const struct http_head *head,
                                 struct strview path, struct arena *arena)
{
    switch (op->variable) {
    case LOG_VARIABLE_REQUEST:
        return request_line(head, arena);
    case LOG_VARIABLE_REQUEST_METHOD:
        return head->method_name;
    case LOG_VARIABLE_REQUEST_URI:
        return head->target;
    case LOG_VARIABLE_URI:
        return path.len > 0 ? path : head->path;
    case LOG_VARIABLE_ARGS:
    case LOG_VARIABLE_QUERY_STRING:
        return head->query;
    case LOG_VARIABLE_SERVER_PROTOCOL:
        return head->minor == 0 ? SV("HTTP/1.0") : SV("HTTP/1.1");
    case LOG_VARIABLE_HOST:
        return head->host;
    case LOG_VARIABLE_HTTP:
        return field_value(head, op->text);
    default:
        return sv_make(NULL, 0);
    }
}

static struct strview *new_values(const struct access_log *log,
                                  struct arena *arena)
{
    size_t size = log->format.op_count * sizeof(struct strview);
    struct strview *values = arena_alloc(arena, size);

    memset(values, 0, size);
    return values;
}

struct strview *access_log_keep(const struct access_log *log,
                                const struct http_head *head,
                                struct strview path, struct arena *arena)
{
    struct strview *values = new_values(log, arena);

    for (unsigned i = 0; i < log->format.op_count; i++) {
        const struct log_op *op = &log->format.ops[i];
        struct strview value;

        if (!log_variable_is_of_head(op->variable))
            continue;
        value = head_value(op, head, path, arena);
        if (value.len > 0 && op->variable != LOG_VARIABLE_REQUEST)
            value = sv_make(arena_copy(arena, value), value.len);
        values[i] = value;
    }
    return values;
}

struct strview *access_log_keep_raw(const struct access_log *log,
                                    struct strview bytes, struct arena *arena)
{
    struct strview *values = new_values(log, arena);
    struct strview line = {NULL, 0};

    while (bytes.len > 0 && (bytes.ptr[0] == '\r' || bytes.ptr[0] == '\n'))
        bytes = sv_skip(bytes, 1);
    (void)sv_split(&bytes, '\n', &line);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (line.len > RAW_LINE_MAX)
        line.len = RAW_LINE_MAX;
    for (unsigned i = 0; i < log->format.op_count; i++)
        if (log->format.ops[i].variable == LOG_VARIABLE_REQUEST)
            values[i] = sv_make(arena_copy(arena, line), line.len);
    return values;
}

/* --- the line
 * ----------------------------------------------------------------- */

static void add_number(struct strbuf *line, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    strbuf_add(line, digits + at, sizeof digits - at);
}

/* "1.042" */
static void add_thousandths(struct strbuf *line, uint64_t value)
{
    char rest[4] = {'.', (char)('0' + value / 100 % 10),
                    (char)('0' + value / 10 % 10), (char)('0' + value % 10)};

    add_number(line, value / 1000);
    strbuf_add(line, rest, sizeof rest);
}

/* As nginx writes them; made once a second for each thread, since the calls
 * cost more than the rest of a line. */
static struct strview time_text(uint64_t unix_ms, bool is_iso)
{
    static _Thread_local struct {
        time_t s;
        char local[96]; /* whatever a struct tm may hold, so says gcc */
        char iso[96];
    } cached = {.s = -1};
    time_t s = (time_t)(unix_ms / 1000);

    if (cached.s != s) {
        static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr",
                                           "May", "Jun", "Jul", "Aug",
                                           "Sep", "Oct", "Nov", "Dec"};
        char zone[16];
        struct tm tm;

        localtime_r(&s, &tm);
        strftime(zone, sizeof zone, "%z", &tm);
        snprintf(cached.local, sizeof cached.local,
                 "%02d/%s/%04d:%02d:%02d:%02d %.5s", tm.tm_mday,
                 months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                 tm.tm_sec, zone);
        strftime(cached.iso, sizeof cached.iso, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(cached.iso + strlen(cached.iso), 16, "%.3s:%.2s", zone,
                 zone + 3);
        cached.s = s;
    }
    return sv_of(is_iso ? cached.iso : cached.local);
}

/* The value of the first field of that name in a head that berth wrote. */
static struct strview sent_field(struct strview head, struct strview name)
{
    struct strview line;

    (void)sv_split(&head, '\n', &line); /* the status line */
    while (head.len > 0 && sv_split(&head, '\n', &line)) {
        if (line.len <= 1)
            break;
        if (line.len > name.len && line.ptr[name.len] == ':' &&
            sv_eq_nocase(sv_make(line.ptr, name.len), name)) {
            line = sv_skip(line, name.len + 1);
            line.len -= line.len > 0 && line.ptr[line.len - 1] == '\r';
            return sv_trim(line);
        }
    }
    return sv_make(NULL, 0);
}

/* Text; empty where it is a number. */
static struct strview text_value(const struct access_entry *e,
                                 const struct log_op *op)
{
    switch (op->variable) {
    case LOG_VARIABLE_REMOTE_ADDR:
        return e->remote;
    case LOG_VARIABLE_REALIP_REMOTE_ADDR:
        return e->peer;
    case LOG_VARIABLE_REMOTE_USER:
        return e->user;
    case LOG_VARIABLE_TIME_LOCAL:
        return time_text(e->unix_ms, false);
    case LOG_VARIABLE_TIME_ISO8601:
        return time_text(e->unix_ms, true);
    case LOG_VARIABLE_SCHEME:
        return e->is_tls ? SV("https") : SV("http");
    case LOG_VARIABLE_SERVER_NAME:
        return e->server_name;
    case LOG_VARIABLE_SENT_HTTP:
        return sent_field(e->sent_head, op->text);
    case LOG_VARIABLE_UPSTREAM_ADDR:
        return e->upstream;
    case LOG_VARIABLE_REQUEST_ID:
        return e->request_id;
    case LOG_VARIABLE_APP:
        return e->app;
    case LOG_VARIABLE_ROUTE:
        return e->route;
    case LOG_VARIABLE_REVISION:
        return e->revision;
    case LOG_VARIABLE_REPLICA:
        return e->replica;
    case LOG_VARIABLE_WARMTH:
        return e->warmth;
    case LOG_VARIABLE_ERROR:
        return e->error;
    default:
        return sv_make(NULL, 0);
    }
}

static bool add_number_of(const struct access_entry *e,
                          enum log_variable variable, struct strbuf *line)
{
    switch (variable) {
    case LOG_VARIABLE_REMOTE_PORT:
        add_number(line, e->remote_port);
        return true;
    case LOG_VARIABLE_SERVER_PORT:
        add_number(line, e->server_port);
        return true;
    case LOG_VARIABLE_MSEC:
        add_thousandths(line, e->unix_ms);
        return true;
    case LOG_VARIABLE_STATUS:
        add_number(line, e->status);
        return true;
    case LOG_VARIABLE_BODY_BYTES_SENT:
        add_number(line, e->body_bytes);
        return true;
    case LOG_VARIABLE_BYTES_SENT:
        add_number(line, e->bytes);
        return true;
    case LOG_VARIABLE_REQUEST_LENGTH:
        add_number(line, e->request_bytes);
        return true;
    case LOG_VARIABLE_REQUEST_TIME:
        add_thousandths(line, e->request_us / 1000);
        return true;
    case LOG_VARIABLE_QUEUE_TIME:
        add_thousandths(line, e->queue_us / 1000);
        return true;
    case LOG_VARIABLE_UPSTREAM_TIME:
        add_thousandths(line, e->upstream_us / 1000);
        return true;
    case LOG_VARIABLE_CONNECTION:
        add_number(line, e->connection);
        return true;
    case LOG_VARIABLE_CONNECTION_REQUESTS:
        add_number(line, e->connection_requests);
        return true;
    case LOG_VARIABLE_COLD_START:
        add_number(line, e->cold_start);
        return true;
    default:
        return false;
    }
}

void access_log_write(const struct access_log *log,
                      const struct access_entry *entry, struct strbuf *line)
{
    const struct log_format *format = &log->format;

    for (unsigned i = 0; i < format->op_count; i++) {
        const struct log_op *op = &format->ops[i];

        if (op->variable == LOG_VARIABLE_TEXT)
            strbuf_add_sv(line, op->text);
        else if (log_variable_is_of_head(op->variable))
            log_format_add_value(format,
                                 entry->head_values ? entry->head_values[i]
                                                    : sv_make(NULL, 0),
                                 line);
        else if (!add_number_of(entry, op->variable, line))
            log_format_add_value(format, text_value(entry, op), line);
    }
    strbuf_add_char(line, '\n');
}
