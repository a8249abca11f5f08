/* process_metrics.c - the usual process_* families of the calling process. */
#include "router/base/process_metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "router/base/attr.h"

static void add_family(struct strbuf *buf, const char *name, const char *type,
                       const char *help)
{
    strbuf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_gauge(struct strbuf *buf, const char *process, const char *name,
                      const char *help, double value)
{
    add_family(buf, name, "gauge", help);
    strbuf_printf(buf, "%s{process=\"%s\"} %.15g\n", name, process, value);
}

static void add_cpu(struct strbuf *buf, const char *process)
{
    static const char name[] = "process_cpu_seconds_total";
    struct timespec used;

    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0)
        return;
    add_family(buf, name, "counter", "User and system CPU time spent");
    strbuf_printf(buf, "%s{process=\"%s\"} %.6f\n", name, process,
                  (double)used.tv_sec + (double)used.tv_nsec / 1e9);
}

/* Seconds since 1970 at which the machine was started, with its fraction:
 * /proc/stat's btime is whole seconds only. */
static double boot_time(void)
{
    struct timespec wall;
    struct timespec since_boot;

    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    return (double)(wall.tv_sec - since_boot.tv_sec) +
           (double)(wall.tv_nsec - since_boot.tv_nsec) / 1e9;
}

/* Fields 20 (threads), 22 (start), 23 (virtual bytes) and 24 (resident pages)
 * of /proc/self/stat; the name in field 2 may hold spaces and parentheses. */
static void add_stat(struct strbuf *buf, const char *process)
{
    char text[1024];
    const char *after;
    long threads;
    unsigned long long start;
    unsigned long virtual_bytes;
    long resident_pages;
    FILE *file = fopen("/proc/self/stat", "re");
    size_t len;

    if (!file)
        return;
    len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    after = strrchr(text, ')');
    if (!after ||
        sscanf(after + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d"
               " %*d %*d %ld %*d %llu %lu %ld",
               &threads, &start, &virtual_bytes, &resident_pages) != 4)
        return;
    add_gauge(buf, process, "process_threads", "Threads", (double)threads);
    add_gauge(buf, process, "process_start_time_seconds",
              "Start time since the Unix epoch",
              boot_time() + (double)start / (double)sysconf(_SC_CLK_TCK));
    add_gauge(buf, process, "process_virtual_memory_bytes",
              "Virtual memory size", (double)virtual_bytes);
    add_gauge(buf, process, "process_resident_memory_bytes",
              "Resident memory size",
              (double)resident_pages * (double)sysconf(_SC_PAGESIZE));
}

static void add_fds(struct strbuf *buf, const char *process)
{
    struct rlimit limit;
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    if (dir) {
        for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
            count += entry->d_name[0] != '.';
        closedir(dir);
        /* One of them is the directory's own. */
        add_gauge(buf, process, "process_open_fds", "Open file descriptors",
                  (double)(count - 1));
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        add_gauge(buf, process, "process_max_fds",
                  "Limit of open file descriptors", (double)limit.rlim_cur);
}

void process_metrics_expose(struct strbuf *buf, const char *process)
{
    add_cpu(buf, process);
    add_stat(buf, process);
    add_fds(buf, process);
}
