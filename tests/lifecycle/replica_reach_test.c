/* replica_reach_test.c */
#include "lifecycle/replica_reach.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"
#include "tests/support/fleet_bench.h"

static struct fleet_bench bench;
static struct replica_host host;

static void init(void)
{
    bench_init(&bench, 1);
    host = (struct replica_host){.engine = &bench.engine->base,
                                 .state_dir = bench.state_dir};
}

static void done(void)
{
    bench_done(&bench);
}

TestSuite(replica_reach, .init = init, .fini = done);

enum expected { INSIDE, PUBLISHED, HOST, SOCKET, REFUSED };

Test(replica_reach, is_as_configured_else_the_quickest_that_is_possible)
{
    static char socket[] = "app.sock";
    static const struct {
        const char *label;
        bool can_enter;
        struct container_settings container;
        enum expected expected;
    } cases[] = {
        {"auto, as root", true, {.port_mode = PORT_AUTO}, INSIDE},
        {"auto, rootless", false, {.port_mode = PORT_AUTO}, PUBLISHED},
        {"inside, as root", true, {.port_mode = PORT_INSIDE}, INSIDE},
        {"inside, rootless", false, {.port_mode = PORT_INSIDE}, REFUSED},
        {"published, as root", true, {.port_mode = PORT_PUBLISHED}, PUBLISHED},
        {"none, as root", true, {.network = NETWORK_NONE}, INSIDE},
        {"none, rootless", false, {.network = NETWORK_NONE}, REFUSED},
        {"none, published",
         true,
         {.network = NETWORK_NONE, .port_mode = PORT_PUBLISHED},
         REFUSED},
        {"none and socket, rootless",
         false,
         {.network = NETWORK_NONE, .socket = socket},
         SOCKET},
        {"socket", true, {.socket = socket}, SOCKET},
        {"host", true, {.network = NETWORK_HOST}, HOST},
        {"host, rootless", false, {.network = NETWORK_HOST}, HOST},
        {"bridge", true, {.network = NETWORK_BRIDGE}, INSIDE},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct engine_spec spec = {.name = "berth-t-a-1", .port = 8000};
        struct replica_reach reach = {0};
        AUTO(auto_free) char *dir = NULL;
        struct err err = {0};
        const char *label = cases[i].label;
        bool ok;

        bench.engine->base.capabilities.sockets_inside = cases[i].can_enter;
        ok = replica_reach_choose(&host, &cases[i].container, &spec, &dir,
                                  &reach, &err);
        cr_expect_eq(ok, cases[i].expected != REFUSED, "%s: %s", label,
                     err.text);
        cr_expect_eq(spec.inside, cases[i].expected == INSIDE, "%s", label);
        cr_expect_eq(spec.publish, cases[i].expected == PUBLISHED, "%s", label);
        cr_expect_eq(spec.socket_dir != NULL, cases[i].expected == SOCKET, "%s",
                     label);
        if (cases[i].expected == HOST)
            cr_expect_eq(address_port(&reach.address), spec.port, "%s", label);
        if (cases[i].expected == SOCKET)
            cr_expect_not_null(strstr(reach.socket_path, "/app.sock"), "%s",
                               label);
        free(reach.socket_path);
    }
}

Test(replica_reach, each_replica_of_host_network_has_a_port_of_its_own)
{
    struct container_settings container = {.network = NETWORK_HOST,
                                           .port = 8000};
    struct engine_spec spec = {.name = "berth-t-a-1", .port = 8000};
    struct replica_reach reach = {0};
    AUTO(auto_free) char *dir = NULL;
    struct err err;

    cr_assert(
        replica_reach_choose(&host, &container, &spec, &dir, &reach, &err));
    cr_expect_neq(spec.port, 8000U);
    cr_expect_geq(spec.port, 1024U);
    cr_expect(address_is_loopback(&reach.address));
    replica_reach_complete(&(struct engine_container){.host_port = 5}, &reach);
    cr_expect_eq(address_port(&reach.address), spec.port, "not published");
}

Test(replica_reach, a_published_port_is_known_once_it_runs)
{
    struct replica_reach reach = {.connect = CONNECT_DIRECT};
    char text[ADDRESS_TEXT_SIZE];

    replica_reach_complete(&(struct engine_container){.host_port = 41234},
                           &reach);
    address_format(&reach.address, text);
    cr_expect_str_eq(text, "127.0.0.1:41234");
}

Test(replica_reach, of_one_that_is_found_its_labels_say)
{
    static const struct {
        const char *label;
        bool can_enter;
        enum network_kind network;
        struct engine_container running;
        enum connect_kind connect; /* 0: it cannot be reached */
    } cases[] = {
        {"inside",
         true,
         NETWORK_PRIVATE,
         {.inside = true, .port = 80},
         CONNECT_INSIDE},
        {"inside, but not by this one",
         false,
         NETWORK_PRIVATE,
         {.inside = true, .port = 80},
         0},
        {"published",
         true,
         NETWORK_PRIVATE,
         {.host_port = 41000, .port = 80},
         CONNECT_DIRECT},
        {"socket",
         false,
         NETWORK_NONE,
         {.socket_path = "/x/app.sock"},
         CONNECT_KEEPER},
        {"host", false, NETWORK_HOST, {.port = 41000}, CONNECT_DIRECT},
        {"nothing", true, NETWORK_PRIVATE, {.port = 80}, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct container_settings container = {.network = cases[i].network};
        struct replica_reach reach = {0};
        struct err err = {0};

        bench.engine->base.capabilities.sockets_inside = cases[i].can_enter;
        cr_expect_eq(replica_reach_find(&host, &container, &cases[i].running,
                                        &reach, &err),
                     cases[i].connect != 0, "%s: %s", cases[i].label, err.text);
        if (cases[i].connect)
            cr_expect_eq(reach.connect, cases[i].connect, "%s", cases[i].label);
        free(reach.socket_path);
    }
}
