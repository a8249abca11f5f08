/* worker_tls.c - one worker's certificates, keys and session tickets. */
#include "proxy/worker_tls.h"

#include <stdlib.h>

#include "proxy/routes.h"
#include "proxy/settings.h"
#include "router/base/alloc.h"
#include "router/base/log.h"
#include "tls/tls_context.h"
#include "tls/tls_sni.h"
#include "tls/tls_tickets.h"

struct worker_tls {
    const struct proxy_settings *settings;
    struct tls_tickets tickets;
    struct tls_context **contexts; /* by server */
    struct tls_sni **snis;         /* by listener */
};

static struct tls_context *make_context(struct worker_tls *tls, uint32_t server,
                                        const struct tls_settings *settings,
                                        struct err *err)
{
    const struct server_settings *of = &tls->settings->servers[server];
    AUTO(strbuf_done) struct strbuf bind = STRBUF_INIT;
    struct tls_tickets *tickets =
        tls->settings->tickets.rotation_ms ? &tls->tickets : NULL;
    struct tls_context *context;

    strbuf_printf(&bind, "%u", server);
    for (uint32_t i = 0; i < of->name_count; i++)
        strbuf_printf(&bind, " %s", of->names[i]);
    context = tls_context_new(settings, tickets, strbuf_view(&bind), err);
    if (context)
        tls_context_set_server(context, server);
    return context;
}

static void make_contexts(struct worker_tls *tls)
{
    const struct proxy_settings *settings = tls->settings;
    struct err err;

    for (uint32_t i = 0; i < settings->server_count; i++) {
        const struct server_settings *server = &settings->servers[i];

        if (server->tls.pair_count == 0)
            continue;
        tls->contexts[i] = make_context(tls, i, &server->tls, &err);
        if (!tls->contexts[i]) {
            /* Main has tried the same a moment ago. */
            log_error("front", "TLS cannot be set up", "why=\"%s\"", err.text);
            abort();
        }
    }
}

static struct tls_sni *make_sni(const struct worker_tls *tls,
                                const struct listener_settings *listener)
{
    const struct proxy_settings *settings = tls->settings;
    struct tls_sni *sni =
        tls_sni_new(tls->contexts[routes_any_host(settings, listener)]);

    for (uint32_t i = 0; i < listener->server_count; i++) {
        uint32_t index = listener->servers[i];
        const struct server_settings *server = &settings->servers[index];

        for (uint32_t n = 0; n < server->name_count; n++)
            tls_sni_add(sni, sv_of(server->names[n]), tls->contexts[index]);
    }
    return sni;
}

struct worker_tls *worker_tls_new(const struct proxy_settings *settings)
{
    struct worker_tls *tls = xcalloc(1, sizeof *tls);
    const struct ticket_seed *seed = &settings->tickets;

    tls->settings = settings;
    if (seed->rotation_ms > 0)
        tls_tickets_init(&tls->tickets, seed->secret, seed->rotation_ms,
                         seed->at_ms);
    tls->contexts =
        xcalloc(settings->server_count + 1U, sizeof(struct tls_context *));
    make_contexts(tls);
    tls->snis =
        xcalloc(settings->listener_count + 1U, sizeof(struct tls_sni *));
    for (uint32_t i = 0; i < settings->listener_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];

        if (listener->is_tls && !listener->is_admin)
            tls->snis[i] = make_sni(tls, listener);
    }
    return tls;
}

void worker_tls_free(struct worker_tls **tls_ptr)
{
    struct worker_tls *tls = *tls_ptr;

    if (!tls)
        return;
    for (uint32_t i = 0; i < tls->settings->listener_count; i++)
        tls_sni_free(&tls->snis[i]);
    for (uint32_t i = 0; i < tls->settings->server_count; i++)
        tls_context_unref(&tls->contexts[i]);
    tls_tickets_done(&tls->tickets);
    free(tls->snis);
    free(tls->contexts);
    free(tls);
    *tls_ptr = NULL;
}

struct tls_sni *worker_tls_sni(const struct worker_tls *tls, uint32_t listener)
{
    return tls->snis[listener];
}

const struct tls_context *worker_tls_context(const struct worker_tls *tls,
                                             uint32_t server)
{
    return tls->contexts[server];
}

bool worker_tls_update(struct worker_tls *tls, uint32_t server,
                       const struct tls_settings *settings, struct err *err)
{
    struct tls_context *fresh = make_context(tls, server, settings, err);

    if (!fresh)
        return false;
    for (uint32_t i = 0; i < tls->settings->listener_count; i++) {
        if (tls->snis[i])
            tls_sni_replace(tls->snis[i], tls->contexts[server], fresh);
    }
    tls_context_unref(&tls->contexts[server]);
    tls->contexts[server] = fresh;
    return true;
}
