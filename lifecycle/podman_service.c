/* podman_service.c - where Podman listens, or a service of our own. */
#include "lifecycle/podman_service.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lifecycle/settings.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"
#include "router/base/loop.h"
#include "router/base/strbuf.h"

#define LISTEN_TIMEOUT_US ((uint64_t)30 * 1000000)
#define LISTEN_POLL_US    20000
#define END_TIMEOUT_MS    3000
#define LINE_MAX_BYTES    2048

struct podman_service {
    struct loop *loop;
    const struct podman_settings *settings;
    const char *state_dir;
    podman_service_fn on_found;
    void *arg;

    bool is_finding;
    struct event *timer; /* the next step of the find */
    uint64_t deadline_us;
    char socket_path[sizeof((struct sockaddr_un *)0)->sun_path];

    pid_t pid; /* of the child; 0: none */
    int pidfd;
    struct event *exit_event;
    int output_fd; /* its stdout and stderr */
    struct event *output_event;
    struct strbuf output;           /* a line that is not whole yet */
    char last_line[LINE_MAX_BYTES]; /* for the reason when it ends */
};

/* ------------------------------------------------------------ is it there? */

/* 0, or errno of connect(). A Unix socket answers at once. */
static int try_connect(const char *path)
{
    AUTO(auto_close)
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (fd < 0)
        return errno;
    if (strlen(path) >= sizeof address.sun_path)
        return ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ||
        errno == EAGAIN) /* its backlog is full: somebody is there */
        return 0;
    return errno;
}

static void finish(struct podman_service *service, const struct err *err)
{
    service->is_finding = false;
    event_del(service->timer);
    service->on_found(service->arg, err ? NULL : service->socket_path, err);
}

static void step_after(struct podman_service *service, long us)
{
    struct timeval tv = {us / 1000000, us % 1000000};

    if (event_add(service->timer, &tv) != 0)
        abort();
}

static bool set_path(struct podman_service *service, const char *path,
                     struct err *err)
{
    if (strlen(path) >= sizeof service->socket_path)
        return err_set(err, ERR_INVALID,
                       "%s is too long for a socket's path (%zu bytes at "
                       "most)",
                       path, sizeof service->socket_path - 1);
    memcpy(service->socket_path, path, strlen(path) + 1);
    return true;
}

/* The path to look at first: what the configuration says, or the standard one
 * of this user. */
static bool set_standard_path(struct podman_service *service, struct err *err)
{
    AUTO(auto_free) char *path = NULL;
    const char *runtime_dir = getenv("XDG_RUNTIME_DIR");

    if (service->settings->socket)
        return set_path(service, service->settings->socket, err);
    if (geteuid() == 0)
        return set_path(service, "/run/podman/podman.sock", err);
    if (runtime_dir && runtime_dir[0] == '/')
        path = xasprintf("%s/podman/podman.sock", runtime_dir);
    else
        path =
            xasprintf("/run/user/%u/podman/podman.sock", (unsigned)geteuid());
    return set_path(service, path, err);
}

/* --------------------------------------------------------------- the child */

/* Podman calls a warning what concerns nobody (a stream of events was opened).
 */
static bool is_harmless(const char *line)
{
    return strstr(line, "level=warning") || strstr(line, "level=info") ||
           strstr(line, "level=debug");
}

static void take_line(struct podman_service *service, struct strview line)
{
    char text[LINE_MAX_BYTES];

    if (line.len == 0)
        return;
    snprintf(text, sizeof text, "%.*s", SV_ARG(line));
    if (is_harmless(text)) {
        log_debug("podman", "its service says", "text=\"%s\"", text);
        return;
    }
    log_warn("podman", "its service says", "text=\"%s\"", text);
    memcpy(service->last_line, text, sizeof text);
}

/* False at its end. */
static bool read_output(struct podman_service *service)
{
    struct strbuf *output = &service->output;
    const char *end;
    ssize_t n = read(service->output_fd, strbuf_reserve(output, 4096), 4096);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    output->len += (size_t)n;
    while (output->len > 0 && (end = memchr(output->data, '\n', output->len))) {
        size_t len = (size_t)(end - output->data);

        take_line(service, sv_make(output->data, len));
        strbuf_consume(output, len + 1);
    }
    if (n == 0 || output->len >= LINE_MAX_BYTES) {
        take_line(service, strbuf_view(output));
        strbuf_clear(output);
    }
    return n > 0;
}

static void on_output(evutil_socket_t fd, short what, void *arg)
{
    struct podman_service *service = arg;

    (void)fd;
    (void)what;
    if (!read_output(service))
        event_del(service->output_event);
}

static void forget_child(struct podman_service *service)
{
    if (service->exit_event)
        event_free(service->exit_event);
    if (service->output_event)
        event_free(service->output_event);
    service->exit_event = NULL;
    service->output_event = NULL;
    auto_close(&service->pidfd);
    auto_close(&service->output_fd);
    strbuf_clear(&service->output);
    service->pid = 0;
}

