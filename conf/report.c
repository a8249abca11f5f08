/* report.c - collects errors and warnings, and writes them in order. */
#include "conf/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/base/alloc.h"

/* Long enough for any message with a few cut words in it. */
#define TEXT_MAX 2048

struct report_entry {
    struct conf_place place;
    unsigned sequence; /* keeps two errors of one place in their order */
    bool is_warning;
    const char *text;
};

void report_init(struct report *report, struct arena *arena)
{
    *report = (struct report){.arena = arena};
    report->entries =
        arena_alloc(arena, sizeof(struct report_entry) * REPORT_ERRORS_MAX * 2);
}

bool report_is_full(const struct report *report)
{
    return report->error_count >= REPORT_ERRORS_MAX;
}

static void entry_add(struct report *report, struct conf_place place,
                      bool is_warning, const char *text)
{
    report->entries[report->count] = (struct report_entry){
        .place = place,
        .sequence = report->count,
        .is_warning = is_warning,
        .text = arena_copy(report->arena, sv_of(text)),
    };
    report->count++;
}

void report_error(struct report *report, struct conf_place place,
                  const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    if (report_is_full(report)) {
        report->unshown++;
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    entry_add(report, place, false, text);
    report->error_count++;
}

void report_warning(struct report *report, struct conf_place place,
                    const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    if (report->count - report->error_count >= REPORT_ERRORS_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    entry_add(report, place, true, text);
}

const char *report_place(struct arena *arena, struct conf_place place)
{
    if (place.line == 0)
        return place.file;
    return arena_printf(arena, "%s:%u:%u", place.file, place.line,
                        place.column);
}

static int entry_compare(const void *left, const void *right)
{
    const struct report_entry *a = left;
    const struct report_entry *b = right;

    if (a->place.order != b->place.order)
        return a->place.order < b->place.order ? -1 : 1;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line ? -1 : 1;
    if (a->place.column != b->place.column)
        return a->place.column < b->place.column ? -1 : 1;
    return a->sequence < b->sequence ? -1 : 1;
}

static void add_escaped(struct strbuf *buf, const char *text)
{
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;

        if (byte < 0x20 || byte == 0x7f)
            strbuf_printf(buf, "\\x%02x", byte);
        else
            strbuf_add_char(buf, *c);
    }
}

void report_write(const struct report *report, struct strbuf *ret_text)
{
    qsort(report->entries, report->count, sizeof *report->entries,
          entry_compare);
    for (unsigned i = 0; i < report->count; i++) {
        const struct report_entry *entry = &report->entries[i];

        if (entry->is_warning && report->error_count > 0)
            continue;
        add_escaped(ret_text, report_place(report->arena, entry->place));
        strbuf_add_str(ret_text, entry->is_warning ? ": warning: " : ": ");
        add_escaped(ret_text, entry->text);
        strbuf_add_char(ret_text, '\n');
    }
    if (report->unshown > 0)
        strbuf_printf(ret_text, "… and %u more errors\n", report->unshown);
}
