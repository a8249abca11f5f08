/* host_defaults.c - asks the kernel, and answers something sensible when it
 * does not. */
#include "conf/host_defaults.h"

#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proxy/settings.h"
#include "router/base/alloc.h"

/* Listeners, logs, the channel, stashes of sockets, pipes of splice. */
#define DESCRIPTORS_KEPT 256U
#define CONNECTIONS_MIN  64U
#define CONNECTIONS_MAX  1000000U

uint32_t host_default_workers(void)
{
    cpu_set_t set;
    int count;

    CPU_ZERO(&set);
    /* Fails on a machine of more than 1024 CPUs. */
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    else
        count = CPU_COUNT(&set);
    if (count < 1)
        return 1;
    return (uint32_t)count > PROXY_WORKERS_MAX ? PROXY_WORKERS_MAX
                                               : (uint32_t)count;
}

uint32_t host_default_connections(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return CONNECTIONS_MIN;
    if (limit.rlim_max >= 2ULL * CONNECTIONS_MAX + DESCRIPTORS_KEPT)
        return CONNECTIONS_MAX;
    if (limit.rlim_max < 2ULL * CONNECTIONS_MIN + DESCRIPTORS_KEPT)
        return CONNECTIONS_MIN;
    return (uint32_t)(limit.rlim_max - DESCRIPTORS_KEPT) / 2;
}

/* Root in a user namespace of its own (rootless Podman's, for one) may not
 * write to /run. The initial one maps all ids onto themselves. */
static bool is_initial_namespace(void)
{
    uint64_t inside = 1;
    uint64_t outside = 1;
    uint64_t count = 0;
    FILE *map = fopen("/proc/self/uid_map", "re");
    int got;

    if (!map)
        return true;
    got = fscanf(map, "%" SCNu64 " %" SCNu64 " %" SCNu64, &inside, &outside,
                 &count);
    fclose(map);
    return got == 3 && inside == 0 && outside == 0 && count == UINT32_MAX;
}

char *host_default_state_dir(void)
{
    const char *runtime_dir = getenv("XDG_RUNTIME_DIR");

    if (geteuid() == 0 && is_initial_namespace())
        return xstrdup("/run/berth");
    if (runtime_dir && runtime_dir[0] == '/')
        return xasprintf("%s/berth", runtime_dir);
    return xasprintf("/run/user/%u/berth", geteuid());
}
