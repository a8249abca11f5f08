/* front_process.c - the front's process: started, stripped, watched. */
#include "lifecycle/front_process.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/loop.h"

/* What may pass into the front: nothing that could hold a secret. */
static const char *const passed_variables[] = {
    "PATH",         "TZ",           "LANG",
    "LC_ALL",       "ASAN_OPTIONS", "UBSAN_OPTIONS",
    "TSAN_OPTIONS", "LSAN_OPTIONS", "GLIBC_TUNABLES",
};
/* What an operator has not set by himself. A TLS handshake takes and gives back
 * hundreds of small pieces of memory, of which glibc keeps 7 of a size at a
 * thread's hand: the rest would cost 2 to 4 % of a handshake's CPU. */
static const char malloc_tuning[] =
    "GLIBC_TUNABLES=glibc.malloc.tcache_count=127";

struct front_process {
    struct front_process_options options;
    pid_t pid;
    int pidfd;
    struct event *exit_event;
    bool ended;
};

/* --- whom it runs as --- */

/* Whether `id` exists in this process's user namespace: 0 0 4294967295 is the
 * initial one's only line (user_namespaces(7)). */
static bool is_mapped(const char *map, unsigned long id)
{
    FILE *file = fopen(map, "re");
    unsigned long inside;
    unsigned long outside;
    unsigned long count;
    bool found = false;

    if (!file)
        return true; /* a kernel without user namespaces */
    while (!found &&
           fscanf(file, "%lu %lu %lu", &inside, &outside, &count) == 3)
        found = id >= inside && id - inside < count;
    fclose(file);
    return found;
}

bool front_identity_find(const char *user, struct front_identity *ret_identity,
                         struct err *err)
{
    struct front_identity identity = {.uid = geteuid(), .gid = getegid()};
    const struct passwd *entry;

    if (geteuid() != 0) {
        *ret_identity = identity;
        return true;
    }
    entry = getpwnam(user ? user : "berth");
    if (!entry && !user)
        entry = getpwnam("nobody");
    if (!entry)
        return err_set(err, ERR_NOT_FOUND,
                       "there is no user \"%s\" for the front to run as; make "
                       "one (useradd --system %s), or name another: user NAME;",
                       user ? user : "nobody", user ? user : "berth");
    if (entry->pw_uid == 0)
        return err_set(err, ERR_INVALID,
                       "the front may not run as %s (uid 0): it is what "
                       "clients talk to; name an unprivileged user: user "
                       "NAME;",
                       entry->pw_name);
    if (is_mapped("/proc/self/uid_map", entry->pw_uid) &&
        is_mapped("/proc/self/gid_map", entry->pw_gid)) {
        identity.changes_user = true;
        identity.uid = entry->pw_uid;
        identity.gid = entry->pw_gid;
    }
    *ret_identity = identity;
    return true;
}

/* --- in the child, between fork and exec --- */

/* What the child says through the pipe when a step fails; a pipe that closes
 * without a word means that it has exec'ed. */
struct child_failure {
    char step[32];
    int errno_value;
};

static void NORETURN child_fail(int report_fd, const char *step)
{
    struct child_failure failure = {.errno_value = errno};
    ssize_t n;

    snprintf(failure.step, sizeof failure.step, "%s", step);
    n = write(report_fd, &failure, sizeof failure);
    _exit(n == sizeof failure ? 125 : 126);
}

