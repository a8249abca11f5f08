/* adopt_test.c - the verdict on one container; how it is carried out is in
 * fleet_test.c.
 */
#include "lifecycle/adopt.h"

#include <criterion/criterion.h>

#include "tests/support/fleet_bench.h"

static struct fleet_bench bench;
static struct fleet_host host;

static void init(void)
{
    bench_init(&bench, 2);
    host = (struct fleet_host){
        .replicas = {.loop = bench.loop, .timers = bench.timers}};
}

static void done(void)
{
    bench_done(&bench);
}

Test(adopt, only_what_runs_for_a_configured_app_is_kept, .init = init,
     .fini = done)
{
    struct fleet_app *app;
    struct fleet_app *external;
    static const struct {
        const char *label;
        int of; /* 0: app, 1: external app, 2: none */
        struct engine_container container;
        bool is_kept;
    } cases[] = {
        {"runs",
         0,
         {.revision = "0ld", .replica = 3, .is_running = true},
         true},
        {"no such app",
         2,
         {.revision = "0ld", .replica = 3, .is_running = true},
         false},
        {"upstream now",
         1,
         {.revision = "0ld", .replica = 3, .is_running = true},
         false},
        {"no replica label", 0, {.revision = "0ld", .is_running = true}, false},
        {"no revision", 0, {.replica = 3, .is_running = true}, false},
        {"ended", 0, {.replica = 3}, false},
        {"never started",
         0,
         {.revision = "0ld", .replica = 3, .is_created = true},
         false},
    };

    bench_make_external(&bench, 1, "127.0.0.1:1");
    app = fleet_app_new(&host, NULL, &bench.keeper_apps[0], bench.metrics);
    external = fleet_app_new(&host, NULL, &bench.keeper_apps[1], bench.metrics);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fleet_app *of[] = {app, external, NULL};

        cr_expect_eq(adopt_refusal(of[cases[i].of], &cases[i].container) ==
                         NULL,
                     cases[i].is_kept, "%s", cases[i].label);
    }
    fleet_app_free(&app);
    fleet_app_free(&external);
}
