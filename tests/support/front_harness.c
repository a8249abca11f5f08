/* front_harness.c - the front in this process. */
#include "tests/support/front_harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "proxy/front.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/loop.h"
#include "router/replica_ref.h"
#include "tests/support/raw_peer.h"
#include "tests/support/test_certs.h"
#include "tls/settings.h"

struct message {
    struct message *next;
    enum channel_type type;
    struct strview payload; /* owned */
    bool returned;
};

struct front_harness {
    struct proxy_settings *settings;
    uint16_t port;
    uint64_t generation;
    uint32_t next_id;      /* of an app */
    int added_fds[16][16]; /* by listener; of those that were added */
    bool is_added[16];
    pthread_t front_thread;
    pthread_t keeper_thread;
    int front_fd;
    int keeper_fd;
    int exit_code;
    bool is_joined;
    struct front *front; /* once it has its configuration */
    struct loop *loop;
    struct channel *channel;
    bool serves_inside;
    char unix_path[108];
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct message *messages; /* newest first */
    unsigned counts[CHANNEL_TYPE_COUNT];
};

/* --- settings --- */

static void default_route(struct route_settings *route, unsigned index)
{
    route->prefix = index == 0 ? xstrdup("/") : xasprintf("/app%u", index);
    route->app = index;
    route->strip_prefix = false;
    route->client_body_timeout_ms = 60000;
    route->request_buffer_bytes = 65536;
    route->response_buffer_bytes = 262144;
    route->upstream_connect_timeout_ms = 2000;
    route->upstream_read_timeout_ms = 60000;
    route->tunnel_timeout_ms = 3600000;
    route->upstream_max_header_bytes = 65536;
    route->retry = 2;
}

static void default_app(struct app_settings *app, unsigned index)
{
    app->name = xasprintf("app%u", index);
    app->id = index;
    app->concurrency = 8;
    app->replicas_max = 1;
    app->queue_size = 1000;
    app->queue_timeout_ms = 60000;
    app->drain_timeout_ms = 30000;
    app->start_timeout_ms = 120000;
    app->start_retries = 3;
    app->ready_check.kind = CHECK_TCP;
    app->ready_check.status_min = 200;
    app->ready_check.status_max = 399;
    app->upstream_keepalive = true;
    app->max_tunnels = 1000;
}

static void default_server(struct server_settings *server)
{
    server->client_header_timeout_ms = 10000;
    server->handshake_timeout_ms = 10000;
    server->send_timeout_ms = 60000;
    server->keepalive_timeout_ms = 75000;
    server->keepalive_requests = 10000;
    server->client_max_header_bytes = 16384;
    server->client_max_headers = 128;
}

struct front_harness *harness_new(unsigned worker_count, unsigned app_count)
{
    struct front_harness *h = xcalloc(1, sizeof *h);
    struct proxy_settings *s = xcalloc(1, sizeof *s);

    h->settings = s;
    h->next_id = app_count;
    s->worker_count = worker_count;
    s->log_level = LOG_ERROR;
    s->drain_timeout_ms = 30000;
    s->buffer_memory_bytes = 64 << 20;
    s->max_connections = 10000;
    s->app_count = app_count;
    s->apps = xcalloc(app_count, sizeof *s->apps);
    s->server_count = 1;
    s->servers = xcalloc(1, sizeof *s->servers);
    default_server(s->servers);
    s->servers->route_count = app_count;
    s->servers->routes = xcalloc(app_count, sizeof *s->servers->routes);
    for (unsigned i = 0; i < app_count; i++) {
        default_app(&s->apps[i], i);
        default_route(&s->servers->routes[i], i);
    }
    s->listener_count = 1;
    s->listeners = xcalloc(1, sizeof *s->listeners);
    s->listeners->text = xstrdup("test");
    s->listeners->server_count = 1;
    s->listeners->servers = xcalloc(1, sizeof(uint32_t));
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->arrived, NULL);
    return h;
}

struct proxy_settings *harness_settings(struct front_harness *h)
{
    return h->settings;
}

