/* sidecar_line.c - waits for the line of a sidecar's log, for a time. */
#include "lifecycle/sidecar_line.h"

#include <stdio.h>
#include <stdlib.h>

#include "lifecycle/ready_line.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/timers.h"

#define LOOK_MS 100U

struct sidecar_line {
    struct sidecar_line_options options;
    struct ready_line *line;
    struct timer timer;
    uint64_t deadline_us;
    char status[256]; /* why it cannot be seen; "": it can */
};

static void finish(struct sidecar_line *line, const struct err *err)
{
    struct sidecar_line_options options = line->options;

    sidecar_line_cancel(&line);
    options.done(options.arg, err);
}

static void on_line(void *arg)
{
    finish(arg, NULL);
}

static void on_status(void *arg, const char *text)
{
    struct sidecar_line *line = arg;

    snprintf(line->status, sizeof line->status, "%s", text);
}

static void on_timer(struct timer *timer)
{
    struct sidecar_line *line = container_of(timer, struct sidecar_line, timer);
    struct err err;

    if (!line->options.is_alive(line->options.arg, &err)) {
        finish(line, &err);
    } else if (clock_now_us() >= line->deadline_us) {
        err_set(&err, ERR_TIMEOUT,
                "it was not ready in time: %s%sno line of its log matches %s",
                line->status, line->status[0] ? "; " : "",
                line->options.pattern);
        finish(line, &err);
    } else {
        timer_start(line->options.timers, timer, LOOK_MS);
    }
}

struct sidecar_line *
sidecar_line_start(const struct sidecar_line_options *options)
{
    struct sidecar_line *line = xcalloc(1, sizeof *line);
    const struct ready_line_events events = {on_line, on_status, line};

    line->options = *options;
    line->deadline_us = clock_now_us() + options->timeout_ms * 1000;
    line->timer.on_expire = on_timer;
    timer_start(options->timers, &line->timer, LOOK_MS);
    line->line = ready_line_new(options->engine, options->timers, options->id,
                                options->pattern, &events);
    return line;
}

void sidecar_line_cancel(struct sidecar_line **line_ptr)
{
    struct sidecar_line *line = TAKE(*line_ptr);

    if (!line)
        return;
    timer_stop(&line->timer);
    ready_line_free(&line->line);
    free(line);
}
