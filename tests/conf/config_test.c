#include "conf/config.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "conf/host_defaults.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "tests/support/config_cases.h"

#define ROUTE(directives)                                                      \
    "http { server { listen 80; route / { " directives " } } }\n"              \
    "app a { image localhost/a:1; }"

/* --- what is read ----------------------------------------------------------
 */

Test(config, an_empty_file_has_every_default)
{
    AUTO(config_free) struct config *config = config_cases_good("");
    const struct proxy_settings *proxy = config->proxy;
    const struct lifecycle_settings *lifecycle = config->lifecycle;
    AUTO(auto_free) char *state_dir = host_default_state_dir();
    AUTO(auto_free) char *socket = xasprintf("unix:%s/admin.sock", state_dir);

    cr_expect_eq(proxy->worker_count, host_default_workers());
    cr_expect_eq(proxy->log_level, LOG_INFO);
    cr_expect_not(proxy->log_json);
    cr_expect_eq(proxy->drain_timeout_ms, 30000);
    cr_expect_eq(proxy->buffer_memory_bytes, 64U << 20);
    cr_expect_eq(proxy->max_connections, host_default_connections());
    cr_expect(proxy->admin.metrics_open);
    cr_expect_eq(proxy->listener_count, 1);
    cr_expect(proxy->listeners[0].is_admin);
    cr_expect_str_eq(proxy->listeners[0].text, socket);
    cr_expect_eq(proxy->listeners[0].unix_mode, 0600);
    cr_expect_str_eq(lifecycle->state_dir, state_dir);
    cr_expect_null(lifecycle->user);
    cr_expect_eq(lifecycle->on_exit, EXIT_KEEP);
    cr_expect_eq(lifecycle->drain_timeout_ms, 30000);
    cr_expect_null(lifecycle->podman.socket);
    cr_expect(lifecycle->podman.service_auto);
    cr_expect_str_eq(lifecycle->podman.namespace_name, "default");
    cr_expect_eq(lifecycle->podman.max_parallel_pulls, 3);
    cr_expect_eq(lifecycle->podman.max_parallel_starts, host_default_workers());
    cr_expect_eq(lifecycle->podman.pull_retries, 3);
}

Test(config, an_app_has_every_default)
{
    AUTO(config_free) struct config *config = config_cases_good(APP(""));
    const struct app_settings *app = &config->proxy->apps[0];
    const struct container_settings *container =
        &config->lifecycle->apps[0].container;

    cr_expect_eq(config->lifecycle->apps[0].app, app);
    cr_expect_str_eq(app->name, "a");
    cr_expect_eq(app->concurrency, 8);
    cr_expect_eq(app->replicas_min, 0);
    cr_expect_eq(app->replicas_max, 4);
    cr_expect_eq(app->target_utilization_percent, 0, "auto");
    cr_expect_not(app->has_scale_down_delay, "auto");
    cr_expect_eq(app->queue_size, 1000);
    cr_expect_eq(app->queue_timeout_ms, 60000);
    cr_expect_eq(app->idle_timeout_ms, 300000);
    cr_expect_eq(app->warmth.freeze_after_ms, 0);
    cr_expect_eq(app->warmth.hibernate_when, HIBERNATE_PRESSURE);
    cr_expect_eq(app->warmth.keep_frozen, 0);
    cr_expect(app->warmth.keep_primed_auto);
    cr_expect_not(app->warmth.keep_until_pressure);
    cr_expect_null(app->warmth.on_sleep);
    cr_expect_null(app->warmth.on_wake);
    cr_expect_eq(app->max_keep_ms, 3600000);
    cr_expect_eq(app->drain_timeout_ms, 30000);
    cr_expect_eq(app->start_timeout_ms, 120000);
    cr_expect_eq(app->start_retries, 3);
    cr_expect_eq(app->on_cold_start, COLD_START_HOLD);
    cr_expect_eq(app->ready_check.kind, CHECK_TCP);
    cr_expect(app->upstream_keepalive);
    cr_expect_eq(app->max_tunnels, 1000);
    cr_expect_str_eq(container->image, "localhost/a:1");
    cr_expect_eq(container->pull_policy, PULL_MISSING);
    cr_expect_eq(container->port, 0);
    cr_expect_eq(container->network, NETWORK_PRIVATE);
    cr_expect_not(container->has_command);
    cr_expect_eq(container->stop_timeout_ms, 10000);
    cr_expect_eq(container->pull_timeout_ms, 1800000);
}

