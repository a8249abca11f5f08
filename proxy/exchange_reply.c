/* exchange_reply.c - the answers of berth itself. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proxy/exchange_private.h"
#include "proxy/exchange_wait.h"
#include "proxy/generation.h"
#include "proxy/local_reply.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/worker_generation.h"
#include "router/base/metrics.h"

/* What is not known yet takes a moment; a queue of hours is looked at again
 * sooner, by then it may be gone. */
#define RETRY_AFTER_MIN_MS 1000U
#define RETRY_AFTER_MAX_MS 3600000U

#define HSTS "Strict-Transport-Security"

static uint32_t seconds_of(uint64_t ms)
{
    uint64_t s = (ms + 999) / 1000;

    return s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

/* For Retry-After: how long who comes now would wait, in whole seconds. */
uint64_t exchange_retry_after_ms(struct exchange *x)
{
    struct app_counts counts;
    uint64_t ms;

    app_count(x->app, worker_now_us(x->worker), &counts);
    ms = (counts.wait_us + 999) / 1000;
    return ms < RETRY_AFTER_MIN_MS   ? RETRY_AFTER_MIN_MS
           : ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS
                                     : ms;
}

/* What comes after the answer: a request whose body was not read whole can be
 * followed by none. */
static bool keeps_client(const struct exchange *x)
{
    return x->keep_alive && x->request_body.is_whole &&
           client_may_stay(x->client) && !x->client->saw_end;
}

/* Where bytes of an answer have left, it can only be broken off. */
static void cut(struct exchange *x)
{
    x->is_cut = true;
    x->keep_alive = false;
    exchange_set_state(x, EXCHANGE_REPLY);
}

bool exchange_begin_reply(struct exchange *x)
{
    assert(!x->is_queued && !x->awaits_socket && !x->handover);
    timer_stop(&x->body_timer);
    timer_stop(&x->rate_timer);
    timer_stop(&x->reader_timer);
    timer_stop(&x->request_timer);
    exchange_release(x, false);
    buffer_give(&x->worker->buffers, &x->answer_in);
    if (x->answer_began) {
        cut(x);
        return false;
    }
    /* Interim answers stay: some of their bytes may be sent. */
    if (x->state == EXCHANGE_RELAY)
        relay_discard(&x->answer_body, x->interim_bytes);
    relay_start_local(&x->answer_body);
    x->ends_by_close = false;
    x->keep_alive = keeps_client(x);
    return true;
}

void exchange_end_reply(struct exchange *x, unsigned status)
{
    x->status = (uint16_t)status;
    exchange_set_state(x, EXCHANGE_REPLY);
}

struct strview exchange_extra_fields(struct exchange *x, struct strview more)
{
    struct strview hsts = exchange_hsts(x);
    size_t size = hsts.len + more.len + 64;
    char *lines;

    if (hsts.len == 0)
        return more;
    lines = arena_alloc(&x->arena, size);
    snprintf(lines, size, HSTS ": %.*s\r\n%.*s", SV_ARG(hsts), SV_ARG(more));
    return sv_of(lines);
}

/* The page that stands in for berth's own; empty: there is none. */
static struct strview error_page(const struct exchange *x, unsigned status)
{
    const struct shared_settings *shared =
        &x->generation->shared->settings->shared;
    const struct page_numbers *pages =
        x->route ? &x->route->settings->error_pages : &x->server->error_pages;

    for (uint32_t i = 0; i < pages->count; i++) {
        const struct error_page *page =
            &shared->error_pages[pages->numbers[i] - 1];

        if (page->code == status)
            return sv_of(page->html);
    }
    return sv_make(NULL, 0);
}

static bool is_replicas_fault(enum reject_code code)
{
    return code == REJECT_UPSTREAM_CONNECT || code == REJECT_UPSTREAM_CLOSED ||
           code == REJECT_UPSTREAM_INVALID || code == REJECT_UPSTREAM_TIMEOUT;
}

static void reject(struct exchange *x, const struct rejection *rejection,
                   struct strview detail, uint64_t retry_after_ms,
                   struct strview extra)
{
    unsigned status = rejection_status(rejection->code);
    struct local_reply reply = {.request = &x->request,
                                .request_id = x->request_id,
                                .retry_after_s = seconds_of(retry_after_ms),
                                .page = error_page(x, status)};
    size_t begin;

    x->error = rejection_name(rejection->code);
    if (x->slot && is_replicas_fault(rejection->code))
        x->slot->outcome = OUTCOME_FAILED;
    if (!exchange_begin_reply(x))
        return;
    begin = x->answer_body.head.len;
    reply.keep_alive = x->keep_alive;
    reply.extra = exchange_extra_fields(x, extra);
    local_reply_reject(&reply, rejection, detail, &x->answer_body.head);
    exchange_log_answer(x, begin);
    exchange_end_reply(x, status);
}

void exchange_reject_with(struct exchange *x, const struct rejection *rejection,
                          struct strview detail, uint64_t retry_after_ms)
{
    reject(x, rejection, detail, retry_after_ms, sv_make(NULL, 0));
}

void exchange_reject_extra(struct exchange *x,
                           const struct rejection *rejection,
                           struct strview extra)
{
    reject(x, rejection, sv_make(NULL, 0), 0, extra);
}

void exchange_reject(struct exchange *x, enum reject_code code)
{
    const struct rejection rejection = {code, NULL};

    exchange_reject_with(x, &rejection, sv_make(NULL, 0), 0);
}

/* Of response_header, what berth does not write itself; the type of its text
 * is one that can be set. */
static struct strview set_fields(struct exchange *x, struct local_reply *reply)
{
    static const struct strview own[] = {
        {"date", 4},         {"location", 8}, {"x-request-id", 12},
        {"retry-after", 11}, {"allow", 5},    {"server-timing", 13}};
    const struct field_settings *set = &x->route->settings->response_headers;
    AUTO(strbuf_done) struct strbuf lines = STRBUF_INIT;

    for (uint32_t i = 0; i < set->count; i++) {
        struct strview name = sv_of(set->fields[i].name);
        struct strview value = sv_of(set->fields[i].value);
        bool is_own = value.len == 0;

        for (size_t k = 0; k < ARRAY_LEN(own); k++)
            is_own |= sv_eq_nocase(name, own[k]);
        if (sv_eq_nocase(name, SV("content-type")) && value.len > 0)
            reply->type = value;
        else if (!is_own &&
                 !(sv_eq_nocase(name, SV(HSTS)) && x->server->hsts_ms))
            strbuf_printf(&lines, "%.*s: %.*s\r\n", SV_ARG(name),
                          SV_ARG(value));
    }
    return sv_make(arena_copy(&x->arena, strbuf_view(&lines)), lines.len);
}

void exchange_reply_status(struct exchange *x, unsigned status,
                           struct strview text)
{
    struct local_reply reply = {.request = &x->request,
                                .request_id = x->request_id};
    struct strview fields = {NULL, 0};
    size_t begin;

    if (x->route)
        fields = set_fields(x, &reply);
    if (x->route && x->route->returns_json)
        reply.type = SV("application/json");
    if (!exchange_begin_reply(x))
        return;
    begin = x->answer_body.head.len;
    reply.keep_alive = x->keep_alive;
    reply.extra = exchange_extra_fields(x, fields);
    local_reply_return(&reply, status, text, &x->answer_body.head);
    exchange_log_answer(x, begin);
    exchange_end_reply(x, status);
}

/* code: as the keeper names it. */
static enum reject_code code_of_failure(const char *code)
{
    static const enum reject_code known[] = {
        REJECT_START_FAILED, REJECT_START_TIMEOUT, REJECT_NO_RESOURCES};

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(code, rejection_name(known[i])) == 0)
            return known[i];
    }
    return REJECT_START_FAILED;
}

