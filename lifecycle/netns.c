/* netns.c - a container's process and its network namespace. */
#include "lifecycle/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "router/base/alloc.h"

#define THREAD_STACK_BYTES ((size_t)64 * 1024)

/* What the thread is told, and what it brings. */
struct errand {
    int netns; /* -1: a new one, to see whether that is permitted */
    int family;
    unsigned count;
    int *fds;
    unsigned made;
    int failure; /* errno; 0: done */
    const char *step;
};

static bool enter(struct errand *errand)
{
    int failed = errand->netns < 0 ? unshare(CLONE_NEWNET)
                                   : setns(errand->netns, CLONE_NEWNET);

    if (!failed)
        return true;
    errand->step = "enter its network namespace";
    errand->failure = errno;
    return false;
}

static void make_sockets(struct errand *errand)
{
    while (errand->made < errand->count) {
        int fd = socket(errand->family,
                        SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0) {
            errand->step = "make a socket inside its network namespace";
            errand->failure = errno;
            return;
        }
        errand->fds[errand->made++] = fd;
    }
}

static void *go_one_way(void *arg)
{
    struct errand *errand = arg;

    if (enter(errand))
        make_sockets(errand);
    return NULL;
}

static void go_and_return(struct errand *errand, int home)
{
    if (!enter(errand))
        return;
    make_sockets(errand);
    if (setns(home, CLONE_NEWNET) != 0) {
        static const char text[] = "berth: the keeper cannot come back from a "
                                   "container's network namespace\n";
        ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);

        (void)n;
        abort();
    }
}

/* Signals are for the threads that have a loop. */
static int start_thread(pthread_t *ret_thread, struct errand *errand)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t old;
    int failure;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes,
                              THREAD_STACK_BYTES > (size_t)PTHREAD_STACK_MIN
                                  ? THREAD_STACK_BYTES
                                  : (size_t)PTHREAD_STACK_MIN);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    failure = pthread_create(ret_thread, &attributes, go_one_way, errand);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return failure;
}

static void send_thread(struct errand *errand)
{
    pthread_t thread;
    int failure = start_thread(&thread, errand);

    if (failure) {
        errand->step = "start a thread";
        errand->failure = failure;
        return;
    }
    pthread_join(thread, NULL);
}

int netns_home_open(void)
{
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

    if (home >= 0 && setns(home, CLONE_NEWNET) != 0)
        auto_close(&home);
    return home;
}

bool netns_sockets(const struct netns_process *process, int home, int family,
                   unsigned count, int *ret_fds, struct err *err)
{
    struct errand errand = {
        .netns = process->netns, .family = family, .count = count};
    AUTO(auto_free) int *fds = xcalloc(count, sizeof *fds);

    if (process->netns < 0)
        return err_set_errno(err, process->netns_errno,
                             "open the container's network namespace");
    /* The namespace outlives its process while we hold it, but nobody listens
     * there any more. */
    if (netns_process_has_ended(process))
        return err_set(err, ERR_NOT_FOUND, "the container has ended");
    errand.fds = fds;
    if (home >= 0)
        go_and_return(&errand, home);
    else
        send_thread(&errand);
    if (errand.failure) {
        for (unsigned i = 0; i < errand.made; i++)
            close(fds[i]);
        return err_set_errno(err, errand.failure, "%s", errand.step);
    }
    memcpy(ret_fds, fds, count * sizeof *fds);
    return true;
}

bool netns_is_permitted(void)
{
    struct errand errand = {.netns = -1};

    send_thread(&errand);
    return errand.failure == 0;
}

/* ----------------------------------------------------- whose process it is */

/* A small file of /proc, NULs made spaces. */
static bool read_proc(int pid, const char *name, char *ret_text, size_t size)
{
    AUTO(auto_close) int fd = -1;
    char path[64];
    ssize_t n;

    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, ret_text, size - 1);
    if (n < 0)
        return false;
    for (ssize_t i = 0; i < n; i++) {
        if (ret_text[i] == '\0')
            ret_text[i] = ' ';
    }
    ret_text[n] = '\0';
    return true;
}

static int parent_of(int pid)
{
    char text[512];
    const char *end;
    int parent = 0;

    if (!read_proc(pid, "stat", text, sizeof text))
        return 0;
    end = strrchr(text, ')'); /* the name before it may hold anything */
    if (!end || sscanf(end, ") %*c %d", &parent) != 1)
        return 0;
    return parent;
}

/* Its cgroup is named after the container, but where cgroups are off; its
 * parent is conmon, told the id, but where conmon was killed. */
static bool belongs_to(int pid, const char *id)
{
    char text[8192];
    int parent;

    if (read_proc(pid, "cgroup", text, sizeof text) && strstr(text, id))
        return true;
    parent = parent_of(pid);
    return parent > 1 && read_proc(parent, "cmdline", text, sizeof text) &&
           strstr(text, id);
}

bool netns_process_has_ended(const struct netns_process *process)
{
    struct pollfd poll_fd = {.fd = process->pidfd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) != 0;
}

bool netns_process_open(int pid, const char *id,
                        struct netns_process *ret_process, struct err *err)
{
    struct netns_process process = {-1, -1, 0};
    bool is_ours;
    char path[64];

    if (pid <= 0)
        return err_set(err, ERR_NOT_FOUND, "the container is not running");
    process.pidfd = (int)syscall(SYS_pidfd_open, pid, 0U); /* close-on-exec */
    if (process.pidfd < 0) {
        if (errno == ESRCH || errno == EINVAL)
            return err_set(err, ERR_NOT_FOUND,
                           "the container's process %d has ended", pid);
        return err_set_errno(err, errno, "hold the container's process %d",
                             pid);
    }
    snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
    process.netns = open(path, O_RDONLY | O_CLOEXEC);
    if (process.netns < 0)
        process.netns_errno = errno;
    is_ours = belongs_to(pid, id);
    /* Still alive: so all that was read was its own. */
    if (netns_process_has_ended(&process)) {
        netns_process_close(&process);
        return err_set(err, ERR_NOT_FOUND,
                       "the container's process %d has ended", pid);
    }
    if (!is_ours) {
        netns_process_close(&process);
        return err_set(err, ERR_DENIED,
                       "process %d is not that of container %.12s as seen "
                       "from here: does Podman run on another machine, or in "
                       "another PID namespace than berth?",
                       pid, id);
    }
    *ret_process = process;
    return true;
}

void netns_process_close(struct netns_process *process)
{
    auto_close(&process->pidfd);
    auto_close(&process->netns);
}
