/* exchange_relay.c - what goes over an exchange's two connections. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proxy/exchange_private.h"
#include "proxy/field_time.h"
#include "proxy/forward_headers.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/tunnel.h"
#include "proxy/upstream.h"
#include "router/base/metrics.h"
#include "router/settings.h"

/* Reads in one go, before others are served. */
#define READ_ROUNDS 4
/* Interim answers to one request. */
#define INTERIM_MAX 16

void exchange_init_relay(struct exchange *x)
{
    x->answer_limits = (struct http_limits){
        .max_head_bytes =
            (uint32_t)x->route->settings->upstream_max_header_bytes,
        .max_line_bytes =
            (uint32_t)x->route->settings->upstream_max_header_bytes,
        .max_fields = UINT32_MAX,
    };
    http_parser_init(&x->answer_parser, HTTP_KIND_RESPONSE, &x->answer_limits);
    http_parser_expect(&x->answer_parser, x->request.method,
                       x->request.upgrade.len > 0);
}

/* --- time-outs of the app --- */

/* It is the app's turn: it has the request, or will not take more of it. */
static bool awaits_app(const struct exchange *x)
{
    if (!x->upstream || x->upstream->is_connecting)
        return false;
    if (x->upstream->is_writing || x->write_failed)
        return true;
    return relay_is_done(&x->request_body) && x->upstream->is_reading;
}

static void restart_app_timer(struct exchange *x)
{
    if (!x->upstream || x->upstream->is_connecting ||
        x->state == EXCHANGE_TUNNEL) /* that has a time-out of its own */
        return;
    if (awaits_app(x))
        exchange_start_timer(x, x->route->settings->upstream_read_timeout_ms);
    else
        timer_stop(&x->timer);
}

/* --- writing --- */

/* Write what comes next. IO_EOF: nothing is pending. */
static enum io_result write_next(struct body_relay *relay,
                                 struct stream *stream, size_t *ret_count)
{
    struct iovec iov[BODY_RELAY_PENDING];
    enum io_result result;
    int pieces;

    if (relay->pipe) {
        result = pipe_drain(relay->pipe, stream_splice_fd(stream), ret_count);
        if (result == IO_DONE)
            relay_pipe_drained(relay);
    } else {
        pieces = relay_pending(relay, iov);
        if (pieces == 0)
            return IO_EOF;
        result = stream_write(stream, iov, pieces, ret_count);
        if (result == IO_DONE)
            relay_sent(relay, *ret_count);
    }
    return result == IO_EOF ? IO_FAILED : result;
}

bool exchange_write_client(struct exchange *x)
{
    struct client *client = x->client;
    enum io_result result;
    size_t count;

    while ((result = write_next(&x->answer_body, &client->stream, &count)) ==
           IO_DONE) {
        x->sent_bytes += count;
        if (x->state == EXCHANGE_RELAY || x->state == EXCHANGE_REPLY ||
            x->state == EXCHANGE_FOLLOW)
            x->answer_began = true;
        if (client->is_writing)
            timer_start(x->worker->timers, &x->send_timer,
                        x->server->send_timeout_ms);
    }
    if (result == IO_FAILED) {
        exchange_client_gone(x);
        return false;
    }
    /* TLS has encrypted what it could not send: nothing can take its place. */
    if (result == IO_AGAIN && client->stream.tls &&
        (x->state == EXCHANGE_RELAY || x->state == EXCHANGE_REPLY))
        x->answer_began = true;
    if (result == IO_AGAIN && !client->is_writing)
        timer_start(x->worker->timers, &x->send_timer,
                    x->server->send_timeout_ms);
    else if (result == IO_EOF)
        timer_stop(&x->send_timer);
    client_await_write(client, result == IO_AGAIN);
    return true;
}

/* What the app did not take, it will not get. It may have answered before it
 * closed: the answer is looked for first. */
static void on_write_failed(struct exchange *x, int error)
{
    char text[128];

    if (x->upstream->is_connecting) {
        snprintf(text, sizeof text, "connect: %s", strerror(error));
        exchange_fail_attempt(x, REJECT_UPSTREAM_CONNECT, text);
        return;
    }
    x->write_failed = true;
    upstream_stop_write(x->upstream);
    restart_app_timer(x);
}

bool exchange_write_upstream(struct exchange *x)
{
    enum exchange_state state = x->state;
    struct upstream *upstream = x->upstream;
    struct stream stream;
    enum io_result result;
    bool progress = false;
    size_t count;

    if (!upstream || x->write_failed)
        return true;
    stream = upstream_stream(upstream);
    while ((result = write_next(&x->request_body, &stream, &count)) ==
           IO_DONE) {
        upstream->is_connecting = false;
        x->wrote = true;
        progress = true;
    }
    if (result == IO_FAILED) {
        on_write_failed(x, errno);
        return x->state == state;
    }
    if (result == IO_AGAIN)
        upstream_await_write(upstream);
    else
        upstream_stop_write(upstream);
    if (progress)
        restart_app_timer(x);
    return true;
}

