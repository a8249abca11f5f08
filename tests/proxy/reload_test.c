/* One configuration after another, as clients and apps see it. */
#include <criterion/criterion.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/metrics.h"
#include "router/base/strbuf.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"
#include "tests/support/test_certs.h"
#include "tests/support/tls_peer.h"

#define GET_1 "GET /app1 HTTP/1.1\r\nHost: x.example\r\n\r\n"

static void set_answer_field(struct route_settings *route, const char *value)
{
    struct field_settings *fields = &route->response_headers;

    if (fields->count == 0) {
        fields->fields = xcalloc(1, sizeof *fields->fields);
        fields->fields->name = xstrdup("X-Config");
        fields->count = 1;
    }
    free(fields->fields->value);
    fields->fields->value = xstrdup(value);
}

static void expect_answer(int client, const char *config)
{
    AUTO(auto_free) char *head = raw_read_head(client);

    cr_assert(strncmp(head, "HTTP/1.1 200 OK\r\n", 17) == 0, "%s", head);
    fixture_expect_field(head, "X-Config", config);
    raw_expect(client, "ok");
}

static bool exposes(struct front_harness *h, const char *what)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    metrics_expose(harness_metrics(h), &text);
    return strstr(text.data, what) != NULL;
}

/* A request is counted when its answer has left. */
static void expect_appears(struct front_harness *h, const char *what)
{
    for (int i = 0; i < 1000; i++) {
        if (exposes(h, what))
            return;
        usleep(5000);
    }
    cr_assert_fail("%s does not come", what);
}

static void expect_vanishes(struct front_harness *h, const char *what)
{
    for (int i = 0; i < 1000; i++) {
        if (!exposes(h, what))
            return;
        usleep(5000);
    }
    cr_assert_fail("%s is still there", what);
}

/* --- requests and connections --- */

Test(reload, an_exchange_ends_as_it_began_and_the_next_is_by_the_new_one)
{
    struct front_fixture f = fixture_begin(2);
    int client;
    int idle;
    int app;

    set_answer_field(harness_route(f.h, 0), "old");
    fixture_start(&f);
    idle = harness_connect(f.h);
    app = fixture_send_get(&f, idle);
    raw_send(app, OK);
    expect_answer(idle, "old");
    close(app);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    set_answer_field(harness_route(f.h, 0), "new");
    harness_reload(f.h);
    raw_send(app, OK);
    expect_answer(client, "old");
    /* Neither connection was closed. */
    raw_send(client, GET);
    fixture_expect_head(app, "GET / ");
    raw_send(app, OK);
    expect_answer(client, "new");
    raw_send(idle, GET);
    if (raw_has_connection(f.listen, 50)) { /* another worker's */
        close(app);
        app = raw_accept(f.listen);
    }
    fixture_expect_head(app, "GET / ");
    raw_send(app, OK);
    expect_answer(idle, "new");
    close(client);
    close(idle);
    close(app);
    fixture_end(&f);
}

Test(reload, a_head_that_comes_in_two_parts_is_read_by_the_old_one)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    set_answer_field(harness_route(f.h, 0), "old");
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "GET / HTTP/1.1\r\nHos");
    usleep(20000);
    set_answer_field(harness_route(f.h, 0), "new");
    harness_server(f.h)->client_max_header_bytes = 10;
    harness_reload(f.h);
    raw_send(client, "t: x.example\r\n\r\n");
    app = raw_accept(f.listen);
    fixture_expect_head(app, "GET / ");
    raw_send(app, OK);
    expect_answer(client, "old");
    raw_send(client, GET);
    fixture_expect_error(client, 414, "uri_too_long");
    close(client);
    close(app);
    fixture_end(&f);
}

/* --- log files --- */

