/* exchange_wait.c - for a browser whose app is not there yet: a page, and the
 * stream of events that the page follows.
 */
#include "proxy/exchange_wait.h"

#include <string.h>

#include "proxy/local_reply.h"
#include "proxy/wait_page.h"
#include "router/base/metrics.h"

/* How often it is looked whether there is something new. */
#define LOOK_MS 250
/* The page asks again then: a stream does not hold on to an old configuration.
 */
#define FOLLOW_US (60 * 1000000ULL)

void exchange_reply_page(struct exchange *x)
{
    struct local_reply reply = {.request = &x->request,
                                .request_id = x->request_id};
    size_t begin;

    metrics_add(exchange_cell(x), METRIC_REJECTED_STARTING, 1);
    x->error = rejection_name(REJECT_STARTING);
    reply.retry_after_s = (uint32_t)(exchange_retry_after_ms(x) / 1000);
    if (!exchange_begin_reply(x))
        return;
    begin = x->answer_body.head.len;
    reply.keep_alive = x->keep_alive;
    reply.extra = exchange_extra_fields(x, wait_page_fields());
    local_reply_page(&reply, REJECT_STARTING, wait_page_html(),
                     &x->answer_body.head);
    exchange_log_answer(x, begin);
    exchange_end_reply(x, rejection_status(REJECT_STARTING));
}

void exchange_follow(struct exchange *x)
{
    struct local_reply reply = {.request = &x->request,
                                .request_id = x->request_id};
    size_t begin;

    /* It ends by close: who reads it needs no framing. */
    x->keep_alive = false;
    if (!exchange_begin_reply(x))
        return;
    begin = x->answer_body.head.len;
    reply.extra = exchange_extra_fields(x, sv_make(NULL, 0));
    local_reply_stream(&reply, &x->answer_body.head);
    exchange_log_answer(x, begin);
    x->status = 200;
    x->follow_until_us = worker_now_us(x->worker) + FOLLOW_US;
    memset(&x->followed, 0xff, sizeof x->followed); /* nothing was told */
    app_knock(x->app);
    exchange_set_state(x, EXCHANGE_FOLLOW);
}

static void end(struct exchange *x, const char *event)
{
    if (event)
        wait_page_add_end(event, &x->answer_body.head);
    exchange_set_state(x, EXCHANGE_REPLY);
}

static void tell(struct exchange *x, const struct app_progress *now)
{
    if (memcmp(now, &x->followed, sizeof *now) == 0)
        return;
    x->followed = *now;
    wait_page_add_progress(now, &x->answer_body.head);
}

enum step exchange_step_follow(struct exchange *x)
{
    struct app_progress progress;
    enum app_state state;
    bool has_replica;

    app_follow(x->app, &progress, &state, &has_replica);
    if (has_replica) {
        end(x, "ready");
        return STEP_MORE;
    }
    if (state == APP_FAILED) {
        end(x, "failed");
        return STEP_MORE;
    }
    if (x->worker->is_draining ||
        worker_now_us(x->worker) >= x->follow_until_us) {
        end(x, NULL);
        return STEP_MORE;
    }
    /* One that takes nothing is told nothing more. */
    if (relay_is_empty(&x->answer_body) || x->sent_bytes == 0)
        tell(x, &progress);
    if (!exchange_write_client(x))
        return STEP_DONE;
    exchange_start_timer(x, LOOK_MS);
    return STEP_WAIT;
}
