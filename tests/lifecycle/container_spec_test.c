#include "lifecycle/container_spec.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "lifecycle/rlimits.h"
#include "lifecycle/settings.h"
#include "router/base/alloc.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static struct rlimits plain_limits(void)
{
    struct rlimits limits = {.nr_open = 1048576, .pid_max = 32768};

    for (int i = 0; i < RLIMITS_COUNT; i++)
        limits.hard[i] = UINT64_MAX;
    limits.hard[RLIMIT_NOFILE] = 20000;
    return limits;
}

static struct container_settings settings;
static struct engine_spec spec;

/* The least there can be; each test adds to it. */
static void init(void)
{
    settings = (struct container_settings){
        .image = TEXT("localhost/a:1"),
        .network = NETWORK_NONE,
        .stop_timeout_ms = 10000,
    };
    spec = (struct engine_spec){
        .container = &settings,
        .labels = {SV("prod"), SV("web"), SV("abc123"), SV("42")},
        .name = "berth-prod-web-42",
        .port = 8000,
        .inside = true,
    };
}

TestSuite(container_spec, .init = init);

static char *build(const struct rlimits *limits)
{
    char *text = NULL;
    struct err err;
    cJSON *json;

    cr_assert(container_spec_build(&spec, limits, &text, &err), "%s", err.text);
    json = cJSON_Parse(text);
    cr_assert_not_null(json, "%s", text);
    cJSON_Delete(json);
    return text;
}

/* The member is there with exactly this value; "-": it is not there. Looked
 * for in the text: a parser of doubles would hide lost digits. */
static void expect_in(const char *label, const char *text, const char *name,
                      const char *value)
{
    AUTO(auto_free) char *key = xasprintf("\"%s\":", name);
    AUTO(auto_free) char *both = xasprintf("%s%s", key, value);

    if (strcmp(value, "-") == 0)
        cr_expect_null(strstr(text, key), "%s: %s", label, text);
    else
        cr_expect_not_null(strstr(text, both), "%s: no %s in %s", label, both,
                           text);
}

static void expect(const char *label, const char *name, const char *value)
{
    struct rlimits limits = plain_limits();
    AUTO(auto_free) char *text = build(&limits);

    expect_in(label, text, name, value);
}

Test(container_spec, the_whole_request_of_a_plain_app)
{
    struct rlimits limits = plain_limits();
    AUTO(auto_free) char *text = NULL;
    struct err err;

    cr_assert(container_spec_build(&spec, &limits, &text, &err));
    cr_assert_str_eq(
        text,
        "{\"name\":\"berth-prod-web-42\",\"image\":\"localhost/a:1\","
        "\"env\":{\"PORT\":\"8000\",\"BERTH_APP\":\"web\","
        "\"BERTH_REPLICA\":\"42\"},"
        "\"labels\":{\"berth.namespace\":\"prod\",\"berth.app\":\"web\","
        "\"berth.revision\":\"abc123\",\"berth.replica\":\"42\","
        "\"berth.port\":\"8000\",\"berth.inside\":\"true\"},"
        "\"mounts\":[],\"volumes\":[],\"netns\":{\"nsmode\":\"none\"},"
        "\"r_limits\":["
        "{\"type\":\"nofile\",\"soft\":20000,\"hard\":20000},"
        "{\"type\":\"nproc\",\"soft\":32768,\"hard\":32768}],"
        "\"stop_timeout\":10,\"healthconfig\":{\"Test\":[\"NONE\"]},"
        "\"log_configuration\":{\"driver\":\"k8s-file\",\"size\":10485760}}");
}

Test(container_spec, what_the_app_runs)
{
    char *words[] = {TEXT("/bin/x"), TEXT("a b"), TEXT("")};

    expect("not set", "command", "-");
    expect("not set", "entrypoint", "-");
    expect("not set", "work_dir", "-");
    expect("not set", "user", "-");
    settings.has_command = true;
    settings.command = (struct string_list){3, words};
    expect("command", "command", "[\"/bin/x\",\"a b\",\"\"]");
    settings.has_entrypoint = true;
    expect("set to nothing", "entrypoint", "[]");
    settings.entrypoint = (struct string_list){1, words};
    expect("entrypoint", "entrypoint", "[\"/bin/x\"]");
    settings.workdir = TEXT("/srv");
    expect("workdir", "work_dir", "\"/srv\"");
    settings.user = TEXT("1000:100");
    expect("user", "user", "\"1000:100\"");
}

