/* run_settings.c - the configuration file as the keeper wants it. */
#include "proxy/cli/run_settings.h"

#include <stdlib.h>
#include <string.h>

#include "conf/config.h"
#include "proxy/cli/front_config.h"
#include "proxy/cli/listen_requests.h"
#include "router/base/alloc.h"

struct run_settings {
    struct keeper_settings base;
    struct config *config;
    struct front_config *front;
    struct listen_request *listeners;
};

static struct run_settings *run_settings_of(struct keeper_settings *base)
{
    return container_of(base, struct run_settings, base);
}

static struct strview encode(struct keeper_settings *base)
{
    return front_config_encode(run_settings_of(base)->front);
}

static void poll(struct keeper_settings *base, struct channel *channel)
{
    front_config_poll(run_settings_of(base)->front, channel);
}

static void broken_files(const struct keeper_settings *base,
                         keeper_broken_file_fn fn, void *arg)
{
    const struct run_settings *settings = container_of(
        (struct keeper_settings *)(uintptr_t)base, struct run_settings, base);

    front_config_broken_files(settings->front, fn, arg);
}

static void print(const struct keeper_settings *base, struct strbuf *ret_text)
{
    const struct run_settings *settings = container_of(
        (struct keeper_settings *)(uintptr_t)base, struct run_settings, base);

    config_print(settings->config, ret_text);
}

static void run_settings_free(struct keeper_settings *base)
{
    struct run_settings *settings = run_settings_of(base);

    front_config_free(&settings->front);
    free(settings->listeners);
    config_free(&settings->config);
    free(settings);
}

static const struct keeper_settings_ops ops = {
    .encode = encode,
    .poll = poll,
    .broken_files = broken_files,
    .print = print,
    .free = run_settings_free,
};

static const struct app_settings *find_app(const struct proxy_settings *proxy,
                                           const char *name)
{
    for (uint32_t i = 0; i < proxy->app_count; i++)
        if (strcmp(proxy->apps[i].name, name) == 0)
            return &proxy->apps[i];
    return NULL;
}

/* The same name, the same id. */
static void give_ids(struct run_source *source,
                     const struct run_settings *running,
                     struct proxy_settings *proxy)
{
    for (uint32_t i = 0; i < proxy->app_count; i++) {
        struct app_settings *app = &proxy->apps[i];
        const struct app_settings *known =
            running ? find_app(running->config->proxy, app->name) : NULL;

        app->id = known ? known->id : source->next_app_id++;
    }
}

struct keeper_settings *run_settings_load(void *arg,
                                          struct keeper_settings *running_base,
                                          struct strbuf *ret_messages)
{
    struct run_source *source = arg;
    const struct run_settings *running =
        running_base ? run_settings_of(running_base) : NULL;
    AUTO(config_free)
    struct config *config = config_load(source->path, ret_messages);
    struct front_config *front;
    struct run_settings *settings;
    struct err err;

    if (!config || (running && !config_check_reload(running->config, config,
                                                    ret_messages)))
        return NULL;
    give_ids(source, running, config->proxy);
    front =
        front_config_new(config->proxy, running ? running->front : NULL, &err);
    if (!front) {
        strbuf_printf(ret_messages, "%s\n", err.text);
        return NULL;
    }
    settings = xcalloc(1, sizeof *settings);
    settings->config = TAKE(config);
    settings->front = front;
    settings->listeners = cli_listen_requests(settings->config->proxy);
    settings->base = (struct keeper_settings){
        .ops = &ops,
        .refs = 1,
        .lifecycle = settings->config->lifecycle,
        .log_level = settings->config->proxy->log_level,
        .log_json = settings->config->proxy->log_json,
        .listener_count = settings->config->proxy->listener_count,
        .listeners = settings->listeners,
    };
    return &settings->base;
}