/* What Podman itself does not say: how to help it. */
static const char *cure_of(const char *line)
{
    if (strstr(line, "newuidmap") || strstr(line, "newgidmap"))
        return "; rootless Podman needs these programs (Debian: apt install "
               "uidmap slirp4netns), or run berth as root";
    if (strstr(line, "/etc/subuid") || strstr(line, "/etc/subgid"))
        return "; rootless Podman needs ids there (usermod --add-subuids "
               "100000-165535 --add-subgids 100000-165535 USER), or run berth "
               "as root";
    return "";
}

static void describe_exit(const struct podman_service *service,
                          const siginfo_t *info, struct err *ret_err)
{
    if (info->si_code == CLD_EXITED && info->si_status == 127)
        err_set(ret_err, ERR_NOT_FOUND,
                "there is no Podman: nobody listens on its socket, and the "
                "command `podman` cannot be run; install Podman 4.3 or later "
                "(Debian: apt install podman)");
    else
        err_set(ret_err, ERR_UNAVAILABLE, "`podman system service` %s %d%s%s%s",
                info->si_code == CLD_EXITED ? "ended with exit code"
                                            : "was killed by signal",
                info->si_status, service->last_line[0] ? "; it said: " : "",
                service->last_line, cure_of(service->last_line));
}

static void on_exit_event(evutil_socket_t fd, short what, void *arg)
{
    struct podman_service *service = arg;
    siginfo_t info = {0};
    struct err err;

    (void)fd;
    (void)what;
    if (waitid(P_PID, (id_t)service->pid, &info, WEXITED | WNOHANG) != 0 ||
        info.si_pid == 0)
        return;
    /* What it said last; another process may hold the pipe open still. */
    do {
        errno = 0;
    } while (read_output(service) && errno == 0);
    describe_exit(service, &info, &err);
    forget_child(service);
    if (service->is_finding)
        finish(service, &err);
    else
        log_warn("podman", "its service ended", "reason=\"%s\"", err.text);
}

/* Between fork and exec: only what is safe there. The service, and so conmon,
 * runs in the state directory: conmon drops a file `oom` where it was started
 * when a container runs out of memory. */
static NORETURN void become_service(char *const *argv, const char *directory,
                                    int output_fd, pid_t parent)
{
    struct sigaction defaults = {.sa_handler = SIG_DFL};
    sigset_t none;
    int null_fd = open("/dev/null", O_RDONLY);

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || chdir(directory) != 0)
        _exit(1);
    sigaction(SIGPIPE, &defaults, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(null_fd, STDIN_FILENO);
    dup2(output_fd, STDOUT_FILENO);
    dup2(output_fd, STDERR_FILENO);
    syscall(SYS_close_range, 3U, ~0U, 0U);
    execvp(argv[0], argv);
    _exit(127);
}

static bool spawn(struct podman_service *service, char *const *argv,
                  struct err *err)
{
    int pipe_fds[2];
    pid_t parent = getpid();
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return err_set_errno(err, errno, "make a pipe for Podman's service");
    pid = fork();
    if (pid == 0) {
        /* The child's end may block: it is the child's business. */
        fcntl(pipe_fds[1], F_SETFL, 0);
        become_service(argv, service->state_dir, pipe_fds[1], parent);
    }
    close(pipe_fds[1]);
    if (pid < 0) {
        close(pipe_fds[0]);
        return err_set_errno(err, errno, "start Podman's service");
    }
    service->pid = pid;
    service->output_fd = pipe_fds[0];
    service->pidfd = (int)syscall(SYS_pidfd_open, pid, 0U);
    if (service->pidfd < 0)
        abort(); /* our own child, not yet waited for */
    service->last_line[0] = '\0';
    service->output_event =
        event_new(loop_base(service->loop), service->output_fd,
                  EV_READ | EV_PERSIST, on_output, service);
    service->exit_event = event_new(loop_base(service->loop), service->pidfd,
                                    EV_READ, on_exit_event, service);
    if (!service->output_event || !service->exit_event ||
        event_add(service->output_event, NULL) != 0 ||
        event_add(service->exit_event, NULL) != 0)
        abort();
    return true;
}

/* A name of this namespace: whoever holds its lock (keeper) owns the path, so
 * what is there was left by a keeper that was killed, and is ending. */
static bool start_child(struct podman_service *service, struct err *err)
{
    AUTO(auto_free)
    char *path = xasprintf("%s/podman-%s.sock", service->state_dir,
                           service->settings->namespace_name);
    AUTO(auto_free) char *url = xasprintf("unix://%s", path);
    char *argv[8];
    int n = 0;

    if (!set_path(service, path, err))
        return false;
    unlink(path);
    argv[n++] = "podman";
    if (service->settings->runtime) {
        argv[n++] = "--runtime";
        argv[n++] = service->settings->runtime;
    }
    argv[n++] = "system";
    argv[n++] = "service";
    argv[n++] = "--time=0";
    argv[n++] = url;
    argv[n] = NULL;
    if (!spawn(service, argv, err))
        return false;
    log_notice("podman", "started its service", "pid=%d socket=%s",
               (int)service->pid, path);
    return true;
}