struct server_settings *harness_server(struct front_harness *h)
{
    return h->settings->servers;
}

struct route_settings *harness_route(struct front_harness *h, unsigned index)
{
    return &h->settings->servers->routes[index];
}

struct app_settings *harness_app(struct front_harness *h, unsigned index)
{
    return &h->settings->apps[index];
}

struct server_settings *harness_add_server(struct front_harness *h,
                                           const char *name)
{
    struct proxy_settings *s = h->settings;
    struct listener_settings *listener = s->listeners;
    uint32_t index = s->server_count++;
    struct server_settings *server;

    s->servers = xrealloc(s->servers, s->server_count * sizeof *s->servers);
    server = &s->servers[index];
    *server = (struct server_settings){0};
    default_server(server);
    server->name_count = 1;
    server->names = xcalloc(1, sizeof(char *));
    server->names[0] = xstrdup(name);
    server->route_count = 1;
    server->routes = xcalloc(1, sizeof *server->routes);
    default_route(server->routes, 0);
    listener->servers = xrealloc(listener->servers,
                                 s->server_count * sizeof *listener->servers);
    listener->servers[listener->server_count++] = index;
    return server;
}

void harness_use_cert(struct front_harness *h, unsigned server,
                      const struct test_cert *cert)
{
    struct tls_settings *tls = &h->settings->servers[server].tls;
    uint32_t verify = tls->verify;
    char *ca = TAKE(tls->client_ca_pem);

    tls_settings_done(tls);
    *tls = (struct tls_settings){.pair_count = 1,
                                 .min_version = TLS_VERSION_1_2,
                                 .max_version = TLS_VERSION_1_3,
                                 .session_timeout_ms = 3600000,
                                 .verify = verify,
                                 .client_ca_pem = ca};
    tls->pairs = xcalloc(1, sizeof *tls->pairs);
    tls->pairs->certificate_path = xstrdup("cert.pem");
    tls->pairs->key_path = xstrdup("key.pem");
    tls->pairs->certificate_pem = xstrdup(cert->certificate_pem);
    tls->pairs->key_pem = xstrdup(cert->key_pem);
    h->settings->listeners->is_tls = true;
    h->settings->tickets.rotation_ms = 3600000;
}

/* --- the keeper's thread --- */

static int make_socket(struct front_harness *h, int family)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd;

    if (family != 0)
        return h->serves_inside ? socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)
                                : -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", h->unix_path);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

static void answer_sockets(struct front_harness *h, struct strview payload)
{
    struct channel_sockets_wanted wanted;
    struct channel_sockets answer = {.error = SV("refused by the test")};
    int fds[CHANNEL_DESCRIPTORS_MAX];
    unsigned count = 0;

    cr_assert(channel_decode_sockets_wanted(payload, &wanted));
    answer.replica = wanted.replica;
    answer.family = wanted.family;
    while (count < wanted.count && count < CHANNEL_DESCRIPTORS_MAX) {
        fds[count] = make_socket(h, (int)wanted.family);
        if (fds[count] < 0)
            break;
        count++;
    }
    channel_send_sockets(h->channel, &answer, fds, count);
}

static struct strview copy_of(struct strview bytes)
{
    char *copy = xcalloc(1, bytes.len + 1);

    memcpy(copy, bytes.ptr, bytes.len);
    return sv_make(copy, bytes.len);
}

static void on_message(void *arg, enum channel_type type,
                       struct strview payload, int *fds, unsigned fd_count)
{
    struct front_harness *h = arg;
    struct message *message = xcalloc(1, sizeof *message);

    (void)fds;
    (void)fd_count;
    message->type = type;
    message->payload = copy_of(payload);
    pthread_mutex_lock(&h->lock);
    message->next = h->messages;
    h->messages = message;
    h->counts[type]++;
    pthread_cond_broadcast(&h->arrived);
    pthread_mutex_unlock(&h->lock);
    if (type == CHANNEL_SOCKETS_WANTED)
        answer_sockets(h, payload);
}

