/* keeper_ping.c - how long the keeper takes to answer. */
#include "proxy/keeper_ping.h"

#include <stdlib.h>

#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/metrics.h"
#include "router/base/timers.h"
#include "router/channel.h"

#define EVERY_MS 1000

struct keeper_ping {
    struct timers *timers;
    struct channel **channel;
    struct metrics_cell *cell;
    struct timer timer;
};

static void on_timer(struct timer *timer)
{
    struct keeper_ping *ping = container_of(timer, struct keeper_ping, timer);
    struct channel_ping message = {.at_us = clock_now_us()};

    if (*ping->channel)
        channel_send_ping(*ping->channel, &message, NULL, 0);
    timer_start(ping->timers, timer, EVERY_MS);
}

struct keeper_ping *keeper_ping_new(struct timers *timers,
                                    struct channel **channel,
                                    struct metrics_registry *metrics)
{
    struct keeper_ping *ping = xcalloc(1, sizeof *ping);

    ping->timers = timers;
    ping->channel = channel;
    ping->cell = metrics_cell_new(metrics, METRIC_SCOPE_FRONT, "");
    ping->timer.on_expire = on_timer;
    timer_start(timers, &ping->timer, EVERY_MS);
    return ping;
}

void keeper_ping_free(struct keeper_ping **ping_ptr)
{
    if (!*ping_ptr)
        return;
    timer_stop(&(*ping_ptr)->timer);
    free(*ping_ptr);
    *ping_ptr = NULL;
}

void keeper_ping_on_pong(struct keeper_ping *ping, uint64_t sent_us)
{
    uint64_t now_us = clock_now_us();

    if (sent_us <= now_us)
        metrics_observe(ping->cell, HISTOGRAM_CHANNEL_ROUND_TRIP,
                        now_us - sent_us);
}
