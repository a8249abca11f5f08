/* ready_line.c - waits for the line of a log that says that an app is ready. */
#include "lifecycle/ready_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"
#include "router/base/line_pattern.h"
#include "router/base/timers.h"

#define AGAIN_MS 500U

struct ready_line {
    struct engine *engine;
    struct timers *timers;
    struct ready_line_events events;
    char *id;
    struct line_pattern *pattern;
    struct engine_call *call;
    struct timer timer; /* to tell, outside the engine's calls; to read anew */
    bool has_matched;
    struct strbuf lines[2]; /* of stdout and stderr, not whole yet */
};

/* A zero would end the line for the pattern; CR is a part of the line's end. */
static bool matches(struct ready_line *line, struct strbuf *text)
{
    char *p;

    if (text->len > 0 && text->data[text->len - 1] == '\r')
        text->len--;
    strbuf_add(text, "", 1);
    p = text->data;
    while ((p = memchr(p, '\0', (size_t)(text->data + text->len - 1 - p))))
        *p = ' ';
    return line_pattern_matches(line->pattern, text->data);
}

static void take_line(struct ready_line *line, struct strbuf *text)
{
    if (matches(line, text)) {
        line->has_matched = true;
        engine_hold_logs(line->call, true);
        timer_start(line->timers, &line->timer, 1);
    }
    strbuf_clear(text);
}

static void on_text(void *arg, bool is_stderr, struct strview bytes)
{
    struct ready_line *line = arg;
    struct strbuf *text = &line->lines[is_stderr];

    while (bytes.len > 0 && !line->has_matched) {
        const char *newline = memchr(bytes.ptr, '\n', bytes.len);
        size_t n = newline ? (size_t)(newline - bytes.ptr) : bytes.len;
        size_t room = READY_LINE_MAX - text->len;

        strbuf_add(text, bytes.ptr, n < room ? n : room);
        bytes = sv_skip(bytes, n + (newline != NULL));
        if (newline)
            take_line(line, text);
    }
}

static void read_anew(struct ready_line *line)
{
    timer_start(line->timers, &line->timer, AGAIN_MS);
}

/* Its process may have ended: who holds the container knows. */
static void on_done(void *arg, const struct err *err)
{
    struct ready_line *line = arg;
    char text[256];

    line->call = NULL;
    if (line->has_matched || (err && err->code == ERR_CANCELLED))
        return;
    if (err) {
        snprintf(text, sizeof text, "its log cannot be read: %.200s",
                 err->text);
        line->events.on_status(line->events.arg, text);
    }
    read_anew(line);
}

static void read_log(struct ready_line *line)
{
    const struct engine_log_reader reader = {on_text, on_done, line};

    strbuf_clear(&line->lines[0]);
    strbuf_clear(&line->lines[1]);
    line->call =
        engine_follow_logs(line->engine, line->id, UINT32_MAX, true, &reader);
}

static void on_timer(struct timer *timer)
{
    struct ready_line *line = container_of(timer, struct ready_line, timer);

    if (line->has_matched)
        line->events.on_line(line->events.arg);
    else
        read_log(line);
}

struct ready_line *ready_line_new(struct engine *engine, struct timers *timers,
                                  const char *id, const char *pattern,
                                  const struct ready_line_events *events)
{
    struct ready_line *line = xcalloc(1, sizeof *line);
    struct err err;

    line->engine = engine;
    line->timers = timers;
    line->events = *events;
    line->id = xstrdup(id);
    line->timer.on_expire = on_timer;
    line->pattern = line_pattern_new(pattern, &err);
    if (!line->pattern)
        abort(); /* conf has tried it */
    read_log(line);
    return line;
}

void ready_line_free(struct ready_line **line_ptr)
{
    struct ready_line *line = TAKE(*line_ptr);

    if (!line)
        return;
    timer_stop(&line->timer);
    engine_cancel(&line->call);
    line_pattern_free(&line->pattern);
    strbuf_done(&line->lines[0]);
    strbuf_done(&line->lines[1]);
    free(line->id);
    free(line);
}