static void on_close(void *arg, const char *why)
{
    struct front_harness *h = arg;

    (void)why;
    channel_free(&h->channel);
}

static void *run_keeper(void *arg)
{
    struct front_harness *h = arg;

    loop_run(h->loop);
    channel_free(&h->channel);
    return NULL;
}

/* In place of the admin API: it is given the front. front_main() takes no
 * argument, so there is one harness at a time. */
static struct front_harness *running;

static void *on_front_start(struct front *front)
{
    running->front = front;
    return running;
}

static void on_front_listen(void *admin, uint32_t listener, int fd)
{
    (void)admin;
    (void)listener;
    close(fd);
}

static void on_front_tls(void *admin, const struct tls_settings *settings)
{
    (void)admin;
    (void)settings;
}

static void on_front_reload(void *admin, const uint32_t *kept)
{
    (void)admin;
    (void)kept;
}

static void on_front_stop(void *admin)
{
    (void)admin;
}

static void *run_front(void *arg)
{
    static const struct front_admin hooks = {on_front_start, on_front_listen,
                                             on_front_reload, on_front_tls,
                                             on_front_stop};
    struct front_harness *h = arg;

    h->exit_code = front_main(h->front_fd, &hooks);
    return NULL;
}

/* Run fn(h, arg) on the keeper's loop, and wait for it. */
struct call {
    struct loop_task task;
    struct front_harness *h;
    void (*fn)(struct front_harness *h, void *arg);
    void *arg;
    bool done;
};

static void on_call(struct loop_task *task)
{
    struct call *call = container_of(task, struct call, task);
    struct front_harness *h = call->h;

    call->fn(h, call->arg);
    pthread_mutex_lock(&h->lock);
    call->done = true;
    pthread_cond_broadcast(&h->arrived);
    pthread_mutex_unlock(&h->lock);
}

static void keeper_call(struct front_harness *h,
                        void (*fn)(struct front_harness *h, void *arg),
                        void *arg)
{
    struct call call = {.h = h, .fn = fn, .arg = arg};

    call.task.run = on_call;
    loop_post(h->loop, &call.task);
    pthread_mutex_lock(&h->lock);
    while (!call.done)
        pthread_cond_wait(&h->arrived, &h->lock);
    pthread_mutex_unlock(&h->lock);
}

/* --- start --- */

static int listen_shared(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    cr_assert_eq(listen(fd, 1024), 0);
    return fd;
}

static void send_start(struct front_harness *h, void *arg)
{
    struct strbuf encoded = STRBUF_INIT;
    struct channel_config config = {.generation = 7};
    const struct channel_listener listener = {0};
    const struct channel_go go = {.generation = 7};
    int *fds = arg;

    h->generation = config.generation;

    proxy_settings_encode(h->settings, &encoded);
    config.settings = strbuf_view(&encoded);
    channel_send_config(h->channel, &config, NULL, 0);
    channel_send_listener(h->channel, &listener, fds,
                          h->settings->worker_count);
    channel_send_go(h->channel, &go, NULL, 0);
    strbuf_done(&encoded);
}

void harness_start(struct front_harness *h)
{
    int fds[16];
    int pair[2];
    struct err err;
    char text[64];
    struct strview ready;

    fds[0] = raw_listen(&h->port);
    close(fds[0]);
    for (uint32_t i = 0; i < h->settings->worker_count; i++)
        fds[i] = listen_shared(h->port);
    snprintf(text, sizeof text, "127.0.0.1:%u", h->port);
    cr_assert(
        address_parse(sv_of(text), &h->settings->listeners->address, &err));
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    h->front_fd = pair[0];
    running = h;
    h->loop = loop_new("keeper");
    h->channel = channel_new(h->loop, pair[1], on_message, on_close, h);
    pthread_create(&h->keeper_thread, NULL, run_keeper, h);
    pthread_create(&h->front_thread, NULL, run_front, h);
    keeper_call(h, send_start, fds);
    ready = harness_wait(h, CHANNEL_READY);
    free((void *)(size_t)ready.ptr);
}

