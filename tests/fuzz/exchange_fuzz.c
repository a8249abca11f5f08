/* exchange_fuzz.c - a real worker between a client and an app that both say
 * what the input says, over socket pairs, on one loop.
 *
 * Whatever they say: each connection to the app gets a sequence of requests
 * that an independent strict reader takes, the last of which may be cut off;
 * the client gets a sequence of such answers; no slot, tunnel, connection or
 * exchange is left when both have gone.
 *
 * The input: a byte of flags, a byte for how long the client's part is (in 256
 * parts of the rest), the client's bytes, the app's. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/config.h"
#include "conf/config_text.h"
#include "proxy/client.h"
#include "proxy/front_apps.h"
#include "proxy/generation.h"
#include "proxy/listener.h"
#include "proxy/settings.h"
#include "proxy/worker.h"
#include "router/app.h"
#include "router/app_replicas.h"
#include "router/app_sockets.h"
#include "router/base/alloc.h"
#include "router/base/log.h"
#include "router/base/metrics.h"
#include "tests/support/fuzz_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define APPS_MAX   8   /* connections to the app that are taken, an input */
#define IDLE_TURNS 6   /* without a byte: nothing more comes */
#define LAST_TURN  500 /* all must be over by then */

enum flag {
    CLIENT_IN_PIECES = 1,
    APP_IN_PIECES = 2,
    APP_CLOSES = 4, /* after what it says */
    CLIENT_HALF_CLOSES = 8,
    CLIENT_ENDS_FIRST = 16, /* before the app has answered */
    APP_IS_RUDE = 32,       /* talks before it was asked */
    APP_SAYS_IT_ONCE = 64,  /* on its first connection only */
};

/* One end of a pair, which this file plays. */
struct side {
    int fd;
    size_t said;
    struct strbuf got;
};

struct stage {
    struct loop *loop;
    struct worker_shared shared;
    struct worker *worker;
    struct app *app;
    struct replica_ref *replica;
    struct listener *listener;
    struct loop_task turn;
    /* of the input */
    unsigned flags;
    struct strview client_says;
    struct strview app_says;
    struct side client;
    struct side apps[APPS_MAX];
    unsigned app_count;
    unsigned turns;
    unsigned idle_turns;
    bool ending;
};

static struct stage *stage;

/* --- the worker, once --- */

static const char conf[] =
    "worker_threads 1;\n"
    "http { buffer_memory 1m; request_buffer 32k; response_buffer 32k;\n"
    "  client_max_body_size 1m; client_max_header_size 8k;\n"
    "  client_max_headers 32; retry 1;\n"
    "  server { listen 127.0.0.1:1; route / { app up; } } }\n"
    "app up { upstream 127.0.0.1:1; concurrency 1; max_tunnels 1; }\n";

static void on_nothing(void *arg)
{
    (void)arg;
}

static void on_first_byte(void *arg, uint64_t replica, uint64_t at_us)
{
    (void)arg;
    (void)replica;
    (void)at_us;
}

static void on_broken(void *arg, uint64_t replica, const char *text)
{
    (void)arg;
    (void)replica;
    (void)text;
}

static void on_switched(void *arg, uint64_t generation)
{
    (void)generation;
    loop_stop(arg);
}

static void on_ended(void *arg, struct worker_generation *part)
{
    (void)arg;
    (void)part;
}

static void on_demand(struct app *app, void *arg)
{
    (void)app;
    (void)arg;
}

static void make_pair(int *ret_ours, int *ret_theirs)
{
    int pair[2];

    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                    pair) == 0);
    *ret_ours = pair[0];
    *ret_theirs = pair[1];
}

/* A connection to the app is wanted. */
static void on_sockets_wanted(struct replica_ref *replica, unsigned count,
                              void *arg)
{
    struct side *side;
    int theirs;

    (void)count;
    (void)arg;
    if (stage->ending || stage->app_count == APPS_MAX) {
        app_add_sockets(replica, NULL, 0, ECONNREFUSED);
        return;
    }
    side = &stage->apps[stage->app_count++];
    side->said = 0;
    make_pair(&side->fd, &theirs);
    app_add_sockets(replica, &theirs, 1, 0);
}

static struct config *read_config(void)
{
    struct strbuf errors = STRBUF_INIT;
    struct config *config = config_parse_text(sv_of(conf), "fuzz", &errors);

    if (!config)
        fputs(errors.data, stderr);
    MUST(config);
    strbuf_done(&errors);
    return config;
}

