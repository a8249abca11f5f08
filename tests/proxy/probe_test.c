/* The ready check: when it passes, what it says until then. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include "router/replica_ref.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

static void drop(struct strview payload)
{
    free((void *)(size_t)payload.ptr);
}

static void add_direct(struct front_harness *h, uint16_t port, bool forwarded)
{
    char text[32];
    struct channel_replica_add message = {.replica = 1,
                                          .name = SV("r"),
                                          .connect = CONNECT_DIRECT,
                                          .probe = 1,
                                          .forwarded = forwarded};

    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    message.address = sv_of(text);
    harness_add(h, &message);
}

static struct channel_replica_ready wait_ready(struct front_harness *h)
{
    struct strview payload = harness_wait(h, CHANNEL_REPLICA_READY);
    struct channel_replica_ready ready;

    cr_assert(channel_decode_replica_ready(payload, &ready));
    drop(payload);
    return ready;
}

static void expect_status(struct front_harness *h, const char *part)
{
    struct strview payload = harness_wait(h, CHANNEL_PROBE_STATUS);
    struct channel_probe_status status;

    cr_assert(channel_decode_probe_status(payload, &status));
    cr_assert(memmem(status.text.ptr, status.text.len, part, strlen(part)),
              "expected \"%s\", got \"%.*s\"", part, SV_ARG(status.text));
    drop(payload);
}

Test(probe, passes_as_soon_as_the_app_listens)
{
    struct front_fixture f = fixture_begin(1);
    struct channel_replica_ready ready;
    uint64_t began;
    int client;
    int app;

    harness_start(f.h);
    close(f.listen);
    add_direct(f.h, f.port, false);
    expect_status(f.h, "Connection refused");
    usleep(100000);
    began = raw_now_ms();
    f.listen = raw_listen_at(f.port);
    ready = wait_ready(f.h);
    cr_assert(raw_now_ms() - began < 150);
    cr_assert(ready.boot_us >= 100000);
    close(raw_accept(f.listen)); /* the probe's */
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(probe, waits_for_the_status_that_is_asked_for)
{
    struct front_fixture f = fixture_begin(1);
    int app;

    harness_app(f.h, 0)->ready_check.kind = CHECK_HTTP;
    harness_app(f.h, 0)->ready_check.path = strdup("/health");
    harness_start(f.h);
    add_direct(f.h, f.port, false);
    app = raw_accept(f.listen);
    fixture_expect_head(app, "GET /health HTTP/1.1\r\n");
    raw_send(app, "HTTP/1.1 503 Not Yet\r\nContent-Length: 0\r\n\r\n");
    expect_status(f.h, "GET /health answered 503, not 200-399");
    close(app);
    app = raw_accept(f.listen);
    free(raw_read_head(app));
    raw_send(app, "bogus\r\n\r\n");
    expect_status(f.h, "invalid HTTP");
    close(app);
    app = raw_accept(f.listen);
    free(raw_read_head(app));
    close(app);
    expect_status(f.h, "closed the connection");
    app = raw_accept(f.listen);
    free(raw_read_head(app));
    raw_send(app, "HTTP/1.1 204 Fine\r\n\r\n");
    wait_ready(f.h);
    cr_assert_eq(harness_counts(f.h, 0).replicas, 1);
    close(app);
    fixture_end(&f);
}

Test(probe, does_not_trust_a_forwarders_accept)
{
    struct front_fixture f = fixture_begin(1);
    uint64_t began;
    int app;

    harness_start(f.h);
    add_direct(f.h, f.port, true);
    close(raw_accept(f.listen)); /* accepted, and then closed: no app yet */
    expect_status(f.h, "nothing listens");
    app = raw_accept(f.listen);
    began = raw_now_ms();
    wait_ready(f.h);
    cr_assert(raw_now_ms() - began >= 450);
    close(app);
    fixture_end(&f);
}

Test(probe, reaches_an_app_inside_by_either_family)
{
    static const struct {
        const char *label;
        int family;
    } cases[] = {{"127.0.0.1", AF_INET}, {"[::1]", AF_INET6}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct front_fixture f = fixture_begin(1);
        struct channel_replica_add message = {.replica = 1,
                                              .name = SV("r"),
                                              .connect = CONNECT_INSIDE,
                                              .probe = 1};
        int client;
        int app;

        if (cases[i].family == AF_INET6) {
            close(f.listen);
            f.listen = raw_listen_v6(&f.port);
        }
        message.port = f.port;
        harness_start(f.h);
        harness_serve_sockets(f.h, true, NULL);
        harness_add(f.h, &message);
        wait_ready(f.h);
        close(raw_accept(f.listen));
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        fixture_answer_ok(app, client);
        close(client);
        close(app);
        fixture_end(&f);
    }
}

Test(probe, reaches_a_unix_socket_through_the_keeper)
{
    struct front_fixture f = fixture_begin(1);
    const struct channel_replica_add message = {
        .replica = 1, .name = SV("r"), .connect = CONNECT_KEEPER, .probe = 1};
    char path[64];
    int client;
    int app;

    close(f.listen);
    snprintf(path, sizeof path, "/tmp/berth-probe-%d.sock", (int)getpid());
    unlink(path);
    harness_start(f.h);
    harness_serve_sockets(f.h, false, path);
    harness_add(f.h, &message);
    expect_status(f.h, "refused by the test"); /* there is none yet */
    f.listen = raw_listen_unix(path);
    wait_ready(f.h);
    close(raw_accept(f.listen));
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    raw_send(client, GET);
    fixture_expect_head(app, "GET / "); /* it is kept like any other */
    fixture_answer_ok(app, client);
    unlink(path);
    close(client);
    close(app);
    fixture_end(&f);
}
