/* resources_view.c - who has what of the machine, as people read it. */
#include "proxy/cli/resources_view.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>

#include "proxy/cli/answer_json.h"
#include "proxy/cli/table.h"
#include "router/base/clock.h"

/* Fractions, which answer_number() has none of. */
static double amount(const cJSON *json, const char *name)
{
    const cJSON *item = answer_member(json, name);

    return cJSON_IsNumber(item) && item->valuedouble > 0 ? item->valuedouble
                                                         : 0;
}

static void add_bytes(struct strbuf *buf, double bytes)
{
    if (bytes >= 10.0 * (1 << 30))
        strbuf_printf(buf, "%.0fg", bytes / (1 << 30));
    else if (bytes >= 1 << 30)
        strbuf_printf(buf, "%.1fg", bytes / (1 << 30));
    else
        strbuf_printf(buf, "%.0fm", bytes / (1 << 20));
}

static void add_sums(const cJSON *resources, struct strbuf *buf)
{
    const cJSON *cpus = answer_member(resources, "cpus");
    const cJSON *memory = answer_member(resources, "memory_bytes");

    strbuf_printf(buf, "reserved: cpus %g of %g, memory ",
                  amount(cpus, "reserved"), amount(cpus, "total"));
    add_bytes(buf, amount(memory, "reserved"));
    strbuf_add_str(buf, " of ");
    add_bytes(buf, amount(memory, "total"));
    strbuf_add_char(buf, '\n');
}

static void add_device(const cJSON *device, struct table *table)
{
    AUTO(strbuf_done) struct strbuf memory = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf holders = STRBUF_INIT;
    const cJSON *holder;

    strbuf_add_str(&memory, "");
    strbuf_add_str(&holders, "");
    if (amount(device, "memory_bytes") > 0) {
        add_bytes(&memory, amount(device, "memory_reserved_bytes"));
        strbuf_add_str(&memory, " of ");
        add_bytes(&memory, amount(device, "memory_bytes"));
    }
    cJSON_ArrayForEach(holder, answer_member(device, "holders"))
    {
        if (cJSON_IsString(holder))
            strbuf_printf(&holders, "%s%s", holders.len > 0 ? " " : "",
                          holder->valuestring);
    }
    table_cell(table, COLOUR_NONE, "%s", answer_text(device, "name"));
    table_cell(table, COLOUR_NONE, "%g", amount(device, "reserved"));
    table_cell(table, COLOUR_NONE, "%s", memory.len > 0 ? memory.data : "-");
    table_cell(table, COLOUR_NONE, "%s", holders.len > 0 ? holders.data : "-");
}

static void add_devices(const cJSON *resources, const struct view *view,
                        struct strbuf *buf)
{
    static const struct table_column columns[] = {
        {"DEVICE", false},
        {"RESERVED", true},
        {"MEMORY", true},
        {"HELD BY", false},
    };
    const cJSON *devices = answer_member(resources, "devices");
    const cJSON *device;
    AUTO(table_free)
    struct table *table = table_new(columns, ARRAY_LEN(columns));

    if (cJSON_GetArraySize(devices) == 0)
        return;
    cJSON_ArrayForEach(device, devices)
    {
        add_device(device, table);
    }
    table_format(table, view->has_colour, view->width, buf);
}

static void add_waiting(const cJSON *resources, const struct view *view,
                        struct strbuf *buf)
{
    const cJSON *waiting;

    cJSON_ArrayForEach(waiting, answer_member(resources, "waiting"))
    {
        AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
        char age[VIEW_TIME_SIZE];

        clock_format_duration(answer_number(waiting, "waited_ms"), age,
                              sizeof age);
        strbuf_printf(&text, "%s waits for room, for %s: %s",
                      answer_text(waiting, "replica"), age,
                      answer_text(waiting, "reason"));
        colour_text(buf, view->has_colour, COLOUR_YELLOW, strbuf_view(&text));
        strbuf_add_char(buf, '\n');
    }
}

void resources_view(const struct cJSON *resources, const struct view *view,
                    struct strbuf *buf)
{
    if (cJSON_GetArraySize(answer_member(resources, "devices")) +
            cJSON_GetArraySize(answer_member(resources, "holders")) +
            cJSON_GetArraySize(answer_member(resources, "waiting")) ==
        0)
        return;
    strbuf_add_char(buf, '\n');
    add_sums(resources, buf);
    add_devices(resources, view, buf);
    add_waiting(resources, view, buf);
}
