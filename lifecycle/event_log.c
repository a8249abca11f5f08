/* event_log.c - a ring of what happened lately. */
#include "lifecycle/event_log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"
#include "router/base/clock.h"

#define TEXT_COUNT 7

struct record {
    struct event event;
    char *texts; /* all of them, one behind the other */
};

struct event_log {
    uint64_t first_id; /* what the first event of all had, or will have */
    uint64_t next_id;
    struct record records[EVENT_LOG_MAX]; /* by id modulo its size */
    struct list watchers;
};

static const char *const kind_names[] = {
#define EVENT_KIND(NAME, text, meaning) text,
#include "lifecycle/event_kind.def"
#undef EVENT_KIND
};

const char *event_kind_name(enum event_kind kind)
{
    return kind_names[kind];
}

struct event_log *event_log_new(void)
{
    struct event_log *log = xcalloc(1, sizeof *log);

    log->first_id = clock_unix_ms();
    log->next_id = log->first_id;
    list_init(&log->watchers);
    return log;
}

void event_log_free(struct event_log **log)
{
    if (!*log)
        return;
    while (list_pop_head(&(*log)->watchers))
        continue;
    for (unsigned i = 0; i < EVENT_LOG_MAX; i++)
        free((*log)->records[i].texts);
    free(*log);
    *log = NULL;
}

/* All texts of an event, in one order. */
static void texts_of(struct event *event, const char **ret_texts[TEXT_COUNT])
{
    ret_texts[0] = &event->app;
    ret_texts[1] = &event->replica;
    ret_texts[2] = &event->from;
    ret_texts[3] = &event->to;
    ret_texts[4] = &event->reason;
    ret_texts[5] = &event->image;
    ret_texts[6] = &event->by;
}

static size_t length_of(const char *text)
{
    return text ? strnlen(text, EVENT_TEXT_MAX) : 0;
}

/* In one piece of memory: most texts are short or missing. */
static void copy_texts(struct record *record)
{
    const char **texts[TEXT_COUNT];
    size_t size = 0;
    char *at;

    texts_of(&record->event, texts);
    for (unsigned i = 0; i < TEXT_COUNT; i++)
        size += length_of(*texts[i]) + 1;
    record->texts = xcalloc(size, 1);
    at = record->texts;
    for (unsigned i = 0; i < TEXT_COUNT; i++) {
        size_t n = length_of(*texts[i]);

        if (n > 0)
            memcpy(at, *texts[i], n);
        *texts[i] = at;
        at += n + 1;
    }
}

void event_log_add(struct event_log *log, const struct event *event)
{
    struct record *record;

    if (!log)
        return;
    record = &log->records[log->next_id % EVENT_LOG_MAX];
    free(record->texts);
    record->event = *event;
    record->event.id = log->next_id++;
    if (record->event.at_unix_ms == 0)
        record->event.at_unix_ms = clock_unix_ms();
    copy_texts(record);
    LIST_FOREACH (&log->watchers, node) {
        struct event_watcher *watcher =
            container_of(node, struct event_watcher, node);

        watcher->on_event(watcher);
    }
}

static uint64_t oldest_id(const struct event_log *log)
{
    uint64_t count = log->next_id - log->first_id;

    return count > EVENT_LOG_MAX ? log->next_id - EVENT_LOG_MAX : log->first_id;
}

uint64_t event_log_last_id(const struct event_log *log)
{
    return log->next_id == log->first_id ? 0 : log->next_id - 1;
}

const struct event *event_log_after(const struct event_log *log, uint64_t id)
{
    uint64_t oldest = oldest_id(log);
    uint64_t next = id < oldest ? oldest : id + 1;

    if (id >= log->next_id || next >= log->next_id)
        return NULL;
    return &log->records[next % EVENT_LOG_MAX].event;
}

uint64_t event_log_lost_after(const struct event_log *log, uint64_t id)
{
    uint64_t oldest = oldest_id(log);
    uint64_t next = id < log->first_id ? log->first_id : id + 1;

    return next < oldest ? oldest - next : 0;
}

void event_log_watch(struct event_log *log, struct event_watcher *watcher)
{
    list_add_tail(&log->watchers, &watcher->node);
}

void event_watcher_stop(struct event_watcher *watcher)
{
    list_remove(&watcher->node);
}

static void add_text(struct strbuf *buf, const char *name, const char *text)
{
    if (!text || !text[0])
        return;
    strbuf_printf(buf, ",\"%s\":", name);
    strbuf_add_json(buf, sv_of(text));
}

void event_write_json(const struct event *event, struct strbuf *buf)
{
    strbuf_printf(
        buf, "{\"id\":%" PRIu64 ",\"at_unix_ms\":%" PRIu64 ",\"kind\":\"%s\"",
        event->id, event->at_unix_ms, event_kind_name(event->kind));
    add_text(buf, "app", event->app);
    add_text(buf, "replica", event->replica);
    add_text(buf, "image", event->image);
    add_text(buf, "by", event->by);
    add_text(buf, "from", event->from);
    add_text(buf, "to", event->to);
    add_text(buf, "reason", event->reason);
    /* A roll-out's is a revision, which may be as old as it likes. */
    if (event->from && event->from[0] && event->kind != EVENT_ROLLOUT)
        strbuf_printf(buf, ",\"before_ms\":%" PRIu64, event->before_ms);
    if (event->took_ms > 0)
        strbuf_printf(buf, ",\"took_ms\":%" PRIu64, event->took_ms);
    strbuf_add_char(buf, '}');
}
