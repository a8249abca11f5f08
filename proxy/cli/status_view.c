/* status_view.c - the admin API's status, as people read it.
 *
 * Every member may be missing: the keeper's are when it does not answer.
 */
#include "proxy/cli/status_view.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proxy/cli/answer_json.h"
#include "proxy/cli/resources_view.h"
#include "proxy/cli/table.h"
#include "proxy/cli/view.h"
#include "router/base/clock.h"

/* Of an app: its image, or where its upstreams are. */
static void add_origin(const cJSON *app, struct strbuf *buf)
{
    const cJSON *upstreams = answer_member(app, "upstreams");
    const cJSON *upstream;

    if (!cJSON_IsArray(upstreams)) {
        strbuf_add_str(buf, answer_text(app, "image")[0]
                                ? answer_text(app, "image")
                                : "?");
        return;
    }
    strbuf_add_str(buf, "upstream");
    cJSON_ArrayForEach(upstream, upstreams)
    {
        if (cJSON_IsString(upstream))
            strbuf_printf(buf, " %s", upstream->valuestring);
    }
}

static void add_wanted(const cJSON *app, char *text)
{
    if (answer_has_number(app, "wanted"))
        snprintf(text, VIEW_TIME_SIZE, "%" PRIu64,
                 answer_number(app, "wanted"));
    else
        snprintf(text, VIEW_TIME_SIZE, "-");
}

/* --- all apps --- */

/* What there is on each rung below ready: "2 frozen, 1 primed"; where there is
 * none, the rung that it is on. */
static void add_warmth(const cJSON *app, struct strbuf *buf)
{
    static const char *const rungs[] = {"frozen", "hibernated", "primed"};
    const cJSON *replica;

    for (size_t i = 0; i < ARRAY_LEN(rungs); i++) {
        unsigned count = 0;

        cJSON_ArrayForEach(replica, answer_member(app, "replicas"))
        {
            count += strcmp(answer_text(replica, "state"), rungs[i]) == 0;
        }
        if (count > 0)
            strbuf_printf(buf, "%s%u %s", buf->len > 0 ? ", " : "", count,
                          rungs[i]);
    }
    if (buf->len == 0 && answer_text(app, "warmth")[0])
        strbuf_add_str(buf, answer_text(app, "warmth"));
    if (buf->len == 0)
        strbuf_add_char(buf, '-');
}

static const char *format_rate(const cJSON *app, char *text)
{
    const cJSON *rate = answer_member(app, "requests_per_s");

    if (!cJSON_IsNumber(rate))
        snprintf(text, VIEW_TIME_SIZE, "-");
    else
        snprintf(text, VIEW_TIME_SIZE, rate->valuedouble < 10 ? "%.1f" : "%.0f",
                 rate->valuedouble);
    return text;
}

static void add_app_row(struct table *table, const cJSON *app)
{
    AUTO(strbuf_done) struct strbuf origin = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf warmth = STRBUF_INIT;
    const char *state = answer_text(app, "state");
    const cJSON *error = answer_member(app, "last_error");
    const cJSON *latency = answer_member(app, "latency_us");
    char wanted[VIEW_TIME_SIZE];
    char time[VIEW_TIME_SIZE];

    add_origin(app, &origin);
    add_wanted(app, wanted);
    table_cell(table, COLOUR_BOLD, "%s", answer_text(app, "name"));
    table_cell(table, COLOUR_NONE, "%s", origin.data);
    table_cell(table, COLOUR_DIM, "%.8s", answer_text(app, "revision"));
    table_cell(table, view_state_colour(state), "%s", state);
    table_cell(table, COLOUR_NONE, "%" PRIu64 "/%s/%" PRIu64,
               answer_number(app, "ready"), wanted, answer_number(app, "max"));
    add_warmth(app, &warmth);
    table_cell(table, COLOUR_NONE, "%s", warmth.data);
    table_cell(table, COLOUR_NONE, "%" PRIu64, answer_number(app, "in_flight"));
    table_cell(table, COLOUR_NONE, "%" PRIu64, answer_number(app, "queued"));
    table_cell(table, COLOUR_NONE, "%s", format_rate(app, time));
    table_cell(table, COLOUR_NONE, "%s",
               view_format_us(answer_number(latency, "p50"), time));
    table_cell(table, COLOUR_NONE, "%s",
               view_format_us(answer_number(latency, "p99"), time));
    table_cell(table, COLOUR_RED, "%s", answer_text(error, "message"));
}

static void add_summary(const cJSON *status, const struct view *view,
                        struct strbuf *buf)
{
    const cJSON *engine = answer_member(status, "engine");
    const char *state = answer_text(status, "state");

