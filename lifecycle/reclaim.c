/* reclaim.c - write a frozen container's memory out to swap. */
#include "lifecycle/reclaim.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"
#include "router/base/loop.h"
#include "router/base/timers.h"

/* Between two of them a cancelled one ends by itself, without the signal. */
#define CHUNK_BYTES ((uint64_t)16 << 20)
/* So many in a row that brought nothing: the rest cannot be written out. */
#define IDLE_CHUNKS_MAX 3
/* By a signal for the one before. */
#define INTERRUPTIONS_MAX 4
#define SIGNAL_EVERY_MS   5
#define STAT_MAX          8192
/* More than that of it left resident: it was not written out. */
#define REST_SHARE     16
#define REST_MIN_BYTES ((uint64_t)4 << 20)

struct reclaimer {
    struct loop *loop;
    struct timers *timers;
    const struct cgroup_roots *roots;
    struct list jobs;   /* all that have not come back */
    struct timer timer; /* while a cancelled one has not come back */
    uint64_t timeout_ms;
    struct loop *helper; /* its loop; NULL: not started yet */
    pthread_t thread;
    struct loop_task stop_task;
};

struct reclaim {
    struct list node;
    struct reclaimer *reclaimer; /* NULL: freed meanwhile */
    const struct cgroup_roots *roots;
    struct loop *loop;
    char *dir;
    bool is_v2;
    bool is_cancelled;  /* atomic */
    bool is_running;    /* atomic: the helper is at it */
    struct timer timer; /* bounds that; and how long it waits for its turn */
    void (*done)(void *arg, const struct err *err); /* NULL: cancelled */
    void *arg;
    struct loop_task go;
    struct loop_task back;
    struct err err; /* code ERR_NONE: it went well */
};

/* -------------------------------------------------------------- what is where
 */

static bool read_stat(const char *dir, char *ret_text, struct err *err)
{
    return cgroup_read(dir, "memory.stat", ret_text, STAT_MAX, err);
}

bool reclaim_memory_of(const struct container_cgroup *cgroup,
                       struct engine_memory *ret_memory, struct err *err)
{
    struct engine_memory memory = {0};
    char text[STAT_MAX];

    if (!cgroup->memory)
        return err_set(err, ERR_DENIED,
                       "no memory cgroup of the container is to be seen");
    if (!cgroup_read_number(cgroup->memory,
                            cgroup->memory_is_v2 ? "memory.current"
                                                 : "memory.usage_in_bytes",
                            &memory.resident_bytes))
        return err_set(err, ERR_NOT_FOUND, "the container's cgroup is gone");
    if (cgroup->memory_is_v2) {
        /* Not there where swap is not counted. */
        if (!cgroup_read_number(cgroup->memory, "memory.swap.current",
                                &memory.swapped_bytes))
            memory.swapped_bytes = 0;
    } else {
        if (!read_stat(cgroup->memory, text, err))
            return false;
        memory.swapped_bytes = cgroup_stat_of(text, "total_swap");
    }
    *ret_memory = memory;
    return true;
}

/* "SwapFree:      1024 kB" of /proc/meminfo, in bytes. */
static uint64_t meminfo(const struct cgroup_roots *roots, const char *key)
{
    char text[STAT_MAX];
    const char *at;
    unsigned long kib = 0;

    if (!cgroup_read(roots->proc, "meminfo", text, sizeof text, NULL))
        return 0;
    at = strstr(text, key);
    if (!at || sscanf(at + strlen(key), ": %lu", &kib) != 1)
        return 0;
    return (uint64_t)kib << 10;
}

bool reclaim_is_possible(const struct cgroup_roots *roots, char *ret_why,
                         size_t size)
{
    AUTO(auto_free) char *sysctl = xasprintf("%s/sys/vm", roots->proc);
    uint64_t swappiness;

    if (meminfo(roots, "SwapTotal") == 0) {
        snprintf(ret_why, size,
                 "there is no swap: add a swap file, or zram or zswap, with "
                 "room for what shall be written out");
        return false;
    }
    if (cgroup_read_number(sysctl, "swappiness", &swappiness) &&
        swappiness == 0) {
        snprintf(ret_why, size,
                 "vm.swappiness is 0, so that nothing is written out: set it "
                 "to 1 or more");
        return false;
    }
    return true;
}

/* --------------------------------------------------------- the helper's thread
 */

static bool is_cancelled(const struct reclaim *job)
{
    return __atomic_load_n(&job->is_cancelled, __ATOMIC_RELAXED);
}

