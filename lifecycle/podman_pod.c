/* podman_pod.c - which containers belong together. */
#include "lifecycle/podman_pod.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/podman_call.h"
#include "router/base/alloc.h"
#include "router/base/line_pattern.h"

/* For sidecars that were found: their settings may be gone. */
#define STOP_MS_DEFAULT  10000
#define READY_MS_DEFAULT 120000

struct podman_pod *podman_pod_new(unsigned count)
{
    struct podman_pod *pod = xcalloc(1, sizeof *pod);

    pod->count = count;
    pod->sidecars = xcalloc(count ? count : 1, sizeof *pod->sidecars);
    return pod;
}

void podman_pod_free(struct podman_pod **pod)
{
    if (!*pod)
        return;
    list_remove(&(*pod)->node);
    for (unsigned i = 0; i < (*pod)->count; i++) {
        free((*pod)->sidecars[i].check.path);
        free((*pod)->sidecars[i].check.pattern);
    }
    free((*pod)->sidecars);
    free(*pod);
    *pod = NULL;
}

static struct podman_pod *find(struct podman *podman, const char *id)
{
    LIST_FOREACH (&podman->pods, node) {
        struct podman_pod *pod = container_of(node, struct podman_pod, node);

        if (strcmp(pod->app_id, id) == 0 || strcmp(pod->pod_id, id) == 0)
            return pod;
    }
    return NULL;
}

struct podman_pod *podman_pod_find(struct engine *engine, const char *id)
{
    return find((struct podman *)engine, id);
}

void podman_pod_note(struct podman *podman, struct podman_pod *pod)
{
    podman_pod_forget(podman, pod->pod_id);
    list_add_tail(&podman->pods, &pod->node);
}

void podman_pod_forget(struct podman *podman, const char *pod_id)
{
    struct podman_pod *pod = find(podman, pod_id);

    podman_pod_free(&pod);
}

void podman_pods_forget(struct podman *podman)
{
    while (!list_is_empty(&podman->pods)) {
        struct podman_pod *pod =
            container_of(podman->pods.next, struct podman_pod, node);

        podman_pod_free(&pod);
    }
}

/* ------------------------------------------------------------- what was found
 */

static bool is_app(const struct engine_container *container)
{
    return !container->is_infra && !container->sidecar[0];
}

/* The label may be anybody's. */
static bool is_pattern(const char *text)
{
    struct err err;
    AUTO(line_pattern_free)
    struct line_pattern *pattern = line_pattern_new(text, &err);

    return pattern != NULL;
}

/* As container_spec.c writes it. */
static bool read_check(const char *text, struct sidecar_check *ret_check)
{
    struct sidecar_check check = {0};
    int path_at = 0;

    if (sscanf(text, "http %u %u %u %n", &check.port, &check.status_min,
               &check.status_max, &path_at) == 3 &&
        text[path_at] == '/') {
        check.is_http = true;
        check.path = xstrdup(text + path_at);
    } else if (strncmp(text, "log ", 4) == 0 && is_pattern(text + 4)) {
        check.pattern = xstrdup(text + 4);
    } else if (sscanf(text, "tcp %u", &check.port) != 1) {
        return false;
    }
    *ret_check = check;
    return true;
}

static void fill_sidecar(struct podman_sidecar *sidecar,
                         const struct engine_container *container,
                         const struct podman_pod *known)
{
    memcpy(sidecar->id, container->id, sizeof sidecar->id);
    memcpy(sidecar->name, container->sidecar, sizeof sidecar->name);
    sidecar->pid = container->pid;
    sidecar->stop_ms = STOP_MS_DEFAULT;
    sidecar->has_check = read_check(container->check, &sidecar->check);
    for (unsigned i = 0; known && i < known->count; i++) {
        const struct podman_sidecar *old = &known->sidecars[i];

        if (strcmp(old->id, sidecar->id) == 0)
            sidecar->stop_ms = old->stop_ms;
    }
}

/* One that was made by this engine keeps its checks and its order: only the
 * processes are looked at. */
static void see_processes(struct podman_pod *pod,
                          const struct engine_container *container)
{
    for (unsigned i = 0; i < pod->count; i++) {
        if (strcmp(pod->sidecars[i].id, container->id) == 0)
            pod->sidecars[i].pid = container->pid;
    }
}

static void note_found(struct podman *podman, const char *pod_id,
                       const struct engine_container *containers,
                       unsigned count)
{
    struct podman_pod *known = find(podman, pod_id);
    struct podman_pod *pod = podman_pod_new(count);

    pod->count = 0;
    pod->ready_timeout_ms = known ? known->ready_timeout_ms : READY_MS_DEFAULT;
    memcpy(pod->pod_id, pod_id, sizeof pod->pod_id);
    for (unsigned i = 0; i < count; i++) {
        const struct engine_container *it = &containers[i];

        if (strcmp(it->pod_id, pod_id) != 0)
            continue;
        if (is_app(it))
            memcpy(pod->app_id, it->id, sizeof pod->app_id);
        else if (!it->is_infra)
            fill_sidecar(&pod->sidecars[pod->count++], it, known);
        if (known)
            see_processes(known, it);
    }
    if (known && strcmp(known->app_id, pod->app_id) == 0 &&
        known->count == pod->count)
        podman_pod_free(&pod);
    else
        podman_pod_note(podman, pod);
}

/* Whether an earlier one of the list is of the same pod. */
static bool is_first_of_pod(const struct engine_container *containers,
                            unsigned at)
{
    for (unsigned i = 0; i < at; i++) {
        if (strcmp(containers[i].pod_id, containers[at].pod_id) == 0)
            return false;
    }
    return true;
}

static bool has_app(const struct engine_container *containers, unsigned count,
                    const char *pod_id)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(containers[i].pod_id, pod_id) == 0 && is_app(&containers[i]))
            return true;
    }
    return false;
}

/* Of whatever is left of a pod, something that can be removed by its id. */
static void make_remains(struct engine_container *container)
{
    memcpy(container->id, container->pod_id, sizeof container->id);
    container->is_running = false;
    container->is_created = false;
    container->is_primed = false;
    container->is_frozen = false;
    container->is_infra = false;
    container->pid = 0;
}

unsigned podman_pods_gather(struct podman *podman,
                            struct engine_container *containers, unsigned count)
{
    AUTO(auto_free) bool *stays = xcalloc(count ? count : 1, sizeof *stays);
    AUTO(auto_free) bool *is_remains =
        xcalloc(count ? count : 1, sizeof *stays);
    unsigned left = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct engine_container *it = &containers[i];

        stays[i] = !it->pod_id[0] || is_app(it);
        if (!it->pod_id[0] || !is_first_of_pod(containers, i))
            continue;
        note_found(podman, it->pod_id, containers, count);
        is_remains[i] = !has_app(containers, count, it->pod_id);
    }
    for (unsigned i = 0; i < count; i++) {
        if (!stays[i] && !is_remains[i])
            continue;
        if (is_remains[i])
            make_remains(&containers[i]);
        if (left != i)
            containers[left] = containers[i];
        left++;
    }
    return left;
}

const char *podman_sidecar(struct engine *engine, const char *id,
                           const char *sidecar)
{
    const struct podman_pod *pod = podman_pod_find(engine, id);

    for (unsigned i = 0; pod && i < pod->count; i++) {
        if (strcmp(pod->sidecars[i].name, sidecar) == 0)
            return pod->sidecars[i].id;
    }
    return NULL;
}
