/* print_resources.c - resources, and what an app reserves, as it is written. */
#include <inttypes.h>
#include <stdio.h>

#include "conf/config_print.h"
#include "conf/units.h"

static const struct resource_settings *resources_of(const struct printer *p)
{
    return p->owner[OWNER_resource_settings];
}

static void print_text(struct printer *p, const struct directive *row,
                       const char *text)
{
    printer_begin(p, row->name);
    printer_word(p, text);
    printer_end(p);
}

void directive_print_resources_cpus(struct printer *p,
                                    const struct directive *row)
{
    char text[UNITS_TEXT_SIZE];

    if (resources_of(p)->cpu_millis == 0) {
        printer_default(p, row);
        return;
    }
    units_format_millis(resources_of(p)->cpu_millis, text);
    print_text(p, row, text);
}

void directive_print_resources_memory(struct printer *p,
                                      const struct directive *row)
{
    char text[UNITS_TEXT_SIZE];

    if (resources_of(p)->memory_bytes == 0) {
        printer_default(p, row);
        return;
    }
    units_format_size(resources_of(p)->memory_bytes, text);
    print_text(p, row, text);
}

void directive_print_gpu(struct printer *p, const struct directive *row)
{
    const struct resource_settings *resources = resources_of(p);
    char text[UNITS_TEXT_SIZE];

    if (resources->gpu_count == 0)
        printer_default(p, row);
    for (uint32_t i = 0; i < resources->gpu_count; i++) {
        printer_begin(p, row->name);
        printer_word(p, resources->gpus[i].name);
        if (resources->gpus[i].memory_bytes > 0) {
            units_format_size(resources->gpus[i].memory_bytes, text);
            strbuf_printf(p->out, " memory=%s", text);
        }
        printer_end(p);
    }
}

void directive_print_gpus(struct printer *p, const struct directive *row)
{
    const struct container_settings *container =
        p->owner[OWNER_container_settings];
    char text[UNITS_TEXT_SIZE];

    units_format_millis(container->gpu_millis, text);
    print_text(p, row, text);
}

void directive_print_importance(struct printer *p, const struct directive *row)
{
    const struct keeper_app *app = p->owner[OWNER_keeper_app];
    char text[16];

    snprintf(text, sizeof text, "%" PRId32, app->importance);
    print_text(p, row, text);
}
