/* fleet_place_status.c - who has what, as JSON and as metrics. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/fleet_place_private.h"
#include "router/base/clock.h"
#include "router/base/metrics_written.h"

struct sums {
    struct placement_need all; /* gpu_millis: of all devices together */
    uint32_t gpu_millis[PLACEMENT_DEVICES];
    uint64_t gpu_memory_bytes[PLACEMENT_DEVICES];
};

static uint32_t millis_a_device(const struct placement_need *need)
{
    return need->gpu_millis < PLACEMENT_WHOLE ? need->gpu_millis
                                              : PLACEMENT_WHOLE;
}

static void sum_up(const struct fleet_place *place, struct sums *ret)
{
    *ret = (struct sums){0};
    LIST_FOREACH (&place->reservations, node) {
        const struct reservation *it = reservation_of(node);
        struct placement_need held = fleet_place_held(it);

        ret->all.cpu_millis += held.cpu_millis;
        ret->all.memory_bytes += held.memory_bytes;
        for (uint32_t i = 0; i < place->machine->totals.device_count; i++) {
            if (!(it->devices >> i & 1))
                continue;
            ret->gpu_millis[i] += millis_a_device(&held);
            ret->gpu_memory_bytes[i] += held.gpu_memory_bytes;
            ret->all.gpu_millis += millis_a_device(&held);
            ret->all.gpu_memory_bytes += held.gpu_memory_bytes;
        }
    }
}

/* --- status --- */

static void add_amount(cJSON *json, const char *name, double total,
                       double reserved)
{
    cJSON *amount = cJSON_AddObjectToObject(json, name);

    cJSON_AddNumberToObject(amount, "total", total);
    cJSON_AddNumberToObject(amount, "reserved", reserved);
}

static const char *holder_name(const struct reservation *it)
{
    return it->replica ? replica_view(it->replica)->name : it->container_id;
}

static cJSON *devices_json(const struct fleet_place *place,
                           const struct sums *sums)
{
    const struct placement_machine *totals = &place->machine->totals;
    cJSON *devices = cJSON_CreateArray();

    for (uint32_t i = 0; i < totals->device_count; i++) {
        cJSON *device = cJSON_CreateObject();
        cJSON *holders;

        cJSON_AddStringToObject(device, "name", place->machine->devices[i]);
        cJSON_AddNumberToObject(device, "reserved", sums->gpu_millis[i] / 1e3);
        cJSON_AddNumberToObject(device, "memory_bytes",
                                (double)totals->device_memory_bytes[i]);
        cJSON_AddNumberToObject(device, "memory_reserved_bytes",
                                (double)sums->gpu_memory_bytes[i]);
        holders = cJSON_AddArrayToObject(device, "holders");
        LIST_FOREACH (&place->reservations, node) {
            const struct reservation *it = reservation_of(node);

            if ((it->devices >> i & 1) && fleet_place_held(it).gpu_millis > 0)
                cJSON_AddItemToArray(holders,
                                     cJSON_CreateString(holder_name(it)));
        }
        cJSON_AddItemToArray(devices, device);
    }
    return devices;
}

static cJSON *holder_json(const struct reservation *it)
{
    struct placement_need held = fleet_place_held(it);
    cJSON *json = cJSON_CreateObject();

    if (it->app)
        cJSON_AddStringToObject(json, "app", it->app->settings->app->name);
    else
        cJSON_AddNullToObject(json, "app");
    if (it->replica) {
        cJSON_AddStringToObject(json, "replica", holder_name(it));
        cJSON_AddStringToObject(
            json, "state",
            replica_state_name(replica_view(it->replica)->state));
    } else {
        cJSON_AddStringToObject(json, "container", it->container_id);
    }
    cJSON_AddNumberToObject(json, "cpus", (double)held.cpu_millis / 1e3);
    cJSON_AddNumberToObject(json, "memory_bytes", (double)held.memory_bytes);
    cJSON_AddNumberToObject(json, "gpus", held.gpu_millis / 1e3);
    cJSON_AddNumberToObject(json, "gpu_memory_bytes",
                            (double)held.gpu_memory_bytes);
    cJSON_AddStringToObject(json, "devices", it->device_names);
    return json;
}

