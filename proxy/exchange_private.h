/* exchange_private.h - what the files of the exchange share: exchange.c is its
 * life and its step loop, the others what their names say. */
#ifndef PROXY_EXCHANGE_PRIVATE_H
#define PROXY_EXCHANGE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/body_relay.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/http_head.h"
#include "proxy/http_parser.h"
#include "proxy/rejection.h"
#include "proxy/request_id.h"
#include "proxy/worker.h"
#include "router/app.h"
#include "router/app_progress.h"
#include "router/app_sockets.h"
#include "router/base/arena.h"
#include "router/base/timers.h"

struct handover;
struct password_job;
struct route;
struct route_table;
struct server_settings;
struct upstream;
struct worker_generation;

enum exchange_state {
#define EXCHANGE_STATE(ID, name, next) EXCHANGE_##ID,
#include "proxy/exchange_state.def"
#undef EXCHANGE_STATE
};

enum step { STEP_MORE, STEP_WAIT, STEP_DONE };

/* 499 in the metrics: the client hung up before its answer was whole. */
#define STATUS_CLIENT_GONE 499

struct exchange {
    struct exchange *next_free;
    struct worker *worker;
    struct worker_generation *generation; /* that it began with; held */
    struct client *client;                /* NULL in GONE */
    enum exchange_state state;
    struct arena arena;

    struct http_parser parser; /* of the request */
    struct http_head request;
    struct io_buffer *head_buffer;    /* what its views point into, where that
                                         is not client->in */
    struct http_limits limits;        /* of its head */
    const struct route_table *routes; /* of its listener */
    const struct server_settings *server;
    const struct route *route;  /* NULL: none found (yet) */
    struct app *app;            /* of the route; NULL: none (yet) */
    uint32_t app_index;         /* of app */
    uint32_t counter;           /* of route and app, in routes->counters */
    struct strview path;        /* normalised, stripped */
    struct strview normal_path; /* before that; empty: there is none */
    struct strview prefix;      /* what was stripped */
    struct strview request_id;
    char request_id_text[REQUEST_ID_MAX_BYTES + 1];
    struct http_limits answer_limits;

    struct body_relay request_body; /* to the app */
    struct body_relay answer_body;  /* to the client */
    struct http_parser answer_parser;
    struct http_head answer;
    struct io_buffer *answer_in; /* until its head is whole */

    struct password_job *password_job; /* in AUTH, until it is answered */
    bool password_is_right;

    struct waiter waiter;
    struct slot *slot;
    struct socket_waiter socket_waiter;
    struct handover *handover;
    struct upstream *upstream;
    struct replica_ref *tunnel_replica;

    struct timer timer; /* of the state */
    struct timer body_timer;
    struct timer rate_timer;
    struct timer send_timer;
    struct timer reader_timer; /* client_min_rate, of the answer */
    struct timer request_timer;

    /* For the access log; the views are the arena's. */
    struct strview remote;      /* the client, as trusted proxies say */
    struct strview user;        /* who showed a password */
    struct strview *log_values; /* of the head, by op; NULL: not kept */
    struct strview log_sent;    /* the answer's head */
    struct strview log_replica;
    struct strview log_revision;
    struct strview log_upstream;
    const char *error; /* berth's own answer: its code */
    bool woke;         /* it woke the replica that served it */
    enum app_state warmth;
    uint64_t sent_bytes;     /* to the client */
    uint64_t sent_head_size; /* of those, what is no body */

    uint64_t started_us;      /* first byte read */
    uint64_t slot_us;         /* slot taken */
    uint64_t app_done_us;     /* last byte of the app; 0: not yet */
    uint64_t rate_bytes;      /* of the body when rate_timer was started */
    uint64_t rate_since_us;   /* berth reads it since then; 0: not now */
    uint64_t rate_awaited_us; /* and so long before, within the window */
    uint64_t reader_bytes;    /* the client had when reader_timer was */
    uint64_t answer_bytes;
    size_t interim_bytes; /* of answer_body.head: before the final head */
    uint64_t follow_until_us;
    struct app_progress followed; /* what was told last */
    uint32_t attempts;            /* that failed */
    uint16_t status;              /* of the answer; 0: none yet */
    uint8_t interim_count;
    bool keep_alive;         /* the client's connection, afterwards */
    bool has_bytes_from_app; /* on this connection */
    bool write_failed;       /* the app takes no more of the request */
    bool sent_end_to_app;    /* of a tunnel */
    bool sent_end_to_client;
    bool wrote;        /* to the app, on this connection */
    bool answer_began; /* a byte of the final one has left */
    bool said_continue;
    bool is_queued;
    bool awaits_socket;
    bool waited_for_start;
    bool is_cut; /* the answer does not end well */
    bool ends_by_close;
};

