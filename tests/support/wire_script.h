/* wire_script.h - what goes over both wires in one exchange, byte for byte.
 *
 * A script is a table row: what the client sends, what the app must get, what
 * it says, what the client must get, and what becomes of both connections.
 * In what is expected, $I stands for any request id, $P for the port that the
 * client connected to, $D for the rest of a line, whatever it is.
 */
#ifndef TESTS_SUPPORT_WIRE_SCRIPT_H
#define TESTS_SUPPORT_WIRE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct front_fixture;

/* What berth adds to every request for Host: x, down to the empty line. */
#define ADDED_TO(version, host)                                                \
    "Via: " version " berth\r\nX-Forwarded-For: 127.0.0.1\r\n"                 \
    "X-Forwarded-Proto: http\r\nX-Forwarded-Host: " host "\r\n"                \
    "X-Forwarded-Port: $P\r\n"                                                 \
    "Forwarded: for=127.0.0.1;host=" host ";proto=http\r\n"                    \
    "X-Request-Id: $I\r\n\r\n"
#define ADDED ADDED_TO("1.1", "x")
#define ID    "X-Request-Id: $I\r\n"

enum wire_end {
    WIRE_KEPT,   /* open, and nothing more comes */
    WIRE_CLOSED, /* nothing more came, and it closed */
};

struct wire_script {
    const char *line;        /* of http.md */
    const char *client_says; /* NULL ends a table */
    const char *app_gets;    /* NULL: no connection at all */
    const char *app_says;
    const char *client_gets;
    enum wire_end client_end;
    enum wire_end app_end;
    bool app_closes; /* after what it says */
};

/* Exactly this comes next; label: for the message. */
void wire_expect(int fd, uint16_t port, const char *expected,
                 const char *label);
/* Nothing more comes, and it is open (for 20 ms), or closes. */
void wire_expect_end(int fd, enum wire_end end, const char *label);
/* An answer of berth's own with Connection: close and a whole body comes, then
 * the end. */
void wire_expect_refusal(int fd, unsigned status, const char *code,
                         const char *label);
/* The head of the final answer, after any interim ones; the caller frees it. */
char *wire_read_final_head(int fd);
/* Play the rows, each on connections of its own, with a front that runs. */
void wire_play(struct front_fixture *f, const struct wire_script *rows,
               size_t count);

#endif
