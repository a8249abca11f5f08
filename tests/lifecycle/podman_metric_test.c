/* podman_metric_test.c */
#include "lifecycle/podman_metric.h"

#include <criterion/criterion.h>

#include "router/base/attr.h"

#define V "/v4.0.0/libpod"

Test(podman_metric, names_a_call_by_its_method_and_path)
{
    static const struct {
        const char *method;
        const char *path;
        enum metric_histogram_id id;
    } cases[] = {
        {"POST", V "/containers/create", HISTOGRAM_PODMAN_CREATE},
        {"POST", V "/containers/12ab/init", HISTOGRAM_PODMAN_INIT},
        {"POST", V "/containers/12ab/start", HISTOGRAM_PODMAN_START},
        {"POST", V "/containers/12ab/stop?timeout=3", HISTOGRAM_PODMAN_STOP},
        {"POST", V "/containers/12ab/pause", HISTOGRAM_PODMAN_PAUSE},
        {"POST", V "/containers/12ab/unpause", HISTOGRAM_PODMAN_UNPAUSE},
        {"GET", V "/containers/12ab/json", HISTOGRAM_PODMAN_INSPECT},
        {"GET", V "/containers/json?all=true", HISTOGRAM_PODMAN_LIST},
        {"DELETE", V "/containers/12ab?force=true", HISTOGRAM_PODMAN_REMOVE},
        {"POST", "/images/create?fromImage=a/b/start", HISTOGRAM_PODMAN_PULL},
        {"GET", V "/images/localhost%2Fa/json", HISTOGRAM_PODMAN_IMAGE},
        {"POST", V "/networks/create", HISTOGRAM_PODMAN_NETWORK},
        {"POST", V "/pods/12ab/start", HISTOGRAM_PODMAN_POD},
        {"POST", V "/build?t=x", HISTOGRAM_PODMAN_BUILD},
        {"GET", V "/info", HISTOGRAM_PODMAN_OTHER},
        {"GET", "", HISTOGRAM_PODMAN_OTHER},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_expect_eq(podman_metric_of(cases[i].method, cases[i].path),
                     cases[i].id, "%s %s", cases[i].method, cases[i].path);
}
