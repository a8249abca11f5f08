/* keeper_ping.h - how long the keeper takes to answer: once a second.
 *
 * A start, a thaw, a socket into a container: all wait for the keeper's loop
 * to come to them, and for no more than this. Thread: front main.
 */
#ifndef PROXY_KEEPER_PING_H
#define PROXY_KEEPER_PING_H

#include <stdint.h>

#include "router/base/attr.h"

struct channel;
struct keeper_ping; /* opaque; defined in keeper_ping.c */
struct metrics_registry;
struct timers;

/* Asks from now on, while *channel is not NULL. Borrows all. */
MUST_USE struct keeper_ping *keeper_ping_new(struct timers *timers,
                                             struct channel **channel,
                                             struct metrics_registry *metrics);
void keeper_ping_free(struct keeper_ping **ping); /* NULL is skipped */

/* PONG: the answer to what was sent at sent_us. */
void keeper_ping_on_pong(struct keeper_ping *ping, uint64_t sent_us);

#endif
