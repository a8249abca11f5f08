/* What becomes of a request that a revision on trial does not serve well, as
 * both sides see it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/base/metrics.h"
#include "router/replica_ref.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

#define FAIL "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"
#define POST                                                                   \
    "POST / HTTP/1.1\r\nHost: x.example\r\nContent-Length: 4\r\n\r\nbody"
#define PUT "PUT / HTTP/1.1\r\nHost: x.example\r\nContent-Length: 4\r\n\r\nbody"

/* The fixture's app is the old revision; the new one is played at trial. */
struct trial {
    struct front_fixture f;
    int listen;
    uint16_t port;
};

static struct trial begin(uint32_t retry)
{
    struct trial t = {.f = fixture_begin(1)};
    char address[64];
    struct channel_replica_add add = {.app = 0,
                                      .replica = 2,
                                      .name = SV("new"),
                                      .connect = CONNECT_DIRECT,
                                      .serial = 1,
                                      .trial = 1};

    t.listen = raw_listen(&t.port);
    harness_route(t.f.h, 0)->retry = retry;
    fixture_start(&t.f);
    snprintf(address, sizeof address, "127.0.0.1:%u", t.port);
    add.address = sv_of(address);
    harness_add(t.f.h, &add);
    return t;
}

static void end(struct trial *t, int client)
{
    close(client);
    close(t->listen);
    fixture_end(&t->f);
}

/* The request as the app gets it. */
static int serve(int listen, const char *start_line, const char *answer)
{
    int app = raw_accept(listen);

    fixture_expect_head(app, start_line);
    if (answer)
        raw_send(app, answer);
    else
        close(app);
    return app;
}

static void expect_status(int client, unsigned status)
{
    char *head = raw_read_head(client);
    char want[16];

    snprintf(want, sizeof want, " %u ", status);
    cr_assert(strstr(head, want), "%s", head);
    free(head);
}

static uint64_t trial_retries(struct trial *t)
{
    return metrics_sum(harness_metrics(t->f.h), METRIC_RETRIES_TRIAL, NULL);
}

Test(exchange_trial, a_failure_that_can_be_repeated_is_asked_of_the_old_one)
{
    static const struct {
        const char *label;
        const char *request;
        const char *line;
        const char *answer; /* of the new one; NULL: it closes */
    } cases[] = {
        {"500", GET, "GET / ", FAIL},
        {"502", GET, "GET / ", "HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n"},
        {"503", GET, "GET / ", "HTTP/1.1 503 No\r\n\r\n"},
        {"504", GET, "GET / ", "HTTP/1.1 504 No\r\nContent-Length: 0\r\n\r\n"},
        {"with a body", PUT, "PUT / ", FAIL},
        {"no answer", GET, "GET / ", NULL},
        {"nonsense", GET, "GET / ", "HTTP/1.1 what\r\n\r\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trial t = begin(2);
        int client = harness_connect(t.f.h);
        int apps[2];
        char body[5] = "";

        raw_send(client, cases[i].request);
        apps[0] = serve(t.listen, cases[i].line, cases[i].answer);
        apps[1] = raw_accept(t.f.listen);
        fixture_expect_head(apps[1], cases[i].line);
        if (strcmp(cases[i].request, PUT) == 0) {
            cr_assert_eq(read(apps[1], body, 4), 4);
            cr_assert_str_eq(body, "body");
        }
        raw_send(apps[1], OK);
        expect_status(client, 200);
        cr_assert_eq(trial_retries(&t), 1, "%s", cases[i].label);
        if (cases[i].answer)
            close(apps[0]);
        close(apps[1]);
        end(&t, client);
    }
}

Test(exchange_trial, what_the_old_one_answers_then_is_passed_on)
{
    struct trial t = begin(2);
    int client = harness_connect(t.f.h);
    int new_app;
    int old_app;

    raw_send(client, GET);
    new_app = serve(t.listen, "GET / ", FAIL);
    old_app = serve(t.f.listen, "GET / ", FAIL);
    expect_status(client, 500);
    cr_assert_eq(trial_retries(&t), 1);
    close(new_app);
    close(old_app);
    end(&t, client);
}

Test(exchange_trial, what_it_answers_is_passed_on_where_it_may_not_be_repeated)
{
    static const struct {
        const char *label;
        const char *request;
        const char *line;
        const char *answer;
        uint32_t retry;
        unsigned status;
    } cases[] = {
        {"not idempotent", POST, "POST / ", FAIL, 2, 500},
        {"no retries", GET, "GET / ", FAIL, 0, 500},
        {"its own matter", GET, "GET / ",
         "HTTP/1.1 501 No\r\nContent-Length: 0\r\n\r\n", 2, 501},
        {"the client's", GET, "GET / ",
         "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 2, 404},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trial t = begin(cases[i].retry);
        int client = harness_connect(t.f.h);
        int app;

        usleep(550000); /* so that a POST comes to it */
        raw_send(client, cases[i].request);
        app = serve(t.listen, cases[i].line, cases[i].answer);
        expect_status(client, cases[i].status);
        cr_assert_eq(trial_retries(&t), 0, "%s", cases[i].label);
        cr_assert_not(raw_has_connection(t.f.listen, 50), "%s", cases[i].label);
        close(app);
        end(&t, client);
    }
}

Test(exchange_trial, an_answer_that_has_begun_stays_what_it_is)
{
    struct trial t = begin(2);
    int client = harness_connect(t.f.h);
    int app;

    raw_send(client, GET);
    app = serve(t.listen, "GET / ",
                "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    expect_status(client, 200);
    close(app);
    raw_read_off(client);
    cr_assert_not(raw_has_connection(t.f.listen, 50));
    end(&t, client);
}

Test(exchange_trial, one_that_serves_alone_or_is_proven_is_believed)
{
    struct trial t = begin(2);
    int client = harness_connect(t.f.h);
    int app;

    harness_proven(t.f.h, 0);
    harness_add_replica(t.f.h, 0, 3, t.f.port); /* so it was read */
    raw_send(client, GET);
    app = serve(t.listen, "GET / ", FAIL);
    expect_status(client, 500);
    close(app);
    end(&t, client);

    t = begin(2);
    client = harness_connect(t.f.h);
    harness_drain_replica(t.f.h, 1);
    while (harness_counts(t.f.h, 0).replicas > 1)
        usleep(200);
    raw_send(client, GET);
    app = serve(t.listen, "GET / ", FAIL);
    expect_status(client, 500);
    cr_assert_eq(trial_retries(&t), 0);
    close(app);
    end(&t, client);
}
