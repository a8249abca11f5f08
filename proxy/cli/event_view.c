/* event_view.c - an event of the admin API, as people read it. */
#include "proxy/cli/event_view.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proxy/cli/answer_json.h"
#include "proxy/cli/view.h"
#include "router/base/clock.h"

#define SUBJECT_WIDTH 18
#define CHANGE_WIDTH  23 /* hibernated → draining */
#define TIME_WIDTH    7
#define ARROW         "\xe2\x86\x92" /* → */

static void pad(struct strbuf *buf, size_t have, size_t width)
{
    for (; have < width; have++)
        strbuf_add_char(buf, ' ');
    strbuf_add_str(buf, "  ");
}

/* What it is about: the narrowest that is named. */
static const char *subject_of(const cJSON *event)
{
    static const char *const members[] = {"replica", "app", "image"};

    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (answer_text(event, members[i])[0])
            return answer_text(event, members[i]);
    return answer_text(event, "kind");
}

static void add_change(const cJSON *event, const struct view *view,
                       struct strbuf *buf)
{
    const char *from = answer_text(event, "from");
    const char *to = answer_text(event, "to");
    size_t width = strlen(to);

    if (from[0]) {
        colour_text(buf, false, COLOUR_NONE, sv_of(from));
        strbuf_add_str(buf, " " ARROW " ");
        width += strlen(from) + 3;
    }
    if (!to[0]) {
        to = answer_text(event, "kind");
        width = strlen(to);
    }
    colour_text(buf, view->has_colour, view_state_colour(to), sv_of(to));
    pad(buf, width, CHANGE_WIDTH);
}

static void add_times(const cJSON *event, struct strbuf *buf)
{
    char time[VIEW_TIME_SIZE] = "";

    if (answer_has_number(event, "before_ms"))
        clock_format_duration(answer_number(event, "before_ms"), time,
                              sizeof time);
    else if (answer_has_number(event, "took_ms"))
        clock_format_duration(answer_number(event, "took_ms"), time,
                              sizeof time);
    strbuf_printf(buf, "%*s  ", TIME_WIDTH, time);
}

static void add_reason(const cJSON *event, const struct view *view,
                       struct strbuf *buf)
{
    const char *reason = answer_text(event, "reason");
    const char *by = answer_text(event, "by");
    char time[VIEW_TIME_SIZE];

    colour_text(buf, view->has_colour,
                strcmp(answer_text(event, "to"), "failed") == 0 ? COLOUR_RED
                                                                : COLOUR_NONE,
                sv_of(reason));
    if (by[0])
        strbuf_printf(buf, "%sfor ", reason[0] ? ", " : "");
    colour_text(buf, false, COLOUR_NONE, sv_of(by));
    if (!answer_has_number(event, "took_ms") ||
        !answer_has_number(event, "before_ms"))
        return;
    clock_format_duration(answer_number(event, "took_ms"), time, sizeof time);
    strbuf_printf(buf, " (%s in all)", time);
}

void event_view(const struct cJSON *event, const struct view *view,
                struct strbuf *buf)
{
    const char *subject = subject_of(event);
    char at[CLOCK_ISO_SIZE];

    if (answer_has_number(event, "lost")) {
        strbuf_printf(buf, "(%" PRIu64 " events were lost here)\n",
                      answer_number(event, "lost"));
        return;
    }
    clock_format_iso(answer_number(event, "at_unix_ms"), at);
    colour_text(buf, view->has_colour, COLOUR_DIM, sv_of(at));
    strbuf_add_str(buf, "  ");
    colour_text(buf, view->has_colour, COLOUR_BOLD, sv_of(subject));
    pad(buf, strlen(subject), SUBJECT_WIDTH);
    add_change(event, view, buf);
    add_times(event, buf);
    add_reason(event, view, buf);
    while (buf->len > 0 && buf->data[buf->len - 1] == ' ')
        buf->len--;
    strbuf_add_char(buf, '\n');
}
