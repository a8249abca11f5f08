/* What is written, line by line, through a pipe. */
#include "router/base/log.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

static int pipes[2];

static void set_up(void)
{
    cr_assert_eq(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
}

TestSuite(log, .init = set_up);

/* What was written since, the time stamp of a text line cut off. */
static const char *written(void)
{
    static char text[8192];
    ssize_t n = read(pipes[0], text, sizeof text - 1);

    text[n > 0 ? n : 0] = '\0';
    return text[0] >= '0' && text[0] <= '9' ? strchr(text, ' ') + 1 : text;
}

Test(log, a_line_has_level_process_component_message_and_fields)
{
    log_setup(pipes[1], LOG_INFO, false, "front");
    log_info("fleet", "replica ready", "app=%s took_ms=%u", "web", 12);
    cr_assert_str_eq(written(),
                     "info front/fleet: replica ready app=web took_ms=12\n");
    log_error("fleet", "no fields", "%s", "");
    cr_assert_str_eq(written(), "error front/fleet: no fields\n");
}

Test(log, the_level_decides)
{
    uint64_t evaluated = 0;

    log_setup(pipes[1], LOG_WARN, false, "front");
    log_notice("x", "not shown", "n=%lu", ++evaluated);
    cr_assert_str_eq(written(), "");
    cr_assert_eq(evaluated, 0, "what is not shown costs nothing");
    log_warn("x", "shown", "n=%lu", ++evaluated);
    cr_assert_str_eq(written(), "warn front/x: shown n=1\n");
    cr_assert(log_is_on(LOG_ERROR));
    cr_assert_not(log_is_on(LOG_DEBUG));
}

Test(log, control_characters_cannot_forge_a_line)
{
    log_setup(pipes[1], LOG_INFO, false, "front");
    log_info("x", "path", "path=\"%s\"", "/a\n2026 error \x1b[31m\x7f");
    cr_assert_str_eq(
        written(),
        "info front/x: path path=\"/a\\n2026 error \\x1b[31m\\x7f\"\n");
}

Test(log, a_json_line_is_one_object)
{
    const char *line;

    log_setup(pipes[1], LOG_INFO, true, "keeper");
    log_info("fleet", "replica \"ready\"",
             "app=web path=\"/a b\" text=\"say \\ \n\xFF\" n=%d", 3);
    line = written();
    cr_assert(strstr(line, "{\"time\":\"2"));
    cr_assert_str_eq(
        strstr(line, "\"level\""),
        "\"level\":\"info\",\"process\":\"keeper\",\"component\":\"fleet\","
        "\"message\":\"replica \\\"ready\\\"\",\"app\":\"web\","
        "\"path\":\"/a b\",\"text\":\"say \\\\ \\n\\ufffd\",\"n\":\"3\"}\n");
}

Test(log, a_value_cannot_forge_a_field)
{
    const char *line;

    log_setup(pipes[1], LOG_INFO, true, "keeper");
    log_info("x", "m", "a=\"%s\" b=2", "x\" y=\"z");
    line = written();
    cr_assert(strstr(line, ",\"a\":\"x\\\" y=\\\"z\",\"b\":\"2\"}\n"), "%s",
              line);
    log_setup(pipes[1], LOG_INFO, false, "keeper");
    log_info("x", "m", "a=\"%s\" b=2", "x\" y=\"z");
    cr_assert_str_eq(written(), "info keeper/x: m a=\"x\\\" y=\\\"z\" b=2\n");
}

Test(log, a_long_value_is_cut_and_the_line_stays_whole)
{
    char value[5000];
    const char *line;

    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    log_setup(pipes[1], LOG_INFO, true, "keeper");
    log_info("x", "m", "a=\"%s\" b=2", value);
    line = written();
    cr_assert_leq(strlen(line), PIPE_BUF);
    cr_assert_str_eq(line + strlen(line) - 4, "x\"}\n");
}

Test(log, a_line_that_nobody_takes_is_dropped_and_counted)
{
    char fill[4096] = {0};
    uint64_t before = log_dropped_count();

    while (write(pipes[1], fill, sizeof fill) > 0)
        ;
    log_setup(pipes[1], LOG_INFO, false, "front");
    errno = ENOENT;
    log_info("x", "dropped", "%s", "");
    cr_assert_eq(errno, ENOENT, "it must keep errno");
    cr_assert_eq(log_dropped_count(), before + 1);
}

Test(log, a_datagram_socket_is_told_as_syslog_is)
{
    char message[256] = "";
    char start[64];
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    log_setup(ends[1], LOG_INFO, false, "front");
    log_error("test", "one", "%s", "");
    log_debug("test", "too little", "%s", "");
    log_notice("test", "two", "n=%d", 2);
    cr_assert_gt(recv(ends[0], message, sizeof message - 1, 0), 0);
    snprintf(start, sizeof start, "<27>berth[%d]: ", getpid());
    cr_assert_eq(strncmp(message, start, strlen(start)), 0, "%s", message);
    cr_assert(strstr(message, " error front/test: one"), "%s", message);
    memset(message, 0, sizeof message);
    cr_assert_gt(recv(ends[0], message, sizeof message - 1, 0), 0);
    cr_assert_eq(strncmp(message, "<29>berth[", 10), 0, "%s", message);
    cr_assert(strstr(message, "two n=2"), "%s", message);
    log_setup(STDERR_FILENO, LOG_INFO, false, "front");
    close(ends[0]);
    close(ends[1]);
}

Test(log, levels_have_names)
{
    enum log_level level = LOG_DEBUG;

    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        cr_assert(log_level_parse(log_level_name((enum log_level)i), &level));
        cr_assert_eq(level, (enum log_level)i);
    }
    cr_assert_not(log_level_parse("loud", &level));
    cr_assert_not(log_level_parse("", &level));
}

Test(log, peers_can_trigger_one_line_a_second)
{
    struct log_rate rate = {0};
    uint64_t skipped = 99;

    cr_assert(log_rate_allows(&rate, &skipped));
    cr_assert_eq(skipped, 0);
    for (unsigned i = 0; i < 5; i++)
        cr_assert_not(log_rate_allows(&rate, &skipped));
    rate.next_us = 0; /* a second later */
    cr_assert(log_rate_allows(&rate, &skipped));
    cr_assert_eq(skipped, 5);
}
