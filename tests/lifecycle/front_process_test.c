/* front_process_test.c - what the front's process has, and what it has not.
 *
 * /bin/sh stands in for the front: what it prints about itself comes back
 * through the channel's descriptor.
 */
#include "lifecycle/front_process.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "router/base/loop.h"
#include "router/base/strbuf.h"

static char exit_text[96];
static struct loop *loop;

static void on_exit_of_process(void *arg, const char *how)
{
    (void)arg;
    snprintf(exit_text, sizeof exit_text, "%s", how);
    loop_stop(loop);
}

static struct front_process *start_shell(const char *script, int *ret_fd)
{
    static char shell[] = "sh";
    static char dash_c[] = "-c";
    static char command[1024];
    static char *argv[] = {shell, dash_c, command, NULL};
    struct front_process_options options = {
        .exe = "/bin/sh", .argv = argv, .on_exit = on_exit_of_process};
    struct err err = {0};
    struct front_process *process;

    snprintf(command, sizeof command, "%s", script);
    cr_assert(front_identity_find("nobody", &options.identity, &err), "%s",
              err.text);
    loop = loop_new("test");
    options.loop = loop;
    process = front_process_start(&options, ret_fd, &err);
    cr_assert_not_null(process, "%s", err.text);
    return process;
}

/* All that the process writes into the channel until it ends. */
static void read_all(int fd, struct strbuf *ret_text)
{
    ssize_t n;

    do {
        char *at = strbuf_reserve(ret_text, 4096);

        n = read(fd, at, 4096);
        if (n > 0)
            ret_text->len += (size_t)n;
    } while (n > 0);
    strbuf_add_char(ret_text, '\0');
}

static void run_shell(const char *script, struct strbuf *ret_text)
{
    int fd;
    struct front_process *process = start_shell(script, &fd);

    read_all(fd, ret_text);
    loop_run(loop);
    close(fd);
    front_process_free(&process);
    loop_free(&loop);
}

static const char *line_of(const struct strbuf *text, const char *name,
                           char *ret_line, size_t size)
{
    const char *at = strstr(text->data, name);

    cr_assert_not_null(at, "%s is missing in:\n%s", name, text->data);
    at += strlen(name);
    at += strspn(at, ":\t ");
    snprintf(ret_line, size, "%.*s", (int)strcspn(at, "\n"), at);
    return ret_line;
}

Test(front_process, has_no_right_left)
{
    static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd",
                                       "CapAmb"};
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    char line[128];

    if (geteuid() != 0)
        cr_skip_test("only root has rights to lose");
    run_shell("cat /proc/self/status >&3", &text);
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        cr_expect_str_eq(line_of(&text, sets[i], line, sizeof line),
                         "0000000000000000", "%s is %s", sets[i], line);
    cr_expect_str_eq(line_of(&text, "NoNewPrivs", line, sizeof line), "1");
    cr_expect_str_eq(line_of(&text, "\nUid", line, sizeof line),
                     "65534\t65534\t65534\t65534");
    cr_expect_str_eq(line_of(&text, "\nGid", line, sizeof line),
                     "65534\t65534\t65534\t65534");
    line_of(&text, "Groups", line, sizeof line);
    cr_expect_eq(strspn(line, " "), strlen(line), "groups: %s", line);
    cr_expect_str_eq(exit_text, "exited with code 0");
}

Test(front_process, signals_are_as_at_the_start_of_a_program)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    char line[128];
    sigset_t all;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    run_shell("cat /proc/self/status >&3", &text);
    cr_expect_str_eq(line_of(&text, "SigBlk", line, sizeof line),
                     "0000000000000000");
    cr_expect_str_eq(line_of(&text, "SigIgn", line, sizeof line),
                     "0000000000000000");
}

