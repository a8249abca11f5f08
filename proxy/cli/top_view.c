/* top_view.c - the apps and the past of their queues, as people read them. */
#include "proxy/cli/top_view.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/cli/answer_json.h"
#include "proxy/cli/view.h"
#include "router/base/alloc.h"

/* One app, as long as it is there. */
struct past {
    struct past *next;
    char *name;
    uint64_t queued[TOP_PAST]; /* the oldest first */
    unsigned count;
    uint64_t requests; /* at seen_us */
    uint64_t seen_us;  /* 0: not yet */
    double rate;       /* requests a second since the sample before; < 0: ? */
};

struct top {
    struct past *pasts;
};

struct top *top_new(void)
{
    return xcalloc(1, sizeof(struct top));
}

void top_free(struct top **top)
{
    if (!*top)
        return;
    while ((*top)->pasts) {
        struct past *past = (*top)->pasts;

        (*top)->pasts = past->next;
        free(past->name);
        free(past);
    }
    free(*top);
    *top = NULL;
}

static struct past *past_of(struct top *top, const char *name)
{
    struct past *past;

    for (past = top->pasts; past; past = past->next)
        if (strcmp(past->name, name) == 0)
            return past;
    past = xcalloc(1, sizeof *past);
    past->name = xstrdup(name);
    past->rate = -1;
    past->next = top->pasts;
    top->pasts = past;
    return past;
}

static void add_sample(struct past *past, const cJSON *app, uint64_t now_us)
{
    uint64_t requests = answer_number(app, "requests");

    /* Less than before: another front counts. */
    if (past->seen_us > 0 && now_us > past->seen_us &&
        requests >= past->requests)
        past->rate = (double)(requests - past->requests) * 1e6 /
                     (double)(now_us - past->seen_us);
    past->requests = requests;
    past->seen_us = now_us;
    if (past->count == TOP_PAST) {
        memmove(past->queued, past->queued + 1,
                (TOP_PAST - 1) * sizeof past->queued[0]);
        past->count--;
    }
    past->queued[past->count++] = answer_number(app, "queued");
}

void top_sparkline(const uint64_t *samples, unsigned count, struct strbuf *buf)
{
    /* U+2581 to U+2588, and a blank for nothing. */
    static const char *const bars[] = {
        " ",
        "\xe2\x96\x81",
        "\xe2\x96\x82",
        "\xe2\x96\x83",
        "\xe2\x96\x84",
        "\xe2\x96\x85",
        "\xe2\x96\x86",
        "\xe2\x96\x87",
        "\xe2\x96\x88",
    };
    uint64_t most = 8; /* so few are no peak */

    for (unsigned i = 0; i < count; i++)
        most = samples[i] > most ? samples[i] : most;
    for (unsigned i = 0; i < count; i++)
        strbuf_add_str(buf, bars[(samples[i] * 8 + most - 1) / most]);
}

static void add_row(struct table *table, const struct past *past,
                    const cJSON *app)
{
    AUTO(strbuf_done) struct strbuf line = STRBUF_INIT;
    const cJSON *latency = answer_member(app, "latency_us");
    const char *state = answer_text(app, "state");
    char text[VIEW_TIME_SIZE] = "-";

    top_sparkline(past->queued, past->count, &line);
    table_cell(table, COLOUR_BOLD, "%s", past->name);
    table_cell(table, view_state_colour(state), "%s", state);
    table_cell(table, COLOUR_NONE, "%" PRIu64 "/%" PRIu64,
               answer_number(app, "ready"), answer_number(app, "wanted"));
    table_cell(table, COLOUR_NONE, "%" PRIu64, answer_number(app, "in_flight"));
    if (past->rate >= 0)
        snprintf(text, sizeof text, "%.1f", past->rate);
    table_cell(table, COLOUR_NONE, "%s", text);
    table_cell(table, COLOUR_NONE, "%s",
               view_format_us(answer_number(latency, "p50"), text));
    table_cell(table, COLOUR_NONE, "%s",
               view_format_us(answer_number(latency, "p99"), text));
    table_cell(table, COLOUR_NONE, "%" PRIu64, answer_number(app, "queued"));
    table_cell(table, COLOUR_YELLOW, "%s", line.data);
}

void top_view(struct top *top, const struct cJSON *status, uint64_t now_us,
              const struct view *view, struct strbuf *buf)
{
    static const struct table_column columns[] = {
        {"APP", false},      {"STATE", false}, {"READY/WANTED", true},
        {"IN FLIGHT", true}, {"REQ/S", true},  {"P50", true},
        {"P99", true},       {"QUEUED", true}, {"QUEUE", false},
    };
    AUTO(table_free)
    struct table *table = table_new(columns, ARRAY_LEN(columns));
    const cJSON *app;

    cJSON_ArrayForEach(app, answer_member(status, "apps"))
    {
        struct past *past = past_of(top, answer_text(app, "name"));

        add_sample(past, app, now_us);
        add_row(table, past, app);
    }
    table_format(table, view->has_colour, view->width, buf);
}