static void use_log(struct front_harness *h, const char *const *paths,
                    uint32_t count)
{
    struct shared_settings *shared = &harness_settings(h)->shared;

    for (uint32_t i = 0; i < shared->log_file_count; i++)
        free(shared->log_files[i]);
    shared->log_file_count = count;
    shared->log_files =
        xrealloc(shared->log_files, count * sizeof *shared->log_files);
    for (uint32_t i = 0; i < count; i++)
        shared->log_files[i] = xstrdup(paths[i]);
    if (shared->access_log_count == 0) {
        shared->access_log_count = 1;
        shared->access_logs = xcalloc(1, sizeof *shared->access_logs);
        shared->access_logs[0].format = xstrdup("$request_method $uri");
    }
    shared->access_logs[0].file = count - 1;
    harness_route(h, 0)->access_log = 1;
}

static void await_line(const char *path, const char *text)
{
    char line[64] = "";

    for (int i = 0; i < 1000 && !strstr(line, text); i++) {
        FILE *file = fopen(path, "r");
        size_t n = file ? fread(line, 1, sizeof line - 1, file) : 0;

        line[n] = '\0';
        if (file)
            fclose(file);
        usleep(5000);
    }
    cr_expect_not_null(strstr(line, text), "%s has %s", path, line);
}

/* The keeper gives a prepared configuration up (the front was slow to answer),
 * and is told to open its files anew: they are not those of the other. */
Test(reload, a_log_file_is_of_the_configuration_that_its_message_names)
{
    char folder[] = "/tmp/berth-reload-XXXXXX";
    AUTO(auto_free) char *one = NULL;
    AUTO(auto_free) char *other = NULL;
    AUTO(auto_free) char *rotated = NULL;
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    cr_assert_not_null(mkdtemp(folder));
    one = xasprintf("%s/one", folder);
    other = xasprintf("%s/other", folder);
    rotated = xasprintf("%s/rotated", folder);
    fixture_start(&f);
    use_log(f.h, (const char *const[]){one}, 1);
    cr_assert_null(harness_prepare(f.h));
    harness_log_file(f.h, 0, 0, one);
    harness_go(f.h);
    use_log(f.h, (const char *const[]){other, one}, 2);
    cr_assert_null(harness_prepare(f.h));
    harness_log_file(f.h, 1, 0, rotated);

    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    await_line(rotated, "GET");
    close(client);
    close(app);
    fixture_end(&f);
    unlink(one);
    unlink(other);
    unlink(rotated);
    rmdir(folder);
}

Test(reload, what_cannot_be_had_changes_nothing)
{
    struct front_fixture f = fixture_begin(2);
    struct proxy_settings *s = harness_settings(f.h);
    char *wrong;
    int client;
    int app;

    set_answer_field(harness_route(f.h, 0), "old");
    fixture_start(&f);
    set_answer_field(harness_route(f.h, 0), "new");
    s->worker_count = 3;
    wrong = harness_prepare(f.h);
    cr_assert(wrong && strstr(wrong, "worker_threads"), "%s", wrong);
    free(wrong);
    s->worker_count = 2;
    /* Prepared, but the keeper changes its mind: another one follows. */
    wrong = harness_prepare(f.h);
    cr_assert_null(wrong);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    raw_send(app, OK);
    expect_answer(client, "old");
    set_answer_field(harness_route(f.h, 0), "newer");
    harness_reload(f.h);
    raw_send(client, GET);
    fixture_expect_head(app, "GET / ");
    raw_send(app, OK);
    expect_answer(client, "newer");
    close(client);
    close(app);
    fixture_end(&f);
}

/* --- apps --- */

Test(reload, an_app_that_is_new_is_served_and_one_that_is_gone_ends)
{
    struct front_fixture f = fixture_begin(2);
    uint16_t port;
    int listen = raw_listen(&port);
    uint32_t id;
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    id = harness_add_app(f.h);
    harness_reload(f.h);
    harness_add_replica(f.h, id, 2, port);
    raw_send(client, GET_1);
    app = raw_accept(listen);
    fixture_expect_head(app, "GET /app1 ");
    cr_assert(exposes(f.h, "{app=\"app1\""));
    harness_take_app(f.h);
    harness_reload(f.h);
    /* What was under way ends well; what follows finds no app there. */
    raw_send(app, OK);
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    raw_expect(client, "ok");
    raw_send(client, GET_1);
    app = raw_accept(f.listen); /* "/" has it now */
    fixture_expect_head(app, "GET /app1 ");
    fixture_answer_ok(app, client);
    cr_assert(exposes(f.h, "{app=\"app1\""));
    harness_drain_replica(f.h, 2);
    free((void *)(size_t)harness_wait(f.h, CHANNEL_REPLICA_DRAINED).ptr);
    harness_remove_replica(f.h, 2);
    expect_vanishes(f.h, "{app=\"app1\"");
    close(client);
    close(app);
    close(listen);
    fixture_end(&f);
}