Test(container_spec, environment_and_labels_of_ours_win)
{
    struct name_value env[] = {{TEXT("A"), TEXT("from file")},
                               {TEXT("PORT"), TEXT("1")},
                               {TEXT("a"), TEXT("another name")},
                               {TEXT("A"), TEXT("from env")}};
    struct name_value labels[] = {{TEXT("team"), TEXT("\"x\"\n")},
                                  {TEXT("berth.app"), TEXT("forged")}};

    settings.env = (struct name_values){4, env};
    expect("env", "env",
           "{\"a\":\"another name\",\"A\":\"from env\",\"PORT\":\"8000\","
           "\"BERTH_APP\":\"web\",\"BERTH_REPLICA\":\"42\"}");
    settings.labels = (struct name_values){2, labels};
    spec.inside = false;
    expect("labels", "labels",
           "{\"team\":\"\\\"x\\\"\\n\",\"berth.namespace\":\"prod\","
           "\"berth.app\":\"web\",\"berth.revision\":\"abc123\","
           "\"berth.replica\":\"42\",\"berth.port\":\"8000\","
           "\"berth.inside\":\"false\"}");
}

Test(container_spec, a_socket_directory_is_mounted_and_told)
{
    spec.inside = false;
    settings.socket = TEXT("app.sock");
    spec.socket_dir = "/run/berth/sockets/berth-prod-web-42";
    expect("socket", "mounts",
           "[{\"type\":\"bind\","
           "\"source\":\"/run/berth/sockets/berth-prod-web-42\","
           "\"destination\":\"/run/berth\","
           "\"options\":[\"rw\",\"Z\",\"nosuid\",\"nodev\",\"noexec\"]}]");
    expect("socket", "env",
           "{\"PORT\":\"8000\",\"BERTH_APP\":\"web\","
           "\"BERTH_REPLICA\":\"42\","
           "\"BERTH_SOCKET\":\"/run/berth/app.sock\"}");
    expect("socket", "labels",
           "{\"berth.namespace\":\"prod\",\"berth.app\":\"web\","
           "\"berth.revision\":\"abc123\",\"berth.replica\":\"42\","
           "\"berth.port\":\"8000\",\"berth.inside\":\"false\","
           "\"berth.socket\":"
           "\"/run/berth/sockets/berth-prod-web-42/app.sock\"}");
}

Test(container_spec, volumes_are_binds_or_named)
{
    struct volume_setting volumes[] = {
        {TEXT("/srv/models"), TEXT("/models"), TEXT("ro,z")},
        {TEXT("data"), TEXT("/data"), TEXT("")},
        {TEXT("cache"), TEXT("/cache"), TEXT("U,,nocopy")},
    };

    settings.volumes = volumes;
    settings.volume_count = 3;
    expect("binds", "mounts",
           "[{\"type\":\"bind\",\"source\":\"/srv/models\","
           "\"destination\":\"/models\",\"options\":[\"ro\",\"z\"]}]");
    expect("named", "volumes",
           "[{\"Name\":\"data\",\"Dest\":\"/data\",\"Options\":[]},"
           "{\"Name\":\"cache\",\"Dest\":\"/cache\","
           "\"Options\":[\"U\",\"nocopy\"]}]");
}