/* As the front does by GO. */
static void use_config(struct proxy_settings *settings)
{
    static struct channel *no_channel;
    struct worker_switch *order = xcalloc(1, sizeof *order);
    struct generation_base base = {.metrics = stage->shared.metrics};
    struct generation *generation;

    base.apps = front_apps_new(stage->loop, stage->worker->timers, &no_channel,
                               base.metrics);
    front_apps_set_workers(base.apps, &stage->worker, 1);
    generation = generation_new(&base, 1, settings);
    stage->app = generation->apps[0];
    order->generation = generation->parts[0];
    order->added_count = 1;
    order->added = xcalloc(1, sizeof *order->added);
    order->added->fd = socket(AF_INET, SOCK_STREAM, 0);
    while (settings->listeners[order->added->listener].is_admin)
        order->added->listener++;
    worker_switch(stage->worker, order);
    loop_run(stage->loop);
}

static void make_stage(void)
{
    static struct config *config; /* lives as long as the process */
    struct address nowhere = {0};

    log_setup(2, LOG_ERROR, false, "fuzz");
    stage = xcalloc(1, sizeof *stage);
    stage->shared = (struct worker_shared){
        .worker_count = 1,
        .events = {on_nothing, on_broken, on_switched, on_ended, NULL,
                   on_first_byte},
        .metrics = metrics_registry_new(),
    };
    stage->worker = worker_new(&stage->shared, 0);
    stage->loop = stage->worker->loop; /* main's, too */
    stage->shared.main_loop = stage->loop;
    stage->shared.events.arg = stage->loop;
    config = read_config();
    use_config(config->proxy);
    app_set_demand_hook(stage->app, stage->loop, on_demand, NULL);
    app_set_socket_hook(stage->app, on_sockets_wanted, NULL);
    stage->listener =
        container_of(stage->worker->listeners.next, struct listener, node);
    stage->replica =
        app_replica_new(stage->app, 1, SV("one"), CONNECT_KEEPER, &nowhere, 0);
    app_publish(stage->replica, 1);
}

/* --- a turn --- */

/* What it says next; returns whether anything moved. */
static bool speak(struct side *side, struct strview text, bool in_pieces)
{
    struct strview rest = sv_skip(text, side->said);
    size_t len = in_pieces && rest.len > 7 ? 7 : rest.len;
    ssize_t n;

    if (side->fd < 0 || len == 0)
        return false;
    n = send(side->fd, rest.ptr, len, MSG_NOSIGNAL);
    if (n > 0)
        side->said += (size_t)n;
    return n > 0;
}

static bool hear(struct side *side)
{
    char block[16384];
    ssize_t n;

    if (side->fd < 0)
        return false;
    n = recv(side->fd, block, sizeof block, 0);
    if (n > 0)
        strbuf_add(&side->got, block, (size_t)n);
    return n > 0;
}

static void hang_up(struct side *side)
{
    if (side->fd >= 0)
        close(side->fd);
    side->fd = -1;
}

static bool play_app(struct side *side, bool is_first)
{
    bool moved = hear(side);
    struct strview text = stage->app_says;

    if (!is_first && stage->flags & APP_SAYS_IT_ONCE)
        text = sv_make(text.ptr, 0);
    if (side->got.len == 0 && !(stage->flags & APP_IS_RUDE))
        return moved;
    if (speak(side, text, stage->flags & APP_IN_PIECES))
        return true;
    if (stage->flags & APP_CLOSES && side->said == text.len) {
        moved = moved || side->fd >= 0;
        hang_up(side);
    }
    return moved;
}

static bool play_client(struct side *side)
{
    bool moved = hear(side);

    if (speak(side, stage->client_says, stage->flags & CLIENT_IN_PIECES))
        return true;
    if (side->fd >= 0 && side->said == stage->client_says.len) {
        if (stage->flags & CLIENT_ENDS_FIRST) {
            hang_up(side);
            return true;
        }
        if (stage->flags & CLIENT_HALF_CLOSES)
            shutdown(side->fd, SHUT_WR);
    }
    return moved;
}

static bool is_over(void)
{
    struct app_counts counts;

    app_count(stage->app, loop_now_us(stage->loop), &counts);
    return stage->worker->client_count == 0 &&
           stage->worker->leaving_count == 0 && counts.in_flight == 0 &&
           counts.tunnels == 0 && counts.queued == 0;
}

static void end_all(void)
{
    stage->ending = true;
    hang_up(&stage->client);
    for (unsigned i = 0; i < stage->app_count; i++) {
        while (hear(&stage->apps[i]))
            ;
        hang_up(&stage->apps[i]);
    }
}

