#include "router/base/metrics.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct metrics_registry *registry;
static struct strbuf text;

static void set_up(void)
{
    registry = metrics_registry_new();
    text = STRBUF_INIT;
}

static void tear_down(void)
{
    metrics_registry_free(&registry);
    cr_assert_null(registry);
    strbuf_done(&text);
}

TestSuite(metrics, .init = set_up, .fini = tear_down);

static void expose(void)
{
    strbuf_clear(&text);
    strbuf_add_str(&text, "\n"); /* so that each line has one before it */
    metrics_expose(registry, &text);
}

static bool has_line(const char *line)
{
    char with_ends[512];

    snprintf(with_ends, sizeof with_ends, "\n%s\n", line);
    return strstr(text.data, with_ends) != NULL;
}

static unsigned count_of(const char *what)
{
    unsigned count = 0;

    for (const char *at = text.data; (at = strstr(at, what)); at++)
        count++;
    return count;
}

Test(metrics, cells_of_one_label_are_summed)
{
    struct metrics_cell *a = metrics_cell_new(registry, METRIC_SCOPE_APP, "a");
    struct metrics_cell *b = metrics_cell_new(registry, METRIC_SCOPE_APP, "a");
    struct metrics_cell *c = metrics_cell_new(registry, METRIC_SCOPE_APP, "c");

    metrics_add(a, METRIC_RETRIES_CONNECT, 2);
    metrics_add(b, METRIC_RETRIES_CONNECT, 3);
    metrics_add(c, METRIC_RETRIES_CONNECT, 10);
    metrics_set(a, METRIC_IN_FLIGHT, 7);
    metrics_set(a, METRIC_IN_FLIGHT, 4);
    cr_assert_eq(metrics_sum(registry, METRIC_RETRIES_CONNECT, "a"), 5);
    cr_assert_eq(metrics_sum(registry, METRIC_RETRIES_CONNECT, "c"), 10);
    cr_assert_eq(metrics_sum(registry, METRIC_RETRIES_CONNECT, "x"), 0);
    cr_assert_eq(metrics_sum(registry, METRIC_RETRIES_CONNECT, NULL), 15);
    expose();
    cr_assert(has_line(
        "berth_retries_total{app=\"a\",reason=\"upstream_connect\"} 5"));
    cr_assert(has_line(
        "berth_retries_total{app=\"c\",reason=\"upstream_connect\"} 10"));
    cr_assert(has_line("berth_in_flight{app=\"a\"} 4"));
    cr_assert(has_line("berth_in_flight{app=\"c\"} 0"));
    cr_assert(has_line("# TYPE berth_retries_total counter"));
    cr_assert(has_line("# TYPE berth_in_flight gauge"));
}

Test(metrics, rows_with_a_label_in_the_name_are_one_family)
{
    struct metrics_cell *a = metrics_cell_new(registry, METRIC_SCOPE_APP, "a");

    metrics_add(a, METRIC_REJECTED_QUEUE_FULL, 2);
    expose();
    cr_assert_eq(count_of("# HELP berth_rejected_total "), 1);
    cr_assert_eq(count_of("# TYPE berth_rejected_total counter\n"), 1);
    cr_assert(
        has_line("berth_rejected_total{app=\"a\",reason=\"queue_full\"} 2"));
    cr_assert(
        has_line("berth_rejected_total{app=\"a\",reason=\"draining\"} 0"));
}

Test(metrics, a_scope_without_cells_is_not_exposed)
{
    struct metrics_cell *cell =
        metrics_cell_new(registry, METRIC_SCOPE_PROCESS, "");

    metrics_set(cell, METRIC_PODMAN_UP, 1);
    expose();
    cr_assert(has_line("berth_podman_up 1"));
    cr_assert(has_line("berth_front_restarts_total 0"));
    cr_assert_eq(count_of("berth_retries"), 0);
    cr_assert_eq(count_of("berth_connections"), 0);
    cr_assert_eq(count_of("berth_requests"), 0);
}

Test(metrics, front_and_keeper_expose_different_families)
{
    struct metrics_registry *keeper = metrics_registry_new();
    struct strbuf other = STRBUF_INIT;
    char *line;

    (void)!metrics_cell_new(registry, METRIC_SCOPE_APP, "a");
    (void)!metrics_cell_new(registry, METRIC_SCOPE_LISTENER, "l");
    (void)!metrics_cell_new(keeper, METRIC_SCOPE_KEEPER_APP, "a");
    (void)!metrics_cell_new(keeper, METRIC_SCOPE_PROCESS, "");
    expose();
    metrics_expose(keeper, &other);
    for (char *rest = other.data; (line = strsep(&rest, "\n")) && *line;)
        cr_assert_not(has_line(line), "%s", line);
    strbuf_done(&other);
    metrics_registry_free(&keeper);
}

