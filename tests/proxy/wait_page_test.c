/* The page that waits for an app, and its stream: on the wire. */
#include "proxy/wait_page.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/metrics.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

#define BROWSER                                                                \
    "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"                    \
    "Sec-Fetch-Mode: navigate\r\n"
#define PAGE "GET /a/b?c=d HTTP/1.1\r\nHost: x\r\n" BROWSER "\r\n"
#define FOLLOW                                                                 \
    "GET /a/b?berth_wait HTTP/1.1\r\nHost: x\r\n"                              \
    "Accept: text/event-stream\r\n\r\n"

static struct front_fixture begin(void)
{
    struct front_fixture f = fixture_begin(1);

    harness_app(f.h, 0)->on_cold_start = COLD_START_PAGE;
    harness_start(f.h);
    return f;
}

static void progress(struct front_fixture *f, const char *phase, unsigned done,
                     unsigned known, uint64_t bytes)
{
    harness_app_progress(f->h,
                         &(struct channel_app_progress){.app = 0,
                                                        .phase = sv_of(phase),
                                                        .layers_done = done,
                                                        .layers_known = known,
                                                        .bytes = bytes});
}

Test(wait_page,
     a_browser_gets_it_while_there_is_no_replica_and_the_app_is_woken)
{
    struct front_fixture f = begin();
    int client = harness_connect(f.h);
    unsigned told = harness_count(f.h, CHANNEL_DEMAND);
    char *head;
    char *body;
    char *length;
    int app;

    raw_send(client, PAGE);
    head = raw_read_head(client);
    cr_assert(strncmp(head, "HTTP/1.1 503 ", 13) == 0, "%s", head);
    fixture_expect_field(head, "X-Berth-Error", "starting");
    fixture_expect_field(head, "Content-Type", "text/html; charset=utf-8");
    fixture_expect_field(head, "Cache-Control", "no-store");
    fixture_expect_field(head, "Retry-After", "1");
    length = raw_field(head, "Content-Length");
    body = raw_read_bytes(client, strtoul(length, NULL, 10));
    cr_assert(strstr(body, "EventSource"));
    /* Nothing of it comes from elsewhere. */
    cr_assert_null(strstr(body, "http:"));
    cr_assert_null(strstr(body, "https:"));
    cr_assert_null(strstr(body, "src="));
    cr_assert_null(strstr(body, "<link"));
    for (int i = 0; harness_count(f.h, CHANNEL_DEMAND) == told; i++) {
        cr_assert_lt(i, 1000);
        usleep(5000);
    }
    free(head);
    free(body);
    free(length);
    /* The connection stays; and what is no browser is held on it. */
    raw_send(client, GET);
    raw_expect_silence(client, 50);
    harness_add_replica(f.h, 0, 1, f.port);
    app = raw_accept(f.listen);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, client);
    raw_send(client, PAGE);
    fixture_expect_head(app, "GET /a/b?c=d ");
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

/* An inline style or script that the policy does not name would not run. */
Test(wait_page, its_policy_names_what_stands_in_it)
{
    struct strview html = wait_page_html();
    struct strview fields = wait_page_fields();
    const char *script = strstr(html.ptr, "<script>");

    cr_assert(script);
    cr_assert_null(strstr(script + 1, "<script"));
    cr_assert_null(strstr(html.ptr, "style=\""));
    cr_assert_null(strstr(html.ptr, "onclick"));
    cr_assert(strstr(fields.ptr, "script-src 'sha256-"));
    cr_assert(strstr(fields.ptr, "style-src 'sha256-"));
    cr_assert(strstr(fields.ptr, "connect-src 'self'"));
    cr_assert_eq(memcmp(fields.ptr + fields.len - 2, "\r\n", 2), 0);
}