Test(config, a_container_is_read_whole)
{
    AUTO(config_free) struct config *config = config_cases_good(
        APP("port 8080 published; network my-net; pull_policy never;"
            "command python 'a b' ''; entrypoint /bin/sh -c; workdir /w;"
            "user 1000:1001; env A 'x;y'; env B '';"
            "volume /srv/m:/m:ro,z; volume data:/d; label x.y 'a b';"
            "ulimit nofile 1024:2048; ulimit core unlimited; cpus 1.25;"
            "memory 2g; pids 100; concurrency off; replicas 1;"
            "idle_timeout off; max_keep 1d; on_cold_start reject;"
            "ready_check http /health?x=1 status=204; stop_signal INT;"
            "upstream_keepalive off; target_utilization 70%;"
            "scale_down_delay 30s;"));
    const struct app_settings *app = &config->proxy->apps[0];
    const struct container_settings *c = &config->lifecycle->apps[0].container;

    cr_expect_eq(c->port, 8080);
    cr_expect_eq(c->port_mode, PORT_PUBLISHED);
    cr_expect_eq(c->network, NETWORK_NAMED);
    cr_expect_str_eq(c->network_name, "my-net");
    cr_expect_eq(c->pull_policy, PULL_NEVER);
    cr_expect_eq(c->command.count, 3);
    cr_expect_str_eq(c->command.items[1], "a b");
    cr_expect_str_eq(c->command.items[2], "");
    cr_expect_eq(c->entrypoint.count, 2);
    cr_expect_str_eq(c->workdir, "/w");
    cr_expect_str_eq(c->user, "1000:1001");
    cr_expect_eq(c->env.count, 2);
    cr_expect_str_eq(c->env.items[0].value, "x;y");
    cr_expect_eq(c->volume_count, 2);
    cr_expect_str_eq(c->volumes[0].source, "/srv/m");
    cr_expect_str_eq(c->volumes[0].destination, "/m");
    cr_expect_str_eq(c->volumes[0].options, "ro,z");
    cr_expect_str_eq(c->volumes[1].options, "");
    cr_expect_str_eq(c->labels.items[0].value, "a b");
    cr_expect_eq(c->ulimits[0].soft, 1024);
    cr_expect_eq(c->ulimits[0].hard, 2048);
    cr_expect_eq(c->ulimits[1].hard, UINT64_MAX);
    cr_expect_eq(c->cpu_millis, 1250);
    cr_expect_eq(c->memory_bytes, 2ULL << 30);
    cr_expect_eq(c->pids, 100);
    cr_expect_eq(app->concurrency, 0);
    cr_expect_eq(app->replicas_min, 1);
    cr_expect_eq(app->replicas_max, 4, "unless more is asked for");
    cr_expect_eq(app->target_utilization_percent, 70);
    cr_expect(app->has_scale_down_delay);
    cr_expect_eq(app->scale_down_delay_ms, 30000);
    cr_expect_eq(app->idle_timeout_ms, 0);
    cr_expect_eq(app->max_keep_ms, 86400000);
    cr_expect_eq(app->on_cold_start, COLD_START_REJECT);
    cr_expect_eq(app->ready_check.kind, CHECK_HTTP);
    cr_expect_str_eq(app->ready_check.path, "/health?x=1");
    cr_expect_eq(app->ready_check.status_min, 204);
    cr_expect_eq(app->ready_check.status_max, 204);
    cr_expect_str_eq(c->stop_signal, "SIGINT");
    cr_expect_not(app->upstream_keepalive);
}

Test(config, how_warm_an_app_is_kept)
{
    AUTO(config_free) struct config *config = config_cases_good(
        APP("freeze_after 10s; hibernate_after 5m; keep_frozen 2 for=1h;"
            "keep_primed 3; keep_until_pressure on; on_sleep http /sleep;"
            "on_wake http /wake?all=1;"));
    AUTO(config_free) struct config *off = config_cases_good(
        APP("freeze_after off; hibernate_after off; keep_frozen 1;"
            "keep_primed 0;"));
    const struct warmth_settings *warmth = &config->proxy->apps[0].warmth;

    cr_expect_eq(warmth->freeze_after_ms, 10000);
    cr_expect_eq(warmth->hibernate_when, HIBERNATE_AFTER);
    cr_expect_eq(warmth->hibernate_after_ms, 300000);
    cr_expect_eq(warmth->keep_frozen, 2);
    cr_expect_eq(warmth->keep_frozen_for_ms, 3600000);
    cr_expect_not(warmth->keep_primed_auto);
    cr_expect_eq(warmth->keep_primed, 3);
    cr_expect(warmth->keep_until_pressure);
    cr_expect_str_eq(warmth->on_sleep, "/sleep");
    cr_expect_str_eq(warmth->on_wake, "/wake?all=1");
    warmth = &off->proxy->apps[0].warmth;
    cr_expect_eq(warmth->freeze_after_ms, 0);
    cr_expect_eq(warmth->hibernate_when, HIBERNATE_OFF);
    cr_expect_eq(warmth->keep_frozen_for_ms, 0);
    cr_expect_not(warmth->keep_primed_auto);
    cr_expect_eq(warmth->keep_primed, 0);
}

/* The order of directives and blocks in a block does not matter. */
Test(config, the_inner_value_wins_wherever_it_stands)
{
    AUTO(config_free) struct config *config = config_cases_good(
        "http {"
        "  server { listen 80;"
        "    route /a { return 200; retry 5; response_header X-B inner; }"
        "    route /b { return 200; }"
        "    retry 4; client_max_headers 7; response_header x-a mid;"
        "  }"
        "  server { listen 81; route / { return 200; } trusted_proxies unix:; }"
        "  retry 3; client_max_headers 9; trusted_proxies 10.0.0.0/8 ::1;"
        "  response_header X-A outer; response_header X-B outer;"
        "}");
    const struct server_settings *first = &config->proxy->servers[0];
    const struct server_settings *second = &config->proxy->servers[1];
    const struct field_settings *fields = &first->routes[0].response_headers;

    cr_expect_eq(first->routes[0].retry, 5);
    cr_expect_eq(first->routes[1].retry, 4);
    cr_expect_eq(second->routes[0].retry, 3);
    cr_expect_eq(first->client_max_headers, 7);
    cr_expect_eq(second->client_max_headers, 9);
    cr_expect_eq(first->trusted_count, 2);
    cr_expect_eq(second->trusted_count, 1);
    cr_expect_eq(second->trusted[0].family, AF_UNIX);
    cr_expect_eq(fields->count, 2);
    cr_expect_str_eq(fields->fields[0].value, "mid");
    cr_expect_str_eq(fields->fields[1].value, "inner");
    fields = &second->routes[0].response_headers;
    cr_expect_str_eq(fields->fields[0].value, "outer");
    cr_expect_str_eq(fields->fields[1].value, "outer");
}

