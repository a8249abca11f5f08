/* fake_front.h - the other end of the keeper's channel, for tests: what the
 * keeper says is written down, what a front would say is sent.
 */
#ifndef TESTS_SUPPORT_FAKE_FRONT_H
#define TESTS_SUPPORT_FAKE_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/strbuf.h"
#include "router/channel.h"

struct loop;

struct fake_front {
    struct channel *channel; /* the front's end */
    struct channel *keeper;  /* the keeper's end */
    bool (*on_message)(void *arg, enum channel_type type,
                       struct strview payload); /* what the keeper does */
    void *arg;
    struct strbuf log; /* a line each: "add app=0 replica=1 probe=1 …" */
    unsigned fd_count; /* received and closed */
    uint64_t last_replica;
    uint32_t queued; /* as fake_front_demand() said last */
};

struct fake_front *fake_front_new(struct loop *loop,
                                  bool (*on_message)(void *arg,
                                                     enum channel_type type,
                                                     struct strview payload),
                                  void *arg);
void fake_front_free(struct fake_front **front);

void fake_front_demand(struct fake_front *front, uint32_t app, uint32_t queued,
                       uint32_t in_flight, uint64_t unserved);

/* It says that the replica sleeps; that a request woke it. */
void fake_front_asleep(struct fake_front *front, uint64_t replica, bool ok,
                       bool is_withheld);
void fake_front_wake(struct fake_front *front, uint64_t replica);
/* It says that the answer which ends a start began, after_us from now. */
void fake_front_first_byte(struct fake_front *front, uint64_t replica,
                           uint64_t after_us);

/* Lines of the log that hold `text`. */
unsigned fake_front_count(const struct fake_front *front, const char *text);

#endif
