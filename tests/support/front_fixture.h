/* front_fixture.h - what most tests of the data plane begin and end with: a
 * front, one app that the test plays itself, and short words for the common
 * way.
 */
#ifndef TESTS_SUPPORT_FRONT_FIXTURE_H
#define TESTS_SUPPORT_FRONT_FIXTURE_H

#include <stdint.h>

#define GET "GET / HTTP/1.1\r\nHost: x.example\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct front_harness;

struct front_fixture {
    struct front_harness *h;
    int listen; /* the app's */
    uint16_t port;
};

/* Settings may be changed before fixture_start(), which publishes the app. */
struct front_fixture fixture_begin(unsigned worker_count);
void fixture_start(struct front_fixture *f);
void fixture_end(struct front_fixture *f);

/* A head that begins so comes next. */
void fixture_expect_head(int fd, const char *start_line);
/* want NULL: the field is not there. */
void fixture_expect_field(const char *head, const char *name, const char *want);
/* An answer of berth's own; its body is left to be read. */
void fixture_expect_error(int fd, unsigned status, const char *code);
/* Send GET; returns the app's connection, its head read. */
int fixture_send_get(struct front_fixture *f, int client);
/* Answer with OK, and see it arrive. */
void fixture_answer_ok(int app, int client);

#endif
