/* log_outlet.c - a worker's end of the log writer. */
#include "proxy/log_outlet.h"

#include <stdlib.h>

#include "proxy/log_writer.h"
#include "router/base/alloc.h"
#include "router/base/metrics.h"
#include "router/base/timers.h"

#define BATCH_BYTES 32768
#define FLUSH_MS    500

struct gathered {
    struct strbuf lines;
    unsigned count;
};

struct log_outlet {
    struct log_writer *writer;
    struct timers *timers;
    struct metrics_cell *cell;
    struct timer timer; /* runs while there is a line */
    unsigned file_count;
    struct gathered *files;
};

static void hand_over(struct log_outlet *outlet, unsigned file)
{
    struct gathered *gathered = &outlet->files[file];

    if (gathered->count == 0)
        return;
    if (!log_writer_post(outlet->writer, file, &gathered->lines))
        metrics_add(outlet->cell, METRIC_LOG_LINES_DROPPED, gathered->count);
    gathered->count = 0;
}

void log_outlet_flush(struct log_outlet *outlet)
{
    for (unsigned i = 0; i < outlet->file_count; i++)
        hand_over(outlet, i);
    timer_stop(&outlet->timer);
}

static void on_timer(struct timer *timer)
{
    log_outlet_flush(container_of(timer, struct log_outlet, timer));
}

struct log_outlet *log_outlet_new(struct log_writer *writer,
                                  struct timers *timers,
                                  struct metrics_registry *metrics)
{
    struct log_outlet *outlet = xcalloc(1, sizeof *outlet);

    outlet->writer = writer;
    outlet->timers = timers;
    outlet->cell = metrics_cell_new(metrics, METRIC_SCOPE_FRONT, "");
    outlet->timer.on_expire = on_timer;
    return outlet;
}

void log_outlet_free(struct log_outlet **outlet_ptr)
{
    struct log_outlet *outlet = *outlet_ptr;

    if (!outlet)
        return;
    log_outlet_flush(outlet);
    for (unsigned i = 0; i < outlet->file_count; i++)
        strbuf_done(&outlet->files[i].lines);
    free(outlet->files);
    free(outlet);
    *outlet_ptr = NULL;
}

static void make_room(struct log_outlet *outlet, unsigned count)
{
    outlet->files = xrealloc(outlet->files, count * sizeof *outlet->files);
    for (unsigned i = outlet->file_count; i < count; i++)
        outlet->files[i] = (struct gathered){.lines = STRBUF_INIT};
    outlet->file_count = count;
}

struct strbuf *log_outlet_begin(struct log_outlet *outlet, unsigned file)
{
    struct strbuf *lines;

    if (file >= outlet->file_count)
        make_room(outlet, file + 1);
    lines = &outlet->files[file].lines;

    if (!lines->data) /* in one piece, or it would grow by doubling */
        strbuf_reserve(lines, BATCH_BYTES + 4096);
    return lines;
}

void log_outlet_commit(struct log_outlet *outlet, unsigned file)
{
    struct gathered *gathered = &outlet->files[file];

    gathered->count++;
    if (gathered->lines.len >= BATCH_BYTES)
        hand_over(outlet, file);
    else if (!timer_is_running(&outlet->timer))
        timer_start(outlet->timers, &outlet->timer, FLUSH_MS);
}