static void on_turn(struct loop_task *task)
{
    bool moved = play_client(&stage->client);

    for (unsigned i = 0; i < stage->app_count; i++)
        moved = play_app(&stage->apps[i], i == 0) || moved;
    stage->idle_turns = moved ? 0 : stage->idle_turns + 1;
    if (stage->idle_turns == IDLE_TURNS)
        end_all();
    if (stage->ending && is_over()) {
        loop_stop(stage->loop);
        return;
    }
    MUST(!stage->ending || stage->idle_turns < LAST_TURN);
    loop_post(stage->loop, task);
}

/* --- what must hold --- */

/* As berth writes them: hex digits, CRLF, data, CRLF. Whether they are right
 * as far as they go, the last of them not being there. */
static bool are_chunks_cut(struct strview text)
{
    while (text.len > 0) {
        size_t digits = 0;
        uint64_t size;

        while (digits < text.len &&
               strchr("0123456789abcdef", text.ptr[digits]))
            digits++;
        if (digits == text.len)
            return true;
        size = strtoull(text.ptr, NULL, 16);
        if (digits == 0 || digits > 8 || text.ptr[digits] != '\r')
            return false;
        if (size == 0) /* trailers that are cut */
            return true;
        if (digits + 2 + size + 2 >= text.len)
            return true;
        text = sv_skip(text, digits + 2 + size);
        if (memcmp(text.ptr, "\r\n", 2) != 0)
            return false;
        text = sv_skip(text, 2);
    }
    return true;
}

/* One message, or the beginning of one whose body never ends. */
static void check_message(struct strview text, bool ok,
                          const struct strict_message *message)
{
    if (ok)
        return;
    if (message->body_kind != STRICT_CHUNKED)
        fprintf(stderr, "%s: \"%.*s\"\n", message->why ? message->why : "?",
                SV_ARG(text));
    MUST(message->body_kind == STRICT_CHUNKED && !message->is_whole);
    MUST(are_chunks_cut(sv_skip(text, message->head_len)));
}

static bool has_head(struct strview text)
{
    return text.len > 0 && memmem(text.ptr, text.len, "\r\n\r\n", 4) != NULL;
}

static bool app_may_switch(void)
{
    return stage->app_says.len > 0 &&
           memmem(stage->app_says.ptr, stage->app_says.len, " 101", 4) != NULL;
}

static void check_requests(const struct side *side)
{
    struct strict_message *message = calloc(1, sizeof *message);
    struct strview rest = strbuf_view(&side->got);

    while (has_head(rest)) {
        bool ok = strict_http_request(rest.ptr, rest.len, message);
        size_t used = message->is_whole ? message->total : rest.len;
        struct strict_text value;
        bool is_upgrade = strict_http_count(message, "Upgrade", &value) > 0;

        check_message(rest, ok, message);
        MUST(strict_http_count(message, "Host", &value) == 1);
        MUST(strict_http_count(message, "X-Request-Id", &value) == 1);
        strict_http_done(message);
        rest = sv_skip(rest, used);
        if (is_upgrade && app_may_switch())
            break; /* bytes, from here on */
    }
    free(message);
}

/* Where the client asked with HEAD, it would have to be known which answer is
 * to that. */
static void check_answers(const struct side *side)
{
    struct strict_message *message = calloc(1, sizeof *message);
    struct strview says = stage->client_says;
    struct strview rest = strbuf_view(&side->got);

    if (says.len == 0 || memmem(says.ptr, says.len, "HEAD", 4))
        rest.len = 0;
    while (has_head(rest)) {
        bool ok = strict_http_answer(rest.ptr, rest.len, false, message);
        size_t used = message->is_whole ? message->total : rest.len;
        unsigned status = message->status;

        check_message(rest, ok, message);
        strict_http_done(message);
        rest = sv_skip(rest, used);
        if (status == 101)
            break;
    }
    free(message);
}

static void begin_input(const uint8_t *data, size_t size)
{
    size_t client_len = (size - 2) * data[1] / 255;
    const char *text = (const char *)data + 2;

    stage->flags = data[0];
    stage->client_says = sv_make(text, client_len);
    stage->app_says = sv_make(text + client_len, size - 2 - client_len);
    stage->app_count = 0;
    stage->idle_turns = 0;
    stage->ending = false;
    stage->client.said = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client_peer peer = {.v4.sin_family = AF_INET};
    int theirs;

    if (size < 2)
        return 0;
    if (!stage)
        make_stage();
    begin_input(data, size);
    make_pair(&stage->client.fd, &theirs);
    client_new(stage->listener, theirs, &peer);
    stage->turn.run = on_turn;
    loop_post(stage->loop, &stage->turn);
    loop_run(stage->loop);
    check_answers(&stage->client);
    strbuf_clear(&stage->client.got);
    for (unsigned i = 0; i < APPS_MAX; i++) {
        check_requests(&stage->apps[i]);
        strbuf_clear(&stage->apps[i].got);
    }
    return 0;
}