static enum metric_id metric_of(enum reject_code code)
{
    switch (code) {
    case REJECT_NO_RESOURCES:
        return METRIC_REJECTED_NO_RESOURCES;
    case REJECT_START_TIMEOUT:
        return METRIC_REJECTED_START_TIMEOUT;
    default:
        return METRIC_REJECTED_START_FAILED;
    }
}

/* With what the keeper says of the app. */
static void refuse_for(struct exchange *x, const struct app_failure *failure)
{
    const struct rejection rejection = {code_of_failure(failure->code), NULL};

    metrics_add(exchange_cell(x), metric_of(rejection.code), 1);
    exchange_reject_with(x, &rejection, sv_of(failure->reason),
                         failure->retry_after_ms);
}

static void refuse_failed(struct exchange *x)
{
    struct app_failure failure;

    app_failure(x->app, &failure);
    refuse_for(x, &failure);
}

static void refuse_busy(struct exchange *x, enum reject_code code,
                        enum metric_id metric)
{
    const struct rejection rejection = {code, NULL};

    metrics_add(exchange_cell(x), metric, 1);
    exchange_reject_with(x, &rejection, sv_make(NULL, 0),
                         exchange_retry_after_ms(x));
}

void exchange_refuse(struct exchange *x, enum refusal refusal)
{
    x->is_queued = false;
    switch (refusal) {
    case REFUSED_QUEUE_FULL:
        refuse_busy(x, REJECT_QUEUE_FULL, METRIC_REJECTED_QUEUE_FULL);
        return;
    case REFUSED_LATE:
        refuse_busy(x, REJECT_QUEUE_TIMEOUT, METRIC_REJECTED_QUEUE_TIMEOUT);
        return;
    case REFUSED_STARTING:
        if (x->waiter.takes_page) {
            exchange_reply_page(x);
            return;
        }
        refuse_busy(x, REJECT_STARTING, METRIC_REJECTED_STARTING);
        return;
    case REFUSED_FAILED:
        refuse_failed(x);
        return;
    case REFUSED_DRAINING:
    case REFUSED_NOT:
        metrics_add(exchange_cell(x), METRIC_REJECTED_DRAINING, 1);
        exchange_reject(x, REJECT_DRAINING);
        return;
    }
}

void exchange_queue_timed_out(struct exchange *x)
{
    struct app_failure failure;

    if (!exchange_leave_queue(x)) {
        /* Its turn came in this very moment: on_resolved() goes on. */
        x->is_queued = true;
        return;
    }
    app_failure(x->app, &failure);
    if (failure.code[0])
        refuse_for(x, &failure);
    else
        refuse_busy(x, REJECT_QUEUE_TIMEOUT, METRIC_REJECTED_QUEUE_TIMEOUT);
}

enum step exchange_step_reply(struct exchange *x)
{
    if (!exchange_write_client(x))
        return STEP_DONE;
    if (!relay_is_done(&x->answer_body) && !x->is_cut)
        return STEP_WAIT;
    if (x->is_cut && !relay_is_empty(&x->answer_body))
        return STEP_WAIT;
    timer_stop(&x->send_timer);
    exchange_set_state(x, EXCHANGE_FINISH);
    return STEP_MORE;
}
