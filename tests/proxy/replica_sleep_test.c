/* replica_sleep.c, app_call.c: how a replica goes to sleep and wakes, on the
 * front's side; the test plays the app and the keeper.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/settings.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

#define NO "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"

static void expect_asleep(struct front_fixture *f, bool ok, bool withheld)
{
    struct strview payload = harness_wait(f->h, CHANNEL_REPLICA_ASLEEP);
    struct channel_replica_asleep message;

    cr_assert(channel_decode_replica_asleep(payload, &message));
    cr_expect_eq(message.replica, 1U);
    cr_expect_eq(message.ok, ok, "%.*s", SV_ARG(message.reason));
    if (ok)
        cr_expect_eq(message.withheld, withheld);
    free((void *)(size_t)payload.ptr);
}

static void expect_wake(struct front_fixture *f)
{
    struct strview payload = harness_wait(f->h, CHANNEL_REPLICA_WAKE);
    struct channel_replica_wake message;

    cr_assert(channel_decode_replica_wake(payload, &message));
    cr_expect_eq(message.replica, 1U);
    cr_expect_gt(message.at_us, 0U);
    free((void *)(size_t)payload.ptr);
}

static struct warmth_settings *warmth(struct front_fixture *f)
{
    return &harness_app(f->h, 0)->warmth;
}

/* The next connection is berth's own call of `path`. */
static void expect_call(struct front_fixture *f, const char *line,
                        const char *answer)
{
    int app = raw_accept(f->listen);

    fixture_expect_head(app, line);
    raw_send(app, answer);
    close(app);
}

Test(replica_sleep, an_idle_one_sleeps_by_itself_with_nothing_parked)
{
    struct front_fixture f = fixture_begin(2);
    int client;
    int app;

    warmth(&f)->freeze_after_ms = 50;
    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    usleep(150000);
    cr_expect_eq(harness_count(f.h, CHANNEL_REPLICA_ASLEEP), 0U, "it is busy");
    fixture_answer_ok(app, client);
    expect_asleep(&f, true, false);
    raw_expect_end(app); /* what was parked is closed before */
    close(app);
    raw_send(client, GET);
    app = raw_accept(f.listen); /* while the keeper thaws it */
    expect_wake(&f);
    fixture_expect_head(app, "GET / HTTP/1.1\r\n");
    fixture_answer_ok(app, client);
    expect_asleep(&f, true, false);
    close(app);
    close(client);
    fixture_end(&f);
}

Test(replica_sleep, one_that_is_busy_says_so)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    harness_sleep_replica(f.h, 1, true);
    expect_asleep(&f, false, false);
    fixture_answer_ok(app, client);
    harness_sleep_replica(f.h, 1, true);
    expect_asleep(&f, true, false);
    harness_sleep_replica(f.h, 1, true); /* twice is as good as once */
    expect_asleep(&f, true, false);
    close(app);
    close(client);
    fixture_end(&f);
}

Test(replica_sleep, a_withheld_one_serves_only_once_it_is_awake)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    harness_sleep_replica(f.h, 1, true);
    expect_asleep(&f, true, false);
    harness_sleep_replica(f.h, 1, false); /* to be hibernated */
    expect_asleep(&f, true, true);
    client = harness_connect(f.h);
    raw_send(client, GET);
    cr_expect_not(raw_has_connection(f.listen, 100), "it waits in the queue");
    harness_awake_replica(f.h, 1, false, 1); /* it crossed the second nap */
    cr_expect_not(raw_has_connection(f.listen, 100), "the keeper freezes it");
    harness_awake_replica(f.h, 1, false, 2);
    app = raw_accept(f.listen);
    fixture_expect_head(app, "GET / HTTP/1.1\r\n");
    fixture_answer_ok(app, client);
    cr_expect_eq(harness_count(f.h, CHANNEL_REPLICA_WAKE), 0U);
    close(app);
    close(client);
    fixture_end(&f);
}

Test(replica_sleep, one_that_was_not_hibernated_takes_requests_again)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    harness_sleep_replica(f.h, 1, false);
    expect_asleep(&f, true, true);
    harness_sleep_replica(f.h, 1, true);
    expect_asleep(&f, true, false);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    expect_wake(&f);
    fixture_answer_ok(app, client);
    close(app);
    close(client);
    fixture_end(&f);
}