Test(reload, who_waits_for_an_app_that_is_gone_is_told)
{
    struct front_fixture f = fixture_begin(1);
    int client;

    harness_add_app(f.h);
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, GET_1);
    raw_expect_silence(client, 20);
    harness_take_app(f.h);
    harness_reload(f.h);
    fixture_expect_error(client, 503, "draining");
    close(client);
    fixture_end(&f);
}

Test(reload, a_message_about_an_app_that_is_gone_is_skipped)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    harness_add_app(f.h);
    fixture_start(&f);
    harness_take_app(f.h);
    harness_reload(f.h);
    expect_vanishes(f.h, "{app=\"app1\"");
    harness_app_state(f.h, 1, APP_READY, "", "");
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(reload, counters_of_an_app_that_stays_go_on)
{
    struct front_fixture f = fixture_begin(2);
    struct metrics_registry *metrics;
    int client;
    int app;

    fixture_start(&f);
    metrics = harness_metrics(f.h);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    expect_appears(f.h, "berth_requests_total{app=\"app0\",route=\"/\","
                        "code=\"200\"} 1\n");
    harness_reload(f.h);
    raw_send(client, GET);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, client);
    expect_appears(f.h, "berth_requests_total{app=\"app0\",route=\"/\","
                        "code=\"200\"} 2\n");
    cr_assert_gt(metrics_sum(metrics, METRIC_RESPONSE_BYTES, "app0"), 3);
    cr_assert_eq(metrics_sum(metrics, METRIC_CONNECTIONS_ACTIVE, NULL), 0);
    cr_assert_eq(metrics_sum(metrics, METRIC_CONNECTIONS_IDLE, NULL), 1);
    close(client);
    close(app);
    fixture_end(&f);
}

#define CLIENTS 6

/* GETs of as many clients; what the app has of them at once. */
static unsigned count_in_flight(struct front_fixture *f, int *clients,
                                int *apps)
{
    unsigned count = 0;

    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = harness_connect(f->h);
        raw_send(clients[i], GET);
    }
    while (count < CLIENTS && raw_has_connection(f->listen, 200)) {
        apps[count] = raw_accept(f->listen);
        fixture_expect_head(apps[count++], "GET / ");
    }
    return count;
}

static void answer_all(int *clients, int *apps, unsigned count)
{
    for (int i = 0; i < CLIENTS; i++) {
        raw_send(apps[i % (int)count], OK);
        if (i < CLIENTS - (int)count)
            fixture_expect_head(apps[i % (int)count], "GET / ");
    }
    for (int i = 0; i < CLIENTS; i++) {
        fixture_expect_head(clients[i], "HTTP/1.1 200 OK\r\n");
        raw_expect(clients[i], "ok");
        close(clients[i]);
    }
}

Test(reload, concurrency_goes_up_while_requests_wait)
{
    struct front_fixture f = fixture_begin(2);
    int clients[CLIENTS];
    int apps[CLIENTS];
    unsigned count;

    harness_app(f.h, 0)->concurrency = 2;
    fixture_start(&f);
    count = count_in_flight(&f, clients, apps);
    cr_assert_eq(count, 2);
    harness_app(f.h, 0)->concurrency = 4;
    harness_reload(f.h);
    for (; count < 4; count++) {
        apps[count] = raw_accept(f.listen);
        fixture_expect_head(apps[count], "GET / ");
    }
    cr_assert(!raw_has_connection(f.listen, 50));
    answer_all(clients, apps, count);
    for (unsigned i = 0; i < count; i++)
        close(apps[i]);
    fixture_end(&f);
}

