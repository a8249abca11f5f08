/* podman_pod_test.c - which containers of a list are what. */
#include "lifecycle/podman_pod.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lifecycle/podman_call.h"

static struct podman podman;
static struct engine_container list[16];
static unsigned count;

static void init(void)
{
    list_init(&podman.pods);
    count = 0;
}

static void done(void)
{
    podman_pods_forget(&podman);
}

TestSuite(podman_pod, .init = init, .fini = done);

static struct engine_container *add(const char *id, const char *pod,
                                    const char *sidecar)
{
    struct engine_container *it = &list[count++];

    *it = (struct engine_container){.is_running = true, .pid = 100};
    snprintf(it->id, sizeof it->id, "%s", id);
    snprintf(it->pod_id, sizeof it->pod_id, "%s", pod);
    snprintf(it->sidecar, sizeof it->sidecar, "%s", sidecar);
    snprintf(it->app, sizeof it->app, "web");
    return it;
}

static void gather(void)
{
    count = podman_pods_gather(&podman, list, count);
}

Test(podman_pod, only_replicas_are_left_of_a_list)
{
    const struct podman_pod *pod;

    add("side1", "pod1", "log");
    add("plain", "", "");
    add("infra1", "pod1", "")->is_infra = true;
    add("app1", "pod1", "");
    add("side2", "pod1", "cache")->pid = 7;
    gather();
    cr_assert_eq(count, 2);
    cr_expect_str_eq(list[0].id, "plain");
    cr_expect_str_eq(list[1].id, "app1");
    cr_expect(list[1].is_running);
    pod = podman_pod_find(&podman.base, "app1");
    cr_assert_not_null(pod);
    cr_expect_eq(pod, podman_pod_find(&podman.base, "pod1"));
    cr_expect_str_eq(pod->pod_id, "pod1");
    cr_assert_eq(pod->count, 2);
    cr_expect_str_eq(podman_sidecar(&podman.base, "app1", "log"), "side1");
    cr_expect_str_eq(podman_sidecar(&podman.base, "app1", "cache"), "side2");
    cr_expect_null(podman_sidecar(&podman.base, "app1", "nobody"));
    cr_expect_null(podman_sidecar(&podman.base, "plain", "log"));
    cr_expect_eq(pod->sidecars[1].pid, 7);
    cr_expect_null(podman_pod_find(&podman.base, "plain"));
}

Test(podman_pod, what_is_left_of_one_goes_by_the_pods_id)
{
    static const struct {
        const char *label;
        const char *id;
        const char *sidecar;
        bool is_infra;
    } cases[] = {
        {"a sidecar", "side", "log", false},
        {"the infra container", "infra", "", true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        count = 0;
        add(cases[i].id, "pod9", cases[i].sidecar)->is_infra =
            cases[i].is_infra;
        gather();
        cr_assert_eq(count, 1, "%s", cases[i].label);
        cr_expect_str_eq(list[0].id, "pod9", "%s", cases[i].label);
        cr_expect_not(list[0].is_running, "%s", cases[i].label);
        cr_expect_not(list[0].is_created, "%s", cases[i].label);
        cr_expect_eq(list[0].pid, 0, "%s", cases[i].label);
        cr_expect_not_null(podman_pod_find(&podman.base, "pod9"), "%s",
                           cases[i].label);
    }
    /* Both at once are one entry. */
    count = 0;
    add("infra", "pod9", "")->is_infra = true;
    add("side", "pod9", "log");
    gather();
    cr_assert_eq(count, 1);
}

Test(podman_pod, one_that_was_made_here_keeps_its_checks_and_order)
{
    struct podman_pod *made = podman_pod_new(2);
    const struct podman_pod *pod;

    snprintf(made->pod_id, sizeof made->pod_id, "pod1");
    snprintf(made->app_id, sizeof made->app_id, "app1");
    snprintf(made->sidecars[0].id, 80, "side2");
    snprintf(made->sidecars[1].id, 80, "side1");
    made->sidecars[1].has_check = true;
    made->sidecars[1].stop_ms = 3000;
    podman_pod_note(&podman, made);
    add("side1", "pod1", "log")->pid = 11;
    add("app1", "pod1", "");
    add("side2", "pod1", "cache")->pid = 12;
    gather();
    pod = podman_pod_find(&podman.base, "app1");
    cr_assert_eq(pod, made);
    cr_expect_str_eq(pod->sidecars[0].id, "side2");
    cr_expect_eq(pod->sidecars[0].pid, 12);
    cr_expect(pod->sidecars[1].has_check);
    cr_expect_eq(pod->sidecars[1].pid, 11);

    /* Its app is gone: it is another pod now, and known by its id alone; what
     * is still known of its sidecars stays so. */
    count = 0;
    add("side1", "pod1", "log");
    gather();
    cr_assert_null(podman_pod_find(&podman.base, "app1"));
    pod = podman_pod_find(&podman.base, "pod1");
    cr_assert_not_null(pod);
    cr_assert_eq(pod->count, 1);
    cr_expect_eq(pod->sidecars[0].stop_ms, 3000);
    podman_pod_forget(&podman, "pod1");
    cr_assert_null(podman_pod_find(&podman.base, "pod1"));
}

Test(podman_pod, checks_are_read_from_labels)
{
    static const struct {
        const char *label;
        bool has_check;
        bool is_http;
        uint32_t port;
        const char *path;
    } cases[] = {
        {"", false, false, 0, NULL},
        {"tcp 6379", true, false, 6379, NULL},
        {"http 80 200 399 /up?a=b", true, true, 80, "/up?a=b"},
        {"http 80 200 /up", false, false, 0, NULL},
        {"http 80 200 399 up", false, false, 0, NULL},
        {"exec true", false, false, 0, NULL},
        {"log a(b", false, false, 0, NULL},
        {"log ^it is (up|on)$", true, false, 0, NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct podman_sidecar *it;

        podman_pods_forget(&podman);
        count = 0;
        add("app1", "pod1", "");
        snprintf(add("side1", "pod1", "log")->check, 512, "%s", cases[i].label);
        gather();
        it = &podman_pod_find(&podman.base, "app1")->sidecars[0];
        cr_expect_eq(it->has_check, cases[i].has_check, "%s", cases[i].label);
        cr_expect_eq(it->check.is_http, cases[i].is_http, "%s", cases[i].label);
        cr_expect_eq(it->check.port, cases[i].port, "%s", cases[i].label);
        if (strncmp(cases[i].label, "log", 3) == 0 && cases[i].has_check)
            cr_expect_str_eq(it->check.pattern, cases[i].label + 4);
        else
            cr_expect_null(it->check.pattern, "%s", cases[i].label);
        if (cases[i].path)
            cr_expect_str_eq(it->check.path, cases[i].path);
    }
}

Test(podman_pod, an_empty_list_is_one)
{
    gather();
    cr_assert_eq(count, 0);
    cr_assert_null(podman_pod_find(&podman.base, "x"));
}
