/* replica_failure.c - why a replica failed: the exit code, the last lines. */
#include "lifecycle/replica_private.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "router/base/clock.h"
#include "router/base/log.h"

#define LOG_TAIL_LINES 20U
#define LOG_MAX_BYTES  8192U

static void report(struct replica *replica, struct strview log)
{
    struct replica_failure *failure = &replica->failure;

    snprintf(failure->reason, sizeof failure->reason, "%s",
             replica->view.reason);
    failure->log = log;
    log_warn("replica", failure->was_ready ? "replica crashed" : "start failed",
             "app=%s replica=%s code=%s reason=\"%s\" last_lines=\"%.*s\"",
             replica_app_name(replica), replica->view.name, failure->code,
             failure->reason, SV_ARG(log));
    replica->owner.on_failed(replica->owner.arg, replica, failure);
}

static void on_logs(void *arg, struct strview text, const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (replica_call_is_cancelled(err))
        return;
    while (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    report(replica, err ? SV("") : text);
    replica_remove_container(replica);
}

static void fetch_logs(struct replica *replica)
{
    replica->call =
        engine_logs(replica->host->engine, replica->view.container_id,
                    LOG_TAIL_LINES, LOG_MAX_BYTES, on_logs, replica);
}

/* SIGKILL that nobody sent by hand is mostly the kernel's, for want of memory.
 */
static void add_memory_hint(const struct replica *replica, char *reason,
                            size_t size)
{
    size_t used = strlen(reason);

    if (replica->app->container.memory_bytes > 0)
        snprintf(reason + used, size - used,
                 "; it may have needed more than its memory limit of %" PRIu64
                 " MiB",
                 replica->app->container.memory_bytes >> 20);
}

/* The kernel has told. What it killed may have been a child, whose end the main
 * process answered with one of its own. */
static void describe_oom(struct replica *replica, int exit_code,
                         const char *when)
{
    uint64_t limit = replica->app->container.memory_bytes;
    char *reason = replica->view.reason;
    size_t size = sizeof replica->view.reason;
    size_t used;

    if (limit > 0)
        snprintf(reason, size,
                 "out of memory%s: the kernel killed it at its limit of "
                 "%" PRIu64 " MiB; raise `memory`, or let it need less",
                 when, limit >> 20);
    else
        snprintf(reason, size,
                 "out of memory%s: the kernel killed it, since the machine has "
                 "no more; give it less to do at a time, or a `memory` limit",
                 when);
    used = strlen(reason);
    if (exit_code >= 0 && exit_code != 128 + SIGKILL)
        snprintf(reason + used, size - used, " (exited with code %d)",
                 exit_code);
}

static void describe_exit(struct replica *replica, int exit_code)
{
    char *reason = replica->view.reason;
    size_t size = sizeof replica->view.reason;
    const char *when = replica->failure.was_ready ? "" : " before it was ready";

    if (replica->oom_kills > 0) {
        describe_oom(replica, exit_code, when);
    } else if (exit_code < 0) {
        snprintf(reason, size, "ended%s", when);
    } else if (exit_code > 128 && exit_code <= 128 + SIGRTMAX) {
        snprintf(reason, size, "killed by signal %d (%s)%s", exit_code - 128,
                 strsignal(exit_code - 128), when);
        if (exit_code == 128 + SIGKILL)
            add_memory_hint(replica, reason, size);
    } else {
        snprintf(reason, size, "exited with code %d%s", exit_code, when);
    }
}

static void on_waited(void *arg, const struct engine_container *container,
                      const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (replica_call_is_cancelled(err))
        return;
    if (!err)
        describe_exit(replica, container->exit_code);
    fetch_logs(replica);
}

static void enter_failed(struct replica *replica, const char *code,
                         bool is_permanent, const char *why)
{
    enum replica_state before = replica->view.state;

    timer_stop(&replica->timer);
    image_want_cancel(&replica->want);
    start_ticket_return(&replica->ticket);
    engine_cancel(&replica->call);
    replica->failure.code = code;
    replica->failure.is_permanent = is_permanent;
    replica->failure.was_ready =
        before >= REPLICA_READY && before <= REPLICA_DRAINING;
    if (!replica->failure.was_ready)
        replica->view.phases.total_us = clock_now_us() - replica->began_us;
    replica_set_state(replica, REPLICA_FAILED, why);
    if (!replica->view.container_id[0]) {
        report(replica, SV(""));
        replica_leave_for_good(replica, "no container was made");
    } else if (replica->exit_code_is_wanted) {
        replica->call =
            engine_wait(replica->host->engine, replica->view.container_id,
                        on_waited, replica);
    } else {
        fetch_logs(replica);
    }
}

void replica_fail(struct replica *replica, const char *code, bool is_permanent,
                  const char *format, ...)
{
    char why[ERR_TEXT_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    enter_failed(replica, code, is_permanent, why);
}

void replica_fail_by_exit(struct replica *replica, int exit_code)
{
    bool was_ready = replica->view.state >= REPLICA_READY &&
                     replica->view.state <= REPLICA_DRAINING;

    enter_failed(replica, was_ready ? "crashed" : "start_failed", false,
                 replica->oom_kills > 0 ? "out of memory"
                                        : "its process ended");
    if (exit_code >= 0)
        describe_exit(replica, exit_code);
}

void replica_on_hung(struct replica *replica, struct strview text)
{
    if (replica->view.state != REPLICA_READY || replica->view.is_external)
        return;
    log_warn("replica", "a replica hangs, and is replaced",
             "app=%s replica=%s why=\"%.*s\"", replica_app_name(replica),
             replica->view.name, SV_ARG(text));
    replica_fail(replica, "hung", false, "%.*s", SV_ARG(text));
}

void replica_on_died(struct replica *replica, int exit_code)
{
    if (replica_is_announced(replica) && !replica->view.is_external)
        replica_fail_by_exit(replica, exit_code);
}
