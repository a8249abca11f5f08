/* A route with several apps: who gets which request. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

#define APPS 2

struct split_fixture {
    struct front_harness *h;
    int listen[APPS];
    int client;
};

static void split_route(struct front_harness *h, uint32_t first,
                        uint32_t second, enum split_key key, const char *name)
{
    struct route_settings *route = harness_route(h, 0);

    route->app = UINT32_MAX;
    route->split.count = APPS;
    route->split.targets = xcalloc(APPS, sizeof *route->split.targets);
    route->split.targets[0] = (struct split_target){0, first};
    route->split.targets[1] = (struct split_target){1, second};
    route->split.key = key;
    route->split.key_name = name ? xstrdup(name) : NULL;
}

/* Of route "/", with a replica each. */
static struct split_fixture begin(uint32_t first, uint32_t second,
                                  enum split_key key, const char *name)
{
    struct split_fixture f = {.h = harness_new(1, APPS)};
    uint16_t port;

    split_route(f.h, first, second, key, name);
    harness_route(f.h, 0)->probe_paths = xcalloc(1, sizeof(char *));
    harness_route(f.h, 0)->probe_paths[0] = xstrdup("/up");
    harness_route(f.h, 0)->probe_path_count = 1;
    harness_start(f.h);
    for (unsigned i = 0; i < APPS; i++) {
        f.listen[i] = raw_listen(&port);
        harness_add_replica(f.h, i, i + 1, port);
    }
    f.client = harness_connect(f.h);
    return f;
}

static void end(struct split_fixture *f)
{
    close(f->client);
    for (unsigned i = 0; i < APPS; i++)
        close(f->listen[i]);
    harness_end(f->h);
}

/* Send GET with this field; returns which app had it. */
static unsigned ask(struct split_fixture *f, const char *field)
{
    unsigned which = 0;
    int app;

    raw_send(f->client, "GET / HTTP/1.1\r\nHost: x\r\n");
    raw_send(f->client, field);
    raw_send(f->client, "\r\n");
    while (!raw_has_connection(f->listen[which], 5))
        which = !which;
    app = raw_accept(f->listen[which]);
    fixture_expect_head(app, "GET / ");
    raw_send(app, "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                  "Content-Length: 0\r\n\r\n");
    fixture_expect_head(f->client, "HTTP/1.1 200 ");
    close(app);
    return which;
}

Test(exchange_split, without_a_key_apps_have_their_shares)
{
    struct split_fixture f = begin(3, 1, SPLIT_IN_TURN, NULL);
    unsigned counts[APPS] = {0};

    for (unsigned i = 0; i < 12; i++)
        counts[ask(&f, "")]++;
    cr_assert_eq(counts[0], 9);
    cr_assert_eq(counts[1], 3);
    end(&f);
}

static const struct {
    const char *label;
    enum split_key key;
    const char *name;
    const char *format; /* of the field, of a number */
} keys[] = {
    {"the only cookie", SPLIT_BY_COOKIE, "user", "Cookie: user=%u\r\n"},
    {"one of several cookies", SPLIT_BY_COOKIE, "user",
     "Cookie: a=1; superuser=7;user=%u; b\r\nX-A: b\r\n"},
    {"a cookie of the second field", SPLIT_BY_COOKIE, "user",
     "Cookie: a=1\r\nCookie: user=%u\r\n"},
    {"a field", SPLIT_BY_FIELD, "x-user", "X-User: %u\r\n"},
};

Test(exchange_split, with_a_key_the_same_one_goes_to_the_same_app)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct split_fixture f = begin(1, 1, keys[i].key, keys[i].name);
        unsigned counts[APPS] = {0};

        for (unsigned user = 0; user < 16; user++) {
            char field[128];
            unsigned which;

            snprintf(field, sizeof field, keys[i].format, user);
            which = ask(&f, field);
            counts[which]++;
            cr_assert_eq(ask(&f, field), which, "%s: %u", keys[i].label, user);
        }
        cr_assert(counts[0] && counts[1], "%s", keys[i].label);
        end(&f);
    }
}

Test(exchange_split, by_address_one_client_has_one_app)
{
    struct split_fixture f = begin(1, 1, SPLIT_BY_ADDRESS, NULL);
    unsigned which = ask(&f, "");

    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(ask(&f, ""), which);
    end(&f);
}

Test(exchange_split, who_has_no_key_comes_in_turn)
{
    struct split_fixture f = begin(1, 1, SPLIT_BY_COOKIE, "user");
    unsigned first = ask(&f, "");

    cr_assert_neq(ask(&f, "Cookie: other=1\r\n"), first);
    cr_assert_eq(ask(&f, "Cookie: user=\r\n"), first);
    end(&f);
}

static void fail_app(struct split_fixture *f, unsigned app)
{
    harness_remove_replica(f->h, app + 1);
    harness_app_state(f->h, app, APP_FAILED, "start_failed", "it broke");
    for (int i = 0; i < 5000 && harness_counts(f->h, app).state != APP_FAILED;
         i++)
        usleep(1000);
}

Test(exchange_split, an_app_that_failed_is_left_out_and_tried_again)
{
    struct split_fixture f = begin(1, 1, SPLIT_IN_TURN, NULL);
    uint64_t unserved = harness_counts(f.h, 0).unserved;

    fail_app(&f, 0);
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(ask(&f, ""), 1);
    cr_assert_eq(harness_counts(f.h, 0).unserved, unserved + 3,
                 "its share is its demand");
    fail_app(&f, 1);
    raw_send(f.client, GET);
    fixture_expect_error(f.client, 503, "start_failed");
    end(&f);
}

Test(exchange_split, a_probe_is_told_the_best_state)
{
    static const char *const probe = "GET /up HTTP/1.1\r\nHost: x\r\n\r\n";
    struct split_fixture f = begin(1, 1, SPLIT_IN_TURN, NULL);
    char *body;

    harness_app_state(f.h, 0, APP_READY, "", "");
    fail_app(&f, 1);
    raw_send(f.client, probe);
    fixture_expect_head(f.client, "HTTP/1.1 200 ");
    body = raw_read_bytes(f.client, 5);
    cr_assert(strncmp(body, "ready", 5) == 0, "%s", body);
    free(body);
    close(f.client);
    fail_app(&f, 0);
    f.client = harness_connect(f.h);
    raw_send(f.client, probe);
    fixture_expect_head(f.client, "HTTP/1.1 503 ");
    end(&f);
}
