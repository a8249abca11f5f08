/* front_fixture.c - what most tests of the data plane begin and end with. */
#include "tests/support/front_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

struct front_fixture fixture_begin(unsigned worker_count)
{
    struct front_fixture f = {.h = harness_new(worker_count, 1)};

    f.listen = raw_listen(&f.port);
    return f;
}

void fixture_start(struct front_fixture *f)
{
    harness_start(f->h);
    harness_add_replica(f->h, 0, 1, f->port);
}

void fixture_end(struct front_fixture *f)
{
    harness_end(f->h);
    close(f->listen);
}

void fixture_expect_head(int fd, const char *start_line)
{
    char *head = raw_read_head(fd);

    cr_assert(strncmp(head, start_line, strlen(start_line)) == 0,
              "expected \"%s\", got \"%s\"", start_line, head);
    free(head);
}

void fixture_expect_field(const char *head, const char *name, const char *want)
{
    char *value = raw_field(head, name);

    if (!want)
        cr_assert(!value, "unexpected %s in \"%s\"", name, head);
    else
        cr_assert(value && strcmp(value, want) == 0, "no \"%s: %s\" in \"%s\"",
                  name, want, head);
    free(value);
}

void fixture_expect_error(int fd, unsigned status, const char *code)
{
    char *head = raw_read_head(fd);
    char line[32];

    snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
    cr_assert(strncmp(head, line, strlen(line)) == 0, "expected %u, got \"%s\"",
              status, head);
    fixture_expect_field(head, "X-Berth-Error", code);
    free(head);
}

int fixture_send_get(struct front_fixture *f, int client)
{
    int app;

    raw_send(client, GET);
    app = raw_accept(f->listen);
    fixture_expect_head(app, "GET / HTTP/1.1\r\n");
    return app;
}

void fixture_answer_ok(int app, int client)
{
    raw_send(app, OK);
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    raw_expect(client, "ok");
}
