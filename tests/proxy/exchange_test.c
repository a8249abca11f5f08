/* One request and its answer: exactly the bytes on both sides. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

struct fixture {
    struct front_harness *h;
    int listen;
    uint16_t port;
};

static struct fixture begin(unsigned workers)
{
    struct fixture f = {.h = harness_new(workers, 1)};

    f.listen = raw_listen(&f.port);
    return f;
}

static void start(struct fixture *f)
{
    harness_start(f->h);
    harness_add_replica(f->h, 0, 1, f->port);
}

static void end(struct fixture *f)
{
    harness_end(f->h);
    close(f->listen);
}

Test(exchange, passes_a_get_on_and_its_answer_back)
{
    struct fixture f = begin(1);
    int client;
    int app;
    char *head;

    start(&f);
    client = harness_connect(f.h);
    raw_send(client, "GET /a?b=c HTTP/1.1\r\nHost: x.example\r\n\r\n");
    app = raw_accept(f.listen);
    head = raw_read_head(app);
    cr_assert(strncmp(head, "GET /a?b=c HTTP/1.1\r\n", 21) == 0, "%s", head);
    free(head);
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    head = raw_read_head(client);
    cr_assert(strncmp(head, "HTTP/1.1 200 OK\r\n", 17) == 0, "%s", head);
    raw_expect(client, "hello");
    free(head);
    close(client);
    close(app);
    end(&f);
}
