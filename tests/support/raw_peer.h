/* raw_peer.h - the two ends of a test: a client and an app that send and read
 * exactly the bytes that the test says, in the order that it says.
 *
 * Blocking, with a limit of RAW_TIMEOUT_MS: what does not come in time fails
 * the test, and says what came instead. Descriptors are plain sockets.
 */
#ifndef TESTS_SUPPORT_RAW_PEER_H
#define TESTS_SUPPORT_RAW_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_TIMEOUT_MS 10000

/* Listen on 127.0.0.1 with any free port. */
int raw_listen(uint16_t *ret_port);
/* That very port again. */
int raw_listen_at(uint16_t port);
/* On [::1] alone. */
int raw_listen_v6(uint16_t *ret_port);
int raw_listen_unix(const char *path);
/* The next connection. */
int raw_accept(int listen_fd);
/* Whether one comes within that time; it is left to be accepted. */
bool raw_has_connection(int listen_fd, unsigned within_ms);
int raw_connect(uint16_t port);
/* -1: refused. */
int raw_try_connect(uint16_t port);

void raw_send(int fd, const char *text);
void raw_send_bytes(int fd, const void *data, size_t len);
/* `count` bytes of a pattern that raw_check_pattern() knows; offset: where in
 * the pattern to begin. Stops early (and says so) when the peer is gone. */
bool raw_send_pattern(int fd, size_t offset, size_t count);
void raw_fill_pattern(char *to, size_t offset, size_t count);
/* Small buffers: what is unread shows soon. */
void raw_shrink_buffers(int fd);
/* Send until the peer has taken nothing for a while; returns how many bytes
 * went. Fails beyond what sockets hold (tcp_rmem is 32 MB on some hosts). */
size_t raw_flood(int fd);

/* Exactly this comes next. */
void raw_expect(int fd, const char *text);
/* Read up to and with this; NUL-terminated; the caller frees it. */
char *raw_read_until(int fd, const char *end);
/* Read a head (up to its empty line); the caller frees it. */
char *raw_read_head(int fd);
/* Read exactly so many bytes; NUL-terminated; the caller frees it. */
char *raw_read_bytes(int fd, size_t count);
void raw_expect_pattern(int fd, size_t offset, size_t count);
/* Nothing comes within that time. */
void raw_expect_silence(int fd, unsigned ms);
/* The peer closed: nothing more comes. A reset counts. */
void raw_expect_end(int fd);
/* Read until the peer closed or resets; returns how many bytes came. */
size_t raw_read_off(int fd);
/* The value of a field of a head, as a copy, or NULL. */
char *raw_field(const char *head, const char *name);

/* Close with a reset. */
void raw_reset(int fd);

uint64_t raw_now_ms(void);

#endif