Test(metrics, histograms_are_cumulative_in_seconds)
{
    struct metrics_cell *a = metrics_cell_new(registry, METRIC_SCOPE_APP, "a");

    metrics_observe(a, HISTOGRAM_QUEUE_WAIT, 0);
    metrics_observe(a, HISTOGRAM_QUEUE_WAIT, 1000);
    metrics_observe(a, HISTOGRAM_QUEUE_WAIT, 1001);
    metrics_observe(a, HISTOGRAM_QUEUE_WAIT, 600000000);
    metrics_observe(a, HISTOGRAM_QUEUE_WAIT, 600000001);
    expose();
    cr_assert(has_line("# TYPE berth_queue_wait_seconds histogram"));
    cr_assert(
        has_line("berth_queue_wait_seconds_bucket{app=\"a\",le=\"0.001\"} 2"));
    cr_assert(
        has_line("berth_queue_wait_seconds_bucket{app=\"a\",le=\"0.0025\"} 3"));
    cr_assert(
        has_line("berth_queue_wait_seconds_bucket{app=\"a\",le=\"300\"} 3"));
    cr_assert(
        has_line("berth_queue_wait_seconds_bucket{app=\"a\",le=\"600\"} 4"));
    cr_assert(
        has_line("berth_queue_wait_seconds_bucket{app=\"a\",le=\"+Inf\"} 5"));
    cr_assert(has_line("berth_queue_wait_seconds_sum{app=\"a\"} 1200.002002"));
    cr_assert(has_line("berth_queue_wait_seconds_count{app=\"a\"} 5"));
    cr_assert_eq(count_of("berth_queue_wait_seconds_bucket"), METRIC_BUCKETS);
}

Test(metrics, quantiles_lie_within_their_bucket)
{
    struct metrics_cell *a = metrics_cell_new(registry, METRIC_SCOPE_APP, "a");
    uint64_t p50;

    cr_assert_eq(metrics_quantile(registry, HISTOGRAM_QUEUE_WAIT, "a", 0.5), 0);
    for (unsigned i = 0; i < 90; i++)
        metrics_observe(a, HISTOGRAM_QUEUE_WAIT, 7000);
    for (unsigned i = 0; i < 10; i++)
        metrics_observe(a, HISTOGRAM_QUEUE_WAIT, 400000);
    p50 = metrics_quantile(registry, HISTOGRAM_QUEUE_WAIT, "a", 0.5);
    cr_assert(p50 > 5000 && p50 < 10000, "%lu", p50);
    p50 = metrics_quantile(registry, HISTOGRAM_QUEUE_WAIT, NULL, 0.95);
    cr_assert(p50 > 250000 && p50 < 500000, "%lu", p50);
    metrics_observe(a, HISTOGRAM_QUEUE_WAIT, UINT64_C(9000000000));
    cr_assert_eq(metrics_quantile(registry, HISTOGRAM_QUEUE_WAIT, "a", 1.0),
                 600000000);
}

Test(metrics, requests_are_counted_by_app_route_and_code)
{
    struct metrics_requests *a = metrics_requests_new(registry, "a", "/x");
    struct metrics_requests *b = metrics_requests_new(registry, "b", "/x");
    struct metrics_requests *twin = metrics_requests_new(registry, "a", "/x");
    struct metrics_requests *other = metrics_requests_new(registry, "a", "/y");

    metrics_count_request(a, 200);
    metrics_count_request(twin, 200);
    metrics_count_request(b, 503);
    metrics_count_request(other, 499);
    metrics_count_request(other, 599);
    metrics_count_request(other, 100);
    expose();
    cr_assert(has_line(
        "berth_requests_total{app=\"a\",route=\"/x\",code=\"200\"} 2"));
    cr_assert(has_line(
        "berth_requests_total{app=\"b\",route=\"/x\",code=\"503\"} 1"));
    cr_assert(has_line(
        "berth_requests_total{app=\"a\",route=\"/y\",code=\"499\"} 1"));
    cr_assert_eq(count_of("berth_requests_total{"), 5);
    cr_assert_eq(count_of("# TYPE berth_requests_total counter\n"), 1);
}

