/* generation.c - one configuration as the front serves by it. */
#include "proxy/generation.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/access_log.h"
#include "proxy/front_apps.h"
#include "proxy/log_writer.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/worker_generation.h"
#include "router/base/alloc.h"

static void take_apps(struct generation *generation, struct front_apps *apps)
{
    const struct proxy_settings *settings = generation->settings;

    generation->front_apps =
        xcalloc(settings->app_count + 1U, sizeof(struct front_app *));
    generation->apps = xcalloc(settings->app_count + 1U, sizeof(struct app *));
    for (uint32_t i = 0; i < settings->app_count; i++) {
        generation->front_apps[i] = front_apps_take(apps, &settings->apps[i]);
        generation->apps[i] = front_app_of(generation->front_apps[i]);
    }
}

static void open_logs(struct generation *generation, struct log_writer *writer)
{
    const struct shared_settings *shared = &generation->settings->shared;

    generation->access_logs = access_logs_new(shared);
    if (shared->access_log_count == 0)
        return;
    generation->log_writer = writer;
    generation->log_files =
        xcalloc(shared->log_file_count + 1U, sizeof *generation->log_files);
    for (uint32_t i = 0; i < shared->log_file_count; i++)
        generation->log_files[i] =
            log_writer_open(writer, shared->log_files[i]);
    access_logs_renumber(generation->access_logs, generation->log_files);
}

struct generation *generation_new(const struct generation_base *base,
                                  uint64_t number,
                                  struct proxy_settings *settings)
{
    struct generation *generation = xcalloc(1, sizeof *generation);

    generation->number = number;
    generation->settings = settings;
    take_apps(generation, base->apps);
    generation->routes = routes_new(settings, generation->apps,
                                    base->before ? base->before->routes : NULL);
    open_logs(generation, base->log_writer);
    if (settings->shared.basic_file_count > 0)
        generation->password_helper = base->password_helper;
    generation->part_count = settings->worker_count;
    generation->parts =
        xcalloc(settings->worker_count, sizeof(struct worker_generation *));
    for (unsigned i = 0; i < settings->worker_count; i++)
        generation->parts[i] =
            worker_generation_new(generation, i, base->metrics);
    return generation;
}

static void free_generation(struct generation *generation)
{
    const struct shared_settings *shared = &generation->settings->shared;

    list_remove(&generation->node);
    routes_free(&generation->routes);
    access_logs_free(&generation->access_logs);
    for (uint32_t i = 0; generation->log_writer && i < shared->log_file_count;
         i++)
        log_writer_close(generation->log_writer, generation->log_files[i]);
    free(generation->log_files);
    for (uint32_t i = 0; i < generation->settings->app_count; i++)
        front_app_drop(&generation->front_apps[i]);
    free(generation->front_apps);
    free(generation->apps);
    free(generation->parts);
    proxy_settings_free(&generation->settings);
    free(generation);
}

void generation_part_gone(struct generation **generation_ptr, unsigned worker)
{
    struct generation *generation = *generation_ptr;

    generation->parts[worker] = NULL;
    if (--generation->part_count > 0)
        return;
    free_generation(generation);
    *generation_ptr = NULL;
}