    strbuf_add_str(buf, "berth ");
    colour_text(buf, false, COLOUR_NONE, sv_of(answer_text(status, "version")));
    strbuf_add_str(buf, ", ");
    colour_text(buf, view->has_colour, view_state_colour(state), sv_of(state));
    if (!cJSON_IsTrue(answer_member(answer_member(status, "keeper"), "up"))) {
        strbuf_add_str(buf, ", ");
        colour_text(buf, view->has_colour, COLOUR_RED,
                    SV("the keeper does not answer: what it knows is missing"));
    } else if (cJSON_IsObject(engine)) {
        AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
        bool is_up = cJSON_IsTrue(answer_member(engine, "up"));

        strbuf_printf(&text, "%s%s%s%s", answer_text(engine, "name"),
                      answer_text(engine, "version")[0] ? " " : "",
                      answer_text(engine, "version"), is_up ? "" : " is down");
        if (!is_up && answer_text(engine, "error")[0])
            strbuf_printf(&text, ": %s", answer_text(engine, "error"));
        strbuf_add_str(buf, ", ");
        colour_text(buf, view->has_colour, is_up ? COLOUR_NONE : COLOUR_RED,
                    strbuf_view(&text));
    }
    strbuf_add_char(buf, '\n');
}

/* Changed files that cannot be used: what is served is the one before, until it
 * expires. */
static void add_broken_certificates(const cJSON *status,
                                    const struct view *view, struct strbuf *buf)
{
    const cJSON *broken;

    cJSON_ArrayForEach(broken, answer_member(status, "broken_certificates"))
    {
        AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

        strbuf_printf(&text,
                      "%s has changed and cannot be used, the old one stays: "
                      "%s",
                      answer_text(broken, "file"),
                      answer_text(broken, "reason"));
        colour_text(buf, view->has_colour, COLOUR_RED, strbuf_view(&text));
        strbuf_add_char(buf, '\n');
    }
}

void status_view_all(const struct cJSON *status, const struct view *view,
                     struct strbuf *buf)
{
    static const struct table_column columns[] = {
        {"APP", false},
        {"IMAGE", false},
        {"REVISION", false},
        {"STATE", false},
        {"READY/WANTED/MAX", true},
        {"WARMTH", false},
        {"IN FLIGHT", true},
        {"QUEUED", true},
        {"REQ/S", true},
        {"P50", true},
        {"P99", true},
        {"LAST ERROR", false},
    };
    AUTO(table_free)
    struct table *table = table_new(columns, ARRAY_LEN(columns));
    const cJSON *app;

    add_summary(status, view, buf);
    add_broken_certificates(status, view, buf);
    cJSON_ArrayForEach(app, answer_member(status, "apps"))
    {
        add_app_row(table, app);
    }
    table_format(table, view->has_colour, view->width, buf);
    resources_view(answer_member(status, "resources"), view, buf);
}

/* --- one app --- */

static void add_fact(struct strbuf *buf, const struct view *view,
                     const char *name, enum colour colour, const char *format,
                     ...) PRINTF_LIKE(5, 6);

static void add_fact(struct strbuf *buf, const struct view *view,
                     const char *name, enum colour colour, const char *format,
                     ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    strbuf_printf(buf, "%-11s ", name);
    colour_text(buf, view->has_colour, colour, sv_of(text));
    strbuf_add_char(buf, '\n');
}

/* "12M", "2M+60M" (in swap). */
static void add_memory(struct table *table, const cJSON *memory)
{
    uint64_t resident = answer_number(memory, "resident") >> 20;
    uint64_t swapped = answer_number(memory, "swapped") >> 20;

    if (!cJSON_IsObject(memory))
        table_cell(table, COLOUR_NONE, "-");
    else if (swapped > 0)
        table_cell(table, COLOUR_NONE, "%" PRIu64 "M+%" PRIu64 "M swapped",
                   resident, swapped);
    else
        table_cell(table, COLOUR_NONE, "%" PRIu64 "M", resident);
}

static void add_replicas(const cJSON *app, const struct view *view,
                         struct strbuf *buf)
{
    static const struct table_column columns[] = {
        {"REPLICA", false}, {"STATE", false}, {"PID", true},
        {"AGE", true},      {"MEMORY", true}, {"WHY", false},
    };
    AUTO(table_free)
    struct table *table = table_new(columns, ARRAY_LEN(columns));
    const cJSON *replicas = answer_member(app, "replicas");
    const cJSON *replica;

    if (cJSON_GetArraySize(replicas) == 0)
        return;
    cJSON_ArrayForEach(replica, replicas)
    {
        const char *state = answer_text(replica, "state");
        char age[VIEW_TIME_SIZE];

        clock_format_duration(answer_number(replica, "age_ms"), age,
                              sizeof(age));
        table_cell(table, COLOUR_NONE, "%s", answer_text(replica, "name"));
        table_cell(table, view_state_colour(state), "%s", state);
        if (answer_number(replica, "pid") > 0)
            table_cell(table, COLOUR_NONE, "%" PRIu64,
                       answer_number(replica, "pid"));
        else
            table_cell(table, COLOUR_NONE, "-");
        table_cell(table, COLOUR_NONE, "%s", age);
        add_memory(table, answer_member(replica, "memory"));
        table_cell(table, COLOUR_NONE, "%s",
                   answer_text(replica, "probe")[0]
                       ? answer_text(replica, "probe")
                       : answer_text(replica, "reason"));
    }
    strbuf_add_char(buf, '\n');
    table_format(table, view->has_colour, view->width, buf);
}

