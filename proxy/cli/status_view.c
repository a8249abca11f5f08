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

#include "proxy/cli/table.h"
#include "router/base/clock.h"

#define TIME_SIZE 32

static const struct cJSON *member(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

/* "" when it is none. */
static const char *text_of(const cJSON *json, const char *name)
{
    const cJSON *is = member(json, name);

    return cJSON_IsString(is) ? is->valuestring : "";
}

static bool has_number(const cJSON *json, const char *name)
{
    return cJSON_IsNumber(member(json, name));
}

static uint64_t number_of(const cJSON *json, const char *name)
{
    const cJSON *is = member(json, name);

    return cJSON_IsNumber(is) && is->valuedouble > 0 ? (uint64_t)is->valuedouble
                                                     : 0;
}

/* As a person reads a latency: "-" when there is none. */
static const char *format_us(uint64_t us, char *text)
{
    if (us == 0)
        snprintf(text, TIME_SIZE, "-");
    else if (us < 10000)
        snprintf(text, TIME_SIZE, "%.1fms", (double)us / 1000);
    else
        clock_format_duration(us / 1000, text, TIME_SIZE);
    return text;
}

static enum colour state_colour(const char *state)
{
    static const struct {
        const char *state;
        enum colour colour;
    } colours[] = {
        {"ready", COLOUR_GREEN},     {"serving", COLOUR_GREEN},
        {"pulling", COLOUR_YELLOW},  {"creating", COLOUR_YELLOW},
        {"starting", COLOUR_YELLOW}, {"probing", COLOUR_YELLOW},
        {"draining", COLOUR_YELLOW}, {"stopping", COLOUR_YELLOW},
        {"failed", COLOUR_RED},      {"asleep", COLOUR_DIM},
    };

    for (size_t i = 0; i < ARRAY_LEN(colours); i++)
        if (strcmp(colours[i].state, state) == 0)
            return colours[i].colour;
    return COLOUR_NONE;
}

/* Of an app: its image, or where its upstreams are. */
static void add_origin(const cJSON *app, struct strbuf *buf)
{
    const cJSON *upstreams = member(app, "upstreams");
    const cJSON *upstream;

    if (!cJSON_IsArray(upstreams)) {
        strbuf_add_str(buf,
                       text_of(app, "image")[0] ? text_of(app, "image") : "?");
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
    if (has_number(app, "wanted"))
        snprintf(text, TIME_SIZE, "%" PRIu64, number_of(app, "wanted"));
    else
        snprintf(text, TIME_SIZE, "-");
}

/* --- all apps --- */

static void add_app_row(struct table *table, const cJSON *app)
{
    AUTO(strbuf_done) struct strbuf origin = STRBUF_INIT;
    const char *state = text_of(app, "state");
    const cJSON *error = member(app, "last_error");
    const cJSON *latency = member(app, "latency_us");
    char wanted[TIME_SIZE];
    char time[TIME_SIZE];

    add_origin(app, &origin);
    add_wanted(app, wanted);
    table_cell(table, COLOUR_BOLD, "%s", text_of(app, "name"));
    table_cell(table, COLOUR_NONE, "%s", origin.data);
    table_cell(table, state_colour(state), "%s", state);
    table_cell(table, COLOUR_NONE, "%" PRIu64 "/%s/%" PRIu64,
               number_of(app, "ready"), wanted, number_of(app, "max"));
    table_cell(table, COLOUR_NONE, "%" PRIu64, number_of(app, "in_flight"));
    table_cell(table, COLOUR_NONE, "%" PRIu64, number_of(app, "queued"));
    table_cell(table, COLOUR_NONE, "%" PRIu64, number_of(app, "requests"));
    table_cell(table, COLOUR_NONE, "%s",
               format_us(number_of(latency, "p50"), time));
    table_cell(table, COLOUR_NONE, "%s",
               format_us(number_of(latency, "p99"), time));
    table_cell(table, COLOUR_RED, "%s", text_of(error, "message"));
}

static void add_summary(const cJSON *status, const struct view *view,
                        struct strbuf *buf)
{
    const cJSON *engine = member(status, "engine");
    const char *state = text_of(status, "state");

    strbuf_add_str(buf, "berth ");
    colour_text(buf, false, COLOUR_NONE, sv_of(text_of(status, "version")));
    strbuf_add_str(buf, ", ");
    colour_text(buf, view->has_colour, state_colour(state), sv_of(state));
    if (!cJSON_IsTrue(member(member(status, "keeper"), "up"))) {
        strbuf_add_str(buf, ", ");
        colour_text(buf, view->has_colour, COLOUR_RED,
                    SV("the keeper does not answer: what it knows is missing"));
    } else if (cJSON_IsObject(engine)) {
        AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
        bool is_up = cJSON_IsTrue(member(engine, "up"));

        strbuf_printf(&text, "%s%s%s%s", text_of(engine, "name"),
                      text_of(engine, "version")[0] ? " " : "",
                      text_of(engine, "version"), is_up ? "" : " is down");
        if (!is_up && text_of(engine, "error")[0])
            strbuf_printf(&text, ": %s", text_of(engine, "error"));
        strbuf_add_str(buf, ", ");
        colour_text(buf, view->has_colour, is_up ? COLOUR_NONE : COLOUR_RED,
                    strbuf_view(&text));
    }
    strbuf_add_char(buf, '\n');
}

void status_view_all(const struct cJSON *status, const struct view *view,
                     struct strbuf *buf)
{
    static const struct table_column columns[] = {
        {"APP", false},      {"IMAGE", false},
        {"STATE", false},    {"READY/WANTED/MAX", true},
        {"IN FLIGHT", true}, {"QUEUED", true},
        {"REQUESTS", true},  {"P50", true},
        {"P99", true},       {"LAST ERROR", false},
    };
    AUTO(table_free)
    struct table *table = table_new(columns, ARRAY_LEN(columns));
    const cJSON *app;

    add_summary(status, view, buf);
    cJSON_ArrayForEach(app, member(status, "apps"))
    {
        add_app_row(table, app);
    }
    table_format(table, view->has_colour, view->width, buf);
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

static void add_replicas(const cJSON *app, const struct view *view,
                         struct strbuf *buf)
{
    static const struct table_column columns[] = {
        {"REPLICA", false}, {"STATE", false}, {"PID", true},
        {"AGE", true},      {"WHY", false},
    };
    AUTO(table_free)
    struct table *table = table_new(columns, ARRAY_LEN(columns));
    const cJSON *replicas = member(app, "replicas");
    const cJSON *replica;

    if (cJSON_GetArraySize(replicas) == 0)
        return;
    cJSON_ArrayForEach(replica, replicas)
    {
        const char *state = text_of(replica, "state");
        char age[TIME_SIZE];

        clock_format_duration(number_of(replica, "age_ms"), age, sizeof(age));
        table_cell(table, COLOUR_NONE, "%s", text_of(replica, "name"));
        table_cell(table, state_colour(state), "%s", state);
        if (number_of(replica, "pid") > 0)
            table_cell(table, COLOUR_NONE, "%" PRIu64,
                       number_of(replica, "pid"));
        else
            table_cell(table, COLOUR_NONE, "-");
        table_cell(table, COLOUR_NONE, "%s", age);
        table_cell(table, COLOUR_NONE, "%s",
                   text_of(replica, "probe")[0] ? text_of(replica, "probe")
                                                : text_of(replica, "reason"));
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
    const cJSON *start = member(app, "last_start");
    const cJSON *phase;
    char at[CLOCK_ISO_SIZE];
    char time[TIME_SIZE];
    bool is_ok = cJSON_IsTrue(member(start, "ok"));

    if (!cJSON_IsObject(start))
        return;
    clock_format_iso(number_of(start, "at_unix_ms"), at);
    strbuf_add_char(buf, '\n');
    add_fact(buf, view, "last start", is_ok ? COLOUR_NONE : COLOUR_RED,
             "%s, from %s, %s %s", at, text_of(start, "from"),
             is_ok ? "ready after" : "failed after",
             format_us(number_of(start, "total_us"), time));
    if (cJSON_GetArraySize(member(start, "phases")) == 0)
        return;
    cJSON_ArrayForEach(phase, member(start, "phases"))
    {
        table_cell(table, COLOUR_NONE, "%s", text_of(phase, "name"));
        table_cell(table, COLOUR_NONE, "%s",
                   format_us(number_of(phase, "us"), time));
    }
    table_format(table, view->has_colour, view->width, buf);
}

static void add_last_error(const cJSON *app, const struct view *view,
                           struct strbuf *buf)
{
    const cJSON *error = member(app, "last_error");
    const cJSON *line;
    char at[CLOCK_ISO_SIZE];

    if (!cJSON_IsObject(error))
        return;
    clock_format_iso(number_of(error, "at_unix_ms"), at);
    strbuf_add_char(buf, '\n');
    add_fact(buf, view, "last error", COLOUR_RED, "%s, %s: %s", at,
             text_of(error, "code"), text_of(error, "message"));
    cJSON_ArrayForEach(line, member(error, "log"))
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
    const char *state = text_of(app, "state");
    const cJSON *latency = member(app, "latency_us");
    char wanted[TIME_SIZE];
    char p50[TIME_SIZE];
    char p99[TIME_SIZE];

    add_origin(app, &origin);
    add_wanted(app, wanted);
    add_fact(buf, view, "app", COLOUR_BOLD, "%s", text_of(app, "name"));
    add_fact(buf, view, "image", COLOUR_NONE, "%s", origin.data);
    add_fact(buf, view, "state", state_colour(state), "%s", state);
    if (text_of(app, "image_activity")[0])
        add_fact(buf, view, "pull", COLOUR_YELLOW, "%s",
                 text_of(app, "image_activity"));
    if (has_number(app, "retry_in_ms")) {
        char time[TIME_SIZE];

        clock_format_duration(number_of(app, "retry_in_ms"), time,
                              sizeof(time));
        add_fact(buf, view, "next try", COLOUR_NONE, "in %s", time);
    }
    add_fact(buf, view, "replicas", COLOUR_NONE,
             "%" PRIu64 " ready, %s wanted, %" PRIu64 " to %" PRIu64,
             number_of(app, "ready"), wanted, number_of(app, "min"),
             number_of(app, "max"));
    add_fact(buf, view, "requests", COLOUR_NONE,
             "%" PRIu64 ", %" PRIu64 " in flight, %" PRIu64 " queued, %" PRIu64
             " refused",
             number_of(app, "requests"), number_of(app, "in_flight"),
             number_of(app, "queued"), number_of(app, "refused"));
    add_fact(buf, view, "latency", COLOUR_NONE, "p50 %s, p99 %s",
             format_us(number_of(latency, "p50"), p50),
             format_us(number_of(latency, "p99"), p99));
    add_replicas(app, view, buf);
    add_last_start(app, view, buf);
    add_last_error(app, view, buf);
}
