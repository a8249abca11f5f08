/* print_warmth.c - the warmth of an app as it is written in a file. */
#include <inttypes.h>
#include <stdio.h>

#include "conf/config_print.h"
#include "conf/units.h"

static const struct warmth_settings *warmth_of(const struct printer *p)
{
    const struct app_settings *app = p->owner[OWNER_app_settings];

    return &app->warmth;
}

static void print_count(struct printer *p, uint32_t count)
{
    char text[16];

    snprintf(text, sizeof text, "%" PRIu32, count);
    printer_word(p, text);
}

void directive_print_hibernate_after(struct printer *p,
                                     const struct directive *row)
{
    const struct warmth_settings *warmth = warmth_of(p);
    char text[UNITS_TEXT_SIZE] = "pressure";

    if (warmth->hibernate_when == HIBERNATE_OFF)
        snprintf(text, sizeof text, "off");
    else if (warmth->hibernate_when == HIBERNATE_AFTER)
        units_format_time(warmth->hibernate_after_ms, text);
    printer_begin(p, row->name);
    printer_word(p, text);
    printer_end(p);
}

void directive_print_keep_frozen(struct printer *p, const struct directive *row)
{
    const struct warmth_settings *warmth = warmth_of(p);

    printer_begin(p, row->name);
    print_count(p, warmth->keep_frozen);
    if (warmth->keep_frozen_for_ms > 0) {
        char time[UNITS_TEXT_SIZE];

        units_format_time(warmth->keep_frozen_for_ms, time);
        strbuf_printf(p->out, " for=%s", time);
    }
    printer_end(p);
}

void directive_print_keep_primed(struct printer *p, const struct directive *row)
{
    const struct warmth_settings *warmth = warmth_of(p);

    printer_begin(p, row->name);
    if (warmth->keep_primed_auto)
        printer_word(p, "auto");
    else
        print_count(p, warmth->keep_primed);
    printer_end(p);
}

static void print_call(struct printer *p, const struct directive *row,
                       const char *path)
{
    if (!path)
        return;
    printer_begin(p, row->name);
    printer_word(p, "http");
    printer_word(p, path);
    printer_end(p);
}

void directive_print_on_sleep(struct printer *p, const struct directive *row)
{
    print_call(p, row, warmth_of(p)->on_sleep);
}

void directive_print_on_wake(struct printer *p, const struct directive *row)
{
    print_call(p, row, warmth_of(p)->on_wake);
}