/* What the container may still put into swap, by its own limit. */
static uint64_t own_room(const struct reclaim *job)
{
    uint64_t most;
    uint64_t used;

    if (!job->is_v2 ||
        !cgroup_read_number(job->dir, "memory.swap.max", &most) ||
        most == UINT64_MAX ||
        !cgroup_read_number(job->dir, "memory.swap.current", &used))
        return UINT64_MAX;
    return most > used ? most - used : 0;
}

/* What is to go to swap. Files are dropped, not written out: they need no room.
 */
static bool read_need(const struct reclaim *job, uint64_t *ret_need,
                      struct err *err)
{
    char text[STAT_MAX];

    if (!read_stat(job->dir, text, err))
        return false;
    *ret_need = job->is_v2 ? cgroup_stat_of(text, "anon") +
                                 cgroup_stat_of(text, "shmem")
                           : cgroup_stat_of(text, "total_rss") +
                                 cgroup_stat_of(text, "total_shmem");
    return true;
}

static bool has_room(const struct reclaim *job, uint64_t need, struct err *err)
{
    uint64_t room = meminfo(job->roots, "SwapFree");
    uint64_t own = own_room(job);

    if (need > own)
        return err_set(err, ERR_LIMIT,
                       "its %" PRIu64 " MB do not fit into the %" PRIu64
                       " MB of swap that the container may use",
                       need >> 20, own >> 20);
    if (need > room)
        return err_set(err, ERR_LIMIT,
                       "its %" PRIu64 " MB do not fit into the %" PRIu64
                       " MB of swap that are free: add swap",
                       need >> 20, room >> 20);
    return true;
}

/* One request to the kernel. ERR_UNAVAILABLE of a part that was done, or of a
 * signal, is no failure. */
static bool push(const struct reclaim *job, const char *file, uint64_t value,
                 struct err *err)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRIu64, value);
    return cgroup_write(job->dir, file, text, err) ||
           err->code == ERR_UNAVAILABLE;
}

/* In chunks until nothing more comes. by_limit: memory.high goes down along
 * with the memory, in place of memory.reclaim. */
static bool push_in_chunks(const struct reclaim *job, bool by_limit,
                           struct err *err)
{
    unsigned idle = 0;
    uint64_t before;
    uint64_t after;

    while (!is_cancelled(job) && idle < IDLE_CHUNKS_MAX &&
           cgroup_read_number(job->dir, "memory.current", &before)) {
        uint64_t target = before > CHUNK_BYTES ? before - CHUNK_BYTES : 0;

        if (!(by_limit ? push(job, "memory.high", target, err)
                       : push(job, "memory.reclaim", CHUNK_BYTES, err)))
            return false;
        if (!cgroup_read_number(job->dir, "memory.current", &after))
            break;
        idle = after + CHUNK_BYTES / 16 > before ? idle + 1 : 0;
    }
    return true;
}

/* Neither berth nor Podman sets it for anything else. */
void reclaim_repair(const struct container_cgroup *cgroup)
{
    uint64_t limit;

    if (cgroup->memory_is_v2 && !cgroup_has(cgroup->memory, "memory.reclaim") &&
        cgroup_read_number(cgroup->memory, "memory.high", &limit) &&
        limit != UINT64_MAX &&
        !cgroup_write(cgroup->memory, "memory.high", "max", NULL))
        return; /* not ours to change, then we cannot have lowered it */
}

static bool push_by_limit(const struct reclaim *job, struct err *err)
{
    struct err restore_err;
    char limit[64];
    bool is_done;

    if (!cgroup_read(job->dir, "memory.high", limit, sizeof limit, err))
        return false;
    is_done = push_in_chunks(job, true, err);
    /* With the low limit left behind, the app could hardly run again. */
    if (!cgroup_write(job->dir, "memory.high", limit, &restore_err) &&
        restore_err.code != ERR_NOT_FOUND) {
        *err = restore_err;
        return err_prefix(err, "its memory.high could not be put back");
    }
    return is_done;
}

/* All in one call. Broken off without being meant: once more. */
static bool push_all(const struct reclaim *job, struct err *err)
{
    for (int i = 0; i < INTERRUPTIONS_MAX && !is_cancelled(job); i++) {
        err->code = ERR_NONE;
        if (!push(job, "memory.force_empty", 0, err))
            return false;
        if (err->code != ERR_UNAVAILABLE)
            break;
    }
    return true;
}

