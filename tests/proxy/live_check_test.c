/* Whether a replica that serves is still alive: on the wire. */
#include "proxy/live_check.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

static void set_check(struct front_fixture *f, const char *path)
{
    harness_app(f->h, 0)->live_check =
        (struct live_check){.kind = path ? LIVE_HTTP : LIVE_TCP,
                            .path = path ? xstrdup(path) : NULL,
                            .interval_ms = 30,
                            .timeout_ms = 200,
                            .failures = 2};
}

static void answer_check(struct front_fixture *f, const char *answer)
{
    int app = raw_accept(f->listen);

    fixture_expect_head(app, "GET /live ");
    raw_send(app, answer);
    raw_expect_end(app);
    close(app);
}

/* Its text begins so. */
static void expect_hung(struct front_fixture *f, const char *text)
{
    struct channel_replica_hung hung;
    struct strview payload = harness_wait(f->h, CHANNEL_REPLICA_HUNG);

    cr_assert(channel_decode_replica_hung(payload, &hung));
    cr_assert_eq(hung.replica, 1);
    cr_assert(sv_starts(hung.text, sv_of(text)), "%.*s", SV_ARG(hung.text));
    free((void *)(size_t)payload.ptr);
}

Test(live_check, one_that_does_not_answer_is_hung_after_so_many_in_a_row)
{
    struct front_fixture f = fixture_begin(1);
    int silent[2];

    set_check(&f, "/live");
    fixture_start(&f);
    answer_check(&f, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    /* One that passes: those before count no more. */
    answer_check(&f, "HTTP/1.1 204 Yes\r\n\r\n");
    silent[0] = raw_accept(f.listen);
    fixture_expect_head(silent[0], "GET /live ");
    raw_expect_end(silent[0]);
    cr_assert_eq(harness_count(f.h, CHANNEL_REPLICA_HUNG), 0);
    silent[1] = raw_accept(f.listen);
    expect_hung(&f, "live_check failed 2 times: no answer in time");
    /* Said once; the keeper replaces it. */
    cr_assert(!raw_has_connection(f.listen, 150));
    close(silent[0]);
    close(silent[1]);
    fixture_end(&f);
}

Test(live_check, a_connection_is_enough_for_tcp_and_a_refused_one_is_not)
{
    struct front_fixture f = fixture_begin(1);

    set_check(&f, NULL);
    fixture_start(&f);
    for (int i = 0; i < 3; i++) {
        int app = raw_accept(f.listen);

        raw_expect_end(app);
        close(app);
    }
    cr_assert_eq(harness_count(f.h, CHANNEL_REPLICA_HUNG), 0);
    close(f.listen);
    expect_hung(&f, "live_check failed 2 times: connect: Connection refused");
    harness_end(f.h);
}

Test(live_check, a_reload_begins_and_ends_it)
{
    struct front_fixture f = fixture_begin(1);

    fixture_start(&f);
    cr_assert(!raw_has_connection(f.listen, 100));
    set_check(&f, "/live");
    harness_reload(f.h);
    answer_check(&f, "HTTP/1.1 204 Yes\r\n\r\n");
    answer_check(&f, "HTTP/1.1 204 Yes\r\n\r\n");
    harness_app(f.h, 0)->live_check.kind = LIVE_OFF;
    harness_reload(f.h);
    while (raw_has_connection(f.listen, 100))
        close(raw_accept(f.listen));
    cr_assert_eq(harness_count(f.h, CHANNEL_REPLICA_HUNG), 0);
    fixture_end(&f);
}

Test(live_check, one_that_drains_is_asked_no_more)
{
    struct front_fixture f = fixture_begin(1);

    set_check(&f, "/live");
    fixture_start(&f);
    answer_check(&f, "HTTP/1.1 204 Yes\r\n\r\n");
    harness_drain_replica(f.h, 1);
    free((void *)(size_t)harness_wait(f.h, CHANNEL_REPLICA_DRAINED).ptr);
    while (raw_has_connection(f.listen, 100))
        close(raw_accept(f.listen));
    cr_assert_eq(harness_count(f.h, CHANNEL_REPLICA_HUNG), 0);
    fixture_end(&f);
}