/* SIGTERM, and SIGKILL if that is not enough. */
static void end_child(struct podman_service *service)
{
    struct pollfd poll_fd = {.fd = service->pidfd, .events = POLLIN};
    siginfo_t info;
    int n;

    if (service->pid == 0)
        return;
    kill(service->pid, SIGTERM);
    do {
        n = poll(&poll_fd, 1, END_TIMEOUT_MS);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        kill(service->pid, SIGKILL);
    while (waitid(P_PID, (id_t)service->pid, &info, WEXITED) != 0 &&
           errno == EINTR)
        ;
    forget_child(service);
    unlink(service->socket_path);
}

/* ---------------------------------------------------------------- the find */

static bool explain_nobody(const struct podman_service *service, int failure,
                           struct err *err)
{
    const char *path = service->socket_path;

    if (failure == EACCES || failure == EPERM)
        return err_set(err, ERR_DENIED,
                       "no permission to open Podman's socket %s: start berth "
                       "as root, or as a user with a rootless Podman of its "
                       "own",
                       path);
    return err_set(err, ERR_UNAVAILABLE,
                   "nobody listens on Podman's socket %s (%s): start it "
                   "(`systemctl enable --now podman.socket`, or `podman "
                   "system service --time=0 unix://%s`), or set `podman { "
                   "service auto; }`, so that berth does",
                   path, strerror(failure), path);
}

/* True: wait for the child. False: *err says why there is nothing. */
static bool begin_find(struct podman_service *service, bool *ret_is_found,
                       struct err *err)
{
    const struct podman_settings *settings = service->settings;
    int failure;

    *ret_is_found = false;
    if (service->pid != 0) {
        /* Ours runs still: what was broken was something else. */
        service->deadline_us = clock_now_us() + LISTEN_TIMEOUT_US;
        return true;
    }
    if (!set_standard_path(service, err))
        return false;
    /* The API cannot choose a runtime: only a service of ours has it. */
    if (settings->runtime && !settings->socket && settings->service_auto) {
        service->deadline_us = clock_now_us() + LISTEN_TIMEOUT_US;
        return start_child(service, err);
    }
    failure = try_connect(service->socket_path);
    if (failure == 0 && settings->runtime)
        return err_set(err, ERR_INVALID,
                       "`podman { runtime %s; }` cannot be had from the "
                       "service that listens on %s: set `runtime` under "
                       "[engine] in containers.conf instead, or leave out "
                       "`socket`, so that berth starts a service itself",
                       settings->runtime, service->socket_path);
    *ret_is_found = failure == 0;
    if (*ret_is_found)
        return true;
    if (!settings->service_auto)
        return explain_nobody(service, failure, err);
    service->deadline_us = clock_now_us() + LISTEN_TIMEOUT_US;
    return start_child(service, err);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct podman_service *service = arg;
    bool is_found = false;
    struct err err;

    (void)fd;
    (void)what;
    if (service->deadline_us == 0) {
        if (!begin_find(service, &is_found, &err))
            finish(service, &err);
        else if (is_found)
            finish(service, NULL);
        else
            step_after(service, 0);
        return;
    }
    if (try_connect(service->socket_path) == 0) {
        finish(service, NULL);
    } else if (clock_now_us() > service->deadline_us) {
        err_set(&err, ERR_TIMEOUT,
                "`podman system service` does not listen on %s after 30 s%s%s",
                service->socket_path,
                service->last_line[0] ? "; it said: " : "", service->last_line);
        end_child(service);
        finish(service, &err);
    } else {
        step_after(service, LISTEN_POLL_US);
    }
}

struct podman_service *
podman_service_new(struct loop *loop, const struct podman_settings *settings,
                   const char *state_dir, podman_service_fn on_found, void *arg)
{
    struct podman_service *service = xcalloc(1, sizeof *service);

    service->loop = loop;
    service->settings = settings;
    service->state_dir = state_dir;
    service->on_found = on_found;
    service->arg = arg;
    service->pidfd = -1;
    service->output_fd = -1;
    service->timer = evtimer_new(loop_base(loop), on_timer, service);
    if (!service->timer)
        abort();
    return service;
}

void podman_service_find(struct podman_service *service)
{
    loop_assert_owner(service->loop);
    assert(!service->is_finding);
    service->is_finding = true;
    service->deadline_us = 0;
    step_after(service, 0);
}

void podman_service_free(struct podman_service **service_ptr)
{
    struct podman_service *service = *service_ptr;

    if (!service)
        return;
    loop_assert_owner(service->loop);
    end_child(service);
    event_free(service->timer);
    strbuf_done(&service->output);
    free(service);
    *service_ptr = NULL;
}

void podman_service_kill(struct podman_service *service)
{
    if (service->pid != 0)
        kill(service->pid, SIGKILL);
}

int podman_service_pid(const struct podman_service *service)
{
    return (int)service->pid;
}