Test(config, servers_share_listeners_and_one_is_the_default)
{
    AUTO(config_free) struct config *config = config_cases_good(
        "http {"
        " server { listen 80; listen unix:/s; server_name A.example.com; "
        "          route / { return 200; } }"
        " server { listen 0.0.0.0:80; server_name *.b; route / { return 200; } "
        "}"
        " server { listen *:80 default; route / { return 200; } }"
        "}"
        "admin { listen 127.0.0.1:9901; listen unix:/run/x.sock mode=0660; }");
    const struct proxy_settings *proxy = config->proxy;
    const struct listener_settings *shared = &proxy->listeners[2];

    cr_assert_eq(proxy->listener_count, 4);
    cr_expect(proxy->listeners[0].is_admin && proxy->listeners[1].is_admin);
    cr_expect_eq(proxy->listeners[1].unix_mode, 0660);
    cr_expect_str_eq(shared->text, "80");
    cr_assert_eq(shared->server_count, 3);
    cr_expect_eq(shared->servers[0], 2);
    cr_expect_eq(shared->servers[1], 0);
    cr_expect_eq(shared->servers[2], 1);
    cr_expect_eq(proxy->listeners[3].server_count, 1);
    cr_expect_str_eq(proxy->servers[0].names[0], "a.example.com");
    cr_expect_eq(proxy->servers[2].name_count, 0);
}

Test(config, route_prefixes_are_normalised)
{
    AUTO(config_free) struct config *config =
        config_cases_good("http { server { listen 80;"
                          " route /a/./b/%7ec { return 302 /x; }"
                          " route / { return 503 \"back\\nsoon\"; } } }");
    const struct server_settings *server = &config->proxy->servers[0];

    cr_expect_str_eq(server->routes[0].prefix, "/a/b/~c");
    cr_expect_eq(server->routes[0].app, UINT32_MAX);
    cr_expect_eq(server->routes[0].return_code, 302);
    cr_expect_str_eq(server->routes[0].return_text, "/x");
    cr_expect_str_eq(server->routes[1].return_text, "back\nsoon");
}

Test(config, an_upstream_app_runs_as_many_as_it_names)
{
    AUTO(config_free) struct config *config =
        config_cases_good("app a { upstream 127.0.0.1:3000 unix:/s; upstream "
                          "[::1]:3000; ready_check http /; }");
    const struct app_settings *app = &config->proxy->apps[0];

    cr_expect_eq(app->upstream_count, 3);
    cr_expect_eq(app->replicas_min, 3);
    cr_expect_eq(app->replicas_max, 3);
    cr_expect_eq(app->upstreams[1].any.sa_family, AF_UNIX);
    cr_expect_null(config->lifecycle->apps[0].container.image);
}

Test(config, what_is_odd_but_valid_is_a_warning)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(config_free) struct config *config =
        config_cases_parse("http { server { listen 80; } }\n" APP(""), &errors);

    cr_expect_not_null(config);
    cr_expect_str_eq(errors.data,
                     "t:1:8: warning: this server has no route: all it "
                     "answers is 404\n"
                     "t:2:1: warning: no route leads to app \"a\"\n");
}

/* --- errors ------------------------------------------------------------------
 */

Test(config, unknown_and_misplaced_directives)
{
    static const struct config_case cases[] = {
        {"nearest name", APP("imge x;"),
         "t:1:30: unknown directive \"imge\" in app \"a\"; did you mean "
         "\"image\"?\n"},
        {"no near name", "xyzzy 1;",
         "t:1:1: unknown directive \"xyzzy\" at the top level\n"},
        {"nginx's name", "http { server { listen 80; location / { } } }",
         "t:1:28: unknown directive \"location\" in server; did you mean "
         "\"route\"?\n"},
        {"nginx's name, elsewhere", "location / { }",
         "t:1:1: unknown directive \"location\" at the top level\n"},
        {"block", "htttp { }",
         "t:1:1: unknown directive \"htttp\" at the top level; did you mean "
         "\"http\"?\n"},
        {"of a later version", "events { }",
         "t:1:1: unknown directive \"events\" at the top level\n"},
        {"elsewhere", "http { image x; }",
         "t:1:8: \"image\" may not stand in http, only in app or "
         "sidecar\n"},
        {"in several", APP("retry 1;"),
         "t:1:30: \"retry\" may not stand in app \"a\", only in http, server "
         "or route\n"},
        {"top level only", "podman { state_dir /x; }",
         "t:1:10: \"state_dir\" may not stand in podman, only at the top "
         "level\n"},
        {"decided before the route is known", ROUTE("app a; send_timeout 1s;"),
         "t:1:45: \"send_timeout\" may not stand in route \"/\", only in http "
         "or server\n"},
        {"include of a text", "include x;",
         "t:1:1: \"include\" is not possible here\n"},
    };

    config_cases_check(cases, ARRAY_LEN(cases));
}

