/* sanitizer_runner.c - runs Criterion's tests where Criterion's own runner
 * cannot, or does it badly.
 *
 * Criterion maps an arena at a fixed address (boxfort), which ThreadSanitizer's
 * memory layout does not allow; under AddressSanitizer it calls a test passed
 * before its leaks are looked for, and leaks itself. So with a sanitizer the
 * executable brings these few of Criterion's functions itself: each test in a
 * forked child, in order, with its suite's and its own set-up, exit code,
 * signal and time-out.
 */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_S 240U

extern struct criterion_test *__start_cr_tst[] __attribute__((weak));
extern struct criterion_test *__stop_cr_tst[] __attribute__((weak));
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak));
extern struct criterion_suite *__stop_cr_sts[] __attribute__((weak));

static struct criterion_test *current;
static bool has_failed;

static struct criterion_test_extra_data *suite_data(void)
{
    for (struct criterion_suite **s = __start_cr_sts; s < __stop_cr_sts; s++) {
        if (*s && strcmp((*s)->name, current->category) == 0)
            return (*s)->data;
    }
    return NULL;
}

void criterion_send_assert(struct criterion_assert_stats *stats)
{
    if (stats->passed)
        return;
    has_failed = true;
    fprintf(stderr, "%s:%u: %s\n", stats->file, stats->line,
            stats->message ? stats->message : "failed");
}

void criterion_abort_test(void)
{
    _exit(1);
}

void criterion_continue_test(void)
{
}

void criterion_skip_test(const char *msg, ...)
{
    va_list args;

    fprintf(stderr, "skipped: ");
    va_start(args, msg);
    vfprintf(stderr, msg, args);
    va_end(args);
    fprintf(stderr, "\n");
    _exit(0);
}

void criterion_test_die(const char *msg, ...)
{
    va_list args;

    va_start(args, msg);
    vfprintf(stderr, msg, args);
    va_end(args);
    _exit(1);
}

void criterion_internal_test_setup(void)
{
    struct criterion_test_extra_data *suite = suite_data();

    if (suite && suite->init)
        suite->init();
    if (current->data->init)
        current->data->init();
}

void criterion_internal_test_main(void (*fn)(void))
{
    fn();
}

void criterion_internal_test_teardown(void)
{
    struct criterion_test_extra_data *suite = suite_data();

    if (current->data->fini)
        current->data->fini();
    if (suite && suite->fini)
        suite->fini();
}

static bool run_one(void)
{
    struct criterion_test_extra_data *data = current->data;
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        alarm(data->timeout > 0 ? (unsigned)data->timeout + 1
                                : DEFAULT_TIMEOUT_S);
        current->test();
        fflush(NULL);
        /* exit(), so that what the sanitizer found decides the status. */
        exit(has_failed ? 1 : 0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    if (WIFSIGNALED(status))
        return data->signal != 0 && WTERMSIG(status) == data->signal;
    return data->signal == 0 && WEXITSTATUS(status) == data->exit_code;
}

int main(void)
{
    unsigned passed = 0;
    unsigned failed = 0;

    for (struct criterion_test **t = __start_cr_tst; t < __stop_cr_tst; t++) {
        if (!*t || (*t)->data->disabled)
            continue;
        current = *t;
        fflush(NULL);
        if (run_one()) {
            passed++;
        } else {
            failed++;
            fprintf(stderr, "FAILED %s::%s\n", current->category,
                    current->name);
        }
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0 || passed == 0;
}
