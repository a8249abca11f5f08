/* podman_metric.c - under which name a call of Podman's API is counted. */
#include "lifecycle/podman_metric.h"

#include <stdbool.h>
#include <string.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

/* The first row that fits. */
static const struct {
    const char *folder; /* a part of the path */
    const char *last;   /* its last segment; NULL: any */
    const char *method; /* NULL: any */
    enum metric_histogram_id id;
} rows[] = {
    {"/containers/json", "json", NULL, HISTOGRAM_PODMAN_LIST},
    {"/networks/", NULL, NULL, HISTOGRAM_PODMAN_NETWORK},
    {"/pods/", NULL, NULL, HISTOGRAM_PODMAN_POD},
    {"/secrets/", NULL, NULL, HISTOGRAM_PODMAN_SECRET},
    {"/images/", "pull", NULL, HISTOGRAM_PODMAN_PULL},
    {"/images/", "create", NULL, HISTOGRAM_PODMAN_PULL},
    {"/images/", NULL, NULL, HISTOGRAM_PODMAN_IMAGE},
    {"/build", "build", NULL, HISTOGRAM_PODMAN_BUILD},
    {"/containers/", "create", NULL, HISTOGRAM_PODMAN_CREATE},
    {"/containers/", "init", NULL, HISTOGRAM_PODMAN_INIT},
    {"/containers/", "start", NULL, HISTOGRAM_PODMAN_START},
    {"/containers/", "stop", NULL, HISTOGRAM_PODMAN_STOP},
    {"/containers/", "kill", NULL, HISTOGRAM_PODMAN_KILL},
    {"/containers/", "pause", NULL, HISTOGRAM_PODMAN_PAUSE},
    {"/containers/", "unpause", NULL, HISTOGRAM_PODMAN_UNPAUSE},
    {"/containers/", "update", NULL, HISTOGRAM_PODMAN_UPDATE},
    {"/containers/", "logs", NULL, HISTOGRAM_PODMAN_LOGS},
    {"/containers/", "json", NULL, HISTOGRAM_PODMAN_INSPECT},
    {"/containers/", NULL, "DELETE", HISTOGRAM_PODMAN_REMOVE},
};

enum metric_histogram_id podman_metric_of(const char *method, const char *path)
{
    struct strview whole = sv_make(path, strcspn(path, "?"));
    size_t start = whole.len;
    struct strview last;

    while (start > 0 && whole.ptr[start - 1] != '/')
        start--;
    last = sv_make(whole.ptr + start, whole.len - start);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (memmem(whole.ptr, whole.len, rows[i].folder,
                   strlen(rows[i].folder)) &&
            (!rows[i].last || sv_eq(last, sv_of(rows[i].last))) &&
            (!rows[i].method || strcmp(rows[i].method, method) == 0))
            return rows[i].id;
    }
    return HISTOGRAM_PODMAN_OTHER;
}
