/* admin.c - the admin API on top of the front. */
#include "proxy/admin/admin.h"

#include <stdlib.h>

#include "proxy/admin/admin_host.h"
#include "proxy/admin/admin_server.h"

static const struct proxy_settings *host_settings(void *front)
{
    return front_settings(front);
}

static struct metrics_registry *host_metrics(void *front)
{
    return front_metrics(front);
}

static struct app *host_app(void *front, uint32_t index)
{
    return front_app(front, index);
}

static bool host_is_serving(void *front)
{
    return front_is_serving(front);
}

static uint64_t host_ask(void *front, const struct question *question)
{
    return questions_ask(front_questions(front), question);
}

static void host_credit(void *front, uint64_t id, size_t bytes)
{
    questions_credit(front_questions(front), id, bytes);
}

static void host_forget(void *front, uint64_t id)
{
    questions_forget(front_questions(front), id);
}

static const struct admin_host_ops host_ops = {
    .settings = host_settings,
    .metrics = host_metrics,
    .app = host_app,
    .is_serving = host_is_serving,
    .ask = host_ask,
    .credit = host_credit,
    .forget = host_forget,
};

static void *start(struct front *front)
{
    struct admin_host host = {&host_ops, front, front_loop(front), NULL};

    return admin_server_new(&host);
}

static void listen_on(void *admin, uint32_t listener, int fd)
{
    admin_server_listen(admin, listener, fd);
}

static void reload(void *admin, const uint32_t *kept)
{
    admin_server_reload(admin, kept);
}

static void update_tls(void *admin, const struct tls_settings *settings)
{
    admin_server_update_tls(admin, settings);
}

static void stop(void *admin)
{
    struct admin_server *server = admin;

    admin_server_free(&server);
}

const struct front_admin admin_api = {
    .start = start,
    .listen = listen_on,
    .reload = reload,
    .update_tls = update_tls,
    .stop = stop,
};
