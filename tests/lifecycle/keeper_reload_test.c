/* keeper_reload_test.c - a keeper's reloads: the configuration is the test's,
 * the fleet is on a bench, a shell that writes down what it hears is the front,
 * whose answers the test gives.
 */
#include "lifecycle/keeper_private.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lifecycle/front_supervisor.h"
#include "lifecycle/listen_sockets.h"
#include "lifecycle/log_files.h"
#include "lifecycle/machine.h"
#include "lifecycle/service_manager.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/metrics.h"
#include "tests/support/fleet_bench.h"
#include "tests/support/shell_front.h"

static struct fleet_bench bench;
static struct keeper keeper;
static char frames[64]; /* the file that the front writes to */
static struct listen_request listeners[2];
static char texts[2][32];

/* What load() gives next. */
static struct bench_generation *next;
static const char *load_errors;
static unsigned loads;

/* --- settings --- */

static struct strview encode(struct keeper_settings *settings)
{
    (void)settings;
    return SV("the settings");
}

static void free_generation(struct keeper_settings *settings)
{
    free(container_of(settings, struct bench_generation, base));
}

static const struct keeper_settings_ops ops = {.encode = encode,
                                               .free = free_generation};

/* As the bench's are, with the first `count` of the listeners. */
static struct bench_generation *generation(unsigned count)
{
    struct bench_generation *made = bench_generation(&bench);

    made->base.ops = &ops;
    made->base.listeners = listeners;
    made->base.listener_count = count;
    return made;
}

static struct keeper_settings *load(void *arg, struct keeper_settings *running,
                                    struct strbuf *ret_errors)
{
    (void)arg;
    cr_assert_eq(running, keeper.settings);
    loads++;
    if (load_errors)
        strbuf_add_str(ret_errors, load_errors);
    return next ? &TAKE(next)->base : NULL;
}

/* --- the front --- */

static void on_start(void *arg, struct channel *channel)
{
    (void)arg;
    (void)channel;
}

static void on_ready(void *arg, uint64_t generation)
{
    (void)arg;
    (void)generation;
}

static void on_message(void *arg, enum channel_type type,
                       struct strview payload, int *fds, unsigned fd_count)
{
    (void)arg;
    (void)type;
    (void)payload;
    (void)fds;
    (void)fd_count;
}

static void on_end(void *arg)
{
    (void)arg;
}

static bool front_is_ready(void *arg)
{
    (void)arg;
    return front_supervisor_is_ready(keeper.front);
}

static void start_front(void)
{
    struct front_supervisor_options options = {
        .loop = bench.loop,
        .timers = bench.timers,
        .on_start = on_start,
        .on_ready = on_ready,
        .on_message = on_message,
        .on_down = on_end,
        .on_finished = on_end,
    };
    AUTO(auto_free)
    char *script = xasprintf("READY; exec cat <&3 >%s", frames);
    struct err err;

    shell_front_set(&options, script);
    keeper.front = front_supervisor_new(&options, &err);
    cr_assert_not_null(keeper.front, "%s", err.text);
    cr_assert(bench_run_until(&bench, front_is_ready, NULL, 5000));
}

/* Whether the front has been sent that. */
static bool has_heard(void *arg)
{
    char text[65536];
    FILE *file = fopen(frames, "r");
    size_t len = file ? fread(text, 1, sizeof text, file) : 0;

    if (file)
        fclose(file);
    return memmem(text, len, arg, strlen(arg)) != NULL;
}

static void expect_heard(const char *text)
{
    AUTO(auto_free) char *copy = xstrdup(text);

    cr_assert(bench_run_until(&bench, has_heard, copy, 3000), "%s", text);
}

/* PREPARED of the reload that is under way; text NULL: it can. */
static void say_prepared(uint64_t number, const char *text)
{
    const struct channel_prepared message = {
        .generation = number, .ok = !text, .text = sv_of(text ? text : "")};

    keeper_reload_on_prepared(&keeper, &message);
}

/* --- the keeper --- */

static struct keeper_config config = {.load = load};

