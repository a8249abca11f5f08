/* container_limits.c - the limits that a container has. */
#include "lifecycle/container_limits.h"

#include <string.h>

#include "lifecycle/container_cgroup.h"
#include "lifecycle/container_settings.h"
#include "router/base/alloc.h"

/* cgroup v1 says "none" by the largest number of whole pages. */
#define MEMORY_NONE (UINT64_C(1) << 62)
/* The kernel counts in these. */
#define PAGE_BYTES 4096U
/* Podman's pids_limit, of containers that were made without one. */
#define PODMAN_PIDS 2048U
/* The kernel's least quota is a hundredth of a CPU (container_spec.c). */
#define CPU_MILLIS_MIN 10U

void container_limits_unknown(struct engine_limits *ret)
{
    *ret = (struct engine_limits){ENGINE_LIMIT_UNKNOWN, ENGINE_LIMIT_UNKNOWN,
                                  ENGINE_LIMIT_UNKNOWN};
}

/* A file of one number, or "max". */
static uint64_t read_limit(const char *dir, const char *name)
{
    uint64_t value;

    if (!cgroup_read_number(dir, name, &value))
        return ENGINE_LIMIT_UNKNOWN;
    return value >= MEMORY_NONE ? 0 : value;
}

static uint64_t millis_of(uint64_t quota_us, uint64_t period_us)
{
    return period_us == 0 ? ENGINE_LIMIT_UNKNOWN : quota_us * 1000 / period_us;
}

/* "50000 100000", "max 100000". */
static uint64_t read_cpu_v2(const char *dir)
{
    struct strview rest;
    struct strview quota;
    char text[64];
    uint64_t quota_us;
    uint64_t period_us;

    if (!cgroup_read(dir, "cpu.max", text, sizeof text, NULL))
        return ENGINE_LIMIT_UNKNOWN;
    rest = sv_of(text);
    if (!sv_split(&rest, ' ', &quota))
        return ENGINE_LIMIT_UNKNOWN;
    if (sv_eq(quota, SV("max")))
        return 0;
    if (!sv_to_u64(quota, MEMORY_NONE / 1000, &quota_us) ||
        !sv_to_u64(rest, UINT64_MAX, &period_us))
        return ENGINE_LIMIT_UNKNOWN;
    return millis_of(quota_us, period_us);
}

/* The quota is -1 where there is none. */
static uint64_t read_cpu_v1(const char *dir)
{
    char text[64];
    uint64_t quota_us;
    uint64_t period_us;

    if (!cgroup_read(dir, "cpu.cfs_quota_us", text, sizeof text, NULL))
        return ENGINE_LIMIT_UNKNOWN;
    if (text[0] == '-')
        return 0;
    if (!sv_to_u64(sv_of(text), MEMORY_NONE / 1000, &quota_us) ||
        !cgroup_read_number(dir, "cpu.cfs_period_us", &period_us))
        return ENGINE_LIMIT_UNKNOWN;
    return millis_of(quota_us, period_us);
}

static uint64_t read_cpu(const char *dir)
{
    return cgroup_has(dir, "cpu.max") ? read_cpu_v2(dir) : read_cpu_v1(dir);
}

static uint64_t read_memory(const char *dir)
{
    return read_limit(dir, cgroup_has(dir, "memory.max")
                               ? "memory.max"
                               : "memory.limit_in_bytes");
}

static uint64_t read_pids(const char *dir)
{
    return read_limit(dir, "pids.max");
}

/* crun limits the scope, and has the process in `container` below it. */
static uint64_t read_at(char *dir, uint64_t (*read)(const char *dir))
{
    static const char below[] = "/container";
    size_t len = dir ? strlen(dir) : 0;
    size_t below_len = sizeof below - 1;

    if (!dir)
        return ENGINE_LIMIT_UNKNOWN;
    if (len > below_len && strcmp(dir + len - below_len, below) == 0)
        dir[len - below_len] = '\0';
    return read(dir);
}

void container_limits_read(const struct cgroup_roots *roots, int pid,
                           const char *id, struct engine_limits *ret)
{
    struct container_cgroup cgroup;

    container_limits_unknown(ret);
    if (!container_cgroup_find(roots, pid, id, &cgroup, NULL))
        return;
    ret->cpu_millis = read_at(cgroup.cpu, read_cpu);
    ret->memory_bytes = read_at(cgroup.memory, read_memory);
    ret->pids = read_at(cgroup.pids, read_pids);
    container_cgroup_done(&cgroup);
}

static bool fits(uint64_t is, uint64_t wanted)
{
    return is == ENGINE_LIMIT_UNKNOWN || is == wanted;
}

bool container_limits_fit(const struct engine_limits *limits,
                          const struct container_settings *wanted)
{
    uint64_t cpu_millis = wanted->cpu_millis;

    if (cpu_millis > 0 && cpu_millis < CPU_MILLIS_MIN)
        cpu_millis = CPU_MILLIS_MIN;
    return fits(limits->cpu_millis, cpu_millis) &&
           fits(limits->memory_bytes,
                wanted->memory_bytes / PAGE_BYTES * PAGE_BYTES) &&
           (fits(limits->pids, wanted->pids) ||
            (wanted->pids == 0 && limits->pids == PODMAN_PIDS));
}