static bool push_as_can(const struct reclaim *job, struct err *err)
{
    if (!job->is_v2)
        return push_all(job, err);
    if (cgroup_has(job->dir, "memory.reclaim"))
        return push_in_chunks(job, false, err);
    return push_by_limit(job, err);
}

/* Others write to the same swap meanwhile. */
static bool push_out(const struct reclaim *job, struct err *err)
{
    uint64_t need;
    uint64_t rest;
    uint64_t most;

    if (!read_need(job, &need, err) || !has_room(job, need, err) ||
        !push_as_can(job, err))
        return false;
    if (is_cancelled(job))
        return true; /* nobody hears of it */
    if (!read_need(job, &rest, err))
        return false;
    most = need / REST_SHARE;
    if (most < REST_MIN_BYTES)
        most = REST_MIN_BYTES;
    if (rest <= most)
        return true;
    return err_set(err, ERR_LIMIT,
                   "of its %" PRIu64 " MB only %" PRIu64
                   " MB could be written out: swap has filled up, or the rest "
                   "is locked in memory",
                   need >> 20, (need > rest ? need - rest : 0) >> 20);
}

static void run_in_helper(struct loop_task *task)
{
    struct reclaim *job = container_of(task, struct reclaim, go);

    __atomic_store_n(&job->is_running, true, __ATOMIC_RELEASE);
    if (!is_cancelled(job) && push_out(job, &job->err))
        job->err.code = ERR_NONE; /* what was tolerated */
    __atomic_store_n(&job->is_running, false, __ATOMIC_RELEASE);
    loop_post(job->loop, &job->back);
}

static void on_signal(int number)
{
    (void)number; /* it is to break off a system call, no more */
}

static void *run_thread(void *arg)
{
    struct reclaimer *reclaimer = arg;
    sigset_t mask;

    sigfillset(&mask);
    sigdelset(&mask, RECLAIM_SIGNAL);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    loop_run(reclaimer->helper);
    return NULL;
}

static void run_stop(struct loop_task *task)
{
    struct reclaimer *reclaimer =
        container_of(task, struct reclaimer, stop_task);

    loop_stop(reclaimer->helper);
}

/* Blocked while it starts, so that no signal of others ends up there. */
static void start_thread(struct reclaimer *reclaimer)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
    sigset_t all;
    sigset_t old;

    if (reclaimer->helper)
        return;
    sigaction(RECLAIM_SIGNAL, &action, NULL);
    reclaimer->helper = loop_new("reclaim");
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (pthread_create(&reclaimer->thread, NULL, run_thread, reclaimer) != 0)
        abort();
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* ------------------------------------------------------------ the owner's side
 */

/* Again and again, since one that comes before the system call is lost; but
 * none that would break off another job. */
static void break_off(struct reclaimer *reclaimer)
{
    bool is_waiting = false;

    LIST_FOREACH (&reclaimer->jobs, node) {
        struct reclaim *job = container_of(node, struct reclaim, node);

        if (job->done)
            continue;
        is_waiting = true;
        if (__atomic_load_n(&job->is_running, __ATOMIC_ACQUIRE))
            pthread_kill(reclaimer->thread, RECLAIM_SIGNAL);
    }
    if (is_waiting)
        timer_start(reclaimer->timers, &reclaimer->timer, SIGNAL_EVERY_MS);
}

static void on_timer(struct timer *timer)
{
    break_off(container_of(timer, struct reclaimer, timer));
}

static void on_back(struct loop_task *task)
{
    struct reclaim *job = container_of(task, struct reclaim, back);

    if (job->reclaimer)
        list_remove(&job->node);
    timer_stop(&job->timer);
    if (job->done)
        job->done(job->arg, job->err.code == ERR_NONE ? NULL : &job->err);
    free(job->dir);
    free(job);
}

/* The helper hangs in one that was given up. */
static bool is_stuck(const struct reclaimer *reclaimer)
{
    LIST_FOREACH (&reclaimer->jobs, node) {
        const struct reclaim *job = container_of(node, struct reclaim, node);

        if (!job->done && __atomic_load_n(&job->is_running, __ATOMIC_ACQUIRE))
            return true;
    }
    return false;
}

