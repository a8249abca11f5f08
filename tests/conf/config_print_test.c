#include "conf/config_print.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>

#include "conf/config_text.h"
#include "router/base/alloc.h"

static struct config *parse(struct strview text)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct config *config = config_parse_text(text, "t", &errors);

    cr_assert_not_null(config, "%s\n%.*s", errors.data, SV_ARG(text));
    return config;
}

/* What is printed is read again as the same: the front's part byte by byte on
 * the wire, the keeper's as far as it is printed. */
static void check_round_trip(const char *label, struct config *first)
{
    AUTO(strbuf_done) struct strbuf first_text = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf second_text = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf first_wire = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf second_wire = STRBUF_INIT;
    AUTO(config_free) struct config *second = NULL;

    config_print(first, &first_text);
    second = parse(strbuf_view(&first_text));
    config_print(second, &second_text);
    cr_expect_str_eq(first_text.data, second_text.data, "%s:\n%s\n%s", label,
                     first_text.data, second_text.data);
    proxy_settings_encode(first->proxy, &first_wire);
    proxy_settings_encode(second->proxy, &second_wire);
    cr_expect(sv_eq(strbuf_view(&first_wire), strbuf_view(&second_wire)),
              "%s:\n%s", label, first_text.data);
}

static const char everything[] =
    "worker_threads 3; error_log stderr debug json; user nobody;"
    "state_dir \"/tmp/a b\"; drain_timeout 1500ms; on_exit stop;"
    "podman { socket 'unix:/tmp/p s'; namespace n-1; runtime /usr/bin/crun;"
    "  max_parallel_pulls 1; max_parallel_starts 9; pull_retries 0; }"
    "resources { cpus 7.5; memory 80g; gpu nvidia.com/gpu=0 memory=80g;"
    "  gpu a-b.c/d_e=GPU-1:2; }"
    "admin { listen [::1]:1; listen unix:/tmp/x mode=0660; metrics_open off; }"
    "http { max_connections 100; buffer_memory 1m; trusted_proxies unix: "
    "   2001:db8::/32 10.1.0.0/16 ::1;"
    "  request_header X-A 'a \"b\" \\\\ ; { # \\t c';"
    "  server { listen 80; listen 81; server_name a *.b; client_half_close "
    "    answer; client_min_rate 0;"
    "    route / { app a; server_timing on; retry 0; priority low;"
    "      probe_paths /up /a%2fb; }"
    "    route /b/%2a { app b; strip_prefix off; priority"
    "      $http_x_prio; request_header X-A ''; }"
    "    route /s { split a=95 b=5; split_key $cookie_User-Id; }"
    "    route /t { split b=1 a=0; split_key $http_x_user; priority high;"
    "      probe_paths /t/up; }"
    "    route /u { split a=1; split_key $remote_addr; }"
    "    route '/c(d)' { return 404 \"not\\r\\nhere\"; } }"
    "  server { listen 80 default; client_max_headers 5; keepalive_timeout 0;"
    "    trusted_proxies 1.2.3.4; route /x { return 308 https://x/?y=1; } }"
    "  server { listen unix:/tmp/s; } }"
    "app a { image localhost/a@sha256:0123; port 1 inside; command '' '#' "
    "  \"a\\nb\" '{' \"\xc3\xa4\" c\\d; entrypoint e; workdir '/a b'; user "
    "u:g;"
    "  volume v:/d; volume '/a b:/c:Z'; label 'l m' ''; ulimit core "
    "  0:unlimited; cpus 0.125; gpus 0.25; gpu_memory 3g;"
    "  evictable off; importance -7; memory 1000; pids 1; concurrency off;"
    "  idle_timeout off; max_keep 0; ready_check http /h status=200-299; "
    "live_check http /l interval=250ms failures=7; "
    "stop_signal "
    "  RTMIN+3; stop_timeout 0; network host; replicas 1;"
    "  target_utilization 70%; scale_down_delay 1500ms; freeze_after 20ms;"
    "  hibernate_after off; keep_frozen 1 for=90m; keep_primed 0;"
    "  keep_until_pressure on; on_sleep http /s?x; on_wake http /w;"
    "  hostname h.x;"
    "  secret s; secret s env=S; secret t 'target=/a b'; tmpfs /t:8k; tmpfs "
    "  '/u v'; shm_size 1m; device /dev/fuse:r; cap_add all; cap_drop kill "
    "  chown; security_opt label=a:b; read_only on; annotation a 'b c';"
    "  log_size 5000; pull_policy always;"
    "  setup { run a 'b c'; copy 'x y' /z; run 'd;e'; copy u /v/; } }"
    "app b { upstream [::1]:3000 unix:/tmp/u; }";

