#include "router/base/process_metrics.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The value of a family; -1 when it is not there. */
static double value_of(const char *family)
{
    AUTO(strbuf_done) struct strbuf buf = STRBUF_INIT;
    char line[128];
    const char *at;

    process_metrics_expose(&buf, "front");
    snprintf(line, sizeof(line), "\n%s{process=\"front\"} ", family);
    at = strstr(buf.data, line);
    return at ? strtod(at + strlen(line), NULL) : -1;
}

Test(process_metrics, the_start_was_a_moment_ago)
{
    double now = (double)time(NULL);
    double start = value_of("process_start_time_seconds");

    cr_assert(start > now - 60 && start < now + 2, "%f", start);
}

Test(process_metrics, memory_and_threads_are_those_of_this_process)
{
    double resident = value_of("process_resident_memory_bytes");

    cr_assert(resident > 100e3 && resident < 1e9, "%f", resident);
    cr_assert(value_of("process_virtual_memory_bytes") >= resident);
    cr_assert(value_of("process_threads") >= 1);
}

Test(process_metrics, an_open_file_counts)
{
    double before = value_of("process_open_fds");
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    cr_assert(fd >= 0);
    cr_assert_eq(value_of("process_open_fds"), before + 1);
    cr_assert(value_of("process_max_fds") > before);
    close(fd);
}

Test(process_metrics, work_costs_cpu_time)
{
    double before = value_of("process_cpu_seconds_total");
    clock_t until = clock() + CLOCKS_PER_SEC / 50;

    while (clock() < until)
        ;
    cr_assert(value_of("process_cpu_seconds_total") >= before + 0.02);
}
