/* rlimits.c - resource limits, and how high this process may set them. */
#include "lifecycle/rlimits.h"

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *name;
    int resource;
} names[] = {
    {"as", RLIMIT_AS},
    {"core", RLIMIT_CORE},
    {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK},
    {"msgqueue", RLIMIT_MSGQUEUE},
    {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},
    {"nproc", RLIMIT_NPROC},
    {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME},
    {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
};

_Static_assert(RLIM_NLIMITS == RLIMITS_COUNT, "a limit that has no name here");

static uint64_t read_number(const char *path, uint64_t fallback)
{
    FILE *file = fopen(path, "re");
    unsigned long long value;
    int n;

    if (!file)
        return fallback;
    n = fscanf(file, "%llu", &value);
    fclose(file);
    return n == 1 ? value : fallback;
}

static bool has_capability(unsigned capability)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    if (syscall(SYS_capget, &header, data) != 0)
        return false;
    return (data[CAP_TO_INDEX(capability)].effective &
            CAP_TO_MASK(capability)) != 0;
}

/* A capability in a user namespace of our own does not raise limits: the
 * kernel asks for it in the initial one, which maps every id. */
static bool is_initial_user_namespace(void)
{
    FILE *file = fopen("/proc/self/uid_map", "re");
    unsigned long long inside;
    unsigned long long outside;
    unsigned long long length;
    int n;

    if (!file)
        return true;
    n = fscanf(file, "%llu %llu %llu", &inside, &outside, &length);
    fclose(file);
    return n == 3 && inside == 0 && outside == 0 && length == 4294967295U;
}

void rlimits_of_process(struct rlimits *ret_limits)
{
    *ret_limits = (struct rlimits){0};
    ret_limits->can_raise =
        has_capability(CAP_SYS_RESOURCE) && is_initial_user_namespace();
    ret_limits->nr_open = read_number("/proc/sys/fs/nr_open", 1048576);
    ret_limits->pid_max = read_number("/proc/sys/kernel/pid_max", 32768);
    for (int i = 0; i < RLIMITS_COUNT; i++) {
        struct rlimit limit;

        ret_limits->hard[i] = UINT64_MAX;
        if (getrlimit((__rlimit_resource_t)i, &limit) == 0 &&
            limit.rlim_max != RLIM_INFINITY)
            ret_limits->hard[i] = limit.rlim_max;
    }
}

int rlimits_find(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i].name, name) == 0)
            return names[i].resource;
    }
    return -1;
}

uint64_t rlimits_most(const struct rlimits *limits, int resource)
{
    uint64_t most = limits->can_raise ? UINT64_MAX : limits->hard[resource];
    uint64_t bound = UINT64_MAX;

    if (resource == RLIMIT_NOFILE)
        bound = limits->nr_open;
    else if (resource == RLIMIT_NPROC && !limits->can_raise)
        bound = limits->pid_max;
    return most < bound ? most : bound;
}