Test(config_print, everything_is_read_again)
{
    AUTO(auto_free) char *text = xstrdup(everything);
    AUTO(config_free) struct config *config = NULL;
    char *port = strstr(text, "port 1 inside;");

    memset(port, ' ', strlen("port 1 inside;")); /* not on the host network */
    config = parse(sv_of(text));
    check_round_trip("everything", config);
}

Test(config_print, each_way_to_reach_an_app_is_read_again)
{
    static const char *const reaches[] = {
        "port 8000;",
        "port 8000 inside; network none;",
        "port 1 published;",
        "socket s; network none;",
        "network host;",
        "network bridge;",
        "network some-net;",
        "",
        "ready_check log '[0-9]+ {2}ready\\\\.$';",
    };

    for (size_t i = 0; i < ARRAY_LEN(reaches); i++) {
        AUTO(auto_free)
        char *text = xasprintf("app a { image localhost/a; %s }", reaches[i]);
        AUTO(config_free) struct config *config = parse(sv_of(text));

        check_round_trip(reaches[i], config);
    }
}

Test(config_print, the_examples_check_and_are_read_again)
{
    static const char *const folders[] = {"conf", "conf/examples", "conf/demo"};
    unsigned count = 0;

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        DIR *dir = opendir(folders[i]);
        struct dirent *entry;

        cr_assert_not_null(dir, "%s", folders[i]);
        while ((entry = readdir(dir))) {
            AUTO(auto_free)
            char *path = xasprintf("%s/%s", folders[i], entry->d_name);
            AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
            AUTO(config_free) struct config *config = NULL;

            if (!strstr(entry->d_name, ".conf"))
                continue;
            config = config_load(path, &errors);
            cr_assert_not_null(config, "%s", errors.data);
            cr_expect_null(errors.data, "%s", errors.data);
            check_round_trip(path, config);
            count++;
        }
        closedir(dir);
    }
    cr_expect_geq(count, 5);
}

Test(config_print, secrets_are_masked)
{
    AUTO(config_free)
    struct config *config =
        parse(SV("app a { image localhost/a; env A hidden-1; env B ''; }"));
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    config->proxy->admin.token = xstrdup("hidden-2");
    config->token_file = xstrdup("/etc/berth/token");
    config->read_token_file = xstrdup("/etc/berth/read");
    config_print(config, &text);
    cr_expect_null(strstr(text.data, "hidden"));
    cr_expect_not_null(strstr(text.data, "    env A ***;\n    env B ***;\n"));
    cr_expect_not_null(strstr(text.data, "    token_file /etc/berth/token;\n"
                                         "    token_file /etc/berth/read "
                                         "read;\n"));
    /* What was in the file is not in what is printed. */
    free(TAKE(config->proxy->admin.token));
    check_round_trip("masked", config);
}

Test(config_print, a_value_that_all_have_stands_once_in_http)
{
    AUTO(config_free)
    struct config *config = parse(
        SV("http { server { listen 80; send_timeout 1s; retry 1; route "
           "/a { return 200; } route /b { return 200; } } server { listen "
           "81; send_timeout 1s; keepalive_timeout 9s; route / { return "
           "200; retry 1; server_timing on; } } }"));
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    config_print(config, &text);
    cr_expect_not_null(strstr(text.data, "\n    send_timeout 1s;\n"));
    cr_expect_not_null(strstr(text.data, "\n    retry 1;\n"));
    cr_expect_not_null(strstr(text.data, "\n        keepalive_timeout 75s;\n"));
    cr_expect_not_null(strstr(text.data, "\n        keepalive_timeout 9s;\n"));
    cr_expect_not_null(strstr(text.data, "\n            server_timing on;\n"));
    check_round_trip("once", config);
}