Test(front_process, has_these_descriptors_and_no_other)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    int leaked = open("/", O_RDONLY); /* not close-on-exec, on purpose */

    cr_assert_geq(leaked, 0);
    /* What `ls` opens itself is the directory that it reads. */
    run_shell("for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do "
              "test -e /proc/$$/fd/$i && "
              "echo $i $(readlink /proc/$$/fd/$i) >&3; done",
              &text);
    cr_expect_not_null(strstr(text.data, "0 /dev/null\n"), "%s", text.data);
    cr_expect_not_null(strstr(text.data, "1 /dev/null\n"), "%s", text.data);
    cr_expect_not_null(strstr(text.data, "\n3 socket:"), "%s", text.data);
    cr_expect_null(strstr(text.data, " /\n"), "leaked: %s", text.data);
    close(leaked);
}

Test(front_process, sees_no_variable_that_could_be_secret)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    setenv("REGISTRY_PASSWORD", "hunter2", 1);
    setenv("TZ", "UTC", 1);
    run_shell("env >&3", &text);
    cr_expect_null(strstr(text.data, "hunter2"), "%s", text.data);
    cr_expect_not_null(strstr(text.data, "TZ=UTC\n"), "%s", text.data);
}

Test(front_process, is_in_a_session_of_its_own)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    int pid = 0;
    int session = 0;

    run_shell("read pid comm state ppid pgrp session rest </proc/$$/stat; "
              "echo $pid $session >&3",
              &text);
    cr_assert_eq(sscanf(text.data, "%d %d", &pid, &session), 2);
    cr_expect_eq(pid, session);
}

Test(front_process, its_end_is_seen_and_told)
{
    static const struct {
        const char *script;
        const char *how;
    } cases[] = {
        {"exit 0", "exited with code 0"},
        {"exit 7", "exited with code 7"},
        {"kill -SEGV $$", "killed by signal 11 (Segmentation fault)"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

        run_shell(cases[i].script, &text);
        cr_expect_str_eq(exit_text, cases[i].how);
    }
}

Test(front_process, one_that_is_killed_is_waited_for)
{
    int fd;
    struct front_process *process = start_shell("read x <&3", &fd);
    pid_t pid = front_process_pid(process);

    front_process_kill(process);
    loop_run(loop);
    cr_expect_str_eq(exit_text, "killed by signal 9 (Killed)");
    cr_expect_eq(kill(pid, 0), -1, "no zombie is left");
    close(fd);
    front_process_free(&process);
    loop_free(&loop);
}

Test(front_process, one_that_is_forgotten_is_killed)
{
    int fd;
    struct front_process *process = start_shell("read x <&3", &fd);
    pid_t pid = front_process_pid(process);

    front_process_free(&process);
    cr_expect_null(process);
    cr_expect_eq(kill(pid, 0), -1);
    close(fd);
    loop_free(&loop);
}

Test(front_process, a_program_that_is_not_there_is_an_error)
{
    static char name[] = "x";
    static char *argv[] = {name, NULL};
    struct front_process_options options = {.exe = "/nonexistent",
                                            .argv = argv};
    struct err err = {0};
    int fd = -1;

    options.loop = loop_new("test");
    cr_assert_null(front_process_start(&options, &fd, &err));
    cr_expect_eq(err.code, ERR_NOT_FOUND);
    cr_expect_not_null(strstr(err.text, "execve"), "%s", err.text);
    cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1, "no child is left");
    loop_free(&options.loop);
}

Test(front_process, root_is_no_user_for_the_front)
{
    struct front_identity identity = {.uid = 1};
    struct err err = {0};

    if (geteuid() != 0)
        cr_skip_test("only root may choose");
    cr_expect_not(front_identity_find("root", &identity, &err));
    cr_expect_eq(err.code, ERR_INVALID);
    cr_expect_not(front_identity_find("no-such-user", &identity, &err));
    cr_expect_eq(err.code, ERR_NOT_FOUND);
    cr_expect_not_null(strstr(err.text, "useradd"), "%s", err.text);
    cr_expect(front_identity_find(NULL, &identity, &err));
    cr_expect(identity.changes_user);
    cr_expect_neq(identity.uid, 0U);
}