/* A socket of 127.0.0.1 with a port of its own, which it may listen on. */
static int bind_any(struct address *ret_address)
{
    struct sockaddr_in sin = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ret_address->len = sizeof ret_address->v6;
    cr_assert_eq(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
    cr_assert_eq(getsockname(fd, &ret_address->any, &ret_address->len), 0);
    return fd;
}

static void init(void)
{
    struct strbuf errors = STRBUF_INIT;
    int fd;

    bench_init(&bench, 2);
    bench_start(&bench);
    loads = 0;
    load_errors = NULL;
    snprintf(frames, sizeof frames, "/tmp/berth-frames-XXXXXX");
    fd = mkstemp(frames);
    cr_assert(fd >= 0 && fchmod(fd, 0666) == 0); /* the front's user's, too */
    close(fd);
    for (unsigned i = 0; i < 2; i++) {
        listeners[i] =
            (struct listen_request){.text = texts[i], .socket_count = 1};
        close(bind_any(&listeners[i].address));
        snprintf(texts[i], sizeof texts[i], "listener %u", i);
    }
    keeper = (struct keeper){.config = &config,
                             .settings = &generation(1)->base,
                             .step = KEEPER_RUNS,
                             .loop = bench.loop,
                             .timers = bench.timers,
                             .fleet = bench.fleet,
                             .fleet_has_engine = true,
                             .metrics = bench.metrics,
                             .generation = 1};
    keeper.cell = metrics_cell_new(bench.metrics, METRIC_SCOPE_PROCESS, "");
    keeper.manager = service_manager_new(bench.timers);
    keeper.sockets = listen_sockets_open(listeners, 1, &errors);
    cr_assert_not_null(keeper.sockets, "%s", errors.data);
    cr_assert(listen_sockets_listen(keeper.sockets, &errors));
    keeper.logs =
        log_files_open(&keeper.settings->lifecycle->log_files, &errors);
    keeper.machine = machine_of(keeper.settings->lifecycle, &errors);
    keeper.reload = keeper_reload_new(&keeper);
    start_front();
    strbuf_done(&errors);
}

static void done(void)
{
    keeper_reload_free(&keeper.reload);
    front_supervisor_free(&keeper.front);
    bench_run_ms(&bench, 5);
    bench_done(&bench);
    listen_sockets_free(&keeper.sockets);
    log_files_free(&keeper.logs);
    machine_free(&keeper.machine);
    service_manager_free(&keeper.manager);
    keeper_settings_unref(&keeper.settings);
    remove(frames);
}

TestSuite(keeper_reload, .init = init, .fini = done, .timeout = 30);

static uint64_t count_of(enum metric_id id)
{
    return metrics_sum(bench.metrics, id, NULL);
}

static int socket_of(unsigned index)
{
    unsigned count;
    const int *fds = listen_sockets_fds(keeper.sockets, index, &count);

    cr_assert_eq(count, 1);
    return fds[0];
}

/* Nothing has changed, and whoever asked was told why. */
static void expect_refused(const struct keeper_settings *before, int fd,
                           const char *why)
{
    expect_heard("config_refused");
    expect_heard(why);
    cr_expect_eq(keeper.settings, before);
    cr_expect_eq(keeper.generation, 1);
    cr_expect_eq(listen_sockets_count(keeper.sockets), 1);
    cr_expect_eq(socket_of(0), fd);
    cr_expect_eq(count_of(METRIC_CONFIG_RELOADS_REFUSED), 1);
    cr_expect_eq(count_of(METRIC_CONFIG_RELOADS_APPLIED), 0);
}

Test(keeper_reload, a_bad_file_changes_nothing_and_all_its_errors_are_told)
{
    const struct keeper_settings *before = keeper.settings;
    int fd = socket_of(0);

    load_errors = "a.conf:1:1: one thing\na.conf:2:2: another\n";
    keeper_reload_by_action(&keeper, 7);
    expect_refused(before, fd, "a.conf:1:1: one thing\na.conf:2:2: another");
}

Test(keeper_reload, what_the_front_cannot_have_is_refused_with_its_reason)
{
    const struct keeper_settings *before = keeper.settings;
    int fd = socket_of(0);

    next = generation(2);
    keeper_reload_by_action(&keeper, 7);
    expect_heard("the settings");
    say_prepared(2, "the certificate is broken\n");
    expect_refused(before, fd, "the certificate is broken");
}

Test(keeper_reload, an_address_in_use_is_named_and_nothing_is_closed)
{
    const struct keeper_settings *before = keeper.settings;
    int fd = socket_of(0);
    int other = bind_any(&listeners[1].address);

    cr_assert_eq(listen(other, 1), 0);
    next = generation(2);
    keeper_reload_by_action(&keeper, 7);
    expect_refused(before, fd, "Address already in use");
    close(other);
}

Test(keeper_reload, a_front_that_ends_while_it_prepares_leaves_all_as_it_was)
{
    const struct keeper_settings *before = keeper.settings;

    next = generation(2);
    keeper_reload_by_signal(&keeper);
    keeper_reload_on_front_down(&keeper);
    cr_expect_eq(keeper.settings, before);
    cr_expect_eq(count_of(METRIC_CONFIG_RELOADS_REFUSED), 1);
    say_prepared(2, NULL); /* too late, and of nobody's interest */
    cr_expect_eq(keeper.settings, before);
}

Test(keeper_reload, listeners_that_stay_keep_their_socket)
{
    int fd = socket_of(0);
    const struct keeper_settings *wanted;

    next = generation(2);
    wanted = &next->base;
    load_errors = "a.conf:3: a warning\n";
    keeper_reload_by_action(&keeper, 7);
    say_prepared(2, NULL);
    cr_assert_eq(keeper.settings, wanted);
    cr_assert_eq(keeper.generation, 2);
    cr_assert_eq(listen_sockets_count(keeper.sockets), 2);
    cr_expect_eq(socket_of(0), fd);
    cr_expect_not(keeper_reload_on_ready(&keeper, 1), "the one before");
    cr_expect(keeper_reload_on_ready(&keeper, 2));
    expect_heard("\"listeners\":{\"kept\":1,\"opened\":1,\"closed\":0}");
    expect_heard("\"warnings\":[\"a.conf:3: a warning\"]");
    expect_heard("\"result\":\"unchanged\"");
    cr_expect_eq(count_of(METRIC_CONFIG_RELOADS_APPLIED), 1);

    load_errors = NULL;
    next = generation(1);
    keeper_reload_by_action(&keeper, 8);
    say_prepared(3, NULL);
    cr_expect(keeper_reload_on_ready(&keeper, 3));
    expect_heard("\"listeners\":{\"kept\":1,\"opened\":0,\"closed\":1}");
    cr_expect_eq(socket_of(0), fd);
}

Test(keeper_reload, who_asks_while_one_runs_shares_the_one_that_follows)
{
    next = generation(1);
    keeper_reload_by_action(&keeper, 7);
    keeper_reload_by_action(&keeper, 8);
    keeper_reload_by_signal(&keeper);
    keeper_reload_by_action(&keeper, 9);
    cr_expect_eq(loads, 1, "what the file says now is read afterwards");
    next = generation(1);
    next->apps[0].queue_size = 77;
    say_prepared(2, NULL);
    cr_expect_eq(loads, 1);
    cr_expect(keeper_reload_on_ready(&keeper, 2));
    cr_assert_eq(loads, 2);
    say_prepared(2, NULL); /* of the one before */
    cr_expect_eq(keeper.generation, 2);
    say_prepared(3, NULL);
    cr_expect(keeper_reload_on_ready(&keeper, 3));
    expect_heard("\"result\":\"changed\"");
    cr_expect_eq(loads, 2, "one for all three");
    cr_expect_eq(count_of(METRIC_CONFIG_RELOADS_APPLIED), 2);
}

Test(keeper_reload, one_that_stops_reloads_nothing)
{
    const struct keeper_settings *before = keeper.settings;

    next = generation(2);
    keeper_reload_by_action(&keeper, 7);
    keeper.step = KEEPER_DRAINS;
    say_prepared(2, NULL);
    expect_heard("berth stops");
    cr_expect_eq(keeper.settings, before);
    keeper_reload_by_action(&keeper, 8);
    expect_heard("not_possible berth stops");
    keeper_reload_by_signal(&keeper);
    cr_expect_eq(loads, 1);
}