/* exec keeps ignored signals ignored, and the mask. */
static void reset_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL); /* fails for KILL, STOP and libc's own: fine */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void place_descriptors(int channel_fd, int *report_fd)
{
    int null_fd;
    /* Out of the way of what is put at fixed numbers. */
    int moved = fcntl(*report_fd, F_DUPFD_CLOEXEC, 64);

    if (moved < 0)
        child_fail(*report_fd, "fcntl");
    *report_fd = moved;
    channel_fd = fcntl(channel_fd, F_DUPFD_CLOEXEC, 64);
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (channel_fd < 0 || null_fd < 0)
        child_fail(*report_fd, "open");
    if (dup2(channel_fd, FRONT_CHANNEL_FD) < 0 ||
        dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0)
        child_fail(*report_fd, "dup2");
    /* Ours are all close-on-exec; a library's may not be. Kernels before 5.11
     * lack the call: there, ours is all we can promise. */
    if (close_range(FRONT_CHANNEL_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0 &&
        errno != ENOSYS && errno != EINVAL)
        child_fail(*report_fd, "close_range");
}

static void drop_capabilities(int report_fd)
{
    struct __user_cap_header_struct header = {.version =
                                                  _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

    memset(none, 0, sizeof none);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 &&
        errno != EINVAL) /* a kernel without ambient capabilities */
        child_fail(report_fd, "prctl(PR_CAP_AMBIENT)");
    if (syscall(SYS_capset, &header, none) != 0)
        child_fail(report_fd, "capset");
}

/* Needs CAP_SETPCAP, so it comes first. Who lacks that one cannot gain
 * anything by an exec after no_new_privs either. */
static void drop_bounding_set(int report_fd)
{
    for (int cap = 0; cap < 64; cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
            continue;
        if (errno == EINVAL) /* beyond the kernel's last capability */
            break;
        if (errno != EPERM)
            child_fail(report_fd, "prctl(PR_CAPBSET_DROP)");
    }
}

static void drop_privileges(const struct front_identity *identity,
                            int report_fd)
{
    drop_bounding_set(report_fd);
    if (identity->changes_user) {
        if (setgroups(0, NULL) != 0)
            child_fail(report_fd, "setgroups");
        if (setresgid(identity->gid, identity->gid, identity->gid) != 0)
            child_fail(report_fd, "setgid");
        if (setresuid(identity->uid, identity->uid, identity->uid) != 0)
            child_fail(report_fd, "setuid");
    }
    drop_capabilities(report_fd);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        child_fail(report_fd, "prctl(PR_SET_NO_NEW_PRIVS)");
}

static void NORETURN run_child(const struct front_process_options *options,
                               int channel_fd, int report_fd)
{
    char *environment[ARRAY_LEN(passed_variables) + 2];
    unsigned count = 0;

    for (size_t i = 0; i < ARRAY_LEN(passed_variables); i++) {
        const char *value = getenv(passed_variables[i]);

        if (value)
            environment[count++] =
                xasprintf("%s=%s", passed_variables[i], value);
    }
    if (!getenv("GLIBC_TUNABLES"))
        environment[count++] = xstrdup(malloc_tuning);
    environment[count] = NULL;
    reset_signals();
    /* Ctrl-C in a terminal goes to its whole process group: the keeper alone
     * shall hear it, and tell the front to drain. */
    if (setsid() < 0)
        child_fail(report_fd, "setsid");
    umask(077);
    if (chdir("/") != 0)
        child_fail(report_fd, "chdir");
    place_descriptors(channel_fd, &report_fd);
    drop_privileges(&options->identity, report_fd);
    execve(options->exe ? options->exe : "/proc/self/exe", options->argv,
           environment);
    child_fail(report_fd, "execve");
}

/* --- in the keeper --- */

static void describe_exit(const siginfo_t *info, char *ret_text, size_t size)
{
    if (info->si_code == CLD_EXITED)
        snprintf(ret_text, size, "exited with code %d", info->si_status);
    else
        snprintf(ret_text, size, "killed by signal %d (%s)", info->si_status,
                 strsignal(info->si_status));
}

static void on_pidfd(evutil_socket_t fd, short what, void *arg)
{
    struct front_process *process = arg;
    siginfo_t info = {.si_pid = 0};
    char how[96];

    (void)fd;
    (void)what;
    if (waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG) != 0 ||
        info.si_pid == 0)
        return;
    process->ended = true;
    event_del(process->exit_event);
    describe_exit(&info, how, sizeof how);
    process->options.on_exit(process->options.arg, how);
}

/* Wait until the child has exec'ed, or said why it could not. */
static bool await_exec(int report_fd, struct err *err)
{
    struct child_failure failure;
    ssize_t n;

    do {
        n = read(report_fd, &failure, sizeof failure);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        return true;
    if (n != (ssize_t)sizeof failure)
        return err_set(err, ERR_IO,
                       "cannot start the front: its process "
                       "ended before it ran");
    failure.step[sizeof failure.step - 1] = '\0';
    return err_set_errno(err, failure.errno_value, "cannot start the front: %s",
                         failure.step);
}

/* Fork; returns the child's number once it runs the front, or -1. */
static pid_t spawn(const struct front_process_options *options, int channel_fd,
                   struct err *err)
{
    int report[2];
    pid_t pid;
    bool ok;

    if (pipe2(report, O_CLOEXEC) != 0) {
        err_set_errno(err, errno, "cannot start the front: pipe");
        return -1;
    }
    pid = fork();
    if (pid == 0)
        run_child(options, channel_fd, report[1]);
    close(report[1]);
    if (pid < 0) {
        err_set_errno(err, errno, "cannot start the front: fork");
        close(report[0]);
        return -1;
    }
    ok = await_exec(report[0], err);
    close(report[0]);
    if (ok)
        return pid;
    waitpid(pid, NULL, 0);
    return -1;
}

struct front_process *
front_process_start(const struct front_process_options *options,
                    int *ret_channel_fd, struct err *err)
{
    struct front_process *process;
    int pair[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        err_set_errno(err, errno, "cannot start the front: socketpair");
        return NULL;
    }
    pid = spawn(options, pair[1], err);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return NULL;
    }
    process = xcalloc(1, sizeof *process);
    process->options = *options;
    process->pid = pid;
    process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    process->exit_event =
        process->pidfd < 0 ? NULL
                           : event_new(loop_base(options->loop), process->pidfd,
                                       EV_READ | EV_PERSIST, on_pidfd, process);
    if (!process->exit_event || event_add(process->exit_event, NULL) != 0) {
        err_set_errno(err, errno, "cannot watch the front: pidfd_open");
        close(pair[0]);
        front_process_free(&process);
        return NULL;
    }
    *ret_channel_fd = pair[0];
    return process;
}

pid_t front_process_pid(const struct front_process *process)
{
    return process->pid;
}

void front_process_kill(struct front_process *process)
{
    if (!process->ended)
        kill(process->pid, SIGKILL);
}

void front_process_free(struct front_process **process_ptr)
{
    struct front_process *process = *process_ptr;

    if (!process)
        return;
    if (!process->ended) {
        kill(process->pid, SIGKILL);
        while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    if (process->exit_event)
        event_free(process->exit_event);
    if (process->pidfd >= 0)
        close(process->pidfd);
    free(process);
    *process_ptr = NULL;
}
