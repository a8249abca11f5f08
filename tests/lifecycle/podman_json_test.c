#include "lifecycle/podman_json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/base/alloc.h"

#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

Test(podman_json, versions_from_4_3_on_will_do)
{
    static const struct {
        const char *version;
        enum err_code code;
    } cases[] = {
        {"4.3.1", ERR_NONE},
        {"4.3.0-dev", ERR_NONE},
        {"4.9.4-rhel", ERR_NONE},
        {"4.10", ERR_NONE},
        {"5.0.0", ERR_NONE},
        {"5.8.2", ERR_NONE},
        {"10.0.0-rc1", ERR_NONE},
        {"4.2.9", ERR_FAILED},
        {"3.4.4", ERR_FAILED},
        {"0.0.0", ERR_FAILED},
        {"", ERR_PROTOCOL},
        {"v5", ERR_PROTOCOL},
        {"five", ERR_PROTOCOL},
        {"5", ERR_PROTOCOL},
        {"-1.5", ERR_PROTOCOL},
        {" 5.1", ERR_PROTOCOL},
        {"012345678901234567890123456789012.1", ERR_PROTOCOL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct engine_capabilities can = {0};
        struct err err = {0};
        char body[128];
        bool ok;

        snprintf(body, sizeof body, "{\"Version\":\"%s\"}", cases[i].version);
        ok = podman_json_version(sv_of(body), &can, &err);
        cr_expect_eq(ok, cases[i].code == ERR_NONE, "%s", cases[i].version);
        cr_expect_eq(err.code, cases[i].code, "%s: %s", cases[i].version,
                     err.text);
        if (ok)
            cr_expect_str_eq(can.version, cases[i].version);
        else
            cr_expect_eq(can.version[0], '\0', "%s", cases[i].version);
    }
}

Test(podman_json, info_tells_whether_it_is_rootless)
{
    struct engine_capabilities can = {0};
    struct err err;

    cr_assert(podman_json_info(
        SV("{\"host\":{\"security\":{\"rootless\":true}}}"), &can, &err));
    cr_assert(can.rootless);
    cr_assert(podman_json_info(
        SV("{\"host\":{\"security\":{\"rootless\":false}}}"), &can, &err));
    cr_assert_not(can.rootless);
    cr_assert_not(podman_json_info(SV("{\"host\":{}}"), &can, &err));
    cr_assert_eq(err.code, ERR_PROTOCOL);
    cr_assert_not(podman_json_info(
        SV("{\"host\":{\"security\":{\"rootless\":\"no\"}}}"), &can, &err));
}

Test(podman_json, an_image_has_one_port_or_none)
{
    static const struct {
        const char *label;
        const char *ports;
        uint32_t port;
    } cases[] = {
        {"one", "{\"8000/tcp\":{}}", 8000},
        {"one without protocol", "{\"8000\":{}}", 8000},
        {"none", "{}", 0},
        {"null", "null", 0},
        {"two", "{\"8000/tcp\":{},\"8001/tcp\":{}}", 0},
        {"a UDP one does not count", "{\"53/udp\":{},\"80/tcp\":{}}", 80},
        {"out of range", "{\"65536/tcp\":{},\"0/tcp\":{}}", 0},
        {"no number", "{\"http/tcp\":{},\"/tcp\":{},\"\":{}}", 0},
        {"a list", "[\"80/tcp\"]", 0},
        {"text", "\"80/tcp\"", 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct engine_image image;
        struct err err;
        char body[256];

        snprintf(body, sizeof body,
                 "{\"Id\":\"" ID64 "\",\"Config\":{\"ExposedPorts\":%s}}",
                 cases[i].ports);
        cr_assert(podman_json_image(sv_of(body), &image, &err), "%s: %s",
                  cases[i].label, err.text);
        cr_expect_eq(image.exposed_port, cases[i].port, "%s", cases[i].label);
        cr_expect_str_eq(image.id, ID64);
    }
}

#define INSPECT(state, ports)                                                  \
    "{\"Id\":\"" ID64 "\",\"Name\":\"berth-d-a-7\",\"Image\":\"sha256:" ID64   \
    "\",\"State\":{" state "},\"Config\":{\"Labels\":{\"berth.app\":\"a\","    \
    "\"berth.revision\":\"beef\",\"berth.replica\":\"7\","                     \
    "\"berth.port\":\"8000\",\"berth.inside\":\"true\","                       \
    "\"berth.reserved\":\"gpus=1\",\"berth.socket\":\"/s/"                     \
    "x\"}},\"NetworkSettings\":{\"Ports\":" ports "}}"

#define RUNNING "\"Status\":\"running\",\"Pid\":12,\"ExitCode\":0"

Test(podman_json, an_inspected_container_is_read)
{
    struct engine_container it;
    struct err err;

    cr_assert(podman_json_container(
                  SV(INSPECT(RUNNING, "{\"8000/tcp\":[{\"HostIp\":"
                                      "\"127.0.0.1\",\"HostPort\":"
                                      "\"40001\"}],\"9/tcp\":null}")),
                  &it, &err),
              "%s", err.text);
    cr_assert_str_eq(it.id, ID64);
    cr_assert_str_eq(it.image_id, ID64);
    cr_assert_str_eq(it.name, "berth-d-a-7");
    cr_assert_str_eq(it.app, "a");
    cr_assert_str_eq(it.revision, "beef");
    cr_assert_str_eq(it.socket_path, "/s/x");
    cr_assert_str_eq(it.reserved, "gpus=1");
    cr_assert_eq(it.replica, 7);
    cr_assert_eq(it.port, 8000);
    cr_assert_eq(it.host_port, 40001);
    cr_assert_eq(it.pid, 12);
    cr_assert(it.is_running);
    cr_assert(it.inside);
}

Test(podman_json, states_of_containers)
{
    static const struct {
        const char *status;
        bool is_running;
        bool is_created;
        bool is_primed;
        bool is_paused;
    } cases[] = {
        {"running", true, false, false, false},
        {"paused", true, false, false, true},
        {"stopping", true, false, false, false},
        {"created", false, true, false, false},
        {"configured", false, true, false, false},
        {"initialized", false, true, true, false},
        {"exited", false, false, false, false},
        {"stopped", false, false, false, false},
        {"removing", false, false, false, false},
        {"something new", false, false, false, false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct engine_container it;
        struct err err;
        char body[1024];

        snprintf(body, sizeof body,
                 "{\"Id\":\"ab\",\"Name\":\"n\",\"Image\":\"cd\",\"State\":{"
                 "\"Status\":\"%s\",\"Pid\":5,\"ExitCode\":3}}",
                 cases[i].status);
        cr_assert(podman_json_container(sv_of(body), &it, &err), "%s",
                  err.text);
        cr_expect_eq(it.is_running, cases[i].is_running, "%s", cases[i].status);
        cr_expect_eq(it.is_created, cases[i].is_created, "%s", cases[i].status);
        cr_expect_eq(it.is_primed, cases[i].is_primed, "%s", cases[i].status);
        cr_expect_eq(it.is_paused, cases[i].is_paused, "%s", cases[i].status);
        cr_expect_eq(it.is_frozen, cases[i].is_paused, "%s", cases[i].status);
        cr_expect_eq(it.pid, cases[i].is_running || cases[i].is_primed ? 5 : 0,
                     "%s", cases[i].status);
        cr_expect_eq(it.exit_code, 3);
        cr_expect_eq(it.replica, 0, "labels are missing");
        cr_expect_eq(it.app[0], '\0');
    }
}

Test(podman_json, a_hostile_container_is_refused)
{
    static const struct {
        const char *label;
        const char *body;
    } cases[] = {
        {"nothing", ""},
        {"not JSON", "<html>"},
        {"cut", "{\"Id\":\"" ID64 "\","},
        {"null", "null"},
        {"a list", "[]"},
        {"no members", "{}"},
        {"an id with a path", "{\"Id\":\"../../x\",\"Name\":\"n\",\"Image\":"
                              "\"cd\",\"State\":{" RUNNING "}}"},
        {"an empty id", "{\"Id\":\"\",\"Name\":\"n\",\"Image\":\"cd\","
                        "\"State\":{" RUNNING "}}"},
        {"a long id", "{\"Id\":\"" ID64 ID64 "\",\"Name\":\"n\",\"Image\":"
                      "\"cd\",\"State\":{" RUNNING "}}"},
        {"an id that is a number",
         "{\"Id\":1,\"Name\":\"n\",\"Image\":\"cd\",\"State\":{" RUNNING "}}"},
        {"no state", "{\"Id\":\"ab\",\"Name\":\"n\",\"Image\":\"cd\"}"},
        {"a state of text",
         "{\"Id\":\"ab\",\"Name\":\"n\",\"Image\":\"cd\",\"State\":\"up\"}"},
        {"a pid of text", INSPECT("\"Status\":\"running\",\"Pid\":\"12\","
                                  "\"ExitCode\":0",
                                  "{}")},
        {"a huge pid", INSPECT("\"Status\":\"running\",\"Pid\":1e300,"
                               "\"ExitCode\":0",
                               "{}")},
        {"no status", INSPECT("\"Pid\":1,\"ExitCode\":0", "{}")},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct engine_container it = {.pid = -7};
        struct err err = {0};

        cr_expect_not(podman_json_container(sv_of(cases[i].body), &it, &err),
                      "%s", cases[i].label);
        cr_expect_eq(err.code, ERR_PROTOCOL, "%s", cases[i].label);
        cr_expect_eq(it.pid, -7, "%s: written to", cases[i].label);
    }
}

Test(podman_json, odd_labels_and_ports_are_as_if_missing)
{
    struct engine_container it;
    struct err err;

    cr_assert(podman_json_container(
                  SV("{\"Id\":\"ab\",\"Name\":\"n\",\"Image\":\"cd\","
                     "\"State\":{" RUNNING "},\"Config\":{\"Labels\":{"
                     "\"berth.app\":7,\"berth.replica\":\"-1\","
                     "\"berth.port\":\"65536\",\"berth.inside\":\"yes\","
                     "\"berth.revision\":null}},\"NetworkSettings\":{"
                     "\"Ports\":{\"0/tcp\":[{\"HostPort\":\"70000\"}]}}}"),
                  &it, &err),
              "%s", err.text);
    cr_assert_eq(it.app[0], '\0');
    cr_assert_eq(it.replica, 0);
    cr_assert_eq(it.port, 0);
    cr_assert_eq(it.host_port, 0);
    cr_assert_not(it.inside);
}

#define LISTED(name, state, ports)                                             \
    "{\"Id\":\"ab\",\"Names\":[" name "],\"ImageID\":\"cd\",\"State\":" state  \
    ",\"Pid\":4,\"ExitCode\":9,\"Labels\":{\"berth.app\":\"a\","               \
    "\"berth.replica\":\"18446744073709551615\",\"berth.port\":\"80\"},"       \
    "\"Ports\":" ports "}"

Test(podman_json, a_list_is_read_whole_or_not_at_all)
{
    AUTO(auto_free) struct engine_container *list = NULL;
    unsigned count = 77;
    struct err err;

    cr_assert(
        podman_json_list(
            SV("[" LISTED("\"one\",\"alias\"", "\"running\"",
                          "[{\"host_ip\":\"127.0.0.1\","
                          "\"container_port\":79,\"host_port\":1},"
                          "{\"host_ip\":\"127.0.0.1\","
                          "\"container_port\":80,\"host_port\":41}"
                          "]") "," LISTED("\"two\"", "\"exited\"", "null") "]"),
            &list, &count, &err),
        "%s", err.text);
    cr_assert_eq(count, 2);
    cr_assert_str_eq(list[0].name, "one");
    cr_assert(list[0].is_running);
    cr_assert_eq(list[0].host_port, 41);
    cr_assert_eq(list[0].replica, UINT64_MAX);
    cr_assert_str_eq(list[1].name, "two");
    cr_assert_not(list[1].is_running);
    cr_assert_eq(list[1].exit_code, 9);
    cr_assert_eq(list[1].host_port, 0);
    free(TAKE(list));

    cr_assert(podman_json_list(SV("null"), &list, &count, &err));
    cr_assert_eq(count, 0);
    free(TAKE(list));
    cr_assert(podman_json_list(SV("[]"), &list, &count, &err));
    cr_assert_eq(count, 0);
    free(TAKE(list));

    count = 77;
    cr_assert_not(podman_json_list(SV("{}"), &list, &count, &err));
    cr_assert_not(podman_json_list(SV("[null]"), &list, &count, &err));
    cr_assert_not(
        podman_json_list(SV("[" LISTED("\"one\"", "\"running\"", "[]") ",{}]"),
                         &list, &count, &err));
    cr_assert_not(podman_json_list(SV("[" LISTED("", "\"running\"", "[]") "]"),
                                   &list, &count, &err));
    cr_assert_not(podman_json_list(SV("[" LISTED("\"one\"", "3", "[]") "]"),
                                   &list, &count, &err));
    cr_assert_eq(err.code, ERR_PROTOCOL);
    cr_assert_eq(count, 77);
    cr_assert_null(list);
}

/* cJSON gives up at a depth; nothing here recurses further. */
Test(podman_json, deep_nesting_is_refused)
{
    enum { DEPTH = 200000 };
    AUTO(auto_free) char *deep = xcalloc(1, DEPTH + 1);
    struct engine_container it;
    struct err err;

    memset(deep, '[', DEPTH);
    cr_assert_not(podman_json_container(sv_of(deep), &it, &err));
    cr_assert_eq(err.code, ERR_PROTOCOL);
}

Test(podman_json, events_of_all_versions)
{
    static const struct {
        const char *label;
        const char *line;
        bool ok;
        const char *action;
        int code;
        uint64_t time_s;
    } cases[] = {
        {"4.3, died",
         "{\"status\":\"died\",\"id\":\"ab\",\"Type\":\"container\","
         "\"Action\":\"died\",\"Actor\":{\"ID\":\"ab\",\"Attributes\":{"
         "\"containerExitCode\":\"137\"}},\"time\":1795503968,"
         "\"timeNano\":1795503968570038872}",
         true, "died", 137, 1795503968},
        {"no code", "{\"Action\":\"start\",\"Actor\":{\"ID\":\"ab\"}}", true,
         "start", -1, 0},
        {"a code that is none",
         "{\"Action\":\"died\",\"Actor\":{\"ID\":\"ab\",\"Attributes\":{"
         "\"containerExitCode\":\"999\"}},\"time\":\"now\"}",
         true, "died", -1, 0},
        {"negative time",
         "{\"Action\":\"died\",\"Actor\":{\"ID\":\"ab\"},\"time\":-5}", true,
         "died", -1, 0},
        {"an error of 4.3", "{\"cause\":\"x\",\"message\":\"y\"}", false, NULL,
         0, 0},
        {"no id", "{\"Action\":\"died\",\"Actor\":{}}", false, NULL, 0, 0},
        {"an id of something else",
         "{\"Action\":\"died\",\"Actor\":{\"ID\":\"my/pod\"}}", false, NULL, 0,
         0},
        {"not JSON", "died ab", false, NULL, 0, 0},
        {"empty", "", false, NULL, 0, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct podman_event event = {0};
        struct err err;

        cr_expect_eq(podman_json_event(sv_of(cases[i].line), &event, &err),
                     cases[i].ok, "%s", cases[i].label);
        if (!cases[i].ok)
            continue;
        cr_expect_str_eq(event.id, "ab");
        cr_expect_str_eq(event.action, cases[i].action);
        cr_expect_eq(event.exit_code, cases[i].code, "%s", cases[i].label);
        cr_expect_eq(event.time_s, cases[i].time_s, "%s", cases[i].label);
    }
}

Test(podman_json, networks_are_read)
{
    AUTO(auto_free) struct podman_network *networks = NULL;
    unsigned count;
    struct err err;

    cr_assert(podman_json_networks(
        SV("[{\"name\":\"podman\",\"labels\":null},{\"name\":\"berth-d-a\","
           "\"labels\":{\"berth.app\":\"a\",\"berth.namespace\":\"d\"}}]"),
        &networks, &count, &err));
    cr_assert_eq(count, 2);
    cr_assert_str_eq(networks[0].name, "podman");
    cr_assert_eq(networks[0].app[0], '\0');
    cr_assert_str_eq(networks[1].app, "a");
    cr_assert_str_eq(networks[1].namespace_name, "d");
    free(TAKE(networks));
    cr_assert_not(podman_json_networks(SV("[{}]"), &networks, &count, &err));
    cr_assert_eq(err.code, ERR_PROTOCOL);
}

/* What was built upon a layer has its labels, and is not berth's. */
Test(podman_json, layers_are_those_with_a_tag_of_ours)
{
    AUTO(auto_free) struct podman_layer *layers = NULL;
    unsigned count = 9;
    struct err err;

    cr_assert(podman_json_layers(
        SV("[{\"RepoTags\":null,\"Labels\":{\"berth.namespace\":\"d\"}},"
           "{\"RepoTags\":[\"localhost/x:1\"],\"Labels\":null},"
           "{\"RepoTags\":[\"localhost/x:2\",\"localhost/berth-setup/d:ab\"],"
           "\"Labels\":{\"berth.namespace\":\"d\"}},"
           "{\"RepoTags\":[\"localhost/berth-setup/e:cd\"],\"Labels\":5},"
           "{\"RepoTags\":5}, 5]"),
        &layers, &count, &err));
    cr_assert_eq(count, 2);
    cr_assert_str_eq(layers[0].tag, "localhost/berth-setup/d:ab");
    cr_assert_str_eq(layers[0].namespace_name, "d");
    cr_assert_str_eq(layers[1].namespace_name, "");
    free(TAKE(layers));
    cr_assert(podman_json_layers(SV("null"), &layers, &count, &err));
    cr_assert_eq(count, 0);
    cr_assert(podman_json_layers(SV("[]"), &layers, &count, &err));
    cr_assert_eq(count, 0);
    free(TAKE(layers));
    cr_assert_not(podman_json_layers(SV("{}"), &layers, &count, &err));
    cr_assert_eq(err.code, ERR_PROTOCOL);
}

Test(podman_json, a_secret_has_an_id)
{
    char id[80] = "as it was";
    struct err err;

    cr_assert(
        podman_json_secret(SV("{\"ID\":\"0ab1\",\"Spec\":{}}"), id, &err));
    cr_assert_str_eq(id, "0ab1");
    cr_assert_not(podman_json_secret(SV("{\"ID\":\"../x\"}"), id, &err));
    cr_assert_not(podman_json_secret(SV("{}"), id, &err));
    cr_assert_str_eq(id, "0ab1");
}

Test(podman_json, a_removal_may_fail_in_the_list_it_answers)
{
    struct err err;

    cr_assert(podman_json_removed(SV(""), &err));
    cr_assert(podman_json_removed(SV("[{\"Id\":\"ab\"}]"), &err));
    cr_assert(podman_json_removed(SV("[{\"Id\":\"a\",\"Err\":null}]"), &err));
    cr_assert_not(
        podman_json_removed(SV("[{\"Id\":\"a\",\"Err\":\"busy\"}]"), &err));
    cr_assert_eq(err.code, ERR_FAILED);
    cr_assert_str_eq(err.text, "busy");
}

Test(podman_json, failures_have_codes_and_cures)
{
    static const struct {
        const char *label;
        unsigned status;
        const char *message;
        enum err_code code;
        const char *cure;
    } cases[] = {
        {"404", 404,
         "no container with name or ID \\\"x\\\" found: no such "
         "container",
         ERR_NOT_FOUND, NULL},
        {"4.3: image", 500, "localhost/x:1: image not known", ERR_NOT_FOUND,
         NULL},
        {"name", 500,
         "creating container storage: the container name \\\"x\\\" is already "
         "in use by y. You have to remove that container to be able to reuse "
         "that name: that name is already in use",
         ERR_EXISTS, NULL},
        {"network there", 409,
         "network name berth-d-a already used: network already exists",
         ERR_EXISTS, NULL},
        {"a subnet that is taken is no network that is there", 500,
         "subnet 10.89.0.0/24 is already used on the host or by another config",
         ERR_FAILED, NULL},
        {"nor is a port", 500,
         "cannot listen on the TCP port: listen tcp4 127.0.0.1:80: bind: "
         "address already in use",
         ERR_FAILED, NULL},
        {"unauthorized", 401, "who are you", ERR_DENIED, NULL},
        {"crun", 500,
         "crun: cgroups in hybrid mode not supported, drop all "
         "controllers: OCI runtime error",
         ERR_FAILED, "runtime = \"runc\""},
        {"limits", 500,
         "runc create failed: error setting rlimit type 7: "
         "operation not permitted",
         ERR_FAILED, "default_ulimits"},
        {"no iptables", 500,
         "netavark: No such file or directory (os error "
         "2)",
         ERR_FAILED, "iptables"},
        {"anything", 500, "it broke", ERR_FAILED, NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[512];
        struct err err;

        snprintf(body, sizeof body,
                 "{\"cause\":\"c\",\"message\":\"%s\",\"response\":%u}",
                 cases[i].message, cases[i].status);
        cr_assert_not(podman_json_failure(cases[i].status, sv_of(body), &err));
        cr_expect_eq(err.code, cases[i].code, "%s: %s", cases[i].label,
                     err.text);
        cr_expect_eq(strstr(err.text, "; cure: ") != NULL,
                     cases[i].cure != NULL, "%s: %s", cases[i].label, err.text);
        if (cases[i].cure)
            cr_expect_not_null(strstr(err.text, cases[i].cure), "%s",
                               cases[i].label);
    }
}

Test(podman_json, a_failure_without_a_message_is_told_by_its_status)
{
    static const char *const bodies[] = {
        "", "Bad Gateway", "{}", "[]", "{\"message\":\"\"}", "{\"message\":5}"};

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct err err;

        cr_assert_not(podman_json_failure(502, sv_of(bodies[i]), &err));
        cr_expect_eq(err.code, ERR_PROTOCOL, "%s", bodies[i]);
        cr_expect_not_null(strstr(err.text, "502"), "%s", err.text);
    }
}