Test(metrics, label_values_are_escaped)
{
    struct metrics_cell *a =
        metrics_cell_new(registry, METRIC_SCOPE_LISTENER, "a\\b\"c\nd");

    metrics_add(a, METRIC_CONNECTIONS, 1);
    expose();
    cr_assert(
        has_line("berth_connections_total{listener=\"a\\\\b\\\"c\\nd\"} 1"));
}

#define THREADS 3
#define COUNTS  20000

static void *count_many(void *arg)
{
    struct metrics_cell *cell =
        metrics_cell_new(registry, METRIC_SCOPE_APP, "a");
    struct metrics_requests *requests =
        metrics_requests_new(registry, "a", "/x");

    (void)arg;
    for (unsigned i = 0; i < COUNTS; i++) {
        metrics_add(cell, METRIC_RETRIES_CONNECT, 1);
        metrics_observe(cell, HISTOGRAM_QUEUE_WAIT, i);
        metrics_count_request(requests, 100 + i % 500);
    }
    return NULL;
}

Test(metrics, reading_while_others_count_loses_nothing)
{
    pthread_t threads[THREADS];
    char line[80];

    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count_many, NULL);
    for (unsigned i = 0; i < 20; i++)
        expose();
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    expose();
    cr_assert_eq(metrics_sum(registry, METRIC_RETRIES_CONNECT, "a"),
                 THREADS * COUNTS);
    snprintf(line, sizeof line, "berth_queue_wait_seconds_count{app=\"a\"} %u",
             THREADS * COUNTS);
    cr_assert(has_line(line));
    cr_assert(has_line(
        "berth_requests_total{app=\"a\",route=\"/x\",code=\"599\"} 120"));
}

/* --- what can go again --- */

static bool exposes(const char *what)
{
    expose();
    return strstr(text.data, what) != NULL;
}

Test(metrics, a_cell_goes_on_while_anybody_holds_one_of_its_label)
{
    struct metrics_cell *first =
        metrics_cell_take(registry, METRIC_SCOPE_APP, "a", 0);
    struct metrics_cell *other =
        metrics_cell_take(registry, METRIC_SCOPE_APP, "a", 2);
    struct metrics_cell *again =
        metrics_cell_take(registry, METRIC_SCOPE_APP, "a", 0);

    cr_assert_eq(first, again);
    cr_assert_neq(first, other);
    metrics_add(first, METRIC_RETRIES_CONNECT, 3);
    metrics_add(other, METRIC_RETRIES_CONNECT, 4);
    metrics_cell_drop(registry, &first);
    metrics_cell_drop(registry, &again);
    cr_assert_null(again);
    cr_assert_eq(metrics_sum(registry, METRIC_RETRIES_CONNECT, "a"), 7);
    again = metrics_cell_take(registry, METRIC_SCOPE_APP, "a", 0);
    metrics_add(again, METRIC_RETRIES_CONNECT, 1);
    cr_assert_eq(metrics_sum(registry, METRIC_RETRIES_CONNECT, "a"), 8);
    cr_assert(exposes(
        "berth_retries_total{app=\"a\",reason=\"upstream_connect\"} 8\n"));
    metrics_cell_drop(registry, &again);
    metrics_cell_drop(registry, &other);
    cr_assert(!exposes("app=\"a\""));
    again = metrics_cell_take(registry, METRIC_SCOPE_APP, "a", 0);
    cr_assert_eq(metrics_sum(registry, METRIC_RETRIES_CONNECT, "a"), 0);
    metrics_cell_drop(registry, &again);
}

Test(metrics, requests_of_a_route_vanish_with_its_last_holder)
{
    struct metrics_requests *requests[200];
    char route[32];

    /* Many, so that the index grows. */
    for (int i = 0; i < 200; i++) {
        snprintf(route, sizeof route, "/%d", i);
        requests[i] = metrics_requests_take(registry, "a", route, 1);
        metrics_count_request(requests[i], 200);
    }
    for (int i = 0; i < 200; i++) {
        struct metrics_requests *again;

        snprintf(route, sizeof route, "/%d", i);
        again = metrics_requests_take(registry, "a", route, 1);
        cr_assert_eq(again, requests[i]);
        if (i % 2 == 0)
            metrics_requests_drop(registry, &again);
        metrics_requests_drop(registry, &requests[i]);
    }
    cr_assert(!exposes("route=\"/0\""));
    cr_assert(!exposes("route=\"/198\""));
    cr_assert(exposes(
        "berth_requests_total{app=\"a\",route=\"/199\",code=\"200\"} 1\n"));
}
