/* What the keeper is told of how requests at a replica end. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

static void expect_outcomes(struct front_harness *h, uint64_t answers,
                            uint64_t failures)
{
    struct channel_replica_outcomes outcomes = {0};

    while (outcomes.answers < answers || outcomes.failures < failures) {
        struct strview payload = harness_wait(h, CHANNEL_REPLICA_OUTCOMES);

        cr_assert(channel_decode_replica_outcomes(payload, &outcomes));
        free((void *)(size_t)payload.ptr);
    }
    cr_assert_eq(outcomes.replica, 1);
    cr_assert_eq(outcomes.answers, answers);
    cr_assert_eq(outcomes.failures, failures);
}

Test(outcomes, answers_and_failures_are_told_and_a_client_that_goes_is_neither)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    harness_route(f.h, 0)->retry = 0;
    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    expect_outcomes(f.h, 1, 0);
    raw_send(client, GET);
    fixture_expect_head(app, "GET / ");
    raw_send(app, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    free(raw_read_head(client));
    expect_outcomes(f.h, 2, 1);
    close(client);
    close(app);
    /* It hangs up; the app has done nothing wrong. */
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    raw_reset(client);
    raw_expect_end(app);
    close(app);
    /* Half an answer. */
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    free(raw_read_head(client));
    close(app);
    raw_read_off(client);
    close(client);
    expect_outcomes(f.h, 2, 2);
    /* No answer. */
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    close(app);
    fixture_expect_error(client, 502, "upstream_closed");
    close(client);
    expect_outcomes(f.h, 2, 3);
    fixture_end(&f);
}
