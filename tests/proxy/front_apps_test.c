#include "proxy/front_apps.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/base/clock.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

#define CLIENTS 100

/* Take what the keeper is told until it says that so many wait. */
static void await_queued(struct front_harness *h, uint32_t queued)
{
    struct channel_demand demand = {.queued = UINT32_MAX};

    while (demand.queued != queued) {
        struct strview payload = harness_wait(h, CHANNEL_DEMAND);

        cr_assert(channel_decode_demand(payload, &demand));
        free((void *)(size_t)payload.ptr);
    }
}

Test(front_apps, a_queue_that_grows_is_told_at_once_and_then_together)
{
    struct front_fixture f = fixture_begin(1);
    int clients[CLIENTS];
    uint64_t start_us;
    uint64_t took_ms;
    unsigned told;

    harness_start(f.h); /* no replica: all wait */
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = harness_connect(f.h);
    usleep(20000); /* what the start has told is told */
    told = harness_count(f.h, CHANNEL_DEMAND);
    start_us = clock_now_us();
    for (unsigned i = 0; i < CLIENTS; i++) {
        raw_send(clients[i], GET);
        usleep(500); /* each a loop turn of its own */
    }
    await_queued(f.h, CLIENTS);
    took_ms = (clock_now_us() - start_us) / 1000;
    /* One at once, one each 5 ms, and those of the timer of 250 ms. */
    told = harness_count(f.h, CHANNEL_DEMAND) - told;
    cr_expect_leq(told, 3 + took_ms / 5 + took_ms / 250,
                  "%u messages in %lu ms", told, (unsigned long)took_ms);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(clients[i]);
    await_queued(f.h, 0);
    fixture_end(&f);
}

/* Nothing waits for the rest to end. */
Test(front_apps, the_first_request_is_told_at_once)
{
    struct front_fixture f = fixture_begin(1);
    uint64_t best_ms = UINT64_MAX;

    harness_start(f.h);
    for (unsigned i = 0; i < 5; i++) {
        int client = harness_connect(f.h);
        uint64_t start_us = clock_now_us();
        uint64_t took_ms;

        raw_send(client, GET);
        await_queued(f.h, 1);
        took_ms = (clock_now_us() - start_us) / 1000;
        best_ms = took_ms < best_ms ? took_ms : best_ms;
        close(client);
        await_queued(f.h, 0);
    }
    cr_expect_lt(best_ms, 100U, "it waited for the timer");
    fixture_end(&f);
}