Test(container_spec, what_is_not_set_is_not_sent)
{
    static const char *const names[] = {
        "secrets",
        "secret_env",
        "devices",
        "shm_size",
        "cap_add",
        "cap_drop",
        "mask",
        "read_only_filesystem",
        "hostname",
        "unmask",
        "annotations",
        "no_new_privileges",
        "selinux_opts",
        "seccomp_profile_path",
        "apparmor_profile",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        expect("not set", names[i], "-");
}

Test(container_spec, secrets_are_files_or_variables)
{
    struct secret_setting secrets[] = {
        {TEXT("plain"), false, NULL},
        {TEXT("named"), false, TEXT("/etc/key")},
        {TEXT("inside"), true, TEXT("KEY")},
    };

    settings.secrets = secrets;
    settings.secret_count = 3;
    expect("files", "secrets",
           "[{\"Source\":\"plain\",\"Mode\":292},"
           "{\"Source\":\"named\",\"Target\":\"/etc/key\",\"Mode\":292}]");
    expect("variables", "secret_env", "{\"KEY\":\"inside\"}");
}

Test(container_spec, memory_and_devices_in_the_file_system)
{
    struct tmpfs_setting tmpfs[] = {{TEXT("/cache"), 64 << 20},
                                    {TEXT("/tmp"), 0}};
    char *devices[] = {TEXT("/dev/fuse"), TEXT("/dev/null:/dev/x:r")};

    settings.tmpfs = tmpfs;
    settings.tmpfs_count = 2;
    expect("tmpfs", "mounts",
           "[{\"type\":\"tmpfs\",\"source\":\"tmpfs\","
           "\"destination\":\"/cache\",\"options\":[\"size=67108864\"]},"
           "{\"type\":\"tmpfs\",\"source\":\"tmpfs\","
           "\"destination\":\"/tmp\",\"options\":[]}]");
    settings.shm_bytes = 1 << 20;
    expect("shm_size", "shm_size", "1048576");
    settings.devices = (struct string_list){2, devices};
    expect("devices", "devices",
           "[{\"path\":\"/dev/fuse\"},{\"path\":\"/dev/null:/dev/x:r\"}]");
}

/* As `podman run --read-only` does; what is mounted there already stays. */
Test(container_spec, reserved_devices_are_named_told_and_labelled)
{
    static const char *const reserved[] = {"n/gpu=1", "n/gpu=3", NULL};
    char *devices[] = {TEXT("/dev/fuse")};

    expect("none", "BERTH_GPUS", "-");
    expect("none", "berth.reserved", "-");
    settings.devices = (struct string_list){1, devices};
    spec.devices = reserved;
    spec.reserved = "gpus=2";
    expect("by name, beside paths", "devices",
           "[{\"path\":\"n/gpu=1\"},{\"path\":\"n/gpu=3\"},"
           "{\"path\":\"/dev/fuse\"}]");
    expect("variable", "BERTH_GPUS", "\"n/gpu=1,n/gpu=3\"");
    expect("label", "berth.reserved", "\"gpus=2\"");
}

Test(container_spec, a_read_only_root_leaves_folders_for_passing_files)
{
    struct tmpfs_setting tmpfs[] = {{TEXT("/tmp"), 4096}};
    struct volume_setting volumes[] = {
        {TEXT("data"), TEXT("/var/tmp"), TEXT("")}};

    settings.read_only = true;
    settings.tmpfs = tmpfs;
    settings.tmpfs_count = 1;
    settings.volumes = volumes;
    settings.volume_count = 1;
    expect("flag", "read_only_filesystem", "true");
    expect("mounts", "mounts",
           "[{\"type\":\"tmpfs\",\"source\":\"tmpfs\","
           "\"destination\":\"/tmp\",\"options\":[\"size=4096\"]},"
           "{\"type\":\"tmpfs\",\"source\":\"tmpfs\","
           "\"destination\":\"/run\",\"options\":[]}]");
}

Test(container_spec, each_security_option_has_a_member_of_its_own)
{
    char *options[] = {TEXT("no-new-privileges"), TEXT("seccomp=unconfined"),
                       TEXT("apparmor=x"),        TEXT("label=type:a"),
                       TEXT("label=level:b"),     TEXT("mask=/proc/a"),
                       TEXT("unmask=ALL")};
    char *capabilities[] = {TEXT("CAP_NET_ADMIN"), TEXT("ALL")};

    settings.security_opts = (struct string_list){7, options};
    expect("no new", "no_new_privileges", "true");
    expect("seccomp", "seccomp_profile_path", "\"unconfined\"");
    expect("apparmor", "apparmor_profile", "\"x\"");
    expect("label", "selinux_opts", "[\"type:a\",\"level:b\"]");
    expect("mask", "mask", "[\"/proc/a\"]");
    expect("unmask", "unmask", "[\"ALL\"]");
    options[0] = TEXT("no-new-privileges=false");
    expect("no new", "no_new_privileges", "false");
    settings.cap_add = (struct string_list){1, capabilities};
    settings.cap_drop = (struct string_list){1, capabilities + 1};
    expect("add", "cap_add", "[\"CAP_NET_ADMIN\"]");
    expect("drop", "cap_drop", "[\"ALL\"]");
}

Test(container_spec, names_notes_and_the_log)
{
    struct name_value pair = {TEXT("run.oci.x"), TEXT("1")};

    settings.hostname = TEXT("web-1");
    expect("hostname", "hostname", "\"web-1\"");
    settings.annotations = (struct name_values){1, &pair};
    expect("annotation", "annotations", "{\"run.oci.x\":\"1\"}");
    settings.log_bytes = 4096;
    expect("log_size", "log_configuration",
           "{\"driver\":\"k8s-file\",\"size\":4096}");
    spec.image = "localhost/berth-setup/prod:abc";
    expect("another image", "image", "\"localhost/berth-setup/prod:abc\"");
}

Test(container_spec, an_overlay_volume_has_a_list_of_its_own)
{
    struct volume_setting volumes[] = {
        {TEXT("/srv"), TEXT("/o"), TEXT("O,U")},
        {TEXT("/srv"), TEXT("/b"), TEXT("ro")},
    };

    settings.volumes = volumes;
    settings.volume_count = 2;
    expect("overlay", "overlay_volumes",
           "[{\"source\":\"/srv\",\"destination\":\"/o\","
           "\"options\":[\"O\",\"U\"]}]");
    expect("the other", "mounts",
           "[{\"type\":\"bind\",\"source\":\"/srv\",\"destination\":\"/b\","
           "\"options\":[\"ro\"]}]");
}

Test(container_spec, each_kind_of_network)
{
    static const struct {
        const char *label;
        enum network_kind kind;
        bool publish;
        const char *netns;
        const char *networks;
        const char *ports;
    } cases[] = {
        {"none", NETWORK_NONE, false, "{\"nsmode\":\"none\"}", "-", "-"},
        {"host", NETWORK_HOST, false, "{\"nsmode\":\"host\"}", "-", "-"},
        {"host has nothing to publish", NETWORK_HOST, true,
         "{\"nsmode\":\"host\"}", "-", "-"},
        {"private", NETWORK_PRIVATE, false, "{\"nsmode\":\"bridge\"}",
         "{\"berth-prod-web\":{}}", "-"},
        {"private, published", NETWORK_PRIVATE, true, "{\"nsmode\":\"bridge\"}",
         "{\"berth-prod-web\":{}}",
         "[{\"container_port\":8000,\"host_ip\":\"127.0.0.1\","
         "\"protocol\":\"tcp\"}]"},
        {"bridge", NETWORK_BRIDGE, false, "{\"nsmode\":\"bridge\"}", "-", "-"},
        {"named", NETWORK_NAMED, false, "{\"nsmode\":\"bridge\"}",
         "{\"backend\":{}}", "-"},
    };

    settings.network_name = TEXT("backend");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        settings.network = cases[i].kind;
        spec.publish = cases[i].publish;
        expect(cases[i].label, "netns", cases[i].netns);
        expect(cases[i].label, "networks", cases[i].networks);
        expect(cases[i].label, "portmappings", cases[i].ports);
    }
}

