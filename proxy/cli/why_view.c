/* why_view.c - the last starts of an app, as people read them.
 *
 * A table with a column for each phase that any of them went through, then
 * what made room, and the faults with their last lines.
 */
#include "proxy/cli/why_view.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "proxy/cli/answer_json.h"
#include "proxy/cli/view.h"
#include "router/base/clock.h"

/* As architecture.md names them, in path order. */
static const struct {
    const char *name;
    const char *title;
} phases[] = {
    {"queue", "QUEUE"}, {"evict", "EVICT"},
    {"pull", "PULL"},   {"create", "CREATE"},
    {"prime", "PRIME"}, {"start", "START"},
    {"boot", "BOOT"},   {"ready", "READY"},
    {"thaw", "THAW"},   {"first_byte", "FIRST BYTE"},
};
#define PHASE_COUNT ARRAY_LEN(phases)

static const cJSON *find_phase(const cJSON *start, const char *name)
{
    const cJSON *phase;

    cJSON_ArrayForEach(phase, answer_member(start, "phases"))
    {
        if (strcmp(answer_text(phase, "name"), name) == 0)
            return phase;
    }
    return NULL;
}

/* Columns: those before the phases, the phases that occur, the result. */
struct columns {
    struct table_column rows[PHASE_COUNT + 5];
    unsigned count;
    unsigned phases[PHASE_COUNT];
    unsigned phase_count;
};

static void add_column(struct columns *columns, const char *title,
                       bool is_right)
{
    columns->rows[columns->count++] = (struct table_column){title, is_right};
}

static void choose_columns(const cJSON *starts, struct columns *columns)
{
    add_column(columns, "REPLICA", false);
    add_column(columns, "BEGAN", false);
    add_column(columns, "FROM", false);
    add_column(columns, "TOTAL", true);
    for (unsigned i = 0; i < PHASE_COUNT; i++) {
        const cJSON *start;

        cJSON_ArrayForEach(start, starts)
        {
            if (!find_phase(start, phases[i].name))
                continue;
            columns->phases[columns->phase_count++] = i;
            add_column(columns, phases[i].title, true);
            break;
        }
    }
    add_column(columns, "RESULT", false);
}

static void add_row(struct table *table, const struct columns *columns,
                    const cJSON *start)
{
    const cJSON *error = answer_member(start, "error");
    const cJSON *ended = answer_member(start, "ended");
    char at[CLOCK_ISO_SIZE];
    char time[VIEW_TIME_SIZE];

    clock_format_iso(answer_number(start, "at_unix_ms"), at);
    table_cell(table, COLOUR_BOLD, "%s", answer_text(start, "replica"));
    table_cell(table, COLOUR_DIM, "%s", at);
    table_cell(table, COLOUR_NONE, "%s", answer_text(start, "from"));
    table_cell(table, COLOUR_NONE, "%s",
               view_format_us(answer_number(start, "total_us"), time));
    for (unsigned i = 0; i < columns->phase_count; i++) {
        const cJSON *phase = find_phase(start, phases[columns->phases[i]].name);

        table_cell(table, COLOUR_NONE, "%s",
                   view_format_us(answer_number(phase, "us"), time));
    }
    if (error)
        table_cell(table, COLOUR_RED, "failed: %s",
                   answer_text(error, "message"));
    else if (ended)
        table_cell(table, COLOUR_RED, "ready, later: %s",
                   answer_text(ended, "message"));
    else
        table_cell(table, COLOUR_GREEN, "ready; %s", answer_text(start, "why"));
}

static void add_current(const cJSON *json, const struct view *view,
                        struct strbuf *buf)
{
    const cJSON *current;
    char time[VIEW_TIME_SIZE];

    cJSON_ArrayForEach(current, answer_member(json, "current"))
    {
        const char *state = answer_text(current, "state");
        const char *activity = answer_text(json, "image_activity");

        colour_text(buf, view->has_colour, COLOUR_BOLD,
                    sv_of(answer_text(current, "replica")));
        strbuf_add_str(buf, " is ");
        colour_text(buf, view->has_colour, view_state_colour(state),
                    sv_of(state));
        strbuf_printf(
            buf, " for %s: ",
            view_format_us(answer_number(current, "in_state_us"), time));
        if (strcmp(state, "pulling") != 0 || !activity[0])
            activity = answer_text(current, "reason");
        colour_text(buf, false, COLOUR_NONE, sv_of(activity));
        strbuf_add_char(buf, '\n');
    }
}

static void add_evicted(const cJSON *start, struct strbuf *buf)
{
    const cJSON *evicted = answer_member(start, "evicted");
    const cJSON *one;
    bool is_first = true;

    if (cJSON_GetArraySize(evicted) == 0)
        return;
    strbuf_add_char(buf, '\n');
    colour_text(buf, false, COLOUR_NONE, sv_of(answer_text(start, "replica")));
    strbuf_add_str(buf, " got its room from ");
    cJSON_ArrayForEach(one, evicted)
    {
        if (!is_first)
            strbuf_add_str(buf, ", ");
        is_first = false;
        colour_text(buf, false, COLOUR_NONE,
                    sv_of(answer_text(one, "replica")));
    }
    strbuf_add_char(buf, '\n');
}

static void add_fault(const cJSON *start, const char *member,
                      const struct view *view, struct strbuf *buf)
{
    const cJSON *fault = answer_member(start, member);
    const cJSON *line;

    if (!fault || cJSON_GetArraySize(answer_member(fault, "log")) == 0)
        return;
    strbuf_add_char(buf, '\n');
    colour_text(buf, view->has_colour, COLOUR_BOLD,
                sv_of(answer_text(start, "replica")));
    strbuf_add_str(buf, ", ");
    colour_text(buf, view->has_colour, COLOUR_RED,
                sv_of(answer_text(fault, "code")));
    strbuf_add_str(buf, ", its last lines:\n");
    cJSON_ArrayForEach(line, answer_member(fault, "log"))
    {
        if (!cJSON_IsString(line))
            continue;
        strbuf_add_str(buf, "  | ");
        colour_text(buf, view->has_colour, COLOUR_DIM,
                    sv_of(line->valuestring));
        strbuf_add_char(buf, '\n');
    }
}

void why_view(const struct cJSON *json, const struct view *view,
              struct strbuf *buf)
{
    const cJSON *starts = answer_member(json, "starts");
    struct columns columns = {.count = 0};
    const cJSON *start;

    add_current(json, view, buf);
    if (cJSON_GetArraySize(starts) == 0) {
        colour_text(buf, false, COLOUR_NONE, sv_of(answer_text(json, "app")));
        strbuf_add_str(buf, " was not started since berth runs\n");
        return;
    }
    choose_columns(starts, &columns);
    {
        AUTO(table_free)
        struct table *table = table_new(columns.rows, columns.count);

        cJSON_ArrayForEach(start, starts)
        {
            add_row(table, &columns, start);
        }
        table_format(table, view->has_colour, view->width, buf);
    }
    cJSON_ArrayForEach(start, starts)
    {
        add_evicted(start, buf);
        add_fault(start, "error", view, buf);
        add_fault(start, "ended", view, buf);
    }
}