/* One whose turn has not come yet begins to count when it has. */
static void on_late(struct timer *timer)
{
    struct reclaim *job = container_of(timer, struct reclaim, timer);
    struct reclaimer *reclaimer = job->reclaimer;
    void (*done)(void *arg, const struct err *err) = job->done;
    void *arg = job->arg;
    bool is_running = __atomic_load_n(&job->is_running, __ATOMIC_ACQUIRE);
    struct err err;

    if (!is_running && !is_stuck(reclaimer)) {
        timer_start(reclaimer->timers, &job->timer, reclaimer->timeout_ms);
        return;
    }
    err_set(&err, ERR_TIMEOUT,
            "its memory was not written out within %" PRIu64
            " s: the disk that swap is on is too slow%s",
            reclaimer->timeout_ms / 1000,
            is_running ? "" : ", and hangs with another one's");
    reclaim_cancel(&job);
    done(arg, &err);
}

struct reclaim *reclaim_start(struct reclaimer *reclaimer,
                              const struct container_cgroup *cgroup,
                              void (*done)(void *arg, const struct err *err),
                              void *arg)
{
    struct reclaim *job = xcalloc(1, sizeof *job);

    loop_assert_owner(reclaimer->loop);
    job->reclaimer = reclaimer;
    job->roots = reclaimer->roots;
    job->loop = reclaimer->loop;
    job->dir = cgroup->memory ? xstrdup(cgroup->memory) : NULL;
    job->is_v2 = cgroup->memory_is_v2;
    job->done = done;
    job->arg = arg;
    job->go.run = run_in_helper;
    job->back.run = on_back;
    job->timer.on_expire = on_late;
    list_add_tail(&reclaimer->jobs, &job->node);
    if (!job->dir) {
        err_set(&job->err, ERR_DENIED,
                "no memory cgroup of the container is to be seen");
        loop_post(job->loop, &job->back);
        return job;
    }
    start_thread(reclaimer);
    timer_start(reclaimer->timers, &job->timer, reclaimer->timeout_ms);
    loop_post(reclaimer->helper, &job->go);
    return job;
}

void reclaim_cancel(struct reclaim **reclaim)
{
    struct reclaim *job = TAKE(*reclaim);

    if (!job)
        return;
    loop_assert_owner(job->loop);
    job->done = NULL;
    timer_stop(&job->timer);
    __atomic_store_n(&job->is_cancelled, true, __ATOMIC_RELAXED);
    if (job->reclaimer->helper)
        break_off(job->reclaimer);
}

void reclaimer_set_timeout(struct reclaimer *reclaimer, uint64_t timeout_ms)
{
    reclaimer->timeout_ms = timeout_ms;
}

struct reclaimer *reclaimer_new(struct loop *loop, struct timers *timers,
                                const struct cgroup_roots *roots)
{
    struct reclaimer *reclaimer = xcalloc(1, sizeof *reclaimer);

    reclaimer->loop = loop;
    reclaimer->timers = timers;
    reclaimer->roots = roots;
    reclaimer->timeout_ms = RECLAIM_TIMEOUT_MS;
    reclaimer->timer.on_expire = on_timer;
    reclaimer->stop_task.run = run_stop;
    list_init(&reclaimer->jobs);
    return reclaimer;
}

/* The jobs come back to the owner's loop after this, to be freed. */
static void disown_all(struct reclaimer *reclaimer)
{
    while (!list_is_empty(&reclaimer->jobs)) {
        struct reclaim *job =
            container_of(reclaimer->jobs.next, struct reclaim, node);

        list_remove(&job->node);
        timer_stop(&job->timer);
        job->done = NULL;
        job->reclaimer = NULL;
        __atomic_store_n(&job->is_cancelled, true, __ATOMIC_RELAXED);
    }
}

void reclaimer_free(struct reclaimer **reclaimer_ptr)
{
    struct reclaimer *reclaimer = TAKE(*reclaimer_ptr);

    if (!reclaimer)
        return;
    loop_assert_owner(reclaimer->loop);
    timer_stop(&reclaimer->timer);
    disown_all(reclaimer);
    if (reclaimer->helper) {
        struct timespec wait = {.tv_nsec = 0};

        loop_post(reclaimer->helper, &reclaimer->stop_task);
        do {
            pthread_kill(reclaimer->thread, RECLAIM_SIGNAL);
            clock_gettime(CLOCK_REALTIME, &wait);
            wait.tv_nsec += (long)SIGNAL_EVERY_MS * 1000000;
            wait.tv_sec += wait.tv_nsec / 1000000000;
            wait.tv_nsec %= 1000000000;
        } while (pthread_timedjoin_np(reclaimer->thread, NULL, &wait) != 0);
        loop_free(&reclaimer->helper); /* runs what is left */
    }
    free(reclaimer);
}
