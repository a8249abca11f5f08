/* testapp_http.h - the test app's side of one HTTP/1.1 connection.
 *
 * Blocking, one thread a connection. It believes what it is sent: what a
 * proxy lets through is for the tests to judge, so /headers must show it raw.
 */
#ifndef BERTH_TESTS_APPS_TESTAPP_HTTP_H
#define BERTH_TESTS_APPS_TESTAPP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define REPLY_CHUNKED (-1) /* length of a body: not known ahead */

/* A connection, and the request that is being read from it. */
struct conn {
    int fd;
    char *buf; /* what was received and not yet consumed: [pos, len) */
    size_t pos, len;

    char *head; /* the request's head as it came, NUL at its end */
    size_t head_len;
    char method[32];
    char *path;        /* decoded nowhere, without the query */
    const char *query; /* without the '?'; "" when there is none */
    bool http10, keep_alive, expects_continue;

    bool body_chunked;
    uint64_t body_left; /* of the body, or of the current chunk */
    bool body_done;

    bool reply_chunked;
    bool reply_no_body; /* HEAD */
    bool broken;        /* closed after this request */
};

/* Take over `fd`. conn_done() closes it. */
void conn_init(struct conn *conn, int fd);
void conn_done(struct conn *conn);

/* Read the next request's head. False: the peer left, or sent no HTTP. */
bool conn_next(struct conn *conn);

/* Answer "Expect: 100-continue", if the request has it and nobody did yet. */
void body_accept(struct conn *conn);
/* Read more of the request's body; 0 at its end, -1 when the peer left or
 * broke the framing. Accepts the body first. */
ssize_t body_read(struct conn *conn, void *out, size_t cap);
/* The whole body, malloc'ed; NULL as body_read()'s -1. */
char *body_read_all(struct conn *conn, size_t *ret_len);

/* The value of a query parameter, percent-decoded; NULL when absent.
 * Returns `out`. */
char *param_text(struct conn *conn, const char *name, char *out, size_t cap);
long long param_number(struct conn *conn, const char *name, long long unset);

/* Send bytes as they are. False, and the connection broken, on failure. */
bool send_all(struct conn *conn, const void *data, size_t len);

/* Begin an answer. `fields`: further header lines, each with CRLF, or "".
 * length: of the body, or REPLY_CHUNKED. */
void reply_begin(struct conn *conn, int status, const char *fields,
                 long long length);
void reply_write(struct conn *conn, const void *data, size_t len);
/* End a chunked answer. `trailers` as `fields`. */
void reply_end(struct conn *conn, const char *trailers);
/* A whole answer, in one write. */
void reply_text(struct conn *conn, int status, const char *type,
                const char *body, size_t len);
void reply_printf(struct conn *conn, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
