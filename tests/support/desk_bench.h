/* desk_bench.h - a front's questions to a fleet on a bench: what it asks is
 * sent over a channel, what it is answered is written down.
 */
#ifndef TESTS_SUPPORT_DESK_BENCH_H
#define TESTS_SUPPORT_DESK_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/event_log.h"
#include "lifecycle/front_desk.h"
#include "tests/support/fleet_bench.h"

struct desk_bench {
    struct fleet_bench bench;
    struct front_desk *desk;
    struct channel *front;  /* the front's end */
    struct channel *keeper; /* the keeper's end */
    struct strbuf parts;    /* the texts of all parts, one behind the other */
    struct strbuf replies;  /* "ID ok TEXT\n" or "ID failed TEXT\n", each */
    uint64_t last_id;
};

void desk_bench_init(struct desk_bench *desk, unsigned app_count);
/* As bench_start(), and the desk. */
void desk_bench_start(struct desk_bench *desk);
void desk_bench_done(struct desk_bench *desk);

/* Ask, and let the keeper hear it. app: UINT32_MAX: about none. Returns the
 * question's id. */
uint64_t desk_query(struct desk_bench *desk, const char *what, uint32_t app,
                    const char *argument);
uint64_t desk_action(struct desk_bench *desk, const char *what, uint32_t app,
                     const char *argument);
void desk_credit(struct desk_bench *desk, uint64_t id, size_t bytes);
void desk_forget(struct desk_bench *desk, uint64_t id);
/* Run until a reply, or a part, holds that text. */
bool desk_replies(struct desk_bench *desk, const char *text);
bool desk_says(struct desk_bench *desk, const char *text);

#endif
