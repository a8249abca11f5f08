/* host_check_test.c - on a host without Podman: nobody listens where the
 * configuration says it is.
 */
#include "lifecycle/host_check.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "router/base/log.h"
#include "tests/support/fleet_bench.h"

static struct fleet_bench bench; /* for its settings */
static struct strbuf text;
static char no_socket[] = "/nonexistent/podman.sock";

static void init(void)
{
    log_setup(STDERR_FILENO, LOG_ERROR, false, "test");
    bench_init(&bench, 2);
    bench.settings.podman.socket = no_socket;
    strbuf_add_str(&text, "");
}

static void done(void)
{
    bench_done(&bench);
    strbuf_done(&text);
}

TestSuite(host_check, .init = init, .fini = done);

static bool says(const char *words)
{
    return strstr(text.data, words) != NULL;
}

static unsigned count_in_tmp(const char *prefix)
{
    DIR *dir = opendir("/tmp");
    const struct dirent *entry;
    unsigned count = 0;

    while ((entry = readdir(dir)))
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(dir);
    return count;
}

Test(host_check, a_podman_that_is_not_there_is_a_problem_with_its_cure)
{
    cr_expect_eq(host_check(&bench.settings, NULL, 0, &text), 1U, "%s",
                 text.data);
    cr_expect(says("problem: Podman: "), "%s", text.data);
    cr_expect(says("/nonexistent/podman.sock"), "%s", text.data);
    cr_expect(says("podman system service"), "%s", text.data);
    cr_expect_eq(count_in_tmp("berth-check-"), 0U, "nothing is left behind");
}

Test(host_check, upstream_apps_need_no_podman)
{
    bench_make_external(&bench, 0, "127.0.0.1:1");
    bench_make_external(&bench, 1, "127.0.0.1:2");
    cr_expect_eq(host_check(&bench.settings, NULL, 0, &text), 0U, "%s",
                 text.data);
    cr_expect_not(says("Podman"), "%s", text.data);
}

Test(host_check, all_that_is_wrong_is_said_at_once)
{
    static char missing[] = "/no/such/place";
    static char inner[] = "/x";
    static char options[] = "";
    static char user[] = "no-such-user";
    struct volume_setting volume = {missing, inner, options};
    struct sockaddr_in sin = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sin;
    struct listen_request request = {.text = "127.0.0.1:N", .socket_count = 1};
    int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(other, (struct sockaddr *)&sin, sizeof sin), 0);
    cr_assert_eq(listen(other, 1), 0);
    cr_assert_eq(getsockname(other, (struct sockaddr *)&sin, &len), 0);
    request.address.v4 = sin;
    request.address.len = sizeof sin;
    bench.settings.user = user;
    bench.keeper_apps[0].container.volume_count = 1;
    bench.keeper_apps[0].container.volumes = &volume;
    cr_expect_geq(host_check(&bench.settings, &request, 1, &text), 3U);
    cr_expect(says("app a: volume /no/such/place"), "%s", text.data);
    cr_expect(says("in use"), "%s", text.data);
    cr_expect(says("problem: Podman: "), "%s", text.data);
    if (geteuid() == 0)
        cr_expect(says("no-such-user"), "%s", text.data);
    close(other);
}