Test(replica_sleep, on_sleep_is_called_before_and_on_wake_after)
{
    struct front_fixture f = fixture_begin(1);
    struct strview ready;
    int client;
    int app;

    warmth(&f)->on_sleep = xstrdup("/sleep?x=1");
    warmth(&f)->on_wake = xstrdup("/wake");
    fixture_start(&f);
    harness_sleep_replica(f.h, 1, true);
    app = raw_accept(f.listen);
    fixture_expect_head(app, "POST /sleep?x=1 HTTP/1.1\r\n");
    cr_expect_eq(harness_count(f.h, CHANNEL_REPLICA_ASLEEP), 0U);
    raw_send(app, OK);
    expect_asleep(&f, true, true);
    close(app);
    client = harness_connect(f.h);
    raw_send(client, GET);
    harness_awake_replica(f.h, 1, true, 1);
    expect_call(&f, "POST /wake HTTP/1.1\r\n", NO); /* and once more */
    expect_call(&f, "POST /wake HTTP/1.1\r\n", OK);
    ready = harness_wait(f.h, CHANNEL_REPLICA_READY);
    free((void *)(size_t)ready.ptr);
    app = raw_accept(f.listen);
    fixture_expect_head(app, "GET / HTTP/1.1\r\n");
    fixture_answer_ok(app, client);
    close(app);
    close(client);
    fixture_end(&f);
}

Test(replica_sleep, one_whose_on_sleep_fails_goes_on_serving)
{
    static const char *const answers[] = {NO, "", "nonsense\r\n\r\n"};

    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct front_fixture f = fixture_begin(1);
        int client;
        int app;

        warmth(&f)->on_sleep = xstrdup("/sleep");
        fixture_start(&f);
        harness_sleep_replica(f.h, 1, true);
        app = raw_accept(f.listen);
        fixture_expect_head(app, "POST /sleep HTTP/1.1\r\n");
        client = harness_connect(f.h);
        raw_send(client, GET);
        cr_expect_not(raw_has_connection(f.listen, 50), "it is withheld");
        raw_send(app, answers[i]);
        close(app);
        expect_asleep(&f, false, false);
        app = raw_accept(f.listen);
        fixture_expect_head(app, "GET / HTTP/1.1\r\n");
        fixture_answer_ok(app, client);
        close(app);
        close(client);
        fixture_end(&f);
    }
}

Test(replica_sleep, it_may_be_removed_at_any_moment)
{
    for (unsigned i = 0; i < 3; i++) {
        struct front_fixture f = fixture_begin(1);
        int app = -1;

        warmth(&f)->on_sleep = xstrdup("/sleep");
        warmth(&f)->on_wake = xstrdup("/wake");
        fixture_start(&f);
        harness_sleep_replica(f.h, 1, true);
        if (i > 0) {
            app = raw_accept(f.listen);
            fixture_expect_head(app, "POST /sleep HTTP/1.1\r\n");
        }
        if (i > 1) {
            raw_send(app, OK);
            expect_asleep(&f, true, true);
            close(app);
            harness_awake_replica(f.h, 1, true, 1);
            app = raw_accept(f.listen);
            fixture_expect_head(app, "POST /wake HTTP/1.1\r\n");
        }
        harness_remove_replica(f.h, 1);
        if (app >= 0) {
            raw_expect_end(app);
            close(app);
        }
        for (unsigned ms = 0; ms < 5000 && harness_counts(f.h, 0).replicas > 0;
             ms++)
            usleep(1000); /* the front has not heard of it yet */
        cr_expect_eq(harness_counts(f.h, 0).replicas, 0U);
        fixture_end(&f);
    }
}

Test(replica_sleep, one_that_is_found_asleep_is_published_and_not_probed)
{
    struct front_fixture f = fixture_begin(1);
    struct channel_replica_add message = {
        .replica = 1, .name = SV("r"), .connect = CONNECT_DIRECT, .sleep = 1};
    char text[32];
    int client;
    int app;

    harness_start(f.h);
    snprintf(text, sizeof text, "127.0.0.1:%u", f.port);
    message.address = sv_of(text);
    harness_add(f.h, &message);
    cr_expect_not(raw_has_connection(f.listen, 50));
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    expect_wake(&f);
    fixture_answer_ok(app, client);
    close(app);
    close(client);
    fixture_end(&f);
}