Test(config, the_form_of_a_directive)
{
    static const struct config_case cases[] = {
        {"too few", APP("port;"),
         "t:1:30: \"port\" takes 1 or 2 arguments, not 0: port N "
         "[auto|inside|published];\n"},
        {"too many", APP("memory 1g 2g;"),
         "t:1:30: \"memory\" takes 1 argument, not 2: memory SIZE;\n"},
        {"any number", APP("command;"),
         "t:1:30: \"command\" takes 1 or more arguments, not 0: command "
         "ARG…;\n"},
        {"none", "http x { }",
         "t:1:1: \"http\" takes no arguments, not 1: http { … }\n"},
        {"no block", "http;", "t:1:1: \"http\" needs a block: http { … }\n"},
        {"a block", "user a { }",
         "t:1:1: \"user\" has no block; end it with \";\": user NAME;\n"},
        {"twice", "on_exit keep;\non_exit stop;",
         "t:2:1: duplicate directive \"on_exit\"; the first is at t:1:1\n"},
        {"two blocks", "http { }\nhttp { }",
         "t:2:1: duplicate directive \"http\"; the first is at t:1:1\n"},
        {"missing semicolon",
         "app a {\n image localhost/a:1\n port 80;\n memory 1g\n}",
         "t:3:2: \"port\" begins a line: is the \";\" missing that ends "
         "\"image\" of t:2:2? (If it is an argument, quote it.)\n"
         "t:5:1: \"}\" where \";\" should end \"memory\" of t:4:2 (in the "
         "block \"app a\", which began at t:1:1)\n"},
        {"missing semicolon before a block",
         "http {\nserver { listen 80\nroute / { return 200; } } }",
         "t:3:1: \"route\" begins a line: is the \";\" missing that ends "
         "\"listen\" of t:2:10? (If it is an argument, quote it.)\n"},
        {"missing semicolon after a list",
         "app a { image localhost/a:1; command python\n env A b; }",
         "t:2:2: \"env\" begins a line: is the \";\" missing that ends "
         "\"command\" of t:1:30? (If it is an argument, quote it.)\n"},
    };

    config_cases_check(cases, ARRAY_LEN(cases));
}

Test(config, values_say_what_they_should_be)
{
    static const struct config_case cases[] = {
        {"time", APP("queue_timeout soon;"),
         "t:1:44: \"queue_timeout\" takes a time such as 250ms, 30s, 5m or "
         "1h, not \"soon\"\n"},
        {"time without unit", APP("queue_timeout 60;"),
         "t:1:44: \"queue_timeout\" takes a time such as 250ms, 30s, 5m or "
         "1h; \"60\" has no unit: is it 60s?\n"},
        {"time or off", APP("idle_timeout never;"),
         "t:1:43: \"idle_timeout\" takes a time such as 250ms, 30s, 5m or 1h, "
         "or off, not \"never\"\n"},
        {"time out of range", APP("queue_timeout 0;"),
         "t:1:44: \"queue_timeout\" must be 1ms to 1d, not 0\n"},
        {"time overflow", APP("queue_timeout 99999999999999999999h;"),
         "t:1:44: \"queue_timeout\" must be 1ms to 1d, not "
         "99999999999999999999h\n"},
        {"size", APP("memory 1gb;"),
         "t:1:37: \"memory\" takes a size such as 512, 16k, 10m or 4g, not "
         "\"1gb\"\n"},
        {"size out of range", "http { buffer_memory 1k; }",
         "t:1:22: \"buffer_memory\" must be 1m to 1t, not 1k\n"},
        {"count", APP("queue_size many;"),
         "t:1:41: \"queue_size\" takes a whole number, not \"many\"\n"},
        {"count out of range", APP("concurrency 0;"),
         "t:1:42: \"concurrency\" must be 1 to 100000, or off, not 0\n"},
        {"flag", APP("upstream_keepalive yes;"),
         "t:1:30: \"upstream_keepalive\" takes on or off, not \"yes\"\n"},
        {"enum", APP("pull_policy nver;"),
         "t:1:30: \"pull_policy\" takes missing, always, newer or never, not "
         "\"nver\"; did "
         "you mean \"never\"?\n"},
        {"path", "state_dir run/berth;",
         "t:1:11: \"state_dir\" takes an absolute path, not \"run/berth\"\n"},
        {"name", "user 'a b';",
         "t:1:6: \"user\" takes a name of letters, digits, \"_\", \".\" and "
         "\"-\", not \"a b\"\n"},
        {"label", "podman { namespace A; }",
         "t:1:20: \"namespace\" takes a name of small letters, digits, \"_\", "
         "\".\" and \"-\", not \"A\"\n"},
        {"program", "podman { runtime a/b; }",
         "t:1:18: \"runtime\" takes a name or an absolute path, not \"a/b\"\n"},
        {"too long", "user aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;",
         "t:1:6: \"user\" may be 32 bytes long, not 33\n"},
        {"workers", "worker_threads 0;",
         "t:1:1: \"worker_threads\" must be 1 to 1024, not 0\n"},
        {"workers", "worker_threads all;",
         "t:1:1: \"worker_threads\" takes a whole number, not \"all\"\n"},
        {"log target", "error_log stdout info;",
         "t:1:11: \"error_log\" takes stderr, syslog or a path with a / in it, "
         "not \"stdout\"\n"},
        {"log level", "error_log stderr warning;",
         "t:1:1: \"error_log\" takes debug, info, notice, warn or error, not "
         "\"warning\"; did you mean \"warn\"?\n"},
        {"log format", "error_log stderr info jsn;",
         "t:1:1: \"error_log\" takes json, not \"jsn\"; did you mean "
         "\"json\"?\n"},
    };

    config_cases_check(cases, ARRAY_LEN(cases));
}