Test(reload, concurrency_goes_down_with_connections_parked_and_in_use)
{
    struct front_fixture f = fixture_begin(2);
    int clients[CLIENTS];
    int apps[CLIENTS];
    int again[CLIENTS];
    unsigned open = 0;
    unsigned count;

    harness_app(f.h, 0)->concurrency = CLIENTS;
    fixture_start(&f);
    count = count_in_flight(&f, clients, apps);
    cr_assert_eq(count, CLIENTS);
    answer_all(clients, apps, count); /* all are parked now */
    clients[0] = harness_connect(f.h);
    harness_app(f.h, 0)->concurrency = 2;
    harness_reload(f.h);
    usleep(100000);
    for (int i = 0; i < CLIENTS; i++) {
        char byte;

        if (recv(apps[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK) != 0)
            open++;
    }
    cr_assert_eq(open, 2, "%u", open);
    close(clients[0]);
    for (int i = 0; i < CLIENTS; i++)
        close(apps[i]);
    count = count_in_flight(&f, clients, again);
    cr_assert_eq(count, 2);
    harness_app(f.h, 0)->concurrency = 1;
    harness_reload(f.h);
    /* Two are held, one may be: the first that ends is not passed on. */
    raw_send(again[0], OK);
    raw_expect_end(again[0]);
    raw_expect_silence(again[1], 50);
    close(again[0]);
    again[0] = again[1];
    raw_send(again[0], OK);
    for (int i = 2; i < CLIENTS; i++) {
        fixture_expect_head(again[0], "GET / ");
        cr_assert_eq(harness_counts(f.h, 0).in_flight, 1);
        raw_send(again[0], OK);
    }
    for (int i = 0; i < CLIENTS; i++) {
        fixture_expect_head(clients[i], "HTTP/1.1 200 OK\r\n");
        raw_expect(clients[i], "ok");
        close(clients[i]);
    }
    close(again[0]);
    fixture_end(&f);
}

/* --- protection --- */

static void expect_limited(struct front_fixture *f, int *client, bool limited)
{
    int app;

    raw_send(*client, GET);
    if (limited) {
        AUTO(auto_free) char *head = raw_read_head(*client);

        cr_assert(strstr(head, " 429 "), "%s", head);
        close(*client);
        *client = harness_connect(f->h);
        return;
    }
    app = raw_accept(f->listen);
    fixture_expect_head(app, "GET / ");
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                  "Connection: close\r\n\r\nok");
    fixture_expect_head(*client, "HTTP/1.1 200 OK\r\n");
    raw_expect(*client, "ok");
    close(app);
}

Test(reload, a_rate_limit_goes_on_where_it_is_the_same)
{
    struct front_fixture f = fixture_begin(2);
    struct rate_settings *rate = &harness_route(f.h, 0)->protection.rate;
    int client;

    *rate = (struct rate_settings){.requests = 1, .period_s = 3600};
    fixture_start(&f);
    client = harness_connect(f.h);
    expect_limited(&f, &client, false);
    expect_limited(&f, &client, true);
    harness_add_app(f.h); /* another route, but not this one */
    harness_reload(f.h);
    expect_limited(&f, &client, true);
    harness_route(f.h, 0)->protection.rate.requests = 2;
    harness_reload(f.h);
    expect_limited(&f, &client, false);
    close(client);
    fixture_end(&f);
}

/* --- listeners --- */

static void expect_refused(uint16_t port)
{
    for (int i = 0; i < 100; i++) {
        int fd = raw_try_connect(port);

        if (fd < 0)
            return;
        close(fd);
        usleep(10000);
    }
    cr_assert_fail("it still listens");
}

