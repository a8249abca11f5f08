/* freezer.c - freeze and thaw a container by one write to its own cgroup. */
#include "lifecycle/freezer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "router/base/alloc.h"

#define V1_FILE "freezer.state"
#define V2_FILE "cgroup.freeze"

bool freezer_is_usable(const struct container_cgroup *cgroup)
{
    if (cgroup->freezer_v2)
        return cgroup_may_write(cgroup->freezer_v2, V2_FILE);
    return cgroup->freezer_v1 && cgroup_may_write(cgroup->freezer_v1, V1_FILE);
}

bool freezer_freeze(const struct container_cgroup *cgroup, struct err *err)
{
    if (cgroup->freezer_v2)
        return cgroup_write(cgroup->freezer_v2, V2_FILE, "1", err);
    if (cgroup->freezer_v1)
        return cgroup_write(cgroup->freezer_v1, V1_FILE, "FROZEN", err);
    return err_set(err, ERR_NOT_FOUND, "the container's cgroup has no freezer");
}

static enum freezer_state read_v1(const char *dir)
{
    char text[32];

    if (!cgroup_read(dir, V1_FILE, text, sizeof text, NULL))
        return FREEZER_THAWED;
    if (strcmp(text, "FROZEN") == 0)
        return FREEZER_FROZEN;
    return strcmp(text, "FREEZING") == 0 ? FREEZER_FREEZING : FREEZER_THAWED;
}

static enum freezer_state read_v2(const char *dir)
{
    char text[256];

    if (!cgroup_read(dir, "cgroup.events", text, sizeof text, NULL))
        return FREEZER_THAWED;
    if (cgroup_stat_of(text, "frozen") == 1)
        return FREEZER_FROZEN;
    if (!cgroup_read(dir, V2_FILE, text, sizeof text, NULL))
        return FREEZER_THAWED;
    return strcmp(text, "1") == 0 ? FREEZER_FREEZING : FREEZER_THAWED;
}

enum freezer_state freezer_read(const struct container_cgroup *cgroup)
{
    enum freezer_state state = FREEZER_THAWED;

    if (cgroup->freezer_v2)
        state = read_v2(cgroup->freezer_v2);
    if (state != FREEZER_FROZEN && cgroup->freezer_v1) {
        enum freezer_state other = read_v1(cgroup->freezer_v1);

        if (other > state)
            state = other;
    }
    return state;
}

bool freezer_thaw(const struct container_cgroup *cgroup, struct err *err)
{
    /* Ours first, and blindly: it is what a request waits for. */
    if (cgroup->freezer_v2) {
        if (!cgroup_write(cgroup->freezer_v2, V2_FILE, "0", err))
            return false;
        if (!cgroup->freezer_v1 ||
            read_v1(cgroup->freezer_v1) == FREEZER_THAWED)
            return true;
    }
    if (cgroup->freezer_v1)
        return cgroup_write(cgroup->freezer_v1, V1_FILE, "THAWED", err);
    return err_set(err, ERR_NOT_FOUND, "the container's cgroup has no freezer");
}

enum freezer_state freezer_of_process(const struct cgroup_roots *roots, int pid,
                                      const char *id)
{
    struct container_cgroup cgroup;
    enum freezer_state state;

    if (!container_cgroup_find(roots, pid, id, &cgroup, NULL))
        return FREEZER_THAWED;
    state = freezer_read(&cgroup);
    container_cgroup_done(&cgroup);
    return state;
}

/* ------------------------------------------------------ before there is one */

/* The user outside of a `podman unshare`: systemd names its slices by it. */
static unsigned long outer_uid(const struct cgroup_roots *roots)
{
    AUTO(auto_free) char *dir = xasprintf("%s/self", roots->proc);
    unsigned long inner;
    unsigned long outer;
    char text[64];

    /* One row, for the whole initial namespace; two for `podman unshare`, of
     * which the first is that of root inside. */

    if (!cgroup_read(dir, "uid_map", text, sizeof text, NULL) ||
        sscanf(text, "%lu %lu", &inner, &outer) != 2)
        return 0;
    return outer + (geteuid() - inner);
}

static bool is_permitted_to_user(const struct cgroup_roots *roots,
                                 char *ret_why, size_t size)
{
    unsigned long uid = outer_uid(roots);
    AUTO(auto_free)
    char *dir = xasprintf("%s/user.slice/user-%lu.slice/user@%lu.service",
                          roots->cgroup, uid, uid);

    if (!cgroup_has(roots->cgroup, "cgroup.controllers")) {
        snprintf(ret_why, size,
                 "rootless Podman may freeze nothing under cgroup v1");
        return false;
    }
    if (cgroup_may_write(dir, "cgroup.procs"))
        return true;
    snprintf(ret_why, size,
             "the user's cgroup is not delegated to it "
             "(user@%lu.service, Delegate=yes): Podman's pause is used",
             uid);
    return false;
}

bool freezer_is_permitted(const struct cgroup_roots *roots, bool rootless,
                          char *ret_why, size_t size)
{
    AUTO(auto_free) char *v1 = xasprintf("%s/freezer", roots->cgroup);
    AUTO(auto_free) char *unified = xasprintf("%s/unified", roots->cgroup);

    if (rootless)
        return is_permitted_to_user(roots, ret_why, size);
    if (cgroup_may_write(roots->cgroup, "cgroup.procs") ||
        cgroup_may_write(unified, "cgroup.procs") ||
        cgroup_may_write(v1, "cgroup.procs"))
        return true;
    snprintf(ret_why, size,
             "%s cannot be written to (another user, or mounted read-only): "
             "Podman's pause is used, which is slower",
             roots->cgroup);
    return false;
}