Test(wait_page, who_is_held)
{
    static const struct {
        const char *label;
        const char *head;
    } cases[] = {
        {"no Accept", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"JSON", "GET / HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n"
                 "\r\n"},
        {"anything", "GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"},
        {"a script's fetch of HTML",
         "GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n"
         "Sec-Fetch-Mode: cors\r\n\r\n"},
        {"a form",
         "POST / HTTP/1.1\r\nHost: x\r\n" BROWSER "Content-Length: 0\r\n\r\n"},
        {"a question of another name",
         "GET /?berth_waits HTTP/1.1\r\nHost: x\r\n"
         "Accept: text/event-stream\r\n\r\n"},
        {"the question, but not for a stream",
         "GET /?berth_wait HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"},
    };
    struct front_fixture f = begin();

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int client = harness_connect(f.h);

        raw_send(client, cases[i].head);
        for (int j = 0; harness_counts(f.h, 0).queued == 0; j++) {
            cr_assert_lt(j, 1000, "%s is not held", cases[i].label);
            usleep(2000);
        }
        raw_reset(client);
        while (harness_counts(f.h, 0).queued != 0)
            usleep(2000);
    }
    fixture_end(&f);
}

Test(wait_page, its_stream_tells_phases_and_layers_and_then_that_it_is_ready)
{
    struct front_fixture f = begin();
    int client = harness_connect(f.h);
    char *head;

    raw_send(client, FOLLOW);
    head = raw_read_head(client);
    cr_assert(strncmp(head, "HTTP/1.1 200 OK\r\n", 17) == 0, "%s", head);
    fixture_expect_field(head, "Content-Type", "text/event-stream");
    fixture_expect_field(head, "Connection", "close");
    free(head);
    raw_expect(client, "retry: 1000\n\nevent: progress\n"
                       "data: {\"phase\":\"\",\"layers_done\":0,"
                       "\"layers_known\":0,\"bytes\":0}\n\n");
    progress(&f, "pull", 2, 5, 12345678);
    raw_expect(client, "event: progress\n"
                       "data: {\"phase\":\"pull\",\"layers_done\":2,"
                       "\"layers_known\":5,\"bytes\":12345678}\n\n");
    progress(&f, "ready", 0, 0, 0);
    raw_expect(client, "event: progress\n"
                       "data: {\"phase\":\"ready\",\"layers_done\":0,"
                       "\"layers_known\":0,\"bytes\":0}\n\n");
    harness_add_replica(f.h, 0, 1, f.port);
    raw_expect(client, "event: ready\ndata: {}\n\n");
    raw_expect_end(client);
    close(client);
    fixture_end(&f);
}

Test(wait_page, its_stream_ends_when_the_start_has_failed_or_berth_drains)
{
    struct front_fixture f = begin();
    int client = harness_connect(f.h);

    raw_send(client, FOLLOW);
    free(raw_read_until(client, "\n\n"));
    free(raw_read_until(client, "}\n\n"));
    harness_app_state(f.h, 0, APP_FAILED, "start_failed", "exit code 3");
    raw_expect(client, "event: failed\ndata: {}\n\n");
    raw_expect_end(client);
    close(client);
    harness_app_state(f.h, 0, APP_STARTING, "", "");
    client = harness_connect(f.h);
    raw_send(client, FOLLOW);
    free(raw_read_until(client, "}\n\n"));
    harness_drain(f.h, 10000);
    raw_expect_end(client);
    cr_assert_eq(harness_join(f.h), 0);
    harness_free(f.h);
    close(client);
    close(f.listen);
}

Test(wait_page, a_page_that_goes_away_leaves_nothing)
{
    struct front_fixture f = begin();

    for (int i = 0; i < 20; i++) {
        int client = harness_connect(f.h);

        raw_send(client, FOLLOW);
        free(raw_read_until(client, "}\n\n"));
        if (i % 2)
            raw_reset(client);
        else
            close(client);
    }
    for (int i = 0;
         metrics_sum(harness_metrics(f.h), METRIC_CONNECTIONS_ACTIVE, NULL) +
         metrics_sum(harness_metrics(f.h), METRIC_CONNECTIONS_IDLE, NULL);
         i++) {
        cr_assert_lt(i, 1000);
        usleep(5000);
    }
    fixture_end(&f);
}