Test(config, podman_and_admin)
{
    static const struct config_case cases[] = {
        {"runtime without service", "podman { runtime crun; service off; }",
         "t:1:10: \"runtime\" has no effect with \"service off\": only a "
         "service that berth starts itself can be told; set runtime in "
         "containers.conf\n"},
        {"podman's socket", "podman { socket /run/podman.sock; }",
         "t:1:17: \"socket\" takes unix:PATH, not \"/run/podman.sock\"\n"},
        {"relative socket", "podman { socket unix:a; }",
         "t:1:10: \"socket\" takes an absolute path after unix:, not \"a\"\n"},
        {"not loopback", "admin { listen 0.0.0.0:9901; }",
         "t:1:16: \"listen 0.0.0.0:9901\": an address that is not loopback "
         "needs \"tls\"; or use a loopback address or unix:PATH\n"},
        {"any address", "admin { listen 9901; }",
         "t:1:16: \"listen 9901\": an address that is not loopback needs "
         "\"tls\"; or use a loopback address or unix:PATH\n"},
        {"another word", "admin { listen 127.0.0.1:1 tsl; }",
         "t:1:9: \"listen\" takes tls, not \"tsl\"; did you mean \"tls\"?\n"},
        {"mode", "admin { listen unix:/s mode=999; }",
         "t:1:24: mode= takes octal digits of 0000 to 0777, not \"999\"\n"},
        {"mode", "admin { listen unix:/s 0600; }",
         "t:1:24: \"listen\" takes mode=0600 here, not \"0600\"\n"},
        {"twice", "admin { listen unix:/s; listen unix:/s; }",
         "t:1:25: \"listen unix:/s\": the same address is at t:1:9\n"},
        {"token kind", "admin { token_file /t write; }",
         "t:1:9: \"token_file\" takes read, not \"write\"\n"},
        {"two tokens", "admin { token_file /t; token_file /u; }",
         "t:1:24: duplicate token_file \"full\"; the first is at t:1:9\n"},
        {"state_dir too long for the socket",
         "state_dir /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;",
         "t:1:11: \"state_dir\" may be 90 bytes long, not 98\n"},
    };

    config_cases_check(cases, ARRAY_LEN(cases));
}

#define SERVER(directives)                                                     \
    "http { server { " directives " route / { return 200; } } }"

Test(config, servers_and_listeners)
{
    static const struct config_case cases[] = {
        {"no listen", SERVER(""), "t:1:8: this server has no \"listen\"\n"},
        {"port 0", SERVER("listen 0;"),
         "t:1:17: \"listen\": \"0\" is not a port (1 to 65535)\n"},
        {"relative", SERVER("listen unix:s;"),
         "t:1:17: \"listen\" takes an absolute path after unix:, not \"s\"\n"},
        {"flag", SERVER("listen 80 defualt;"),
         "t:1:17: \"listen\" takes tls, proxy_protocol or default, not "
         "\"defualt\"; did you mean "
         "\"default\"?\n"},
        {"twice", SERVER("listen 80; listen *:80;"),
         "t:1:28: duplicate listen \"0.0.0.0:80\"; the first is at t:1:17\n"},
        {"the admin's",
         "admin { listen 127.0.0.1:80; }\n" SERVER("listen 127.0.0.1:80;"),
         "t:2:17: \"listen 127.0.0.1:80\" is the admin API's at t:1:9\n"},
        {"two defaults",
         "http { server { listen 80 default; server_name a; route / { return "
         "200; } }\nserver { listen 80 default; server_name b; route / { "
         "return "
         "200; } } }",
         "t:2:10: duplicate default server of \"listen 80\"; the first is at "
         "t:1:17\n"},
        {"one name twice",
         "http { server { listen 80; server_name a; route / { return 200; } }\n"
         "server { listen 80; server_name b A; route / { return 200; } } }",
         "t:2:1: two servers of \"listen 80\" are for a; the other is at "
         "t:1:8\n"},
        {"two for any host",
         "http { server { listen 80; route / { return 200; } }\n"
         "server { listen 80; server_name _; route / { return 200; } } }",
         "t:2:1: two servers of \"listen 80\" are for any host: give one a "
         "server_name; the other is at t:1:8\n"},
        {"bad names", SERVER("listen 80; server_name a..b *.*.c -;"),
         "t:1:40: \"server_name\" takes a host such as example.com, "
         "*.example.com or _, not \"a..b\"\n"
         "t:1:45: \"server_name\" takes a host such as example.com, "
         "*.example.com or _, not \"*.*.c\"\n"},
        {"a port in a name", SERVER("listen 80; server_name a:80;"),
         "t:1:40: \"server_name\" takes a host such as example.com, "
         "*.example.com or _, not \"a:80\"\n"},
        {"any and others", SERVER("listen 80; server_name a _;"),
         "t:1:42: \"server_name _\" stands for any host: it cannot stand "
         "beside other names\n"},
        {"name twice", SERVER("listen 80; server_name a; server_name A;"),
         "t:1:43: duplicate server_name \"a\"; the first is at t:1:28\n"},
    };

    config_cases_check(cases, ARRAY_LEN(cases));
}

