#include "lifecycle/netns.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <net/if.h>
#include <unistd.h>

/* As long as a container's id, and in the command line of `conmon` below. */
#define ID   "feedfacefeedfacefeedfacefeedface"
#define PORT 4711

/* A process in a network namespace of its own that listens there, as
 * container ID to the eye of netns_process_open(): its parent is a shell that
 * has ID among its arguments. */
struct container {
    pid_t conmon;
    pid_t pid;
};

static void up_and_listen(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(PORT)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (ioctl(fd, SIOCSIFFLAGS, &request) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 16) != 0)
        _exit(1);
}

static struct container start(void)
{
    struct container container;
    int fds[2];
    int app;

    cr_assert_eq(pipe(fds), 0);
    container.conmon = fork();
    if (container.conmon == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        app = fork();
        if (app == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (unshare(CLONE_NEWNET) != 0)
                _exit(1);
            up_and_listen();
            app = getpid();
            if (write(fds[1], &app, sizeof app) != sizeof app)
                _exit(1);
            pause();
            _exit(0);
        }
        execl("/bin/sh", "sh", "-c", "kill -STOP $$", ID, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    cr_assert_eq(read(fds[0], &app, sizeof app), sizeof app,
                 "no namespace for the test");
    close(fds[0]);
    container.pid = app;
    for (int i = 0; i < 200; i++) { /* until sh is there */
        char path[64];
        char text[256] = "";
        FILE *file;

        snprintf(path, sizeof path, "/proc/%d/cmdline", container.conmon);
        file = fopen(path, "r");
        if (file && fread(text, 1, 2, file) == 2 && strcmp(text, "sh") == 0)
            i = 200;
        if (file)
            fclose(file);
        usleep(5000);
    }
    return container;
}

static void end(struct container *container)
{
    kill(container->pid, SIGKILL);
    kill(container->conmon, SIGKILL);
    waitpid(container->conmon, NULL, 0);
}

static void init(void)
{
    if (!netns_is_permitted())
        cr_skip_test("this process may not enter network namespaces");
}

TestSuite(netns, .init = init, .timeout = 60);

static ino_t own_namespace(void)
{
    struct stat status;

    cr_assert_eq(stat("/proc/thread-self/ns/net", &status), 0);
    return status.st_ino;
}

static bool reaches(int fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(PORT)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ||
           errno == EINPROGRESS;
}

static void check_sockets(int home)
{
    struct container container = start();
    struct netns_process process;
    ino_t before = own_namespace();
    int fds[8];
    int outside;
    struct err err;

    cr_assert(netns_process_open(container.pid, ID, &process, &err), "%s",
              err.text);
    cr_assert(netns_sockets(&process, home, AF_INET, 8, fds, &err), "%s",
              err.text);
    cr_assert_eq(own_namespace(), before);
    for (int i = 0; i < 8; i++) {
        cr_assert(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
        cr_assert(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        cr_assert(reaches(fds[i]), "%s", strerror(errno));
        close(fds[i]);
    }
    outside = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_not(reaches(outside), "it listens in the host's namespace");
    close(outside);
    cr_assert(netns_sockets(&process, home, AF_INET6, 1, fds, &err), "%s",
              err.text);
    close(fds[0]);
    end(&container);
    netns_process_close(&process);
}

Test(netns, sockets_are_made_inside_and_the_thread_is_back)
{
    int home = netns_home_open();

    cr_assert_geq(home, 0);
    check_sockets(home);
    close(home);
}

Test(netns, sockets_are_made_by_a_thread_where_there_is_no_way_home)
{
    check_sockets(-1);
}

/* podman unshare: root of a user namespace may enter the namespaces of its
 * containers, but not come back to the host's. */
/* 0, or the number of the step that failed; 77: no user namespaces here. */
static int try_in_user_namespace(void)
{
    struct container container;
    struct netns_process process;
    struct err err;
    int fd;

    if (unshare(CLONE_NEWUSER) != 0)
        return 77;
    if (netns_home_open() != -1)
        return 1;
    if (!netns_is_permitted())
        return 2;
    container = start();
    if (!netns_process_open(container.pid, ID, &process, &err))
        return 3;
    if (!netns_sockets(&process, -1, AF_INET, 1, &fd, &err))
        return 4;
    if (!reaches(fd))
        return 5;
    end(&container);
    return 0;
}

Test(netns, in_a_user_namespace_a_thread_goes_since_it_need_not_return)
{
    pid_t child = fork(); /* only a process of one thread may make one */
    int status;

    if (child == 0)
        _exit(try_in_user_namespace());
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        cr_skip_test("no user namespaces here");
    cr_assert_eq(WEXITSTATUS(status), 0, "step %d failed", WEXITSTATUS(status));
}

Test(netns, all_or_none_when_descriptors_run_out)
{
    struct container container = start();
    struct netns_process process;
    int home = netns_home_open();
    struct rlimit limit;
    int fds[64] = {0};
    struct err err;
    int next;

    cr_assert(netns_process_open(container.pid, ID, &process, &err));
    next = dup(0);
    close(next);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)next + 20;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int round = 0; round < 2; round++) { /* from home, by a thread */
        cr_assert_not(netns_sockets(&process, round == 0 ? home : -1, AF_INET,
                                    64, fds, &err));
        cr_assert_eq(err.code, ERR_LIMIT, "%s", err.text);
        cr_assert_eq(fds[0], 0);
        cr_assert_eq(dup(0), next, "a socket is left open");
        close(next);
    }
    close(home);
    end(&container);
    netns_process_close(&process);
}

Test(netns, a_process_that_ended_is_seen_and_gets_no_sockets)
{
    struct container container = start();
    struct netns_process process;
    int home = netns_home_open();
    int fd;
    struct err err;

    cr_assert(netns_process_open(container.pid, ID, &process, &err));
    cr_assert_not(netns_process_has_ended(&process));
    kill(container.pid, SIGKILL);
    for (int i = 0; i < 500 && !netns_process_has_ended(&process); i++)
        usleep(10000);
    cr_assert(netns_process_has_ended(&process));
    cr_assert_not(netns_sockets(&process, home, AF_INET, 1, &fd, &err));
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    netns_process_close(&process);
    end(&container);
    close(home);
}

Test(netns, only_the_containers_own_process_is_held)
{
    struct container container = start();
    struct netns_process process = {-7, -7, 0};
    struct err err;
    pid_t gone = fork();

    if (gone == 0)
        _exit(0);
    waitpid(gone, NULL, 0);
    cr_assert_not(
        netns_process_open(container.pid, "0badc0de0badc0de", &process, &err));
    cr_assert_eq(err.code, ERR_DENIED, "%s", err.text);
    cr_assert_not(netns_process_open(getpid(), ID, &process, &err));
    cr_assert_eq(err.code, ERR_DENIED, "%s", err.text);
    cr_assert_not(netns_process_open(gone, ID, &process, &err));
    cr_assert_eq(err.code, ERR_NOT_FOUND, "%s", err.text);
    cr_assert_not(netns_process_open(0, ID, &process, &err));
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    cr_assert_not(netns_process_open(-1, ID, &process, &err));
    cr_assert_eq(process.pidfd, -7);
    end(&container);
}