Test(container_spec, the_private_network_and_its_name)
{
    static const struct {
        struct strview namespace_name;
        struct strview app;
        const char *name;
    } cases[] = {
        {SV("default"), SV("web"), "berth-default-web"},
        {SV("a"), SV("b-c"), "berth-a-b-c"},
        {SV("a-b"), SV("c"), "berth-a--b-c"},
    };
    AUTO(auto_free) char *text = container_spec_network(&spec.labels);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(auto_free)
        char *name =
            container_spec_network_name(cases[i].namespace_name, cases[i].app);

        cr_expect_str_eq(name, cases[i].name);
    }
    cr_assert_str_eq(text, "{\"labels\":{\"berth.namespace\":\"prod\","
                           "\"berth.app\":\"web\"},\"name\":\"berth-prod-web\","
                           "\"driver\":\"bridge\",\"dns_enabled\":false,"
                           "\"options\":{\"isolate\":\"true\"}}");
}

Test(container_spec, resource_limits)
{
    expect("none", "resource_limits", "-");
    settings.cpu_millis = 1500;
    expect("cpu", "resource_limits",
           "{\"cpu\":{\"quota\":150000,\"period\":100000}}");
    settings.cpu_millis = 1; /* the kernel takes no less than 1 ms */
    expect("least cpu", "resource_limits",
           "{\"cpu\":{\"quota\":1000,\"period\":100000}}");
    settings.cpu_millis = 0;
    settings.memory_bytes = (9007199254740993U); /* 2^53 + 1 */
    settings.pids = 100;
    expect("exact", "resource_limits",
           "{\"memory\":{\"limit\":9007199254740993},"
           "\"pids\":{\"limit\":100}}");
}

