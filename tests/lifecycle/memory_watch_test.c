/* memory_watch_test.c */
#include "lifecycle/memory_watch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static void put(const char *name, const char *text)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    unlink(path);
    if (!text)
        return;
    file = fopen(path, "we");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void set_up(void)
{
    char path[96];

    snprintf(dir, sizeof dir, "/tmp/berth-memory-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/pressure", dir);
    cr_assert_eq(mkdir(path, 0700), 0);
}

static void tear_down(void)
{
    char path[96];

    put("meminfo", NULL);
    put("pressure/memory", NULL);
    snprintf(path, sizeof path, "%s/pressure", dir);
    rmdir(path);
    cr_expect_eq(rmdir(dir), 0);
}

TestSuite(memory_watch, .init = set_up, .fini = tear_down);

#define MEMINFO(available)                                                     \
    "MemTotal:        1000 kB\nMemFree:  1 kB\nMemAvailable: " available       \
    " kB\nBuffers: 5 kB\n"
#define PSI(percent)                                                           \
    "some avg10=99.00 avg60=1.00 avg300=0.00 total=5\n"                        \
    "full avg10=" percent " avg60=0.00 avg300=0.00 total=1\n"

Test(memory_watch, says_when_memory_is_short)
{
    static const struct {
        const char *label;
        const char *meminfo;
        const char *psi;
        bool is_short;
        bool is_plenty;
    } cases[] = {
        {"much", MEMINFO("600"), PSI("0.00"), false, true},
        {"a quarter", MEMINFO("250"), PSI("0.00"), false, false},
        {"a tenth", MEMINFO("100"), PSI("9.99"), false, false},
        {"less", MEMINFO("99"), PSI("0.00"), true, false},
        {"a kernel without PSI", MEMINFO("99"), NULL, true, false},
        {"stalled", MEMINFO("600"), PSI("10.00"), true, true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct memory_watch watch;

        put("meminfo", cases[i].meminfo);
        put("pressure/memory", cases[i].psi);
        cr_assert(memory_watch_read(dir, &watch), "%s", cases[i].label);
        cr_expect_eq(watch.total_bytes, 1000U << 10);
        cr_expect_eq(memory_watch_is_short(&watch), cases[i].is_short, "%s",
                     cases[i].label);
        cr_expect_eq(memory_watch_is_plenty(&watch), cases[i].is_plenty, "%s",
                     cases[i].label);
    }
}

Test(memory_watch, what_cannot_be_read_is_never_short)
{
    struct memory_watch watch = {0};

    cr_expect_not(memory_watch_read(dir, &watch), "no file");
    put("meminfo", "MemTotal: 1000 kB\n");
    cr_expect_not(memory_watch_read(dir, &watch), "an old kernel");
    put("meminfo", "nonsense\n");
    cr_expect_not(memory_watch_read(dir, &watch));
    cr_expect_not(memory_watch_is_short(&watch));
    cr_expect_not(memory_watch_is_plenty(&watch));
}
