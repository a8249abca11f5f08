/* loop.h - one thread's event loop: libevent's base, and what every loop of
 * berth needs beside it: work posted from other threads, work deferred to the
 * end of the turn, late frees, one clock reading per turn.
 *
 * An object belongs to one loop. Other threads reach it by loop_post() only.
 */
#ifndef ROUTER_BASE_LOOP_H
#define ROUTER_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"

struct event_base;
struct loop; /* opaque; defined in loop.c */

/* A piece of work, embedded in what it is about. Linked at most once: posting
 * or deferring it again before it ran is an error (assert), except where
 * loop_task_is_pending() was asked first on the owner loop. */
struct loop_task {
    struct loop_task *next;
    void (*run)(struct loop_task *task); /* runs on the loop's thread */
    bool pending;
};

/* name: a literal, for logs and the thread's name. Never fails. */
MUST_USE struct loop *loop_new(const char *name);
/* Runs what is still deferred or posted, then frees. NULL is skipped. */
void loop_free(struct loop **loop);

/* Run until loop_stop(). The calling thread becomes the owner. */
void loop_run(struct loop *loop);
/* Thread: any. loop_run() returns at the end of the current turn. */
void loop_stop(struct loop *loop);

/* For event_new()/event_assign(). Thread: owner loop. */
struct event_base *loop_base(const struct loop *loop);
const char *loop_name(const struct loop *loop);

/* CLOCK_MONOTONIC in microseconds, read once a turn. Thread: owner loop. */
uint64_t loop_now_us(struct loop *loop);

/* Run `task` on the loop's thread in its next turn, in the order of the calls
 * of one thread. Wait-free; may be called under a lock. From the loop's own
 * thread it costs no system call. Thread: any. */
void loop_post(struct loop *loop, struct loop_task *task);

/* Run `task` at the end of this turn (or of the next, outside of one), in
 * order: for what is gathered over a turn and sent once. Thread: owner loop.
 */
void loop_defer(struct loop *loop, struct loop_task *task);

/* Run what is deferred now, before others come to it. Thread: owner loop. */
void loop_run_deferred(struct loop *loop);

/* Posted or deferred and not yet run. Thread: owner loop. */
bool loop_task_is_pending(const struct loop_task *task);

/* Call free_fn(ptr) at the end of this turn, after every callback that may
 * still hold ptr. Thread: owner loop. */
void loop_free_later(struct loop *loop, void *ptr, void (*free_fn)(void *));

/* Assert that the caller is the owner, or that the loop does not run yet. */
void loop_assert_owner(const struct loop *loop);

#endif