Test(container_spec, ulimits_are_sent_always_and_never_above_what_may_be_set)
{
    struct ulimit_setting few[] = {{TEXT("nofile"), 100, 200},
                                   {TEXT("core"), 0, UINT64_MAX}};
    struct ulimit_setting many[] = {{TEXT("nofile"), 65536, 1048576},
                                    {TEXT("nproc"), 10, 20},
                                    {TEXT("nproc"), 64, 128}};
    struct rlimits limits = plain_limits();
    AUTO(auto_free) char *raised = NULL;
    struct strbuf warnings = STRBUF_INIT;

    settings.ulimits = few;
    settings.ulimit_count = 2;
    expect("few", "r_limits",
           "[{\"type\":\"nproc\",\"soft\":32768,\"hard\":32768},"
           "{\"type\":\"nofile\",\"soft\":100,\"hard\":200},"
           "{\"type\":\"core\",\"soft\":0,\"hard\":18446744073709551615}]");
    container_spec_check(&settings, &limits, &warnings);
    cr_assert_eq(warnings.len, 0);

    settings.ulimits = many;
    settings.ulimit_count = 3;
    expect("clamped, and the last nproc", "r_limits",
           "[{\"type\":\"nofile\",\"soft\":20000,\"hard\":20000},"
           "{\"type\":\"nproc\",\"soft\":64,\"hard\":128}]");
    container_spec_check(&settings, &limits, &warnings);
    cr_assert_not_null(strstr(warnings.data,
                              "ulimit nofile 65536:1048576 is lowered to "
                              "20000"),
                       "%s", warnings.data);
    cr_assert_null(strstr(warnings.data, "nproc"), "%s", warnings.data);
    strbuf_done(&warnings);

    limits.can_raise = true;
    raised = build(&limits);
    expect_in("raised", raised, "r_limits",
              "[{\"type\":\"nofile\",\"soft\":65536,\"hard\":1048576},"
              "{\"type\":\"nproc\",\"soft\":64,\"hard\":128}]");
}

