#include "lifecycle/machine.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/base/alloc.h"

static char dir[64];
static const char *dirs[] = {dir, NULL};
static struct machine *machine;
static struct strbuf problems;
static struct strbuf notes;

static void init(void)
{
    strcpy(dir, "/tmp/berth-machine-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    strbuf_add_str(&problems, "");
    strbuf_add_str(&notes, "");
}

static void done(void)
{
    AUTO(auto_free) char *command = xasprintf("rm -r %s", dir);

    machine_free(&machine);
    strbuf_done(&problems);
    strbuf_done(&notes);
    cr_expect_eq(system(command), 0);
}

TestSuite(machine, .init = init, .fini = done);

static void write_spec(const char *name, const char *devices)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", dir, name);
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fprintf(file, "cdiVersion: 0.5.0\nkind: t.e/gpu\ndevices:\n%s", devices);
    fclose(file);
}

#define DEVICE(name, node)                                                     \
    "- {name: " name ", containerEdits: {deviceNodes: [{path: " node "}]}}\n"

static void make(const struct resource_settings *resources)
{
    machine = machine_new(resources, dirs, &problems, &notes);
}

Test(machine, without_settings_it_is_what_the_host_has)
{
    const struct resource_settings none = {0};
    uint64_t memory =
        (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

    write_spec("a.yaml", DEVICE("0", "/dev/a") DEVICE("1", "/dev/b")
                             DEVICE("alias", "/dev/a"));
    make(&none);
    cr_expect_str_eq(problems.data, "");
    cr_expect_geq(machine->totals.cpu_millis, 1000U);
    cr_expect_eq(machine->totals.cpu_millis % 1000, 0U);
    cr_expect_eq(machine->totals.memory_bytes, memory / 10 * 9);
    cr_assert_eq(machine->totals.device_count, 2U);
    cr_expect_str_eq(machine->devices[0], "t.e/gpu=0");
    cr_expect_str_eq(machine->devices[1], "t.e/gpu=1");
    cr_expect_eq(machine->totals.device_memory_bytes[0], 0U, "not known");
    cr_expect_eq(machine_find_device(machine, SV("t.e/gpu=1")), 1U);
    cr_expect_eq(machine_find_device(machine, SV("t.e/gpu=alias")),
                 (uint32_t)PLACEMENT_DEVICES);
}

Test(machine, what_is_said_goes_before_what_there_is)
{
    struct gpu_setting gpu = {(char *)"t.e/gpu=1", UINT64_C(80) << 30};
    const struct resource_settings resources = {
        .cpu_millis = 1500, .memory_bytes = 123, .gpu_count = 1, .gpus = &gpu};

    write_spec("a.yaml", DEVICE("0", "/dev/a") DEVICE("1", "/dev/b"));
    make(&resources);
    cr_expect_str_eq(problems.data, "");
    cr_expect_eq(machine->totals.cpu_millis, 1500U);
    cr_expect_eq(machine->totals.memory_bytes, 123U);
    cr_assert_eq(machine->totals.device_count, 1U);
    cr_expect_str_eq(machine->devices[0], "t.e/gpu=1");
    cr_expect_eq(machine->totals.device_memory_bytes[0], UINT64_C(80) << 30);
}

Test(machine, a_device_that_is_not_here_or_named_twice_is_a_problem)
{
    struct gpu_setting gpus[] = {
        {(char *)"t.e/gpu=0", 0},
        {(char *)"t.e/gpu=alias", 0},
        {(char *)"t.e/gpu=9", 0},
    };
    const struct resource_settings resources = {.gpu_count = 3, .gpus = gpus};

    write_spec("a.yaml", DEVICE("0", "/dev/a") DEVICE("alias", "/dev/a"));
    write_spec("bad.yaml", "*alias");
    make(&resources);
    cr_expect_not_null(
        strstr(problems.data, "gpu t.e/gpu=9 is in no CDI specification"), "%s",
        problems.data);
    cr_expect_not_null(
        strstr(problems.data,
               "gpu t.e/gpu=0 and gpu t.e/gpu=alias are (partly) "
               "the same device"),
        "%s", problems.data);
    cr_expect_not_null(strstr(notes.data, "bad.yaml: line 5: "), "%s",
                       notes.data);
}

Test(machine, an_app_that_asks_for_more_than_there_is)
{
    static const struct {
        struct container_settings container;
        const char *problem;
    } cases[] = {
        {{.cpu_millis = 2001}, "app a: cpus 2.001: there are 2 here"},
        {{.memory_bytes = UINT64_C(5) << 30},
         "app a: memory of 5120 MiB: there are 4096 MiB here"},
        {{.gpu_millis = 3000}, "app a: gpus 3: there are 2 devices here"},
        {{.gpu_millis = 500, .gpu_memory_bytes = UINT64_C(81) << 30},
         "app a: gpu_memory of 82944 MiB: too few devices have as much"},
        {{.gpu_millis = 2000, .gpu_memory_bytes = UINT64_C(50) << 30},
         "app a: gpu_memory of 51200 MiB: too few devices have as much"},
        {{.cpu_millis = 2000,
          .memory_bytes = UINT64_C(4) << 30,
          .gpu_millis = 2000,
          .gpu_memory_bytes = UINT64_C(40) << 30},
         NULL},
    };
    struct gpu_setting gpus[] = {{(char *)"t.e/gpu=0", UINT64_C(80) << 30},
                                 {(char *)"t.e/gpu=1", UINT64_C(40) << 30}};
    const struct resource_settings resources = {.cpu_millis = 2000,
                                                .memory_bytes = UINT64_C(4)
                                                                << 30,
                                                .gpu_count = 2,
                                                .gpus = gpus};
    struct app_settings app = {.name = (char *)"a"};

    write_spec("a.yaml", DEVICE("0", "/dev/a") DEVICE("1", "/dev/b"));
    make(&resources);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct keeper_app keeper_app = {.app = &app,
                                        .container = cases[i].container};
        const struct lifecycle_settings settings = {.app_count = 1,
                                                    .apps = &keeper_app};
        AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

        strbuf_add_str(&text, "");
        machine_check_apps(machine, &settings, &text);
        if (cases[i].problem)
            cr_expect_not_null(strstr(text.data, cases[i].problem), "%zu: %s",
                               i, text.data);
        else
            cr_expect_str_eq(text.data, "");
    }
}

Test(machine, sidecars_count_in_what_a_replica_needs)
{
    struct sidecar_settings sidecars[] = {
        {.container = {.cpu_millis = 500, .memory_bytes = 1 << 20}},
        {.container = {.memory_bytes = 2 << 20}},
    };
    const struct keeper_app app = {.container = {.cpu_millis = 1000,
                                                 .memory_bytes = 4 << 20,
                                                 .gpu_millis = 250,
                                                 .sidecar_count = 2,
                                                 .sidecars = sidecars}};
    const struct placement_need need = machine_need_of(&app);

    cr_expect_eq(need.cpu_millis, 1500U);
    cr_expect_eq(need.memory_bytes, 7U << 20);
    cr_expect_eq(need.gpu_millis, 250U);
}