/* --- the answer's body --- */

static void finish_answer(struct exchange *x)
{
    struct body_relay *body = &x->answer_body;
    struct strbuf lines = STRBUF_INIT;

    if (body->is_chunked && body->body.trailers)
        forward_headers_trailers(body->body.trailers, &x->request, &lines);
    relay_finish(body, strbuf_view(&lines));
    strbuf_done(&lines);
}

/* The app's last byte has come: the slot is free. */
static void on_answer_whole(struct exchange *x, bool excess)
{
    bool reusable = x->answer.keep_alive && !excess && !x->write_failed &&
                    relay_is_done(&x->request_body) &&
                    exchange_app(x)->upstream_keepalive &&
                    !x->worker->is_draining;

    finish_answer(x);
    x->app_done_us = worker_now_us(x->worker);
    x->answer_bytes = x->answer_body.body.total;
    if (!relay_is_done(&x->request_body))
        x->keep_alive = false;
    timer_stop(&x->timer);
    timer_stop(&x->body_timer);
    timer_stop(&x->rate_timer);
    timer_stop(&x->reader_timer);
    timer_stop(&x->request_timer);
    exchange_release(x, reusable);
}

static void on_body_result(struct exchange *x, enum relay_result result,
                           struct strview excess,
                           const struct rejection *rejection)
{
    if (result == RELAY_REFUSED)
        exchange_reject_with(x, rejection, sv_make(NULL, 0), 0);
    else if (result == RELAY_WHOLE)
        on_answer_whole(x, excess.len > 0);
}

/* The app closed, or its connection broke, in the middle of an answer. */
static void on_answer_end(struct exchange *x, enum io_result result)
{
    struct strview none = sv_make(NULL, 0);

    if (result == IO_EOF && relay_end(&x->answer_body)) {
        x->answer.keep_alive = false;
        on_body_result(x, RELAY_WHOLE, none, NULL);
        return;
    }
    worker_report_broken(x->worker, x->slot->replica,
                         "closed in the middle of an answer");
    exchange_reject(x, REJECT_UPSTREAM_CLOSED);
}

/* Returns whether there may be more. */
static bool read_answer_piece(struct exchange *x)
{
    struct iovec iov[BODY_RELAY_SPACE];
    struct rejection rejection;
    struct strview excess;
    enum relay_result filled;
    enum io_result result;
    size_t count;
    int pieces = relay_space(&x->answer_body, false, iov);

    if (pieces == 0)
        return false;
    result = upstream_read(x->upstream, iov, pieces, &count);
    if (result != IO_DONE) {
        relay_cancel_space(&x->answer_body);
        if (result != IO_AGAIN)
            on_answer_end(x, result);
        return false;
    }
    filled = relay_fill(&x->answer_body, count, &x->arena, &excess, &rejection);
    on_body_result(x, filled, excess, &rejection);
    return x->answer_body.was_full;
}

/* The same past the buffers. Only what was announced is taken, so what may
 * stand behind it is looked for. */
static bool splice_answer_piece(struct exchange *x, size_t space)
{
    struct body_relay *body = &x->answer_body;
    size_t count;
    enum io_result result =
        pipe_fill(body->pipe, x->upstream->fd, space, &count);

    if (result != IO_DONE) {
        relay_pipe_unfilled(body);
        if (result != IO_AGAIN)
            on_answer_end(x, result);
        return false;
    }
    if (relay_pipe_filled(body, count) == RELAY_WHOLE)
        on_answer_whole(x, !upstream_is_quiet(x->upstream));
    return count == space;
}

/* Returns false when the exchange is over. */
static bool read_answer_body(struct exchange *x)
{
    bool can_splice = stream_splice_fd(&x->client->stream) >= 0;

    for (int round = 0;
         round < READ_ROUNDS && x->upstream && x->state == EXCHANGE_RELAY;
         round++) {
        size_t space = can_splice ? relay_pipe_space(&x->answer_body) : 0;
        bool goes_on =
            space > 0 ? splice_answer_piece(x, space) : read_answer_piece(x);

        if (!goes_on)
            return true;
        if (!exchange_write_client(x))
            return false;
    }
    return true;
}

/* --- the answer's head --- */