/* --- reload --- */

static void listen_on(struct front_harness *h, struct listener_settings *at,
                      uint16_t port, int *fds)
{
    char text[64];
    struct err err;

    for (uint32_t i = 0; i < h->settings->worker_count; i++)
        fds[i] = listen_shared(port);
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    cr_assert(address_parse(sv_of(text), &at->address, &err));
}

uint16_t harness_add_listener(struct front_harness *h)
{
    struct proxy_settings *s = h->settings;
    uint32_t index = s->listener_count++;
    struct listener_settings *listener;
    uint16_t port;
    int fd = raw_listen(&port);

    close(fd);
    s->listeners =
        xrealloc(s->listeners, s->listener_count * sizeof *s->listeners);
    listener = &s->listeners[index];
    *listener = (struct listener_settings){.text = xasprintf("test%u", port),
                                           .server_count = 1};
    listener->servers = xcalloc(1, sizeof(uint32_t));
    listen_on(h, listener, port, h->added_fds[index]);
    h->is_added[index] = true;
    return port;
}

uint32_t harness_add_app(struct front_harness *h)
{
    struct proxy_settings *s = h->settings;
    struct server_settings *server = s->servers;
    uint32_t at = s->app_count++;

    s->apps = xrealloc(s->apps, s->app_count * sizeof *s->apps);
    s->apps[at] = (struct app_settings){0};
    default_app(&s->apps[at], h->next_id++);
    server->routes = xrealloc(server->routes, (server->route_count + 1) *
                                                  sizeof *server->routes);
    server->routes[server->route_count] = (struct route_settings){0};
    default_route(&server->routes[server->route_count], s->apps[at].id);
    server->routes[server->route_count++].app = at;
    return s->apps[at].id;
}

void harness_take_app(struct front_harness *h)
{
    struct proxy_settings *s = h->settings;
    struct server_settings *server = s->servers;

    free(server->routes[--server->route_count].prefix);
    app_settings_done(&s->apps[--s->app_count]);
}

static void send_config(struct front_harness *h, void *arg)
{
    struct strbuf encoded = STRBUF_INIT;
    struct channel_config config = {.generation = ++h->generation};

    (void)arg;
    proxy_settings_encode(h->settings, &encoded);
    config.settings = strbuf_view(&encoded);
    channel_send_config(h->channel, &config, NULL, 0);
    strbuf_done(&encoded);
}

char *harness_prepare(struct front_harness *h)
{
    struct channel_prepared prepared;
    struct strview payload;
    char *wrong;

    keeper_call(h, send_config, NULL);
    for (;;) {
        payload = harness_wait(h, CHANNEL_PREPARED);
        cr_assert(channel_decode_prepared(payload, &prepared));
        if (prepared.generation == h->generation)
            break; /* else it is the start's */
        free((void *)(size_t)payload.ptr);
    }
    wrong = prepared.ok ? NULL : xstrndup(prepared.text.ptr, prepared.text.len);
    free((void *)(size_t)payload.ptr);
    return wrong;
}

static void send_go(struct front_harness *h, void *arg)
{
    const struct channel_go go = {.generation = h->generation};

    (void)arg;
    for (uint32_t i = 0; i < h->settings->listener_count; i++) {
        const struct channel_listener listener = {.listener = i};

        if (h->is_added[i])
            channel_send_listener(h->channel, &listener, h->added_fds[i],
                                  h->settings->worker_count);
        h->is_added[i] = false;
    }
    channel_send_go(h->channel, &go, NULL, 0);
}

void harness_go(struct front_harness *h)
{
    struct channel_ready ready;
    struct strview payload;

    keeper_call(h, send_go, NULL);
    payload = harness_wait(h, CHANNEL_READY);
    cr_assert(channel_decode_ready(payload, &ready));
    cr_assert_eq(ready.generation, h->generation);
    free((void *)(size_t)payload.ptr);
}

