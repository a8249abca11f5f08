/* front_supervisor.c - keeps a front running. */
#include "lifecycle/front_supervisor.h"

#include <stdlib.h>

#include "lifecycle/backoff.h"
#include "router/base/alloc.h"
#include "router/base/log.h"
#include "router/base/loop.h"
#include "router/base/timers.h"

#define RESTART_FIRST_MS 100
#define RESTART_MAX_MS   5000
#define DRAIN_GRACE_MS   1000

struct front_supervisor {
    struct front_supervisor_options options;
    struct front_process *process;
    struct channel *channel;
    bool is_ready;
    bool is_draining;
    uint64_t restarts;
    struct backoff backoff;
    struct timer restart_timer;
    struct timer kill_timer;
    struct loop_task finish_task;
};

static bool start(struct front_supervisor *supervisor, struct err *err);

static void schedule_start(struct front_supervisor *supervisor)
{
    uint64_t delay_ms = backoff_fail(&supervisor->backoff);

    log_error("front", "the front ended before it was ready; trying again",
              "in_ms=%llu attempts=%u", (unsigned long long)delay_ms,
              supervisor->backoff.failure_count);
    timer_start(supervisor->options.timers, &supervisor->restart_timer,
                delay_ms);
}

static void start_or_schedule(struct front_supervisor *supervisor)
{
    struct err err;

    if (start(supervisor, &err))
        return;
    log_error("front", "cannot start the front", "reason=\"%s\"", err.text);
    schedule_start(supervisor);
}

static void on_restart_timer(struct timer *timer)
{
    start_or_schedule(
        container_of(timer, struct front_supervisor, restart_timer));
}

static void finish(struct loop_task *task)
{
    struct front_supervisor *supervisor =
        container_of(task, struct front_supervisor, finish_task);

    supervisor->options.on_finished(supervisor->options.arg);
}

/* The process has ended and been waited for. */
static void on_exit_of_process(void *arg, const char *how)
{
    struct front_supervisor *supervisor = arg;
    bool was_ready = supervisor->is_ready;
    pid_t pid = front_process_pid(supervisor->process);

    front_process_free(&supervisor->process);
    channel_free(&supervisor->channel);
    supervisor->is_ready = false;
    timer_stop(&supervisor->kill_timer);
    if (supervisor->is_draining) {
        log_info("front", "front ended", "pid=%d how=\"%s\"", (int)pid, how);
        loop_defer(supervisor->options.loop, &supervisor->finish_task);
        return;
    }
    supervisor->restarts++;
    log_error("front", "front died", "pid=%d how=\"%s\" restarts=%llu",
              (int)pid, how, (unsigned long long)supervisor->restarts);
    supervisor->options.on_down(supervisor->options.arg);
    if (was_ready)
        start_or_schedule(supervisor);
    else
        schedule_start(supervisor);
}

/* It closed its end, or sends nonsense: of no use any more. Its end as a
 * process is what starts the next one. */
static void on_channel_close(void *arg, const char *why)
{
    struct front_supervisor *supervisor = arg;

    if (!supervisor->is_draining)
        log_warn("front", "channel to the front closed", "reason=\"%s\"", why);
    channel_free(&supervisor->channel);
    if (!supervisor->is_draining)
        front_process_kill(supervisor->process);
}

static void on_channel_message(void *arg, enum channel_type type,
                               struct strview payload, int *fds,
                               unsigned fd_count)
{
    struct front_supervisor *supervisor = arg;
    struct channel_ready ready;

    if (type != CHANNEL_READY) {
        supervisor->options.on_message(supervisor->options.arg, type, payload,
                                       fds, fd_count);
        return;
    }
    if (!channel_decode_ready(payload, &ready))
        return;
    supervisor->is_ready = true;
    backoff_reset(&supervisor->backoff);
    supervisor->options.on_ready(supervisor->options.arg, ready.generation);
}

static bool start(struct front_supervisor *supervisor, struct err *err)
{
    struct front_process_options options = {
        .loop = supervisor->options.loop,
        .exe = supervisor->options.exe,
        .argv = supervisor->options.argv,
        .identity = supervisor->options.identity,
        .on_exit = on_exit_of_process,
        .arg = supervisor,
    };
    int channel_fd;

    supervisor->process = front_process_start(&options, &channel_fd, err);
    if (!supervisor->process)
        return false;
    log_info("front", "front started", "pid=%d uid=%lu",
             (int)front_process_pid(supervisor->process),
             (unsigned long)options.identity.uid);
    supervisor->channel =
        channel_new(supervisor->options.loop, channel_fd, on_channel_message,
                    on_channel_close, supervisor);
    supervisor->options.on_start(supervisor->options.arg, supervisor->channel);
    return true;
}

static void on_kill_timer(struct timer *timer)
{
    struct front_supervisor *supervisor =
        container_of(timer, struct front_supervisor, kill_timer);

    if (!supervisor->process)
        return;
    log_warn("front", "the front did not end in time; killing it", "pid=%d",
             (int)front_process_pid(supervisor->process));
    front_process_kill(supervisor->process);
}

struct front_supervisor *
front_supervisor_new(const struct front_supervisor_options *options,
                     struct err *err)
{
    struct front_supervisor *supervisor = xcalloc(1, sizeof *supervisor);

    supervisor->options = *options;
    supervisor->backoff = (struct backoff){.first_ms = RESTART_FIRST_MS,
                                           .max_ms = RESTART_MAX_MS};
    supervisor->restart_timer.on_expire = on_restart_timer;
    supervisor->kill_timer.on_expire = on_kill_timer;
    supervisor->finish_task.run = finish;
    if (!start(supervisor, err))
        front_supervisor_free(&supervisor);
    return supervisor;
}

void front_supervisor_free(struct front_supervisor **supervisor_ptr)
{
    struct front_supervisor *supervisor = *supervisor_ptr;

    if (!supervisor)
        return;
    timer_stop(&supervisor->restart_timer);
    timer_stop(&supervisor->kill_timer);
    channel_free(&supervisor->channel);
    front_process_free(&supervisor->process);
    free(supervisor);
    *supervisor_ptr = NULL;
}

struct channel *
front_supervisor_channel(const struct front_supervisor *supervisor)
{
    return supervisor->channel;
}

bool front_supervisor_is_ready(const struct front_supervisor *supervisor)
{
    return supervisor->is_ready;
}

pid_t front_supervisor_pid(const struct front_supervisor *supervisor)
{
    return supervisor->process ? front_process_pid(supervisor->process) : 0;
}

uint64_t front_supervisor_restarts(const struct front_supervisor *supervisor)
{
    return supervisor->restarts;
}

void front_supervisor_drain(struct front_supervisor *supervisor,
                            uint64_t timeout_ms)
{
    struct channel_drain message = {.timeout_ms = timeout_ms};
    bool was_draining = supervisor->is_draining;

    supervisor->is_draining = true;
    timer_stop(&supervisor->restart_timer);
    if (!supervisor->process) {
        if (!was_draining)
            loop_defer(supervisor->options.loop, &supervisor->finish_task);
        return;
    }
    channel_send_drain(supervisor->channel, &message, NULL, 0);
    timer_start(supervisor->options.timers, &supervisor->kill_timer,
                timeout_ms + DRAIN_GRACE_MS);
}