/* --- exchange.c --- */
void exchange_set_state(struct exchange *x, enum exchange_state next);
void exchange_run(struct exchange *x);
/* The client hung up: ends exchange and client. */
void exchange_client_gone(struct exchange *x);
/* Watch the client as the state wants it. */
void exchange_update_watch(struct exchange *x);
/* Start the state's timer; 0: none. */
void exchange_start_timer(struct exchange *x, uint64_t delay_ms);
/* The request's body is (not) awaited: its time-outs run (not). */
void exchange_update_body_timers(struct exchange *x);
/* The app's answer waits for a slow client, who so holds its slot. */
void exchange_watch_reader(struct exchange *x);
void exchange_stop_timers(struct exchange *x);
struct metrics_cell *exchange_cell(const struct exchange *x);
/* The settings of its app, in the generation that it began with. */
const struct app_settings *exchange_app(const struct exchange *x);

/* --- exchange_route.c --- */
enum step exchange_step_route(struct exchange *x);
enum step exchange_step_auth(struct exchange *x);
enum step exchange_step_buffer(struct exchange *x);
/* Bytes of the request's body were read. Returns false when it was refused
 * (too large, broken framing): the answer is under way. */
MUST_USE bool exchange_body_filled(struct exchange *x, enum relay_result result,
                                   struct strview excess,
                                   const struct rejection *rejection);
/* It is whole, and how it goes out is known. */
void exchange_finish_body(struct exchange *x);
/* Read what is there of it. Returns false when the exchange is over. */
MUST_USE bool exchange_read_body(struct exchange *x);
bool exchange_peer_is_trusted(const struct exchange *x);

/* --- exchange_secure.c --- */
/* Whether its connection was not made for that server: its client was asked
 * for another certificate, or none. */
MUST_USE bool exchange_is_misdirected(const struct exchange *x,
                                      const struct server_settings *server);
/* Returns whether it is answered with the way to https. */
MUST_USE bool exchange_redirect_https(struct exchange *x);
/* Field line for the app about the client's certificate; empty: none. */
struct strview exchange_client_cert(struct exchange *x);
/* The value of Strict-Transport-Security; empty: none. */
struct strview exchange_hsts(struct exchange *x);

/* --- exchange_protect.c --- */
/* WAITS: exchange_run() follows, then exchange_protect_again(). */
enum protect { PROTECT_PASSED, PROTECT_ANSWERED, PROTECT_WAITS };
/* Who the client is, for the log and for what follows. */
void exchange_find_client(struct exchange *x);
/* Whether it may use the route that was found. */
MUST_USE enum protect exchange_protect(struct exchange *x);
MUST_USE enum protect exchange_protect_again(struct exchange *x);
/* Wait no longer. */
void exchange_forget_password(struct exchange *x);

/* --- exchange_slot.c --- */
void exchange_init_slot(struct exchange *x);
enum step exchange_step_acquire(struct exchange *x);
enum step exchange_step_connect(struct exchange *x);
/* The attempt failed. Tries again where that is safe, else answers code.
 * text: for the keeper, about a connection that broke; NULL: tell nobody. */
void exchange_fail_attempt(struct exchange *x, enum reject_code code,
                           const char *text);
/* The same for what a replica on trial answered. false: nothing was done. */
MUST_USE bool exchange_try_elsewhere(struct exchange *x,
                                     enum slot_outcome outcome,
                                     const char *text);
/* The connection is not needed any more. reusable: the next request may use
 * it. Gives the slot back. */
void exchange_release(struct exchange *x, bool reusable);
/* Leave the queue. false: on_resolved() is under way. */
MUST_USE bool exchange_leave_queue(struct exchange *x);
/* Wait no longer for a connection. false: a socket is under way. */
MUST_USE bool exchange_abandon_connect(struct exchange *x);
/* Leave queue, slot and connection. Returns whether nothing is left that
 * another loop owes it. */
MUST_USE bool exchange_leave(struct exchange *x);

/* --- exchange_relay.c --- */
enum step exchange_step_send(struct exchange *x);
enum step exchange_step_relay(struct exchange *x);
/* Write to the client what is pending. Returns false when it is gone (the
 * exchange is over). */
MUST_USE bool exchange_write_client(struct exchange *x);
/* The same for the app; false: another state was taken. */
MUST_USE bool exchange_write_upstream(struct exchange *x);
void exchange_init_relay(struct exchange *x);

/* --- exchange_log.c --- */
/* Keep what the log wants of the request's head, while it is there. */
void exchange_log_request(struct exchange *x);
/* The same where the head could not be understood: its first line. */
void exchange_log_refused_head(struct exchange *x);
/* A slot was taken. */
void exchange_log_slot(struct exchange *x);
/* The answer's head stands in answer_body.head, from `begin` on. */
void exchange_log_answer(struct exchange *x, size_t begin);
/* Write the line. */
void exchange_log_end(struct exchange *x);

/* --- exchange_reply.c --- */
/* Answer by berth itself where nothing of an answer has left, else cut it. */
void exchange_reject(struct exchange *x, enum reject_code code);
void exchange_reject_with(struct exchange *x, const struct rejection *rejection,
                          struct strview detail, uint64_t retry_after_ms);
/* extra: whole field lines, each with CRLF. */
void exchange_reject_extra(struct exchange *x,
                           const struct rejection *rejection,
                           struct strview extra);
void exchange_reply_status(struct exchange *x, unsigned status,
                           struct strview text);
void exchange_refuse(struct exchange *x, enum refusal refusal);
void exchange_queue_timed_out(struct exchange *x);
enum step exchange_step_reply(struct exchange *x);

#endif