static bool holds_something(const struct reservation *it)
{
    struct placement_need held = fleet_place_held(it);

    return held.cpu_millis > 0 || held.memory_bytes > 0 || held.gpu_millis > 0;
}

static cJSON *waiting_json(const struct reservation *it)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddStringToObject(json, "app", it->app->settings->app->name);
    cJSON_AddStringToObject(json, "replica", holder_name(it));
    cJSON_AddStringToObject(json, "reason", it->app->place_wait.reason);
    cJSON_AddNumberToObject(json, "waited_ms",
                            (double)((clock_now_us() - it->asked_us) / 1000));
    return json;
}

struct cJSON *fleet_place_status(const struct fleet_place *place)
{
    const struct placement_machine *totals = &place->machine->totals;
    cJSON *json = cJSON_CreateObject();
    cJSON *holders;
    cJSON *waiting;
    struct sums sums;

    sum_up(place, &sums);
    add_amount(json, "cpus", (double)totals->cpu_millis / 1e3,
               (double)sums.all.cpu_millis / 1e3);
    add_amount(json, "memory_bytes", (double)totals->memory_bytes,
               (double)sums.all.memory_bytes);
    add_amount(json, "gpus", totals->device_count, sums.all.gpu_millis / 1e3);
    cJSON_AddItemToObject(json, "devices", devices_json(place, &sums));
    holders = cJSON_AddArrayToObject(json, "holders");
    waiting = cJSON_AddArrayToObject(json, "waiting");
    LIST_FOREACH (&place->reservations, node) {
        const struct reservation *it = reservation_of(node);

        if (holds_something(it))
            cJSON_AddItemToArray(holders, holder_json(it));
        if (it->is_asking && it->app->place_wait.verdict != PLACEMENT_START)
            cJSON_AddItemToArray(waiting, waiting_json(it));
    }
    return json;
}

/* --- metrics --- */

static void expose_amounts(struct strbuf *buf, enum metrics_written id,
                           const struct placement_need *amount)
{
    const char *name = metrics_written_name(id);

    metrics_written_begin(buf, id);
    strbuf_printf(buf, "%s{resource=\"cpus\"} %g\n", name,
                  (double)amount->cpu_millis / 1e3);
    strbuf_printf(buf, "%s{resource=\"memory\"} %" PRIu64 "\n", name,
                  amount->memory_bytes);
    strbuf_printf(buf, "%s{resource=\"gpus\"} %g\n", name,
                  (double)amount->gpu_millis / 1e3);
    strbuf_printf(buf, "%s{resource=\"gpu_memory\"} %" PRIu64 "\n", name,
                  amount->gpu_memory_bytes);
}

void fleet_place_expose(const struct fleet_place *place, struct strbuf *buf)
{
    const struct placement_machine *totals = &place->machine->totals;
    struct placement_need total = {.cpu_millis = totals->cpu_millis,
                                   .memory_bytes = totals->memory_bytes,
                                   .gpu_millis =
                                       totals->device_count * PLACEMENT_WHOLE};
    struct sums sums;

    for (uint32_t i = 0; i < totals->device_count; i++)
        total.gpu_memory_bytes += totals->device_memory_bytes[i];
    sum_up(place, &sums);
    expose_amounts(buf, METRICS_WRITTEN_RESOURCE_TOTAL, &total);
    expose_amounts(buf, METRICS_WRITTEN_RESOURCE_RESERVED, &sums.all);
    metrics_written_begin(buf, METRICS_WRITTEN_EVICTIONS);
    for (uint32_t i = 0; i < place->eviction_count; i++)
        strbuf_printf(buf, "%s{app=\"%s\",by=\"%s\"} %" PRIu64 "\n",
                      metrics_written_name(METRICS_WRITTEN_EVICTIONS),
                      place->evictions[i].app, place->evictions[i].by,
                      place->evictions[i].count);
}