static void forward_answer_init(struct exchange *x,
                                struct forward_answer *answer)
{
    *answer = (struct forward_answer){
        .head = &x->answer,
        .request = &x->request,
        .keep_alive = x->keep_alive && x->request_body.is_whole &&
                      client_may_stay(x->client) && !x->client->saw_end,
        .request_id = x->request_id,
        .hsts = exchange_hsts(x),
        .settings = &x->route->settings->response_headers,
    };
}

static struct strview server_timing(struct exchange *x, char *text, size_t size)
{
    uint64_t wait = x->slot_us - x->waiter.arrived_us;
    uint64_t queue = x->waited_for_start ? 0 : wait;
    uint64_t app = worker_now_us(x->worker) - x->slot_us;

    if (!x->route->settings->server_timing)
        return sv_make(NULL, 0);
    snprintf(text, size,
             "queue;dur=%llu.%03llu, start;dur=%llu.%03llu, "
             "app;dur=%llu.%03llu",
             (unsigned long long)queue / 1000, (unsigned long long)queue % 1000,
             (unsigned long long)(wait - queue) / 1000,
             (unsigned long long)(wait - queue) % 1000,
             (unsigned long long)app / 1000, (unsigned long long)app % 1000);
    return sv_of(text);
}

/* Read here, since forward_headers takes it off the answer. */
static void obey_keep(struct exchange *x)
{
    const struct http_field *field =
        http_head_find(&x->answer, FIELD_X_BERTH_KEEP);
    uint64_t max_ms = exchange_app(x)->max_keep_ms;
    uint64_t ms;

    if (!field || !field_time_duration(field->value, &ms))
        return;
    app_keep(x->app,
             worker_now_us(x->worker) + 1000 * (ms < max_ms ? ms : max_ms));
}

/* What a revision on trial answers that does not work is asked again of those
 * that do. */
static bool is_tried_elsewhere(struct exchange *x)
{
    unsigned status = x->answer.status;

    return (status == 500 || (status >= 502 && status <= 504)) &&
           exchange_try_elsewhere(x, OUTCOME_ERROR, "it answered 5xx");
}

static void start_answer(struct exchange *x)
{
    struct forward_answer answer;
    struct forward_framing framing;
    struct rejection rejection;
    struct strview excess;
    enum relay_result result;
    char timing[128];

    if (x->answer.status >= 500 && is_tried_elsewhere(x))
        return;
    obey_keep(x);
    forward_answer_init(x, &answer);
    answer.server_timing = server_timing(x, timing, sizeof timing);
    relay_start(&x->answer_body, &x->answer, &x->answer_limits,
                x->route->settings->response_buffer_bytes, false);
    x->interim_bytes = x->answer_body.head.len;
    framing = forward_headers_answer(&answer, &x->answer_body.head);
    x->keep_alive = framing.keep_alive;
    x->ends_by_close = framing.framing == FRAMING_CLOSE;
    x->answer_body.is_chunked = framing.framing == FRAMING_CHUNKED;
    exchange_log_answer(x, x->interim_bytes);
    x->status = x->answer.status;
    x->slot->outcome = x->status >= 500 ? OUTCOME_ERROR : OUTCOME_ANSWER;
    exchange_set_state(x, EXCHANGE_RELAY);
    x->answer_in->start += (uint32_t)x->answer.bytes;
    result = relay_adopt(&x->answer_body, &x->answer_in, &x->arena, &excess,
                         &rejection);
    on_body_result(x, result, excess, &rejection);
}

static void invalid_answer(struct exchange *x, const char *text)
{
    const struct rejection rejection = {REJECT_UPSTREAM_INVALID, text};

    exchange_reject_with(x, &rejection, sv_make(NULL, 0), 0);
}

static void on_interim(struct exchange *x)
{
    struct forward_answer answer;

    x->answer_in->start += (uint32_t)x->answer.bytes;
    if (++x->interim_count > INTERIM_MAX) {
        invalid_answer(x, "The app sent too many interim answers.");
        return;
    }
    if (x->answer.status == 100 && x->said_continue)
        return;
    forward_answer_init(x, &answer);
    forward_headers_interim(&answer, &x->answer_body.head);
}

static void on_switching(struct exchange *x)
{
    struct forward_answer answer;

    forward_answer_init(x, &answer);
    x->status = 101;
    x->answer_in->start += (uint32_t)x->answer.bytes;
    if (!tunnel_begin(x)) {
        x->status = 0;
        metrics_add(exchange_cell(x), METRIC_REJECTED_TUNNELS_FULL, 1);
        exchange_reject(x, REJECT_TUNNELS_FULL);
        return;
    }
    forward_headers_answer(&answer, &x->answer_body.head);
}

