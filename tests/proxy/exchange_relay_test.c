/* What the front reads of an app's answers, beyond what it passes on. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/base/clock.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

#define SECOND UINT64_C(1000000)

/* One request, and one answer with this field. */
static void answer_with(int client, int app, const char *field)
{
    char *head;

    raw_send(app, "HTTP/1.1 200 OK\r\n");
    raw_send(app, field);
    raw_send(app, "Content-Length: 0\r\n\r\n");
    head = raw_read_head(client);
    fixture_expect_field(head, "X-Berth-Keep", NULL);
    free(head);
}

static const struct {
    const char *label;
    const char *field;
    uint64_t min_s; /* that it then stays, at the moment of the answer */
    uint64_t max_s;
} keeps[] = {
    {"none asked for", "", 0, 0},
    {"no time", "X-Berth-Keep: for ever\r\n", 0, 0},
    {"a time without a unit", "X-Berth-Keep: 10\r\n", 0, 0},
    {"less than max_keep", "x-berth-keep: 100s\r\n", 100, 100},
    {"less than before: that stands", "X-Berth-Keep: 1s\r\n", 99, 100},
    {"more than max_keep", "X-Berth-Keep: 7d\r\n", 600, 600},
};

Test(exchange_relay, an_answer_may_ask_for_its_app_to_be_kept)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app = -1;

    harness_app(f.h, 0)->max_keep_ms = 600000;
    fixture_start(&f);
    client = harness_connect(f.h);
    for (size_t i = 0; i < ARRAY_LEN(keeps); i++) {
        uint64_t before_us = clock_now_us();
        uint64_t until_us;

        if (app < 0) {
            app = fixture_send_get(&f, client);
        } else {
            raw_send(client, GET);
            fixture_expect_head(app, "GET / ");
        }
        answer_with(client, app, keeps[i].field);
        until_us = harness_counts(f.h, 0).keep_until_us;
        if (keeps[i].max_s == 0) {
            cr_expect_eq(until_us, 0, "%s", keeps[i].label);
            continue;
        }
        cr_expect_geq(until_us, before_us + (keeps[i].min_s - 1) * SECOND, "%s",
                      keeps[i].label);
        cr_expect_leq(until_us, clock_now_us() + keeps[i].max_s * SECOND, "%s",
                      keeps[i].label);
    }
    close(client);
    close(app);
    fixture_end(&f);
}
