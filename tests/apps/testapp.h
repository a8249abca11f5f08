/* testapp.h - what the test app's files share: its switches and its counters.
 */
#ifndef BERTH_TESTS_APPS_TESTAPP_H
#define BERTH_TESTS_APPS_TESTAPP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct conn;

/* Every switch is --name=VALUE, or TESTAPP_NAME=VALUE in the environment;
 * a bare --name means 1. `testapp --help` explains them. */
struct testapp {
    /* how it starts */
    long start_delay_ms, ready_delay_ms, ready_line_ms, log_lines, memory_mb;
    bool never_listen;
    /* where it listens */
    long port;
    bool loopback, v6, unix_socket, regular_socket;
    const char *symlink_socket; /* target of the link, or NULL */
    /* how it serves */
    long service_time_ms;
    long fail_percent;
    bool single;
    /* how it ends; -1: not at all */
    long exit_code, crash_after_ms, crash_on_request, crash_code, stop_delay_ms;
    bool ignore_term;

    char **argv;
    char id[80]; /* of this process: host name and a random number */
    long long started_ms;
    atomic_bool unready; /* set by /unready */
    char *memory;        /* memory_mb of it, filled */

    /* Counters shown by /inflight. Requests for it and for the health check
     * are not counted. */
    atomic_long connections, connections_max, connections_total;
    atomic_long requests, requests_max, requests_total;
};

extern struct testapp app;

const char *testapp_id(void);
long long testapp_now_ms(void);
void testapp_sleep_ms(long long ms);
/* What memory holds, eight bytes at a time. */
uint64_t testapp_noise(uint64_t index);
/* One line on stderr, so that it is in the container's log. */
void testapp_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* End the process as a crash does: no handler runs. */
_Noreturn void testapp_crash(int code);

/* Answer the request that conn_next() read. */
void testapp_route(struct conn *conn);

#endif
