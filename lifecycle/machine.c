/* machine.c - what berth may hand out of this host. */
#include "lifecycle/machine.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lifecycle/cdi.h"
#include "router/base/alloc.h"
#include "router/base/log.h"

const char *const machine_cdi_dirs[] = {"/etc/cdi", "/var/run/cdi", NULL};

/* --- the host --- */

/* Those that this process may use: where it is bound to some, so are its
 * containers (or their cgroup is not below its own, and nobody can know). */
static uint64_t host_cpu_millis(void)
{
    cpu_set_t set;
    long count;

    CPU_ZERO(&set);
    /* Fails on a machine of more than 1024 CPUs. */
    count = sched_getaffinity(0, sizeof set, &set) == 0
                ? CPU_COUNT(&set)
                : sysconf(_SC_NPROCESSORS_ONLN);
    return (uint64_t)(count > 0 ? count : 1) * 1000;
}

static uint64_t host_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);

    return pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes
                                       : 0;
}

/* --- devices --- */

static void add_device(struct machine *machine, const char *name,
                       uint64_t memory_bytes)
{
    uint32_t index = machine->totals.device_count++;

    machine->devices[index] = xstrdup(name);
    machine->totals.device_memory_bytes[index] = memory_bytes;
}

static void add_found(struct machine *machine, const struct cdi *cdi,
                      struct strbuf *ret_notes)
{
    unsigned indices[PLACEMENT_DEVICES];
    bool has_more;
    unsigned count = cdi_gpus(cdi, indices, PLACEMENT_DEVICES, &has_more);

    for (unsigned i = 0; i < count; i++)
        add_device(machine, cdi_name(cdi, indices[i]), 0);
    if (has_more)
        strbuf_printf(ret_notes,
                      "there are more than %d devices; berth uses the first\n",
                      PLACEMENT_DEVICES);
}

/* Two names of one device would be reserved twice. */
static void check_distinct(const struct resource_settings *resources,
                           const struct cdi *cdi, const unsigned *indices,
                           struct strbuf *ret_problems)
{
    for (uint32_t i = 0; i < resources->gpu_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (indices[i] != CDI_NONE && indices[j] != CDI_NONE &&
                cdi_shares_node(cdi, indices[i], indices[j]))
                strbuf_printf(ret_problems,
                              "gpu %s and gpu %s are (partly) the same device; "
                              "name each device once\n",
                              resources->gpus[j].name, resources->gpus[i].name);
        }
    }
}

static void add_named(struct machine *machine,
                      const struct resource_settings *resources,
                      const struct cdi *cdi, struct strbuf *ret_problems)
{
    unsigned indices[PLACEMENT_DEVICES];

    for (uint32_t i = 0; i < resources->gpu_count; i++) {
        const struct gpu_setting *gpu = &resources->gpus[i];

        add_device(machine, gpu->name, gpu->memory_bytes);
        indices[i] = cdi_find(cdi, gpu->name);
        if (indices[i] == CDI_NONE)
            strbuf_printf(ret_problems,
                          "gpu %s is in no CDI specification of this host "
                          "(/etc/cdi, /var/run/cdi); for NVIDIA: nvidia-ctk "
                          "cdi generate --output=/etc/cdi/nvidia.yaml\n",
                          gpu->name);
    }
    check_distinct(resources, cdi, indices, ret_problems);
}

/* --- all of it --- */

struct machine *machine_new(const struct resource_settings *resources,
                            const char *const *cdi_dirs,
                            struct strbuf *ret_problems,
                            struct strbuf *ret_notes)
{
    struct machine *machine = xcalloc(1, sizeof *machine);
    struct cdi *cdi = cdi_new();

    machine->totals.cpu_millis =
        resources->cpu_millis ? resources->cpu_millis : host_cpu_millis();
    machine->totals.memory_bytes = resources->memory_bytes
                                       ? resources->memory_bytes
                                       : host_memory_bytes() / 10 * 9;
    if (!cdi_dirs)
        cdi_dirs = machine_cdi_dirs;
    for (; *cdi_dirs; cdi_dirs++)
        cdi_read_dir(cdi, *cdi_dirs, ret_notes);
    if (resources->gpu_count > 0)
        add_named(machine, resources, cdi, ret_problems);
    else
        add_found(machine, cdi, ret_notes);
    cdi_free(&cdi);
    return machine;
}