static void add_last_start(const cJSON *app, const struct view *view,
                           struct strbuf *buf)
{
    static const struct table_column columns[] = {
        {"PHASE", false},
        {"TIME", true},
    };
    AUTO(table_free)
    struct table *table = table_new(columns, ARRAY_LEN(columns));
    const cJSON *start = answer_member(app, "last_start");
    const cJSON *phase;
    char at[CLOCK_ISO_SIZE];
    char time[VIEW_TIME_SIZE];
    bool is_ok = cJSON_IsTrue(answer_member(start, "ok"));

    if (!cJSON_IsObject(start))
        return;
    clock_format_iso(answer_number(start, "at_unix_ms"), at);
    strbuf_add_char(buf, '\n');
    add_fact(buf, view, "last start", is_ok ? COLOUR_NONE : COLOUR_RED,
             "%s, from %s, %s %s", at, answer_text(start, "from"),
             is_ok ? "ready after" : "failed after",
             view_format_us(answer_number(start, "total_us"), time));
    if (cJSON_GetArraySize(answer_member(start, "phases")) == 0)
        return;
    cJSON_ArrayForEach(phase, answer_member(start, "phases"))
    {
        table_cell(table, COLOUR_NONE, "%s", answer_text(phase, "name"));
        table_cell(table, COLOUR_NONE, "%s",
                   view_format_us(answer_number(phase, "us"), time));
    }
    table_format(table, view->has_colour, view->width, buf);
}

static void add_last_error(const cJSON *app, const struct view *view,
                           struct strbuf *buf)
{
    const cJSON *error = answer_member(app, "last_error");
    const cJSON *line;
    char at[CLOCK_ISO_SIZE];

    if (!cJSON_IsObject(error))
        return;
    clock_format_iso(answer_number(error, "at_unix_ms"), at);
    strbuf_add_char(buf, '\n');
    add_fact(buf, view, "last error", COLOUR_RED, "%s, %s: %s", at,
             answer_text(error, "code"), answer_text(error, "message"));
    cJSON_ArrayForEach(line, answer_member(error, "log"))
    {
        if (!cJSON_IsString(line))
            continue;
        strbuf_add_str(buf, "  | ");
        colour_text(buf, view->has_colour, COLOUR_DIM,
                    sv_of(line->valuestring));
        strbuf_add_char(buf, '\n');
    }
}

void status_view_app(const struct cJSON *app, const struct view *view,
                     struct strbuf *buf)
{
    AUTO(strbuf_done) struct strbuf origin = STRBUF_INIT;
    const char *state = answer_text(app, "state");
    const cJSON *latency = answer_member(app, "latency_us");
    char wanted[VIEW_TIME_SIZE];
    char p50[VIEW_TIME_SIZE];
    char p99[VIEW_TIME_SIZE];

    add_origin(app, &origin);
    add_wanted(app, wanted);
    add_fact(buf, view, "app", COLOUR_BOLD, "%s", answer_text(app, "name"));
    add_fact(buf, view, "image", COLOUR_NONE, "%s", origin.data);
    add_fact(buf, view, "state", view_state_colour(state), "%s", state);
    if (answer_text(app, "image_activity")[0])
        add_fact(buf, view, "pull", COLOUR_YELLOW, "%s",
                 answer_text(app, "image_activity"));
    if (answer_has_number(app, "retry_in_ms")) {
        char time[VIEW_TIME_SIZE];

        clock_format_duration(answer_number(app, "retry_in_ms"), time,
                              sizeof(time));
        add_fact(buf, view, "next try", COLOUR_NONE, "in %s", time);
    }
    add_fact(buf, view, "replicas", COLOUR_NONE,
             "%" PRIu64 " ready, %s wanted, %" PRIu64 " to %" PRIu64,
             answer_number(app, "ready"), wanted, answer_number(app, "min"),
             answer_number(app, "max"));
    add_fact(buf, view, "requests", COLOUR_NONE,
             "%" PRIu64 ", %" PRIu64 " in flight, %" PRIu64 " queued, %" PRIu64
             " refused",
             answer_number(app, "requests"), answer_number(app, "in_flight"),
             answer_number(app, "queued"), answer_number(app, "refused"));
    add_fact(buf, view, "latency", COLOUR_NONE, "p50 %s, p99 %s",
             view_format_us(answer_number(latency, "p50"), p50),
             view_format_us(answer_number(latency, "p99"), p99));
    add_replicas(app, view, buf);
    add_last_start(app, view, buf);
    add_last_error(app, view, buf);
}