Test(container_spec, signals_by_all_their_names)
{
    static const struct {
        const char *name;
        int number;
    } cases[] = {
        {"SIGTERM", SIGTERM}, {"TERM", SIGTERM}, {"15", 15},
        {"SIGQUIT", SIGQUIT}, {"USR1", SIGUSR1}, {"SIGWINCH", SIGWINCH},
        {"64", 64},           {"65", 0},         {"0", 0},
        {"SIG", 0},           {"", 0},           {"term", 0},
        {"SIGSIGTERM", 0},    {"TERM ", 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(container_spec_signal(cases[i].name), cases[i].number,
                     "%s", cases[i].name);
    cr_expect_eq(container_spec_signal("RTMIN+3"), SIGRTMIN + 3);
    cr_expect_eq(container_spec_signal("SIGRTMIN+99"), 0);
    settings.stop_signal = TEXT("SIGINT");
    settings.stop_timeout_ms = 1500;
    expect("signal", "stop_signal", "2");
    expect("rounded up", "stop_timeout", "2");
}

Test(container_spec, what_there_is_not_is_refused)
{
    struct ulimit_setting ulimit = {TEXT("files"), 1, 1};
    struct rlimits limits = plain_limits();
    AUTO(auto_free) char *text = NULL;
    struct err err;

    settings.stop_signal = TEXT("SIGFOO");
    cr_assert_not(container_spec_build(&spec, &limits, &text, &err));
    cr_assert_eq(err.code, ERR_INVALID);
    cr_assert_not_null(strstr(err.text, "SIGFOO"));
    settings.stop_signal = NULL;
    settings.ulimits = &ulimit;
    settings.ulimit_count = 1;
    cr_assert_not(container_spec_build(&spec, &limits, &text, &err));
    cr_assert_eq(err.code, ERR_INVALID);
    cr_assert_not_null(strstr(err.text, "files"));
    cr_assert_null(text);
}

/* --- pods --- */

static struct sidecar_settings sidecars[2];

static void add_sidecars(void)
{
    sidecars[0] = (struct sidecar_settings){
        .name = TEXT("log"),
        .container = {.image = TEXT("localhost/l:1"), .stop_timeout_ms = 1}};
    sidecars[1] = (struct sidecar_settings){
        .name = TEXT("cache"),
        .container = {.image = TEXT("localhost/c:1"), .port = 6379}};
    settings.sidecar_count = 2;
    settings.sidecars = sidecars;
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

Test(container_spec, an_app_with_sidecars_leaves_its_network_to_the_pod)
{
    struct rlimits limits = plain_limits();
    AUTO(auto_free) char *app = NULL;
    AUTO(auto_free) char *pod = NULL;

    add_sidecars();
    settings.network = NETWORK_PRIVATE;
    settings.hostname = TEXT("web");
    spec.publish = true;
    app = build(&limits);
    pod = container_spec_pod(&spec);
    cr_expect(has(app, "\"pod\":\"berth-prod-web-42.pod\""), "%s", app);
    cr_expect_not(has(app, "netns") || has(app, "networks") ||
                      has(app, "portmappings") || has(app, "hostname"),
                  "Podman refuses them there: %s", app);
    cr_expect(has(app, "\"PORT\":\"8000\""), "%s", app);
    cr_expect_str_eq(
        pod, "{\"name\":\"berth-prod-web-42.pod\",\"infra_name\":"
             "\"berth-prod-web-42.infra\",\"labels\":{\"berth.namespace\":"
             "\"prod\",\"berth.app\":\"web\",\"berth.revision\":\"abc123\","
             "\"berth.replica\":\"42\"},\"shared_namespaces\":[\"net\",\"ipc\","
             "\"uts\"],\"hostname\":\"web\",\"netns\":{\"nsmode\":\"bridge\"},"
             "\"networks\":{\"berth-prod-web\":{}},\"portmappings\":[{"
             "\"container_port\":8000,\"host_ip\":\"127.0.0.1\",\"protocol\":"
             "\"tcp\"}]}");
}

Test(container_spec, a_sidecar_is_a_container_with_its_own_name_and_label)
{
    static const char *const images[] = {NULL, "localhost/layer:2"};
    struct rlimits limits = plain_limits();
    AUTO(auto_free) char *log = NULL;
    AUTO(auto_free) char *cache = NULL;
    AUTO(auto_free) char *none = NULL;
    struct err err;

    add_sidecars();
    sidecars[1].has_check = true;
    sidecars[1].ready_check = (struct ready_check){.kind = CHECK_HTTP,
                                                   .path = TEXT("/up"),
                                                   .status_min = 200,
                                                   .status_max = 399};
    spec.socket_dir = "/run/host";
    settings.socket = TEXT("a.sock");
    spec.sidecar_images = images;
    cr_assert(container_spec_build_sidecar(&spec, 0, &limits, &log, &err));
    cr_assert(container_spec_build_sidecar(&spec, 1, &limits, &cache, &err));
    cr_expect(has(log, "\"name\":\"berth-prod-web-42.log.sidecar\""), "%s",
              log);
    cr_expect(has(log, "\"pod\":\"berth-prod-web-42.pod\""), "%s", log);
    cr_expect(has(log, "\"berth.sidecar\":\"log\""), "%s", log);
    cr_expect(has(log, "\"berth.replica\":\"42\""), "%s", log);
    cr_expect(has(log, "\"image\":\"localhost/l:1\""), "%s", log);
    cr_expect(has(log, "\"stop_timeout\":1"), "%s", log);
    cr_expect(has(log, "\"BERTH_APP\":\"web\""), "%s", log);
    cr_expect_not(has(log, "BERTH_SOCKET") || has(log, "\"PORT\"") ||
                      has(log, "netns") || has(log, "/run/host"),
                  "what is the app's alone: %s", log);
    cr_expect(has(log, "\"nofile\""), "its own limits: %s", log);
    cr_expect(has(cache, "\"image\":\"localhost/layer:2\""), "%s", cache);
    cr_expect(has(cache, "\"PORT\":\"6379\""), "%s", cache);
    cr_expect(has(cache, "\"berth.check\":\"http 6379 200 399 /up\""), "%s",
              cache);
    cr_expect_not(has(log, "berth.check"), "%s", log);

    sidecars[1].container.stop_signal = TEXT("SIGNONE");
    cr_assert_not(container_spec_build_sidecar(&spec, 1, &limits, &none, &err));
    cr_expect(has(err.text, "sidecar cache"), "%s", err.text);
}