void harness_reload(struct front_harness *h)
{
    char *wrong = harness_prepare(h);

    cr_assert_null(wrong, "%s", wrong);
    harness_go(h);
}

struct log_file_order {
    struct channel_log_file message;
    const char *path;
};

static void send_log_file(struct front_harness *h, void *arg)
{
    struct log_file_order *order = arg;
    int fd = open(order->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    cr_assert_geq(fd, 0);
    order->message.generation = h->generation - order->message.generation;
    channel_send_log_file(h->channel, &order->message, &fd, 1);
}

void harness_log_file(struct front_harness *h, uint64_t back, uint32_t index,
                      const char *path)
{
    struct log_file_order order = {{back, index}, path};

    keeper_call(h, send_log_file, &order);
}

struct metrics_registry *harness_metrics(struct front_harness *h)
{
    return front_metrics(h->front);
}

uint16_t harness_port(const struct front_harness *h)
{
    return h->port;
}

int harness_connect(struct front_harness *h)
{
    return raw_connect(h->port);
}

/* --- messages --- */

static void send_add(struct front_harness *h, void *arg)
{
    channel_send_replica_add(h->channel, arg, NULL, 0);
}

static void send_tls_update(struct front_harness *h, void *arg)
{
    struct strbuf encoded = STRBUF_INIT;
    struct channel_tls_update message = {.server = *(unsigned *)arg};

    tls_settings_encode(&h->settings->servers[message.server].tls, &encoded);
    message.settings = strbuf_view(&encoded);
    channel_send_tls_update(h->channel, &message, NULL, 0);
    strbuf_done(&encoded);
}

void harness_update_tls(struct front_harness *h, unsigned server)
{
    keeper_call(h, send_tls_update, &server);
}

struct app_counts harness_counts(struct front_harness *h, unsigned app)
{
    struct app_counts counts;

    app_count(front_app(h->front, app), clock_now_us(), &counts);
    return counts;
}

void harness_add(struct front_harness *h,
                 const struct channel_replica_add *message)
{
    struct channel_replica_add copy = *message;
    uint32_t before = harness_counts(h, copy.app).replicas;

    keeper_call(h, send_add, &copy);
    while (!copy.probe && harness_counts(h, copy.app).replicas == before)
        usleep(200);
}

void harness_add_replica(struct front_harness *h, unsigned app, uint64_t id,
                         uint16_t port)
{
    char text[64];
    struct channel_replica_add message = {.app = app,
                                          .replica = id,
                                          .name = SV("replica"),
                                          .connect = CONNECT_DIRECT};

    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    message.address = sv_of(text);
    harness_add(h, &message);
}

static void send_remove(struct front_harness *h, void *arg)
{
    const struct channel_replica_remove message = {.replica = *(uint64_t *)arg};

    channel_send_replica_remove(h->channel, &message, NULL, 0);
}

void harness_remove_replica(struct front_harness *h, uint64_t id)
{
    keeper_call(h, send_remove, &id);
}

static void send_replica_drain(struct front_harness *h, void *arg)
{
    const struct channel_replica_drain message = {.replica = *(uint64_t *)arg};

    channel_send_replica_drain(h->channel, &message, NULL, 0);
}

void harness_drain_replica(struct front_harness *h, uint64_t id)
{
    keeper_call(h, send_replica_drain, &id);
}

static void send_proven(struct front_harness *h, void *arg)
{
    channel_send_app_proven(h->channel, arg, NULL, 0);
}

void harness_proven(struct front_harness *h, unsigned app)
{
    struct channel_app_proven message = {app};

    keeper_call(h, send_proven, &message);
}

static void send_progress(struct front_harness *h, void *arg)
{
    channel_send_app_progress(h->channel, arg, NULL, 0);
}

void harness_app_progress(struct front_harness *h,
                          const struct channel_app_progress *message)
{
    struct channel_app_progress copy = *message;

    keeper_call(h, send_progress, &copy);
}

static void send_sleep(struct front_harness *h, void *arg)
{
    channel_send_replica_sleep(h->channel, arg, NULL, 0);
}

void harness_sleep_replica(struct front_harness *h, uint64_t id, bool published)
{
    struct channel_replica_sleep message = {id, published};

    keeper_call(h, send_sleep, &message);
}

static void send_awake(struct front_harness *h, void *arg)
{
    channel_send_replica_awake(h->channel, arg, NULL, 0);
}

void harness_awake_replica(struct front_harness *h, uint64_t id, bool answer,
                           uint32_t nap)
{
    struct channel_replica_awake message = {id, answer, nap};

    keeper_call(h, send_awake, &message);
}

static void send_state(struct front_harness *h, void *arg)
{
    channel_send_app_state(h->channel, arg, NULL, 0);
}

void harness_app_state(struct front_harness *h, unsigned app, unsigned state,
                       const char *code, const char *reason)
{
    struct channel_app_state message = {.app = app,
                                        .state = state,
                                        .code = sv_of(code),
                                        .reason = sv_of(reason),
                                        .retry_after_ms = 3000};

    keeper_call(h, send_state, &message);
}

struct serve {
    bool inside;
    const char *unix_path;
};

static void set_serve(struct front_harness *h, void *arg)
{
    struct serve *serve = arg;

    h->serves_inside = serve->inside;
    snprintf(h->unix_path, sizeof h->unix_path, "%s",
             serve->unix_path ? serve->unix_path : "");
}

void harness_serve_sockets(struct front_harness *h, bool inside,
                           const char *unix_path)
{
    struct serve serve = {inside, unix_path};

    keeper_call(h, set_serve, &serve);
}

static struct message *oldest_new(struct front_harness *h,
                                  enum channel_type type)
{
    struct message *oldest = NULL;

    for (struct message *m = h->messages; m; m = m->next) {
        if (m->type == type && !m->returned)
            oldest = m;
    }
    return oldest;
}

struct strview harness_wait(struct front_harness *h, enum channel_type type)
{
    struct message *message;
    struct strview copy;
    struct timespec limit;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += RAW_TIMEOUT_MS / 1000;
    pthread_mutex_lock(&h->lock);
    while (!(message = oldest_new(h, type))) {
        cr_assert(pthread_cond_timedwait(&h->arrived, &h->lock, &limit) == 0,
                  "no message %s came", channel_type_name(type));
    }
    message->returned = true;
    copy = copy_of(message->payload);
    pthread_mutex_unlock(&h->lock);
    return copy;
}

unsigned harness_count(struct front_harness *h, enum channel_type type)
{
    unsigned count;

    pthread_mutex_lock(&h->lock);
    count = h->counts[type];
    pthread_mutex_unlock(&h->lock);
    return count;
}

/* --- the end --- */

static void send_drain(struct front_harness *h, void *arg)
{
    const struct channel_drain message = {.timeout_ms = *(uint64_t *)arg};

    channel_send_drain(h->channel, &message, NULL, 0);
}

void harness_drain(struct front_harness *h, uint64_t timeout_ms)
{
    keeper_call(h, send_drain, &timeout_ms);
}

static void close_channel(struct front_harness *h, void *arg)
{
    (void)arg;
    channel_free(&h->channel);
}

void harness_close_channel(struct front_harness *h)
{
    keeper_call(h, close_channel, NULL);
}

int harness_join(struct front_harness *h)
{
    pthread_join(h->front_thread, NULL);
    h->is_joined = true;
    return h->exit_code;
}

void harness_free(struct front_harness *h)
{
    cr_assert(h->is_joined);
    loop_stop(h->loop);
    pthread_join(h->keeper_thread, NULL);
    loop_free(&h->loop);
    while (h->messages) {
        struct message *message = h->messages;

        h->messages = message->next;
        free((void *)(size_t)message->payload.ptr);
        free(message);
    }
    proxy_settings_free(&h->settings);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->arrived);
    free(h);
}

void harness_end(struct front_harness *h)
{
    harness_drain(h, 0);
    cr_assert_eq(harness_join(h), 0);
    harness_free(h);
}