Test(config, routes)
{
    static const struct config_case cases[] = {
        {"undeclared app", ROUTE("app b;"),
         "t:1:42: there is no app \"b\"; did you mean \"a\"?\n"},
        {"neither", ROUTE(""),
         "t:1:28: route \"/\" has no \"app\", \"split\" or \"return\"\n"},
        {"both", ROUTE("app a; return 200;"),
         "t:1:45: a route has \"app\" or \"return\", not both\n"},
        {"split and app", ROUTE("app a; split a=1;"),
         "t:1:45: a route has \"app\" or \"split\", not both\n"},
        {"split and return", ROUTE("return 200; split a=1;"),
         "t:1:50: a route has \"return\" or \"split\", not both\n"},
        {"split without a weight", ROUTE("split a;"),
         "t:1:44: \"split\" takes apps with their weights (0 to 1000000), "
         "such as stable=95 next=5, not \"a\"\n"},
        {"split with a weight below 0", ROUTE("split a=-1;"),
         "t:1:44: \"split\" takes apps with their weights (0 to 1000000), "
         "such as stable=95 next=5, not \"a=-1\"\n"},
        {"split to nobody", ROUTE("split a=1 b2=5;"),
         "t:1:48: there is no app \"b2\"\n"},
        {"split twice to the same", ROUTE("split a=1 a=5;"),
         "t:1:48: the app of \"a=5\" stands here twice\n"},
        {"split without any weight", ROUTE("split a=0;"),
         "t:1:38: all weights are 0: one must be more\n"},
        {"split_key alone", ROUTE("app a; split_key $remote_addr;"),
         "t:1:45: \"split_key\" has no effect without \"split\"\n"},
        {"split_key of another kind", ROUTE("split a=1; split_key user;"),
         "t:1:59: \"split_key\" takes $cookie_NAME, $http_NAME or "
         "$remote_addr, not \"user\"\n"},
        {"split_key of a field that is none",
         ROUTE("split a=1; split_key $http_a.b;"),
         "t:1:59: \"$http_a.b\" is no variable: letters, digits and _\n"},
        {"priority", ROUTE("app a; priority urgent;"),
         "t:1:54: \"priority\" takes high, normal, low or a field such as "
         "$http_x_priority, not \"urgent\"\n"},
        {"priority by another variable", ROUTE("app a; priority $http_a.b;"),
         "t:1:54: \"$http_a.b\" is no variable: letters, digits and _\n"},
        {"priority beside return", ROUTE("return 200; priority low;"),
         "t:1:50: \"priority\" has no effect beside \"return\"\n"},
        {"probe path that is none", ROUTE("app a; probe_paths health;"),
         "t:1:57: \"probe_paths\" takes paths that begin with /, such as "
         "/shop/health, not \"health\"\n"},
        {"strip_prefix beside return", ROUTE("return 200; strip_prefix off;"),
         "t:1:50: \"strip_prefix\" has no effect beside \"return\"\n"},
        {"no path", "http { server { listen 80; route a { return 200; } } }",
         "t:1:34: \"route\" takes a path that begins with / and has nothing "
         "in it that a request's may not have, not \"a\"\n"},
        {"above the root",
         "http { server { listen 80; route /../a { return 200; } } }",
         "t:1:34: \"route\" takes a path that begins with / and has nothing "
         "in it that a request's may not have, not \"/../a\"\n"},
        {"out of reach",
         "http { server { listen 80; route /a//b { return 200; } } }",
         "t:1:34: no request can reach \"route /a//b\": many apps read that "
         "path as \"/a/b\"\n"},
        {"same prefix",
         "http { server { listen 80; route /a { return 200; }\n"
         "route /x/../%61 { return 200; } } }",
         "t:2:1: duplicate route \"/a\"; the first is at t:1:28\n"},
        {"return code", ROUTE("return 99;"),
         "t:1:38: \"return\" must be 200 to 599, not 99\n"},
        {"redirect without a place", ROUTE("return 301;"),
         "t:1:38: \"return 301\" needs where to: a URL that begins with "
         "http://, https:// or /\n"},
        {"redirect with a line end", ROUTE("return 301 '/a\\nb';"),
         "t:1:38: \"return 301\" needs where to: a URL that begins with "
         "http://, https:// or /\n"},
        {"text where there is no body", ROUTE("return 204 ok;"),
         "t:1:49: an answer of 204 has no body, so no text\n"},
        {"field name", ROUTE("app a; request_header 'X Y' z;"),
         "t:1:60: \"X Y\" is no name of a header field\n"},
        {"field value", ROUTE("app a; response_header X 'a\\r\\nSet: b';"),
         "t:1:63: a control character in the value of \"X\"\n"},
        {"framing", ROUTE("app a; request_header content-length 5;"),
         "t:1:60: \"request_header\" cannot set \"content-length\": berth "
         "writes it itself\n"},
        {"berth's own", ROUTE("app a; response_header X-Berth-Error x;"),
         "t:1:61: \"response_header\" cannot set \"X-Berth-Error\": berth "
         "writes it itself\n"},
        {"no host", ROUTE("app a; request_header Host '';"),
         "t:1:65: \"Host\" cannot be removed: HTTP/1.1 requires it\n"},
        {"field twice",
         ROUTE("app a; request_header X-A 1; request_header x-a 2;"),
         "t:1:67: duplicate request_header \"x-a\"; the first is at t:1:45\n"},
    };

    config_cases_check(cases, ARRAY_LEN(cases));
}

