/* front_harness.h - the front in this process, with a keeper that does what
 * the test says.
 *
 * One server with one listener on 127.0.0.1, and one route per app: "/" to the
 * first, "/app1" to the second, … (strip_prefix off). The settings may be
 * changed between harness_new() and harness_start().
 */
#ifndef TESTS_SUPPORT_FRONT_HARNESS_H
#define TESTS_SUPPORT_FRONT_HARNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/settings.h"
#include "router/app.h"
#include "router/channel.h"

struct front_harness;
struct metrics_registry;
struct test_cert;

struct front_harness *harness_new(unsigned worker_count, unsigned app_count);
struct proxy_settings *harness_settings(struct front_harness *harness);
struct server_settings *harness_server(struct front_harness *harness);
struct route_settings *harness_route(struct front_harness *harness,
                                     unsigned index);
struct app_settings *harness_app(struct front_harness *harness, unsigned index);

/* One server more, with the harness's defaults, on the same listener; its one
 * route "/" leads to the first app. */
struct server_settings *harness_add_server(struct front_harness *harness,
                                           const char *name);
/* TLS for a server and its listener; copies. */
void harness_use_cert(struct front_harness *harness, unsigned server,
                      const struct test_cert *cert);
/* TLS_UPDATE with what the server's settings hold now. */
void harness_update_tls(struct front_harness *harness, unsigned server);

/* One listener more, which has the first server; sent with the next reload.
 * Returns its port. */
uint16_t harness_add_listener(struct front_harness *harness);
/* One app more, with the harness's defaults, and a route "/appN" of the first
 * server that leads to it; returns its id, which is one that was never used. */
uint32_t harness_add_app(struct front_harness *harness);
/* Take the last app away, and the first server's last route. */
void harness_take_app(struct front_harness *harness);

/* CONFIG with the settings as they are now. Returns what PREPARED says was
 * wrong, to be freed; NULL: nothing. */
char *harness_prepare(struct front_harness *harness);
/* LISTENER for what was added, then GO, until READY. */
void harness_go(struct front_harness *harness);
/* Both; nothing may be wrong. */
void harness_reload(struct front_harness *harness);
/* LOG_FILE of the configuration of `back` generations ago (0: what was prepared
 * last); opens the path. */
void harness_log_file(struct front_harness *harness, uint64_t back,
                      uint32_t index, const char *path);
struct metrics_registry *harness_metrics(struct front_harness *harness);

/* Until it is READY. */
void harness_start(struct front_harness *harness);
uint16_t harness_port(const struct front_harness *harness);
/* A client's connection. */
int harness_connect(struct front_harness *harness);

/* REPLICA_ADD of a replica at 127.0.0.1:port, published at once. */
void harness_add_replica(struct front_harness *harness, unsigned app,
                         uint64_t id, uint16_t port);
/* With every field said. Comes back when it is published, where it is not
 * probed first. */
void harness_add(struct front_harness *harness,
                 const struct channel_replica_add *message);
struct app_counts harness_counts(struct front_harness *harness, unsigned app);
void harness_remove_replica(struct front_harness *harness, uint64_t id);
void harness_drain_replica(struct front_harness *harness, uint64_t id);
/* APP_PROVEN, without waiting. */
void harness_proven(struct front_harness *harness, unsigned app);
/* REPLICA_SLEEP and REPLICA_AWAKE. */
void harness_sleep_replica(struct front_harness *harness, uint64_t id,
                           bool published);
void harness_awake_replica(struct front_harness *harness, uint64_t id,
                           bool answer, uint32_t nap);
void harness_app_state(struct front_harness *harness, unsigned app,
                       unsigned state, const char *code, const char *reason);
void harness_app_progress(struct front_harness *harness,
                          const struct channel_app_progress *message);
/* Answer SOCKETS_WANTED: family 0 with connections to this Unix path, others
 * with sockets of that family (in this network namespace); NULL and false:
 * with an error. */
void harness_serve_sockets(struct front_harness *harness, bool inside,
                           const char *unix_path);

/* Wait until a message of that type came that no call returned yet. The
 * payload is a copy; the caller frees it. */
struct strview harness_wait(struct front_harness *harness,
                            enum channel_type type);
/* How many came so far. */
unsigned harness_count(struct front_harness *harness, enum channel_type type);

/* DRAIN, without waiting. */
void harness_drain(struct front_harness *harness, uint64_t timeout_ms);
/* The keeper dies. */
void harness_close_channel(struct front_harness *harness);
/* Wait for its end; returns its exit code. */
int harness_join(struct front_harness *harness);
/* Drain (0 ms), join, expect 0, free. */
void harness_end(struct front_harness *harness);
void harness_free(struct front_harness *harness);

#endif
