/* upstream_pool.c - connections that wait, parked on their slots. */
#include "proxy/upstream_pool.h"

#include <stdlib.h>
#include <unistd.h>

#include "proxy/exchange.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"
#include "router/app.h"
#include "router/base/alloc.h"
#include "router/base/loop.h"

/* Goes to the worker that the connection is parked on, and comes back. */
struct handover {
    struct loop_task task;
    struct worker *asker;
    struct exchange *exchange; /* NULL: gone */
    struct slot *slot;         /* the exchange's; its own once that is gone */
    struct upstream *upstream;
};

/* On the asker's loop again. */
static void on_handed_over(struct loop_task *task)
{
    struct handover *handover = container_of(task, struct handover, task);
    struct worker *worker = handover->asker;
    struct upstream *upstream = handover->upstream;
    struct exchange *exchange = handover->exchange;
    struct slot *slot = handover->slot;

    free(handover);
    if (upstream->fd < 0) /* the app closed it while it was asked for */
        upstream_close(&upstream);
    else
        upstream_attach(upstream, worker);
    worker->leaving_count--;
    if (exchange) {
        if (upstream)
            upstream->exchange = exchange;
        exchange_on_handover(exchange, upstream);
    } else {
        upstream_pool_release(worker, slot, upstream);
    }
    worker_on_ended(worker);
}

/* On the loop of the worker that has it. */
static void on_asked(struct loop_task *task)
{
    struct handover *handover = container_of(task, struct handover, task);

    upstream_detach(handover->upstream);
    task->run = on_handed_over;
    loop_post(handover->asker->loop, task);
}

enum pool_result upstream_pool_take(struct worker *worker, struct slot *slot,
                                    struct exchange *exchange,
                                    struct upstream **ret_upstream,
                                    struct handover **ret_handover)
{
    struct upstream *upstream = slot->parked;
    struct handover *handover;

    slot->parked = NULL;
    if (!upstream)
        return POOL_NONE;
    if (!upstream->worker)
        upstream_attach(upstream, worker);
    if (upstream->worker == worker) {
        if (upstream->fd < 0) { /* closed after the slot was granted */
            upstream_close(&upstream);
            return POOL_NONE;
        }
        upstream->exchange = exchange;
        upstream->slot = NULL;
        *ret_upstream = upstream;
        return POOL_TAKEN;
    }
    handover = xcalloc(1, sizeof *handover);
    handover->asker = worker;
    handover->exchange = exchange;
    handover->slot = slot;
    handover->upstream = upstream;
    handover->task.run = on_asked;
    worker->leaving_count++;
    *ret_handover = handover;
    loop_post(upstream->worker->loop, &handover->task);
    return POOL_ASKED;
}

void upstream_pool_forget(struct handover **handover)
{
    (*handover)->exchange = NULL;
    *handover = NULL;
}

void upstream_pool_release(struct worker *worker, struct slot *slot,
                           struct upstream *upstream)
{
    struct waiter *waiter;
    bool parked;

    if (upstream) {
        /* Before the slot is released: from then on another worker may take
         * it, and look. */
        upstream->exchange = NULL;
        upstream->slot = slot;
        upstream->is_reused = true;
        upstream_resume(upstream);
    }
    waiter = app_release(slot, upstream, worker->index, worker_now_us(worker),
                         &parked);
    if (upstream && !parked)
        upstream_close(&upstream);
    if (!waiter)
        return;
    if (upstream && waiter->loop != worker->loop)
        upstream_detach(upstream);
    waiter_deliver(waiter);
}

void upstream_pool_give_back(struct worker *worker, struct slot *slot)
{
    struct upstream *upstream = NULL;
    struct handover *handover;

    if (upstream_pool_take(worker, slot, NULL, &upstream, &handover) !=
        POOL_ASKED)
        upstream_pool_release(worker, slot, upstream);
}

void upstream_pool_on_readable(struct upstream *upstream)
{
    /* The app closed it, or sent what nobody asked for: of no use. */
    if (app_unpark(upstream->slot, upstream)) {
        upstream_close(&upstream);
        return;
    }
    /* Its slot was granted, but whoever has it did not take it yet. */
    upstream_pause(upstream);
    close(upstream->fd);
    upstream->fd = -1;
}

void upstream_pool_close(void *arg, void *parked)
{
    struct upstream *upstream = parked;

    (void)arg;
    upstream_close(&upstream);
}