/* Take the heads that have come, interim ones and the final one. */
static void parse_answer(struct exchange *x)
{
    while (x->state == EXCHANGE_SEND && x->answer_in &&
           buffer_len(x->answer_in) > 0) {
        struct io_buffer *in = x->answer_in;
        struct rejection rejection;
        enum http_result result = http_parser_head(
            &x->answer_parser, sv_make(in->data + in->start, buffer_len(in)),
            &x->arena, &x->answer, &rejection);

        if (result == HTTP_MORE)
            return;
        if (result == HTTP_REFUSED) {
            if (exchange_try_elsewhere(x, OUTCOME_FAILED, rejection.text))
                return;
            exchange_reject_with(x, &rejection, sv_make(NULL, 0), 0);
            return;
        }
        if (x->answer.status == 101) {
            on_switching(x);
        } else if (x->answer.status < 200) {
            on_interim(x);
            http_parser_reset(&x->answer_parser);
        } else {
            start_answer(x);
        }
    }
    if (x->answer_in && buffer_len(x->answer_in) == 0)
        buffer_give(&x->worker->buffers, &x->answer_in);
}

/* Room for more of a head, in one piece. */
static void make_answer_room(struct exchange *x)
{
    struct io_buffer *old = x->answer_in;
    struct io_buffer *larger;
    size_t size;

    if (!old) {
        x->answer_in = buffer_take(&x->worker->buffers);
        return;
    }
    buffer_space(old, &size);
    if (size > 0)
        return;
    larger = buffer_take_large(buffer_len(old) * 2);
    memcpy(larger->data + larger->start, old->data + old->start,
           buffer_len(old));
    larger->end += (uint32_t)buffer_len(old);
    buffer_give(&x->worker->buffers, &x->answer_in);
    x->answer_in = larger;
}

static void read_answer_head(struct exchange *x)
{
    struct iovec iov;
    enum io_result result;
    size_t count;

    make_answer_room(x);
    iov.iov_base = buffer_space(x->answer_in, &iov.iov_len);
    result = upstream_read(x->upstream, &iov, 1, &count);
    if (result == IO_AGAIN)
        return;
    if (result != IO_DONE) {
        exchange_fail_attempt(x, REJECT_UPSTREAM_CLOSED,
                              "closed before it answered");
        return;
    }
    if (!x->wrote) {
        /* Nobody asked: the rest of an answer before this request. */
        upstream_pause(x->upstream);
        exchange_fail_attempt(x, REJECT_UPSTREAM_INVALID,
                              "sent bytes that nobody asked for");
        return;
    }
    x->has_bytes_from_app = true;
    if (x->slot->ends_start) {
        x->slot->ends_start = false;
        worker_report_first_byte(x->worker, x->slot->replica);
    }
    x->answer_in->end += (uint32_t)count;
    parse_answer(x);
}

void exchange_on_upstream_readable(struct exchange *x)
{
    if (x->state == EXCHANGE_TUNNEL) {
        tunnel_on_upstream_readable(x);
        return;
    }
    if (x->state == EXCHANGE_SEND) {
        read_answer_head(x);
    } else {
        assert(x->state == EXCHANGE_RELAY);
        if (!read_answer_body(x))
            return;
    }
    restart_app_timer(x);
    exchange_run(x);
}

void exchange_on_upstream_writable(struct exchange *x)
{
    if (x->state == EXCHANGE_TUNNEL)
        tunnel_run(x);
    else
        exchange_run(x);
}

/* --- steps --- */

/* Give the app what there is of the request; have more of it read when there
 * is room. false: another state was taken. */
static bool pump_request(struct exchange *x)
{
    bool was_full = !relay_has_room(&x->request_body);

    if (!exchange_write_upstream(x))
        return false;
    if (was_full && relay_has_room(&x->request_body))
        exchange_update_body_timers(x);
    return true;
}

enum step exchange_step_send(struct exchange *x)
{
    if (!pump_request(x))
        return STEP_MORE;
    return exchange_write_client(x) ? STEP_WAIT : STEP_DONE;
}

enum step exchange_step_relay(struct exchange *x)
{
    if (x->upstream && !pump_request(x))
        return STEP_MORE;
    if (!exchange_write_client(x))
        return STEP_DONE;
    if (relay_is_done(&x->answer_body)) {
        exchange_set_state(x, EXCHANGE_FINISH);
        return STEP_MORE;
    }
    if (!x->upstream)
        return STEP_WAIT;
    if (!relay_has_room(&x->answer_body)) {
        upstream_pause(x->upstream);
        timer_stop(&x->timer);
        exchange_watch_reader(x);
    } else if (!x->upstream->is_reading) {
        timer_stop(&x->reader_timer);
        upstream_resume(x->upstream);
        restart_app_timer(x);
    }
    return STEP_WAIT;
}