Test(reload, listeners_come_and_go_and_stay)
{
    struct front_fixture f = fixture_begin(2);
    uint16_t port;
    int kept;
    int idle;
    int busy;
    int app;

    fixture_start(&f);
    kept = harness_connect(f.h);
    port = harness_add_listener(f.h);
    harness_reload(f.h);
    idle = raw_connect(port);
    app = fixture_send_get(&f, idle);
    fixture_answer_ok(app, idle);
    close(app);
    busy = raw_connect(port);
    app = fixture_send_get(&f, busy);
    /* The last listener goes. */
    {
        struct proxy_settings *s = harness_settings(f.h);
        struct listener_settings *last = &s->listeners[--s->listener_count];

        free(last->text);
        free(last->servers);
    }
    harness_reload(f.h);
    expect_refused(port);
    raw_expect_end(idle);
    raw_send(app, OK);
    {
        AUTO(auto_free) char *head = raw_read_head(busy);

        fixture_expect_field(head, "Connection", "close");
    }
    raw_expect(busy, "ok");
    raw_expect_end(busy);
    raw_send(kept, GET);
    if (raw_has_connection(f.listen, 50)) {
        close(app);
        app = raw_accept(f.listen);
    }
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, kept);
    cr_assert(exposes(f.h, "listener=\"test\""));
    expect_vanishes(f.h, "listener=\"test1");
    close(kept);
    close(idle);
    close(busy);
    close(app);
    fixture_end(&f);
}

/* --- TLS --- */

static struct test_cert cert_of(const char *name)
{
    return test_cert_make(&(struct test_cert_options){
        .name = name, .key = TEST_KEY_EC, .valid_s = 40L * 24 * 3600});
}

static void ask_over_tls(struct front_fixture *f, struct tls_peer *peer)
{
    AUTO(auto_free) char *head = NULL;
    int app;

    tls_peer_send(peer, GET);
    app = raw_accept(f->listen);
    fixture_expect_head(app, "GET / ");
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                  "Connection: close\r\n\r\nok");
    head = tls_peer_read_head(peer);
    cr_assert(strncmp(head, "HTTP/1.1 200 OK\r\n", 17) == 0, "%s", head);
    tls_peer_expect(peer, "ok");
    close(app);
}

Test(reload, tls_connections_stay_and_new_ones_get_the_new_certificate)
{
    struct front_fixture f = fixture_begin(2);
    struct test_cert one = cert_of("one.test");
    struct test_cert two = cert_of("two.test");
    struct tls_peer *old;
    struct tls_peer *fresh;
    char *name;

    harness_use_cert(f.h, 0, &one);
    fixture_start(&f);
    old = tls_peer_new(harness_port(f.h), &(struct tls_peer_options){0});
    ask_over_tls(&f, old);
    harness_use_cert(f.h, 0, &two);
    harness_reload(f.h);
    ask_over_tls(&f, old);
    fresh = tls_peer_new(harness_port(f.h), &(struct tls_peer_options){0});
    name = tls_peer_server(fresh);
    cr_assert_str_eq(name, "two.test");
    ask_over_tls(&f, fresh);
    free(name);
    tls_peer_end(&old);
    tls_peer_end(&fresh);
    fixture_end(&f);
    test_cert_done(&one);
    test_cert_done(&two);
}

Test(reload, a_handshake_under_way_ends_though_its_generation_is_gone)
{
    struct front_fixture f = fixture_begin(1);
    struct test_cert one = cert_of("one.test");
    struct tls_peer *peer;
    int half;

    harness_use_cert(f.h, 0, &one);
    fixture_start(&f);
    half = harness_connect(f.h);
    raw_send_bytes(half, "\x16\x03\x01\x02", 4);
    usleep(20000);
    for (int i = 0; i < 3; i++)
        harness_reload(f.h);
    raw_reset(half);
    peer = tls_peer_new(harness_port(f.h), &(struct tls_peer_options){0});
    ask_over_tls(&f, peer);
    tls_peer_end(&peer);
    fixture_end(&f);
    test_cert_done(&one);
}