Test(config, apps)
{
    static const struct config_case cases[] = {
        {"neither", "app a { port 80; }",
         "t:1:1: app \"a\" has neither \"image\" nor \"upstream\"\n"},
        {"both", APP("upstream 127.0.0.1:80;"),
         "t:1:9: \"image\" has no meaning for an app with \"upstream\", which "
         "somebody else runs\n"},
        {"a container's directives",
         "app a { upstream 127.0.0.1:80; memory 1g; idle_timeout 1m; }",
         "t:1:32: \"memory\" has no meaning for an app with \"upstream\", "
         "which somebody else runs\n"
         "t:1:43: \"idle_timeout\" has no meaning for an app with "
         "\"upstream\", which somebody else runs\n"},
        {"declared twice", APP("") "\n" APP(""),
         "t:2:1: duplicate app \"a\"; the first is at t:1:1\n"},
        {"name", "app A/b { image localhost/a; }",
         "t:1:5: an app's name has small letters, digits, \"_\", \".\" and "
         "\"-\", begins with a letter or digit and is at most 63 bytes long; "
         "\"A/b\" is none\n"},
        {"short image", "app a { image nginx:1.27; }",
         "t:1:15: image \"nginx:1.27\" is not fully qualified: what it means "
         "depends on the host. Is it docker.io/library/nginx:1.27, or "
         "localhost/nginx:1.27?\n"},
        {"image of a user", "app a { image me/app; }",
         "t:1:15: image \"me/app\" is not fully qualified: what it means "
         "depends on the host. Is it docker.io/me/app, or localhost/me/app?\n"},
        {"no image", "app a { image 'a b'; }",
         "t:1:15: \"a b\" is no name of an image\n"},
        {"too many replicas", APP("replicas 0 1001;"),
         "t:1:30: \"replicas\" must be 0 to 1000, not 1001\n"},
        {"min above max", APP("replicas 1 0;"),
         "t:1:30: \"replicas\" has a MIN (1) above its MAX (0)\n"},
        {"utilization", APP("target_utilization 101%;"),
         "t:1:30: \"target_utilization\" must be 1 to 100, not 101\n"},
        {"scale down", APP("scale_down_delay 5;"),
         "t:1:47: \"scale_down_delay\" takes a time up to 1d, such as 30s, or "
         "auto, not \"5\"\n"},
        {"hibernate", APP("hibernate_after soon;"),
         "t:1:46: \"hibernate_after\" takes a time such as 10m, pressure or "
         "off, not \"soon\"\n"},
        {"keep frozen", APP("keep_frozen 1 1h;"),
         "t:1:44: \"keep_frozen\" takes for=TIME here, such as for=1h, not "
         "\"1h\"\n"},
        {"keep primed", APP("keep_primed all;"),
         "t:1:30: \"keep_primed\" takes a whole number, not \"all\"\n"},
        {"on sleep", APP("on_sleep /s;"),
         "t:1:30: \"on_sleep\" takes 2 arguments, not 1: on_sleep http "
         "PATH;\n"},
        {"on wake", APP("on_wake http wake;"),
         "t:1:43: \"on_wake http\" takes a path that begins with /, such as "
         "/sleep, not \"wake\"\n"},
        {"never", APP("replicas 0 0;"),
         "t:1:41: \"replicas\" must have a MAX of 1 or more, or the app could "
         "never run\n"},
        {"port", APP("port 70000;"),
         "t:1:30: \"port\" must be 1 to 65535, not 70000\n"},
        {"port mode", APP("port 80 publish;"),
         "t:1:30: \"port\" takes auto, inside or published, not \"publish\"; "
         "did you mean \"published\"?\n"},
        {"port and socket", APP("port 80; socket s;"),
         "t:1:39: an app has \"port\" or \"socket\", not both; port is at "
         "t:1:30\n"},
        {"socket path", APP("socket /run/s;"),
         "t:1:37: \"socket\" takes a plain file name of at most 32 letters, "
         "digits, \"_\", \".\" and \"-\", not \"/run/s\"\n"},
        {"published of nothing", APP("network none; port 80 published;"),
         "t:1:44: nothing can be published of an app with \"network none\"; "
         "write \"port 80 inside\", or use \"socket\"\n"},
        {"port of the host", APP("network host; port 80;"),
         "t:1:44: \"port\" has no effect with \"network host\": each replica "
         "is given a free port, in $PORT\n"},
        {"signal", APP("stop_signal SIGFOO;"),
         "t:1:42: \"stop_signal\" takes the name of a signal such as SIGINT, "
         "not \"SIGFOO\"\n"},
        {"user", APP("user 'a:b:c';"),
         "t:1:35: \"user\" takes UID or UID:GID, not \"a:b:c\"\n"},
        {"upstream twice", "app a { upstream 127.0.0.1:1 127.0.0.1:1; }",
         "t:1:9: duplicate upstream \"127.0.0.1:1\"; the first is at t:1:9\n"},
    };

    config_cases_check(cases, ARRAY_LEN(cases));
}

Test(config, containers)
{
    static const struct config_case cases[] = {
        {"env name", APP("env A-B c;"),
         "t:1:34: env \"A-B\" is no name of a variable\n"},
        {"env of berth", APP("env PORT 80; env BERTH_SOCKET x;"),
         "t:1:34: env \"PORT\" is set by berth itself\n"
         "t:1:47: env \"BERTH_SOCKET\" is set by berth itself\n"},
        {"env twice", APP("env A b; env A c;"),
         "t:1:39: duplicate env \"A\"; the first is at t:1:30\n"},
        {"volume source", APP("volume ./x:/x;"),
         "t:1:37: \"volume\" begins with an absolute path or the name of a "
         "Podman volume, not \"./x\"\n"},
        {"volume without a place", APP("volume /x;"),
         "t:1:37: \"volume\" takes SRC:DST[:OPTIONS] with an absolute DST "
         "below /, not \"/x\"\n"},
        {"volume over everything", APP("volume /x:/;"),
         "t:1:37: \"volume\" takes SRC:DST[:OPTIONS] with an absolute DST "
         "below /, not \"/x:/\"\n"},
        {"volume option", APP("volume /x:/x:r0;"),
         "t:1:30: \"volume\" takes ro, rw, z, Z, U, exec, noexec, dev, nodev, "
         "suid, nosuid, bind, rbind, shared, rshared, slave, rslave, private, "
         "rprivate, copy, nocopy or O, not \"r0\"; did you mean \"ro\"?\n"},
        {"volume twice", APP("volume /x:/y; volume /z:/y:ro;"),
         "t:1:44: duplicate volume \"/y\"; the first is at t:1:30\n"},
        {"label of berth", APP("label berth.app x;"),
         "t:1:36: labels that begin with \"berth.\" are berth's own; "
         "\"berth.app\" is no name for another\n"},
        {"limit name", APP("ulimit nofiles 1;"),
         "t:1:30: \"ulimit\" takes as, core, cpu, data, fsize, locks, memlock, "
         "msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending or "
         "stack, not \"nofiles\"; did you mean \"nofile\"?\n"},
        {"limit order", APP("ulimit nofile 2:1;"),
         "t:1:44: \"ulimit nofile\" takes SOFT or SOFT:HARD, numbers or "
         "unlimited, SOFT not above HARD; not \"2:1\"\n"},
        {"cpus", APP("cpus half;"),
         "t:1:35: \"cpus\" takes a number such as 2 or 0.5, not \"half\"\n"},
        {"cpus too few", APP("cpus 0.001;"),
         "t:1:35: \"cpus\" must be 0.01 to 8192, or 0 for no limit, not "
         "0.001\n"},
    };

    config_cases_check(cases, ARRAY_LEN(cases));
}

