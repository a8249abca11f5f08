#include "proxy/log_writer.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/log_outlet.h"
#include "router/base/loop.h"
#include "router/base/metrics.h"
#include "router/base/timers.h"

static int temporary_file(void)
{
    char path[] = "/tmp/log_writer_test_XXXXXX";
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    unlink(path);
    fcntl(fd, F_SETFL, O_APPEND);
    return fd;
}

static void contents_of(int fd, char *ret, size_t size)
{
    ssize_t n = pread(fd, ret, size - 1, 0);

    cr_assert_geq(n, 0);
    ret[n] = '\0';
}

static bool post(struct log_writer *writer, unsigned file, const char *text)
{
    struct strbuf lines = STRBUF_INIT;
    bool ok;

    strbuf_add_str(&lines, text);
    ok = log_writer_post(writer, file, &lines);
    strbuf_done(&lines);
    return ok;
}

Test(log_writer, each_file_gets_its_lines_and_a_new_one_what_follows)
{
    struct metrics_registry *metrics = metrics_registry_new();
    struct log_writer *writer = log_writer_new(metrics);
    int first = temporary_file();
    int second = temporary_file();
    int third = temporary_file();
    char text[64];

    log_writer_set_file(writer, 0, dup(first));
    log_writer_set_file(writer, 1, dup(second));
    cr_assert(post(writer, 0, "a\n"));
    cr_assert(post(writer, 1, "b\n"));
    log_writer_set_file(writer, 0, dup(third));
    cr_assert(post(writer, 0, "c\nd\n"));
    log_writer_free(&writer);
    contents_of(first, text, sizeof text);
    cr_expect_str_eq(text, "a\n");
    contents_of(second, text, sizeof text);
    cr_expect_str_eq(text, "b\n");
    contents_of(third, text, sizeof text);
    cr_expect_str_eq(text, "c\nd\n");
    cr_expect_eq(metrics_sum(metrics, METRIC_LOG_LINES_DROPPED, NULL), 0);
    metrics_registry_free(&metrics);
}

Test(log_writer, lines_that_a_full_disk_takes_not_are_counted)
{
    struct metrics_registry *metrics = metrics_registry_new();
    struct log_writer *writer = log_writer_new(metrics);

    log_writer_set_file(writer, 0, open("/dev/full", O_WRONLY));
    cr_assert(post(writer, 0, "a\nb\nc\n"));
    cr_assert(post(writer, 1, "no file yet\n"));
    log_writer_free(&writer);
    cr_expect_eq(metrics_sum(metrics, METRIC_LOG_LINES_DROPPED, NULL), 4);
    metrics_registry_free(&metrics);
}

Test(log_writer, a_torn_line_ends_before_the_next_begins)
{
    struct metrics_registry *metrics = metrics_registry_new();
    struct log_writer *writer = log_writer_new(metrics);
    AUTO(strbuf_done) struct strbuf big = STRBUF_INIT;
    char *got = malloc(1 << 20);
    int ends[2];
    size_t len = 0;
    ssize_t n;

    cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
    fcntl(ends[1], F_SETPIPE_SZ, 8192);
    for (int i = 0; i < 9; i++) { /* of 1000 bytes: the ninth does not fit */
        for (int j = 0; j < 999; j++)
            strbuf_add_char(&big, (char)('a' + i));
        strbuf_add_char(&big, '\n');
    }
    log_writer_set_file(writer, 0, ends[1]);
    cr_assert(log_writer_post(writer, 0, &big));
    usleep(1300000); /* it gives up after a second */
    while ((n = read(ends[0], got + len, (1 << 20) - len)) > 0)
        len += (size_t)n;
    cr_assert(post(writer, 0, "next\n"));
    log_writer_free(&writer);
    while ((n = read(ends[0], got + len, (1 << 20) - len)) > 0)
        len += (size_t)n;
    got[len] = '\0';
    cr_expect_not_null(strstr(got, "\nnext\n"));
    cr_expect_eq(metrics_sum(metrics, METRIC_LOG_LINES_DROPPED, NULL), 1);
    close(ends[0]);
    free(got);
    metrics_registry_free(&metrics);
}

Test(log_writer, what_waits_is_bounded)
{
    struct metrics_registry *metrics = metrics_registry_new();
    struct log_writer *writer = log_writer_new(metrics);
    int ends[2];
    unsigned refused = 0;

    cr_assert_eq(pipe(ends), 0); /* nobody reads */
    log_writer_set_file(writer, 0, ends[1]);
    for (unsigned i = 0; i < 2 * (LOG_WRITER_BACKLOG_MAX >> 20); i++) {
        struct strbuf lines = STRBUF_INIT;

        memset(strbuf_reserve(&lines, 1 << 20), 'x', 1 << 20);
        lines.len = 1 << 20;
        lines.data[lines.len - 1] = '\n';
        if (!log_writer_post(writer, 0, &lines))
            refused++;
        strbuf_done(&lines);
    }
    cr_expect_geq(refused, LOG_WRITER_BACKLOG_MAX >> 20);
    close(ends[0]); /* the rest fails at once */
    log_writer_free(&writer);
    metrics_registry_free(&metrics);
}

Test(log_writer, an_outlet_hands_over_within_a_second_and_at_its_end)
{
    struct metrics_registry *metrics = metrics_registry_new();
    struct log_writer *writer = log_writer_new(metrics);
    struct loop *loop = loop_new("test");
    struct timers *timers = timers_new(loop);
    struct log_outlet *outlet = log_outlet_new(writer, timers, metrics);
    int fd = temporary_file();
    char text[64];

    log_writer_set_file(writer, 0, dup(fd));
    strbuf_add_str(log_outlet_begin(outlet, 0), "one\n");
    log_outlet_commit(outlet, 0);
    strbuf_add_str(log_outlet_begin(outlet, 0), "two\n");
    log_outlet_commit(outlet, 0);
    log_outlet_free(&outlet);
    log_writer_free(&writer);
    contents_of(fd, text, sizeof text);
    cr_expect_str_eq(text, "one\ntwo\n");
    timers_free(&timers);
    loop_free(&loop);
    metrics_registry_free(&metrics);
}

Test(log_writer, a_file_has_one_number_for_all_who_open_it_by_its_name)
{
    struct metrics_registry *metrics = metrics_registry_new();
    struct log_writer *writer = log_writer_new(metrics);
    unsigned a = log_writer_open(writer, "/a");
    unsigned b = log_writer_open(writer, "/b");
    int first = temporary_file();
    int second = temporary_file();
    char text[64];

    cr_assert_neq(a, b);
    cr_assert_eq(log_writer_open(writer, "/a"), a);
    log_writer_set_file(writer, a, dup(first));
    log_writer_close(writer, a); /* one has it still */
    cr_assert(post(writer, a, "old\n"));
    log_writer_close(writer, a);
    /* Its number is free; what was posted before is not the next one's. */
    cr_assert_eq(log_writer_open(writer, "/c"), a);
    log_writer_set_file(writer, a, dup(second));
    cr_assert(post(writer, a, "new\n"));
    log_writer_close(writer, a);
    log_writer_close(writer, b);
    log_writer_free(&writer);
    contents_of(first, text, sizeof text);
    cr_expect_str_eq(text, "old\n");
    contents_of(second, text, sizeof text);
    cr_expect_str_eq(text, "new\n");
    cr_expect_eq(metrics_sum(metrics, METRIC_LOG_LINES_DROPPED, NULL), 0);
    metrics_registry_free(&metrics);
    close(first);
    close(second);
}