Test(reload, who_showed_no_certificate_is_not_served_where_one_is_asked_for)
{
    struct front_fixture f = fixture_begin(1);
    struct test_cert one = cert_of("one.test");
    struct test_cert ca = cert_of("ca.test");
    struct tls_settings *tls;
    struct tls_peer *peer;

    harness_use_cert(f.h, 0, &one);
    fixture_start(&f);
    peer = tls_peer_new(harness_port(f.h), &(struct tls_peer_options){0});
    ask_over_tls(&f, peer);
    tls = &harness_settings(f.h)->servers[0].tls;
    tls->verify = TLS_VERIFY_ON;
    tls->client_ca_pem = xstrdup(ca.certificate_pem);
    harness_reload(f.h);
    tls_peer_expect_close_notify(peer);
    tls_peer_end(&peer);
    fixture_end(&f);
    test_cert_done(&one);
    test_cert_done(&ca);
}

/* --- many --- */

struct load {
    struct front_fixture *f;
    pthread_t app;
    pthread_t clients[4];
    bool ends;     /* for the clients */
    bool app_ends; /* when those have ended */
    unsigned served;
};

static void *play_app(void *arg)
{
    struct load *load = arg;
    int fds[64];
    unsigned count = 0;

    while (!__atomic_load_n(&load->app_ends, __ATOMIC_RELAXED)) {
        char block[4096];

        if (count < 64 && raw_has_connection(load->f->listen, 0))
            fds[count++] = raw_accept(load->f->listen);
        for (unsigned i = 0; i < count; i++) {
            ssize_t n = recv(fds[i], block, sizeof block, MSG_DONTWAIT);

            if (n > 0)
                raw_send(fds[i], OK);
            if (n == 0) {
                close(fds[i]);
                fds[i--] = fds[--count];
            }
        }
        usleep(50);
    }
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
    return NULL;
}

static void *play_client(void *arg)
{
    struct load *load = arg;
    int fd = harness_connect(load->f->h);

    while (!__atomic_load_n(&load->ends, __ATOMIC_RELAXED)) {
        raw_send(fd, GET);
        fixture_expect_head(fd, "HTTP/1.1 200 OK\r\n");
        raw_expect(fd, "ok");
        __atomic_add_fetch(&load->served, 1, __ATOMIC_RELAXED);
    }
    close(fd);
    return NULL;
}

static void begin_load(struct load *load)
{
    pthread_create(&load->app, NULL, play_app, load);
    for (size_t i = 0; i < ARRAY_LEN(load->clients); i++)
        pthread_create(&load->clients[i], NULL, play_client, load);
}

static void end_load(struct load *load)
{
    __atomic_store_n(&load->ends, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < ARRAY_LEN(load->clients); i++)
        pthread_join(load->clients[i], NULL);
    __atomic_store_n(&load->app_ends, true, __ATOMIC_RELAXED);
    pthread_join(load->app, NULL);
}

static void wait_for_requests(struct load *load, unsigned count)
{
    unsigned until = __atomic_load_n(&load->served, __ATOMIC_RELAXED) + count;

    while (__atomic_load_n(&load->served, __ATOMIC_RELAXED) < until)
        usleep(50);
}

/* Apps, routes and slots change; what nobody uses any more is freed while it
 * runs, not only at the end. */
Test(reload, two_hundred_under_load_fail_nothing_and_keep_nothing,
     .timeout = 240)
{
    struct front_fixture f = fixture_begin(2);
    struct load load = {.f = &f};
    size_t early = 0;
    size_t late;

    fixture_start(&f);
    begin_load(&load);
    for (int i = 0; i < 200; i++) {
        uint32_t id = harness_add_app(f.h);

        (void)id;
        harness_app(f.h, 0)->concurrency = 1 + (unsigned)i % 8;
        set_answer_field(harness_route(f.h, 0), i % 2 ? "odd" : "even");
        harness_reload(f.h);
        harness_take_app(f.h);
        wait_for_requests(&load, 3);
        if (i == 20)
            early = mallinfo2().uordblks;
    }
    harness_reload(f.h);
    late = mallinfo2().uordblks;
    end_load(&load);
    /* A generation is more than 50 KB here. */
    cr_assert_lt(late, early + (1 << 20), "%zu, then %zu", early, late);
    expect_vanishes(f.h, "app=\"app1");
    cr_assert(!exposes(f.h, "route=\"/app"));
    fixture_end(&f);
}