Test(config, ready_checks)
{
    static const struct config_case cases[] = {
        {"check", APP("ready_check htp /;"),
         "t:1:30: \"ready_check\" takes http, tcp or log, not \"htp\"; did you "
         "mean "
         "\"http\"?\n"},
        {"check without a path", APP("ready_check http health;"),
         "t:1:30: \"ready_check http\" takes a path that begins with /, such "
         "as /health\n"},
        {"check with a line end", APP("ready_check http '/\\r\\nX: y';"),
         "t:1:30: \"ready_check http\" takes a path that begins with /, such "
         "as /health\n"},
        {"check status", APP("ready_check http / status=300-200;"),
         "t:1:49: status= takes 200 to 599, or two of them such as 200-399, "
         "not \"300-200\"\n"},
        {"check log", APP("ready_check log;"),
         "t:1:30: \"ready_check log\" takes one extended regular expression, "
         "such as \"listening on\"; quote it where it has blanks\n"},
        {"check log of two words", APP("ready_check log listening on;"),
         "t:1:30: \"ready_check log\" takes one extended regular expression, "
         "such as \"listening on\"; quote it where it has blanks\n"},
        {"check log, broken", APP("ready_check log 'a(b';"),
         "t:1:46: \"ready_check log\" takes an extended regular expression; "
         "\"a(b\" is none: Unmatched ( or \\(\n"},
        {"check log, too large", APP("ready_check log '((a{90}){90}){90}';"),
         "t:1:46: \"ready_check log\" takes an extended regular expression; "
         "\"((a{90}){90}){90}\" is too large: it has more than 1024 characters "
         "once its repetitions are written out\n"},
        {"check tcp", APP("ready_check tcp /;"),
         "t:1:46: \"ready_check tcp\" takes nothing more, not \"/\"\n"},
    };

    config_cases_check(cases, ARRAY_LEN(cases));
}

Test(config, all_errors_come_at_once_in_order)
{
    static const struct config_case cases[] = {
        {"of every kind",
         "worker_threads 0;\n"
         "http { server { listen 80; route / { app b; } } }\n"
         "app a { imge x; port 0;\n"
         "  memory lots; }\n"
         "nonsense { }\n"
         "app c { image localhost/c; replicas 3 2; }\n",
         "t:1:1: \"worker_threads\" must be 1 to 1024, not 0\n"
         "t:2:42: there is no app \"b\"; did you mean \"a\"?\n"
         "t:3:1: app \"a\" has neither \"image\" nor \"upstream\"\n"
         "t:3:9: unknown directive \"imge\" in app \"a\"; did you mean "
         "\"image\"?\n"
         "t:3:17: \"port\" must be 1 to 65535, not 0\n"
         "t:4:10: \"memory\" takes a size such as 512, 16k, 10m or 4g, not "
         "\"lots\"\n"
         "t:5:1: unknown directive \"nonsense\" at the top level\n"
         "t:6:28: \"replicas\" has a MIN (3) above its MAX (2)\n"},
        {"what is missing is not said of a broken file",
         "http { server { route / { app b; } route /x { } } }\napp a { port 1 "
         "}",
         "t:2:16: \"}\" where \";\" should end \"port\" of t:2:9 (in the block "
         "\"app a\", which began at t:2:1)\n"},
        {"control characters in a name do not reach the terminal",
         "\"a\\nt:1:1: forged\" b;",
         "t:1:1: unknown directive \"a\\x0at:1:1: forged\" at the top "
         "level\n"},
    };

    config_cases_check(cases, ARRAY_LEN(cases));
}

Test(config, errors_are_bounded_in_number)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    unsigned lines = 0;

    for (int i = 0; i < 5000; i++)
        strbuf_printf(&text, "directive-%d;\n", i);
    cr_expect_null(config_cases_parse(text.data, &errors));
    for (const char *c = errors.data; *c; c++)
        lines += *c == '\n';
    cr_expect_eq(lines, 101);
    cr_expect_not_null(strstr(errors.data, "\n… and 4900 more errors\n"));
}

/* --- size
 * ------------------------------------------------------------------------- */

/* User time of 10,000 routes and 1,000 apps; under a sanitizer on a busy
 * machine it must still not look quadratic. */
Test(config, a_large_file_is_read_in_linear_time)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(config_free) struct config *config = NULL;
    uint64_t begin;
    uint64_t took_ms;

    strbuf_add_str(&text, "http {\n");
    for (int s = 0; s < 100; s++) {
        strbuf_printf(&text, "server { listen 80; server_name s%d;\n", s);
        for (int r = 0; r < 100; r++)
            strbuf_printf(&text,
                          "route /r%d { app a%d; request_header X-R r%d; }\n",
                          r, (s * 100 + r) % 1000, r);
        strbuf_add_str(&text, "}\n");
    }
    strbuf_add_str(&text, "}\n");
    for (int a = 0; a < 1000; a++)
        strbuf_printf(&text,
                      "app a%d { image localhost/a:%d; env A b; memory 1g; }\n",
                      a, a);
    begin = clock_now_us();
    config = config_cases_parse(text.data, &errors);
    took_ms = (clock_now_us() - begin) / 1000;
    cr_assert_not_null(config, "%s", errors.data);
    cr_expect_eq(config->proxy->app_count, 1000);
    cr_expect_eq(config->proxy->servers[99].routes[99].app, 999);
    cr_expect_lt(took_ms, 5000);
    printf("10,000 routes and 1,000 apps: %lu ms\n", (unsigned long)took_ms);
}
