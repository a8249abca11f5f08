/* admin_rates.c - how many requests a second each app gets. */
#include "proxy/admin/admin_rates.h"

#include <stdlib.h>

#include "proxy/admin/admin_host.h"
#include "proxy/settings.h"
#include "router/app.h"
#include "router/base/alloc.h"
#include "router/base/id_map.h"
#include "router/base/loop.h"
#include "router/base/timers.h"

#define LOOK_MS 1000

/* What an app had answered or refused at each look; a ring. */
struct past {
    struct past *next;
    uint32_t app_id;
    uint64_t at_us[ADMIN_RATES_S + 1];
    uint64_t arrivals[ADMIN_RATES_S + 1];
    unsigned count; /* of looks, ever */
};

struct admin_rates {
    const struct admin_host *host;
    struct timers *timers;
    struct timer timer;
    struct past *pasts;
    struct id_map by_id;
};

static struct past *past_of(struct admin_rates *rates, uint32_t app_id)
{
    struct past *past = id_map_get(&rates->by_id, app_id);

    if (past)
        return past;
    past = xcalloc(1, sizeof *past);
    past->app_id = app_id;
    past->next = rates->pasts;
    rates->pasts = past;
    id_map_put(&rates->by_id, app_id, past);
    return past;
}

static void look(struct admin_rates *rates)
{
    const struct admin_host *host = rates->host;
    const struct proxy_settings *settings = host->ops->settings(host->front);
    uint64_t now_us = loop_now_us(host->loop);

    for (uint32_t i = 0; i < settings->app_count; i++) {
        struct past *past = past_of(rates, settings->apps[i].id);
        unsigned at = past->count++ % (ADMIN_RATES_S + 1);
        struct app_counts counts;

        app_count(host->ops->app(host->front, i), now_us, &counts);
        past->at_us[at] = now_us;
        past->arrivals[at] = counts.arrivals;
    }
}

static void on_timer(struct timer *timer)
{
    struct admin_rates *rates = container_of(timer, struct admin_rates, timer);

    look(rates);
    timer_start(rates->timers, timer, LOOK_MS);
}

double admin_rates_get(const struct admin_rates *rates, uint32_t app_id)
{
    const struct past *past = id_map_get(&rates->by_id, app_id);
    unsigned size = ADMIN_RATES_S + 1;
    unsigned newest;
    unsigned oldest;

    if (!past || past->count < 2)
        return 0;
    newest = (past->count - 1) % size;
    oldest = past->count > size ? past->count % size : 0;
    if (past->at_us[newest] <= past->at_us[oldest])
        return 0;
    return (double)(past->arrivals[newest] - past->arrivals[oldest]) * 1e6 /
           (double)(past->at_us[newest] - past->at_us[oldest]);
}

struct admin_rates *admin_rates_new(const struct admin_host *host)
{
    struct admin_rates *rates = xcalloc(1, sizeof *rates);

    rates->host = host;
    rates->timers = timers_new(host->loop);
    rates->timer.on_expire = on_timer;
    timer_start(rates->timers, &rates->timer, LOOK_MS);
    return rates;
}

void admin_rates_free(struct admin_rates **rates_ptr)
{
    struct admin_rates *rates = *rates_ptr;

    if (!rates)
        return;
    timer_stop(&rates->timer);
    timers_free(&rates->timers);
    while (rates->pasts) {
        struct past *past = rates->pasts;

        rates->pasts = past->next;
        free(past);
    }
    id_map_done(&rates->by_id);
    free(rates);
    *rates_ptr = NULL;
}
