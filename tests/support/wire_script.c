/* wire_script.c - what goes over both wires in one exchange. */
#include "tests/support/wire_script.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

#define KEPT_MS 20

/* What came, for the message of a failure. */
struct reader {
    int fd;
    const char *label;
    const char *expected;
    char got[16384];
    size_t len;
};

static bool next_byte(struct reader *in, char *ret_byte)
{
    struct pollfd pfd = {.fd = in->fd, .events = POLLIN};

    if (in->len + 1 >= sizeof in->got ||
        poll(&pfd, 1, RAW_TIMEOUT_MS / 2) != 1 ||
        recv(in->fd, ret_byte, 1, 0) != 1)
        return false;
    in->got[in->len++] = *ret_byte;
    return true;
}

static void fail(struct reader *in)
{
    struct pollfd pfd = {.fd = in->fd, .events = POLLIN};
    char byte;

    while (poll(&pfd, 1, 50) == 1 && next_byte(in, &byte))
        ;
    cr_assert_fail("%s:\nexpected \"%s\"\ngot      \"%.*s\"", in->label,
                   in->expected, (int)in->len, in->got);
}

static void expect_byte(struct reader *in, char wanted)
{
    char byte;

    if (!next_byte(in, &byte) || byte != wanted)
        fail(in);
}

/* $I, $D: up to a CR, and that, too. */
static void expect_rest_of_line(struct reader *in)
{
    size_t from = in->len;
    char byte;

    do {
        if (!next_byte(in, &byte))
            fail(in);
    } while (byte != '\r');
    if (in->len - from < 2)
        fail(in);
}

static void expect_number(struct reader *in, unsigned number)
{
    char text[16];

    snprintf(text, sizeof text, "%u", number);
    for (const char *p = text; *p; p++)
        expect_byte(in, *p);
}

void wire_expect(int fd, uint16_t port, const char *expected, const char *label)
{
    struct reader in = {.fd = fd, .label = label, .expected = expected};

    for (const char *p = expected; *p; p++) {
        if (p[0] == '$' && p[1] == 'P') {
            expect_number(&in, port);
            p++;
        } else if (p[0] == '$' && (p[1] == 'I' || p[1] == 'D')) {
            expect_rest_of_line(&in);
            p += 2; /* the CR behind it, too */
        } else {
            expect_byte(&in, *p);
        }
    }
}

void wire_expect_end(int fd, enum wire_end end, const char *label)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    int ready = poll(&pfd, 1, end == WIRE_KEPT ? KEPT_MS : RAW_TIMEOUT_MS / 2);
    char got[4096] = "";
    ssize_t n = 0;

    if (ready == 1)
        n = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);
    cr_assert(n <= 0, "%s: more than expected: \"%s\"", label, got);
    cr_assert_eq(ready, end == WIRE_CLOSED, "%s: %s", label,
                 ready ? "it closed" : "it did not close");
}

void wire_expect_refusal(int fd, unsigned status, const char *code,
                         const char *label)
{
    char *head = raw_read_head(fd);
    char *length = raw_field(head, "Content-Length");
    char *connection = raw_field(head, "Connection");
    char *error = raw_field(head, "X-Berth-Error");
    char line[32];

    snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
    cr_assert(strncmp(head, line, strlen(line)) == 0,
              "%s: expected %u, got \"%s\"", label, status, head);
    cr_assert(error && strcmp(error, code) == 0, "%s: no %s in \"%s\"", label,
              code, head);
    cr_assert(connection && strcmp(connection, "close") == 0, "%s: \"%s\"",
              label, head);
    cr_assert(length, "%s: \"%s\"", label, head);
    free(raw_read_bytes(fd, strtoul(length, NULL, 10)));
    wire_expect_end(fd, WIRE_CLOSED, label);
    free(head);
    free(length);
    free(connection);
    free(error);
}

char *wire_read_final_head(int fd)
{
    char *head = raw_read_head(fd);

    while (strncmp(head, "HTTP/1.1 1", 10) == 0) {
        free(head);
        head = raw_read_head(fd);
    }
    return head;
}

static void play(struct front_fixture *f, const struct wire_script *row)
{
    uint16_t port = harness_port(f->h);
    int client = harness_connect(f->h);
    int app = -1;

    raw_send(client, row->client_says);
    if (row->app_gets) {
        cr_assert(raw_has_connection(f->listen, RAW_TIMEOUT_MS / 2),
                  "%s: nothing reached the app", row->line);
        app = raw_accept(f->listen);
        wire_expect(app, port, row->app_gets, row->line);
        if (row->app_says)
            raw_send(app, row->app_says);
        if (row->app_closes)
            shutdown(app, SHUT_WR);
    }
    wire_expect(client, port, row->client_gets, row->line);
    wire_expect_end(client, row->client_end, row->line);
    if (app >= 0) {
        wire_expect_end(app, row->app_end, row->line);
        raw_reset(app); /* the next row begins with a fresh one */
    }
    cr_assert(!raw_has_connection(f->listen, 0), "%s: one more connection",
              row->line);
    close(client);
}

void wire_play(struct front_fixture *f, const struct wire_script *rows,
               size_t count)
{
    for (size_t i = 0; i < count; i++) {
        play(f, &rows[i]);
        /* The parked connection was reset: until berth saw that. */
        while (harness_counts(f->h, 0).in_flight > 0)
            usleep(500);
        usleep(2000);
    }
}
