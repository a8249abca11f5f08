/* podman_fixture.c - a private Podman for one test. */
#include "tests/support/podman_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "router/base/alloc.h"

#define ENV_SCRIPT "conf/demo/podman_env.sh"

static bool shell(const char *format, const char *dir)
{
    AUTO(auto_free) char *command = NULL;
    int status;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (asprintf(&command, format, dir) < 0)
        abort();
#pragma GCC diagnostic pop
    status = system(command);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Waits until the test process has closed its end, or has died. */
static void start_helper(struct podman_fixture *fixture)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) != 0)
        abort();
    fixture->helper = fork();
    if (fixture->helper == 0) {
        setsid(); /* Ctrl-C must not keep it from its work */
        dup2(fds[0], STDIN_FILENO);
        close(fds[1]);
        execlp("bash", "bash", "-c",
               "trap '' TERM; cat >/dev/null; "
               "exec " ENV_SCRIPT " destroy \"$0\" >/dev/null 2>&1",
               fixture->dir, NULL);
        _exit(127);
    }
    close(fds[0]);
    fixture->keep_alive = fds[1];
}

/* A `podman` first in PATH that has the fixture's storage. By arguments:
 * conmon's cleanup command is not given the environment variables for it. */
static void put_podman_first(const struct podman_fixture *fixture)
{
    AUTO(auto_free) char *dir = xasprintf("%s/bin", fixture->dir);
    AUTO(auto_free) char *file = xasprintf("%s/podman", dir);
    AUTO(auto_free) char *path = xasprintf("%s:%s", dir, getenv("PATH"));
    AUTO(auto_free)
    char *conf = xasprintf("%s/containers.conf", fixture->dir);
    FILE *script;

    mkdir(dir, 0700);
    script = fopen(file, "w");
    if (!script)
        abort();
    fprintf(script,
            "#!/bin/sh\nPATH=${PATH#*:}\n"
            "exec podman --root %s/storage --runroot %s/run/containers "
            "\"$@\"\n",
            fixture->dir, fixture->dir);
    fclose(script);
    chmod(file, 0700);
    setenv("PATH", path, 1);
    setenv("CONTAINERS_CONF", conf, 1);
}

/* Bridges, packet filter and ports belong to the network: in one of our own
 * they meet nobody else's, and none outlives the test. */
static bool enter_own_network(void)
{
    return unshare(CLONE_NEWNET) == 0 && system("ip link set lo up") == 0;
}

bool podman_fixture_start(struct podman_fixture *fixture, bool serve,
                          const char **ret_why)
{
    *fixture = (struct podman_fixture){.keep_alive = -1};
    *ret_why = NULL;
    if (system("command -v podman >/dev/null") != 0)
        *ret_why = "podman is not installed";
    else if (geteuid() != 0)
        *ret_why = "not root";
    else if (!enter_own_network())
        *ret_why = "no network of its own to be had";
    if (*ret_why)
        return false;
    snprintf(fixture->dir, sizeof fixture->dir, "/tmp/berth-live-XXXXXX");
    if (!mkdtemp(fixture->dir))
        abort();
    snprintf(fixture->socket, sizeof fixture->socket, "%s/run/podman.sock",
             fixture->dir);
    snprintf(fixture->state, sizeof fixture->state, "%s/state", fixture->dir);
    mkdir(fixture->state, 0700);
    start_helper(fixture);
    if (!shell("tests/apps/images.sh %s", fixture->dir) ||
        (serve && !shell(ENV_SCRIPT " serve %s >/dev/null", fixture->dir)))
        abort();
    put_podman_first(fixture);
    return true;
}

void podman_fixture_end(struct podman_fixture *fixture)
{
    if (fixture->keep_alive < 0)
        return;
    close(fixture->keep_alive);
    fixture->keep_alive = -1;
    waitpid(fixture->helper, NULL, 0);
}

bool podman_fixture_run(const struct podman_fixture *fixture,
                        const char *arguments, char ret[4096])
{
    AUTO(auto_free)
    char *command =
        xasprintf(ENV_SCRIPT " podman %s %s 2>&1", fixture->dir, arguments);
    FILE *pipe = popen(command, "r");
    size_t n;

    if (!pipe)
        abort();
    n = fread(ret, 1, 4095, pipe);
    ret[n] = '\0';
    return pclose(pipe) == 0;
}