void machine_free(struct machine **machine_ptr)
{
    struct machine *machine = *machine_ptr;

    if (!machine)
        return;
    for (uint32_t i = 0; i < machine->totals.device_count; i++)
        free(machine->devices[i]);
    free(machine);
    *machine_ptr = NULL;
}

struct placement_need machine_need_of(const struct keeper_app *app)
{
    const struct container_settings *container = &app->container;

    return (struct placement_need){
        .cpu_millis = container_cpu_millis_of_pod(container),
        .memory_bytes = container_memory_bytes_of_pod(container),
        .gpu_millis = container->gpu_millis,
        .gpu_memory_bytes = container->gpu_memory_bytes,
    };
}

/* --- what asks for more --- */

static void describe_cpus(const char *app, const struct placement_need *need,
                          const struct placement_machine *totals,
                          struct strbuf *ret_problems)
{
    strbuf_printf(ret_problems,
                  "app %s: cpus %g: there are %g here; ask for fewer, or say "
                  "cpus in resources\n",
                  app, (double)need->cpu_millis / 1e3,
                  (double)totals->cpu_millis / 1e3);
}

static void describe_memory(const char *app, const struct placement_need *need,
                            const struct placement_machine *totals,
                            struct strbuf *ret_problems)
{
    strbuf_printf(ret_problems,
                  "app %s: memory of %" PRIu64 " MiB: there are %" PRIu64
                  " MiB here (90 %% of the memory, unless resources says "
                  "otherwise)\n",
                  app, need->memory_bytes >> 20, totals->memory_bytes >> 20);
}

static void check_app(const struct machine *machine,
                      const struct keeper_app *app, struct strbuf *ret_problems)
{
    const struct placement_machine *totals = &machine->totals;
    const struct placement_need need = machine_need_of(app);
    const char *name = app->app->name;
    enum placement_resource lacking;

    if (placement_fits_empty(totals, &need, &lacking))
        return;
    switch (lacking) {
    case PLACEMENT_CPUS:
        describe_cpus(name, &need, totals, ret_problems);
        break;
    case PLACEMENT_MEMORY:
        describe_memory(name, &need, totals, ret_problems);
        break;
    case PLACEMENT_GPUS:
        strbuf_printf(ret_problems,
                      "app %s: gpus %g: there are %u devices here (in the CDI "
                      "specifications of /etc/cdi and /var/run/cdi, or in "
                      "resources)\n",
                      name, need.gpu_millis / 1e3, totals->device_count);
        break;
    case PLACEMENT_GPU_MEMORY:
        strbuf_printf(ret_problems,
                      "app %s: gpu_memory of %" PRIu64 " MiB: too few devices "
                      "have as much (gpu NAME memory=SIZE in resources)\n",
                      name, need.gpu_memory_bytes >> 20);
        break;
    }
}

void machine_check_apps(const struct machine *machine,
                        const struct lifecycle_settings *settings,
                        struct strbuf *ret_problems)
{
    for (uint32_t i = 0; i < settings->app_count; i++)
        check_app(machine, &settings->apps[i], ret_problems);
}

struct machine *machine_of(const struct lifecycle_settings *settings,
                           struct strbuf *ret_problems)
{
    AUTO(strbuf_done) struct strbuf notes = STRBUF_INIT;
    struct machine *machine =
        machine_new(&settings->resources, NULL, ret_problems, &notes);
    struct strview rest = strbuf_view(&notes);
    struct strview line;

    machine_check_apps(machine, settings, ret_problems);
    while (rest.len > 0 && sv_split(&rest, '\n', &line)) {
        if (line.len > 0)
            log_warn("machine", "devices that cannot be used",
                     "reason=\"%.*s\"", SV_ARG(line));
    }
    return machine;
}

uint32_t machine_find_device(const struct machine *machine, struct strview name)
{
    uint32_t i = 0;

    while (i < machine->totals.device_count &&
           !sv_eq(sv_of(machine->devices[i]), name))
        i++;
    return i < machine->totals.device_count ? i : PLACEMENT_DEVICES;
}
